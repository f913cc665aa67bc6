/* states: in which state a receiver is when a message comes to it, read out of the cores' own
 * structs. For counting what the lives have reached, and for the roll of sessions. */
#ifndef DROVER_SIM_STATES_H
#define DROVER_SIM_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched;
struct agent;
struct core;

enum receiver { AT_BROKER, AT_WORKER, AT_CLIENT, AT_AGENT /* from its executors */, RECEIVERS };

enum { STATES_MAX = 8 };

/* Of the session behind a route. */
enum broker_state {
    BROKER_NO_SESSION,
    BROKER_CLIENT,
    BROKER_CLIENT_SHUT, /* it is held back: its window is 0 */
    BROKER_WORKER,
    BROKER_WORKER_SUSPECT,
    BROKER_WORKER_DRAINING,
    BROKER_WORKER_HOLDING, /* it was restarted, and the worker has not said all that it has */
    BROKER_STATES,
};

enum worker_state {
    WORKER_CALLING, /* HELLO was said */
    WORKER_LIVE,
    WORKER_DRAINING,
    WORKER_LEAVING, /* BYE was said */
    WORKER_STATES,
};

enum client_state {
    CLIENT_CALLING,
    CLIENT_OPEN,
    CLIENT_LEAVING, /* BYE was said */
    CLIENT_STATES,
};

enum broker_state state_at_broker (const struct sched *s, uint64_t route);
enum worker_state state_at_worker (const struct agent *a);
enum client_state state_at_client (const struct core *c, bool said_bye);

/* Whether the broker has a session of that token; and its route, 0: not connected. */
bool broker_has (const struct sched *s, uint64_t token, uint64_t *route);

/* The number of the last message that it has taken from the peer of that token. */
uint64_t broker_received (const struct sched *s, uint64_t token);

/* The number of the last grant to the worker of that token. */
uint64_t broker_grants (const struct sched *s, uint64_t token);

/* A batch of which a worker that answers holds rows beyond what it can start and had no outcome for
 * `still_us`, which is not asked to give them back, while another one has room for them: its
 * number, else 0. */
uint64_t broker_hoards (const struct sched *s, int64_t now_us, int64_t still_us);

/* The first batch that has rows waiting or out, in words. */
void broker_describe (const struct sched *s, char *text, size_t size);

#endif
