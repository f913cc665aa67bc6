/* Whether what is waited for has come to hold, or never will. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/cli/tally.h"
#include "client/drover.h"

static const struct wanted all = {DROVER_WAIT_ALL, 0};

static void finished_and_succeeded_are_different_things (void **state)
{
    struct tally t = {.total = 5, .done = 1, .not_ok = 2};

    (void)state;
    assert_true (tally_holds (&t, &(struct wanted){DROVER_WAIT_COUNT, 3}));
    assert_false (tally_holds (&t, &(struct wanted){DROVER_WAIT_COUNT, 4}));
    assert_true (tally_holds (&t, &(struct wanted){DROVER_WAIT_SUCCESSES, 1}));
    assert_false (tally_holds (&t, &(struct wanted){DROVER_WAIT_SUCCESSES, 2}));
    assert_true (tally_holds (&t, &(struct wanted){DROVER_WAIT_PERCENT, 60}));
    assert_false (tally_holds (&t, &(struct wanted){DROVER_WAIT_PERCENT, 61}));
}

static void all_tasks_must_have_succeeded_but_are_waited_for_anyway (void **state)
{
    struct tally t = {.total = 2, .not_ok = 1};

    (void)state;
    assert_false (tally_is_decided (&t, &all));
    t.done = 1;
    assert_true (tally_is_decided (&t, &all));
    assert_false (tally_holds (&t, &all));
    t = (struct tally){.total = 2, .done = 2};
    assert_true (tally_holds (&t, &all));
}

static void what_cannot_come_to_hold_is_decided_at_once (void **state)
{
    struct wanted three = {DROVER_WAIT_SUCCESSES, 3};
    struct tally t = {.total = 4, .not_ok = 1};

    (void)state;
    assert_false (tally_is_decided (&t, &three));
    t.not_ok = 2;
    assert_true (tally_is_decided (&t, &three));
    assert_false (tally_holds (&t, &three));
    assert_true (tally_is_decided (&t, &(struct wanted){DROVER_WAIT_COUNT, 5}));
}

static void while_tasks_may_come_only_numbers_are_reached (void **state)
{
    struct tally t = {.total = 2, .done = 2, .open = true};

    (void)state;
    assert_false (tally_is_decided (&t, &all));
    assert_false (tally_is_decided (&t, &(struct wanted){DROVER_WAIT_PERCENT, 1}));
    assert_false (tally_is_decided (&t, &(struct wanted){DROVER_WAIT_COUNT, 3}));
    assert_true (tally_holds (&t, &(struct wanted){DROVER_WAIT_COUNT, 2}));
}

static void it_needs_what_is_missing_or_what_makes_it_impossible (void **state)
{
    struct tally t = {.total = 10, .done = 1, .not_ok = 1};

    (void)state;
    assert_int_equal (tally_needs (&t, &all), 8);
    assert_int_equal (tally_needs (&t, &(struct wanted){DROVER_WAIT_COUNT, 5}), 3);
    assert_int_equal (tally_needs (&t, &(struct wanted){DROVER_WAIT_PERCENT, 55}), 4);
    assert_int_equal (tally_needs (&t, &(struct wanted){DROVER_WAIT_SUCCESSES, 3}), 2);
    assert_int_equal (tally_needs (&t, &(struct wanted){DROVER_WAIT_SUCCESSES, 8}), 2);
    t.open = true;
    assert_int_equal (tally_needs (&t, &(struct wanted){DROVER_WAIT_SUCCESSES, 8}), 7);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (finished_and_succeeded_are_different_things),
        cmocka_unit_test (all_tasks_must_have_succeeded_but_are_waited_for_anyway),
        cmocka_unit_test (what_cannot_come_to_hold_is_decided_at_once),
        cmocka_unit_test (while_tasks_may_come_only_numbers_are_reached),
        cmocka_unit_test (it_needs_what_is_missing_or_what_makes_it_impossible),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
