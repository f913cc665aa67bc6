#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void scrub (char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

int err_set (struct err *e, int code, const char *fmt, ...)
{
    if (!e)
        return -1;
    va_list ap;
    va_start (ap, fmt);
    vsnprintf (e->text, sizeof e->text, fmt, ap);
    va_end (ap);
    scrub (e->text);
    e->code = code;
    return -1;
}

int err_sys (struct err *e, int code, const char *fmt, ...)
{
    if (!e)
        return -1;
    va_list ap;
    va_start (ap, fmt);
    int n = vsnprintf (e->text, sizeof e->text, fmt, ap);
    va_end (ap);
    if (n >= 0 && (size_t)n < sizeof e->text)
        snprintf (e->text + n, sizeof e->text - (size_t)n, ": %s", strerror (code));
    scrub (e->text);
    e->code = code;
    return -1;
}
