/* host: a place with an agent and its executors: the launcher, the sockets and the turn of
 * drover-worker, in virtual time, around the real worker/core. */
#ifndef DROVER_SIM_HOST_H
#define DROVER_SIM_HOST_H

#include "tests/sim/sim.h"

/* A worker of so many slots, which joins at once. */
struct host *host_new (struct sim *s, unsigned index, unsigned slots);
void host_free (struct host **h);

const char *host_name (const struct host *h);
struct conn *host_conn (struct host *h);
bool host_is_alive (const struct host *h);
/* It holds no rows. */
bool host_is_idle (const struct host *h);

/* The session in which it works, and the one that the broker has of it; when it was heard there. */
uint64_t host_token (const struct host *h);
uint64_t host_broker_token (const struct host *h);
int64_t host_heard_us (const struct host *h);

/* For the bench: a session was welcomed (token 0: given up); it said something that is not read
 * yet; what it said is read. `peer` may be somebody else. */
void host_welcomed (struct sim *s, void *peer, uint64_t token);
/* The broker calls it lost; fails the run where that is too early. */
void host_given_up (struct sim *s, void *peer, int64_t lost_us);
void host_spoke (struct sim *s, void *peer);
void host_was_heard (struct sim *s, struct host *h);

/* For executors. */
void host_said (struct sim *s, struct host *h, uint32_t executor, const struct wire *w);

/* Faults: false where there is nothing to be hit. The agent dies with its executors, and another
 * one comes; everything dies for ever; the agent stands still; it is to leave; an executor dies. */
bool host_crash (struct sim *s, struct host *h);
bool host_lose (struct sim *s, struct host *h);
bool host_pause (struct sim *s, struct host *h, int64_t us);
bool host_term (struct sim *s, struct host *h);
bool host_crash_executor (struct sim *s, struct host *h);

#endif
