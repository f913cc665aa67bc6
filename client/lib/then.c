/* then: continuations, that call a function or run a spec when the task before has ended. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/cancel_source.h"
#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "client/lib/spec.h"
#include "client/lib/task_rows.h"
#include "common/base/mem.h"

struct then {
    struct drover_task t;
    struct drover_task *self;   /* a reference, while it is pending: it has work to do */
    struct drover_task *before; /* a reference, until it was looked at */
    struct watch on_before;
    struct drover_task *inner; /* begun: settles as this one; a reference, as a program has it */
    struct watch on_inner;
    drover_then_fn *fn; /* or, if NULL, */
    struct drover_spec *spec;
    void *arg;
    unsigned flags; /* enum drover_then_flag */
};

static struct then *then_at (struct watch *w, size_t offset)
{
    return (struct then *)(void *)((char *)w - offset);
}

/* It has settled: nothing before or within it is needed any more. */
static void finish (struct then *w)
{
    task_unwatch (&w->on_before);
    task_unref (&w->before);
    task_unwatch (&w->on_inner);
    drover_task_free (&w->inner);
    task_unref (&w->self);
}

static void fail (struct then *w, unsigned status, const char *why)
{
    task_settle_own (&w->t, OUTCOME_FAILED, status, 0, why);
    finish (w);
}

static void inner_told (struct watch *watch, struct drover_task *t)
{
    struct then *w = then_at (watch, offsetof (struct then, on_inner));
    task_settle_as (&w->t, t);
    finish (w);
}

/* Settle as another; takes the program's reference to it. */
static void follow_take (struct then *w, struct drover_task *inner)
{
    w->inner = inner;
    if (inner == &w->t || inner->h != w->t.h) {
        fail (w, 1, "the continuation went on with what it may not: itself, or a task elsewhere");
        return;
    }
    w->on_inner.told = inner_told;
    task_watch (inner, &w->on_inner);
}

/* --- a spec -------------------------------------------------------------------------------------
 */

/* Whole, and not longer than a value may be. */
static int check_output (const drover_result_t *r, drover_error_t *e)
{
    if (r->out_bytes > r->out_len)
        return fault_set (e, DROVER_ETOOBIG,
                          "%" PRIu64 " of the %" PRIu64
                          " bytes of the output of the task before were not kept",
                          r->out_bytes - r->out_len, r->out_bytes);
    if (r->out_len > WIRE_ROW_MAX)
        return fault_set (e, DROVER_ETOOBIG,
                          "the output of the task before is %" PRIu64
                          " bytes long, more than a value may have (%u)",
                          r->out_len, WIRE_ROW_MAX);
    return 0;
}

/* All output of a result, in `room` where it is in a file. */
static int output_of (const drover_result_t *r, struct buf *room, drover_bytes_t *out,
                      drover_error_t *e)
{
    drover_bytes_t piece;
    uint64_t at = 0;
    int rc;
    if (check_output (r, e) != 0)
        return -1;
    *out = (drover_bytes_t){r->out, r->out ? (size_t)r->out_len : 0};
    if (r->out)
        return 0;
    while ((rc = drover_result_piece (r, 1, at, &piece, e)) == 1) {
        if (buf_append (room, piece.ptr, piece.len) != 0)
            return fault_set (e, DROVER_ENOMEM, "no memory for the output of the task before");
        at += piece.len;
    }
    *out = (drover_bytes_t){room->bytes, room->len};
    return rc;
}

static bool takes_output (const struct drover_spec *s)
{
    return s->m.form != FORM_ARGV || s->m.flags & SPEC_ROW_INPUT;
}

/* As the shell has it in $(...), a line on a command line is without its end. */
static void cut_newline (const struct drover_spec *s, drover_bytes_t *out)
{
    const char *bytes = out->ptr;
    if (s->m.form == FORM_SHELL && !(s->m.flags & SPEC_ROW_INPUT) && out->len &&
        bytes[out->len - 1] == '\n')
        out->len--;
}

static void run_spec (struct then *w)
{
    struct buf room;
    drover_bytes_t value = {NULL, 0};
    drover_error_t why = {0};
    struct drover_task *inner = NULL;
    bool takes = takes_output (w->spec);
    buf_init (&room, WIRE_ROW_MAX);
    if (!takes || output_of (drover_task_result (w->before), &room, &value, &why) == 0) {
        cut_newline (w->spec, &value);
        inner = drover_task_run (w->t.h, w->spec, &value, takes ? 1 : 0, NULL, &why);
    }
    buf_fini (&room);
    if (inner)
        follow_take (w, inner);
    else
        fail (w, 126, why.text);
}

/* --- a function ---------------------------------------------------------------------------------
 */

static void call_fn (struct drover_task *t)
{
    struct then *w = (struct then *)t;
    drover_task_t *next = NULL;
    char why[80];
    int rc = w->fn (drover_task_result (w->before), &next, w->arg);
    if (rc != 0 || t->settled)
        drover_task_free (&next);
    if (t->settled) /* it cancelled itself */
        return;
    if (next) {
        follow_take (w, next);
    } else if (rc == 0) {
        task_settle_own (t, OUTCOME_DONE, 0, 0, "");
        finish (w);
    } else {
        snprintf (why, sizeof why, "the continuation returned %d", rc);
        fail (w, rc > 0 && rc < 256 ? (unsigned)rc : 255, why);
    }
}

/* --- both ---------------------------------------------------------------------------------------
 */

static bool is_wanted (const struct then *w, enum outcome_how how)
{
    if (w->flags & DROVER_THEN_ALWAYS)
        return true;
    return (how == OUTCOME_DONE) == !(w->flags & DROVER_THEN_NOT_DONE);
}

static void before_told (struct watch *watch, struct drover_task *t)
{
    struct then *w = then_at (watch, offsetof (struct then, on_before));
    enum outcome_how how = task_how (t);
    char why[80];
    if (is_wanted (w, how)) {
        if (w->fn)
            task_make_ready (&w->t);
        else
            run_spec (w);
        return;
    }
    snprintf (why, sizeof why, "the task before it is %s", outcome_name (how));
    task_settle_own (&w->t, OUTCOME_SKIPPED, 0, 0, why);
    finish (w);
}

static int then_cancel (struct drover_task *t, const drover_cancel_options_t *o, drover_error_t *e)
{
    struct then *w = (struct then *)t;
    if (w->inner)
        return drover_task_cancel (w->inner, o, e);
    task_settle_own (t, OUTCOME_CANCELLED, 0, 0, o && o->reason ? o->reason : "");
    finish (w);
    return 0;
}

static void then_fini (struct drover_task *t)
{
    struct then *w = (struct then *)t;
    finish (w);
    drover_spec_free (&w->spec);
}

static const struct task_kind THEN = {.cancel = then_cancel, .fini = then_fini, .run = call_fn};

static struct then *then_new (drover_task_t *before, unsigned flags, drover_cancel_source_t *cancel,
                              drover_error_t *e)
{
    struct then *w = mem_zalloc (sizeof *w);
    task_init (&w->t, before->h, &THEN);
    w->flags = flags;
    if (cancel && drover_cancel_source_cancelled (cancel)) {
        task_settle_own (&w->t, OUTCOME_CANCELLED, 0, 0, drover_cancel_source_reason (cancel));
        return w;
    }
    if (binding_add_task (&w->t, cancel, e) != 0) {
        struct drover_task *t = &w->t;
        task_unref (&t);
        return NULL;
    }
    w->self = task_ref (&w->t);
    w->before = task_ref (before);
    w->on_before.told = before_told;
    task_watch (before, &w->on_before);
    return w;
}

drover_task_t *drover_then_call (drover_task_t *t, drover_then_fn *fn, void *arg, unsigned flags,
                                 drover_cancel_source_t *cancel, drover_error_t *e)
{
    struct then *w = then_new (t, flags, cancel, e);
    if (!w)
        return NULL;
    w->fn = fn;
    w->arg = arg;
    handle_settle (t->h);
    return &w->t;
}

drover_task_t *drover_then (drover_task_t *t, const drover_spec_t *s, unsigned flags,
                            drover_cancel_source_t *cancel, drover_error_t *e)
{
    if (s->failed || s->m.flags & (SPEC_LIVE_OUTPUT | SPEC_LIVE_INPUT)) {
        fault_set (e, DROVER_EINVAL,
                   "a continuation cannot have live input or output, nor an empty command");
        return NULL;
    }
    struct then *w = then_new (t, flags, cancel, e);
    if (!w)
        return NULL;
    w->spec = spec_copy (s);
    handle_settle (t->h);
    return &w->t;
}
