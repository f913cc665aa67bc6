/* The life of a batch: what is submitted, what is refused, and the end. */
#include "tests/unit/sched_harness.h"

static void empty_batch_ends_at_once (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 0);
    assert_true (v->ended);
    assert_int_equal (v->end.state, BATCH_FINISHED);
    assert_int_equal (v->end.total, 0);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void the_end_tells_the_counts_and_nothing_stays (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *v = client_submit (c, 1, 0, 0, 4);
    worker_finish (w, v->id, 1, OUTCOME_FAILED, 10);
    worker_finish (w, v->id, 1, OUTCOME_TIMEOUT, 10);
    bed_run (b, 10);
    assert_true (v->ended);
    assert_int_equal (v->end.total, 4);
    assert_int_equal (v->end.done, 2);
    assert_int_equal (v->end.failed, 1);
    assert_int_equal (v->end.timeout, 1);
    assert_int_equal (bed_figures (b).batches, 0);
    assert_int_equal (bed_figures (b).queue_bytes, 0);
    bed_free (&b);
}

static void an_open_batch_waits_for_more_rows (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 3);
    bed_settle (b);
    bed_run (b, 10);
    assert_int_equal (client_view (c, 1)->done.count, 3);
    assert_false (client_view (c, 1)->ended);
    client_rows (c, 1, 2);
    client_close (c, 1);
    bed_settle (b);
    bed_run (b, 10);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

/* What a turn brings to a client leaves with that turn, not one message at a time. */
static void all_results_of_a_turn_leave_with_it (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 50);
    struct view *v = client_submit (c, 1, 0, 0, 50);
    for (int i = 0; i < 50; i++)
        worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
    bed_turn (b);
    assert_int_equal (v->n_got, 50);
    bed_free (&b);
}

/* --- submissions that do not fit --- */

static void a_handle_in_use_is_refused_and_its_batch_goes_on (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 1);
    struct view *v = client_submit (c, 1, 0, 0, 3);
    uint64_t id = v->id;
    client_open (c, 1, 0, 0, 50);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_CONFLICT);
    struct wire w = {.kind = WIRE_ATTACH};
    w.m.attach.batch = 1;
    w.m.attach.id = id;
    peer_post (c, &w);
    bed_settle (b);
    assert_int_equal (c->n_errors, 2);
    bed_run (b, 10);
    assert_int_equal (v->end.state, BATCH_FINISHED);
    bed_free (&b);
}

static void what_is_said_of_a_batch_before_its_end_is_heard_is_no_error (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_open (c, UINT64_MAX, 0, 0, 50);
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 1);
    client_rows (c, 1, 1);
    client_view (c, 1)->chunks++; /* one is missing */
    client_rows (c, 1, 1);
    bed_turn (b);
    assert_true (client_view (c, 1)->ended);
    assert_int_equal (c->n_errors, 1);
    client_rows (c, 1, 1);
    client_close (c, 1);
    bed_settle (b);
    assert_int_equal (c->n_errors, 1);
    client_rows (c, 2, 1); /* but this was never opened */
    bed_settle (b);
    assert_int_equal (c->n_errors, 2);
    bed_free (&b);
}

static void attaching_to_nothing_is_answered_with_a_broken_end (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire w = {.kind = WIRE_ATTACH};
    w.m.attach.batch = 7;
    w.m.attach.id = 12345;
    peer_post (c, &w);
    bed_settle (b);
    assert_int_equal (client_view (c, 7)->end.state, BATCH_BROKEN);
    bed_free (&b);
}

static void a_wrong_total_cancels_the_batch (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 5);
    client_view (c, 1)->rows = 6;
    client_close (c, 1);
    bed_settle (b);
    assert_int_equal (client_view (c, 1)->end.state, BATCH_CANCELLED);
    assert_int_equal (client_view (c, 1)->end.cancelled, 5);
    bed_free (&b);
}

static void post_rows (struct peer *c, struct msg_rows m, const char *body, size_t len)
{
    struct wire w = {.kind = WIRE_ROWS, .m.rows = m};
    w.body[0] = slice_borrowed (body, len);
    peer_post (c, &w);
}

/* Each of them in a batch of its own, that had one good chunk of one row. */
static void rows_that_do_not_fit_cancel_the_batch (void **state)
{
    (void)state;
    static const char ROW[] = "\x91\xc4\x01x";
    static const struct msg_rows BAD[] = {
        {.chunk = 2, .first = 1, .count = 1},                            /* a chunk is missing */
        {.chunk = 1, .first = 2, .count = 1},                            /* a row is missing */
        {.chunk = 1, .first = 1, .count = 0},                            /* nothing */
        {.chunk = 1, .first = 1, .count = 2},                            /* more than there is */
        {.chunk = 1, .first = 1, .count = 1, .spec = 5},                 /* unknown spec */
        {.chunk = 1, .first = 1, .count = 2, .total = 8},                /* two large rows */
        {.chunk = 1, .first = 1, .count = 1, .total = 8, .offset = 4},   /* not from its start */
        {.chunk = 1, .first = 1, .count = 1, .total = 2},                /* longer than it says */
        {.chunk = 9, .first = 1, .count = 1, .total = 8, .offset = 4},   /* a chunk is missing */
        {.chunk = 1, .first = 1, .count = 1, .total = UINT64_MAX},       /* too long */
        {.chunk = 1, .first = UINT64_MAX, .count = 1000000, .offset = 1} /* around the corner */
    };
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    for (uint64_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct msg_rows m = BAD[i];
        m.batch = i + 1;
        client_open (c, m.batch, 0, 0, 50);
        client_spec (c, m.batch, 0, FORM_FUNCTION, "echo", 1);
        client_rows (c, m.batch, 1);
        post_rows (c, m, ROW, 4);
        bed_settle (b);
        if (client_view (c, m.batch)->end.state != BATCH_CANCELLED)
            fail_msg ("case %d was taken", (int)i);
    }
    assert_int_equal (bed_figures (b).queue_bytes, 0);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (empty_batch_ends_at_once),
        cmocka_unit_test (the_end_tells_the_counts_and_nothing_stays),
        cmocka_unit_test (an_open_batch_waits_for_more_rows),
        cmocka_unit_test (all_results_of_a_turn_leave_with_it),
        cmocka_unit_test (a_handle_in_use_is_refused_and_its_batch_goes_on),
        cmocka_unit_test (what_is_said_of_a_batch_before_its_end_is_heard_is_no_error),
        cmocka_unit_test (attaching_to_nothing_is_answered_with_a_broken_end),
        cmocka_unit_test (a_wrong_total_cancels_the_batch),
        cmocka_unit_test (rows_that_do_not_fit_cancel_the_batch),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
