/* Queries: what the broker knows, as records of name and value in text. doc/PROTOCOL.md, "Records
 * of REPLY". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

enum { RECORDS_PER_REPLY = 500, PAIRS_MAX = 32, TASKS_MAX = 100000 };

struct answer {
    struct sched *s;
    struct client *c;
    uint64_t ref;
    struct buf body;
    uint64_t count;
};

struct record {
    uint32_t pairs;
    const char *name[PAIRS_MAX];
    char value[PAIRS_MAX][24];
    const char *text[PAIRS_MAX]; /* instead of value, borrowed */
};

static void put (struct record *r, const char *name, uint64_t value)
{
    r->name[r->pairs] = name;
    r->text[r->pairs] = NULL;
    snprintf (r->value[r->pairs++], sizeof r->value[0], "%" PRIu64, value);
}

static void put_text (struct record *r, const char *name, const char *text)
{
    r->name[r->pairs] = name;
    r->text[r->pairs++] = text ? text : "";
}

static void flush (struct answer *a, bool more)
{
    struct wire w = {.kind = WIRE_REPLY};
    w.m.reply.ref = a->ref;
    w.m.reply.more = more;
    w.m.reply.count = a->count;
    w.body[0] = buf_take_slice (&a->body);
    session_post (a->s, a->c->session, &w);
    slice_fini (&w.body[0]);
    a->count = 0;
}

static void add (struct answer *a, const struct record *r)
{
    if (a->count == RECORDS_PER_REPLY)
        flush (a, true);
    row_begin (&a->body, 2 * r->pairs);
    for (uint32_t i = 0; i < r->pairs; i++) {
        row_value (&a->body, bytes_str (r->name[i]));
        row_value (&a->body, bytes_str (r->text[i] ? r->text[i] : r->value[i]));
    }
    a->count++;
}

/* Clients that are at a quota of theirs. */
static uint64_t clients_held_back (const struct sched *s)
{
    uint64_t n = 0;
    for (const struct session *se = s->by_token; se; se = se->by_token.next)
        n += se->client && se->client->over_quota;
    return n;
}

static void answer_status (struct answer *a)
{
    struct sched *s = a->s;
    struct sched_figures f = sched_figures (s);
    struct record r = {0};
    uint64_t busy = 0;
    const struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        busy += w->occupied;
    char id[24];
    snprintf (id, sizeof id, "%016" PRIx64, s->cfg.broker_id);
    put_text (&r, "version", s->cfg.version);
    put_text (&r, "durability", s->cfg.durability);
    put_text (&r, "storage", s->degraded ? s->degraded : "ok");
    if (s->cfg.state) {
        put_text (&r, "state", s->cfg.state);
        put (&r, "state_bytes", s->cfg.state_bytes);
        put_text (&r, "stopped", s->cfg.stopped);
    }
    put_text (&r, "broker", id);
    put (&r, "pid", s->cfg.pid);
    put (&r, "uptime_ms", (uint64_t)((s->now_us - s->cfg.start_us) / US_PER_MS));
    put (&r, "clients", f.clients);
    put (&r, "workers", f.workers);
    put (&r, "slots", s->slots);
    put (&r, "busy", busy);
    put (&r, "batches", f.batches);
    put (&r, "waiting", f.waiting);
    put (&r, "running", f.granted);
    put (&r, "queue_bytes", f.queue_bytes);
    put (&r, "fenced", f.fenced);
    put (&r, "duplicates", f.duplicates);
    put (&r, "malformed", f.malformed);
    put (&r, "held_back", clients_held_back (s));
    add (a, &r);
}

static const char *state_name (const struct batch *b)
{
    if (b->ended)
        return b->cancelled ? "cancelled" : "finished";
    if (b->cancelled)
        return "cancelling";
    return b->closed ? "running" : "open";
}

static const char *note (const struct sched *s, const struct batch *b)
{
    if (b->n_unmet)
        return "it waits for other batches";
    if (b->paused)
        return "its results are not read: no more of it is started";
    if (b->waiting.count && s->n_unsure)
        return "the broker's state went back: its workers are waited for";
    if (b->waiting.count && !b->granted && !s->n_workers)
        return "no worker is connected";
    if (b->waiting.count && !b->granted && (b->told_too_big || b->told_no_function))
        return "no worker there can run it";
    return "";
}

/* Batches of an earlier life are told apart by the real-time clock, which may have jumped. */
static uint64_t age_ms (const struct sched *s, const struct batch *b)
{
    uint64_t now = sched_wall_ms (s, s->now_us);
    uint64_t opened = b->open.m.open.opened_ms;
    return now > opened ? now - opened : 0;
}

static void add_batch (struct answer *a, const struct batch *b)
{
    struct record r = {0};
    struct buf after;
    buf_init (&after, 8192);
    after_text (b, &after);
    buf_putc (&after, '\0');
    put (&r, "id", b->id);
    put_text (&r, "name", b->name);
    put_text (&r, "state", state_name (b));
    put (&r, "detached", b->flags & BATCH_DETACHED ? 1 : 0);
    if (b->closed)
        put (&r, "total", b->submitted);
    put (&r, "submitted", b->submitted);
    put (&r, "waiting", rows_waiting (b));
    put (&r, "running", b->granted);
    for (int how = 0; how < OUTCOME_BROKER_LOST; how++)
        put (&r, outcome_name ((enum outcome_how)how), b->counts[how]);
    if (b->retried)
        put (&r, "retried", b->retried);
    put (&r, "jobs", b->jobs);
    put (&r, "priority", b->priority);
    put (&r, "opened_ms", age_ms (a->s, b));
    if (b->kept)
        put (&r, "ended_ms", (uint64_t)((a->s->now_us - b->ended_us) / US_PER_MS));
    put_text (&r, "client", b->client->session ? b->client->session->name : "");
    put_text (&r, "note", note (a->s, b));
    put (&r, "cpus", b->cpus);
    if (b->n_specs > 0)
        put (&r, "commands", b->specs[0].m.spec.form != FORM_FUNCTION);
    if (b->pipeline)
        put (&r, "pipeline", b->pipeline);
    if (b->keys_most) {
        put (&r, "keys", b->keys_most);
        put (&r, "key_tasks", b->key_rows_most);
    }
    if (b->n_unmet)
        put_text (&r, "after", after.failed ? "" : (const char *)after.bytes);
    add (a, &r);
    buf_fini (&after);
}

static void answer_batches (struct answer *a)
{
    for (const struct batch *b = a->s->batches; b; b = b->hh.next)
        add_batch (a, b);
}

static void add_worker (struct answer *a, const struct worker *w)
{
    struct record r = {0};
    uint64_t batches = 0;
    const struct lease *l;
    LIST_FOREACH (l, &w->leases, w_link)
        batches++;
    struct buf names;
    buf_init (&names, 1 << 16);
    if (w->commands)
        buf_puts (&names, "commands");
    for (const struct function_name *f = w->functions; f; f = f->hh.next)
        buf_printf (&names, "%s%s", names.len ? " " : "", f->name);
    buf_putc (&names, '\0');
    static const char *const LEVELS[] = {"subreaper", "cgroup", "namespace"};
    put_text (&r, "name", w->session->name);
    put_text (&r, "host", w->session->host);
    put (&r, "slots", w->slots);
    put (&r, "busy", w->occupied);
    put (&r, "io_tasks", w->io_tasks);
    put (&r, "io_busy", w->io_busy);
    put_text (&r, "state",
              w->draining                        ? "draining"
              : w->suspect || !w->session->route ? "suspect"
              : w->quarantined                   ? "quarantined"
                                                 : "ready");
    put (&r, "batches", batches);
    put (&r, "done", w->done);
    put (&r, "pid", w->session->pid);
    put_text (&r, "containment", LEVELS[w->containment % 3]);
    put_text (&r, "functions", names.failed ? "" : (const char *)names.bytes);
    if (w->cores)
        put (&r, "cores", w->cores);
    add (a, &r);
    buf_fini (&names);
}

static void answer_workers (struct answer *a)
{
    const struct worker *w;
    TAILQ_FOREACH (w, &a->s->workers, link)
        add_worker (a, w);
}

/* --- tasks: a page of rows ---
 *
 * The page is filled from the sets and results that reach into it, each looked at once, so it costs
 * what is in it, not what is in the batch. Of an attached batch all results are looked through that
 * were not read yet: there is a limit to those.
 */

struct task {
    const struct lease *lease; /* running, there */
    const struct entry *entry; /* ended, and the outcome is in it, ... */
    size_t at;                 /* ... at this byte */
    bool waiting;
};

struct past { /* texts of a record */
    struct buf names;
    char last[32];
};

struct page {
    const struct batch *batch;
    uint64_t first, count;
    struct task *task;
};

static struct task *task_of (struct page *p, uint64_t row)
{
    return row >= p->first && row - p->first < p->count ? &p->task[row - p->first] : NULL;
}

/* Those of the set are with this worker; NULL: they wait. */
static void fill_open (struct page *p, const struct ranges *set, const struct lease *l)
{
    uint64_t end = p->first + p->count;
    struct range r;
    for (uint64_t at = p->first; r = ranges_from (set, at), r.lo < r.hi && r.lo < end; at = r.hi)
        for (uint64_t row = r.lo; row < r.hi && row < end; row++) {
            task_of (p, row)->lease = l;
            task_of (p, row)->waiting = !l;
        }
}

/* A row that was run again has several outcomes: later ones are in later entries. */
static bool is_latest (const struct batch *b, uint64_t row, const struct entry *en)
{
    return !(b->flags & BATCH_DETACHED) || row_index_find (&b->index, row) == en;
}

static void fill_ended (struct page *p, const struct entry *en)
{
    struct outcome o;
    size_t at = 0;
    for (size_t from = 0; outcome_read (bytes_of (en->body.ptr, en->body.len), &at, &o) == 1;
         from = at) {
        struct task *t = task_of (p, o.row);
        if (!t || !is_latest (p->batch, o.row, en))
            continue;
        t->entry = en;
        t->at = from;
    }
}

static void fill_all_ended (struct page *p)
{
    const struct entry *en;
    if (p->batch->flags & BATCH_DETACHED) {
        for (uint64_t row = p->first; row < p->first + p->count; row++)
            if (!task_of (p, row)->entry && (en = row_index_find (&p->batch->index, row)))
                fill_ended (p, en);
        return;
    }
    TAILQ_FOREACH (en, &p->batch->log, link)
        if (en->kind == WIRE_RESULTS)
            fill_ended (p, en);
}

/* How the attempt before ended. */
static void put_last (struct record *r, const struct odd_row *odd, char *text, size_t size)
{
    if (odd->how == OUTCOME_DONE)
        return;
    if (odd->signal)
        snprintf (text, size, "signal %u", odd->signal);
    else if (odd->how == OUTCOME_FAILED)
        snprintf (text, size, "exit %u", odd->status);
    else
        snprintf (text, size, "%s",
                  odd->how == OUTCOME_LOST ? "worker lost" : outcome_name (odd->how));
    put_text (r, "last", text);
}

/* What came before the present attempt. */
static void put_past (struct record *r, const struct batch *b, uint64_t row, struct past *p)
{
    const struct odd_row *odd = odd_find (b, row);
    if (!odd)
        return;
    buf_init (&p->names, sizeof odd->past * 64);
    odd_past_text (odd, &p->names);
    buf_putc (&p->names, '\0');
    put (r, "losses", odd->losses);
    put (r, "retries", odd->runs);
    put_last (r, odd, p->last, sizeof p->last);
    put_text (r, "tried", p->names.failed ? "" : (const char *)p->names.bytes);
}

static void put_ended (struct record *r, const struct task *t, char *reason, size_t size)
{
    const struct entry *en = t->entry;
    size_t at = t->at;
    struct outcome o;
    if (outcome_read (bytes_of (en->body.ptr, en->body.len), &at, &o) != 1)
        return;
    snprintf (reason, size, "%.*s", (int)o.reason.len, (const char *)o.reason.ptr);
    put_text (r, "state", outcome_name (o.how));
    put (r, "attempt", o.attempt);
    put_text (r, "worker", en->worker);
    put_text (r, "host", en->host);
    put (r, "status", o.status);
    put (r, "signal", o.signal);
    put (r, "start_us", o.start_us);
    put (r, "wall_us", o.wall_us);
    put (r, "user_us", o.user_us);
    put (r, "sys_us", o.sys_us);
    put (r, "maxrss_kib", o.maxrss_kib);
    put (r, "out_bytes", o.out_bytes);
    put (r, "err_bytes", o.err_bytes);
    put_text (r, "reason", reason);
}

static void put_progress (struct record *r, const struct lease *l, uint64_t row)
{
    const struct progress *p = l ? progress_of (l, row) : NULL;
    if (!p)
        return;
    put (r, "progress", p->done);
    if (p->total)
        put (r, "progress_total", p->total);
}

static void add_task (struct answer *a, const struct batch *b, uint64_t row, const struct task *t)
{
    struct record r = {0};
    struct past past = {0};
    char reason[400];
    put (&r, "batch", b->id);
    put (&r, "row", row);
    if (t->waiting || t->lease) {
        put_text (&r, "state", t->lease ? "running" : "waiting");
        put (&r, "attempt", odd_attempt (b, row));
        put_text (&r, "worker", t->lease ? t->lease->worker->session->name : "");
        put_text (&r, "host", t->lease ? t->lease->worker->session->host : "");
        put_progress (&r, t->lease, row);
        if (ranges_has (&b->later, row) && odd_find (b, row)->due_us > a->s->now_us)
            put (&r, "due_ms", (uint64_t)(odd_find (b, row)->due_us - a->s->now_us) / US_PER_MS);
    } else if (t->entry) {
        put_ended (&r, t, reason, sizeof reason);
    } else {
        put_text (&r, "state", "finished");
    }
    put_past (&r, b, row, &past);
    add (a, &r);
    buf_fini (&past.names);
}

static void answer_tasks (struct answer *a, const struct batch *b, const struct msg_query *q)
{
    struct page p = {.batch = b, .first = q->first};
    if (q->first >= b->submitted)
        return;
    p.count = q->count && q->count < TASKS_MAX ? q->count : TASKS_MAX;
    if (p.count > b->submitted - p.first)
        p.count = b->submitted - p.first;
    p.task = mem_zalloc (p.count * sizeof *p.task);
    fill_open (&p, &b->waiting, NULL);
    fill_open (&p, &b->later, NULL);
    fill_open (&p, &b->held, NULL);
    const struct lease *l;
    LIST_FOREACH (l, &b->leases, b_link)
        fill_open (&p, &l->out, l);
    fill_all_ended (&p);
    for (uint64_t i = 0; i < p.count; i++)
        add_task (a, b, p.first + i, &p.task[i]);
    free (p.task);
}

void query_answer (struct sched *s, struct client *c, const struct wire *w)
{
    const struct msg_query *q = &w->m.query;
    struct answer a = {.s = s, .c = c, .ref = q->ref};
    struct batch *b = batch_find (s, q->id);
    buf_init (&a.body, WIRE_FRAME_MAX);
    if ((q->what == QUERY_BATCH || q->what == QUERY_TASKS) && !b) {
        char why[64];
        snprintf (why, sizeof why, "there is no batch %" PRIu64, q->id);
        reply (s, c, q->ref, WIRE_UNKNOWN, 0, why);
        return;
    }
    switch (q->what) {
    case QUERY_STATUS:
        answer_status (&a);
        break;
    case QUERY_BATCHES:
        answer_batches (&a);
        break;
    case QUERY_BATCH:
        add_batch (&a, b);
        break;
    case QUERY_TASKS:
        answer_tasks (&a, b, q);
        break;
    case QUERY_WORKERS:
        answer_workers (&a);
        break;
    default:
        reply (s, c, q->ref, WIRE_UNSUPPORTED, 0, "no such query");
        return;
    }
    flush (&a, false);
}
