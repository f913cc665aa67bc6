/* Restored: workers' sessions of an earlier life of the broker. They come from the store with all
 * that their workers hold, without a connection, and are not judged for a grace.
 *
 * A worker that comes back says what it has (HOLD). What it was granted and does not name never
 * arrived: that waits again, and counts as no attempt (or ends as lost, where the state went back
 * and it is to run at most once). What it names and is not its own is ended.
 * Until it has said all it gets nothing new; what was queued for it meanwhile goes out then. One
 * that has rows which this state knows nothing of loses its session, and with it all rows.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { SHARES_A_LIFE = 1 << 20 };

struct session *restored_new (struct sched *s, const struct wire *hello)
{
    struct session *se = session_make (s, hello, hello->m.hello.token, 0);
    se->restored = true;
    se->hello = *hello;
    se->hello.header = slice_keep (&hello->header);
    se->hello.body[0] = slice_keep (&hello->body[0]);
    restored_mark (s, se, hello);
    return se;
}

/* --- what a state that went back does not know --- */

static void doubt (struct sched *s, struct session *se)
{
    s->n_unsure += !se->unsure;
    se->unsure = true;
}

void restored_trust (struct sched *s, struct session *se)
{
    if (!se->unsure)
        return;
    se->unsure = false;
    if (--s->n_unsure == 0)
        s->placing = true;
}

void restored_mark (struct sched *s, struct session *se, const struct wire *hello)
{
    if (hello->m.hello.received)
        doubt (s, se);
    else
        restored_trust (s, se);
}

void restored_doubt (struct sched *s)
{
    for (struct session *se = s->by_token; se; se = se->by_token.next)
        if (se->restored && !se->ghost)
            doubt (s, se);
}

void restored_record_doubt (struct sched *s, struct effects *fx)
{
    for (struct session *se = s->by_token; se; se = se->by_token.next)
        if (se->unsure && !se->hello.m.hello.received)
            record_session (s, se, &se->hello, fx);
    if (s->n_unsure)
        effect_log (fx, LOG_WARN,
                    "the state went back: no task starts before those workers that it knows are "
                    "here, or given up for lost workers=%" PRIu64,
                    s->n_unsure);
}

struct session *restored_ghost (struct sched *s, uint64_t token)
{
    struct wire hello = {.kind = WIRE_HELLO};
    hello.m.hello.role = ROLE_WORKER;
    hello.m.hello.token = token;
    hello.m.hello.name = bytes_str ("worker-of-old");
    struct session *se = restored_new (s, &hello);
    se->ghost = true;
    return se;
}

bool restored_is_new (const struct session *se)
{
    return se->restored || (se->worker && se->worker->holding && chan_received (se->chan) == 0);
}

void restored_back (struct sched *s, struct session *se, const struct wire *hello, int64_t now)
{
    struct worker *w = se->worker;
    se->restored = false;
    chan_renumber (se->chan);
    w->slots = hello->m.hello.slots;
    w->holding = true;
    w->hold_us = now;
    /* a store that lost its last commits does not know the newest share, nor does this life know
     * what one told that was lost with them: no number comes twice, which would join two shares */
    w->shares = sched_random (s) / SHARES_A_LIFE * SHARES_A_LIFE;
    workers_count_slots (s);
}

bool worker_is_away (const struct worker *w)
{
    return w->session->restored || w->holding;
}

/* --- what a worker names --- */

/* The part of r that begins at r.lo and is of one attempt, if that is the one. */
static struct range of_attempt (const struct batch *b, struct range r, uint64_t attempt, bool *same)
{
    *same = odd_attempt (b, r.lo) == attempt;
    uint64_t row = b->odd ? r.lo + 1 : r.hi;
    while (row < r.hi && (odd_attempt (b, row) == attempt) == *same)
        row++;
    return (struct range){r.lo, row};
}

/* Rows of a set within [lo, hi), whose present attempt is this one, go to `own`. */
static void collect (const struct batch *b, const struct ranges *set, const struct msg_hold *m,
                     struct ranges *own)
{
    uint64_t hi = m->count < UINT64_MAX - m->first ? m->first + m->count : UINT64_MAX;
    struct range r;
    for (uint64_t at = m->first; r = ranges_from (set, at), r.lo < r.hi && r.lo < hi; at = r.hi) {
        bool same;
        if (r.hi > hi)
            r.hi = hi;
        r = of_attempt (b, r, m->attempt, &same);
        if (same)
            ranges_add (own, r.lo, r.hi);
    }
}

/* The store does not know that the worker was granted them (it may have lost its last commits):
 * now it does. False: there is no slot number for them. */
static bool take (struct sched *s, struct worker *w, struct batch *b, struct range r,
                  uint64_t attempt, struct effects *fx)
{
    struct lease *l = lease_get (b, w);
    struct msg_grant g = {.first = r.lo, .count = r.hi - r.lo, .attempt = attempt};
    lease_add_slots (l, g.count, &g);
    if (!l->slots.count) {
        lease_drop_if_empty (s, l);
        return false;
    }
    record_granted (s, l, &g, fx);
    lease_take_out (s, l, r.lo, r.hi);
    ranges_add (&l->named, r.lo, r.hi);
    return true;
}

static void take_waiting (struct sched *s, struct worker *w, struct batch *b,
                          const struct msg_hold *m, struct ranges *own, struct effects *fx)
{
    struct ranges found = {0};
    collect (b, &b->waiting, m, &found);
    for (size_t i = 0; i < found.n; i++)
        if (!b->cancelled && take (s, w, b, found.at[i], m->attempt, fx))
            ranges_add (own, found.at[i].lo, found.at[i].hi);
    ranges_fini (&found);
}

static void refuse (struct sched *s, struct worker *w, uint64_t batch, uint64_t lo, uint64_t hi)
{
    struct wire m = {.kind = WIRE_CANCEL_ROWS};
    if (lo >= hi)
        return;
    m.m.cancel_rows =
        (struct msg_cancel_rows){.batch = batch,
                                 .first = lo,
                                 .count = hi - lo,
                                 .kill = 1,
                                 .reason = bytes_str ("somebody else has it, or it has ended")};
    session_post (s, w->session, &m);
}

/* Rows of a batch that is not the broker's, or is another one under its number: the state went back
 * behind what the worker was told. An outcome of one would be taken for one of the other. */
static bool is_astray (const struct sched *s, const struct batch *b, const struct msg_hold *m)
{
    return b ? m->born && m->born != b->open.m.open.opened_ms : m->batch >= s->next_batch;
}

/* It runs rows before which others of their keys come that are not known to have ended: the state
 * went back, and those may not begin before these are gone. */
static bool holds_behind (const struct batch *b, const struct msg_hold *m)
{
    uint64_t hi = m->count < UINT64_MAX - m->first ? m->first + m->count : UINT64_MAX;
    return ranges_meets (&b->held, m->first, hi);
}

static void name_rows (struct sched *s, struct worker *w, const struct msg_hold *m,
                       struct effects *fx)
{
    struct batch *b = batch_find (s, m->batch);
    struct lease *l = lease_find (w, m->batch);
    struct ranges own = {0};
    if (is_astray (s, b, m)) {
        effect_log (fx, LOG_ERROR,
                    "the state is older than what it gave out: worker=%s has rows of batch=%" PRIu64
                    ", which is not in it, or another one: what it has is ended",
                    w->session->name, m->batch);
        w->session->astray = true;
        return;
    }
    if (l) {
        collect (b, &l->out, m, &own);
        for (size_t i = 0; i < own.n; i++)
            ranges_add (&l->named, own.at[i].lo, own.at[i].hi);
    }
    if (b)
        take_waiting (s, w, b, m, &own, fx);
    uint64_t at = m->first;
    for (size_t i = 0; i < own.n; i++) {
        refuse (s, w, m->batch, at, own.at[i].lo);
        at = own.at[i].hi;
    }
    if (b && holds_behind (b, m)) /* by then it has ended them */
        s->exclusive_us = s->now_us + s->cfg.lost_us;
    refuse (s, w, m->batch, at,
            m->count < UINT64_MAX - m->first ? m->first + m->count : UINT64_MAX);
    ranges_fini (&own);
}

/* --- and what it does not --- */

/* They never arrived; but where the state went back, they may also have run, and what was lost is
 * how they ended. */
static void give_back_unnamed (struct sched *s, struct lease *l, struct effects *fx)
{
    bool unsure = l->worker->session->unsure;
    struct range out;
    for (uint64_t at = 0; out = ranges_from (&l->out, at), out.lo < out.hi;) {
        struct range named = ranges_from (&l->named, out.lo);
        bool any = named.lo < named.hi;
        if (any && named.lo == out.lo) {
            at = named.hi;
            continue;
        }
        at = any && named.lo < out.hi ? named.lo : out.hi;
        if (unsure)
            lease_give_back_doubtful (s, l, out.lo, at, fx);
        else
            lease_give_back (s, l, out.lo, at, fx);
    }
    ranges_fini (&l->named);
}

/* What the broker said of these rows in its last life may not have arrived. */
static void say_again (struct sched *s, struct lease *l)
{
    struct batch *b = l->batch;
    lease_say_slots (s, l);          /* they came with grants that may not have arrived */
    worker_known (l->worker, b->id); /* so that it is told when it may forget them */
    batch_cancel_again (s, l);
    for (size_t i = 0; i < l->out.n && b->flags & BATCH_INPUT; i++)
        live_granted (s, b, l->worker, l->out.at[i].lo, l->out.at[i].hi - l->out.at[i].lo);
}

static void settle (struct sched *s, struct worker *w, int64_t now, struct effects *fx)
{
    struct lease *next;
    w->holding = false;
    for (struct lease *l = LIST_FIRST (&w->leases); l; l = next) {
        struct batch *b = l->batch;
        next = LIST_NEXT (l, w_link);
        l->taking_back = false;
        if (w->session->unsure) /* what slot numbers it has there is not what we know */
            l->share = ++w->shares;
        give_back_unnamed (s, l, fx);
        if (l->out.count)
            say_again (s, l);
        lease_drop_if_empty (s, l);
        batch_progress (s, b, now);
    }
    if (w->session->unsure) {
        restored_trust (s, w->session);
        record_session (s, w->session, &w->session->hello, fx);
    }
    drains_check (s, w);
    worker_touch (s, w);
}

void restored_hold (struct sched *s, struct worker *w, const struct msg_hold *m, int64_t now,
                    struct effects *fx)
{
    if (!w->holding) /* of a WELCOME before the last: it has been said again */
        return;
    if (m->count)
        name_rows (s, w, m, fx);
    if (m->last && !w->session->astray)
        settle (s, w, now, fx);
}
