/* Due: rows that wait for a time before they wait for a worker, in a heap by that time. A row knows
 * its place in the heap, so that one that is cancelled, or whose batch goes, leaves it at once.
 *
 * Such a row is in `later` of its batch, not in `waiting`. While records are replayed there are no
 * times: due_start() gives them when the first turn begins.
 */
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

static void put (struct due *d, size_t at, struct odd_row *odd)
{
    d->at[at] = odd;
    odd->due_at = at + 1;
}

static void sift_up (struct due *d, size_t at, struct odd_row *odd)
{
    while (at && d->at[(at - 1) / 2]->due_us > odd->due_us) {
        put (d, at, d->at[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put (d, at, odd);
}

static void sift_down (struct due *d, size_t at, struct odd_row *odd)
{
    size_t child;
    while ((child = 2 * at + 1) < d->n) {
        if (child + 1 < d->n && d->at[child + 1]->due_us < d->at[child]->due_us)
            child++;
        if (d->at[child]->due_us >= odd->due_us)
            break;
        put (d, at, d->at[child]);
        at = child;
    }
    put (d, at, odd);
}

static void push (struct due *d, struct odd_row *odd)
{
    if (d->n == d->size) {
        d->size = d->size ? 2 * d->size : 16;
        d->at = mem_resize (d->at, d->size, sizeof (struct odd_row *));
    }
    d->n++;
    sift_up (d, d->n - 1, odd);
}

void due_remove (struct sched *s, struct odd_row *odd)
{
    struct due *d = &s->due;
    if (!odd->due_at)
        return;
    size_t at = odd->due_at - 1;
    struct odd_row *last = d->at[--d->n];
    odd->due_at = 0;
    if (last == odd)
        return;
    if (at && d->at[(at - 1) / 2]->due_us > last->due_us)
        sift_up (d, at, last);
    else
        sift_down (d, at, last);
}

void due_add (struct sched *s, struct batch *b, uint64_t row, int64_t due_us)
{
    struct odd_row *odd = odd_get (b, row);
    due_remove (s, odd);
    odd->due_us = due_us;
    ranges_add (&b->later, row, row + 1);
    if (!s->replaying)
        push (&s->due, odd);
}

int64_t due_next (const struct sched *s)
{
    return s->due.n ? s->due.at[0]->due_us : CLOCK_NEVER;
}

static void wait_now (struct sched *s, struct batch *b, uint64_t row)
{
    struct odd_row *odd = odd_find (b, row);
    if (odd)
        due_remove (s, odd);
    ranges_remove (&b->later, row, row + 1);
    rows_wait (s, b, row, row + 1);
}

void due_now (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi)
{
    struct range r;
    while ((r = ranges_from (&b->later, lo)), r.lo < r.hi && r.lo < hi)
        wait_now (s, b, r.lo);
}

void due_tick (struct sched *s, int64_t now)
{
    while (due_next (s) <= now) {
        struct odd_row *odd = s->due.at[0];
        struct batch *b = odd->batch;
        odd->since_us = now;
        wait_now (s, b, odd->row);
        batch_set_ready (s, b);
    }
}

void due_start (struct sched *s, struct batch *b, int64_t now)
{
    for (size_t i = 0; i < b->later.n; i++)
        for (uint64_t row = b->later.at[i].lo; row < b->later.at[i].hi; row++) {
            struct odd_row *odd = odd_get (b, row);
            odd->due_us = now + retry_delay (s, b, odd);
            push (&s->due, odd);
        }
}

void due_fini (struct sched *s)
{
    free (s->due.at);
    s->due = (struct due){0};
}
