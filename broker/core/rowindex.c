/* Row index: where the outcome of a row of a detached batch is kept, so that a page of a million
 * tasks is found without reading the results of all.
 *
 * Results of a detached batch are kept until the batch is forgotten: nothing is ever taken out.
 * Outcomes are counted before the entry that carries them is made, so rows are noted with the
 * number that the next entry with outcomes will have. An attached batch has no index: its results
 * go as they are read.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { FIRST_ROWS = 256, FIRST_ENTRIES = 16 };

void row_index_note (struct row_index *x, uint64_t row)
{
    if (row >= x->rows_size) {
        uint64_t size = x->rows_size ? x->rows_size : FIRST_ROWS;
        while (size <= row)
            size *= 2;
        x->entry_of = mem_resize (x->entry_of, size, sizeof *x->entry_of);
        memset (x->entry_of + x->rows_size, 0, (size - x->rows_size) * sizeof *x->entry_of);
        x->rows_size = size;
    }
    x->entry_of[row] = (uint32_t)(x->n + 1);
}

void row_index_add (struct row_index *x, const struct entry *en)
{
    if (x->n == x->size) {
        x->size = x->size ? 2 * x->size : FIRST_ENTRIES;
        x->at = mem_resize (x->at, x->size, sizeof *x->at);
    }
    x->at[x->n++] = en;
}

const struct entry *row_index_find (const struct row_index *x, uint64_t row)
{
    uint32_t number = row < x->rows_size ? x->entry_of[row] : 0;
    return number && number <= x->n ? x->at[number - 1] : NULL;
}

void row_index_fini (struct row_index *x)
{
    free (x->entry_of);
    free (x->at);
    *x = (struct row_index){0};
}
