/* store_test: a store for tests. It keeps its records in memory, lets commits hold late, and fails
 * where it is told to. */
#ifndef DROVER_SIM_STORE_TEST_H
#define DROVER_SIM_STORE_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/store/store.h"

struct store_test {
    uint64_t late;      /* a commit holds when that many more were accepted; may change */
    bool fail;          /* the next commit fails */
    bool fail_append;   /* the next append fails */
    bool full;          /* commits of records and probes fail */
    bool by_batch;      /* replay sessions, then batch by batch; else in the order of commits */
    uint64_t fail_at;   /* the commit of this ordinal fails (from 1, failed ones count) */
    uint64_t attempts;  /* commits asked for */
    uint64_t failures;  /* ... and refused */
    uint64_t accepted;  /* number of the last one that was not */
    uint64_t held;      /* highest number that was told to hold */
    uint64_t n_records; /* of accepted commits */
};

/* The store belongs to the caller of store_close(), and *t dies with it. */
struct store *store_test_new (struct store_test **t);

/* Forget every commit that was not told to hold, as a crash may do. */
void store_test_crash (struct store_test *t);

#endif
