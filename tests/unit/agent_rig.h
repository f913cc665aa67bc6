/* agent_rig: an agent between a broker and executors that are played by the test.
 *
 * What the broker says passes through a channel and the codec, as in life. Executors exist as soon
 * as they are asked for, and run nothing until the test says so. After every event the agent's
 * invariants are checked.
 */
#ifndef DROVER_TESTS_UNIT_AGENT_RIG_H
#define DROVER_TESTS_UNIT_AGENT_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/wire/chan.h"
#include "common/wire/outcome.h"
#include "worker/core/agent.h"

#define RIG_ROWS 4096
#define RIG_EXECUTORS 64
#define RIG_IO_TASKS 30
#define RIG_RUNS 256

struct rig_run {
    uint64_t batch, spec, first, attempt, slot;
    uint32_t count;   /* rows left in it */
    uint32_t claimed; /* by the executor */
    uint32_t answered;
};

struct rig_executor {
    enum agent_kind kind;
    bool alive, killed, running;
    int64_t start_us;
    struct rig_run run[RIG_RUNS];
    unsigned n_runs;  /* opened */
    unsigned n_told;  /* RUN messages that came */
    unsigned current; /* run that it works on */
    unsigned specs;   /* SPEC messages that came */
    unsigned cancels; /* CANCEL_ROWS */
    uint64_t done;    /* its function says, of 10; 0: nothing */
    bool spent;       /* it wants to be replaced */
    bool cut;         /* its stream is broken */
    bool looks;       /* its function asks whether it is cancelled, */
    bool asked;       /* and is */
    unsigned inputs;  /* INPUT and SIGNAL */
    unsigned forgets;
    int64_t lease_us, margin_us;
    struct buf packed; /* outcomes that it has not sent */
    unsigned n_packed;
};

struct rig_row { /* what the broker knows of a row of batch 1 */
    bool out;    /* granted and not answered */
    bool held;   /* named since the last restart */
    unsigned outcomes;
    unsigned returned;
    struct outcome last;
    char reason[200];
};

struct rig {
    struct agent *agent;
    struct agent_config cfg;
    int64_t now;
    struct chan *chan; /* the broker's end */
    uint64_t token;
    uint64_t grants;
    bool full;                                   /* the connection takes nothing */
    bool deaf;                                   /* the connection is cut: nothing passes */
    struct rig_executor executor[RIG_EXECUTORS]; /* by number, from 1 */
    unsigned n_executors;
    bool refuse; /* no executor can be made */
    bool torn;   /* pages of executors are written over */
    struct rig_row row[RIG_ROWS];
    bool restarted;             /* outcomes may come a second time */
    unsigned again;             /* those that did */
    unsigned given_back;        /* rows that were out and were not named */
    uint64_t form, cpus, share; /* for tests that say them again */
    bool holding;               /* the last HOLD has not come */
    unsigned kinds[256];        /* messages that came, by kind */
    struct wire last[256];
    unsigned reconnects, logs;
    bool paused, exited, watched;
    int status;
    char log[512]; /* the last line */
    unsigned last_returned_last;
};

struct rig *rig_new (unsigned slots);
struct rig *rig_seeded (unsigned slots, uint64_t seed);
void rig_free (struct rig **r);

/* Agent that is connected: HELLO was answered by WELCOME. */
struct rig *rig_connected (unsigned slots);
/* With one slot, whose executor runs the first of rows [0, count) of batch 1. */
struct rig *rig_running (uint64_t form, uint64_t count);
/* The same of a batch of functions behind `first` rows that are done: rows [first, first + count),
 * which executor `x` was given at once. */
struct rig *rig_running_at (uint64_t first, uint64_t count, unsigned *x);

void rig_event (struct rig *r, const struct agent_event *ev);
/* Time passes; the agent is called at each of its deadlines. */
void rig_pass (struct rig *r, int64_t us);

/* The broker says something. Borrowed. */
void rig_say (struct rig *r, struct wire *w);
void rig_welcome (struct rig *r, bool resumed);
/* The broker is restarted, with all that it was told, and welcomes the worker. Rows that are out
 * and not named in HOLD are given back. */
void rig_restart (struct rig *r);
void rig_spec (struct rig *r, uint64_t batch, uint64_t form, uint64_t cpus, uint64_t timeout_ms);
void rig_spec_flags (struct rig *r, uint64_t batch, uint64_t form, uint64_t cpus, uint64_t flags);
/* Rows [first, first + count) of spec 0, with slot numbers [base, base + slots) of share `share`.
 */
void rig_grant (struct rig *r, uint64_t batch, uint64_t first, uint64_t count, uint64_t share,
                uint64_t base, uint64_t slots);
void rig_cancel (struct rig *r, uint64_t first, uint64_t count, uint64_t upto);
void rig_take_back (struct rig *r, uint64_t count);

/* The broker acknowledges all that came. */
void rig_acknowledge (struct rig *r);

/* Executor `x` starts its next row; false when it has none. */
bool rig_claim (struct rig *r, unsigned x);
/* It ends the row that it runs, which took so long. */
void rig_finish (struct rig *r, unsigned x, enum outcome_how how, int64_t took_us);
/* The same in two steps: the outcome is packed, and sent later with others. */
void rig_finish_quietly (struct rig *r, unsigned x, enum outcome_how how, int64_t took_us);
void rig_send_results (struct rig *r, unsigned x);
/* It runs and finishes one row after another until there are none. Returns how many. */
unsigned rig_work (struct rig *r, unsigned x, int64_t each_us);
/* All executors do, until nothing moves. */
unsigned rig_work_all (struct rig *r, int64_t each_us);
void rig_die (struct rig *r, unsigned x, int wait_status);

/* Executors that have something to run or running. */
unsigned rig_busy (const struct rig *r);
/* The executor that holds the row without having answered it, or 0. */
unsigned rig_holder (const struct rig *r, uint64_t row);
/* Each row of [first, first + count) has exactly one outcome of this kind and was not returned. */
void rig_all (const struct rig *r, uint64_t first, uint64_t count, enum outcome_how how);

#endif
