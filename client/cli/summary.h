/* summary: what a batch was worth, from its outcomes. Pure.
 *
 *     1000 tasks, 0 failed, 4 slots on 2 hosts: wall 12.3 s, work 47.9 s, speed-up 3.9, ...
 *     1000 tasks, 2 failed, 900 cancelled, 4 slots ...
 *
 * Work is the time that tasks ran, summed. Speed-up is work by wall time, efficiency is speed-up by
 * slots, and overhead is the wall time that the slots did not need, by task: wall - work / slots.
 * With tasks that wait more than they compute, work is no measure of processors.
 *
 * An item of a pipeline is one task, whose work is that of all its stages. Advice is about what
 * runs, and there each stage is a task.
 */
#ifndef DROVER_CLI_SUMMARY_H
#define DROVER_CLI_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "client/drover.h"

#define SUMMARY_HOSTS_MAX 4096

struct summary {
    drover_worth_t
        worth;           /* for the caller to complete; slots 0: what depends on them is left out */
    drover_worth_t runs; /* of pipelines: each stage of each item is a task */
    bool staged;         /* it is one, ... */
    bool uneven;         /* ... and its stages cannot use the same slots: for the caller to say */
    uint64_t wall_us;    /* as the user felt it */
    uint64_t measured_us; /* for --compare: from the first row on, without waits for input */
    uint64_t lost;        /* of those that are not done */
    uint64_t parked;      /* likewise */
    uint64_t cancelled;   /* ended, or not started, because they were not wanted any more */
    uint64_t failed_sum;  /* of numbers made from the rows that are not done: which they were */
    char **hosts;         /* each once; at most SUMMARY_HOSTS_MAX, more are not counted */
    size_t host_count;
    size_t last_host; /* where the last outcome came from: mostly the next one does, too */
};

void summary_init (struct summary *s);
void summary_fini (struct summary *s);

/* Count one outcome, with the stages before it. */
void summary_add (struct summary *s, const drover_result_t *r);

/* The line, without "drover: " and newline. Returns the length, as snprintf(). */
int summary_print (const struct summary *s, char *out, size_t size);

/* The line of advice there is reason for, likewise; 0: there is none, or tasks were cancelled, so
 * that the figures say nothing. */
int summary_advice (const struct summary *s, char *out, size_t size);

/* What was measured one after another, against what was measured in parallel: a line, likewise, and
 * another where other tasks failed (0: none). */
int summary_compare (const struct summary *parallel, const struct summary *sequential, char *out,
                     size_t size);
int summary_differ (const struct summary *parallel, const struct summary *sequential, char *out,
                    size_t size);

/* All of it as an object, without the version. `sequential`: NULL, or what was compared. */
json_t *summary_json (const struct summary *s, const struct summary *sequential);

/* Rules that apply, as an array of objects. */
json_t *summary_advice_json (const drover_worth_t *worth);

#endif
