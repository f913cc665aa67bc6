/* loops: a batch in one call. Built on the public functions, but for one thing: events of other
 * batches wait while this one runs. */
#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "common/base/clock.h"

struct running { /* a batch that is run to its end */
    drover_t *h;
    drover_batch_t *b;
    drover_result_fn *fn;
    void *arg;
    bool stopped;
    bool ended;
    bool all_done;
    drover_error_t why; /* code 0: nothing went wrong */
};

/* Cancel without waiting for the answer: END says it. */
static void cancel (struct running *r, const char *reason)
{
    drover_cancel_options_t o = {.reason = reason};
    handle_cancel (r->b, &o, NULL);
}

static void stop (struct running *r)
{
    if (r->stopped)
        return;
    r->stopped = true;
    fault_set (&r->why, DROVER_ESTOPPED, "stopped by the caller");
    cancel (r, "stopped by the caller");
}

static void on_event (struct running *r, const drover_event_t *event)
{
    switch (event->kind) {
    case DROVER_EVENT_RESULT:
        if (r->fn && !r->stopped && r->fn (event->result, r->arg) != 0)
            stop (r);
        break;
    case DROVER_EVENT_REFUSED:
        r->why = *event->refused;
        break;
    case DROVER_EVENT_END:
        r->ended = true;
        r->all_done = event->end->done == event->end->total;
        if (event->end->state == DROVER_BATCH_BROKEN && !r->why.code)
            fault_set (&r->why, DROVER_ELOST, "%s", event->end->reason);
        break;
    default:
        break;
    }
}

/* Take what there is of our batch. 0, -1. */
static int take (struct running *r, drover_error_t *e)
{
    const drover_event_t *event;
    struct err why = {0};
    int rc = 0;
    while (!r->ended && (rc = core_next (&r->h->core, &r->b->b, &event, &why)) == 1)
        on_event (r, event);
    return rc < 0 ? fault_err (e, &why) : 0;
}

static bool has_event (drover_t *h, void *arg)
{
    const struct running *r = arg;
    return core_has_events (&h->core, &r->b->b);
}

/* Wait until there is something of our batch, and take it. Signal handlers of the program do not
 * end the wait: it can stop from its callbacks. */
static int serve (struct running *r, drover_error_t *e)
{
    drover_error_t why = {0};
    while (handle_wait (r->h, has_event, r, -1, &why) != 0) {
        if (why.code == DROVER_EINTR)
            continue;
        if (e)
            *e = why;
        return -1;
    }
    return take (r, e);
}

static int finish (struct running *r, int rc, drover_error_t *e)
{
    while (rc == 0 && !r->ended)
        rc = serve (r, e);
    if (!r->ended)
        cancel (r, "its client failed");
    drover_batch_free (&r->b);
    handle_settle (r->h);
    if (rc != 0)
        return -1;
    if (!r->why.code)
        return r->all_done ? 0 : 1;
    if (e)
        *e = r->why;
    return -1;
}

static int begin (struct running *r, drover_t *h, const drover_batch_options_t *options,
                  unsigned flags, drover_error_t *e)
{
    drover_batch_options_t o = {0};
    if (options)
        o = *options;
    o.flags |= flags;
    r->h = h;
    r->b = drover_batch_open (h, &o, e);
    return r->b ? 0 : -1;
}

static int feed (struct running *r, int spec, drover_value_fn *next, drover_error_t *e)
{
    drover_bytes_t value;
    while (!r->stopped && !r->ended) {
        if (drover_batch_room (r->b) == 0) {
            if (serve (r, e) != 0)
                return -1;
            continue;
        }
        int got = next (drover_batch_rows (r->b), &value, r->arg);
        if (got < 0)
            stop (r);
        if (got <= 0)
            break;
        if (drover_batch_add (r->b, spec, &value, 1, e) < 0)
            return -1;
        if (take (r, e) != 0)
            return -1;
    }
    return r->stopped || r->ended ? 0 : drover_batch_close (r->b, e);
}

int drover_foreach (drover_t *h, const drover_spec_t *s, const drover_batch_options_t *options,
                    drover_value_fn *next, drover_result_fn *fn, void *arg, drover_error_t *e)
{
    struct running r = {.fn = fn, .arg = arg};
    if (begin (&r, h, options, 0, e) != 0)
        return -1;
    int spec = drover_batch_add_spec (r.b, s, e);
    return finish (&r, spec < 0 ? -1 : feed (&r, spec, next, e), e);
}

int drover_foreach_compare (drover_t *h, const drover_spec_t *s,
                            const drover_batch_options_t *options, drover_value_fn *next,
                            drover_result_fn *fn, void *arg, drover_comparison_t *c,
                            drover_error_t *e)
{
    drover_batch_options_t o = {0};
    int64_t start = clock_mono_us ();
    int rc = drover_foreach (h, s, options, next, fn, arg, e);
    *c = (drover_comparison_t){.parallel_us = (uint64_t)(clock_mono_us () - start)};
    if (rc < 0)
        return -1;
    if (options)
        o = *options;
    o.jobs = 1;
    o.key = NULL; /* it would be the same batch */
    start = clock_mono_us ();
    c->sequential = drover_foreach (h, s, &o, next, NULL, arg, e);
    if (c->sequential < 0)
        return -1;
    c->sequential_us = (uint64_t)(clock_mono_us () - start);
    return rc;
}

static int keep_result (const drover_result_t *result, void *arg)
{
    drover_result_t **kept = arg;
    *kept = drover_result_keep (result);
    return 0;
}

int drover_run (drover_t *h, const drover_spec_t *s, const drover_batch_options_t *options,
                const drover_bytes_t *values, size_t count, drover_result_t **result,
                drover_error_t *e)
{
    struct running r = {.fn = result ? keep_result : NULL, .arg = result};
    if (result)
        *result = NULL;
    if (begin (&r, h, options, 0, e) != 0)
        return -1;
    int spec = drover_batch_add_spec (r.b, s, e);
    int rc = spec < 0 || drover_batch_add (r.b, spec, values, count, e) < 0 ||
                     drover_batch_close (r.b, e) != 0
                 ? -1
                 : 0;
    return finish (&r, rc, e);
}

int drover_invoke (drover_t *h, const drover_spec_t *const *specs, size_t count,
                   const drover_batch_options_t *options, drover_result_fn *fn, void *arg,
                   drover_error_t *e)
{
    struct running r = {.fn = fn, .arg = arg};
    int rc = 0;
    if (begin (&r, h, options, DROVER_EACH_SPEC, e) != 0)
        return -1;
    for (size_t i = 0; i < count && rc == 0; i++) {
        int spec = drover_batch_add_spec (r.b, specs[i], e);
        if (spec < 0 || drover_batch_add (r.b, spec, NULL, 0, e) < 0)
            rc = -1;
    }
    if (rc == 0)
        rc = drover_batch_close (r.b, e);
    return finish (&r, rc, e);
}
