/* leaf: the cgroup in which one executor runs its tasks, one after another.
 *
 * Made once and used again, because that costs nothing for each task. A leaf in which something was
 * killed is not: some kernels (seen with Linux 6.18) kill what is started into a cgroup that was
 * ever killed before. The next task then gets a new one.
 */
#ifndef DROVER_WORKER_EXEC_LEAF_H
#define DROVER_WORKER_EXEC_LEAF_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/exec/cgroup.h"

struct leaf {
    const struct cgroup *cgroup; /* NULL: tasks have no leaf */
    char path[CGROUP_LEAF_MAX];  /* below cgroup->own_fd */
    int fd;                      /* its directory; -1: there is none now */
    bool used_up;                /* the next task needs a new one */
    bool lost;                   /* the kernel has refused one before */
};

/* For an executor with this number; `cgroup` is borrowed, NULL: no leaf, ever. The leaf itself is
 * made at once, so that the first task need not wait, or, failing that, with the first task. */
void leaf_init (struct leaf *l, const struct cgroup *cgroup, uint32_t executor);

/* Remove it. What still runs in it keeps it there, for the launcher. */
void leaf_fini (struct leaf *l);

/* Be ready for a task: l->fd is for spawn(). Where a leaf cannot be made: 0 with l->fd -1 (which is
 * logged once; tasks go on without), or -1 where the cgroup is required. */
int leaf_ready (struct leaf *l, struct err *e);

/* The kernel has refused to start a process in it, for this reason: somebody removed it, or it
 * cannot be. True where leaf_ready() and another try may help: once with a new leaf, then, unless
 * the cgroup is required, without. */
bool leaf_lost (struct leaf *l, int code);

/* Kill all that is in it. */
void leaf_kill (struct leaf *l);

/* Whether anything is in it. */
bool leaf_populated (const struct leaf *l);

#endif
