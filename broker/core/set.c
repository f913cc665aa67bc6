/* Set: a batch is changed while it runs: how many of its tasks may run at one time, its priority,
 * its deadline, its name. What it was opened with stays as it was, for who opens it again.
 *
 * A lower limit ends nothing: what runs goes on, look-ahead is taken back, and a worker starts
 * nothing as long as it runs more than it has slot numbers. Numbers above the limit are taken from
 * the workers, under a new share; as a task may still be running under one, nobody else gets it
 * before that worker has nothing left of the batch. Where the limit is raised meanwhile, it gets
 * them back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define CHANGES_KNOWN (CHANGE_JOBS | CHANGE_PRIORITY | CHANGE_DEADLINE | CHANGE_NAME)

static void say_extent (struct sched *s, const struct lease *l, struct range r)
{
    struct wire m = {.kind = WIRE_GRANT};
    m.m.grant = (struct msg_grant){.batch = l->batch->id,
                                   .grant = ++l->worker->grants,
                                   .attempt = 1,
                                   .share = l->share,
                                   .slot_base = r.lo,
                                   .slot_count = r.hi - r.lo};
    session_post (s, l->worker->session, &m);
}

void lease_say_slots (struct sched *s, const struct lease *l)
{
    for (size_t i = 0; i < l->slots.n; i++)
        say_extent (s, l, l->slots.at[i]);
    if (!l->slots.n) /* it may know of some that it has no more */
        say_extent (s, l, (struct range){0});
}

/* --- jobs --- */

/* Move what is in [lo, hi) of one set to the other; returns how many that were. */
static uint64_t move (struct ranges *from, struct ranges *to, uint64_t lo, uint64_t hi)
{
    uint64_t n = 0;
    struct range r;
    while ((r = ranges_from (from, lo)), r.lo < r.hi && r.lo < hi) {
        if (r.hi > hi)
            r.hi = hi;
        ranges_remove (from, r.lo, r.hi);
        ranges_add (to, r.lo, r.hi);
        n += r.hi - r.lo;
    }
    return n;
}

static void take_back_rest (struct sched *s, struct lease *l)
{
    struct wire m = {.kind = WIRE_TAKE_BACK};
    if (l->out.count <= l->slots.count || worker_is_away (l->worker))
        return;
    m.m.take_back.batch = l->batch->id;
    m.m.take_back.count = l->out.count - l->slots.count;
    session_post (s, l->worker->session, &m);
    l->taking_back = true;
}

/* Numbers from `end` on are not to be used. */
static void lower (struct sched *s, struct lease *l, uint64_t end)
{
    if (!move (&l->slots, &l->retired, end, UINT64_MAX))
        return;
    l->share = ++l->worker->shares;
    lease_count (l);
    if (s->replaying || worker_is_away (l->worker)) /* which is told when it is back */
        return;
    lease_say_slots (s, l);
    take_back_rest (s, l);
}

/* Those below are, by who had them. */
static void raise_limit (struct sched *s, struct lease *l, uint64_t end)
{
    if (!move (&l->retired, &l->slots, 0, end))
        return;
    lease_count (l);
    if (!s->replaying && !worker_is_away (l->worker))
        lease_say_slots (s, l);
}

static void set_jobs (struct sched *s, struct batch *b, uint64_t jobs)
{
    uint64_t old = 1 + (b->jobs ? b->jobs : BATCH_SLOT_NUMBERS);
    uint64_t end = 1 + (jobs ? jobs : BATCH_SLOT_NUMBERS);
    struct lease *l;
    b->jobs = jobs;
    if (end > old)
        ranges_add (&b->slots, old, end);
    else
        ranges_remove (&b->slots, end, old);
    LIST_FOREACH (l, &b->leases, b_link) {
        raise_limit (s, l, end);
        lower (s, l, end);
        for (size_t i = 0; i < l->retired.n; i++)
            ranges_remove (&b->slots, l->retired.at[i].lo, l->retired.at[i].hi);
        for (size_t i = 0; i < l->slots.n; i++)
            ranges_remove (&b->slots, l->slots.at[i].lo, l->slots.at[i].hi);
    }
}

/* --- all of it --- */

/* How long after its OPEN; of one whose rows were retried, whose clocks began anew, from now. */
static uint64_t since_open (const struct sched *s, const struct batch *b, uint64_t ms, int64_t now)
{
    uint64_t wall_ms = sched_wall_ms (s, now);
    uint64_t opened_ms = b->open.m.open.opened_ms;
    uint64_t age_ms = !b->rerun && wall_ms > opened_ms ? wall_ms - opened_ms : 0;
    return ms && ms < UINT64_MAX - age_ms ? ms + age_ms : ms;
}

static void set_name (struct batch *b, struct bytes name)
{
    free (b->name);
    b->name = mem_strndup ((const char *)name.ptr, name.len);
}

void set_replay (struct sched *s, struct batch *b, const struct msg_set *m)
{
    if (m->changes & CHANGE_JOBS)
        set_jobs (s, b, m->jobs);
    if (m->changes & CHANGE_PRIORITY)
        b->priority = m->priority;
    if (m->changes & CHANGE_DEADLINE)
        b->deadline_ms = m->deadline_ms;
    if (m->changes & CHANGE_NAME)
        set_name (b, m->name);
}

static void set_deadline (struct batch *b, uint64_t ms, int64_t now)
{
    b->deadline_us = CLOCK_NEVER;
    if (ms && ms < INT64_MAX / 2 / US_PER_MS && !b->cancelled)
        b->deadline_us = now + (int64_t)ms * US_PER_MS;
}

static bool refuses (struct sched *s, struct client *c, const struct batch *b,
                     const struct msg_set *m)
{
    char why[80];
    enum wire_code code = WIRE_OK;
    if (!b) {
        code = WIRE_UNKNOWN;
        snprintf (why, sizeof why, "there is no batch %" PRIu64, m->id);
    } else if (b->ended) {
        code = WIRE_CONFLICT;
        snprintf (why, sizeof why, "batch %" PRIu64 " is over", m->id);
    } else if (m->changes & ~(uint64_t)CHANGES_KNOWN) {
        code = WIRE_UNSUPPORTED;
        snprintf (why, sizeof why, "this broker cannot change all of that");
    }
    if (code)
        reply (s, c, m->ref, code, 0, why);
    return code;
}

void set_on_set (struct sched *s, struct client *c, const struct wire *w, int64_t now,
                 struct effects *fx)
{
    const struct msg_set *m = &w->m.set;
    struct batch *b = batch_find (s, m->id);
    if (refuses (s, c, b, m))
        return;
    struct wire mine = *w;
    mine.m.set.deadline_ms = since_open (s, b, m->deadline_ms, now);
    record_said (s, b, &mine, fx);
    set_replay (s, b, &mine.m.set);
    if (m->changes & CHANGE_DEADLINE)
        set_deadline (b, m->deadline_ms, now);
    batch_give_to (s, b, b->client); /* its turn is another one now */
    effect_log (fx, LOG_INFO, "changed batch=%" PRIu64 " jobs=%" PRIu64 " priority=%" PRIu64, b->id,
                b->jobs, b->priority);
    reply (s, c, m->ref, WIRE_OK, 0, "");
    batch_progress (s, b, now);
}
