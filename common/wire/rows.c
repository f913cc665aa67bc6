/* rows: written with msgpack-c, read with scan, which allocates nothing. */
#include "common/wire/rows.h"

#include <errno.h>
#include <inttypes.h>

#include "common/wire/pack.h"
#include "common/wire/scan.h"

void row_begin (struct buf *out, uint32_t count)
{
    msgpack_packer pk = pack_to (out);
    msgpack_pack_array (&pk, count);
}

void row_value (struct buf *out, struct bytes value)
{
    if (value.len > UINT32_MAX) {
        out->failed = true;
        return;
    }
    msgpack_packer pk = pack_to (out);
    pack_bytes (&pk, value);
}

/* Move *at behind the row there: 0, or -1 (and *at anywhere within the body) if there is none. */
static int skip_row (struct bytes body, size_t *at)
{
    uint32_t values;
    struct bytes value;
    if (scan_array (body, at, &values) != 0 || values > ROW_VALUES_MAX)
        return -1;
    for (; values; values--)
        if (scan_bytes (body, at, &value) != 0)
            return -1;
    return 0;
}

int rows_check (struct bytes body, uint64_t count, struct err *e)
{
    size_t at = 0;
    for (uint64_t row = 0; row < count; row++)
        if (skip_row (body, &at) != 0)
            return err_set (e, EBADMSG, "row %" PRIu64 " of %" PRIu64 " is no row, near byte %zu",
                            row, count, at);
    if (at != body.len)
        return err_set (e, EBADMSG, "%zu bytes behind the last of %" PRIu64 " rows", body.len - at,
                        count);
    return 0;
}

size_t rows_length (struct bytes body, uint64_t count)
{
    size_t at = 0;
    for (; count && at < body.len; count--)
        if (skip_row (body, &at) != 0)
            return body.len;
    return at;
}

int64_t row_read (struct bytes body, size_t *at, struct bytes *values, size_t max)
{
    size_t p = *at;
    uint32_t count;
    if (scan_array (body, &p, &count) != 0 || count > ROW_VALUES_MAX)
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        struct bytes value;
        if (scan_bytes (body, &p, &value) != 0)
            return -1;
        if (i < max)
            values[i] = value;
    }
    *at = p;
    return count;
}

int key_read (struct bytes body, size_t *at, struct bytes *key)
{
    struct bytes skipped;
    return scan_bytes (body, at, key ? key : &skipped);
}
