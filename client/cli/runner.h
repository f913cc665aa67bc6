/* runner: one attached batch, from its rows to the exit status of foreach and invoke.
 *
 * One loop over four things: the session, the signals, the input that rows are made from, and (in
 * sink.c) outputs that are slow. Rows are taken from the input only while there is room for them:
 * in the broker's window, among the unfinished tasks, and in what must be remembered of each until
 * it is printed. So memory is bounded, and the first task starts before the input ends.
 *
 * Ctrl-C (or TERM) once: no new starts, what runs is cancelled, its outcomes are awaited. Twice:
 * everything is killed, and the program leaves. HUP: no new starts, what runs goes on to its end. A
 * closed stdout cancels without words.
 */
#ifndef DROVER_CLI_RUNNER_H
#define DROVER_CLI_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cli/after.h"
#include "client/cli/feed.h"
#include "client/cli/retrying.h"
#include "client/cli/session.h"
#include "client/drover.h"
#include "common/base/err.h"

#define RUNNER_FEED_TURN 4096 /* rows taken from the input in one turn */

/* A stage behind the first. */
struct runner_stage {
    const drover_spec_t *spec;
    unsigned jobs; /* at one time; 0: no limit */
    struct retrying retrying;
};

struct runner_opts {
    struct session_opts session;
    const drover_spec_t *spec;
    const struct runner_stage *stages; /* of a pipeline; NULL: none */
    size_t stage_count;
    feed_next_fn *next;
    void *arg;
    int (*input_fd) (void *arg); /* to be polled after `next` returned 2; NULL: it never does */
    unsigned jobs;               /* at one time, see runner_jobs(); 0: no limit */
    unsigned cpus;               /* slots of a task; 0 also where stages do not agree */
    unsigned priority;           /* 0: the usual one */
    const char *name;            /* of the batch, or NULL */
    const char *key;             /* or NULL */
    uint64_t deadline_ms;        /* of the batch; 0: none */
    struct retrying retrying;
    const struct afters *after; /* what it is to run after */
    bool keep_order;
    bool summary;
    bool summary_json;          /* as an object behind the outcomes, and no lines */
    bool compare;               /* run the rows again, one after another, and say what that took */
    bool functions;             /* for the advice: what the tasks are, ... */
    uint64_t values;            /* ... how many values each has, ... */
    unsigned asked;             /* ... and how many at one time the user wanted; 0: any number */
    drover_command_t *tag;      /* or NULL */
    drover_command_t *order_by; /* what makes the keys of the rows; NULL: they have none */
};

/* Run it all. Everything that goes wrong has been said. Returns the exit status. */
int runner_run (const struct runner_opts *o);

/* The flags of the batch: enum drover_batch_flag. */
unsigned runner_flags (const struct runner_opts *o);

/* Its limit of tasks at one time, on a broker that is private or not; 0: as many as there are
 * slots. */
unsigned runner_jobs (const struct runner_opts *o, bool private);

#endif
