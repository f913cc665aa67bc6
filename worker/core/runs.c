/* Runs: rows that were granted and wait. Consecutive rows stay one run, with the bytes they came
 * in; taking some off either end, or out of the middle, never copies them.
 *
 * Invariants: a batch's runs are in the order of their grants, then of their rows; a run's body is
 * exactly its rows; a batch is in the agent's list `waiting` while it has runs, and that list is in
 * the order of the batches' first runs.
 */
#include <stdlib.h>

#include "common/wire/rows.h"
#include "worker/core/core.h"

struct run *run_new (const struct run *from)
{
    struct run *r = mem_zalloc (sizeof *r);
    *r = *from;
    return r;
}

void run_free (struct run **rp)
{
    struct run *r = *rp;
    if (!r)
        return;
    slice_fini (&r->body);
    free (r);
    *rp = NULL;
}

static size_t length_of (const struct run *r, uint64_t n)
{
    if (n == r->count)
        return r->body.len;
    return rows_length (bytes_of (r->body.ptr, r->body.len), n);
}

void run_cut (struct run *r, uint64_t n, struct run *front)
{
    size_t len = length_of (r, n);
    struct slice whole = r->body;
    *front = *r;
    front->count = n;
    front->body = slice_sub (&whole, 0, len);
    r->body = slice_sub (&whole, len, whole.len - len);
    r->first += n;
    r->count -= n;
    if (r->each_spec)
        r->spec += n;
    slice_fini (&whole);
}

void run_trim (struct run *r, uint64_t n)
{
    r->body.len = length_of (r, n);
    r->count = n;
}

static uint64_t first_order (const struct batch *b)
{
    return TAILQ_FIRST (&b->runs)->order;
}

/* Put the batch where its first run says; the list is short, and mostly it goes to the end. */
static void settle (struct agent *a, struct batch *b)
{
    if (b->waiting)
        TAILQ_REMOVE (&a->waiting, b, link);
    b->waiting = !TAILQ_EMPTY (&b->runs);
    if (!b->waiting)
        return;
    struct batch *before = TAILQ_LAST (&a->waiting, waiting_list);
    while (before && first_order (before) > first_order (b))
        before = TAILQ_PREV (before, waiting_list, link);
    if (before)
        TAILQ_INSERT_AFTER (&a->waiting, before, b, link);
    else
        TAILQ_INSERT_HEAD (&a->waiting, b, link);
}

static void count_rows (struct agent *a, struct batch *b, uint64_t more, uint64_t less)
{
    b->queued += more - less;
    a->queued += more - less;
}

static bool comes_before (const struct run *x, const struct run *y)
{
    return x->order != y->order ? x->order < y->order : x->first < y->first;
}

static void insert (struct batch *b, struct run *r)
{
    struct run *first = TAILQ_FIRST (&b->runs);
    if (first && comes_before (r, first)) { /* the usual way of rows that come back */
        TAILQ_INSERT_HEAD (&b->runs, r, link);
        return;
    }
    struct run *before = TAILQ_LAST (&b->runs, runs);
    while (before && comes_before (r, before))
        before = TAILQ_PREV (before, runs, link);
    if (before)
        TAILQ_INSERT_AFTER (&b->runs, before, r, link);
    else
        TAILQ_INSERT_HEAD (&b->runs, r, link);
}

void runs_add (struct agent *a, struct batch *b, struct run r)
{
    insert (b, run_new (&r));
    count_rows (a, b, r.count, 0);
    settle (a, b);
    a->place = true;
}

static void remove_run (struct agent *a, struct batch *b, struct run *r)
{
    TAILQ_REMOVE (&b->runs, r, link);
    settle (a, b);
}

void runs_take_front (struct agent *a, struct batch *b, uint64_t n, struct run *out)
{
    struct run *r = TAILQ_FIRST (&b->runs);
    count_rows (a, b, 0, n);
    if (n < r->count) {
        run_cut (r, n, out);
        return;
    }
    *out = *r;
    r->body = (struct slice){0};
    remove_run (a, b, r);
    run_free (&r);
}

void runs_take_back (struct agent *a, struct batch *b, uint64_t n, uint64_t *first, uint64_t *count)
{
    struct run *r = TAILQ_LAST (&b->runs, runs);
    *count = n < r->count ? n : r->count;
    *first = r->first + r->count - *count;
    count_rows (a, b, 0, *count);
    if (*count < r->count) {
        run_trim (r, r->count - *count);
        return;
    }
    remove_run (a, b, r);
    run_free (&r);
}

/* Where [first, first + count) begins in the run, and how many rows of it are in there. */
static uint64_t overlap (const struct run *r, uint64_t first, uint64_t count, uint64_t *skip)
{
    uint64_t lo = first > r->first ? first : r->first;
    uint64_t end = count > UINT64_MAX - first ? UINT64_MAX : first + count;
    uint64_t hi = end < r->first + r->count ? end : r->first + r->count;
    *skip = lo - r->first;
    return lo < hi ? hi - lo : 0;
}

bool runs_take_range (struct agent *a, struct batch *b, uint64_t first, uint64_t count,
                      struct run *out)
{
    struct run *r;
    uint64_t skip = 0;
    uint64_t n = 0;
    TAILQ_FOREACH (r, &b->runs, link)
        if ((n = overlap (r, first, count, &skip)) > 0)
            break;
    if (!r)
        return false;
    struct run head = {0};
    if (skip)
        run_cut (r, skip, &head);
    count_rows (a, b, 0, n);
    if (n < r->count) {
        run_cut (r, n, out);
    } else {
        *out = *r;
        r->body = (struct slice){0};
        TAILQ_REMOVE (&b->runs, r, link);
        run_free (&r);
    }
    if (skip)
        insert (b, run_new (&head));
    settle (a, b);
    return true;
}

bool runs_have (const struct batch *b, uint64_t row)
{
    const struct run *r;
    uint64_t skip;
    TAILQ_FOREACH (r, &b->runs, link)
        if (overlap (r, row, 1, &skip))
            return true;
    return false;
}

void runs_drop (struct agent *a, struct batch *b)
{
    struct run *r;
    count_rows (a, b, 0, b->queued);
    while ((r = TAILQ_FIRST (&b->runs))) {
        TAILQ_REMOVE (&b->runs, r, link);
        run_free (&r);
    }
    settle (a, b);
}
