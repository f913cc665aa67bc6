/* say: messages of the command line, one line each, on stderr.
 *
 * A line begins with "drover COMMAND: ". Names come from files, from the network and from other
 * users: control characters in them are shown escaped, so that a line stays one line and a terminal
 * is told nothing.
 */
#ifndef DROVER_CLI_SAY_H
#define DROVER_CLI_SAY_H

#include <stdbool.h>
#include <stddef.h>

#include "client/drover.h"
#include "common/base/line.h"

/* "drover COMMAND: text" on stderr; COMMAND NULL: "drover: text". Written at once, so that lines of
 * several processes do not mix. errno survives. */
void say (const char *command, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

/* As say(), with a hint at the help of the command behind it. Returns STATUS_USAGE. */
int say_usage (const char *command, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

/* Writes `len` bytes into `out` (size bytes, always terminated) with control characters as \n, \t,
 * \xNN; what does not fit is left out and "..." says so. Returns the length. */
size_t say_escape (char *out, size_t size, const void *bytes, size_t len);

/* Appends " (VALUE VALUE...)", the values of a task, escaped, as far as about 100 bytes go; nothing
 * where they are empty. */
void say_values (struct line *l, const drover_bytes_t *values, size_t count);

#endif
