/* clock: the only reader of clocks. Everybody else is told what time it is.
 *
 * Monotonic time decides; wall time is for people.
 */
#ifndef DROVER_BASE_CLOCK_H
#define DROVER_BASE_CLOCK_H

#include <stdint.h>

#define US_PER_MS 1000
#define US_PER_S 1000000

/* "no deadline" */
#define CLOCK_NEVER INT64_MAX

/* Microseconds of CLOCK_MONOTONIC. */
int64_t clock_mono_us (void);

/* Microseconds since the epoch, CLOCK_REALTIME. */
int64_t clock_wall_us (void);

/* The time from now_us until deadline_us in whole milliseconds, rounded up, for poll(): 0 if it has
 * passed, -1 for CLOCK_NEVER. */
int clock_poll_ms (int64_t deadline_us, int64_t now_us);

#endif
