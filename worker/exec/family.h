/* family: who is who among the launcher's children.
 *
 * Known are the agent and the executors. Spared is what a task was allowed to leave, or what cannot
 * be killed. Whatever else is a child of the launcher is the leavings of an executor that died.
 */
#ifndef DROVER_WORKER_EXEC_FAMILY_H
#define DROVER_WORKER_EXEC_FAMILY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/hash.h"
#include "worker/exec/control.h"
#include "worker/exec/executor.h"

#define FAMILY_SPARED 256 /* that are remembered; beyond, the oldest are forgotten */

struct member {
    pid_t pid;
    uint32_t number; /* from 1, never used twice */
    enum executor_kind kind;
    bool dead;
    int wait_status;
    struct control *page; /* shared with the agent and the executor; NULL where it failed */
    struct lease_watch lease;
    int64_t kill_us; /* when it was killed, or found dead; 0: it lives */
    UT_hash_handle hh;
};

/* A process, and the rest of its session. */
struct spared {
    pid_t pid;
    pid_t session;
};

struct family {
    pid_t agent;              /* 0: none */
    struct member *executors; /* a hash by pid */
    uint32_t last_number;
    struct spared spared[FAMILY_SPARED]; /* a ring */
    unsigned spared_count;               /* ever */
};

/* A new executor, with the next number; owned by the family. */
struct member *family_add (struct family *f, pid_t pid, enum executor_kind kind);

/* The executor of this pid, or NULL. */
struct member *family_find (const struct family *f, pid_t pid);

void family_remove (struct family *f, struct member *x);
void family_remove_all (struct family *f);

void family_spare (struct family *f, pid_t pid);

/* Spare all leavings there are now; returns how many. */
unsigned family_spare_leavings (struct family *f);

/* KILL the leavings, or all children but the spared, with what descends from them. Returns how many
 * processes there were, dead ones that were not reaped included: 0 means nothing is left. */
unsigned family_kill_leavings (const struct family *f);
unsigned family_kill_all (const struct family *f);

#endif
