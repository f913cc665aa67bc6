/* ending: which signal a task gets next, once it is to end before its time.
 *
 * Pure: told the time, it says the signal. Steps 0: TERM, grace, KILL; steps 1: TERM, TERM, TERM,
 * KILL, 200, 100 and 50 ms apart (the habit of GNU Parallel). KILL is repeated until nobody is
 * left.
 */
#ifndef DROVER_WORKER_EXEC_ENDING_H
#define DROVER_WORKER_EXEC_ENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/outcome.h"

struct ending {
    bool begun;
    enum outcome_how how; /* TIMEOUT, CANCELLED or LOST: what came first */
    unsigned steps;
    unsigned stage;    /* signals that were due so far */
    int64_t killed_us; /* when the first KILL was due */
    unsigned killed;   /* how many of them were KILL */
    int64_t grace_us;  /* steps 0: between TERM and KILL */
    int64_t next_us;   /* monotonic: when the next is due */
};

/* Begin. When it has begun before, only `kill` makes a difference, or a grace that ends sooner.
 * `told`: the task learns of it in another way, and the first TERM comes only when half of its
 * grace has passed, or a second; KILL is not later for that. */
void ending_begin (struct ending *e, enum outcome_how how, unsigned steps, uint64_t grace_ms,
                   bool kill, bool told, int64_t now_us);

/* The signal that is due now, or 0. Call again at next_us. */
int ending_signal (struct ending *e, int64_t now_us);

#endif
