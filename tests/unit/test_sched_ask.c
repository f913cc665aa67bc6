/* What clients ask for while a batch runs: cancel, wait, questions, live input. */
#include <string.h>

#include "common/wire/rows.h"
#include "tests/unit/sched_harness.h"

static uint64_t id_of (struct peer *c, uint64_t handle)
{
    return client_view (c, handle)->id;
}

static void cancel_of_waiting_rows_gives_outcomes_at_once (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 50000);
    client_cancel (c, 3, 1, 0, 0);
    bed_settle (b);
    assert_true (v->ended);
    assert_int_equal (v->end.state, BATCH_CANCELLED);
    assert_int_equal (v->end.cancelled, 50000);
    assert_int_equal (client_reply (c, 3), WIRE_OK);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void cancel_is_answered_when_processes_are_gone (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 10);
    client_cancel (c, 3, 1, 0, 0);
    bed_settle (b);
    assert_int_equal (client_reply (c, 3), -1);
    assert_int_equal (v->done.count, 8);
    struct wire m;
    assert_true (peer_take (w, WIRE_CANCEL_ROWS, &m));
    assert_int_equal (m.m.cancel_rows.count, 0);
    assert_int_equal (m.m.cancel_rows.upto, 2);
    wire_fini (&m);
    b->now += 5 * US_PER_S;
    worker_finish (w, v->id, 2, OUTCOME_CANCELLED, 100);
    bed_settle (b);
    assert_true (v->ended);
    assert_true (peer_take (c, WIRE_REPLY, &m));
    assert_int_equal (m.m.reply.code, WIRE_OK);
    assert_int_equal (m.m.reply.value, 5 * US_PER_S);
    wire_fini (&m);
    bed_free (&b);
}

static void rows_can_be_cancelled_and_the_others_go_on (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 10);
    client_cancel (c, 3, 1, 1, 5); /* row 1 runs, 2 to 5 wait */
    bed_settle (b);
    assert_int_equal (v->done.count, 4);
    assert_int_equal (client_reply (c, 3), -1);
    assert_true (worker_row (w, v->id, 1)->cancelled);
    assert_false (worker_row (w, v->id, 0)->cancelled);
    bed_run (b, 1000);
    assert_int_equal (client_reply (c, 3), WIRE_OK);
    assert_int_equal (v->end.state, BATCH_FINISHED);
    assert_int_equal (v->end.cancelled, 5);
    assert_int_equal (v->end.done, 5);
    bed_free (&b);
}

static void a_cancellation_of_unstarted_rows_lets_the_others_end (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 10);
    struct wire m = {.kind = WIRE_CANCEL};
    m.m.cancel.ref = 3;
    m.m.cancel.batch = 1;
    m.m.cancel.unstarted = 1;
    peer_post (c, &m);
    bed_settle (b);
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 1);
    assert_false (worker_row (w, v->id, 0)->cancelled);
    assert_int_equal (client_reply (c, 3), -1);
    assert_false (v->ended);
    bed_run (b, 1000);
    assert_int_equal (client_reply (c, 3), WIRE_OK);
    assert_int_equal (v->end.state, BATCH_CANCELLED);
    assert_true (v->end.done >= 2);
    assert_int_equal (v->end.done + v->end.cancelled, 10);
    assert_true (v->end.cancelled > 0);
    bed_free (&b);
}

/* The worker had given it back before it heard of the cancellation; or was lost. */
static void a_cancelled_row_that_comes_back_does_not_run_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    client_cancel (c, 3, 1, 1, 1);
    w->stalled = true;
    bed_turn (b); /* on its way to the worker */
    w->stalled = false;
    worker_return (w, v->id, 1);
    bed_settle (b);
    assert_int_equal (view_got (v, 1)->how, OUTCOME_CANCELLED);
    assert_int_equal (client_reply (c, 3), WIRE_OK);
    client_cancel (c, 4, 1, 0, 1);
    bed_settle (b);
    peer_free (w);
    bed_pass (b, 21 * (int64_t)US_PER_S);
    assert_int_equal (view_got (v, 0)->how, OUTCOME_CANCELLED);
    assert_int_equal (client_reply (c, 4), WIRE_OK);
    assert_true (v->ended);
    bed_free (&b);
}

static void wait_conditions (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t id = client_submit (c, 1, BATCH_DETACHED, 0, 4)->id;
    client_wait (c, 10, id, WAIT_FINISHED, 0);
    client_wait (c, 11, id, WAIT_COUNT, 2);
    client_wait (c, 12, id, WAIT_SUCCESSES, 2);
    client_wait (c, 13, id, WAIT_PERCENT, 75);
    client_wait (c, 14, id, WAIT_SUCCESSES, 4);
    client_wait (c, 15, 9999, WAIT_FINISHED, 0);
    client_wait (c, 16, id, WAIT_PERCENT, UINT64_MAX / 2);
    bed_settle (b);
    assert_int_equal (client_reply (c, 15), WIRE_UNKNOWN);
    assert_int_equal (client_reply (c, 11), -1);
    worker_finish (w, id, 1, OUTCOME_DONE, 1);
    worker_finish (w, id, 1, OUTCOME_FAILED, 1);
    bed_settle (b);
    assert_int_equal (client_reply (c, 11), WIRE_OK);
    assert_int_equal (client_reply (c, 12), -1);
    assert_int_equal (client_reply (c, 13), -1);
    worker_finish (w, id, 1, OUTCOME_DONE, 1);
    bed_settle (b);
    assert_int_equal (client_reply (c, 12), WIRE_OK);
    assert_int_equal (client_reply (c, 13), WIRE_OK);
    assert_int_equal (client_reply (c, 10), -1);
    worker_finish (w, id, 1, OUTCOME_DONE, 1);
    bed_settle (b);
    assert_int_equal (client_reply (c, 10), WIRE_OK);
    assert_int_equal (client_reply (c, 14), WIRE_UNKNOWN); /* it can no longer come to hold */
    assert_int_equal (client_reply (c, 16), WIRE_UNKNOWN);
    client_wait (c, 17, id, WAIT_FINISHED, 0);
    bed_settle (b);
    assert_int_equal (client_reply (c, 17), WIRE_OK);
    bed_free (&b);
}

static void a_wait_that_cannot_come_to_hold_is_answered_at_once (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t id = client_submit (c, 1, BATCH_DETACHED, 0, 4)->id;
    client_wait (c, 10, id, WAIT_COUNT, 5);
    client_wait (c, 11, id, WAIT_SUCCESSES, 4);
    client_wait (c, 12, id, WAIT_SUCCESSES, 3);
    bed_settle (b);
    assert_int_equal (client_reply (c, 10), WIRE_UNKNOWN);
    assert_int_equal (client_reply (c, 11), -1);
    worker_finish (w, id, 1, OUTCOME_FAILED, 1);
    bed_settle (b);
    assert_int_equal (client_reply (c, 11), WIRE_UNKNOWN);
    assert_int_equal (client_reply (c, 12), -1);
    bed_free (&b);
}

static void a_dropped_wait_is_not_answered (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    uint64_t id = client_submit (c, 1, BATCH_DETACHED, 0, 4)->id;
    client_wait (c, 10, id, WAIT_FINISHED, 0);
    struct wire drop = {.kind = WIRE_DROP_REF};
    drop.m.drop_ref.ref = 10;
    peer_post (c, &drop);
    bed_settle (b);
    bed_run (b, 10);
    assert_int_equal (client_reply (c, 10), -1);
    bed_free (&b);
}

static void a_batch_over_its_deadline_is_cancelled (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire w = {.kind = WIRE_OPEN};
    w.m.open.batch = 1;
    w.m.open.deadline_ms = 3000;
    peer_post (c, &w);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 5);
    bed_settle (b);
    bed_pass (b, 2 * US_PER_S);
    assert_false (client_view (c, 1)->ended);
    bed_pass (b, 2 * US_PER_S);
    assert_int_equal (client_view (c, 1)->end.cancelled, 5);
    bed_free (&b);
}

/* --- questions --- */

static int ask (struct peer *c, enum wire_ask what, uint64_t id, uint64_t *count)
{
    static uint64_t ref = 100;
    struct wire w = {.kind = WIRE_QUERY};
    struct wire m = {0};
    w.m.query.ref = ++ref;
    w.m.query.what = what;
    w.m.query.id = id;
    peer_post (c, &w);
    bed_settle (c->bed);
    int code = -1;
    *count = 0;
    while (peer_take (c, WIRE_REPLY, &m)) {
        assert_int_equal (m.m.reply.ref, ref);
        code = (int)m.m.reply.code;
        *count += m.m.reply.count;
        wire_fini (&m);
    }
    return code;
}

static void questions_are_answered_with_a_record_for_each_thing (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w1", 4);
    bed_worker (b, "w2", 4);
    uint64_t n;
    uint64_t id = client_submit (c, 1, BATCH_DETACHED, 0, 1200)->id;
    client_submit (c, 2, 0, 0, 3);
    worker_finish (w, id, 2, OUTCOME_FAILED, 50000);
    bed_settle (b);
    assert_int_equal (ask (c, QUERY_STATUS, 0, &n), WIRE_OK);
    assert_int_equal (n, 1);
    assert_int_equal (ask (c, QUERY_WORKERS, 0, &n), WIRE_OK);
    assert_int_equal (n, 2);
    assert_int_equal (ask (c, QUERY_BATCHES, 0, &n), WIRE_OK);
    assert_int_equal (n, 2);
    assert_int_equal (ask (c, QUERY_BATCH, id, &n), WIRE_OK);
    assert_int_equal (n, 1);
    assert_int_equal (ask (c, QUERY_TASKS, id, &n), WIRE_OK);
    assert_int_equal (n, 1200);
    assert_int_equal (ask (c, QUERY_BATCH, 999, &n), WIRE_UNKNOWN);
    assert_int_equal (ask (c, QUERY_RESERVED, 0, &n), WIRE_UNSUPPORTED);
    bed_free (&b);
}

/* The `name` of the first record of the answer about rows [first, first + 3), or "". */
static void task_says (struct peer *c, uint64_t id, uint64_t first, const char *name,
                       const char *wanted)
{
    struct wire w = {.kind = WIRE_QUERY};
    w.m.query =
        (struct msg_query){.ref = 7, .what = QUERY_TASKS, .id = id, .first = first, .count = 3};
    peer_post (c, &w);
    bed_settle (c->bed);
    struct bytes v[64];
    struct wire m;
    size_t at = 0;
    assert_true (peer_take (c, WIRE_REPLY, &m));
    int64_t n = row_read (bytes_of (m.body[0].ptr, m.body[0].len), &at, v, 64);
    bool found = false;
    for (int64_t i = 0; i + 1 < n; i += 2)
        if (v[i].len == strlen (name) && memcmp (v[i].ptr, name, v[i].len) == 0) {
            found = true;
            assert_int_equal (v[i + 1].len, strlen (wanted));
            assert_memory_equal (v[i + 1].ptr, wanted, v[i + 1].len);
        }
    assert_true (found);
    wire_fini (&m);
}

static void what_became_of_a_task_before_is_told (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w1", 1);
    struct msg_open m = {.batch = 1, .runs = 3, .retry_on = RETRY_FAILED, .backoff_ms = 1000};
    uint64_t id = client_submit_as (c, &m, 1)->id;
    w = bed_worker_instead (w);
    struct outcome o = {.row = 0, .attempt = 2, .how = OUTCOME_FAILED, .status = 3};
    worker_end (w, id, &o);
    bed_settle (b);
    task_says (c, id, 0, "state", "waiting");
    task_says (c, id, 0, "attempt", "3");
    task_says (c, id, 0, "losses", "1");
    task_says (c, id, 0, "retries", "1");
    task_says (c, id, 0, "last", "exit 3");
    task_says (c, id, 0, "tried", "w1");
    bed_free (&b);
}

static void the_state_of_a_task (uint64_t flags)
{
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w1", 4);
    uint64_t id = client_submit (c, 1, flags, 0, 1000)->id;
    for (int i = 0; i < 10; i++) {
        worker_finish (w, id, 3, i % 2 ? OUTCOME_FAILED : OUTCOME_DONE, 50000);
        bed_settle (b);
    }
    struct peer *other = bed_client (b, "other"); /* results of an attached batch are gone */
    task_says (other, id, 0, "state", flags ? "done" : "finished");
    task_says (other, id, flags ? 3 : 30, "state", flags ? "failed" : "running");
    task_says (other, id, 30, "state", "running");
    task_says (other, id, 33, "worker", "w1");
    task_says (other, id, 34, "state", "waiting");
    task_says (other, id, 999, "state", "waiting");
    uint64_t n;
    assert_int_equal (ask (other, QUERY_TASKS, id, &n), WIRE_OK);
    assert_int_equal (n, 1000);
    bed_free (&b);
}

static void the_state_of_each_task_of_a_detached_batch_is_known (void **state)
{
    (void)state;
    the_state_of_a_task (BATCH_DETACHED);
}

static void the_state_of_each_task_of_an_attached_batch_is_known (void **state)
{
    (void)state;
    the_state_of_a_task (0);
}

/* --- live input --- */

static void post_input (struct peer *c, uint64_t row, uint64_t offset, const char *text)
{
    struct wire w = {.kind = WIRE_INPUT};
    w.m.input.batch = 1;
    w.m.input.row = row;
    w.m.input.offset = offset;
    w.body[0] = slice_borrowed (text, strlen (text));
    peer_post (c, &w);
}

static void input_before_its_row_is_granted_goes_out_behind_the_grant (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_submit (c, 1, BATCH_INPUT, 0, 1);
    post_input (c, 0, 0, "before");
    bed_settle (b);
    struct peer *w = bed_worker (b, "w", 1);
    bed_settle (b);
    post_input (c, 0, 6, "after");
    struct wire taken = {.kind = WIRE_INPUT_TAKEN};
    taken.m.input_taken.batch = id_of (c, 1);
    taken.m.input_taken.offset = 6;
    peer_post (w, &taken);
    bed_settle (b);
    struct got_message *first = STAILQ_FIRST (&w->inbox);
    assert_int_equal (first->w.kind, WIRE_SPEC);
    struct wire m;
    assert_true (peer_take (w, WIRE_INPUT, &m));
    assert_memory_equal (m.body[0].ptr, "before", 6);
    assert_int_equal (m.m.input.batch, id_of (c, 1));
    wire_fini (&m);
    assert_true (peer_take (w, WIRE_INPUT, &m));
    assert_int_equal (m.m.input.offset, 6);
    wire_fini (&m);
    assert_true (peer_take (c, WIRE_INPUT_TAKEN, &m));
    assert_int_equal (m.m.input_taken.batch, 1);
    wire_fini (&m);
    bed_free (&b);
}

static void input_of_a_row_that_is_given_back_goes_to_the_next_worker (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    client_submit (c, 1, BATCH_INPUT, 0, 1);
    post_input (c, 0, 0, "first");
    bed_settle (b);
    struct wire m;
    assert_true (peer_take (w1, WIRE_INPUT, &m));
    wire_fini (&m);
    struct peer *w2 = bed_worker (b, "w2", 1);
    struct wire full = {.kind = WIRE_CAPACITY, .m.capacity = {.slots = 1, .draining = 1}};
    peer_post (w1, &full);
    worker_return (w1, id_of (c, 1), 1); /* it has not started the row */
    bed_settle (b);
    assert_int_equal (w2->granted, 1);
    assert_true (peer_take (w2, WIRE_INPUT, &m));
    assert_memory_equal (m.body[0].ptr, "first", 5);
    wire_fini (&m);
    struct wire taken = {.kind = WIRE_INPUT_TAKEN};
    taken.m.input_taken.batch = id_of (c, 1);
    taken.m.input_taken.offset = 5;
    peer_post (w2, &taken);
    worker_finish (w2, id_of (c, 1), 1, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_became_of_a_task_before_is_told),
        cmocka_unit_test (cancel_of_waiting_rows_gives_outcomes_at_once),
        cmocka_unit_test (cancel_is_answered_when_processes_are_gone),
        cmocka_unit_test (rows_can_be_cancelled_and_the_others_go_on),
        cmocka_unit_test (a_cancellation_of_unstarted_rows_lets_the_others_end),
        cmocka_unit_test (a_cancelled_row_that_comes_back_does_not_run_again),
        cmocka_unit_test (wait_conditions),
        cmocka_unit_test (a_wait_that_cannot_come_to_hold_is_answered_at_once),
        cmocka_unit_test (a_dropped_wait_is_not_answered),
        cmocka_unit_test (a_batch_over_its_deadline_is_cancelled),
        cmocka_unit_test (questions_are_answered_with_a_record_for_each_thing),
        cmocka_unit_test (the_state_of_each_task_of_a_detached_batch_is_known),
        cmocka_unit_test (the_state_of_each_task_of_an_attached_batch_is_known),
        cmocka_unit_test (input_before_its_row_is_granted_goes_out_behind_the_grant),
        cmocka_unit_test (input_of_a_row_that_is_given_back_goes_to_the_next_worker),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
