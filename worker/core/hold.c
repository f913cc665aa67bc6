/* Hold: what the worker has of its grants, told to a broker that was restarted.
 *
 * A row that was granted is here in one of four ways: it waits in a run, it is in the hands of an
 * executor, its outcome was not acknowledged (it is in the channel, or on its way there), or a
 * drain has killed it and BYE will answer for it. All others the broker gave to a worker that never
 * got them: it takes them back by itself, and so RETURNED that was not acknowledged must not be
 * said again: the rows may have been granted anew. doc/PROTOCOL.md, "A broker that was restarted".
 */
#include <stdlib.h>

#include "worker/core/core.h"

void holds_add (struct holds *h, struct hold x)
{
    if (h->n == h->size) {
        h->size = h->size ? 2 * h->size : 16;
        h->at = mem_resize (h->at, h->size, sizeof *h->at);
    }
    h->at[h->n++] = x;
}

void holds_fini (struct holds *h)
{
    free (h->at);
    *h = (struct holds){0};
}

/* Whether y goes on where x ends. */
static bool joins (const struct hold *x, const struct hold *y)
{
    return x->batch == y->batch && x->attempt == y->attempt && x->first + x->count == y->first;
}

static void add (struct holds *h, struct hold x)
{
    if (h->n && joins (&h->at[h->n - 1], &x))
        h->at[h->n - 1].count += x.count;
    else if (x.count)
        holds_add (h, x);
}

static int by_row (const void *px, const void *py)
{
    const struct hold *x = px;
    const struct hold *y = py;
    if (x->batch != y->batch)
        return x->batch < y->batch ? -1 : 1;
    if (x->attempt != y->attempt)
        return x->attempt < y->attempt ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

static void sort (struct holds *h)
{
    size_t n = 0;
    if (h->n)
        qsort (h->at, h->n, sizeof *h->at, by_row);
    for (size_t i = 0; i < h->n; i++) {
        if (n && joins (&h->at[n - 1], &h->at[i]))
            h->at[n - 1].count += h->at[i].count;
        else
            h->at[n++] = h->at[i];
    }
    h->n = n;
}

static void add_outcomes (struct holds *h, const struct wire *w)
{
    struct bytes body = bytes_of (w->body[0].ptr, w->body[0].len);
    struct outcome o;
    size_t at = 0;
    while (outcome_read (body, &at, &o) == 1)
        add (h, (struct hold){w->m.results.batch, o.attempt, o.row, 1});
}

/* What was said and not acknowledged: outcomes are held, and what speaks of grants and capacity in
 * the broker's last life is void. */
static bool look (void *arg, const struct wire_frames *f)
{
    struct wire w;
    if (wire_decode (&w, f, NULL, NULL) < 0)
        return false;
    bool is_void = w.kind == WIRE_RETURNED || w.kind == WIRE_HOLD || w.kind == WIRE_CAPACITY;
    if (w.kind == WIRE_RESULTS)
        add_outcomes (arg, &w);
    wire_fini (&w);
    return is_void;
}

static void add_batch (struct holds *h, const struct batch *b)
{
    const struct run *r;
    const struct executor *e;
    const struct job *j;
    TAILQ_FOREACH (r, &b->runs, link)
        add (h, (struct hold){b->id, r->attempt, r->first, r->count});
    LIST_FOREACH (e, &b->busy, batch_link)
        TAILQ_FOREACH (j, &e->jobs, link)
            add (h, (struct hold){b->id, j->rows.attempt, j->rows.first + j->answered,
                                  j->rows.count - j->answered});
}

static void say (struct agent *a, const struct hold *x, bool last)
{
    struct wire w = {.kind = WIRE_HOLD};
    const struct batch *b = batch_find (a, x->batch);
    w.m.hold.batch = x->batch;
    w.m.hold.first = x->first;
    w.m.hold.count = x->count;
    w.m.hold.attempt = x->attempt;
    w.m.hold.last = last;
    w.m.hold.born = b ? b->born : 0;
    session_post_first (&a->session, &w);
}

static bool has_batch (const struct holds *h, uint64_t batch)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->at[i].batch == batch)
            return true;
    return false;
}

/* Nothing that was on its way will come: neither the grants that a cancellation waits for, nor the
 * rest of a large row. A batch of which no row was named may never be spoken of again; of the
 * others the broker says FORGET as ever, and counts on the slot numbers it gave. */
static void let_go (struct agent *a, const struct holds *h, struct agent_effects *fx)
{
    struct batch *b;
    struct batch *tmp;
    HASH_ITER (hh, a->batches, b, tmp) {
        cancels_fini (b);
        blob_unref (&b->part);
        b->part_have = 0;
        b->forgotten = b->forgotten || !has_batch (h, b->id);
        batch_release (a, b, fx);
    }
}

void hold_tell (struct agent *a, struct agent_effects *fx)
{
    static const struct hold nothing;
    struct holds h = {0};
    struct batch *b;
    results_flush_all (a);
    chan_sift (a->session.chan, look, &h);
    for (b = a->batches; b; b = b->hh.next)
        add_batch (&h, b);
    for (size_t i = 0; i < a->silenced.n; i++)
        add (&h, a->silenced.at[i]);
    sort (&h);
    for (size_t i = 0; i < h.n; i++)
        say (a, &h.at[i], i + 1 == h.n);
    if (!h.n)
        say (a, &nothing, true);
    a->grant = 0;
    let_go (a, &h, fx);
    drain_say (a);
    holds_fini (&h);
}
