/* pack: msgpack-c's writer on top of a struct buf. For the files of this folder. */
#ifndef DROVER_WIRE_PACK_H
#define DROVER_WIRE_PACK_H

#include <msgpack.h>

#include "common/base/buf.h"
#include "common/base/bytes.h"

static inline int pack_append (void *data, const char *bytes, size_t len)
{
    return buf_append (data, bytes, len);
}

/* A packer that appends to `out`; failure shows in out->failed. */
static inline msgpack_packer pack_to (struct buf *out)
{
    return (msgpack_packer){.data = out, .callback = pack_append};
}

/* A packer that writes to memory of which there is enough: the caller reserved PACK_NUMBER_MAX
 * bytes a number or head, and the length of each text. */
#define PACK_NUMBER_MAX 9

struct pack_cursor {
    uint8_t *at;
};

static inline int pack_put (void *data, const char *bytes, size_t len)
{
    struct pack_cursor *c = data;
    memcpy (c->at, bytes, len);
    c->at += len;
    return 0;
}

static inline msgpack_packer pack_at (struct pack_cursor *c)
{
    return (msgpack_packer){.data = c, .callback = pack_put};
}

/* Bytes as bin; up to 4 GiB. */
static inline void pack_bytes (msgpack_packer *pk, struct bytes value)
{
    msgpack_pack_bin (pk, value.len);
    if (value.len)
        msgpack_pack_bin_body (pk, value.ptr, value.len);
}

#endif
