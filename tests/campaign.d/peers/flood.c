/* flood: clients that submit more than the broker has room for, as fast as it lets them.
 *
 * Each has several batches on their way in at one time, so that some wait for the window and others
 * are told BUSY; those are said again, from OPEN on, when it is time. What comes back is compared
 * with what was submitted: each row once, done, with its own bytes. So a broker that loses, doubles
 * or mixes something under load is noticed here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/wire/outcome.h"
#include "common/wire/rows.h"
#include "tests/campaign.d/peers/roles.h"

enum {
    SAYING_MAX = 4, /* batches that one client is submitting at one time */
    CHUNK_ROWS = 1000,
    CHUNK_BYTES = 128 << 10,
    ROW_BYTES_MAX = 64 << 10,
    WAIT_MS = 10,
};

static const char FUNCTION[] = "drover:echo";

struct batch {
    TAILQ_ENTRY (batch) link;
    uint64_t handle;
    uint64_t rows;
    uint64_t said; /* rows that were queued */
    uint64_t chunks;
    uint64_t came;    /* outcomes */
    int64_t again_at; /* the broker is busy: all of it is said again then; 0: it is not */
    unsigned broken;  /* ENDs that are still to come for that */
    bool open;        /* OPEN was said */
    bool closed;      /* CLOSE was said */
    uint8_t *seen;    /* a bit a row */
};

struct client {
    const struct role_options *o;
    struct peer *peer;
    TAILQ_HEAD (, batch) batches;
    unsigned saying; /* of them, not closed */
    uint64_t left;   /* rows of batches that were not begun */
    uint64_t unfinished;
    uint64_t handles;
    struct figures *sum;
};

struct figures {
    uint64_t opens, opened, busy, shut, rows;
};

/* Of any row, told by its batch and number. */
static struct bytes row_text (const struct client *c, uint64_t handle, uint64_t row, char *text)
{
    size_t len = c->o->bytes;
    int n = snprintf (text, 40, "%08" PRIx64 "%08" PRIx64, handle, row);
    if (len > (size_t)n)
        memset (text + n, 'x', len - (size_t)n);
    return bytes_of (text, len);
}

static void say_open (struct client *c, struct batch *b)
{
    struct wire open = {.kind = WIRE_OPEN, .m.open = {.batch = b->handle}};
    struct wire spec = {
        .kind = WIRE_SPEC,
        .m.spec = {.batch = b->handle, .form = FORM_FUNCTION, .cpus = 1},
    };
    spec.body[0] = slice_borrowed (FUNCTION, strlen (FUNCTION));
    peer_post (c->peer, LANE_CONTROL, &open);
    peer_post (c->peer, LANE_BULK, &spec);
    b->open = true;
    c->sum->opens++;
}

static void say_close (struct client *c, struct batch *b)
{
    struct wire w = {.kind = WIRE_CLOSE, .m.close = {.batch = b->handle, .total = b->rows}};
    peer_post (c->peer, LANE_BULK, &w); /* behind its rows */
    b->closed = true;
    c->saying--;
}

static void say_chunk (struct client *c, struct batch *b)
{
    char text[ROW_BYTES_MAX + 40];
    struct buf rows;
    struct wire w = {
        .kind = WIRE_ROWS,
        .m.rows = {.batch = b->handle, .chunk = b->chunks++, .first = b->said},
    };
    buf_init (&rows, WIRE_FRAME_MAX);
    while (b->said < b->rows && w.m.rows.count < CHUNK_ROWS && rows.len < CHUNK_BYTES) {
        row_begin (&rows, 1);
        row_value (&rows, row_text (c, b->handle, b->said, text));
        b->said++;
        w.m.rows.count++;
    }
    w.body[0] = buf_take_slice (&rows);
    peer_post (c->peer, LANE_BULK, &w);
    slice_fini (&w.body[0]);
    if (b->said == b->rows)
        say_close (c, b);
}

static void begin_batch (struct client *c)
{
    struct batch *b = mem_zalloc (sizeof *b);
    b->handle = ++c->handles;
    b->rows = c->left < c->o->rows ? c->left : c->o->rows;
    b->seen = mem_zalloc (b->rows / 8 + 1);
    c->left -= b->rows;
    c->unfinished += b->rows;
    c->saying++;
    TAILQ_INSERT_TAIL (&c->batches, b, link);
    say_open (c, b);
}

static bool may_begin (const struct client *c)
{
    return c->left && c->saying < SAYING_MAX && (!c->o->ahead || c->unfinished < c->o->ahead);
}

static struct batch *find (struct client *c, uint64_t handle)
{
    struct batch *b;
    TAILQ_FOREACH (b, &c->batches, link)
        if (b->handle == handle)
            return b;
    peer_fail ("the broker speaks of batch %" PRIu64 ", which is none", handle);
}

/* What is queued about a batch of which the broker takes nothing now. */
static bool is_about (void *arg, const struct wire_frames *f)
{
    const struct batch *b = arg;
    struct wire w;
    if (wire_decode (&w, f, NULL, NULL) != 0)
        return false;
    bool about = (w.kind == WIRE_OPEN && w.m.open.batch == b->handle) ||
                 (w.kind == WIRE_SPEC && w.m.spec.batch == b->handle) ||
                 (w.kind == WIRE_ROWS && w.m.rows.batch == b->handle) ||
                 (w.kind == WIRE_CLOSE && w.m.close.batch == b->handle);
    wire_fini (&w);
    return about;
}

static void on_busy (struct client *c, const struct msg_error *m, int64_t now)
{
    struct batch *b = find (c, m->ref);
    c->sum->busy++;
    if (!m->retry_ms)
        peer_fail ("BUSY does not say when to come again");
    chan_sift (c->peer->chan, is_about, b);
    b->again_at = now + (int64_t)m->retry_ms * US_PER_MS / 1000 * (500 + randof (1000));
    b->broken++;
    b->said = b->chunks = 0;
    b->open = false;
    if (b->closed)
        c->saying++;
    b->closed = false;
}

static void on_results (struct client *c, const struct wire *w)
{
    char text[ROW_BYTES_MAX + 40];
    struct batch *b = find (c, w->m.results.batch);
    struct bytes body = bytes_of (w->body[0].ptr, w->body[0].len);
    struct outcome o;
    size_t at = 0;
    while (outcome_read (body, &at, &o) == 1) {
        if (o.row >= b->rows || b->seen[o.row / 8] & 1u << o.row % 8)
            peer_fail ("row %" PRIu64 " of batch %" PRIu64 " came twice, or is none", o.row,
                       b->handle);
        if (o.how != OUTCOME_DONE || !bytes_equal (o.out, row_text (c, b->handle, o.row, text)))
            peer_fail ("row %" PRIu64 " of batch %" PRIu64 " is %s, and %zu bytes: %.*s", o.row,
                       b->handle, outcome_name (o.how), o.out.len, (int)o.reason.len,
                       (const char *)o.reason.ptr);
        b->seen[o.row / 8] |= (uint8_t)(1u << o.row % 8);
        b->came++;
        c->sum->rows++;
        c->unfinished--;
    }
}

static void on_end (struct client *c, const struct msg_end *m)
{
    struct batch *b = find (c, m->batch);
    if (m->state == BATCH_BROKEN && b->broken) {
        b->broken--;
        return;
    }
    if (m->state != BATCH_FINISHED || m->done != b->rows || b->came != b->rows)
        peer_fail ("batch %" PRIu64 " ended in state %" PRIu64 " with %" PRIu64 " of %" PRIu64
                   " rows: %.*s",
                   b->handle, m->state, b->came, b->rows, (int)m->reason.len,
                   (const char *)m->reason.ptr);
    TAILQ_REMOVE (&c->batches, b, link);
    free (b->seen);
    free (b);
}

static void told (struct peer *p, const struct wire *w, int64_t now)
{
    struct client *c = p->data;
    switch (w->kind) {
    case WIRE_OPENED:
        c->sum->opened++;
        return;
    case WIRE_ACK:
        c->sum->shut += w->m.ack.window_bytes == 0;
        return;
    case WIRE_RESULTS:
        on_results (c, w);
        return;
    case WIRE_END:
        on_end (c, &w->m.end);
        return;
    case WIRE_ERROR:
        if (w->m.error.code != WIRE_BUSY || w->m.error.kind != WIRE_OPEN)
            peer_fail ("%s is answered with error %" PRIu64 ": %.*s",
                       wire_name ((unsigned)w->m.error.kind), w->m.error.code,
                       (int)w->m.error.text.len, (const char *)w->m.error.text.ptr);
        on_busy (c, &w->m.error, now);
        return;
    default:
        return;
    }
}

static void welcomed (struct peer *p, const struct msg_welcome *m, int64_t now)
{
    struct client *c = p->data;
    (void)now;
    if (m->resumed == 0 && c->handles)
        peer_fail ("the broker lost a session, with what was submitted");
}

static void tick (struct peer *p, int64_t now)
{
    struct client *c = p->data;
    struct batch *b;
    c->peer = p;
    if (!p->present)
        return;
    while (may_begin (c))
        begin_batch (c);
    TAILQ_FOREACH (b, &c->batches, link) {
        if (b->again_at && now >= b->again_at) {
            b->again_at = 0;
            say_open (c, b);
        }
        while (b->open && !b->closed && chan_wants_bulk (p->chan))
            say_chunk (c, b);
    }
    p->over = !c->left && TAILQ_EMPTY (&c->batches);
}

int role_flood (const struct role_options *o)
{
    const struct peer_config config = {
        .url = o->url, .role = ROLE_CLIENT, .welcomed = welcomed, .told = told, .tick = tick};
    struct client *clients = mem_zalloc (o->peers * sizeof *clients);
    struct figures sum = {0};
    struct crowd c;
    if (o->bytes < 16 || o->bytes > ROW_BYTES_MAX || !o->rows || !o->peers)
        peer_fail ("flood needs bytes=16 to %d, rows, and peers", ROW_BYTES_MAX);
    for (uint64_t i = 0; i < o->peers; i++) {
        clients[i] = (struct client){
            .o = o,
            .left = o->tasks / o->peers + (i < o->tasks % o->peers),
            .sum = &sum,
        };
        TAILQ_INIT (&clients[i].batches);
    }
    crowd_init (&c);
    crowd_add (&c, &config, (unsigned)o->peers, clients, sizeof *clients);
    int64_t began = clock_mono_us ();
    while (!role_stopped (o) && crowd_over (&c) < c.count)
        crowd_turn (&c, WAIT_MS);
    int64_t us = clock_mono_us () - began;
    printf ("rows=%" PRIu64 " ms=%" PRId64 " rate=%" PRIu64 " opens=%" PRIu64 " opened=%" PRIu64
            " busy=%" PRIu64 " shut=%" PRIu64 "\n",
            sum.rows, us / US_PER_MS, sum.rows * US_PER_S / (uint64_t)(us + 1), sum.opens,
            sum.opened, sum.busy, sum.shut);
    bool all = sum.rows == o->tasks && sum.opens == sum.opened + sum.busy;
    crowd_fini (&c);
    free (clients);
    return all ? 0 : 1;
}
