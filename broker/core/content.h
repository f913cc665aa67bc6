/* content: what was said of chunks and specs, as numbers by which it is told whether the same is
 * said again. Private to broker/core.
 */
#ifndef DROVER_BROKER_CORE_CONTENT_H
#define DROVER_BROKER_CORE_CONTENT_H

#include <stdint.h>

#include "common/wire/wire.h"

struct XXH3_state_s;

/* What was said of a chunk in parts, as it comes. content.c. */
struct content {
    struct XXH3_state_s *state; /* NULL: nothing */
    uint64_t chunk;
    uint64_t have; /* bytes */
    uint64_t keys;
};

/* --- content.c --- */
uint64_t content_of_spec (const struct wire *w);
uint64_t content_of_rows (const struct wire *w);
/* A part of a chunk in parts; the one at offset 0 begins anew. -1: it is not the next one. */
int content_part (struct content *c, const struct wire *w);
uint64_t content_so_far (const struct content *c, const struct msg_rows *m);
void content_fini (struct content *c);

#endif
