/* Rows that do not run to their end: cancelled, taken back, crashed, timed out, drained. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "common/base/clock.h"

static const struct agent_event TERM = {.kind = AGENT_TERM};

static void say_bye_ok (struct rig *r)
{
    struct wire w = {.kind = WIRE_BYE_OK};
    rig_say (r, &w);
}

static void queued_rows_are_cancelled_at_once (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 10);
    rig_cancel (r, 3, 4, 0);
    rig_all (r, 3, 4, OUTCOME_CANCELLED);
    assert_string_equal (r->row[3].reason, "enough");
    assert_int_equal (r->executor[1].cancels, 0);
    rig_finish (r, 1, OUTCOME_DONE, 20 * US_PER_MS);
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 0, 3, OUTCOME_DONE);
    rig_all (r, 7, 3, OUTCOME_DONE);
    rig_free (&r);
}

static void running_command_is_cancelled_by_its_executor (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 2);
    rig_cancel (r, 0, 0, 0);
    assert_int_equal (r->executor[1].cancels, 1);
    assert_int_equal (r->row[0].outcomes, 0);
    rig_all (r, 1, 1, OUTCOME_CANCELLED);
    rig_finish (r, 1, OUTCOME_CANCELLED, 1000);
    rig_all (r, 0, 2, OUTCOME_CANCELLED);
    rig_free (&r);
}

static void a_cancellation_of_unstarted_rows_leaves_those_that_run (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 5);
    struct wire w = {.kind = WIRE_CANCEL_ROWS};
    w.m.cancel_rows = (struct msg_cancel_rows){
        .batch = 1, .upto = 2, .unstarted = 1, .reason = bytes_str ("hung up")};
    rig_say (r, &w);
    rig_all (r, 1, 4, OUTCOME_CANCELLED);
    rig_grant (r, 1, 5, 3, 1, 1, 1); /* it was on its way */
    rig_all (r, 5, 3, OUTCOME_CANCELLED);
    assert_int_equal (r->executor[1].cancels, 0);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_all (r, 0, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void command_that_does_not_end_is_killed (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 1);
    struct wire pong = {.kind = WIRE_PONG};
    rig_cancel (r, 0, 1, 0);
    for (int i = 0; i < 5; i++) {
        rig_pass (r, 4 * US_PER_S);
        rig_say (r, &pong);
    }
    assert_true (r->executor[1].killed);
    assert_int_equal (r->row[0].outcomes, 0);
    rig_die (r, 1, SIGKILL);
    rig_all (r, 0, 1, OUTCOME_CANCELLED);
    rig_free (&r);
}

static void rows_that_an_executor_holds_are_cancelled_at_once (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = rig_running_at (300, 20, &x);
    rig_cancel (r, 305, 5, 0);
    assert_false (r->executor[x].killed);
    rig_all (r, 305, 5, OUTCOME_CANCELLED);
    rig_finish (r, x, OUTCOME_DONE, 1);
    rig_work_all (r, 1);
    rig_all (r, 300, 5, OUTCOME_DONE);
    rig_all (r, 310, 10, OUTCOME_DONE);
    rig_free (&r);
}

static void cancelled_function_costs_only_its_row (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = rig_running_at (300, 20, &x);
    rig_cancel (r, 300, 1, 0);
    assert_true (r->executor[x].killed);
    assert_int_equal (r->row[300].outcomes, 0);
    rig_die (r, x, SIGKILL);
    rig_all (r, 300, 1, OUTCOME_CANCELLED);
    rig_work_all (r, 1);
    rig_all (r, 301, 19, OUTCOME_DONE);
    rig_free (&r);
}

static void cancelled_function_that_looks_ends_by_itself (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = rig_running_at (300, 20, &x);
    r->executor[x].looks = true;
    rig_cancel (r, 300, 1, 0);
    assert_true (r->executor[x].asked);
    assert_false (r->executor[x].killed);
    rig_finish (r, x, OUTCOME_CANCELLED, 1);
    rig_all (r, 300, 1, OUTCOME_CANCELLED);
    rig_work_all (r, 1);
    rig_all (r, 301, 19, OUTCOME_DONE);
    assert_int_equal (r->executor[x].killed, 0);
    rig_free (&r);
}

static void cancelled_function_that_looks_and_goes_on_is_killed (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = rig_running_at (300, 1, &x);
    struct wire pong = {.kind = WIRE_PONG};
    r->executor[x].looks = true;
    rig_cancel (r, 300, 1, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal (r->executor[x].killed, i > 1);
        rig_pass (r, 4 * US_PER_S);
        rig_say (r, &pong);
    }
    rig_die (r, x, SIGKILL);
    rig_all (r, 300, 1, OUTCOME_CANCELLED);
    rig_free (&r);
}

static void cancel_overtaking_its_grant_still_applies (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_cancel (r, 5, 10, 2);
    rig_grant (r, 1, 0, 10, 1, 1, 1);
    rig_all (r, 5, 5, OUTCOME_CANCELLED);
    rig_grant (r, 1, 10, 10, 1, 0, 0);
    rig_all (r, 10, 5, OUTCOME_CANCELLED);
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 0, 5, OUTCOME_DONE);
    rig_all (r, 15, 5, OUTCOME_DONE);
    rig_free (&r);
}

static void cancel_does_not_reach_later_grants (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 2, 1, 1, 1);
    rig_cancel (r, 0, 0, 1);
    rig_grant (r, 1, 1, 5, 1, 0, 0); /* given once more, as another attempt would be */
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 2, 4, OUTCOME_DONE);
    rig_free (&r);
}

static void take_back_returns_the_last_granted_first (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 5, 1, 1, 1);
    rig_grant (r, 1, 5, 5, 1, 0, 0);
    rig_claim (r, 1);
    rig_take_back (r, 7);
    for (unsigned i = 3; i < 10; i++)
        assert_int_equal (r->row[i].returned, 1);
    assert_int_equal (r->last_returned_last, 1);
    rig_finish (r, 1, OUTCOME_DONE, 20 * US_PER_MS);
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 0, 3, OUTCOME_DONE);
    rig_free (&r);
}

static void take_back_reaches_rows_in_executors_but_not_running_ones (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = rig_running_at (300, 20, &x);
    rig_take_back (r, 100);
    for (unsigned i = 301; i < 320; i++)
        assert_int_equal (r->row[i].returned, 1);
    assert_int_equal (r->row[300].returned, 0);
    rig_finish (r, x, OUTCOME_DONE, 1);
    rig_all (r, 0, 301, OUTCOME_DONE);
    rig_free (&r);
}

static void take_back_of_an_unknown_batch_is_answered (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_take_back (r, 7);
    assert_int_equal (r->kinds[WIRE_RETURNED], 1);
    assert_int_equal (r->last_returned_last, 1);
    rig_free (&r);
}

static void dead_function_executor_fails_one_row_and_requeues_the_rest (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = rig_running_at (300, 20, &x);
    rig_finish_quietly (r, x, OUTCOME_DONE, 1); /* packed, never sent */
    rig_claim (r, x);
    rig_die (r, x, SIGSEGV);
    rig_all (r, 300, 1, OUTCOME_DONE);
    rig_all (r, 301, 1, OUTCOME_FAILED);
    assert_int_equal (r->row[301].last.signal, SIGSEGV);
    assert_string_equal (r->row[301].reason, "killed by SIGSEGV in function drover:echo");
    rig_work_all (r, 1);
    rig_all (r, 302, 18, OUTCOME_DONE);
    rig_free (&r);
}

static void a_function_that_exits_fails_whatever_the_status_means_elsewhere (void **state)
{
    (void)state;
    for (int status = 0; status <= 4; status++) {
        unsigned x;
        struct rig *r = rig_running_at (300, 20, &x);
        rig_die (r, x, status << 8);
        rig_all (r, 300, 1, OUTCOME_FAILED);
        assert_int_equal (r->row[300].last.status, status);
        rig_work_all (r, 1);
        rig_all (r, 301, 19, OUTCOME_DONE);
        rig_free (&r);
    }
}

static void dead_command_executor_fails_its_row (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 2);
    rig_die (r, 1, SIGKILL);
    rig_all (r, 0, 1, OUTCOME_FAILED);
    assert_int_equal (r->row[0].last.signal, SIGKILL);
    assert_string_equal (r->row[0].reason, "executor died");
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 1, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void executor_that_leaves_after_its_outcome_blames_no_row (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 4);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_die (r, 1, 3 << 8); /* its processes live on; it had the next row already */
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 0, 4, OUTCOME_DONE);
    rig_free (&r);
}

static void row_that_no_executor_survives_to_start_fails (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, 2, 1, 1, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal (r->row[0].outcomes, 0);
        rig_die (r, rig_holder (r, 0), SIGABRT);
    }
    rig_all (r, 0, 1, OUTCOME_FAILED);
    rig_free (&r);
}

static void unkillable_processes_cost_their_slots (void **state)
{
    (void)state;
    struct rig *r = rig_connected (3);
    rig_spec (r, 1, FORM_SHELL, 2, 0);
    rig_grant (r, 1, 0, 1, 1, 1, 1);
    rig_claim (r, 1);
    r->executor[1].alive = false;
    rig_event (r, &(struct agent_event){
                      .kind = AGENT_DIED, .executor = 1, .wait_status = SIGKILL, .stuck = 1});
    assert_int_equal (r->last[WIRE_CAPACITY].m.capacity.slots, 1);
    assert_int_equal (agent_figures (r->agent).slots, 1);
    rig_free (&r);
}

static void function_over_its_time_is_ended (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 2000);
    rig_grant (r, 1, 0, 3, 1, 1, 1);
    unsigned x = rig_holder (r, 0);
    rig_pass (r, US_PER_S);
    rig_claim (r, x); /* it starts late: the limit counts from there */
    rig_pass (r, 1500 * US_PER_MS);
    assert_false (r->executor[x].killed);
    rig_pass (r, 600 * US_PER_MS);
    assert_true (r->executor[x].killed);
    rig_die (r, x, SIGKILL);
    rig_all (r, 0, 1, OUTCOME_TIMEOUT);
    rig_work_all (r, 1);
    rig_all (r, 1, 2, OUTCOME_DONE);
    rig_free (&r);
}

/* It was looked at before it had begun. */
static void function_over_a_short_time_is_ended_when_that_is_over (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 200);
    rig_grant (r, 1, 0, 3, 1, 1, 1);
    unsigned x = rig_holder (r, 0);
    rig_pass (r, 250 * US_PER_MS);
    rig_claim (r, x);
    rig_pass (r, 190 * US_PER_MS);
    assert_false (r->executor[x].killed);
    rig_pass (r, 20 * US_PER_MS);
    assert_true (r->executor[x].killed);
    rig_die (r, x, SIGKILL);
    rig_all (r, 0, 1, OUTCOME_TIMEOUT);
    rig_work_all (r, 1);
    rig_all (r, 1, 2, OUTCOME_DONE);
    rig_free (&r);
}

static void outcome_that_is_not_owed_ends_the_executor (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, 2, 1, 1, 1);
    unsigned x = rig_holder (r, 0);
    rig_claim (r, x);
    r->executor[x].run[0].answered = 7; /* it will speak of row 7 */
    rig_finish (r, x, OUTCOME_DONE, 1);
    assert_true (r->executor[x].killed);
    assert_int_equal (r->row[7].outcomes, 0);
    rig_die (r, x, SIGKILL);
    rig_all (r, 0, 1, OUTCOME_FAILED);
    rig_free (&r);
}

static void drain_returns_unstarted_rows (void **state)
{
    (void)state;
    struct rig *r = rig_connected (2);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 10, 1, 1, 2);
    rig_claim (r, 1);
    rig_claim (r, 2);
    struct wire w = {.kind = WIRE_DRAIN};
    rig_say (r, &w);
    for (unsigned i = 2; i < 10; i++)
        assert_int_equal (r->row[i].returned, 1);
    assert_int_equal (r->last[WIRE_CAPACITY].m.capacity.draining, 1);
    rig_grant (r, 1, 10, 2, 1, 0, 0);
    assert_int_equal (r->row[10].returned + r->row[11].returned, 2);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_finish (r, 2, OUTCOME_DONE, 1000);
    rig_all (r, 0, 2, OUTCOME_DONE);
    rig_free (&r);
}

static void a_drained_worker_leaves_when_what_ran_is_acknowledged (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 3);
    struct wire w = {.kind = WIRE_DRAIN};
    rig_say (r, &w);
    for (int i = 0; i < 40; i++) { /* far beyond the time that TERM would give */
        rig_pass (r, US_PER_S);
        rig_acknowledge (r);
    }
    assert_int_equal (r->kinds[WIRE_BYE], 0);
    assert_false (r->executor[1].killed);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    assert_int_equal (r->kinds[WIRE_BYE], 0);
    rig_acknowledge (r);
    assert_int_equal (r->kinds[WIRE_BYE], 1);
    say_bye_ok (r);
    assert_true (r->exited);
    assert_int_equal (r->status, 0);
    rig_all (r, 0, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void term_gives_a_drained_worker_its_time_limit (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 1);
    struct wire w = {.kind = WIRE_DRAIN};
    rig_say (r, &w);
    rig_event (r, &TERM);
    rig_event (r, &TERM);
    assert_true (r->executor[1].killed);
    rig_free (&r);
}

static void idle_worker_leaves_at_term (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_event (r, &TERM);
    rig_acknowledge (r);
    assert_int_equal (r->kinds[WIRE_BYE], 1);
    say_bye_ok (r);
    assert_true (r->exited);
    assert_int_equal (r->status, 0);
    rig_free (&r);
}

static void a_worker_that_said_bye_sleeps_until_the_answer_is_due (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_event (r, &TERM);
    rig_event (r, &TERM);
    int64_t until = r->now + 2500 * US_PER_MS; /* nothing is acknowledged: it said BYE by then, */
    rig_pass (r, 2500 * US_PER_MS);
    assert_int_equal (r->kinds[WIRE_BYE], 1);
    assert_int_equal (r->now, until); /* ... and was not woken again and again */
    assert_false (r->exited);
    rig_free (&r);
}

static void rows_that_come_when_the_time_is_over_go_back_before_the_goodbye (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_acknowledge (r);
    rig_event (r, &TERM);
    rig_event (r, &TERM);
    r->now += 3 * US_PER_S; /* it was stopped, and reads before it looks at the clock */
    rig_grant (r, 1, 0, 3, 1, 0, 1);
    assert_int_equal (r->kinds[WIRE_BYE], 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal (r->row[i].returned, 1);
    rig_free (&r);
}

static void term_waits_for_running_rows_and_their_acknowledgement (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 3);
    rig_event (r, &TERM);
    rig_acknowledge (r);
    rig_pass (r, 2 * US_PER_S);
    assert_int_equal (r->kinds[WIRE_BYE], 0);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    assert_int_equal (r->kinds[WIRE_BYE], 0);
    rig_acknowledge (r);
    assert_int_equal (r->kinds[WIRE_BYE], 1);
    say_bye_ok (r);
    assert_true (r->exited);
    rig_all (r, 0, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void rows_over_the_drain_time_are_killed_and_left_to_the_goodbye (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 1);
    rig_event (r, &TERM);
    rig_pass (r, 3 * US_PER_S);
    assert_true (r->executor[1].killed);
    rig_die (r, 1, SIGKILL);
    assert_int_equal (r->row[0].outcomes, 0);
    assert_int_equal (r->row[0].returned, 0); /* BYE answers for it */
    rig_free (&r);
}

static void second_term_does_not_wait (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 1);
    rig_event (r, &TERM);
    assert_false (r->executor[1].killed);
    rig_event (r, &TERM);
    assert_true (r->executor[1].killed);
    rig_die (r, 1, SIGKILL);
    rig_pass (r, 4 * US_PER_S);
    assert_true (r->exited);
    rig_free (&r);
}

static void worker_without_a_broker_leaves_at_term (void **state)
{
    (void)state;
    struct rig *r = rig_new (1);
    rig_event (r, &TERM);
    assert_true (r->exited);
    assert_int_equal (r->status, 0);
    rig_free (&r);
}

static void the_broker_stops (struct rig *r)
{
    struct wire bye = {.kind = WIRE_BYE, .m.bye = {.code = WIRE_STOPPING}};
    rig_say (r, &bye);
    r->deaf = true;
}

static void idle_worker_leaves_at_term_though_its_broker_has_stopped (void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct rig *r = rig_connected (1);
        if (first)
            the_broker_stops (r);
        rig_event (r, &TERM);
        if (!first)
            the_broker_stops (r);
        assert_true (r->exited);
        assert_int_equal (r->status, 0);
        rig_free (&r);
    }
}

static void worker_whose_broker_does_not_answer_leaves_when_it_is_known_to_be_away (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    r->deaf = true;
    rig_event (r, &TERM);
    assert_false (r->exited);
    rig_pass (r, 7 * US_PER_S);
    assert_true (r->exited);
    assert_int_equal (r->status, 0);
    rig_free (&r);
}

/* They are worth a wait: the broker may be back, and would run these rows again. */
static void worker_with_outcomes_waits_a_while_for_a_broker_that_has_stopped (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 1);
    the_broker_stops (r);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_event (r, &TERM);
    rig_pass (r, 4 * US_PER_S);
    assert_false (r->exited);
    rig_pass (r, 2 * US_PER_S);
    assert_true (r->exited);
    assert_int_equal (r->status, 0);
    rig_free (&r);
}

/* Of rows that were killed only BYE tells that they have run. */
static void worker_that_killed_or_gives_back_rows_waits_a_while_as_well (void **state)
{
    (void)state;
    for (uint64_t count = 1; count <= 3; count += 2) {
        struct rig *r = rig_running (FORM_SHELL, count);
        the_broker_stops (r);
        rig_event (r, &TERM);
        rig_event (r, &TERM);
        rig_die (r, 1, SIGKILL);
        rig_pass (r, US_PER_S);
        assert_false (r->exited);
        rig_pass (r, 2 * US_PER_S);
        assert_true (r->exited);
        rig_free (&r);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (queued_rows_are_cancelled_at_once),
        cmocka_unit_test (running_command_is_cancelled_by_its_executor),
        cmocka_unit_test (a_cancellation_of_unstarted_rows_leaves_those_that_run),
        cmocka_unit_test (command_that_does_not_end_is_killed),
        cmocka_unit_test (rows_that_an_executor_holds_are_cancelled_at_once),
        cmocka_unit_test (cancelled_function_costs_only_its_row),
        cmocka_unit_test (cancelled_function_that_looks_ends_by_itself),
        cmocka_unit_test (cancelled_function_that_looks_and_goes_on_is_killed),
        cmocka_unit_test (cancel_overtaking_its_grant_still_applies),
        cmocka_unit_test (cancel_does_not_reach_later_grants),
        cmocka_unit_test (take_back_returns_the_last_granted_first),
        cmocka_unit_test (take_back_reaches_rows_in_executors_but_not_running_ones),
        cmocka_unit_test (take_back_of_an_unknown_batch_is_answered),
        cmocka_unit_test (dead_function_executor_fails_one_row_and_requeues_the_rest),
        cmocka_unit_test (a_function_that_exits_fails_whatever_the_status_means_elsewhere),
        cmocka_unit_test (dead_command_executor_fails_its_row),
        cmocka_unit_test (executor_that_leaves_after_its_outcome_blames_no_row),
        cmocka_unit_test (row_that_no_executor_survives_to_start_fails),
        cmocka_unit_test (unkillable_processes_cost_their_slots),
        cmocka_unit_test (function_over_its_time_is_ended),
        cmocka_unit_test (function_over_a_short_time_is_ended_when_that_is_over),
        cmocka_unit_test (outcome_that_is_not_owed_ends_the_executor),
        cmocka_unit_test (drain_returns_unstarted_rows),
        cmocka_unit_test (a_drained_worker_leaves_when_what_ran_is_acknowledged),
        cmocka_unit_test (term_gives_a_drained_worker_its_time_limit),
        cmocka_unit_test (idle_worker_leaves_at_term),
        cmocka_unit_test (a_worker_that_said_bye_sleeps_until_the_answer_is_due),
        cmocka_unit_test (rows_that_come_when_the_time_is_over_go_back_before_the_goodbye),
        cmocka_unit_test (term_waits_for_running_rows_and_their_acknowledgement),
        cmocka_unit_test (rows_over_the_drain_time_are_killed_and_left_to_the_goodbye),
        cmocka_unit_test (second_term_does_not_wait),
        cmocka_unit_test (worker_without_a_broker_leaves_at_term),
        cmocka_unit_test (idle_worker_leaves_at_term_though_its_broker_has_stopped),
        cmocka_unit_test (worker_whose_broker_does_not_answer_leaves_when_it_is_known_to_be_away),
        cmocka_unit_test (worker_with_outcomes_waits_a_while_for_a_broker_that_has_stopped),
        cmocka_unit_test (worker_that_killed_or_gives_back_rows_waits_a_while_as_well),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
