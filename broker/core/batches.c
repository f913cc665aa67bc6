/* Batches: specs, rows, the end. What a client may do to them is decided in clients.c. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

enum { SPECS_MAX = 100000, SLOT_NUMBERS = 1000000 };

struct batch *batch_find (struct sched *s, uint64_t id)
{
    struct batch *b = NULL;
    HASH_FIND (hh, s->batches, &id, sizeof id, b);
    return b;
}

struct batch *batch_by_key (struct sched *s, struct bytes key)
{
    struct batch *b = NULL;
    if (key.len)
        HASH_FIND (by_key, s->by_key, key.ptr, key.len, b);
    return b;
}

static void own_more (struct sched *s, struct batch *b, uint64_t bytes)
{
    b->own_bytes += bytes;
    s->own_bytes += bytes;
}

enum wire_batch_state batch_state (const struct batch *b)
{
    if (!b->ended)
        return BATCH_RUNNING;
    return b->cancelled ? BATCH_CANCELLED : BATCH_FINISHED;
}

static void record_for (struct sched *s, struct batch *b, const struct wire *w, struct effects *fx)
{
    if (!s->cfg.records || s->replaying)
        return;
    struct wire mine = *w;
    switch (w->kind) {
    case WIRE_OPEN:
        mine.m.open.batch = b->id;
        break;
    case WIRE_SPEC:
        mine.m.spec.batch = b->id;
        break;
    case WIRE_ROWS:
        mine.m.rows.batch = b->id;
        break;
    case WIRE_CLOSE:
        mine.m.close.batch = b->id;
        break;
    default:
        assert (w->kind == WIRE_CANCEL);
        mine.m.cancel.id = b->id;
    }
    effect_record (fx, b->id, &mine);
}

void batch_record_cancel (struct sched *s, struct batch *b, const struct msg_cancel *m,
                          struct effects *fx)
{
    struct wire w = {.kind = WIRE_CANCEL};
    w.m.cancel = *m;
    record_for (s, b, &w, fx);
}

struct batch *batch_open (struct sched *s, struct client *c, const struct wire *w, int64_t now,
                          struct effects *fx)
{
    const struct msg_open *m = &w->m.open;
    struct batch *b = mem_zalloc (sizeof *b);
    b->id = s->replaying ? m->batch : s->next_batch;
    s->next_batch = b->id + 1;
    b->name = mem_strndup ((const char *)m->name.ptr, m->name.len);
    b->key = mem_strndup ((const char *)m->key.ptr, m->key.len);
    b->flags = m->flags;
    b->jobs = m->jobs;
    b->priority = m->priority;
    b->runs = m->runs ? m->runs : 1;
    b->result_bytes = m->result_bytes;
    b->opened_us = now;
    b->deadline_us = CLOCK_NEVER;
    if (m->deadline_ms && m->deadline_ms < INT64_MAX / 2 / US_PER_MS)
        b->deadline_us = now + (int64_t)m->deadline_ms * US_PER_MS;
    b->client = c;
    b->next_record = 1;
    b->cpus = 1;
    LIST_INIT (&b->leases);
    LIST_INIT (&b->subs);
    LIST_INIT (&b->waiters);
    TAILQ_INIT (&b->log);
    STAILQ_INIT (&b->early);
    ranges_add (&b->slots, 1, 1 + (b->jobs ? b->jobs : SLOT_NUMBERS));
    HASH_ADD (hh, s->batches, id, sizeof b->id, b);
    b->keyed = m->key.len;
    if (b->keyed)
        HASH_ADD_KEYPTR (by_key, s->by_key, b->key, m->key.len, b);
    own_more (s, b, sizeof *b + m->name.len + m->key.len);
    LIST_INSERT_HEAD (&c->owned, b, owned_link);
    record_for (s, b, w, fx);
    return b;
}

static void free_parts (struct sched *s, struct batch *b)
{
    for (size_t i = 0; i < b->n_specs; i++)
        wire_fini (&b->specs[i]);
    free (b->specs);
    chunks_free (s, b);
    struct odd_row *odd, *tmp;
    HASH_ITER (hh, b->odd, odd, tmp) {
        HASH_DEL (b->odd, odd);
        free (odd);
    }
    struct entry *en;
    while ((en = TAILQ_FIRST (&b->log)))
        entry_free (s, b, en);
    row_index_fini (&b->index);
    live_free (b);
    struct function_name *f, *f2;
    HASH_ITER (hh, b->functions, f, f2) {
        HASH_DEL (b->functions, f);
        free (f->name);
        free (f);
    }
    ranges_fini (&b->waiting);
    ranges_fini (&b->doomed);
    ranges_fini (&b->slots);
    free (b->name);
    free (b->key);
    free (b->reason);
}

static void unready (struct sched *s, struct batch *b)
{
    struct client *c = b->client;
    if (!b->ready)
        return;
    b->ready = false;
    TAILQ_REMOVE (&c->ready, b, ready_link);
    if (c->served == b)
        c->served = NULL;
    if (TAILQ_EMPTY (&c->ready)) {
        TAILQ_REMOVE (&s->ready, c, ready_link);
        if (s->served == c)
            s->served = NULL;
        c->is_ready = false;
    }
}

void batch_check_over (struct sched *s, struct batch *b)
{
    if (!b->ended || b->flags & BATCH_DETACHED || b->over || !LIST_EMPTY (&b->subs))
        return;
    b->over = true;
    TAILQ_INSERT_TAIL (&s->over, b, over_link);
}

void batches_free_over (struct sched *s)
{
    struct batch *b;
    while ((b = TAILQ_FIRST (&s->over))) {
        TAILQ_REMOVE (&s->over, b, over_link);
        b->over = false;
        if (LIST_EMPTY (&b->subs)) /* nobody came in the same turn */
            batch_free (s, &b);
    }
}

void batch_free (struct sched *s, struct batch **bp)
{
    struct batch *b = *bp;
    *bp = NULL;
    assert (LIST_EMPTY (&b->leases));
    while (!LIST_EMPTY (&b->waiters))
        waiter_free (LIST_FIRST (&b->waiters));
    while (!LIST_EMPTY (&b->subs)) {
        struct sub *sub = LIST_FIRST (&b->subs);
        sub_free (s, &sub);
    }
    unready (s, b);
    LIST_REMOVE (b, owned_link);
    HASH_DEL (s->batches, b);
    if (b->keyed)
        HASH_DELETE (by_key, s->by_key, b);
    if (b->trimming)
        TAILQ_REMOVE (&s->trim, b, trim_link);
    s->own_bytes -= b->own_bytes;
    free_parts (s, b);
    free (b);
}

const struct wire *batch_spec_of (const struct batch *b, uint64_t spec)
{
    return spec < b->n_specs && b->specs[spec].kind == WIRE_SPEC ? &b->specs[spec] : NULL;
}

/* What a worker must have to be given rows. */
static void learn_needs (struct batch *b, const struct wire *spec)
{
    struct function_name *f = NULL;
    const char *name = (const char *)spec->body[0].ptr;
    size_t len = spec->body[0].len;
    if (spec->m.spec.form != FORM_FUNCTION) {
        b->commands = true;
        return;
    }
    HASH_FIND (hh, b->functions, name ? name : "", (unsigned)len, f);
    if (f)
        return;
    f = mem_zalloc (sizeof *f);
    f->name = mem_zalloc (len + 1);
    memcpy (f->name, name ? name : "", len);
    HASH_ADD_KEYPTR (hh, b->functions, f->name, (unsigned)len, f);
}

int batch_spec (struct sched *s, struct batch *b, const struct wire *w, struct effects *fx,
                struct err *e)
{
    uint64_t n = w->m.spec.spec;
    if (b->cancelled || b->ended)
        return 0; /* nobody waits for it any more */
    if (n >= SPECS_MAX || n > b->n_specs)
        return err_set (e, EINVAL, "spec %" PRIu64 " is not the next one, or over the limit of %d",
                        n, SPECS_MAX);
    if (n < b->n_specs)
        return 0;           /* sent again under the same key */
    if ((n & (n - 1)) == 0) /* room in powers of two */
        b->specs = mem_resize (b->specs, n ? 2 * n : 1, sizeof *b->specs);
    struct wire *mine = &b->specs[b->n_specs++];
    *mine = *w;
    mine->header = slice_keep (&w->header);
    for (int i = 0; i < WIRE_BODIES; i++)
        mine->body[i] = slice_keep (&w->body[i]);
    mine->m.spec.batch = b->id;
    own_more (s, b, sizeof *mine + w->header.len + w->body[0].len + w->body[1].len);
    if (n == 0 || w->m.spec.cpus > b->cpus)
        b->cpus = w->m.spec.cpus;
    learn_needs (b, w);
    record_for (s, b, w, fx);
    return 0;
}

static bool specs_known (const struct batch *b, const struct msg_rows *m)
{
    uint64_t last = m->spec;
    if (b->flags & BATCH_EACH_SPEC)
        last += m->count - 1;
    return last < b->n_specs;
}

/* The part that is next, of the large row that is coming, or a chunk that is next. */
static bool is_next (const struct batch *b, const struct msg_rows *m)
{
    const struct chunk *half = chunk_half (b);
    if (m->total && m->offset)
        return half && m->chunk + 1 == b->next_chunk;
    return !half && m->count && m->chunk == b->next_chunk && m->first == b->submitted;
}

/* Sent before, under the same key. */
static bool is_known (const struct batch *b, const struct msg_rows *m)
{
    const struct chunk *half = chunk_half (b);
    if (half && m->total && m->offset && m->chunk + 1 == b->next_chunk)
        return m->offset < half->have;
    return m->chunk < b->next_chunk;
}

int batch_rows (struct sched *s, struct batch *b, const struct wire *w, struct effects *fx,
                struct err *e)
{
    const struct msg_rows *m = &w->m.rows;
    if (b->cancelled || b->ended || is_known (b, m))
        return 0; /* nobody waits for them any more */
    if (b->closed)
        return err_set (e, EINVAL, "the batch is closed");
    if (!is_next (b, m))
        return err_set (e, EINVAL, "chunk %" PRIu64 " is not the next one (%" PRIu64 ")", m->chunk,
                        b->next_chunk);
    if (!specs_known (b, m))
        return err_set (e, EINVAL, "chunk %" PRIu64 " is of a spec that has not come", m->chunk);
    if (chunk_add (s, b, w, e) < 0)
        return -1;
    b->next_chunk = m->chunk + 1;
    if (!chunk_half (b)) {
        b->submitted = m->first + m->count;
        ranges_add (&b->waiting, m->first, b->submitted);
    }
    record_for (s, b, w, fx);
    batch_set_ready (s, b);
    return 0;
}

int batch_close (struct sched *s, struct batch *b, uint64_t total, struct effects *fx,
                 struct err *e)
{
    if (b->closed)
        return 0;
    if (total != b->submitted && !b->cancelled)
        return err_set (e, EINVAL, "closed with %" PRIu64 " rows, but %" PRIu64 " have come", total,
                        b->submitted);
    if (chunk_half (b) && !b->cancelled)
        return err_set (e, EINVAL, "closed, but parts of row %" PRIu64 " are missing",
                        b->submitted);
    b->closed = true;
    struct wire w = {.kind = WIRE_CLOSE};
    w.m.close.total = total;
    record_for (s, b, &w, fx);
    return 0;
}

/* Whether any rows could be placed. Which worker takes them is for place.c. */
static bool has_work (const struct batch *b)
{
    return b->waiting.count && !b->cancelled && !b->paused;
}

/* Last among those of its priority; but before the one that had its turn just now: whoever is new
 * gets the next free slot. */
static void join_turns (struct client *c, struct batch *b)
{
    struct batch *other;
    TAILQ_FOREACH (other, &c->ready, ready_link)
        if (other->priority < b->priority || (other == c->served && other->priority == b->priority))
            break;
    if (other)
        TAILQ_INSERT_BEFORE (other, b, ready_link);
    else
        TAILQ_INSERT_TAIL (&c->ready, b, ready_link);
}

void batch_set_ready (struct sched *s, struct batch *b)
{
    struct client *c = b->client;
    if (!has_work (b)) {
        unready (s, b);
        return;
    }
    s->placing = true;
    if (b->ready)
        return;
    b->ready = true;
    join_turns (c, b);
    if (!c->is_ready) {
        c->is_ready = true;
        if (s->served && s->served == TAILQ_LAST (&s->ready, client_list))
            TAILQ_INSERT_BEFORE (s->served, c, ready_link);
        else
            TAILQ_INSERT_TAIL (&s->ready, c, ready_link);
    }
    struct worker *w;
    if (b->cpus == 0) { /* a worker whose slots are all taken can still have these */
        TAILQ_FOREACH (w, &s->workers, link)
            worker_touch (s, w);
    }
}

void batch_to_orphans (struct sched *s, struct batch *b)
{
    unready (s, b);
    LIST_REMOVE (b, owned_link);
    b->client = &s->orphans;
    LIST_INSERT_HEAD (&s->orphans.owned, b, owned_link);
    batch_set_ready (s, b);
}

static void end (struct sched *s, struct batch *b)
{
    b->ended = true;
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        worker_forget (s, w, b->id);
    struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link)
        sub_pump_later (s, sub);
    batch_check_over (s, b);
}

void batch_progress (struct sched *s, struct batch *b, int64_t now)
{
    if (LIST_EMPTY (&b->subs))
        results_trim (s, b);
    batch_set_ready (s, b);
    if (!b->ended && b->closed && b->finished == b->submitted)
        end (s, b);
    waits_check (s, b, now);
}

static uint64_t greatest_worker (struct sched *s)
{
    uint64_t slots = 0;
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (w->slots > slots)
            slots = w->slots;
    return slots;
}

static void notice (struct sched *s, struct batch *b, enum wire_note code, uint64_t value,
                    const char *text)
{
    struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link) {
        struct wire w = {.kind = WIRE_NOTICE};
        w.m.notice.batch = sub->handle;
        w.m.notice.code = code;
        w.m.notice.value = value;
        w.m.notice.text = bytes_str (text);
        session_post (s, sub->client->session, &w);
    }
}

static bool any_worker_can (struct sched *s, struct batch *b)
{
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (worker_can (w, b))
            return true;
    return false;
}

/* Why a batch does not move, said once to those who look at it. */
static void tell_why (struct sched *s, struct batch *b, int64_t now)
{
    char text[200];
    if (!s->n_workers) {
        if (!b->told_no_worker && now - b->opened_us >= 2 * US_PER_S)
            notice (s, b, NOTICE_NO_WORKER, 0, "no worker is connected to the broker");
        b->told_no_worker |= now - b->opened_us >= 2 * US_PER_S;
        return;
    }
    uint64_t most = greatest_worker (s);
    if (b->cpus > most && !b->told_too_big) {
        snprintf (text, sizeof text,
                  "a task takes %" PRIu64 " slots, the largest worker has %" PRIu64, b->cpus, most);
        notice (s, b, NOTICE_TASK_TOO_BIG, most, text);
        b->told_too_big = true;
    } else if (b->cpus <= most && !b->told_no_function && !any_worker_can (s, b)) {
        notice (s, b, NOTICE_NO_FUNCTION, 0, "no worker there can run these tasks");
        b->told_no_function = true;
    }
}

static void cancel_for (struct sched *s, struct batch *b, const char *why, int64_t now,
                        struct effects *fx)
{
    struct msg_cancel m = {.reason = bytes_str (why)};
    batch_cancel (s, b, &m, now, fx);
}

static bool is_abandoned (const struct sched *s, const struct batch *b, int64_t now)
{
    return b->left_us && now - b->left_us >= s->cfg.client_gone_us && !b->owner &&
           !(b->closed && b->flags & BATCH_DETACHED);
}

/* What detached batches have kept makes room, the oldest first, before clients have to wait. What
 * is in a store is pruned there. */
static void forget_oldest (struct sched *s, struct effects *fx)
{
    struct batch *b, *tmp;
    HASH_ITER (hh, s->batches, b, tmp) {
        if (s->cfg.records || s->queue_bytes <= s->cfg.queue_bytes / 2)
            return;
        if (!b->ended || !(b->flags & BATCH_DETACHED) || !LIST_EMPTY (&b->subs))
            continue;
        effect_log (fx, LOG_INFO, "forgotten batch=%" PRIu64 " kept_bytes=%" PRIu64, b->id,
                    b->log_bytes);
        struct batch *old = b;
        batch_free (s, &old);
    }
}

/* One that keeps what nobody may ever fetch cannot be paused, and forgetting the others was not
 * enough: it ends, and says why. The longest log goes first. */
static void end_greatest (struct sched *s, int64_t now, struct effects *fx)
{
    struct batch *b, *greatest = NULL;
    if (s->cfg.records || !is_crammed (s))
        return;
    for (b = s->batches; b; b = b->hh.next)
        if (!b->ended && !b->cancelled && b->flags & BATCH_DETACHED &&
            b->log_bytes > s->cfg.overflow_bytes / 8 &&
            (!greatest || b->log_bytes > greatest->log_bytes))
            greatest = b;
    if (!greatest)
        return;
    effect_log (fx, LOG_WARN, "no room, ended batch=%" PRIu64 " kept_bytes=%" PRIu64, greatest->id,
                greatest->log_bytes);
    cancel_for (s, greatest, "the broker has no room for more of its results", now, fx);
}

void batches_tick (struct sched *s, int64_t now, struct effects *fx)
{
    struct batch *b, *tmp;
    forget_oldest (s, fx);
    end_greatest (s, now, fx);
    HASH_ITER (hh, s->batches, b, tmp) {
        if (b->ended)
            continue;
        if (b->paused) /* others may have made room */
            results_trim (s, b);
        if (now >= b->deadline_us) {
            b->deadline_us = CLOCK_NEVER;
            cancel_for (s, b, "the batch is over its deadline", now, fx);
        } else if (is_abandoned (s, b, now)) {
            b->left_us = 0;
            cancel_for (s, b, "its client did not come back", now, fx);
        } else if (b->waiting.count && !b->granted && !b->cancelled) {
            tell_why (s, b, now);
        }
    }
}

void batches_replayed (struct sched *s, int64_t now, struct effects *fx)
{
    struct batch *b, *tmp;
    HASH_ITER (hh, s->batches, b, tmp) {
        b->opened_us = b->left_us = now;
        if (b->deadline_us != CLOCK_NEVER)
            b->deadline_us += now;
        batch_cancel_rest (s, b, now, fx);
    }
}
