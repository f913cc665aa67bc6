/* The client's core: batches, results and their order, against a broker made of single messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/core.h"
#include "common/base/clock.h"
#include "common/wire/rows.h"

#define SECOND ((int64_t)US_PER_S)

static const struct session_config config = {
    .name = "test",
    .version = "1",
    .connect_us = CLOCK_NEVER,
    .lost_us = 60 * SECOND,
};

static struct core core;
static struct store store;
static struct batch batch;
static int64_t now;
static uint64_t seq;   /* of the broker's messages */
static uint64_t acked; /* what the broker has received, where a test lets it acknowledge */
static const drover_event_t *event;

static void comes (struct wire w)
{
    struct wire_frames f;
    struct wire decoded;
    if (wire_numbered (w.kind))
        w.seq = ++seq;
    assert_int_equal (wire_encode (&w, &f, NULL), 0);
    assert_int_equal (wire_decode (&decoded, &f, NULL, NULL), 0);
    wire_frames_fini (&f);
    core_message (&core, now, &decoded);
}

static void welcome (uint64_t broker, uint64_t token, bool resumed)
{
    struct wire w = {.kind = WIRE_WELCOME};
    w.m.welcome = (struct msg_welcome){
        .major = WIRE_MAJOR,
        .broker = broker,
        .token = token,
        .resumed = resumed,
        .received = resumed ? acked : 0,
        .window_msgs = 1000,
        .window_bytes = 1 << 20,
    };
    session_connected (core.session, now);
    if (!resumed)
        seq = 0;
    comes (w);
}

/* The next numbered message that leaves, or kind 0. */
static struct wire leaves (void)
{
    struct wire_frames f;
    struct wire w = {0};
    while (session_next (core.session, now, &f)) {
        assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
        wire_frames_fini (&f);
        if (w.seq)
            return w;
        wire_fini (&w);
    }
    return (struct wire){0};
}

static void acknowledge_all (void)
{
    struct wire w;
    while ((w = leaves ()).kind) {
        acked = w.seq;
        wire_fini (&w);
    }
    if (acked)
        comes ((struct wire){.kind = WIRE_ACK, .ack = acked, .m.ack = {.window_bytes = 1 << 20}});
}

static int next (void)
{
    struct err e;
    int rc = core_next (&core, NULL, &event, &e);
    assert_true (rc >= 0);
    return rc ? event->kind : -1;
}

static void expect_nothing (void)
{
    assert_int_equal (next (), -1);
}

static void add_rows (struct batch *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct bytes v = bytes_str ("value");
        assert_true (batch_add (b, 0, &v, 1, NULL) >= 0);
    }
}

static void add_spec (struct batch *b, uint64_t flags)
{
    struct wire w = {.kind = WIRE_SPEC, .m.spec = {.form = FORM_FUNCTION, .flags = flags}};
    w.body[0] = slice_borrowed ("drover:echo", 11);
    assert_true (batch_add_spec (b, &w, NULL) >= 0);
}

static struct wire results (uint64_t record, const struct outcome *o, unsigned count)
{
    static struct buf body;
    static bool made;
    if (!made)
        buf_init (&body, 1 << 20);
    made = true;
    buf_clear (&body);
    for (unsigned i = 0; i < count; i++)
        outcome_pack (&body, &o[i]);
    struct wire w = {.kind = WIRE_RESULTS};
    w.m.results.batch = batch.handle;
    w.m.results.record = record;
    w.m.results.count = count;
    w.m.results.worker = bytes_str ("w1");
    w.m.results.host = bytes_str ("h1");
    w.body[0] = slice_borrowed (body.bytes, body.len);
    return w;
}

static void comes_done (uint64_t record, uint64_t row, const char *out)
{
    struct outcome o = {.row = row, .attempt = 1, .out = bytes_str (out)};
    comes (results (record, &o, 1));
}

static void comes_output (uint64_t record, uint64_t row, uint64_t attempt, uint64_t offset,
                          const char *bytes)
{
    struct wire w = {.kind = WIRE_OUTPUT};
    w.m.output = (struct msg_output){.batch = batch.handle,
                                     .record = record,
                                     .row = row,
                                     .attempt = attempt,
                                     .stream = 1,
                                     .offset = offset};
    w.body[0] = slice_borrowed (bytes, strlen (bytes));
    comes (w);
}

static void comes_end (uint64_t state)
{
    struct wire w = {.kind = WIRE_END };
    w.m.end.batch = batch.handle;
    w.m.end.state = state;
    comes (w);
}

static void expect_result (uint64_t row, int how, const char *out)
{
    assert_int_equal (next (), DROVER_EVENT_RESULT);
    assert_int_equal (event->result->row, row);
    assert_int_equal (event->result->how, how);
    assert_int_equal (event->result->out_len, strlen (out));
    if (*out)
        assert_memory_equal (event->result->out, out, strlen (out));
}

static void open_batch (uint64_t flags, unsigned rows)
{
    struct msg_open open = {.flags = flags};
    batch = (struct batch){0};
    assert_int_equal (core_open (&core, &batch, &open, NULL), 0);
    add_spec (&batch, 0);
    add_rows (&batch, rows);
}

static void opened (uint64_t id)
{
    comes ((struct wire){.kind = WIRE_OPENED, .m.opened = {.batch = batch.handle, .id = id}});
    assert_int_equal (next (), DROVER_EVENT_OPENED);
}

static int setup (void **state)
{
    (void)state;
    now = 1000 * SECOND;
    seq = acked = 0;
    store_init (&store, NULL, 1 << 20, 16 << 20);
    core_init (&core, &config, &store, now);
    welcome (1, 5, false);
    assert_int_equal (next (), DROVER_EVENT_CONNECTED);
    open_batch (0, 3);
    return 0;
}

static int teardown (void **state)
{
    (void)state;
    core_forget (&core, &batch);
    core_fini (&core);
    store_fini (&store);
    return 0;
}

static void a_batch_leaves_as_open_spec_rows_close (void **state)
{
    (void)state;
    batch_close (&batch, NULL);
    static const unsigned kinds[] = {WIRE_OPEN, WIRE_SPEC, WIRE_ROWS, WIRE_CLOSE, 0};
    for (int i = 0; i < 5; i++) {
        struct wire w = leaves ();
        assert_int_equal (w.kind, kinds[i]);
        if (w.kind == WIRE_ROWS) {
            assert_int_equal (w.m.rows.count, 3);
            assert_int_equal (rows_check (bytes_of (w.body[0].ptr, w.body[0].len), 3, NULL), 0);
        }
        if (w.kind == WIRE_CLOSE)
            assert_int_equal (w.m.close.total, 3);
        wire_fini (&w);
    }
}

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

static void a_cancelled_batch_accounts_for_rows_the_broker_never_took (void **state)
{
    (void)state;
    struct outcome o = {.row = 0, .attempt = 1, .how = OUTCOME_CANCELLED};
    comes (results (1, &o, 1));
    comes_end (BATCH_CANCELLED);
    for (unsigned i = 0; i < 3; i++)
        expect_result (i, DROVER_CANCELLED, "");
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (event->end->cancelled, 3);
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

static void room_is_told_once_there_is_some (void **state)
{
    (void)state;
    batch.max_pending = 4;
    assert_int_equal (batch_room (&batch, false), 1);
    add_rows (&batch, 1);
    assert_int_equal (batch_room (&batch, false), 0);
    batch.wants_room = true;
    core_tick (&core, now);
    expect_nothing ();
    comes_done (1, 0, "a");
    expect_result (0, DROVER_DONE, "a");
    core_tick (&core, now);
    core_tick (&core, now);
    assert_int_equal (next (), DROVER_EVENT_ROOM);
    expect_nothing ();
}

static void unacknowledged_bytes_leave_no_room (void **state)
{
    (void)state;
    static char big[200000];
    struct bytes v = bytes_of (big, sizeof big);
    int added = 0;
    while (batch_room (&batch, false) && added < 100)
        assert_true (batch_add (&batch, 0, &v, 1, NULL) >= 0), added++;
    assert_in_range (added, 4, 7);
    core_flush (&core);
    acknowledge_all ();
    assert_true (batch_room (&batch, true) > 0);
}

static void a_large_row_leaves_in_parts_of_one_chunk (void **state)
{
    (void)state;
    size_t size = 600000;
    char *big = malloc (size);
    memset (big, 'x', size);
    struct bytes v = bytes_of (big, size);
    assert_int_equal (batch_add (&batch, 0, &v, 1, NULL), 3);
    add_rows (&batch, 1);
    core_flush (&core);
    uint64_t offset = 0, total = 0, chunk = 0;
    struct wire w;
    while ((w = leaves ()).kind) {
        if (w.kind == WIRE_ROWS && w.m.rows.total) {
            assert_int_equal (w.m.rows.first, 3);
            assert_int_equal (w.m.rows.chunk, 1);
            assert_int_equal (w.m.rows.offset, offset);
            assert_true (w.body[0].len <= WIRE_PIECE_MAX);
            offset += w.body[0].len;
            total = w.m.rows.total;
        } else if (w.kind == WIRE_ROWS) {
            chunk = w.m.rows.chunk;
        }
        wire_fini (&w);
    }
    assert_int_equal (offset, total);
    assert_true (total > size);
    assert_int_equal (chunk, 2);
    free (big);
}

static void a_row_over_the_limit_is_refused_with_both_numbers (void **state)
{
    (void)state;
    struct err e;
    struct bytes v = bytes_of ("", (size_t)65 << 20); /* its bytes are never looked at */
    assert_int_equal (batch_add (&batch, 0, &v, 1, &e), -1);
    assert_non_null (strstr (e.text, "68157440"));
    assert_non_null (strstr (e.text, "67108"));
    assert_int_equal (batch.rows, 3);
}

static void chunks_split_where_specs_do_not_follow (void **state)
{
    (void)state;
    core_forget (&core, &batch);
    open_batch (BATCH_EACH_SPEC, 0);
    add_spec (&batch, 0);
    struct err e;
    assert_int_equal (batch_add (&batch, 0, NULL, 0, &e), 0);
    assert_int_equal (batch_add (&batch, 0, NULL, 0, &e), -1);
    assert_int_equal (batch_add (&batch, 1, NULL, 0, &e), 1);
    core_flush (&core);
    struct wire w;
    unsigned rows = 0;
    while ((w = leaves ()).kind) {
        if (w.kind == WIRE_ROWS && w.m.rows.batch == batch.handle) {
            assert_int_equal (w.m.rows.spec, 0);
            assert_int_equal (w.m.rows.count, 2);
            rows++;
        }
        wire_fini (&w);
    }
    assert_int_equal (rows, 1);
}

static void input_stops_at_the_window_and_goes_on_when_taken (void **state)
{
    (void)state;
    batch.flags |= BATCH_INPUT;
    size_t size = 300000;
    char *bytes = calloc (1, size);
    int64_t taken = batch_input (&batch, 0, bytes_of (bytes, size), false, NULL);
    assert_int_equal (taken, 256 << 10);
    assert_int_equal (batch_input (&batch, 0, bytes_of (bytes, 10), false, NULL), 0);
    struct wire w = {.kind = WIRE_INPUT_TAKEN};
    w.m.input_taken = (struct msg_input_taken){.batch = batch.handle, .row = 0, .offset = 1000};
    comes (w);
    assert_int_equal (next (), DROVER_EVENT_INPUT_ROOM);
    assert_int_equal (event->row, 0);
    assert_int_equal (batch_input (&batch, 0, bytes_of (bytes, size), false, NULL), 1000);
    assert_int_equal (batch_input (&batch, 0, bytes_of (NULL, 0), true, NULL), 0);
    free (bytes);
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

static void a_forgotten_batch_has_no_more_events (void **state)
{
    (void)state;
    comes_done (1, 0, "a");
    comes_done (2, 1, "b");
    expect_result (0, DROVER_DONE, "a");
    core_forget (&core, &batch);
    expect_nothing ();
    open_batch (0, 1);
}

static void events_of_one_batch_can_be_taken_out_of_turn (void **state)
{
    (void)state;
    struct batch *old = calloc (1, sizeof *old);
    struct msg_open open = {.flags = 0};
    core_open (&core, old, &open, NULL);
    comes_done (1, 0, "a");
    core_break (&core, old, "over");
    assert_int_equal (core_next (&core, old, &event, NULL), 1);
    assert_int_equal (event->kind, DROVER_EVENT_END);
    assert_int_equal (core_next (&core, old, &event, NULL), 0);
    expect_result (0, DROVER_DONE, "a");
    core_forget (&core, old);
    free (old);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_batch_leaves_as_open_spec_rows_close),
        TEST (results_come_one_by_one_and_end_behind_them),
        TEST (a_record_that_comes_twice_is_dropped),
        TEST (a_row_ends_once_whatever_records_say),
        TEST (a_missing_record_breaks_the_batch_and_every_row_ends),
        TEST (pieces_are_put_together_before_the_rest),
        TEST (pieces_of_an_older_attempt_are_dropped),
        TEST (large_output_goes_to_the_file_and_back),
        TEST (a_kept_result_outlives_its_event),
        TEST (a_new_session_ends_open_batches_as_broker_lost),
        TEST (a_detached_batch_is_taken_up_again_in_a_new_session),
        TEST (resuming_changes_nothing_for_batches),
        TEST (a_lost_session_answers_everything_and_says_so_last),
        TEST (a_cancelled_batch_accounts_for_rows_the_broker_never_took),
        TEST (unanswered_requests_are_asked_again_in_a_new_session),
        TEST (records_of_a_reply_are_pairs),
        TEST (live_output_comes_as_it_is),
        TEST (room_is_told_once_there_is_some),
        TEST (unacknowledged_bytes_leave_no_room),
        TEST (a_large_row_leaves_in_parts_of_one_chunk),
        TEST (a_row_over_the_limit_is_refused_with_both_numbers),
        TEST (chunks_split_where_specs_do_not_follow),
        TEST (input_stops_at_the_window_and_goes_on_when_taken),
        TEST (an_unknown_handle_ends_its_batch),
        TEST (a_forgotten_batch_has_no_more_events),
        TEST (events_of_one_batch_can_be_taken_out_of_turn),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
