#include "common/model/ranges.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

void ranges_fini (struct ranges *r)
{
    free (r->at);
    *r = (struct ranges){0};
}

/* The first interval that ends behind x (hi > x); r->n when there is none. */
static size_t find (const struct ranges *r, uint64_t x)
{
    size_t low = 0;
    size_t high = r->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (r->at[mid].hi > x)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static void open_gap (struct ranges *r, size_t at)
{
    if (r->n == r->size) {
        r->size = r->size ? r->size * 2 : 4;
        r->at = mem_resize (r->at, r->size, sizeof *r->at);
    }
    memmove (r->at + at + 1, r->at + at, (r->n - at) * sizeof *r->at);
    r->n++;
}

static void close_gap (struct ranges *r, size_t at, size_t count)
{
    memmove (r->at + at, r->at + at + count, (r->n - at - count) * sizeof *r->at);
    r->n -= count;
}

void ranges_add (struct ranges *r, uint64_t lo, uint64_t hi)
{
    assert (lo <= hi);
    if (lo == hi)
        return;
    /* intervals that touch or overlap [lo, hi] melt into one */
    size_t i = lo ? find (r, lo - 1) : 0;
    size_t j = i;
    uint64_t had = 0;
    while (j < r->n && r->at[j].lo <= hi) {
        had += r->at[j].hi - r->at[j].lo;
        if (r->at[j].lo < lo)
            lo = r->at[j].lo;
        if (r->at[j].hi > hi)
            hi = r->at[j].hi;
        j++;
    }
    if (i == j)
        open_gap (r, i);
    else
        close_gap (r, i + 1, j - i - 1);
    r->at[i] = (struct range){lo, hi};
    r->count += hi - lo - had;
}

uint64_t ranges_remove (struct ranges *r, uint64_t lo, uint64_t hi)
{
    uint64_t gone = 0;
    size_t i = find (r, lo);
    while (i < r->n && r->at[i].lo < hi) {
        struct range old = r->at[i];
        struct range cut = {old.lo > lo ? old.lo : lo, old.hi < hi ? old.hi : hi};
        if (cut.lo >= cut.hi)
            break;
        gone += cut.hi - cut.lo;
        if (old.lo < cut.lo && cut.hi < old.hi) {
            open_gap (r, i);
            r->at[i].hi = cut.lo;
            r->at[i + 1].lo = cut.hi;
            break;
        }
        if (old.lo < cut.lo)
            r->at[i++].hi = cut.lo;
        else if (cut.hi < old.hi)
            r->at[i++].lo = cut.hi;
        else
            close_gap (r, i, 1);
    }
    r->count -= gone;
    return gone;
}

bool ranges_has (const struct ranges *r, uint64_t x)
{
    size_t i = find (r, x);
    return i < r->n && r->at[i].lo <= x;
}

struct range ranges_from (const struct ranges *r, uint64_t from)
{
    size_t i = find (r, from);
    if (i == r->n)
        return (struct range){0, 0};
    struct range found = r->at[i];
    if (found.lo < from)
        found.lo = from;
    return found;
}

struct range ranges_last (const struct ranges *r)
{
    return r->n ? r->at[r->n - 1] : (struct range){0, 0};
}

bool ranges_meets (const struct ranges *r, uint64_t lo, uint64_t hi)
{
    size_t i = find (r, lo);
    return lo < hi && i < r->n && r->at[i].lo < hi;
}
