/* Points at which a process can be made to end: the one that is asked for, at its n-th passing. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/faultpoint.h"

static void pass (unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        FAULT_POINT ("one");
        FAULT_POINT_OF ("one", "KIND");
        FAULT_POINT ("one-more");
    }
}

/* The status of a process that passes all points so often. */
static int status_of (unsigned times)
{
    int status;
    pid_t pid = fork ();
    if (pid == 0) {
        pass (times);
        _exit (0);
    }
    assert_int_equal (waitpid (pid, &status, 0), pid);
    return status;
}

static void assert_dies (const char *fault, unsigned at)
{
    setenv ("DROVER_FAULT", fault, 1);
    assert_int_equal (status_of (at - 1), 0);
    int status = status_of (at);
    assert_true (WIFSIGNALED (status));
    assert_int_equal (WTERMSIG (status), SIGKILL);
}

static void process_ends_at_the_nth_passing (void **state)
{
    (void)state;
    assert_dies ("one", 1);
    assert_dies ("one:1", 1);
    assert_dies ("one:3", 3);
    assert_dies ("one-KIND:2", 2);
    assert_dies ("one-more:2", 2);
}

static void other_points_are_passed (void **state)
{
    (void)state;
    unsetenv ("DROVER_FAULT");
    assert_int_equal (status_of (3), 0);
    static const char *const OTHERS[] = {"", "on", "on:1", "one-", "one-KIN:1", "one-KINDS:1", "x"};
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        setenv ("DROVER_FAULT", OTHERS[i], 1);
        assert_int_equal (status_of (3), 0);
    }
}

static void with_a_file_one_process_ends_once (void **state)
{
    (void)state;
    char path[] = "/tmp/faultpoint.XXXXXX";
    int fd = mkstemp (path);
    assert_true (fd >= 0);
    close (fd);
    unlink (path);
    setenv ("DROVER_FAULT", "one:1", 1);
    setenv ("DROVER_FAULT_FILE", path, 1);
    assert_true (WIFSIGNALED (status_of (1)));
    assert_int_equal (access (path, F_OK), 0);
    assert_int_equal (status_of (3), 0);
    unlink (path);
    unsetenv ("DROVER_FAULT_FILE");
}

static void lay (const char *dir, const char *name)
{
    char path[100];
    snprintf (path, sizeof path, "%s/%s", dir, name);
    int fd = open (path, O_WRONLY | O_CREAT, 0600);
    assert_true (fd >= 0);
    close (fd);
}

static void file_in_a_directory_ends_who_passes_and_is_gone (void **state)
{
    (void)state;
    char dir[] = "/tmp/faultpoint.XXXXXX";
    assert_non_null (mkdtemp (dir));
    unsetenv ("DROVER_FAULT");
    setenv ("DROVER_FAULT_DIR", dir, 1);
    assert_int_equal (status_of (1), 0);
    lay (dir, "one-more");
    assert_true (WIFSIGNALED (status_of (1)));
    assert_int_equal (status_of (1), 0);
    lay (dir, "one-KIND");
    assert_true (WIFSIGNALED (status_of (1)));
    assert_int_equal (rmdir (dir), 0);
    unsetenv ("DROVER_FAULT_DIR");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (process_ends_at_the_nth_passing),
        cmocka_unit_test (other_points_are_passed),
        cmocka_unit_test (with_a_file_one_process_ends_once),
        cmocka_unit_test (file_in_a_directory_ends_who_passes_and_is_gone),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
