/* Cancels: rows that are not wanted any more. Those that wait end at once; those that are out end
 * when their worker says so, and if it gives them back or is lost instead, they end here and do not
 * wait again. Where only what has not started is meant, what runs goes on to its end; its next run
 * has not started: so it is not run again either.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum {
    REASON_MAX = 256, /* bytes, in END and CANCEL_ROWS */
    DOOMS_MAX = 16,   /* of a batch: different cancellations of rows that were out */
};

/* How the row is to end, if it is one of those that were out when they were cancelled. */
static const struct doom *doom_of (const struct batch *b, uint64_t row)
{
    for (size_t i = 0; i < b->n_dooms; i++)
        if (ranges_has (&b->dooms[i].rows, row))
            return &b->dooms[i];
    return NULL;
}

bool row_is_doomed (const struct batch *b, uint64_t row)
{
    return b->cancelled || doom_of (b, row);
}

const char *row_cancel_reason (const struct batch *b, uint64_t row)
{
    const struct doom *d = doom_of (b, row);
    const char *reason = d ? d->reason : b->reason;
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

/* --- how rows that are out are to end, for workers that come back --- */

/* What x has of [lo, hi). */
static void add_part (struct ranges *to, const struct ranges *x, uint64_t lo, uint64_t hi)
{
    struct range r;
    for (uint64_t at = lo; r = ranges_from (x, at), r.lo < r.hi && r.lo < hi; at = r.hi)
        ranges_add (to, r.lo, r.hi < hi ? r.hi : hi);
}

/* What x and y have both. */
static void add_common (struct ranges *to, const struct ranges *x, const struct ranges *y)
{
    for (size_t i = 0; i < y->n; i++)
        add_part (to, x, y->at[i].lo, y->at[i].hi);
}

static void remove_all (struct ranges *from, const struct ranges *x)
{
    for (size_t i = 0; i < x->n; i++)
        ranges_remove (from, x->at[i].lo, x->at[i].hi);
}

static void doom_drop (struct batch *b, size_t i)
{
    ranges_fini (&b->dooms[i].rows);
    free (b->dooms[i].reason);
    memmove (&b->dooms[i], &b->dooms[i + 1], (--b->n_dooms - i) * sizeof *b->dooms);
}

/* Dooms of which nothing is left go. */
static void drop_empty (struct batch *b)
{
    for (size_t i = b->n_dooms; i-- > 0;)
        if (!b->dooms[i].rows.count)
            doom_drop (b, i);
}

static bool says (const struct doom *d, const struct msg_cancel *m)
{
    return d->unstarted == (m->unstarted != 0) && d->grace_ms == m->grace_ms &&
           d->kill == (m->kill != 0) && strlen (d->reason) == m->reason.len &&
           memcmp (d->reason, m->reason.ptr ? (const char *)m->reason.ptr : "", m->reason.len) == 0;
}

/* The one that says what `m` does. When there are too many, the newest of those that end what runs,
 * or do not, as `m`, says so from now on. */
static struct doom *doom_for (struct batch *b, const struct msg_cancel *m)
{
    struct doom *d = NULL;
    unsigned alike = 0;
    for (size_t i = 0; i < b->n_dooms; i++) {
        if (says (&b->dooms[i], m))
            return &b->dooms[i];
        if (b->dooms[i].unstarted != (m->unstarted != 0))
            continue;
        d = &b->dooms[i];
        alike++;
    }
    if (alike < DOOMS_MAX) {
        b->dooms = mem_resize (b->dooms, b->n_dooms + 1, sizeof *b->dooms);
        d = &b->dooms[b->n_dooms++];
        *d = (struct doom){0};
    }
    free (d->reason);
    d->grace_ms = m->grace_ms;
    d->kill = m->kill != 0;
    d->unstarted = m->unstarted != 0;
    d->reason = mem_strndup ((const char *)m->reason.ptr, m->reason.len);
    return d;
}

/* What has ended since is of no account any more. */
static void trim (struct batch *b)
{
    for (size_t i = 0; i < b->n_dooms; i++) {
        struct ranges out = {0};
        const struct lease *l;
        LIST_FOREACH (l, &b->leases, b_link)
            add_common (&out, &b->dooms[i].rows, &l->out);
        ranges_fini (&b->dooms[i].rows);
        b->dooms[i].rows = out;
    }
    drop_empty (b);
}

/* The rows of [lo, hi) that are out: what was said last of a row holds. But a row that is being
 * ended is not let run by who means only what has not started. */
static void doom (struct batch *b, const struct msg_cancel *m, uint64_t lo, uint64_t hi)
{
    struct ranges rows = {0};
    const struct lease *l;
    trim (b);
    LIST_FOREACH (l, &b->leases, b_link)
        add_part (&rows, &l->out, lo, hi);
    for (size_t i = 0; i < b->n_dooms; i++)
        if (m->unstarted && !b->dooms[i].unstarted)
            remove_all (&rows, &b->dooms[i].rows);
        else
            remove_all (&b->dooms[i].rows, &rows);
    drop_empty (b);
    if (rows.count) {
        struct doom *d = doom_for (b, m);
        for (size_t i = 0; i < rows.n; i++)
            ranges_add (&d->rows, rows.at[i].lo, rows.at[i].hi);
    }
    ranges_fini (&rows);
}

void dooms_forget (struct batch *b, uint64_t lo, uint64_t hi)
{
    for (size_t i = 0; i < b->n_dooms; i++)
        ranges_remove (&b->dooms[i].rows, lo, hi);
    drop_empty (b);
}

void dooms_free (struct batch *b)
{
    while (b->n_dooms)
        doom_drop (b, b->n_dooms - 1);
    free (b->dooms);
}

/* --- cancellations --- */

static uint64_t first_of (const struct msg_cancel *m)
{
    return m->count ? m->first : 0;
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

/* Of a batch the first reason stays, which END says. */
static void note_cancel (struct batch *b, const struct msg_cancel *m)
{
    doom (b, m, first_of (m), behind_last (m));
    if (m->count)
        return;
    b->cut_short |= !b->closed;
    b->cancelled = b->closed = true;
    if (!b->reason)
        b->reason = mem_strndup ((const char *)m->reason.ptr, m->reason.len);
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
    uint64_t lo = first_of (m);
    uint64_t hi = behind_last (m);
    char *reason = mem_strndup ((const char *)m->reason.ptr, m->reason.len);
    note_cancel (b, m);
    if (!m->count)
        stuck_closed (s, b);
    /* a large row of which parts are missing is no row: it has no outcome, and goes with the batch
     */
    rows_end (s, b, lo, hi, OUTCOME_CANCELLED, reason, fx);
    cancel_running (s, b, m, lo, hi);
    batch_progress (s, b, now);
    free (reason);
}

void batch_cancel_replay (struct batch *b, const struct msg_cancel *m)
{
    note_cancel (b, m);
}

static void cancel_part (struct sched *s, const struct lease *l, const struct doom *d,
                         struct range r)
{
    struct wire w = {.kind = WIRE_CANCEL_ROWS};
    w.m.cancel_rows = (struct msg_cancel_rows){.batch = l->batch->id,
                                               .first = r.lo,
                                               .count = r.hi - r.lo,
                                               .grace_ms = d->grace_ms,
                                               .kill = d->kill,
                                               .reason = bytes_str (d->reason),
                                               .unstarted = d->unstarted};
    session_post (s, l->worker->session, &w);
}

void batch_cancel_again (struct sched *s, const struct lease *l)
{
    const struct batch *b = l->batch;
    for (size_t i = 0; i < b->n_dooms; i++) {
        struct ranges rows = {0};
        add_common (&rows, &b->dooms[i].rows, &l->out);
        for (size_t k = 0; k < rows.n; k++)
            cancel_part (s, l, &b->dooms[i], rows.at[k]);
        ranges_fini (&rows);
    }
}

void batch_cancel_rest (struct sched *s, struct batch *b, int64_t now, struct effects *fx)
{
    if (b->ended || !(b->cancelled || b->n_dooms))
        return;
    for (size_t i = 0; i < b->n_dooms; i++)
        for (size_t k = 0; k < b->dooms[i].rows.n; k++)
            rows_end (s, b, b->dooms[i].rows.at[k].lo, b->dooms[i].rows.at[k].hi, OUTCOME_CANCELLED,
                      b->dooms[i].reason, fx);
    if (b->cancelled)
        rows_end (s, b, 0, UINT64_MAX, OUTCOME_CANCELLED, b->reason, fx);
    batch_progress (s, b, now);
}
