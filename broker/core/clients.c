/* Clients: what a client says about batches. One handler a kind; whatever is refused is said in a
 * message that is not lost: END for a batch, REPLY for a request. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

struct said { /* a message in hand */
    struct sched *s;
    struct session *se;
    struct client *c;
    const struct wire *w;
    int64_t now;
    struct effects *fx;
};

enum {
    ASKED_MAX = 4096,
    WATCHERS_MAX = 1024, /* of one batch: each of its results goes to all of them */
};

static const char FULL[] = "busy: the broker holds more than it has room for";

struct client *client_new (struct sched *s, struct session *se)
{
    struct client *c = mem_zalloc (sizeof *c);
    c->session = se;
    TAILQ_INIT (&c->ready);
    LIST_INIT (&c->waiters);
    LIST_INIT (&c->owned);
    s->n_clients++;
    return c;
}

struct sub *client_sub (struct client *c, uint64_t handle)
{
    struct sub *sub = NULL;
    HASH_FIND (hh, c->subs, &handle, sizeof handle, sub);
    return sub;
}

bool client_asks_too_much (const struct client *c)
{
    return c->n_asked >= ASKED_MAX;
}

bool client_is_halfway (const struct client *c)
{
    const struct batch *b;
    LIST_FOREACH (b, &c->owned, owned_link)
        if (!b->ended && chunk_half (b))
            return true;
    return false;
}

void reply (struct sched *s, struct client *c, uint64_t ref, enum wire_code code, uint64_t value,
            const char *text)
{
    struct wire w = {.kind = WIRE_REPLY};
    w.m.reply.ref = ref;
    w.m.reply.code = code;
    w.m.reply.value = value;
    w.m.reply.text = bytes_str (text);
    session_post (s, c->session, &w);
}

/* An end that comes before its time. */
static void broken (const struct said *m, uint64_t handle, const char *why)
{
    struct wire w = {.kind = WIRE_END };
    w.m.end.batch = handle;
    w.m.end.state = BATCH_BROKEN;
    w.m.end.reason = bytes_str (why);
    session_post (m->s, m->se, &w);
    effect_log (m->fx, LOG_INFO, "refused client=%s kind=%s why=\"%s\"", m->se->name,
                wire_name (m->w->kind), why);
}

static void opened (const struct said *m, struct sub *sub)
{
    struct wire w = {.kind = WIRE_OPENED};
    w.m.opened.batch = sub->handle;
    w.m.opened.id = sub->batch->id;
    session_post (m->s, m->se, &w);
}

static void handle_in_use (const struct said *m, uint64_t handle)
{
    session_error (m->s, m->se, WIRE_CONFLICT, m->w->kind, handle, m->fx,
                   "handle %" PRIu64 " is in use", handle);
}

static void on_open (const struct said *m)
{
    const struct msg_open *o = &m->w->m.open;
    if (client_sub (m->c, o->batch)) {
        handle_in_use (m, o->batch);
        return;
    }
    struct batch *b = batch_by_key (m->s, o->key);
    if (!b && is_crammed (m->s)) {
        broken (m, o->batch, FULL);
        return;
    }
    if (!b)
        b = batch_open (m->s, m->c, m->w, m->now, m->fx);
    struct sub *sub = sub_new (m->c, b, o->batch, 0);
    sub->owner = true;
    if (!b->owner)
        b->owner = sub;
    opened (m, sub);
    sub_pump_later (m->s, sub);
}

/* The batch a client is submitting to; NULL, and said, where it is none of its own. */
static struct batch *own_batch (const struct said *m, uint64_t handle)
{
    struct sub *sub = client_sub (m->c, handle);
    if (sub && sub->owner)
        return sub->batch;
    if (ranges_has (&m->c->over, handle))
        return NULL; /* said before it could hear of the end */
    session_error (m->s, m->se, WIRE_UNKNOWN, m->w->kind, handle, m->fx,
                   "handle %" PRIu64 " is no batch that was opened here", handle);
    return NULL;
}

/* What a client submits must fit together, and there must be room for it; where that is not so, the
 * batch cannot go on. */
static void break_batch (const struct said *m, struct batch *b, uint64_t handle,
                         enum wire_code code, const char *why)
{
    struct msg_cancel c = {.reason = bytes_str (why)};
    session_error (m->s, m->se, code, m->w->kind, handle, m->fx, "%s", why);
    batch_cancel (m->s, b, &c, m->now, m->fx);
}

/* Who minds the window never gets here. */
static bool has_room (const struct said *m, struct batch *b, uint64_t handle)
{
    if (!is_crammed (m->s) || b->ended || b->cancelled)
        return true;
    break_batch (m, b, handle, WIRE_BUSY, FULL);
    return false;
}

static void on_spec (const struct said *m)
{
    struct err e;
    struct batch *b = own_batch (m, m->w->m.spec.batch);
    if (b && has_room (m, b, m->w->m.spec.batch) && batch_spec (m->s, b, m->w, m->fx, &e) < 0)
        break_batch (m, b, m->w->m.spec.batch, WIRE_MALFORMED, e.text);
}

static void on_rows (const struct said *m)
{
    struct err e;
    struct batch *b = own_batch (m, m->w->m.rows.batch);
    if (b && has_room (m, b, m->w->m.rows.batch) && batch_rows (m->s, b, m->w, m->fx, &e) < 0)
        break_batch (m, b, m->w->m.rows.batch, WIRE_MALFORMED, e.text);
}

static void on_close (const struct said *m)
{
    struct err e;
    struct batch *b = own_batch (m, m->w->m.close.batch);
    if (!b)
        return;
    if (batch_close (m->s, b, m->w->m.close.total, m->fx, &e) < 0)
        break_batch (m, b, m->w->m.close.batch, WIRE_MALFORMED, e.text);
    else
        batch_progress (m->s, b, m->now);
}

static void on_attach (const struct said *m)
{
    const struct msg_attach *a = &m->w->m.attach;
    char why[64];
    struct batch *b = batch_find (m->s, a->id);
    if (client_sub (m->c, a->batch)) {
        handle_in_use (m, a->batch);
        return;
    }
    if (!b) {
        snprintf (why, sizeof why, "there is no batch %" PRIu64, a->id);
        broken (m, a->batch, why);
        return;
    }
    if (b->n_subs >= WATCHERS_MAX) {
        snprintf (why, sizeof why, "busy: %u look at batch %" PRIu64 " already", b->n_subs, a->id);
        broken (m, a->batch, why);
        return;
    }
    struct sub *sub = sub_new (m->c, b, a->batch, a->record);
    sub->follow = a->follow;
    opened (m, sub);
    sub_pump_later (m->s, sub);
}

static void on_detach (const struct said *m)
{
    struct sub *sub = client_sub (m->c, m->w->m.detach.batch);
    if (sub)
        sub_free (m->s, &sub);
}

static struct batch *named_batch (const struct said *m, uint64_t id, uint64_t handle, uint64_t ref)
{
    struct sub *sub = id ? NULL : client_sub (m->c, handle);
    struct batch *b = id ? batch_find (m->s, id) : sub ? sub->batch : NULL;
    char why[64];
    if (!b) {
        snprintf (why, sizeof why, "there is no batch %" PRIu64, id ? id : handle);
        reply (m->s, m->c, ref, WIRE_UNKNOWN, 0, why);
    }
    return b;
}

static bool too_much (const struct said *m, uint64_t ref)
{
    if (!client_asks_too_much (m->c))
        return false;
    reply (m->s, m->c, ref, WIRE_BUSY, 0, "too many requests are not answered yet");
    return true;
}

static void on_cancel (const struct said *m)
{
    const struct msg_cancel *c = &m->w->m.cancel;
    struct batch *b = named_batch (m, c->id, c->batch, c->ref);
    if (!b || too_much (m, c->ref))
        return;
    struct waiter what = {.ref = c->ref,
                          .condition = WAIT_PROCESSES_GONE,
                          .first = c->first,
                          .count = c->count,
                          .since_us = m->now};
    struct waiter *w = wait_add (m->c, b, &what);
    if (b->ended)
        waiter_check (m->s, w, m->now);
    else
        batch_cancel (m->s, b, c, m->now, m->fx);
}

static void on_wait (const struct said *m)
{
    const struct msg_wait *a = &m->w->m.wait;
    struct batch *b = named_batch (m, a->id, 0, a->ref);
    if (!b || too_much (m, a->ref))
        return;
    struct waiter what = {.ref = a->ref,
                          .condition = (enum wire_condition)a->condition,
                          .n = a->n,
                          .since_us = m->now};
    waiter_check (m->s, wait_add (m->c, b, &what), m->now);
}

static void on_query (const struct said *m)
{
    query_answer (m->s, m->c, m->w, m->now);
}

static void on_drop_ref (const struct said *m)
{
    struct waiter *w, *next;
    for (w = LIST_FIRST (&m->c->waiters); w; w = next) {
        next = LIST_NEXT (w, c_link);
        if (w->ref == m->w->m.drop_ref.ref)
            waiter_free (w);
    }
}

static struct worker *worker_by_name (struct sched *s, struct bytes name)
{
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (bytes_equal (bytes_str (w->session->name), name))
            return w;
    return NULL;
}

static void on_drain (const struct said *m)
{
    const struct msg_drain *d = &m->w->m.drain;
    struct worker *w = worker_by_name (m->s, d->name);
    if (!w) {
        reply (m->s, m->c, d->ref, WIRE_UNKNOWN, 0, "there is no worker of that name");
        return;
    }
    if (too_much (m, d->ref))
        return;
    struct drain *drain = mem_zalloc (sizeof *drain);
    m->c->n_asked++;
    drain->ref = d->ref;
    drain->client = m->c;
    drain->worker = w;
    LIST_INSERT_HEAD (&m->s->drains, drain, link);
    worker_drain (m->s, w);
    drains_check (m->s, w);
}

/* Live input and signals go to whoever has the row; input that comes before its row was granted is
 * sent behind it. */
static void on_live (const struct said *m)
{
    bool input = m->w->kind == WIRE_INPUT;
    struct sub *sub = client_sub (m->c, input ? m->w->m.input.batch : m->w->m.signal.batch);
    if (sub && sub->owner)
        live_from_client (m->s, sub->batch, m->w);
}

static void (*const HANDLERS[256]) (const struct said *) = {
    [WIRE_OPEN] = on_open,         [WIRE_SPEC] = on_spec,     [WIRE_ROWS] = on_rows,
    [WIRE_CLOSE] = on_close,       [WIRE_ATTACH] = on_attach, [WIRE_DETACH] = on_detach,
    [WIRE_CANCEL] = on_cancel,     [WIRE_INPUT] = on_live,    [WIRE_SIGNAL] = on_live,
    [WIRE_WAIT] = on_wait,         [WIRE_QUERY] = on_query,   [WIRE_DRAIN] = on_drain,
    [WIRE_DROP_REF] = on_drop_ref,
};

void client_on_message (struct sched *s, struct session *se, const struct wire *w, int64_t now,
                        struct effects *fx)
{
    struct said m = {s, se, se->client, w, now, fx};
    if (HANDLERS[w->kind & 255])
        HANDLERS[w->kind & 255](&m);
    else
        session_error (s, se, WIRE_UNSUPPORTED, w->kind, 0, fx, "not in this version");
}

static void drop_drains (struct sched *s, struct client *c)
{
    struct drain *d = LIST_FIRST (&s->drains);
    while (d) {
        struct drain *next = LIST_NEXT (d, link);
        if (d->client == c) {
            c->n_asked--;
            LIST_REMOVE (d, link);
            free (d);
        }
        d = next;
    }
}

/* Attached batches end with their client; detached ones go on without it. */
static void leave_batch (struct sched *s, struct batch *b, int64_t now, struct effects *fx)
{
    struct msg_cancel m = {.reason = bytes_str ("its client is gone")};
    batch_to_orphans (s, b);
    if (b->flags & BATCH_DETACHED) {
        if (!b->closed) { /* half a submission is nobody's wish */
            m.reason = bytes_str ("its client left before it was closed");
            batch_cancel (s, b, &m, now, fx);
        }
        return;
    }
    batch_cancel (s, b, &m, now, fx);
}

void client_gone (struct sched *s, struct client *c, int64_t now, struct effects *fx)
{
    while (!LIST_EMPTY (&c->waiters))
        waiter_free (LIST_FIRST (&c->waiters));
    drop_drains (s, c);
    struct sub *sub, *tmp;
    HASH_ITER (hh, c->subs, sub, tmp) {
        struct sub *gone = sub;
        sub_free (s, &gone);
    }
    while (!LIST_EMPTY (&c->owned))
        leave_batch (s, LIST_FIRST (&c->owned), now, fx);
    ranges_fini (&c->over);
    s->n_clients--;
    free (c);
}
