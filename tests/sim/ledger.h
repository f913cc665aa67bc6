/* ledger: what really ran where, kept beside the cores, to hold their word against.
 *
 * An execution is fenced when the broker does not count on its worker's session any more: a newer
 * one was welcomed, the worker was silent for as long as makes it lost, or the broker lost its own
 * memory. Of a row at most one execution that is not fenced may run; likewise of a slot number of a
 * batch, and -j of them of a batch.
 */
#ifndef DROVER_SIM_LEDGER_H
#define DROVER_SIM_LEDGER_H

#include "common/wire/outcome.h"
#include "tests/sim/sim.h"

struct execution;

struct order { /* what the executor was told */
    uint64_t batch, row, attempt, slot;
    uint64_t token; /* of the session that it was granted in */
    uint64_t jobs;
    bool once; /* at-most-once */
};

struct ledger *ledger_new (void);
void ledger_free (struct ledger **l);

/* A row starts; fails the run where it must not. */
struct execution *ledger_start (struct sim *s, struct host *h, const struct order *o);

/* It ended by itself; or it was killed, and nobody can have its outcome. Sets *x to NULL. */
void ledger_end (struct sim *s, struct execution **x, enum outcome_how how);
void ledger_kill (struct sim *s, struct execution **x);

/* Whether an attempt of the row ended like that. */
bool ledger_ended (const struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt,
                   enum outcome_how how);

#endif
