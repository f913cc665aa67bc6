/* spawn: start one program in a new process, at the cost of vfork.
 *
 * The child is leader of a session of its own, has an empty signal mask, default dispositions,
 * descriptors 0, 1 and 2 and no others but SPAWN_CANCEL_FD, where there is one, and dies with this
 * process (PDEATHSIG). The caller must have no ignored signals (a caught one is reset by exec), and
 * be single-threaded.
 */
#ifndef DROVER_WORKER_EXEC_SPAWN_H
#define DROVER_WORKER_EXEC_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#define SPAWN_CANCEL_FD 3

/* A program: searched for in spawn_plan.path when its word has no slash, as execvp() does. */
struct spawn_program {
    const char *word;
    char *const *argv;
    bool script; /* run it with /bin/sh where the kernel knows no format of it, as execvp() does */
};

struct spawn_plan {
    struct spawn_program program[2]; /* the second is tried when the first cannot be run */
    unsigned programs;
    const char *path; /* directories to search; NULL: those the C library defaults to */
    char *const *envp;
    const char *dir; /* to work in; empty: this process's */
    mode_t umask;
    int in, out, err; /* descriptors above 2 */
    int cancel;       /* likewise; the child's SPAWN_CANCEL_FD. -1: it has none */
    int cgroup;       /* the directory of the cgroup to start it in; -1: this process's */
};

enum spawn_step {
    SPAWN_FORK, /* no process; also when the cgroup takes none */
    SPAWN_DIR,
    SPAWN_EXEC,
    SPAWN_CGROUP, /* never said by spawn(): for those who make its plan */
};

struct spawn_fault {
    enum spawn_step step;
    int code; /* errno */
};

/* Whether a plan may name a cgroup: this processor's architecture and kernel know how. */
bool spawn_into_cgroup (void);

/* The pid, or -1 with what failed; no child is then left. */
pid_t spawn (const struct spawn_plan *plan, struct spawn_fault *fault);

#endif
