/* sim: one life of a broker, its workers and its clients under a virtual clock, from a seed.
 *
 * The cores are the real ones: broker/turn.c with the scheduler, worker/core, client/lib. What is
 * simulated is around them: the network (net.h), processes and executors (host.h), programs
 * (user.h), the disk (store_test.h). Everything random comes from one generator, everything happens
 * in one queue of events, so a seed gives the same life each time.
 *
 * Three look on and believe none of the cores: the ledger (what really ran), the roll (which
 * sessions the broker has, and what it may have acknowledged), and each user (what it was told).
 */
#ifndef DROVER_SIM_SIM_H
#define DROVER_SIM_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/wire/wire.h"
#include "tests/sim/counts.h"

enum { USERS_MAX = 40 };

struct events;
struct net;
struct ledger;
struct bench;
struct roll;
struct host;
struct user;
struct cover;

struct sim {
    uint64_t seed, rng;
    bool verbose;
    unsigned fragile; /* of 100000 messages, how many meet a cut on their way */
    bool tight;       /* little room in the broker: submissions are held back */
    bool big;         /* many rows: none of them is looked at by itself */
    bool calm;        /* no more faults: everything must finish */
    bool went_back;   /* a power loss took commits that had held */
    int64_t now;
    struct events *events;
    struct net *net;
    struct ledger *ledger;
    struct roll *roll;
    struct bench *bench; /* the broker's place */
    struct host **hosts;
    unsigned n_hosts;
    struct user *users[USERS_MAX];
    unsigned n_users;
    uint64_t *counts;
    struct cover *cover; /* over all seeds */
    jmp_buf failed;
    char why[500];
};

/* What many lives are counted in. */
struct sim_tally {
    uint64_t counts[COUNTS];
    struct cover *cover;
};

/* One life; 0, or -1 with s->why. What it met is added to the tally. */
int sim_run (struct sim *s, uint64_t seed, bool verbose, struct sim_tally *t);

/* One life without faults of so many workers and rows; how it went is printed. */
int sim_run_big (struct sim *s, unsigned workers, uint64_t rows, struct sim_tally *t);

/* Random numbers: any; below n (n > 0); between two, both included; true so often of 1000. */
uint64_t sim_random (struct sim *s);
uint64_t sim_below (struct sim *s, uint64_t n);
int64_t sim_between (struct sim *s, int64_t lo, int64_t hi);
bool sim_chance (struct sim *s, unsigned per_mille);
/* A time for a fault to last: mostly short; sometimes longer than what makes a worker lost. */
int64_t sim_some_time (struct sim *s);

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

/* A machine's clock: it began at a time of its own, and may lag, but never goes back. */
struct sim_clock {
    int64_t offset; /* to s->now */
    int64_t shown;
};

struct sim_clock sim_clock_new (struct sim *s);
int64_t sim_clock_read (const struct sim *s, struct sim_clock *c);
/* When (of s->now) it will show that. */
int64_t sim_clock_when (const struct sim_clock *c, int64_t shown);
/* It stands still for so long, and is late from then on. */
void sim_clock_lag (struct sim_clock *c, int64_t us);

#endif
