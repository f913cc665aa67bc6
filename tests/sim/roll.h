/* roll: the sessions that the broker has, as somebody sees them who reads its mail.
 *
 * It knows what was read of each session and when, and which commit of the store each numbered
 * message went into. So it can say when the broker acknowledges what its disk does not hold, when
 * it grants rows of which a cancellation holds, and when it gives up a worker whose mail lies
 * before it unread or that was not silent for long enough.
 */
#ifndef DROVER_SIM_ROLL_H
#define DROVER_SIM_ROLL_H

#include "tests/sim/sim.h"

struct sched;

struct roll *roll_new (void);
void roll_free (struct roll **r);

/* The broker reads a message in the turn of that commit, having been awake for so long (a measure
 * of time without its own stops). */
void roll_read (struct sim *s, uint64_t route, const struct wire *w, uint64_t commit,
                int64_t awake_us);

/* It says something; commits up to `held` hold. */
void roll_sent (struct sim *s, uint64_t route, const struct wire *w, uint64_t held);

/* Its turn is over: whose session is gone, and why. */
void roll_turn (struct sim *s, const struct sched *sched, int64_t awake_us);

/* It is gone, with the commits behind `held`: all sessions are, or those of workers are known to
 * the next one, which judges nobody for `grace_us`. */
void roll_restart (struct sim *s, bool restores, uint64_t held, int64_t awake_us, int64_t grace_us);

/* How long ago something of that peer was read, of the time that the broker was awake; -1: it is
 * not connected. */
int64_t roll_silence (const struct sim *s, const void *peer);

#endif
