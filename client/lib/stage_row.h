/* stage_row: from the outcome of a stage to the row of the next one.
 *
 *     a function                [output]
 *     a line with {}            [number, output without one newline at its end, the item's values]
 *     a line without {}         [number, nothing, the item's values, output], the last for its
 * stdin anything else             [output], for its stdin
 *
 * So a line, which was compiled with TEMPLATE_STAGE, finds everything at places that do not depend
 * on how many values there are. Those are left out where it asks for none.
 */
#ifndef DROVER_CLIENT_STAGE_ROW_H
#define DROVER_CLIENT_STAGE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/drover.h"
#include "client/lib/spec.h"
#include "common/base/buf.h"
#include "common/base/bytes.h"

struct stage_shape {
    bool line;   /* with the number of its item, ... */
    bool word;   /* ... and the output as a value, ... */
    bool item;   /* ... and the values of its item */
    bool row_in; /* the output is the stdin */
};

/* What the rows of tasks of this spec are made of. */
struct stage_shape stage_shape_of (const struct drover_spec *s);

/* One row after another. */
struct stage_row {
    drover_bytes_t *values;
    size_t count;
    size_t size;
    struct bytes *own; /* room to read the item's values */
    char number[24];
    struct buf output; /* copied, where it was in a file */
};

void stage_row_init (struct stage_row *row);
void stage_row_fini (struct stage_row *row);

/* Make the row of item number `item` (from 0), whose values are one packed row in `values`. It
 * holds views of `values` and `r`, and is good until the next one is made. 0; -1 with
 * DROVER_ETOOBIG and the like, where the output cannot be passed on. */
int stage_row_make (struct stage_row *row, struct stage_shape shape, uint64_t item,
                    const struct buf *values, const drover_result_t *r, drover_error_t *e);

#endif
