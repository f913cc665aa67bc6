#include "client/lib/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/fault.h"
#include "common/base/mem.h"

#define SMALL 2048
#define PINNED_PART 4 /* a kept result may pin a message of that many times its own bytes */

static void show_stream (struct result *r, int i)
{
    struct stream *s = &r->stream[i];
    const void *bytes = s->spilled || !s->len ? NULL : s->bytes;
    uint64_t len = stream_length (s);
    if (i == 0) {
        r->pub.out = bytes;
        r->pub.out_len = len;
    } else {
        r->pub.err = bytes;
        r->pub.err_len = len;
    }
}

static void show_bytes (struct result *r, int i, struct bytes b)
{
    const void *bytes = b.len ? b.ptr : NULL;
    if (i == 0) {
        r->pub.out = bytes;
        r->pub.out_len = b.len;
    } else {
        r->pub.err = bytes;
        r->pub.err_len = b.len;
    }
}

static struct bytes shown (const struct result *r, int i)
{
    return i == 0 ? bytes_of (r->pub.out, r->pub.out ? (size_t)r->pub.out_len : 0)
                  : bytes_of (r->pub.err, r->pub.err ? (size_t)r->pub.err_len : 0);
}

static int fill_output (struct result *r, int i, struct bytes rest, struct err *e)
{
    if (stream_length (&r->stream[i]) == 0) {
        show_bytes (r, i, rest);
        return 0;
    }
    if (stream_append (&r->stream[i], r->store, rest, e) != 0)
        return -1;
    r->streamed[i] = true;
    show_stream (r, i);
    return 0;
}

static void fill_numbers (drover_result_t *pub, const struct outcome *o)
{
    *pub = (drover_result_t){
        .row = o->row,
        .attempt = o->attempt,
        .how = (int)o->how, /* the same numbers on both sides */
        .status = (int)o->status,
        .signal = (int)o->signal,
        .out_bytes = o->out_bytes,
        .err_bytes = o->err_bytes,
        .start_us = o->start_us,
        .wall_us = o->wall_us,
        .user_us = o->user_us,
        .sys_us = o->sys_us,
        .maxrss_kib = o->maxrss_kib,
        .worker = "",
        .host = "",
        .reason = "",
    };
}

/* What is printed in all is at least what is here. */
static void fill_totals (drover_result_t *pub)
{
    if (pub->out_bytes < pub->out_len)
        pub->out_bytes = pub->out_len;
    if (pub->err_bytes < pub->err_len)
        pub->err_bytes = pub->err_len;
}

void result_begin (struct result *r, struct store *store, const struct outcome *o,
                   const struct slice *body)
{
    r->store = store;
    r->origin = body;
    r->filled = 0;
    fill_numbers (&r->pub, o);
    if (o->reason.len) {
        r->reason = mem_strndup ((const char *)o->reason.ptr, o->reason.len);
        r->pub.reason = r->reason;
    }
}

int result_fill (struct result *r, const struct outcome *o, struct err *e)
{
    for (; r->filled < 2; r->filled++)
        if (fill_output (r, r->filled, r->filled ? o->err : o->out, e) != 0)
            return -1;
    fill_totals (&r->pub);
    return 0;
}

void result_fini (struct result *r)
{
    if (r->store) {
        stream_clear (&r->stream[0], r->store);
        stream_clear (&r->stream[1], r->store);
        r->store->memory -= r->counted;
    }
    slice_fini (&r->body);
    result_unref (&r->before);
    free (r->reason);
    free (r->names);
    *r = (struct result){.refs = r->refs};
}

void result_unref (struct result **r)
{
    if (!*r)
        return;
    if (--(*r)->refs == 0) {
        result_fini (*r);
        free (*r);
    }
    *r = NULL;
}

/* Output that fills a good part of its message, or is much, keeps the message; what is little
 * beside it is copied; where memory is short all of it is, which may move it to the file. */
static bool worth_pinning (const struct result *r)
{
    size_t bytes = shown (r, 0).len + shown (r, 1).len;
    return bytes && bytes * PINNED_PART >= r->origin->len &&
           r->store->memory + r->origin->len <= r->store->memory_limit;
}

static int copy_output (struct result *r, int i, struct err *e)
{
    struct bytes b = shown (r, i);
    if (r->streamed[i] || b.len == 0)
        return 0;
    if (stream_append (&r->stream[i], r->store, b, e) != 0)
        return -1;
    r->streamed[i] = true;
    show_stream (r, i);
    return 0;
}

static void own_names (struct result *r)
{
    size_t worker = strlen (r->pub.worker) + 1;
    size_t host = strlen (r->pub.host) + 1;
    r->names = mem_zalloc (worker + host);
    r->pub.worker = memcpy (r->names, r->pub.worker, worker);
    r->pub.host = memcpy (r->names + worker, r->pub.host, host);
}

bool result_is_small (const struct result *r)
{
    return !r->streamed[0] && !r->streamed[1] && r->pub.out_len + r->pub.err_len <= SMALL;
}

int result_stand_alone (struct result *r, struct err *e)
{
    if (r->origin && worth_pinning (r)) {
        r->body = slice_keep (r->origin);
        if (r->body.ptr != r->origin->ptr) { /* it was borrowed, and is a copy now */
            slice_fini (&r->body);
            if (copy_output (r, 0, e) != 0 || copy_output (r, 1, e) != 0)
                return -1;
        } else {
            r->counted = r->body.len;
            r->store->memory += r->counted;
        }
    } else if (copy_output (r, 0, e) != 0 || copy_output (r, 1, e) != 0) {
        return -1;
    }
    own_names (r);
    r->origin = NULL;
    return 0;
}

drover_result_t *drover_result_keep (const drover_result_t *pub)
{
    struct result *r = (struct result *)pub; /* the library's own, const only for the program */
    if (!r->names && result_stand_alone (r, NULL) != 0)
        return NULL;
    r->refs++;
    return &r->pub;
}

void drover_result_free (drover_result_t **pub)
{
    struct result *r = (struct result *)*pub;
    *pub = NULL;
    result_unref (&r);
}

int drover_result_piece (const drover_result_t *pub, int stream, uint64_t offset,
                         drover_bytes_t *piece, drover_error_t *e)
{
    const struct result *r = (const struct result *)pub;
    if (stream != 1 && stream != 2)
        return fault_set (e, DROVER_EINVAL, "a result has streams 1 and 2, not %d", stream);
    struct bytes all = shown (r, stream - 1);
    if (all.len) {
        if (offset >= all.len)
            return 0;
        *piece = (drover_bytes_t){all.ptr + offset, all.len - (size_t)offset};
        return 1;
    }
    struct err why = {0};
    struct bytes view;
    int got = stream_view (&r->stream[stream - 1], r->store, offset, &view, &why);
    if (got == 1)
        *piece = (drover_bytes_t){view.ptr, view.len};
    return got < 0 ? fault_err (e, &why) : got;
}

/* Of a view in a file no more is had at one time than a block of it. */
static int copy_err (struct result *to, const struct result *from)
{
    drover_bytes_t piece;
    uint64_t at = 0;
    int got;
    while ((got = drover_result_piece (&from->pub, 2, at, &piece, NULL)) == 1) {
        if (stream_append (&to->stream[1], to->store, bytes_of (piece.ptr, piece.len), NULL) != 0)
            return -1;
        at += piece.len;
    }
    to->streamed[1] = at != 0;
    show_stream (to, 1);
    return got;
}

struct result *result_brief (const struct result *r)
{
    struct result *brief = mem_zalloc (sizeof *brief);
    brief->refs = 1;
    brief->store = r->store;
    brief->pub = r->pub;
    brief->pub.out = NULL;
    brief->pub.out_len = 0;
    brief->pub.before = NULL;
    if (r->reason) {
        brief->reason = mem_strdup (r->reason);
        brief->pub.reason = brief->reason;
    }
    own_names (brief);
    if (copy_err (brief, r) != 0)
        result_unref (&brief);
    return brief;
}

void result_follow_take (struct result *r, struct result *before)
{
    r->before = before;
    r->pub.before = before ? &before->pub : NULL;
}
