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

static const char OLDER[] = "the broker's state is older than the results that it gave out";

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

/* Refused, and everything that is said of the handle from now on is of no account. */
static void refuse_handle (const struct said *m, uint64_t handle, enum wire_code code,
                           const char *why)
{
    session_error (m->s, m->se, code, m->w->kind, handle, m->fx, "%s", why);
    broken (m, handle, why);
    client_over (m->c, handle);
}

static void opened (const struct said *m, struct sub *sub)
{
    const struct batch *b = sub->batch;
    struct wire w = {.kind = WIRE_OPENED};
    w.m.opened.batch = sub->handle;
    w.m.opened.id = b->id;
    w.m.opened.born = b->open.m.open.opened_ms;
    if (sub->joined) {
        w.m.opened.known = 1;
        /* of a cancelled batch what came behind was taken, and not kept: nothing is missing */
        w.m.opened.chunks = b->cancelled ? UINT64_MAX : batch_chunks (b);
        w.m.opened.rows = b->submitted;
        w.m.opened.closed = b->closed;
    }
    session_post (m->s, m->se, &w);
}

static void handle_in_use (const struct said *m, uint64_t handle)
{
    session_error (m->s, m->se, WIRE_CONFLICT, m->w->kind, handle, m->fx,
                   "handle %" PRIu64 " is in use", handle);
}

static struct sub *add_owner (const struct said *m, struct batch *b, uint64_t record)
{
    struct sub *sub = sub_new (m->c, b, m->w->m.open.batch, record);
    sub->owner = true;
    if (!b->owner)
        b->owner = sub;
    sub_pump_later (m->s, sub);
    return sub;
}

/* As many as may look at a batch do. */
static bool has_watchers (const struct said *m, const struct batch *b, uint64_t handle)
{
    char why[80];
    if (b->n_subs < WATCHERS_MAX)
        return false;
    snprintf (why, sizeof why, "busy: %u look at batch %" PRIu64 " already", b->n_subs, b->id);
    refuse_handle (m, handle, WIRE_BUSY, why);
    return true;
}

/* Not now. END says it as well, for a client whose connection breaks before it has heard this, and
 * for one that does not try again. */
static void put_off (const struct said *m, const struct quota_limit *over)
{
    uint64_t handle = m->w->m.open.batch;
    session_busy (m->se, WIRE_OPEN, handle, over, m->fx);
    broken (m, handle, over->text);
    client_over (m->c, handle);
}

static void open_new (const struct said *m)
{
    if (m->s->degraded) {
        refuse_handle (m, m->w->m.open.batch, WIRE_STORAGE, m->s->degraded);
        return;
    }
    if (drains_broker (m->s)) {
        refuse_handle (m, m->w->m.open.batch, WIRE_DRAINING, DRAINING);
        return;
    }
    struct quota_limit over;
    if (quota_refuses (m->s, m->c, &over)) {
        put_off (m, &over);
        return;
    }
    struct err e;
    if (after_check (m->s, &m->w->m.open, &e) < 0) {
        refuse_handle (m, m->w->m.open.batch, e.code == ENOENT ? WIRE_UNKNOWN : WIRE_MALFORMED,
                       e.text);
        return;
    }
    struct batch *b = batch_open (m->s, m->c, m->w, m->now, m->fx);
    struct sub *sub = add_owner (m, b, 0);
    sub->whole = m->w->m.open.compare;
    opened (m, sub);
}

/* From here on somebody else may say rows first that another has not said yet: whoever is still to
 * say all of the batch gets nothing back before it has, since it could not tell whose rows those
 * are. */
static void others_compare (const struct batch *b)
{
    struct sub *sub;
    if (b->closed)
        return;
    LIST_FOREACH (sub, &b->subs, link)
        sub->compares |= sub->owner && sub->whole;
}

/* The batch is there under its key: who opens it again, after a restart or from another process,
 * reads on behind `record`, and may submit what has not come yet. It belongs to who came first, and
 * then to the next. */
static void join (const struct said *m, struct batch *b)
{
    const struct msg_open *o = &m->w->m.open;
    char why[200];
    if (has_watchers (m, b, o->batch))
        return;
    if (batch_differs (b, o, why, sizeof why)) {
        refuse_handle (m, o->batch, WIRE_CONFLICT, why);
        return;
    }
    if (o->record >= b->next_record || !results_trail_fits (b, o->record, o->trail)) {
        refuse_handle (m, o->batch, WIRE_CONFLICT, OLDER);
        return;
    }
    others_compare (b);
    struct sub *sub = add_owner (m, b, o->record + 1);
    sub->joined = true;
    sub->whole = o->compare;
    sub->compares = o->compare;
    sub->confirmed = b->owner == sub ? b->confirmed : 0;
    if (b->owner == sub)
        batch_give_to (m->s, b, m->c);
    sub->first = b->awaited;
    b->awaited = false;
    opened (m, sub);
}

/* Its own client, behind a restart: what was cancelled before all was said is still its batch, also
 * where another one that had opened it was back before. Somebody new compares, and has read
 * nothing.
 */
static bool is_back (const struct batch *b, const struct msg_open *o)
{
    return o->again || o->record || (b->awaited && !o->compare);
}

static void on_open (const struct said *m)
{
    const struct msg_open *o = &m->w->m.open;
    struct sub *old = client_sub (m->c, o->batch);
    if (old && old->told) /* it has seen the end, or it would not use the number again */
        sub_over (m->s, &old);
    if (old) {
        handle_in_use (m, o->batch);
        return;
    }
    struct batch *b = batch_by_key (m->s, o->key);
    bool withdrawn = b && batch_is_withdrawn (b) && !is_back (b, o);
    if (withdrawn && b->flags & BATCH_AT_MOST_ONCE)
        refuse_handle (m, o->batch, WIRE_CONFLICT,
                       "the batch with this key lost its client before it was closed, and some of "
                       "it may have run");
    else if (b && !withdrawn)
        join (m, b);
    else
        open_new (m);
}

/* What a client is submitting to; NULL, and said, where it is none of its own. */
static struct sub *own_sub (const struct said *m, uint64_t handle)
{
    struct sub *sub = client_sub (m->c, handle);
    if (sub && sub->owner)
        return sub;
    if (ranges_has (&m->c->over, handle))
        return NULL; /* said before it could hear of the end */
    session_error (m->s, m->se, WIRE_UNKNOWN, m->w->kind, handle, m->fx,
                   "handle %" PRIu64 " is no batch that was opened here", handle);
    return NULL;
}

static enum wire_code code_of (const struct err *e)
{
    switch (e->code) {
    case EEXIST:
        return WIRE_CONFLICT;
    case EBUSY:
        return WIRE_BUSY;
    default:
        return WIRE_MALFORMED;
    }
}

/* Somebody else who opened it. */
static struct sub *next_owner (const struct batch *b)
{
    struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link)
        if (sub->owner)
            break;
    return sub;
}

/* Who is refused may not have been the one that the batch waits for since a restart: that one may
 * still come, until the grace is over, and ask for results that were not read. */
static void refuse_joined (const struct said *m, struct sub *sub, const struct err *e)
{
    uint64_t handle = sub->handle;
    struct batch *b = sub->batch;
    sub->owner = false;
    if (sub->first && !next_owner (b)) {
        b->awaited = true;
        batch_give_to (m->s, b, &m->s->orphans);
    }
    sub_free (m->s, &sub);
    refuse_handle (m, handle, e->code == EBUSY ? WIRE_BUSY : WIRE_CONFLICT, e->text);
}

/* What a client submits must fit together, and there must be room for it (who minds the window has
 * it); where that is not so, the batch cannot go on. But what was accepted is not touched by who
 * says it differently a second time: that submission is refused. */
static void does_not_fit (const struct said *m, struct sub *sub, const struct err *e)
{
    if (e->code == EEXIST || sub->joined) {
        refuse_joined (m, sub, e);
        return;
    }
    struct msg_cancel c = {.reason = bytes_str (e->text)};
    session_error (m->s, m->se, code_of (e), m->w->kind, sub->handle, m->fx, "%s", e->text);
    batch_cancel (m->s, sub->batch, &c, m->now, m->fx);
}

static void on_spec (const struct said *m)
{
    struct err e;
    struct sub *sub = own_sub (m, m->w->m.spec.batch);
    if (sub && batch_spec (m->s, sub->batch, m->w, m->fx, &e) < 0)
        does_not_fit (m, sub, &e);
}

static void on_rows (const struct said *m)
{
    struct err e;
    struct sub *sub = own_sub (m, m->w->m.rows.batch);
    if (sub && batch_rows (m->s, sub->batch, m->w, &sub->resent, m->fx, &e) < 0)
        does_not_fit (m, sub, &e);
}

static void on_close (const struct said *m)
{
    struct err e;
    struct sub *sub = own_sub (m, m->w->m.close.batch);
    if (!sub)
        return;
    if (batch_close (m->s, sub->batch, &m->w->m.close, m->fx, &e) < 0) {
        does_not_fit (m, sub, &e);
        return;
    }
    sub->compares = false;
    sub_pump_later (m->s, sub);
    batch_progress (m->s, sub->batch, m->now);
}

static void on_confirm (const struct said *m)
{
    struct sub *sub = client_sub (m->c, m->w->m.confirm.batch);
    if (sub)
        sub_confirm (m->s, sub, m->w->m.confirm.record, m->fx);
}

static void on_retry (const struct said *m)
{
    if (!degraded_refuses (m->s, m->c, m->w->m.retry.ref))
        rerun_on_retry (m->s, m->c, m->w, m->now, m->fx);
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

static void on_set (const struct said *m)
{
    if (!degraded_refuses (m->s, m->c, m->w->m.set.ref))
        set_on_set (m->s, m->c, m->w, m->now, m->fx);
}

static void on_peek (const struct said *m)
{
    const struct msg_peek *p = &m->w->m.peek;
    struct batch *b = named_batch (m, p->batch, 0, p->ref);
    if (b && !too_much (m, p->ref))
        peek_on_peek (m->s, m->c, b, p, m->now);
}

static void on_remove (const struct said *m)
{
    if (!degraded_refuses (m->s, m->c, m->w->m.remove.ref))
        retention_on_remove (m->s, m->c, &m->w->m.remove, m->fx);
}

static void on_attach (const struct said *m)
{
    const struct msg_attach *a = &m->w->m.attach;
    char why[64];
    struct batch *b = batch_find (m->s, a->id);
    struct sub *old = client_sub (m->c, a->batch);
    if (old && old->told)
        sub_over (m->s, &old);
    if (old) {
        handle_in_use (m, a->batch);
        return;
    }
    if (!b) {
        snprintf (why, sizeof why, "there is no batch %" PRIu64, a->id);
        broken (m, a->batch, why);
        return;
    }
    if (has_watchers (m, b, a->batch))
        return;
    uint64_t before = a->record ? a->record - 1 : 0;
    if (before >= b->next_record || !results_trail_fits (b, before, a->trail)) {
        broken (m, a->batch, OLDER);
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

/* Of a client that has given the batch up. */
static void cancel_unasked (const struct said *m)
{
    const struct msg_cancel *c = &m->w->m.cancel;
    struct sub *sub = client_sub (m->c, c->batch);
    struct batch *b = c->id ? batch_find (m->s, c->id) : sub ? sub->batch : NULL;
    if (b && !b->ended)
        batch_cancel (m->s, b, c, m->now, m->fx);
}

static void on_cancel (const struct said *m)
{
    const struct msg_cancel *c = &m->w->m.cancel;
    if (!c->ref) {
        cancel_unasked (m);
        return;
    }
    struct batch *b = named_batch (m, c->id, c->batch, c->ref);
    if (!b || too_much (m, c->ref) || (!b->ended && degraded_refuses (m->s, m->c, c->ref)))
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
    query_answer (m->s, m->c, m->w);
}

static void on_drop_ref (const struct said *m)
{
    struct waiter *w, *next;
    for (w = LIST_FIRST (&m->c->waiters); w; w = next) {
        next = LIST_NEXT (w, c_link);
        if (w->ref == m->w->m.drop_ref.ref)
            waiter_free (w);
    }
    drains_drop (m->s, m->c, m->w->m.drop_ref.ref, m->fx);
}

static void on_drain (const struct said *m)
{
    if (!too_much (m, m->w->m.drain.ref))
        drains_on_drain (m->s, m->c, &m->w->m.drain, m->fx);
}

/* Live input and signals go to whoever has the row; input that comes before its row was granted is
 * sent behind it. */
static void on_live (const struct said *m)
{
    bool input = m->w->kind == WIRE_INPUT;
    uint64_t handle = input ? m->w->m.input.batch : m->w->m.signal.batch;
    struct sub *sub = client_sub (m->c, handle);
    if (sub && sub->owner && !live_from_client (m->s, sub->batch, m->w))
        session_error (m->s, m->se, WIRE_BUSY, m->w->kind, handle, m->fx,
                       "the task's worker does not take what was sent before");
}

static void (*const HANDLERS[256]) (const struct said *) = {
    [WIRE_OPEN] = on_open,         [WIRE_SPEC] = on_spec,       [WIRE_ROWS] = on_rows,
    [WIRE_CLOSE] = on_close,       [WIRE_ATTACH] = on_attach,   [WIRE_DETACH] = on_detach,
    [WIRE_CANCEL] = on_cancel,     [WIRE_INPUT] = on_live,      [WIRE_SIGNAL] = on_live,
    [WIRE_WAIT] = on_wait,         [WIRE_QUERY] = on_query,     [WIRE_DRAIN] = on_drain,
    [WIRE_DROP_REF] = on_drop_ref, [WIRE_CONFIRM] = on_confirm, [WIRE_RETRY] = on_retry,
    [WIRE_REMOVE] = on_remove,     [WIRE_SET] = on_set,         [WIRE_PEEK] = on_peek,
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

/* Attached batches end with their client, unless another one opened them, too; detached ones go on
 * without it. */
static void leave_batch (struct sched *s, struct batch *b, int64_t now, struct effects *fx)
{
    b->owner = next_owner (b);
    if (b->owner) {
        batch_give_to (s, b, b->owner->client);
        return;
    }
    struct msg_cancel m = {.reason = bytes_str ("its client is gone")};
    batch_give_to (s, b, &s->orphans);
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
    drains_client_gone (s, c, fx);
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
