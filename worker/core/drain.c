/* Drain: the ways to an end. DRAIN from the broker: start nothing more, give back, and leave when
 * what runs has ended and is acknowledged, however long that takes. TERM: the same, but kill what
 * still runs after the time that was given (which counts no attempt). A second TERM does not wait.
 * And the end of a session, after which everything it granted is void.
 */
#include "worker/core/core.h"

enum {
    /* How long killed executors may take to be gone. What is there then cannot be killed (it sleeps
     * in the kernel), and BYE counts it as ended: the broker may start its rows elsewhere, those of
     * exclusive batches, too. To wait for it could take for ever. */
    GONE_US = 10 * US_PER_S,
    LEAVE_US = 5 * US_PER_S, /* how long the last results may wait for their acknowledgement */
    HURRY_US = 2 * US_PER_S,
};

static void say_capacity (struct agent *a)
{
    struct wire w = {.kind = WIRE_CAPACITY};
    w.m.capacity.slots = a->slots;
    w.m.capacity.draining = a->drain != DRAIN_NOT;
    session_post (&a->session, &w);
}

static void return_queued (struct agent *a, struct batch *b)
{
    uint64_t first;
    uint64_t count;
    while (b->queued) {
        runs_take_back (a, b, b->queued, &first, &count);
        rows_returned (a, b->id, first, count, false);
    }
}

static void return_all (struct agent *a, int64_t now, struct agent_effects *fx)
{
    struct executor *e;
    struct executor *etmp;
    struct batch *b;
    struct batch *btmp;
    HASH_ITER (hh, a->executors, e, etmp)
        if (e->batch && !e->killed)
            jobs_recall (a, e, UINT64_MAX, now, fx);
    HASH_ITER (hh, a->batches, b, btmp) {
        return_queued (a, b);
        batch_release (a, b, fx);
    }
}

void drain_say (struct agent *a)
{
    if (a->drain != DRAIN_NOT)
        say_capacity (a);
}

void drain_start (struct agent *a, enum drain how, int64_t now, struct agent_effects *fx)
{
    if (how == DRAIN_LEAVE)
        a->drain_by_us = a->terms++ ? now : now + a->cfg.drain_us;
    if (a->drain == DRAIN_NOT) {
        a->drain = how;
        return_all (a, now, fx);
        say_capacity (a);
        fx_log (fx, LOG_INFO, "draining running=%u", a->n_busy);
    }
    if (how > a->drain)
        a->drain = how;
}

static void kill_busy (struct agent *a, int64_t now, struct agent_effects *fx)
{
    struct executor *e;
    struct executor *tmp;
    fx_log (fx, LOG_WARN, "killing what still runs running=%u", a->n_busy);
    HASH_ITER (hh, a->executors, e, tmp)
        if (e->batch)
            executor_kill (a, e, DOOM_DRAIN, NULL, now, fx);
    a->gone_by_us = now + GONE_US;
}

static void leave (struct agent *a, int64_t now, struct agent_effects *fx)
{
    if (!a->leave_by_us) {
        a->leave_by_us = now + (a->terms > 1 ? HURRY_US : LEAVE_US);
        if (a->session.state == SESSION_LIVE && a->leave_by_us < a->drain_by_us)
            a->leave_by_us = a->drain_by_us; /* a slow line may take the time there is */
    }
    if (!session_leave (&a->session, a->silenced.n > 0, a->leave_by_us, now))
        return;
    fx_log (fx, LOG_INFO, "left");
    fx_exit (fx, 0);
    a->exiting = true;
}

/* Nothing runs, and the broker has it all. */
static bool is_empty (const struct agent *a)
{
    return !a->n_busy && TAILQ_EMPTY (&a->out) && a->session.state == SESSION_LIVE &&
           chan_idle (a->session.chan);
}

void drain_end_turn (struct agent *a, int64_t now, struct agent_effects *fx)
{
    if (a->drain == DRAIN_EMPTY && is_empty (a)) {
        a->drain = DRAIN_LEAVE;
        a->drain_by_us = now;
    }
    if (a->drain != DRAIN_LEAVE || a->exiting)
        return;
    if (a->terms > 1 && a->leave_by_us > now + HURRY_US)
        a->leave_by_us = now + HURRY_US;
    if (!a->n_busy || (a->gone_by_us && now >= a->gone_by_us))
        leave (a, now, fx);
    else if (!a->gone_by_us && now >= a->drain_by_us)
        kill_busy (a, now, fx);
}

static bool knows_any (const struct agent *a, const struct executor *e)
{
    for (const struct batch *b = a->batches; b; b = b->hh.next)
        if (bits_has (&b->told, e->index))
            return true;
    return false;
}

static void void_executor (struct agent *a, struct executor *e, int64_t now,
                           struct agent_effects *fx)
{
    struct job *j;
    executor_kill (a, e, DOOM_VOID, NULL, now, fx);
    while ((j = TAILQ_FIRST (&e->jobs))) {
        e->batch->handed -= j->rows.count - j->answered;
        TAILQ_REMOVE (&e->jobs, j, link);
        e->n_jobs--;
        job_free (&j);
    }
    executor_leave (a, e, fx);
}

void drain_void (struct agent *a, int64_t now, struct agent_effects *fx)
{
    struct executor *e;
    struct executor *etmp;
    struct batch *b;
    struct batch *btmp;
    HASH_ITER (hh, a->executors, e, etmp)
        if (e->batch || knows_any (a, e))
            void_executor (a, e, now, fx);
    HASH_ITER (hh, a->batches, b, btmp)
        batch_free (a, &b);
    holds_fini (&a->silenced);
    a->grant = 0;
    drain_say (a);
}

/* The broker takes HELLO with `replaces` for the word that nothing of that session runs any more,
 * and may start rows of exclusive batches elsewhere at once. (The launcher tells the death of each
 * executor in the end, also of one that cannot be killed.) */
void drain_end_void (struct agent *a)
{
    if (!a->session.ending)
        return;
    for (const struct executor *e = a->executors; e; e = e->hh.next)
        if (e->killed)
            return;
    a->session.ending = false;
}

int64_t drain_deadline (const struct agent *a)
{
    if (a->drain != DRAIN_LEAVE)
        return CLOCK_NEVER;
    if (a->leave_by_us) /* behind BYE it is the session that waits */
        return a->session.state == SESSION_LEAVING ? CLOCK_NEVER : a->leave_by_us;
    return a->gone_by_us ? a->gone_by_us : a->drain_by_us;
}
