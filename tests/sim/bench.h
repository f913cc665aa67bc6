/* bench: the place where the broker works: its turn, its store, and when it wakes. */
#ifndef DROVER_SIM_BENCH_H
#define DROVER_SIM_BENCH_H

#include "tests/sim/sim.h"

/* `durable`: on a store that keeps records, may be late and may fail. */
struct bench *bench_new (struct sim *s, bool durable);
void bench_free (struct bench **b);

/* A message for the broker arrived (taken). */
void bench_deliver (struct sim *s, void *peer, uint64_t route, struct wire_frames *f);

/* Faults: it does not run; its commits hold late for a while; the next one fails. False where there
 * is no store for that. */
void bench_pause (struct sim *s, int64_t us);
bool bench_late (struct sim *s, int64_t us);
bool bench_fail (struct sim *s);
/* It is killed, and another one goes on with what was durable. */
bool bench_crash (struct sim *s);

/* How often it was replayed. */
uint64_t bench_replays (const struct sim *s);

/* Nothing waits, and nothing is out. */
bool bench_is_done (const struct sim *s);
uint64_t bench_batches (const struct sim *s);

#endif
