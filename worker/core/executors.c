/* Executors: the processes that run rows. Asked for when there is work that could run, used again,
 * and ended when there are more than slots for a while.
 *
 * A busy executor works for one batch, holds one of its slot numbers and the slots of one of its
 * tasks, until its last job is over; one that is being killed holds them until it is gone.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "worker/core/core.h"

enum {
    STALE_US = 10 * US_PER_MS, /* a row takes long: what waits behind it is recalled */
    IDLE_US = 30 * US_PER_S,   /* an executor that nobody needs may stay */
    REFUSED_US = US_PER_S,     /* before the next try */
    ASK_MAX = 64,              /* requests that may be unanswered */
    LOOK_US = US_PER_S,        /* between two looks at an executor of functions */
    STALLS_MAX = 30,           /* looks: a module is loaded by then */
};

struct executor *executor_find (struct agent *a, uint32_t number)
{
    struct executor *e = NULL;
    HASH_FIND (hh, a->executors, &number, sizeof number, e);
    return e;
}

static void go_idle (struct agent *a, struct executor *e, int64_t now)
{
    e->idle_us = now;
    TAILQ_INSERT_HEAD (&a->idle[e->kind], e, link);
    a->n_idle[e->kind]++;
    a->place = true;
}

static void leave_idle (struct agent *a, struct executor *e)
{
    TAILQ_REMOVE (&a->idle[e->kind], e, link);
    a->n_idle[e->kind]--;
}

void executor_occupy (struct agent *a, struct executor *e, struct batch *b, unsigned cpus,
                      int64_t now)
{
    leave_idle (a, e);
    e->batch = b;
    e->busy = true;
    e->cpus = cpus;
    e->moved_us = now;
    e->slot = ranges_from (&b->free, 0).lo;
    ranges_remove (&b->free, e->slot, e->slot + 1);
    LIST_INSERT_HEAD (&b->busy, e, batch_link);
    exclusive_lease (a, e);
    b->n_busy++;
    a->n_busy++;
    a->slots_used += cpus;
    e->io = cpus == 0;
    a->io_used += e->io;
}

static void set_deep (struct agent *a, struct executor *e, bool deep)
{
    if (e->deep)
        TAILQ_REMOVE (&a->deep, e, deep_link);
    e->deep = deep;
    if (!deep)
        return;
    struct executor *before = TAILQ_LAST (&a->deep, deep_list);
    while (before && before->moved_us > e->moved_us)
        before = TAILQ_PREV (before, deep_list, deep_link);
    if (before)
        TAILQ_INSERT_AFTER (&a->deep, before, e, deep_link);
    else
        TAILQ_INSERT_HEAD (&a->deep, e, deep_link);
}

static bool is_deep (const struct executor *e)
{
    const struct job *j = TAILQ_FIRST (&e->jobs);
    return !e->killed && j && (e->n_jobs > 1 || j->rows.count - j->answered > 1);
}

void executor_leave (struct agent *a, struct executor *e, struct agent_effects *fx)
{
    struct batch *b = e->batch;
    if (!b)
        return;
    exclusive_release (a, e);
    LIST_REMOVE (e, batch_link);
    b->n_busy--;
    if (b->foreign)
        batch_count_free (b);
    else
        ranges_add (&b->free, e->slot, e->slot + 1);
    e->batch = NULL;
    a->place = true;
    batch_release (a, b, fx);
}

static void free_slots (struct agent *a, struct executor *e)
{
    if (!e->busy)
        return;
    e->busy = false;
    a->n_busy--;
    a->slots_used -= e->cpus;
    a->io_used -= e->io;
    e->cpus = 0;
    e->io = false;
    a->place = true;
}

void executor_set_due (struct agent *a, struct executor *e, int64_t due_us)
{
    e->due_us = due_us;
    if (due_us < a->due_us)
        a->due_us = due_us;
}

int64_t executor_limit_us (uint64_t limit_ms)
{
    return limit_ms && limit_ms < INT64_MAX / 2 / US_PER_MS ? (int64_t)limit_ms * US_PER_MS
                                                            : CLOCK_NEVER;
}

/* Whatever begins from now on is looked at before it is over its limit. */
static int64_t next_look (int64_t limit_us, int64_t now)
{
    return now + (limit_us < LOOK_US ? limit_us : LOOK_US);
}

void executor_watch (struct agent *a, struct executor *e, uint64_t limit_ms, int64_t now)
{
    e->stalls = 0;
    e->stall_us = now;
    executor_set_due (a, e, next_look (executor_limit_us (limit_ms), now));
}

void executor_kill (struct agent *a, struct executor *e, enum doom doom, const char *reason,
                    int64_t now, struct agent_effects *fx)
{
    if (e->killed)
        return;
    if (!e->busy) { /* it goes without holding anything up */
        leave_idle (a, e);
        e->busy = true;
        a->n_busy++;
    }
    e->killed = true;
    if (e->doom == DOOM_NONE || doom == DOOM_VOID)
        e->doom = doom;
    if (reason && !e->reason)
        e->reason = mem_strdup (reason);
    if (e->batch && doom != DOOM_VOID &&
        doom != DOOM_STALL) /* its first row is to blame for that */
        jobs_recall (a, e, UINT64_MAX, now, fx);
    set_deep (a, e, false);
    e->due_us = CLOCK_NEVER;
    fx_add (fx, AGENT_DO_KILL)->executor = e->number;
}

void executor_settle (struct agent *a, struct executor *e, int64_t now, struct agent_effects *fx)
{
    set_deep (a, e, is_deep (e));
    if (e->n_jobs || e->killed || !e->busy)
        return;
    e->due_us = CLOCK_NEVER;
    e->doom = DOOM_NONE;
    free (e->reason);
    e->reason = NULL;
    executor_leave (a, e, fx);
    free_slots (a, e);
    go_idle (a, e, now);
    if (e->last || a->cfg.pages.spent (a->cfg.pages.self, e->number))
        executor_kill (a, e, DOOM_NONE, NULL, now, fx);
}

void executor_new (struct agent *a, const struct agent_event *ev, int64_t now)
{
    struct executor *e = mem_zalloc (sizeof *e);
    e->number = ev->executor;
    e->kind = ev->executor_kind;
    e->index = bits_lowest_free (&a->indexes);
    e->due_us = CLOCK_NEVER;
    TAILQ_INIT (&e->jobs);
    bits_set (&a->indexes, e->index);
    HASH_ADD (hh, a->executors, number, sizeof e->number, e);
    a->n_executors++;
    if (a->starting[e->kind])
        a->starting[e->kind]--;
    a->refusals = 0;
    go_idle (a, e, now);
}

void executor_refused (struct agent *a, const struct agent_event *ev, int64_t now,
                       struct agent_effects *fx)
{
    if (a->starting[ev->executor_kind])
        a->starting[ev->executor_kind]--;
    if (!a->refusals++)
        fx_log (fx, LOG_WARN, "no new executor why=\"%s\" executors=%u: trying again", ev->text,
                a->n_executors);
    a->refused_us = now + REFUSED_US;
    a->short_of = true;
}

/* No spec is known to whoever gets this index next. */
static void forget_index (struct agent *a, unsigned index)
{
    for (struct batch *b = a->batches; b; b = b->hh.next) {
        if (!bits_has (&b->told, index))
            continue;
        bits_clear (&b->told, index);
        for (struct spec *s = b->specs; s; s = s->hh.next)
            bits_clear (&s->told, index);
    }
    bits_clear (&a->indexes, index);
}

void executor_free (struct agent *a, struct executor **ep)
{
    struct executor *e = *ep;
    set_deep (a, e, false);
    if (!e->busy)
        leave_idle (a, e);
    free_slots (a, e);
    forget_index (a, e->index);
    HASH_DEL (a->executors, e);
    a->n_executors--;
    while (!TAILQ_EMPTY (&e->jobs)) {
        struct job *j = TAILQ_FIRST (&e->jobs);
        TAILQ_REMOVE (&e->jobs, j, link);
        job_free (&j);
    }
    free (e->reason);
    free (e);
    *ep = NULL;
}

/* Idle ones of the other kind make room under the limit. */
static void make_room (struct agent *a, enum agent_kind kind, uint64_t count, int64_t now,
                       struct agent_effects *fx)
{
    enum agent_kind other = kind == AGENT_COMMANDS ? AGENT_FUNCTIONS : AGENT_COMMANDS;
    for (; count && a->n_idle[other]; count--)
        executor_kill (a, TAILQ_LAST (&a->idle[other], idle_list), DOOM_NONE, NULL, now, fx);
}

void executors_want (struct agent *a, enum agent_kind kind, uint64_t count, int64_t now,
                     struct agent_effects *fx)
{
    unsigned asked = a->starting[AGENT_COMMANDS] + a->starting[AGENT_FUNCTIONS];
    uint64_t there = a->n_executors + asked;
    if (count <= a->starting[kind])
        return;
    if (now < a->refused_us) {
        a->short_of = true;
        return;
    }
    count -= a->starting[kind];
    uint64_t room = there < a->cfg.executors_max ? a->cfg.executors_max - there : 0;
    if (count > room)
        make_room (a, kind, count - room, now, fx);
    if (count > room)
        count = room;
    for (; count && asked < ASK_MAX; count--, asked++) {
        fx_add (fx, AGENT_DO_NEW)->executor_kind = kind;
        a->starting[kind]++;
    }
}

/* It has rows and runs none: it loads a module, waits until its outcomes are read, was broken by a
 * function, or is between two rows. What is seen counts, a second apart, and not the time: that
 * passes for the stopped, too. */
static void look_stalled (struct agent *a, struct executor *e, int64_t limit_us, int64_t now,
                          struct agent_effects *fx)
{
    if (a->paused) {
        e->stalls = 0;
    } else if (now - e->stall_us >= LOOK_US) {
        e->stalls++;
        e->stall_us = now;
    }
    if (e->stalls < STALLS_MAX) {
        executor_set_due (a, e, next_look (limit_us, now));
        return;
    }
    fx_log (fx, LOG_WARN, "executor does not go on executor=%u: killing it", e->number);
    e->spoiled = true;
    executor_kill (a, e, DOOM_STALL, NULL, now, fx);
}

/* Tell the broker how far the row is, where that is news. */
static void tell_progress (struct agent *a, struct executor *e)
{
    struct agent_progress p;
    const struct job *j;
    if (!a->session.progress || !a->cfg.pages.progress (a->cfg.pages.self, e->number, &p) ||
        (p.run == e->told.run && p.place == e->told.place && p.done == e->told.done &&
         p.total == e->told.total))
        return;
    TAILQ_FOREACH (j, &e->jobs, link)
        if (j->run == p.run && p.place >= j->answered && p.place < j->rows.count)
            break;
    if (!j)
        return;
    struct wire w = {.kind = WIRE_PROGRESS};
    w.m.progress = (struct msg_progress){.batch = e->batch->id,
                                         .row = j->rows.first + p.place,
                                         .attempt = j->rows.attempt,
                                         .done = p.done,
                                         .total = p.total};
    session_post (&a->session, &w);
    e->told = p;
}

static void look_at_function (struct agent *a, struct executor *e, const struct job *j, int64_t now,
                              struct agent_effects *fx)
{
    uint64_t limit_ms = batch_spec (e->batch, j->rows.spec)->msg.m.spec.timeout_ms;
    int64_t limit_us = executor_limit_us (limit_ms);
    struct agent_running r;
    if (!a->cfg.pages.running (a->cfg.pages.self, e->number, &r) || r.start_us > now ||
        r.start_us <= 0) {
        look_stalled (a, e, limit_us, now, fx);
        return;
    }
    e->stalls = 0;
    e->stall_us = now;
    tell_progress (a, e);
    if (a->cfg.pages.spent (a->cfg.pages.self, e->number))
        e->last = true;
    if (now - r.start_us >= limit_us)
        executor_kill (a, e, DOOM_TIMEOUT, NULL, now, fx);
    else
        executor_set_due (
            a, e, limit_us - (now - r.start_us) < LOOK_US ? r.start_us + limit_us : now + LOOK_US);
}

/* What was to end and did not, or a function. */
static void look_at (struct agent *a, struct executor *e, int64_t now, struct agent_effects *fx)
{
    e->due_us = CLOCK_NEVER;
    const struct job *j = TAILQ_FIRST (&e->jobs);
    if (!j || e->killed)
        return;
    if (e->doom != DOOM_NONE) {
        fx_log (fx, LOG_WARN, "executor does not end what it runs executor=%u: killing it",
                e->number);
        executor_kill (a, e, e->doom, NULL, now, fx);
    } else if (e->kind == AGENT_FUNCTIONS) {
        look_at_function (a, e, j, now, fx);
    }
}

static void look_at_due (struct agent *a, int64_t now, struct agent_effects *fx)
{
    if (now < a->due_us)
        return;
    struct executor *e;
    struct executor *tmp;
    a->due_us = CLOCK_NEVER;
    HASH_ITER (hh, a->executors, e, tmp) {
        if (e->due_us <= now)
            look_at (a, e, now, fx);
        if (e->due_us < a->due_us)
            a->due_us = e->due_us;
    }
}

/* A row takes long: what waits behind it is to run elsewhere, the outcomes before it are fetched,
 * and rows of this batch are not tiny after all. Not while executors are not read: an outcome must
 * not overtake output of its row that is still to be read. */
static void recall_stale (struct agent *a, int64_t now, struct agent_effects *fx)
{
    struct executor *e;
    while (!a->paused && (e = TAILQ_FIRST (&a->deep)) && now - e->moved_us >= STALE_US) {
        struct batch *b = e->batch;
        uint64_t age_ns = (uint64_t)(now - e->moved_us) * 1000;
        if (b->est_ns < age_ns)
            b->est_ns = age_ns;
        b->chunk = 1;
        jobs_recall (a, e, UINT64_MAX, now, fx);
        if (e->deep)
            executor_peek (a, e, now, fx);
        if (e->deep)
            set_deep (a, e, false); /* nothing is left to recall, until it gets more */
    }
}

static bool surplus (const struct agent *a, enum agent_kind kind)
{
    return a->n_idle[kind] > a->slots;
}

static int64_t idle_until (const struct agent *a, enum agent_kind kind)
{
    return surplus (a, kind) ? TAILQ_LAST (&a->idle[kind], idle_list)->idle_us + IDLE_US
                             : CLOCK_NEVER;
}

void executors_tick (struct agent *a, int64_t now, struct agent_effects *fx)
{
    look_at_due (a, now, fx);
    recall_stale (a, now, fx);
    if (a->short_of && now >= a->refused_us) {
        a->short_of = false;
        a->place = true;
    }
    for (unsigned kind = 0; kind < AGENT_KINDS; kind++)
        while (idle_until (a, kind) <= now)
            executor_kill (a, TAILQ_LAST (&a->idle[kind], idle_list), DOOM_NONE, NULL, now, fx);
}

int64_t executors_deadline (const struct agent *a)
{
    int64_t at = a->due_us;
    const struct executor *e = TAILQ_FIRST (&a->deep);
    if (e && !a->paused && e->moved_us + STALE_US < at)
        at = e->moved_us + STALE_US;
    if (a->short_of && a->refused_us < at)
        at = a->refused_us;
    for (unsigned kind = 0; kind < AGENT_KINDS; kind++)
        if (idle_until (a, kind) < at)
            at = idle_until (a, kind);
    return at;
}
