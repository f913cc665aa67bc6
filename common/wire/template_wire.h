/* template_wire: a compiled template as bytes, for the body of a SPEC message.
 *
 * One array: the version of the form (1), the literal text (bin), and an array of two numbers a
 * part: its kind (op + 16 * modifier + 256 * quoting), and its number. doc/PROTOCOL.md,
 * "Templates".
 */
#ifndef DROVER_WIRE_TEMPLATE_WIRE_H
#define DROVER_WIRE_TEMPLATE_WIRE_H

#include "common/base/buf.h"
#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/model/template.h"

/* Append the template. 0, or -1 with out->failed set. */
int template_pack (const struct template *t, struct buf *out);

/* Read a template; `in` must hold it and nothing else. For template_free(). NULL with an error:
 * whatever the bytes are, nothing is allocated that they have not paid for. */
struct template *template_unpack (struct bytes in, struct err *e);

#endif
