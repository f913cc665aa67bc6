/* Futures of the rows of a batch, and of the batch itself, over a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <string.h>

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

static drover_task_t *run (drover_batch_t *b, int spec, const char *value,
                           drover_cancel_source_t *cancel)
{
    drover_bytes_t v = {value, strlen (value)};
    drover_task_t *t = drover_batch_task (b, spec, &v, 1, cancel, &error);
    assert_non_null (t);
    return t;
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

/* The broker has all that has left, and we what it said of that. */
static void sync_all (void)
{
    assert_int_equal (drover_sync (h, PATIENCE_MS, &error), 0);
    assert_int_equal (drover_ping (h, PATIENCE_MS, NULL, &error), 0);
}

static bool is_readable (void)
{
    struct pollfd p = {drover_fd (h), POLLIN, 0};
    return poll (&p, 1, 0) == 1;
}

/* What is left is taken; then nothing is. */
static void expect_quiet (void)
{
    const drover_event_t *event;
    sync_all ();
    while (drover_next (h, 0, &event, &error) == 1)
        ;
    assert_false (is_readable ());
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static void a_batch_limits_the_futures_in_it (void **state)
{
    (void)state;
    drover_batch_options_t o = {.jobs = 2};
    drover_batch_t *b = drover_batch_open (h, &o, &error);
    int spec = drover_batch_add_spec (b, echo, &error);
    drover_bytes_t v = {"x", 1};
    drover_task_t *t[3];
    for (int i = 0; i < 3; i++)
        t[i] = drover_batch_task (b, spec, &v, 1, NULL, &error);
    assert_int_equal (drover_batch_add (b, spec, &v, 1, &error), -1);
    assert_int_equal (error.code, DROVER_EINVAL);
    drover_task_t *whole = drover_when_batch (b, &error);
    drover_batch_close (b, &error);
    wait_for (whole);
    assert_int_equal (how (whole), DROVER_DONE);
    for (int i = 0; i < 3; i++)
        assert_int_equal (how (t[i]), DROVER_DONE);
    drover_task_free (&whole);
    for (int i = 0; i < 3; i++)
        drover_task_free (&t[i]);
    drover_batch_free (&b);
}

static void rows_with_events_have_no_futures (void **state)
{
    (void)state;
    drover_batch_t *b = drover_batch_open (h, NULL, &error);
    int spec = drover_batch_add_spec (b, echo, &error);
    drover_bytes_t v = {"x", 1};
    assert_int_equal (drover_batch_add (b, spec, &v, 1, &error), 0);
    assert_null (drover_batch_task (b, spec, &v, 1, NULL, &error));
    assert_int_equal (error.code, DROVER_EINVAL);
    drover_task_t *whole = drover_when_batch (b, &error);
    drover_task_t *again = drover_when_batch (b, &error);
    drover_batch_close (b, &error);
    wait_for (whole);
    wait_for (again);
    const drover_event_t *event;
    int results = 0;
    while (drover_next (h, 0, &event, &error) == 1)
        results += event->kind == DROVER_EVENT_RESULT;
    assert_int_equal (results, 1);
    drover_task_free (&whole);
    drover_task_free (&again);
}

static void a_batch_that_is_freed_lives_for_its_futures (void **state)
{
    (void)state;
    drover_batch_t *b = drover_batch_open (h, NULL, &error);
    int spec = drover_batch_add_spec (b, echo, &error);
    drover_bytes_t v = {"hold", 4};
    drover_task_t *t = drover_batch_task (b, spec, &v, 1, NULL, &error);
    drover_batch_free (&b);
    assert_null (b);
    assert_int_equal (drover_sync (h, PATIENCE_MS, &error), 0);
    echo_release ();
    wait_for (t);
    assert_int_equal (how (t), DROVER_DONE);
    drover_task_free (&t);
    expect_quiet ();
}

static drover_task_t *whole_with_a_row (drover_batch_t **b)
{
    *b = drover_batch_open (h, NULL, &error);
    drover_task_t *t = run (*b, drover_batch_add_spec (*b, echo, &error), "hold", NULL);
    drover_task_free (&t);
    sync_all ();
    return drover_when_batch (*b, &error);
}

static void a_batch_that_is_cancelled_says_why (void **state)
{
    (void)state;
    drover_batch_t *b;
    drover_task_t *whole = whole_with_a_row (&b);
    drover_cancel_options_t o = {.reason = "not wanted"};
    assert_true (drover_batch_cancel (b, &o, &error) != 0);
    wait_for (whole);
    assert_int_equal (how (whole), DROVER_CANCELLED);
    assert_string_equal (drover_task_result (whole)->reason, "not wanted");
    drover_task_free (&whole);
}

static void a_batch_that_is_lost_says_why (void **state)
{
    (void)state;
    drover_batch_t *b;
    drover_task_t *whole = whole_with_a_row (&b);
    echo_leave ();
    wait_for (whole);
    assert_int_equal (how (whole), DROVER_BROKER_LOST);
    assert_string_not_equal (drover_task_result (whole)->reason, "");
    drover_task_free (&whole);
}

/* --- cancelling ---------------------------------------------------------------------------------
 */

struct halves { /* of a batch of whole chunks: a row that has left, and one that waits for others */
    drover_batch_t *b;
    drover_cancel_source_t *cancel;
    drover_task_t *sent;
    drover_task_t *unsent;
};

static struct halves begin_halves (void)
{
    struct halves x = {.cancel = drover_cancel_source_new (NULL, &error)};
    drover_batch_options_t o = {.whole_chunks = 1};
    x.b = drover_batch_open (h, &o, &error);
    int first = drover_batch_add_spec (x.b, echo, &error);
    int second = drover_batch_add_spec (x.b, echo, &error);
    x.sent = run (x.b, first, "hold", x.cancel);
    x.unsent = run (x.b, second, "hold", x.cancel); /* a chunk is of one spec */
    return x;
}

static void end_halves (struct halves *x)
{
    drover_batch_close (x->b, &error);
    wait_for (x->unsent);
    assert_int_equal (how (x->unsent), DROVER_CANCELLED);
    assert_string_equal (drover_task_result (x->unsent)->reason, "enough");
    assert_int_equal (broker.cancels, 2);
    drover_task_free (&x->sent);
    drover_task_free (&x->unsent);
    drover_cancel_source_free (&x->cancel);
    drover_batch_free (&x->b);
    expect_quiet ();
}

static void what_has_left_is_cancelled_at_once_and_the_rest_when_it_leaves (void **state)
{
    (void)state;
    struct halves x = begin_halves ();
    sync_all ();
    assert_int_equal (broker.rows, 1);
    drover_cancel_source_cancel (x.cancel, "enough");
    wait_for (x.sent);
    assert_int_equal (how (x.sent), DROVER_CANCELLED);
    assert_false (drover_task_settled (x.unsent));
    expect_quiet ();
    assert_int_equal (broker.cancels, 1);
    end_halves (&x);
}

static void also_where_the_batch_was_not_open_yet (void **state)
{
    (void)state;
    struct halves x = begin_halves ();
    drover_cancel_options_t o = {.reason = "enough"};
    drover_task_t *both[2] = {x.sent, x.unsent};
    assert_int_equal (drover_tasks_cancel (both, 2, &o, &error), 0);
    wait_for (x.sent);
    assert_int_equal (how (x.sent), DROVER_CANCELLED);
    assert_false (drover_task_settled (x.unsent));
    end_halves (&x);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_batch_limits_the_futures_in_it),
        TEST (rows_with_events_have_no_futures),
        TEST (a_batch_that_is_freed_lives_for_its_futures),
        TEST (a_batch_that_is_cancelled_says_why),
        TEST (a_batch_that_is_lost_says_why),
        TEST (what_has_left_is_cancelled_at_once_and_the_rest_when_it_leaves),
        TEST (also_where_the_batch_was_not_open_yet),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
