/* json_out: what --json prints, one object a line, as doc/JSON.md describes it.
 *
 * Each object begins with "drover": 1, the version of the schema. Bytes that are text (UTF-8) are a
 * string under their name, other bytes are base64 under their name with "_base64" behind it.
 */
#ifndef DROVER_CLI_JSON_OUT_H
#define DROVER_CLI_JSON_OUT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "client/drover.h"

/* A new object with the version of the schema in it; for json_decref() or json_line(). */
json_t *json_new (void);

/* Put bytes under `name`, or under `name`_base64. */
void json_put_bytes (json_t *object, const char *name, const void *bytes, size_t len);

/* The object as one line with a newline, for free(); NULL when there is no memory. Takes the
 * object. `*len` without the final NUL. */
char *json_line (json_t *object, size_t *len);

/* The line on stdout, through stdio. Takes the object. */
void json_print (json_t *object);

/* The outcome of a task. `values` (count 0: none known) are those of its row. NULL with an error
 * when its output cannot be read or is too large to be shown in this way. */
json_t *json_of_result (uint64_t batch, const drover_result_t *r, const drover_bytes_t *values,
                        size_t count, drover_error_t *e);

/* A record of the broker, in the vocabulary of fields.h. */
json_t *json_of_record (const drover_pair_t *pairs, size_t count);

#endif
