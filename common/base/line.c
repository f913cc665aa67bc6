/* line: text of limited length; see line.h. */
#include "common/base/line.h"

#include <stdarg.h>
#include <stdio.h>

void line_put (struct line *l, const char *fmt, ...)
{
    if (l->len + 1 >= l->size)
        return;
    va_list ap;
    va_start (ap, fmt);
    int n = vsnprintf (l->text + l->len, l->size - l->len, fmt, ap);
    va_end (ap);
    size_t room = l->size - l->len - 1;
    l->len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
}
