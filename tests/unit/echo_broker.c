#include "tests/unit/echo_broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/wire/outcome.h"
#include "common/wire/rows.h"
#include "common/wire/wire.h"

enum { RELEASE = 'r', LEAVE = 'l' };

char echo_dir[] = "/tmp/drover-test-XXXXXX";
char echo_url[100];
struct echo_broker broker;
drover_t *h;
drover_error_t error;

static void say (struct echo_broker *b, struct wire w)
{
    struct wire_frames f;
    if (wire_numbered (w.kind))
        w.seq = ++b->sent;
    w.ack = b->received;
    if (wire_encode (&w, &f, NULL) != 0)
        abort ();
    if (link_send (b->link, b->route, &f) != 0) {
        if (errno != EHOSTUNREACH) /* a client may leave without waiting for answers */
            abort ();
        wire_frames_fini (&f);
    }
}

static void on_hello (struct echo_broker *b, const struct msg_hello *m)
{
    struct wire w = {.kind = WIRE_WELCOME};
    b->forget = false;
    if (!m->token)
        b->sent = b->received = 0;
    w.m.welcome.major = WIRE_MAJOR;
    w.m.welcome.broker = 1;
    w.m.welcome.resumed = m->token != 0;
    w.m.welcome.token = 7;
    w.m.welcome.received = b->received;
    w.m.welcome.window_msgs = 1000;
    w.m.welcome.window_bytes = 4 << 20;
    say (b, w);
}

static struct echo_batch *batch_of (struct echo_broker *b, uint64_t handle)
{
    for (unsigned i = 0; i < ECHO_BATCHES; i++)
        if (b->batches[i].handle == handle || !b->batches[i].handle) {
            b->batches[i].handle = handle;
            return &b->batches[i];
        }
    abort ();
}

static void end_if_over (struct echo_broker *b, struct echo_batch *of)
{
    if (!of->closed || of->ended || of->held)
        return;
    struct wire w = {.kind = WIRE_END };
    of->ended = true;
    w.m.end.batch = of->handle;
    w.m.end.state = of->cancelled ? BATCH_CANCELLED : BATCH_FINISHED;
    w.m.end.reason = bytes_str (of->reason);
    w.m.end.total = of->total;
    w.m.end.done = of->cancelled ? 0 : of->total;
    say (b, w);
}

static void send_results (struct echo_broker *b, struct echo_batch *of, struct buf *body,
                          uint64_t count)
{
    struct wire r = {.kind = WIRE_RESULTS};
    r.m.results.batch = of->handle;
    r.m.results.record = ++of->record;
    r.m.results.count = count;
    r.m.results.worker = bytes_str ("w1");
    r.m.results.host = bytes_str ("h1");
    r.body[0] = slice_borrowed (body->bytes, body->len);
    if (count)
        say (b, r);
    else
        of->record--;
}

static bool begins (struct bytes value, const char *with)
{
    return value.len >= strlen (with) && memcmp (value.ptr, with, strlen (with)) == 0;
}

/* Each row is answered with its first value. */
static void on_rows (struct echo_broker *b, const struct wire *w)
{
    struct buf body;
    struct echo_batch *of = batch_of (b, w->m.rows.batch);
    struct bytes in = bytes_of (w->body[0].ptr, w->body[0].len);
    uint64_t row = w->m.rows.first, count = 0;
    struct bytes value = {NULL, 0};
    size_t at = 0;
    buf_init (&body, 8 << 20);
    for (; row_read (in, &at, &value, 1) >= 0; row++, value = bytes_of (NULL, 0)) {
        struct outcome o = {.row = row, .attempt = 1, .out = value};
        if (begins (value, "hold")) {
            if (b->n_held == ECHO_HELD)
                abort ();
            b->held[b->n_held++] = (struct echo_held){of->handle, row};
            of->held++;
            continue;
        }
        if (begins (value, "fail")) {
            o.how = OUTCOME_FAILED;
            o.status = 3;
        }
        if (begins (value, "cut"))
            o.out_bytes = value.len + 1000;
        outcome_pack (&body, &o);
        count++;
    }
    b->rows += w->m.rows.count; /* before the client can know of it */
    of->rows += w->m.rows.count;
    send_results (b, of, &body, count);
    buf_fini (&body);
}

/* Rows that are held end so. */
static void end_held (struct echo_broker *b, const struct msg_cancel *m)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < b->n_held; i++) {
        struct echo_held *held = &b->held[i];
        struct echo_batch *of = batch_of (b, held->batch);
        struct buf body;
        if (m && (m->batch != held->batch ||
                  (m->count && (held->row < m->first || held->row >= m->first + m->count)))) {
            b->held[kept++] = *held;
            continue;
        }
        struct outcome o = {.row = held->row, .attempt = 1};
        if (m) {
            o.how = OUTCOME_CANCELLED;
            o.reason = m->reason;
        }
        buf_init (&body, 1000);
        outcome_pack (&body, &o);
        of->held--;
        send_results (b, of, &body, 1);
        buf_fini (&body);
        end_if_over (b, of);
    }
    b->n_held = kept;
}

static void cancel_all (struct echo_batch *of, const struct msg_cancel *m)
{
    of->closed = of->cancelled = true;
    of->total = of->rows;
    snprintf (of->reason, sizeof of->reason, "%.*s", (int)m->reason.len,
              (const char *)m->reason.ptr);
}

static void on_cancel (struct echo_broker *b, const struct msg_cancel *m)
{
    b->cancels++;
    if (b->refusals > 0) {
        b->refusals--;
        say (b,
             (struct wire){.kind = WIRE_REPLY, .m.reply = {.ref = m->ref, .code = WIRE_STORAGE}});
        return;
    }
    struct echo_batch *of = batch_of (b, m->batch);
    if (!m->count)
        cancel_all (of, m);
    end_held (b, m);
    end_if_over (b, of);
    say (b, (struct wire){.kind = WIRE_REPLY, .m.reply = {.ref = m->ref}});
}

static void on_query (struct echo_broker *b, const struct msg_query *m)
{
    struct buf body;
    for (int more = 2; more >= 0; more--) {
        buf_init (&body, 1000);
        row_begin (&body, 2);
        row_value (&body, bytes_str ("more"));
        row_value (&body, bytes_str (more ? "1" : "0"));
        struct wire w = {.kind = WIRE_REPLY};
        w.m.reply = (struct msg_reply){.ref = m->ref, .more = more > 0, .count = 1, .value = 9};
        w.body[0] = slice_borrowed (body.bytes, body.len);
        say (b, w);
        buf_fini (&body);
    }
}

static void on_close (struct echo_broker *b, const struct msg_close *m)
{
    struct echo_batch *of = batch_of (b, m->batch);
    of->closed = true;
    of->total = m->total;
    end_if_over (b, of);
}

static void on_open (struct echo_broker *b, const struct msg_open *m)
{
    struct wire w = {.kind = WIRE_OPENED};
    b->opens++;
    w.m.opened.batch = m->batch;
    w.m.opened.id = 100 + m->batch;
    say (b, w);
}

static void on_known (struct echo_broker *b, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_HELLO:
        on_hello (b, &w->m.hello);
        break;
    case WIRE_OPEN:
        on_open (b, &w->m.open);
        break;
    case WIRE_SPEC:
        b->specs++;
        break;
    case WIRE_ROWS:
        on_rows (b, w);
        break;
    case WIRE_CLOSE:
        on_close (b, &w->m.close);
        break;
    case WIRE_CANCEL:
        on_cancel (b, &w->m.cancel);
        break;
    case WIRE_QUERY:
        on_query (b, &w->m.query);
        break;
    case WIRE_PING:
        say (b, (struct wire){.kind = WIRE_PONG, .m.pong = {.stamp = w->m.ping.stamp}});
        break;
    case WIRE_BYE:
        say (b, (struct wire){.kind = WIRE_BYE_OK});
        break;
    default:
        break;
    }
}

static void on_message (struct echo_broker *b, const struct wire *w)
{
    if (w->kind != WIRE_HELLO && b->forget) {
        say (b, (struct wire){.kind = WIRE_ERROR, .m.error = {.code = WIRE_NO_SESSION}});
        return;
    }
    if (w->seq && w->seq != b->received + 1)
        return;
    if (w->seq)
        b->received = w->seq;
    if (b->dumb)
        return;
    on_known (b, w);
    say (b, (struct wire){.kind = WIRE_ACK, .m.ack = {.window_bytes = 4 << 20}});
}

static void read_all (struct echo_broker *b)
{
    struct wire_frames f;
    uint64_t route;
    while (link_receive (b->link, &route, &f) == 1) {
        struct wire w;
        if (wire_decode (&w, &f, NULL, NULL) != 0)
            abort ();
        b->route = route;
        on_message (b, &w);
        wire_fini (&w);
        wire_frames_fini (&f);
    }
}

static void *serve (void *arg)
{
    struct echo_broker *b = arg;
    char byte;
    struct pollfd fds[3] = {
        {b->stop[0], POLLIN, 0}, {link_wait_fd (b->link), POLLIN, 0}, {b->release[0], POLLIN, 0}};
    for (;;) {
        read_all (b);
        if (link_readable (b->link))
            continue;
        poll (fds, 3, -1);
        if (fds[0].revents)
            return NULL;
        if (!fds[2].revents || read (b->release[0], &byte, 1) != 1)
            continue;
        if (byte == LEAVE)
            say (b, (struct wire){.kind = WIRE_BYE, .m.bye = {.code = WIRE_STOPPING}});
        else
            end_held (b, NULL);
    }
}

static void order (char what)
{
    assert_int_equal (write (broker.release[1], &what, 1), 1);
}

void echo_release (void)
{
    assert_int_equal (drover_sync (h, PATIENCE_MS, &error), 0);
    assert_int_equal (drover_ping (h, PATIENCE_MS, NULL, &error), 0); /* it has read it all */
    order (RELEASE);
}

void echo_leave (void)
{
    order (LEAVE);
}

void echo_stop (void)
{
    if (!broker.link)
        return;
    close (broker.stop[1]);
    pthread_join (broker.thread, NULL);
    close (broker.stop[0]);
    close (broker.release[0]);
    close (broker.release[1]);
    link_close (&broker.link, 0);
}

int echo_setup (void **state)
{
    (void)state;
    strcpy (echo_dir, "/tmp/drover-test-XXXXXX");
    assert_non_null (mkdtemp (echo_dir));
    snprintf (echo_url, sizeof echo_url, "ipc://%s/s", echo_dir);
    memset (&broker, 0, sizeof broker);
    broker.link = link_listen (echo_url, -1, 0, NULL);
    assert_non_null (broker.link);
    assert_int_equal (pipe (broker.stop), 0);
    assert_int_equal (pipe (broker.release), 0);
    assert_int_equal (pthread_create (&broker.thread, NULL, serve, &broker), 0);
    drover_options_t o = {.broker = echo_url, .name = "test"};
    h = drover_open (&o, &error);
    assert_non_null (h);
    return 0;
}

int echo_teardown (void **state)
{
    (void)state;
    drover_close (&h);
    echo_stop ();
    assert_int_equal (rmdir (echo_dir), 0);
    return 0;
}

drover_spec_t *echo_spec (void)
{
    return drover_spec_new_function ("drover:echo");
}
