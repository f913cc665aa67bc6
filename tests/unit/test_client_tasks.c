/* Futures, combinations of them and cancel sources, over a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/echo_broker.h"

static drover_spec_t *echo;

static int setup (void **state)
{
    echo = echo_spec ();
    return echo_setup (state);
}

static int teardown (void **state)
{
    drover_spec_free (&echo);
    return echo_teardown (state);
}

static drover_task_t *run_with (const char *value, drover_cancel_source_t *cancel)
{
    drover_bytes_t v = {value, strlen (value)};
    drover_task_t *t = drover_task_run (h, echo, &v, 1, cancel, &error);
    assert_non_null (t);
    return t;
}

static drover_task_t *run (const char *value)
{
    return run_with (value, NULL);
}

static void run_many (drover_task_t **t, const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        t[i] = run (values[i]);
}

static void free_many (drover_task_t **t, size_t count)
{
    for (size_t i = 0; i < count; i++)
        drover_task_free (&t[i]);
}

static void wait_for (drover_task_t *t)
{
    assert_int_equal (drover_task_wait (t, PATIENCE_MS, NULL, &error), 0);
}

static int how (const drover_task_t *t)
{
    assert_true (drover_task_settled (t));
    return drover_task_result (t)->how;
}

static bool readable (int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll (&p, 1, ms) == 1;
}

/* As a foreign loop does: until a future has settled. */
static void poll_until (const drover_task_t *t)
{
    const drover_event_t *event;
    while (!drover_task_settled (t)) {
        assert_true (readable (drover_fd (h), PATIENCE_MS));
        while (drover_next (h, 0, &event, &error) == 1)
            ;
    }
}

/* What is left is taken; then nothing is. */
static void expect_quiet (void)
{
    const drover_event_t *event;
    assert_int_equal (drover_sync (h, PATIENCE_MS, &error), 0);
    assert_int_equal (drover_ping (h, PATIENCE_MS, NULL, &error), 0);
    while (drover_next (h, 0, &event, &error) == 1)
        ;
    assert_false (readable (drover_fd (h), 0));
}

/* --- single futures -----------------------------------------------------------------------------
 */

static void a_future_holds_the_result_of_its_task (void **state)
{
    (void)state;
    drover_task_t *t = run ("hello");
    assert_null (drover_task_result (t));
    wait_for (t);
    const drover_result_t *r = drover_task_result (t);
    assert_int_equal (r->how, DROVER_DONE);
    assert_int_equal (r->out_len, 5);
    assert_memory_equal (r->out, "hello", 5);
    assert_string_equal (r->worker, "w1");
    assert_ptr_equal (drover_task_result (t), r);
    drover_task_free (&t);
    assert_null (t);
}

static void a_result_can_be_kept_for_longer_than_its_future (void **state)
{
    (void)state;
    drover_task_t *t = run ("hello");
    wait_for (t);
    drover_result_t *r = drover_result_keep (drover_task_result (t));
    drover_task_free (&t);
    assert_memory_equal (r->out, "hello", 5);
    assert_string_equal (r->worker, "w1");
    drover_result_free (&r);
}

static void a_large_result_is_kept_whole (void **state)
{
    (void)state;
    static char large[300000];
    memset (large, 'x', sizeof large);
    drover_bytes_t v = {large, 60000};
    drover_task_t *t = drover_task_run (h, echo, &v, 1, NULL, &error);
    wait_for (t);
    assert_int_equal (drover_task_result (t)->out_len, 60000);
    assert_memory_equal (drover_task_result (t)->out, large, 60000);
    drover_task_free (&t);
}

static void failures_are_results_too (void **state)
{
    (void)state;
    drover_task_t *t = run ("fail");
    wait_for (t);
    assert_int_equal (how (t), DROVER_FAILED);
    assert_int_equal (drover_task_result (t)->status, 3);
    drover_task_free (&t);
}

static void many_tasks_share_one_batch_and_one_spec (void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    drover_task_t **t = calloc (COUNT, sizeof *t);
    char text[24];
    for (int i = 0; i < COUNT; i++) {
        snprintf (text, sizeof text, "%d", i);
        t[i] = run (text);
    }
    assert_int_equal (
        drover_tasks_wait (t, COUNT, DROVER_WAIT_ALL, 0, PATIENCE_MS, NULL, NULL, &error), 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf (text, sizeof text, "%d", i);
        assert_int_equal (drover_task_result (t[i])->out_len, strlen (text));
        assert_memory_equal (drover_task_result (t[i])->out, text, strlen (text));
    }
    free_many (t, COUNT);
    free (t);
    assert_int_equal (broker.opens, 1);
    assert_int_equal (broker.specs, 1);
}

static void a_spec_that_was_changed_is_another_one (void **state)
{
    (void)state;
    drover_task_t *t[4];
    t[0] = run ("a");
    drover_spec_dir (echo, "/tmp");
    t[1] = run ("b");
    drover_spec_timeout (echo, 1000);
    t[2] = run ("c");
    t[3] = run ("d");
    drover_task_t *all = drover_when_all (t, 4, &error);
    wait_for (all);
    assert_int_equal (broker.opens, 1);
    assert_int_equal (broker.specs, 3);
    drover_task_free (&all);
    free_many (t, 4);
}

/* What no worker can run holds up, or takes along, only what needs the same. */
static void tasks_share_a_batch_with_those_that_need_the_same (void **state)
{
    (void)state;
    drover_task_t *t[6];
    drover_bytes_t v = {"x", 1};
    drover_spec_t *other = drover_spec_new_function ("test:other");
    drover_spec_t *same = echo_spec ();
    t[0] = run ("a");
    t[1] = drover_task_run (h, other, &v, 1, NULL, &error);
    t[2] = drover_task_run (h, same, &v, 1, NULL, &error);
    drover_spec_cpus (same, 3);
    t[3] = drover_task_run (h, same, &v, 1, NULL, &error);
    t[4] = run ("b");
    t[5] = drover_task_run (h, other, &v, 1, NULL, &error);
    drover_task_t *all = drover_when_all (t, 6, &error);
    wait_for (all);
    assert_int_equal (how (all), DROVER_DONE);
    assert_int_equal (broker.opens, 3);
    drover_task_free (&all);
    free_many (t, 6);
    drover_spec_free (&same);
    drover_spec_free (&other);
}

/* The batch that was not used for longest gives way; its tasks settle all the same. */
static void many_needs_are_kept_apart_and_some_forgotten (void **state)
{
    (void)state;
    enum { COUNT = 600 };
    drover_task_t *t[COUNT + 1];
    t[0] = run ("a");
    for (unsigned i = 0; i < COUNT; i++) {
        drover_spec_cpus (echo, 2 + i);
        t[1 + i] = run ("b");
        if (i % 100 == 99) /* the rig's queue is short */
            wait_for (t[1 + i]);
    }
    drover_task_t *all = drover_when_all (t, COUNT + 1, &error);
    wait_for (all);
    assert_int_equal (how (all), DROVER_DONE);
    assert_int_equal (broker.opens, COUNT + 1);
    drover_spec_cpus (echo, 1);
    drover_task_t *again = run ("c");
    wait_for (again);
    assert_int_equal (broker.opens, COUNT + 2);
    drover_task_free (&again);
    drover_task_free (&all);
    free_many (t, COUNT + 1);
}

static void a_future_that_is_freed_leaves_its_task_alone (void **state)
{
    (void)state;
    drover_task_t *t = run ("x"), *last = run ("y");
    drover_task_free (&t);
    wait_for (last);
    assert_int_equal (broker.rows, 2);
    drover_task_free (&last);
}

static void what_is_not_freed_is_freed_with_the_handle (void **state)
{
    (void)state;
    drover_task_t *t[3] = {run ("x"), run ("hold"), run ("y")};
    wait_for (t[0]);
    drover_when_all (t, 3, &error);
    drover_when_each (h, t, 3, &error);
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    run_with ("hold", c);
    drover_cancel_source_free (&c);
}

static void a_program_has_a_pointer_of_its_own_at_each_future (void **state)
{
    (void)state;
    int mine;
    drover_task_t *t = run ("x");
    assert_null (drover_task_user (t));
    drover_task_set_user (t, &mine);
    assert_ptr_equal (drover_task_user (t), &mine);
    drover_task_free (&t);
}

static void futures_cause_no_events (void **state)
{
    (void)state;
    const drover_event_t *event;
    drover_task_t *t[2] = {run ("x"), run ("y")};
    while (!drover_task_settled (t[1]))
        if (drover_next (h, 10, &event, &error) == 1)
            assert_int_equal (event->kind, DROVER_EVENT_CONNECTED);
    free_many (t, 2);
    expect_quiet ();
}

static void a_foreign_loop_settles_futures_through_drover_next (void **state)
{
    (void)state;
    drover_task_t *t = run ("x");
    poll_until (t);
    assert_int_equal (how (t), DROVER_DONE);
    drover_task_free (&t);
    expect_quiet ();
}

static void the_broker_going_away_settles_all (void **state)
{
    (void)state;
    drover_task_t *t[2] = {run ("hold"), NULL};
    t[1] = drover_when_all (t, 1, &error);
    assert_int_equal (drover_task_wait (t[0], 0, NULL, &error), -1);
    echo_leave ();
    wait_for (t[1]);
    assert_int_equal (how (t[0]), DROVER_BROKER_LOST);
    assert_int_equal (how (t[1]), DROVER_FAILED);
    drover_bytes_t v = {"x", 1};
    assert_null (drover_task_run (h, echo, &v, 1, NULL, &error));
    assert_int_equal (error.code, DROVER_ELOST);
    free_many (t, 2);
}

/* --- combinations -------------------------------------------------------------------------------
 */

static void all_are_waited_for (void **state)
{
    (void)state;
    drover_task_t *t[3];
    run_many (t, (const char *const[]){"a", "fail", "c"}, 3);
    drover_task_t *all = drover_when_all (t, 3, &error);
    drover_task_t *good = drover_when_all (&t[2], 1, &error);
    wait_for (all);
    assert_int_equal (how (all), DROVER_FAILED);
    assert_string_equal (drover_task_result (all)->reason, "2 of 3 tasks that ended are done");
    for (int i = 0; i < 3; i++)
        assert_true (drover_task_settled (t[i]));
    wait_for (good);
    assert_int_equal (how (good), DROVER_DONE);
    drover_task_free (&all);
    drover_task_free (&good);
    free_many (t, 3);
}

static void any_names_the_first_and_success_the_first_good_one (void **state)
{
    (void)state;
    drover_task_t *t[3];
    run_many (t, (const char *const[]){"hold", "fail", "hold"}, 3);
    drover_task_t *any = drover_when_any (t, 3, &error);
    drover_task_t *good = drover_when_success (t, 3, &error);
    wait_for (any);
    assert_int_equal (drover_task_result (any)->row, 1);
    assert_int_equal (how (any), DROVER_FAILED);
    assert_false (drover_task_settled (good));
    echo_release ();
    wait_for (good);
    assert_int_equal (how (good), DROVER_DONE);
    assert_int_equal (drover_task_result (good)->row, 0);
    drover_task_free (&any);
    drover_task_free (&good);
    free_many (t, 3);
}

static void a_count_that_cannot_be_reached_is_said_at_once (void **state)
{
    (void)state;
    drover_task_t *t[4];
    size_t which;
    run_many (t, (const char *const[]){"x", "hold", "fail1", "fail2"}, 4);
    assert_int_equal (
        drover_tasks_wait (t, 4, DROVER_WAIT_SUCCESSES, 3, PATIENCE_MS, NULL, &which, &error), 1);
    assert_int_equal (which, 3);
    assert_false (drover_task_settled (t[1]));
    assert_int_equal (
        drover_tasks_wait (t, 4, DROVER_WAIT_COUNT, 3, PATIENCE_MS, NULL, &which, &error), 0);
    assert_int_equal (
        drover_tasks_wait (t, 4, DROVER_WAIT_PERCENT, 75, PATIENCE_MS, NULL, &which, &error), 0);
    assert_int_equal (drover_tasks_wait (t, 4, DROVER_WAIT_PERCENT, 76, 0, NULL, &which, &error),
                      -1);
    assert_int_equal (error.code, DROVER_ETIME);
    free_many (t, 4);
}

static void wrong_conditions_are_refused (void **state)
{
    (void)state;
    drover_task_t *t = run ("x");
    drover_task_t *none = NULL;
    assert_null (drover_when_all (NULL, 0, &error));
    assert_null (drover_when_all (&none, 1, &error));
    assert_null (drover_when (&t, 1, DROVER_WAIT_COUNT, 2, &error));
    assert_null (drover_when (&t, 1, DROVER_WAIT_COUNT, 0, &error));
    assert_null (drover_when (&t, 1, DROVER_WAIT_PERCENT, 101, &error));
    assert_null (drover_when (&t, 1, DROVER_WAIT_GONE, 1, &error));
    assert_int_equal (error.code, DROVER_EINVAL);
    drover_task_free (&t);
}

static void combinations_combine_and_outlive_what_they_are_of (void **state)
{
    (void)state;
    drover_task_t *t[2] = {run ("hold"), run ("x")};
    drover_task_t *pair[2] = {drover_when_all (t, 2, &error), run ("hold")};
    drover_task_t *any = drover_when_any (pair, 2, &error);
    free_many (t, 2);
    free_many (pair, 2);
    assert_int_equal (drover_task_wait (any, 1, NULL, &error), -1);
    assert_int_equal (error.code, DROVER_ETIME);
    echo_release ();
    wait_for (any);
    drover_task_free (&any);
}

static void after_a_time_out_the_work_goes_on (void **state)
{
    (void)state;
    drover_task_t *t = run ("hold");
    assert_int_equal (drover_task_wait (t, 1, NULL, &error), -1);
    assert_int_equal (error.code, DROVER_ETIME);
    echo_release ();
    wait_for (t);
    assert_int_equal (how (t), DROVER_DONE);
    drover_task_free (&t);
}

static void combinations_that_are_over_leave_nothing_with_a_long_task (void **state)
{
    (void)state;
    drover_task_t *t[2] = {run ("hold"), run ("x")};
    wait_for (t[1]);
    for (int i = 0; i < 1000; i++) {
        drover_task_t *any = drover_when_any (t, 2, &error);
        assert_true (drover_task_settled (any));
        drover_task_free (&any);
        any = drover_when_all (t, 2, &error);
        drover_task_free (&any);
    }
    free_many (t, 2);
}

/* --- each ---------------------------------------------------------------------------------------
 */

static void each_gives_every_future_once_as_they_settle (void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    drover_task_t *t[COUNT];
    bool seen[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        t[i] = run (i == 0 ? "hold" : "x");
        drover_task_set_user (t[i], &seen[i]);
    }
    drover_each_t *each = drover_when_each (h, t, COUNT, &error);
    drover_task_t *next;
    for (int i = 1; i < COUNT; i++) {
        assert_int_equal (drover_each_next (each, PATIENCE_MS, NULL, &next, &error), 1);
        bool *mine = drover_task_user (next);
        assert_false (*mine);
        *mine = true;
        drover_task_free (&next);
    }
    assert_int_equal (drover_each_next (each, 0, NULL, &next, &error), -1);
    assert_int_equal (error.code, DROVER_ETIME);
    echo_release ();
    assert_int_equal (drover_each_next (each, PATIENCE_MS, NULL, &next, &error), 1);
    assert_ptr_equal (next, t[0]);
    assert_int_equal (drover_each_next (each, PATIENCE_MS, NULL, &next, &error), 0);
    drover_task_free (&t[0]);
    drover_each_free (&each);
}

static void each_passes_by_what_was_freed (void **state)
{
    (void)state;
    drover_task_t *t[3], *next;
    run_many (t, (const char *const[]){"x", "y", "hold"}, 3);
    drover_each_t *each = drover_when_each (h, t, 2, &error);
    assert_int_equal (drover_each_add (each, t[2], &error), 0);
    drover_task_free (&t[2]); /* before it settled */
    wait_for (t[1]);
    drover_task_free (&t[0]); /* after */
    assert_int_equal (drover_each_next (each, PATIENCE_MS, NULL, &next, &error), 1);
    assert_ptr_equal (next, t[1]);
    assert_int_equal (drover_each_next (each, 0, NULL, &next, &error), 0);
    drover_task_free (&t[1]);
    drover_each_free (&each);
    expect_quiet ();
}

static void a_future_that_is_not_taken_keeps_the_descriptor_readable (void **state)
{
    (void)state;
    drover_task_t *t = run ("x"), *next;
    wait_for (t);
    expect_quiet ();
    drover_each_t *each = drover_when_each (h, &t, 1, &error);
    const drover_event_t *event;
    assert_true (readable (drover_fd (h), 0));
    assert_int_equal (drover_next (h, 0, &event, &error), 0);
    assert_true (readable (drover_fd (h), 0));
    assert_int_equal (drover_each_next (each, 0, NULL, &next, &error), 1);
    assert_false (readable (drover_fd (h), 0));
    drover_task_free (&t);
    drover_each_free (&each);
}

/* --- cancelling ---------------------------------------------------------------------------------
 */

static void a_task_is_cancelled_by_its_future (void **state)
{
    (void)state;
    drover_task_t *t[3];
    run_many (t, (const char *const[]){"hold", "hold", "hold"}, 3);
    drover_cancel_options_t o = {.reason = "not wanted"};
    assert_int_equal (drover_task_cancel (t[1], &o, &error), 0); /* the batch is not open yet */
    wait_for (t[1]);
    assert_int_equal (how (t[1]), DROVER_CANCELLED);
    assert_string_equal (drover_task_result (t[1])->reason, "not wanted");
    assert_false (drover_task_settled (t[0]));
    unsigned before = broker.cancels;
    drover_task_t *some[3] = {t[0], NULL, t[2]};
    assert_int_equal (drover_tasks_cancel (some, 3, NULL, &error), 0);
    wait_for (t[0]);
    wait_for (t[2]);
    assert_int_equal (broker.cancels, before + 2);
    free_many (t, 3);
    expect_quiet ();
}

static void tasks_of_two_batches_are_cancelled_with_a_message_each (void **state)
{
    (void)state;
    enum { COUNT = 40 };
    drover_task_t *t[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        drover_spec_cpus (echo, 1 + i % 2);
        t[i] = run ("hold");
    }
    drover_task_t *last[2] = {run ("x"), NULL};
    drover_spec_cpus (echo, 1);
    last[1] = run ("y");
    wait_for (last[0]);
    wait_for (last[1]); /* both batches are open */
    assert_int_equal (drover_tasks_cancel (t, COUNT, NULL, &error), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        wait_for (t[i]);
        assert_int_equal (how (t[i]), DROVER_CANCELLED);
    }
    assert_int_equal (broker.cancels, 2);
    free_many (t, COUNT);
    free_many (last, 2);
}

static void a_combination_that_is_cancelled_leaves_its_tasks (void **state)
{
    (void)state;
    drover_task_t *t = run ("hold");
    drover_task_t *all = drover_when_all (&t, 1, &error);
    assert_int_equal (drover_task_cancel (all, NULL, &error), 0);
    assert_int_equal (how (all), DROVER_CANCELLED);
    assert_false (drover_task_settled (t));
    drover_task_free (&all);
    drover_task_free (&t);
}

static void a_source_cancels_many_tasks_and_batches_with_few_words (void **state)
{
    (void)state;
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    drover_task_t *t[101];
    for (int i = 0; i < 100; i++)
        t[i] = run_with ("hold", c);
    t[100] = run ("hold");
    drover_batch_options_t o = {.cancel = c};
    drover_batch_t *b = drover_batch_open (h, &o, &error);
    int spec = drover_batch_add_spec (b, echo, &error);
    drover_bytes_t v = {"hold", 4};
    drover_task_t *in = drover_batch_task (b, spec, &v, 1, NULL, &error);
    assert_int_equal (drover_sync (h, PATIENCE_MS, &error), 0);
    assert_int_equal (drover_ping (h, PATIENCE_MS, NULL, &error), 0);
    drover_cancel_source_cancel (c, "enough");
    drover_cancel_source_cancel (c, "too late");
    assert_string_equal (drover_cancel_source_reason (c), "enough");
    drover_cancel_source_free (&c);
    assert_int_equal (
        drover_tasks_wait (t, 100, DROVER_WAIT_ALL, 0, PATIENCE_MS, NULL, NULL, &error), 0);
    wait_for (in);
    assert_int_equal (how (t[50]), DROVER_CANCELLED);
    assert_string_equal (drover_task_result (t[50])->reason, "enough");
    assert_int_equal (how (in), DROVER_CANCELLED);
    assert_false (drover_task_settled (t[100]));
    assert_int_equal (broker.cancels, 2);
    drover_task_free (&in);
    free_many (t, 101);
}

static void a_task_of_a_cancelled_source_is_not_run (void **state)
{
    (void)state;
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    assert_int_equal (drover_cancel_source_cancelled (c), 0);
    assert_string_equal (drover_cancel_source_reason (c), "");
    drover_cancel_source_cancel (c, "no");
    drover_task_t *t = run_with ("x", c);
    assert_int_equal (how (t), DROVER_CANCELLED);
    assert_string_equal (drover_task_result (t)->reason, "no");
    drover_task_free (&t);
    drover_cancel_source_free (&c);
    drover_flush (h);
    assert_int_equal (drover_ping (h, PATIENCE_MS, NULL, &error), 0);
    assert_int_equal (broker.rows, 0);
}

static void a_source_cancels_itself_when_its_time_has_come (void **state)
{
    (void)state;
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    drover_task_t *t = run_with ("hold", c);
    drover_cancel_source_cancel_after (c, 100000);
    assert_false (readable (drover_cancel_source_fd (c), 0));
    drover_cancel_source_cancel_after (c, 1);
    wait_for (t);
    assert_int_equal (how (t), DROVER_CANCELLED);
    assert_string_equal (drover_task_result (t)->reason, "the time is over");
    assert_true (readable (drover_cancel_source_fd (c), 0));
    drover_task_free (&t);
    drover_cancel_source_free (&c);
}

static void a_time_can_be_taken_back (void **state)
{
    (void)state;
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    drover_cancel_source_cancel_after (c, 100000);
    drover_cancel_source_cancel_after (c, -1);
    assert_int_equal (drover_cancel_source_cancelled (c), 0);
    drover_cancel_source_cancel_after (c, 0);
    assert_int_equal (drover_cancel_source_cancelled (c), 1);
    drover_cancel_source_cancel_after (c, -1); /* too late */
    assert_int_equal (drover_cancel_source_cancelled (c), 1);
    assert_true (readable (drover_cancel_source_fd (c), PATIENCE_MS));
    drover_cancel_source_free (&c);
}

static void a_child_is_cancelled_with_its_parent_but_not_the_other_way_round (void **state)
{
    (void)state;
    drover_cancel_source_t *parent = drover_cancel_source_new (NULL, &error);
    drover_cancel_source_t *a = drover_cancel_source_new (parent, &error);
    drover_cancel_source_t *b = drover_cancel_source_new (parent, &error);
    drover_task_t *t[2] = {run_with ("hold", a), run_with ("hold", b)};
    drover_cancel_source_cancel (a, "a");
    wait_for (t[0]);
    assert_int_equal (drover_cancel_source_cancelled (parent), 0);
    assert_false (drover_task_settled (t[1]));
    drover_cancel_source_cancel (parent, "all");
    assert_true (readable (drover_cancel_source_fd (b), PATIENCE_MS));
    drover_cancel_source_free (&parent);
    wait_for (t[1]);
    assert_string_equal (drover_task_result (t[1])->reason, "all");
    free_many (t, 2);
    drover_cancel_source_free (&a);
    drover_cancel_source_free (&b);
}

static void a_source_may_have_many_before_it (void **state)
{
    (void)state;
    drover_cancel_source_t *s[20] = {drover_cancel_source_new (NULL, &error)};
    for (int i = 1; i < 20; i++) {
        s[i] = drover_cancel_source_new (s[i - 1], &error);
        assert_non_null (s[i]);
    }
    drover_task_t *t = run_with ("hold", s[19]);
    drover_cancel_source_cancel (s[0], "all");
    wait_for (t);
    assert_string_equal (drover_task_result (t)->reason, "all");
    drover_task_free (&t);
    for (int i = 0; i < 20; i++)
        drover_cancel_source_free (&s[i]);
}

static void a_wait_can_be_cancelled_and_the_work_goes_on (void **state)
{
    (void)state;
    drover_cancel_source_t *stop = drover_cancel_source_new (NULL, &error);
    drover_task_t *t = run ("hold");
    drover_cancel_source_cancel_after (stop, 1);
    assert_int_equal (drover_task_wait (t, PATIENCE_MS, stop, &error), -1);
    assert_int_equal (error.code, DROVER_ECANCELLED);
    assert_false (drover_task_settled (t));
    echo_release ();
    wait_for (t);
    drover_task_free (&t);
    drover_cancel_source_free (&stop);
}

static void *cancel_in_thread (void *arg)
{
    drover_cancel_source_cancel (arg, "another thread");
    return NULL;
}

static void another_thread_may_cancel (void **state)
{
    (void)state;
    pthread_t thread;
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    drover_task_t *t = run_with ("hold", c);
    int fd = drover_fd (h);
    assert_int_equal (drover_sync (h, PATIENCE_MS, &error), 0);
    expect_quiet ();
    assert_int_equal (pthread_create (&thread, NULL, cancel_in_thread, c), 0);
    assert_true (readable (fd, PATIENCE_MS));
    poll_until (t);
    assert_int_equal (how (t), DROVER_CANCELLED);
    assert_string_equal (drover_task_result (t)->reason, "another thread");
    pthread_join (thread, NULL);
    drover_task_free (&t);
    drover_cancel_source_free (&c);
    expect_quiet ();
}

static drover_cancel_source_t *from_handler;

static void on_signal (int signo)
{
    (void)signo;
    drover_cancel_source_cancel (from_handler, "a signal");
}

static void a_signal_handler_may_cancel (void **state)
{
    (void)state;
    struct sigaction act = {.sa_handler = on_signal}, old;
    sigaction (SIGALRM, &act, &old);
    from_handler = drover_cancel_source_new (NULL, &error);
    drover_task_t *t = run_with ("hold", from_handler);
    ualarm (1000, 0);
    wait_for (t);
    assert_string_equal (drover_task_result (t)->reason, "a signal");
    sigaction (SIGALRM, &old, NULL);
    drover_task_free (&t);
    drover_cancel_source_free (&from_handler);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_future_holds_the_result_of_its_task),
        TEST (a_result_can_be_kept_for_longer_than_its_future),
        TEST (a_large_result_is_kept_whole),
        TEST (failures_are_results_too),
        TEST (many_tasks_share_one_batch_and_one_spec),
        TEST (a_spec_that_was_changed_is_another_one),
        TEST (tasks_share_a_batch_with_those_that_need_the_same),
        TEST (many_needs_are_kept_apart_and_some_forgotten),
        TEST (a_future_that_is_freed_leaves_its_task_alone),
        TEST (what_is_not_freed_is_freed_with_the_handle),
        TEST (a_program_has_a_pointer_of_its_own_at_each_future),
        TEST (futures_cause_no_events),
        TEST (a_foreign_loop_settles_futures_through_drover_next),
        TEST (the_broker_going_away_settles_all),
        TEST (all_are_waited_for),
        TEST (any_names_the_first_and_success_the_first_good_one),
        TEST (a_count_that_cannot_be_reached_is_said_at_once),
        TEST (wrong_conditions_are_refused),
        TEST (combinations_combine_and_outlive_what_they_are_of),
        TEST (after_a_time_out_the_work_goes_on),
        TEST (combinations_that_are_over_leave_nothing_with_a_long_task),
        TEST (each_gives_every_future_once_as_they_settle),
        TEST (each_passes_by_what_was_freed),
        TEST (a_future_that_is_not_taken_keeps_the_descriptor_readable),
        TEST (a_task_is_cancelled_by_its_future),
        TEST (tasks_of_two_batches_are_cancelled_with_a_message_each),
        TEST (a_combination_that_is_cancelled_leaves_its_tasks),
        TEST (a_source_cancels_many_tasks_and_batches_with_few_words),
        TEST (a_task_of_a_cancelled_source_is_not_run),
        TEST (a_source_cancels_itself_when_its_time_has_come),
        TEST (a_time_can_be_taken_back),
        TEST (a_child_is_cancelled_with_its_parent_but_not_the_other_way_round),
        TEST (a_source_may_have_many_before_it),
        TEST (a_wait_can_be_cancelled_and_the_work_goes_on),
        TEST (another_thread_may_cancel),
        TEST (a_signal_handler_may_cancel),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
