#include "worker/exec/call.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/wire/wire.h"

static struct call *own (drover_call_t *call)
{
    return (struct call *)call;
}

static const struct call *own_const (const drover_call_t *call)
{
    return (const struct call *)call;
}

/* --- what it is given ------------------------------------------------------------------------- */

static size_t count (const drover_call_t *call)
{
    return own_const (call)->values.count;
}

static const void *value (const drover_call_t *call, size_t i, size_t *len)
{
    const struct values *v = &own_const (call)->values;
    struct bytes b = i < v->count ? v->v[i] : (struct bytes){0};
    if (len)
        *len = b.len;
    return i < v->count && !b.len ? "" : (const void *)b.ptr;
}

static char *copy_text (struct bytes b)
{
    char *text = b.len && memchr (b.ptr, 0, b.len) ? NULL : malloc (b.len + 1);
    if (!text)
        return NULL;
    if (b.len)
        memcpy (text, b.ptr, b.len);
    text[b.len] = 0;
    return text;
}

static const char *text (drover_call_t *call, size_t i)
{
    struct call *c = own (call);
    if (i >= c->values.count)
        return NULL;
    if (!c->texts) {
        c->texts = calloc (c->values.count, sizeof *c->texts);
        if (!c->texts)
            return NULL;
        c->n_texts = c->values.count;
    }
    if (!c->texts[i])
        c->texts[i] = copy_text (c->values.v[i]);
    return c->texts[i];
}

static int cancelled (const drover_call_t *call)
{
    return control_cancelled (own_const (call)->control);
}

static int64_t left_ms (const struct call_row *row)
{
    int64_t left_us = row->deadline_us - clock_mono_us ();
    if (row->deadline_us == CLOCK_NEVER)
        return -1;
    return left_us > 0 ? left_us / US_PER_MS : 0;
}

static int64_t number (const drover_call_t *call, enum drover_number which)
{
    const struct call_row *row = &own_const (call)->row;
    switch (which) {
    case DROVER_NUMBER_ROW:
        return (int64_t)row->row;
    case DROVER_NUMBER_ATTEMPT:
        return (int64_t)row->attempt;
    case DROVER_NUMBER_SLOT:
        return (int64_t)row->slot;
    case DROVER_NUMBER_LEFT_MS:
        return left_ms (row);
    default:
        return -1;
    }
}

/* --- what it says ----------------------------------------------------------------------------- */

void call_original_only (const struct call *c)
{
    if (c->original && !*c->original)
        _exit (0);
}

/* Send a piece of a stream when more than `over` bytes of it wait: 1, 0 when there is none, -1 when
 * the agent is gone. */
static int send_piece (struct call *c, struct capture *cap, size_t over, bool ended)
{
    struct wire w;
    if (c->broken)
        return -1;
    if (!capture_output (cap, over, ended, &w))
        return 0;
    w.m.output.batch = c->row.batch;
    w.m.output.row = c->row.row;
    w.m.output.attempt = c->row.attempt;
    w.m.output.stream = cap == &c->out ? DROVER_STREAM_OUT : DROVER_STREAM_ERR;
    c->broken = framing_post (c->stream, &w, NULL) || framing_flush_all (c->stream, NULL);
    capture_sent (cap, w.body[0].len);
    return c->broken ? -1 : 1;
}

static int say (drover_call_t *call, enum drover_stream stream, const void *bytes, size_t len)
{
    struct call *c = own (call);
    struct capture *cap = stream == DROVER_STREAM_ERR ? &c->err : &c->out;
    const uint8_t *at = bytes;
    call_original_only (c);
    while (len && !c->broken) {
        size_t taken = capture_put (cap, at, len);
        at += taken;
        len -= taken;
        if (len)
            send_piece (c, cap, 0, false);
    }
    return c->broken ? -1 : 0;
}

static void fail (drover_call_t *call, const char *reason)
{
    err_set (&own (call)->reason, 0, "%s", reason ? reason : "");
}

static void progress (drover_call_t *call, uint64_t done, uint64_t total)
{
    control_say_progress (own (call)->control, done, total);
}

static const struct drover_call_table table = {
    .size = sizeof table,
    .count = count,
    .value = value,
    .text = text,
    .write = say,
    .fail = fail,
    .cancelled = cancelled,
    .number = number,
    .progress = progress,
};

/* --- row after row ---------------------------------------------------------------------------- */

/* NULL where the system cannot: then copies are not told apart. */
static uint8_t *mark_original (void)
{
    size_t size = (size_t)sysconf (_SC_PAGESIZE);
    uint8_t *mark = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark == MAP_FAILED)
        return NULL;
    if (madvise (mark, size, MADV_WIPEONFORK)) {
        munmap (mark, size);
        return NULL;
    }
    *mark = 1;
    return mark;
}

void call_init (struct call *c, struct framing *stream, struct control *control)
{
    *c = (struct call){.base.table = &table, .stream = stream, .control = control};
    c->original = mark_original ();
    capture_init (&c->out);
    capture_init (&c->err);
}

static void drop_texts (struct call *c)
{
    for (size_t i = 0; i < c->n_texts; i++)
        free (c->texts[i]);
    free (c->texts);
    c->texts = NULL;
    c->n_texts = 0;
}

void call_fini (struct call *c)
{
    drop_texts (c);
    if (c->original)
        munmap (c->original, (size_t)sysconf (_SC_PAGESIZE));
    values_fini (&c->values);
    capture_fini (&c->out);
    capture_fini (&c->err);
}

void call_begin (struct call *c, const struct call_row *row)
{
    drop_texts (c);
    c->base.table = &table; /* for the next one, if this one was written over */
    c->row = *row;
    c->reason.text[0] = 0;
    capture_start (&c->out, -1, row->keep_bytes);
    capture_start (&c->err, -1, row->keep_bytes);
}

/* Bring a stream down to one piece for the outcome. */
static int send_rest (struct call *c, struct capture *cap, struct bytes *rest)
{
    while (send_piece (c, cap, CAPTURE_SEND, true) > 0)
        ;
    while (!capture_rest (cap, rest))
        if (send_piece (c, cap, 0, true) < 0)
            return -1;
    return c->broken ? -1 : 0;
}

int call_end (struct call *c, struct outcome *o)
{
    if (send_rest (c, &c->out, &o->out) || send_rest (c, &c->err, &o->err))
        return -1;
    o->out_bytes = c->out.total;
    o->err_bytes = c->err.total;
    if (!c->reason.text[0] && (capture_cut (&c->out) || capture_cut (&c->err)))
        err_set (&c->reason, 0, "output cut");
    o->reason = bytes_str (c->reason.text);
    return 0;
}
