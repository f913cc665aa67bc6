/* store_test: a virtual disk for tests. It keeps its records in memory from one life of a broker to
 * the next, lets commits hold late, fails where it is told to, and forgets what a crash or a loss
 * of power may take. */
#ifndef DROVER_SIM_STORE_TEST_H
#define DROVER_SIM_STORE_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/store/store.h"

enum { STORE_TEST_SKIP = 100000 }; /* numbers of batches, behind a loss: as broker/store does */

struct store_test {
    uint64_t late;      /* a commit holds when that many more were accepted; may change */
    bool fail;          /* the next commit fails */
    bool fail_append;   /* the next append fails */
    bool full;          /* while true, commits of records fail, and so does a probe */
    bool fast;          /* commits hold before they are safe from a loss of power */
    bool went_back;     /* whoever opens it next is told that power may have taken some of it */
    bool by_batch;      /* replay batch by batch, without what has ended; else by commit */
    uint64_t fail_at;   /* the commit of this ordinal fails (from 1, failed ones count) */
    uint64_t attempts;  /* commits asked for */
    uint64_t failures;  /* ... and refused */
    uint64_t accepted;  /* number of the last one that was not */
    uint64_t held;      /* highest number that was told to hold */
    uint64_t synced;    /* highest number that no loss of power takes */
    uint64_t n_records; /* of accepted commits */
};

/* The store belongs to the caller of store_close(), and *t dies with it. */
struct store *store_test_new (struct store_test **t);

/* Forget every commit behind that number: all of them that were not told to hold, as a crash may
 * do, or, of a fast one, some more, as a loss of power may. */
void store_test_crash (struct store_test *t, uint64_t last);

#endif
