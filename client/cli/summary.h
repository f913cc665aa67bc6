/* summary: what a batch was worth, from its outcomes. Pure.
 *
 *     1000 tasks, 0 failed, 4 slots on 2 hosts: wall 12.3 s, work 47.9 s, speed-up 3.9, ...
 *     1000 tasks, 2 failed, 900 cancelled, 4 slots ...
 *
 * Work is the time that tasks ran, summed. Speed-up is work by wall time, efficiency is speed-up by
 * slots, and overhead is the wall time that the slots did not need, by task: wall - work / slots.
 * With tasks that wait more than they compute, work is no measure of processors.
 */
#ifndef DROVER_CLI_SUMMARY_H
#define DROVER_CLI_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUMMARY_HOSTS_MAX 4096

struct summary {
    uint64_t tasks;
    uint64_t failed;    /* ended badly by themselves */
    uint64_t lost;      /* of these */
    uint64_t parked;    /* likewise */
    uint64_t cancelled; /* ended, or not started, because they were not wanted any more */
    uint64_t work_us;
    char **hosts; /* each once; at most SUMMARY_HOSTS_MAX, more are not counted */
    size_t host_count;
    size_t last_host; /* where the last outcome came from: mostly the next one does, too */
};

void summary_init (struct summary *s);
void summary_fini (struct summary *s);

/* Count one outcome (enum drover_how). `host` may be empty: the task never ran. */
void summary_add (struct summary *s, int how, uint64_t wall_us, const char *host);

/* The line, without "drover: " and newline. `slots` 0: unknown, what depends on it is left out.
 * Returns the length, as snprintf(). */
int summary_print (const struct summary *s, uint64_t wall_us, uint64_t slots, char *out,
                   size_t size);

#endif
