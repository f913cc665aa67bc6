/* Exclusive: rows that must never run twice at one time, wherever. The broker gives rows of a
 * worker to another when it has heard nothing of it for `lost_after`; so such rows are ended here
 * before that, when the broker has answered nothing that was said within a shorter time.
 *
 * What counts is when the last answered ping was *said*: in a cut of one direction the broker is
 * still heard, and hears nothing. Our own lateness is no excuse here: the broker's clock went on.
 * An agent that is stopped cannot end anything: therefore each such row has a lease, which its
 * executor and the launcher watch (worker/exec/lease.h).
 * doc/PROTOCOL.md, "A session".
 */
#include "worker/core/core.h"

static int64_t until (const struct agent *a)
{
    return a->session.limit_us ? a->session.echoed_us + a->session.limit_us : CLOCK_NEVER;
}

static bool has_running (const struct batch *b)
{
    const struct executor *e;
    LIST_FOREACH (e, &b->busy, batch_link)
        if (!e->killed)
            return true;
    return false;
}

static void end_rows (struct agent *a, struct batch *b, int64_t now, struct agent_effects *fx)
{
    struct executor *e = LIST_FIRST (&b->busy);
    while (e) {
        struct executor *next = LIST_NEXT (e, batch_link);
        executor_kill (a, e, DOOM_LOST, NULL, now, fx);
        e = next;
    }
}

static void give_lease (const struct agent *a, const struct executor *e, int64_t until_us)
{
    a->cfg.pages.lease (a->cfg.pages.self, e->number, until_us == CLOCK_NEVER ? 0 : until_us,
                        a->session.margin_us);
}

void exclusive_lease (const struct agent *a, const struct executor *e)
{
    if (e->batch->exclusive)
        give_lease (a, e, until (a));
}

void exclusive_release (const struct agent *a, const struct executor *e)
{
    if (e->batch->exclusive)
        give_lease (a, e, 0);
}

void exclusive_renew (struct agent *a)
{
    if (!a->n_exclusive || a->leased_us == until (a))
        return;
    a->leased_us = until (a);
    for (const struct batch *b = a->batches; b; b = b->hh.next) {
        const struct executor *e;
        if (!b->exclusive)
            continue;
        LIST_FOREACH (e, &b->busy, batch_link)
            give_lease (a, e, a->leased_us);
    }
}

void exclusive_end_turn (struct agent *a, struct agent_effects *fx)
{
    if (a->watched == (a->n_exclusive > 0))
        return;
    a->watched = a->n_exclusive > 0;
    fx_add (fx, AGENT_DO_WATCH)->on = a->watched;
}

bool exclusive_may_run (const struct agent *a, int64_t now)
{
    return now < until (a);
}

void exclusive_tick (struct agent *a, int64_t now, struct agent_effects *fx)
{
    struct batch *b;
    struct batch *tmp;
    if (!a->n_exclusive || exclusive_may_run (a, now))
        return;
    HASH_ITER (hh, a->batches, b, tmp) {
        if (!b->exclusive || !has_running (b))
            continue;
        fx_log (fx, LOG_WARN, "the broker at %s does not answer: ending exclusive tasks",
                a->cfg.broker);
        end_rows (a, b, now, fx);
    }
}

int64_t exclusive_deadline (const struct agent *a)
{
    if (!a->n_exclusive)
        return CLOCK_NEVER;
    for (const struct batch *b = a->batches; b; b = b->hh.next)
        if (b->exclusive && has_running (b))
            return until (a);
    return CLOCK_NEVER;
}
