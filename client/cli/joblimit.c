/* joblimit: see joblimit.h. Percentages are rounded up, as GNU Parallel does. */
#include "client/cli/joblimit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 9 };

/* Digits, with decimals if they are allowed; the length, 0 if it is no number. */
static size_t number_length (const char *text, int decimals)
{
    static const char digits[] = "0123456789";
    size_t n = strspn (text, digits);
    if (!n || n > DIGITS_MAX)
        return 0;
    if (decimals && text[n] == '.') {
        size_t more = strspn (text + n + 1, digits);
        if (!more || more > DIGITS_MAX)
            return 0;
        n += 1 + more;
    }
    return n;
}

int joblimit_parse (const char *text, struct joblimit *limit, struct err *e)
{
    const char *at = text + (*text == '+' || *text == '-');
    size_t len = number_length (at, at == text && strchr (text, '%') != NULL);
    struct joblimit l = {.kind = JOBLIMIT_NUMBER, .value = len ? strtod (at, NULL) : 0};
    if (at != text)
        l.kind = *text == '+' ? JOBLIMIT_MORE : JOBLIMIT_FEWER;
    else if (strcmp (at + len, "%") == 0 && l.value > 0)
        l.kind = JOBLIMIT_PERCENT;
    else if (l.value == 0)
        l.kind = JOBLIMIT_ALL;
    if (!len || strlen (at + len) != (l.kind == JOBLIMIT_PERCENT))
        return err_set (e, EINVAL,
                        "'%s' is no number of jobs: write 8, 0 (as many as possible), or, from the "
                        "number of processors, +2, -2 or 50%%",
                        text);
    *limit = l;
    return 0;
}

int joblimit_slots (const struct joblimit *limit, unsigned processors, unsigned greatest,
                    unsigned *slots, struct err *e)
{
    double n = processors;
    switch (limit->kind) {
    case JOBLIMIT_DEFAULT:
        break;
    case JOBLIMIT_NUMBER:
        n = limit->value;
        break;
    case JOBLIMIT_ALL:
        n = greatest;
        break;
    case JOBLIMIT_MORE:
        n += limit->value;
        break;
    case JOBLIMIT_FEWER:
        n -= limit->value;
        if (n < 1)
            return err_set (e, ERANGE,
                            "-j -%.0f leaves no job on %u processors: at most -j -%u is possible",
                            limit->value, processors, processors - 1);
        break;
    case JOBLIMIT_PERCENT:
        n = n * limit->value / 100;
        break;
    }
    *slots = n >= greatest ? greatest : (unsigned)n;
    if (*slots < n && *slots < greatest)
        ++*slots;
    return 0;
}
