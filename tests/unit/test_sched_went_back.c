/* A broker whose state went back: a power failure in durability fast, or yesterday's copy. It gives
 * numbers anew, and finds out by who comes back with more than it knows (RELIABILITY.md, B38).
 */
#include "tests/unit/restart_rig.h"

/* The worker comes back with rows that this state knows nothing of. */
static struct peer *holder_of (struct bed *b, struct store_test *t, uint64_t batch, uint64_t born)
{
    struct peer *w = bed_worker (b, "w", 4);
    client_submit (bed_client (b, "c"), 1, BATCH_DETACHED, 1, 6);
    b->faithful = false;
    bed_restart (b, t);
    w->mute = true;
    peer_back (w, false);
    bed_settle (b);
    struct wire m = {.kind = WIRE_HOLD};
    m.m.hold = (struct msg_hold){.batch = batch, .count = 1, .attempt = 1, .born = born};
    peer_post (w, &m);
    bed_settle (b);
    return w;
}

static void a_worker_with_rows_of_another_batch_of_that_number_begins_anew (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *w = holder_of (b, t, 1, 4711);
    assert_int_equal (w->error, WIRE_FENCED);
    assert_int_equal (bed_figures (b).granted, 0);
    assert_int_equal (bed_figures (b).waiting, 6);
    assert_int_equal (bed_figures (b).workers, 0);
    bed_free (&b);
}

static void a_worker_with_rows_of_a_batch_that_is_to_come_begins_anew (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *w = holder_of (b, t, 2, 4711);
    assert_int_equal (w->error, WIRE_FENCED);
    assert_int_equal (bed_figures (b).workers, 0);
    bed_free (&b);
}

static void who_read_more_results_than_there_are_reads_no_others (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *reader = bed_client (b, "reader");
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 4);
    struct wire m = {.kind = WIRE_ATTACH};
    m.m.attach = (struct msg_attach){.batch = 5, .id = v->id, .record = 3};
    client_view (reader, 5);
    peer_post (reader, &m);
    bed_settle (b);
    assert_true (client_view (reader, 5)->ended);
    assert_int_equal (client_view (reader, 5)->end.state, BATCH_BROKEN);
    bed_free (&b);
}

/* Its client was told how row 0 ended, which is lost; now that number is the outcome of row 1. */
static void who_read_another_result_of_that_number_does_not_go_on (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *w = bed_worker (b, "w", 2);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 2);
    uint64_t before = t->held;
    worker_finish (w, v->id, 1, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_int_equal (v->record, 1);
    b->faithful = false;
    lose_power (b, t, before);
    peer_back (w, false);
    bed_settle (b);
    worker_end (w, v->id, &(struct outcome){.row = 1, .attempt = 1});
    bed_settle (b);
    assert_int_equal (bed_figures (b).waiting + bed_figures (b).granted, 1);
    peer_back (c, false);
    bed_settle (b);
    assert_int_equal (c->last_error.code, WIRE_CONFLICT);
    assert_int_equal (v->end.state, BATCH_BROKEN);
    bed_free (&b);
}

/* The worker's word of it came again. */
static void who_read_the_same_result_goes_on (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *w = bed_worker (b, "w", 2);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 2);
    uint64_t before = t->held;
    struct outcome o = {.row = 0, .attempt = 1, .start_us = 1, .wall_us = 5};
    worker_end (w, v->id, &o);
    bed_settle (b);
    b->faithful = false;
    lose_power (b, t, before);
    peer_back (w, false);
    bed_settle (b);
    worker_end (w, v->id, &o);
    bed_settle (b);
    peer_back (c, false);
    bed_settle (b);
    worker_finish (w, v->id, 2, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_int_equal (v->end.done, 2);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_worker_with_rows_of_another_batch_of_that_number_begins_anew),
        cmocka_unit_test (a_worker_with_rows_of_a_batch_that_is_to_come_begins_anew),
        cmocka_unit_test (who_read_more_results_than_there_are_reads_no_others),
        cmocka_unit_test (who_read_another_result_of_that_number_does_not_go_on),
        cmocka_unit_test (who_read_the_same_result_goes_on),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
