#include "client/lib/partial.h"

#include <stdlib.h>
#include <uthash.h>

#include "common/base/mem.h"

struct partial {
    uint64_t row;
    uint64_t attempt;
    struct stream stream[2];
    UT_hash_handle hh;
};

static struct partial *find (struct partials *p, uint64_t row)
{
    struct partial *found = NULL;
    if (p->by_row)
        HASH_FIND (hh, p->by_row, &row, sizeof row, found);
    return found;
}

static struct partial *make (struct partials *p, uint64_t row, uint64_t attempt)
{
    struct partial *new = mem_zalloc (sizeof *new);
    new->row = row;
    new->attempt = attempt;
    HASH_ADD (hh, p->by_row, row, sizeof new->row, new);
    return new;
}

static void clear (struct partial *x, struct store *store)
{
    stream_clear (&x->stream[0], store);
    stream_clear (&x->stream[1], store);
}

static void forget (struct partials *p, struct partial *x, struct store *store)
{
    HASH_DEL (p->by_row, x);
    clear (x, store);
    free (x);
}

int partials_add (struct partials *p, struct store *store, const struct piece *piece, struct err *e)
{
    if (piece->stream < 1 || piece->stream > 2)
        return 0;
    struct partial *x = find (p, piece->row);
    if (!x)
        x = make (p, piece->row, piece->attempt);
    if (piece->attempt < x->attempt)
        return 0;
    if (piece->attempt > x->attempt) {
        clear (x, store);
        x->attempt = piece->attempt;
    }
    struct stream *s = &x->stream[piece->stream - 1];
    if (piece->offset < stream_length (s))
        return 0;
    return stream_append (s, store, piece->bytes, e);
}

void partials_take (struct partials *p, struct store *store, uint64_t row, uint64_t attempt,
                    struct stream out[2])
{
    struct partial *x = find (p, row);
    if (!x)
        return;
    if (x->attempt == attempt) {
        out[0] = x->stream[0];
        out[1] = x->stream[1];
        x->stream[0] = x->stream[1] = (struct stream){0};
    }
    forget (p, x, store);
}

void partials_fini (struct partials *p, struct store *store)
{
    struct partial *x, *next;
    HASH_ITER (hh, p->by_row, x, next) {
        forget (p, x, store);
    }
}
