/* cover: which kinds of message came to receivers in which states, over all lives. */
#ifndef DROVER_SIM_COVER_H
#define DROVER_SIM_COVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/wire.h"
#include "tests/sim/states.h"

struct cover *cover_new (void);
void cover_free (struct cover **c);

void cover_met (struct cover *c, enum receiver at, unsigned state, enum wire_kind kind);

/* How many of the pairs that can be were met, per mille. */
unsigned cover_permille (const struct cover *c);

/* Print that, and those that were not. Returns it, or 0 where one was met that cannot be. */
unsigned cover_print (const struct cover *c);

#endif
