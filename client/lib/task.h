/* task: futures, as their parts see them.
 *
 * A future is made pending, with one reference of the program's, and settles once. Whoever has
 * something to do then watches it; watchers are told from tasks_serve(), never from within the call
 * that settles, so that chains of any length take no stack and no program's code runs in the middle
 * of ours. What runs the program's own functions is queued once more, and run last.
 *
 * References: the program has one (`held`), a row that is on its way has one on its future, a
 * combination on the futures in it, a continuation on the one before it, and while it is pending on
 * itself. All futures are in a list of their handle, and die with it.
 */
#ifndef DROVER_CLIENT_TASK_H
#define DROVER_CLIENT_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "client/drover.h"
#include "client/lib/result.h"
#include "common/base/buf.h"
#include "common/base/hash.h"
#include "common/wire/outcome.h"

struct binding; /* cancel_source.h */
struct futures; /* task_rows.h */
struct packed;
struct names;
struct watch;

/* What differs between futures. */
struct task_kind {
    /* Asked to end, for `o` (first and count are to be ignored); pending. 0 or -1. */
    int (*cancel) (struct drover_task *t, const drover_cancel_options_t *o, drover_error_t *e);
    void (*fini) (struct drover_task *t); /* give back what is beyond struct drover_task */
    void (*run) (struct drover_task *t);  /* queued with task_make_ready(), its time has come */
    bool idle;                            /* where nobody can learn how it settles, it need not */
};

struct drover_task {
    drover_t *h;
    const struct task_kind *kind;
    LIST_ENTRY (drover_task) link;
    STAILQ_ENTRY (drover_task) queue; /* of those that have settled, or are ready */
    TAILQ_ENTRY (drover_task) bound;  /* of the binding */
    struct binding *binding;          /* to a cancel source, or NULL */
    LIST_HEAD (, watch) watches;
    struct packed *packed; /* the result, in little room; or */
    struct result *full;   /* as the program sees it */
    void *user;
    unsigned refs;
    bool held; /* by the program */
    bool settled;
    bool queued;
};

LIST_HEAD (task_list, drover_task);
STAILQ_HEAD (task_queue, drover_task);
TAILQ_HEAD (task_bound, drover_task);

/* Somebody who wants to know when a future settles. */
struct watch {
    LIST_ENTRY (watch) link;
    struct drover_task *on; /* NULL: none, or it was told */
    void (*told) (struct watch *w, struct drover_task *t);
    void (*freed) (struct watch *w); /* the program freed the future; NULL: does not matter */
};

/* What a handle has of all this. */
struct tasks {
    struct task_list all;
    struct task_queue settled; /* watchers are to be told */
    struct task_queue ready;   /* the program's functions are to be called */
    size_t n_ready;
    LIST_HEAD (, futures) futures; /* batches with something to look at */
    LIST_HEAD (, drover_each) eaches;
    size_t untaken;                      /* futures that these have to give */
    struct binding *bindings;            /* uthash by source */
    TAILQ_HEAD (shareds, shared) shared; /* where single tasks go, last used first: task_shared.c */
    size_t n_shared;
    struct names *names; /* uthash */
    struct names *last_names;
    struct buf scratch;
    bool looking; /* bindings_look(): none may go away */
    bool calling; /* a function of the program's runs: it may not wait */
    bool closing;
};

void tasks_init (struct tasks *ts);

/* Free all futures of a handle, pending or not. */
void tasks_fini (drover_t *h);

/* Settle what came, tell whom it concerns, call what is to be called (a bounded number). -1 where a
 * result cannot be kept for want of room on the disk; it is still there for the next call. */
int tasks_serve (drover_t *h, drover_error_t *e);

/* Whether tasks_serve() has something to do. */
bool tasks_have_work (const drover_t *h);

/* A zeroed future begins its life, with the reference of the program. */
void task_init (struct drover_task *t, drover_t *h, const struct task_kind *kind);

struct drover_task *task_ref (struct drover_task *t);
void task_unref (struct drover_task **t);

/* Settle; a future that has settled stays as it is. From a result of the core, which may be kept; a
 * copy of another future's; or in words of our own. */
void task_settle_result (struct drover_task *t, const drover_result_t *r);
void task_settle_as (struct drover_task *t, const struct drover_task *other);
void task_settle_own (struct drover_task *t, enum outcome_how how, unsigned status, uint64_t row,
                      const char *reason);

/* How it ended. */
enum outcome_how task_how (const struct drover_task *t);

/* Watch one that is pending, or has settled: then `told` is called by the next tasks_serve(). */
void task_watch (struct drover_task *t, struct watch *w);
void task_unwatch (struct watch *w);

/* Have kind->run() called by tasks_serve(). */
void task_make_ready (struct drover_task *t);

/* Turns until `done (h, arg)`, or `stop` is cancelled; `what` has not come to pass otherwise. As
 * drover_task_wait(). */
int task_wait_until (drover_t *h, bool (*done) (drover_t *h, void *arg), void *arg,
                     int64_t timeout_ms, drover_cancel_source_t *stop, const char *what,
                     drover_error_t *e);

/* 0, or -1: a continuation calls what waits. */
int tasks_may_wait (const drover_t *h, drover_error_t *e);

#endif
