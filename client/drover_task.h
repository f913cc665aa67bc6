/* drover_task.h: tasks as futures, and what can be done with several of them. drover.h includes
 * this file.
 *
 * A future (drover_task_t) stands for a task that may still run. It settles once, and holds the
 * result from then on: failures, cancellations and losses are results too (drover_result_t, `how`),
 * so a future that was made always settles. Combinations and continuations are futures themselves,
 * and can be waited for, combined and continued in turn.
 *
 *     drover_task_t *fetch = drover_task_run (h, s, &url, 1, NULL, &e);
 *     drover_task_t *store = drover_then (fetch, next, 0, NULL, &e);
 *     if (drover_task_wait (store, 5000, NULL, &e) == 0)
 *         puts (drover_how_name (drover_task_result (store)->how));
 *     drover_task_free (&fetch);
 *     drover_task_free (&store);
 *
 * Futures settle, and continuations are called, inside those functions of their handle that take
 * events or wait: drover_next(), drover_task_wait(), drover_foreach() and so on; nothing happens
 * behind the program's back. In a foreign event loop, poll drover_fd() and call drover_next (h, 0,
 * ...) until it returns 0: that is all that futures need, and they cause no events. The descriptor
 * is readable as long as a future has something to do, or a drover_each_t has a task to give.
 *
 * Ownership. Whoever made a future frees it; freeing one does not cancel what it stands for, and
 * continuations that were asked for are still made. drover_close() frees all futures of the handle.
 */
#ifndef DROVER_TASK_H
#define DROVER_TASK_H

#include "drover.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct drover_task drover_task_t; /* a future; lives in its handle */
typedef struct drover_each drover_each_t; /* futures, to be taken as they settle */

/* --- cancel sources ------------------------------------------------------------------------------
 * One source ends any number of tasks, batches and waits, of any handles. These functions may be
 * called from any thread; what was bound to the source is cancelled by the thread that has the
 * handle, in its next call that takes events or waits (drover_fd() becomes readable). */

/* A new source; where `parent` is not NULL, it is cancelled with the parent as well. NULL with
 * DROVER_ESYSTEM. */
drover_cancel_source_t *drover_cancel_source_new (drover_cancel_source_t *parent,
                                                  drover_error_t *e);

/* What is bound to the source stays so, but nobody can cancel it by hand any more. */
void drover_cancel_source_free (drover_cancel_source_t **s);

/* Cancel, for good; the first reason counts, and is shown in the outcomes (NULL: none, at most 200
 * bytes are kept). May also be called from a signal handler. */
void drover_cancel_source_cancel (drover_cancel_source_t *s, const char *reason);

/* Cancel when so much time has passed, instead of a time that was given before; negative: no time.
 */
void drover_cancel_source_cancel_after (drover_cancel_source_t *s, int64_t timeout_ms);

/* 1 if it is cancelled. May also be called from a signal handler. */
int drover_cancel_source_cancelled (const drover_cancel_source_t *s);

/* Why it is cancelled, or "". Valid as long as the source. */
const char *drover_cancel_source_reason (const drover_cancel_source_t *s);

/* A descriptor that is readable once the source is cancelled, for poll(); not to be read or closed.
 */
int drover_cancel_source_fd (const drover_cancel_source_t *s);

/* --- single tasks -------------------------------------------------------------------------------
 * `cancel` may be NULL; a task that is made when its source is cancelled already is not run. Values
 * are copied. NULL with an error: then nothing was submitted. Neither function waits. */

/* Run one task. Such tasks of a handle that call the same function, or run commands, and take as
 * many slots, share a batch of their own, so that many are cheap; each different drover_spec_t is
 * sent once. What is asked for leaves with the next call that takes events or waits, or with
 * drover_flush(). */
drover_task_t *drover_task_run (drover_t *h, const drover_spec_t *s, const drover_bytes_t *values,
                                size_t count, drover_cancel_source_t *cancel, drover_error_t *e);

/* Run one task in a batch, whose options it shares: `jobs` limits how many of them run at one time.
 * As drover_batch_add(), but the result goes to the future and is no event. DROVER_EINVAL where
 * rows were added with drover_batch_add() before (the other way round likewise), and for specs with
 * live input or output. drover_batch_free() is put off until the last of its futures has settled.
 */
drover_task_t *drover_batch_task (drover_batch_t *b, int spec, const drover_bytes_t *values,
                                  size_t count, drover_cancel_source_t *cancel, drover_error_t *e);

/* The same for an ordered batch: drover_batch_add_keyed(). */
drover_task_t *drover_batch_task_keyed (drover_batch_t *b, int spec, drover_bytes_t key,
                                        const drover_bytes_t *values, size_t count,
                                        drover_cancel_source_t *cancel, drover_error_t *e);

/* A future of a whole batch: it settles when the broker has ended it. `how` is DROVER_DONE if all
 * its tasks are; `reason` says why it is not, as that of DROVER_EVENT_END does. The batch is to be
 * closed some time, and its results to be read meanwhile: those that are events and not taken stay
 * in memory. */
drover_task_t *drover_when_batch (drover_batch_t *b, drover_error_t *e);

/* NULL is fine. */
void drover_task_free (drover_task_t **t);

/* 1 once it has settled. */
int drover_task_settled (const drover_task_t *t);

/* The result; NULL before it has settled. It belongs to the future: drover_result_keep() keeps it
 * for longer. */
const drover_result_t *drover_task_result (const drover_task_t *t);

/* A pointer of the program's own; NULL at first. */
void drover_task_set_user (drover_task_t *t, void *user);
void *drover_task_user (const drover_task_t *t);

/* Wait until it has settled: 0. -1 with DROVER_ETIME when that takes longer than timeout_ms (0:
 * look only, -1: as long as it takes), with DROVER_ECANCELLED when `stop` (may be NULL) is
 * cancelled; the task goes on then. Signal handlers of the program do not end the wait: let them
 * cancel `stop`. */
int drover_task_wait (drover_task_t *t, int64_t timeout_ms, drover_cancel_source_t *stop,
                      drover_error_t *e);

/* Ask for the end of a task: it settles as DROVER_CANCELLED when its processes are gone, or as what
 * it was if it had ended before. Options may be NULL; `first` and `count` are of no account. A
 * combination settles at once, the tasks in it go on; a continuation that has not begun does not
 * begin. 0 or -1. */
int drover_task_cancel (drover_task_t *t, const drover_cancel_options_t *options,
                        drover_error_t *e);

/* The same for all that have not settled; NULLs are passed over. */
int drover_tasks_cancel (drover_task_t *const *tasks, size_t count,
                         const drover_cancel_options_t *options, drover_error_t *e);

/* --- combinations --------------------------------------------------------------------------------
 * Futures that settle with others of the same handle, which may be freed before. In the result,
 * `row` is the place in `tasks` of the one that decided it, or `count`; `how` is DROVER_DONE or
 * DROVER_FAILED, as said below. NULL with DROVER_EINVAL: there is no task, or `n` is out of range.
 */

/* Settles when a condition (enum drover_condition) holds: DROVER_WAIT_ALL, DROVER_WAIT_COUNT (n
 * have settled) and DROVER_WAIT_PERCENT (n percent of them have), each DROVER_DONE if all that have
 * settled by then are done; DROVER_WAIT_SUCCESSES: DROVER_DONE when n are done, DROVER_FAILED as
 * soon as that cannot come any more. */
drover_task_t *drover_when (drover_task_t *const *tasks, size_t count, int condition, uint64_t n,
                            drover_error_t *e);

/* All have settled. */
drover_task_t *drover_when_all (drover_task_t *const *tasks, size_t count, drover_error_t *e);

/* One has, however it ended. */
drover_task_t *drover_when_any (drover_task_t *const *tasks, size_t count, drover_error_t *e);

/* One is done. */
drover_task_t *drover_when_success (drover_task_t *const *tasks, size_t count, drover_error_t *e);

/* Wait for a condition without a future for it: 0 when it holds, 1 when it cannot come to hold any
 * more, -1 as drover_task_wait(). `which` (may be NULL) gets the place of the task that decided. */
int drover_tasks_wait (drover_task_t *const *tasks, size_t count, int condition, uint64_t n,
                       int64_t timeout_ms, drover_cancel_source_t *stop, size_t *which,
                       drover_error_t *e);

/* --- results as they come -----------------------------------------------------------------------
 */

/* Take these futures as they settle; `count` may be 0. For drover_each_free(), which leaves the
 * futures alone. NULL with DROVER_EINVAL: one is of another handle. */
drover_each_t *drover_when_each (drover_t *h, drover_task_t *const *tasks, size_t count,
                                 drover_error_t *e);

/* One more, at any time. 0 or -1. */
int drover_each_add (drover_each_t *each, drover_task_t *t, drover_error_t *e);

/* The next one that has settled, each exactly once, in the order in which they did: 1 with *t,
 * which is still its owner's. 0 when there are no more; -1 as drover_task_wait(): with timeout_ms
 * 0, DROVER_ETIME says that none has settled now. A future that is freed is left out. */
int drover_each_next (drover_each_t *each, int64_t timeout_ms, drover_cancel_source_t *stop,
                      drover_task_t **t, drover_error_t *e);

void drover_each_free (drover_each_t **each);

/* --- continuations -------------------------------------------------------------------------------
 * What is to come after a task, whose future may be freed before. Where it ended otherwise than the
 * flags say, the continuation settles as DROVER_SKIPPED. `cancel` may be NULL. */

enum drover_then_flag {
    DROVER_THEN_NOT_DONE = 1, /* after anything but DROVER_DONE, not after that */
    DROVER_THEN_ALWAYS = 2    /* however it ended */
};

/* Called with the result of the task before. Returns 0 (the continuation is DROVER_DONE) or another
 * number (DROVER_FAILED with that as `status`, 1-255). With 0 it may give a future that it made in
 * *next, which is taken: the continuation then settles as that one does. It may call anything of
 * the handle that does not wait, take events or close it. */
typedef int drover_then_fn (const drover_result_t *result, drover_task_t **next, void *arg);

/* Call a function, in the thread that takes events or waits. */
drover_task_t *drover_then_call (drover_task_t *t, drover_then_fn *fn, void *arg, unsigned flags,
                                 drover_cancel_source_t *cancel, drover_error_t *e);

/* Run another task. Its value (on stdin with DROVER_SPEC_ROW_INPUT) is the output of the one
 * before; for the {} of a shell line without a final newline; an argv without DROVER_SPEC_ROW_INPUT
 * takes none. Output that was cut (drover_spec_keep()), or is over the limit of a row (8 MiB), is
 * not passed on: DROVER_FAILED with status 126, and why. The spec is copied. */
drover_task_t *drover_then (drover_task_t *t, const drover_spec_t *s, unsigned flags,
                            drover_cancel_source_t *cancel, drover_error_t *e);

#ifdef __cplusplus
}
#endif

#endif
