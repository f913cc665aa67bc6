#include "client/lib/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "common/base/mem.h"

struct edge { /* from a future to the combination it is in */
    struct watch w;
    struct when *to;
    struct drover_task *on; /* a reference, until it settled */
};

struct when {
    struct drover_task t;
    bool successes; /* counts those that are done, not those that settled */
    uint64_t wanted;
    uint64_t count;
    uint64_t settled;
    uint64_t done;
    struct edge edges[];
};

/* --- combinations -------------------------------------------------------------------------------
 */

/* Long-lived futures may be in many combinations, one after the other: those that are over are to
 * leave nothing with them. */
static void leave (struct when *w)
{
    for (uint64_t i = 0; i < w->count; i++) {
        task_unwatch (&w->edges[i].w);
        task_unref (&w->edges[i].on);
    }
}

/* `row` settled last. */
static void decide (struct when *w, uint64_t row)
{
    char why[120] = "";
    uint64_t good = w->successes ? w->wanted : w->settled;
    uint64_t left = w->count - w->settled;
    bool holds = (w->successes ? w->done : w->settled) >= w->wanted;
    bool hopeless = w->successes && w->done + left < w->wanted;
    if (w->t.settled || (!holds && !hopeless))
        return;
    if (w->done < good)
        snprintf (why, sizeof why, "%" PRIu64 " of %" PRIu64 " tasks that ended are done", w->done,
                  w->settled);
    task_settle_own (&w->t, w->done < good ? OUTCOME_FAILED : OUTCOME_DONE, w->done < good, row,
                     why);
    leave (w);
}

static void count (struct when *w, uint64_t row, const struct drover_task *t)
{
    if (w->t.settled)
        return;
    w->settled++;
    w->done += task_how (t) == OUTCOME_DONE;
    decide (w, row);
}

static void on_settled (struct watch *watch, struct drover_task *t)
{
    struct edge *edge = (struct edge *)watch;
    struct when *w = edge->to;
    struct drover_task *self = task_ref (&w->t); /* may be the last thing that needs it */
    count (w, (uint64_t)(edge - w->edges), t);
    task_unref (&edge->on);
    task_unref (&self);
}

static int when_cancel (struct drover_task *t, const drover_cancel_options_t *o, drover_error_t *e)
{
    struct when *w = (struct when *)t;
    (void)e;
    task_settle_own (t, OUTCOME_CANCELLED, 1, w->count, o && o->reason ? o->reason : "");
    leave (w);
    return 0;
}

static void when_fini (struct drover_task *t)
{
    leave ((struct when *)t);
}

static const struct task_kind WHEN = {.cancel = when_cancel, .fini = when_fini};

static int check (drover_task_t *const *tasks, size_t n, drover_error_t *e)
{
    if (n == 0)
        return fault_set (e, DROVER_EINVAL, "there is no task to wait for");
    for (size_t i = 0; i < n; i++)
        if (!tasks[i] || tasks[i]->h != tasks[0]->h)
            return fault_set (e, DROVER_EINVAL, "task %zu is %s", i,
                              tasks[i] ? "of another handle" : "NULL");
    return 0;
}

/* How many are wanted; 0 with an error. */
static uint64_t wanted (int condition, uint64_t n, uint64_t of, drover_error_t *e)
{
    bool percent = condition == DROVER_WAIT_PERCENT;
    if (condition == DROVER_WAIT_ALL)
        return of;
    if (condition < 0 || condition > DROVER_WAIT_PERCENT) {
        fault_set (e, DROVER_EINVAL, "there is no condition %d of tasks", condition);
        return 0;
    }
    if (n == 0 || n > (percent ? 100 : of)) {
        fault_set (e, DROVER_EINVAL, "%" PRIu64 "%s of %" PRIu64 " tasks cannot be waited for", n,
                   percent ? " percent" : "", of);
        return 0;
    }
    return percent ? of / 100 * n + (of % 100 * n + 99) / 100 : n;
}

static void watch_all (struct when *w, drover_task_t *const *tasks)
{
    for (uint64_t i = 0; i < w->count; i++) {
        struct edge *edge = &w->edges[i];
        if (w->t.settled)
            return;
        if (tasks[i]->settled) {
            count (w, i, tasks[i]);
            continue;
        }
        edge->to = w;
        edge->on = task_ref (tasks[i]);
        edge->w.told = on_settled;
        task_watch (tasks[i], &edge->w);
    }
}

drover_task_t *drover_when (drover_task_t *const *tasks, size_t n_tasks, int condition, uint64_t n,
                            drover_error_t *e)
{
    if (check (tasks, n_tasks, e) != 0)
        return NULL;
    uint64_t want = wanted (condition, n, n_tasks, e);
    if (!want)
        return NULL;
    struct when *w = calloc (1, sizeof *w + n_tasks * sizeof *w->edges);
    if (!w) {
        fault_set (e, DROVER_ENOMEM, "no memory to wait for %zu tasks", n_tasks);
        return NULL;
    }
    task_init (&w->t, tasks[0]->h, &WHEN);
    w->successes = condition == DROVER_WAIT_SUCCESSES;
    w->wanted = want;
    w->count = n_tasks;
    watch_all (w, tasks);
    return &w->t;
}

drover_task_t *drover_when_all (drover_task_t *const *tasks, size_t n_tasks, drover_error_t *e)
{
    return drover_when (tasks, n_tasks, DROVER_WAIT_ALL, 0, e);
}

drover_task_t *drover_when_any (drover_task_t *const *tasks, size_t n_tasks, drover_error_t *e)
{
    return drover_when (tasks, n_tasks, DROVER_WAIT_COUNT, 1, e);
}

drover_task_t *drover_when_success (drover_task_t *const *tasks, size_t n_tasks, drover_error_t *e)
{
    return drover_when (tasks, n_tasks, DROVER_WAIT_SUCCESSES, 1, e);
}

int drover_tasks_wait (drover_task_t *const *tasks, size_t n_tasks, int condition, uint64_t n,
                       int64_t timeout_ms, drover_cancel_source_t *stop, size_t *which,
                       drover_error_t *e)
{
    drover_task_t *t = drover_when (tasks, n_tasks, condition, n, e);
    if (!t)
        return -1;
    const struct when *w = (const struct when *)t;
    int rc = drover_task_wait (t, timeout_ms, stop, e);
    if (rc == 0) {
        const drover_result_t *r = drover_task_result (t);
        rc = w->successes && r->how != DROVER_DONE;
        if (which)
            *which = (size_t)r->row;
    }
    drover_task_free (&t);
    return rc;
}

/* --- as they settle -----------------------------------------------------------------------------
 */

struct pick { /* one future of a drover_each_t */
    struct watch w;
    LIST_ENTRY (pick) link;
    STAILQ_ENTRY (pick) queue;
    struct drover_each *each;
    struct drover_task *t; /* a reference, once it has settled */
};

struct drover_each {
    drover_t *h;
    LIST_ENTRY (drover_each) link;
    LIST_HEAD (, pick) all;
    STAILQ_HEAD (, pick) settled;
};

static void drop (struct pick *s)
{
    task_unwatch (&s->w);
    task_unref (&s->t);
    LIST_REMOVE (s, link);
    free (s);
}

static void each_told (struct watch *w, struct drover_task *t)
{
    struct pick *s = (struct pick *)w;
    s->t = task_ref (t);
    STAILQ_INSERT_TAIL (&s->each->settled, s, queue);
    s->each->h->tasks.untaken++;
}

static void each_freed (struct watch *w)
{
    drop ((struct pick *)w);
}

drover_each_t *drover_when_each (drover_t *h, drover_task_t *const *tasks, size_t n_tasks,
                                 drover_error_t *e)
{
    struct drover_each *each = mem_zalloc (sizeof *each);
    each->h = h;
    LIST_INIT (&each->all);
    STAILQ_INIT (&each->settled);
    LIST_INSERT_HEAD (&h->tasks.eaches, each, link);
    for (size_t i = 0; i < n_tasks && each; i++)
        if (drover_each_add (each, tasks[i], e) != 0)
            drover_each_free (&each);
    return each;
}

int drover_each_add (drover_each_t *each, drover_task_t *t, drover_error_t *e)
{
    if (!t || t->h != each->h)
        return fault_set (e, DROVER_EINVAL, "the task is %s", t ? "of another handle" : "NULL");
    struct pick *s = mem_zalloc (sizeof *s);
    s->each = each;
    s->w.told = each_told;
    s->w.freed = each_freed;
    LIST_INSERT_HEAD (&each->all, s, link);
    task_watch (t, &s->w);
    if (t->settled)
        handle_settle (t->h);
    return 0;
}

/* The first that has settled and is still somebody's, or NULL. */
static struct pick *first (struct drover_each *each)
{
    struct pick *s;
    while ((s = STAILQ_FIRST (&each->settled)) && !s->t->held) {
        STAILQ_REMOVE_HEAD (&each->settled, queue);
        each->h->tasks.untaken--;
        drop (s);
    }
    return s;
}

static bool has_next (drover_t *h, void *arg)
{
    struct drover_each *each = arg;
    (void)h;
    return first (each) || LIST_EMPTY (&each->all);
}

int drover_each_next (drover_each_t *each, int64_t timeout_ms, drover_cancel_source_t *stop,
                      drover_task_t **t, drover_error_t *e)
{
    if (task_wait_until (each->h, has_next, each, timeout_ms, stop, "no task has ended", e) != 0)
        return -1;
    struct pick *s = first (each);
    if (!s)
        return 0;
    STAILQ_REMOVE_HEAD (&each->settled, queue);
    each->h->tasks.untaken--;
    *t = s->t;
    drop (s); /* its owner has another reference */
    if (!each->h->tasks.untaken)
        handle_settle (each->h);
    return 1;
}

void drover_each_free (drover_each_t **ep)
{
    struct drover_each *each = *ep;
    struct pick *s;
    if (!each)
        return;
    *ep = NULL;
    while ((s = STAILQ_FIRST (&each->settled))) {
        STAILQ_REMOVE_HEAD (&each->settled, queue);
        each->h->tasks.untaken--;
        drop (s);
    }
    while ((s = LIST_FIRST (&each->all)))
        drop (s);
    LIST_REMOVE (each, link);
    handle_settle (each->h);
    free (each);
}

void eaches_fini (struct tasks *ts)
{
    struct drover_each *each;
    while ((each = LIST_FIRST (&ts->eaches)))
        drover_each_free (&each);
}
