/* Ordering keys: rows of one key run one after another, in order, whatever happens to them and to
 * their workers; rows of other keys do not wait. Row R has key R % n_keys here.
 */
#include <string.h>

#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

enum { SECOND = US_PER_S, KEYS = 3 };

static const struct msg_open ORDERED = {.batch = 1, .flags = BATCH_ORDERED, .priority = 50};

static void alive (struct bed *b)
{
    struct peer *p;
    struct wire ping = {.kind = WIRE_PING};
    LIST_FOREACH (p, &b->peers, link)
        if (p->route && !p->deaf && !p->stalled)
            peer_say (p, &ping);
}

static void pass (struct bed *b, int64_t us)
{
    for (; us > 0; us -= SECOND) {
        alive (b);
        bed_pass (b, us < SECOND ? us : SECOND);
    }
}

static uint64_t key_of (const struct view *v, uint64_t row)
{
    return row % (v->n_keys ? v->n_keys : KEYS);
}

/* Of each key one row is out, at the most. */
static void check_turns (struct bed *b, const struct view *v)
{
    bool out[64] = {false};
    struct peer *p;
    LIST_FOREACH (p, &b->peers, link)
        for (size_t i = 0; i < p->n_held; i++) {
            if (p->held[i].batch != v->id)
                continue;
            uint64_t key = key_of (v, p->held[i].row);
            if (out[key])
                fail_msg ("two rows of key %d are out", (int)key);
            out[key] = true;
        }
}

/* What ended, in the order of its end: within a key by row. */
static void check_order (const struct view *v)
{
    uint64_t next[64] = {0};
    for (size_t i = 0; i < v->n_got; i++) {
        uint64_t key = key_of (v, v->got[i].row);
        if (v->got[i].row < next[key])
            fail_msg ("row %d ends behind row %d", (int)v->got[i].row, (int)next[key] - 1);
        next[key] = v->got[i].row + 1;
    }
}

static void end_row (struct peer *w, const struct view *v, uint64_t row, uint64_t attempt,
                     enum outcome_how how)
{
    struct outcome o = {.row = row, .attempt = attempt, .how = how, .wall_us = 1000};
    worker_end (w, v->id, &o);
    bed_settle (w->bed);
    check_turns (w->bed, v);
}

static void rows_of_a_key_run_one_after_another (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 8);
    struct peer *w2 = bed_worker (b, "w2", 8);
    struct view *v = client_submit_as (c, &ORDERED, 300);
    assert_int_equal (worker_held (w1, 0) + worker_held (w2, 0), KEYS);
    for (int i = 0; i < 300 && !v->ended; i++) {
        check_turns (b, v);
        worker_finish (w1, v->id, 1, OUTCOME_DONE, 10);
        worker_finish (w2, v->id, 2, OUTCOME_DONE, 10);
        bed_settle (b);
    }
    assert_true (v->ended);
    assert_int_equal (v->n_got, 300);
    check_order (v);
    bed_free (&b);
}

static void a_failed_row_lets_the_next_one_on (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    struct view *v = client_submit_as (c, &ORDERED, 6);
    end_row (w, v, 0, 1, OUTCOME_FAILED);
    assert_non_null (worker_row (w, v->id, 3));
    end_row (w, v, 1, 1, OUTCOME_TIMEOUT);
    assert_non_null (worker_row (w, v->id, 4));
    assert_null (worker_row (w, v->id, 5));
    bed_free (&b);
}

static void what_runs_again_keeps_its_turn (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    struct msg_open m = ORDERED;
    m.runs = 2;
    m.retry_on = RETRY_FAILED;
    m.backoff_ms = 5000;
    struct view *v = client_submit_as (c, &m, 6);
    end_row (w, v, 0, 1, OUTCOME_FAILED);
    assert_null (worker_row (w, v->id, 3));
    end_row (w, v, 1, 1, OUTCOME_DONE);
    assert_non_null (worker_row (w, v->id, 4));
    pass (b, 8 * (int64_t)SECOND);
    assert_int_equal (worker_row (w, v->id, 0)->attempt, 2);
    assert_null (worker_row (w, v->id, 3));
    end_row (w, v, 0, 2, OUTCOME_FAILED);
    assert_non_null (worker_row (w, v->id, 3));
    bed_free (&b);
}

static void what_is_given_back_keeps_its_turn (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 3);
    struct view *v = client_submit_as (c, &ORDERED, 9);
    struct peer *w2 = bed_worker (b, "w2", 3);
    worker_return (w1, v->id, 3);
    bed_settle (b);
    check_turns (b, v);
    for (uint64_t row = 0; row < 9; row++)
        assert_int_equal (worker_row (w1, v->id, row) || worker_row (w2, v->id, row), row < 3);
    bed_free (&b);
}

static void a_lost_worker_s_row_runs_before_those_behind_it (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w1", 1)->deaf = true;
    struct view *v = client_submit_as (c, &ORDERED, 6);
    struct peer *w2 = bed_worker (b, "w2", 8);
    bed_settle (b);
    for (int i = 0; i < 30 && !worker_row (w2, v->id, 0); i++)
        pass (b, SECOND);
    assert_int_equal (worker_row (w2, v->id, 0)->attempt, 2);
    assert_null (worker_row (w2, v->id, 3));
    bed_free (&b);
}

/* Its session is over at once, its tasks are not. */
static void end_session (struct peer *w)
{
    for (int i = 0; i < 16; i++) {
        struct wire rubbish = {.kind = WIRE_PING, .seq = 1};
        peer_say (w, &rubbish);
    }
    bed_settle (w->bed);
    w->deaf = true;
}

static void nothing_of_a_key_begins_while_a_lost_row_of_it_may_run (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    struct msg_open m = ORDERED;
    m.flags |= BATCH_AT_MOST_ONCE;
    struct view *v = client_submit_as (c, &m, 9);
    struct peer *w2 = bed_worker (b, "w2", 8);
    bed_settle (b);
    assert_non_null (worker_row (w1, v->id, 0));
    end_session (w1);
    assert_int_equal (view_got (v, 0)->how, OUTCOME_LOST);
    assert_null (worker_row (w2, v->id, 3));
    client_cancel (c, 1, 1, 3, 1); /* nor does that which comes behind one that is cancelled */
    bed_settle (b);
    assert_int_equal (view_got (v, 3)->how, OUTCOME_CANCELLED);
    assert_non_null (worker_row (w2, v->id, 1));
    pass (b, 19 * (int64_t)SECOND);
    assert_null (worker_row (w2, v->id, 6));
    pass (b, 2 * SECOND);
    assert_non_null (worker_row (w2, v->id, 6));
    bed_free (&b);
}

static void rows_that_are_held_are_cancelled_at_once (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    struct view *v = client_submit_as (c, &ORDERED, 12);
    client_cancel (c, 1, 1, 4, 3);
    bed_settle (b);
    for (uint64_t row = 4; row < 7; row++)
        assert_int_equal (view_got (v, row)->how, OUTCOME_CANCELLED);
    assert_int_equal (client_reply (c, 1), WIRE_OK);
    end_row (w, v, 1, 1, OUTCOME_DONE); /* behind it: 4 is not there any more */
    assert_non_null (worker_row (w, v->id, 7));
    end_row (w, v, 0, 1, OUTCOME_DONE);
    assert_non_null (worker_row (w, v->id, 3));
    end_row (w, v, 3, 1, OUTCOME_DONE);
    assert_non_null (worker_row (w, v->id, 9));
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 9);
    bed_free (&b);
}

static void a_cancelled_row_that_runs_keeps_its_turn_to_its_end (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    struct view *v = client_submit_as (c, &ORDERED, 12);
    client_cancel (c, 1, 1, 0, 5);
    bed_settle (b);
    assert_int_equal (v->n_got, 2);
    assert_null (worker_row (w, v->id, 6));
    end_row (w, v, 0, 1, OUTCOME_CANCELLED);
    assert_non_null (worker_row (w, v->id, 6));
    client_cancel (c, 2, 1, 0, 0);
    bed_settle (b);
    worker_finish (w, v->id, 8, OUTCOME_CANCELLED, 10);
    bed_settle (b);
    assert_true (v->ended);
    assert_int_equal (v->end.cancelled, 12);
    bed_free (&b);
}

static void ask_again (struct peer *c, const struct view *v, uint64_t ref)
{
    struct wire w = {.kind = WIRE_RETRY};
    w.m.retry.ref = ref;
    w.m.retry.id = v->id;
    w.m.retry.hows = 1 << OUTCOME_FAILED | 1 << OUTCOME_TIMEOUT;
    ranges_remove (&client_view (c, v->handle)->done, 0, 100);
    peer_post (c, &w);
    bed_settle (c->bed);
}

static void what_is_retried_goes_behind_all_of_its_key_by_row (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    struct msg_open m = ORDERED;
    m.flags |= BATCH_DETACHED;
    struct view *v = client_submit_as (c, &m, 12);
    end_row (w, v, 0, 1, OUTCOME_TIMEOUT);
    end_row (w, v, 3, 1, OUTCOME_FAILED);
    ask_again (c, v, 1);
    assert_null (worker_row (w, v->id, 0));
    static const uint64_t ORDER[] = {6, 9, 0, 3};
    for (int i = 0; i < 4; i++) {
        assert_non_null (worker_row (w, v->id, ORDER[i]));
        end_row (w, v, ORDER[i], 1 + (ORDER[i] < 6), OUTCOME_DONE);
    }
    bed_run (b, 1000);
    assert_true (v->ended);
    bed_free (&b);
}

static void rows_without_keys_are_refused (void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        size_t len;
    } BAD[] = {{"", 0}, {"\xc4\x01k", 3}, {"\xc4\x01k\xc4\x01k\xc4\x01k", 9}, {"\xc4\xff", 2}};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct bed *b = bed_new (NULL, NULL);
        struct peer *c = bed_client (b, "c");
        client_open_as (c, &ORDERED);
        client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
        struct wire w = {.kind = WIRE_ROWS};
        w.m.rows.batch = 1;
        w.m.rows.count = 2;
        w.body[0] = slice_borrowed ("\x90\x90", 2);
        w.body[1] = slice_borrowed (BAD[i].keys, BAD[i].len);
        peer_post (c, &w);
        bed_settle (b);
        assert_int_equal (c->error, WIRE_MALFORMED);
        assert_int_equal (client_view (c, 1)->end.state, BATCH_CANCELLED);
        bed_free (&b);
    }
}

static void large_rows_have_keys_like_others (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *worker = bed_worker (b, "w", 8);
    client_open_as (c, &ORDERED);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    for (uint64_t row = 0; row < 2; row++)
        for (uint64_t part = 0; part < 2; part++) {
            struct wire w = {.kind = WIRE_ROWS};
            w.m.rows = (struct msg_rows){
                .batch = 1, .chunk = row, .first = row, .count = 1, .offset = 4 * part, .total = 8};
            w.body[0] = slice_borrowed (part ? "efgh"
                                             : "\x91\xc4\x05"
                                               "a",
                                        4);
            w.body[1] = slice_borrowed ("\xc4\x03key", part ? 0 : 5);
            peer_post (c, &w);
        }
    bed_settle (b);
    struct view *v = client_view (c, 1);
    assert_int_equal (worker_held (worker, v->id), 1);
    worker_finish (worker, v->id, 1, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_non_null (worker_row (worker, v->id, 1));
    bed_free (&b);
}

static struct bed *durable_bed (struct store_test **t)
{
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.records = cfg.durable = true;
    struct bed *b = bed_new (&cfg, store_test_new (t));
    b->faithful = true;
    return b;
}

static void the_order_outlives_the_broker (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit_as (c, &ORDERED, 30);
    for (int i = 0; i < 60 && !v->ended; i++) {
        if (i % 4 == 3) {
            bed_restart (b, t);
            bed_settle (b);
            pass (b, 21 * (int64_t)SECOND);
        }
        worker_finish (w, v->id, 1, OUTCOME_DONE, 1000);
        bed_settle (b);
        check_turns (b, v);
    }
    assert_true (v->ended);
    assert_int_equal (v->n_got, 30);
    check_order (v);
    bed_free (&b);
}

/* A state that went back: it has forgotten that the row before has ended. */
static void a_worker_that_runs_a_row_before_its_turn_ends_it_first (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    struct view *v = client_submit_as (c, &ORDERED, 6);
    b->faithful = false;
    bed_restart (b, t);
    client_reopen (c);
    pass (b, 15 * (int64_t)SECOND);
    w->mute = true;
    peer_back (w, false);
    bed_settle (b);
    worker_void (w);
    peer_count (w, WIRE_CANCEL_ROWS);
    struct wire m = {.kind = WIRE_HOLD};
    m.m.hold = (struct msg_hold){.batch = v->id, .first = 3, .count = 1, .attempt = 1, .last = 1};
    peer_post (w, &m);
    bed_settle (b);
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 1);
    pass (b, 19 * (int64_t)SECOND);
    assert_int_equal (worker_held (w, v->id), 0);
    pass (b, 2 * SECOND);
    assert_int_equal (worker_held (w, v->id), KEYS);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rows_of_a_key_run_one_after_another),
        cmocka_unit_test (a_failed_row_lets_the_next_one_on),
        cmocka_unit_test (what_runs_again_keeps_its_turn),
        cmocka_unit_test (what_is_given_back_keeps_its_turn),
        cmocka_unit_test (a_lost_worker_s_row_runs_before_those_behind_it),
        cmocka_unit_test (nothing_of_a_key_begins_while_a_lost_row_of_it_may_run),
        cmocka_unit_test (rows_that_are_held_are_cancelled_at_once),
        cmocka_unit_test (a_cancelled_row_that_runs_keeps_its_turn_to_its_end),
        cmocka_unit_test (what_is_retried_goes_behind_all_of_its_key_by_row),
        cmocka_unit_test (rows_without_keys_are_refused),
        cmocka_unit_test (large_rows_have_keys_like_others),
        cmocka_unit_test (the_order_outlives_the_broker),
        cmocka_unit_test (a_worker_that_runs_a_row_before_its_turn_ends_it_first),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
