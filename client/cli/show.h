/* show: records of the broker, for people and as JSON. */
#ifndef DROVER_CLI_SHOW_H
#define DROVER_CLI_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cli/table.h"
#include "client/drover.h"

/* A column of a table: which field, and what stands above it. */
struct show_column {
    const char *field;
    const char *heading;
};

/* A field of a record, by its name there, as text for people: times with units, an unknown total as
 * "?", rows counted from 1. Returns its length; at most size - 1. */
size_t show_field (const drover_pair_t *pairs, size_t count, const char *field, char *out,
                   size_t size);

/* Whether a field of a record is that word. */
bool show_is (const drover_pair_t *pairs, size_t count, const char *field, const char *word);

/* Whether a batch has come to its end, or to one. */
bool show_is_over (const drover_pair_t *pairs, size_t count);

/* The headings of a table, and one record as its next row. */
void show_headings (struct table *t, const struct show_column *columns, size_t count);
void show_row (struct table *t, const struct show_column *columns, size_t column_count,
               const drover_pair_t *pairs, size_t count);

/* All fields, one a line, aligned, on stdout. */
void show_record (const drover_pair_t *pairs, size_t count);

/* A span of time in a short form: 850 ms, 1.2 s, 12 s, 5 m 3 s, 2 h 4 m, 3 d 1 h. */
void show_span (uint64_t ms, char *out, size_t size);

#endif
