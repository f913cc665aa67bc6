#include "common/base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

static const char *const NAMES[] = {"error", "warn", "info", "debug"};
static enum log_level the_level = LOG_WARN;
static const char *the_part = "drover";

void log_init (const char *part, enum log_level level)
{
    the_part = part;
    the_level = level;
}

int log_level_by_name (const char *name)
{
    for (int i = 0; i < (int)(sizeof NAMES / sizeof NAMES[0]); i++)
        if (strcmp (name, NAMES[i]) == 0)
            return i;
    return -1;
}

void log_event (enum log_level level, const char *fmt, ...)
{
    if (level > the_level)
        return;
    char line[1024];
    int64_t wall = clock_wall_us ();
    time_t seconds = (time_t)(wall / US_PER_S);
    struct tm tm;
    gmtime_r (&seconds, &tm);
    size_t n = strftime (line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf (line + n, sizeof line - n, ".%03dZ %-5s %s: ", (int)(wall / 1000 % 1000),
                           NAMES[level], the_part);
    va_list ap;
    va_start (ap, fmt);
    int m = vsnprintf (line + n, sizeof line - n - 1, fmt, ap);
    va_end (ap);
    size_t end = n + (m < 0 ? 0 : (size_t)m);
    if (end > sizeof line - 2)
        end = sizeof line - 2;
    for (size_t i = n; i < end; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[end] = '\n';
    /* one write, so that lines of several processes never mix; a full or closed stderr is nobody's
     * problem here */
    ssize_t ignored = write (STDERR_FILENO, line, end + 1);
    (void)ignored;
}
