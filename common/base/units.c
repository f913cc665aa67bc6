#include "common/base/units.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A plain decimal number: digits, at most one point, no sign, no exponent. Moves *text behind it.
 */
static int number (const char **text, double *value)
{
    const char *p = *text;
    size_t digits = strspn (p, "0123456789");
    p += digits;
    if (*p == '.') {
        size_t more = strspn (++p, "0123456789");
        digits += more;
        p += more;
    }
    if (!digits || p - *text > 18)
        return -1;
    *value = strtod (*text, NULL);
    *text = p;
    return 0;
}

static int unit_ms (const char **text, double *factor)
{
    static const struct {
        const char *name;
        double ms;
    } UNITS[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        size_t len = strlen (UNITS[i].name);
        if (strncmp (*text, UNITS[i].name, len) == 0 && !isalpha ((unsigned char)(*text)[len])) {
            *text += len;
            *factor = UNITS[i].ms;
            return 0;
        }
    }
    return -1;
}

int units_duration_ms (const char *text, uint64_t *ms)
{
    double sum = 0;
    double value, factor;
    if (!*text)
        return -1;
    const char *begin = text;
    while (*text) {
        if (number (&text, &value) < 0)
            return -1;
        bool bare = !*text && !strpbrk (begin, "smhd");
        factor = 1e3;
        if (!bare && unit_ms (&text, &factor) < 0)
            return -1;
        sum += value * factor;
    }
    if (sum > 1e15)
        return -1;
    *ms = (uint64_t)(sum + 0.5);
    return 0;
}

int units_size (const char *text, uint64_t *bytes)
{
    double value;
    static const char LETTERS[] = "KMGT";
    if (number (&text, &value) < 0)
        return -1;
    if (*text) {
        const char *letter = strchr (LETTERS, toupper ((unsigned char)*text));
        if (!letter)
            return -1;
        for (const char *p = LETTERS; p <= letter; p++)
            value *= 1024;
        text++;
        if (*text == 'B' || *text == 'b')
            text++;
    }
    if (*text || value > 1e18)
        return -1;
    *bytes = (uint64_t)value;
    return 0;
}

int units_print_time (char *out, size_t size, double us)
{
    if (us >= 99950)
        return snprintf (out, size, us >= 999500 ? "%.1f s" : "%.2f s", us / 1e6);
    if (us >= 950)
        return snprintf (out, size, us >= 9950 ? "%.0f ms" : "%.1f ms", us / 1e3);
    return snprintf (out, size, "%.0f us", us);
}
