/* Executors whose tasks run in leaves of a cgroup. How tasks end there is in test_exec_end.c. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/exec_rig.h"

static struct exec_rig rig;
static struct cgroup cgroup;
static char leaf[CGROUP_LEAF_MAX];
static char marker[32];

static int start (void **state)
{
    struct err e;
    exec_marker (marker);
    *state = NULL;
    if (cgroup_open (&cgroup, &e)) {
        print_message ("no cgroup: %s\n", e.text);
        return 0;
    }
    *state = &cgroup;
    cgroup_leaf_path (&cgroup, 1, leaf);
    exec_start_in (&rig, EXECUTOR_COMMAND, &cgroup);
    return 0;
}

static int stop (void **state)
{
    if (!*state)
        return 0;
    exec_stop (&rig);
    assert_true (cgroup_end_all (&cgroup));
    cgroup_close (&cgroup);
    return exec_sweep (marker);
}

static void run (uint64_t row, const struct exec_spec *s)
{
    exec_clear (&rig);
    exec_spec (&rig, s);
    exec_run (&rig, s->number, row, NULL);
}

/* What the row printed. */
static const char *printed (void)
{
    static char text[4096];
    snprintf (text, sizeof text, "%.*s", (int)rig.last.out.len, (const char *)rig.last.out.bytes);
    return text;
}

static const char *cgroup_of_row (uint64_t row, uint64_t flags)
{
    run (row,
         &(struct exec_spec){.number = row, .line = "grep ^0:: /proc/self/cgroup", .flags = flags});
    exec_await (&rig, row + 1);
    return printed ();
}

static bool in_leaf (const char *printed)
{
    char tail[CGROUP_LEAF_MAX + 2];
    snprintf (tail, sizeof tail, "/%s\n", leaf);
    return strstr (printed, tail) != NULL;
}

static void a_task_runs_in_the_leaf_of_its_executor (void **state)
{
    if (!*state)
        skip ();
    assert_true (in_leaf (cgroup_of_row (0, 0)));
    assert_true (in_leaf (cgroup_of_row (1, 0)));
}

static void a_task_that_may_leave_processes_does_not (void **state)
{
    if (!*state)
        skip ();
    assert_false (in_leaf (cgroup_of_row (0, SPEC_LEAVE_CHILDREN)));
    assert_true (in_leaf (cgroup_of_row (1, 0)));
}

static void the_task_after_a_killed_one_runs (void **state)
{
    char line[100];
    if (!*state)
        skip ();
    snprintf (line, sizeof line, "trap '' TERM; setsid sleep %s & sleep %s", marker, marker);
    for (uint64_t row = 0; row < 6; row += 2) {
        run (row,
             &(struct exec_spec){.number = row, .line = line, .timeout_ms = 100, .grace_ms = 10});
        exec_await (&rig, row + 1);
        assert_int_equal (rig.last.o.how, OUTCOME_TIMEOUT);
        assert_int_equal (exec_count (marker), 0);
        assert_true (in_leaf (cgroup_of_row (row + 1, 0)));
        assert_int_equal (rig.last.o.how, OUTCOME_DONE);
    }
}

/* 200 of them, each a session of its own and no child of the task, deaf to TERM. */
static void many_daemons_end_at_once (void **state)
{
    char line[300];
    if (!*state)
        skip ();
    snprintf (
        line, sizeof line,
        "trap '' TERM; for i in $(seq 200); do (setsid sleep %s </dev/null >/dev/null 2>&1 &); "
        "done; echo >&2; sleep %s",
        marker, marker);
    run (0, &(struct exec_spec){.line = line});
    exec_wait_count_from (marker, 201);
    exec_cancel (&rig, 0, 10, false);
    exec_await (&rig, 1);
    assert_int_equal (rig.last.o.how, OUTCOME_CANCELLED);
    assert_false (cgroup_populated (cgroup.own_fd, leaf));
    assert_int_equal (exec_count (marker), 0);
}

static void a_leaf_that_somebody_removed_is_made_again (void **state)
{
    if (!*state)
        skip ();
    assert_true (in_leaf (cgroup_of_row (0, 0)));
    assert_int_equal (cgroup_remove (cgroup.own_fd, leaf), 0);
    assert_true (in_leaf (cgroup_of_row (1, 0)));
}

static void without_any_cgroup_left_tasks_go_on (void **state)
{
    if (!*state)
        skip ();
    assert_int_equal (cgroup_remove (cgroup.own_fd, cgroup.name), 0);
    assert_false (in_leaf (cgroup_of_row (0, 0)));
    assert_int_equal (rig.last.o.how, OUTCOME_DONE);
    assert_false (in_leaf (cgroup_of_row (1, 0)));
}

static void where_it_is_required_they_do_not (void **state)
{
    if (!*state)
        skip ();
    exec_stop (&rig);
    cgroup.required = true;
    exec_start_in (&rig, EXECUTOR_COMMAND, &cgroup);
    assert_true (in_leaf (cgroup_of_row (0, 0)));
    assert_int_equal (cgroup_remove (cgroup.own_fd, cgroup.name), 0);
    assert_string_equal (cgroup_of_row (1, 0), "");
    assert_int_equal (rig.last.o.status, 125);
    assert_non_null (strstr (rig.last.reason, "cannot make a cgroup for the task"));
}

static void what_a_killed_executor_ran_is_found_by_its_leaf (void **state)
{
    int status;
    if (!*state)
        skip ();
    run (0, &(struct exec_spec){.line = exec_evil_line (marker)});
    exec_wait_count_from (marker, EXEC_EVIL);
    kill (rig.pid, SIGKILL);
    assert_int_equal (waitpid (rig.pid, &status, 0), rig.pid);
    while (!cgroup_end_leaf (&cgroup, 1))
        ;
    exec_wait_count (marker, 0);
    exec_sweep (marker); /* they are our children, as they would be the launcher's */
}

/* The launcher dies, and the agent only then: had it gone first, the executor might look for a
 * launcher that is about to die, find it, and leave the rest to it. */
static void die_before_the_agent (void)
{
    if (fork () == 0) { /* has the agent's end of the socket */
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        kill (getppid (), SIGKILL);
    }
    for (;;)
        pause ();
}

static void an_executor_whose_launcher_is_gone_removes_all (void **state)
{
    int status;
    if (!*state)
        skip ();
    exec_stop (&rig);
    pid_t launcher = fork ();
    if (launcher == 0) {
        exec_start_in (&rig, EXECUTOR_COMMAND, &cgroup);
        run (0, &(struct exec_spec){.line = exec_evil_line (marker)});
        exec_wait_count_from (marker, EXEC_EVIL);
        die_before_the_agent ();
    }
    assert_int_equal (waitpid (launcher, &status, 0), launcher);
    while (waitpid (-1, NULL, 0) > 0) /* the executor is ours now */
        ;
    assert_int_equal (exec_count (marker), 0);
    assert_int_not_equal (faccessat (cgroup.own_fd, cgroup.name, F_OK, 0), 0);
    exec_start (&rig, EXECUTOR_COMMAND); /* for stop() */
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, start, stop)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_task_runs_in_the_leaf_of_its_executor),
        TEST (a_task_that_may_leave_processes_does_not),
        TEST (the_task_after_a_killed_one_runs),
        TEST (many_daemons_end_at_once),
        TEST (a_leaf_that_somebody_removed_is_made_again),
        TEST (without_any_cgroup_left_tasks_go_on),
        TEST (where_it_is_required_they_do_not),
        TEST (what_a_killed_executor_ran_is_found_by_its_leaf),
        TEST (an_executor_whose_launcher_is_gone_removes_all),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
