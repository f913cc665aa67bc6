/* Bits: sets of small numbers, as words. */
#include <stdlib.h>
#include <string.h>

#include "worker/core/core.h"

bool bits_has (const struct bits *b, unsigned i)
{
    return i / 64 < b->n && b->word[i / 64] >> (i % 64) & 1;
}

void bits_set (struct bits *b, unsigned i)
{
    size_t need = i / 64 + 1;
    if (need > b->n) {
        b->word = mem_resize (b->word, need, sizeof *b->word);
        memset (b->word + b->n, 0, (need - b->n) * sizeof *b->word);
        b->n = need;
    }
    b->word[i / 64] |= (uint64_t)1 << (i % 64);
}

void bits_clear (struct bits *b, unsigned i)
{
    if (i / 64 < b->n)
        b->word[i / 64] &= ~((uint64_t)1 << (i % 64));
}

unsigned bits_lowest_free (const struct bits *b)
{
    for (size_t w = 0; w < b->n; w++)
        if (~b->word[w])
            return (unsigned)(w * 64) + (unsigned)__builtin_ctzll (~b->word[w]);
    return (unsigned)(b->n * 64);
}

void bits_fini (struct bits *b)
{
    free (b->word);
    *b = (struct bits){0};
}
