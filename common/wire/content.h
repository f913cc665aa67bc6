/* content: what was said of specs, chunks and whole batches, in 64 bits each. Who says it again
 * under the same key, after its bytes have gone, is held to what was said the first time
 * (PROTOCOL.md, "A key").
 */
#ifndef DROVER_WIRE_CONTENT_H
#define DROVER_WIRE_CONTENT_H

#include <stdint.h>

#include "common/wire/wire.h"

uint64_t content_of_spec (const struct wire *w);

/* Of a whole chunk; of one in parts when all of its bytes are in `w`. */
uint64_t content_of_rows (const struct wire *w);

/* Many of them, one after another; 0: none yet. */
uint64_t content_chain (uint64_t before, uint64_t hash);

/* Of the chain of all specs and that of all chunks. Never 0. */
uint64_t content_of_batch (uint64_t specs, uint64_t chunks);

/* A chunk in parts, as it comes. Zeroed is empty. */
struct content {
    void *state; /* of the hash; NULL: nothing */
    uint64_t chunk;
    uint64_t have; /* bytes */
    uint64_t keys;
};

/* A part of a chunk in parts; the one at offset 0 begins anew. -1: it is not the next one. */
int content_part (struct content *c, const struct wire *w);
uint64_t content_so_far (const struct content *c, const struct msg_rows *m);
void content_fini (struct content *c);

#endif
