/* Waiting: the rows of a batch that could be placed, and which of them a worker should have.
 *
 * Most are like each other and are found at once. Two subsets are apart: rows that failed on some
 * worker, or were lost with it, are better off with another one (`picky`); rows whose workers were
 * lost again and again run with nothing beside them (`alone`), which is alone.c's business. A row
 * is picky for a time only: better the same worker than none.
 */
#include "broker/core/core.h"
#include "common/base/clock.h"

enum {
    PICKY_LOOKS = 64, /* rows that are looked at for one worker */
    PREFER_US = 10 * US_PER_S,
};

bool row_needs_alone (const struct batch *b, uint64_t row)
{
    const struct odd_row *odd = odd_find (b, row);
    return odd && odd->losses >= (b->losses_max > 2 ? 2 : 1);
}

static void classify (struct sched *s, struct batch *b, uint64_t row)
{
    const struct odd_row *odd = odd_find (b, row);
    if (row_needs_alone (b, row)) {
        ranges_add (&b->alone, row, row + 1);
        s->n_alone++;
    } else if (odd && odd->n_past) {
        ranges_add (&b->picky, row, row + 1);
    } else if (row < b->fresh_from) {
        b->fresh_from = row;
    }
}

void rows_wait (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi)
{
    ranges_add (&b->waiting, lo, hi);
    if (!b->odd && lo < b->fresh_from)
        b->fresh_from = lo;
    for (uint64_t row = lo; b->odd && row < hi; row++)
        classify (s, b, row);
}

uint64_t rows_unwait (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi)
{
    if (b->picky.n)
        ranges_remove (&b->picky, lo, hi);
    if (b->alone.n)
        s->n_alone -= ranges_remove (&b->alone, lo, hi);
    return ranges_remove (&b->waiting, lo, hi);
}

uint64_t rows_free (const struct batch *b)
{
    return b->waiting.count - b->alone.count;
}

uint64_t rows_waiting (const struct batch *b)
{
    return b->waiting.count + b->later.count + b->held.count;
}

bool row_waits (const struct batch *b, uint64_t row)
{
    return ranges_has (&b->waiting, row) || ranges_has (&b->later, row) ||
           ranges_has (&b->held, row);
}

/* Of `r` what lies before the set; where it begins within the set, r.lo moves behind that. */
static bool cut (struct range *r, const struct ranges *set)
{
    struct range part = ranges_from (set, r->lo);
    if (part.lo == part.hi || part.lo >= r->hi)
        return true;
    if (part.lo > r->lo) {
        r->hi = part.lo;
        return true;
    }
    r->lo = part.hi;
    return false;
}

/* Rows like all others. What lies before the place where the last look ended needs no look again.
 */
static struct range fresh (struct batch *b)
{
    struct range r;
    for (;;) {
        r = ranges_from (&b->waiting, b->fresh_from);
        if (r.lo == r.hi)
            return r;
        b->fresh_from = r.lo;
        if (cut (&r, &b->picky) && cut (&r, &b->alone))
            return r;
        b->fresh_from = r.lo;
    }
}

/* Another worker could have it, and has not had it. */
static bool others_can (struct sched *s, struct batch *b, const struct odd_row *odd)
{
    uint64_t known = 0;
    for (unsigned i = 0; i < odd->n_past; i++) {
        const struct session *se = session_by_name (s, odd_past (odd, i));
        known += se && worker_takes (se->worker) && worker_can (se->worker, b);
    }
    return batch_takers (s, b) > known;
}

bool row_avoids (struct sched *s, struct batch *b, uint64_t row, const struct worker *w,
                 int64_t now)
{
    const struct odd_row *odd = odd_find (b, row);
    return odd && now - odd->since_us < PREFER_US && odd_knows (odd, w->session->name) &&
           others_can (s, b, odd);
}

/* Picky rows that this worker may have, within the first ones. */
static struct range picky (struct sched *s, struct batch *b, const struct worker *w, int64_t now)
{
    unsigned looks = 0;
    for (size_t i = 0; i < b->picky.n; i++) {
        struct range r = b->picky.at[i];
        uint64_t lo = r.lo;
        for (; lo < r.hi && row_avoids (s, b, lo, w, now); lo++)
            if (++looks == PICKY_LOOKS)
                return (struct range){0};
        uint64_t hi = lo;
        while (hi < r.hi && hi - lo < PICKY_LOOKS && !row_avoids (s, b, hi, w, now))
            hi++;
        if (lo < hi)
            return (struct range){lo, hi};
    }
    return (struct range){0};
}

struct range rows_for (struct sched *s, struct batch *b, const struct worker *w, int64_t now)
{
    struct range r = {0};
    if (b->picky.n)
        r = picky (s, b, w, now);
    return r.lo < r.hi ? r : fresh (b);
}
