#include "common/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static void *must (void *p)
{
    if (p)
        return p;
    fputs ("drover: out of memory\n", stderr);
    _Exit (EX_OSERR);
}

void *mem_zalloc (size_t size)
{
    return must (calloc (1, size ? size : 1));
}

void *mem_resize (void *old, size_t count, size_t size)
{
    return must (reallocarray (old, count ? count : 1, size));
}

char *mem_strdup (const char *s)
{
    return must (strdup (s));
}

char *mem_strndup (const char *s, size_t len)
{
    char *copy = must (malloc (len + 1));
    if (len) /* else s may be NULL */
        memcpy (copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *mem_printf (const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start (ap, fmt);
    int n = vasprintf (&s, fmt, ap);
    va_end (ap);
    return must (n < 0 ? NULL : s);
}
