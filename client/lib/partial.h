/* partial: the output of tasks that are not finished, as it comes in pieces.
 *
 * Pieces belong to an attempt. A piece of a newer attempt voids what came of older ones, a piece of
 * an older one is dropped; the outcome says which attempt counts.
 */
#ifndef DROVER_CLIENT_PARTIAL_H
#define DROVER_CLIENT_PARTIAL_H

#include <stdint.h>

#include "client/lib/stream.h"
#include "common/base/bytes.h"
#include "common/base/err.h"

struct partial;

struct partials {
    struct partial *by_row; /* uthash */
};

struct piece { /* of the output of a row */
    uint64_t row;
    uint64_t attempt;
    unsigned stream; /* 1 stdout, 2 stderr */
    uint64_t offset;
    struct bytes bytes;
};

/* Take what is new of a piece: none of one that is old, and none of what was there before. *gap:
 * how many bytes before it are missing. Only the place is kept, the bytes are the caller's. */
struct bytes partials_pass (struct partials *p, struct store *store, const struct piece *piece,
                            uint64_t *gap);

/* The same, and add it. On failure it was not taken. */
int partials_add (struct partials *p, struct store *store, const struct piece *piece, uint64_t *gap,
                  struct err *e);

/* The outcome of a row came: move what was collected of its attempt to out[0] and out[1] (which are
 * empty before), and forget the row. */
void partials_take (struct partials *p, struct store *store, uint64_t row, uint64_t attempt,
                    struct stream out[2]);

void partials_fini (struct partials *p, struct store *store);

#endif
