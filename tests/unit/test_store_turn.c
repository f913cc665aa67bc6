/* The broker's turn over a store that commits late, or fails: nothing is said before it holds, and
 * after a failure everything that was acknowledged is there. */
#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

static void no_message_and_no_acknowledgement_leaves_before_its_commit (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    t->late = 3;
    client_open (c, 1, BATCH_DETACHED, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 2);
    client_close (c, 1);
    for (int i = 0; i < 3; i++) {
        bed_turn (b);
        assert_int_equal (bed_figures (b).granted, 2);
        assert_int_equal (client_view (c, 1)->id, 0);
        assert_int_equal (w->granted, 0);
        assert_false (chan_idle (c->chan));
    }
    bed_turn (b);
    assert_int_not_equal (client_view (c, 1)->id, 0);
    assert_int_equal (w->granted, 2);
    assert_true (chan_idle (c->chan));
    worker_finish (w, client_view (c, 1)->id, 2, OUTCOME_DONE, 1000);
    for (int i = 0; i < 3; i++) {
        bed_turn (b);
        assert_int_equal (client_view (c, 1)->done.count, 0);
        assert_false (chan_idle (w->chan));
    }
    bed_turn (b);
    assert_true (client_view (c, 1)->ended);
    assert_true (chan_idle (w->chan));
    bed_free (&b);
}

static void what_was_received_and_does_not_hold_is_sent_again_after_a_reconnect (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    t->late = 5;
    client_open (c, 1, BATCH_DETACHED, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 2);
    bed_turn (b);
    peer_cut (c);
    peer_back (c, false);
    bed_turn (b);
    assert_true (c->resumed);
    assert_false (chan_idle (c->chan));
    for (int i = 0; i < 8; i++)
        bed_turn (b);
    assert_true (chan_idle (c->chan));
    assert_int_equal (c->n_errors, 0); /* what came twice was done once */
    assert_int_equal (bed_figures (b).waiting, 2);
    bed_free (&b);
}

/* --- failing commits --- */

struct play { /* a submission under a key, and peers that do not give up */
    struct bed *b;
    struct store_test *t;
    struct peer *c, *w;
    uint64_t handle;
    bool cancels, asked;
    uint64_t flags;
};

enum { PLAY_ROWS = 20, PLAY_TURNS = 4000 };

static void submit_all (struct play *p)
{
    client_open (p->c, ++p->handle, p->flags, 0, 0);
    client_spec (p->c, p->handle, 0, FORM_FUNCTION, "echo", 1);
    for (int i = 0; i < PLAY_ROWS / 5; i++)
        client_rows (p->c, p->handle, 5);
    client_close (p->c, p->handle);
}

static void ping (struct peer *p)
{
    struct wire w = {.kind = WIRE_PING};
    if (p->route)
        peer_say (p, &w);
}

static void play_turn (struct play *p, int i)
{
    struct view *v = client_view (p->c, p->handle);
    if (v->ended && v->end.state == BATCH_BROKEN) { /* opened while the store took nothing */
        submit_all (p);
        v = client_view (p->c, p->handle);
    }
    if (i % 7 == 0) {
        ping (p->c);
        ping (p->w);
    }
    if (p->cancels && v->done.count >= 6 && !p->asked) {
        client_cancel (p->c, 1, p->handle, 0, i % 2 ? 0 : 8);
        p->asked = true;
    }
    if (p->asked && client_reply (p->c, 1) == WIRE_STORAGE) {
        struct wire w;
        peer_take (p->c, WIRE_REPLY, &w);
        wire_fini (&w);
        p->asked = false;
    }
    if (p->w->n_held && i % 3 == 0)
        worker_finish (p->w, p->w->held[0].batch, 1, OUTCOME_DONE, 50000);
    p->b->now += 20000;
    bed_turn (p->b);
}

static bool play_is_over (const struct play *p)
{
    const struct view *v = client_view (p->c, p->handle);
    return v->ended && v->end.state != BATCH_BROKEN;
}

static void check_end (const struct play *p)
{
    const struct msg_end *end = &client_view (p->c, p->handle)->end;
    assert_int_equal (end->total, PLAY_ROWS);
    assert_int_equal (end->done + end->cancelled, PLAY_ROWS);
    if (!p->cancels)
        assert_int_equal (end->done, PLAY_ROWS);
}

/* A new life on the same records has the same batch, complete. */
static void check_replay (const struct play *p)
{
    struct err e;
    struct turn *t = turn_new (&p->b->cfg, p->b->store, &e);
    assert_non_null (t);
    struct sched_figures f = sched_figures (turn_sched (t));
    assert_int_equal (sched_check (turn_sched (t), &e), 0);
    assert_int_equal (f.waiting + f.granted, 0);
    assert_int_equal (f.batches, 1);
    turn_free (&t);
}

static bool play_one (uint64_t fail_at, bool append, bool cancels, uint64_t late)
{
    struct play p = {.cancels = cancels, .flags = BATCH_DETACHED};
    p.b = bed_new (NULL, store_test_new (&p.t));
    p.t->late = late;
    p.b->faithful = true;
    p.c = bed_client (p.b, "c");
    p.w = bed_worker (p.b, "w", 2);
    p.t->fail_at = append ? 0 : p.t->attempts + fail_at;
    submit_all (&p);
    int i = 0;
    for (; i < PLAY_TURNS && !play_is_over (&p); i++) {
        if (append && (uint64_t)i == fail_at)
            p.t->fail_append = true;
        play_turn (&p, i);
    }
    if (i == PLAY_TURNS)
        fail_msg ("it does not end where commit %d fails", (int)fail_at);
    check_end (&p);
    check_replay (&p);
    bool failed = p.t->failures > 0;
    bed_free (&p.b);
    return failed;
}

static void after_any_failed_commit_a_detached_batch_is_complete (void **state)
{
    (void)state;
    uint64_t k = 1;
    while (play_one (k, false, false, 0))
        k++;
    assert_true (k > 20);
    for (k = 1; play_one (k, false, false, 4);)
        k++;
}

static void and_a_cancelled_one_ends (void **state)
{
    (void)state;
    for (uint64_t k = 1; play_one (k, false, true, 0);)
        k++;
    for (uint64_t k = 1; play_one (k, false, true, 2);)
        k++;
}

static void a_record_that_cannot_be_added_is_a_failed_commit (void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 60; k++)
        play_one (k, true, k % 2, 0);
}

/* --- what nobody comes back for --- */

static void after_a_failure_attached_and_open_batches_wait_for_their_client (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    client_submit (c, 1, 0, 0, 10);
    client_submit (c, 2, BATCH_DETACHED, 0, 10);
    client_open (c, 3, BATCH_DETACHED, 0, 50);
    client_spec (c, 3, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 3, 10);
    bed_settle (b);
    t->fail = true;
    bed_turn (b);
    assert_int_equal (bed_figures (b).waiting, 30);
    bed_pass (b, 59 * US_PER_S);
    assert_int_equal (bed_figures (b).waiting, 30);
    bed_pass (b, 3 * US_PER_S);
    assert_int_equal (bed_figures (b).waiting, 10);
    bed_free (&b);
}

static void what_was_parked_goes_with_a_failed_commit (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    c->full = true;
    client_open (c, 1, 0, 0, 50); /* its answer is parked */
    bed_turn (b);
    bed_turn (b);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    t->fail = true;
    bed_turn (b);
    c->full = false;
    bed_turn (b);
    assert_int_equal (t->failures, 1);
    assert_int_equal (client_view (c, 1)->id, 0); /* of a session that there is not any more */
    bed_free (&b);
}

/* Else a client that comes back with its old token could take the session of another. */
static void tokens_are_not_given_again_after_a_replay (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    uint64_t token1 = c1->token;
    uint64_t token2 = c2->token;
    t->fail = true;
    bed_turn (b);
    peer_back (c2, false);
    peer_back (c1, false);
    bed_settle (b);
    assert_false (c1->resumed || c2->resumed);
    assert_true (c1->token != token1 && c1->token != token2);
    assert_true (c2->token != token1 && c2->token != token2);
    bed_free (&b);
}

static void a_deadline_begins_anew_after_a_replay (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    struct wire w = {.kind = WIRE_OPEN};
    w.m.open.batch = 1;
    w.m.open.flags = BATCH_DETACHED;
    w.m.open.deadline_ms = 3000;
    peer_post (c, &w);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 5);
    client_close (c, 1);
    bed_settle (b);
    t->fail = true;
    bed_turn (b);
    bed_pass (b, 2 * US_PER_S);
    assert_int_equal (bed_figures (b).waiting, 5);
    bed_pass (b, 2 * US_PER_S);
    assert_int_equal (bed_figures (b).waiting, 0);
    bed_free (&b);
}

static void a_broker_that_is_to_stop_stops_though_its_commit_fails (void **state)
{
    (void)state;
    struct store_test *t;
    struct err e;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    t->fail = true;
    turn_stop (b->turn);
    assert_int_equal (turn_run (b->turn, &e), 1);
    bed_free (&b);
}

static void records_that_do_not_fit_together_are_named (void **state)
{
    (void)state;
    struct sched_config cfg;
    struct err e = {0};
    sched_config_defaults (&cfg);
    struct sched *s = sched_new (&cfg);
    struct wire close = {.kind = WIRE_CLOSE};
    close.m.close.batch = 4;
    assert_int_equal (sched_replay (s, &close, &e), -1);
    assert_true (e.text[0]);
    struct wire open = {.kind = WIRE_OPEN};
    open.m.open.batch = 4;
    assert_int_equal (sched_replay (s, &open, &e), 0);
    assert_int_equal (sched_replay (s, &open, &e), -1);
    close.m.close.total = 3;
    assert_int_equal (sched_replay (s, &close, &e), -1);
    struct wire odd = {.kind = WIRE_PING};
    assert_int_equal (sched_replay (s, &odd, &e), -1);
    sched_free (&s);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (no_message_and_no_acknowledgement_leaves_before_its_commit),
        cmocka_unit_test (what_was_received_and_does_not_hold_is_sent_again_after_a_reconnect),
        cmocka_unit_test (after_any_failed_commit_a_detached_batch_is_complete),
        cmocka_unit_test (and_a_cancelled_one_ends),
        cmocka_unit_test (a_record_that_cannot_be_added_is_a_failed_commit),
        cmocka_unit_test (after_a_failure_attached_and_open_batches_wait_for_their_client),
        cmocka_unit_test (what_was_parked_goes_with_a_failed_commit),
        cmocka_unit_test (tokens_are_not_given_again_after_a_replay),
        cmocka_unit_test (a_deadline_begins_anew_after_a_replay),
        cmocka_unit_test (a_broker_that_is_to_stop_stops_though_its_commit_fails),
        cmocka_unit_test (records_that_do_not_fit_together_are_named),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
