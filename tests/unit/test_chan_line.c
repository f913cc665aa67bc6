/* A channel and the line below it: how much is on its way, and when an acknowledgement is asked
 * for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/unit/chan_rig.h"

enum { BIG = 40 << 10, WIDE = 4 << 20 };

/* Seconds after they left, which says nothing good of the line. */
static void acknowledged (struct chan *c, uint64_t ack)
{
    chan_now (c, (int64_t)ack * US_PER_S);
    assert_int_equal (chan_accept (c, 0, ack), CHAN_NEW);
}

/* What leaves now, of messages of BIG bytes; the number of the last in `seq`. */
static unsigned leave (struct chan *c, uint64_t *seq)
{
    struct wire_frames f;
    struct wire w;
    unsigned n = 0;
    while (chan_next (c, &f)) {
        assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
        *seq = w.seq;
        wire_fini (&w);
        wire_frames_fini (&f);
        n++;
    }
    return n;
}

/* Messages leave and are acknowledged, all that do leave after `rtt_us`. */
static unsigned round_trips (struct chan *c, unsigned n, int64_t *now, int64_t rtt_us)
{
    unsigned most = 0;
    while (n--) {
        uint64_t seq = 0;
        chan_now (c, *now);
        unsigned left = leave (c, &seq);
        most = left > most ? left : most;
        chan_now (c, *now += rtt_us);
        chan_accept (c, 0, seq);
    }
    return most;
}

static void a_line_that_nobody_measured_has_little_on_its_way (void **state)
{
    (void)state;
    struct chan *c = chan_new (1000, WIDE);
    for (unsigned i = 1; i <= 3; i++)
        post_bulk (c, i, BIG);
    leaves (c, 1, 1);
    nothing_leaves (c);
    assert_false (chan_wants_bulk (c));
    post (c, LANE_CONTROL, 100, 0);
    leaves (c, 2, 100);
    acknowledged (c, 2);
    leaves (c, 3, 2);
    nothing_leaves (c);
    chan_free (&c);
}

static void a_fast_line_is_filled_and_a_slow_one_is_not (void **state)
{
    (void)state;
    struct chan *fast = chan_new (1000, WIDE), *slow = chan_new (1000, WIDE);
    int64_t now = 0;
    assert_int_equal (chan_piece_bytes (fast), 32 << 10);
    for (unsigned i = 1; i <= 500; i++) {
        post_bulk (fast, i, BIG);
        post_bulk (slow, i, BIG);
    }
    assert_int_equal (round_trips (fast, 10, &now, 400), WIDE / (BIG + 100));
    assert_int_equal (chan_piece_bytes (fast), WIRE_PIECE_MAX);
    assert_int_equal (round_trips (slow, 1, &now, 400000), 1);
    assert_int_equal (round_trips (slow, 10, &now, 800000), 1);
    assert_int_equal (chan_piece_bytes (slow), 32 << 10);
    chan_free (&fast);
    chan_free (&slow);
}

static void what_goes_out_again_goes_no_faster_than_a_new_line_takes_it (void **state)
{
    (void)state;
    struct chan *c = chan_new (1000, WIDE);
    int64_t now = 0;
    uint64_t seq;
    for (unsigned i = 1; i <= 500; i++)
        post_bulk (c, i, BIG);
    round_trips (c, 6, &now, 400);
    unsigned on_way = leave (c, &seq);
    assert_true (on_way > 50);
    assert_int_equal (chan_resume (c, seq - on_way), 0);
    leaves (c, seq - on_way + 1, seq - on_way + 1);
    nothing_leaves (c);
    acknowledged (c, seq - on_way + 1);
    leaves (c, seq - on_way + 2, seq - on_way + 2);
    chan_unsent (c);
    leaves (c, seq - on_way + 2, seq - on_way + 2);
    nothing_leaves (c);
    chan_renumber (c);
    leaves (c, 1, seq - on_way + 2);
    nothing_leaves (c);
    chan_free (&c);
}

/* Whether the next message asks for an acknowledgement. */
static bool next_asks (struct chan *c)
{
    struct wire_frames f;
    struct wire w;
    assert_true (chan_next (c, &f));
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    bool asks = w.flags & WIRE_FLAG_ACK_NOW;
    wire_fini (&w);
    wire_frames_fini (&f);
    return asks;
}

static void who_has_to_wait_asks_for_an_acknowledgement (void **state)
{
    (void)state;
    struct chan *c = chan_new (4, WIDE);
    post_bulk (c, 1, 10000);
    assert_false (next_asks (c)); /* nothing waits */
    acknowledged (c, 1);
    for (unsigned i = 2; i <= 7; i++)
        post_bulk (c, i, 100);
    for (unsigned i = 2; i <= 4; i++)
        assert_false (next_asks (c));
    assert_true (next_asks (c)); /* the window is full */
    nothing_leaves (c);
    acknowledged (c, 5);
    post_bulk (c, 8, BIG);
    post_bulk (c, 9, BIG);
    assert_false (next_asks (c));
    assert_false (next_asks (c));
    assert_true (next_asks (c)); /* the line is */
    nothing_leaves (c);
    chan_free (&c);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_line_that_nobody_measured_has_little_on_its_way),
        cmocka_unit_test (a_fast_line_is_filled_and_a_slow_one_is_not),
        cmocka_unit_test (what_goes_out_again_goes_no_faster_than_a_new_line_takes_it),
        cmocka_unit_test (who_has_to_wait_asks_for_an_acknowledgement),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
