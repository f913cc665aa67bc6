/* executor: a process that runs commands, one at a time, or calls functions.
 *
 * It speaks with the agent in messages of the protocol over a socket pair (framing.h), numbers and
 * acknowledgements left 0, and over a page of shared memory (control.h).
 *
 * From the agent:
 *   SPEC         kept until FORGET of its batch; must come before the first RUN that needs it
 *   RUN          rows of one spec, run one after another; runs are queued and done in order
 *   CANCEL_ROWS  ends the running row if it is one of these (kill 1: KILL at once; else TERM,
 *                grace_ms or the spec's own where that is 0, KILL), `reason` goes to the outcome.
 *                Rows not yet claimed are not its business: recall them (control_recall).
 *                For commands only; a function is cancelled by control_cancel(), and by killing its
 *                executor, when the agent makes the outcome.
 *   INPUT        live stdin of the running row (SPEC_LIVE_INPUT), in order of offset, after its
 *                RUN; a row that reads, and of which some is missing, ends as `lost`
 *   SIGNAL       to the process group of the running row
 *   PEEK         what the running row has printed and is still here; for commands only
 *   FORGET       drops the specs of a batch
 * To the agent:
 *   RESULTS      `record` counts them from 1; of commands one outcome a message, at once
 *   OUTPUT       what a command printed, as soon as it is much, or at once with SPEC_LIVE_OUTPUT.
 *                Offsets are those of the stream: where keep_bytes cut the middle out, they leave a
 *                gap, and the outcome's reason says "output cut"
 *   PEEKED       answers PEEK; with `wait` when there is something, and not at all once the row
 *                has ended
 *   INPUT_TAKEN  how much of its stdin the row has taken, or thrown away
 * The agent should keep reading: an executor that cannot write stops reading what its command
 * prints (which blocks the command), but goes on minding time limits and messages.
 *
 * An outcome of a command is sent when its processes are gone: those of its session and everything
 * that descends from it (unless SPEC_LEAVE_CHILDREN), and, where it ran in a cgroup, all in that.
 *
 * Ends: when the socket is closed by the agent or the launcher is gone: what it runs is killed
 * first. One of functions, too, when a function has closed the socket, or when its module is
 * another file than it has loaded; its page says so. A time limit of a function is the agent's to
 * watch (control_running), and to end by killing the executor.
 */
#ifndef DROVER_WORKER_EXEC_EXECUTOR_H
#define DROVER_WORKER_EXEC_EXECUTOR_H

#include <stdint.h>
#include <sys/types.h>

#include "worker/exec/worn.h"

struct cgroup;
struct module_path;

enum executor_kind { EXECUTOR_COMMAND, EXECUTOR_FUNCTION };

/* How an executor ends by itself. Rows that it had not claimed are to be run elsewhere. */
enum executor_exit {
    EXECUTOR_OVER = 0,   /* the agent closed the socket; or its page says that it was cut off */
    EXECUTOR_LEFT = 3,   /* a task with SPEC_LEAVE_CHILDREN left processes, which live on; every
                          * outcome was sent */
    EXECUTOR_STUCK = 4,  /* a task left processes that cannot be killed; every outcome was sent */
    EXECUTOR_FAULT = 70, /* bytes that are no message, or no memory */
};

struct executor_start {
    enum executor_kind kind;
    int socket_fd;                     /* both are closed at the end */
    int control_fd;                    /* its page */
    pid_t parent;                      /* the launcher */
    const struct cgroup *cgroup;       /* in which commands get a leaf; NULL: none */
    uint32_t number;                   /* names that leaf */
    const struct module_path *modules; /* of functions; NULL: only what is built in */
    struct worn_limits limits;         /* likewise */
};

/* Be an executor until it is over; returns the exit status. Called in a process of its own, which
 * must be single-threaded and have no children: it changes the process's session, signals and
 * descriptors (all but 0, 1, 2 and those of `start` are closed). */
int executor_main (const struct executor_start *start);

#endif
