/* The client's core: results and their order, sessions that are lost, requests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/rows.h"
#include "tests/unit/client_rig.h"

static void results_come_one_by_one_and_end_behind_them (void **state)
{
    (void)state;
    opened (12);
    assert_int_equal (batch.id, 12);
    struct outcome o[3] = {{.row = 2, .attempt = 1, .out = bytes_str ("c")},
                           {.row = 0, .attempt = 1, .how = OUTCOME_FAILED, .status = 7},
                           {.row = 1, .attempt = 2, .err = bytes_str ("oops")}};
    comes (results (1, o, 3));
    batch_close (&batch, NULL);
    comes_end (BATCH_FINISHED);
    expect_result (2, DROVER_DONE, "c");
    assert_string_equal (event->result->worker, "w1");
    assert_int_equal (batch_pending (&batch), 2);
    expect_result (0, DROVER_FAILED, "");
    assert_int_equal (event->result->status, 7);
    expect_result (1, DROVER_DONE, "");
    assert_memory_equal (event->result->err, "oops", 4);
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (event->end->done, 2);
    assert_int_equal (event->end->failed, 1);
    assert_int_equal (event->end->total, 3);
    expect_nothing ();
}

static void a_record_that_comes_twice_is_dropped (void **state)
{
    (void)state;
    comes_done (1, 0, "a");
    comes_done (1, 0, "a");
    comes_done (2, 1, "b");
    expect_result (0, DROVER_DONE, "a");
    expect_result (1, DROVER_DONE, "b");
    expect_nothing ();
}

static void a_row_ends_once_whatever_records_say (void **state)
{
    (void)state;
    comes_done (1, 0, "a");
    comes_done (2, 0, "again");
    comes_done (3, 99, "never added");
    expect_result (0, DROVER_DONE, "a");
    expect_nothing ();
    assert_int_equal (batch_pending (&batch), 2);
}

static void a_missing_record_breaks_the_batch_and_every_row_ends (void **state)
{
    (void)state;
    comes_done (1, 1, "b");
    comes_done (3, 2, "c");
    expect_result (1, DROVER_DONE, "b");
    expect_result (0, DROVER_BROKER_LOST, "");
    expect_result (2, DROVER_BROKER_LOST, "");
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (event->end->state, DROVER_BATCH_BROKEN);
    assert_int_equal (event->end->broker_lost, 2);
    assert_non_null (strstr (event->end->reason, "missing"));
    expect_nothing ();
}

static void pieces_are_put_together_before_the_rest (void **state)
{
    (void)state;
    comes_output (1, 0, 1, 0, "one ");
    comes_output (2, 0, 1, 4, "two ");
    comes_done (3, 0, "three");
    expect_result (0, DROVER_DONE, "one two three");
    expect_nothing ();
}

static void pieces_of_an_older_attempt_are_dropped (void **state)
{
    (void)state;
    comes_output (1, 0, 1, 0, "old and void");
    comes_output (2, 0, 2, 0, "new ");
    comes_output (3, 0, 1, 12, "late and void");
    struct outcome o = {.row = 0, .attempt = 2, .out = bytes_str ("end")};
    comes (results (4, &o, 1));
    expect_result (0, DROVER_DONE, "new end");
    comes_output (5, 1, 1, 0, "void");
    o = (struct outcome){.row = 1, .attempt = 2, .out = bytes_str ("b")};
    comes (results (6, &o, 1));
    expect_result (1, DROVER_DONE, "b");
    expect_nothing ();
    assert_int_equal (store.memory, 0);
}

static void large_output_goes_to_the_file_and_back (void **state)
{
    (void)state;
    enum { PIECES = 1500 };
    static char piece[1001];
    store.stream_limit = 10000;
    for (int i = 0; i < PIECES; i++) {
        memset (piece, 'a' + i % 26, 1000);
        comes_output ((uint64_t)i + 1, 0, 1, (uint64_t)i * 1000, piece);
        expect_nothing ();
    }
    assert_true (store.memory <= 512 << 10);
    comes_done (PIECES + 1, 0, "end");
    assert_int_equal (next (), DROVER_EVENT_RESULT);
    assert_null (event->result->out);
    assert_int_equal (event->result->out_len, PIECES * 1000 + 3);
    uint64_t at = 0;
    drover_bytes_t b;
    while (drover_result_piece (event->result, 1, at, &b, NULL) == 1)
        for (size_t i = 0; i < b.len; i++, at++)
            if (at < PIECES * 1000)
                assert_int_equal (((const char *)b.ptr)[i], 'a' + at / 1000 % 26);
    assert_int_equal (at, PIECES * 1000 + 3);
    expect_nothing ();
    assert_int_equal (store.memory, 0);
    assert_int_equal (store.spill.live, 0);
}

static void a_full_disk_delays_events_and_loses_nothing (void **state)
{
    (void)state;
    struct err e;
    char *dir = store.spill.dir;
    static char big[5000];
    memset (big, 'x', sizeof big - 1);
    store.stream_limit = 1000;
    store.spill.dir = "/nonexistent";
    comes_output (1, 0, 1, 0, "one ");
    comes_output (2, 0, 1, 4, big);
    struct outcome o = {.row = 0, .attempt = 1, .out = bytes_str (big)};
    comes (results (3, &o, 1));
    for (int i = 0; i < 3; i++)
        assert_int_equal (core_next (&core, NULL, &event, &e), -1);
    store.stream_limit = 100000;
    comes_output (4, 1, 1, 0, "later");
    store.stream_limit = 6000; /* now it is the rest, in the outcome, that does not fit */
    for (int i = 0; i < 3; i++)
        assert_int_equal (core_next (&core, NULL, &event, &e), -1);
    store.spill.dir = dir;
    assert_int_equal (next (), DROVER_EVENT_RESULT);
    assert_int_equal (event->result->out_len, 4 + 2 * (sizeof big - 1));
    expect_nothing ();
}

static void a_kept_result_outlives_its_event (void **state)
{
    (void)state;
    struct outcome o[2] = {{.row = 0, .attempt = 1, .out = bytes_str ("first")},
                           {.row = 1, .attempt = 1, .out = bytes_str ("second")}};
    comes (results (1, o, 2));
    comes_output (2, 2, 1, 0, "pieces ");
    comes_done (3, 2, "third");
    drover_result_t *kept[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal (next (), DROVER_EVENT_RESULT);
        kept[i] = drover_result_keep (event->result);
    }
    expect_nothing ();
    assert_memory_equal (kept[0]->out, "first", 5);
    assert_memory_equal (kept[1]->out, "second", 6);
    assert_memory_equal (kept[2]->out, "pieces third", 12);
    assert_string_equal (kept[0]->worker, "w1");
    assert_string_equal (kept[2]->host, "h1");
    for (int i = 0; i < 3; i++)
        drover_result_free (&kept[i]);
    assert_int_equal (store.memory, 0);
}

static void a_new_session_ends_open_batches_as_broker_lost (void **state)
{
    (void)state;
    comes_done (1, 1, "b");
    welcome (2, 6, false);
    expect_result (1, DROVER_DONE, "b");
    expect_result (0, DROVER_BROKER_LOST, "");
    assert_non_null (strstr (event->result->reason, "lost this session"));
    expect_result (2, DROVER_BROKER_LOST, "");
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (event->end->state, DROVER_BATCH_BROKEN);
    assert_int_equal (event->end->total, 3);
    assert_int_equal (next (), DROVER_EVENT_CONNECTED);
    expect_nothing ();
    struct err e;
    struct bytes v = bytes_str ("x");
    assert_int_equal (batch_add (&batch, 0, &v, 1, &e), -1);
}

static void a_detached_batch_is_taken_up_again_in_a_new_session (void **state)
{
    (void)state;
    core_forget (&core, &batch);
    open_batch (BATCH_DETACHED, 2);
    batch_close (&batch, NULL);
    opened (12);
    acknowledge_all ();
    comes_done (1, 0, "a");
    expect_result (0, DROVER_DONE, "a");
    welcome (1, 6, false);
    assert_int_equal (next (), DROVER_EVENT_CONNECTED);
    struct wire w = leaves ();
    assert_int_equal (w.kind, WIRE_ATTACH);
    assert_int_equal (w.m.attach.id, 12);
    assert_int_equal (w.m.attach.record, 2);
    wire_fini (&w);
    comes_done (2, 1, "b");
    expect_result (1, DROVER_DONE, "b");
}

static void resuming_changes_nothing_for_batches (void **state)
{
    (void)state;
    acknowledge_all ();
    welcome (1, 5, true);
    assert_int_equal (next (), DROVER_EVENT_CONNECTED);
    comes_done (1, 0, "a");
    expect_result (0, DROVER_DONE, "a");
    expect_nothing ();
}

static void a_lost_session_answers_everything_and_says_so_last (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_WAIT, .m.wait = {.id = 3}};
    uint64_t ref = core_ask (&core, &w, 0, NULL);
    core_fail (&core, WIRE_LOST, "it is gone");
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->ref, ref);
    assert_int_equal (event->reply->code, DROVER_ELOST);
    for (unsigned i = 0; i < 3; i++)
        expect_result (i, DROVER_BROKER_LOST, "");
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (next (), DROVER_EVENT_LOST);
    assert_string_equal (event->refused->text, "it is gone");
    expect_nothing ();
}

static void unanswered_requests_are_asked_again_in_a_new_session (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_WAIT, .m.wait = {.id = 3}};
    uint64_t ref = core_ask (&core, &w, 0, NULL);
    welcome (2, 6, false);
    w = leaves ();
    assert_int_equal (w.kind, WIRE_WAIT);
    assert_int_equal (w.m.wait.ref, ref);
    wire_fini (&w);
}

static void a_cancelled_range_goes_behind_its_rows (void **state)
{
    (void)state;
    acknowledge_all ();
    add_rows (&batch, 2); /* in a chunk that is not full */
    struct wire w = {.kind = WIRE_CANCEL};
    w.m.cancel.batch = batch.handle;
    w.m.cancel.first = 3;
    w.m.cancel.count = 2;
    assert_int_not_equal (core_ask (&core, &w, batch.handle, NULL), 0);
    core_flush (&core);
    expect_leave (WIRE_ROWS);
    expect_leave (WIRE_CANCEL);
}

static uint64_t cancel_range (uint64_t first, uint64_t count)
{
    struct wire w = {.kind = WIRE_CANCEL};
    w.m.cancel.batch = batch.handle;
    w.m.cancel.first = first;
    w.m.cancel.count = count;
    return core_ask (&core, &w, batch.handle, NULL);
}

/* The ref of the cancellation that leaves next. */
static uint64_t expect_cancel (uint64_t first, uint64_t count)
{
    struct wire w = expect_leaves (WIRE_CANCEL);
    assert_int_equal (w.m.cancel.first, first);
    assert_int_equal (w.m.cancel.count, count);
    uint64_t ref = w.m.cancel.ref;
    wire_fini (&w);
    return ref;
}

static void replies (uint64_t ref, uint64_t value)
{
    struct wire w = {.kind = WIRE_REPLY, .m.reply = {.ref = ref, .value = value}};
    comes (w);
}

static void set_window (uint64_t bytes)
{
    struct wire w = {.kind = WIRE_ACK, .m.ack.window_bytes = bytes};
    comes (w);
}

/* Three rows have left, two wait for the window. */
static void hold_up_two (void)
{
    core_flush (&core);
    acknowledge_all ();
    set_window (0);
    add_rows (&batch, 2);
    core_flush (&core);
    expect_leave (0);
}

/* The window may be shut because what is to be cancelled does not end. */
static void what_has_left_is_cancelled_through_a_shut_window (void **state)
{
    (void)state;
    hold_up_two ();
    uint64_t sent = cancel_range (0, 3);
    uint64_t both = cancel_range (1, 4);
    uint64_t unsent = cancel_range (3, 1);
    assert_int_equal (expect_cancel (0, 3), sent);
    uint64_t part = expect_cancel (1, 2);
    expect_leave (0);
    set_window (1 << 20);
    expect_leave (WIRE_ROWS);
    uint64_t rest = expect_cancel (3, 2);
    assert_int_equal (expect_cancel (3, 1), unsent);
    replies (part, 7);
    expect_nothing ();
    replies (rest, 3);
    const drover_event_t *reply;
    assert_int_equal (core_take_reply (&core, both, &reply), 1);
    assert_int_equal (reply->reply->value, 7);
}

static void a_range_to_the_end_is_one_cancellation (void **state)
{
    (void)state;
    core_flush (&core);
    acknowledge_all ();
    uint64_t ref = cancel_range (1, UINT64_MAX);
    assert_int_equal (expect_cancel (1, UINT64_MAX), ref);
    expect_leave (0);
}

static void gives_input (uint64_t row, const char *text)
{
    assert_int_equal (batch_input (&batch, row, bytes_str (text), false, NULL), strlen (text));
}

static void expect_input (uint64_t row, uint64_t offset, const char *text)
{
    struct wire w = expect_leaves (WIRE_INPUT);
    assert_int_equal (w.m.input.row, row);
    assert_int_equal (w.m.input.offset, offset);
    assert_int_equal (w.body[0].len, strlen (text));
    assert_memory_equal (w.body[0].ptr, text, strlen (text));
    wire_fini (&w);
}

/* The window may be shut because the tasks that wait for it do not end. */
static void live_input_passes_rows_that_wait_but_not_its_own (void **state)
{
    (void)state;
    batch.flags |= BATCH_INPUT;
    opened (1);
    hold_up_two ();
    gives_input (4, "later ");
    gives_input (1, "now");
    gives_input (4, "on");
    gives_input (1, "!");
    expect_input (1, 0, "now");
    expect_input (1, 3, "!");
    core_flush (&core);
    expect_leave (0);
    set_window (1 << 20);
    expect_leave (WIRE_ROWS);
    core_flush (&core);
    expect_input (4, 0, "later on");
    expect_leave (0);
}

/* The same rows are to make the same chunks, whatever else is asked. */
static void rows_of_a_chunk_that_is_to_be_whole_are_not_cancelled_one_by_one (void **state)
{
    (void)state;
    struct err e = {0};
    acknowledge_all ();
    core_flush (&core);
    expect_leave (WIRE_ROWS);
    batch.whole_chunks = true;
    add_rows (&batch, 2);
    struct wire w = {.kind = WIRE_CANCEL};
    w.m.cancel.batch = batch.handle;
    w.m.cancel.first = 1;
    w.m.cancel.count = batch.chunk_first; /* the last of them waits */
    assert_int_equal (core_ask (&core, &w, batch.handle, &e), 0);
    assert_int_equal (e.code, EINVAL);
    w.m.cancel.count--;
    assert_int_not_equal (core_ask (&core, &w, batch.handle, NULL), 0);
    core_flush (&core);
    expect_leave (WIRE_CANCEL);
    batch_close (&batch, NULL);
    expect_leave (WIRE_ROWS);
}

/* The library's own: there is nobody to ask again. */
static void a_cancellation_that_is_refused_for_now_is_left_with_the_broker (void **state)
{
    (void)state;
    static const enum wire_code codes[] = {WIRE_BUSY, WIRE_STORAGE};
    struct wire cancel = {.kind = WIRE_CANCEL};
    cancel.m.cancel.batch = batch.handle;
    cancel.m.cancel.reason = bytes_str ("enough");
    for (unsigned i = 0; i < 2; i++) {
        acknowledge_all ();
        assert_int_equal (core_tell (&core, &cancel, batch.handle, NULL), 0);
        struct wire asked = expect_leaves (WIRE_CANCEL);
        uint64_t ref = asked.m.cancel.ref;
        wire_fini (&asked);
        comes ((struct wire){.kind = WIRE_REPLY, .m.reply = {.ref = ref, .code = codes[i]}});
        struct wire told = expect_leaves (WIRE_CANCEL);
        assert_int_equal (told.m.cancel.ref, 0);
        assert_int_equal (told.m.cancel.batch, batch.handle);
        assert_true (bytes_equal (told.m.cancel.reason, bytes_str ("enough")));
        wire_fini (&told);
        expect_leave (0);
        expect_nothing ();
    }
}

static void a_cancellation_that_is_dropped_is_still_wanted (void **state)
{
    (void)state;
    struct wire cancel = {.kind = WIRE_CANCEL, .m.cancel.batch = batch.handle};
    acknowledge_all ();
    uint64_t ref = ask (cancel, batch.handle);
    core_drop (&core, ref, true);
    expect_leave (WIRE_CANCEL);
    expect_leave (0);
    comes ((struct wire){.kind = WIRE_REPLY, .m.reply = {.ref = ref, .code = WIRE_STORAGE}});
    struct wire told = expect_leaves (WIRE_CANCEL);
    assert_int_equal (told.m.cancel.ref, 0);
    wire_fini (&told);
    expect_nothing ();
}

static void records_of_a_reply_are_pairs (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_QUERY, .m.query = {.what = QUERY_STATUS}};
    uint64_t ref = core_ask (&core, &w, 0, NULL);
    struct buf body;
    buf_init (&body, 1000);
    for (int i = 0; i < 2; i++) {
        row_begin (&body, 4);
        row_value (&body, bytes_str ("slots"));
        row_value (&body, bytes_str (i ? "20" : "10"));
        row_value (&body, bytes_str ("host"));
        row_value (&body, bytes_str ("h"));
    }
    w = (struct wire){.kind = WIRE_REPLY, .m.reply = {.ref = ref, .count = 2, .value = 5}};
    w.body[0] = slice_borrowed (body.bytes, body.len);
    comes (w);
    buf_fini (&body);
    const drover_event_t *reply;
    assert_int_equal (core_take_reply (&core, ref, &reply), 1);
    assert_int_equal (reply->reply->value, 5);
    drover_pair_t pairs[8];
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal (core_reply_record (&core, &at, pairs, 8), 2);
        assert_int_equal (drover_pair_number (pairs, 2, "slots", 0), i ? 20 : 10);
        assert_int_equal (drover_pair_number (pairs, 2, "host", 77), 77);
    }
    assert_int_equal (core_reply_record (&core, &at, pairs, 8), -1);
    assert_int_equal (core_take_reply (&core, ref, &reply), 0);
}

static void live_output_comes_as_it_is (void **state)
{
    (void)state;
    add_spec (&batch, SPEC_LIVE_OUTPUT);
    comes_output (1, 0, 1, 0, "now");
    assert_int_equal (next (), DROVER_EVENT_OUTPUT);
    assert_int_equal (event->output->bytes.len, 3);
    comes_done (2, 0, "rest");
    expect_result (0, DROVER_DONE, "rest");
}

static void an_unknown_handle_ends_its_batch (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error = (struct msg_error){.code = WIRE_UNKNOWN,
                                   .kind = WIRE_ROWS,
                                   .ref = batch.handle,
                                   .text = bytes_str ("no such handle")};
    comes (w);
    assert_int_equal (next (), DROVER_EVENT_REFUSED);
    assert_int_equal (event->refused->code, DROVER_EUNKNOWN);
    for (unsigned i = 0; i < 3; i++)
        expect_result (i, DROVER_BROKER_LOST, "");
    assert_int_equal (next (), DROVER_EVENT_END);
}

/* It cannot say which one that was. */
static void what_an_older_broker_cannot_read_is_refused_in_words (void **state)
{
    (void)state;
    struct msg_open open = {.after = bytes_str ("3:ok")};
    struct wire w = {.kind = WIRE_ERROR};
    core_forget (&core, &batch);
    batch = (struct batch){0};
    assert_int_equal (core_open (&core, &batch, &open, NULL), 0);
    add_spec (&batch, 0);
    w.m.error = (struct msg_error){
        .code = WIRE_UNSUPPORTED, .kind = WIRE_OPEN, .text = bytes_str ("OPEN must be understood")};
    comes (w);
    assert_int_equal (next (), DROVER_EVENT_REFUSED);
    assert_int_equal (event->refused->code, DROVER_EVERSION);
    assert_string_equal (event->refused->text,
                         "the broker is too old to let a batch wait for others (--after)");
    assert_int_equal (next (), DROVER_EVENT_END);
    w.m.error = (struct msg_error){.code = WIRE_UNKNOWN,
                                   .kind = WIRE_SPEC,
                                   .ref = batch.handle,
                                   .text = bytes_str ("no such handle")};
    comes (w);
    expect_nothing ();
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (results_come_one_by_one_and_end_behind_them),
        TEST (a_record_that_comes_twice_is_dropped),
        TEST (a_row_ends_once_whatever_records_say),
        TEST (a_missing_record_breaks_the_batch_and_every_row_ends),
        TEST (pieces_are_put_together_before_the_rest),
        TEST (pieces_of_an_older_attempt_are_dropped),
        TEST (large_output_goes_to_the_file_and_back),
        TEST (a_full_disk_delays_events_and_loses_nothing),
        TEST (a_kept_result_outlives_its_event),
        TEST (a_new_session_ends_open_batches_as_broker_lost),
        TEST (a_detached_batch_is_taken_up_again_in_a_new_session),
        TEST (resuming_changes_nothing_for_batches),
        TEST (a_lost_session_answers_everything_and_says_so_last),
        TEST (unanswered_requests_are_asked_again_in_a_new_session),
        TEST (a_cancelled_range_goes_behind_its_rows),
        TEST (what_has_left_is_cancelled_through_a_shut_window),
        TEST (a_range_to_the_end_is_one_cancellation),
        TEST (live_input_passes_rows_that_wait_but_not_its_own),
        TEST (rows_of_a_chunk_that_is_to_be_whole_are_not_cancelled_one_by_one),
        TEST (a_cancellation_that_is_refused_for_now_is_left_with_the_broker),
        TEST (a_cancellation_that_is_dropped_is_still_wanted),
        TEST (records_of_a_reply_are_pairs),
        TEST (live_output_comes_as_it_is),
        TEST (an_unknown_handle_ends_its_batch),
        TEST (what_an_older_broker_cannot_read_is_refused_in_words),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
