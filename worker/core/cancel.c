/* Cancel: rows that are taken away, for good (CANCEL_ROWS) or to run elsewhere (TAKE_BACK).
 *
 * Control overtakes bulk: a cancellation may come before grants that it means, and is kept until
 * the last of those has come. Rows that no executor has claimed are answered at once; the row that
 * runs is answered when its processes are gone.
 */
#include <stdlib.h>

#include "worker/core/core.h"

enum {
    GRACE_MS = 5000,          /* where neither the order nor the spec says */
    EXTRA_US = 10 * US_PER_S, /* how much later than it should an executor may be done */
};

static bool covers (const struct cancel *c, uint64_t row)
{
    return !c->count || (row >= c->first && row - c->first < c->count);
}

static void cancel_queued (struct agent *a, struct batch *b, const struct cancel *c)
{
    struct run r;
    uint64_t first = c->count ? c->first : 0;
    uint64_t count = c->count ? c->count : UINT64_MAX;
    while (runs_take_range (a, b, first, count, &r)) {
        results_cancelled (a, b, &r, c->reason);
        slice_fini (&r.body);
    }
}

/* The row that runs there, or, of a command, will at once. */
static bool current_row (struct agent *a, struct executor *e, uint64_t *row)
{
    struct job *j = TAILQ_FIRST (&e->jobs);
    if (!j)
        return false;
    if (e->kind == AGENT_FUNCTIONS)
        return job_running (a, e, row);
    uint64_t claimed =
        a->cfg.pages.claimed (a->cfg.pages.self, e->number, j->run, (uint32_t)j->rows.count);
    *row = j->rows.first + claimed - 1;
    return claimed > j->answered;
}

/* When it has not ended by then, it is killed: by its executor where it is a command, `extra_us`
 * before we would. */
static void set_grace (struct agent *a, struct executor *e, const struct msg_cancel_rows *m,
                       int64_t extra_us, int64_t now)
{
    const struct spec *s = batch_spec (e->batch, TAILQ_FIRST (&e->jobs)->rows.spec);
    uint64_t grace_ms = m->grace_ms ? m->grace_ms : s->msg.m.spec.grace_ms;
    if (m->kill)
        grace_ms = 0;
    else if (!grace_ms)
        grace_ms = GRACE_MS;
    executor_set_due (a, e, now + (int64_t)grace_ms * US_PER_MS + extra_us);
}

static void tell_executor (struct agent *a, struct executor *e, const struct msg_cancel_rows *m,
                           uint64_t row, int64_t now, struct agent_effects *fx)
{
    struct wire w = {.kind = WIRE_CANCEL_ROWS};
    w.m.cancel_rows = *m;
    w.m.cancel_rows.first = row;
    w.m.cancel_rows.count = 1;
    fx_send (fx, e->number, &w);
    set_grace (a, e, m, EXTRA_US, now);
}

static void cancel_running (struct agent *a, struct executor *e, const struct cancel *c,
                            const struct msg_cancel_rows *m, int64_t now, struct agent_effects *fx)
{
    uint64_t row;
    if (e->killed || !current_row (a, e, &row) || !covers (c, row))
        return;
    bool function = e->kind == AGENT_FUNCTIONS;
    bool looks = function && a->cfg.pages.cancel (a->cfg.pages.self, e->number);
    if (function && (!looks || m->kill)) {
        executor_kill (a, e, DOOM_CANCEL, c->reason, now, fx);
        return;
    }
    e->doom = DOOM_CANCEL;
    free (e->reason);
    e->reason = mem_strdup (c->reason);
    if (function)
        set_grace (a, e, m, 0, now);
    else
        tell_executor (a, e, m, row, now, fx);
}

static bool holds_any (const struct executor *e, const struct cancel *c)
{
    const struct job *j;
    if (!c->count)
        return true;
    TAILQ_FOREACH (j, &e->jobs, link)
        if (j->rows.first < c->first + c->count && c->first < j->rows.first + j->rows.count)
            return true;
    return false;
}

static void recall_all (struct agent *a, struct batch *b, const struct cancel *c, int64_t now,
                        struct agent_effects *fx)
{
    struct executor *e = LIST_FIRST (&b->busy);
    while (e) {
        struct executor *next = LIST_NEXT (e, batch_link); /* e may have nothing left to do */
        if (!e->killed && holds_any (e, c))
            jobs_recall (a, e, UINT64_MAX, now, fx);
        e = next;
    }
}

void cancel_rows (struct agent *a, const struct wire *w, int64_t now, struct agent_effects *fx)
{
    const struct msg_cancel_rows *m = &w->m.cancel_rows;
    bool later = m->upto > a->grant;
    struct batch *b = later ? batch_get (a, m->batch) : batch_find (a, m->batch);
    if (!b)
        return;
    struct cancel *c = mem_zalloc (sizeof *c);
    *c = (struct cancel){.first = m->first, .count = m->count, .upto = m->upto};
    c->reason = mem_strndup ((const char *)m->reason.ptr, m->reason.len);
    recall_all (a, b, c, now, fx);
    cancel_queued (a, b, c);
    struct executor *e = m->unstarted ? NULL : LIST_FIRST (&b->busy);
    while (e) {
        struct executor *next = LIST_NEXT (e, batch_link);
        cancel_running (a, e, c, m, now, fx);
        e = next;
    }
    TAILQ_INSERT_TAIL (&b->cancels, c, link);
    cancel_arrived (a, b, a->grant);
}

void cancel_arrived (struct agent *a, struct batch *b, uint64_t grant)
{
    struct cancel *c = TAILQ_FIRST (&b->cancels);
    while (c) {
        struct cancel *next = TAILQ_NEXT (c, link);
        if (grant <= c->upto)
            cancel_queued (a, b, c);
        if (grant >= c->upto) {
            TAILQ_REMOVE (&b->cancels, c, link);
            free (c->reason);
            free (c);
        }
        c = next;
    }
}

void cancels_fini (struct batch *b)
{
    struct cancel *c;
    while ((c = TAILQ_FIRST (&b->cancels))) {
        TAILQ_REMOVE (&b->cancels, c, link);
        free (c->reason);
        free (c);
    }
}

/* Rows that executors have not started come back to the queue, if it has not enough. */
static void refill (struct agent *a, struct batch *b, uint64_t want, int64_t now,
                    struct agent_effects *fx)
{
    struct executor *e = LIST_FIRST (&b->busy);
    while (e && b->queued < want) {
        struct executor *next = LIST_NEXT (e, batch_link);
        if (!e->killed)
            jobs_recall (a, e, want - b->queued, now, fx);
        e = next;
    }
}

void take_back (struct agent *a, const struct msg_take_back *m, int64_t now,
                struct agent_effects *fx)
{
    struct batch *b = batch_find (a, m->batch);
    uint64_t left = m->count;
    if (b)
        refill (a, b, left, now, fx);
    while (b && left && b->queued) {
        uint64_t first;
        uint64_t count;
        runs_take_back (a, b, left, &first, &count);
        rows_returned (a, b->id, first, count, false);
        left -= count;
    }
    rows_returned (a, m->batch, 0, 0, true);
    a->place = true;
}
