/* reader: cut what comes from a descriptor into values, without ever waiting for it.
 *
 * The descriptor may be shared with other processes (stdin), so it is not made non-blocking: it is
 * polled before each read. Values are views of the buffer; memory is bounded by the longest value
 * allowed.
 */
#ifndef DROVER_CLI_READER_H
#define DROVER_CLI_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

/* What a source may answer. */
enum input_step {
    INPUT_END = 0,
    INPUT_VALUE = 1,
    INPUT_WAIT = 2 /* nothing there yet: poll the descriptor, and ask again */
    /* -1: an error */
};

struct reader;

/* Open a file, "-" for stdin. `delimiter` (borrowed, not empty) ends a value. A value of more than
 * `value_max` bytes is an error. NULL with an error: cannot be opened, is a directory. */
struct reader *reader_open (const char *path, struct bytes delimiter, size_t value_max,
                            struct err *e);
void reader_free (struct reader **r);

/* enum input_step, with *value valid until the next call; -1 with an error that names the input and
 * the line. A last value without its delimiter counts. */
int reader_next (struct reader *r, struct bytes *value, struct err *e);

int reader_fd (const struct reader *r);

#endif
