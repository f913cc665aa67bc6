/* recall: what the values of unfinished rows began with; see recall.h. */
#include "client/cli/recall.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

#define BLOCK_ROWS 1024
#define BLOCK_BYTES (BLOCK_ROWS * (1 + RECALL_VALUES + RECALL_ROW_BYTES))

struct recall_block {
    uint64_t number; /* its first row is BLOCK_ROWS times that */
    uint32_t added;
    uint32_t ended;
    uint32_t at[BLOCK_ROWS]; /* where each row begins in `rows` */
    struct buf rows;         /* each: number of values; then for each its length, its bytes */
    UT_hash_handle hh;
};

void recall_init (struct recall *r)
{
    memset (r, 0, sizeof *r);
    r->bytes_max = RECALL_BYTES;
}

static void free_block (struct recall *r, struct recall_block *b)
{
    HASH_DEL (r->blocks, b);
    if (r->last == b)
        r->last = NULL;
    r->bytes -= sizeof *b + b->rows.len;
    buf_fini (&b->rows);
    free (b);
}

void recall_fini (struct recall *r)
{
    struct recall_block *b, *next;

    HASH_ITER (hh, r->blocks, b, next) {
        free_block (r, b);
    }
}

static struct recall_block *block_of (struct recall *r, uint64_t row)
{
    uint64_t number = row / BLOCK_ROWS;
    struct recall_block *b = r->last;

    if (b && b->number == number)
        return b;
    HASH_FIND (hh, r->blocks, &number, sizeof number, b);
    if (b)
        r->last = b;
    return b;
}

static struct recall_block *new_block (struct recall *r, uint64_t number)
{
    struct recall_block *b = mem_zalloc (sizeof *b);

    b->number = number;
    buf_init (&b->rows, BLOCK_BYTES);
    HASH_ADD (hh, r->blocks, number, sizeof b->number, b);
    r->bytes += sizeof *b;
    r->last = b;
    return b;
}

static void put_row (struct buf *to, const drover_bytes_t *values, size_t count)
{
    size_t room = RECALL_ROW_BYTES;

    buf_putc (to, (int)count);
    for (size_t i = 0; i < count; i++) {
        size_t len = values[i].len < room ? values[i].len : room;

        buf_putc (to, (int)len);
        buf_append (to, values[i].ptr, len);
        room -= len;
    }
}

void recall_add (struct recall *r, uint64_t row, const drover_bytes_t *values, size_t count)
{
    struct recall_block *b = block_of (r, row);
    size_t before;

    if (!b)
        b = new_block (r, row / BLOCK_ROWS);
    before = b->rows.len;
    b->at[b->added++] = (uint32_t)before;
    if (r->bytes >= r->bytes_max)
        count = 0;
    put_row (&b->rows, values, count < RECALL_VALUES ? count : RECALL_VALUES);
    r->bytes += b->rows.len - before;
}

size_t recall_find (struct recall *r, uint64_t row, drover_bytes_t values[RECALL_VALUES])
{
    const struct recall_block *b = block_of (r, row);
    const unsigned char *at;
    size_t count;

    if (!b || b->rows.failed || row % BLOCK_ROWS >= b->added)
        return 0;
    at = (const unsigned char *)b->rows.bytes + b->at[row % BLOCK_ROWS];
    count = *at++;
    for (size_t i = 0; i < count; i++) {
        size_t len = *at++;

        values[i] = (drover_bytes_t){at, len};
        at += len;
    }
    return count;
}

void recall_drop (struct recall *r, uint64_t row)
{
    struct recall_block *b = block_of (r, row);

    if (b && ++b->ended == BLOCK_ROWS)
        free_block (r, b);
}
