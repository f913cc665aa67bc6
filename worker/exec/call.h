/* call: what a function sees of its row, and what it says, on its way to the agent.
 *
 * Behind the table of drover_module.h. One struct call serves all rows of an executor, one after
 * another: begin, the function, end. It belongs to one process: a copy that a function made of it
 * with fork() has the same socket and the same page, and must use neither; it ends where it would.
 */
#ifndef DROVER_WORKER_EXEC_CALL_H
#define DROVER_WORKER_EXEC_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/wire/outcome.h"
#include "worker/drover_module.h"
#include "worker/exec/capture.h"
#include "worker/exec/control.h"
#include "worker/exec/framing.h"
#include "worker/exec/values.h"

struct call_row {
    uint64_t batch;
    uint64_t row;
    uint64_t attempt;
    uint64_t slot;
    uint64_t keep_bytes; /* of each stream; 0: all */
    int64_t deadline_us; /* of the time limit, monotonic; CLOCK_NEVER: none */
};

struct call {
    drover_call_t base; /* first: what the function is given */
    struct framing *stream;
    struct control *control;
    uint8_t *original; /* a page of memory that is 1, and 0 in copies of the process */
    struct call_row row;
    struct values values;
    char **texts; /* of values, made when they are asked for */
    size_t n_texts;
    struct capture out, err;
    struct err reason;
    bool broken; /* nobody takes what it says */
};

/* Both are borrowed. */
void call_init (struct call *c, struct framing *stream, struct control *control);
void call_fini (struct call *c);

/* Ends a process that is a copy of the one that made the call. Costs a read of memory. */
void call_original_only (const struct call *c);

/* The next row. Its values are then for the caller to read, into c->values. */
void call_begin (struct call *c, const struct call_row *row);

/* What it said and did not leave yet, for its outcome: `o` is filled with out, err, their totals
 * and the reason; views that live until the next row begins. 0, or -1 when the agent is gone. */
int call_end (struct call *c, struct outcome *o);

#endif
