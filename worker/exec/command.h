/* command: one command at a time, from its start to its outcome.
 *
 * A state machine over the task's process, its pipes and the time; executor.c polls for it. It
 * queues OUTPUT, INPUT_TAKEN and one RESULTS on the stream, and reads no more from the task while
 * the stream is full.
 */
#ifndef DROVER_WORKER_EXEC_COMMAND_H
#define DROVER_WORKER_EXEC_COMMAND_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/bytes.h"
#include "common/wire/wire.h"
#include "worker/exec/control.h"
#include "worker/exec/framing.h"
#include "worker/exec/leaf.h"
#include "worker/exec/spec.h"
#include "worker/exec/values.h"

#define COMMAND_FDS 3 /* that command_poll() fills in at most */

struct command;

/* Borrows the stream, the page and the leaf in which tasks run. `parent` is for PARALLEL_PID. */
struct command *command_new (struct framing *stream, struct control *control, struct leaf *leaf,
                             pid_t parent);

/* Kills nothing: see tree_kill_all(). */
void command_free (struct command **c);

/* From command_start() until the outcome is queued. */
bool command_busy (const struct command *c);

/* Start the row `row` of the spec (borrowed for the call; the values too). One that cannot be
 * started gets its outcome at once. Not while busy. */
void command_start (struct command *c, struct spec *spec, const struct msg_run *run, uint64_t row,
                    const struct values *values, int64_t now_us);

/* A row that does not come so far: its outcome is `failed`, status 125, for this reason. */
void command_refuse (struct command *c, const struct msg_run *run, uint64_t row,
                     const char *reason);

/* What to poll for, and until when (CLOCK_NEVER: no limit); then a turn with what poll() said. A
 * turn is also due when SIGCHLD came, or the stream has been written to. */
unsigned command_poll (const struct command *c, struct pollfd *p);
int64_t command_deadline (const struct command *c);
void command_turn (struct command *c, int64_t now_us);

/* Messages; for a row that is not the running one they mean nothing. */
void command_cancel (struct command *c, const struct msg_cancel_rows *m, int64_t now_us);
/* The lease of the running row has passed (lease.h): TERM, or KILL; its outcome is `lost`. */
void command_lapse (struct command *c, bool kill, int64_t now_us);
/* Where some of it is missing the task would wait for ever: it is ended, and its outcome is `lost`.
 */
void command_input (struct command *c, const struct msg_input *m, struct bytes bytes,
                    int64_t now_us);
/* What the running row has printed and is still here. */
void command_peek (struct command *c, const struct msg_peek *m);
void command_signal (struct command *c, const struct msg_signal *m);

/* Why this executor can run no further task: an enum executor_exit, or 0 while it can. */
int command_over (const struct command *c);

#endif
