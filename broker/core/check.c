/* Check: what must always hold, looked at from outside. For tests and the simulator; slow on
 * purpose. */
#include <errno.h>
#include <inttypes.h>

#include "broker/core/core.h"

static int check_lease (const struct lease *l, struct ranges *seen, struct err *e)
{
    const struct batch *b = l->batch;
    if (!l->out.count || !l->slots.count)
        return err_set (e, EPROTO, "batch %" PRIu64 ": a lease without rows or slots", b->id);
    if (b->jobs && l->slots.count > b->jobs)
        return err_set (e, EPROTO, "batch %" PRIu64 ": a lease beyond -j", b->id);
    for (size_t i = 0; i < l->out.n; i++) {
        if (ranges_meets (seen, l->out.at[i].lo, l->out.at[i].hi))
            return err_set (e, EPROTO, "batch %" PRIu64 ": a row is in two places", b->id);
        ranges_add (seen, l->out.at[i].lo, l->out.at[i].hi);
    }
    return 0;
}

static int check_rows (const struct batch *b, struct ranges *seen, struct err *e)
{
    const struct lease *l;
    uint64_t out = 0;
    uint64_t slots = b->slots.count;
    for (size_t i = 0; i < b->waiting.n; i++)
        ranges_add (seen, b->waiting.at[i].lo, b->waiting.at[i].hi);
    LIST_FOREACH (l, &b->leases, b_link) {
        if (check_lease (l, seen, e) < 0)
            return -1;
        out += l->out.count;
        slots += l->slots.count;
    }
    if (b->jobs && slots != b->jobs)
        return err_set (e, EPROTO, "batch %" PRIu64 ": %" PRIu64 " slot numbers, -j is %" PRIu64,
                        b->id, slots, b->jobs);
    if (out != b->granted)
        return err_set (e, EPROTO, "batch %" PRIu64 ": granted is counted wrong", b->id);
    if (seen->count + b->finished != b->submitted)
        return err_set (e, EPROTO,
                        "batch %" PRIu64 ": %" PRIu64 " rows open and %" PRIu64
                        " finished of %" PRIu64,
                        b->id, seen->count, b->finished, b->submitted);
    return 0;
}

static int check_batch (const struct batch *b, struct err *e)
{
    struct ranges seen = {0};
    uint64_t sum = 0;
    for (int i = 0; i < OUTCOME_KINDS; i++)
        sum += b->counts[i];
    int rc = check_rows (b, &seen, e);
    ranges_fini (&seen);
    if (rc == 0 && sum != b->finished)
        rc = err_set (e, EPROTO, "batch %" PRIu64 ": outcomes are counted wrong", b->id);
    if (rc == 0 && b->ended != (b->closed && b->finished == b->submitted))
        rc = err_set (e, EPROTO, "batch %" PRIu64 ": ended is wrong", b->id);
    return rc;
}

static int check_worker (const struct worker *w, struct err *e)
{
    uint64_t occupied = 0;
    const struct lease *l;
    LIST_FOREACH (l, &w->leases, w_link)
        occupied += l->occupied;
    if (occupied != w->occupied)
        return err_set (e, EPROTO, "worker %s: occupied slots are counted wrong", w->session->name);
    return 0;
}

int sched_check (const struct sched *s, struct err *e)
{
    for (const struct batch *b = s->batches; b; b = b->hh.next)
        if (check_batch (b, e) < 0)
            return -1;
    const struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (check_worker (w, e) < 0)
            return -1;
    return 0;
}
