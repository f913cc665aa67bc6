/* task: the circumstances of a task: where it runs, with what environment and limits.
 *
 * Every command that starts tasks dresses its spec here: the caller's directory, exported
 * environment and umask, and what the options said.
 */
#ifndef DROVER_CLI_TASK_H
#define DROVER_CLI_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "client/drover.h"
#include "common/base/err.h"

struct task_opts {
    unsigned cpus; /* slots; 1 is usual */
    uint64_t timeout_ms;
    uint64_t grace_ms; /* between TERM and KILL; 0: the usual one */
    bool cancel_fd;    /* the task gets a descriptor that tells when it is cancelled */
    int steps;         /* enum drover_steps */
    const char *shell; /* NULL: $PARALLEL_SHELL, else /bin/sh */
    uint64_t keep;     /* bytes of each stream; 0: all */
};

/* The defaults. */
void task_opts_init (struct task_opts *o);

/* Dress the spec. 0; -1 with an error: no present directory, an environment that is too large. */
int task_dress (drover_spec_t *spec, const struct task_opts *o, struct err *e);

/* Slots a private worker needs so that a task of `cpus` slots fits, where it would have `slots`
 * (0: not said). 0: what it has by itself will do. */
unsigned task_slots (unsigned cpus, unsigned slots);

/* The value of --cpus, a number of slots. 0; -1 with words to stand behind the option's name. */
int task_parse_cpus (const char *text, unsigned *cpus, struct err *e);

#endif
