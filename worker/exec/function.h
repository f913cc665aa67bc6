/* function: tasks that are C functions, called in the executor's own process.
 *
 * A function gets its row's values and gives back bytes (call.h); a crash in it costs its row and
 * this executor, nothing else.
 */
#ifndef DROVER_WORKER_EXEC_FUNCTION_H
#define DROVER_WORKER_EXEC_FUNCTION_H

#include "worker/exec/control.h"
#include "worker/exec/framing.h"
#include "worker/exec/module.h"
#include "worker/exec/worn.h"

/* Serve as a function executor until the stream ends; beyond one of the limits it asks to be
 * replaced, and goes on until it is; returns an enum executor_exit. */
int function_serve (struct framing *stream, struct control *control, const struct module_path *path,
                    const struct worn_limits *limits);

#endif
