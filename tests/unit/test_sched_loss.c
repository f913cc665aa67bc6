/* Workers and clients that go away, and what becomes of their rows and batches. */
#include "tests/unit/sched_harness.h"

enum { LOST_US = 21 * US_PER_S };

static void alive (struct peer *p)
{
    struct wire ping = {.kind = WIRE_PING};
    if (p->route)
        peer_say (p, &ping);
}

/* Time passes while these peers give signs of life. */
static void pass_with (struct bed *b, int64_t us, struct peer *p1, struct peer *p2)
{
    for (int64_t t = 0; t < us; t += US_PER_S) {
        if (p1)
            alive (p1);
        if (p2)
            alive (p2);
        bed_pass (b, US_PER_S);
    }
}

static void rows_of_a_lost_worker_run_again_with_the_next_attempt (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 3);
    struct view *v = client_submit (c, 1, 0, 0, 5);
    struct peer *w2 = bed_worker (b, "w2", 1);
    bed_settle (b);
    assert_int_equal (worker_held (w1, v->id), 3);
    w1->deaf = true;
    pass_with (b, 19 * (int64_t)US_PER_S, w2, NULL);
    assert_int_equal (bed_figures (b).workers, 2);
    pass_with (b, 2 * US_PER_S, w2, NULL);
    assert_int_equal (bed_figures (b).workers, 1);
    bed_run (b, 50000);
    assert_true (v->ended);
    for (uint64_t row = 0; row < 5; row++)
        assert_int_equal (view_got (v, row)->attempt, row < 3 ? 2 : 1);
    bed_free (&b);
}

static void nothing_runs_again_because_a_connection_was_cut (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 3);
    struct view *v = client_submit (c, 1, 0, 0, 3);
    struct peer *w2 = bed_worker (b, "w2", 3);
    peer_cut (w1);
    client_cancel (c, 1, 1, 0, 1); /* so that the broker meets the cut */
    bed_settle (b);
    worker_finish (w1, v->id, 3, OUTCOME_DONE, 50000); /* it goes on working */
    pass_with (b, 15 * (int64_t)US_PER_S, w2, NULL);
    assert_int_equal (worker_held (w2, v->id), 0);
    peer_back (w1, false);
    bed_settle (b);
    assert_true (w1->resumed);
    assert_true (v->ended);
    assert_int_equal (view_got (v, 0)->attempt, 1);
    bed_free (&b);
}

static void grants_that_were_lost_with_a_connection_come_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 3);
    w->deaf = true;
    struct view *v = client_submit (c, 1, 0, 0, 3);
    assert_int_equal (worker_held (w, 0), 0);
    w->deaf = false;
    peer_back (w, false);
    bed_settle (b);
    assert_true (w->resumed);
    assert_int_equal (worker_held (w, v->id), 3);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 3);
    bed_free (&b);
}

static void results_that_were_sent_twice_count_once (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 3);
    struct view *v = client_submit (c, 1, 0, 0, 3);
    w->deaf = true; /* so it hears no acknowledgement */
    worker_finish (w, v->id, 3, OUTCOME_DONE, 1000);
    bed_turn (b);
    w->deaf = false;
    peer_back (w, false);
    bed_settle (b);
    assert_int_equal (v->end.done, 3);
    assert_int_equal (bed_figures (b).fenced, 0);
    bed_free (&b);
}

static void late_result_after_regrant_is_dropped (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    struct peer *w2 = bed_worker (b, "w2", 2);
    w1->stalled = true;
    pass_with (b, LOST_US, w2, NULL);
    assert_int_equal (worker_held (w2, v->id), 2);
    w1->stalled = false;
    worker_finish (w1, v->id, 2, OUTCOME_FAILED, 1000);
    bed_settle (b);
    assert_int_equal (w1->error, WIRE_NO_SESSION);
    peer_back (w1, false);
    bed_settle (b);
    assert_false (w1->resumed);
    worker_claim (w1, v->id, 0, 1, OUTCOME_FAILED); /* and it insists */
    worker_claim (w1, v->id, 1, 2, OUTCOME_FAILED);
    bed_settle (b);
    assert_int_equal (bed_figures (b).fenced, 2);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 2);
    assert_int_equal (v->end.failed, 0);
    bed_free (&b);
}

/* Of a message with late and good outcomes, the good ones count, in either order. */
static void of_a_mixed_message_only_the_current_outcomes_count (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 4);
    struct view *v = client_submit (c, 1, 0, 0, 4);
    struct peer *w2 = bed_worker (b, "w2", 4);
    worker_return (w1, v->id, 2); /* w2 gets at least one of them */
    bed_settle (b);
    assert_true (worker_held (w2, v->id) > 0);
    uint64_t other = w2->held[0].row;
    w1->n_held = 2; /* rows 0 and 1 */
    w1->held[w1->n_held++] = (struct held){.batch = v->id, .row = other, .attempt = 1};
    w1->held[0].attempt = 7;
    worker_finish (w1, v->id, 3, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_int_equal (view_got (v, 1)->how, OUTCOME_DONE);
    assert_null (view_got (v, other));
    assert_null (view_got (v, 0));
    assert_int_equal (bed_figures (b).fenced, 2);
    w1->n_held = 0;
    for (uint64_t row = 2; row < 4; row++)
        if (row != other && !worker_row (w2, v->id, row))
            worker_claim (w1, v->id, row, 1, OUTCOME_DONE);
    worker_claim (w1, v->id, 0, 1, OUTCOME_DONE);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 4);
    bed_free (&b);
}

static void output_of_a_fenced_attempt_is_dropped (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct view *v = client_submit (c, 1, 0, 0, 1);
    for (uint64_t attempt = 1; attempt <= 2; attempt++) {
        struct wire m = {.kind = WIRE_OUTPUT};
        m.m.output.batch = v->id;
        m.m.output.attempt = attempt;
        m.m.output.stream = 1;
        m.body[0] = slice_borrowed ("hello", 5);
        peer_post (w, &m);
    }
    bed_settle (b);
    assert_int_equal (v->output_bytes, 5);
    assert_int_equal (bed_figures (b).fenced, 1);
    bed_free (&b);
}

static void a_row_is_parked_after_three_losses (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 1);
    for (uint64_t i = 1; i <= 3; i++) {
        struct peer *w = bed_worker (b, "w", 1);
        bed_settle (b);
        assert_int_equal (worker_row (w, v->id, 0)->attempt, i);
        assert_false (v->ended);
        bed_pass (b, LOST_US);
        peer_free (w);
    }
    assert_true (v->ended);
    assert_int_equal (v->end.parked, 1);
    assert_int_equal (view_got (v, 0)->attempt, 3);
    bed_free (&b);
}

static void a_worker_that_says_goodbye_counts_as_no_loss (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 1);
    for (uint64_t i = 1; i <= 5; i++) {
        struct peer *w = bed_worker (b, "w", 1);
        bed_settle (b);
        assert_int_equal (worker_row (w, v->id, 0)->attempt, i);
        struct wire bye = {.kind = WIRE_BYE};
        peer_say (w, &bye);
        bed_settle (b);
        peer_free (w);
    }
    bed_worker (b, "w", 1);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 1);
    bed_free (&b);
}

static void at_most_once_rows_end_as_lost (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, BATCH_AT_MOST_ONCE, 0, 5);
    bed_pass (b, LOST_US);
    peer_free (w);
    assert_int_equal (view_count (v, OUTCOME_LOST), 2);
    bed_worker (b, "w2", 2);
    bed_run (b, 1000);
    assert_int_equal (v->end.lost, 2);
    assert_int_equal (v->end.done, 3);
    bed_free (&b);
}

/* A worker says BYE while a grant is on its way: by the number that BYE acknowledges it never came.
 */
static void rows_of_a_grant_that_a_leaving_worker_never_got_wait_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct wire bye = {.kind = WIRE_BYE};
    client_open (c, 1, BATCH_AT_MOST_ONCE, 0, 0);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 1);
    bed_settle (b);
    struct view *v = client_view (c, 1);
    assert_int_equal (worker_held (w, v->id), 1);
    w->deaf = true;
    client_rows (c, 1, 3);
    client_close (c, 1);
    bed_settle (b);
    assert_int_equal (bed_figures (b).granted, 4);
    peer_say (w, &bye);
    bed_settle (b);
    peer_free (w);
    assert_int_equal (bed_figures (b).waiting, 3);
    bed_worker (b, "w2", 2);
    bed_run (b, 1000);
    assert_int_equal (v->end.lost, 1); /* it may have started the one */
    assert_int_equal (v->end.done, 3);
    for (uint64_t row = 1; row < 4; row++)
        assert_int_equal (view_got (v, row)->attempt, 1);
    bed_free (&b);
}

/* Nor did one come that has not left the broker: the window of the worker is shut. */
static void
rows_of_a_grant_that_waits_for_its_window_wait_again_when_its_worker_leaves (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct wire shut = {.kind = WIRE_ACK};
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (w, &shut);
    bed_settle (b);
    struct view *v = client_submit (c, 1, BATCH_AT_MOST_ONCE, 0, 2);
    bed_settle (b);
    assert_int_equal (bed_figures (b).granted, 2);
    assert_int_equal (worker_held (w, 0), 0);
    peer_say (w, &bye);
    bed_settle (b);
    peer_free (w);
    bed_worker (b, "w2", 2);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 2);
    bed_free (&b);
}

static void a_new_agent_replaces_the_session_of_the_dead_one_at_once (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    peer_cut (w1);
    w1->hello.replaces = w1->token;
    worker_void (w1);
    peer_back (w1, true);
    bed_settle (b);
    assert_int_equal (bed_figures (b).workers, 1);
    assert_int_equal (worker_row (w1, v->id, 0)->attempt, 2);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 2);
    bed_free (&b);
}

static void a_client_cannot_replace_a_worker (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    c->hello.replaces = w->token;
    peer_back (c, true);
    c->token = w->token; /* nor be one */
    peer_back (c, false);
    bed_settle (b);
    assert_int_equal (bed_figures (b).workers, 1);
    bed_free (&b);
}

static void a_worker_is_not_judged_by_our_own_lag (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    b->now += 60 * (int64_t)US_PER_S; /* the broker was stopped */
    bed_turn (b);
    bed_turn (b);
    assert_int_equal (bed_figures (b).workers, 1);
    assert_int_equal (bed_figures (b).clients, 1);
    bed_run (b, 1000);
    assert_true (v->ended);
    (void)w;
    bed_free (&b);
}

static void a_client_that_is_away_is_not_judged_by_our_own_lag (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 2);
    peer_cut (c);
    bed_pass (b, 3 * US_PER_S);       /* a ping has met the cut */
    b->now += 60 * (int64_t)US_PER_S; /* the broker was stopped */
    bed_turn (b);
    bed_turn (b);
    assert_int_equal (bed_figures (b).clients, 1);
    peer_back (c, false);
    bed_settle (b);
    assert_true (c->resumed);
    bed_worker (b, "w", 2);
    bed_run (b, 1000);
    assert_true (v->ended);
    bed_free (&b);
}

static void a_worker_that_is_lost_again_and_again_gets_nothing_for_a_while (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct view *v = client_submit (c, 1, 0, 0, 1);
    for (int times = 1; times <= 2; times++) {
        for (int i = 0; i < 4; i++) {
            w = bed_worker_instead (w);
            worker_finish (w, v->id, 1, OUTCOME_DONE, 1000);
            bed_settle (b);
            v = client_submit (c, v->handle + 1, 0, 0, 1);
            assert_int_equal (worker_held (w, v->id), 1);
        }
        w = bed_worker_instead (w);
        pass_with (b, times * 59 * (int64_t)US_PER_S, w, NULL);
        assert_int_equal (worker_held (w, v->id), 0);
        pass_with (b, times * 2 * US_PER_S, w, NULL);
        assert_int_equal (worker_held (w, v->id), 1);
    }
    bed_free (&b);
}

/* However short the broker's patience is: silence is the line's fault, as a rule. */
static void a_worker_that_falls_silent_again_and_again_gets_rows_when_it_is_back (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.ping_us = US_PER_S / 2;
    cfg.suspect_us = US_PER_S;
    cfg.lost_us = 2 * US_PER_S;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    for (unsigned i = 1; i <= 12; i++) {
        struct peer *w = bed_worker (b, "w", 1);
        struct view *v = client_submit (c, i, 0, 0, 1);
        assert_int_equal (worker_held (w, v->id), 1);
        worker_finish (w, v->id, 1, OUTCOME_DONE, 1000);
        bed_settle (b);
        for (int half = 0; half < 5; half++)
            bed_pass (b, US_PER_S / 2);
    }
    bed_free (&b);
}

static void a_suspect_gets_no_rows_until_it_is_heard_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    bed_pass (b, 7 * US_PER_S);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    assert_int_equal (worker_held (w, 0), 0);
    alive (w);
    bed_pass (b, US_PER_S);
    assert_int_equal (worker_held (w, v->id), 2);
    bed_free (&b);
}

static void cancelled_rows_of_a_lost_worker_end_as_cancelled (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 10);
    client_cancel (c, 1, 1, 0, 0);
    bed_settle (b);
    assert_int_equal (client_reply (c, 1), -1);
    bed_pass (b, LOST_US);
    peer_free (w);
    assert_int_equal (v->end.cancelled, 10);
    assert_int_equal (client_reply (c, 1), WIRE_OK);
    bed_free (&b);
}

/* --- clients --- */

static void attached_batch_is_cancelled_ten_seconds_after_its_client_is_gone (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, 0, 0, 10);
    peer_cut (c);
    pass_with (b, 9 * US_PER_S, w, NULL);
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 0);
    assert_int_equal (bed_figures (b).clients, 1);
    pass_with (b, 5 * US_PER_S, w, NULL);
    assert_int_equal (bed_figures (b).clients, 0);
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 1);
    assert_int_equal (bed_figures (b).waiting, 0);
    bed_run (b, 1000);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void a_client_that_only_computes_is_not_gone (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_submit (c, 1, 0, 0, 10);
    c->stalled = true;
    bed_pass (b, 120 * (int64_t)US_PER_S);
    assert_int_equal (bed_figures (b).clients, 1);
    assert_int_equal (bed_figures (b).waiting, 10);
    bed_free (&b);
}

static void a_client_that_comes_back_goes_on (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 10);
    peer_cut (c);
    worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
    pass_with (b, 8 * US_PER_S, w, NULL);
    peer_back (c, false);
    bed_settle (b);
    assert_true (c->resumed);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 10);
    bed_free (&b);
}

static void detached_batch_survives_its_client (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    uint64_t id = client_submit (c, 1, BATCH_DETACHED, 0, 10)->id;
    peer_free (c);
    bed_pass (b, 15 * (int64_t)US_PER_S);
    assert_int_equal (bed_figures (b).clients, 0);
    struct peer *w = bed_worker (b, "w", 2);
    bed_run (b, 50000);
    assert_int_equal (w->granted, 10);
    struct peer *c2 = bed_client (b, "c2");
    struct wire m = {.kind = WIRE_ATTACH};
    m.m.attach.batch = 1;
    m.m.attach.id = id;
    m.m.attach.follow = 1;
    peer_post (c2, &m);
    bed_settle (b);
    assert_int_equal (client_view (c2, 1)->end.done, 10);
    bed_free (&b);
}

static void half_a_submission_ends_with_its_client (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, BATCH_DETACHED, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 10);
    bed_settle (b);
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (c, &bye);
    bed_settle (b);
    assert_int_equal (bed_figures (b).waiting, 0);
    assert_int_equal (bed_figures (b).clients, 0);
    bed_free (&b);
}

static void clients_that_leave_in_any_state_leave_nothing_behind (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *w = bed_worker (b, "w", 2);
    for (int how = 0; how < 8; how++) {
        struct peer *c = bed_client (b, "c");
        client_submit (c, 1, 0, 0, how);
        client_submit (c, 2, 0, 1, 5);
        client_wait (c, 1, client_view (c, 2)->id, WAIT_FINISHED, 0);
        client_cancel (c, 2, how & 1 ? 1 : 2, 0, how & 2 ? 1 : 0);
        if (how & 4)
            bed_settle (b);
        struct wire bye = {.kind = WIRE_BYE};
        bed_turn (b);
        peer_say (c, &bye);
        bed_settle (b);
        peer_free (c);
    }
    bed_run (b, 1000);
    assert_int_equal (worker_held (w, 0), 0);
    assert_int_equal (bed_figures (b).batches, 0);
    assert_int_equal (bed_figures (b).queue_bytes, 0);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rows_of_a_lost_worker_run_again_with_the_next_attempt),
        cmocka_unit_test (nothing_runs_again_because_a_connection_was_cut),
        cmocka_unit_test (grants_that_were_lost_with_a_connection_come_again),
        cmocka_unit_test (results_that_were_sent_twice_count_once),
        cmocka_unit_test (late_result_after_regrant_is_dropped),
        cmocka_unit_test (of_a_mixed_message_only_the_current_outcomes_count),
        cmocka_unit_test (output_of_a_fenced_attempt_is_dropped),
        cmocka_unit_test (a_row_is_parked_after_three_losses),
        cmocka_unit_test (a_worker_that_says_goodbye_counts_as_no_loss),
        cmocka_unit_test (at_most_once_rows_end_as_lost),
        cmocka_unit_test (rows_of_a_grant_that_a_leaving_worker_never_got_wait_again),
        cmocka_unit_test (
            rows_of_a_grant_that_waits_for_its_window_wait_again_when_its_worker_leaves),
        cmocka_unit_test (a_new_agent_replaces_the_session_of_the_dead_one_at_once),
        cmocka_unit_test (a_client_cannot_replace_a_worker),
        cmocka_unit_test (a_worker_is_not_judged_by_our_own_lag),
        cmocka_unit_test (a_client_that_is_away_is_not_judged_by_our_own_lag),
        cmocka_unit_test (a_worker_that_is_lost_again_and_again_gets_nothing_for_a_while),
        cmocka_unit_test (a_worker_that_falls_silent_again_and_again_gets_rows_when_it_is_back),
        cmocka_unit_test (a_suspect_gets_no_rows_until_it_is_heard_again),
        cmocka_unit_test (cancelled_rows_of_a_lost_worker_end_as_cancelled),
        cmocka_unit_test (attached_batch_is_cancelled_ten_seconds_after_its_client_is_gone),
        cmocka_unit_test (a_client_that_only_computes_is_not_gone),
        cmocka_unit_test (a_client_that_comes_back_goes_on),
        cmocka_unit_test (detached_batch_survives_its_client),
        cmocka_unit_test (half_a_submission_ends_with_its_client),
        cmocka_unit_test (clients_that_leave_in_any_state_leave_nothing_behind),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
