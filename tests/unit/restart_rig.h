/* restart_rig: a bed on a store that outlives its broker, for tests of what comes back. */
#ifndef DROVER_UNIT_RESTART_RIG_H
#define DROVER_UNIT_RESTART_RIG_H

#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

/* Peers come back by themselves. The store dies with the bed. */
struct bed *durable_bed (struct store_test **t);

/* The broker is killed and comes back; turns until nobody has anything to say. */
void restart (struct bed *b, struct store_test *t);

/* Its machine lost power: commits behind `last` are gone, though they were told to hold. */
void lose_power (struct bed *b, struct store_test *t, uint64_t last);

/* Whoever is connected gives a sign of life. */
void ping_all (struct bed *b);

/* Time passes; whoever is connected gives signs of life. */
void pass (struct bed *b, int seconds);

/* What a worker with `mute` says by hand when it is back. */
void say_hold (struct peer *w, uint64_t batch, uint64_t first, uint64_t count, uint64_t attempt,
               bool last);

#endif
