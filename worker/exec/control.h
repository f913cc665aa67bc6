/* control: the page of memory that an agent and one executor share.
 *
 * Messages tell an executor what to run; this page says how far it is, without a system call on
 * either side, and also after the executor has crashed.
 *
 * Runs. The RUN messages sent to an executor are numbered 0, 1, 2, ... by counting, on both sides.
 * Before the agent sends RUN number n it calls control_open (c, n, count); at most CONTROL_RUNS
 * runs may be unfinished at one time. The executor claims the rows of a run one by one, in order,
 * with control_claim(), and has started no row it has not claimed. The agent takes rows back that
 * are not claimed with control_recall(): from then on they are as if never sent. A claimed row
 * gets exactly one outcome from the executor, unless that dies. A run is over when its rows are all
 * claimed or recalled, and the claimed ones have outcomes.
 *
 * After a death. Rows of which outcomes came are finished; then control_unsent() gives outcomes
 * that were packed and not sent (read the socket to its end first, and pass the `record` of the
 * last RESULTS message). Of what is left, the last claimed row, control_claimed() - 1, was running
 * when the executor died; rows not claimed had not started.
 *
 * The executor may run foreign code, which may write over this page. Nothing the agent reads here
 * can be more than a wrong number: the functions below keep every result within the counts the
 * agent itself gave, and the memory cannot be made smaller (it is sealed).
 */
#ifndef DROVER_WORKER_EXEC_CONTROL_H
#define DROVER_WORKER_EXEC_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "worker/exec/lease.h"

#define CONTROL_RUNS 64             /* runs that may be unfinished at one time */
#define CONTROL_ROWS_MAX 1000000    /* rows of one run */
#define CONTROL_RESULTS (64u << 10) /* bytes of the outcomes that are not sent yet */

struct control;

/* A new page as a sealed memfd (close-on-exec), to be mapped by both sides. -1 on failure. */
int control_create (struct err *e);

/* Map the page; the descriptor may be closed afterwards. NULL on failure. */
struct control *control_map (int fd, struct err *e);
void control_unmap (struct control **c);

/* Processes forked from now on have no part of this mapping. */
void control_hide (struct control *c);

/* --- the agent's side ---------------------------------------------------------------------- */

/* Run number `run` will have `count` rows (1 to CONTROL_ROWS_MAX). Before its RUN is sent. */
void control_open (struct control *c, uint64_t run, uint32_t count);

/* Take back up to `want` rows of the run that are not claimed, the last first. Returns how many, n:
 * these are the rows from the new end on. `count` is what control_open() was told, or what earlier
 * recalls left of it. */
uint32_t control_recall (struct control *c, uint64_t run, uint32_t count, uint32_t want);

/* How many rows of the run are claimed, at most `count` (as above); -1 where the page does not hold
 * this run with so many rows, which means that it was written over. */
int64_t control_claimed (const struct control *c, uint64_t run, uint32_t count);

/* The row that runs now: true with its run, its place in the run (from 0) and the monotonic time of
 * its start; false when none does. `run` is to be matched with what the agent has sent. This is
 * how the agent watches the time limits of functions. (Commands: the executor does that itself.) */
struct control_running {
    uint64_t run;
    uint32_t place;
    int64_t start_us;
};
bool control_running (const struct control *c, struct control_running *r);

/* What the row that runs has said of its progress: false when it has said nothing. */
struct control_progress {
    uint64_t run;
    uint32_t place;
    uint64_t done, total;
};
bool control_progress (const struct control *c, struct control_progress *p);

/* Whether the executor wants to be replaced when it has nothing to do. */
bool control_is_spent (const struct control *c);

/* Whether the executor ended because it could not write to its stream, or read from it, or because
 * the module that it was to call is another one now. */
bool control_is_cut (const struct control *c);

/* Ask the function that runs this row to stop. Whether it is one that looks: it has asked before,
 * within this row. */
bool control_cancel (struct control *c, uint64_t run, uint32_t place);

/* Outcomes (outcome.h) that the dead executor had packed and not sent, given the `record` of its
 * last RESULTS message that came whole (0: none came). Empty when there are none. A view of the
 * page. */
struct bytes control_unsent (const struct control *c, uint64_t last_record);

/* Outcomes that are packed but not sent, of an executor that lives. They leave between rows, not
 * within one: where a row has run for some milliseconds (control_running) those of the rows before
 * it may be had this way. Copies up to `size` bytes (CONTROL_RESULTS is enough) and returns how
 * many, 0 when there are none or they are just leaving. The same outcomes come once more in a
 * RESULTS message later. */
size_t control_peek (const struct control *c, void *copy, size_t size);

/* The lease under which the executor's row runs (lease.h): zeroed for none. Before the RUN it is
 * for is sent. */
void control_set_lease (struct control *c, struct lease l);

/* Of an executor, and of the launcher, which maps the page as well. */
struct lease control_lease (const struct control *c);

/* --- the executor's side --------------------------------------------------------------------- */

/* Claim the next row of the run: its place in the run, -1 when none is left, or -2 when the page
 * was written over. `now_us` is its start. */
int64_t control_claim (struct control *c, uint64_t run, int64_t now_us);

/* No row runs now. */
void control_rest (struct control *c);

/* Whether the agent asked the running row to stop. The first asking is noted for the agent. */
bool control_cancelled (struct control *c);

void control_say_progress (struct control *c, uint64_t done, uint64_t total);
void control_say_spent (struct control *c);
void control_say_cut (struct control *c);

/* The memory where outcomes are packed (CONTROL_RESULTS bytes), how much of it is whole outcomes,
 * and the number of the RESULTS message that will carry them: from 1, one more after each
 * control_results_sent(). */
uint8_t *control_results (struct control *c);
void control_results_packed (struct control *c, size_t len);
uint64_t control_results_record (const struct control *c);
void control_results_sent (struct control *c);

#endif
