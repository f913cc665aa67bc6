/* The limit of bytes on their way, over lines of all speeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/wire/pace.h"

enum { MOST = 4 << 20, KIB = 1024, ON_WAY_MAX = 4096 };

/* A line, and a sender that always has more. Messages arrive one behind the other, and each is
 * acknowledged `rtt_us` after it has left. */
struct line {
    struct pace pace;
    int64_t kib_us; /* time of a KiB on the line */
    int64_t rtt_us;
    size_t size; /* of a message */
    int64_t now;
    int64_t free_us; /* when the line has sent all */
    int64_t ack_us[ON_WAY_MAX];
    unsigned first, last; /* of those on their way */
    uint64_t arrived;
    int64_t longest_us; /* that a message had before it */
};

static struct line line_of (int64_t kib_us, int64_t rtt_us, size_t size)
{
    struct line l = {.kib_us = kib_us, .rtt_us = rtt_us, .size = size};
    pace_init (&l.pace);
    return l;
}

static void send_all (struct line *l)
{
    while (pace_open (&l->pace, l->size)) {
        if (l->free_us < l->now)
            l->free_us = l->now;
        if (l->free_us - l->now > l->longest_us)
            l->longest_us = l->free_us - l->now;
        l->free_us += (int64_t)l->size * l->kib_us / KIB;
        l->ack_us[l->last++ % ON_WAY_MAX] = l->free_us + l->rtt_us;
        pace_sent (&l->pace, l->size, l->now);
    }
    pace_waits (&l->pace);
}

static void run (struct line *l, int64_t us)
{
    int64_t until = l->now + us;
    l->longest_us = 0;
    l->arrived = 0;
    for (;;) {
        send_all (l);
        assert_true (l->last - l->first < ON_WAY_MAX);
        if (l->ack_us[l->first % ON_WAY_MAX] > until)
            break;
        l->now = l->ack_us[l->first++ % ON_WAY_MAX];
        l->arrived += l->size;
        pace_acked (&l->pace, l->size, MOST, l->now);
    }
    l->now = until;
}

static void a_slow_line_has_half_a_second_before_it_at_most (void **state)
{
    (void)state;
    struct line l = line_of (8192, 20 * US_PER_MS, 32 * KIB); /* 1 mbit/s */
    run (&l, 60 * (int64_t)US_PER_S);
    assert_in_range (l.pace.limit, PACE_LEAST, PACE_LEAST * 5 / 4);
    assert_true (l.longest_us < 600 * US_PER_MS);
    assert_true (l.arrived > 60 * 125000 * 9 / 10);
}

static void a_fast_line_is_filled_within_a_few_round_trips (void **state)
{
    (void)state;
    struct line l = line_of (1, 300, 64 * KIB);
    run (&l, 10 * US_PER_MS);
    assert_int_equal (l.pace.limit, MOST);
}

static void a_long_line_is_kept_busy_with_a_short_queue_before_it (void **state)
{
    (void)state;
    struct line l = line_of (100, 40 * US_PER_MS, 16 * KIB); /* 10 MB/s */
    run (&l, 2 * US_PER_S);
    run (&l, 10 * (int64_t)US_PER_S);
    assert_in_range (l.longest_us, 40 * US_PER_MS, 70 * US_PER_MS);
    assert_true (l.arrived > (uint64_t)10 * US_PER_S * KIB / 100 * 95 / 100);
}

static void a_line_that_becomes_slower_loses_its_queue_soon (void **state)
{
    (void)state;
    struct line l = line_of (20, 10 * US_PER_MS, 16 * KIB); /* 50 MB/s, then 5 */
    run (&l, 2 * US_PER_S);
    l.kib_us = 200;
    run (&l, 3 * US_PER_S);
    run (&l, 2 * US_PER_S);
    assert_in_range (l.longest_us, 40 * US_PER_MS, 70 * US_PER_MS);
}

static void a_line_that_becomes_faster_is_used (void **state)
{
    (void)state;
    struct line l = line_of (8192, 20 * US_PER_MS, 32 * KIB);
    run (&l, 10 * (int64_t)US_PER_S);
    l.kib_us = 100;
    run (&l, 5 * US_PER_S);
    run (&l, 5 * US_PER_S);
    assert_true (l.arrived > (uint64_t)5 * US_PER_S * KIB / 100 * 9 / 10);
}

static void one_stall_costs_half_of_the_limit_at_most (void **state)
{
    (void)state;
    struct line l = line_of (1, 300, 64 * KIB);
    run (&l, 50 * US_PER_MS);
    assert_int_equal (l.pace.limit, MOST);
    uint64_t flight = l.pace.flight;
    pace_acked (&l.pace, flight, MOST, l.now + 2 * US_PER_S);
    assert_int_equal (l.pace.limit, MOST / 2);
}

static void what_does_not_wait_moves_nothing (void **state)
{
    (void)state;
    struct pace p;
    pace_init (&p);
    for (int64_t now = 0; now < US_PER_S; now += 10 * US_PER_MS) {
        pace_sent (&p, 60000, now);
        pace_acked (&p, 60000, MOST, now + 5 * US_PER_MS);
    }
    assert_int_equal (p.limit, PACE_LEAST);
    assert_int_equal (p.flight, 0);
}

static void a_large_message_goes_alone (void **state)
{
    (void)state;
    struct pace p;
    pace_init (&p);
    assert_true (pace_open (&p, 8 << 20));
    pace_sent (&p, 8 << 20, 0);
    assert_false (pace_open (&p, 1));
    pace_acked (&p, 8 << 20, MOST, 100 * (int64_t)US_PER_S);
    assert_true (pace_open (&p, 1));
}

static void what_did_not_leave_was_not_sent (void **state)
{
    (void)state;
    struct pace p;
    pace_init (&p);
    pace_sent (&p, 1000, 0);
    pace_unsent (&p, 1000);
    assert_int_equal (p.flight, 0);
    pace_sent (&p, 1000, 7 * US_PER_S);
    pace_acked (&p, 1000, MOST, 7 * US_PER_S + 500);
    assert_int_equal (p.rtt_us, 500);
}

static void a_longer_way_is_learnt_from_small_messages_alone (void **state)
{
    (void)state;
    struct pace p;
    pace_init (&p);
    int64_t now = 0;
    for (int i = 0; i < 40; i++, now += US_PER_S) {
        int64_t rtt = i < 10 ? 5 * US_PER_MS : 200 * US_PER_MS;
        pace_sent (&p, 100, now);
        pace_acked (&p, 100, MOST, now + rtt);
        if (i == 9)
            assert_int_equal (p.rtt_us, 5 * US_PER_MS);
    }
    assert_in_range (p.rtt_us, 180 * US_PER_MS, 200 * US_PER_MS);
    pace_sent (&p, 100, now);
    pace_acked (&p, 100, MOST, now + 5 * US_PER_MS);
    assert_int_equal (p.rtt_us, 5 * US_PER_MS);
}

static void without_a_clock_it_grows_to_the_window (void **state)
{
    (void)state;
    struct line l = line_of (0, 0, 16 * KIB);
    for (int i = 0; i < 20; i++) {
        send_all (&l);
        pace_acked (&l.pace, l.pace.flight, MOST, 0);
    }
    assert_int_equal (l.pace.limit, MOST);
    pace_init (&l.pace);
    assert_int_equal (l.pace.limit, PACE_LEAST);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_slow_line_has_half_a_second_before_it_at_most),
        cmocka_unit_test (a_fast_line_is_filled_within_a_few_round_trips),
        cmocka_unit_test (a_long_line_is_kept_busy_with_a_short_queue_before_it),
        cmocka_unit_test (a_line_that_becomes_slower_loses_its_queue_soon),
        cmocka_unit_test (a_line_that_becomes_faster_is_used),
        cmocka_unit_test (one_stall_costs_half_of_the_limit_at_most),
        cmocka_unit_test (what_does_not_wait_moves_nothing),
        cmocka_unit_test (a_large_message_goes_alone),
        cmocka_unit_test (what_did_not_leave_was_not_sent),
        cmocka_unit_test (a_longer_way_is_learnt_from_small_messages_alone),
        cmocka_unit_test (without_a_clock_it_grows_to_the_window),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
