/* sim: one life of a broker, its workers and its clients under a virtual clock, from a seed.
 *
 * The cores are the real ones: broker/turn.c with the scheduler, worker/core, client/lib. What is
 * simulated is around them: the network (net.h), processes and executors (host.h), programs
 * (user.h), the disk (store_test.h). Everything random comes from one generator, everything happens
 * in one queue of events, so a seed gives the same life each time.
 */
#ifndef DROVER_SIM_SIM_H
#define DROVER_SIM_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/wire/wire.h"

enum { HOSTS_MAX = 24, USERS_MAX = 12 };

/* What is counted over all seeds. */
enum sim_count {
    COUNT_MESSAGES,
    COUNT_ROWS,
    COUNT_RERUNS, /* starts of rows beyond the first */
    COUNT_CUTS,
    COUNT_LOST_MAIL,
    COUNT_GHOSTS, /* connections that the broker does not know to be gone */
    COUNT_STALLS,
    COUNT_JAMS,
    COUNT_AGENT_CRASHES,
    COUNT_HOST_LOSSES,
    COUNT_AGENT_PAUSES,
    COUNT_TERMS,
    COUNT_EXECUTOR_CRASHES,
    COUNT_REFUSALS,
    COUNT_USER_CRASHES,
    COUNT_USER_PAUSES,
    COUNT_BROKER_PAUSES,
    COUNT_BROKER_CRASHES,
    COUNT_LATE_COMMITS,
    COUNT_FAILED_COMMITS,
    COUNTS,
};

struct events;
struct net;
struct ledger;
struct bench;
struct host;
struct user;

struct sim {
    uint64_t seed, rng;
    bool verbose;
    unsigned fragile; /* of 100000 messages, how many meet a cut on their way */
    bool tight;       /* little room in the broker: submissions are held back */
    bool calm;        /* no more faults: everything must finish */
    int64_t now;
    struct events *events;
    struct net *net;
    struct ledger *ledger;
    struct bench *bench; /* the broker's place */
    struct host *hosts[HOSTS_MAX];
    unsigned n_hosts;
    struct user *users[USERS_MAX];
    unsigned n_users;
    uint64_t *counts;
    jmp_buf failed;
    char why[500];
};

/* One life; 0, or -1 with s->why. Counts are added to `counts`. */
int sim_run (struct sim *s, uint64_t seed, bool verbose, uint64_t *counts);

/* Random numbers: any; below n (n > 0); between two, both included; true so often of 1000. */
uint64_t sim_random (struct sim *s);
uint64_t sim_below (struct sim *s, uint64_t n);
int64_t sim_between (struct sim *s, int64_t lo, int64_t hi);
bool sim_chance (struct sim *s, unsigned per_mille);

static inline void sim_count (struct sim *s, enum sim_count what)
{
    s->counts[what]++;
}

/* The run is over: something does not hold. */
void sim_fail (struct sim *s, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3), noreturn));

/* A line of the trace, if one is wanted. */
void sim_trace (struct sim *s, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));
void sim_trace_frames (struct sim *s, const char *from, const char *to,
                       const struct wire_frames *f);

/* Call fn (s, arg, n) at that time; in the order of asking where times are equal. `arg` must live
 * until the end of the run. */
typedef void sim_fn (struct sim *s, void *arg, uint64_t n);
void sim_at (struct sim *s, int64_t when, sim_fn *fn, void *arg, uint64_t n);

#endif
