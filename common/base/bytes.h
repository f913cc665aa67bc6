/* bytes: a view of bytes that somebody else owns. Never NUL-terminated, may hold NUL. */
#ifndef DROVER_BASE_BYTES_H
#define DROVER_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *ptr; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct bytes bytes_of (const void *ptr, size_t len)
{
    return (struct bytes){(const uint8_t *)ptr, len};
}

/* The bytes of a string, without its NUL; NULL counts as empty. */
static inline struct bytes bytes_str (const char *s)
{
    return s ? bytes_of (s, strlen (s)) : (struct bytes){NULL, 0};
}

static inline bool bytes_equal (struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp (a.ptr, b.ptr, a.len) == 0);
}

#endif
