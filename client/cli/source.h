/* source: one stream of values: the words behind a :::, a file, or stdin.
 *
 * What becomes of a value on its way is the same for all: -E ends the source, -r leaves out blank
 * ones, --trim takes white space off the ends.
 */
#ifndef DROVER_CLI_SOURCE_H
#define DROVER_CLI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/cli/reader.h"
#include "common/base/bytes.h"
#include "common/base/err.h"

enum trim { TRIM_NONE, TRIM_LEFT, TRIM_RIGHT, TRIM_BOTH };

/* For all sources of a command. Borrowed as long as they live. */
struct source_options {
    struct bytes delimiter; /* what ends a value in files; empty: a newline */
    bool split_words;       /* the delimiter was given: it also splits the words behind ::: */
    const char *stop;       /* -E: a value equal to this ends its source; NULL: none */
    bool skip_blank;        /* -r */
    enum trim trim;
    size_t value_max; /* bytes of a value; 0: 1 MiB */
};

struct source;

/* The values of a list; the words are borrowed. Never fails. */
struct source *source_of_words (const char *const *words, size_t count,
                                const struct source_options *options);

/* The values of a file, "-" for stdin. NULL with an error. */
struct source *source_of_file (const char *path, const struct source_options *options,
                               struct err *e);

void source_free (struct source **s);

/* enum input_step, with *value valid until the next call for this source; or -1. */
int source_next (struct source *s, struct bytes *value, struct err *e);

/* What to poll after INPUT_WAIT. */
int source_fd (const struct source *s);

/* The value without white space at the ends. */
struct bytes source_trimmed (struct bytes value, enum trim trim);

#endif
