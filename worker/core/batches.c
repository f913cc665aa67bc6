/* Batches: what the worker knows of each: its specs, its slot numbers, how long a row takes.
 *
 * A batch is made by the first message that names it (a cancellation may come before the grant it
 * is about) and goes when the broker says FORGET and the last of its rows is answered.
 */
#include <stdlib.h>

#include "worker/core/core.h"

enum {
    JOB_NS =
        2000000, /* of work is handed over at one time; less costs messages, more costs balance */
    JOB_ROWS_MAX = 16384,
};

struct batch *batch_find (struct agent *a, uint64_t id)
{
    struct batch *b = NULL;
    HASH_FIND (hh, a->batches, &id, sizeof id, b);
    return b;
}

struct batch *batch_get (struct agent *a, uint64_t id)
{
    struct batch *b = batch_find (a, id);
    if (b)
        return b;
    b = mem_zalloc (sizeof *b);
    b->id = id;
    b->chunk = 1;
    TAILQ_INIT (&b->runs);
    TAILQ_INIT (&b->cancels);
    TAILQ_INIT (&b->notes);
    LIST_INIT (&b->busy);
    buf_init (&b->out_more, WIRE_FRAME_MAX);
    HASH_ADD (hh, a->batches, id, sizeof b->id, b);
    return b;
}

struct spec *batch_spec (struct batch *b, uint64_t number)
{
    struct spec *s = NULL;
    HASH_FIND (hh, b->specs, &number, sizeof number, s);
    return s;
}

static void free_spec (struct batch *b, struct spec *s)
{
    HASH_DEL (b->specs, s);
    wire_fini (&s->msg);
    bits_fini (&s->told);
    free (s);
}

static void free_specs (struct batch *b)
{
    struct spec *s;
    struct spec *tmp;
    HASH_ITER (hh, b->specs, s, tmp)
        free_spec (b, s);
}

static struct spec *spec_new (const struct wire *w)
{
    struct spec *s = mem_zalloc (sizeof *s);
    s->number = w->m.spec.spec;
    s->msg = *w;
    s->msg.seq = s->msg.ack = 0;
    s->msg.header = slice_keep (&w->header);
    for (unsigned i = 0; i < WIRE_BODIES; i++)
        s->msg.body[i] = slice_keep (&w->body[i]);
    return s;
}

static void free_note (struct batch *b, struct note *n)
{
    TAILQ_REMOVE (&b->notes, n, link);
    b->note_bytes -= n->msg.body[0].len;
    wire_fini (&n->msg);
    free (n);
}

void batch_notes_drop (struct batch *b, uint64_t row)
{
    struct note *n = TAILQ_FIRST (&b->notes);
    while (n) {
        struct note *next = TAILQ_NEXT (n, link);
        if (n->row == row)
            free_note (b, n);
        n = next;
    }
}

static bool has_rows (const struct batch *b)
{
    return b->queued || b->handed || b->n_busy;
}

void batch_free (struct agent *a, struct batch **bp)
{
    struct batch *b = *bp;
    runs_drop (a, b);
    if (b->out_count)
        TAILQ_REMOVE (&a->out, b, out_link);
    while (!TAILQ_EMPTY (&b->notes))
        free_note (b, TAILQ_FIRST (&b->notes));
    cancels_fini (b);
    free_specs (b);
    ranges_fini (&b->numbers);
    ranges_fini (&b->free);
    slice_fini (&b->out);
    buf_fini (&b->out_more);
    blob_unref (&b->part);
    bits_fini (&b->told);
    HASH_DEL (a->batches, b);
    a->n_exclusive -= b->exclusive;
    free (b);
    *bp = NULL;
}

static void tell_forget (struct agent *a, struct batch *b, struct agent_effects *fx)
{
    struct wire w = {.kind = WIRE_FORGET};
    w.m.forget.batch = b->id;
    for (struct executor *e = a->executors; e; e = e->hh.next)
        if (bits_has (&b->told, e->index) && !e->killed)
            fx_send (fx, e->number, &w);
}

void batch_release (struct agent *a, struct batch *b, struct agent_effects *fx)
{
    if (!b->forgotten || has_rows (b))
        return;
    results_flush (a, b);
    tell_forget (a, b, fx);
    batch_free (a, &b);
}

void batch_learn (struct agent *a, struct batch *b, const struct wire *w)
{
    struct spec *s = batch_spec (b, w->m.spec.spec);
    if (s)
        free_spec (b, s);
    s = spec_new (w);
    HASH_ADD (hh, b->specs, number, sizeof s->number, s);
    b->once |= (w->m.spec.flags & SPEC_ONCE) != 0;
    if (!b->exclusive && w->m.spec.flags & SPEC_EXCLUSIVE) {
        b->exclusive = true;
        a->n_exclusive++;
        a->leased_us = 0; /* rows of its other specs may run */
    }
}

/* Numbers that executors hold are not free: two rows of a batch that run at one time never have the
 * same number. Who holds one of an earlier share counts as well: so many less are free. */
void batch_count_free (struct batch *b)
{
    struct executor *e;
    b->foreign = 0;
    ranges_fini (&b->free);
    for (size_t i = 0; i < b->numbers.n; i++)
        ranges_add (&b->free, b->numbers.at[i].lo, b->numbers.at[i].hi);
    LIST_FOREACH (e, &b->busy, batch_link)
        if (!ranges_remove (&b->free, e->slot, e->slot + 1))
            b->foreign++;
    for (uint64_t n = b->foreign; n && b->free.n; n--) {
        uint64_t last = b->free.at[b->free.n - 1].hi - 1;
        ranges_remove (&b->free, last, last + 1);
    }
}

void batch_share (struct batch *b, const struct msg_grant *m)
{
    if (m->share == b->share && !m->slot_count)
        return;
    if (m->share != b->share) {
        ranges_fini (&b->numbers);
        b->share = m->share;
    }
    if (m->slot_count && m->slot_base <= UINT64_MAX - m->slot_count)
        ranges_add (&b->numbers, m->slot_base, m->slot_base + m->slot_count);
    batch_count_free (b);
}

void batch_measure (struct batch *b, uint64_t rows, int64_t took_us)
{
    uint64_t per_row = (uint64_t)(took_us > 0 ? took_us : 1) * 1000 / rows;
    b->est_ns = b->est_ns ? (3 * b->est_ns + per_row) / 4 : per_row;
    uint64_t fits = b->est_ns ? JOB_NS / b->est_ns : JOB_ROWS_MAX;
    b->chunk *= 2;
    if (b->chunk > fits)
        b->chunk = fits;
    if (b->chunk > JOB_ROWS_MAX)
        b->chunk = JOB_ROWS_MAX;
    if (b->chunk < 1)
        b->chunk = 1;
}
