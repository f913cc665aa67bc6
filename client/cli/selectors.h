/* selectors: which batches and tasks the user means. Pure.
 *
 *     12  12.7  12.3-9  12,15  last  last.7  all  @name  @name.7
 *
 * People count tasks from 1, rows count from 0: 12.7 is row 6. A name may itself end in .7: where a
 * batch has that very name, it is meant. Several words, and several selectors
 * in one word with commas between them, mean all of them, in that order. In "12.7,9" the 9 is a
 * batch.
 */
#ifndef DROVER_CLI_SELECTORS_H
#define DROVER_CLI_SELECTORS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define SELECTOR_NAME_MAX 256

enum selector_kind { SELECTOR_ID, SELECTOR_LAST, SELECTOR_ALL, SELECTOR_NAME };

struct selector {
    enum selector_kind kind;
    uint64_t id;    /* SELECTOR_ID */
    uint64_t first; /* rows; with count 0: the whole batch */
    uint64_t count;
    char name[SELECTOR_NAME_MAX + 1]; /* SELECTOR_NAME, without the @, all of it */
    size_t stem; /* SELECTOR_NAME: its bytes before an end that names tasks; 0: no such end */
};

struct selectors {
    struct selector *all;
    size_t count;
};

/* Parse all words. 0; -1 with an error that shows the word and what it should look like. What was
 * there before is forgotten; selectors_fini() frees it. */
int selectors_parse (struct selectors *s, char *const *words, size_t count, struct err *e);

void selectors_fini (struct selectors *s);

/* One batch as the broker listed it, for selectors_resolve(). `name` is borrowed. */
struct known_batch {
    uint64_t id;
    const char *name;
};

/* Turn last, all and @name into ids of `known` batches, in order of their ids; several with the
 * same name are all meant. Ids given as numbers stay, whether known or not. A selector that matches
 * nothing is left out; returns how many were left out, and the text of the first in `missing`. */
size_t selectors_resolve (struct selectors *s, const struct known_batch *known, size_t count,
                          char *missing, size_t missing_size);

/* 1 if selectors_resolve() has something to do. */
int selectors_need_list (const struct selectors *s);

/* 1 if a selector names single tasks. */
int selectors_have_tasks (const struct selectors *s);

#endif
