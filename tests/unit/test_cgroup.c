/* Cgroups: names and texts, which are pure, and the worker's own cgroup, where the system has one
 * for us.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/exec_rig.h"
#include "worker/exec/leaf.h"
#include "worker/exec/spawn.h"
#include "worker/exec/sweep.h"

/* --- texts --- */

static void a_name_says_whose_cgroup_it_is (void **state)
{
    (void)state;
    struct cgroup_id id = {.pid_ns = 4026531836, .pid = 4194304, .start = UINT64_MAX}, got;
    char name[CGROUP_NAME_MAX];
    cgroup_id_print (&id, name);
    assert_string_equal (name, "drover-4026531836-4194304-18446744073709551615");
    assert_true (cgroup_id_parse (name, &got));
    assert_memory_equal (&got, &id, sizeof id);
}

static void other_names_are_nobodys (void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "drover",
                                        "drover-",
                                        "drover-1-2",
                                        "drover-1-2-3-4",
                                        "drover-1-2-3 ",
                                        "drover-01-2-3",
                                        "drover--1-2-3",
                                        "drover- 1-2-3",
                                        "drover-+1-2-3",
                                        "drover-1-2-x",
                                        "drover-1-2-18446744073709551616",
                                        "Drover-1-2-3",
                                        "user.slice",
                                        "drover-1-2-3.scope"};
    struct cgroup_id id;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (cgroup_id_parse (names[i], &id))
            fail_msg ("%s", names[i]);
}

#define FIELDS_4_TO_21 "1 42 42 0 -1 4194560 120 0 0 0 1 2 3 4 20 0 1 0"

static void a_start_is_read_behind_any_program_name (void **state)
{
    (void)state;
    static const char *const names[] = {"sh", "a b) Z 1 2 (", "()", ""};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct cgroup_id id = {.pid_ns = 7};
        char text[300], letter;
        snprintf (text, sizeof text, "42 (%s) S " FIELDS_4_TO_21 " 98765 4096 1", names[i]);
        assert_true (cgroup_stat_parse (text, &id, &letter));
        assert_int_equal (id.pid, 42);
        assert_int_equal (id.start, 98765);
        assert_int_equal (id.pid_ns, 7);
        assert_int_equal (letter, 'S');
    }
}

static void what_is_no_stat_is_refused (void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "42",
                                        "42 (sh",
                                        "42 (sh)",
                                        "42 (sh) S",
                                        "42 (sh) S " FIELDS_4_TO_21,
                                        "(sh) S " FIELDS_4_TO_21 " 9",
                                        "42 (sh) S " FIELDS_4_TO_21 " x"};
    struct cgroup_id id;
    char letter;
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (cgroup_stat_parse (texts[i], &id, &letter))
            fail_msg ("%s", texts[i]);
}

static void the_v2_path_is_found_among_the_others (void **state)
{
    (void)state;
    char path[32];
    assert_true (cgroup_path_parse ("9:name=systemd:/x\n1:cpu:/y\n0::/a/b.slice\n", path, 32));
    assert_string_equal (path, "/a/b.slice");
    assert_true (cgroup_path_parse ("0::/\n", path, 32));
    assert_string_equal (path, "");
    assert_true (cgroup_path_parse ("0::/a", path, 3));
}

static void a_path_that_leads_nowhere_here_is_none (void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "1:cpu:/y\n", "0::/../b\n", "0::/a (deleted)\n",
                                        "0::", "10::/x\n"};
    char path[32];
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (cgroup_path_parse (texts[i], path, sizeof path))
            fail_msg ("%s", texts[i]);
    assert_false (cgroup_path_parse ("0::/ab\n", path, 3));
}

static void events_say_whether_anybody_is_there (void **state)
{
    (void)state;
    assert_true (cgroup_events_populated ("populated 1\nfrozen 0\n"));
    assert_true (cgroup_events_populated ("frozen 0\npopulated 1\n"));
    assert_false (cgroup_events_populated ("populated 0\nfrozen 1\n"));
    assert_false (cgroup_events_populated ("unpopulated 1\n"));
    assert_false (cgroup_events_populated (""));
}

/* --- the system --- */

static struct cgroup own;
static char marker[32];

static int open_cgroup (void **state)
{
    struct err e;
    exec_marker (marker);
    *state = NULL;
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    if (cgroup_open (&own, &e) == 0)
        *state = &own;
    else
        print_message ("no cgroup: %s\n", e.text);
    return 0;
}

static int close_cgroup (void **state)
{
    (void)state;
    cgroup_close (&own);
    return exec_sweep (marker);
}

/* A process with the marker in the leaf. */
static pid_t start_in (const struct leaf *l)
{
    char *argv[] = {(char *)(uintptr_t) "sleep", marker, NULL}, *envp[] = {NULL};
    struct spawn_fault fault;
    int null_fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
    struct spawn_plan plan = {
        .program = {{.word = "sleep", .argv = argv}},
        .programs = 1,
        .envp = envp,
        .dir = "",
        .in = null_fd,
        .out = null_fd,
        .err = null_fd,
        .cancel = -1,
        .cgroup = l->fd,
    };
    pid_t pid = spawn (&plan, &fault);
    close (null_fd);
    return pid;
}

static bool is_there (const char *name)
{
    return faccessat (own.own_fd, name, F_OK, 0) == 0;
}

static void it_is_removed_with_what_is_in_it (void **state)
{
    struct leaf l;
    if (!*state)
        skip ();
    assert_true (is_there (own.name));
    leaf_init (&l, &own, 3);
    pid_t pid = start_in (&l);
    assert_true (pid > 0);
    assert_true (cgroup_populated (own.own_fd, own.name));
    int fd = dup (own.own_fd);
    cgroup_close (&own);
    assert_int_not_equal (faccessat (fd, own.name, F_OK, 0), 0);
    assert_int_equal (waitpid (pid, NULL, 0), pid);
    close (fd);
}

static void a_leaf_ends_whoever_its_parent_is (void **state)
{
    struct leaf l;
    if (!*state)
        skip ();
    leaf_init (&l, &own, 3);
    pid_t pid = start_in (&l);
    while (!cgroup_end_leaf (&own, 3))
        ;
    assert_int_equal (waitpid (pid, NULL, 0), pid);
    assert_true (cgroup_end_leaf (&own, 3));
    assert_true (cgroup_end_leaf (NULL, 3));
    assert_true (is_there (own.name));
    leaf_fini (&l);
}

static void cgroups_that_a_task_made_go_with_its_leaf (void **state)
{
    struct leaf l;
    if (!*state)
        skip ();
    leaf_init (&l, &own, 3);
    assert_int_equal (mkdirat (l.fd, "a", 0700), 0);
    assert_int_equal (mkdirat (l.fd, "a/b", 0700), 0);
    leaf_fini (&l);
    assert_int_equal (cgroup_remove (own.own_fd, own.name), 0);
    assert_false (is_there (own.name));
}

/* A worker that is killed with a process in a leaf; its name goes to `name`. */
static void kill_a_worker (char name[CGROUP_NAME_MAX])
{
    int report[2], status;
    assert_int_equal (pipe2 (report, O_CLOEXEC), 0);
    pid_t worker = fork ();
    if (worker == 0) {
        struct cgroup g;
        struct leaf l;
        if (cgroup_open (&g, NULL))
            _exit (1);
        leaf_init (&l, &g, 1);
        if (fork () ==
            0) { /* the executor, whose task it is: PDEATHSIG ends that but not its own */
            int fd = openat (l.fd, "cgroup.procs", O_WRONLY);
            if (write (fd, "0", 1) != 1)
                _exit (1);
            execlp ("sleep", "sleep", marker, (char *)NULL);
            _exit (1);
        }
        while (!leaf_populated (&l))
            ;
        if (write (report[1], g.name, sizeof g.name) < 0)
            _exit (1);
        kill (getpid (), SIGKILL);
    }
    assert_int_equal (read (report[0], name, CGROUP_NAME_MAX), CGROUP_NAME_MAX);
    assert_int_equal (waitpid (worker, &status, 0), worker);
    close (report[0]);
    close (report[1]);
}

static void what_a_dead_worker_left_is_ended (void **state)
{
    char name[CGROUP_NAME_MAX];
    if (!*state)
        skip ();
    kill_a_worker (name);
    sweep_own (&own); /* or that of another worker that starts now; it does not wait for long */
    exec_wait_count (marker, 0);
    sweep_own (&own);
    assert_false (is_there (name));
    assert_true (is_there (own.name));
    kill_a_worker (name);
    sweep_everywhere ();
    exec_wait_count (marker, 0);
    sweep_everywhere ();
    assert_false (is_there (name));
    assert_true (is_there (own.name));
    while (waitpid (-1, NULL, 0) > 0) /* they came to us */
        ;
}

static void what_may_belong_to_somebody_is_left_alone (void **state)
{
    struct cgroup_id id;
    char name[2][CGROUP_NAME_MAX];
    if (!*state)
        skip ();
    assert_int_equal (cgroup_self (&id, NULL), 0);
    id.pid_ns++; /* a pid there says nothing here */
    id.start++;
    cgroup_id_print (&id, name[0]);
    strcpy (name[1], "drover-test-what-is-no-workers");
    for (int i = 0; i < 2; i++)
        assert_int_equal (mkdirat (own.own_fd, name[i], 0700), 0);
    sweep_own (&own);
    sweep_everywhere ();
    for (int i = 0; i < 2; i++) {
        assert_true (is_there (name[i]));
        assert_int_equal (cgroup_remove (own.own_fd, name[i]), 0);
    }
    cgroup_id_parse (own.name, &id); /* a later process that got the same pid */
    id.start--;
    cgroup_id_print (&id, name[0]);
    assert_int_equal (mkdirat (own.own_fd, name[0], 0700), 0);
    sweep_own (&own);
    assert_false (is_there (name[0]));
}

#define CGROUP_TEST(name) cmocka_unit_test_setup_teardown (name, open_cgroup, close_cgroup)

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_name_says_whose_cgroup_it_is),
        cmocka_unit_test (other_names_are_nobodys),
        cmocka_unit_test (a_start_is_read_behind_any_program_name),
        cmocka_unit_test (what_is_no_stat_is_refused),
        cmocka_unit_test (the_v2_path_is_found_among_the_others),
        cmocka_unit_test (a_path_that_leads_nowhere_here_is_none),
        cmocka_unit_test (events_say_whether_anybody_is_there),
        CGROUP_TEST (it_is_removed_with_what_is_in_it),
        CGROUP_TEST (a_leaf_ends_whoever_its_parent_is),
        CGROUP_TEST (cgroups_that_a_task_made_go_with_its_leaf),
        CGROUP_TEST (what_a_dead_worker_left_is_ended),
        CGROUP_TEST (what_may_belong_to_somebody_is_left_alone),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
