/* shquote: write bytes so that a POSIX shell gives exactly them back, and read such words again.
 *
 * Plain words (letters, digits and _ - . / +) are left as they are. Everything else goes between
 * single quotes, which no byte but the single quote itself can end; that one is written as '"'"'.
 * An empty value becomes ''. Values hold no NUL: no shell can pass one on.
 */
#ifndef DROVER_MODEL_SHQUOTE_H
#define DROVER_MODEL_SHQUOTE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/bytes.h"

/* Does the shell take these bytes as they are, wherever they stand? False for the empty value. A
 * reserved word of the shell counts as plain. */
bool shquote_is_plain (struct bytes value);

/* Is this a word that a shell treats apart where a command is expected (if, while, time, ...)? */
bool shquote_is_reserved (struct bytes word);

/* Append the value, quoted where it must be. 0, or -1 with out->failed set. */
int shquote_append (struct buf *out, struct bytes value);

/* As shquote_append(), for a place where a command is expected: reserved words are quoted too. */
int shquote_append_command (struct buf *out, struct bytes value);

#endif
