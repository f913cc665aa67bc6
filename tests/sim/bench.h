/* bench: the place where the broker works: its turn, its store, and when it wakes. */
#ifndef DROVER_SIM_BENCH_H
#define DROVER_SIM_BENCH_H

#include <stddef.h>

#include "tests/sim/sim.h"

/* `durable`: on a store that keeps records, may be late and may fail. */
struct bench *bench_new (struct sim *s, bool durable);
void bench_free (struct bench **b);

/* A message for the broker arrived (taken). `peer` NULL: of somebody who is not there any more. */
void bench_deliver (struct sim *s, void *peer, uint64_t route, struct wire_frames *f);

/* Faults; false where there is nothing to be hit. It does not run; its turns are slow; its clock
 * lags; its commits hold late, or block it, for a while; the next one fails; all fail for a while.
 */
bool bench_pause (struct sim *s, int64_t us);
bool bench_slow (struct sim *s, int64_t us);
bool bench_lag (struct sim *s, int64_t us);
bool bench_late (struct sim *s, int64_t us);
bool bench_block (struct sim *s, int64_t us);
bool bench_fail (struct sim *s);
bool bench_full (struct sim *s, int64_t us);

/* It is killed; its machine loses power; it is told to stop. Another one begins later with what the
 * disk holds, or, where there is none, with nothing. */
bool bench_crash (struct sim *s);
bool bench_power_loss (struct sim *s);
bool bench_stop (struct sim *s);

/* For the roll. Time that it was awake; silence that makes a worker lost; whether it has a session
 * of that token; whether mail of that route was there before the present turn and is not read. */
int64_t bench_awake (const struct sim *s);
/* How long ago its last turn began. */
int64_t bench_waits (const struct sim *s);
int64_t bench_lost_us (const struct sim *s);
bool bench_knows (const struct sim *s, uint64_t token);
uint64_t bench_grants (const struct sim *s, uint64_t token); /* to that worker, so far */
bool bench_has_unread (const struct sim *s, uint64_t route);

/* It began, or began again with what the disk holds, not long ago: nobody is judged yet. */
bool bench_is_new (const struct sim *s);

/* Nothing waits, and nothing is out. */
bool bench_is_done (const struct sim *s);
/* What is left to be done there, in words. */
/* All that the broker has, into the trace. */
void bench_trace (struct sim *s);
void bench_describe (const struct sim *s, char *text, size_t size);

#endif
