#include "client/lib/stage_row.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/lib/fault.h"
#include "common/base/mem.h"
#include "common/wire/rows.h"
#include "common/wire/wire.h"

#define FIXED 3 /* values of a row that are not the item's */

struct stage_shape stage_shape_of (const struct drover_spec *s)
{
    return (struct stage_shape){.line = s->of_stage,
                                .word = s->takes_output,
                                .item = s->takes_item,
                                .row_in = s->m.form != FORM_FUNCTION && !s->takes_output};
}

void stage_row_init (struct stage_row *row)
{
    *row = (struct stage_row){0};
    buf_init (&row->output, WIRE_ROW_MAX);
}

void stage_row_fini (struct stage_row *row)
{
    free (row->values);
    free (row->own);
    buf_fini (&row->output);
    *row = (struct stage_row){0};
}

/* --- the output --- */

static int copy_output (struct stage_row *row, const drover_result_t *r, drover_error_t *e)
{
    drover_bytes_t piece;
    int got;
    buf_clear (&row->output);
    while ((got = drover_result_piece (r, 1, row->output.len, &piece, e)) == 1)
        if (buf_append (&row->output, piece.ptr, piece.len) != 0)
            return fault_set (e, DROVER_ENOMEM, "no memory for the output of the stage before");
    return got;
}

/* All of it in one place. */
static int view_output (struct stage_row *row, const drover_result_t *r, drover_bytes_t *view,
                        drover_error_t *e)
{
    if (r->out_len > WIRE_ROW_MAX)
        return fault_set (e, DROVER_ETOOBIG,
                          "the output of the stage before has %" PRIu64
                          " bytes, and what a task is given may have %u",
                          r->out_len, WIRE_ROW_MAX);
    if (r->out_bytes > r->out_len)
        return fault_set (e, DROVER_ETOOBIG,
                          "%" PRIu64 " of the %" PRIu64
                          " bytes of the output of the stage before were not kept",
                          r->out_bytes - r->out_len, r->out_bytes);
    *view = (drover_bytes_t){r->out, (size_t)r->out_len};
    if (r->out || r->out_len == 0)
        return 0;
    if (copy_output (row, r, e) != 0)
        return -1;
    *view = (drover_bytes_t){row->output.bytes, row->output.len};
    return 0;
}

static drover_bytes_t without_newline (drover_bytes_t b)
{
    if (b.len && ((const char *)b.ptr)[b.len - 1] == '\n')
        b.len--;
    return b;
}

/* --- the row --- */

static void put (struct stage_row *row, drover_bytes_t value)
{
    row->values[row->count++] = value;
}

/* Room for the values of the item, and for those that are ours. */
static void make_room (struct stage_row *row, size_t count)
{
    if (count + FIXED <= row->size)
        return;
    row->size = count + FIXED;
    row->values = mem_resize (row->values, row->size, sizeof *row->values);
    row->own = mem_resize (row->own, row->size, sizeof *row->own);
}

static void put_item (struct stage_row *row, const struct buf *values)
{
    struct bytes packed = bytes_of (values->bytes, values->len);
    size_t at = 0;
    int64_t count = row_read (packed, &at, NULL, 0);
    make_room (row, count > 0 ? (size_t)count : 0);
    at = 0;
    row_read (packed, &at, row->own, row->size);
    for (int64_t i = 0; i < count; i++)
        put (row, (drover_bytes_t){row->own[i].ptr, row->own[i].len});
}

int stage_row_make (struct stage_row *row, struct stage_shape shape, uint64_t item,
                    const struct buf *values, const drover_result_t *r, drover_error_t *e)
{
    drover_bytes_t output = {NULL, 0};
    if (view_output (row, r, &output, e) != 0)
        return -1;
    make_room (row, 0);
    row->count = 0;
    if (shape.line) {
        int len = snprintf (row->number, sizeof row->number, "%" PRIu64, item + 1);
        put (row, (drover_bytes_t){row->number, (size_t)len});
        put (row, shape.word ? without_newline (output) : (drover_bytes_t){NULL, 0});
        put_item (row, values);
    }
    if (!shape.word)
        put (row, output);
    return 0;
}
