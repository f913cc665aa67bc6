/* Leases of exclusive rows: when is what done about one that has passed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "worker/exec/lease.h"

#define UNTIL (100 * US_PER_S)
#define MARGIN (8 * US_PER_S)

static const struct lease lease = {.until_us = UNTIL, .margin_us = MARGIN};

/* Look as often as lease_deadline() says, from `from_us` on, until the state is reached: when. */
static int64_t reached (enum lease_state state, int64_t from_us)
{
    struct lease_watch w = {0};
    int64_t now = from_us;
    while (lease_look (&w, lease, now) < state) {
        assert_true (lease_deadline (&w, lease) > now);
        now = lease_deadline (&w, lease);
    }
    return now;
}

static void without_a_lease_nothing_is_done (void **state)
{
    (void)state;
    struct lease_watch w = {0};
    assert_int_equal (lease_look (&w, (struct lease){0}, INT64_MAX / 2), LEASE_HOLDS);
    assert_true (lease_deadline (&w, (struct lease){0}) == CLOCK_NEVER);
}

static void the_steps_come_in_their_order_within_the_margin (void **state)
{
    (void)state;
    assert_int_equal (reached (LEASE_TERM, 0), UNTIL + MARGIN / 8);
    assert_int_equal (reached (LEASE_KILL, 0), UNTIL + MARGIN / 8 * 3);
    assert_int_equal (reached (LEASE_OVER, 0), UNTIL + MARGIN / 2);
}

static void who_was_stopped_as_well_looks_several_times_first (void **state)
{
    (void)state;
    int64_t late = UNTIL + 1000 * US_PER_S;
    assert_true (reached (LEASE_TERM, late) >= late + 2 * MARGIN / 64);
    assert_true (reached (LEASE_OVER, late) >= late + 7 * MARGIN / 64);
    assert_true (reached (LEASE_OVER, late) <= late + MARGIN / 2);
    struct lease_watch w = {0};
    for (int i = 0; i < 100; i++) /* looks in one instant are one look */
        assert_int_equal (lease_look (&w, lease, late), LEASE_HOLDS);
}

static void a_lease_that_is_renewed_is_as_good_as_new (void **state)
{
    (void)state;
    struct lease_watch w = {0};
    struct lease next = {.until_us = UNTIL + 2 * US_PER_S, .margin_us = MARGIN};
    for (int64_t now = UNTIL; now < UNTIL + 2 * US_PER_S; now += US_PER_S / 5)
        lease_look (&w, lease, now);
    assert_int_equal (lease_look (&w, next, UNTIL + 2 * US_PER_S - 1), LEASE_HOLDS);
    assert_int_equal (lease_deadline (&w, next), next.until_us);
    assert_int_equal (lease_look (&w, next, next.until_us + MARGIN), LEASE_HOLDS);
}

static void a_busy_machine_delays_a_step_by_a_few_looks_only (void **state)
{
    (void)state;
    struct lease_watch w = {0};
    assert_int_equal (lease_look (&w, lease, UNTIL + US_PER_S), LEASE_HOLDS);
    assert_int_equal (lease_look (&w, lease, UNTIL + 2 * US_PER_S), LEASE_HOLDS);
    assert_int_equal (lease_look (&w, lease, UNTIL + 3 * US_PER_S), LEASE_TERM);
    assert_int_equal (lease_look (&w, lease, UNTIL + 4 * US_PER_S), LEASE_TERM);
    assert_int_equal (lease_look (&w, lease, UNTIL + 5 * US_PER_S), LEASE_KILL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (without_a_lease_nothing_is_done),
        cmocka_unit_test (the_steps_come_in_their_order_within_the_margin),
        cmocka_unit_test (who_was_stopped_as_well_looks_several_times_first),
        cmocka_unit_test (a_lease_that_is_renewed_is_as_good_as_new),
        cmocka_unit_test (a_busy_machine_delays_a_step_by_a_few_looks_only),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
