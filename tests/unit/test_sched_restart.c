/* A broker that died and comes back: what its workers run goes on, what clients were told holds,
 * and what cannot be written is not said. */
#include <string.h>

#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

static struct bed *durable_bed (struct store_test **t)
{
    struct bed *b = bed_new (NULL, store_test_new (t));
    b->faithful = true;
    return b;
}

static void restart (struct bed *b, struct store_test *t)
{
    bed_restart (b, t);
    bed_settle (b);
}

/* Peers give signs of life. */
static void ping_all (struct bed *b)
{
    struct peer *p;
    struct wire w = {.kind = WIRE_PING};
    LIST_FOREACH (p, &b->peers, link)
        if (p->route)
            peer_say (p, &w);
    bed_settle (b);
}

static void pass (struct bed *b, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        bed_pass (b, US_PER_S);
        ping_all (b);
    }
}

/* Messages of a worker, said by hand in its new life. */
static void say_hold (struct peer *w, uint64_t batch, uint64_t first, uint64_t count,
                      uint64_t attempt, bool last)
{
    struct wire m = {.kind = WIRE_HOLD};
    m.m.hold = (struct msg_hold){
        .batch = batch, .first = first, .count = count, .attempt = attempt, .last = last};
    peer_post (w, &m);
}

/* --- workers --- */

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
    say_hold (w, 77, 0, 5, 1, false);         /* no such batch */
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

/* --- clients --- */

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

static void rows_of_a_lost_batch_are_not_taken_for_those_of_another (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, BATCH_DETACHED, 0, 2);
    uint64_t kept = t->held;
    uint64_t lost = client_submit (c, 2, BATCH_DETACHED, 0, 1)->id;
    store_test_crash (t, kept); /* the worker has the row, and the store no batch */
    b->faithful = false;
    bed_restart (b, t);
    uint64_t id = client_submit (bed_client (b, "other"), 1, BATCH_DETACHED, 0, 1)->id;
    w->mute = true;
    peer_back (w, false);
    bed_settle (b);
    peer_count (w, WIRE_CANCEL_ROWS);
    say_hold (w, lost, 0, 1, 1, true);
    worker_void (w);
    bed_settle (b);
    assert_true (id > lost);
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 1);
    assert_int_equal (worker_row (w, id, 0)->attempt, 1); /* granted, for the first time */
    bed_free (&b);
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

/* --- a store that takes nothing --- */

static void a_full_disk_refuses_new_work_in_words_and_nothing_else (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 6);
    struct wire over = {.kind = WIRE_OPEN}; /* its deadline passes meanwhile */
    over.m.open.batch = 9;
    over.m.open.flags = BATCH_DETACHED;
    over.m.open.deadline_ms = 5000;
    peer_post (c, &over);
    client_spec (c, 9, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 9, 1);
    bed_settle (b);
    t->full = true;
    worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
    bed_turn (b);
    assert_int_equal (t->failures, 1);
    ping_all (b);
    pass (b, 30);
    assert_int_equal (t->failures, 1); /* it was not tried again and again */
    assert_int_equal (c->window, 0);
    assert_int_equal (w->window, 0);
    client_open (c, 2, 0, 0, 50);
    client_spec (c, 2, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 2, 1);
    client_cancel (c, 5, 1, 0, 0);
    struct wire m = {.kind = WIRE_QUERY};
    m.m.query.ref = 6;
    peer_post (c, &m);
    bed_settle (b);
    assert_int_equal (client_view (c, 2)->end.state, BATCH_BROKEN);
    assert_int_equal (c->error, WIRE_STORAGE);
    assert_int_equal (client_reply (c, 5), WIRE_STORAGE);
    assert_int_equal (client_reply (c, 6), WIRE_OK);
    assert_int_equal (bed_figures (b).granted, 2); /* its outcome waits with the worker */
    t->full = false;
    pass (b, 6);
    assert_int_equal (t->failures, 1);
    assert_true (c->window > 0);
    assert_true (w->window > 0);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 6);
    for (uint64_t row = 0; row < 6; row++)
        assert_int_equal (view_got (v, row)->attempt, 1);
    bed_free (&b);
}

static void what_is_submitted_to_a_full_disk_comes_later (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    bed_settle (b);
    t->full = true;
    client_rows (c, 1, 4);
    bed_turn (b);
    ping_all (b);
    client_rows (c, 1, 4);
    client_close (c, 1);
    pass (b, 3);
    assert_int_equal (bed_figures (b).waiting, 0);
    t->full = false;
    pass (b, 6);
    assert_int_equal (bed_figures (b).waiting, 8);
    bed_worker (b, "w", 4);
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 1)->end.done, 8);
    assert_int_equal (t->failures, 1);
    bed_free (&b);
}

static void who_leaves_a_full_disk_is_gone_when_it_can_be_written (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, 0, 0, 6);
    t->full = true;
    struct wire cancel = {.kind = WIRE_CANCEL};
    cancel.m.cancel.batch = 1;
    peer_post (c, &cancel);
    bed_turn (b);
    ping_all (b);
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (w, &bye);
    peer_say (c, &bye);
    bed_settle (b);
    peer_free (w);
    peer_free (c);
    struct peer *late = bed_worker (b, "late", 2);
    assert_int_equal (late->error, WIRE_STORAGE);
    peer_free (late);
    assert_int_equal (bed_figures (b).granted, 2);
    t->full = false;
    pass (b, 6);
    assert_int_equal (bed_figures (b).batches, 0);
    assert_int_equal (bed_figures (b).clients, 0);
    assert_int_equal (bed_figures (b).workers, 0);
    assert_int_equal (t->failures, 1);
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
        cmocka_unit_test (a_cancelled_row_that_never_arrived_ends),
        cmocka_unit_test (nobody_is_judged_before_the_grace_is_over),
        cmocka_unit_test (a_worker_that_does_not_come_back_in_time_is_lost),
        cmocka_unit_test (losses_are_counted_across_restarts),
        cmocka_unit_test (a_worker_that_missed_the_news_is_told_again),
        cmocka_unit_test (input_for_a_row_waits_until_its_worker_is_back),
        cmocka_unit_test (a_client_goes_on_behind_what_it_has),
        cmocka_unit_test (a_submission_goes_on_where_it_was),
        cmocka_unit_test (of_a_cancelled_batch_no_chunk_is_wanted),
        cmocka_unit_test (the_end_is_told_again_until_it_was_seen),
        cmocka_unit_test (numbers_of_batches_are_not_given_again),
        cmocka_unit_test (rows_of_a_lost_batch_are_not_taken_for_those_of_another),
        cmocka_unit_test (an_attached_batch_whose_client_does_not_come_back_is_cancelled),
        cmocka_unit_test (a_passing_reader_leaves_the_results_for_the_owner),
        cmocka_unit_test (a_state_that_went_back_is_found_out),
        cmocka_unit_test (confirmed_results_are_not_read_again),
        cmocka_unit_test (a_full_disk_refuses_new_work_in_words_and_nothing_else),
        cmocka_unit_test (what_is_submitted_to_a_full_disk_comes_later),
        cmocka_unit_test (who_leaves_a_full_disk_is_gone_when_it_can_be_written),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
