/* fault: errors on their way out: what the inner parts and the broker say, as the public
 * drover_error_t. */
#ifndef DROVER_CLIENT_FAULT_H
#define DROVER_CLIENT_FAULT_H

#include <stdarg.h>

#include "client/drover.h"
#include "common/base/err.h"
#include "common/wire/wire.h"

/* Fill `e` (may be NULL) and return -1. Control characters in the text are replaced. */
int fault_set (drover_error_t *e, enum drover_code code, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

/* From an inner error; its errno value decides the code. */
int fault_err (drover_error_t *e, const struct err *why);

/* What the broker's codes are here. */
enum drover_code fault_code (uint64_t wire_code);

#endif
