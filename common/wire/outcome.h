/* outcome: how a row ended, on the wire. A body of outcomes is MessagePack arrays, one behind the
 * other.
 *
 * doc/PROTOCOL.md, "Outcomes": [row, attempt, how, status, signal, out, err, start_us, wall_us,
 * out_bytes, err_bytes, user_us, sys_us, maxrss_kib, reason]; what is left out at the end counts as
 * 0 or empty. A sender may leave out trailing zeros, so that the outcome of a small function is a
 * dozen bytes.
 */
#ifndef DROVER_WIRE_OUTCOME_H
#define DROVER_WIRE_OUTCOME_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/bytes.h"
#include "common/base/err.h"

enum outcome_how {
    OUTCOME_DONE,    /* exit status 0, or the function returned 0 */
    OUTCOME_FAILED,  /* anything else that ran, or could not be started */
    OUTCOME_TIMEOUT, /* of the task */
    OUTCOME_CANCELLED,
    OUTCOME_LOST,   /* may have started on a worker that was lost; at-most-once batches */
    OUTCOME_PARKED, /* took workers down too often */
    OUTCOME_SKIPPED,
    OUTCOME_BROKER_LOST, /* never on the wire: the client's own word */
    OUTCOME_KINDS,
};

struct outcome {
    uint64_t row;
    uint64_t attempt; /* from 1 */
    enum outcome_how how;
    unsigned
        status; /* exit status, 0-255; 126 and 127 also where the command could not be started */
    unsigned signal;   /* that ended it, or 0 */
    struct bytes out;  /* of stdout, what did not go out in OUTPUT messages: the rest behind them */
    struct bytes err;  /* likewise of stderr */
    uint64_t start_us; /* wall clock, since the epoch */
    uint64_t wall_us;  /* how long it ran */
    uint64_t out_bytes; /* all that it printed; more than was kept where keep_bytes cut it */
    uint64_t err_bytes;
    uint64_t user_us;
    uint64_t sys_us;
    uint64_t maxrss_kib;
    struct bytes
        reason; /* one line for people: why it could not be started, why it was cancelled */
};

/* Append one. Failure shows in out->failed. */
void outcome_pack (struct buf *out, const struct outcome *o);

/* Read the outcome at *at and move *at behind it. Returns 1, 0 at the end of the body, -1 where
 * there is none, with fields out of range, or more text than a piece may have. Views point into the
 * body. */
int outcome_read (struct bytes body, size_t *at, struct outcome *o);

/* The reason of a row that ran into its time limit. */
void outcome_limit_words (char *text, size_t size, uint64_t limit_ms);

/* "done", "failed", ... */
const char *outcome_name (enum outcome_how how);

#endif
