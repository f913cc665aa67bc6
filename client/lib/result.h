/* result: the outcome of one task as the program sees it, and where its output is.
 *
 * The public struct comes first, so that a pointer to it is a pointer to this. The present result
 * of a handle borrows from the message it came in; a kept one stands alone.
 */
#ifndef DROVER_CLIENT_RESULT_H
#define DROVER_CLIENT_RESULT_H

#include <stdbool.h>

#include "client/drover.h"
#include "client/lib/stream.h"
#include "common/base/blob.h"
#include "common/wire/outcome.h"

struct result {
    drover_result_t pub;
    unsigned refs;
    struct store *store;
    const struct slice *origin; /* the body it came in, borrowed; NULL: it stands alone */
    struct slice body;          /* what a kept one holds of it */
    size_t counted;             /* of that, in store->memory */
    struct stream stream[2];    /* where the output is, if `streamed` */
    bool streamed[2];
    int filled;            /* streams, by result_fill() */
    char *reason;          /* owned */
    char *names;           /* owned, once it stands alone */
    struct result *before; /* owned, on the heap: of the stage before */
};

/* Begin to fill a zeroed result (its refs stay). `body` must live until the result is finished or
 * kept. The caller may then move in what was collected before, to `stream`. */
void result_begin (struct result *r, struct store *store, const struct outcome *o,
                   const struct slice *body);

/* Fill in the output: what was collected, and the rest from the outcome. Where the file cannot be
 * written it fails, and may be called again. */
int result_fill (struct result *r, const struct outcome *o, struct err *e);

/* Whether its output is in the message it came in, and no more than a record of its own would take.
 */
bool result_is_small (const struct result *r);

/* Let go of the message that it came in, and of the names. Where the file cannot be written it
 * fails, and may be called again. */
int result_stand_alone (struct result *r, struct err *e);
/* A new one that stands alone, with all of `r` but its stdout and what was before it. NULL where
 * its stderr cannot be kept. */
struct result *result_brief (const struct result *r);

/* What was in the stage before; taken. */
void result_follow_take (struct result *r, struct result *before);

/* Give back what it holds, and zero it but for its refs; not its own memory. */
void result_fini (struct result *r);

/* Drop a reference to one on the heap. */
void result_unref (struct result **r);

#endif
