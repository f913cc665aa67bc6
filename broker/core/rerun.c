/* Rerun: rows of a detached batch that have ended, but not well, wait again when somebody asks for
 * it: with the next attempt, and as if they had never cost a worker. Their results so far stay in
 * the log; the new ones come behind. Who does not hear the answer asks again, and by then they may
 * have failed once more: so the last request of each batch is known again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/core.h"

static void reopen (struct sched *s, struct batch *b, enum outcome_how how, struct range r)
{
    uint64_t n = r.hi - r.lo;
    ranges_remove (&b->ended_as[how], r.lo, r.hi);
    ranges_remove (&b->again, r.lo, r.hi);
    dooms_forget (b, r.lo, r.hi);
    b->counts[how] -= n;
    b->finished -= n;
    quota_tasks (s, b, (int64_t)n);
    chunks_reopen (s, b, r.lo, n);
    for (uint64_t row = r.lo; row < r.hi; row++) {
        struct odd_row *odd = odd_get (b, row);
        odd->attempt++;
        odd_forgive (odd);
    }
}

/* In the order of their numbers, however they ended. */
static uint64_t wait_again (struct sched *s, struct batch *b, struct ranges *rows)
{
    uint64_t n = rows->count;
    for (size_t i = 0; i < rows->n; i++)
        order_join (s, b, rows->at[i].lo, rows->at[i].hi);
    ranges_fini (rows);
    return n;
}

uint64_t batch_rerun (struct sched *s, struct batch *b, const struct msg_retry *m)
{
    uint64_t lo = m->count ? m->first : 0;
    uint64_t hi = m->count && m->count < UINT64_MAX - lo ? lo + m->count : UINT64_MAX;
    struct ranges rows = {0};
    for (int how = OUTCOME_DONE + 1; how < OUTCOME_KINDS; how++) {
        struct range r;
        if (!(m->hows >> how & 1))
            continue;
        while ((r = ranges_from (&b->ended_as[how], lo)), r.lo < r.hi && r.lo < hi) {
            if (r.hi > hi)
                r.hi = hi;
            reopen (s, b, (enum outcome_how)how, r);
            ranges_add (&rows, r.lo, r.hi);
        }
    }
    uint64_t n = wait_again (s, b, &rows);
    if (!n)
        return 0;
    b->retried += n;
    retention_leave (s, b);
    b->retry_said = m->said;
    b->retry_rows = n;
    b->rerun |= b->ended;
    b->ended = b->cancelled = false;
    after_void (b);
    b->told_no_worker = b->told_too_big = b->told_no_function = false;
    free (b->reason);
    b->reason = NULL;
    return n;
}

void rerun_on_retry (struct sched *s, struct client *c, const struct wire *w, int64_t now,
                     struct effects *fx)
{
    const struct msg_retry *m = &w->m.retry;
    struct batch *b = batch_find (s, m->id);
    char why[100];
    if (!b) {
        snprintf (why, sizeof why, "there is no batch %" PRIu64, m->id);
        reply (s, c, m->ref, WIRE_UNKNOWN, 0, why);
        return;
    }
    if (m->said && m->said == b->retry_said) { /* its answer was lost with a life of the broker */
        reply (s, c, m->ref, WIRE_OK, b->retry_rows, "");
        return;
    }
    if (!(b->flags & BATCH_DETACHED) || (b->cancelled && !b->ended)) {
        snprintf (why, sizeof why, "batch %" PRIu64 " is %s", m->id,
                  b->cancelled ? "being cancelled" : "attached: its rows are not kept");
        reply (s, c, m->ref, WIRE_CONFLICT, 0, why);
        return;
    }
    bool ended = b->ended;
    if (ended && drains_broker (s)) {
        reply (s, c, m->ref, WIRE_DRAINING, 0, DRAINING);
        return;
    }
    uint64_t n = batch_rerun (s, b, m);
    reply (s, c, m->ref, WIRE_OK, n, "");
    if (!n)
        return;
    record_said (s, b, w, fx);
    if (ended)
        batch_start_clocks (s, b, now);
    effect_log (fx, LOG_INFO, "retried batch=%" PRIu64 " rows=%" PRIu64, b->id, n);
    batch_progress (s, b, now);
}
