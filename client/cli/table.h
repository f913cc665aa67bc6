/* table: rows of text in columns, for people.
 *
 * Widths are those of the widest cell. Cells come from anywhere: control characters are escaped.
 */
#ifndef DROVER_CLI_TABLE_H
#define DROVER_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table {
    size_t columns;
    size_t count; /* of cells */
    char **cells;
    size_t *widths;
};

void table_init (struct table *t, size_t columns);
void table_fini (struct table *t);

/* The next cell, row by row; an empty one is shown as "-". */
void table_cell (struct table *t, const void *bytes, size_t len);

/* Write it, numbers to the right, the last column without blanks behind it. */
void table_print (const struct table *t, FILE *out);

#endif
