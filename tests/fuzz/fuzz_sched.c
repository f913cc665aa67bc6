/* Any bytes as what four peers say to the scheduler, with all their numbers in order: proper small
 * batches, proper outcomes, and every kind of message with every field at its extremes, between
 * reconnects, lost connections and time that passes. After each turn all invariants hold; when all
 * peers have been away long enough, nothing of them is left; and the records that were written
 * rebuild a scheduler of which the same is true. */
#include <string.h>

#include "broker/core/sched.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/wire/chan.h"
#include "common/wire/kinds.h"
#include "common/wire/outcome.h"
#include "common/wire/rows.h"
#include "tests/fuzz/fuzz.h"

enum { PEERS = 4, GRANTS = 64, RECORDS = 4096, ROWS_MAX = 20 };

struct held {
    uint64_t batch, first, count, attempt;
};

struct peer {
    uint64_t route, token, handle, chunk, rows;
    struct chan *chan;
    enum wire_role role;
};

struct fuzz {
    const uint8_t *at, *end;
    struct sched_config cfg;
    struct sched *s;
    struct effects fx;
    int64_t now;
    uint64_t routes, last_id;
    struct peer peer[PEERS];
    struct held held[GRANTS]; /* a ring */
    unsigned n_held;
    struct wire_frames record[RECORDS];
    unsigned n_records;
    bool too_many; /* records: they are not replayed */
};

static uint8_t next (struct fuzz *z)
{
    return z->at < z->end ? *z->at++ : 0;
}

static void check (const struct sched *s)
{
    struct err e;
    if (sched_check (s, &e) == 0)
        return;
    fprintf (stderr, "%s\n", e.text);
    MUST (false);
}

/* --- what peers hear --- */

static void hear (struct fuzz *z, struct peer *p, const struct wire *w)
{
    if (w->kind == WIRE_WELCOME) {
        p->token = w->m.welcome.token;
        if (!w->m.welcome.resumed || chan_resume (p->chan, w->m.welcome.received) < 0) {
            chan_free (&p->chan);
            p->chan = chan_new (1000, 64 << 20);
        }
        return;
    }
    if (chan_accept (p->chan, w->seq, w->ack) != CHAN_NEW)
        return;
    if (w->kind == WIRE_OPENED)
        z->last_id = w->m.opened.id;
    if (w->kind == WIRE_GRANT)
        z->held[z->n_held++ % GRANTS] =
            (struct held){w->m.grant.batch, w->m.grant.first, w->m.grant.count, w->m.grant.attempt};
}

static struct peer *by_route (struct fuzz *z, uint64_t route)
{
    for (int i = 0; i < PEERS; i++)
        if (z->peer[i].route == route)
            return &z->peer[i];
    return NULL;
}

static void lose (struct fuzz *z, uint64_t route)
{
    struct sched_event ev = {.kind = EVENT_GONE, .route = route};
    sched_step (z->s, &ev, z->now, &z->fx);
}

/* What follows from a lost connection may be added while the list is walked. */
static void carry_out (struct fuzz *z)
{
    for (size_t i = 0; i < z->fx.n; i++) {
        struct effect *ef = &z->fx.at[i];
        struct wire w;
        if (ef->kind == EFFECT_RECORD) {
            if (z->n_records < RECORDS)
                z->record[z->n_records++] = wire_frames_keep (&ef->frames);
            else
                z->too_many = true;
        }
        if (ef->kind != EFFECT_SEND)
            continue;
        MUST (wire_decode (&w, &ef->frames, NULL, NULL) == 0);
        MUST (wire_may_send (SENDER_B, w.kind));
        struct peer *p = by_route (z, ef->route);
        if (p)
            hear (z, p, &w);
        else
            lose (z, ef->route);
        wire_fini (&w);
    }
    effects_clear (&z->fx);
}

static void end_turn (struct fuzz *z)
{
    sched_end_turn (z->s, z->now, &z->fx);
    sched_committed (z->s, sched_commit_number (z->s));
    sched_flush (z->s, z->now, &z->fx);
    carry_out (z);
    check (z->s);
}

/* --- what they say --- */

static void step (struct fuzz *z, struct peer *p, const struct wire *w)
{
    struct wire_frames f;
    struct wire heard;
    if (wire_encode (w, &f, NULL) < 0)
        return;
    wire_stamp (&f, w->seq, chan_ack_number (p->chan));
    MUST (wire_decode (&heard, &f, NULL, NULL) == 0);
    struct sched_event ev = {.kind = EVENT_MESSAGE, .route = p->route, .message = &heard};
    sched_step (z->s, &ev, z->now, &z->fx);
    wire_fini (&heard);
    wire_frames_fini (&f);
}

static void say (struct fuzz *z, struct peer *p, const struct wire *w)
{
    struct wire_frames f;
    if (!wire_numbered (w->kind)) {
        step (z, p, w);
        return;
    }
    if (wire_encode (w, &f, NULL) < 0)
        return;
    chan_post_take (p->chan, LANE_CONTROL, &f, 0);
    while (chan_next (p->chan, &f)) {
        struct wire heard;
        MUST (wire_decode (&heard, &f, NULL, NULL) == 0);
        struct sched_event ev = {.kind = EVENT_MESSAGE, .route = p->route, .message = &heard};
        sched_step (z->s, &ev, z->now, &z->fx);
        wire_fini (&heard);
        wire_frames_fini (&f);
    }
}

static void hello (struct fuzz *z, struct peer *p, uint8_t how)
{
    static const char *const NAMES[] = {"a", "b", "a#2", ""};
    struct wire w = {.kind = WIRE_HELLO};
    struct msg_hello *m = &w.m.hello;
    struct buf names;
    buf_init (&names, 1 << 10);
    row_begin (&names, 1);
    row_value (&names, bytes_str ("f"));
    if (how & 1)
        p->role = how & 2 ? ROLE_WORKER : ROLE_CLIENT;
    *m = (struct msg_hello){.min_major = WIRE_MAJOR, .max_major = WIRE_MAJOR, .role = p->role};
    m->features = how & 4 ? FEATURE_COMMANDS : 0;
    m->slots = how & 8 ? 3 : 1000000;
    m->name = bytes_str (NAMES[how >> 4 & 3]);
    m->token = how & 64 ? p->token : 0;
    m->received = m->token ? chan_received (p->chan) : 0;
    if ((how & 192) == 192)
        m->token = m->replaces = z->peer[how % PEERS].token;
    w.body[0] = buf_take_slice (&names);
    if (how & 32)
        p->route = ++z->routes;
    p->handle = 0;
    step (z, p, &w);
    carry_out (z);
    slice_fini (&w.body[0]);
}

static struct slice some_rows (uint64_t count)
{
    struct buf b;
    buf_init (&b, 1 << 10);
    for (uint64_t i = 0; i < count; i++) {
        row_begin (&b, 1);
        row_value (&b, bytes_str ("v"));
    }
    return buf_take_slice (&b);
}

static void open_batch (struct fuzz *z, struct peer *p, uint8_t how)
{
    static const uint64_t JOBS[] = {0, 1, 2, 7};
    struct wire w = {.kind = WIRE_OPEN};
    p->chunk = p->rows = 0;
    w.m.open.batch = ++p->handle;
    w.m.open.flags = how & 31;
    w.m.open.jobs = JOBS[how >> 5 & 3];
    w.m.open.key = bytes_of ("key", how & 128 ? 3 : 0);
    say (z, p, &w);
    w = (struct wire){.kind = WIRE_SPEC};
    w.m.spec.batch = p->handle;
    w.m.spec.form = FORM_FUNCTION;
    w.m.spec.cpus = how % 3;
    w.body[0] = slice_borrowed ("f", 1);
    say (z, p, &w);
}

static void add_rows (struct fuzz *z, struct peer *p, uint8_t how)
{
    struct wire w = {.kind = WIRE_ROWS};
    uint64_t count = how % (ROWS_MAX + 1);
    w.m.rows.batch = p->handle;
    w.m.rows.chunk = p->chunk++;
    w.m.rows.first = p->rows;
    w.m.rows.count = how & 128 ? 1 : count;
    p->rows += w.m.rows.count;
    if (how & 128) { /* in parts, of which the last may be missing */
        w.m.rows.total = 6;
        for (; w.m.rows.offset < (how & 64 ? 6 : 3); w.m.rows.offset += 3) {
            w.body[0] = slice_borrowed ("\x91\xc4\x03vvv" + w.m.rows.offset, 3);
            say (z, p, &w);
            w.m.rows.chunk = p->chunk++;
        }
        p->chunk--;
        return;
    }
    w.body[0] = some_rows (count);
    say (z, p, &w);
    slice_fini (&w.body[0]);
}

static void close_batch (struct fuzz *z, struct peer *p, uint8_t how)
{
    struct wire w = {.kind = WIRE_CLOSE};
    w.m.close.batch = p->handle;
    w.m.close.total = p->rows + (how == 7);
    say (z, p, &w);
}

static void answer (struct fuzz *z, struct peer *p, uint8_t which, uint8_t how)
{
    struct held *h = &z->held[which % GRANTS];
    struct wire w = {.kind = WIRE_RESULTS};
    if (how % 5 == 0) {
        w.kind = WIRE_RETURNED;
        w.m.returned = (struct msg_returned){.batch = h->batch, .first = h->first, .last = how & 1};
        w.m.returned.count = how & 64 ? h->count : 1;
        say (z, p, &w);
        return;
    }
    if (how % 5 == 1) {
        w.kind = WIRE_OUTPUT;
        w.m.output = (struct msg_output){.batch = h->batch, .row = h->first, .attempt = h->attempt};
        w.body[0] = slice_borrowed ("output", 6);
        say (z, p, &w);
        return;
    }
    struct buf b;
    buf_init (&b, 1 << 16);
    uint64_t n = how & 128 || !h->count ? 1 : h->count % 64;
    for (uint64_t i = 0; i < n; i++) {
        struct outcome o = {.row = h->first + i,
                            .attempt = (unsigned)h->attempt,
                            .how = (enum outcome_how) (how >> 3 & 3),
                            .wall_us = how & 32 ? UINT64_MAX : 1};
        outcome_pack (&b, &o);
    }
    w.m.results.batch = h->batch;
    w.m.results.count = n;
    w.body[0] = buf_take_slice (&b);
    say (z, p, &w);
    slice_fini (&w.body[0]);
}

static uint64_t number (struct fuzz *z, struct peer *p, const struct wire_field *f, uint8_t x)
{
    const uint64_t values[] = {0,
                               1,
                               2,
                               3,
                               p->handle,
                               z->last_id,
                               f->greatest,
                               f->greatest - 1,
                               p->rows,
                               1u << 31,
                               UINT64_MAX / 2,
                               x >> 4};
    uint64_t v = values[x % (sizeof values / sizeof *values)];
    return v > f->greatest ? f->greatest : v;
}

/* A message of any kind that decodes. */
static void anything (struct fuzz *z, struct peer *p, uint8_t kind)
{
    struct wire w = {.kind = (enum wire_kind)kind};
    const struct wire_kind_info *k = wire_kind_info (kind);
    static const char TEXT[] = "a\0key\x1b[2J";
    if (!k || kind == WIRE_HELLO)
        return;
    for (unsigned i = 0; i < k->fields; i++) {
        const struct wire_field *f = &k->field[i];
        void *to = (char *)&w.m + f->offset;
        uint8_t x = next (z);
        if (f->text)
            *(struct bytes *)to = bytes_of (TEXT, x % sizeof TEXT);
        else
            *(uint64_t *)to = number (z, p, f, x);
    }
    for (unsigned i = 0; i < k->bodies; i++) {
        uint8_t x = next (z);
        w.body[i] = x & 1 ? some_rows (x % 8) : slice_borrowed (TEXT, x % sizeof TEXT);
    }
    say (z, p, &w);
    for (unsigned i = 0; i < k->bodies; i++)
        slice_fini (&w.body[i]);
}

static void pass (struct fuzz *z, int64_t us)
{
    z->now += us;
    struct sched_event ev = {.kind = EVENT_TICK, .read_to_us = z->now};
    sched_step (z->s, &ev, z->now, &z->fx);
    end_turn (z);
}

static void gone (struct fuzz *z, struct peer *p)
{
    lose (z, p->route);
    p->route = ++z->routes;
}

static void one (struct fuzz *z)
{
    static const int64_t TIMES[] = {1000, 10000, 300000, 3000000, 7000000, 11000000};
    uint8_t op = next (z);
    uint8_t how = next (z);
    struct peer *p = &z->peer[op >> 4 & 3];
    switch (op & 15) {
    case 0:
        hello (z, p, how);
        return;
    case 1:
        gone (z, p);
        return;
    case 2:
        pass (z, TIMES[how % 6]);
        return;
    case 3:
    case 4:
        open_batch (z, p, how);
        return;
    case 5:
    case 6:
        add_rows (z, p, how);
        return;
    case 7:
        close_batch (z, p, how);
        return;
    case 8:
    case 9:
    case 10:
        answer (z, p, next (z), how);
        return;
    case 11:
        end_turn (z);
        return;
    default:
        anything (z, p, how);
    }
}

static void must_be_the_same (const struct sched *one, const struct sched *other)
{
    struct buf a, b;
    buf_init (&a, SIZE_MAX);
    buf_init (&b, SIZE_MAX);
    sched_dump (one, &a);
    sched_dump (other, &b);
    if (a.len != b.len || memcmp (a.bytes, b.bytes, a.len) != 0) {
        fprintf (stderr, "--- lived\n%.*s--- replayed\n%.*s", (int)a.len, (char *)a.bytes,
                 (int)b.len, (char *)b.bytes);
        MUST (false);
    }
    buf_fini (&a);
    buf_fini (&b);
}

static void replay (struct fuzz *z)
{
    struct err e;
    struct wire w;
    struct sched *s = sched_new (&z->cfg);
    for (unsigned i = 0; i < z->n_records; i++) {
        MUST (wire_decode (&w, &z->record[i], NULL, &e) == 0);
        if (sched_replay (s, &w, &e) < 0) {
            fprintf (stderr, "record %u, %s: %s\n", i, wire_name (w.kind), e.text);
            MUST (false);
        }
        wire_fini (&w);
    }
    check (s);
    must_be_the_same (z->s, s);
    sched_free (&s);
}

static void begin (struct fuzz *z, uint8_t how)
{
    sched_config_defaults (&z->cfg);
    z->cfg.seed = 1;
    z->cfg.records = how & 1;
    if (how & 2)
        z->cfg.queue_bytes = z->cfg.result_bytes = z->cfg.overflow_bytes = 2000;
    z->now = 1000 * (int64_t)US_PER_S;
    z->s = sched_new (&z->cfg);
    for (int i = 0; i < PEERS; i++) {
        struct peer *p = &z->peer[i];
        p->route = ++z->routes;
        p->role = i & 1 ? ROLE_WORKER : ROLE_CLIENT;
        p->chan = chan_new (1000, 64 << 20);
        hello (z, p, 0);
    }
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static struct fuzz clean;
    struct fuzz *z = malloc (sizeof *z);
    MUST (z);
    *z = clean;
    z->at = data;
    z->end = data + size;
    begin (z, next (z));
    while (z->at < z->end)
        one (z);
    end_turn (z);
    for (int i = 0; i < PEERS; i++)
        gone (z, &z->peer[i]);
    for (int i = 0; i < 12; i++)
        pass (z, 5 * (int64_t)US_PER_S);
    struct sched_figures f = sched_figures (z->s);
    MUST (f.clients == 0 && f.workers == 0 && f.granted == 0);
    if (z->cfg.records && !z->too_many)
        replay (z);
    for (unsigned i = 0; i < z->n_records; i++)
        wire_frames_fini (&z->record[i]);
    for (int i = 0; i < PEERS; i++)
        chan_free (&z->peer[i].chan);
    effects_fini (&z->fx);
    sched_free (&z->s);
    free (z);
    return 0;
}
