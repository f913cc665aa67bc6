/* stock: see stock.h. */
#include "client/cli/stock.h"

#include <string.h>

void stock_init (struct stock *s, size_t limit)
{
    buf_init (&s->bytes, limit);
    buf_init (&s->ends, limit);
}

void stock_fini (struct stock *s)
{
    buf_fini (&s->bytes);
    buf_fini (&s->ends);
}

int stock_add (struct stock *s, struct bytes value)
{
    size_t end = s->bytes.len + value.len;
    if (buf_append (&s->bytes, value.ptr, value.len))
        return -1;
    return buf_append (&s->ends, &end, sizeof end);
}

size_t stock_count (const struct stock *s)
{
    return s->ends.len / sizeof (size_t);
}

static size_t end_of (const struct stock *s, size_t i)
{
    size_t end;
    memcpy (&end, s->ends.bytes + i * sizeof end, sizeof end);
    return end;
}

struct bytes stock_at (const struct stock *s, size_t i)
{
    size_t start = i ? end_of (s, i - 1) : 0;
    return bytes_of (s->bytes.len ? s->bytes.bytes + start : NULL, end_of (s, i) - start);
}
