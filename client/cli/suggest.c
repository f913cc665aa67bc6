/* suggest: the word that somebody probably meant; see suggest.h. */
#include "client/cli/suggest.h"

#include <string.h>

#define WORD_MAX 32

static size_t least (size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau's distance, restricted to neighbours: letters changed, put in, left out, swapped. */
static size_t distance (const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t d[WORD_MAX + 1][WORD_MAX + 1];

    for (size_t i = 0; i <= a_len; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= b_len; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        for (size_t j = 1; j <= b_len; j++) {
            size_t cost = a[i - 1] != b[j - 1];

            d[i][j] = least (least (d[i - 1][j] + 1, d[i][j - 1] + 1), d[i - 1][j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least (d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a_len][b_len];
}

const char *suggest (const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_distance = WORD_MAX;
    size_t len = strlen (word);

    if (len == 0 || len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen (words[i]);
        size_t far = other > WORD_MAX ? WORD_MAX : distance (word, len, words[i], other);

        if (far * 3 <= len + 1 && far < best_distance) {
            best = words[i];
            best_distance = far;
        }
    }
    return best;
}
