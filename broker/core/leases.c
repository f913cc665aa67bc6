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
    LIST_REMOVE (l, b_link);
    LIST_REMOVE (l, w_link);
    free (l);
    batch_set_ready (s, b);
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

/* What becomes of a row whose worker was lost. True: it waits again. */
static bool row_survives (struct sched *s, struct batch *b, uint64_t row, bool counts,
                          struct effects *fx)
{
    if (row_is_doomed (b, row)) {
        results_make (s, b, row, 1, OUTCOME_CANCELLED, "its worker was lost", fx);
        return false;
    }
    if (b->flags & (BATCH_AT_MOST_ONCE | BATCH_INPUT)) {
        results_make (s, b, row, 1, OUTCOME_LOST, "its worker was lost; it may have run", fx);
        return false;
    }
    struct odd_row *odd = odd_get (b, row);
    odd->losses += counts;
    if (odd->losses >= s->cfg.losses_max) {
        results_make (s, b, row, 1, OUTCOME_PARKED, "its workers were lost too often", fx);
        return false;
    }
    odd->attempt++;
    return true;
}

static void lose (struct sched *s, struct lease *l, bool counts, int64_t now, struct effects *fx)
{
    struct batch *b = l->batch;
    struct ranges out = l->out;
    l->out = (struct ranges){0};
    b->granted -= out.count;
    for (size_t i = 0; i < out.n; i++)
        for (uint64_t row = out.at[i].lo; row < out.at[i].hi; row++)
            if (row_survives (s, b, row, counts, fx))
                ranges_add (&b->waiting, row, row + 1);
    ranges_fini (&out);
    lease_drop_if_empty (s, l);
    batch_progress (s, b, now);
}

void leases_lose (struct sched *s, struct worker *w, bool counts, int64_t now, struct effects *fx)
{
    struct lease *l;
    while ((l = LIST_FIRST (&w->leases)))
        lose (s, l, counts, now, fx);
    assert (w->occupied == 0);
    s->placing = true;
}
