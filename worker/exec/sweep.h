/* sweep: what dead workers have left.
 *
 * When launcher, agent and executors are killed at one instant, nobody is there to end the tasks.
 * Their cgroups stay, and carry the name of a launcher that lives no more: the next worker of the
 * same user kills what is in them and removes them.
 */
#ifndef DROVER_WORKER_EXEC_SWEEP_H
#define DROVER_WORKER_EXEC_SWEEP_H

#include "worker/exec/cgroup.h"

/* Directly below the cgroup in which this worker was started. A look at one directory, but where
 * something is found: then it waits for the end of what it killed, 50 ms at the longest, since a
 * command waits for this worker. What it found is logged. Returns how many cgroups were removed. */
unsigned sweep_own (const struct cgroup *g);

/* In the whole hierarchy that is seen here (the dead worker may have been started in another
 * session or service), as sweep_own(), but it waits for two seconds at the longest. 0 where there
 * is no hierarchy. */
unsigned sweep_everywhere (void);

#endif
