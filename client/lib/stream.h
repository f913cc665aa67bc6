/* stream: what one task printed on one of its streams, in memory while it is little, in the spill
 * file when it is much.
 *
 * A stream in a file keeps its last bytes in memory until they make a block worth writing. All
 * streams of a handle share a store, which counts their memory: over its limit even a small stream
 * goes to the file.
 */
#ifndef DROVER_CLIENT_STREAM_H
#define DROVER_CLIENT_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "client/lib/spill.h"
#include "common/base/bytes.h"
#include "common/base/err.h"

struct store {
    struct spill spill;
    size_t memory;       /* held by all streams */
    size_t memory_limit; /* for all streams */
    size_t stream_limit; /* for one; with SIZE_MAX in both there is never a file */
    uint8_t *room;       /* for a view of the file */
};

/* As spill_init() for `dir`. */
void store_init (struct store *s, const char *dir, size_t stream_limit, size_t memory_limit);
void store_fini (struct store *s);

struct stream {
    uint8_t *bytes; /* the last of it, or all */
    size_t len;
    size_t size;
    struct extent *extents; /* what came before, in order */
    size_t extent_count;
    uint64_t spilled; /* bytes in them */
};

/* Append bytes. On failure (the disk is full, no memory) nothing was added. */
int stream_append (struct stream *s, struct store *store, struct bytes bytes, struct err *e);

/* Move all of it to the file. */
int stream_spill (struct stream *s, struct store *store, struct err *e);

static inline uint64_t stream_length (const struct stream *s)
{
    return s->spilled + s->len;
}

/* A view from `offset` on: of memory all there is, of the file a block, valid until the next view
 * of the store. 1, 0 at the end, -1. */
int stream_view (const struct stream *s, struct store *store, uint64_t offset, struct bytes *view,
                 struct err *e);

/* Give back memory and file; the stream is empty. */
void stream_clear (struct stream *s, struct store *store);

#endif
