/* The client's core and a broker that was restarted with all it acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/content.h"
#include "common/wire/trail.h"
#include "tests/unit/client_rig.h"

static void opened_again (uint64_t known, uint64_t chunks, uint64_t closed)
{
    struct wire w = {.kind = WIRE_OPENED};
    w.m.opened = (struct msg_opened){
        .batch = batch.handle, .id = 7, .known = known, .chunks = chunks, .closed = closed};
    comes (w);
}

static void a_batch_is_opened_again_by_its_key_and_goes_on (void **state)
{
    (void)state;
    batch_close (&batch, NULL);
    all_acknowledged ();
    struct outcome o = {.row = 0, .attempt = 1, .out = bytes_str ("a")};
    struct wire first = results (1, &o, 1);
    uint64_t trail = trail_next (0, &first);
    comes (first);
    expect_result (0, DROVER_DONE, "a");
    restart ();
    connected ();
    struct wire w = expect_leaves (WIRE_OPEN);
    assert_int_equal (w.seq, 1);
    assert_int_equal (w.m.open.batch, batch.handle);
    assert_int_equal (w.m.open.record, 1);
    assert_int_equal (w.m.open.trail, trail);
    assert_int_equal (w.m.open.again, 1);
    assert_memory_equal (w.m.open.key.ptr, "key", 3);
    wire_fini (&w);
    expect_leave (0);
    opened_again (1, 1, 1);
    expect_nothing (); /* nobody needs to know */
    comes_done (1, 0, "a");
    expect_nothing ();
    comes_done (2, 1, "b");
    expect_result (1, DROVER_DONE, "b");
    comes_done (3, 2, "c");
    expect_result (2, DROVER_DONE, "c");
    comes_end (BATCH_FINISHED);
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (event->end->done, 3);
}

static void what_was_not_acknowledged_follows_in_order (void **state)
{
    (void)state;
    static const unsigned kinds[] = {WIRE_OPEN, WIRE_SPEC, WIRE_ROWS, WIRE_CLOSE, 0};
    batch_close (&batch, NULL);
    all_leave ();
    restart ();
    for (uint64_t i = 0; i < 5; i++) {
        struct wire w = expect_leaves (kinds[i]);
        assert_int_equal (w.seq, kinds[i] ? i + 1 : 0);
        if (w.kind == WIRE_OPEN)
            assert_int_equal (w.m.open.again, 0);
        wire_fini (&w);
    }
    connected ();
    opened (7); /* not known: the first OPEN had not arrived */
    expect_nothing ();
}

static void chunks_that_the_broker_has_are_not_sent_again (void **state)
{
    (void)state;
    core_flush (&core);
    all_leave (); /* the acknowledgement of these is lost */
    add_rows (&batch, 2);
    batch_close (&batch, NULL);
    restart ();
    opened_again (1, 1, 0);
    expect_leave (WIRE_OPEN);
    expect_leave (WIRE_SPEC);
    struct wire w = expect_leaves (WIRE_ROWS);
    assert_int_equal (w.m.rows.chunk, 1);
    wire_fini (&w);
    expect_leave (WIRE_CLOSE);
    expect_leave (0);
}

static void what_others_may_have_said_under_the_key_is_still_compared (void **state)
{
    (void)state;
    static const unsigned kinds[] = {WIRE_SPEC, WIRE_ROWS, WIRE_CLOSE, 0};
    batch.opening.open.compare = 1;
    batch_close (&batch, NULL);
    core_flush (&core);
    restart ();
    connected ();
    struct wire w = expect_leaves (WIRE_OPEN);
    assert_int_equal (w.m.open.compare, 1);
    wire_fini (&w);
    opened_again (1, 1, 1); /* a broker that has all of it, from somebody */
    for (unsigned i = 0; kinds[i]; i++) {
        w = expect_leaves (kinds[i]);
        wire_fini (&w);
    }
}

static uint64_t content_of_close (void)
{
    struct wire w = expect_leaves (WIRE_CLOSE);
    uint64_t content = w.m.close.content;
    assert_int_not_equal (content, 0);
    wire_fini (&w);
    return content;
}

/* The broker may have refused it, and the refusal may be lost. */
static void what_was_acknowledged_is_compared_by_its_content (void **state)
{
    (void)state;
    batch.opening.open.compare = 1;
    batch_close (&batch, NULL);
    uint64_t content = content_of_batch (batch.specs_said, batch.chunks_said);
    all_acknowledged ();
    for (int times = 0; times < 2; times++) {
        restart ();
        connected ();
        struct wire w = expect_leaves (WIRE_OPEN);
        assert_int_equal (w.m.open.compare, 1);
        wire_fini (&w);
        opened_again (1, 1, 1);
        assert_int_equal (content_of_close (), content);
        expect_leave (0);
    }
}

/* The broker waits for it. */
static void of_a_cancelled_batch_that_is_compared_the_end_is_said (void **state)
{
    (void)state;
    batch.opening.open.compare = 1;
    batch_close (&batch, NULL);
    core_flush (&core);
    restart ();
    connected ();
    expect_leave (WIRE_OPEN);
    opened_again (1, UINT64_MAX, 1);
    expect_leave (WIRE_SPEC);
    expect_leave (WIRE_CLOSE);
    expect_leave (0);
}

static void a_second_restart_before_the_answer_changes_nothing (void **state)
{
    (void)state;
    all_acknowledged ();
    add_rows (&batch, 2);
    batch_close (&batch, NULL);
    restart ();
    expect_leave (WIRE_OPEN);
    restart ();
    static const unsigned kinds[] = {WIRE_OPEN, WIRE_ROWS, WIRE_CLOSE, 0};
    for (int i = 0; i < 4; i++)
        expect_leave (kinds[i]);
    connected ();
    connected ();
    opened_again (1, 0, 0); /* it has lost a chunk that its last life had acknowledged */
    expect_broken ("older");
}

static void a_state_that_went_back_is_not_gone_on_with (void **state)
{
    (void)state;
    static const struct msg_opened told[] = {
        {.known = 0, .chunks = 0, .closed = 0}, /* restored from a time before the batch, */
        {.known = 1, .chunks = 0, .closed = 1}, /* before its rows, */
        {.known = 1, .chunks = 1, .closed = 0}, /* before its end */
    };
    for (unsigned i = 0; i < 3; i++) {
        teardown (NULL);
        setup_durable (NULL);
        batch_close (&batch, NULL);
        all_acknowledged ();
        restart ();
        connected ();
        expect_leave (WIRE_OPEN);
        opened_again (told[i].known, told[i].chunks, told[i].closed);
        expect_broken ("state is older than what it acknowledged");
        expect_leave (WIRE_CANCEL); /* what it has of it is not to run */
        expect_leave (WIRE_DETACH);
        expect_leave (0);
    }
}

static void what_does_not_fit_a_batch_that_is_gone_is_not_told_before_that (void **state)
{
    (void)state;
    all_acknowledged ();
    add_rows (&batch, 2);
    core_flush (&core);
    welcome (session_broker (core.session), 99, false);
    connected ();
    expect_leave (WIRE_OPEN);
    expect_leave (WIRE_ROWS);
    comes ((struct wire){.kind = WIRE_ERROR,
                         .m.error = {.code = WIRE_MALFORMED,
                                     .kind = WIRE_ROWS,
                                     .ref = batch.handle,
                                     .text = bytes_str ("chunk 1 is not the next one (0)")}});
    expect_nothing ();
    opened_again (0, 0, 0);
    expect_broken ("had no connection from here for too long");
}

static void a_batch_that_was_cancelled_for_our_absence_ends_in_those_words (void **state)
{
    (void)state;
    batch_close (&batch, NULL);
    all_acknowledged ();
    welcome (session_broker (core.session), 99, false); /* the same life, another session */
    connected ();
    expect_leave (WIRE_OPEN);
    opened_again (0, 0, 0);
    expect_broken ("had no connection from here for too long");
}

static void results_that_were_not_given_out_are_a_refusal_in_words (void **state)
{
    (void)state;
    all_acknowledged ();
    restart ();
    connected ();
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error = (struct msg_error){.code = WIRE_CONFLICT,
                                   .kind = WIRE_OPEN,
                                   .ref = batch.handle,
                                   .text = bytes_str ("older than the results it gave out")};
    comes (w);
    comes_end (BATCH_BROKEN);
    assert_int_equal (next (), DROVER_EVENT_REFUSED);
    assert_int_equal (event->refused->code, DROVER_ECONFLICT);
    expect_broken ("older than the results");
    expect_nothing ();
}

static void a_broker_without_state_in_its_place_is_none (void **state)
{
    (void)state;
    all_acknowledged ();
    set_durable (false);
    restart ();
    expect_broken ("lost this session");
    connected ();
    expect_leave (0);
}

static void a_batch_that_was_half_sent_in_parts_goes_on_in_its_middle (void **state)
{
    (void)state;
    size_t size = 600000;
    char *big = calloc (1, size);
    struct bytes v = bytes_of (big, size);
    all_acknowledged ();
    assert_int_equal (batch_add (&batch, 0, &v, 1, NULL), 3);
    struct wire w = expect_leaves (WIRE_ROWS);
    uint64_t total = w.m.rows.total, offset = w.body[0].len;
    comes ((struct wire){.kind = WIRE_ACK, .ack = w.seq, .m.ack = {.window_bytes = 1 << 20}});
    wire_fini (&w);
    restart ();
    expect_leave (WIRE_OPEN);
    connected ();
    opened_again (1, 1, 0); /* the first part is no chunk yet */
    while (offset < total) {
        w = expect_leaves (WIRE_ROWS);
        assert_int_equal (w.m.rows.offset, offset);
        offset += w.body[0].len;
        comes ((struct wire){.kind = WIRE_ACK, .ack = w.seq, .m.ack = {.window_bytes = 1 << 20}});
        wire_fini (&w);
    }
    expect_leave (0);
    expect_nothing ();
    free (big);
}

/* --- a broker that says goodbye --- */

static void says_bye (void)
{
    comes ((struct wire){.kind = WIRE_BYE, .m.bye = {.code = WIRE_STOPPING}});
    core_tick (&core, now);
}

static void a_broker_that_stops_is_waited_for_and_that_is_said_once (void **state)
{
    (void)state;
    struct wire_frames f;
    struct wire w;
    all_acknowledged ();
    says_bye ();
    assert_true (session_next (core.session, now, &f));
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    assert_int_equal (w.kind, WIRE_BYE_OK);
    wire_fini (&w);
    wire_frames_fini (&f);
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    assert_int_equal (event->notice->code, DROVER_NOTE_AWAY);
    assert_non_null (strstr (event->notice->text, "stopped"));
    assert_false (session_reconnect (core.session));
    assert_true (core_deadline (&core) <= now + SECOND);
    now += SECOND;
    core_tick (&core, now);
    assert_true (session_reconnect (core.session)); /* the old connection goes with it */
    session_connected (core.session, now);
    comes (
        (struct wire){.kind = WIRE_ERROR, .m.error = {.code = WIRE_STOPPING, .kind = WIRE_HELLO}});
    now += SECOND;
    core_tick (&core, now);
    assert_true (session_reconnect (core.session));
    expect_nothing ();
    restart ();
    connected ();
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    assert_int_equal (event->notice->code, DROVER_NOTE_BACK);
    expect_leave (WIRE_OPEN);
    opened_again (1, 1, 0);
    expect_nothing ();
    restart (); /* so soon that nobody was told */
    connected ();
    expect_nothing ();
}

static void a_broker_that_does_not_come_back_is_given_up (void **state)
{
    (void)state;
    all_acknowledged ();
    int64_t began = now;
    says_bye ();
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    while (session_state (core.session) != SESSION_LOST && now < began + 100 * SECOND) {
        now = core_deadline (&core);
        core_tick (&core, now);
        if (session_reconnect (core.session))
            session_connected (core.session, now);
    }
    assert_int_equal (now - began, 60 * SECOND);
    expect_broken ("went away");
    assert_int_equal (next (), DROVER_EVENT_LOST);
}

/* --- batches that are freed before all was acknowledged --- */

static void rows_of_a_batch_that_was_freed_still_go_their_way (void **state)
{
    (void)state;
    all_acknowledged ();
    add_rows (&batch, 2);
    uint64_t handle = batch.handle;
    core_forget (&core, &batch);
    restart ();
    static const unsigned kinds[] = {WIRE_OPEN, WIRE_ROWS, WIRE_DETACH, 0};
    for (int i = 0; i < 4; i++) {
        struct wire w = expect_leaves (kinds[i]);
        if (w.kind == WIRE_OPEN)
            assert_int_equal (w.m.open.batch, handle);
        wire_fini (&w);
    }
    acknowledge_all ();
    comes ((struct wire){.kind = WIRE_ACK, .ack = 3, .m.ack = {.window_bytes = 1 << 20}});
    core_tick (&core, now);
    restart ();
    expect_leave (0);
    connected ();
    open_batch (0, 1);
}

static void answers (uint64_t ref, unsigned code, const char *text)
{
    comes ((struct wire){.kind = WIRE_REPLY,
                         .m.reply = {.ref = ref, .code = code, .text = bytes_str (text)}});
}

/* The broker had forgotten it, and died before it said so. */
static void what_is_not_known_any_more_was_forgotten_by_who_asks_again (void **state)
{
    (void)state;
    for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
        teardown (NULL);
        setup_durable (NULL);
        all_acknowledged ();
        uint64_t ref = ask ((struct wire){.kind = WIRE_REMOVE, .m.remove.id = 12}, 0);
        if (acknowledged)
            acknowledge_all ();
        else
            all_leave ();
        restart ();
        connected ();
        answers (ref, WIRE_UNKNOWN, "there is no batch 12");
        assert_int_equal (next (), DROVER_EVENT_REPLY);
        assert_int_equal (event->reply->code, DROVER_OK);
        assert_int_equal (event->reply->value, 1);
    }
}

static void what_was_never_known_cannot_be_forgotten (void **state)
{
    (void)state;
    all_acknowledged ();
    uint64_t ref = ask ((struct wire){.kind = WIRE_REMOVE, .m.remove.id = 12}, 0);
    uint64_t wait = ask ((struct wire){.kind = WIRE_WAIT, .m.wait.id = 12}, 0);
    all_leave ();
    answers (ref, WIRE_UNKNOWN, "there is no batch 12");
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->reply->code, DROVER_EUNKNOWN);
    restart ();
    connected ();
    answers (wait, WIRE_UNKNOWN, "there is no batch 12");
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->reply->code, DROVER_EUNKNOWN);
}

static uint64_t said_of_retry (void)
{
    struct wire w = {0};
    do {
        wire_fini (&w);
        w = leaves ();
        assert_int_not_equal (w.kind, 0);
    } while (w.kind != WIRE_RETRY);
    uint64_t said = w.m.retry.said;
    assert_int_not_equal (said, 0);
    wire_fini (&w);
    return said;
}

static void a_retry_that_is_said_again_is_known_by_its_name (void **state)
{
    (void)state;
    struct wire retry = {.kind = WIRE_RETRY, .m.retry = {.id = 12, .hows = 2}};
    all_acknowledged ();
    ask (retry, 0);
    uint64_t said = said_of_retry ();
    acknowledge_all ();
    restart ();
    connected ();
    assert_true (said_of_retry () == said);
    ask (retry, 0);
    assert_true (said_of_retry () != said); /* it is another one */
}

/* Its cancellation is still to be answered: nothing but the broker knows what became of it. */
static void what_was_asked_about_a_batch_that_was_freed_is_asked_by_its_number (void **state)
{
    (void)state;
    batch_close (&batch, NULL);
    all_acknowledged ();
    struct wire cancel = {.kind = WIRE_CANCEL, .m.cancel.batch = batch.handle};
    uint64_t ref = ask (cancel, batch.handle);
    uint64_t id = batch.id;
    core_forget (&core, &batch);
    acknowledge_all ();
    core_tick (&core, now);
    restart ();
    connected ();
    expect_nothing ();
    struct wire w = expect_leaves (WIRE_CANCEL);
    assert_int_equal (w.m.cancel.ref, ref);
    assert_int_equal (w.m.cancel.id, id);
    assert_int_equal (w.m.cancel.batch, 0);
    wire_fini (&w);
    comes ((struct wire){.kind = WIRE_REPLY, .m.reply = {.ref = ref, .code = WIRE_STORAGE}});
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->reply->code, DROVER_ESTORAGE);
    open_batch (0, 1);
}

/* --- a broker that is busy --- */

static void says_busy (void)
{
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error = (struct msg_error){.code = WIRE_BUSY,
                                   .kind = WIRE_OPEN,
                                   .ref = batch.handle,
                                   .text = bytes_str ("batches"),
                                   .retry_ms = 2000,
                                   .have = 10,
                                   .limit = 10};
    comes (w);
}

static void a_batch_of_which_some_rows_were_cancelled_is_put_off_all_the_same (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_CANCEL, .m.cancel = {.batch = batch.handle, .count = 1}};
    uint64_t ref = core_ask (&core, &w, batch.handle, NULL);
    all_leave ();
    says_busy ();
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->ref, ref);
    assert_int_equal (event->reply->code, DROVER_EBUSY);
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    expect_nothing ();
    now += 2 * SECOND;
    core_tick (&core, now);
    expect_leave (WIRE_OPEN);
}

static void a_batch_that_was_refused_for_now_is_said_again_as_a_whole (void **state)
{
    (void)state;
    static const unsigned kinds[] = {WIRE_OPEN, WIRE_SPEC, WIRE_ROWS, WIRE_ROWS, WIRE_CLOSE, 0};
    core_flush (&core);
    all_leave ();
    says_busy ();
    comes (
        (struct wire){.kind = WIRE_ERROR,
                      .m.error = {.code = WIRE_UNKNOWN, .kind = WIRE_ROWS, .ref = batch.handle}});
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    assert_int_equal (event->notice->code, DROVER_NOTE_BUSY);
    assert_non_null (strstr (event->notice->text, "batches, 10 of 10"));
    comes_end (BATCH_BROKEN); /* for those who do not try again */
    expect_nothing ();
    acknowledge_all ();
    add_rows (&batch, 2);
    batch_close (&batch, NULL);
    expect_leave (0);
    assert_false (core_idle (&core));
    assert_true (core_deadline (&core) <= now + 2 * SECOND);
    now += 2 * SECOND;
    core_tick (&core, now);
    for (int i = 0; i < 6; i++)
        expect_leave (kinds[i]);
    says_busy (); /* again; that is not said again */
    expect_nothing ();
    now += 2 * SECOND;
    core_tick (&core, now);
    for (int i = 0; i < 6; i++)
        expect_leave (kinds[i]);
    comes_end (BATCH_BROKEN); /* late, but before the answer to the last OPEN */
    opened (7);
    for (unsigned i = 0; i < 5; i++) {
        comes_done (i + 1, i, "x");
        expect_result (i, DROVER_DONE, "x");
    }
}

/* Behind results of other batches, for which its window was full. */
static void the_end_of_a_refused_open_may_come_behind_the_answer_to_the_next (void **state)
{
    (void)state;
    core_flush (&core);
    all_leave ();
    says_busy ();
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    now += 2 * SECOND;
    core_tick (&core, now);
    all_leave ();
    opened (7);
    comes_end (BATCH_BROKEN);
    for (unsigned i = 0; i < 3; i++) {
        comes_done (i + 1, i, "x");
        expect_result (i, DROVER_DONE, "x");
    }
    batch_close (&batch, NULL);
    comes_end (BATCH_FINISHED);
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (event->end->state, DROVER_BATCH_FINISHED);
}

/* What was said the first time is in the channel still, and so is what was said the second. */
static void a_batch_that_was_put_off_is_said_once_to_the_next_broker (void **state)
{
    (void)state;
    static const unsigned kinds[] = {WIRE_OPEN, WIRE_SPEC, WIRE_ROWS, WIRE_CLOSE, 0};
    batch_close (&batch, NULL);
    all_leave ();
    says_busy ();
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    now += 2 * SECOND;
    core_tick (&core, now);
    all_leave ();
    restart ();
    for (int i = 0; i < 5; i++)
        expect_leave (kinds[i]);
}

static void a_refusal_that_was_lost_with_its_connection_ends_the_batch (void **state)
{
    (void)state;
    comes_end (BATCH_BROKEN);
    for (unsigned i = 0; i < 3; i++)
        expect_result (i, DROVER_BROKER_LOST, "");
    assert_int_equal (next (), DROVER_EVENT_END);
}

static void a_batch_that_waits_can_be_cancelled (void **state)
{
    (void)state;
    all_leave ();
    says_busy ();
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    core_cancel_unopened (&core, &batch, "interrupted");
    for (unsigned i = 0; i < 3; i++)
        expect_result (i, DROVER_CANCELLED, "");
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (event->end->state, DROVER_BATCH_CANCELLED);
    now += 100 * SECOND;
    core_tick (&core, now);
    expect_leave (0);
}

static void a_cancellation_on_its_way_ends_a_batch_that_is_put_off (void **state)
{
    (void)state;
    all_leave ();
    struct wire cancel = {.kind = WIRE_CANCEL, .m.cancel.batch = batch.handle};
    ask (cancel, batch.handle);
    all_leave ();
    says_busy ();
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->reply->code, DROVER_OK);
    for (unsigned i = 0; i < 3; i++)
        expect_result (i, DROVER_CANCELLED, "");
    assert_int_equal (next (), DROVER_EVENT_END);
}

static void a_batch_that_waits_outlives_a_restart (void **state)
{
    (void)state;
    static const unsigned kinds[] = {WIRE_OPEN, WIRE_SPEC, WIRE_ROWS, 0};
    core_flush (&core);
    all_leave ();
    says_busy ();
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    restart ();
    expect_leave (0);
    connected ();
    now += 2 * SECOND;
    core_tick (&core, now);
    for (int i = 0; i < 4; i++)
        expect_leave (kinds[i]);
    opened (7);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup_durable, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_batch_is_opened_again_by_its_key_and_goes_on),
        TEST (what_was_not_acknowledged_follows_in_order),
        TEST (chunks_that_the_broker_has_are_not_sent_again),
        TEST (what_others_may_have_said_under_the_key_is_still_compared),
        TEST (what_was_acknowledged_is_compared_by_its_content),
        TEST (of_a_cancelled_batch_that_is_compared_the_end_is_said),
        TEST (a_second_restart_before_the_answer_changes_nothing),
        TEST (a_state_that_went_back_is_not_gone_on_with),
        TEST (what_does_not_fit_a_batch_that_is_gone_is_not_told_before_that),
        TEST (a_batch_that_was_cancelled_for_our_absence_ends_in_those_words),
        TEST (results_that_were_not_given_out_are_a_refusal_in_words),
        TEST (a_broker_without_state_in_its_place_is_none),
        TEST (a_batch_that_was_half_sent_in_parts_goes_on_in_its_middle),
        TEST (a_broker_that_stops_is_waited_for_and_that_is_said_once),
        TEST (a_broker_that_does_not_come_back_is_given_up),
        TEST (rows_of_a_batch_that_was_freed_still_go_their_way),
        TEST (what_is_not_known_any_more_was_forgotten_by_who_asks_again),
        TEST (what_was_never_known_cannot_be_forgotten),
        TEST (a_retry_that_is_said_again_is_known_by_its_name),
        TEST (what_was_asked_about_a_batch_that_was_freed_is_asked_by_its_number),
        TEST (a_batch_of_which_some_rows_were_cancelled_is_put_off_all_the_same),
        TEST (a_batch_that_was_refused_for_now_is_said_again_as_a_whole),
        TEST (the_end_of_a_refused_open_may_come_behind_the_answer_to_the_next),
        TEST (a_batch_that_was_put_off_is_said_once_to_the_next_broker),
        TEST (a_refusal_that_was_lost_with_its_connection_ends_the_batch),
        TEST (a_batch_that_waits_can_be_cancelled),
        TEST (a_cancellation_on_its_way_ends_a_batch_that_is_put_off),
        TEST (a_batch_that_waits_outlives_a_restart),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
