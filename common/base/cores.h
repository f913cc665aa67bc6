/* cores: how much of the machine this process may use. */
#ifndef DROVER_BASE_CORES_H
#define DROVER_BASE_CORES_H

/* The cores of the affinity mask, or fewer where a cgroup's CPU quota allows less (a started core
 * counts as one). At least 1. */
unsigned cores_usable (void);

#endif
