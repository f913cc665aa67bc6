/* rowfile: rows kept in a file without a name, to be read again from the first one.
 *
 * For --compare, whose input may come from a pipe. Memory holds one row and the buffers of stdio;
 * the file is in $TMPDIR, else /tmp, and gone with the process.
 */
#ifndef DROVER_CLI_ROWFILE_H
#define DROVER_CLI_ROWFILE_H

#include <stddef.h>

#include "client/drover.h"
#include "common/base/err.h"

struct rowfile;

/* NULL with an error. */
struct rowfile *rowfile_new (struct err *e);
void rowfile_free (struct rowfile **f);

/* Append a row. 0, or -1: the file takes no more. */
int rowfile_add (struct rowfile *f, const drover_bytes_t *values, size_t count, struct err *e);

/* No more is appended: rowfile_next() gives the first row. 0 or -1. */
int rowfile_rewind (struct rowfile *f, struct err *e);

/* A feed_next_fn for a rowfile: 1 with the values, valid until the next call; 0 at the end; or
 * -1. */
int rowfile_next (void *rowfile, const drover_bytes_t **values, size_t *count, struct err *e);

#endif
