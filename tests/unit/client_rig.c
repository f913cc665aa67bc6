#include "tests/unit/client_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct session_config config = {
    .name = "test",
    .version = "1",
    .connect_us = CLOCK_NEVER,
    .lost_us = 60 * SECOND,
};

struct core core;
struct store store;
struct batch batch;
int64_t now;
static bool durable;
static uint64_t seq;   /* of the broker's messages */
static uint64_t acked; /* what the broker has received, where a test lets it acknowledge */
const drover_event_t *event;

void comes (struct wire w)
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

void welcome (uint64_t broker, uint64_t token, bool resumed)
{
    struct wire w = {.kind = WIRE_WELCOME};
    w.m.welcome = (struct msg_welcome){
        .major = WIRE_MAJOR,
        .features = durable ? FEATURE_DURABLE : 0,
        .broker = broker,
        .token = token,
        .resumed = resumed,
        .received = resumed ? acked : 0,
        .window_msgs = 1000,
        .window_bytes = 1 << 20,
    };
    session_connected (core.session, now);
    if (!resumed)
        seq = acked = 0;
    comes (w);
}

void restart (void)
{
    static uint64_t lives = 100;
    lives++;
    welcome (lives, lives, false);
}

void set_durable (bool is)
{
    durable = is;
}

/* The next numbered message that leaves, or kind 0. */
struct wire leaves (void)
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

void all_leave (void)
{
    struct wire w;
    while ((w = leaves ()).kind)
        wire_fini (&w);
}

struct wire expect_leaves (unsigned kind)
{
    struct wire w = leaves ();
    if (w.kind != kind)
        fail_msg ("%s left, not %s", w.kind ? wire_name (w.kind) : "nothing",
                  kind ? wire_name (kind) : "nothing");
    return w;
}

void expect_leave (unsigned kind)
{
    struct wire w = expect_leaves (kind);
    wire_fini (&w);
}

void acknowledge_all (void)
{
    struct wire w;
    uint64_t before;
    do { /* more leaves when what is on its way is acknowledged */
        before = acked;
        while ((w = leaves ()).kind) {
            acked = w.seq;
            wire_fini (&w);
        }
        if (acked)
            comes (
                (struct wire){.kind = WIRE_ACK, .ack = acked, .m.ack = {.window_bytes = 1 << 20}});
    } while (acked != before);
}

int next (void)
{
    struct err e;
    int rc = core_next (&core, NULL, &event, &e);
    assert_true (rc >= 0);
    return rc ? event->kind : -1;
}

void expect_nothing (void)
{
    assert_int_equal (next (), -1);
}

void add_rows (struct batch *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct bytes v = bytes_str ("value");
        assert_true (batch_add (b, 0, &v, 1, NULL) >= 0);
    }
}

void add_spec (struct batch *b, uint64_t flags)
{
    struct wire w = {.kind = WIRE_SPEC, .m.spec = {.form = FORM_FUNCTION, .flags = flags}};
    w.body[0] = slice_borrowed ("drover:echo", 11);
    assert_true (batch_add_spec (b, &w, NULL) >= 0);
}

struct wire results (uint64_t record, const struct outcome *o, unsigned count)
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

void comes_done (uint64_t record, uint64_t row, const char *out)
{
    struct outcome o = {.row = row, .attempt = 1, .out = bytes_str (out)};
    comes (results (record, &o, 1));
}

void comes_output (uint64_t record, uint64_t row, uint64_t attempt, uint64_t offset,
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

void comes_end (uint64_t state)
{
    struct wire w = {.kind = WIRE_END };
    w.m.end.batch = batch.handle;
    w.m.end.state = state;
    comes (w);
}

void expect_result (uint64_t row, int how, const char *out)
{
    assert_int_equal (next (), DROVER_EVENT_RESULT);
    assert_int_equal (event->result->row, row);
    assert_int_equal (event->result->how, how);
    assert_int_equal (event->result->out_len, strlen (out));
    if (*out)
        assert_memory_equal (event->result->out, out, strlen (out));
}

void open_batch (uint64_t flags, unsigned rows)
{
    struct msg_open open = {.flags = flags};
    if (durable)
        open.key = bytes_str ("key");
    batch = (struct batch){0};
    assert_int_equal (core_open (&core, &batch, &open, NULL), 0);
    add_spec (&batch, 0);
    add_rows (&batch, rows);
}

void opened (uint64_t id)
{
    comes ((struct wire){.kind = WIRE_OPENED, .m.opened = {.batch = batch.handle, .id = id}});
    assert_int_equal (next (), DROVER_EVENT_OPENED);
}

static int begin (bool with_state)
{
    durable = with_state;
    now = 1000 * SECOND;
    seq = acked = 0;
    store_init (&store, NULL, 1 << 20, 16 << 20);
    core_init (&core, &config, &store, now);
    welcome (1, 5, false);
    assert_int_equal (next (), DROVER_EVENT_CONNECTED);
    open_batch (0, 3);
    return 0;
}

int setup (void **state)
{
    (void)state;
    return begin (false);
}

int setup_durable (void **state)
{
    (void)state;
    return begin (true);
}

int teardown (void **state)
{
    (void)state;
    core_forget (&core, &batch);
    core_fini (&core);
    store_fini (&store);
    return 0;
}

void all_acknowledged (void)
{
    core_flush (&core);
    acknowledge_all ();
    opened (7);
}

void connected (void)
{
    assert_int_equal (next (), DROVER_EVENT_CONNECTED);
}

void expect_broken (const char *why)
{
    unsigned lost = 0;
    int kind;
    while ((kind = next ()) == DROVER_EVENT_RESULT)
        lost += event->result->how == DROVER_BROKER_LOST;
    assert_int_equal (kind, DROVER_EVENT_END);
    assert_int_equal (event->end->state, DROVER_BATCH_BROKEN);
    assert_non_null (strstr (event->end->reason, why));
    assert_int_equal (lost, event->end->broker_lost);
}

uint64_t ask (struct wire w, uint64_t handle)
{
    uint64_t ref = core_ask (&core, &w, handle, NULL);
    assert_true (ref);
    return ref;
}
