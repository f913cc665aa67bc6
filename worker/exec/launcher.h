/* launcher: the parent of everything in a worker.
 *
 *     launcher ─ agent            talks to the broker, decides; forked first
 *              └ executors        forked when the agent asks for one (executor.h)
 *
 * The launcher is small and single-threaded and never opens ZeroMQ, so that its forks are cheap and
 * clean. It is subreaper of all: what an executor that died had left running becomes the launcher's
 * child, and is killed before the agent hears of that death. It outlives agents: one that crashes
 * is replaced, after everything that ran for it is gone. Where it was given a cgroup (cgroup.h), a
 * task's processes are found and killed in that as well, whoever their parent is.
 *
 * Who notices whose death:
 *   executor  its launcher (wait); nothing of its tree is left when the agent reads LAUNCHER_DIED
 *   agent     its launcher (wait): all executors and their trees are killed, then a new agent comes
 *   launcher  agent: PDEATHSIG KILL; executors: PDEATHSIG, on which they kill their trees and end
 *   owner     launcher: end of file on lifetime_fd; everything is killed at once
 *
 * Agent and executors are leaders of sessions of their own: a terminal's Ctrl-C reaches the
 * launcher alone, and with lifetime_fd not even that (the owner decides).
 *
 * Signals to the launcher: the first TERM or HUP becomes a TERM to the agent (drain); INT, or the
 * second signal, an INT (kill what runs, say so to the broker, leave); the next one kills
 * everything, and so does an agent that has not ended hurry_ms after that INT.
 */
#ifndef DROVER_WORKER_EXEC_LAUNCHER_H
#define DROVER_WORKER_EXEC_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "worker/exec/executor.h"

struct launcher_config {
    int lifetime_fd;                   /* end of file on it: the owner is gone; -1: none */
    const struct cgroup *cgroup;       /* for tasks, borrowed; NULL: the subreaper has to do */
    const struct module_path *modules; /* for executors of functions, borrowed; NULL: none */
    struct worn_limits limits;         /* of executors of functions */
    unsigned executors_max;            /* greatest number at one time; 0: 4096 */
    unsigned restarts_max;             /* of the agent within restarts_within_ms; 0: 5 */
    unsigned restarts_within_ms;       /* 0: 60 s */
    unsigned backoff_ms;    /* before the first new agent, doubled for each further; 0: 100 */
    unsigned unkillable_ms; /* how long a killed process may remain (disk sleep) before it is
                             * reported as stuck; 0: 5 s */
    unsigned hurry_ms;      /* what an agent gets that is to end at once: executors that are hard to
                             * kill, and a broker that is slow or away, take their time; 0: 10 s */
};

/* What a new agent is told. */
struct launcher_start {
    int fd;            /* to the launcher, for the functions below; the agent closes it or exits */
    pid_t launcher;    /* its pid */
    bool cgroup;       /* tasks run in cgroups */
    uint64_t replaces; /* token of the session of the agent that died before this one; 0: none */
};

/* The agent: called in a new process, with the signal mask and dispositions that launcher_run()
 * found (SIGPIPE ignored), in a session of its own, descriptors 0, 1 and 2 and whatever the caller
 * had open without its knowledge of the launcher's. What it returns is its exit status. */
typedef int launcher_agent_fn (const struct launcher_start *start, void *arg);

/* Serve until it is over. Returns the exit status for the process:
 *   the agent's own status, when it exited (everything else is gone by then);
 *   0   the owner is gone, the agent asked for an end with launcher_shutdown(), or it died of the
 *       forwarded TERM or INT before it was ready for it;
 *   70  the agent died too often (EX_SOFTWARE);
 *   71  the launcher could not work: no process, no descriptor (EX_OSERR);
 *   75  killed by one more signal, or as the agent did not end (EX_TEMPFAIL).
 * The caller must be single-threaded and must not have children. */
int launcher_run (const struct launcher_config *c, launcher_agent_fn *agent, void *arg);

/* --- the agent's side. Nothing blocks; a request fails with EAGAIN when hundreds of them are still
 * unread. ---------------------------------------------------------------------------------------
 */

/* Ask for a new executor. Answered with LAUNCHER_NEW or LAUNCHER_REFUSED, in the order of the
 * requests. */
int launcher_new (int fd, enum executor_kind kind, struct err *e);

/* Kill an executor with everything it runs: LAUNCHER_DIED follows when all of it is gone. A number
 * that is not there (any more) is ignored. (An idle executor ends by itself when its socket is
 * closed; LAUNCHER_DIED follows then too.) */
int launcher_kill (int fd, uint32_t executor, struct err *e);

/* The token of the agent's present session with the broker: what the next agent `replaces`. */
int launcher_token (int fd, uint64_t token, struct err *e);

/* Whether executors may have leases (lease.h), which the launcher is to look at. */
int launcher_watch (int fd, bool on, struct err *e);

/* End everything at once, this agent too. */
int launcher_shutdown (int fd, struct err *e);

enum launcher_event_kind {
    LAUNCHER_NEW,     /* an executor is there */
    LAUNCHER_REFUSED, /* it could not be made: `error` is an errno number */
    LAUNCHER_DIED,    /* an executor ended, and nothing that it ran is left, but `stuck` */
};

struct launcher_event {
    enum launcher_event_kind kind;
    enum executor_kind executor_kind;
    uint32_t executor; /* its number: from 1, never used twice */
    pid_t pid;         /* NEW, DIED */
    int socket_fd;     /* NEW: one end of a stream (framing.h), the agent's to close; else -1 */
    int control_fd;    /* NEW: its page (control.h), the agent's to close; else -1 */
    int error;         /* REFUSED */
    int wait_status;   /* DIED: as of waitpid(); exit statuses: enum executor_exit */
    unsigned stuck;    /* DIED: processes that could not be killed: the slot is lost */
};

/* Read one event, without waiting: 1, 0 when there is none now, -1 when the launcher is gone
 * (EPIPE) or on an error. The descriptor is for poll() with POLLIN. */
int launcher_next (int fd, struct launcher_event *event, struct err *e);

#endif
