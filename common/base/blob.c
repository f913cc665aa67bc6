#include "common/base/blob.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct blob {
    atomic_uint refs;
    size_t len;
    uint8_t *bytes;
    void (*free_fn) (void *hint); /* NULL: the bytes follow this struct */
    void *hint;
};

struct blob *blob_new (size_t len)
{
    if (len > SIZE_MAX - sizeof (struct blob))
        return NULL;
    struct blob *b = malloc (sizeof *b + len);
    if (!b)
        return NULL;
    atomic_init (&b->refs, 1);
    b->len = len;
    b->bytes = (uint8_t *)(b + 1);
    b->free_fn = NULL;
    b->hint = NULL;
    return b;
}

struct blob *blob_copy (const void *bytes, size_t len)
{
    struct blob *b = blob_new (len);
    if (b && len)
        memcpy (b->bytes, bytes, len);
    return b;
}

struct blob *blob_wrap (const void *bytes, size_t len, void (*free_fn) (void *hint), void *hint)
{
    assert (free_fn);
    struct blob *b = blob_new (0);
    if (!b)
        return NULL;
    b->len = len;
    b->bytes = (uint8_t *)(uintptr_t)bytes;
    b->free_fn = free_fn;
    b->hint = hint;
    return b;
}

struct blob *blob_ref (struct blob *b)
{
    atomic_fetch_add_explicit (&b->refs, 1, memory_order_relaxed);
    return b;
}

void blob_unref (struct blob **bp)
{
    struct blob *b = *bp;
    *bp = NULL;
    if (!b || atomic_fetch_sub_explicit (&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (b->free_fn)
        b->free_fn (b->hint);
    free (b);
}

uint8_t *blob_bytes (struct blob *b)
{
    return b->bytes;
}

size_t blob_len (const struct blob *b)
{
    return b->len;
}

struct slice slice_of_take (struct blob *b)
{
    if (!b)
        return (struct slice){0};
    return (struct slice){.ptr = b->bytes, .len = b->len, .blob = b};
}

struct slice slice_borrowed (const void *bytes, size_t len)
{
    return (struct slice){.ptr = bytes, .len = len};
}

struct slice slice_sub (const struct slice *s, size_t offset, size_t len)
{
    assert (offset <= s->len && len <= s->len - offset);
    struct slice part = {.ptr = offset ? s->ptr + offset : s->ptr, .len = len}; /* may be NULL */
    if (s->blob)
        part.blob = blob_ref (s->blob);
    return part;
}

struct slice slice_keep (const struct slice *s)
{
    if (s->blob || !s->len)
        return slice_sub (s, 0, s->len);
    struct blob *b = blob_copy (s->ptr, s->len);
    if (!b && s->len < 65536)
        mem_resize (NULL, SIZE_MAX, 1);
    return slice_of_take (b);
}

void slice_fini (struct slice *s)
{
    blob_unref (&s->blob);
    *s = (struct slice){0};
}
