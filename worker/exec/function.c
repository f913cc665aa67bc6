/* Outcomes are packed into the shared page, so that a crash loses none of them, and leave in one
 * RESULTS when there are many, when they have waited a millisecond, or when there is nothing more
 * to do. A row costs a claim, a reading of the clock, the call, and its outcome: no system call.
 */
#include "worker/exec/function.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/wire/outcome.h"
#include "worker/exec/call.h"
#include "worker/exec/executor.h"
#include "worker/exec/house.h"
#include "worker/exec/spec.h"
#include "worker/exec/worn.h"

#define FLUSH_BYTES (32u << 10)
#define FLUSH_US 1000
#define SLOW_US 200 /* a row that took this long is worth a system call */

struct server {
    struct framing *stream;
    struct control *control;
    struct specs *specs;
    struct buf area;       /* over the page's memory: never grown, never freed */
    uint64_t area_batch;   /* whose outcomes are in it, */
    uint64_t area_count;   /* how many, */
    int64_t area_since_us; /* and when the first came */
    uint64_t runs;         /* RUN messages that came */
    struct modules *modules;
    struct call call;
    struct house house;
    struct worn worn;
    struct rusage usage;  /* when it was asked for last, ... */
    int64_t uncounted_us; /* ... and time of the rows since then that took no time */
    int64_t wall_less_mono_us;
    int64_t now_us;
};

/* What the rows of a run are run with. */
struct target {
    struct call_row row; /* of the first */
    uint64_t timeout_ms;
    drover_function_t *fn;
    struct err missing; /* why there is none */
    bool stale;         /* it is to be loaded anew, by another process */
};

static int post_results (struct server *s, uint64_t batch, uint64_t count, struct bytes body)
{
    struct wire w = {.kind = WIRE_RESULTS};
    w.m.results = (struct msg_results){
        .batch = batch, .record = control_results_record (s->control), .count = count};
    w.body[0] = slice_borrowed (body.ptr, body.len);
    control_rest (s->control); /* waiting for the agent is no row's time */
    if (framing_post (s->stream, &w, NULL) || framing_flush_all (s->stream, NULL))
        return -1;
    control_results_sent (s->control);
    return 0;
}

static int flush_area (struct server *s)
{
    if (!s->area_count)
        return 0;
    if (post_results (s, s->area_batch, s->area_count, bytes_of (s->area.bytes, s->area.len)))
        return -1;
    buf_clear (&s->area);
    s->area_count = 0;
    return 0;
}

/* Too large for the page: in a message of its own. */
static int send_alone (struct server *s, uint64_t batch, const struct outcome *o)
{
    struct buf packed;
    buf_init (&packed, WIRE_FRAME_MAX);
    outcome_pack (&packed, o);
    int rc = packed.failed ? -1 : post_results (s, batch, 1, bytes_of (packed.bytes, packed.len));
    buf_fini (&packed);
    return rc;
}

/* Packed also where the stream turns out to be broken: then the agent finds it in the page. */
static int add_outcome (struct server *s, uint64_t batch, const struct outcome *o)
{
    int rc = 0;
    if (s->area_count && (s->area_batch != batch || s->area.len >= FLUSH_BYTES ||
                          s->now_us - s->area_since_us >= FLUSH_US))
        rc = flush_area (s);
    if (rc && s->area_batch != batch)
        return -1;
    size_t before = s->area.len;
    outcome_pack (&s->area, o);
    if (s->area.failed) {
        s->area.len = before;
        s->area.failed = false;
        return rc || flush_area (s) ? -1 : send_alone (s, batch, o);
    }
    if (s->area_count++ == 0) {
        s->area_batch = batch;
        s->area_since_us = s->now_us;
    }
    control_results_packed (s->control, s->area.len);
    return rc || (o->wall_us >= SLOW_US && flush_area (s)) ? -1 : 0;
}

/* The task's exit status. */
static unsigned call_function (struct server *s, const struct target *t, struct bytes body,
                               size_t *at)
{
    drover_call_t *call = &s->call.base;
    if (values_read (&s->call.values, body, at))
        return (unsigned)drover_call_fail (call, "the row is no list of values");
    if (!t->fn) {
        drover_call_fail (call, t->missing.text);
        return 127;
    }
    int status = t->fn (call);
    call_original_only (&s->call);
    if (status == 0)
        s->call.reason.text[0] = 0;
    return status == 0 ? 0 : status & 0xff ? (unsigned)status & 0xff : 255;
}

static uint64_t micros (struct timeval t)
{
    return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_usec;
}

/* What is left of a difference when `*less` of it is somebody else's. */
static uint64_t own_part (struct timeval now, struct timeval before, uint64_t *less)
{
    uint64_t all = micros (now) - micros (before);
    uint64_t taken = all < *less ? all : *less;
    *less -= taken;
    return all - taken;
}

/* Processor time of a row, and the memory of its process. To ask costs a system call, so short rows
 * tell none; what they took is taken off the next row that does. */
static void measure (struct server *s, struct outcome *o)
{
    struct rusage before = s->usage;
    uint64_t others = (uint64_t)s->uncounted_us;
    if (o->wall_us < SLOW_US) {
        s->uncounted_us += (int64_t)o->wall_us;
        return;
    }
    getrusage (RUSAGE_SELF, &s->usage);
    s->uncounted_us = 0;
    o->user_us = own_part (s->usage.ru_utime, before.ru_utime, &others);
    o->sys_us = own_part (s->usage.ru_stime, before.ru_stime, &others);
    o->maxrss_kib = (uint64_t)s->usage.ru_maxrss;
}

static int run_row (struct server *s, const struct target *t, struct bytes body, size_t *at,
                    uint64_t place)
{
    int64_t start_us = s->now_us;
    struct call_row row = t->row;
    row.row += place;
    row.deadline_us = t->timeout_ms ? start_us + (int64_t)t->timeout_ms * US_PER_MS : CLOCK_NEVER;
    call_begin (&s->call, &row);
    unsigned status = call_function (s, t, body, at);
    s->now_us = clock_mono_us ();
    struct outcome o = {
        .row = row.row,
        .attempt = row.attempt,
        .how = !status                          ? OUTCOME_DONE
               : control_cancelled (s->control) ? OUTCOME_CANCELLED
                                                : OUTCOME_FAILED,
        .status = status,
        .start_us = (uint64_t)(start_us + s->wall_less_mono_us),
        .wall_us = (uint64_t)(s->now_us - start_us),
    };
    measure (s, &o);
    s->worn.calls++;
    return call_end (&s->call, &o) ? -1 : add_outcome (s, row.batch, &o);
}

static void aim (struct server *s, const struct msg_run *run, struct target *t)
{
    const struct spec *spec = specs_get (s->specs, run->batch, run->spec);
    *t = (struct target){
        .row = {
            .batch = run->batch, .row = run->first, .attempt = run->attempt, .slot = run->slot}};
    if (!spec) {
        err_set (&t->missing, ENOENT, "the executor was not sent this spec");
        return;
    }
    t->timeout_ms = spec->w.m.spec.timeout_ms;
    t->row.keep_bytes = spec->w.m.spec.keep_bytes;
    if (spec->broken.code)
        t->missing = spec->broken;
    else if (spec->w.m.spec.form != FORM_FUNCTION)
        err_set (&t->missing, EINVAL, "a command in an executor of functions");
    else if (modules_stale (s->modules, spec->function))
        t->stale = true;
    else
        t->fn = modules_find (s->modules, spec->function, &t->missing);
}

static int run_rows (struct server *s, const struct wire *w)
{
    struct bytes body = bytes_of (w->body[0].ptr, w->body[0].len);
    struct target t;
    size_t at = 0;
    uint64_t run = s->runs++;
    int64_t place;
    int rc = 0;
    aim (s, &w->m.run, &t);
    if (t.stale)
        return -1;
    getrusage (RUSAGE_SELF, &s->usage); /* a module was loaded, perhaps */
    s->uncounted_us = 0;
    s->now_us = clock_mono_us ();
    s->wall_less_mono_us = clock_wall_us () - s->now_us;
    while (rc == 0 && (place = control_claim (s->control, run, s->now_us)) >= 0)
        rc = run_row (s, &t, body, &at, (uint64_t)place);
    control_rest (s->control);
    house_tidy (&s->house);
    if (worn_out (&s->worn, s->now_us))
        control_say_spent (s->control);
    if (rc == 0 && place < -1) { /* a function did that */
        flush_area (s);
        rc = -1;
    }
    return rc;
}

static int handle (struct server *s, struct wire *w)
{
    switch (w->kind) {
    case WIRE_SPEC:
        specs_put_take (s->specs, w);
        return 0;
    case WIRE_FORGET:
        specs_forget (s->specs, w->m.forget.batch);
        return 0;
    case WIRE_RUN:
        return run_rows (s, w);
    default: /* what is for commands */
        return 0;
    }
}

/* Everything that is there. 0, or -1 with the exit status in *over. */
static int handle_all (struct server *s, int *over)
{
    struct wire_frames frames;
    struct wire w;
    int rc;
    while ((rc = framing_next (s->stream, &frames, NULL)) > 0) {
        rc = wire_decode (&w, &frames, NULL, NULL);
        wire_frames_fini (&frames);
        if (rc)
            break;
        rc = handle (s, &w);
        wire_fini (&w);
        if (rc) {
            *over = EXECUTOR_OVER;
            return -1;
        }
    }
    if (rc)
        *over = EXECUTOR_FAULT;
    return rc;
}

int function_serve (struct framing *stream, struct control *control, const struct module_path *path,
                    const struct worn_limits *limits)
{
    struct server s = {
        .stream = stream, .control = control, .specs = specs_new (), .modules = modules_new (path)};
    s.worn.limits = *limits;
    call_init (&s.call, stream, control);
    house_init (&s.house);
    int over = EXECUTOR_OVER;
    s.area = (struct buf){
        .bytes = control_results (control), .size = CONTROL_RESULTS, .limit = CONTROL_RESULTS};
    for (;;) {
        struct pollfd p = {.fd = framing_fd (stream), .events = POLLIN};
        int rc = framing_fill (stream, NULL);
        if (rc < 0)
            break;
        if (rc > 0) {
            if (handle_all (&s, &over))
                break;
            continue;
        }
        if (flush_area (&s))
            break;
        if (poll (&p, 1, -1) < 0 && errno != EINTR)
            break;
    }
    if (over == EXECUTOR_OVER) /* a function has closed what it should not, or was built again */
        control_say_cut (control);
    specs_free (&s.specs);
    house_fini (&s.house);
    call_fini (&s.call);
    modules_free (&s.modules);
    return over;
}
