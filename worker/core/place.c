/* Placing: which rows start now, and where.
 *
 * Rows start in the order in which they were granted. A batch whose slot numbers are all in use is
 * passed over; a task that needs more slots than are free keeps them from those behind it, so that
 * it gets its turn. Executors that will be free in a moment get the next job of their batch
 * already.
 */
#include <inttypes.h>
#include <stdio.h>

#include "worker/core/core.h"

enum {
    PIPELINE_NS = 5000000,       /* rows that take longer are not handed over ahead */
    PIPELINE_US = 5 * US_PER_MS, /* nor to an executor that has been busy for longer */
    JOB_BYTES = 256 << 10,
    STATUS_REFUSED = 125,
};

struct pass {
    uint64_t free;              /* slots, less those that executors to come will take */
    uint64_t io_free;           /* likewise tasks that take no slot */
    bool reserved;              /* a task waits for more slots than are free */
    uint64_t wish[AGENT_KINDS]; /* executors that could work */
    uint64_t next_order;        /* of the first rows that wait for a slot or an executor */
};

static enum agent_kind kind_of (const struct spec *s)
{
    return s->msg.m.spec.form == FORM_FUNCTION ? AGENT_FUNCTIONS : AGENT_COMMANDS;
}

static bool is_live (const struct spec *s)
{
    return s->msg.m.spec.flags & (SPEC_LIVE_INPUT | SPEC_LIVE_OUTPUT);
}

/* Answer the first waiting row without running it, where nothing else can be done. */
static bool refuse (struct agent *a, struct batch *b, const struct run *r, const struct spec *s)
{
    char text[120];
    if (!s)
        snprintf (text, sizeof text, "the broker sent no spec %" PRIu64, r->spec);
    else if (s->msg.m.spec.cpus > a->slots)
        snprintf (text, sizeof text, "the task takes %" PRIu64 " slots, this worker has %u",
                  s->msg.m.spec.cpus, a->slots);
    else
        return false;
    struct outcome o = {.attempt = r->attempt,
                        .how = OUTCOME_FAILED,
                        .status = STATUS_REFUSED,
                        .reason = bytes_str (text)};
    struct run gone;
    runs_take_front (a, b, 1, &gone);
    results_make (a, b, gone.first, &o, false);
    slice_fini (&gone.body);
    return true;
}

/* How many tasks of the batch could run at this moment, beside those that do. */
static uint64_t places (const struct batch *b, const struct spec *s, const struct pass *p)
{
    uint64_t n = b->free.count;
    uint64_t cpus = s->msg.m.spec.cpus;
    uint64_t room = cpus ? p->free / cpus : p->io_free;
    return room < n ? room : n;
}

/* Rows of the next job, of which `among` could be handed out now. */
static uint64_t job_rows (const struct batch *b, const struct run *r, const struct spec *s,
                          uint64_t among)
{
    if (r->each_spec || is_live (s) || b->careful)
        return 1;
    uint64_t n = b->chunk;
    uint64_t even = (b->queued + among - 1) / among;
    uint64_t bytes = r->body.len / r->count + 1;
    if (n > even)
        n = even;
    if (n > JOB_BYTES / bytes)
        n = JOB_BYTES / bytes;
    if (n > r->count)
        n = r->count;
    return n ? n : 1;
}

static void wish (struct batch *b, const struct spec *s, struct pass *p)
{
    uint64_t n = places (b, s, p);
    if (n > b->queued)
        n = b->queued;
    p->free -= n * s->msg.m.spec.cpus;
    p->io_free -= s->msg.m.spec.cpus ? 0 : n;
    p->wish[kind_of (s)] += n;
}

static void waits (struct pass *p, const struct batch *b)
{
    if (p->next_order == UINT64_MAX)
        p->next_order = TAILQ_FIRST (&b->runs)->order;
}

/* One that is idle, and, where rows are suspects, has not run any before. */
static struct executor *pick (struct agent *a, const struct batch *b, enum agent_kind kind,
                              int64_t now, struct agent_effects *fx)
{
    struct executor *e;
    while ((e = TAILQ_FIRST (&a->idle[kind])) && b->careful && e->used)
        executor_kill (a, e, DOOM_NONE, NULL, now, fx);
    return e;
}

/* Start rows of the batch's first run: true if some went. */
static bool start_some (struct agent *a, struct batch *b, struct pass *p, int64_t now,
                        struct agent_effects *fx)
{
    struct run *r = TAILQ_FIRST (&b->runs);
    struct spec *s = batch_spec (b, r->spec);
    if (refuse (a, b, r, s))
        return true;
    if (b->exclusive && !exclusive_may_run (a, now))
        return false;
    uint64_t cpus = s->msg.m.spec.cpus;
    if (!b->free.count)
        return false;
    if (!cpus && !p->io_free)
        return false;
    if (cpus && (p->reserved || cpus > p->free)) {
        p->reserved = true;
        waits (p, b);
        return false;
    }
    struct executor *e = pick (a, b, kind_of (s), now, fx);
    if (!e) {
        waits (p, b);
        wish (b, s, p);
        return false;
    }
    struct run rows;
    runs_take_front (a, b, job_rows (b, r, s, places (b, s, p)), &rows);
    executor_occupy (a, e, b, (unsigned)cpus, now);
    p->free -= cpus;
    p->io_free -= !cpus;
    job_start (a, e, b, &rows, now, fx);
    return true;
}

static void start_all (struct agent *a, struct pass *p, int64_t now, struct agent_effects *fx)
{
    struct batch *b = TAILQ_FIRST (&a->waiting);
    while (b) {
        uint64_t order = TAILQ_FIRST (&b->runs)->order;
        struct batch *next = TAILQ_NEXT (b, link);
        while (b->waiting && TAILQ_FIRST (&b->runs)->order == order)
            if (!start_some (a, b, p, now, fx))
                break;
        if (b->waiting && TAILQ_FIRST (&b->runs)->order != order && TAILQ_NEXT (b, link) == next)
            continue; /* still the next in order */
        b = next;
    }
}

static bool may_pipeline (const struct batch *b, const struct executor *e, const struct spec *s,
                          int64_t now)
{
    return e->n_jobs == 1 && e->doom == DOOM_NONE && !e->killed && !e->last &&
           e->cpus == s->msg.m.spec.cpus && e->kind == kind_of (s) && !is_live (s) &&
           now - e->moved_us < PIPELINE_US && b->est_ns && b->est_ns < PIPELINE_NS;
}

/* The executors of a batch that is next in order, or that may use no more of them, get a job ahead.
 */
static void pipeline (struct agent *a, struct batch *b, int64_t now, struct agent_effects *fx)
{
    struct executor *e;
    if (!b->est_ns || b->est_ns >= PIPELINE_NS || b->careful ||
        (b->exclusive && !exclusive_may_run (a, now)))
        return;
    LIST_FOREACH (e, &b->busy, batch_link) {
        struct run *r = TAILQ_FIRST (&b->runs);
        struct spec *s = r ? batch_spec (b, r->spec) : NULL;
        if (!s)
            return;
        if (!may_pipeline (b, e, s, now))
            continue;
        struct run rows;
        runs_take_front (a, b, job_rows (b, r, s, b->n_busy), &rows);
        job_start (a, e, b, &rows, now, fx);
    }
}

static void pipeline_all (struct agent *a, const struct pass *p, int64_t now,
                          struct agent_effects *fx)
{
    struct batch *b = TAILQ_FIRST (&a->waiting);
    while (b && TAILQ_FIRST (&b->runs)->order <= p->next_order) {
        struct batch *next = TAILQ_NEXT (b, link);
        pipeline (a, b, now, fx);
        b = next;
    }
}

void place (struct agent *a, int64_t now, struct agent_effects *fx)
{
    struct pass p = {.free = a->slots > a->slots_used ? a->slots - a->slots_used : 0,
                     .io_free = a->cfg.io_tasks > a->io_used ? a->cfg.io_tasks - a->io_used : 0,
                     .next_order = UINT64_MAX};
    a->place = false;
    if (a->drain != DRAIN_NOT)
        return;
    start_all (a, &p, now, fx);
    pipeline_all (a, &p, now, fx);
    for (unsigned kind = 0; kind < AGENT_KINDS; kind++)
        if (p.wish[kind])
            executors_want (a, kind, p.wish[kind], now, fx);
}
