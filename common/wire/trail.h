/* trail: all that was told of a batch up to some record, in 64 bits.
 *
 * A state that went back gives the numbers of lost records to others. So who asks for what comes
 * behind a record says, beside its number, the trail up to it (PROTOCOL.md, "A broker that was
 * restarted"): one that is not the broker's own was left by records that the state has lost.
 */
#ifndef DROVER_WIRE_TRAIL_H
#define DROVER_WIRE_TRAIL_H

#include <stdint.h>

#include "common/wire/wire.h"

/* The trail behind a record, a RESULTS or OUTPUT, given the one before it (0: it is the first).
 * Never 0. */
uint64_t trail_next (uint64_t before, const struct wire *w);

#endif
