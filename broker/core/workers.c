/* Workers: what a worker says, and what the broker knows of it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { IO_TASKS_USUAL = 1000 }; /* of a worker that does not say */

static void learn_functions (struct worker *w, const struct wire *hello)
{
    struct bytes body = bytes_of (hello->body[0].ptr, hello->body[0].len);
    struct bytes names[256];
    size_t at = 0;
    if (!body.len || rows_check (body, 1, NULL) < 0)
        return;
    int64_t n = row_read (body, &at, names, 256);
    for (int64_t i = 0; i < n && i < 256; i++) {
        struct function_name *f = NULL;
        HASH_FIND (hh, w->functions, names[i].ptr, (unsigned)names[i].len, f);
        if (f || !names[i].len || names[i].len > 256)
            continue;
        f = mem_zalloc (sizeof *f);
        f->name = mem_strndup ((const char *)names[i].ptr, names[i].len);
        HASH_ADD_KEYPTR (hh, w->functions, f->name, (unsigned)names[i].len, f);
    }
}

void workers_count_slots (struct sched *s)
{
    struct worker *w;
    s->slots = 0;
    TAILQ_FOREACH (w, &s->workers, link)
        if (!w->draining)
            s->slots += w->slots;
}

struct worker *worker_new (struct sched *s, struct session *se, const struct wire *hello)
{
    struct worker *w = mem_zalloc (sizeof *w);
    w->session = se;
    w->slots = hello->m.hello.slots;
    w->cores = hello->m.hello.cores;
    w->commands = hello->m.hello.features & FEATURE_COMMANDS;
    w->io_tasks = hello->m.hello.io_tasks ? hello->m.hello.io_tasks : IO_TASKS_USUAL;
    w->peeks = hello->m.hello.features & FEATURE_PEEK;
    w->containment = hello->m.hello.containment;
    learn_functions (w, hello);
    LIST_INIT (&w->leases);
    w->quarantined = quarantine_has (s, w, s->now_us);
    TAILQ_INSERT_HEAD (&s->workers, w, link);
    s->n_workers++;
    workers_count_slots (s);
    worker_touch (s, w);
    return w;
}

bool worker_is_fit (const struct worker *w)
{
    return !w->suspect && !w->draining && !w->holding && !w->quarantined && !w->session->doubtful &&
           w->session->route;
}

bool worker_takes (const struct worker *w)
{
    return worker_is_fit (w) && !w->clearing && !worker_is_alone (w);
}

bool worker_has_function (const struct worker *w, const struct function_name *need)
{
    struct function_name *f = NULL;
    HASH_FIND (hh, w->functions, need->name, need->hh.keylen, f);
    return f;
}

bool worker_can (const struct worker *w, const struct batch *b)
{
    if (b->cpus > w->slots || !b->n_specs || (b->commands && !w->commands))
        return false;
    for (const struct function_name *need = b->functions; need; need = need->hh.next)
        if (!worker_has_function (w, need))
            return false;
    return true;
}

void worker_drain (struct sched *s, struct worker *w)
{
    if (!w->draining) {
        struct wire m = {.kind = WIRE_DRAIN};
        session_post (s, w->session, &m);
    }
    w->draining = w->drain_asked = true;
    workers_count_slots (s);
}

struct known_batch *worker_known (struct worker *w, uint64_t batch)
{
    struct known_batch *k = NULL;
    HASH_FIND (hh, w->known, &batch, sizeof batch, k);
    if (k)
        return k;
    k = mem_zalloc (sizeof *k);
    k->id = batch;
    HASH_ADD (hh, w->known, id, sizeof k->id, k);
    return k;
}

void worker_forget (struct sched *s, struct worker *w, uint64_t batch)
{
    struct known_batch *k = NULL;
    HASH_FIND (hh, w->known, &batch, sizeof batch, k);
    if (!k)
        return;
    struct wire m = {.kind = WIRE_FORGET};
    m.m.forget.batch = batch;
    session_post (s, w->session, &m);
    HASH_DEL (w->known, k);
    free (k->specs);
    free (k);
}

static void free_tables (struct worker *w)
{
    struct function_name *f, *f2;
    HASH_ITER (hh, w->functions, f, f2) {
        HASH_DEL (w->functions, f);
        free (f->name);
        free (f);
    }
    struct known_batch *k, *k2;
    HASH_ITER (hh, w->known, k, k2) {
        HASH_DEL (w->known, k);
        free (k->specs);
        free (k);
    }
}

struct unread {
    struct sched *s;
    struct worker *w;
    int64_t now;
    struct effects *fx;
};

static void take_back_unread (void *arg, const struct wire_frames *f)
{
    const struct unread *u = arg;
    struct wire m;
    if (wire_frames_kind (f) != WIRE_GRANT || wire_decode (&m, f, NULL, NULL) < 0)
        return;
    const struct msg_grant *g = &m.m.grant;
    struct lease *l = lease_find (u->w, g->batch);
    if (l && g->count) {
        struct batch *b = l->batch;
        lease_give_back (u->s, l, g->first, g->first + g->count, u->fx);
        lease_drop_if_empty (u->s, l);
        batch_progress (u->s, b, u->now);
    }
    wire_fini (&m);
}

void worker_left (struct sched *s, struct worker *w, int64_t now, struct effects *fx)
{
    struct unread u = {s, w, now, fx};
    chan_look (w->session->chan, take_back_unread, &u);
}

void worker_gone (struct sched *s, struct worker *w, bool counts, int64_t now, struct effects *fx)
{
    if (counts)
        quarantine_lost (s, w, now, fx);
    TAILQ_REMOVE (&s->workers, w, link);
    if (w->hungry)
        TAILQ_REMOVE (&s->hungry, w, hungry_link);
    w->hungry = true; /* nothing puts it back */
    alone_release (s, w);
    if (w->drained_for)
        wide_release (s, w->drained_for);
    s->n_workers--;
    workers_count_slots (s);
    leases_lose (s, w, counts, now, fx);
    drains_check (s, w); /* gone is as empty as can be */
    free_tables (w);
    free (w);
}

/* Rows that were granted and have not started: they wait again, with the attempt they had. */
static void on_returned (struct sched *s, struct worker *w, const struct msg_returned *m,
                         int64_t now, struct effects *fx)
{
    struct lease *l = lease_find (w, m->batch);
    if (!l)
        return;
    struct batch *b = l->batch;
    uint64_t lo = m->first;
    uint64_t hi = m->count < UINT64_MAX - lo ? lo + m->count : UINT64_MAX;
    if (m->last)
        l->taking_back = false;
    lease_give_back (s, l, lo, hi, fx);
    lease_drop_if_empty (s, l);
    drains_check (s, w);
    worker_touch (s, w);
    batch_progress (s, b, now);
}

static void on_capacity (struct sched *s, struct worker *w, const struct msg_capacity *m)
{
    w->slots = m->slots;
    w->draining = m->draining || w->drain_asked;
    workers_count_slots (s);
    worker_touch (s, w);
}

static void on_input_taken (struct sched *s, struct worker *w, const struct wire *m)
{
    struct lease *l = lease_find (w, m->m.input_taken.batch);
    if (!l || !ranges_has (&l->out, m->m.input_taken.row))
        return;
    live_taken (s, l->batch, m->m.input_taken.row, m->m.input_taken.offset);
    if (!l->batch->owner)
        return;
    struct wire copy = *m;
    copy.m.input_taken.batch = l->batch->owner->handle;
    session_post (s, l->batch->owner->client->session, &copy);
}

void worker_on_message (struct sched *s, struct session *se, const struct wire *w, int64_t now,
                        struct effects *fx)
{
    struct worker *wk = se->worker;
    switch (w->kind) {
    case WIRE_RESULTS:
        results_from_worker (s, wk, w, now, fx);
        break;
    case WIRE_OUTPUT:
        output_from_worker (s, wk, w, now, fx);
        break;
    case WIRE_RETURNED:
        on_returned (s, wk, &w->m.returned, now, fx);
        break;
    case WIRE_CAPACITY:
        on_capacity (s, wk, &w->m.capacity);
        break;
    case WIRE_HOLD:
        restored_hold (s, wk, &w->m.hold, now, fx);
        break;
    case WIRE_PEEKED:
        peek_on_peeked (s, wk, w);
        break;
    case WIRE_PROGRESS:
        progress_told (wk, &w->m.progress);
        break;
    case WIRE_INPUT_TAKEN:
        on_input_taken (s, wk, w);
        break;
    default:
        session_error (s, se, WIRE_UNSUPPORTED, w->kind, 0, fx, "not in this version");
    }
}
