/* task_rows: futures of the rows of a batch, and of the batch. */
#ifndef DROVER_CLIENT_TASK_ROWS_H
#define DROVER_CLIENT_TASK_ROWS_H

#include "client/lib/handle.h"
#include "client/lib/task.h"

struct late_cancel; /* asked for before the broker could have the rows */
STAILQ_HEAD (late_cancels, late_cancel);

struct futures { /* of a batch */
    LIST_ENTRY (futures) link;
    struct drover_batch *b;
    struct drover_task **rows; /* a ring: pending row r is at r modulo `size` */
    uint64_t first;            /* rows below it have settled */
    uint64_t size;             /* a power of two, or 0 */
    uint64_t pending;
    struct drover_task *whole; /* of the batch itself, a reference, or NULL */
    struct late_cancels late;
    STAILQ_ENTRY (futures) run_link; /* of a cancel_run: rows that follow each other */
    uint64_t run_first;
    uint64_t run_count;
    bool in_run;
};

/* A result of a batch whose rows are futures. */
void rows_settle (struct drover_batch *b, const drover_result_t *r);

/* What concerns the batch as a whole: it was opened, it is over, it was freed and nobody needs it
 * any more (it is gone then). */
void rows_look (struct futures *f);

/* Whether rows_look() would do something. */
bool rows_have_work (const struct futures *f);

/* drover_batch_free(): true if futures are pending, so that it is put off. */
bool rows_put_off_free (struct drover_batch *b);

/* Forget all about it. */
void rows_fini (struct drover_batch *b);

/* Many rows are cancelled with one message, those of a batch that follow each other: see
 * rows_cancel_flush(). */
struct cancel_run {
    STAILQ_HEAD (, futures) open;
};

#define CANCEL_RUN(r)                                                                              \
    {                                                                                              \
        STAILQ_HEAD_INITIALIZER ((r).open)                                                         \
    }

/* Cancel futures of rows, those that follow each other with one message. `t` may be any future: of
 * others only what cancels it is called. rows_cancel_flush() at the end. 0 or -1. */
int rows_cancel_add (struct cancel_run *run, struct drover_task *t,
                     const drover_cancel_options_t *o, drover_error_t *e);
int rows_cancel_flush (struct cancel_run *run, const drover_cancel_options_t *o, drover_error_t *e);

#endif
