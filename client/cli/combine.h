/* combine: rows of values, one from each source.
 *
 * All combinations, the last source varying fastest; sources that are linked to the one before them
 * go along with it, and the shortest ends the group. Or all sources linked (wrap), where shorter
 * ones begin again, and the longest ends it. An empty source stands for one empty value, unless all
 * are empty: then there is no row.
 *
 * What varies slowest is streamed; the other sources are read whole before the first row. Where all
 * are linked, stdin, or else the first file, is streamed.
 */
#ifndef DROVER_CLI_COMBINE_H
#define DROVER_CLI_COMBINE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/cli/source.h"

struct combine;

struct combine_member {
    struct source *source; /* borrowed */
    bool linked;           /* to the one before it */
    bool file;             /* its values come from a descriptor */
    bool first_choice;     /* is to be streamed if it can be: stdin */
};

/* `count` (at least 1) sources; the array is copied. */
struct combine *combine_new (const struct combine_member *members, size_t count, bool wrap);
void combine_free (struct combine **c);

/* enum input_step: the next row, one value of each source in *row, valid until the next call; or
 * -1. */
int combine_next (struct combine *c, const struct bytes **row, struct err *e);

/* What to poll after INPUT_WAIT. */
int combine_fd (const struct combine *c);

#endif
