/* The client's session, against a broker made of single messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "client/lib/session.h"
#include "common/base/clock.h"

#define SECOND ((int64_t)US_PER_S)

static const struct session_config config = {
    .name = "test",
    .host = "here",
    .version = "1",
    .broker = "ipc:///there",
    .pid = 7,
    .connect_us = 5 * SECOND,
    .lost_us = 60 * SECOND,
};

static struct session *s;
static int64_t now;

/* The next message that leaves; its kind, or 0. */
static unsigned leaves (struct wire *w)
{
    struct wire_frames f;
    if (!session_next (s, now, &f))
        return 0;
    assert_int_equal (wire_decode (w, &f, NULL, NULL), 0);
    wire_frames_fini (&f);
    return w->kind;
}

static void expect (unsigned kind, uint64_t seq)
{
    struct wire w = {0};
    assert_int_equal (leaves (&w), kind);
    assert_int_equal (w.seq, seq);
    wire_fini (&w);
}

static void expect_nothing (void)
{
    struct wire w;
    assert_int_equal (leaves (&w), 0);
}

static enum session_news comes (struct wire w)
{
    return session_message (s, now, &w);
}

static struct wire welcome (uint64_t token, bool resumed, uint64_t received)
{
    struct wire w = {.kind = WIRE_WELCOME};
    w.m.welcome.major = WIRE_MAJOR;
    w.m.welcome.broker = 99;
    w.m.welcome.token = token;
    w.m.welcome.resumed = resumed;
    w.m.welcome.received = received;
    w.m.welcome.ping_ms = 2000;
    w.m.welcome.suspect_ms = 6000;
    w.m.welcome.window_msgs = 100;
    w.m.welcome.window_bytes = 1 << 20;
    return w;
}

static void post (void)
{
    struct wire w = {.kind = WIRE_OPEN};
    assert_int_equal (session_post (s, LANE_CONTROL, &w, NULL), 0);
}

static struct wire numbered (uint64_t seq, uint64_t ack)
{
    return (struct wire){.kind = WIRE_OPENED, .seq = seq, .ack = ack};
}

static int setup (void **state)
{
    (void)state;
    now = 1000 * SECOND;
    s = session_new (&config, now);
    return 0;
}

static int setup_open (void **state)
{
    setup (state);
    session_connected (s, now);
    expect (WIRE_HELLO, 0);
    assert_int_equal (comes (welcome (5, false, 0)), SESSION_WELCOMED);
    expect (WIRE_ACK, 0);
    expect_nothing ();
    return 0;
}

static int teardown (void **state)
{
    (void)state;
    session_free (&s);
    return 0;
}

static void nothing_but_hello_leaves_before_welcome (void **state)
{
    (void)state;
    post ();
    expect_nothing ();
    session_connected (s, now);
    struct wire w = {0};
    assert_int_equal (leaves (&w), WIRE_HELLO);
    assert_int_equal (w.m.hello.role, ROLE_CLIENT);
    assert_int_equal (w.m.hello.token, 0);
    assert_memory_equal (w.m.hello.name.ptr, "test", 4);
    wire_fini (&w);
    expect_nothing ();
    assert_int_equal (comes (welcome (5, false, 0)), SESSION_WELCOMED);
    expect (WIRE_ACK, 0); /* tells our window */
    expect (WIRE_OPEN, 1);
    expect_nothing ();
}

static void what_was_not_acknowledged_goes_again_after_resuming (void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        post ();
    expect (WIRE_OPEN, 1);
    expect (WIRE_OPEN, 2);
    expect (WIRE_OPEN, 3);
    assert_int_equal (comes (numbered (1, 1)), SESSION_DELIVER);
    session_connected (s, now);
    struct wire w = {0};
    assert_int_equal (leaves (&w), WIRE_HELLO);
    assert_int_equal (w.m.hello.token, 5);
    assert_int_equal (w.m.hello.received, 1);
    wire_fini (&w);
    expect_nothing ();
    assert_int_equal (comes (welcome (5, true, 2)), SESSION_RESUMED);
    expect (WIRE_ACK, 0);
    expect (WIRE_OPEN, 3);
    expect_nothing ();
}

static void a_new_session_voids_what_was_posted (void **state)
{
    (void)state;
    post ();
    expect (WIRE_OPEN, 1);
    session_connected (s, now);
    expect (WIRE_HELLO, 0);
    assert_int_equal (comes (welcome (6, false, 0)), SESSION_RESET);
    assert_false (session_reset_clean (s));
    assert_true (session_idle (s));
    expect (WIRE_ACK, 0);
    post ();
    expect (WIRE_OPEN, 1);
    assert_int_equal (session_token (s), 6);
}

static void a_reset_with_nothing_on_its_way_is_clean (void **state)
{
    (void)state;
    session_connected (s, now);
    expect (WIRE_HELLO, 0);
    assert_int_equal (comes (welcome (6, false, 0)), SESSION_RESET);
    assert_true (session_reset_clean (s));
}

static void a_message_that_comes_twice_is_delivered_once (void **state)
{
    (void)state;
    assert_int_equal (comes (numbered (1, 0)), SESSION_DELIVER);
    assert_int_equal (comes (numbered (1, 0)), SESSION_NOTHING);
    assert_int_equal (comes (numbered (2, 0)), SESSION_DELIVER);
}

static void a_gap_asks_for_what_is_missing_by_hello (void **state)
{
    (void)state;
    assert_int_equal (comes (numbered (1, 0)), SESSION_DELIVER);
    assert_int_equal (comes (numbered (3, 0)), SESSION_NOTHING);
    assert_int_equal (session_state (s), SESSION_OPENING);
    assert_int_equal (comes (numbered (4, 0)), SESSION_NOTHING);
    struct wire w = {0};
    assert_int_equal (leaves (&w), WIRE_HELLO);
    assert_int_equal (w.m.hello.received, 1);
    wire_fini (&w);
    expect_nothing ();
    assert_int_equal (comes (welcome (5, true, 0)), SESSION_RESUMED);
    assert_int_equal (comes (numbered (2, 0)), SESSION_DELIVER);
}

static void a_broker_that_forgot_us_gets_one_hello (void **state)
{
    (void)state;
    struct wire no = {.kind = WIRE_ERROR, .m.error = {.code = WIRE_NO_SESSION}};
    comes (no);
    comes (no);
    expect (WIRE_HELLO, 0);
    comes (no);
    expect_nothing ();
}

static void acknowledgements_wait_for_company (void **state)
{
    (void)state;
    comes (numbered (1, 0));
    expect_nothing ();
    assert_true (session_deadline (s) <= now + 20 * US_PER_MS);
    now += 20 * US_PER_MS;
    struct wire w = {0};
    assert_int_equal (leaves (&w), WIRE_ACK);
    assert_int_equal (w.ack, 1);
    wire_fini (&w);
    expect_nothing ();
    comes (numbered (2, 0));
    post ();
    assert_int_equal (leaves (&w), WIRE_OPEN);
    assert_int_equal (w.ack, 2);
    wire_fini (&w);
    now += SECOND;
    expect_nothing ();
}

static void many_messages_are_acknowledged_at_once (void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 16; i++)
        comes (numbered (i, 0));
    expect (WIRE_ACK, 0);
}

static void an_acknowledgement_that_is_asked_for_goes_at_once (void **state)
{
    (void)state;
    struct wire w = numbered (1, 0);
    w.flags = WIRE_FLAG_ACK_NOW;
    comes (w);
    expect (WIRE_ACK, 0);
    comes (numbered (2, 0));
    expect_nothing ();
}

static void silence_is_asked_about_and_then_ends_the_connection (void **state)
{
    (void)state;
    now += 2 * SECOND;
    session_tick (s, now);
    expect (WIRE_PING, 0);
    for (int i = 0; i < 12; i++) {
        now += SECOND / 2;
        assert_false (session_reconnect (s));
        session_tick (s, now);
    }
    assert_true (session_reconnect (s));
    assert_string_equal (session_away (s),
                         "the broker at ipc:///there does not answer; waiting up to 60 s for it to "
                         "come back (if it ended, what it had is lost: it keeps nothing)");
    assert_null (session_away (s));
    assert_false (session_reconnect (s));
}

static void silence_is_noticed_by_who_ticks_only_at_deadlines (void **state)
{
    (void)state;
    int64_t began = now;
    const char *away = NULL;
    while (!away && now < began + 20 * SECOND) {
        now = session_deadline (s);
        session_tick (s, now);
        away = session_away (s);
    }
    assert_true (away);
    assert_true (now <= began + 9 * SECOND);
}

static void one_silence_is_told_once (void **state)
{
    (void)state;
    int told = 0;
    for (int i = 0; i < 100; i++) {
        now += SECOND / 2;
        session_tick (s, now);
        told += session_away (s) != NULL;
        if (session_reconnect (s))
            session_connected (s, now);
    }
    assert_int_equal (told, 1);
}

static void a_pong_is_life (void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        now += SECOND / 2;
        session_tick (s, now);
        struct wire w = {0};
        if (leaves (&w) == WIRE_PING)
            comes ((struct wire){.kind = WIRE_PONG, .m.pong = {.stamp = w.m.ping.stamp}});
        wire_fini (&w);
    }
    assert_false (session_reconnect (s));
    assert_int_equal (session_state (s), SESSION_OPEN);
}

static void our_own_pause_is_not_the_brokers_silence (void **state)
{
    (void)state;
    now += 2 * SECOND;
    session_tick (s, now);
    now += 3600 * SECOND; /* stopped for an hour, and what came has been read: nothing */
    session_tick (s, now);
    assert_false (session_reconnect (s));
}

static void pings_are_answered_at_once (void **state)
{
    (void)state;
    comes ((struct wire){.kind = WIRE_PING, .m.ping = {.stamp = 77}});
    struct wire w = {0};
    assert_int_equal (leaves (&w), WIRE_PONG);
    assert_int_equal (w.m.pong.stamp, 77);
    wire_fini (&w);
}

static void without_a_first_answer_the_session_is_lost (void **state)
{
    (void)state;
    session_connected (s, now);
    now += 5 * SECOND;
    assert_int_equal (session_tick (s, now), SESSION_GONE);
    assert_int_equal (session_state (s), SESSION_LOST);
    assert_int_equal (session_why (s)->code, WIRE_LOST);
}

static void a_broker_that_stays_away_is_given_up (void **state)
{
    (void)state;
    bool gone = false;
    for (int i = 0; i < 200 && !gone; i++) {
        now += SECOND / 2;
        gone = session_tick (s, now) == SESSION_GONE;
        if (session_reconnect (s))
            session_connected (s, now);
    }
    assert_true (gone);
    assert_true (now >= (1000 + 60) * SECOND);
    assert_true (now <= (1000 + 70) * SECOND);
    assert_string_equal (session_why (s)->text, "the broker at ipc:///there went away, and did not "
                                                "come back within 60 s");
}

static void another_version_is_refused_in_words (void **state)
{
    (void)state;
    session_connected (s, now);
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error.code = WIRE_UNSUPPORTED;
    w.m.error.kind = WIRE_HELLO;
    w.m.error.text = bytes_str ("speak version 2");
    assert_int_equal (comes (w), SESSION_GONE);
    assert_non_null (strstr (session_why (s)->text, "speak version 2"));
}

static void goodbye_leaves_behind_everything_else (void **state)
{
    (void)state;
    session_bye (s);
    post ();
    expect (WIRE_OPEN, 1);
    expect (WIRE_BYE, 0);
    expect_nothing ();
    assert_false (session_over (s));
    comes ((struct wire){.kind = WIRE_BYE_OK});
    assert_true (session_over (s));
}

static void a_stopping_broker_ends_the_session (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_BYE, .m.bye = {.code = WIRE_STOPPING}};
    assert_int_equal (comes (w), SESSION_GONE);
    assert_int_equal (session_why (s)->code, WIRE_STOPPING);
    post ();
    expect_nothing ();
}

static void what_a_broker_may_not_say_is_ignored (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_OPEN, .seq = 1};
    assert_int_equal (comes (w), SESSION_NOTHING);
    assert_int_equal (comes (numbered (1, 0)), SESSION_DELIVER);
}

static void acknowledging_what_was_never_sent_ends_the_session (void **state)
{
    (void)state;
    assert_int_equal (comes (numbered (1, 9)), SESSION_GONE);
}

static void a_refused_transmission_goes_again_in_order (void **state)
{
    (void)state;
    post ();
    post ();
    struct wire_frames f;
    assert_true (session_next (s, now, &f));
    session_unsent (s, &f);
    expect (WIRE_OPEN, 1);
    expect (WIRE_OPEN, 2);
    comes ((struct wire){.kind = WIRE_PING, .m.ping = {.stamp = 1}});
    assert_true (session_next (s, now, &f));
    session_unsent (s, &f);
    expect (WIRE_PONG, 0);
}

static void a_shut_window_stops_bulk_and_not_control (void **state)
{
    (void)state;
    comes ((struct wire){.kind = WIRE_ACK, .m.ack = {.window_bytes = 0}});
    struct wire rows = {.kind = WIRE_ROWS};
    session_post (s, LANE_BULK, &rows, NULL);
    post ();
    expect (WIRE_OPEN, 1);
    expect_nothing ();
    comes ((struct wire){.kind = WIRE_ACK, .m.ack = {.window_bytes = 1 << 20}});
    expect (WIRE_ROWS, 2);
}

static void a_first_hello_without_answer_is_said_again_on_a_new_connection (void **state)
{
    (void)state;
    session_connected (s, now);
    expect (WIRE_HELLO, 0);
    now += 2 * SECOND;
    assert_int_equal (session_tick (s, now), SESSION_NOTHING);
    assert_true (session_reconnect (s));
    session_connected (s, now);
    expect (WIRE_HELLO, 0);
    assert_int_equal (comes (welcome (5, false, 0)), SESSION_WELCOMED);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup_open, teardown)
#define TEST_NEW(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST_NEW (nothing_but_hello_leaves_before_welcome),
        TEST (what_was_not_acknowledged_goes_again_after_resuming),
        TEST (a_new_session_voids_what_was_posted),
        TEST (a_reset_with_nothing_on_its_way_is_clean),
        TEST (a_message_that_comes_twice_is_delivered_once),
        TEST (a_gap_asks_for_what_is_missing_by_hello),
        TEST (a_broker_that_forgot_us_gets_one_hello),
        TEST (acknowledgements_wait_for_company),
        TEST (many_messages_are_acknowledged_at_once),
        TEST (an_acknowledgement_that_is_asked_for_goes_at_once),
        TEST (silence_is_asked_about_and_then_ends_the_connection),
        TEST (silence_is_noticed_by_who_ticks_only_at_deadlines),
        TEST (one_silence_is_told_once),
        TEST (a_pong_is_life),
        TEST (our_own_pause_is_not_the_brokers_silence),
        TEST (pings_are_answered_at_once),
        TEST_NEW (without_a_first_answer_the_session_is_lost),
        TEST_NEW (a_first_hello_without_answer_is_said_again_on_a_new_connection),
        TEST (a_broker_that_stays_away_is_given_up),
        TEST_NEW (another_version_is_refused_in_words),
        TEST (goodbye_leaves_behind_everything_else),
        TEST (a_stopping_broker_ends_the_session),
        TEST (what_a_broker_may_not_say_is_ignored),
        TEST (acknowledging_what_was_never_sent_ends_the_session),
        TEST (a_refused_transmission_goes_again_in_order),
        TEST (a_shut_window_stops_bulk_and_not_control),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
