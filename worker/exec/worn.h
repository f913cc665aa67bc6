/* worn: whether an executor of functions has grown so much that it should be replaced.
 *
 * Functions leak: memory, descriptors, or what only their author knows of. Grown is counted from
 * what the process has after its first rows, so that what a function makes once and keeps is not
 * held against it.
 */
#ifndef DROVER_WORKER_EXEC_WORN_H
#define DROVER_WORKER_EXEC_WORN_H

#include <stdbool.h>
#include <stdint.h>

/* 0: no limit. */
struct worn_limits {
    uint64_t calls;
    uint64_t memory_bytes; /* that the resident set has grown by */
    uint64_t files;        /* that there are more descriptors */
};

struct worn {
    struct worn_limits limits;
    uint64_t calls;
    uint64_t memory_bytes, files; /* at the first look */
    int64_t look_us;              /* when to look again; 0: not yet looked */
};

/* After some calls: true when it is over a limit. Looks at /proc now and then, ten times a second
 * at the most. */
bool worn_out (struct worn *w, int64_t now_us);

#endif
