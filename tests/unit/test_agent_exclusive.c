/* The agent and rows that must never run twice at one time: they end before the broker may give
 * them to another worker, however the connection fails. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "common/base/clock.h"

enum { LIMIT_S = 15 }; /* the broker gives up after 20 */

static struct rig *with_one_running (uint64_t flags)
{
    struct rig *r = rig_connected (1);
    rig_spec_flags (r, 1, FORM_SHELL, 1, flags);
    rig_grant (r, 1, 0, 3, 1, 1, 1);
    assert_true (rig_claim (r, 1));
    return r;
}

static void echo (struct rig *r, uint64_t stamp)
{
    struct wire pong = {.kind = WIRE_PONG};
    pong.m.pong.stamp = stamp;
    rig_say (r, &pong);
}

static void pass_with_echo (struct rig *r, int seconds)
{
    for (int i = 0; i < 2 * seconds; i++) {
        rig_pass (r, US_PER_S / 2);
        echo (r, r->last[WIRE_PING].m.ping.stamp);
    }
}

static void it_runs_as_long_as_the_broker_answers (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    pass_with_echo (r, 100);
    assert_false (r->executor[1].killed);
    rig_free (&r);
}

static void it_is_ended_before_the_broker_gives_the_worker_up (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    pass_with_echo (r, 60);
    int64_t said = (int64_t)r->last[WIRE_PING].m.ping.stamp;
    r->deaf = true;
    rig_pass (r, said + LIMIT_S * US_PER_S - 1 - r->now);
    assert_false (r->executor[1].killed);
    rig_pass (r, 1);
    assert_true (r->executor[1].killed);
    rig_die (r, 1, SIGKILL);
    r->deaf = false;
    rig_pass (r, 4 * US_PER_S); /* before it was given up, after all */
    rig_welcome (r, true);
    assert_int_equal (r->row[0].outcomes, 1);
    assert_int_equal (r->row[0].last.how, OUTCOME_LOST);
    assert_non_null (strstr (r->row[0].reason, "exclusive"));
    assert_int_equal (rig_work_all (r, 1000), 2); /* the others had not started */
    rig_all (r, 1, 2, OUTCOME_DONE);
    rig_free (&r);
}

static void a_broker_that_is_heard_and_does_not_hear_is_none (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    struct wire ping = {.kind = WIRE_PING};
    for (int i = 0; i < LIMIT_S; i++) {
        assert_false (r->executor[1].killed);
        rig_pass (r, US_PER_S);
        rig_say (r, &ping);
    }
    assert_true (r->executor[1].killed);
    assert_int_equal (r->reconnects, 0);
    rig_free (&r);
}

static void our_own_pause_is_no_excuse (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    r->now += 60 * US_PER_S; /* the process was stopped, the broker was not */
    rig_event (r, &(struct agent_event){.kind = AGENT_TICK});
    assert_true (r->executor[1].killed);
    rig_free (&r);
}

static void nothing_exclusive_starts_before_the_broker_answers_again (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    r->deaf = true;
    rig_pass (r, LIMIT_S * US_PER_S);
    rig_die (r, 1, SIGKILL);
    rig_pass (r, 60 * US_PER_S);
    assert_int_equal (rig_busy (r), 0);
    r->deaf = false;
    rig_pass (r, 7 * US_PER_S);
    rig_restart (r);
    assert_int_equal (rig_work_all (r, 1000), 2);
    rig_free (&r);
}

static void stamps_that_were_never_said_count_nothing (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    for (int i = 0; i < 2 * LIMIT_S; i++) {
        rig_pass (r, US_PER_S / 2);
        echo (r, UINT64_MAX);
        echo (r, (uint64_t)r->now + 1);
    }
    rig_pass (r, US_PER_S / 2);
    assert_true (r->executor[1].killed);
    rig_free (&r);
}

static void a_row_has_a_lease_that_the_brokers_answers_renew (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    const struct rig_executor *x = &r->executor[1];
    assert_true (r->watched);
    assert_true (x->lease_us > r->now);
    assert_int_equal (x->margin_us, 5 * US_PER_S);
    pass_with_echo (r, 60);
    assert_int_equal (x->lease_us, r->last[WIRE_PING].m.ping.stamp + LIMIT_S * US_PER_S);
    int64_t lease_us = x->lease_us;
    r->deaf = true;
    rig_pass (r, 10 * US_PER_S);
    assert_int_equal (x->lease_us, lease_us);
    rig_free (&r);
}

static void a_lease_ends_with_its_row (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    assert_int_equal (rig_work_all (r, 1000), 2);
    assert_int_equal (r->executor[1].lease_us, 0);
    assert_true (r->watched);
    struct wire forget = {.kind = WIRE_FORGET};
    forget.m.forget.batch = 1;
    rig_say (r, &forget);
    assert_false (r->watched);
    rig_free (&r);
}

static void a_row_that_the_launcher_ended_while_we_were_stopped_is_lost (void **state)
{
    (void)state;
    struct rig *r = with_one_running (SPEC_EXCLUSIVE);
    r->now += 18 * US_PER_S;
    rig_die (r, 1, SIGKILL);
    assert_int_equal (r->row[0].outcomes, 1);
    assert_int_equal (r->row[0].last.how, OUTCOME_LOST);
    rig_free (&r);
}

static void other_tasks_run_on (void **state)
{
    (void)state;
    struct rig *r = with_one_running (0);
    assert_int_equal (r->executor[1].lease_us, 0);
    assert_false (r->watched);
    r->deaf = true;
    rig_pass (r, 300 * US_PER_S);
    assert_false (r->executor[1].killed);
    rig_free (&r);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (it_runs_as_long_as_the_broker_answers),
        cmocka_unit_test (it_is_ended_before_the_broker_gives_the_worker_up),
        cmocka_unit_test (a_broker_that_is_heard_and_does_not_hear_is_none),
        cmocka_unit_test (our_own_pause_is_no_excuse),
        cmocka_unit_test (nothing_exclusive_starts_before_the_broker_answers_again),
        cmocka_unit_test (stamps_that_were_never_said_count_nothing),
        cmocka_unit_test (a_row_has_a_lease_that_the_brokers_answers_renew),
        cmocka_unit_test (a_lease_ends_with_its_row),
        cmocka_unit_test (a_row_that_the_launcher_ended_while_we_were_stopped_is_lost),
        cmocka_unit_test (other_tasks_run_on),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
