/* Leases: which rows of a batch a worker holds, and which slot numbers it may use for them.
 *
 * A lease is there while rows are out. How many slots it counts for is what the worker can run of
 * it at once; rows beyond are look-ahead. A row that came back from a lost worker is no longer like
 * the others: its attempts are counted apart.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

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
    l->worker->occupied += occupied - l->occupied;
    l->occupied = occupied;
}

void lease_drop_if_empty (struct sched *s, struct lease *l)
{
    if (l->out.count)
        return;
    struct batch *b = l->batch;
    lease_count (l);
    for (size_t i = 0; i < l->slots.n; i++)
        ranges_add (&b->slots, l->slots.at[i].lo, l->slots.at[i].hi);
    ranges_fini (&l->slots);
    ranges_fini (&l->out);
    ranges_fini (&l->named);
    LIST_REMOVE (l, b_link);
    LIST_REMOVE (l, w_link);
    free (l);
    batch_set_ready (s, b);
}

void lease_take_out (struct lease *l, uint64_t lo, uint64_t hi)
{
    ranges_remove (&l->batch->waiting, lo, hi);
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

static struct odd_row *odd_find (const struct batch *b, uint64_t row)
{
    struct odd_row *odd = NULL;
    if (b->odd)
        HASH_FIND (hh, b->odd, &row, sizeof row, odd);
    return odd;
}

unsigned odd_attempt (const struct batch *b, uint64_t row)
{
    struct odd_row *odd = odd_find (b, row);
    return odd ? odd->attempt : 1;
}

struct odd_row *odd_get (struct batch *b, uint64_t row)
{
    struct odd_row *odd = odd_find (b, row);
    if (odd)
        return odd;
    odd = mem_zalloc (sizeof *odd);
    odd->row = row;
    odd->attempt = 1;
    HASH_ADD (hh, b->odd, row, sizeof odd->row, odd);
    return odd;
}

void odd_drop (struct batch *b, uint64_t row)
{
    struct odd_row *odd = odd_find (b, row);
    if (!odd)
        return;
    HASH_DEL (b->odd, odd);
    free (odd);
}

/* What becomes of a row whose worker was lost: OUTCOME_DONE, it waits again, with the next attempt;
 * or what it ends as. A replay only counts: what ended is in the records behind. */
static enum outcome_how row_lost (struct sched *s, struct batch *b, uint64_t row, bool counts)
{
    if (row_is_doomed (b, row))
        return OUTCOME_CANCELLED;
    if (b->flags & (BATCH_AT_MOST_ONCE | BATCH_INPUT))
        return OUTCOME_LOST;
    struct odd_row *odd = odd_get (b, row);
    odd->losses += counts;
    if (odd->losses >= s->cfg.losses_max && !s->replaying)
        return OUTCOME_PARKED;
    odd->attempt++;
    return OUTCOME_DONE;
}

static void lose_row (struct sched *s, struct batch *b, uint64_t row, bool counts,
                      struct effects *fx)
{
    static const char *const WHY[OUTCOME_KINDS] = {
        [OUTCOME_CANCELLED] = "its worker was lost",
        [OUTCOME_LOST] = "its worker was lost; it may have run",
        [OUTCOME_PARKED] = "its workers were lost too often",
    };
    enum outcome_how how = row_lost (s, b, row, counts);
    if (how == OUTCOME_DONE || s->replaying)
        ranges_add (&b->waiting, row, row + 1);
    else
        results_make (s, b, row, 1, how, WHY[how], fx);
}

void lease_lose (struct sched *s, struct lease *l, bool counts, int64_t now, struct effects *fx)
{
    struct batch *b = l->batch;
    record_holder_lost (s, l, counts, fx);
    struct ranges out = l->out;
    l->out = (struct ranges){0};
    b->granted -= out.count;
    for (size_t i = 0; i < out.n; i++)
        for (uint64_t row = out.at[i].lo; row < out.at[i].hi; row++)
            lose_row (s, b, row, counts, fx);
    ranges_fini (&out);
    lease_drop_if_empty (s, l);
    batch_progress (s, b, now);
}

/* Rows that were not started: they wait again, with the attempt they had; or end, where nobody
 * wants them any more. */
static void give_back_range (struct sched *s, struct lease *l, struct range r, struct effects *fx)
{
    struct batch *b = l->batch;
    record_given_back (s, l, r, fx);
    ranges_remove (&l->out, r.lo, r.hi);
    b->granted -= r.hi - r.lo;
    for (uint64_t row = r.lo; row < r.hi; row++) {
        if (row_is_doomed (b, row) && !s->replaying)
            results_make (s, b, row, 1, OUTCOME_CANCELLED, b->reason ? b->reason : "", fx);
        else
            ranges_add (&b->waiting, row, row + 1);
    }
}

void lease_give_back (struct sched *s, struct lease *l, uint64_t lo, uint64_t hi,
                      struct effects *fx)
{
    struct range r;
    while ((r = ranges_from (&l->out, lo)), r.lo < r.hi && r.lo < hi) {
        if (r.hi > hi)
            r.hi = hi;
        give_back_range (s, l, r, fx);
    }
    lease_count (l);
}

void leases_lose (struct sched *s, struct worker *w, bool counts, int64_t now, struct effects *fx)
{
    struct lease *l;
    while ((l = LIST_FIRST (&w->leases)))
        lease_lose (s, l, counts, now, fx);
    assert (w->occupied == 0);
    s->placing = true;
}
