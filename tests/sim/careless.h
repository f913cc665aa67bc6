/* careless: a worker that says once more, beside what it has to say, outcomes of a session that its
 * broker has ended. The rows were lost with that session and are somebody's again, perhaps its own:
 * nothing of what was said of them counts. Workers of ours never do so; others may, and what they
 * would do to the broker is what fencing is for. */
#ifndef DROVER_SIM_CARELESS_H
#define DROVER_SIM_CARELESS_H

#include "common/wire/wire.h"

struct careless;

struct careless *careless_new (void);
void careless_free (struct careless **c);

/* From now on it is in that session of that life of the broker. */
void careless_joins (struct careless *c, uint64_t broker, uint64_t token);

/* It sends these frames: RESULTS of a batch are changed so that those of its former sessions follow
 * in them. Returns how many outcomes that were. */
uint64_t careless_says (struct careless *c, struct wire_frames *f);

#endif
