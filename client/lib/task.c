#include "client/lib/task.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "client/lib/cancel_source.h"
#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "client/lib/task_result.h"
#include "client/lib/task_rows.h"
#include "client/lib/task_shared.h"
#include "client/lib/when.h"
#include "common/base/clock.h"

#define CALLS_A_TURN 256 /* of the program's functions */

void tasks_init (struct tasks *ts)
{
    *ts = (struct tasks){0};
    LIST_INIT (&ts->all);
    STAILQ_INIT (&ts->settled);
    STAILQ_INIT (&ts->ready);
    LIST_INIT (&ts->futures);
    LIST_INIT (&ts->eaches);
    TAILQ_INIT (&ts->shared);
}

void task_init (struct drover_task *t, drover_t *h, const struct task_kind *kind)
{
    t->h = h;
    t->kind = kind;
    t->refs = 1;
    t->held = true;
    LIST_INIT (&t->watches);
    LIST_INSERT_HEAD (&h->tasks.all, t, link);
}

struct drover_task *task_ref (struct drover_task *t)
{
    t->refs++;
    return t;
}

static void task_delete (struct drover_task *t)
{
    assert (LIST_EMPTY (&t->watches) || t->h->tasks.closing);
    task_result_drop (t);
    LIST_REMOVE (t, link);
    free (t);
}

void task_unref (struct drover_task **tp)
{
    struct drover_task *t = *tp;
    *tp = NULL;
    if (!t || --t->refs > 0 || t->h->tasks.closing)
        return;
    binding_drop_task (t);
    t->kind->fini (t);
    task_delete (t);
}

/* Queue it, with a reference. */
static void enqueue (struct task_queue *queue, struct drover_task *t)
{
    assert (!t->queued);
    t->queued = true;
    task_ref (t);
    STAILQ_INSERT_TAIL (queue, t, queue);
}

/* The first of a queue, whose reference is the caller's now; or NULL. */
static struct drover_task *dequeue (struct task_queue *queue)
{
    struct drover_task *t = STAILQ_FIRST (queue);
    if (!t)
        return NULL;
    STAILQ_REMOVE_HEAD (queue, queue);
    t->queued = false;
    return t;
}

static void unqueue (struct task_queue *queue, struct drover_task *t)
{
    STAILQ_REMOVE (queue, t, drover_task, queue);
    t->queued = false;
    task_unref (&t);
}

/* It has its result. */
static void settled (struct drover_task *t)
{
    binding_drop_task (t);
    t->settled = true;
    if (!LIST_EMPTY (&t->watches))
        enqueue (&t->h->tasks.settled, t);
}

/* Whether it may settle now; one that waits to be run does not need to any more. */
static bool may_settle (struct drover_task *t)
{
    if (t->settled)
        return false;
    if (t->queued) {
        t->h->tasks.n_ready--;
        unqueue (&t->h->tasks.ready, t);
    }
    return true;
}

void task_settle_result (struct drover_task *t, const drover_result_t *r)
{
    if (!may_settle (t))
        return;
    task_result_take (t, r);
    settled (t);
}

void task_settle_as (struct drover_task *t, const struct drover_task *other)
{
    if (!may_settle (t))
        return;
    task_result_share (t, other);
    settled (t);
}

void task_settle_own (struct drover_task *t, enum outcome_how how, unsigned status, uint64_t row,
                      const char *reason)
{
    struct outcome o = {.row = row, .how = how, .status = status, .reason = bytes_str (reason)};
    if (!may_settle (t))
        return;
    task_result_own (t, &o);
    settled (t);
}

void task_watch (struct drover_task *t, struct watch *w)
{
    w->on = t;
    LIST_INSERT_HEAD (&t->watches, w, link);
    if (t->settled && !t->queued)
        enqueue (&t->h->tasks.settled, t);
}

void task_unwatch (struct watch *w)
{
    if (!w->on)
        return;
    LIST_REMOVE (w, link);
    w->on = NULL;
}

void task_make_ready (struct drover_task *t)
{
    enqueue (&t->h->tasks.ready, t);
    t->h->tasks.n_ready++;
}

/* Nothing of the program's runs here; what this settles comes to the end of the queue. */
static void tell (struct tasks *ts)
{
    struct drover_task *t;
    struct watch *w;
    while ((t = dequeue (&ts->settled))) {
        while ((w = LIST_FIRST (&t->watches))) {
            task_unwatch (w);
            w->told (w, t);
        }
        task_unref (&t);
    }
}

static void call (struct tasks *ts)
{
    struct drover_task *t;
    ts->calling = true;
    for (size_t n = ts->n_ready < CALLS_A_TURN ? ts->n_ready : CALLS_A_TURN;
         n > 0 && (t = dequeue (&ts->ready)); n--) {
        ts->n_ready--;
        t->kind->run (t);
        task_unref (&t);
    }
    ts->calling = false;
}

int tasks_serve (drover_t *h, drover_error_t *e)
{
    struct tasks *ts = &h->tasks;
    const drover_event_t *event;
    struct err why = {0};
    int rc;
    if (ts->calling || ts->closing)
        return 0;
    while ((rc = core_next_future (&h->core, &event, &why)) == 1)
        if (event->kind == DROVER_EVENT_RESULT)
            rows_settle (event->batch, event->result);
    struct futures *f, *next;
    for (f = LIST_FIRST (&ts->futures); f; f = next) {
        next = LIST_NEXT (f, link);
        rows_look (f);
    }
    tell (ts);
    if (ts->n_ready) {
        call (ts);
        tell (ts);
    }
    return rc < 0 ? fault_err (e, &why) : 0;
}

bool tasks_have_work (const drover_t *h)
{
    const struct futures *f;
    const struct tasks *ts = &h->tasks;
    if (ts->closing)
        return false;
    if (!STAILQ_EMPTY (&ts->settled) || ts->n_ready || core_has_futures (&h->core))
        return true;
    LIST_FOREACH (f, &ts->futures, link) {
        if (rows_have_work (f))
            return true;
    }
    return false;
}

int tasks_may_wait (const drover_t *h, drover_error_t *e)
{
    if (!h->tasks.calling)
        return 0;
    return fault_set (e, DROVER_EINVAL, "a continuation may not wait, nor take events");
}

void tasks_fini (drover_t *h)
{
    struct tasks *ts = &h->tasks;
    struct drover_task *t;
    ts->closing = true;
    /* first all of them let go of each other, then none is needed any more */
    LIST_FOREACH (t, &ts->all, link) {
        binding_drop_task (t);
        t->kind->fini (t);
    }
    eaches_fini (ts);
    while (!LIST_EMPTY (&ts->futures))
        rows_fini (LIST_FIRST (&ts->futures)->b);
    while (!LIST_EMPTY (&ts->all))
        task_delete (LIST_FIRST (&ts->all));
    shared_drop_all (h);
    buf_fini (&ts->scratch);
}

/* --- waiting ------------------------------------------------------------------------------------
 */

struct waiting {
    bool (*done) (drover_t *h, void *arg);
    void *arg;
    drover_cancel_source_t *stop;
    bool is_done;
};

static bool is_over (drover_t *h, void *arg)
{
    struct waiting *w = arg;
    w->is_done = w->done (h, w->arg);
    return w->is_done || (w->stop && drover_cancel_source_cancelled (w->stop));
}

static int wait_on (drover_t *h, struct waiting *w, int64_t timeout_ms, drover_error_t *why)
{
    int64_t until = handle_until (timeout_ms);
    for (;;) {
        int64_t left = until == CLOCK_NEVER ? -1 : (until - clock_mono_us ()) / US_PER_MS;
        if (handle_wait (h, is_over, w, until != CLOCK_NEVER && left < 0 ? 0 : left, why) == 0)
            return 0;
        if (why->code != DROVER_EINTR)
            return -1;
    }
}

int task_wait_until (drover_t *h, bool (*done) (drover_t *h, void *arg), void *arg,
                     int64_t timeout_ms, drover_cancel_source_t *stop, const char *what,
                     drover_error_t *e)
{
    struct waiting w = {done, arg, stop, false};
    struct binding *woken = NULL;
    drover_error_t why = {0};
    if (done (h, arg))
        return 0;
    if (stop && binding_add_wait (h, stop, &woken, e) != 0)
        return -1;
    int rc = wait_on (h, &w, timeout_ms, &why);
    binding_drop_wait (&woken);
    if (rc == 0 && w.is_done)
        return 0;
    if (rc == 0)
        return fault_set (e, DROVER_ECANCELLED, "the wait was cancelled%s%s",
                          *drover_cancel_source_reason (stop) ? ": " : "",
                          drover_cancel_source_reason (stop));
    if (why.code == DROVER_ETIME)
        return fault_set (e, DROVER_ETIME, "%s in the time given", what);
    if (e)
        *e = why;
    return -1;
}

/* --- public -------------------------------------------------------------------------------------
 */

static bool is_settled (drover_t *h, void *arg)
{
    (void)h;
    return ((const struct drover_task *)arg)->settled;
}

int drover_task_wait (drover_task_t *t, int64_t timeout_ms, drover_cancel_source_t *stop,
                      drover_error_t *e)
{
    return task_wait_until (t->h, is_settled, t, timeout_ms, stop, "the task has not ended", e);
}

int drover_task_settled (const drover_task_t *t)
{
    return t->settled;
}

void drover_task_set_user (drover_task_t *t, void *user)
{
    t->user = user;
}

void *drover_task_user (const drover_task_t *t)
{
    return t->user;
}

int drover_tasks_cancel (drover_task_t *const *tasks, size_t count,
                         const drover_cancel_options_t *options, drover_error_t *e)
{
    struct cancel_run run = CANCEL_RUN (run);
    drover_t *h = NULL;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (!tasks[i])
            continue;
        h = tasks[i]->h;
        if (rows_cancel_add (&run, tasks[i], options, e) != 0)
            rc = -1;
    }
    if (rows_cancel_flush (&run, options, e) != 0)
        rc = -1;
    if (h)
        handle_settle (h);
    return rc;
}

int drover_task_cancel (drover_task_t *t, const drover_cancel_options_t *options, drover_error_t *e)
{
    return drover_tasks_cancel (&t, 1, options, e);
}

void drover_task_free (drover_task_t **tp)
{
    struct drover_task *t = *tp;
    if (!t)
        return;
    *tp = NULL;
    assert (t->held);
    t->held = false;
    struct watch *w, *next;
    for (w = LIST_FIRST (&t->watches); w; w = next) {
        next = LIST_NEXT (w, link);
        if (w->freed)
            w->freed (w);
    }
    task_unref (&t);
}
