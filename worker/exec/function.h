/* function: tasks that are C functions, called in the executor's own process.
 *
 * The table here holds the built-in ones. A function gets its row's values and gives back bytes; a
 * crash in it costs its row and this executor, nothing else.
 */
#ifndef DROVER_WORKER_EXEC_FUNCTION_H
#define DROVER_WORKER_EXEC_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "worker/exec/control.h"
#include "worker/exec/framing.h"

/* One call. What `result` and `reason` point to must live until the next call of the same function
 * (a value of the row will do). */
struct call {
    const struct bytes *values;
    size_t count;
    struct bytes result; /* the row's stdout */
    struct bytes reason; /* one line, when it fails */
    const struct control *control;
};

/* 0 when it did its work, else 1-255. */
typedef int function_fn (struct call *call);

/* NULL when there is none of that name. */
function_fn *function_find (struct bytes name);

/* Whether the agent asked this call to stop. */
bool call_cancelled (const struct call *call);

/* Serve as a function executor until the stream ends; returns an enum executor_exit. */
int function_serve (struct framing *stream, struct control *control);

#endif
