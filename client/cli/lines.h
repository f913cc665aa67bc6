/* lines: commands that take one line for the job shell per argument: invoke, race, fallback.
 *
 *     drover invoke [OPTIONS] LINE...
 *     drover invoke [OPTIONS] COMMAND [ARGUMENTS] ::: VALUES...
 *
 * A line is a task without a command whose value is the line. There are few of them, and all are
 * read before the first starts: how many there are says how many slots a private worker needs.
 */
#ifndef DROVER_CLI_LINES_H
#define DROVER_CLI_LINES_H

#include <stdint.h>

#include "client/cli/foreach_opts.h"
#include "client/cli/pending.h"
#include "client/cli/plan.h"
#include "client/drover.h"
#include "common/base/err.h"

/* What is to be done with a command line that was read. Returns the exit status. */
typedef int lines_run_fn (const struct foreach_opts *o);

/* A command of this kind, from its arguments to its exit status: `groups` of options it takes,
 * `usage` the status where they are wrong. Words without a ::: become lines. */
int lines_command (const char *command, unsigned groups, int usage, int argc, char **argv,
                   lines_run_fn *run);

/* All jobs, read and kept. */
struct joblist {
    struct pending all; /* by number, from 0 */
    uint64_t count;
    uint64_t next;
};

/* Read all jobs of a plan. 0 or -1; joblist_fini() in both cases. */
int joblist_read (struct joblist *l, struct plan *p, struct err *e);
void joblist_fini (struct joblist *l);

/* A feed_next_fn for a list. */
int joblist_next (void *list, const drover_bytes_t **values, size_t *count, struct err *e);

/* Slots of a private worker on which so many tasks run at the same time, unless -j says other. */
unsigned lines_slots (const struct plan *p, uint64_t tasks);

#endif
