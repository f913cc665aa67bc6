/* careless: a worker that, beside what it has to say, says outcomes of attempts that are over. It
 * is granted a row that ran before, here or elsewhere, and was lost with a session that ended, or
 * is to be retried: of such a row it tells once more how the attempt before ended. Nothing of that
 * counts. Workers of ours never do so; others may, and what they would do to the broker is what
 * attempts are numbered for. */
#ifndef DROVER_SIM_CARELESS_H
#define DROVER_SIM_CARELESS_H

#include "common/wire/wire.h"

struct careless;

struct careless *careless_new (void);
void careless_free (struct careless **c);

/* It has another session: numbers of batches may mean others. */
void careless_renew (struct careless *c);

/* It is granted rows. */
void careless_hears (struct careless *c, const struct msg_grant *m);

/* It sends these frames: RESULTS of a batch are changed so that outcomes of earlier attempts of its
 * rows come before those that it has to say. Returns how many that were. */
uint64_t careless_says (struct careless *c, struct wire_frames *f);

#endif
