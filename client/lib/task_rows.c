#include "client/lib/task_rows.h"

#include <stdlib.h>

#include "client/lib/cancel_source.h"
#include "client/lib/fault.h"
#include "common/base/mem.h"

#define SPAN_MIN 16 /* rows in a new ring */

struct row_task { /* the future of a row */
    struct drover_task t;
    struct futures *of; /* while it is pending */
    uint64_t row;
};

struct late_cancel {
    STAILQ_ENTRY (late_cancel) link;
    drover_cancel_options_t o;
    char *reason;
};

static const struct task_kind ROW;

/* --- which row is whose -------------------------------------------------------------------------
 */

static struct drover_task **slot (const struct futures *f, uint64_t row)
{
    return &f->rows[row & (f->size - 1)];
}

/* Room for the next row: the ring spans all from the first that is pending. */
static void make_room (struct futures *f, uint64_t row)
{
    if (f->pending == 0)
        f->first = row;
    if (row - f->first < f->size)
        return;
    struct futures wider = {.size = f->size ? 2 * f->size : SPAN_MIN};
    wider.rows = mem_zalloc (wider.size * sizeof (struct drover_task *));
    for (uint64_t r = f->first; r < row; r++)
        *slot (&wider, r) = *slot (f, r);
    free (f->rows);
    f->rows = wider.rows;
    f->size = wider.size;
}

static void put (struct futures *f, uint64_t row, struct drover_task *t)
{
    make_room (f, row);
    *slot (f, row) = task_ref (t);
    f->pending++;
}

/* The future of a row, with the reference that was kept here; NULL: it has none (any more). */
static struct drover_task *take (struct futures *f, uint64_t row)
{
    if (f->pending == 0 || row < f->first || row - f->first >= f->size)
        return NULL;
    struct drover_task *t = *slot (f, row);
    if (!t)
        return NULL;
    *slot (f, row) = NULL;
    f->pending--;
    while (f->pending && !*slot (f, f->first))
        f->first++;
    ((struct row_task *)t)->of = NULL;
    return t;
}

static struct futures *futures_of (drover_batch_t *b)
{
    if (!b->futures) {
        b->futures = mem_zalloc (sizeof *b->futures);
        b->futures->b = b;
        STAILQ_INIT (&b->futures->late);
        LIST_INSERT_HEAD (&b->h->tasks.futures, b->futures, link);
    }
    return b->futures;
}

void rows_settle (struct drover_batch *b, const drover_result_t *r)
{
    struct drover_task *t = b->futures ? take (b->futures, r->row) : NULL;
    if (!t)
        return;
    if (t->refs > 1)
        task_settle_result (t, r);
    task_unref (&t);
}

/* --- cancelling ---------------------------------------------------------------------------------
 */

static void free_late (struct late_cancel *late)
{
    free (late->reason);
    free (late);
}

static void drop_late (struct futures *f)
{
    struct late_cancel *late;
    while ((late = STAILQ_FIRST (&f->late))) {
        STAILQ_REMOVE_HEAD (&f->late, link);
        free_late (late);
    }
}

/* Rows from this one on have not left: those of a chunk that has to be whole before it does. And
 * none has for good before the batch is open: the broker may put it off, and then knows no row. */
static uint64_t first_unsent (const struct batch *b)
{
    if (!b->opened)
        return 0;
    return b->whole_chunks && b->chunk_count ? b->chunk_first : UINT64_MAX;
}

static void cancel_later (struct futures *f, const drover_cancel_options_t *o)
{
    struct late_cancel *late = mem_zalloc (sizeof *late);
    late->o = *o;
    late->reason = o->reason ? mem_strdup (o->reason) : NULL;
    late->o.reason = late->reason;
    STAILQ_INSERT_TAIL (&f->late, late, link);
}

/* Now those rows of a range that have left, the others when they do. */
static int cancel_range (struct futures *f, const drover_cancel_options_t *o, drover_error_t *e)
{
    drover_cancel_options_t sent = *o, unsent = *o;
    uint64_t bound = first_unsent (&f->b->b);
    if (bound < o->first)
        bound = o->first;
    if (bound - o->first < o->count)
        sent.count = bound - o->first;
    unsent.first += sent.count;
    unsent.count -= sent.count;
    if (unsent.count)
        cancel_later (f, &unsent);
    return sent.count ? handle_cancel (f->b, &sent, e) : 0;
}

static void send_late (struct futures *f)
{
    struct late_cancels all = STAILQ_HEAD_INITIALIZER (all);
    struct late_cancel *late;
    STAILQ_CONCAT (&all, &f->late);
    while ((late = STAILQ_FIRST (&all))) {
        STAILQ_REMOVE_HEAD (&all, link);
        cancel_range (f, &late->o, NULL);
        free_late (late);
    }
}

static bool has_due (const struct futures *f)
{
    const struct late_cancel *late;
    uint64_t bound = first_unsent (&f->b->b);
    STAILQ_FOREACH (late, &f->late, link) {
        if (late->o.first < bound)
            return true;
    }
    return false;
}

/* The rows that follow each other so far. */
static int flush_run (struct futures *f, const drover_cancel_options_t *o, drover_error_t *e)
{
    drover_cancel_options_t rows = {0};
    if (o)
        rows = *o;
    rows.first = f->run_first;
    rows.count = f->run_count;
    f->run_count = 0;
    return f->b->b.over || !rows.count ? 0 : cancel_range (f, &rows, e);
}

int rows_cancel_flush (struct cancel_run *run, const drover_cancel_options_t *o, drover_error_t *e)
{
    struct futures *f;
    int rc = 0;
    while ((f = STAILQ_FIRST (&run->open))) {
        STAILQ_REMOVE_HEAD (&run->open, run_link);
        f->in_run = false;
        if (flush_run (f, o, rc == 0 ? e : NULL) != 0)
            rc = -1;
    }
    return rc;
}

int rows_cancel_add (struct cancel_run *run, struct drover_task *t,
                     const drover_cancel_options_t *o, drover_error_t *e)
{
    if (t->settled)
        return 0;
    if (t->kind != &ROW)
        return t->kind->cancel (t, o, e);
    const struct row_task *r = (const struct row_task *)t;
    struct futures *f = r->of;
    if (!f)
        return 0;
    int rc = 0;
    if (f->run_count && r->row != f->run_first + f->run_count)
        rc = flush_run (f, o, e);
    if (!f->run_count)
        f->run_first = r->row;
    f->run_count++;
    if (!f->in_run)
        STAILQ_INSERT_TAIL (&run->open, f, run_link);
    f->in_run = true;
    return rc;
}

static int row_cancel (struct drover_task *t, const drover_cancel_options_t *o, drover_error_t *e)
{
    struct cancel_run run = CANCEL_RUN (run);
    rows_cancel_add (&run, t, o, e);
    return rows_cancel_flush (&run, o, e);
}

static void row_fini (struct drover_task *t)
{
    (void)t;
}

static const struct task_kind ROW = {.cancel = row_cancel, .fini = row_fini};

/* --- a batch as a future ------------------------------------------------------------------------
 */

static int whole_cancel (struct drover_task *t, const drover_cancel_options_t *o, drover_error_t *e)
{
    struct futures *f;
    drover_cancel_options_t all = {0};
    if (o)
        all = *o;
    all.first = all.count = 0;
    LIST_FOREACH (f, &t->h->tasks.futures, link) {
        if (f->whole == t)
            return handle_cancel (f->b, &all, e);
    }
    return 0;
}

static const struct task_kind WHOLE = {.cancel = whole_cancel, .fini = row_fini};

static bool is_over (const struct futures *f)
{
    return f->b->b.over && f->pending == 0;
}

static void settle_whole (struct futures *f)
{
    const struct batch *b = &f->b->b;
    static const enum outcome_how hows[] = {
        [BATCH_RUNNING] = OUTCOME_FAILED, /* attached to, without following it to its end */
        [BATCH_FINISHED] = OUTCOME_FAILED,
        [BATCH_CANCELLED] = OUTCOME_CANCELLED,
        [BATCH_BROKEN] = OUTCOME_BROKER_LOST,
    };
    enum outcome_how how = hows[b->end_state];
    const char *why = b->end_reason;
    if (how == OUTCOME_FAILED)
        why = "not all tasks of the batch are done";
    if (b->end_state != BATCH_BROKEN && b->all_done) {
        how = OUTCOME_DONE;
        why = "";
    }
    task_settle_own (f->whole, how, how == OUTCOME_DONE ? 0 : 1, 0, why);
}

static bool whole_is_due (const struct futures *f)
{
    return f->whole && !f->whole->settled && is_over (f);
}

static bool is_unneeded (const struct futures *f)
{
    return f->b->freed && f->pending == 0 && (!f->whole || f->whole->settled);
}

bool rows_have_work (const struct futures *f)
{
    return has_due (f) || (f->b->b.over && !STAILQ_EMPTY (&f->late)) || whole_is_due (f) ||
           is_unneeded (f);
}

void rows_look (struct futures *f)
{
    if (f->b->b.over)
        drop_late (f);
    else if (has_due (f))
        send_late (f);
    if (whole_is_due (f))
        settle_whole (f);
    if (is_unneeded (f)) {
        drover_batch_t *b = f->b;
        drover_batch_free (&b);
    }
}

bool rows_put_off_free (struct drover_batch *b)
{
    struct futures *f = b->futures;
    if (!f || b->h->tasks.closing || (f->pending == 0 && (!f->whole || f->whole->settled)))
        return false;
    if (!b->b.closed)
        drover_batch_close (b, NULL);
    b->hidden = b->freed = true;
    return true;
}

void rows_fini (struct drover_batch *b)
{
    struct futures *f = b->futures;
    if (!f)
        return;
    b->futures = NULL;
    LIST_REMOVE (f, link);
    drop_late (f);
    task_unref (&f->whole);
    free (f->rows);
    free (f);
}

static bool is_piped (const drover_batch_t *b, drover_error_t *e)
{
    if (b->pipe)
        fault_set (e, DROVER_EINVAL, "the items of a pipeline have no futures: take its events");
    return b->pipe != NULL;
}

drover_task_t *drover_when_batch (drover_batch_t *b, drover_error_t *e)
{
    if (is_piped (b, e))
        return NULL;
    struct futures *f = futures_of (b);
    if (!f->whole) {
        f->whole = mem_zalloc (sizeof *f->whole);
        task_init (f->whole, b->h, &WHOLE);
        f->whole->held = false; /* the reference is ours */
    }
    if (f->whole->held) { /* asked for again: another one that settles as this does */
        drover_task_t *same = f->whole;
        return drover_when_all (&same, 1, e);
    }
    f->whole->held = true;
    return task_ref (f->whole);
}

/* --- rows as futures ----------------------------------------------------------------------------
 */

static int may_have_futures (const drover_batch_t *b, drover_error_t *e)
{
    if (is_piped (b, e))
        return -1;
    if (b->b.live_output || b->b.flags & BATCH_INPUT)
        return fault_set (e, DROVER_EINVAL,
                          "a task with live input or output is for drover_batch_add()");
    if (!b->b.futures && b->b.rows)
        return fault_set (e, DROVER_EINVAL,
                          "the results of this batch are events: its rows have no futures");
    return 0;
}

static struct drover_task *row_new (drover_t *h)
{
    struct row_task *r = mem_zalloc (sizeof *r);
    task_init (&r->t, h, &ROW);
    return &r->t;
}

/* The future of a task that is not run, because it is cancelled already. */
static struct drover_task *cancelled (drover_t *h, const drover_cancel_source_t *cancel)
{
    struct drover_task *t = row_new (h);
    task_settle_own (t, OUTCOME_CANCELLED, 0, 0, drover_cancel_source_reason (cancel));
    return t;
}

static drover_task_t *add (drover_batch_t *b, int spec, const struct bytes *key,
                           const drover_bytes_t *values, size_t count,
                           drover_cancel_source_t *cancel, drover_error_t *e)
{
    if (may_have_futures (b, e) != 0)
        return NULL;
    if (cancel && drover_cancel_source_cancelled (cancel))
        return cancelled (b->h, cancel);
    bool had = b->b.futures;
    struct drover_task *t = row_new (b->h);
    struct row_task *r = (struct row_task *)t;
    b->b.futures = true;
    int64_t row =
        binding_add_task (t, cancel, e) == 0 ? handle_add (b, spec, key, values, count, e) : -1;
    if (row < 0) {
        b->b.futures = had;
        t->held = false;
        task_unref (&t);
        return NULL;
    }
    r->of = futures_of (b);
    r->row = (uint64_t)row;
    put (r->of, r->row, t);
    return t;
}

drover_task_t *drover_batch_task (drover_batch_t *b, int spec, const drover_bytes_t *values,
                                  size_t count, drover_cancel_source_t *cancel, drover_error_t *e)
{
    return add (b, spec, NULL, values, count, cancel, e);
}

drover_task_t *drover_batch_task_keyed (drover_batch_t *b, int spec, drover_bytes_t key,
                                        const drover_bytes_t *values, size_t count,
                                        drover_cancel_source_t *cancel, drover_error_t *e)
{
    struct bytes own = bytes_of (key.ptr, key.len);
    return add (b, spec, &own, values, count, cancel, e);
}
