/* request_api: what can be asked of the broker, with and without waiting for the answer. */
#include <stddef.h>
#include <string.h>

#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "client/lib/pipeline.h"
#include "common/base/clock.h"

#define PAIRS_MAX 64
#define PRIORITY_USUAL 50

static uint64_t ask (drover_t *h, struct wire *w, uint64_t handle, drover_error_t *e)
{
    struct err why = {0};
    core_flush (&h->core);
    uint64_t ref = core_ask (&h->core, w, handle, &why);
    if (!ref) {
        if (handle_alive (h, e) == 0)
            fault_err (e, &why);
        return 0;
    }
    handle_send (h);
    handle_settle (h);
    return ref;
}

static struct wire cancel_message (const drover_cancel_options_t *options)
{
    static const drover_cancel_options_t all;
    const drover_cancel_options_t *o = options ? options : &all;
    struct wire w = {.kind = WIRE_CANCEL};
    w.m.cancel.first = o->first;
    w.m.cancel.count = o->count;
    w.m.cancel.grace_ms = o->grace_ms;
    w.m.cancel.kill = o->kill != 0;
    w.m.cancel.unstarted = o->unstarted != 0;
    w.m.cancel.reason = bytes_str (o->reason);
    return w;
}

/* Where the broker has not taken the batch yet, it has nothing to cancel. */
static int cancel_unopened (drover_batch_t *b, const drover_cancel_options_t *o, drover_error_t *e)
{
    if (!opening_waits (&b->b.opening))
        return 0;
    if (o && o->count)
        return fault_set (e, DROVER_EBUSY, "the broker has not taken the batch yet");
    core_cancel_unopened (&b->h->core, &b->b, o && o->reason ? o->reason : "");
    return 0;
}

int handle_cancel_stage (drover_batch_t *b, const drover_cancel_options_t *o, drover_error_t *e)
{
    struct wire w = cancel_message (o);
    struct err why = {0};
    w.m.cancel.batch = b->b.handle;
    if (cancel_unopened (b, o, e) != 0)
        return -1;
    if (b->b.over)
        return 0;
    if (core_tell (&b->h->core, &w, b->b.handle, &why) != 0)
        return handle_alive (b->h, e) != 0 ? -1 : fault_err (e, &why);
    handle_send (b->h);
    handle_settle (b->h);
    return 0;
}

static bool is_head (const drover_batch_t *b)
{
    return b->pipe && b->stage == 0;
}

int handle_cancel (drover_batch_t *b, const drover_cancel_options_t *o, drover_error_t *e)
{
    drover_batch_t *stage;
    int rc = 0;
    if (!is_head (b))
        return handle_cancel_stage (b, o, e);
    if (pipeline_stop (b->pipe, o, e) != 0)
        return -1;
    for (unsigned s = 0; (stage = pipeline_stage (b->pipe, s)); s++)
        if (handle_cancel_stage (stage, o, e) != 0)
            rc = -1;
    return rc;
}

/* 1 with *ref; 0: the batch is over; -1. */
static int ask_cancel (drover_batch_t *b, const drover_cancel_options_t *o, uint64_t *ref,
                       drover_error_t *e)
{
    struct wire w = cancel_message (o);
    w.m.cancel.batch = b->b.handle;
    if (cancel_unopened (b, o, e) != 0)
        return -1;
    if (b->b.over)
        return 0;
    *ref = ask (b->h, &w, b->b.handle, e);
    return *ref ? 1 : -1;
}

/* How many refs; -1. */
static int ask_cancel_stages (drover_batch_t *head, const drover_cancel_options_t *o,
                              uint64_t *refs, drover_error_t *e)
{
    drover_batch_t *b;
    int count = 0;
    if (pipeline_stop (head->pipe, o, e) != 0)
        return -1;
    for (unsigned s = 0; (b = pipeline_stage (head->pipe, s)); s++) {
        int rc = ask_cancel (b, o, &refs[count], e);
        if (rc < 0) {
            while (count > 0)
                core_drop (&head->h->core, refs[--count], false);
            return -1;
        }
        count += rc;
    }
    return count;
}

uint64_t drover_batch_cancel (drover_batch_t *b, const drover_cancel_options_t *options,
                              drover_error_t *e)
{
    uint64_t refs[DROVER_STAGES_MAX];
    int count =
        is_head (b) ? ask_cancel_stages (b, options, refs, e) : ask_cancel (b, options, refs, e);
    if (count < 0)
        return 0;
    if (count == 1)
        return refs[0];
    if (count > 1)
        return core_join (&b->h->core, refs, (size_t)count);
    uint64_t ref = core_answer (&b->h->core, WIRE_OK, "the batch is over");
    handle_settle (b->h);
    return ref;
}

uint64_t drover_cancel (drover_t *h, uint64_t id, const drover_cancel_options_t *options,
                        drover_error_t *e)
{
    struct wire w = cancel_message (options);
    w.m.cancel.id = id;
    return ask (h, &w, 0, e);
}

uint64_t drover_wait (drover_t *h, uint64_t id, int condition, uint64_t n, drover_error_t *e)
{
    struct wire w = {.kind = WIRE_WAIT};
    w.m.wait.id = id;
    w.m.wait.condition = (uint64_t)condition;
    w.m.wait.n = n;
    return ask (h, &w, 0, e);
}

uint64_t drover_query (drover_t *h, int what, uint64_t id, uint64_t first, uint64_t count,
                       const char *filter, drover_error_t *e)
{
    struct wire w = {.kind = WIRE_QUERY};
    w.m.query.what = (uint64_t)what;
    w.m.query.id = id;
    w.m.query.first = first;
    w.m.query.count = count;
    w.m.query.filter = bytes_str (filter);
    return ask (h, &w, 0, e);
}

uint64_t drover_drain_worker (drover_t *h, const char *name, drover_error_t *e)
{
    struct wire w = {.kind = WIRE_DRAIN};
    w.m.drain.name = bytes_str (name);
    if (!w.m.drain.name.len) /* that would be the broker */
        return fault_set (e, DROVER_EUNKNOWN, "a worker without a name"), 0;
    return ask (h, &w, 0, e);
}

uint64_t drover_drain_broker (drover_t *h, drover_error_t *e)
{
    struct wire w = {.kind = WIRE_DRAIN};
    if (h->private)
        return fault_set (e, DROVER_EINVAL, "a private broker ends with its handle"), 0;
    return ask (h, &w, 0, e);
}

uint64_t drover_retry (drover_t *h, uint64_t id, uint64_t first, uint64_t count, unsigned hows,
                       drover_error_t *e)
{
    struct wire w = {.kind = WIRE_RETRY};
    w.m.retry.id = id;
    w.m.retry.first = first;
    w.m.retry.count = count;
    w.m.retry.hows = hows;
    return ask (h, &w, 0, e);
}

uint64_t drover_forget (drover_t *h, uint64_t id, drover_error_t *e)
{
    struct wire w = {.kind = WIRE_REMOVE};
    w.m.remove.id = id;
    return ask (h, &w, 0, e);
}

uint64_t drover_set (drover_t *h, uint64_t id, const drover_set_options_t *options,
                     drover_error_t *e)
{
    struct wire w = {.kind = WIRE_SET};
    if (!options->changes) {
        fault_set (e, DROVER_EINVAL, "nothing is to be changed");
        return 0;
    }
    w.m.set.id = id;
    w.m.set.changes = options->changes;
    w.m.set.jobs = options->jobs;
    w.m.set.priority = options->priority ? options->priority : PRIORITY_USUAL;
    w.m.set.deadline_ms = options->deadline_ms;
    w.m.set.name = bytes_str (options->name);
    return ask (h, &w, 0, e);
}

uint64_t drover_peek (drover_t *h, uint64_t id, uint64_t row, const drover_peek_t *from, int wait,
                      drover_error_t *e)
{
    struct wire w = {.kind = WIRE_PEEK};
    w.m.peek.batch = id;
    w.m.peek.row = row;
    w.m.peek.attempt = from ? from->attempt : 0;
    w.m.peek.out_at = from ? from->out_at : 0;
    w.m.peek.err_at = from ? from->err_at : 0;
    w.m.peek.wait = wait != 0;
    return ask (h, &w, 0, e);
}

void drover_drop (drover_t *h, uint64_t ref)
{
    core_drop (&h->core, ref, true);
    handle_send (h);
    handle_settle (h);
}

int drover_reply_record (const drover_event_t *event, size_t *at, drover_pair_t *pairs, size_t max)
{
    const struct core *c =
        (const struct core *)((const char *)event - offsetof (struct core, event));
    return core_reply_record (c, at, pairs, max);
}

struct answer { /* a reply that is waited for */
    uint64_t ref;
    const drover_event_t *event;
};

static bool answered (drover_t *h, void *arg)
{
    struct answer *a = arg;
    return core_take_reply (&h->core, a->ref, &a->event) == 1;
}

/* The records of a reply: 0, or what the callback stopped with. */
static int read_records (const drover_event_t *event, drover_record_fn *fn, void *arg)
{
    drover_pair_t pairs[PAIRS_MAX];
    size_t at = 0;
    int count;
    int rc = 0;
    while (fn && rc == 0 && (count = drover_reply_record (event, &at, pairs, PAIRS_MAX)) >= 0)
        rc = fn (pairs, (size_t)count, arg);
    return rc;
}

static int one_reply (drover_t *h, struct answer *a, int64_t timeout_ms, drover_error_t *e)
{
    drover_error_t why = {0};
    if (handle_wait (h, answered, a, timeout_ms, &why) == 0)
        return 0;
    if (why.code == DROVER_ETIME || why.code == DROVER_EINTR)
        drover_drop (h, a->ref);
    if (e)
        *e = why;
    return -1;
}

int drover_await (drover_t *h, uint64_t ref, int64_t timeout_ms, drover_record_fn *fn, void *arg,
                  uint64_t *value, drover_error_t *e)
{
    struct answer a = {ref, NULL};
    int64_t until = handle_until (timeout_ms);
    if (!ref)
        return fault_set (e, DROVER_EINVAL, "there is no request 0");
    do {
        int64_t left = until == CLOCK_NEVER ? -1 : (until - clock_mono_us ()) / US_PER_MS;
        if (one_reply (h, &a, until != CLOCK_NEVER && left < 0 ? 0 : left, e) != 0)
            return -1;
        if (read_records (a.event, fn, arg) != 0) {
            drover_drop (h, ref);
            return fault_set (e, DROVER_ESTOPPED, "stopped by the caller");
        }
    } while (a.event->reply->more);
    if (value)
        *value = a.event->reply->value;
    if (a.event->reply->code == DROVER_OK)
        return 0;
    return fault_set (e, (enum drover_code)a.event->reply->code, "%s",
                      a.event->reply->text[0] ? a.event->reply->text : "refused by the broker");
}

drover_bytes_t drover_pair_find (const drover_pair_t *pairs, size_t count, const char *name)
{
    size_t len = strlen (name);
    for (size_t i = 0; i < count; i++)
        if (pairs[i].name.len == len && memcmp (pairs[i].name.ptr, name, len) == 0)
            return pairs[i].value;
    return (drover_bytes_t){NULL, 0};
}

uint64_t drover_pair_number (const drover_pair_t *pairs, size_t count, const char *name,
                             uint64_t otherwise)
{
    drover_bytes_t v = drover_pair_find (pairs, count, name);
    const char *digit = v.ptr;
    uint64_t number = 0;
    if (v.len == 0 || v.len > 20)
        return otherwise;
    for (size_t i = 0; i < v.len; i++) {
        unsigned d = (unsigned)(unsigned char)digit[i] - '0';
        if (d > 9 || number > (UINT64_MAX - d) / 10)
            return otherwise;
        number = number * 10 + d;
    }
    return number;
}

static bool synced (drover_t *h, void *arg)
{
    (void)arg;
    return core_idle (&h->core);
}

int drover_sync (drover_t *h, int64_t timeout_ms, drover_error_t *e)
{
    return handle_wait (h, synced, NULL, timeout_ms, e);
}

struct ping {
    uint64_t stamp;
};

static bool ponged (drover_t *h, void *arg)
{
    const struct ping *p = arg;
    return session_pong (h->core.session) == p->stamp;
}

int drover_ping (drover_t *h, int64_t timeout_ms, int64_t *rtt_us, drover_error_t *e)
{
    int64_t now = clock_mono_us ();
    struct ping p = {(uint64_t)now};
    if (handle_alive (h, e) != 0)
        return -1;
    session_ping (h->core.session, now, p.stamp);
    if (handle_wait (h, ponged, &p, timeout_ms, e) != 0)
        return -1;
    if (rtt_us)
        *rtt_us = clock_mono_us () - now;
    return 0;
}
