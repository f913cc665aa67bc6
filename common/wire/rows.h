/* rows: task values on the wire. A body of rows is MessagePack arrays of bins, one behind the
 * other, one array a row.
 *
 * doc/PROTOCOL.md, "Rows". Also used for lists of strings: argument vectors, environments, records
 * of REPLY.
 */
#ifndef DROVER_WIRE_ROWS_H
#define DROVER_WIRE_ROWS_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/bytes.h"
#include "common/base/err.h"

#define ROW_VALUES_MAX 65536 /* values of one row */

/* Append the head of a row of `count` values; the values follow with row_value(). Failure shows in
 * out->failed. */
void row_begin (struct buf *out, uint32_t count);
void row_value (struct buf *out, struct bytes value);

/* Check that the body is exactly `count` rows of at most ROW_VALUES_MAX values. */
int rows_check (struct bytes body, uint64_t count, struct err *e);

/* The bytes that `count` rows at the front of a checked body take; all of it when there are fewer.
 */
size_t rows_length (struct bytes body, uint64_t count);

/* The values of the row at *at of a checked body: up to `max` of them go to `values`; returns how
 * many the row has and moves *at behind it. -1 at the end of the body, or where there is no row. */
int64_t row_read (struct bytes body, size_t *at, struct bytes *values, size_t max);

/* Ordering keys are bins one behind the other, without arrays around them: the next one, at *at,
 * which moves behind it. 0; -1 at the end, or where there is none. `key` may be NULL. */
int key_read (struct bytes body, size_t *at, struct bytes *key);

#endif
