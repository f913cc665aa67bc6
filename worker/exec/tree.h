/* tree: the processes that descend from this one.
 *
 * This process must be a subreaper: then whatever its children leave behind, in whatever session or
 * group, becomes its child, and "nothing is left" is waitpid() saying ECHILD. All functions are
 * safe in a signal handler: they only make system calls.
 *
 * A process is found through its parent and signalled by number. Between the two it may end, but
 * its number is not given out again before the kernel's counter has gone all the way round.
 */
#ifndef DROVER_WORKER_EXEC_TREE_H
#define DROVER_WORKER_EXEC_TREE_H

#include <sys/types.h>

enum tree_verdict {
    TREE_TAKE, /* signal it */
    TREE_PASS, /* do not, but what descends from it */
    TREE_SKIP, /* leave it alone with all that descends from it */
};
typedef enum tree_verdict tree_judge_fn (pid_t pid, const void *arg);

/* Send `sig` to the descendants of this process; sig 0 only counts them. Returns how many there
 * were to signal, ended ones that nobody has waited for included. New ones may have come meanwhile:
 * KILL again until none is left. `judge` may be NULL: all are taken. */
unsigned tree_signal (int sig, tree_judge_fn *judge, const void *arg);

/* The first `max` children of this process; returns how many there are. */
unsigned tree_children (pid_t *pids, unsigned max);

/* KILL everything that descends from this process and wait until it is gone, for about wait_ms at
 * the longest (a process in disk sleep does not die). Returns how many are left. */
unsigned tree_kill_all (unsigned wait_ms);

#endif
