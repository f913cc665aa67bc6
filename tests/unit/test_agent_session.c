/* The agent and its broker: HELLO, reconnects, new sessions, silence. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "common/base/clock.h"

static void hello_says_who_it_is (void **state)
{
    (void)state;
    struct rig *r = rig_new (3);
    const struct wire *w = &r->last[WIRE_HELLO];
    assert_int_equal (r->kinds[WIRE_HELLO], 1);
    assert_int_equal (w->m.hello.role, ROLE_WORKER);
    assert_int_equal (w->m.hello.slots, 3);
    assert_int_equal (w->m.hello.token, 0);
    assert_int_equal (w->m.hello.containment, 1);
    assert_true (w->m.hello.features & FEATURE_COMMANDS);
    assert_true (w->body[0].len > strlen ("drover:echo"));
    assert_false (agent_figures (r->agent).connected);
    rig_welcome (r, false);
    assert_true (agent_figures (r->agent).connected);
    rig_free (&r);
}

static void absent_broker_is_called_again_with_one_warning (void **state)
{
    (void)state;
    struct rig *r = rig_new (1);
    rig_pass (r, US_PER_S);
    assert_int_equal (r->logs, 0);
    rig_pass (r, 2 * US_PER_S);
    assert_int_equal (r->logs, 1);
    rig_pass (r, 27 * US_PER_S);
    assert_int_equal (r->kinds[WIRE_HELLO], 6);
    assert_int_equal (r->reconnects, 5);
    assert_int_equal (r->logs, 1);
    rig_welcome (r, false);
    assert_true (agent_figures (r->agent).connected);
    rig_free (&r);
}

static void silent_broker_gets_a_new_connection_and_the_token (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_pass (r, 5 * US_PER_S);
    assert_int_equal (r->kinds[WIRE_PING], 2);
    assert_int_equal (r->reconnects, 0);
    rig_pass (r, 2 * US_PER_S);
    assert_int_equal (r->reconnects, 1);
    assert_int_equal (r->kinds[WIRE_HELLO], 2);
    assert_int_equal (r->last[WIRE_HELLO].m.hello.token, r->token);
    rig_free (&r);
}

static void any_message_is_a_sign_of_life (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire pong = {.kind = WIRE_PONG};
    for (int i = 0; i < 10; i++) {
        rig_pass (r, 5 * US_PER_S);
        rig_say (r, &pong);
    }
    assert_int_equal (r->reconnects, 0);
    rig_free (&r);
}

static void own_lateness_is_not_the_brokers_silence (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    r->now += 60 * US_PER_S; /* the process was stopped */
    rig_event (r, &(struct agent_event){.kind = AGENT_TICK});
    assert_int_equal (r->reconnects, 0);
    rig_pass (r, 7 * US_PER_S);
    assert_int_equal (r->reconnects, 1);
    rig_free (&r);
}

static void ping_is_answered (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire ping = {.kind = WIRE_PING};
    ping.m.ping.stamp = 99;
    rig_say (r, &ping);
    assert_int_equal (r->kinds[WIRE_PONG], 1);
    assert_int_equal (r->last[WIRE_PONG].m.pong.stamp, 99);
    rig_free (&r);
}

static void what_came_is_acknowledged_though_nothing_else_goes_out (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_pass (r, 100 * US_PER_MS);
    assert_true (r->kinds[WIRE_ACK] == 1);
    assert_true (r->last[WIRE_ACK].m.ack.window_bytes > 0);
    assert_true (chan_idle (r->chan));
    rig_free (&r);
}

static void an_acknowledgement_that_is_asked_for_goes_at_once (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire w = {.kind = WIRE_FORGET};
    rig_say (r, &w);
    assert_int_equal (r->kinds[WIRE_ACK], 0);
    w.flags = WIRE_FLAG_ACK_NOW;
    rig_say (r, &w);
    assert_int_equal (r->kinds[WIRE_ACK], 1);
    assert_true (chan_idle (r->chan));
    rig_free (&r);
}

static void results_survive_a_reconnect (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, 10, 1, 1, 1);
    r->deaf = true;
    assert_int_equal (rig_work_all (r, 100), 10);
    assert_int_equal (r->kinds[WIRE_RESULTS], 0);
    rig_pass (r, 7 * US_PER_S);
    r->deaf = false;
    rig_pass (r, 7 * US_PER_S);
    assert_true (r->kinds[WIRE_HELLO] >= 2);
    rig_welcome (r, true);
    rig_all (r, 0, 10, OUTCOME_DONE);
    rig_free (&r);
}

static void work_goes_on_while_the_broker_is_away (void **state)
{
    (void)state;
    struct rig *r = rig_connected (2);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 6, 1, 1, 2);
    r->deaf = true;
    for (int i = 0; i < 3; i++) {
        rig_pass (r, 60 * US_PER_S);
        rig_claim (r, 1);
        rig_finish (r, 1, OUTCOME_DONE, 1000);
        rig_claim (r, 2);
        rig_finish (r, 2, OUTCOME_DONE, 1000);
    }
    r->deaf = false;
    rig_pass (r, 7 * US_PER_S);
    rig_welcome (r, true);
    rig_all (r, 0, 6, OUTCOME_DONE);
    rig_free (&r);
}

static void new_session_voids_what_was_granted (void **state)
{
    (void)state;
    struct rig *r = rig_connected (2);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 6, 1, 1, 2);
    assert_true (rig_claim (r, 1));
    rig_welcome (r, false); /* another broker, or a forgetful one */
    assert_true (r->executor[1].killed && r->executor[2].killed);
    assert_int_equal (agent_figures (r->agent).queued, 0);
    assert_int_equal (agent_figures (r->agent).batches, 0);
    assert_int_equal (agent_figures (r->agent).slots_used, 2); /* until they are gone */
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 1, 1, 1, 2);
    assert_int_equal (rig_busy (r), 2); /* the two that are being killed */
    rig_die (r, 1, 9);
    rig_die (r, 2, 9);
    assert_int_equal (rig_work_all (r, 100), 1);
    rig_all (r, 0, 1, OUTCOME_DONE);
    assert_int_equal (r->row[1].outcomes, 0);
    rig_free (&r);
}

static void broker_away_for_too_long_ends_its_tasks (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 2);
    r->deaf = true;
    rig_pass (r, 590 * US_PER_S);
    assert_false (r->executor[1].killed);
    rig_pass (r, 30 * US_PER_S);
    assert_true (r->executor[1].killed);
    rig_free (&r);
}

/* The broker may give them to others as soon as it hears of it. */
static void who_gave_its_session_up_comes_back_when_its_tasks_are_gone (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 2);
    r->deaf = true;
    while (!r->executor[1].killed)
        rig_pass (r, US_PER_S);
    r->deaf = false;
    unsigned hellos = r->kinds[WIRE_HELLO];
    rig_pass (r, 20 * US_PER_S);
    assert_int_equal (r->kinds[WIRE_HELLO], hellos);
    rig_die (r, 1, SIGKILL);
    rig_pass (r, US_PER_MS);
    assert_int_equal (r->kinds[WIRE_HELLO], hellos + 1);
    assert_int_equal (r->last[WIRE_HELLO].m.hello.token, 0);
    assert_int_equal (r->last[WIRE_HELLO].m.hello.replaces, r->token);
    rig_free (&r);
}

static void lost_session_is_called_again_at_once (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error.code = WIRE_NO_SESSION;
    w.m.error.kind = WIRE_PING;
    rig_pass (r, 3 * US_PER_S);
    for (int i = 0; i < 5; i++) /* one for each message that was on its way */
        rig_say (r, &w);
    rig_pass (r, 10 * US_PER_MS);
    assert_int_equal (r->kinds[WIRE_HELLO], 2);
    assert_int_equal (r->reconnects, 0);
    rig_free (&r);
}

static void other_version_ends_the_worker_in_words (void **state)
{
    (void)state;
    struct rig *r = rig_new (1);
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error.code = WIRE_UNSUPPORTED;
    w.m.error.kind = WIRE_HELLO;
    w.m.error.text = bytes_str ("this broker speaks version 2");
    rig_say (r, &w);
    assert_true (r->exited);
    assert_int_equal (r->status, 76);
    assert_non_null (strstr (r->log, "version 2"));
    rig_free (&r);
}

static void stopping_broker_is_waited_for (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire bye = {.kind = WIRE_BYE};
    bye.m.bye.code = WIRE_STOPPING;
    rig_say (r, &bye);
    assert_int_equal (r->kinds[WIRE_BYE_OK], 1);
    assert_false (r->exited);
    rig_pass (r, US_PER_S);
    assert_int_equal (r->kinds[WIRE_HELLO], 2);
    rig_free (&r);
}

static void what_cannot_leave_wakes_nobody (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire w = {.kind = WIRE_FORGET, .m.forget.batch = 9};
    r->full = true;
    for (int i = 0; i < 2; i++) { /* the first acknowledgement is on its way when it is refused */
        rig_say (r, &w);
        r->now += 30 * US_PER_MS;
        rig_event (r, &(struct agent_event){.kind = AGENT_TICK});
        assert_true (agent_deadline (r->agent) > r->now);
    }
    rig_free (&r);
}

static void frames_that_could_not_be_sent_come_first_the_next_time (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct agent_effects fx = {0};
    struct wire ping = {.kind = WIRE_PING};
    struct wire_frames f;
    struct wire w;
    for (uint64_t stamp = 1; stamp <= 2; stamp++) {
        ping.m.ping.stamp = stamp;
        agent_step (r->agent, &(struct agent_event){.kind = AGENT_MESSAGE, .message = &ping},
                    r->now, &fx);
    }
    assert_true (agent_transmit (r->agent, &f));
    agent_unsent_take (r->agent, &f);
    for (uint64_t stamp = 1; stamp <= 2; stamp++) {
        assert_true (agent_transmit (r->agent, &f));
        assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
        assert_int_equal (w.m.pong.stamp, stamp);
        wire_fini (&w);
        wire_frames_fini (&f);
    }
    agent_effects_fini (&fx);
    rig_free (&r);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (hello_says_who_it_is),
        cmocka_unit_test (absent_broker_is_called_again_with_one_warning),
        cmocka_unit_test (silent_broker_gets_a_new_connection_and_the_token),
        cmocka_unit_test (any_message_is_a_sign_of_life),
        cmocka_unit_test (own_lateness_is_not_the_brokers_silence),
        cmocka_unit_test (ping_is_answered),
        cmocka_unit_test (what_came_is_acknowledged_though_nothing_else_goes_out),
        cmocka_unit_test (an_acknowledgement_that_is_asked_for_goes_at_once),
        cmocka_unit_test (results_survive_a_reconnect),
        cmocka_unit_test (work_goes_on_while_the_broker_is_away),
        cmocka_unit_test (new_session_voids_what_was_granted),
        cmocka_unit_test (broker_away_for_too_long_ends_its_tasks),
        cmocka_unit_test (who_gave_its_session_up_comes_back_when_its_tasks_are_gone),
        cmocka_unit_test (lost_session_is_called_again_at_once),
        cmocka_unit_test (other_version_ends_the_worker_in_words),
        cmocka_unit_test (stopping_broker_is_waited_for),
        cmocka_unit_test (what_cannot_leave_wakes_nobody),
        cmocka_unit_test (frames_that_could_not_be_sent_come_first_the_next_time),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
