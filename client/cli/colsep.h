/* colsep: cut a row into columns where a regular expression matches (option -C).
 *
 * The expression is written as for Perl, as far as rows need it: literals, \t \n \s \d \w \. \|,
 * classes, ( ) . * + ? { } | ^ $. It is translated for regcomp(). One that is only literal text, as
 * most are, is looked for as text.
 */
#ifndef DROVER_CLI_COLSEP_H
#define DROVER_CLI_COLSEP_H

#include <stdbool.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

struct colsep;

/* NULL with an error that says what is wrong with the expression, or not understood of it. */
struct colsep *colsep_new (const char *expression, struct err *e);
void colsep_free (struct colsep **c);

/* Where the next column begins; to be set to 0 for the first, COLSEP_END behind the last. */
#define COLSEP_END SIZE_MAX

/* The next column of the row, a view of it. Every row has at least one. False behind the last. The
 * row is the same from the first column to the last, and holds no NUL. */
bool colsep_next (struct colsep *c, struct bytes row, size_t *at, struct bytes *column);

#endif
