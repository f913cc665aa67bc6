#include "client/lib/partial.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/mem.h"

struct partial {
    uint64_t row;
    uint64_t attempt;
    struct stream stream[2];
    uint64_t next[2]; /* where the next piece begins */
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
    x->next[0] = x->next[1] = 0;
    stream_clear (&x->stream[0], store);
    stream_clear (&x->stream[1], store);
}

static void forget (struct partials *p, struct partial *x, struct store *store)
{
    HASH_DEL (p->by_row, x);
    clear (x, store);
    free (x);
}

/* What the piece belongs to; NULL: it is of no account. */
static struct partial *place_of (struct partials *p, struct store *store, const struct piece *piece)
{
    if (piece->stream < 1 || piece->stream > 2)
        return NULL;
    struct partial *x = find (p, piece->row);
    if (!x)
        x = make (p, piece->row, piece->attempt);
    if (piece->attempt < x->attempt)
        return NULL;
    if (piece->attempt > x->attempt) {
        clear (x, store);
        x->attempt = piece->attempt;
    }
    return x;
}

static struct bytes fresh (const struct partial *x, const struct piece *piece, uint64_t *gap)
{
    uint64_t next = x->next[piece->stream - 1];
    *gap = piece->offset > next ? piece->offset - next : 0;
    uint64_t seen = piece->offset < next ? next - piece->offset : 0;
    if (seen >= piece->bytes.len)
        return (struct bytes){NULL, 0};
    return bytes_of (piece->bytes.ptr + seen, piece->bytes.len - seen);
}

static void move_on (struct partial *x, const struct piece *piece, size_t len)
{
    if (len)
        x->next[piece->stream - 1] = piece->offset + piece->bytes.len;
}

struct bytes partials_pass (struct partials *p, struct store *store, const struct piece *piece,
                            uint64_t *gap)
{
    struct bytes new = {NULL, 0};
    struct partial *x = place_of (p, store, piece);
    *gap = 0;
    if (x)
        new = fresh (x, piece, gap);
    if (x)
        move_on (x, piece, new.len);
    return new;
}

int partials_add (struct partials *p, struct store *store, const struct piece *piece, uint64_t *gap,
                  struct err *e)
{
    struct partial *x = place_of (p, store, piece);
    *gap = 0;
    if (!x)
        return 0;
    struct bytes new = fresh (x, piece, gap);
    if (stream_append (&x->stream[piece->stream - 1], store, new, e) != 0)
        return -1;
    move_on (x, piece, new.len);
    return 0;
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
