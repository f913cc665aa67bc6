/* pending: what a command must remember of tasks that are not printed yet.
 *
 * For a tag or for --json: the values of a row, from when it was submitted until its outcome is
 * printed. For keeping the order: its outcome, until those before it are printed. Rows are found by
 * number. Owns copies of the values and the kept outcomes.
 */
#ifndef DROVER_CLI_PENDING_H
#define DROVER_CLI_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "client/drover.h"
#include "common/base/hash.h"

struct pending_row {
    uint64_t row;
    drover_result_t *result; /* kept, or NULL */
    size_t count;            /* of values */
    size_t bytes;            /* that this takes */
    UT_hash_handle hh;
    drover_bytes_t values[]; /* their bytes follow */
};

struct pending {
    struct pending_row *rows;
    size_t bytes; /* of all values */
    size_t kept;  /* number of results */
};

void pending_init (struct pending *p);

/* Forget all. The session that results were kept from must still be open. */
void pending_fini (struct pending *p);

/* Remember a row, with a copy of its values (count 0: none). NULL when there is no memory. */
struct pending_row *pending_add (struct pending *p, uint64_t row, const drover_bytes_t *values,
                                 size_t count);

/* NULL: not there. */
struct pending_row *pending_find (const struct pending *p, uint64_t row);

/* Keep the outcome of a row, added to the rows if it is not there, in place of one that was kept.
 * 0, or -1: no memory. */
int pending_keep (struct pending *p, const drover_result_t *r);

/* Forget a row; NULL is fine. */
void pending_drop (struct pending *p, struct pending_row *row);

/* The row with the lowest number, or NULL. Sorts: for the end, not for each row. */
struct pending_row *pending_sorted (struct pending *p);

#endif
