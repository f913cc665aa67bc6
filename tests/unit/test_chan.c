#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/chan_rig.h"

#define MSGS 100
#define WINDOW 1000000

/* --- sending ---------------------------------------------------------------------------------- */

static void messages_leave_in_order_and_are_kept_until_acknowledged (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    assert_true (chan_idle (c));
    post (c, LANE_CONTROL, 10, 0);
    post (c, LANE_CONTROL, 11, 0);
    assert_false (chan_idle (c));
    leaves (c, 1, 10);
    leaves (c, 2, 11);
    nothing_leaves (c);
    assert_true (chan_backlog_bytes (c) > 0);
    assert_int_equal (chan_accept (c, 0, 1), CHAN_NEW);
    assert_false (chan_idle (c));
    assert_int_equal (chan_accept (c, 0, 2), CHAN_NEW);
    assert_true (chan_idle (c));
    assert_int_equal (chan_backlog_bytes (c), 0);
    chan_free (&c);
    assert_null (c);
    chan_free (&c);
}

static void control_overtakes_bulk_that_has_not_left (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    post_bulk (c, 1, 10);
    post_bulk (c, 2, 10);
    leaves (c, 1, 1);
    post (c, LANE_CONTROL, 100, 0);
    leaves (c, 2, 100);
    leaves (c, 3, 2);
    chan_free (&c);
}

static void post_kind (struct chan *c, enum wire_kind kind)
{
    struct wire w = {.kind = kind};
    struct wire_frames f;
    assert_int_equal (wire_encode (&w, &f, NULL), 0);
    chan_post_take (c, LANE_BULK, &f, 0);
}

/* The tasks that would empty a full broker may be those that wait for it. */
static void what_running_tasks_wait_for_leaves_through_a_shut_window (void **state)
{
    (void)state;
    static const enum wire_kind kinds[] = {WIRE_INPUT, WIRE_SIGNAL, WIRE_CLOSE};
    struct chan *c = chan_new (MSGS, WINDOW);
    chan_window (c, MSGS, 0);
    for (unsigned i = 0; i < 3; i++)
        post_kind (c, kinds[i]);
    post_bulk (c, 1, 10);
    post_kind (c, WIRE_INPUT); /* of a row that may be in the one before */
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal (next (c).seq, i + 1);
    nothing_leaves (c);
    chan_window (c, MSGS, WINDOW);
    leaves (c, 4, 1);
    assert_int_equal (next (c).seq, 5);
    chan_free (&c);
}

/* Rows of another batch may be before it, which the window will not let go until it has arrived. */
static void live_messages_do_not_wait_for_bulk_nor_for_the_window (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    chan_window (c, MSGS, 0);
    post_bulk (c, 1, 10);
    post (c, LANE_LIVE, 2, 0);
    post (c, LANE_LIVE, 3, 0);
    post (c, LANE_CONTROL, 4, 0);
    leaves (c, 1, 4);
    leaves (c, 2, 2);
    leaves (c, 3, 3);
    nothing_leaves (c);
    chan_window (c, MSGS, WINDOW);
    leaves (c, 4, 1);
    chan_free (&c);
}

static void what_was_posted_with_a_commit_waits_for_it (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    post (c, LANE_CONTROL, 1, 5);
    post (c, LANE_CONTROL, 2, 6);
    post_bulk (c, 3, 10);
    leaves (c, 1, 3); /* waits for nothing */
    nothing_leaves (c);
    chan_release (c, 4);
    nothing_leaves (c);
    chan_release (c, 5);
    leaves (c, 2, 1);
    nothing_leaves (c);
    chan_release (c, 7);
    leaves (c, 3, 2);
    chan_release (c, 6); /* never goes back */
    post (c, LANE_BULK, 8, 8);
    nothing_leaves (c);
    post (c, LANE_CONTROL, 4, 7);
    leaves (c, 4, 4);
    nothing_leaves (c);
    chan_release (c, 8);
    leaves (c, 5, 8);
    chan_free (&c);
}

static void the_window_counts_messages_of_the_bulk_lane_only (void **state)
{
    (void)state;
    struct chan *c = chan_new (2, WINDOW);
    for (uint64_t i = 1; i <= 3; i++) {
        post (c, LANE_CONTROL, 100 + i, 0);
        post_bulk (c, i, 10);
    }
    for (uint64_t i = 1; i <= 3; i++)
        leaves (c, i, 100 + i);
    leaves (c, 4, 1);
    leaves (c, 5, 2);
    nothing_leaves (c);
    assert_false (chan_wants_bulk (c));
    chan_accept (c, 0, 3); /* control does not open it */
    nothing_leaves (c);
    chan_accept (c, 0, 4);
    leaves (c, 6, 3);
    nothing_leaves (c);
    chan_free (&c);
}

static void the_window_counts_bytes (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, 2500);
    post_bulk (c, 1, 1000);
    post_bulk (c, 2, 1000);
    post_bulk (c, 3, 1000);
    leaves (c, 1, 1);
    leaves (c, 2, 2);
    nothing_leaves (c);
    chan_window (c, MSGS, 4000);
    leaves (c, 3, 3);
    assert_true (chan_wants_bulk (c));
    chan_window (c, MSGS, 2500);
    post_bulk (c, 4, 1000);
    post_bulk (c, 5, 1000);
    nothing_leaves (c);
    chan_accept (c, 0, 2); /* opens it for one, behind the one that is still on its way */
    leaves (c, 4, 4);
    nothing_leaves (c);
    chan_free (&c);
}

static void one_message_may_always_go_unless_the_window_is_shut (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, 0);
    assert_false (chan_wants_bulk (c));
    post_bulk (c, 1, 5000);
    post_bulk (c, 2, 5000);
    nothing_leaves (c);
    post (c, LANE_CONTROL, 100, 0);
    leaves (c, 1, 100);
    chan_window (c, MSGS, 10);
    leaves (c, 2, 1);
    nothing_leaves (c);
    chan_accept (c, 0, 2);
    leaves (c, 3, 2);
    chan_free (&c);
}

static void who_produces_much_is_asked_as_long_as_the_window_has_room (void **state)
{
    (void)state;
    struct chan *c = chan_new (3, 2500);
    assert_true (chan_wants_bulk (c));
    post_bulk (c, 1, 1000);
    assert_true (chan_wants_bulk (c)); /* what is queued counts, sent or not */
    leaves (c, 1, 1);
    assert_true (chan_wants_bulk (c));
    post_bulk (c, 2, 2000);
    assert_false (chan_wants_bulk (c));
    chan_accept (c, 0, 1);
    assert_true (chan_wants_bulk (c));
    post_bulk (c, 3, 10);
    post_bulk (c, 4, 10);
    assert_false (chan_wants_bulk (c)); /* three messages */
    chan_window (c, 0, 2500);
    assert_false (chan_wants_bulk (c));
    chan_free (&c);
}

static void a_refused_transmission_comes_again_with_its_number (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    post_bulk (c, 1, 10);
    post_bulk (c, 2, 10);
    chan_unsent (c); /* nothing was handed out: nothing happens */
    leaves (c, 1, 1);
    chan_unsent (c);
    leaves (c, 1, 1);
    leaves (c, 2, 2);
    chan_unsent (c);
    chan_unsent (c);
    leaves (c, 2, 2);
    nothing_leaves (c);
    chan_free (&c);
}

/* --- receiving -------------------------------------------------------------------------------- */

static void duplicates_gaps_and_lies_are_told_apart (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    assert_int_equal (chan_accept (c, 1, 0), CHAN_NEW);
    assert_int_equal (chan_accept (c, 1, 0), CHAN_DUPLICATE);
    assert_int_equal (chan_accept (c, 3, 0), CHAN_GAP);
    assert_int_equal (chan_received (c), 1);
    assert_int_equal (chan_accept (c, 2, 0), CHAN_NEW);
    assert_int_equal (chan_accept (c, 3, 1), CHAN_LIE);
    assert_int_equal (chan_received (c), 2);
    post (c, LANE_CONTROL, 1, 0);
    assert_int_equal (chan_accept (c, 3, 1), CHAN_LIE); /* queued is not sent */
    leaves (c, 1, 1);
    assert_int_equal (chan_accept (c, 3, 1), CHAN_NEW);
    assert_int_equal (chan_accept (c, 0, 0),
                      CHAN_NEW); /* an old acknowledgement takes nothing back */
    assert_true (chan_idle (c));
    chan_free (&c);
}

static void what_was_received_is_acknowledged_once (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    assert_false (chan_owes_ack (c));
    chan_accept (c, 1, 0);
    assert_true (chan_owes_ack (c));
    assert_int_equal (chan_ack_number (c), 1);
    chan_ack_sent (c, 1);
    assert_false (chan_owes_ack (c));
    chan_accept (c, 1, 0);
    assert_true (chan_owes_ack (c));
    chan_ack_sent (c, 1);
    chan_accept (c, 2, 0);
    post (c, LANE_CONTROL, 1, 0);
    assert_int_equal (next (c).ack, 2);
    assert_false (chan_owes_ack (c));
    chan_unsent (c); /* ... and so the acknowledgement did not leave either */
    assert_true (chan_owes_ack (c));
    chan_accept (c, 3, 0);
    assert_int_equal (next (c).ack, 3);
    chan_free (&c);
}

static void a_held_acknowledgement_waits_for_its_commit (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    chan_hold_ack (c, 1);
    chan_accept (c, 1, 0);
    chan_accept (c, 2, 0);
    assert_int_equal (chan_received (c), 2);
    assert_int_equal (chan_ack_number (c), 0);
    assert_false (chan_owes_ack (c));
    chan_hold_ack (c, 2);
    chan_accept (c, 3, 0);
    chan_hold_ack (c, 3);
    chan_hold_ack (c, 4);
    chan_accept (c, 4, 0);
    chan_release (c, 1);
    assert_int_equal (chan_ack_number (c), 2);
    assert_true (chan_owes_ack (c));
    chan_release (c, 3);
    assert_int_equal (chan_ack_number (c), 3);
    chan_release (c, 4);
    assert_int_equal (chan_ack_number (c), 4);
    chan_free (&c);
}

static void many_commits_on_their_way_release_their_own_numbers (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    for (uint64_t turn = 1; turn <= 100; turn++) {
        chan_hold_ack (c, turn);
        chan_accept (c, 2 * turn - 1, 0);
        chan_accept (c, 2 * turn, 0);
        if (turn > 30) {
            chan_release (c, turn - 30);
            assert_int_equal (chan_ack_number (c), 2 * (turn - 30));
        }
    }
    chan_release (c, 100);
    assert_int_equal (chan_ack_number (c), 200);
    chan_free (&c);
}

/* --- connections that come and go ------------------------------------------------------------- */

static void after_a_reconnect_the_rest_goes_out_again_in_order (void **state)
{
    (void)state;
    struct chan *c = chan_new (2, WINDOW);
    post_bulk (c, 1, 10);
    post_bulk (c, 2, 10);
    post_bulk (c, 4, 10);
    leaves (c, 1, 1);
    leaves (c, 2, 2);
    post (c, LANE_CONTROL, 3, 0);
    leaves (c, 3, 3);
    nothing_leaves (c);
    assert_int_equal (chan_resume (c, 1), 0);
    post (c, LANE_CONTROL, 5, 0);
    assert_false (chan_wants_bulk (c));
    leaves (c, 2, 2);
    leaves (c, 3, 3);
    leaves (c, 4, 5);
    leaves (c, 5, 4);
    nothing_leaves (c);
    chan_free (&c);
}

static void an_acknowledgement_during_a_resend_ends_it_early (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    for (uint64_t i = 1; i <= 4; i++) {
        post (c, LANE_CONTROL, i, 0);
        leaves (c, i, i);
    }
    chan_resume (c, 0);
    leaves (c, 1, 1);
    chan_accept (c, 0, 3); /* it had them, and they became durable meanwhile */
    leaves (c, 4, 4);
    chan_accept (c, 0, 4);
    chan_unsent (c); /* too late to matter */
    nothing_leaves (c);
    assert_true (chan_idle (c));
    chan_free (&c);
}

static void a_resume_that_cannot_be_is_refused_and_changes_nothing (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    for (uint64_t i = 1; i <= 3; i++) {
        post (c, LANE_CONTROL, i, 0);
        leaves (c, i, i);
    }
    chan_accept (c, 0, 2);
    assert_int_equal (chan_resume (c, 1), -1);
    assert_int_equal (chan_resume (c, 4), -1);
    nothing_leaves (c);
    assert_int_equal (chan_resume (c, 2), 0);
    leaves (c, 3, 3);
    chan_free (&c);
}

/* --- a new life of the other side ------------------------------------------------------------- */

static void in_a_new_life_what_was_not_acknowledged_gets_new_numbers_in_order (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    post_bulk (c, 1, 10);
    post (c, LANE_CONTROL, 2, 0);
    for (int i = 1; i <= 3; i++)
        chan_accept (c, (uint64_t)i, 0);
    leaves (c, 1, 2);
    leaves (c, 2, 1);
    post_bulk (c, 3, 10);
    leaves (c, 3, 3);
    chan_accept (c, 0, 1);
    post_bulk (c, 5, 10);
    chan_renumber (c);
    post (c, LANE_CONTROL, 4, 0);
    assert_int_equal (chan_received (c), 0);
    assert_int_equal (chan_ack_number (c), 0);
    assert_false (chan_owes_ack (c));
    chan_unsent (c); /* nothing has left in this life */
    leaves (c, 1, 1);
    leaves (c, 2, 3); /* control does not overtake what had left before */
    leaves (c, 3, 4);
    leaves (c, 4, 5);
    nothing_leaves (c);
    assert_int_equal (chan_accept (c, 1, 4), CHAN_NEW);
    assert_true (chan_idle (c));
    assert_int_equal (chan_backlog_bytes (c), 0);
    chan_free (&c);
}

static void what_must_be_heard_first_leaves_before_all_else (void **state)
{
    (void)state;
    struct chan *c = chan_new (MSGS, WINDOW);
    post (c, LANE_CONTROL, 1, 0);
    leaves (c, 1, 1);
    post (c, LANE_CONTROL, 2, 0);
    chan_renumber (c);
    for (uint64_t mark = 8; mark <= 9; mark++) {
        struct wire w = {.kind = WIRE_OPENED, .m.opened.id = mark};
        struct wire_frames f;
        assert_int_equal (wire_encode (&w, &f, NULL), 0);
        chan_post_first_take (c, &f);
    }
    assert_false (chan_idle (c));
    leaves (c, 1, 8);
    assert_int_equal (chan_resume (c, 0), 0); /* a cut in the middle changes nothing */
    leaves (c, 1, 8);
    leaves (c, 2, 9);
    leaves (c, 3, 1);
    leaves (c, 4, 2);
    nothing_leaves (c);
    chan_free (&c);
}

static void the_window_begins_anew_with_the_other_sides_life (void **state)
{
    (void)state;
    struct chan *c = chan_new (2, WINDOW);
    for (uint64_t i = 1; i <= 3; i++)
        post_bulk (c, i, 10);
    leaves (c, 1, 1);
    leaves (c, 2, 2);
    nothing_leaves (c);
    chan_renumber (c);
    leaves (c, 1, 1);
    chan_renumber (c); /* it dies again in the middle */
    chan_window (c, MSGS, 0);
    leaves (c, 1, 1); /* what it had been sent goes out even so, as after a reconnect */
    leaves (c, 2, 2);
    nothing_leaves (c);
    chan_window (c, 2, WINDOW);
    nothing_leaves (c);
    chan_accept (c, 0, 1);
    leaves (c, 3, 3);
    chan_accept (c, 0, 3);
    assert_true (chan_idle (c));
    assert_true (chan_wants_bulk (c));
    chan_free (&c);
}

struct sifted {
    unsigned seen;
    uint64_t marks[8];
};

static bool drop_even (void *arg, const struct wire_frames *f)
{
    struct sifted *s = arg;
    struct wire w;
    assert_int_equal (wire_decode (&w, f, NULL, NULL), 0);
    uint64_t mark = w.kind == WIRE_OUTPUT ? w.m.output.record : w.m.opened.id;
    s->marks[s->seen++] = mark;
    wire_fini (&w);
    return mark % 2 == 0;
}

static void what_waits_can_be_looked_at_and_dropped_but_not_what_is_on_its_way (void **state)
{
    (void)state;
    struct chan *c = chan_new (2, WINDOW);
    struct sifted s = {0};
    for (uint64_t i = 1; i <= 4; i++)
        post_bulk (c, i, 10);
    leaves (c, 1, 1);
    leaves (c, 2, 2);
    post (c, LANE_CONTROL, 6, 0);
    chan_sift (c, drop_even, &s);
    assert_int_equal (s.seen, 3);
    assert_int_equal (s.marks[0], 6);
    assert_int_equal (s.marks[1], 3);
    assert_int_equal (s.marks[2], 4);
    chan_renumber (c);
    s.seen = 0;
    chan_sift (c, drop_even, &s);
    assert_int_equal (s.seen, 3);
    assert_int_equal (s.marks[1], 2);
    leaves (c, 1, 1);
    leaves (c, 2, 3);
    nothing_leaves (c);
    chan_accept (c, 0, 2);
    assert_true (chan_idle (c));
    assert_int_equal (chan_backlog_bytes (c), 0);
    chan_free (&c);
}

/* Two channels over a line that is cut again and again: everything arrives once and in order, lane
 * by lane. */
static void a_line_that_is_cut_loses_and_doubles_nothing (void **state)
{
    (void)state;
    uint64_t seed = 99, got[2] = {0}, posted[2] = {0};
    struct chan *a = chan_new (5, 2000), *b = chan_new (5, 2000);
    for (int step = 0; step < 20000 || !chan_idle (a); step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned dice = (unsigned)(seed >> 60);
        struct wire_frames f;
        if (step < 20000 && dice < 5) {
            unsigned lane = dice & 1;
            struct wire w = {.kind = WIRE_OUTPUT,
                             .m.output = {.row = lane, .record = ++posted[lane]}};
            wire_encode (&w, &f, NULL);
            chan_post_take (a, (enum chan_lane)lane, &f, 0);
        } else if (dice == 5) {
            chan_resume (a, chan_ack_number (b)); /* whatever was on its way is gone */
        } else if (dice == 6) {
            chan_accept (a, 0, chan_ack_number (b));
        } else if (chan_next (a, &f)) {
            struct wire w;
            assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
            wire_frames_fini (&f);
            if (dice == 7)
                chan_unsent (a);
            else if (dice != 8 && chan_accept (b, w.seq, w.ack) == CHAN_NEW)
                assert_int_equal (w.m.output.record, ++got[w.m.output.row]);
            wire_fini (&w);
        }
    }
    assert_int_equal (got[0], posted[0]);
    assert_int_equal (got[1], posted[1]);
    assert_true (posted[0] > 1000);
    chan_free (&a);
    chan_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (messages_leave_in_order_and_are_kept_until_acknowledged),
        cmocka_unit_test (control_overtakes_bulk_that_has_not_left),
        cmocka_unit_test (what_running_tasks_wait_for_leaves_through_a_shut_window),
        cmocka_unit_test (live_messages_do_not_wait_for_bulk_nor_for_the_window),
        cmocka_unit_test (what_was_posted_with_a_commit_waits_for_it),
        cmocka_unit_test (the_window_counts_messages_of_the_bulk_lane_only),
        cmocka_unit_test (the_window_counts_bytes),
        cmocka_unit_test (one_message_may_always_go_unless_the_window_is_shut),
        cmocka_unit_test (who_produces_much_is_asked_as_long_as_the_window_has_room),
        cmocka_unit_test (a_refused_transmission_comes_again_with_its_number),
        cmocka_unit_test (duplicates_gaps_and_lies_are_told_apart),
        cmocka_unit_test (what_was_received_is_acknowledged_once),
        cmocka_unit_test (a_held_acknowledgement_waits_for_its_commit),
        cmocka_unit_test (many_commits_on_their_way_release_their_own_numbers),
        cmocka_unit_test (after_a_reconnect_the_rest_goes_out_again_in_order),
        cmocka_unit_test (an_acknowledgement_during_a_resend_ends_it_early),
        cmocka_unit_test (a_resume_that_cannot_be_is_refused_and_changes_nothing),
        cmocka_unit_test (in_a_new_life_what_was_not_acknowledged_gets_new_numbers_in_order),
        cmocka_unit_test (what_must_be_heard_first_leaves_before_all_else),
        cmocka_unit_test (the_window_begins_anew_with_the_other_sides_life),
        cmocka_unit_test (what_waits_can_be_looked_at_and_dropped_but_not_what_is_on_its_way),
        cmocka_unit_test (a_line_that_is_cut_loses_and_doubles_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
