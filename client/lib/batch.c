#include "client/lib/batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "client/lib/unsent.h"
#include "common/base/mem.h"
#include "common/wire/content.h"
#include "common/wire/rows.h"

#define VALUE_HEAD 5 /* bytes of the longest MessagePack head of an array or a bin */

struct input {
    uint64_t row;
    uint64_t sent;  /* by the caller */
    uint64_t said;  /* to the broker */
    uint64_t taken; /* by the task */
    bool eof;
    bool said_eof;
    bool wanted;     /* the caller was told to wait */
    struct buf kept; /* [taken, sent) */
    UT_hash_handle hh;
};

void batch_init (struct batch *b, struct session *session, struct store *store, uint64_t handle,
                 const struct msg_open *open)
{
    b->session = session;
    b->store = store;
    b->handle = handle;
    b->follow = true;
    opening_init (&b->opening, open);
    b->opening.open.batch = open ? handle : 0;
    b->flags = open ? open->flags : 0;
    buf_init (&b->chunk, BATCH_CHUNK_MAX + WIRE_PIECE_MAX);
    buf_init (&b->keys, BATCH_CHUNK_MAX + BATCH_KEY_MAX + VALUE_HEAD);
}

void batch_fini (struct batch *b)
{
    struct input *in, *next;
    HASH_ITER (hh, b->inputs, in, next) {
        HASH_DEL (b->inputs, in);
        buf_fini (&in->kept);
        free (in);
    }
    free (b->end_reason);
    opening_fini (&b->opening);
    partials_fini (&b->partials, b->store);
    ranges_fini (&b->done);
    buf_fini (&b->chunk);
    buf_fini (&b->keys);
}

int batch_post (struct batch *b, enum chan_lane lane, const struct wire *w, struct err *e)
{
    struct wire_frames f;
    if (wire_encode (w, &f, e) != 0)
        return -1;
    opening_post_take (&b->opening, b->session, lane, &f);
    return 0;
}

static int may_submit (const struct batch *b, struct err *e)
{
    if (b->attached)
        return err_set (e, EINVAL,
                        "batch %" PRIu64 " was attached to: only who opened it adds to it", b->id);
    if (b->closed)
        return err_set (e, EINVAL, "the batch is closed");
    if (b->over)
        return err_set (e, EPIPE, "the batch is over");
    return 0;
}

int batch_add_spec (struct batch *b, struct wire *spec, struct err *e)
{
    if (may_submit (b, e) != 0)
        return -1;
    if (b->specs == BATCH_SPECS_MAX)
        return err_set (e, EMSGSIZE, "a batch has at most %d specs", BATCH_SPECS_MAX);
    spec->kind = WIRE_SPEC;
    spec->m.spec.batch = b->handle;
    spec->m.spec.spec = (uint64_t)b->specs;
    if (batch_post (b, LANE_BULK, spec, e) != 0)
        return -1;
    b->specs_said = content_chain (b->specs_said, content_of_spec (spec));
    if (spec->m.spec.flags & SPEC_LIVE_OUTPUT)
        b->live_output = true;
    if (spec->m.spec.keep_bytes)
        b->cuts_output = true;
    return b->specs++;
}

static struct wire rows_message (const struct batch *b, int spec, uint64_t first, uint64_t count)
{
    struct wire w = {.kind = WIRE_ROWS};
    w.m.rows.batch = b->handle;
    w.m.rows.spec = (uint64_t)spec;
    w.m.rows.chunk = b->chunks;
    w.m.rows.first = first;
    w.m.rows.count = count;
    return w;
}

static void chunk_said (struct batch *b, const struct wire *w)
{
    b->chunks++;
    b->chunks_said = content_chain (b->chunks_said, content_of_rows (w));
}

int batch_flush (struct batch *b, struct err *e)
{
    if (b->chunk_count == 0)
        return 0;
    struct wire w = rows_message (b, b->chunk_spec, b->chunk_first, b->chunk_count);
    w.body[0] = slice_of_take (blob_copy (b->chunk.bytes, b->chunk.len));
    if (b->keys.len)
        w.body[1] = slice_of_take (blob_copy (b->keys.bytes, b->keys.len));
    bool kept = w.body[0].blob && (!b->keys.len || w.body[1].blob);
    int rc = kept ? batch_post (b, LANE_BULK, &w, e)
                  : err_set (e, ENOMEM, "no memory for a chunk of %zu bytes", b->chunk.len);
    if (rc == 0)
        chunk_said (b, &w);
    slice_fini (&w.body[0]);
    slice_fini (&w.body[1]);
    if (rc != 0)
        return -1;
    b->chunk_count = 0;
    buf_clear (&b->chunk);
    buf_clear (&b->keys);
    return 0;
}

static int pack_key (struct buf *to, const struct bytes *key, struct err *e)
{
    size_t before = to->len;
    if (key)
        row_value (to, *key);
    if (!to->failed)
        return 0;
    to->len = before;
    to->failed = false;
    return err_set (e, ENOMEM, "no memory for the key of a row");
}

static int pack_row (struct buf *to, const struct bytes *values, size_t count, struct err *e)
{
    size_t before = to->len;
    row_begin (to, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        row_value (to, values[i]);
    if (!to->failed)
        return 0;
    to->len = before;
    to->failed = false;
    return err_set (e, ENOMEM, "no memory for a row");
}

/* Either all parts are posted or none. The key goes with the first. */
static int post_parts (struct batch *b, struct wire *w, const struct slice *row,
                       const struct slice *key, struct err *e)
{
    size_t piece = session_piece (b->session);
    size_t parts = (row->len + piece - 1) / piece;
    struct wire_frames *f = calloc (parts, sizeof *f);
    if (!f)
        return err_set (e, ENOMEM, "no memory for the parts of a row");
    const struct slice none = {0};
    int rc = 0;
    for (size_t i = 0; i < parts && rc == 0; i++) {
        size_t at = i * piece;
        size_t len = row->len - at < piece ? row->len - at : piece;
        w->m.rows.offset = at;
        w->body[0] = slice_sub (row, at, len);
        w->body[1] = i == 0 ? *key : none;
        rc = wire_encode (w, &f[i], e);
        slice_fini (&w->body[0]);
    }
    for (size_t i = 0; i < parts; i++) {
        if (rc == 0)
            opening_post_take (&b->opening, b->session, LANE_BULK, &f[i]);
        else
            wire_frames_fini (&f[i]);
    }
    free (f);
    return rc;
}

static int add_large (struct batch *b, int spec, const struct bytes *key,
                      const struct bytes *values, size_t count, struct err *e)
{
    struct buf packed, keys;
    if (batch_flush (b, e) != 0)
        return -1;
    buf_init (&packed, WIRE_ROW_MAX);
    buf_init (&keys, BATCH_KEY_MAX + VALUE_HEAD);
    struct wire w = rows_message (b, spec, b->rows, 1);
    struct slice row = {0};
    int rc = pack_key (&keys, key, e);
    if (rc == 0)
        rc = pack_row (&packed, values, count, e);
    if (rc == 0) {
        struct slice first = slice_borrowed (keys.bytes, keys.len);
        row = buf_take_slice (&packed);
        w.m.rows.total = row.len;
        rc = row.ptr ? post_parts (b, &w, &row, &first, e)
                     : err_set (e, ENOMEM, "no memory for a row");
        w.body[0] = row;
        w.body[1] = first;
    }
    if (rc == 0)
        chunk_said (b, &w);
    slice_fini (&row);
    buf_fini (&packed);
    buf_fini (&keys);
    return rc;
}

static bool fits_chunk (const struct batch *b, int spec, size_t size)
{
    if (b->chunk_count == 0)
        return true;
    int64_t next = b->chunk_spec;
    if (b->flags & BATCH_EACH_SPEC)
        next += (int64_t)b->chunk_count;
    return spec == next && b->chunk_count < BATCH_CHUNK_ROWS &&
           b->chunk.len + b->keys.len + size <= BATCH_CHUNK_MAX;
}

static int add_small (struct batch *b, int spec, const struct bytes *key,
                      const struct bytes *values, size_t count, size_t size, struct err *e)
{
    if (!fits_chunk (b, spec, size + (key ? VALUE_HEAD + key->len : 0)) && batch_flush (b, e) != 0)
        return -1;
    size_t keys = b->keys.len;
    if (pack_key (&b->keys, key, e) != 0)
        return -1;
    if (pack_row (&b->chunk, values, count, e) != 0) {
        b->keys.len = keys;
        return -1;
    }
    if (b->chunk_count++ == 0) {
        b->chunk_first = b->rows;
        b->chunk_spec = spec;
    }
    return 0;
}

/* The most bytes that a row takes when packed; 0: over the limit. */
static size_t packed_size (const struct bytes *values, size_t count)
{
    size_t size = VALUE_HEAD * (1 + count);
    for (size_t i = 0; i < count; i++) {
        if (values[i].len > WIRE_ROW_MAX)
            return 0;
        size += values[i].len;
        if (size > WIRE_ROW_MAX)
            return 0;
    }
    return size;
}

static int row_too_big (const struct bytes *values, size_t count, struct err *e)
{
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += values[i].len;
    return err_set (e, EMSGSIZE,
                    "the values of a task are %" PRIu64 " bytes long, the limit is %zu", size,
                    WIRE_ROW_MAX - VALUE_HEAD * (1 + count));
}

static int check_key (const struct batch *b, const struct bytes *key, struct err *e)
{
    bool ordered = b->flags & BATCH_ORDERED;
    if (ordered != (key != NULL))
        return err_set (e, EINVAL,
                        ordered ? "each row of an ordered batch needs a key"
                                : "the batch is not ordered: its rows have no keys");
    if (key && key->len > BATCH_KEY_MAX)
        return err_set (e, EMSGSIZE, "an ordering key is %zu bytes long, the limit is %zu",
                        key->len, BATCH_KEY_MAX);
    return 0;
}

int64_t batch_add (struct batch *b, int spec, const struct bytes *values, size_t count,
                   struct err *e)
{
    return batch_add_keyed (b, spec, NULL, values, count, e);
}

int64_t batch_add_keyed (struct batch *b, int spec, const struct bytes *key,
                         const struct bytes *values, size_t count, struct err *e)
{
    if (may_submit (b, e) != 0 || check_key (b, key, e) != 0)
        return -1;
    if (spec < 0 || spec >= b->specs)
        return err_set (e, EINVAL, "there is no spec %d: the batch has %d", spec, b->specs);
    if ((b->flags & BATCH_EACH_SPEC) && (uint64_t)spec != b->rows)
        return err_set (e, EINVAL, "row %" PRIu64 " runs as the spec of that number, not as %d",
                        b->rows, spec);
    if (count > ROW_VALUES_MAX)
        return err_set (e, EMSGSIZE, "a task has %zu values, the limit is %d", count,
                        ROW_VALUES_MAX);
    size_t size = packed_size (values, count);
    if (!size)
        return row_too_big (values, count, e);
    int rc = size > WIRE_PIECE_MAX ? add_large (b, spec, key, values, count, e)
                                   : add_small (b, spec, key, values, count, size, e);
    return rc == 0 ? (int64_t)b->rows++ : -1;
}

int batch_say_close (struct batch *b, enum chan_lane lane, struct err *e)
{
    struct wire w = {.kind = WIRE_CLOSE};
    w.m.close.batch = b->handle;
    w.m.close.total = b->rows;
    w.m.close.content = content_of_batch (b->specs_said, b->chunks_said);
    return batch_post (b, lane, &w, e);
}

int batch_close (struct batch *b, struct err *e)
{
    if (b->closed && !b->attached)
        return 0;
    if (may_submit (b, e) != 0 || batch_flush (b, e) != 0)
        return -1;
    if (batch_say_close (b, LANE_BULK, e) != 0)
        return -1;
    b->closed = true;
    return 0;
}

uint64_t batch_room (const struct batch *b, bool enough)
{
    if (b->attached || b->closed || b->over)
        return 0;
    size_t backlog = session_backlog (b->session) + b->chunk.len;
    if (opening_waits (&b->opening))
        backlog += b->opening.bytes;
    if (backlog >= (enough ? BATCH_BACKLOG_MAX / 2 : BATCH_BACKLOG_MAX))
        return 0;
    if (!b->max_pending)
        return BATCH_CHUNK_ROWS;
    uint64_t pending = batch_pending (b);
    if (pending >= b->max_pending)
        return 0;
    return b->max_pending - pending;
}

bool batch_finish_row (struct batch *b, uint64_t row, enum outcome_how how)
{
    if (!b->attached) {
        if (row >= b->rows || ranges_has (&b->done, row))
            return false;
        ranges_add (&b->done, row, row + 1);
    }
    b->tally[how]++;
    return true;
}

static struct input *input_of (struct batch *b, uint64_t row)
{
    struct input *in = NULL;
    if (b->inputs)
        HASH_FIND (hh, b->inputs, &row, sizeof row, in);
    if (in)
        return in;
    in = mem_zalloc (sizeof *in);
    in->row = row;
    buf_init (&in->kept, BATCH_INPUT_WINDOW);
    HASH_ADD (hh, b->inputs, row, sizeof in->row, in);
    return in;
}

static bool is_said (const struct input *in)
{
    return in->said == in->sent && in->said_eof == in->eof;
}

static int say_input (struct batch *b, struct input *in, enum chan_lane lane, struct err *e)
{
    struct wire w = {.kind = WIRE_INPUT};
    w.m.input.batch = b->handle;
    w.m.input.row = in->row;
    w.m.input.offset = in->said;
    w.m.input.eof = in->eof;
    w.body[0] = slice_borrowed (in->kept.bytes + (in->said - in->taken), in->sent - in->said);
    if (batch_post (b, lane, &w, e) != 0)
        return -1;
    in->said = in->sent;
    in->said_eof = in->eof;
    return 0;
}

void batch_say_inputs (struct batch *b, bool last)
{
    if (!b->inputs_wait || b->over || (!last && !b->opening.done))
        return;
    uint64_t unsent = last ? UINT64_MAX : unsent_first (b->session, b->handle);
    b->inputs_wait = false;
    for (struct input *in = b->inputs; in; in = in->hh.next) {
        if (is_said (in) || ranges_has (&b->done, in->row))
            continue;
        if (in->row >= unsent || say_input (b, in, last ? LANE_BULK : LANE_LIVE, NULL) != 0)
            b->inputs_wait = true;
    }
}

int64_t batch_input (struct batch *b, uint64_t row, struct bytes bytes, bool eof, struct err *e)
{
    if (b->attached || row >= b->rows || !(b->flags & BATCH_INPUT))
        return err_set (e, EINVAL, "row %" PRIu64 " takes no live input", row);
    if (b->over || ranges_has (&b->done, row))
        return (int64_t)bytes.len; /* as a pipe that nobody reads, but without the signal */
    struct input *in = input_of (b, row);
    if (in->eof)
        return err_set (e, EINVAL, "the input of row %" PRIu64 " has ended", row);
    uint64_t room = in->taken + BATCH_INPUT_WINDOW - in->sent;
    in->wanted = bytes.len > room || (!bytes.len && !eof);
    if (bytes.len > room)
        bytes.len = (size_t)room;
    if (!bytes.len && !eof)
        return 0;
    /* rows that wait in the open chunk go first: input is for a row the broker knows */
    if (batch_flush (b, e) != 0)
        return -1;
    if (buf_append (&in->kept, bytes.ptr, bytes.len) != 0)
        return err_set (e, ENOMEM, "no memory for the input of row %" PRIu64, row);
    in->sent += bytes.len;
    in->eof = eof;
    b->inputs_wait = true;
    batch_say_inputs (b, false);
    return (int64_t)bytes.len;
}

bool batch_input_taken (struct batch *b, uint64_t row, uint64_t offset)
{
    struct input *in = input_of (b, row);
    if (offset > in->taken && offset <= in->said) {
        buf_drop (&in->kept, (size_t)(offset - in->taken));
        in->taken = offset;
    }
    bool wanted = in->wanted && in->taken + BATCH_INPUT_WINDOW > in->sent;
    if (wanted)
        in->wanted = false;
    return wanted;
}

void batch_inputs_again (struct batch *b)
{
    for (struct input *in = b->inputs; in; in = in->hh.next) {
        in->said = in->taken;
        in->said_eof = false;
        b->inputs_wait = true;
    }
    batch_say_inputs (b, false);
}

/* Only results that nobody else may want are confirmed. */
static void confirm (struct batch *b, uint64_t record)
{
    struct wire w = {.kind = WIRE_CONFIRM};
    if (b->attached || b->flags & BATCH_DETACHED || !session_durable (b->session) ||
        session_state (b->session) == SESSION_LOST)
        return;
    w.m.confirm.batch = b->handle;
    w.m.confirm.record = record;
    session_post (b->session, LANE_CONTROL, &w, NULL);
    b->confirmed = record;
    b->unconfirmed = 0;
}

void batch_seen (struct batch *b, uint64_t record, size_t bytes)
{
    b->delivered = record;
    b->unconfirmed += bytes;
    if (record >= b->confirmed + BATCH_CONFIRM_RECORDS || b->unconfirmed >= BATCH_CONFIRM_BYTES)
        confirm (b, record);
}

void batch_seen_end (struct batch *b)
{
    confirm (b, b->record + 1); /* END stands behind the last */
}
