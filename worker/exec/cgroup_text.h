/* cgroup_text: what the kernel writes about cgroups and processes, and the names that drover gives
 * to cgroups. Pure.
 *
 * A worker's cgroup is called after its launcher, so that no two collide and everybody can see
 * whether that process still lives: drover-PIDNS-PID-START, where PIDNS is the number of the pid
 * namespace in which PID means something, and START the time of its start in clock ticks since
 * boot, which tells it from a later process with the same pid.
 */
#ifndef DROVER_WORKER_EXEC_CGROUP_TEXT_H
#define DROVER_WORKER_EXEC_CGROUP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_NAME_MAX 80 /* with its final NUL */

struct cgroup_id {
    uint64_t pid_ns;
    uint64_t pid;
    uint64_t start;
};

/* The name for this launcher, and back: false when it is no such name. */
void cgroup_id_print (const struct cgroup_id *id, char name[CGROUP_NAME_MAX]);
bool cgroup_id_parse (const char *name, struct cgroup_id *id);

/* Of /proc/PID/stat: pid, start, and the letter of the state. false when it is no such text. The
 * namespace is left as it is. */
bool cgroup_stat_parse (const char *text, struct cgroup_id *id, char *state);

/* Of /proc/self/cgroup: the path in the v2 hierarchy, below its mount, "" for the root. false when
 * there is none, it is outside of the caller's cgroup namespace, removed, or too long. */
bool cgroup_path_parse (const char *text, char *path, size_t size);

/* Of cgroup.events: whether a process lives in the cgroup or below. */
bool cgroup_events_populated (const char *text);

#endif
