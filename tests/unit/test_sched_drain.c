/* A broker that is drained: what is open ends, nothing new begins, for as long as somebody waits.
 */
#include "tests/unit/sched_harness.h"

static void ask_to_drain (struct peer *c, uint64_t ref)
{
    struct wire w = {.kind = WIRE_DRAIN};
    w.m.drain.ref = ref;
    peer_post (c, &w);
    bed_settle (c->bed);
}

static void a_draining_broker_refuses_new_batches_and_ends_the_open_ones (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *op = bed_client (b, "operator");
    client_open (c, 1, 0, 0, 0);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 2);
    bed_settle (b);
    ask_to_drain (op, 5);
    struct view *refused = client_submit (c, 2, 0, 0, 3);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_DRAINING);
    assert_true (refused->ended);
    assert_int_equal (refused->end.state, BATCH_BROKEN);
    client_rows (c, 1, 2); /* it was open before */
    client_close (c, 1);
    bed_worker (b, "w", 2);
    bed_pass (b, US_PER_S);
    assert_int_equal (client_reply (op, 5), -1);
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 1)->end.done, 4);
    bed_pass (b, US_PER_S);
    assert_int_equal (client_reply (op, 5), WIRE_OK);
    client_submit (c, 3, 0, 0, 1); /* nor between the answer and the end */
    bed_settle (b);
    assert_true (client_view (c, 3)->ended);
    bed_free (&b);
}

static void a_broker_is_done_only_when_the_last_result_was_read (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *op = bed_client (b, "operator");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    bed_settle (b);
    ask_to_drain (op, 5);
    c->stalled = true;
    worker_finish (w, v->id, 2, OUTCOME_DONE, 1000);
    bed_pass (b, US_PER_S);
    assert_int_equal (client_reply (op, 5), -1);
    peer_wake (c);
    bed_pass (b, US_PER_S);
    assert_true (v->ended);
    assert_int_equal (client_reply (op, 5), WIRE_OK);
    bed_free (&b);
}

static void a_broker_takes_work_again_when_nobody_waits_for_its_end (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire drop = {.kind = WIRE_DROP_REF, .m.drop_ref = {.ref = 5}};
    struct wire bye = {.kind = WIRE_BYE};
    bed_worker (b, "w", 2);
    for (uint64_t leaves = 0; leaves < 2; leaves++) {
        struct peer *op = bed_client (b, "operator");
        client_submit (c, 10 + leaves, 0, 0, 1);
        bed_settle (b);
        ask_to_drain (op, 5);
        if (leaves) {
            peer_say (op, &bye);
            bed_settle (b);
            peer_free (op);
        } else {
            peer_post (op, &drop);
        }
        bed_settle (b);
        struct view *v = client_submit (c, 20 + leaves, 0, 0, 1);
        bed_run (b, 1000);
        assert_int_equal (v->end.done, 1);
        assert_int_equal (c->n_errors, 0);
    }
    bed_free (&b);
}

static void a_draining_broker_runs_nothing_again_that_is_over (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 2);
    struct wire retry = {.kind = WIRE_RETRY, .m.retry = {.ref = 6, .hows = 2}};
    bed_settle (b);
    worker_finish (w, v->id, 2, OUTCOME_FAILED, 1000);
    bed_settle (b);
    assert_true (v->ended);
    ask_to_drain (c, 5);
    retry.m.retry.id = v->id;
    peer_post (c, &retry);
    bed_settle (b);
    assert_int_equal (client_reply (c, 6), WIRE_DRAINING);
    bed_pass (b, US_PER_S);
    assert_int_equal (client_reply (c, 5), WIRE_OK);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_draining_broker_refuses_new_batches_and_ends_the_open_ones),
        cmocka_unit_test (a_broker_is_done_only_when_the_last_result_was_read),
        cmocka_unit_test (a_broker_takes_work_again_when_nobody_waits_for_its_end),
        cmocka_unit_test (a_draining_broker_runs_nothing_again_that_is_over),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
