/* feed: a batch of equal rows for one function, sent as fast as the library takes it, with each
 * result looked at. Failures are fatal, as in child.h. */
#ifndef DROVER_BENCH_FEED_H
#define DROVER_BENCH_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "client/drover.h"

struct feed {
    drover_t *h;
    drover_batch_t *batch;
    int spec;
    drover_bytes_t row; /* borrowed */
    uint64_t out_len;   /* what each task returns */
    uint64_t results;
    bool over; /* the batch has ended */
};

/* Open a batch for the function. A task that is given `row` is to return `out_len` bytes. */
void feed_open (struct feed *f, drover_t *h, const char *function, drover_bytes_t row,
                uint64_t out_len);

/* Add `count` rows; results that come meanwhile are counted. */
void feed_add (struct feed *f, uint64_t count);

/* Wait until `results` have come. */
void feed_until (struct feed *f, uint64_t results);

/* Close the batch, wait for its end, see that every row is done, and free it. */
void feed_finish (struct feed *f);

/* All of it: microseconds from the first row to the end of a batch of `tasks` rows. */
int64_t feed_run (drover_t *h, const char *function, drover_bytes_t row, uint64_t out_len,
                  uint64_t tasks);

#endif
