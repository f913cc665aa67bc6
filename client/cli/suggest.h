/* suggest: the word that somebody probably meant. Pure. */
#ifndef DROVER_CLI_SUGGEST_H
#define DROVER_CLI_SUGGEST_H

#include <stddef.h>

/* Of these words, the nearest to `word`, by the number of letters to be changed, put in, left out
 * or swapped; NULL where none is near (more than a third of the letters differ). */
const char *suggest (const char *word, const char *const *words, size_t count);

#endif
