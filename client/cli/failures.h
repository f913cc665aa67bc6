/* failures: which tasks did not succeed, in a line each on stderr.
 *
 *     drover foreach: task 2 (b.png) on node7: exit status 1
 *
 * Only the first FAILURES_NAMED have a line of their own, and of those that come one behind the
 * other with the same reason only the first; the rest is counted in a line at the end. Cancelled
 * tasks are many, alike, and expected by who cancelled them, and those that a broker took with it
 * are told of as one: they are not named.
 */
#ifndef DROVER_CLI_FAILURES_H
#define DROVER_CLI_FAILURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/drover.h"

#define FAILURES_NAMED 10

struct failures {
    const char *command; /* for messages */
    bool places;         /* say where it ran */
    char reason[200];    /* said last */
    uint64_t same;       /* tasks with that reason since */
    uint64_t named;
    uint64_t more; /* tasks without a line */
};

void failures_init (struct failures *f, const char *command, bool places);

/* Is it one that is named or counted here? */
bool failures_counts (const drover_result_t *r);

/* Say it, or count it. `values` (count 0: not known) are those of its row, or their beginnings. */
void failures_add (struct failures *f, const drover_result_t *r, const drover_bytes_t *values,
                   size_t count);

/* The end: say how many more there were. */
void failures_rest (struct failures *f);

/* The line about one task, without "drover COMMAND: " and newline. Pure. Returns its length; at
 * most size - 1. */
size_t failure_text (const drover_result_t *r, const drover_bytes_t *values, size_t count,
                     bool places, char *out, size_t size);

#endif
