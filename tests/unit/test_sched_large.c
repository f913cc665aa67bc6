/* Large rows, which come in parts; and submissions that are said once more, under the same key. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

static const struct msg_rows NO_ROWS;

/* --- large rows --- */

enum { PIECE = 200000, PIECES = 3 };

static struct msg_rows part_of (uint64_t handle, uint64_t chunk, uint64_t row, uint64_t piece)
{
    struct msg_rows m = NO_ROWS;
    m.batch = handle;
    m.chunk = chunk;
    m.first = row;
    m.count = 1;
    m.offset = piece * PIECE;
    m.total = PIECES * PIECE;
    return m;
}

static void post_part (struct peer *c, uint64_t handle, uint64_t chunk, uint64_t row,
                       uint64_t piece, bool key)
{
    char *bytes = calloc (1, PIECE);
    struct wire w = {.kind = WIRE_ROWS, .m.rows = part_of (handle, chunk, row, piece)};
    w.body[0] = slice_borrowed (bytes, PIECE);
    if (key)
        w.body[1] = slice_borrowed ("\xc4\x03key", 5);
    peer_post (c, &w);
    free (bytes);
}

static void open_one (struct peer *c, uint64_t handle)
{
    client_open (c, handle, 0, 0, 50);
    client_spec (c, handle, 0, FORM_FUNCTION, "echo", 1);
}

static void large_row_in_parts_is_granted_in_parts (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    open_one (c, 1);
    post_part (c, 1, 0, 0, 0, true);
    post_part (c, 1, 0, 0, 1, false);
    bed_settle (b);
    assert_int_equal (w->granted, 0);
    post_part (c, 1, 0, 0, 2, false);
    client_view (c, 1)->rows = client_view (c, 1)->chunks = 1;
    client_rows (c, 1, 1);
    client_close (c, 1);
    bed_settle (b);
    assert_int_equal (w->large, 1);
    assert_true (peer_count (w, WIRE_GRANT) > PIECES); /* the line was not measured yet */
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 1)->end.done, 2);
    assert_int_equal (bed_figures (b).queue_bytes, 0);
    bed_free (&b);
}

/* It was said before the client could hear that the row had filled its quota. */
static void what_follows_a_large_row_is_let_in_with_it (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = PIECE / 2;
    cfg.window_bytes = 4096;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 1);
    open_one (c, 1);
    for (uint64_t piece = 0; piece < PIECES; piece++)
        post_part (c, 1, 0, 0, piece, false);
    client_view (c, 1)->rows = client_view (c, 1)->chunks = 1;
    client_rows (c, 1, 1);
    client_close (c, 1);
    bed_settle (b);
    bed_run (b, 1000);
    assert_int_equal (c->n_errors, 0);
    assert_int_equal (client_view (c, 1)->end.done, 2);
    bed_free (&b);
}

static void a_large_row_that_began_is_let_in_though_the_queue_is_full (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = PIECE / 2;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *other = bed_client (b, "other");
    open_one (c, 1);
    post_part (c, 1, 0, 0, 0, false);
    bed_settle (b);
    assert_true (c->window > 0);
    assert_int_equal (other->window, 0);
    post_part (c, 1, 0, 0, 1, false);
    post_part (c, 1, 0, 0, 2, false);
    bed_settle (b);
    assert_int_equal (c->window, 0);
    bed_free (&b);
}

static void and_so_it_is_after_a_restart (void **state)
{
    (void)state;
    struct sched_config cfg;
    struct store_test *t;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = PIECE / 2;
    struct bed *b = bed_new (&cfg, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    open_one (c, 1);
    post_part (c, 1, 0, 0, 0, false);
    bed_settle (b);
    bed_restart (b, t);
    peer_back (c, true);
    bed_settle (b);
    assert_int_equal (c->window, 0);
    client_open (c, 1, 0, 0, 50); /* under the same key: the row is its own */
    bed_settle (b);
    assert_true (c->window > 0);
    bed_free (&b);
}

static void a_large_row_of_a_lost_worker_is_granted_whole_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    open_one (c, 1);
    for (uint64_t i = 0; i < PIECES; i++)
        post_part (c, 1, 0, 0, i, false);
    bed_settle (b);
    assert_int_equal (w1->large, 1);
    struct peer *w2 = bed_worker (b, "w2", 1);
    peer_free (w1);
    bed_pass (b, 21 * (int64_t)US_PER_S);
    (void)w2; /* silent as well, and lost: model peers say nothing by themselves */
    struct peer *w3 = bed_worker (b, "w3", 1);
    bed_settle (b);
    assert_int_equal (w3->large, 1);
    assert_true (w3->held[0].attempt > 1);
    bed_free (&b);
}

static void a_row_of_which_parts_are_missing_lets_nothing_follow (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    open_one (c, 1);
    post_part (c, 1, 0, 0, 0, true);
    client_view (c, 1)->chunks = 1;
    client_rows (c, 1, 1); /* also row 0 */
    bed_settle (b);
    assert_int_equal (client_view (c, 1)->end.state, BATCH_CANCELLED);
    assert_int_equal (w->granted, 0);
    open_one (c, 2);
    post_part (c, 2, 0, 0, 0, true);
    client_close (c, 2);
    bed_settle (b);
    assert_int_equal (client_view (c, 2)->end.state, BATCH_CANCELLED);
    assert_int_equal (bed_figures (b).queue_bytes, 0);
    bed_free (&b);
}

/* --- the same key again --- */

static void open_with_key (struct peer *c, uint64_t handle, const char *key)
{
    struct wire w = {.kind = WIRE_OPEN};
    w.m.open.batch = handle;
    w.m.open.flags = BATCH_DETACHED;
    w.m.open.key = bytes_str (key);
    client_view (c, handle);
    peer_post (c, &w);
    client_spec (c, handle, 0, FORM_FUNCTION, "echo", 1);
}

static void submit_with_key (struct peer *c, uint64_t handle)
{
    open_with_key (c, handle, "nightly");
    client_rows (c, handle, 5);
    for (uint64_t i = 0; i < PIECES; i++)
        post_part (c, handle, 1, 5, i, i == 0);
    client_view (c, handle)->rows++;
    client_close (c, handle);
    bed_settle (c->bed);
}

static void post_bytes (struct peer *c, uint64_t offset, const char *bytes, uint64_t total)
{
    struct wire w = {.kind = WIRE_ROWS, .m.rows = NO_ROWS};
    w.m.rows.batch = 1;
    w.m.rows.count = 1;
    w.m.rows.offset = offset;
    w.m.rows.total = total;
    w.body[0] = slice_borrowed (bytes, strlen (bytes));
    peer_post (c, &w);
}

static void open_nightly (struct peer *c)
{
    open_with_key (c, 1, "nightly");
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
}

static void a_large_row_goes_on_where_it_was_cut_off (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    struct peer *c3 = bed_client (b, "c3");
    open_nightly (c1);
    post_bytes (c1, 0, "\x91\xc4\x06", 9);
    post_bytes (c1, 3, "abc", 9);
    bed_settle (b);
    open_nightly (c2); /* the second part was not acknowledged */
    post_bytes (c2, 3, "abc", 9);
    bed_settle (b);
    open_nightly (c3); /* in other parts, one of them half known */
    post_bytes (c3, 0, "\x91\xc4", 9);
    post_bytes (c3, 2,
                "\x06"
                "abcdef",
                9);
    bed_settle (b);
    assert_false (client_view (c2, 1)->ended);
    assert_false (client_view (c3, 1)->ended);
    assert_int_equal (bed_figures (b).waiting, 1);
    bed_free (&b);
}

static void a_large_row_with_other_bytes_is_a_conflict (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    open_nightly (c1);
    post_bytes (c1, 0, "\x91\xc4\x06", 9);
    post_bytes (c1, 3, "abc", 9);
    bed_settle (b);
    open_nightly (c2);
    post_bytes (c2, 0, "\x91\xc4", 9);
    post_bytes (c2, 2,
                "\x06"
                "abXdef",
                9);
    bed_settle (b);
    assert_true (client_view (c2, 1)->ended);
    assert_false (client_view (c1, 1)->ended);
    assert_int_equal (bed_figures (b).waiting, 0);
    bed_free (&b);
}

static void the_same_key_again_is_the_same_batch (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    submit_with_key (c1, 1);
    submit_with_key (c2, 1);
    assert_int_equal (client_view (c1, 1)->id, client_view (c2, 1)->id);
    assert_int_equal (bed_figures (b).waiting, 6);
    assert_int_equal (c2->n_errors, 0);
    bed_worker (b, "w", 4);
    bed_run (b, 1000);
    assert_int_equal (client_view (c1, 1)->end.done, 6);
    assert_int_equal (client_view (c2, 1)->end.done, 6);
    submit_with_key (c2, 2); /* it is over, and is remembered */
    assert_int_equal (client_view (c2, 2)->end.done, 6);
    assert_int_equal (bed_figures (b).batches, 1);
    bed_free (&b);
}

/* Said as `submit --id` does. */
static void open_to_compare (struct peer *c)
{
    struct wire w = {.kind = WIRE_OPEN};
    w.m.open.batch = 1;
    w.m.open.flags = BATCH_DETACHED;
    w.m.open.key = bytes_str ("nightly");
    w.m.open.compare = 1;
    client_view (c, 1);
    peer_post (c, &w);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
}

/* c1's batch of that key is over, and c2 has opened it to compare. */
static struct bed *reopened_bed (struct peer **c1, struct peer **c2)
{
    struct bed *b = bed_new (NULL, NULL);
    *c1 = bed_client (b, "c1");
    *c2 = bed_client (b, "c2");
    submit_with_key (*c1, 1);
    bed_worker (b, "w", 4);
    bed_run (b, 1000);
    assert_true (client_view (*c1, 1)->ended);
    open_to_compare (*c2);
    bed_settle (b);
    return b;
}

/* The end of the old batch must not cut the new submission short. */
static void results_of_a_known_batch_wait_until_all_was_compared (void **state)
{
    (void)state;
    struct peer *c1, *c2;
    struct bed *b = reopened_bed (&c1, &c2);
    assert_int_equal (client_view (c2, 1)->id, client_view (c1, 1)->id);
    assert_false (client_view (c2, 1)->ended);
    assert_int_equal (c2->n_errors, 0);
    client_rows (c2, 1, 4); /* there were five in that chunk */
    bed_settle (b);
    assert_true (client_view (c2, 1)->ended);
    assert_int_equal (client_view (c2, 1)->end.state, BATCH_BROKEN);
    assert_int_equal (c2->n_errors, 1);
    bed_free (&b);
}

/* Its rows were acknowledged by a broker that refused them, and died before it could say so. */
static void rows_that_are_not_said_again_are_compared_at_the_end (void **state)
{
    (void)state;
    struct peer *c1, *c2;
    struct bed *b = reopened_bed (&c1, &c2);
    struct wire w = {.kind = WIRE_CLOSE};
    w.m.close = (struct msg_close){.batch = 1, .total = 6, .content = 12345};
    peer_post (c2, &w);
    bed_settle (b);
    assert_int_equal (client_view (c2, 1)->n_got, 0);
    assert_int_equal (client_view (c2, 1)->end.state, BATCH_BROKEN);
    assert_int_equal (c2->n_errors, 1);
    bed_free (&b);
}

/* It would take them for rows that it never said. */
static void who_opened_first_gets_no_results_of_rows_that_another_said_first (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    bed_worker (b, "w", 4);
    open_to_compare (c1);
    bed_settle (b);
    open_to_compare (c2);
    client_rows (c2, 1, 2);
    client_close (c2, 1);
    bed_settle (b);
    bed_run (b, 1000);
    assert_true (client_view (c2, 1)->ended);
    assert_int_equal (client_view (c1, 1)->id, client_view (c2, 1)->id);
    assert_int_equal (client_view (c1, 1)->n_got, 0);
    client_rows (c1, 1, 2);
    client_close (c1, 1);
    bed_settle (b);
    assert_int_equal (client_view (c1, 1)->n_got, 2);
    assert_true (client_view (c1, 1)->ended);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (large_row_in_parts_is_granted_in_parts),
        cmocka_unit_test (a_large_row_that_began_is_let_in_though_the_queue_is_full),
        cmocka_unit_test (what_follows_a_large_row_is_let_in_with_it),
        cmocka_unit_test (and_so_it_is_after_a_restart),
        cmocka_unit_test (a_large_row_of_a_lost_worker_is_granted_whole_again),
        cmocka_unit_test (a_row_of_which_parts_are_missing_lets_nothing_follow),
        cmocka_unit_test (a_large_row_goes_on_where_it_was_cut_off),
        cmocka_unit_test (a_large_row_with_other_bytes_is_a_conflict),
        cmocka_unit_test (the_same_key_again_is_the_same_batch),
        cmocka_unit_test (results_of_a_known_batch_wait_until_all_was_compared),
        cmocka_unit_test (rows_that_are_not_said_again_are_compared_at_the_end),
        cmocka_unit_test (who_opened_first_gets_no_results_of_rows_that_another_said_first),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
