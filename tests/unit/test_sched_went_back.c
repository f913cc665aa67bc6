/* A broker whose state went back: a power failure in durability fast, or yesterday's copy. It gives
 * numbers anew, and finds out by who comes back with more than it knows (RELIABILITY.md, B38).
 */
#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

static struct bed *durable_bed (struct store_test **t)
{
    struct bed *b = bed_new (NULL, store_test_new (t));
    b->faithful = true;
    return b;
}

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

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_worker_with_rows_of_another_batch_of_that_number_begins_anew),
        cmocka_unit_test (a_worker_with_rows_of_a_batch_that_is_to_come_begins_anew),
        cmocka_unit_test (who_read_more_results_than_there_are_reads_no_others),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
