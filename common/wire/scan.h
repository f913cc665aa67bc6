/* scan: walk MessagePack bytes before anybody believes them.
 *
 * msgpack-c trusts declared lengths; this does not. No allocation, no recursion. The walk is also
 * the fastest way over rows and outcomes, where only positions matter.
 */
#ifndef DROVER_WIRE_SCAN_H
#define DROVER_WIRE_SCAN_H

#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

#define SCAN_DEPTH 8

/* Check that `in` begins with one whole object: every declared length and count fits in what is
 * left (also the sum of what is pending), depth at most SCAN_DEPTH, at most max_objects objects, no
 * ext types, no reserved byte. Returns its length in bytes, or -1 with the byte offset in the
 * error. */
int64_t scan_object (struct bytes in, uint64_t max_objects, struct err *e);

/* Readers of one item at *at within `in`; each moves *at behind it and returns 0, or -1 (nothing
 * moved) if the next item is not one or is not whole. */
int scan_array (struct bytes in, size_t *at, uint32_t *count);
int scan_u64 (struct bytes in, size_t *at, uint64_t *value);
int scan_bytes (struct bytes in, size_t *at,
                struct bytes *value); /* bin or str; nil gives empty bytes */

#endif
