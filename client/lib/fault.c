#include "client/lib/fault.h"

#include <errno.h>
#include <stdio.h>

static const enum drover_code codes[] = {
    [WIRE_OK] = DROVER_OK,
    [WIRE_MALFORMED] = DROVER_EPROTOCOL,
    [WIRE_UNSUPPORTED] = DROVER_EVERSION,
    [WIRE_FORBIDDEN] = DROVER_EFORBIDDEN,
    [WIRE_NO_SESSION] = DROVER_ELOST,
    [WIRE_UNKNOWN] = DROVER_EUNKNOWN,
    [WIRE_CONFLICT] = DROVER_ECONFLICT,
    [WIRE_BUSY] = DROVER_EBUSY,
    [WIRE_STORAGE] = DROVER_ESTORAGE,
    [WIRE_REPLACED] = DROVER_ELOST,
    [WIRE_STOPPING] = DROVER_ELOST,
    [WIRE_TOO_BIG] = DROVER_ETOOBIG,
    [WIRE_REVOKED] = DROVER_EFORBIDDEN,
    [WIRE_FENCED] = DROVER_ELOST,
    [WIRE_LOST] = DROVER_ELOST,
    [WIRE_DRAINING] = DROVER_EBUSY,
};

int fault_set (drover_error_t *e, enum drover_code code, const char *fmt, ...)
{
    if (!e)
        return -1;
    va_list ap;
    va_start (ap, fmt);
    vsnprintf (e->text, sizeof e->text, fmt, ap);
    va_end (ap);
    for (char *c = e->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    e->code = (int)code;
    return -1;
}

static enum drover_code from_errno (int code)
{
    switch (code) {
    case EINVAL:
        return DROVER_EINVAL;
    case ENOMEM:
        return DROVER_ENOMEM;
    case EMSGSIZE:
        return DROVER_ETOOBIG;
    case EBADMSG:
        return DROVER_EPROTOCOL;
    default:
        return DROVER_ESYSTEM;
    }
}

int fault_err (drover_error_t *e, const struct err *why)
{
    return fault_set (e, from_errno (why->code), "%s", why->text);
}

enum drover_code fault_code (uint64_t wire_code)
{
    if (wire_code < sizeof codes / sizeof *codes)
        return codes[wire_code];
    return DROVER_EPROTOCOL;
}
