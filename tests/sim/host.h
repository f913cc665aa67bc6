/* host: a place with an agent and its executors: the launcher, the sockets and the turn of
 * drover-worker, in virtual time, around the real worker/core. */
#ifndef DROVER_SIM_HOST_H
#define DROVER_SIM_HOST_H

#include "tests/sim/sim.h"

/* A worker of so many slots, which joins at once. Nobody knows the name of a `helper`. */
struct host *host_new (struct sim *s, unsigned index, unsigned slots, bool helper);
void host_free (struct host **h);

const char *host_name (const struct host *h);
struct conn *host_conn (struct host *h);
bool host_is_alive (const struct host *h);
/* It holds no rows. */
bool host_is_idle (const struct host *h);

/* Whether that peer (who may be somebody else) is a host. */
bool host_is (const struct sim *s, const void *peer);

/* For executors: the session in which the agent works, its clock, what they say, and that a row
 * takes the agent with it. */
uint64_t host_token (const struct host *h);
int64_t host_clock (struct host *h);
void host_said (struct sim *s, struct host *h, uint32_t executor, const struct wire *w);
void host_poison (struct sim *s, struct host *h);

/* Its clock has lagged: promises that count on clocks do not hold there. Its agent cannot keep
 * time: that, or it stands still, or has a moment ago. */
bool host_lags (const struct host *h);
bool host_stood_still (const struct host *h);

/* Faults: false where there is nothing to be hit. The agent dies with its executors, and another
 * one comes; everything dies for ever; the agent stands still; its clock lags; it is to leave; an
 * executor dies. */
bool host_crash (struct sim *s, struct host *h);
bool host_lose (struct sim *s, struct host *h);
bool host_pause (struct sim *s, struct host *h, int64_t us);
bool host_lag (struct sim *s, struct host *h, int64_t us);
bool host_term (struct sim *s, struct host *h);
bool host_crash_executor (struct sim *s, struct host *h);

#endif
