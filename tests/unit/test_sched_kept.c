/* Detached batches that are over: how long they are kept, and how their rows are run again. */
#include "common/wire/rows.h"
#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

/* The code of the answer; *value: what it says. */
static int request (struct peer *c, const struct wire *w, uint64_t *value)
{
    struct wire mine = *w;
    struct wire answer;
    int code = -1;
    if (w->kind == WIRE_REMOVE)
        mine.m.remove.ref = 99;
    else
        mine.m.retry.ref = 99;
    peer_post (c, &mine);
    bed_settle (c->bed);
    while (peer_take (c, WIRE_REPLY, &answer)) {
        if (answer.m.reply.ref == 99) {
            code = (int)answer.m.reply.code;
            *value = answer.m.reply.value;
        }
        wire_fini (&answer);
    }
    return code;
}

static int forget (struct peer *c, uint64_t id)
{
    struct wire w = {.kind = WIRE_REMOVE};
    uint64_t value;
    w.m.remove.id = id;
    return request (c, &w, &value);
}

static int retry (struct peer *c, uint64_t id, uint64_t first, uint64_t count, uint64_t hows,
                  uint64_t *value)
{
    struct wire w = {.kind = WIRE_RETRY};
    w.m.retry.id = id;
    w.m.retry.first = first;
    w.m.retry.count = count;
    w.m.retry.hows = hows;
    return request (c, &w, value);
}

/* A detached batch of which `bad` rows failed, and one was cancelled behind them. */
static struct view *ended_batch (struct peer *c, struct peer *w, uint64_t handle, uint64_t rows,
                                 uint64_t bad)
{
    struct view *v = client_submit (c, handle, BATCH_DETACHED, 0, rows);
    while (bad) {
        uint64_t n = worker_finish (w, v->id, bad, OUTCOME_FAILED, 50000);
        assert_true (n > 0);
        bad -= n;
        bed_settle (c->bed);
    }
    bed_run (c->bed, 50000);
    return v;
}

/* --- forgotten --- */

static void a_batch_is_forgotten_on_request_when_it_is_over (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 2);
    assert_int_equal (forget (c, 77), WIRE_UNKNOWN);
    assert_int_equal (forget (c, v->id), WIRE_CONFLICT);
    bed_worker (b, "w", 2);
    bed_run (b, 1000);
    struct peer *slow = bed_client (b, "slow");
    struct wire m = {.kind = WIRE_ATTACH};
    m.m.attach.batch = 5;
    m.m.attach.id = v->id;
    m.m.attach.follow = 1;
    assert_int_equal (forget (c, v->id), WIRE_OK);
    assert_int_equal (forget (c, v->id), WIRE_UNKNOWN);
    peer_post (slow, &m);
    bed_settle (b);
    assert_int_equal (client_view (slow, 5)->end.state, BATCH_BROKEN);
    assert_int_equal (bed_figures (b).batches, 0);
    assert_int_equal (bed_figures (b).queue_bytes, 0);
    bed_free (&b);
}

static void what_was_forgotten_does_not_come_back_with_the_broker (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    b->faithful = true;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v1 = ended_batch (c, w, 1, 3, 0);
    struct view *v2 = ended_batch (c, w, 2, 3, 0);
    assert_int_equal (forget (c, v1->id), WIRE_OK);
    bed_restart (b, t);
    bed_settle (b);
    assert_int_equal (bed_figures (b).batches, 1);
    assert_int_equal (forget (c, v1->id), WIRE_UNKNOWN);
    assert_int_equal (forget (c, v2->id), WIRE_OK);
    bed_free (&b);
}

static void the_old_are_forgotten_also_over_a_restart (void **state)
{
    (void)state;
    struct store_test *t;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.keep_us = 100 * (int64_t)US_PER_S;
    struct bed *b = bed_new (&cfg, store_test_new (&t));
    b->faithful = true;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    b->cfg.start_wall_us = 1700000000 * (int64_t)US_PER_S;
    bed_restart (b, t); /* on this clock */
    bed_settle (b);
    ended_batch (c, w, 1, 3, 0);
    bed_pass (b, 80 * (int64_t)US_PER_S);
    assert_int_equal (bed_figures (b).batches, 1);
    b->cfg.start_wall_us += 90 * (int64_t)US_PER_S; /* 80 s of life, and 10 without one */
    bed_restart (b, t);
    bed_pass (b, cfg.reattach_us - US_PER_S); /* who waits for it may be on the way back */
    assert_int_equal (bed_figures (b).batches, 1);
    bed_pass (b, 2 * US_PER_S);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

/* What is over is forgotten after 100 s, and there are real-time clocks. */
static struct bed *dated_bed (struct store_test **t)
{
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.keep_us = 100 * (int64_t)US_PER_S;
    cfg.start_wall_us = 1700000000 * (int64_t)US_PER_S;
    struct bed *b = bed_new (&cfg, store_test_new (t));
    b->faithful = true;
    return b;
}

/* The state is read again, but the clocks are those of the life that has long been going on. */
static void they_are_no_older_for_a_store_that_failed (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = dated_bed (&t);
    bed_pass (b, 1000 * (int64_t)US_PER_S);
    struct peer *c = bed_client (b, "c");
    struct view *v = ended_batch (c, bed_worker (b, "w", 2), 1, 3, 0);
    assert_true (v->ended);
    client_submit (c, 2, BATCH_DETACHED, 0, 3);
    client_cancel (c, 5, 2, 0, 0);
    bed_settle (b);
    t->full = true;
    client_submit (c, 3, 0, 0, 1); /* is refused */
    assert_int_equal (t->failures, 1);
    t->full = false;
    bed_pass (b, b->cfg.reattach_us + US_PER_S);
    assert_int_equal (bed_figures (b).batches, 2);
    bed_pass (b, 100 * (int64_t)US_PER_S);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

/* What was cancelled without a task that ran says not when; and of a worker whose clock is years
 * behind it is known that it was not before its batch. */
static void an_end_that_nobody_knows_is_not_long_ago (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = dated_bed (&t);
    struct peer *c = bed_client (b, "c");
    client_submit (c, 1, BATCH_DETACHED, 0, 3);
    bed_pass (b, 200 * (int64_t)US_PER_S);
    client_cancel (c, 5, 1, 0, 0);
    bed_settle (b);
    b->clock_off_us = -100000000 * (int64_t)US_PER_S;
    ended_batch (c, bed_worker (b, "w", 2), 2, 3, 0);
    b->cfg.start_wall_us += 201 * (int64_t)US_PER_S;
    bed_restart (b, t);
    bed_pass (b, b->cfg.reattach_us + US_PER_S);
    assert_int_equal (bed_figures (b).batches, 2);
    bed_pass (b, 100 * (int64_t)US_PER_S);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void the_oldest_are_forgotten_above_a_size (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.keep_bytes = 5000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t last = 0;
    for (uint64_t handle = 1; handle <= 12; handle++) {
        last = ended_batch (c, w, handle, 50, 0)->id;
        bed_pass (b, US_PER_S);
    }
    assert_in_range (bed_figures (b).batches, 1, 6);
    assert_true (bed_figures (b).queue_bytes <= cfg.keep_bytes);
    assert_int_equal (forget (c, last), WIRE_OK);
    bed_free (&b);
}

/* Not by what others queue: that forgetting it makes no less. */
static void a_batch_that_is_over_stays_beside_much_work (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = cfg.overflow_bytes = 30000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    ended_batch (c, w, 1, 3, 0);
    uint64_t before = bed_figures (b).queue_bytes;
    struct peer *other = bed_client (b, "other");
    client_open (other, 1, 0, 1, 50);
    client_spec (other, 1, 0, FORM_FUNCTION, "echo", 1);
    for (int i = 0; i < 9; i++)
        client_rows (other, 1, 500);
    bed_pass (b, US_PER_S);
    assert_true (bed_figures (b).queue_bytes - before > cfg.queue_bytes / 2);
    assert_int_equal (bed_figures (b).batches, 2);
    bed_free (&b);
}

/* Its client has heard nothing of it yet, and may lose the broker before it does. */
static void a_batch_that_is_just_over_is_kept_though_it_is_large (void **state)
{
    (void)state;
    struct store_test *t;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.keep_bytes = 100;
    struct bed *b = bed_new (&cfg, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    ended_batch (c, w, 1, 50, 0);
    assert_true (bed_figures (b).queue_bytes > cfg.keep_bytes);
    bed_pass (b, cfg.client_gone_us - US_PER_S);
    assert_int_equal (bed_figures (b).batches, 1);
    bed_pass (b, 2 * US_PER_S);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static bool has_pair (const struct wire *reply, const char *name, const char *value)
{
    struct bytes body = bytes_of (reply->body[0].ptr, reply->body[0].len);
    struct bytes pairs[64];
    size_t at = 0;
    int64_t n = row_read (body, &at, pairs, 64);
    for (int64_t i = 0; i + 1 < n; i += 2)
        if (bytes_equal (pairs[i], bytes_str (name)))
            return bytes_equal (pairs[i + 1], bytes_str (value));
    return false;
}

static void its_age_is_told_from_its_end_on (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 1);
    struct wire answer, ask = {.kind = WIRE_QUERY};
    ask.m.query.what = QUERY_BATCHES;
    bed_pass (b, 20 * US_PER_S);
    struct peer *w = bed_worker (b, "w", 1);
    worker_finish (w, v->id, 1, OUTCOME_DONE, 1000);
    bed_settle (b);
    bed_pass (b, 5 * US_PER_S);
    peer_post (c, &ask);
    bed_settle (b);
    assert_true (peer_take (c, WIRE_REPLY, &answer));
    assert_true (has_pair (&answer, "opened_ms", "25000"));
    assert_true (has_pair (&answer, "ended_ms", "5000"));
    wire_fini (&answer);
    bed_free (&b);
}

/* --- retried --- */

enum { FAILED = 1 << OUTCOME_FAILED, CANCELLED = 1 << OUTCOME_CANCELLED, ALL = 255 };

static void failed_rows_wait_again_with_the_next_attempt (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    b->faithful = true;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = ended_batch (c, w, 1, 10, 4);
    uint64_t n = 0;
    assert_int_equal (v->end.failed, 4);
    assert_int_equal (retry (c, v->id, 0, 0, CANCELLED, &n), WIRE_OK);
    assert_int_equal (n, 0);
    assert_int_equal (retry (c, v->id, 0, 0, ALL, &n), WIRE_OK);
    assert_int_equal (n, 4);
    assert_int_equal (worker_held (w, v->id), 2);
    assert_int_equal (w->held[0].attempt, 2);
    worker_finish (w, v->id, 1, OUTCOME_FAILED, 50000); /* once more */
    bed_settle (b);
    bed_restart (b, t);
    bed_settle (b);
    bed_run (b, 50000);
    assert_int_equal (retry (c, v->id, 0, 0, FAILED, &n), WIRE_OK);
    assert_int_equal (n, 1);
    assert_int_equal (w->held[0].attempt, 3);
    bed_run (b, 50000);
    struct wire m = {.kind = WIRE_QUERY};
    m.m.query.ref = 5;
    m.m.query.what = QUERY_BATCH;
    m.m.query.id = v->id;
    peer_post (c, &m);
    bed_settle (b);
    assert_int_equal (client_reply (c, 5), WIRE_OK);
    assert_int_equal (retry (c, v->id, 0, 0, ALL, &n), WIRE_OK);
    assert_int_equal (n, 0); /* all are done: nothing is left to retry, and its bytes are gone */
    bed_free (&b);
}

static void part_of_a_running_batch_is_retried (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 6);
    uint64_t n = 0;
    worker_finish (w, v->id, 2, OUTCOME_FAILED, 50000);
    bed_settle (b);
    struct wire detach = {.kind = WIRE_DETACH};
    detach.m.detach.batch = 1;
    peer_post (c, &detach);
    assert_int_equal (retry (c, v->id, 1, 1, FAILED, &n), WIRE_OK);
    assert_int_equal (n, 1);
    bed_run (b, 50000);
    assert_int_equal (retry (c, v->id, 0, 1, FAILED, &n), WIRE_OK);
    assert_int_equal (n, 1);
    assert_int_equal (retry (c, v->id, 0, 1, FAILED, &n), WIRE_OK);
    assert_int_equal (n, 0);
    bed_run (b, 50000);
    assert_int_equal (w->granted, 8);
    bed_free (&b);
}

static void a_cancelled_batch_is_taken_up_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 6);
    uint64_t n = 0;
    client_cancel (c, 1, 1, 0, 0);
    bed_settle (b);
    assert_int_equal (retry (c, v->id, 0, 0, CANCELLED, &n), WIRE_CONFLICT);
    bed_run (b, 50000);
    assert_int_equal (v->end.cancelled, 6);
    uint64_t before = w->granted;
    assert_int_equal (retry (c, v->id, 0, 0, CANCELLED, &n), WIRE_OK);
    assert_int_equal (n, 6);
    bed_run (b, 50000);
    assert_int_equal (w->granted, before + 6);
    client_wait (c, 7, v->id, WAIT_SUCCESSES, 6);
    bed_settle (b);
    assert_int_equal (client_reply (c, 7), WIRE_OK);
    bed_free (&b);
}

static void what_cannot_be_retried_is_said (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 6);
    uint64_t n = 0;
    assert_int_equal (retry (c, v->id, 0, 0, ALL, &n), WIRE_CONFLICT);
    assert_int_equal (retry (c, 77, 0, 0, ALL, &n), WIRE_UNKNOWN);
    bed_free (&b);
}

static struct bed *narrow_bed (uint64_t overflow)
{
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = 100000;
    cfg.client_bytes = 75000;
    cfg.overflow_bytes = overflow;
    return bed_new (&cfg, NULL);
}

/* A detached batch that is still submitted to, of which `rows` have ended. */
static struct view *open_batch (struct peer *c, struct peer *w, uint64_t rows, enum outcome_how how)
{
    client_open (c, 1, BATCH_DETACHED, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    for (uint64_t n = 0; n < rows; n += 500) {
        client_rows (c, 1, 500);
        bed_settle (c->bed);
        while (worker_finish (w, client_view (c, 1)->id, 500, how, 20))
            bed_settle (c->bed);
    }
    bed_pass (c->bed, US_PER_S);
    return client_view (c, 1);
}

/* Else a batch that keeps much would wait for the end of its own submission. */
static void what_a_batch_keeps_holds_back_no_submission (void **state)
{
    (void)state;
    enum outcome_how hows[] = {OUTCOME_DONE, OUTCOME_FAILED};
    for (int i = 0; i < 2; i++) {
        struct bed *b = narrow_bed (1 << 30);
        struct peer *c = bed_client (b, "c");
        struct peer *other = bed_client (b, "other");
        struct peer *w = bed_worker (b, "w", 4);
        struct view *v = open_batch (c, w, 10000, hows[i]);
        assert_true (bed_figures (b).queue_bytes > 150000);
        assert_true (c->window > 0 && other->window > 0);
        client_close (c, 1);
        bed_settle (b);
        assert_true (v->ended);
        assert_int_equal (v->n_got, 10000);
        bed_free (&b);
    }
}

static void rows_that_run_again_count_against_their_client_again (void **state)
{
    (void)state;
    struct bed *b = narrow_bed (1 << 30);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *v = open_batch (c, w, 10000, OUTCOME_FAILED);
    uint64_t n;
    assert_int_equal (retry (c, v->id, 0, 0, 2, &n), WIRE_OK);
    assert_int_equal (n, 10000);
    assert_int_equal (c->window, 0);
    bed_free (&b);
}

/* But not without end: a batch for whose results there is no room is ended in words. */
static void a_batch_that_keeps_more_than_there_is_room_for_is_ended (void **state)
{
    (void)state;
    struct bed *b = narrow_bed (100000);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *v = open_batch (c, w, 20000, OUTCOME_DONE);
    bed_pass (b, US_PER_S);
    assert_true (v->ended);
    assert_int_equal (v->end.state, BATCH_CANCELLED);
    assert_true (c->window > 0);
    bed_free (&b);
}

/* Who minds the window does not meet what another one's batch keeps: the windows are shut first. */
static void who_minds_the_window_loses_nothing_for_what_others_keep (void **state)
{
    (void)state;
    struct bed *b = narrow_bed (100000);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct peer *other = bed_client (b, "other");
    client_open (c, 1, BATCH_DETACHED, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_open (other, 1, 0, 0, 60);
    client_spec (other, 1, 0, FORM_FUNCTION, "echo", 1);
    bed_settle (b);
    for (int n = 0; n < 100 && other->window > 0; n++) {
        client_rows (c, 1, 200);
        bed_settle (b);
        while (worker_finish (w, client_view (c, 1)->id, 200, OUTCOME_DONE, 20))
            bed_settle (b);
    }
    assert_int_equal (other->window, 0);
    assert_false (client_view (c, 1)->ended);
    client_rows (other, 1, 100); /* it was on its way */
    bed_pass (b, 2 * US_PER_S);
    assert_int_equal (client_view (c, 1)->end.state, BATCH_CANCELLED);
    assert_true (other->window > 0);
    client_close (other, 1);
    bed_run (b, 1000);
    assert_int_equal (client_view (other, 1)->end.done, 100);
    bed_free (&b);
}

/* Started again with less room: what is over is forgotten when those who wait for it had their time
 * to come back; until then nobody submits, and nothing is ended for it. */
static void behind_a_restart_no_batch_is_ended_for_what_will_be_forgotten (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    b->faithful = true;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    open_batch (c, w, 10000, OUTCOME_DONE);
    client_close (c, 1);
    client_open (c, 2, BATCH_DETACHED, 0, 50);
    client_spec (c, 2, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 2, 1500);
    client_close (c, 2);
    bed_settle (b);
    for (int n = 0; n < 1000; n++) {
        worker_finish (w, client_view (c, 2)->id, 1, OUTCOME_DONE, 20);
        bed_settle (b);
    }
    b->cfg.queue_bytes = b->cfg.overflow_bytes = 40000;
    bed_restart (b, t);
    bed_pass (b, 5 * US_PER_S);
    assert_int_equal (c->window, 0);
    assert_int_equal (bed_figures (b).batches, 2);
    bed_pass (b, b->cfg.reattach_us);
    assert_int_equal (bed_figures (b).batches, 1);
    /* but what its lost worker had */
    assert_in_range (bed_figures (b).waiting + bed_figures (b).granted, 490, 500);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_batch_is_forgotten_on_request_when_it_is_over),
        cmocka_unit_test (what_was_forgotten_does_not_come_back_with_the_broker),
        cmocka_unit_test (the_old_are_forgotten_also_over_a_restart),
        cmocka_unit_test (they_are_no_older_for_a_store_that_failed),
        cmocka_unit_test (an_end_that_nobody_knows_is_not_long_ago),
        cmocka_unit_test (the_oldest_are_forgotten_above_a_size),
        cmocka_unit_test (a_batch_that_is_over_stays_beside_much_work),
        cmocka_unit_test (a_batch_that_is_just_over_is_kept_though_it_is_large),
        cmocka_unit_test (its_age_is_told_from_its_end_on),
        cmocka_unit_test (failed_rows_wait_again_with_the_next_attempt),
        cmocka_unit_test (part_of_a_running_batch_is_retried),
        cmocka_unit_test (a_cancelled_batch_is_taken_up_again),
        cmocka_unit_test (what_cannot_be_retried_is_said),
        cmocka_unit_test (what_a_batch_keeps_holds_back_no_submission),
        cmocka_unit_test (rows_that_run_again_count_against_their_client_again),
        cmocka_unit_test (a_batch_that_keeps_more_than_there_is_room_for_is_ended),
        cmocka_unit_test (who_minds_the_window_loses_nothing_for_what_others_keep),
        cmocka_unit_test (behind_a_restart_no_batch_is_ended_for_what_will_be_forgotten),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
