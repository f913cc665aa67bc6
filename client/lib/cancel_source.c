#include "client/lib/cancel_source.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/lib/fault.h"
#include "client/lib/task_rows.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define REASON_MAX 200

enum source_state {
    SOURCE_OPEN,
    SOURCE_TAKEN, /* somebody writes the reason */
    SOURCE_CANCELLED,
};

struct drover_cancel_source {
    _Atomic unsigned refs;
    _Atomic int state;  /* enum source_state */
    _Atomic int64_t at; /* when it cancels itself, or CLOCK_NEVER */
    int timer_fd;       /* readable once it is cancelled, by hand or by time */
    int fd;             /* the same, or an epoll set of that and those of all before it */
    struct drover_cancel_source *parent;
    char reason[REASON_MAX + 1];
};

struct binding {
    UT_hash_handle hh;
    struct drover_cancel_source *source;
    drover_t *h;
    struct task_bound tasks;
    LIST_HEAD (, drover_batch) batches;
    unsigned waits;
    bool fired;
};

/* --- sources ------------------------------------------------------------------------------------
 */

static void source_unref (struct drover_cancel_source *s)
{
    if (!s || atomic_fetch_sub (&s->refs, 1) > 1)
        return;
    if (s->fd >= 0 && s->fd != s->timer_fd)
        close (s->fd);
    if (s->timer_fd >= 0)
        close (s->timer_fd);
    source_unref (s->parent);
    free (s);
}

static void set_timer (const struct drover_cancel_source *s, int64_t us)
{
    struct itimerspec when = {0};
    if (us > 0) {
        when.it_value.tv_sec = us / US_PER_S;
        when.it_value.tv_nsec = us % US_PER_S * 1000;
    }
    timerfd_settime (s->timer_fd, 0, &when, NULL);
}

/* Epoll sets may be nested a few deep only: so each source watches all before it itself. */
static int watch_all (struct drover_cancel_source *s, drover_error_t *e)
{
    struct epoll_event ev = {.events = EPOLLIN};
    const struct drover_cancel_source *of = s;
    s->fd = epoll_create1 (EPOLL_CLOEXEC);
    while (s->fd >= 0 && of && epoll_ctl (s->fd, EPOLL_CTL_ADD, of->timer_fd, &ev) == 0)
        of = of->parent;
    if (s->fd >= 0 && !of)
        return 0;
    return fault_set (e, DROVER_ESYSTEM, "cannot make a cancel source: %s", strerror (errno));
}

drover_cancel_source_t *drover_cancel_source_new (drover_cancel_source_t *parent, drover_error_t *e)
{
    struct drover_cancel_source *s = mem_zalloc (sizeof *s);
    atomic_init (&s->refs, 1);
    atomic_init (&s->state, SOURCE_OPEN);
    atomic_init (&s->at, CLOCK_NEVER);
    s->fd = s->timer_fd = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (s->timer_fd < 0) {
        fault_set (e, DROVER_ESYSTEM, "cannot make a cancel source: %s", strerror (errno));
        goto out;
    }
    if (!parent)
        return s;
    atomic_fetch_add (&parent->refs, 1);
    s->parent = parent;
    if (watch_all (s, e) == 0)
        return s;
out:
    source_unref (s);
    return NULL;
}

void drover_cancel_source_free (drover_cancel_source_t **s)
{
    source_unref (*s);
    *s = NULL;
}

/* Only what a signal handler may call. */
void drover_cancel_source_cancel (drover_cancel_source_t *s, const char *reason)
{
    int open = SOURCE_OPEN;
    int before = errno;
    if (!atomic_compare_exchange_strong (&s->state, &open, SOURCE_TAKEN))
        return;
    for (size_t i = 0; reason && reason[i] && i < REASON_MAX; i++)
        s->reason[i] = reason[i];
    atomic_store (&s->state, SOURCE_CANCELLED);
    struct itimerspec now = {.it_value.tv_nsec = 1};
    timerfd_settime (s->timer_fd, 0, &now, NULL);
    errno = before;
}

void drover_cancel_source_cancel_after (drover_cancel_source_t *s, int64_t timeout_ms)
{
    int64_t at = handle_until (timeout_ms);
    int64_t left = at == CLOCK_NEVER ? 0 : timeout_ms * US_PER_MS;
    atomic_store (&s->at, at);
    set_timer (s, at == CLOCK_NEVER || left > 0 ? left : 1);
    if (atomic_load (&s->state) != SOURCE_OPEN) /* it was cancelled meanwhile, and stays readable */
        set_timer (s, 1);
}

int drover_cancel_source_cancelled (const drover_cancel_source_t *cs)
{
    struct drover_cancel_source *s = (struct drover_cancel_source *)cs; /* time cancels it, too */
    int state = atomic_load (&s->state);
    if (state == SOURCE_OPEN && s->parent && drover_cancel_source_cancelled (s->parent))
        drover_cancel_source_cancel (s, drover_cancel_source_reason (s->parent));
    else if (state == SOURCE_OPEN && atomic_load (&s->at) != CLOCK_NEVER &&
             clock_mono_us () >= atomic_load (&s->at))
        drover_cancel_source_cancel (s, "the time is over");
    return atomic_load (&s->state) == SOURCE_CANCELLED;
}

const char *drover_cancel_source_reason (const drover_cancel_source_t *s)
{
    return drover_cancel_source_cancelled (s) ? s->reason : "";
}

int drover_cancel_source_fd (const drover_cancel_source_t *s)
{
    return s->fd;
}

/* --- bindings -----------------------------------------------------------------------------------
 */

static void stop_watching (struct binding *b)
{
    if (!b->fired)
        epoll_ctl (b->h->epoll_fd, EPOLL_CTL_DEL, b->source->fd, NULL);
}

static bool is_empty (const struct binding *b)
{
    return TAILQ_EMPTY (&b->tasks) && LIST_EMPTY (&b->batches) && b->waits == 0;
}

static void release (struct binding *b)
{
    if (!is_empty (b) || b->h->tasks.looking)
        return;
    stop_watching (b);
    HASH_DEL (b->h->tasks.bindings, b);
    source_unref (b->source);
    free (b);
}

static struct binding *binding_of (drover_t *h, struct drover_cancel_source *source,
                                   drover_error_t *e)
{
    struct epoll_event ev = {.events = EPOLLIN};
    struct binding *b;
    HASH_FIND_PTR (h->tasks.bindings, &source, b);
    if (b)
        return b;
    if (epoll_ctl (h->epoll_fd, EPOLL_CTL_ADD, source->fd, &ev) != 0) {
        fault_set (e, DROVER_ESYSTEM, "cannot watch a cancel source: %s", strerror (errno));
        return NULL;
    }
    b = mem_zalloc (sizeof *b);
    b->h = h;
    b->source = source;
    atomic_fetch_add (&source->refs, 1);
    TAILQ_INIT (&b->tasks);
    LIST_INIT (&b->batches);
    HASH_ADD_PTR (h->tasks.bindings, source, b);
    return b;
}

int binding_add_task (struct drover_task *t, drover_cancel_source_t *cancel, drover_error_t *e)
{
    if (!cancel)
        return 0;
    struct binding *b = binding_of (t->h, cancel, e);
    if (!b)
        return -1;
    t->binding = b;
    TAILQ_INSERT_TAIL (&b->tasks, t, bound);
    return 0;
}

void binding_drop_task (struct drover_task *t)
{
    struct binding *b = t->binding;
    if (!b)
        return;
    t->binding = NULL;
    TAILQ_REMOVE (&b->tasks, t, bound);
    release (b);
}

int binding_add_batch (struct drover_batch *batch, drover_cancel_source_t *cancel,
                       drover_error_t *e)
{
    if (!cancel)
        return 0;
    struct binding *b = binding_of (batch->h, cancel, e);
    if (!b)
        return -1;
    batch->binding = b;
    LIST_INSERT_HEAD (&b->batches, batch, bound);
    return 0;
}

void binding_drop_batch (struct drover_batch *batch)
{
    struct binding *b = batch->binding;
    if (!b)
        return;
    batch->binding = NULL;
    LIST_REMOVE (batch, bound);
    release (b);
}

int binding_add_wait (drover_t *h, drover_cancel_source_t *cancel, struct binding **to,
                      drover_error_t *e)
{
    *to = binding_of (h, cancel, e);
    if (!*to)
        return -1;
    (*to)->waits++;
    return 0;
}

void binding_drop_wait (struct binding **b)
{
    if (!*b)
        return;
    (*b)->waits--;
    release (*b);
    *b = NULL;
}

static void cancel_tasks (struct binding *b, const drover_cancel_options_t *o)
{
    struct cancel_run run = CANCEL_RUN (run);
    struct drover_task *t;
    while ((t = TAILQ_FIRST (&b->tasks))) {
        binding_drop_task (t);
        rows_cancel_add (&run, t, o, NULL);
    }
    rows_cancel_flush (&run, o, NULL);
}

static void cancel_batches (struct binding *b, const drover_cancel_options_t *o)
{
    struct drover_batch *batch;
    while ((batch = LIST_FIRST (&b->batches))) {
        binding_drop_batch (batch);
        handle_cancel (batch, o, NULL);
    }
}

static void fire (struct binding *b)
{
    drover_cancel_options_t o = {.reason = drover_cancel_source_reason (b->source)};
    stop_watching (b);
    b->fired = true;
    cancel_tasks (b, &o);
    cancel_batches (b, &o);
}

void bindings_look (drover_t *h)
{
    struct binding *b, *next;
    if (!h->tasks.bindings || h->tasks.closing)
        return;
    h->tasks.looking = true; /* so that none goes away under our hands */
    for (b = h->tasks.bindings; b; b = b->hh.next)
        if (!b->fired && drover_cancel_source_cancelled (b->source))
            fire (b);
    h->tasks.looking = false;
    HASH_ITER (hh, h->tasks.bindings, b, next)
        release (b);
}
