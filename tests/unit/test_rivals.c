/* race against a broker that cannot cancel at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "tests/unit/echo_broker.h"

enum { PATIENCE_S = 20 };

/* The one that holds loses to the one that ends. */
static int race (void)
{
    char *argv[] = {"race", "--broker", echo_url, "--quiet", "echo",
                    "{}",   ":::",      "hold",   "x",       NULL};
    drover_close (&h); /* the broker has one client at a time */
    optind = 1;
    alarm (PATIENCE_S);
    int status = cmd_race (9, argv);
    alarm (0);
    return status;
}

static void losers_that_are_not_cancelled_are_cancelled_again (void **state)
{
    (void)state;
    broker.refusals = 1;
    assert_int_equal (race (), STATUS_OK);
    assert_int_equal (broker.cancels, 2);
}

static void one_cancellation_is_enough_otherwise (void **state)
{
    (void)state;
    assert_int_equal (race (), STATUS_OK);
    assert_int_equal (broker.cancels, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, echo_setup, echo_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (losers_that_are_not_cancelled_are_cancelled_again),
        TEST (one_cancellation_is_enough_otherwise),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
