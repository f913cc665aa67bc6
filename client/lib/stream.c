#include "client/lib/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)256 << 10)      /* the least that is written to the file at a time, ... */
#define SMALL_BLOCK ((size_t)16 << 10) /* ... unless memory is short */

static int make_room (struct stream *s, struct store *store, size_t len, struct err *e)
{
    if (s->size - s->len >= len)
        return 0;
    size_t size = s->size ? s->size : 256;
    while (size - s->len < len)
        size *= 2;
    uint8_t *bytes = realloc (s->bytes, size);
    if (!bytes)
        return err_set (e, ENOMEM, "no memory for %zu bytes of output", size);
    store->memory += size - s->size;
    s->bytes = bytes;
    s->size = size;
    return 0;
}

static void drop_memory (struct stream *s, struct store *store)
{
    store->memory -= s->size;
    free (s->bytes);
    s->bytes = NULL;
    s->len = s->size = 0;
}

static int add_extent (struct stream *s, struct extent x)
{
    if (s->extent_count) {
        struct extent *last = &s->extents[s->extent_count - 1];
        if (last->at + last->len == x.at) {
            last->len += x.len;
            s->spilled += x.len;
            return 0;
        }
    }
    struct extent *more = realloc (s->extents, (s->extent_count + 1) * sizeof *more);
    if (!more)
        return -1;
    more[s->extent_count++] = x;
    s->extents = more;
    s->spilled += x.len;
    return 0;
}

static int write_out (struct stream *s, struct store *store, struct err *e)
{
    struct extent x;
    if (s->len == 0)
        return 0;
    if (spill_write (&store->spill, s->bytes, s->len, &x, e) != 0)
        return -1;
    if (add_extent (s, x) != 0) {
        spill_drop (&store->spill, x);
        return err_set (e, ENOMEM, "no memory for the places of large output");
    }
    s->len = 0;
    return 0;
}

static bool too_much (const struct stream *s, const struct store *store)
{
    if (store->memory > store->memory_limit && s->len >= SMALL_BLOCK)
        return true;
    return s->spilled ? s->len >= BLOCK : s->len > store->stream_limit;
}

int stream_spill (struct stream *s, struct store *store, struct err *e)
{
    if (write_out (s, store, e) != 0)
        return -1;
    drop_memory (s, store);
    return 0;
}

void store_init (struct store *s, const char *dir, size_t stream_limit, size_t memory_limit)
{
    *s = (struct store){.memory_limit = memory_limit, .stream_limit = stream_limit};
    spill_init (&s->spill, dir);
}

void store_fini (struct store *s)
{
    spill_fini (&s->spill);
    free (s->room);
    s->room = NULL;
}

int stream_append (struct stream *s, struct store *store, struct bytes bytes, struct err *e)
{
    if (bytes.len == 0)
        return 0;
    if (make_room (s, store, bytes.len, e) != 0)
        return -1;
    memcpy (s->bytes + s->len, bytes.ptr, bytes.len);
    s->len += bytes.len;
    if (!too_much (s, store) || stream_spill (s, store, e) == 0)
        return 0;
    s->len -= bytes.len;
    return -1;
}

static int view_file (const struct stream *s, struct store *store, uint64_t offset,
                      struct bytes *view, struct err *e)
{
    uint64_t before = 0;
    size_t i = 0;
    while (offset >= before + s->extents[i].len)
        before += s->extents[i++].len;
    uint64_t inside = offset - before;
    uint64_t len = s->extents[i].len - inside;
    if (len > BLOCK)
        len = BLOCK;
    if (!store->room && !(store->room = malloc (BLOCK)))
        return err_set (e, ENOMEM, "no memory to read large output");
    if (spill_read (&store->spill, s->extents[i].at + inside, store->room, (size_t)len, e) != 0)
        return -1;
    *view = bytes_of (store->room, (size_t)len);
    return 1;
}

int stream_view (const struct stream *s, struct store *store, uint64_t offset, struct bytes *view,
                 struct err *e)
{
    if (offset >= stream_length (s))
        return 0;
    if (offset < s->spilled)
        return view_file (s, store, offset, view, e);
    size_t at = (size_t)(offset - s->spilled);
    *view = bytes_of (s->bytes + at, s->len - at);
    return 1;
}

void stream_clear (struct stream *s, struct store *store)
{
    drop_memory (s, store);
    for (size_t i = 0; i < s->extent_count; i++)
        spill_drop (&store->spill, s->extents[i]);
    free (s->extents);
    *s = (struct stream){0};
}
