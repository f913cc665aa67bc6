/* Leases: which rows of a batch a worker holds, and which slot numbers it may use for them.
 *
 * A lease is there while rows are out. How many slots it counts for is what the worker can run of
 * it at once; rows beyond are look-ahead. A row that came back from a lost worker is no longer like
 * the others (odd.c). It is parked when too many workers were lost with it, but only if it was
 * alone on the last one: then it is certain that it was not its neighbour.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { LOSS_TEXT_MAX = 400 };

struct lease *lease_find (struct worker *w, uint64_t batch)
{
    struct lease *l;
    LIST_FOREACH (l, &w->leases, w_link)
        if (l->batch->id == batch)
            return l;
    return NULL;
}

struct lease *lease_get (struct batch *b, struct worker *w)
{
    struct lease *l = lease_find (w, b->id);
    if (l)
        return l;
    l = mem_zalloc (sizeof *l);
    l->batch = b;
    l->worker = w;
    l->share = ++w->shares;
    LIST_INSERT_HEAD (&b->leases, l, b_link);
    LIST_INSERT_HEAD (&w->leases, l, w_link);
    return l;
}

/* Both the rows out and the slot numbers bound what runs at once. */
void lease_count (struct lease *l)
{
    uint64_t running = l->out.count < l->slots.count ? l->out.count : l->slots.count;
    uint64_t occupied = running * l->batch->cpus;
    uint64_t io_busy = l->batch->cpus ? 0 : running;
    l->worker->occupied += occupied - l->occupied;
    l->occupied = occupied;
    l->worker->io_busy += io_busy - l->io_busy;
    l->io_busy = io_busy;
}

/* As far as the batch may use them. */
static void free_numbers (struct batch *b, struct ranges *numbers)
{
    uint64_t end = 1 + (b->jobs ? b->jobs : BATCH_SLOT_NUMBERS);
    for (size_t i = 0; i < numbers->n; i++) {
        struct range r = numbers->at[i];
        if (r.lo < end)
            ranges_add (&b->slots, r.lo, r.hi < end ? r.hi : end);
    }
    ranges_fini (numbers);
}

void lease_drop_if_empty (struct sched *s, struct lease *l)
{
    if (l->out.count)
        return;
    struct batch *b = l->batch;
    lease_count (l);
    free_numbers (b, &l->slots);
    free_numbers (b, &l->retired);
    ranges_fini (&l->out);
    ranges_fini (&l->named);
    LIST_REMOVE (l, b_link);
    LIST_REMOVE (l, w_link);
    alone_ended (s, l->worker);
    progress_drop_all (l);
    free (l);
    batch_set_ready (s, b);
}

void lease_take_out (struct sched *s, struct lease *l, uint64_t lo, uint64_t hi)
{
    rows_unwait (s, l->batch, lo, hi);
    ranges_add (&l->out, lo, hi);
    l->batch->granted += hi - lo;
    lease_count (l);
}

void lease_add_slots (struct lease *l, uint64_t more, struct msg_grant *g)
{
    struct range r = ranges_from (&l->batch->slots, 0);
    if (!more || r.lo == r.hi)
        return;
    g->slot_base = r.lo;
    g->slot_count = more < r.hi - r.lo ? more : r.hi - r.lo;
    ranges_remove (&l->batch->slots, r.lo, r.lo + g->slot_count);
    ranges_add (&l->slots, r.lo, r.lo + g->slot_count);
}

struct loss {
    struct sched *s;
    struct batch *b;
    const char *worker;
    bool counts;
    bool alone; /* the row was the only one there */
    int64_t now;
    int64_t from_us; /* when it may run elsewhere */
    struct effects *fx;
};

/* What becomes of a row whose worker was lost: OUTCOME_DONE, it waits again, with the next attempt;
 * or what it ends as. A replay only counts: what ended is in the records behind. */
static enum outcome_how row_lost (const struct loss *x, uint64_t row)
{
    if (row_is_doomed (x->b, row))
        return OUTCOME_CANCELLED;
    if (batch_runs_once (x->b))
        return OUTCOME_LOST;
    struct odd_row *odd = odd_get (x->b, row);
    odd->losses += x->counts;
    odd->since_us = x->now;
    if (x->counts) {
        odd->how = OUTCOME_LOST;
        odd_was_with (odd, x->worker);
    }
    if (x->counts && x->alone && odd->losses >= x->b->losses_max && !x->s->replaying)
        return OUTCOME_PARKED;
    odd->attempt++;
    return OUTCOME_DONE;
}

static void end_lost (const struct loss *x, uint64_t row, enum outcome_how how)
{
    struct buf why;
    buf_init (&why, LOSS_TEXT_MAX);
    if (how == OUTCOME_PARKED) {
        buf_printf (&why, "its workers were lost %u times: ", odd_get (x->b, row)->losses);
        odd_past_text (odd_get (x->b, row), &why);
    } else {
        buf_printf (&why, "its worker was lost%s: %.60s",
                    how == OUTCOME_LOST ? "; it may have run" : "", x->worker);
    }
    buf_putc (&why, '\0');
    results_make (x->s, x->b, row, 1, how, why.failed ? "" : (const char *)why.bytes, x->fx);
    buf_fini (&why);
}

static void lose_row (const struct loss *x, uint64_t row)
{
    enum outcome_how how = row_lost (x, row);
    if (x->from_us > x->now)
        order_hold_until (x->s, x->b, row, x->from_us);
    if (how != OUTCOME_DONE && !x->s->replaying)
        end_lost (x, row, how);
    else if (x->from_us > x->now)
        due_add (x->s, x->b, row, x->from_us);
    else
        rows_wait (x->s, x->b, row, row + 1);
}

/* Two attempts of a row of an exclusive batch never run at one time: where it is not certain that
 * the worker's processes are gone, it is when the worker has ended them by itself. */
static int64_t free_from (const struct sched *s, const struct lease *l, int64_t now)
{
    const struct session *se = l->worker->session;
    if (!(l->batch->flags & BATCH_EXCLUSIVE) || se->processes_gone || s->replaying)
        return now;
    return se->heard_us + s->cfg.lost_us;
}

void lease_lose (struct sched *s, struct lease *l, bool counts, const char *worker, int64_t now,
                 struct effects *fx)
{
    struct batch *b = l->batch;
    struct loss x = {s, b, worker, counts, worker_is_alone (l->worker), now, free_from (s, l, now),
                     fx};
    record_holder_lost (s, l, counts, fx);
    struct ranges out = l->out;
    l->out = (struct ranges){0};
    b->granted -= out.count;
    for (size_t i = 0; i < out.n; i++)
        for (uint64_t row = out.at[i].lo; row < out.at[i].hi; row++)
            lose_row (&x, row);
    ranges_fini (&out);
    lease_drop_if_empty (s, l);
    batch_progress (s, b, now);
}

/* Rows that nobody has: they wait again, with the attempt they had; or end, where nobody wants them
 * any more, or where they may have run (`maybe`) and are never to run twice. */
static void give_back_range (struct sched *s, struct lease *l, struct range r, bool maybe,
                             struct effects *fx)
{
    static const char lost[] = "at most once: it may have run, and its outcome is lost with the "
                               "broker's last commits";
    struct batch *b = l->batch;
    bool ends = maybe && batch_runs_once (b);
    record_given_back (s, l, r, fx);
    ranges_remove (&l->out, r.lo, r.hi);
    b->granted -= r.hi - r.lo;
    for (uint64_t row = r.lo; row < r.hi; row++) {
        if (row_is_doomed (b, row) && !s->replaying)
            results_make (s, b, row, 1, OUTCOME_CANCELLED, row_cancel_reason (b, row), fx);
        else if (ends)
            results_make (s, b, row, 1, OUTCOME_LOST, lost, fx);
        else
            rows_wait (s, b, row, row + 1);
    }
}

static void give_back (struct sched *s, struct lease *l, uint64_t lo, uint64_t hi, bool maybe,
                       struct effects *fx)
{
    struct range r;
    while ((r = ranges_from (&l->out, lo)), r.lo < r.hi && r.lo < hi) {
        if (r.hi > hi)
            r.hi = hi;
        give_back_range (s, l, r, maybe, fx);
    }
    lease_count (l);
}

void lease_give_back (struct sched *s, struct lease *l, uint64_t lo, uint64_t hi,
                      struct effects *fx)
{
    give_back (s, l, lo, hi, false, fx);
}

void lease_give_back_doubtful (struct sched *s, struct lease *l, uint64_t lo, uint64_t hi,
                               struct effects *fx)
{
    give_back (s, l, lo, hi, true, fx);
}

void leases_lose (struct sched *s, struct worker *w, bool counts, int64_t now, struct effects *fx)
{
    struct lease *l;
    while ((l = LIST_FIRST (&w->leases)))
        lease_lose (s, l, counts, w->session->name, now, fx);
    assert (w->occupied == 0);
    s->placing = true;
}
