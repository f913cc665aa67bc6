/* turns: what the ledger looks at in ordered batches: of rows with one key no two run at one time,
 * and none starts behind a later one. Row R has key R % keys. And of batches that run after others.
 */
#ifndef DROVER_SIM_TURNS_H
#define DROVER_SIM_TURNS_H

#include "tests/sim/ledger.h"

struct turns; /* zero is empty */

/* A row of an ordered batch starts, of a session that counts; fails the run where it must not. Rows
 * of a batch that was retried start in any order. */
void turns_start (struct sim *s, struct turns **t, const struct order *o);

/* Likewise of any batch: none of its rows starts when one has started that is to come behind all of
 * them. */
void turns_batches (struct sim *s, struct turns **t, const struct order *o);

/* What was is not known any more. */
void turns_forget (struct turns **t);

#endif
