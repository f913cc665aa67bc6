/* The socket of a private broker: in no place that a killed client would leave behind, if the
 * others can reach it there. The programs are played by /bin/true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "client/lib/private.h"

static const char *const programs[] = {"drover-broker", "drover-worker"};
static char dir[] = "/tmp/drover-test.XXXXXX";

static int make_programs (void **state)
{
    char path[100];
    (void)state;
    assert_non_null (mkdtemp (dir));
    for (int i = 0; i < 2; i++) {
        snprintf (path, sizeof path, "%s/%s", dir, programs[i]);
        assert_int_equal (symlink ("/bin/true", path), 0);
    }
    setenv ("DROVER_BINDIR", dir, 1);
    setenv ("XDG_RUNTIME_DIR", dir, 1);
    return 0;
}

/* Nothing else may be there. */
static int remove_programs (void **state)
{
    char path[100];
    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf (path, sizeof path, "%s/%s", dir, programs[i]);
        assert_int_equal (unlink (path), 0);
    }
    return rmdir (dir);
}

static bool url_begins (const char *with)
{
    struct private *p = private_start (1, NULL, false, NULL);
    bool begins;
    assert_non_null (p);
    begins = strncmp (private_url (p), with, strlen (with)) == 0;
    private_stop (&p);
    return begins;
}

static void the_socket_has_no_name (void **state)
{
    (void)state;
    assert_true (url_begins ("ipc:///proc/"));
}

static void it_keeps_its_name_where_others_may_not_look_into_the_process (void **state)
{
    char url[100];
    (void)state;
    snprintf (url, sizeof url, "ipc://%s/drover-", dir);
    assert_int_equal (prctl (PR_SET_DUMPABLE, 0), 0);
    bool named = url_begins (url);
    assert_int_equal (prctl (PR_SET_DUMPABLE, 1), 0);
    assert_true (named);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_socket_has_no_name),
        cmocka_unit_test (it_keeps_its_name_where_others_may_not_look_into_the_process),
    };
    return cmocka_run_group_tests (tests, make_programs, remove_programs);
}
