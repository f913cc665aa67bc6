/* A broker that died and comes back, and its clients: what they were told holds, and what they are
 * told goes on behind it. */
#include "tests/unit/restart_rig.h"

static void a_client_goes_on_behind_what_it_has (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct view *v = client_submit (c, 1, 0, 0, 20);
    for (int i = 0; i < 9; i++) {
        worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
        bed_settle (b);
    }
    assert_int_equal (v->record, 9);
    restart (b, t); /* the model fails for a record or row that it is told twice */
    assert_int_equal (v->known, 1);
    assert_int_equal (v->known_chunks, 1);
    assert_int_equal (v->record, 9);
    worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
    bed_settle (b);
    restart (b, t);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 20);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void a_submission_goes_on_where_it_was (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 5);
    bed_settle (b);
    t->late = 10; /* what follows is not sure to be kept */
    client_rows (c, 1, 5);
    client_close (c, 1);
    for (int i = 0; i < 3; i++)
        bed_turn (b);
    t->late = 0;
    restart (b, t);
    assert_int_equal (client_view (c, 1)->known_chunks, 1);
    bed_worker (b, "w", 4);
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 1)->end.done, 10);
    bed_free (&b);
}

/* What was sent behind a cancellation was acknowledged, and is not kept: it is not missing. */
static void of_a_cancelled_batch_no_chunk_is_wanted (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 2);
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 5);
    bed_settle (b);
    client_cancel (c, 1, 1, 0, 0);
    bed_settle (b);
    client_rows (c, 1, 5);
    bed_settle (b);
    restart (b, t);
    assert_true (client_view (c, 1)->known_chunks >= 2);
    bed_free (&b);
}

static void the_end_is_told_again_until_it_was_seen (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    for (uint64_t rows = 0; rows <= 3; rows += 3) { /* also of a batch without any */
        struct view *v = client_submit (c, 1 + rows, 0, 0, 0);
        if (rows)
            v = client_submit (c, 2, 0, 0, rows);
        c->full = true;
        if (rows)
            worker_finish (w, v->id, rows, OUTCOME_DONE, 1000);
        bed_turn (b);
        c->full = false;
        restart (b, t);
        bed_settle (b);
        assert_true (v->ended);
        assert_int_equal (v->end.done, rows);
        assert_int_equal (bed_figures (b).batches, 0);
    }
    restart (b, t); /* and is forgotten for good */
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void numbers_of_batches_are_not_given_again (void **state)
{
    (void)state;
    for (int by_batch = 0; by_batch <= 1; by_batch++) {
        struct store_test *t;
        struct bed *b = durable_bed (&t);
        struct peer *c = bed_client (b, "c");
        t->by_batch = by_batch;
        client_submit (c, 1, 0, 0, 0);
        uint64_t id = client_submit (c, 2, 0, 0, 0)->id;
        assert_int_equal (bed_figures (b).batches, 0);
        restart (b, t);
        assert_true (client_submit (c, 3, 0, 0, 0)->id > id);
        bed_free (&b);
    }
}

static void an_attached_batch_whose_client_does_not_come_back_is_cancelled (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    client_submit (c, 1, 0, 0, 10);
    client_submit (c, 2, BATCH_DETACHED, 0, 10);
    peer_free (c);
    restart (b, t);
    pass (b, 59);
    assert_int_equal (bed_figures (b).waiting + bed_figures (b).granted, 20);
    pass (b, 2);
    assert_true (bed_figures (b).waiting + bed_figures (b).granted <= 11);
    bed_run (b, 1000);
    assert_int_equal (bed_figures (b).batches, 1); /* the detached one */
    (void)w;
    bed_free (&b);
}

/* Who looks at a batch that waits for its client takes no result away from it. */
static void a_passing_reader_leaves_the_results_for_the_owner (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 4);
    c->full = true;
    worker_finish (w, v->id, 2, OUTCOME_DONE, 50000);
    bed_turn (b);
    c->full = false;
    b->faithful = false;
    bed_restart (b, t);
    peer_back (w, false);
    struct peer *reader = bed_client (b, "reader");
    struct wire m = {.kind = WIRE_ATTACH};
    m.m.attach.batch = 9;
    m.m.attach.id = v->id;
    client_view (reader, 9)->part = true;
    peer_post (reader, &m);
    bed_settle (b);
    assert_int_equal (client_view (reader, 9)->done.count, 2);
    peer_back (c, false);
    bed_settle (b);
    assert_int_equal (v->done.count, 2);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 4);
    bed_free (&b);
}

static void a_state_that_went_back_is_found_out (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 4);
    v->record = 7; /* it has what this broker does not know of */
    restart (b, t);
    assert_true (v->ended);
    assert_int_equal (v->end.state, BATCH_BROKEN);
    assert_int_equal (c->error, WIRE_CONFLICT);
    bed_free (&b);
}

static void confirmed_results_are_not_read_again (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct view *v = client_submit (c, 1, 0, 0, 200);
    for (int i = 0; i < 100; i++) {
        worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
        bed_turn (b);
        bed_turn (b);
    }
    uint64_t rows = bed_figures (b).queue_bytes;
    b->faithful = false;
    bed_restart (b, t); /* nobody comes: what is held is what was not confirmed */
    assert_true (bed_figures (b).queue_bytes < rows + 2000);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_client_goes_on_behind_what_it_has),
        cmocka_unit_test (a_submission_goes_on_where_it_was),
        cmocka_unit_test (of_a_cancelled_batch_no_chunk_is_wanted),
        cmocka_unit_test (the_end_is_told_again_until_it_was_seen),
        cmocka_unit_test (numbers_of_batches_are_not_given_again),
        cmocka_unit_test (an_attached_batch_whose_client_does_not_come_back_is_cancelled),
        cmocka_unit_test (a_passing_reader_leaves_the_results_for_the_owner),
        cmocka_unit_test (a_state_that_went_back_is_found_out),
        cmocka_unit_test (confirmed_results_are_not_read_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
