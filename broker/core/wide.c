/* Wide: tasks that take several slots of a worker, where slots get free one at a time and others
 * could use each of them at once.
 *
 * A batch that is first in turn and finds too few free slots gets a worker that is *drained* for
 * it: slots that get free there are kept for it until they are enough. They are kept at once from
 * batches of the same client with a lower priority (the earlier stages of a pipeline), and from
 * others when these were given as many slots as the task takes: so it is passed over no longer than
 * is fair. Each client has one worker drained at a time, the one that is likely to be ready first.
 *
 * Draining costs idle slots. So it is given up after a while (twice as long as tasks usually take
 * there, PATIENCE_US at the least, each time twice what it was), and the worker then is not drained
 * for some time, whose part of the whole is a bound for what is lost to tasks that last for ever.
 * None of this is recorded: a scheduler that is replayed begins anew.
 */
#include <errno.h>

#include "broker/core/core.h"
#include "common/base/clock.h"

static const int64_t PATIENCE_US = 10 * US_PER_S;
static const int64_t PATIENCE_MAX_US = 3600 * (int64_t)US_PER_S;
static const int64_t LOOK_AGAIN_US = 250 * US_PER_MS; /* where no worker can be drained */
enum { PAUSE = 4 };                                   /* in times of the patience */

static uint64_t room_of (const struct worker *w)
{
    return w->slots > w->occupied ? w->slots - w->occupied : 0;
}

static bool was_passed_over (const struct batch *b)
{
    return b->passed >= b->cpus;
}

bool wide_keeps (const struct worker *w, const struct batch *b)
{
    const struct batch *wide = w->drained_for;
    if (!wide || wide == b || !b->cpus)
        return false;
    if (wide->client == b->client && wide->priority != b->priority)
        return wide->priority > b->priority;
    return was_passed_over (wide);
}

bool wide_waits (struct sched *s, struct worker *w, struct batch *b, int64_t now)
{
    if (b->cpus < 2 || room_of (w) >= b->cpus || now < b->drain_from_us || !worker_can (w, b))
        return false;
    const struct lease *l = lease_find (w, b->id);
    if (!b->slots.count && !(l && l->slots.count > l->out.count))
        return false;
    struct range r = rows_for (s, b, w, now);
    return r.lo < r.hi;
}

/* --- which worker --- */

/* Slots get free at a rate that grows with how many are taken. */
static bool is_ready_sooner (const struct worker *a, const struct worker *b, uint64_t cpus)
{
    return (cpus - room_of (a)) * b->occupied < (cpus - room_of (b)) * a->occupied;
}

/* NULL: there is none, or (*free) one that need not be drained. */
static struct worker *one_to_drain (struct sched *s, const struct batch *b, int64_t now, bool *free)
{
    struct worker *w, *best = NULL;
    TAILQ_FOREACH (w, &s->workers, link) {
        if (w->drained_for || now < w->drain_from_us || !worker_takes (w) || !worker_can (w, b))
            continue;
        if (room_of (w) >= b->cpus) {
            *free = true;
            return NULL;
        }
        if (!best || is_ready_sooner (w, best, b->cpus))
            best = w;
    }
    return best;
}

/* Tasks there may be longer than what is usual. */
static int64_t patience_for (const struct batch *b, const struct worker *w)
{
    int64_t patience = b->drain_patience_us ? b->drain_patience_us : PATIENCE_US;
    const struct lease *l;
    LIST_FOREACH (l, &w->leases, w_link)
        if (l->batch->cpus && (int64_t)l->batch->est_us > patience / 2)
            patience = (int64_t)l->batch->est_us < PATIENCE_MAX_US / 2
                           ? 2 * (int64_t)l->batch->est_us
                           : PATIENCE_MAX_US;
    return patience;
}

static void drain (struct worker *w, struct batch *b, int64_t now)
{
    w->drained_for = b;
    w->drained_us = now;
    b->drained = w;
    b->client->wide = b;
    b->drain_patience_us = patience_for (b, w);
}

/* --- in turn --- */

void wide_release (struct sched *s, struct batch *b)
{
    struct worker *w = b->drained;
    if (!w)
        return;
    w->drained_for = NULL;
    b->drained = NULL;
    b->client->wide = NULL;
    worker_touch (s, w);
}

/* Somebody of the same client would take what it waits for, and is not to. */
static bool is_urgent (const struct batch *b)
{
    return TAILQ_LAST (&b->client->ready, batch_list)->priority < b->priority;
}

void wide_in_turn (struct sched *s, struct batch *b, int64_t now)
{
    const struct batch *other = b->client->wide;
    if (b->drained || !(was_passed_over (b) || is_urgent (b)) ||
        (other && other->priority >= b->priority))
        return;
    bool free = false;
    struct worker *w = one_to_drain (s, b, now, &free);
    if (!w && !free)
        b->drain_from_us = now + LOOK_AGAIN_US;
    if (!w)
        return;
    if (b->client->wide)
        wide_release (s, b->client->wide);
    drain (w, b, now);
}

void wide_passed (struct batch *b, uint64_t slots)
{
    b->passed += slots;
}

void wide_served (struct sched *s, struct batch *b)
{
    b->passed = 0;
    wide_release (s, b);
}

static void give_up (struct sched *s, struct worker *w, int64_t now)
{
    struct batch *b = w->drained_for;
    int64_t patience = b->drain_patience_us;
    wide_release (s, b);
    w->drain_from_us = now + PAUSE * patience;
    b->drain_patience_us = patience < PATIENCE_MAX_US / 2 ? 2 * patience : PATIENCE_MAX_US;
}

void wide_tick (struct sched *s, int64_t now)
{
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link) {
        if (!w->drained_for)
            continue;
        if (!worker_takes (w) || !worker_can (w, w->drained_for))
            wide_release (s, w->drained_for);
        else if (now - w->drained_us >= w->drained_for->drain_patience_us)
            give_up (s, w, now);
    }
}

int wide_check (const struct worker *w, struct err *e)
{
    const struct batch *b = w->drained_for;
    if (b && (b->drained != w || b->client->wide != b || !b->ready))
        return err_set (e, EPROTO, "worker %s is drained for nobody", w->session->name);
    return 0;
}
