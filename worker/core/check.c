/* Check: the invariants of the agent, for tests and the simulator. */
#include <errno.h>
#include <inttypes.h>

#include "common/wire/rows.h"
#include "worker/core/core.h"

static int check_run (const struct run *r, const struct run *before, struct err *e)
{
    if (!r->count)
        return err_set (e, EINVAL, "an empty run at row %" PRIu64, r->first);
    if (before && (before->order > r->order ||
                   (before->order == r->order && before->first + before->count > r->first)))
        return err_set (e, EINVAL, "runs out of order at row %" PRIu64, r->first);
    return rows_check (bytes_of (r->body.ptr, r->body.len), r->count, e);
}

static int check_executor (const struct executor *x, const struct batch *b, uint64_t *handed,
                           struct err *e)
{
    const struct job *j;
    unsigned n = 0;
    if (x->batch != b || !x->busy)
        return err_set (e, EINVAL, "executor %u is in the list of another batch", x->number);
    if (ranges_has (&b->free, x->slot))
        return err_set (e, EINVAL, "slot number %" PRIu64 " is free and in use", x->slot);
    TAILQ_FOREACH (j, &x->jobs, link) {
        n++;
        *handed += j->rows.count - j->answered;
        if (j->answered >= j->rows.count || (j->answered && n > 1))
            return err_set (e, EINVAL, "a job of executor %u is over, or out of turn", x->number);
    }
    if (n != x->n_jobs || (!n && !x->killed))
        return err_set (e, EINVAL, "executor %u has %u jobs", x->number, n);
    return 0;
}

static int check_slots (const struct batch *b, struct err *e)
{
    const struct executor *x;
    const struct executor *y;
    LIST_FOREACH (x, &b->busy, batch_link)
        for (y = LIST_NEXT (x, batch_link); y; y = LIST_NEXT (y, batch_link))
            if (x->slot == y->slot)
                return err_set (e, EINVAL, "slot number %" PRIu64 " twice", x->slot);
    return 0;
}

static int check_batch (const struct batch *b, struct err *e)
{
    uint64_t queued = 0;
    uint64_t handed = 0;
    unsigned busy = 0;
    const struct run *r;
    const struct run *before = NULL;
    const struct executor *x;
    TAILQ_FOREACH (r, &b->runs, link) {
        if (check_run (r, before, e) < 0)
            return -1;
        before = r;
        queued += r->count;
    }
    LIST_FOREACH (x, &b->busy, batch_link) {
        busy++;
        if (check_executor (x, b, &handed, e) < 0)
            return -1;
    }
    if (queued != b->queued || handed != b->handed || busy != b->n_busy)
        return err_set (e, EINVAL, "counts of batch %" PRIu64 " are wrong", b->id);
    if (b->waiting != !TAILQ_EMPTY (&b->runs))
        return err_set (e, EINVAL, "batch %" PRIu64 " is waiting, or not", b->id);
    if (busy > b->numbers.count && b->free.count)
        return err_set (e, EINVAL, "batch %" PRIu64 " uses more slots than its share", b->id);
    return check_slots (b, e);
}

static int check_executors (const struct agent *a, struct err *e)
{
    unsigned busy = 0;
    unsigned used = 0;
    unsigned io = 0;
    unsigned n = 0;
    for (const struct executor *x = a->executors; x; x = x->hh.next) {
        n++;
        busy += x->busy;
        used += x->cpus;
        io += x->io;
        if (!x->busy && (x->batch || x->n_jobs || x->cpus || x->io || x->deep))
            return err_set (e, EINVAL, "executor %u is idle and is not", x->number);
    }
    if (busy != a->n_busy || used != a->slots_used || io != a->io_used || io > a->cfg.io_tasks ||
        n != a->n_executors || n - busy != a->n_idle[AGENT_COMMANDS] + a->n_idle[AGENT_FUNCTIONS])
        return err_set (e, EINVAL, "counts of executors are wrong");
    return 0;
}

int agent_check (const struct agent *a, struct err *e)
{
    uint64_t queued = 0;
    uint64_t order = 0;
    const struct batch *b;
    for (b = a->batches; b; b = b->hh.next) {
        if (check_batch (b, e) < 0)
            return -1;
        queued += b->queued;
    }
    if (queued != a->queued)
        return err_set (e, EINVAL, "%" PRIu64 " rows wait, not %" PRIu64, queued, a->queued);
    TAILQ_FOREACH (b, &a->waiting, link) {
        if (TAILQ_FIRST (&b->runs)->order < order)
            return err_set (e, EINVAL, "batch %" PRIu64 " waits out of order", b->id);
        order = TAILQ_FIRST (&b->runs)->order;
    }
    return check_executors (a, e);
}

struct agent_figures agent_figures (const struct agent *a)
{
    struct agent_figures f = {
        .batches = HASH_COUNT (a->batches),
        .queued = a->queued,
        .executors =
            (uint64_t)a->n_executors + a->starting[AGENT_COMMANDS] + a->starting[AGENT_FUNCTIONS],
        .busy = a->n_busy,
        .slots = a->slots,
        .slots_used = a->slots_used,
        .io_used = a->io_used,
        .connected = a->session.state == SESSION_LIVE,
        .draining = a->drain != DRAIN_NOT,
    };
    for (const struct batch *b = a->batches; b; b = b->hh.next)
        f.handed += b->handed;
    return f;
}
