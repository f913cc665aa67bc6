/* events: what is going to happen, by time, then by the order of asking. */
#ifndef DROVER_SIM_EVENTS_H
#define DROVER_SIM_EVENTS_H

#include "tests/sim/sim.h"

struct events *events_new (void);
void events_free (struct events **e);

/* Let the next thing happen, and s->now be its time; false when nothing is left. */
bool events_next (struct sim *s);

#endif
