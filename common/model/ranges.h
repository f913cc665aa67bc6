/* ranges: a set of numbers, kept as sorted half-open intervals that never touch.
 *
 * Rows of a batch are handed out and come back mostly in runs, so a million rows are a handful of
 * intervals. Lookup is a binary search; an insertion in the middle moves the intervals behind it.
 */
#ifndef DROVER_MODEL_RANGES_H
#define DROVER_MODEL_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t lo; /* first in */
    uint64_t hi; /* first behind */
};

struct ranges {
    struct range *at;
    size_t n;
    size_t size;
    uint64_t count; /* numbers in the set */
};

/* A zeroed struct ranges is an empty set. */
void ranges_fini (struct ranges *r);

/* Add [lo, hi). What is there already is fine. */
void ranges_add (struct ranges *r, uint64_t lo, uint64_t hi);

/* Remove [lo, hi) as far as it is there; returns how many numbers went. */
uint64_t ranges_remove (struct ranges *r, uint64_t lo, uint64_t hi);

bool ranges_has (const struct ranges *r, uint64_t x);

/* The part of the set that begins at the first number >= from; lo == hi when there is none. */
struct range ranges_from (const struct ranges *r, uint64_t from);

/* The part of the set that ends at its last number; lo == hi when the set is empty. */
struct range ranges_last (const struct ranges *r);

/* Whether any number of [lo, hi) is in the set. */
bool ranges_meets (const struct ranges *r, uint64_t lo, uint64_t hi);

#endif
