/* feed: rows from where they are made into a batch, with their ordering keys, as far as there is
 * room.
 */
#ifndef DROVER_CLI_FEED_H
#define DROVER_CLI_FEED_H

#include <stddef.h>
#include <stdint.h>

#include "client/cli/keycount.h"
#include "client/drover.h"
#include "common/base/err.h"

/* The values of the next row: 1 with *values (valid until the next call) and *count; 0 there are no
 * more; 2 the input has nothing yet: poll its descriptor; -1 with an error. */
typedef int feed_next_fn (void *arg, const drover_bytes_t **values, size_t *count, struct err *e);

/* Called for each row that was added; other than 0 stops. */
typedef int feed_added_fn (void *arg, int64_t row, const drover_bytes_t *values, size_t count);

/* All but `keys` is borrowed. */
struct feed {
    feed_next_fn *next;
    void *arg;
    drover_command_t *order_by; /* what makes the keys of the rows; NULL: they have none */
    drover_batch_t *batch;
    int spec;
    feed_added_fn *added; /* or NULL */
    void *added_arg;
    struct keycount keys;
};

/* At most `most` rows: 0 all rows are in and the batch is closed, 1 there may be more at once, 2
 * the input has nothing yet, 3 there is no room, -1 with an error. */
int feed_rows (struct feed *f, uint64_t most, struct err *e);

void feed_fini (struct feed *f);

#endif
