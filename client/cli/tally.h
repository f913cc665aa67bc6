/* tally: how tasks stand, and whether what is waited for has come to hold. Pure.
 *
 * Finished and succeeded are different things: a task that failed is finished.
 */
#ifndef DROVER_CLI_TALLY_H
#define DROVER_CLI_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct tally {
    uint64_t total; /* while it is open: as far as known */
    uint64_t done;
    uint64_t not_ok;    /* finished otherwise */
    uint64_t cancelled; /* of these */
    bool open;          /* more may come */
};

/* What is waited for: a condition of drover.h (but DROVER_WAIT_GONE), and its number. */
struct wanted {
    int condition;
    uint64_t n;
};

/* Tasks that have ended. */
uint64_t tally_finished (const struct tally *t);

/* Has it come to hold? Where all tasks are waited for: have they succeeded? */
bool tally_holds (const struct tally *t, const struct wanted *w);

/* Nothing is to be waited for any more: it has come to that, or cannot any more. */
bool tally_is_decided (const struct tally *t, const struct wanted *w);

/* Where it is not decided: how many more outcomes it takes at the least until it can be. */
uint64_t tally_needs (const struct tally *t, const struct wanted *w);

#endif
