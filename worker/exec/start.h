/* start: everything that is made for one task of a command before it runs.
 *
 * Its program, its environment, its descriptors; then the process itself.
 */
#ifndef DROVER_WORKER_EXEC_START_H
#define DROVER_WORKER_EXEC_START_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "worker/exec/leaf.h"
#include "worker/exec/program.h"
#include "worker/exec/spec.h"
#include "worker/exec/values.h"

struct starter {
    struct program program;
    int null_fd;  /* /dev/null; opened at first use */
    pid_t parent; /* PARALLEL_PID */
    struct leaf *leaf;
};

/* The leaf is borrowed. */
void starter_init (struct starter *s, pid_t parent, struct leaf *leaf);
void starter_fini (struct starter *s);

struct start_row {
    uint64_t batch;
    uint64_t row;
    uint64_t attempt;
    uint64_t slot;
    int64_t deadline_us; /* wall clock; 0: none */
    const struct values *values;
};

struct started {
    pid_t pid;
    int in;          /* our end of its stdin (SPEC_LIVE_INPUT), or -1 */
    int out;         /* our ends of what it prints, */
    int err;         /* -1 with SPEC_MERGE_STDERR */
    int held[2];     /* the other ends of those two, to be closed when the process has ended: till
                      * then they spare us a wake-up for each pipe that it closes as it exits */
    int cancel[2];   /* SPEC_CANCEL_FD: both ends of the pipe that tells it to end; ours alone to
                      * write, and to hold open for reading, so that writing never fails. Or -1 */
    unsigned status; /* where it could not be started: 125, 126, 127 */
};

/* In the leaf, if there is one, unless the task may leave processes (SPEC_LEAVE_CHILDREN): what is
 * in a leaf does not outlive the worker.
 * 0, or -1 with t->status and the reason in `e`: 127 where the command is not there, 126 where it
 * cannot be run, 125 for what has nothing to do with it (its directory, a descriptor, its leaf). */
int start_task (struct starter *s, struct spec *spec, const struct start_row *row,
                struct started *t, struct err *e);

#endif
