/* pending: tasks that are not printed yet; see pending.h. */
#include "client/cli/pending.h"

#include <stdlib.h>
#include <string.h>

void pending_init (struct pending *p)
{
    memset (p, 0, sizeof *p);
}

void pending_fini (struct pending *p)
{
    struct pending_row *row, *next;

    HASH_ITER (hh, p->rows, row, next) {
        pending_drop (p, row);
    }
}

struct pending_row *pending_add (struct pending *p, uint64_t row, const drover_bytes_t *values,
                                 size_t count)
{
    size_t bytes = sizeof (struct pending_row) + count * sizeof *values;
    struct pending_row *new;
    char *to;

    for (size_t i = 0; i < count; i++)
        bytes += values[i].len;
    new = malloc (bytes);
    if (!new)
        return NULL;
    new->row = row;
    new->result = NULL;
    new->count = count;
    new->bytes = bytes;
    to = (char *)&new->values[count];
    for (size_t i = 0; i < count; i++) {
        if (values[i].len > 0)
            memcpy (to, values[i].ptr, values[i].len);
        new->values[i] = (drover_bytes_t){to, values[i].len};
        to += values[i].len;
    }
    HASH_ADD (hh, p->rows, row, sizeof new->row, new);
    p->bytes += bytes;
    return new;
}

struct pending_row *pending_find (const struct pending *p, uint64_t row)
{
    struct pending_row *found;

    HASH_FIND (hh, p->rows, &row, sizeof row, found);
    return found;
}

int pending_keep (struct pending *p, const drover_result_t *r)
{
    struct pending_row *row = pending_find (p, r->row);
    drover_result_t *kept;

    if (!row)
        row = pending_add (p, r->row, NULL, 0);
    if (!row)
        return -1;
    kept = drover_result_keep (r);
    if (!kept)
        return -1;
    p->kept += row->result == NULL;
    drover_result_free (&row->result);
    row->result = kept;
    return 0;
}

void pending_drop (struct pending *p, struct pending_row *row)
{
    if (!row)
        return;
    HASH_DEL (p->rows, row);
    p->bytes -= row->bytes;
    p->kept -= row->result != NULL;
    drover_result_free (&row->result);
    free (row);
}

static int by_row (const struct pending_row *a, const struct pending_row *b)
{
    return (a->row > b->row) - (a->row < b->row);
}

struct pending_row *pending_sorted (struct pending *p)
{
    HASH_SORT (p->rows, by_row);
    return p->rows;
}
