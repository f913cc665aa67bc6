/* Outcomes are packed into the shared page, so that a crash loses none of them, and leave in one
 * RESULTS when there are many, when they have waited a millisecond, or when there is nothing more
 * to do. A row costs a claim, a reading of the clock, the call, and its outcome: no system call.
 */
#include "worker/exec/function.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/wire/outcome.h"
#include "worker/exec/executor.h"
#include "worker/exec/spec.h"
#include "worker/exec/values.h"

#define FLUSH_BYTES (32u << 10)
#define FLUSH_US 1000
#define SLOW_US 200 /* a row that took this long is worth a system call */

/* --- the built-in functions ------------------------------------------------------------------- */

static int fail (struct call *call, const char *reason)
{
    call->reason = bytes_str (reason);
    return 1;
}

static int echo (struct call *call)
{
    if (call->count)
        call->result = call->values[0];
    return 0;
}

/* Seconds as decimal text, to nanoseconds; -1 when it is none. */
static int parse_seconds (struct bytes text, struct timespec *t)
{
    long unit = 100000000;
    bool digits = false, point = false;
    *t = (struct timespec){0};
    for (size_t i = 0; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (text.ptr[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (digit < 0 || digit > 9 || t->tv_sec > 1000000000)
            return -1;
        digits = true;
        if (point) {
            t->tv_nsec += digit * unit;
            unit /= 10;
        } else {
            t->tv_sec = t->tv_sec * 10 + digit;
        }
    }
    return digits ? 0 : -1;
}

static int sleep_for (struct call *call)
{
    struct timespec t;
    if (!call->count || parse_seconds (call->values[0], &t))
        return fail (call, "drover:sleep wants a number of seconds");
    while (nanosleep (&t, &t) && errno == EINTR)
        ;
    return 0;
}

static const struct {
    const char *name;
    function_fn *fn;
} table[] = {
    {"drover:echo", echo},
    {"drover:sleep", sleep_for},
};

#define TABLE_SIZE (sizeof table / sizeof *table)

function_fn *function_find (struct bytes name)
{
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (bytes_equal (name, bytes_str (table[i].name)))
            return table[i].fn;
    return NULL;
}

const char *const *executor_functions (void)
{
    static const char *const names[] = {"drover:echo", "drover:sleep", NULL};
    _Static_assert(sizeof names / sizeof *names == TABLE_SIZE + 1, "every function has its name");
    return names;
}

bool call_cancelled (const struct call *call)
{
    return control_cancelled (call->control);
}

/* --- serving ---------------------------------------------------------------------------------- */

struct server {
    struct framing *stream;
    struct control *control;
    struct specs *specs;
    struct buf area;       /* over the page's memory: never grown, never freed */
    uint64_t area_batch;   /* whose outcomes are in it, */
    uint64_t area_count;   /* how many, */
    int64_t area_since_us; /* and when the first came */
    uint64_t runs;         /* RUN messages that came */
    struct values values;
    int64_t wall_less_mono_us;
    int64_t now_us;
};

/* What a row is run with. */
struct target {
    uint64_t batch, first, attempt;
    function_fn *fn;
    struct err missing; /* why there is none */
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

/* More than a message should carry with an outcome goes before it. */
static int send_large (struct server *s, const struct target *t, struct outcome *o)
{
    struct bytes left = o->out;
    uint64_t offset = 0;
    struct buf packed;
    while (left.len > WIRE_PIECE_MAX) {
        struct wire w = {.kind = WIRE_OUTPUT};
        w.m.output = (struct msg_output){
            .batch = t->batch, .row = o->row, .attempt = o->attempt, .stream = 1, .offset = offset};
        w.body[0] = slice_borrowed (left.ptr, WIRE_PIECE_MAX);
        if (framing_post (s->stream, &w, NULL) || framing_flush_all (s->stream, NULL))
            return -1;
        offset += WIRE_PIECE_MAX;
        left = bytes_of (left.ptr + WIRE_PIECE_MAX, left.len - WIRE_PIECE_MAX);
    }
    o->out = left;
    buf_init (&packed, WIRE_FRAME_MAX);
    outcome_pack (&packed, o);
    int rc =
        packed.failed ? -1 : post_results (s, t->batch, 1, bytes_of (packed.bytes, packed.len));
    buf_fini (&packed);
    return rc;
}

static int add_outcome (struct server *s, const struct target *t, struct outcome *o)
{
    if (s->area_count &&
        (s->area_batch != t->batch || s->area.len >= FLUSH_BYTES ||
         s->now_us - s->area_since_us >= FLUSH_US) &&
        flush_area (s))
        return -1;
    size_t before = s->area.len;
    outcome_pack (&s->area, o);
    if (s->area.failed) {
        s->area.len = before;
        s->area.failed = false;
        return flush_area (s) ? -1 : send_large (s, t, o);
    }
    if (s->area_count++ == 0) {
        s->area_batch = t->batch;
        s->area_since_us = s->now_us;
    }
    control_results_packed (s->control, s->area.len);
    return o->wall_us >= SLOW_US ? flush_area (s) : 0;
}

static int run_row (struct server *s, const struct target *t, struct bytes body, size_t *at,
                    uint64_t place)
{
    int64_t start_us = s->now_us;
    int status = 1;
    int bad = values_read (&s->values, body, at);
    struct call call = {.values = s->values.v, .count = s->values.count, .control = s->control};
    if (bad)
        fail (&call, "the row is no list of values");
    else if (!t->fn)
        call.reason = bytes_str (t->missing.text);
    else
        status = t->fn (&call);
    s->now_us = clock_mono_us ();
    struct outcome o = {
        .row = t->first + place,
        .attempt = t->attempt,
        .how = status ? OUTCOME_FAILED : OUTCOME_DONE,
        .status = status ? (t->fn ? (unsigned)status & 0xff : 127) : 0,
        .out = call.result,
        .start_us = (uint64_t)(start_us + s->wall_less_mono_us),
        .wall_us = (uint64_t)(s->now_us - start_us),
        .out_bytes = call.result.len,
        .reason = call.reason,
    };
    if (status && !o.status)
        o.status = 255;
    return add_outcome (s, t, &o);
}

static void aim (struct server *s, const struct msg_run *run, struct target *t)
{
    const struct spec *spec = specs_get (s->specs, run->batch, run->spec);
    *t = (struct target){.batch = run->batch, .first = run->first, .attempt = run->attempt};
    if (!spec)
        err_set (&t->missing, ENOENT, "the executor was not sent this spec");
    else if (spec->broken.code)
        t->missing = spec->broken;
    else if (spec->w.m.spec.form != FORM_FUNCTION)
        err_set (&t->missing, EINVAL, "a command in an executor of functions");
    else if (!(t->fn = function_find (spec->function)))
        err_set (&t->missing, ENOENT, "no function %.*s here", (int)spec->function.len,
                 (const char *)spec->function.ptr);
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
    s->now_us = clock_mono_us ();
    s->wall_less_mono_us = clock_wall_us () - s->now_us;
    while (rc == 0 && (place = control_claim (s->control, run, s->now_us)) >= 0)
        rc = run_row (s, &t, body, &at, (uint64_t)place);
    control_rest (s->control);
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
    *over = EXECUTOR_FAULT;
    return rc;
}

int function_serve (struct framing *stream, struct control *control)
{
    struct server s = {.stream = stream, .control = control, .specs = specs_new ()};
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
    specs_free (&s.specs);
    values_fini (&s.values);
    return over;
}
