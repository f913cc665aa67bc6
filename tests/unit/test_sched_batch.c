/* The life of a batch: broker/core/batches.c, chunks.c, subs.c, waits.c through the scheduler's
 * face. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

static const struct msg_rows NO_ROWS;

static uint64_t id_of (struct peer *c, uint64_t handle)
{
    return client_view (c, handle)->id;
}

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
    assert_int_equal (id_of (c1, 1), id_of (c2, 1));
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

/* Said as `submit --id` does: the end of the old batch must not cut the new submission short. */
static void results_of_a_known_batch_wait_until_all_was_compared (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    submit_with_key (c1, 1);
    bed_worker (b, "w", 4);
    bed_run (b, 1000);
    assert_true (client_view (c1, 1)->ended);
    struct wire w = {.kind = WIRE_OPEN};
    w.m.open.batch = 1;
    w.m.open.flags = BATCH_DETACHED;
    w.m.open.key = bytes_str ("nightly");
    w.m.open.compare = 1;
    client_view (c2, 1);
    peer_post (c2, &w);
    client_spec (c2, 1, 0, FORM_FUNCTION, "echo", 1);
    bed_settle (b);
    assert_int_equal (id_of (c2, 1), id_of (c1, 1));
    assert_false (client_view (c2, 1)->ended);
    assert_int_equal (c2->n_errors, 0);
    client_rows (c2, 1, 4); /* there were five in that chunk */
    bed_settle (b);
    assert_true (client_view (c2, 1)->ended);
    assert_int_equal (client_view (c2, 1)->end.state, BATCH_BROKEN);
    assert_int_equal (c2->n_errors, 1);
    bed_free (&b);
}

/* --- looking at a batch --- */

static void attach (struct peer *c, uint64_t handle, uint64_t id, uint64_t record, bool follow)
{
    struct wire w = {.kind = WIRE_ATTACH};
    w.m.attach.batch = handle;
    w.m.attach.id = id;
    w.m.attach.record = record;
    w.m.attach.follow = follow;
    client_view (c, handle)->record = record ? record - 1 : 0;
    client_view (c, handle)->part = record > 1;
    peer_post (c, &w);
}

static void who_attaches_gets_all_results_or_those_from_a_record_on (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    struct peer *w = bed_worker (b, "w", 1);
    uint64_t id = client_submit (c1, 1, BATCH_DETACHED, 0, 10)->id;
    for (int i = 0; i < 5; i++) {
        worker_finish (w, id, 1, OUTCOME_DONE, 50000);
        bed_settle (b);
    }
    attach (c2, 1, id, 0, true);
    attach (c2, 2, id, 4, true);
    attach (c2, 3, id, 0, false);
    bed_settle (b);
    assert_int_equal (client_view (c2, 1)->done.count, 5);
    assert_int_equal (client_view (c2, 2)->done.count, 2);
    assert_int_equal (client_view (c2, 3)->end.state, BATCH_RUNNING);
    assert_int_equal (client_view (c2, 3)->done.count, 5);
    bed_run (b, 50000);
    assert_int_equal (client_view (c2, 1)->done.count, 10);
    assert_int_equal (client_view (c2, 2)->done.count, 7);
    assert_int_equal (client_view (c2, 3)->done.count, 5);
    attach (c1, 5, id, 0, true);
    bed_settle (b);
    assert_int_equal (client_view (c1, 5)->end.done, 10);
    bed_free (&b);
}

/* The last one who looks goes, and another one comes, in the same turn. */
static void who_attaches_when_the_last_reader_leaves_is_answered (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *w = bed_worker (b, "w", 1);
    uint64_t id = client_submit (c1, 1, 0, 0, 1)->id;
    c1->full = true; /* nothing reaches it: the batch is kept for it */
    worker_finish (w, id, 1, OUTCOME_DONE, 1000);
    struct wire detach = {.kind = WIRE_DETACH};
    detach.m.detach.batch = 1;
    peer_post (c1, &detach);
    attach (c1, 2, id, 0, true);
    client_view (c1, 2)->part = true; /* what was sent is not kept */
    bed_turn (b);
    c1->full = false;
    b->now += 20000;
    bed_settle (b);
    bed_pass (b, US_PER_S);
    assert_true (client_view (c1, 2)->ended);
    bed_free (&b);
}

static void nobody_reads_an_attached_batch_and_it_goes_on (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 4000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    uint64_t id = client_submit (c, 1, 0, 0, 200)->id;
    struct wire detach = {.kind = WIRE_DETACH};
    detach.m.detach.batch = 1;
    peer_post (c, &detach);
    client_wait (c, 5, id, WAIT_FINISHED, 0);
    bed_settle (b);
    bed_run (b, 50000);
    assert_int_equal (w->granted, 200);
    assert_int_equal (client_reply (c, 5), WIRE_OK);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void a_detached_batch_keeps_its_results_and_never_waits_for_a_reader (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 4000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 1);
    uint64_t id = client_submit (c, 1, BATCH_DETACHED, 0, 200)->id;
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (c, &bye);
    bed_settle (b);
    bed_run (b, 50000);
    struct peer *c2 = bed_client (b, "c2");
    attach (c2, 1, id, 0, true);
    bed_settle (b);
    assert_int_equal (client_view (c2, 1)->end.done, 200);
    bed_free (&b);
}

/* --- limits --- */

static void slow_reader_pauses_only_its_batch (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 20000;
    cfg.window_bytes = 10000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *slow = bed_client (b, "slow");
    struct peer *quick = bed_client (b, "quick");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (slow, 1, 0, 0, 1000);
    client_submit (quick, 1, 0, 0, 1000);
    slow->stalled = true;
    for (int i = 0; i < 2000; i++) {
        worker_finish (w, id_of (slow, 1), 1, OUTCOME_DONE, 50000);
        worker_finish (w, id_of (quick, 1), 1, OUTCOME_DONE, 50000);
        bed_turn (b);
        bed_turn (b);
    }
    assert_true (client_view (quick, 1)->ended);
    assert_int_equal (worker_held (w, 0), 0);
    uint64_t left = bed_figures (b).waiting;
    assert_in_range (left, 1, 900);
    peer_wake (slow);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (slow, 1)), 2); /* at once, not at the next tick */
    bed_run (b, 50000);
    assert_true (client_view (slow, 1)->ended);
    bed_free (&b);
}

static void output_that_is_not_read_pauses_as_well (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 20000;
    cfg.window_bytes = 10000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    client_submit (c, 1, 0, 0, 3);
    uint64_t id = id_of (c, 1);
    c->stalled = true;
    static char bytes[5000];
    for (uint64_t i = 0; i < 10; i++) {
        struct wire m = {.kind = WIRE_OUTPUT};
        m.m.output.batch = id;
        m.m.output.attempt = 1;
        m.m.output.stream = 1;
        m.m.output.offset = i * sizeof bytes;
        m.body[0] = slice_borrowed (bytes, sizeof bytes);
        peer_post (w, &m);
    }
    worker_finish (w, id, 1, OUTCOME_DONE, 50000);
    bed_turn (b);
    bed_turn (b);
    assert_int_equal (worker_held (w, 0), 0);
    peer_wake (c);
    bed_settle (b);
    assert_int_equal (client_view (c, 1)->output_bytes, 50000);
    bed_run (b, 50000);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

static void queue_limit_shuts_the_window_and_reopens_it (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = 100000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *other = bed_client (b, "other");
    client_submit (c, 1, 0, 0, 20000);
    bed_settle (b);
    assert_int_equal (c->window, 0);
    assert_int_equal (other->window, 0);
    struct peer *late = bed_client (b, "late");
    assert_int_equal (late->window, 0);
    struct peer *w = bed_worker (b, "w", 4);
    assert_true (w->window > 0); /* results must not be held back: they make room */
    bed_run (b, 20);
    assert_true (client_view (c, 1)->ended);
    assert_int_equal (c->window, cfg.window_bytes);
    assert_int_equal (other->window, cfg.window_bytes);
    assert_int_equal (late->window, cfg.window_bytes);
    bed_free (&b);
}

static void the_oldest_kept_results_make_room_before_clients_wait (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = 100000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    for (uint64_t handle = 1; handle <= 12; handle++) {
        client_submit (c, handle, BATCH_DETACHED, 0, 1000);
        bed_run (b, 20);
        assert_true (client_view (c, handle)->ended);
        bed_pass (b, US_PER_S);
    }
    assert_true (bed_figures (b).batches < 12);
    assert_true (bed_figures (b).batches > 0);
    assert_true (bed_figures (b).queue_bytes <= cfg.queue_bytes);
    assert_int_equal (c->window, cfg.window_bytes);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_oldest_kept_results_make_room_before_clients_wait),
        cmocka_unit_test (empty_batch_ends_at_once),
        cmocka_unit_test (the_end_tells_the_counts_and_nothing_stays),
        cmocka_unit_test (an_open_batch_waits_for_more_rows),
        cmocka_unit_test (all_results_of_a_turn_leave_with_it),
        cmocka_unit_test (a_handle_in_use_is_refused_and_its_batch_goes_on),
        cmocka_unit_test (what_is_said_of_a_batch_before_its_end_is_heard_is_no_error),
        cmocka_unit_test (attaching_to_nothing_is_answered_with_a_broken_end),
        cmocka_unit_test (a_wrong_total_cancels_the_batch),
        cmocka_unit_test (rows_that_do_not_fit_cancel_the_batch),
        cmocka_unit_test (large_row_in_parts_is_granted_in_parts),
        cmocka_unit_test (a_large_row_that_began_is_let_in_though_the_queue_is_full),
        cmocka_unit_test (and_so_it_is_after_a_restart),
        cmocka_unit_test (a_large_row_of_a_lost_worker_is_granted_whole_again),
        cmocka_unit_test (a_row_of_which_parts_are_missing_lets_nothing_follow),
        cmocka_unit_test (a_large_row_goes_on_where_it_was_cut_off),
        cmocka_unit_test (a_large_row_with_other_bytes_is_a_conflict),
        cmocka_unit_test (the_same_key_again_is_the_same_batch),
        cmocka_unit_test (results_of_a_known_batch_wait_until_all_was_compared),
        cmocka_unit_test (who_attaches_gets_all_results_or_those_from_a_record_on),
        cmocka_unit_test (who_attaches_when_the_last_reader_leaves_is_answered),
        cmocka_unit_test (nobody_reads_an_attached_batch_and_it_goes_on),
        cmocka_unit_test (a_detached_batch_keeps_its_results_and_never_waits_for_a_reader),
        cmocka_unit_test (slow_reader_pauses_only_its_batch),
        cmocka_unit_test (output_that_is_not_read_pauses_as_well),
        cmocka_unit_test (queue_limit_shuts_the_window_and_reopens_it),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
