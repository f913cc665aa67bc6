/* cgroup: a cgroup (version 2) of the worker's own, below the one in which it was started.
 *
 *     the cgroup in which the worker was started: launcher, agent and executors stay there
 *     └ drover-PIDNS-PID-START   the worker's (cgroup_text.h), no process in it
 *       ├ 1                      a leaf: the task of executor 1, with all that descends from it
 *       └ 2
 *
 * So a task can be killed in one go, however fast it forks, and what is left of it is found when
 * launcher, agent and executors are dead. No controller is asked for or enabled: a hierarchy
 * without any will do, and the rule that processes live in leaves only is not touched, as it
 * concerns cgroups that give controllers to others.
 *
 * A struct cgroup is a plain value that forks may share. Only the process that opened it closes it.
 */
#ifndef DROVER_WORKER_EXEC_CGROUP_H
#define DROVER_WORKER_EXEC_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "worker/exec/cgroup_text.h"

#define CGROUP_LEAF_MAX (CGROUP_NAME_MAX + 16)

struct cgroup {
    int own_fd;                 /* directory of the cgroup in which we were started */
    char name[CGROUP_NAME_MAX]; /* of the worker's in it */
    bool required;              /* a task that cannot have a leaf is not run */
};

/* Make the worker's cgroup, named after this process. -1 with the reason, where it is not possible:
 * no cgroup v2 at /sys/fs/cgroup or /sys/fs/cgroup/unified, not ours to divide, or a system that
 * lacks cgroup.kill (Linux 5.14) or clone3. */
int cgroup_open (struct cgroup *g, struct err *e);

/* Kill what is left in it, remove it, waiting for a little while; what cannot be killed keeps it
 * there. */
void cgroup_close (struct cgroup *g);

/* Remove it if nothing is in it: for the executors of a launcher that was killed, of which the last
 * will succeed. */
void cgroup_leave (const struct cgroup *g);

/* The path of a leaf below own_fd. */
void cgroup_leaf_path (const struct cgroup *g, uint32_t executor, char path[CGROUP_LEAF_MAX]);

/* Kill what is in the leaf of an executor that died, and remove it: true when it is gone. Does not
 * wait: call again. g NULL: true. */
bool cgroup_end_leaf (const struct cgroup *g, uint32_t executor);

/* The same for all leaves. */
bool cgroup_end_all (const struct cgroup *g);

/* --- one cgroup, `path` below the directory `fd` ---------------------------------------------- */

/* Kill all that is in it and below; true when that was asked of the kernel. */
bool cgroup_kill (int fd, const char *path);

/* Whether a process lives in it or below. One that is not there has none. */
bool cgroup_populated (int fd, const char *path);

/* Remove it with those below; 0, also when it is not there, or -1 with errno. */
int cgroup_remove (int fd, const char *path);

/* Kill what is in it, wait for the end of that, but not longer than until then (monotonic), and
 * remove it; as cgroup_remove(). */
int cgroup_end (int fd, const char *path, int64_t until_us);

/* --- where we are ----------------------------------------------------------------------------- */

/* Where version 2 is mounted. */
int cgroup_mount (char path[PATH_MAX], struct err *e);

/* The id of this process. */
int cgroup_self (struct cgroup_id *id, struct err *e);

#endif
