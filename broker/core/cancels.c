/* Cancels: rows that are not wanted any more. Those that wait end at once; those that are out end
 * when their worker says so, and if it gives them back or is lost instead, they end here and do not
 * wait again.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { REASON_MAX = 256 }; /* bytes, in END and CANCEL_ROWS */

bool row_is_doomed (const struct batch *b, uint64_t row)
{
    return b->cancelled || ranges_has (&b->doomed, row);
}

const char *batch_cancel_reason (const struct batch *b)
{
    const char *reason = b->cancelled ? b->reason : b->doom_reason;
    return reason ? reason : "";
}

void rows_end (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi, enum outcome_how how,
               const char *reason, struct effects *fx)
{
    struct range r;
    while ((r = ranges_from (&b->held, lo)),
           r.lo < r.hi && r.lo < hi) { /* first: none gets a turn */
        if (r.hi > hi)
            r.hi = hi;
        ranges_remove (&b->held, r.lo, r.hi);
        results_make (s, b, r.lo, r.hi - r.lo, how, reason, fx);
    }
    due_now (s, b, lo, hi);
    while ((r = ranges_from (&b->waiting, lo)), r.lo < r.hi && r.lo < hi) {
        if (r.hi > hi)
            r.hi = hi;
        rows_unwait (s, b, r.lo, r.hi);
        results_make (s, b, r.lo, r.hi - r.lo, how, reason, fx);
    }
}

static void cancel_waiting (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi,
                            struct effects *fx)
{
    rows_end (s, b, lo, hi, OUTCOME_CANCELLED, batch_cancel_reason (b), fx);
}

static void doom (struct batch *b, const struct ranges *rows, uint64_t lo, uint64_t hi)
{
    struct range r;
    for (uint64_t at = lo; r = ranges_from (rows, at), r.lo < r.hi && r.lo < hi; at = r.hi)
        ranges_add (&b->doomed, r.lo, r.hi < hi ? r.hi : hi);
}

static uint64_t behind_last (const struct msg_cancel *m)
{
    return m->count && m->count < UINT64_MAX - m->first ? m->first + m->count : UINT64_MAX;
}

static void cancel_running (struct sched *s, struct batch *b, const struct msg_cancel *m,
                            uint64_t lo, uint64_t hi)
{
    struct lease *l;
    LIST_FOREACH (l, &b->leases, b_link) {
        if (!ranges_meets (&l->out, lo, hi))
            continue;
        if (m->count)
            doom (b, &l->out, lo, hi);
        struct wire w = {.kind = WIRE_CANCEL_ROWS};
        struct msg_cancel_rows *c = &w.m.cancel_rows;
        c->batch = b->id;
        c->first = m->count ? lo : 0;
        c->count = m->count;
        c->upto = l->worker->grants;
        c->grace_ms = m->grace_ms;
        c->kill = m->kill;
        c->reason = m->reason;
        c->unstarted = m->unstarted;
        session_post (s, l->worker->session, &w);
    }
}

static void note_cancel (struct batch *b, const struct msg_cancel *m)
{
    char **reason = m->count ? &b->doom_reason : &b->reason;
    b->cancel_grace_ms = m->grace_ms;
    b->cancel_kill = m->kill;
    if (m->count) {
        free (*reason);
        *reason = NULL;
    } else {
        b->cut_short |= !b->closed;
        b->cancelled = b->closed = true;
    }
    if (!*reason)
        *reason = mem_strndup ((const char *)m->reason.ptr, m->reason.len);
}

void batch_cancel (struct sched *s, struct batch *b, const struct msg_cancel *m, int64_t now,
                   struct effects *fx)
{
    if (b->ended)
        return;
    struct msg_cancel mine = *m;
    if (mine.reason.len > REASON_MAX)
        mine.reason.len = REASON_MAX;
    m = &mine;
    struct wire w = {.kind = WIRE_CANCEL, .m.cancel = *m};
    record_said (s, b, &w, fx);
    uint64_t lo = m->count ? m->first : 0;
    uint64_t hi = behind_last (m);
    note_cancel (b, m);
    if (!m->count)
        stuck_closed (s, b);
    /* a large row of which parts are missing is no row: it has no outcome, and goes with the batch
     */
    cancel_waiting (s, b, lo, hi, fx);
    cancel_running (s, b, m, lo, hi);
    batch_progress (s, b, now);
}

void batch_cancel_replay (struct batch *b, const struct msg_cancel *m)
{
    struct lease *l;
    note_cancel (b, m);
    if (!m->count)
        return;
    LIST_FOREACH (l, &b->leases, b_link)
        doom (b, &l->out, m->first, behind_last (m));
}

static void cancel_part (struct sched *s, struct lease *l, struct range r)
{
    struct batch *b = l->batch;
    struct wire w = {.kind = WIRE_CANCEL_ROWS};
    w.m.cancel_rows = (struct msg_cancel_rows){.batch = b->id,
                                               .first = r.lo,
                                               .count = r.hi - r.lo,
                                               .grace_ms = b->cancel_grace_ms,
                                               .kill = b->cancel_kill,
                                               .reason = bytes_str (batch_cancel_reason (b))};
    session_post (s, l->worker->session, &w);
}

void batch_cancel_again (struct sched *s, struct lease *l)
{
    const struct batch *b = l->batch;
    for (size_t i = 0; i < l->out.n; i++) {
        struct range out = l->out.at[i];
        struct range r;
        if (b->cancelled) {
            cancel_part (s, l, out);
            continue;
        }
        for (uint64_t at = out.lo; r = ranges_from (&b->doomed, at), r.lo < r.hi && r.lo < out.hi;
             at = r.hi) {
            if (r.hi > out.hi)
                r.hi = out.hi;
            cancel_part (s, l, r);
        }
    }
}

void batch_cancel_rest (struct sched *s, struct batch *b, int64_t now, struct effects *fx)
{
    if (b->ended || !(b->cancelled || b->doomed.n))
        return;
    if (b->cancelled)
        cancel_waiting (s, b, 0, UINT64_MAX, fx);
    for (size_t i = 0; i < b->doomed.n; i++)
        cancel_waiting (s, b, b->doomed.at[i].lo, b->doomed.at[i].hi, fx);
    batch_progress (s, b, now);
}
