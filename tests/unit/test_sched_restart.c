/* A broker that died and comes back, and its workers: what they run goes on, is not run again, and
 * what never arrived waits once more. */
#include "tests/unit/restart_rig.h"

static void what_runs_goes_on_and_is_not_run_again (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 3);
    struct peer *w2 = bed_worker (b, "w2", 1);
    struct view *v = client_submit (c, 1, 0, 0, 10);
    assert_int_equal (worker_held (w1, 0) + worker_held (w2, 0), 4);
    uint64_t granted = w1->granted + w2->granted;
    restart (b, t);
    assert_int_equal (w1->resumed, 2);
    assert_int_equal (w2->resumed, 2);
    assert_int_equal (w1->granted + w2->granted, granted);
    assert_int_equal (bed_figures (b).granted, 4);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 10);
    for (uint64_t row = 0; row < 10; row++)
        assert_int_equal (view_got (v, row)->attempt, 1);
    assert_int_equal (bed_figures (b).fenced, 0);
    bed_free (&b);
}

static void outcomes_that_were_not_acknowledged_count_once (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 3);
    struct view *v = client_submit (c, 1, 0, 0, 3);
    w->deaf = true; /* it hears no acknowledgement */
    worker_finish (w, v->id, 2, OUTCOME_DONE, 1000);
    bed_turn (b);
    w->deaf = false;
    restart (b, t);
    assert_int_equal (bed_figures (b).duplicates, 2);
    assert_int_equal (bed_figures (b).fenced, 0);
    worker_finish (w, v->id, 1, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_int_equal (v->end.done, 3);
    bed_free (&b);
}

/* Of a row that ran as attempt 2 meanwhile, attempt 1 is late, and not twice the same. */
static void an_outcome_of_an_older_attempt_is_fenced_and_no_duplicate (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 1);
    w1->hello.replaces = w1->token;
    worker_void (w1);
    peer_back (w1, true);
    bed_settle (b);
    bed_run (b, 1000);
    assert_int_equal (view_got (v, 0)->attempt, 2);
    worker_claim (w1, v->id, 0, 1, OUTCOME_DONE);
    bed_settle (b);
    assert_int_equal (bed_figures (b).fenced, 1);
    worker_claim (w1, v->id, 0, 2, OUTCOME_DONE);
    bed_settle (b);
    assert_int_equal (bed_figures (b).fenced, 1);
    assert_int_equal (bed_figures (b).duplicates, 1);
    bed_free (&b);
}

static void a_grant_that_never_arrived_waits_again_and_counts_no_attempt (void **state)
{
    (void)state;
    for (int once = 0; once <= 1; once++) {
        struct store_test *t;
        struct bed *b = durable_bed (&t);
        struct peer *c = bed_client (b, "c");
        struct peer *w = bed_worker (b, "w", 3);
        w->deaf = true;
        struct view *v = client_submit (c, 1, once ? BATCH_AT_MOST_ONCE : 0, 0, 3);
        assert_int_equal (bed_figures (b).granted, 3);
        assert_int_equal (worker_held (w, 0), 0);
        w->deaf = false;
        restart (b, t);
        assert_int_equal (worker_held (w, v->id), 3);
        assert_int_equal (worker_row (w, v->id, 0)->attempt, 1);
        bed_run (b, 1000);
        assert_int_equal (v->end.done, 3);
        bed_free (&b);
    }
}

static void a_worker_gets_nothing_before_it_has_said_what_it_holds (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 3);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    assert_int_equal (worker_held (w, 0), 2);
    bed_settle (b);
    w->mute = true;
    restart (b, t);
    assert_int_equal (w->resumed, 2);
    client_submit (c, 2, 0, 0, 5);
    say_hold (w, v->id, 0, 1, 1, false);
    bed_settle (b);
    assert_int_equal (w->granted, 2);
    say_hold (w, v->id, 1, 1, 1, true);
    bed_settle (b);
    assert_int_equal (w->granted, 3); /* now it does */
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 2)->end.done, 5);
    bed_free (&b);
}

static void what_a_worker_names_and_is_not_its_own_is_ended (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct peer *other = bed_worker (b, "other", 2);
    struct view *v = client_submit (c, 1, 0, 0, 4);
    uint64_t theirs = other->held[0].row;
    uint64_t mine = w->held[0].row;
    b->faithful = false;
    bed_restart (b, t);
    w->mute = true;
    peer_back (w, false);
    bed_settle (b);
    peer_count (w, WIRE_CANCEL_ROWS);
    say_hold (w, v->id, mine, 1, 1, false);
    say_hold (w, v->id, theirs, 1, 1, false); /* with somebody else */
    say_hold (w, v->id, mine, 1, 2, false);   /* an attempt that never was */
    say_hold (w, 0, 0, 5, 1, false);          /* no such batch */
    say_hold (w, 0, 0, 0, 0, true);
    worker_void (w);
    bed_settle (b);
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 3);
    assert_int_equal (bed_figures (b).granted, 4);
    assert_null (worker_row (w, v->id, mine)); /* that it has, and was not granted again */
    assert_null (worker_row (w, v->id, theirs));
    bed_free (&b);
}

/* A store that may lose its last commits (power, in the fast mode) does not know of a grant. */
static void a_row_that_waits_and_is_named_is_taken_into_the_lease (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 2, 4);
    b->faithful = false;
    bed_restart (b, t);
    w->mute = true;
    peer_back (w, false);
    bed_settle (b);
    say_hold (w, v->id, 0, 4, 1, false); /* it was granted one, as far as is known */
    say_hold (w, 0, 0, 0, 0, true);
    bed_settle (b);
    assert_int_equal (bed_figures (b).granted, 4);
    assert_int_equal (bed_figures (b).waiting, 0);
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 0);
    bed_free (&b);
}

static void a_cancellation_is_said_again_and_slots_are (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 5);
    struct wire m = {.kind = WIRE_CANCEL}; /* the client does not ask again */
    m.m.cancel.batch = 1;
    w->deaf = true; /* the worker never hears of it */
    peer_post (c, &m);
    bed_settle (b);
    w->deaf = false;
    restart (b, t);
    assert_true (w->held[0].cancelled && w->held[1].cancelled);
    assert_int_equal (worker_slots (w, v->id)->count, 2);
    bed_run (b, 1000);
    assert_int_equal (v->end.cancelled, 5);
    assert_int_equal (peer_count (w, WIRE_FORGET), 1); /* of specs that it had before */
    bed_free (&b);
}

/* Of single rows that were cancelled, those are named again that are there. */
static void cancelled_rows_are_said_again (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 3);
    struct view *v = client_submit (c, 1, 0, 0, 3);
    struct wire m = {.kind = WIRE_CANCEL};
    m.m.cancel.batch = 1;
    m.m.cancel.first = 1;
    m.m.cancel.count = 1;
    w->deaf = true;
    peer_post (c, &m);
    bed_settle (b);
    w->deaf = false;
    restart (b, t);
    assert_true (worker_row (w, v->id, 1)->cancelled);
    assert_false (worker_row (w, v->id, 0)->cancelled || worker_row (w, v->id, 2)->cancelled);
    bed_run (b, 1000);
    assert_int_equal (v->end.cancelled, 1);
    bed_free (&b);
}

/* A cancellation of row `row` with its own grace (0: KILL at once) and reason. */
static void cancel_row (struct peer *c, uint64_t row, uint64_t grace_ms, const char *reason)
{
    struct wire m = {.kind = WIRE_CANCEL};
    m.m.cancel.batch = 1;
    m.m.cancel.first = row;
    m.m.cancel.count = 1;
    m.m.cancel.grace_ms = grace_ms;
    m.m.cancel.kill = grace_ms == 0;
    m.m.cancel.reason = bytes_str (reason);
    peer_post (c, &m);
    bed_settle (c->bed);
}

/* The worker is told of the row once, and so. */
static void assert_told (struct peer *w, uint64_t row, uint64_t grace_ms, const char *reason)
{
    struct wire m;
    assert_true (peer_take (w, WIRE_CANCEL_ROWS, &m));
    assert_int_equal (m.m.cancel_rows.first, row);
    assert_int_equal (m.m.cancel_rows.count, 1);
    assert_int_equal (m.m.cancel_rows.grace_ms, grace_ms);
    assert_int_equal (m.m.cancel_rows.kill, grace_ms == 0);
    assert_true (bytes_equal (m.m.cancel_rows.reason, bytes_str (reason)));
    wire_fini (&m);
}

/* The reason of the last outcome that the client was told. */
static void assert_reason (struct peer *c, const char *reason)
{
    struct wire m;
    struct outcome o;
    size_t at = 0;
    assert_true (peer_take (c, WIRE_RESULTS, &m));
    assert_int_equal (outcome_read (bytes_of (m.body[0].ptr, m.body[0].len), &at, &o), 1);
    assert_int_equal (o.how, OUTCOME_CANCELLED);
    assert_true (bytes_equal (o.reason, bytes_str (reason)));
    wire_fini (&m);
}

/* What was said of one row is not what was said of another. */
static void each_cancellation_is_said_again_as_it_was_said (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 3);
    struct view *v = client_submit (c, 1, 0, 0, 3);
    w->deaf = true;
    cancel_row (c, 2, 600000, "it may take its time");
    cancel_row (c, 1, 0, "at once");
    cancel_row (c, 0, 0, "this one, too");
    cancel_row (c, 0, 7000, "or not quite"); /* what was said last of it holds */
    w->deaf = false;
    restart (b, t);
    assert_told (w, 2, 600000, "it may take its time");
    assert_told (w, 1, 0, "at once");
    assert_told (w, 0, 7000, "or not quite");
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 0);
    worker_return (w, v->id, 1); /* row 2 had not started */
    bed_settle (b);
    assert_reason (c, "it may take its time");
    bed_run (b, 1000);
    assert_int_equal (v->end.cancelled, 3);
    bed_free (&b);
}

static void cancel_unstarted (struct peer *c, uint64_t first, uint64_t count)
{
    struct wire m = {.kind = WIRE_CANCEL};
    m.m.cancel.batch = 1;
    m.m.cancel.first = first;
    m.m.cancel.count = count;
    m.m.cancel.unstarted = 1;
    peer_post (c, &m);
    bed_settle (c->bed);
}

/* Of rows, and of the whole batch. */
static void what_runs_goes_on_where_only_the_rest_was_cancelled (void **state)
{
    (void)state;
    for (uint64_t count = 0; count <= 4; count += 4) {
        struct store_test *t;
        struct bed *b = durable_bed (&t);
        struct peer *c = bed_client (b, "c");
        struct peer *w = bed_worker (b, "w", 3);
        struct view *v = client_submit (c, 1, 0, 0, 4);
        cancel_unstarted (c, 0, count);
        restart (b, t);
        for (uint64_t row = 0; row < 3; row++)
            assert_false (worker_row (w, v->id, row)->cancelled);
        worker_return (w, v->id, 1); /* one had not started after all: then it does not */
        bed_run (b, 1000);
        assert_int_equal (v->end.done, 2);
        assert_int_equal (v->end.cancelled, 2);
        bed_free (&b);
    }
}

/* In whatever order it was said. */
static void what_is_to_end_does_not_go_on_for_who_means_the_rest (void **state)
{
    (void)state;
    for (int end_first = 0; end_first <= 1; end_first++) {
        struct store_test *t;
        struct bed *b = durable_bed (&t);
        struct peer *c = bed_client (b, "c");
        struct peer *w = bed_worker (b, "w", 2);
        struct view *v = client_submit (c, 1, 0, 0, 3);
        w->deaf = true;
        if (end_first)
            cancel_row (c, 0, 7000, "that one");
        cancel_unstarted (c, 0, 0);
        if (!end_first)
            cancel_row (c, 0, 7000, "that one");
        w->deaf = false;
        restart (b, t);
        assert_true (worker_row (w, v->id, 0)->cancelled);
        assert_false (worker_row (w, v->id, 1)->cancelled);
        bed_run (b, 1000);
        assert_int_equal (v->end.cancelled, 2);
        bed_free (&b);
    }
}

static void of_many_cancellations_none_is_forgotten (void **state)
{
    (void)state;
    enum { ROWS = 40 };
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", ROWS);
    struct view *v = client_submit (c, 1, 0, 0, ROWS);
    assert_int_equal (worker_held (w, 0), ROWS);
    w->deaf = true;
    for (uint64_t row = 0; row < ROWS; row++)
        cancel_row (c, row, 1000 + row, "each for itself");
    w->deaf = false;
    restart (b, t);
    for (uint64_t row = 0; row < ROWS; row++)
        assert_true (worker_row (w, v->id, row)->cancelled);
    bed_run (b, 1000);
    assert_int_equal (v->end.cancelled, ROWS);
    bed_free (&b);
}

/* There is room for so many that are different; but not for what is over. */
static void cancellations_of_what_has_ended_take_no_room (void **state)
{
    (void)state;
    enum { OVER = 17 };
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", OVER + 2);
    struct view *v = client_submit (c, 1, 0, 0, OVER + 2);
    for (uint64_t row = 0; row < OVER; row++)
        cancel_row (c, row, 1000 + row, "it is over since");
    worker_finish (w, v->id, OVER, OUTCOME_DONE, 1000);
    bed_settle (b);
    peer_count (w, WIRE_CANCEL_ROWS);
    w->deaf = true;
    cancel_row (c, OVER, 600000, "it may take its time");
    cancel_row (c, OVER + 1, 0, "at once");
    w->deaf = false;
    restart (b, t);
    assert_told (w, OVER, 600000, "it may take its time");
    assert_told (w, OVER + 1, 0, "at once");
    bed_free (&b);
}

static void a_cancelled_row_that_never_arrived_ends (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    w->deaf = true;
    struct view *v = client_submit (c, 1, 0, 0, 2);
    client_cancel (c, 1, 1, 0, 1);
    bed_settle (b);
    w->deaf = false;
    restart (b, t);
    bed_run (b, 1000);
    assert_int_equal (v->end.cancelled, 1);
    assert_int_equal (v->end.done, 1);
    bed_free (&b);
}

static void nobody_is_judged_before_the_grace_is_over (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    b->faithful = false;
    bed_restart (b, t);
    bed_pass (b, 59 * (int64_t)US_PER_S);
    assert_int_equal (bed_figures (b).workers, 1);
    assert_int_equal (bed_figures (b).granted, 2);
    peer_back (w, false);
    peer_back (c, false);
    b->faithful = true;
    bed_settle (b);
    assert_int_equal (w->resumed, 2);
    pass (b, 10);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 2);
    assert_int_equal (view_got (v, 0)->attempt, 1);
    bed_free (&b);
}

static void a_worker_that_does_not_come_back_in_time_is_lost (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    peer_free (w);
    restart (b, t);
    struct peer *w2 = bed_worker (b, "w2", 2);
    pass (b, 59);
    assert_int_equal (worker_held (w2, v->id), 0);
    pass (b, 2);
    assert_int_equal (worker_held (w2, v->id), 2);
    assert_int_equal (worker_row (w2, v->id, 0)->attempt, 2);
    restart (b, t); /* and that is known in the next life */
    assert_int_equal (bed_figures (b).workers, 1);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 2);
    bed_free (&b);
}

static void a_deadline_stays_where_it_was (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct msg_open m = {.batch = 1, .priority = 50, .flags = BATCH_DETACHED};
    m.deadline_ms = 100000;
    b->cfg.start_wall_us = 1700000000 * (int64_t)US_PER_S;
    restart (b, t); /* on this clock */
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 1);
    struct view *v = client_submit_as (c, &m, 1);
    pass (b, 60);
    b->cfg.start_wall_us += 80 * (int64_t)US_PER_S; /* 60 s of life, and 20 without one */
    restart (b, t);
    pass (b, 18);
    assert_int_equal (bed_figures (b).granted, 1);
    assert_false (client_view (c, 1)->ended);
    pass (b, 4);
    bed_run (b, 1000);
    assert_int_equal (v->end.state, BATCH_CANCELLED);
    bed_free (&b);
}

static void losses_are_counted_across_restarts (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 1);
    for (uint64_t i = 1; i <= 3; i++) {
        struct peer *w = bed_worker (b, "w", 1);
        bed_settle (b);
        assert_int_equal (worker_row (w, v->id, 0)->attempt, i);
        peer_free (w);
        restart (b, t);
        pass (b, 62);
    }
    assert_int_equal (v->end.parked, 1);
    bed_free (&b);
}

/* It hears nothing of the first WELCOME, and comes with the same token once more. */
static void a_worker_that_missed_the_news_is_told_again (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 3);
    b->faithful = false;
    bed_restart (b, t);
    w->deaf = true;
    peer_back (w, false);
    bed_settle (b);
    w->deaf = false;
    w->resumed = 0;
    peer_back (w, false);
    peer_back (c, false);
    bed_settle (b);
    assert_int_equal (w->resumed, 2);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 3);
    bed_free (&b);
}

/* Whether the row arrived at the worker or not, its input comes behind it. */
static void input_for_a_row_waits_until_its_worker_is_back (void **state)
{
    (void)state;
    for (int arrived = 0; arrived <= 1; arrived++) {
        struct store_test *t;
        struct bed *b = durable_bed (&t);
        struct peer *c = bed_client (b, "c");
        struct peer *w = bed_worker (b, "w", 1);
        w->deaf = !arrived;
        struct view *v = client_submit (c, 1, BATCH_INPUT, 0, 1);
        w->deaf = false;
        b->faithful = false;
        bed_restart (b, t);
        peer_back (c, false);
        bed_settle (b);
        struct wire m = {.kind = WIRE_INPUT};
        m.m.input.batch = 1;
        m.body[0] = slice_borrowed ("hello", 5);
        peer_post (c, &m);
        bed_settle (b);
        peer_back (w, false);
        bed_settle (b);
        assert_int_equal (worker_held (w, v->id), 1);
        assert_int_equal (w->early_inputs, 0);
        assert_int_equal (peer_count (w, WIRE_INPUT), 1);
        bed_free (&b);
    }
}

/* How many rows the broker says that it runs again. */
static uint64_t retry (struct peer *c, uint64_t id, uint64_t said)
{
    struct wire m = {.kind = WIRE_RETRY};
    struct wire answer;
    uint64_t n = 0;
    m.m.retry = (struct msg_retry){.ref = 99, .id = id, .hows = 255, .said = said};
    peer_count (c, WIRE_REPLY);
    peer_post (c, &m);
    bed_settle (c->bed);
    assert_true (peer_take (c, WIRE_REPLY, &answer));
    assert_int_equal (answer.m.reply.code, WIRE_OK);
    n = answer.m.reply.value;
    wire_fini (&answer);
    return n;
}

/* The broker dies before its answer is heard, and meanwhile the rows fail once more. */
static void a_retry_that_is_said_again_is_done_once (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *w = bed_worker (b, "w", 2);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 2);
    worker_finish (w, v->id, 2, OUTCOME_FAILED, 1000);
    bed_settle (b);
    assert_int_equal (retry (c, v->id, 4711), 2);
    for (int life = 0; life < 2; life++) {
        worker_finish (w, v->id, 2, OUTCOME_FAILED, 1000);
        bed_settle (b);
        restart (b, t);
        assert_int_equal (retry (c, v->id, 4711), 2);
        assert_int_equal (worker_held (w, v->id), 0);
    }
    assert_int_equal (retry (c, v->id, 4712), 2); /* somebody else, or another time */
    assert_int_equal (worker_held (w, v->id), 2);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_runs_goes_on_and_is_not_run_again),
        cmocka_unit_test (outcomes_that_were_not_acknowledged_count_once),
        cmocka_unit_test (an_outcome_of_an_older_attempt_is_fenced_and_no_duplicate),
        cmocka_unit_test (a_grant_that_never_arrived_waits_again_and_counts_no_attempt),
        cmocka_unit_test (a_worker_gets_nothing_before_it_has_said_what_it_holds),
        cmocka_unit_test (what_a_worker_names_and_is_not_its_own_is_ended),
        cmocka_unit_test (a_row_that_waits_and_is_named_is_taken_into_the_lease),
        cmocka_unit_test (a_cancellation_is_said_again_and_slots_are),
        cmocka_unit_test (cancelled_rows_are_said_again),
        cmocka_unit_test (each_cancellation_is_said_again_as_it_was_said),
        cmocka_unit_test (what_runs_goes_on_where_only_the_rest_was_cancelled),
        cmocka_unit_test (what_is_to_end_does_not_go_on_for_who_means_the_rest),
        cmocka_unit_test (of_many_cancellations_none_is_forgotten),
        cmocka_unit_test (cancellations_of_what_has_ended_take_no_room),
        cmocka_unit_test (a_cancelled_row_that_never_arrived_ends),
        cmocka_unit_test (nobody_is_judged_before_the_grace_is_over),
        cmocka_unit_test (a_worker_that_does_not_come_back_in_time_is_lost),
        cmocka_unit_test (a_deadline_stays_where_it_was),
        cmocka_unit_test (losses_are_counted_across_restarts),
        cmocka_unit_test (a_worker_that_missed_the_news_is_told_again),
        cmocka_unit_test (input_for_a_row_waits_until_its_worker_is_back),
        cmocka_unit_test (a_retry_that_is_said_again_is_done_once),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
