#include "tests/sim/fake_log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "common/base/log.h"

static void (*the_fn) (void *arg, const char *line);
static void *the_arg;

void fake_log_to (void (*fn) (void *arg, const char *line), void *arg)
{
    the_fn = fn;
    the_arg = arg;
}

void log_event (enum log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    (void)level;
    if (!the_fn)
        return;
    va_start (ap, fmt);
    vsnprintf (line, sizeof line, fmt, ap);
    va_end (ap);
    the_fn (the_arg, line);
}
