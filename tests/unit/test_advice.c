/* What is advised: each rule on a trace made for it, and traces of which nothing is to be said.
 *
 * A trace is made of rounds: tasks that begin together, one for each slot, as a batch runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "client/drover.h"

#define EPOCH_US 1700000000000000u
#define MS 1000u

struct trace {
    drover_worth_t w;
    uint64_t now_us; /* when the next round begins */
    uint64_t row;
};

static void begin (struct trace *t, uint64_t slots, uint64_t cores)
{
    *t = (struct trace){.now_us = EPOCH_US, .w = {.slots = slots, .cores = cores, .values = 1}};
}

static void task (struct trace *t, uint64_t start_us, uint64_t wall_us, uint64_t cpu_us)
{
    drover_result_t r = {.row = t->row++,
                         .attempt = 1,
                         .how = DROVER_DONE,
                         .start_us = start_us,
                         .wall_us = wall_us,
                         .user_us = cpu_us / 2,
                         .sys_us = cpu_us - cpu_us / 2,
                         .maxrss_kib = t->w.functions ? 0 : 1000,
                         .worker = "w",
                         .host = "h",
                         .reason = ""};

    drover_worth_add (&t->w, &r);
}

/* `count` tasks, as many at one time as there are slots; each round costs `pause_us` more. */
static void rounds (struct trace *t, uint64_t count, uint64_t wall_us, uint64_t cpu_us,
                    uint64_t pause_us)
{
    for (uint64_t i = 0; i < count; i++) {
        task (t, t->now_us, wall_us, cpu_us);
        if ((i + 1) % t->w.slots == 0 || i + 1 == count)
            t->now_us += wall_us + pause_us;
    }
    t->w.wall_us = t->now_us - EPOCH_US;
}

static void advised (const struct trace *t, int rule, const char *text, const char *mend)
{
    drover_advice_t a = {.rule = -1};

    if (drover_advise (&t->w, &a, 1) == 0)
        fail_msg ("nothing is advised, and not: %s", text);
    assert_string_equal (a.text, text);
    assert_string_equal (a.mend, mend);
    assert_int_equal (a.rule, rule);
}

static void nothing_advised (const struct trace *t)
{
    drover_advice_t a[DROVER_RULES];
    size_t count = drover_advise (&t->w, a, DROVER_RULES);

    if (count)
        fail_msg ("advised: %s: %s", a[0].text, a[0].mend);
}

/* --- rules --- */

static void tasks_too_small_need_more_values (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 2, 2);
    rounds (&t, 10000, 5 * MS, 5 * MS, 2 * MS);
    advised (&t, DROVER_RULE_SMALL, "tasks ran 5.0 ms on average, with 2.0 ms of overhead each",
             "give each task more to do (-n 10), or make it a function (--function)");
    t.w.values = 5;
    advised (&t, DROVER_RULE_SMALL, "tasks ran 5.0 ms on average, with 2.0 ms of overhead each",
             "give each task more to do (-n 50), or make it a function (--function)");
}

static void tiny_commands_mostly_start_a_process (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 2, 2);
    rounds (&t, 1000, 1 * MS, 1 * MS, 100);
    advised (&t, DROVER_RULE_SMALL,
             "tasks ran 1.0 ms on average, mostly to start a process, with 100 us of overhead each",
             "give each task more to do (-n 50), or make it a function (--function)");
}

static void functions_too_small_need_more_to_do (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 2, 2);
    t.w.functions = 1;
    rounds (&t, 200000, 10, 0, 4);
    advised (&t, DROVER_RULE_SMALL, "tasks ran 10 us on average, with 4 us of overhead each",
             "give each task more to do (-n 5000)");
}

static void what_runs_faster_one_after_another_is_said (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 2, 2);
    t.w.functions = 1;
    rounds (&t, 100000, 10, 0, 30);
    advised (&t, DROVER_RULE_SEQUENTIAL,
             "all tasks together ran 1.0 s, and the batch took 2.0 s: one after another is faster",
             "give each task more to do (-n 5000)");
}

static void a_measured_sequential_run_outranks_all (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 4, 4);
    rounds (&t, 8, 1000 * MS, 900 * MS, 0);
    t.w.parallel_us = 2000 * MS;
    t.w.sequential_us = 1500 * MS;
    advised (&t, DROVER_RULE_SEQUENTIAL, "one after another took 1.5 s, in parallel 2.0 s",
             "the tasks are in each other's way: fewer at one time (-j 2)");
    t.w.sequential_us = 6000 * MS;
    nothing_advised (&t);
}

static void a_straggler_that_began_first_is_to_be_split (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 4, 4);
    task (&t, EPOCH_US, 10000 * MS, 10000 * MS);
    rounds (&t, 30, 200 * MS, 200 * MS, 0);
    t.w.wall_us = 10010 * MS;
    advised (&t, DROVER_RULE_STRAGGLER,
             "task 1 alone ran 10.0 s of 10.0 s, the others 0.20 s on "
             "average",
             "split it into several tasks");
}

static void a_straggler_that_began_late_is_to_begin_first (void **state)
{
    struct trace t;
    drover_advice_t a;

    (void)state;
    begin (&t, 4, 4);
    rounds (&t, 40, 400 * MS, 400 * MS, 0);
    task (&t, t.now_us, 6000 * MS, 6000 * MS);
    t.w.wall_us = 10000 * MS;
    advised (&t, DROVER_RULE_STRAGGLER,
             "task 41 alone ran 6.0 s of 10.0 s, the others 0.40 s on "
             "average",
             "put it first in the input: it began 4.0 s after the first one");
    assert_int_equal (drover_advise (&t.w, &a, 1), 1);
    assert_int_equal (a.row, 40);
    assert_int_equal (a.gain_us, 4000 * MS);
}

static void fewer_tasks_than_slots_leave_some_idle (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 8, 8);
    rounds (&t, 3, 4000 * MS, 4000 * MS, 0);
    advised (&t, DROVER_RULE_FEW, "3 tasks for 8 slots: 5 had nothing to do",
             "split the work into more tasks, at least 8");
    t.w.slots = 16; /* more than the cores can serve */
    advised (&t, DROVER_RULE_FEW, "3 tasks for 8 cores: 5 had nothing to do",
             "split the work into more tasks, at least 8");
}

static void tasks_that_wait_should_wait_together (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 2, 2);
    rounds (&t, 10, 1000 * MS, 20 * MS, 0);
    advised (&t, DROVER_RULE_WAITING,
             "tasks computed for 2 % of the time they ran, and waited for the rest",
             "let more of them wait at one time: -j 10, or --cpus 0");
    t.w.shared = 1;
    advised (&t, DROVER_RULE_WAITING,
             "tasks computed for 2 % of the time they ran, and waited for the rest",
             "let more of them wait at one time: --cpus 0, so that they take no slots");
    t.w.asked = 2;
    advised (&t, DROVER_RULE_WAITING,
             "tasks computed for 2 % of the time they ran, and waited for the rest",
             "let more of them wait at one time: -j 10, or --cpus 0");
}

static void more_slots_than_cores_gain_nothing (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 8, 2);
    rounds (&t, 16, 4000 * MS, 1000 * MS, 0);
    advised (&t, DROVER_RULE_SLOTS,
             "8 tasks at one time shared 2 cores, which were 100 % busy: the speed-up is 2.0",
             "-j 2 is as fast; more hosts are faster");
}

static void one_core_cannot_run_in_parallel (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 4, 1);
    rounds (&t, 8, 4000 * MS, 980 * MS, 0);
    advised (&t, DROVER_RULE_ONE_CORE, "one core did all the work, and was 98 % busy",
             "more at one time cannot help there: add a worker on another host");
}

static void one_slot_where_there_are_cores_is_too_few (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 1, 4);
    t.w.shared = 1;
    rounds (&t, 8, 1000 * MS, 980 * MS, 0);
    advised (&t, DROVER_RULE_ONE_CORE, "one slot ran all tasks, and the host has 4 cores",
             "start the worker with --slots 4");
    t.w.asked = 1;
    nothing_advised (&t);
}

static void few_keys_are_a_limit_that_no_slots_help (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 2, 8);
    rounds (&t, 20, 1000 * MS, 20 * MS, 0); /* they wait, and 2 at one time is all there is */
    t.w.slots = 8;
    t.w.keys = 2;
    t.w.key_tasks = 10;
    advised (&t, DROVER_RULE_KEYS, "2 keys only: at most 2 tasks at one time, for 8 slots",
             "order by something that tells more tasks apart; more slots do not help");
    assert_int_equal (drover_advise (&t.w, NULL, 0), 1); /* and no -j */
    t.w.slots = 2;
    nothing_advised (&t);
}

static void one_key_is_one_task_at_one_time (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 1, 4);
    rounds (&t, 8, 1000 * MS, 980 * MS, 0);
    t.w.slots = 4;
    t.w.keys = 1;
    t.w.key_tasks = 8;
    advised (&t, DROVER_RULE_KEYS, "1 key only: at most 1 task at one time, for 4 slots",
             "order by something that tells more tasks apart; more slots do not help");
    t.w.slots = 1;
    nothing_advised (&t); /* the host has 4 cores, and one key cannot use them */
}

static void a_key_with_most_of_the_tasks_rules_the_time (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 4, 4);
    for (unsigned i = 0; i < 60; i++)
        task (&t, EPOCH_US + i * 200 * MS, 200 * MS, 200 * MS);
    for (unsigned i = 0; i < 40; i++)
        task (&t, EPOCH_US + i / 3 * 200 * MS, 200 * MS, 200 * MS);
    t.w.keys = 41;
    t.w.key_tasks = 60;
    t.w.wall_us = 12000 * MS;
    advised (&t, DROVER_RULE_KEYS,
             "one key has 60 of 100 tasks, which ran one after another for 12.0 s of 12.0 s",
             "order by something that tells more tasks apart; more slots do not help");
    t.w.key_tasks = 3;
    nothing_advised (&t);
}

static void the_order_of_tasks_that_keep_all_slots_busy_is_no_fault (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 4, 4);
    rounds (&t, 40, 500 * MS, 490 * MS, 0);
    t.w.keys = 4;
    t.w.key_tasks = 10;
    nothing_advised (&t);
}

static void the_strongest_comes_first_and_all_can_be_had (void **state)
{
    struct trace t;
    drover_advice_t a[DROVER_RULES];
    drover_advice_t none;

    (void)state;
    begin (&t, 8, 8);
    task (&t, EPOCH_US, 10000 * MS, 10000 * MS);
    task (&t, EPOCH_US, 1000 * MS, 1000 * MS);
    task (&t, EPOCH_US, 1000 * MS, 1000 * MS);
    t.w.wall_us = 10000 * MS;
    assert_int_equal (drover_advise (&t.w, a, DROVER_RULES), 2);
    assert_int_equal (a[0].rule, DROVER_RULE_STRAGGLER);
    assert_int_equal (a[1].rule, DROVER_RULE_FEW);
    assert_true (a[0].gain_us >= a[1].gain_us);
    assert_int_equal (drover_advise (&t.w, &none, 0), 2);
}

/* --- nothing to say --- */

static void healthy_batches_get_no_advice (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 4, 4);
    rounds (&t, 1000, 48 * MS, 45 * MS, 1 * MS); /* many, busy */
    nothing_advised (&t);
    begin (&t, 4, 4);
    rounds (&t, 4, 3000 * MS, 2900 * MS, 0); /* one for each slot */
    nothing_advised (&t);
    begin (&t, 4, 4);
    rounds (&t, 5, 3000 * MS, 2900 * MS, 0); /* one more */
    nothing_advised (&t);
    begin (&t, 100, 2);
    rounds (&t, 100, 1000 * MS, 2 * MS, 0); /* waiting, all of them at one time */
    nothing_advised (&t);
    begin (&t, 2, 2);
    t.w.functions = 1;
    rounds (&t, 1000, 20 * MS, 0, 50); /* functions, of which no processor time is known */
    nothing_advised (&t);
    begin (&t, 3, 2);
    rounds (&t, 30, 1500 * MS, 1000 * MS, 0); /* one slot more than cores */
    nothing_advised (&t);
}

static void short_batches_get_no_advice (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 8, 8);
    rounds (&t, 3, 1 * MS, 1 * MS, 0);
    t.w.wall_us = 40 * MS;
    nothing_advised (&t);
    begin (&t, 2, 2);
    rounds (&t, 50, 1 * MS, 1 * MS, 500);
    nothing_advised (&t);
}

static void slow_input_is_no_overhead (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 2, 2);
    rounds (&t, 100, 5 * MS, 5 * MS, 100 * MS);
    t.w.starved_us = 5000 * MS;
    nothing_advised (&t);
}

static void a_slow_reader_is_no_overhead (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 2, 2);
    rounds (&t, 200, 20 * MS, 20 * MS, 0);
    t.w.wall_us = 60000 * MS;
    nothing_advised (&t);
}

static void waits_between_retries_are_no_overhead (void **state)
{
    struct trace t;
    drover_result_t r = {.row = 1000, .attempt = 2, .wall_us = 5 * MS, .maxrss_kib = 1};

    (void)state;
    begin (&t, 2, 2);
    rounds (&t, 200, 5 * MS, 5 * MS, 0);
    r.start_us = t.now_us + 5000 * MS;
    drover_worth_add (&t.w, &r);
    t.w.wall_us += 5005 * MS;
    nothing_advised (&t);
}

static void what_is_not_known_is_not_judged (void **state)
{
    struct trace t;
    drover_result_t never = {.how = DROVER_CANCELLED, .host = ""};

    (void)state;
    begin (&t, 2, 2);
    nothing_advised (&t);
    drover_worth_add (&t.w, &never);
    nothing_advised (&t);
    begin (&t, 2, 2);
    rounds (&t, 10, 1000 * MS, 20 * MS, 0);
    t.w.slots = 0; /* --cpus 0 */
    nothing_advised (&t);
}

static void one_at_a_time_as_asked_is_no_fault (void **state)
{
    struct trace t;

    (void)state;
    begin (&t, 1, 4);
    t.w.asked = 1;
    rounds (&t, 10, 1000 * MS, 20 * MS, 0);
    nothing_advised (&t);
}

static void clocks_of_several_hosts_are_not_compared (void **state)
{
    struct trace t;
    drover_result_t r = {.row = 1, .attempt = 1, .wall_us = 1000 * MS, .maxrss_kib = 1};

    (void)state;
    begin (&t, 2, 2);
    t.w.wall_us = 1000 * MS;
    r.host = "one";
    r.user_us = 1000 * MS;
    r.start_us = EPOCH_US;
    drover_worth_add (&t.w, &r);
    r.row = 2;
    r.host = "two"; /* an hour fast */
    r.start_us += 3600000000u;
    drover_worth_add (&t.w, &r);
    assert_int_equal (t.w.hosts, 2);
    nothing_advised (&t);
}

static void rules_have_names (void **state)
{
    (void)state;
    assert_string_equal (drover_rule_name (DROVER_RULE_ONE_CORE), "one-core");
    assert_string_equal (drover_rule_name (DROVER_RULES), "unknown");
    assert_string_equal (drover_rule_name (-1), "unknown");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (tasks_too_small_need_more_values),
        cmocka_unit_test (tiny_commands_mostly_start_a_process),
        cmocka_unit_test (functions_too_small_need_more_to_do),
        cmocka_unit_test (what_runs_faster_one_after_another_is_said),
        cmocka_unit_test (a_measured_sequential_run_outranks_all),
        cmocka_unit_test (a_straggler_that_began_first_is_to_be_split),
        cmocka_unit_test (a_straggler_that_began_late_is_to_begin_first),
        cmocka_unit_test (fewer_tasks_than_slots_leave_some_idle),
        cmocka_unit_test (tasks_that_wait_should_wait_together),
        cmocka_unit_test (more_slots_than_cores_gain_nothing),
        cmocka_unit_test (one_core_cannot_run_in_parallel),
        cmocka_unit_test (one_slot_where_there_are_cores_is_too_few),
        cmocka_unit_test (few_keys_are_a_limit_that_no_slots_help),
        cmocka_unit_test (one_key_is_one_task_at_one_time),
        cmocka_unit_test (a_key_with_most_of_the_tasks_rules_the_time),
        cmocka_unit_test (the_order_of_tasks_that_keep_all_slots_busy_is_no_fault),
        cmocka_unit_test (the_strongest_comes_first_and_all_can_be_had),
        cmocka_unit_test (healthy_batches_get_no_advice),
        cmocka_unit_test (short_batches_get_no_advice),
        cmocka_unit_test (slow_input_is_no_overhead),
        cmocka_unit_test (a_slow_reader_is_no_overhead),
        cmocka_unit_test (waits_between_retries_are_no_overhead),
        cmocka_unit_test (what_is_not_known_is_not_judged),
        cmocka_unit_test (one_at_a_time_as_asked_is_no_fault),
        cmocka_unit_test (clocks_of_several_hosts_are_not_compared),
        cmocka_unit_test (rules_have_names),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
