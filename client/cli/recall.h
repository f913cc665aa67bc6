/* recall: what the values of unfinished rows began with, to name the few that fail.
 *
 * Cheap, because it is kept for every row and wanted for hardly any: rows come in order and lie in
 * blocks, a block goes when all its rows have ended. Bounded: beyond RECALL_BYTES nothing more is
 * remembered, and such a row is named by its number alone.
 */
#ifndef DROVER_CLI_RECALL_H
#define DROVER_CLI_RECALL_H

#include <stddef.h>
#include <stdint.h>

#include "client/drover.h"

#define RECALL_BYTES ((size_t)8 << 20)
#define RECALL_ROW_BYTES 100 /* of the values of one row together */
#define RECALL_VALUES 8      /* of one row */

struct recall_block;

struct recall {
    struct recall_block *blocks; /* by number */
    struct recall_block *last;   /* used last: mostly it is wanted again */
    size_t bytes;
    size_t bytes_max;
};

void recall_init (struct recall *r);
void recall_fini (struct recall *r);

/* Remember the next row: rows come in order, without gaps. */
void recall_add (struct recall *r, uint64_t row, const drover_bytes_t *values, size_t count);

/* The beginnings of its values, valid until the next call; their number, 0: not known. */
size_t recall_find (struct recall *r, uint64_t row, drover_bytes_t values[RECALL_VALUES]);

/* A row has ended. To be called once for each row. */
void recall_drop (struct recall *r, uint64_t row);

#endif
