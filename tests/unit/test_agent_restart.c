/* The agent and a broker that was restarted and knows it: what it says it has, and what it drops.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "common/base/clock.h"

static bool names (const struct rig *r, uint64_t first, uint64_t count)
{
    for (unsigned i = 0; i < RIG_ROWS; i++)
        if (r->row[i].held != (i >= first && i - first < count))
            return false;
    return !r->holding;
}

static void what_waits_runs_or_is_not_acknowledged_is_named_and_goes_on (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 10);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_acknowledge (r);
    r->deaf = true;
    rig_claim (r, 1);
    rig_finish (r, 1, OUTCOME_DONE, 1000); /* row 1: answered */
    rig_claim (r, 1);                      /* row 2: runs */
    r->deaf = false;
    rig_restart (r);
    assert_true (names (r, 1, 9));
    assert_int_equal (r->kinds[WIRE_HOLD], 1);
    assert_int_equal (r->last[WIRE_HOLD].m.hold.attempt, 1);
    assert_false (r->executor[1].killed);
    assert_int_equal (r->row[1].outcomes, 1);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    assert_int_equal (rig_work_all (r, 1000), 7);
    rig_all (r, 0, 10, OUTCOME_DONE);
    assert_int_equal (r->again, 0);
    rig_free (&r);
}

/* A batch's number alone may be another one's when the broker's state went back. */
static void which_batch_it_is_is_said_as_the_broker_said_it (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire spec = {.kind = WIRE_SPEC};
    spec.m.spec = (struct msg_spec){.batch = 1, .form = FORM_SHELL, .cpus = 1, .born = 1234567};
    spec.body[0] = slice_borrowed ((const uint8_t *)"true", 4);
    rig_say (r, &spec);
    rig_grant (r, 1, 0, 3, 1, 1, 1);
    rig_restart (r);
    assert_true (names (r, 0, 3));
    assert_int_equal (r->last[WIRE_HOLD].m.hold.born, 1234567);
    rig_free (&r);
}

static void who_has_nothing_says_so (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_restart (r);
    assert_int_equal (r->kinds[WIRE_HOLD], 1);
    assert_int_equal (r->last[WIRE_HOLD].m.hold.count, 0);
    assert_int_equal (r->last[WIRE_HOLD].m.hold.last, 1);
    assert_true (agent_figures (r->agent).connected);
    rig_free (&r);
}

static void grants_that_never_came_are_given_back_and_come_again (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    r->deaf = true;
    rig_grant (r, 1, 0, 4, 1, 1, 1);
    r->deaf = false;
    rig_restart (r);
    assert_int_equal (r->given_back, 4);
    memset (r->row, 0, sizeof r->row);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 4, 2, 1, 1);
    assert_int_equal (rig_work_all (r, 1000), 4);
    rig_all (r, 0, 4, OUTCOME_DONE);
    rig_free (&r);
}

static void an_outcome_that_was_committed_comes_twice_and_is_named (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 2);
    rig_finish (r, 1, OUTCOME_DONE, 1000); /* the broker has it, its acknowledgement never left */
    rig_restart (r);
    assert_true (names (r, 0, 2));
    assert_int_equal (r->again, 1);
    rig_all (r, 0, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void what_was_given_back_is_not_given_back_again (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 4);
    r->deaf = true;
    struct wire w = {.kind = WIRE_TAKE_BACK};
    w.m.take_back.batch = 1;
    w.m.take_back.count = 2;
    struct agent_effects fx = {0};
    agent_step (r->agent, &(struct agent_event){.kind = AGENT_MESSAGE, .message = &w}, r->now, &fx);
    agent_effects_fini (&fx);
    r->deaf = false;
    rig_restart (r);
    assert_true (names (r, 0, 2));
    assert_int_equal (r->given_back, 2);
    assert_int_equal (r->kinds[WIRE_RETURNED], 0); /* they may be granted to us again by now */
    rig_free (&r);
}

static void rows_that_a_drain_has_killed_are_named (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 2);
    rig_event (r, &(struct agent_event){.kind = AGENT_TERM});
    rig_event (r, &(struct agent_event){.kind = AGENT_TERM});
    assert_true (r->executor[1].killed);
    r->deaf = true;
    rig_die (r, 1, SIGKILL);
    r->deaf = false;
    rig_restart (r);
    assert_true (names (r, 0, 1)); /* it has run: not to be counted as never started */
    rig_free (&r);
}

static void a_drain_is_said_again_and_goes_on (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 4);
    struct wire drain = {.kind = WIRE_DRAIN};
    rig_say (r, &drain);
    assert_int_equal (r->kinds[WIRE_CAPACITY], 1);
    rig_acknowledge (r);
    rig_restart (r);
    assert_true (names (r, 0, 1));
    assert_int_equal (r->kinds[WIRE_CAPACITY], 2);
    assert_int_equal (r->last[WIRE_CAPACITY].m.capacity.draining, 1);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_all (r, 0, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void a_second_restart_names_everything_anew (void **state)
{
    (void)state;
    struct rig *r = rig_connected (2);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 6, 1, 1, 2);
    rig_claim (r, 1);
    r->deaf = true;
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_restart (r); /* WELCOME does not even arrive */
    r->deaf = false;
    rig_restart (r);
    assert_true (names (r, 0, 6));
    rig_restart (r);
    assert_true (names (r, 0, 6));
    assert_int_equal (r->kinds[WIRE_HOLD], 2);
    assert_int_equal (rig_work_all (r, 1000), 5);
    rig_all (r, 0, 6, OUTCOME_DONE);
    rig_free (&r);
}

static void specs_of_batches_without_rows_go_and_are_told_again (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_spec (r, 2, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 2, 1, 1, 1);
    rig_grant (r, 2, 0, 1, 1, 1, 1);
    rig_claim (r, 1);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_claim (r, 1);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    rig_acknowledge (r); /* batch 1 is answered, batch 2 is not */
    assert_int_equal (agent_figures (r->agent).batches, 2);
    rig_restart (r);
    assert_int_equal (agent_figures (r->agent).batches, 1);
    assert_int_equal (r->executor[1].forgets, 1);
    assert_int_equal (rig_work_all (r, 1000), 1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 2, 1, 1, 1, 1);
    assert_int_equal (rig_work_all (r, 1000), 1);
    rig_all (r, 0, 3, OUTCOME_DONE);
    rig_free (&r);
}

static void slot_numbers_of_what_is_named_stay (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 1, 1, 7, 1);
    rig_claim (r, 1);
    rig_finish (r, 1, OUTCOME_DONE, 1000); /* named, because it was not acknowledged */
    rig_restart (r);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 1, 1, 1, 0, 0); /* the same share goes on */
    assert_int_equal (rig_work_all (r, 1000), 1);
    assert_int_equal (r->executor[1].run[1].slot, 7);
    struct wire w = {.kind = WIRE_FORGET};
    w.m.forget.batch = 1;
    rig_say (r, &w);
    assert_int_equal (agent_figures (r->agent).batches, 0);
    rig_free (&r);
}

static void a_spec_that_comes_a_second_time_changes_nothing (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 3);
    rig_restart (r);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 3, 1, 2, 1, 1);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    assert_int_equal (rig_work_all (r, 1000), 3);
    rig_all (r, 0, 4, OUTCOME_DONE);
    assert_int_equal (r->executor[1].specs, 1);
    rig_free (&r);
}

static void rows_of_another_spec_than_now_end_in_words (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_FUNCTION, 3);
    rig_restart (r);
    rig_spec (r, 1, FORM_FUNCTION, 1, 5000); /* its state is not the one we worked for */
    assert_true (r->executor[1].killed);
    rig_die (r, 1, SIGKILL);
    rig_all (r, 0, 3, OUTCOME_CANCELLED);
    assert_string_equal (r->row[1].reason, "the broker came back with another spec");
    rig_grant (r, 1, 3, 1, 2, 1, 1);
    assert_int_equal (rig_work_all (r, 1000), 1);
    rig_all (r, 3, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void a_cancellation_of_grants_on_their_way_ends_with_them (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_cancel (r, 0, 0, 5); /* of grants that the broker will not say again */
    rig_restart (r);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 2, 1, 1, 1);
    assert_int_equal (rig_work_all (r, 1000), 2);
    rig_all (r, 0, 2, OUTCOME_DONE);
    rig_free (&r);
}

static void a_cancellation_that_comes_again_is_no_second_one (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 3);
    rig_cancel (r, 0, 0, r->grants);
    rig_restart (r);
    assert_true (names (r, 0, 3)); /* two are answered, one is about to end */
    rig_cancel (r, 0, 0, r->grants);
    rig_finish (r, 1, OUTCOME_CANCELLED, 1000);
    rig_all (r, 0, 3, OUTCOME_CANCELLED);
    rig_free (&r);
}

static void half_a_large_row_is_told_from_its_beginning (void **state)
{
    (void)state;
    static uint8_t part[1000];
    struct rig *r = rig_connected (1);
    struct wire w = {.kind = WIRE_GRANT};
    w.m.grant = (struct msg_grant){.batch = 1,
                                   .grant = 1,
                                   .count = 1,
                                   .attempt = 1,
                                   .share = 1,
                                   .slot_base = 1,
                                   .slot_count = 1,
                                   .total = sizeof part + 1000};
    w.body[0] = slice_borrowed (part, sizeof part);
    part[0] = 0x91; /* a row of one value */
    part[1] = 0xc5;
    part[2] = (2000 - 4) >> 8;
    part[3] = (2000 - 4) & 255;
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_say (r, &w);
    rig_restart (r);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    r->row[0] = (struct rig_row){.out = true};
    rig_say (r, &w);
    part[0] = part[1] = part[2] = part[3] = 0;
    w.m.grant.grant = 2;
    w.m.grant.offset = 1000;
    w.m.grant.slot_count = 0;
    rig_say (r, &w);
    assert_int_equal (rig_work_all (r, 1000), 1);
    rig_all (r, 0, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void tasks_run_on_while_the_broker_is_stopped (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 3);
    struct wire bye = {.kind = WIRE_BYE};
    bye.m.bye.code = WIRE_STOPPING;
    rig_say (r, &bye);
    r->deaf = true;
    rig_pass (r, 500 * US_PER_S);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    assert_int_equal (rig_work_all (r, 1000), 2);
    r->deaf = false;
    rig_pass (r, 10 * US_PER_S);
    assert_int_equal (r->last[WIRE_HELLO].m.hello.token, r->token);
    rig_restart (r);
    rig_all (r, 0, 3, OUTCOME_DONE);
    rig_free (&r);
}

static void a_broker_about_to_stop_is_called_over_a_new_connection (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire w = {.kind = WIRE_ERROR};
    struct wire bye = {.kind = WIRE_BYE};
    w.m.error.code = WIRE_STOPPING;
    w.m.error.kind = WIRE_HELLO;
    bye.m.bye.code = WIRE_STOPPING;
    rig_say (r, &bye);
    for (unsigned i = 1; i <= 3; i++) {
        rig_pass (r, US_PER_S);
        assert_int_equal (r->kinds[WIRE_HELLO], 1 + i);
        assert_int_equal (r->reconnects, i);
        rig_say (r, &w);
    }
    assert_false (r->exited);
    rig_free (&r);
}

static void peers_of_one_broker_do_not_come_back_in_step (void **state)
{
    (void)state;
    int64_t first = 0;
    bool differ = false;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig *r = rig_seeded (1, seed);
        struct wire bye = {.kind = WIRE_BYE};
        rig_welcome (r, false);
        rig_say (r, &bye);
        int64_t at = agent_deadline (r->agent) - r->now;
        assert_in_range (at, US_PER_S / 2, 3 * US_PER_S / 2 + 1);
        differ |= first && at != first;
        first = at;
        rig_free (&r);
    }
    assert_true (differ);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_waits_runs_or_is_not_acknowledged_is_named_and_goes_on),
        cmocka_unit_test (which_batch_it_is_is_said_as_the_broker_said_it),
        cmocka_unit_test (who_has_nothing_says_so),
        cmocka_unit_test (grants_that_never_came_are_given_back_and_come_again),
        cmocka_unit_test (an_outcome_that_was_committed_comes_twice_and_is_named),
        cmocka_unit_test (what_was_given_back_is_not_given_back_again),
        cmocka_unit_test (rows_that_a_drain_has_killed_are_named),
        cmocka_unit_test (a_drain_is_said_again_and_goes_on),
        cmocka_unit_test (a_second_restart_names_everything_anew),
        cmocka_unit_test (specs_of_batches_without_rows_go_and_are_told_again),
        cmocka_unit_test (slot_numbers_of_what_is_named_stay),
        cmocka_unit_test (a_spec_that_comes_a_second_time_changes_nothing),
        cmocka_unit_test (rows_of_another_spec_than_now_end_in_words),
        cmocka_unit_test (a_cancellation_of_grants_on_their_way_ends_with_them),
        cmocka_unit_test (a_cancellation_that_comes_again_is_no_second_one),
        cmocka_unit_test (half_a_large_row_is_told_from_its_beginning),
        cmocka_unit_test (tasks_run_on_while_the_broker_is_stopped),
        cmocka_unit_test (a_broker_about_to_stop_is_called_over_a_new_connection),
        cmocka_unit_test (peers_of_one_broker_do_not_come_back_in_step),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
