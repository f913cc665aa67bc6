/* How tasks end: nothing of them is left, whatever they tried. All of it under the subreaper alone,
 * then, where there are cgroups for us, once more in those. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/unit/exec_rig.h"

#define LIMIT_MS 2000 /* in which a shell has got somewhere, on any machine */

static struct exec_rig rig;
static char marker[32];
static struct cgroup made;
static const struct cgroup *cgroup; /* that executors get, or NULL */

static int start (void **state)
{
    (void)state;
    exec_marker (marker);
    exec_start_in (&rig, EXECUTOR_COMMAND, cgroup);
    return 0;
}

static int stop (void **state)
{
    (void)state;
    exec_stop (&rig);
    return exec_sweep (marker);
}

/* Start the line as row 0, and wait until `count` processes with the marker are there. */
static void begin (const struct exec_spec *s, unsigned count)
{
    exec_clear (&rig);
    exec_spec (&rig, s);
    exec_run (&rig, s->number, 0, NULL);
    exec_wait_count_from (marker, count);
}

static void outcome_has_come (void)
{
    exec_await (&rig, 1);
    assert_false (rig.over);
    assert_int_equal (exec_count (marker), 0); /* at once: it is said when they are gone */
}

/* Run it until something was printed: on a machine that is very busy a shell may not get that far
 * before its limit. */
static void run_until_printed (const struct exec_spec *s)
{
    for (int i = 0; i < 3 && !rig.last.out.len; i++)
        exec_one (&rig, s, NULL);
    outcome_has_come ();
}

static void what_a_task_leaves_is_gone_when_its_outcome_comes (void **state)
{
    (void)state;
    char line[1200];
    /* Its own wait replaced: it ends while its four others live, without its pipes. */
    snprintf (line, sizeof line,
              "(sleep %s & setsid sleep %s & (trap '' TERM; exec sleep %s) & "
              "(setsid sh -c 'sleep %s & exec sleep %s' &)) >/dev/null 2>&1; echo done; exit 3",
              marker, marker, marker, marker, marker);
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = line});
    exec_run (&rig, 0, 0, NULL);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_FAILED);
    assert_int_equal (rig.last.o.status, 3);
    assert_int_equal (rig.last.out.len, 5);
}

static void a_grandchild_that_holds_the_pipes_does_not_hang_the_task (void **state)
{
    (void)state;
    char line[200];
    int64_t before = clock_mono_us ();
    snprintf (line, sizeof line, "setsid sleep %s & printf x; exit 0", marker);
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = line});
    exec_run (&rig, 0, 0, NULL);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_DONE);
    assert_memory_equal (rig.last.out.bytes, "x", 1);
    /* of the main process, not of the 200 ms for who holds the pipes */
    assert_true ((int64_t)rig.last.o.wall_us + 100 * US_PER_MS <= clock_mono_us () - before);
}

static void a_writer_that_ends_soon_after_the_task_is_heard (void **state)
{
    (void)state;
    /* It writes when the main process has been reaped; 200 ms may be short on a machine that is
     * very busy. */
    exec_spec (&rig, &(struct exec_spec){
                         .line = "(while kill -0 $$ 2>/dev/null; do :; done; echo late) & exit 0"});
    for (uint64_t i = 0; i < 20 && rig.last.out.len != 5; i++) {
        exec_clear (&rig);
        exec_run (&rig, 0, i, NULL);
        exec_await (&rig, i + 1);
    }
    assert_int_equal (rig.last.out.len, 5);
}

static void a_time_limit_ends_the_whole_tree (void **state)
{
    (void)state;
    run_until_printed (&(struct exec_spec){
        .line = exec_evil_line (marker), .timeout_ms = LIMIT_MS, .grace_ms = 100});
    assert_int_equal (rig.last.o.how, OUTCOME_TIMEOUT);
    assert_int_equal (rig.last.o.signal, SIGTERM);
    assert_string_equal (rig.last.reason, "time limit of 2.000 s");
    assert_memory_equal (rig.last.out.bytes, "ready\n", 6); /* what it printed is there */
}

static void a_task_that_ends_well_on_term_still_ran_into_its_limit (void **state)
{
    (void)state;
    run_until_printed (
        &(struct exec_spec){.line = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.01; done",
                            .timeout_ms = LIMIT_MS,
                            .grace_ms = 10000});
    assert_int_equal (rig.last.o.how, OUTCOME_TIMEOUT);
    assert_int_equal (rig.last.o.status, 0);
    assert_int_equal (rig.last.o.signal, 0);
    assert_memory_equal (rig.last.out.bytes, "bye\n", 4);
}

static void children_have_their_grace_when_their_parent_dies_first (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig,
               &(struct exec_spec){.line = "(trap 'sleep 0.4; echo saved; exit' TERM; echo up; "
                                           "while :; do sleep 0.01; done) & wait",
                                   .flags = SPEC_LIVE_OUTPUT,
                                   .grace_ms = 10000});
    exec_run (&rig, 0, 0, NULL);
    while (!rig.last.out.len)
        exec_pump (&rig, 1000);
    exec_cancel (&rig, 0, 0, false);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_CANCELLED);
    assert_int_equal (rig.last.o.signal, SIGTERM);
    assert_int_equal (rig.last.out.len, 9);
}

static void parallels_steps_end_with_kill (void **state)
{
    (void)state;
    int64_t before = clock_mono_us ();
    exec_clear (&rig);
    exec_spec (&rig,
               &(struct exec_spec){.line = "trap 'echo term' TERM; while :; do sleep 0.01; done",
                                   .timeout_ms = LIMIT_MS,
                                   .grace_ms = 3600000,
                                   .steps = 1});
    exec_run (&rig, 0, 0, NULL);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_TIMEOUT);
    assert_int_equal (rig.last.o.signal, SIGKILL);
    /* three (see parallels_steps), fewer where the shell is slow: it ignored one at the least */
    assert_in_range (rig.last.out.len, 0, 15);
    assert_memory_equal (rig.last.out.bytes, "term\nterm\nterm\n", rig.last.out.len);
    assert_true (clock_mono_us () - before >= 1350 * US_PER_MS);
}

static void a_cancelled_task_is_gone_with_its_tree (void **state)
{
    (void)state;
    begin (&(struct exec_spec){.line = exec_evil_line (marker), .grace_ms = 3600000}, EXEC_EVIL);
    exec_cancel (&rig, 0, 100, false);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_CANCELLED);
    assert_string_equal (rig.last.reason, "wrong input");
}

static void a_cancel_may_kill_at_once (void **state)
{
    (void)state;
    begin (&(struct exec_spec){.line = exec_evil_line (marker), .grace_ms = 3600000}, EXEC_EVIL);
    exec_cancel (&rig, 0, 0, true);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_CANCELLED);
    assert_int_equal (rig.last.o.signal, SIGKILL);
}

static void a_task_that_forks_without_end_is_gone_too (void **state)
{
    (void)state;
    char line[300];
    snprintf (
        line, sizeof line,
        "for i in 1 2 3; do setsid sh -c 'trap \"\" TERM; while :; do sleep %s & done' & done; "
        "wait",
        marker);
    begin (&(struct exec_spec){.line = line, .grace_ms = 20}, 60);
    exec_cancel (&rig, 0, 0, false);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_CANCELLED);
}

static void a_task_is_told_through_its_descriptor_that_it_is_cancelled (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig,
               &(struct exec_spec){.line = "trap '' TERM; echo $DROVER_CANCEL_FD; read -r why <&3; "
                                           "echo told $why; exit 5",
                                   .flags = SPEC_CANCEL_FD | SPEC_LIVE_OUTPUT,
                                   .grace_ms = 60000});
    exec_run (&rig, 0, 0, NULL);
    while (rig.last.out.len < 2)
        exec_pump (&rig, 1000);
    exec_cancel (&rig, 0, 0, false);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_CANCELLED);
    assert_int_equal (rig.last.o.status, 5);
    assert_int_equal (rig.last.out.len, 17);
    assert_memory_equal (rig.last.out.bytes, "3\ntold cancelled\n", 17);
}

static void the_descriptor_tells_of_the_time_limit_too (void **state)
{
    (void)state;
    run_until_printed (&(struct exec_spec){
        .line = "trap '' TERM; read -r why <&$DROVER_CANCEL_FD; echo $why; cat <&3",
        .flags = SPEC_CANCEL_FD,
        .timeout_ms = LIMIT_MS,
        .grace_ms = 60000});
    assert_int_equal (rig.last.o.how, OUTCOME_TIMEOUT);
    assert_int_equal (rig.last.o.status, 0); /* what was said once stays readable: its end */
    assert_int_equal (rig.last.out.len, 8);
    assert_memory_equal (rig.last.out.bytes, "timeout\n", 8);
}

static void a_task_that_closed_its_descriptor_is_ended_like_any (void **state)
{
    (void)state;
    char line[80];
    snprintf (line, sizeof line, "exec 3<&- sleep %s", marker);
    begin (&(struct exec_spec){.line = line, .flags = SPEC_CANCEL_FD, .grace_ms = 200}, 1);
    exec_cancel (&rig, 0, 0, false);
    outcome_has_come ();
    assert_int_equal (rig.last.o.signal, SIGTERM);
}

static void a_task_has_no_such_descriptor_unless_asked_for (void **state)
{
    (void)state;
    exec_one (&rig,
              &(struct exec_spec){.line = "echo \"${DROVER_CANCEL_FD-none}\"; ls /proc/self/fd"},
              NULL);
    assert_memory_equal (rig.last.out.bytes, "none\n0\n1\n2\n3\n", rig.last.out.len);
}

static void a_second_cancel_may_be_harder (void **state)
{
    (void)state;
    begin (&(struct exec_spec){.line = exec_evil_line (marker), .grace_ms = 3600000}, EXEC_EVIL);
    exec_cancel (&rig, 0, 0, false);
    exec_cancel (&rig, 0, 0, true);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_CANCELLED);
}

static void a_cancel_of_another_row_means_nothing (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "sleep 0.2"});
    exec_run (&rig, 0, 0, NULL);
    exec_cancel (&rig, 1, 0, true);
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_DONE);
}

/* A lease of `ms` from now on. */
static void give_lease (int64_t ms, int64_t margin_us)
{
    control_set_lease (rig.control, (struct lease){.until_us = clock_mono_us () + ms * US_PER_MS,
                                                   .margin_us = margin_us});
}

static void a_task_whose_lease_is_not_renewed_ends_itself_with_its_tree (void **state)
{
    (void)state;
    begin (&(struct exec_spec){.line = exec_evil_line (marker), .grace_ms = 3600000}, EXEC_EVIL);
    give_lease (20, 100 * US_PER_MS);
    exec_send (&rig, &(struct wire){.kind = WIRE_FORGET}); /* of no batch: it looks up */
    exec_wait_count (marker, 0); /* while the agent, that is us, says and reads nothing */
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_LOST);
    assert_non_null (strstr (rig.last.reason, "exclusive"));
    give_lease (0, 0);
}

static void a_task_is_told_to_end_before_it_is_killed (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "trap 'echo term; exit 3' TERM; "
                                                 "echo up; while :; do sleep 0.01; done",
                                         .flags = SPEC_LIVE_OUTPUT,
                                         .grace_ms = 3600000});
    exec_run (&rig, 0, 0, NULL);
    while (!rig.last.out.len)
        exec_pump (&rig, 1000);
    give_lease (-2500, 16 * US_PER_S); /* TERM has been due for half a second, KILL is not */
    exec_send (&rig, &(struct wire){.kind = WIRE_FORGET});
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_LOST);
    assert_memory_equal (rig.last.out.bytes, "up\nterm\n", 8);
    give_lease (0, 0);
}

static void a_task_whose_lease_is_renewed_runs_to_its_end (void **state)
{
    (void)state;
    exec_spec (&rig, &(struct exec_spec){.line = "sleep 0.2"});
    for (uint64_t i = 0; i < 5 && (i == 0 || rig.last.o.how == OUTCOME_LOST); i++) {
        give_lease (60, US_PER_S);
        exec_clear (&rig);
        exec_run (&rig, 0, i, NULL);
        give_lease (3600000, US_PER_S); /* in time, unless we stood still meanwhile */
        exec_await (&rig, i + 1);
    }
    outcome_has_come ();
    assert_int_equal (rig.last.o.how, OUTCOME_DONE);
    give_lease (0, 0);
}

static void a_signal_reaches_the_tasks_group (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_SIGNAL};
    w.m.signal = (struct msg_signal){.batch = EXEC_BATCH, .row = 0, .signo = SIGINT};
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "trap 'echo int; exit 9' INT; echo up; "
                                                 "while :; do sleep 0.01; done",
                                         .flags = SPEC_LIVE_OUTPUT});
    exec_run (&rig, 0, 0, NULL);
    while (!rig.last.out.len)
        exec_pump (&rig, 1000);
    exec_send (&rig, &w);
    outcome_has_come ();
    assert_int_equal (rig.last.o.status, 9);
    assert_memory_equal (rig.last.out.bytes, "up\nint\n", 7);
}

static void a_recalled_row_is_not_run (void **state)
{
    (void)state;
    struct buf none;
    uint8_t rows[3] = {0x90, 0x90, 0x90}; /* three rows without values */
    buf_init (&none, 8);
    assert_int_equal (buf_append (&none, rows, 3), 0);
    exec_spec (&rig, &(struct exec_spec){.line = "echo; read x",
                                         .flags = SPEC_LIVE_INPUT | SPEC_LIVE_OUTPUT});
    exec_clear (&rig);
    exec_run_rows (&rig, 0, 10, 3, &none);
    while (!rig.last.out.len)
        exec_pump (&rig, 1000);
    assert_int_equal (control_claimed (rig.control, 0, 3), 1);
    assert_int_equal (control_recall (rig.control, 0, 3, 9), 2);
    exec_input (&rig, 10, 0, "\n", 1, true);
    exec_await (&rig, 1);
    exec_run (&rig, 0, 20, NULL);
    exec_input (&rig, 20, 0, "\n", 1, true);
    exec_await (&rig, 2);
    assert_int_equal (rig.last.o.row, 20);
    buf_fini (&none);
}

static void an_executor_that_loses_its_agent_takes_its_tree_along (void **state)
{
    (void)state;
    begin (&(struct exec_spec){.line = exec_evil_line (marker)}, EXEC_EVIL);
    framing_free (&rig.stream);
    exec_wait_count (marker, 0);
    int status;
    assert_int_equal (waitpid (rig.pid, &status, 0), rig.pid);
    assert_int_equal (status, 0);
    exec_start_in (&rig, EXECUTOR_COMMAND, cgroup); /* for stop() */
}

static void what_may_be_left_stays_and_the_executor_goes (void **state)
{
    (void)state;
    char line[200];
    int status;
    snprintf (line, sizeof line, "setsid sleep %s >/dev/null 2>&1 & exit 5", marker);
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = line, .flags = SPEC_LEAVE_CHILDREN});
    exec_run (&rig, 0, 0, NULL);
    exec_await (&rig, 1);
    assert_int_equal (rig.last.o.status, 5);
    assert_int_equal (waitpid (rig.pid, &status, 0), rig.pid);
    assert_true (WIFEXITED (status) && WEXITSTATUS (status) == EXECUTOR_LEFT);
    exec_wait_count (marker, 1);
    /* It is ours now, as it would be the launcher's. */
    char children[64];
    FILE *f = fopen ("/proc/thread-self/children", "r");
    assert_non_null (f);
    assert_non_null (fgets (children, sizeof children, f));
    fclose (f);
    pid_t left = (pid_t)strtol (children, NULL, 10);
    kill (left, SIGKILL);
    assert_int_equal (waitpid (left, NULL, 0), left);
    exec_stop (&rig);
    exec_start_in (&rig, EXECUTOR_COMMAND, cgroup);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, start, stop)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (what_a_task_leaves_is_gone_when_its_outcome_comes),
        TEST (a_grandchild_that_holds_the_pipes_does_not_hang_the_task),
        TEST (a_writer_that_ends_soon_after_the_task_is_heard),
        TEST (a_time_limit_ends_the_whole_tree),
        TEST (a_task_that_ends_well_on_term_still_ran_into_its_limit),
        TEST (children_have_their_grace_when_their_parent_dies_first),
        TEST (parallels_steps_end_with_kill),
        TEST (a_cancelled_task_is_gone_with_its_tree),
        TEST (a_cancel_may_kill_at_once),
        TEST (a_task_that_forks_without_end_is_gone_too),
        TEST (a_task_is_told_through_its_descriptor_that_it_is_cancelled),
        TEST (the_descriptor_tells_of_the_time_limit_too),
        TEST (a_task_that_closed_its_descriptor_is_ended_like_any),
        TEST (a_task_has_no_such_descriptor_unless_asked_for),
        TEST (a_second_cancel_may_be_harder),
        TEST (a_cancel_of_another_row_means_nothing),
        TEST (a_task_whose_lease_is_not_renewed_ends_itself_with_its_tree),
        TEST (a_task_is_told_to_end_before_it_is_killed),
        TEST (a_task_whose_lease_is_renewed_runs_to_its_end),
        TEST (a_signal_reaches_the_tasks_group),
        TEST (a_recalled_row_is_not_run),
        TEST (an_executor_that_loses_its_agent_takes_its_tree_along),
        TEST (what_may_be_left_stays_and_the_executor_goes),
    };
    struct err e;
    int failed = cmocka_run_group_tests_name ("subreaper", tests, NULL, NULL);
    if (cgroup_open (&made, &e)) {
        print_message ("not in cgroups: %s\n", e.text);
        return failed;
    }
    cgroup = &made;
    failed += cmocka_run_group_tests_name ("cgroup", tests, NULL, NULL);
    cgroup_close (&made);
    return failed;
}
