/* stock: values that are kept, because they come more than once. */
#ifndef DROVER_CLI_STOCK_H
#define DROVER_CLI_STOCK_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/bytes.h"

struct stock {
    struct buf bytes; /* of all values, one behind the other */
    struct buf ends;  /* where each ends, a size_t */
};

/* At most `limit` bytes of values. */
void stock_init (struct stock *s, size_t limit);
void stock_fini (struct stock *s);

/* Keep a copy. 0, or -1 at the limit or without memory. */
int stock_add (struct stock *s, struct bytes value);

size_t stock_count (const struct stock *s);

/* Value i, a view that is valid until the next stock_add(). */
struct bytes stock_at (const struct stock *s, size_t i);

#endif
