/* Sessions: who may say what, and what bad messages cost. */
#include <string.h>

#include "tests/sim/fake_link.h"
#include "tests/unit/sched_harness.h"

static bool same_figures (struct sched_figures a, struct sched_figures b)
{
    return a.clients == b.clients && a.workers == b.workers && a.batches == b.batches &&
           a.waiting == b.waiting && a.granted == b.granted && a.queue_bytes == b.queue_bytes;
}

/* Every kind that a role may not say, and every kind before HELLO. */
static void forbidden_verbs_change_nothing (void **state)
{
    (void)state;
    for (int worker = 0; worker <= 1; worker++)
        for (unsigned kind = 1; kind < 256; kind++) {
            if (!wire_name (kind) || wire_may_send (worker ? SENDER_W : SENDER_C, kind))
                continue;
            struct bed *b = bed_new (NULL, NULL);
            struct peer *c = bed_client (b, "c");
            struct peer *w = bed_worker (b, "w", 2);
            struct view *v = client_submit (c, 1, 0, 0, 10);
            struct sched_figures before = bed_figures (b);
            struct peer *p = worker ? w : c;
            struct wire m = {.kind = (enum wire_kind)kind};
            if (wire_numbered (m.kind))
                peer_post (p, &m);
            else
                peer_say (p, &m);
            bed_settle (b);
            if (!p->n_errors || p->error != WIRE_FORBIDDEN)
                fail_msg ("%s was not refused", wire_name (kind));
            assert_true (same_figures (before, bed_figures (b)));
            bed_run (b, 1000); /* and the session goes on */
            assert_int_equal (v->end.done, 10);
            bed_free (&b);
        }
}

static void nothing_counts_before_hello (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *p = bed_client (b, "c");
    struct sched_figures before = bed_figures (b);
    p->route = 99; /* a connection that the broker has not heard of */
    unsigned told = 0;
    for (unsigned kind = 2; kind < 256; kind++) {
        struct wire m = {.kind = (enum wire_kind)kind, .seq = 1};
        if (!wire_name (kind))
            continue;
        peer_say (p, &m);
        bed_turn (b);
        assert_int_equal (p->n_errors, ++told);
        assert_int_equal (p->error, WIRE_NO_SESSION);
    }
    assert_true (same_figures (before, bed_figures (b)));
    bed_free (&b);
}

static void malformed_messages_cost_the_session_not_the_process (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *other = bed_client (b, "other");
    client_submit (c, 1, 0, 0, 10);
    client_submit (other, 1, 0, 0, 10);
    for (int i = 0; i < 20; i++) {
        struct wire_frames f = {.count = 1};
        f.frame[0] = slice_of_take (blob_copy ("\xd7\x01\x10\x00garbage", 11));
        if (i % 2)
            fake_link_push_take (b->link, c->route, &f);
        else
            fake_link_push_bad (b->link, c->route);
        wire_frames_fini (&f);
        bed_turn (b);
        if (i == 7)
            assert_int_equal (bed_figures (b).clients, 2);
    }
    bed_settle (b);
    assert_int_equal (c->n_byes, 1);
    assert_true (c->n_errors >= 16);
    assert_int_equal (bed_figures (b).clients, 1);
    assert_int_equal (bed_figures (b).waiting, 10);
    bed_free (&b);
}

/* A numbered kind without a number would be done twice after a reconnect. */
static void a_message_has_a_number_exactly_where_its_kind_has_one (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire open = {.kind = WIRE_OPEN};
    open.m.open.batch = 5;
    peer_say (c, &open);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_MALFORMED);
    struct wire ping = {.kind = WIRE_PING, .seq = 1};
    peer_say (c, &ping);
    bed_settle (b);
    assert_int_equal (c->n_errors, 2);
    assert_int_equal (bed_figures (b).batches, 0);
    client_submit (c, 1, 0, 0, 10);
    assert_int_equal (bed_figures (b).waiting, 10);
    bed_free (&b);
}

/* A peer of a later version, which knows more kinds. */
static void after_a_message_of_an_unknown_kind_the_session_goes_on (void **state)
{
    (void)state;
    static const char BYTES[] =
        "\xd7\x01\xc8\x00\xdc\x00\x03\xcf\0\0\0\0\0\0\0\x01\xcf\0\0\0\0\0\0\0\0\x07";
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire_frames f = {.count = 1};
    f.frame[0] = slice_of_take (blob_copy (BYTES, sizeof BYTES - 1));
    fake_link_push_take (b->link, c->route, &f);
    bed_settle (b);
    assert_int_equal (c->n_errors, 1);
    assert_int_equal (c->error, WIRE_UNSUPPORTED);
    struct wire open = {.kind = WIRE_OPEN, .seq = 2};
    peer_say (c, &open);
    bed_settle (b);
    assert_int_equal (c->n_errors, 1);
    assert_int_equal (bed_figures (b).batches, 1);
    bed_free (&b);
}

static void who_acknowledges_what_was_never_sent_is_refused (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire ack = {.kind = WIRE_ACK, .ack = 1000};
    peer_say (c, &ack);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_MALFORMED);
    assert_int_equal (bed_figures (b).malformed, 1);
    bed_free (&b);
}

static void after_a_gap_the_peer_must_come_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire open = {.kind = WIRE_OPEN, .seq = 3};
    peer_say (c, &open);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_NO_SESSION);
    assert_int_equal (bed_figures (b).batches, 0);
    peer_back (c, false);
    bed_settle (b);
    assert_true (c->resumed);
    bed_free (&b);
}

static void versions_that_do_not_meet_are_told_so (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    c->hello.min_major = c->hello.max_major = WIRE_MAJOR + 1;
    peer_back (c, true);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_UNSUPPORTED);
    c->hello.min_major = 0; /* it speaks ours as well */
    peer_back (c, true);
    bed_settle (b);
    assert_int_equal (c->n_welcomes, 2);
    c->hello.role = ROLE_NONE;
    peer_back (c, true);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_MALFORMED);
    bed_free (&b);
}

static void a_token_that_does_not_fit_gives_a_new_session (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    uint64_t token = c->token;
    client_submit (c, 1, 0, 0, 10);
    c->token = 4711;
    peer_back (c, false);
    bed_settle (b);
    assert_false (c->resumed);
    assert_true (c->token != token);
    bed_free (&b);
}

/* The network delivers it some time after the peer has come back over another connection. */
static void a_late_hello_changes_nothing (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_submit (c, 1, 0, 0, 10);
    uint64_t route = c->route, welcomes = c->n_welcomes;
    struct chan *chan = c->chan;
    c->chan = chan_new (10, 1000); /* as when nothing had been received */
    peer_back (c, false);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_NO_SESSION);
    assert_int_equal (c->n_welcomes, welcomes);
    chan_free (&c->chan);
    c->chan = chan;
    c->route = route;
    c->welcomed = true;
    client_submit (c, 2, 0, 0, 10);
    assert_int_not_equal (client_view (c, 2)->id, 0);
    assert_int_equal (bed_figures (b).clients, 1);
    assert_int_equal (bed_figures (b).batches, 2);
    bed_free (&b);
}

static void names_of_workers_are_unique (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    char longest[257];
    memset (longest, 'n', 256);
    longest[256] = '\0';
    struct peer *w1 = bed_worker (b, longest, 1);
    struct peer *w2 = bed_worker (b, longest, 1);
    assert_int_equal (w1->n_welcomes, 1);
    assert_int_equal (w2->n_welcomes, 1);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 10);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 10);
    bed_free (&b);
}

static void a_second_hello_on_a_connection_begins_anew (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, 0, 0, 10);
    uint64_t route = w->route;
    worker_void (w);
    peer_back (w, true);
    w->route = route;
    bed_settle (b);
    b->routes--;
    assert_int_equal (bed_figures (b).workers, 2); /* the one on the other route is gone later */
    bed_pass (b, 21 * (int64_t)US_PER_S);
    bed_free (&b);
}

static void the_broker_says_goodbye_when_it_stops (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct err e;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    turn_stop (b->turn);
    assert_int_equal (turn_run (b->turn, &e), 1);
    assert_int_equal (c->n_byes, 1);
    assert_int_equal (w->n_byes, 1);
    peer_back (c, true);
    assert_int_equal (turn_run (b->turn, &e), 1);
    assert_int_equal (c->error, WIRE_STOPPING);
    bed_free (&b);
}

/* A line that works one way only: HELLO comes, again and again, and WELCOME is not heard. */
static void
a_worker_that_never_hears_its_welcome_is_one_session_and_gets_its_rows_once (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    peer_say (w, &(struct wire){.kind = WIRE_BYE});
    bed_turn (b);
    client_submit (c, 1, BATCH_AT_MOST_ONCE, 0, 2);
    w->hello.born = 4711;
    w->deaf = true;
    for (int i = 0; i < 10; i++) {
        peer_back (w, true);
        bed_settle (b);
        assert_int_equal (bed_figures (b).workers, 1);
        assert_int_equal (bed_figures (b).granted, i ? 0 : 2); /* not again before it says a word */
    }
    w->deaf = false;
    peer_back (w, true);
    peer_say (w, &(struct wire){.kind = WIRE_PING});
    bed_settle (b);
    assert_int_equal (bed_figures (b).granted, 2);
    bed_free (&b);
}

/* Its first HELLO waited in the network, so it said it again over another line, and was served.
 * Then the first one comes. `spoke`: it has said something; else only rows are on their way to it.
 */
static void late_hello (bool spoke)
{
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 0);
    peer_say (w, &(struct wire){.kind = WIRE_BYE});
    bed_turn (b);
    uint64_t late = ++b->routes;
    w->hello.born = 4711;
    w->hello.slots = 2;
    peer_back (w, true);
    bed_settle (b);
    client_submit (c, 1, BATCH_AT_MOST_ONCE, 0, 2);
    assert_int_equal (bed_figures (b).granted, 2);
    uint64_t token = w->token, route = w->route;
    if (spoke)
        peer_say (w, &(struct wire){.kind = WIRE_PING});
    bed_turn (b);
    b->routes = spoke ? b->routes : late - 1; /* (what it said is enough) */
    w->deaf = true;
    peer_back (w, true);
    bed_turn (b);
    assert_int_equal (bed_figures (b).workers, 1);
    assert_int_equal (bed_figures (b).granted, 2);
    w->deaf = false;
    w->welcomed = true;
    w->token = token;
    w->route = route;
    worker_finish (w, client_view (c, 1)->id, 2, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_int_equal (client_view (c, 1)->end.done, 2);
    bed_free (&b);
}

static void a_late_hello_does_not_end_the_session_that_began_with_the_next (void **state)
{
    (void)state;
    late_hello (true);
}

static void nor_where_its_worker_has_said_nothing_yet (void **state)
{
    (void)state;
    late_hello (false);
}

static void what_was_cancelled_at_a_worker_that_hears_nothing_ends_with_its_session (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    peer_say (w, &(struct wire){.kind = WIRE_BYE});
    bed_turn (b);
    client_submit (c, 1, 0, 0, 2);
    w->hello.born = 4711;
    w->deaf = true;
    peer_back (w, true);
    bed_settle (b);
    client_cancel (c, 7, 1, 0, 0);
    bed_settle (b);
    assert_false (client_view (c, 1)->ended);
    peer_back (w, true);
    bed_settle (b);
    assert_int_equal (client_view (c, 1)->end.state, BATCH_CANCELLED);
    bed_free (&b);
}

static void a_client_may_stop_the_broker_and_a_worker_may_not (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct err e;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct wire stop = {.kind = WIRE_STOP};
    peer_say (w, &stop);
    bed_turn (b);
    assert_int_equal (w->error, WIRE_FORBIDDEN);
    assert_int_equal (w->n_byes, 0);
    peer_say (c, &stop);
    assert_int_equal (turn_run (b->turn, &e), 1);
    assert_int_equal (c->n_byes, 1);
    assert_int_equal (w->n_byes, 1);
    bed_free (&b);
}

/* What a full connection did not take waits, in order. */
static void a_full_connection_gets_everything_later (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    c->full = true;
    struct view *v = client_submit (c, 1, 0, 0, 20);
    bed_run (b, 50000);
    assert_int_equal (v->done.count, 0);
    c->full = false;
    bed_pass (b, US_PER_S);
    assert_true (v->ended);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (forbidden_verbs_change_nothing),
        cmocka_unit_test (nothing_counts_before_hello),
        cmocka_unit_test (malformed_messages_cost_the_session_not_the_process),
        cmocka_unit_test (a_message_has_a_number_exactly_where_its_kind_has_one),
        cmocka_unit_test (after_a_message_of_an_unknown_kind_the_session_goes_on),
        cmocka_unit_test (who_acknowledges_what_was_never_sent_is_refused),
        cmocka_unit_test (after_a_gap_the_peer_must_come_again),
        cmocka_unit_test (versions_that_do_not_meet_are_told_so),
        cmocka_unit_test (a_token_that_does_not_fit_gives_a_new_session),
        cmocka_unit_test (a_late_hello_changes_nothing),
        cmocka_unit_test (names_of_workers_are_unique),
        cmocka_unit_test (a_second_hello_on_a_connection_begins_anew),
        cmocka_unit_test (the_broker_says_goodbye_when_it_stops),
        cmocka_unit_test (
            a_worker_that_never_hears_its_welcome_is_one_session_and_gets_its_rows_once),
        cmocka_unit_test (a_late_hello_does_not_end_the_session_that_began_with_the_next),
        cmocka_unit_test (nor_where_its_worker_has_said_nothing_yet),
        cmocka_unit_test (what_was_cancelled_at_a_worker_that_hears_nothing_ends_with_its_session),
        cmocka_unit_test (a_client_may_stop_the_broker_and_a_worker_may_not),
        cmocka_unit_test (a_full_connection_gets_everything_later),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
