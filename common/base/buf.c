#include "common/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init (struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_fini (struct buf *b)
{
    free (b->bytes);
    *b = (struct buf){.limit = b->limit};
}

uint8_t *buf_room (struct buf *b, size_t len)
{
    if (len > b->limit || b->len > b->limit - len)
        goto fail;
    if (b->len + len > b->size) {
        size_t size = b->size ? b->size : 256;
        while (size < b->len + len)
            size *= 2;
        if (size > b->limit)
            size = b->limit;
        uint8_t *bytes = realloc (b->bytes, size);
        if (!bytes)
            goto fail;
        b->bytes = bytes;
        b->size = size;
    }
    return b->bytes ? b->bytes + b->len : (uint8_t *)"";
fail:
    b->failed = true;
    return NULL;
}

int buf_append (struct buf *b, const void *bytes, size_t len)
{
    uint8_t *room = buf_room (b, len);
    if (!room)
        return -1;
    if (len)
        memcpy (room, bytes, len);
    b->len += len;
    return 0;
}

int buf_puts (struct buf *b, const char *s)
{
    return buf_append (b, s, strlen (s));
}

int buf_putc (struct buf *b, char c)
{
    return buf_append (b, &c, 1);
}

int buf_printf (struct buf *b, const char *fmt, ...)
{
    va_list ap;
    char *text = NULL;
    va_start (ap, fmt);
    int n = vasprintf (&text, fmt, ap);
    va_end (ap);
    if (n < 0) {
        b->failed = true;
        return -1;
    }
    int rc = buf_append (b, text, (size_t)n);
    free (text);
    return rc;
}

void buf_drop (struct buf *b, size_t len)
{
    assert (len <= b->len);
    if (len && len < b->len)
        memmove (b->bytes, b->bytes + len, b->len - len);
    b->len -= len;
}

void buf_clear (struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

static void free_bytes (void *hint)
{
    free (hint);
}

struct slice buf_take_slice (struct buf *b)
{
    if (!b->len) {
        buf_fini (b);
        return (struct slice){0};
    }
    uint8_t *bytes = realloc (b->bytes, b->len); /* give back what was too much */
    if (bytes)
        b->bytes = bytes;
    struct blob *blob = blob_wrap (b->bytes, b->len, free_bytes, b->bytes);
    if (!blob) {
        b->failed = true;
        return (struct slice){0};
    }
    *b = (struct buf){.limit = b->limit};
    return slice_of_take (blob);
}
