/* line: text that is put together piece by piece in memory of the caller's, and ends where that
 * ends. For what people read: what does not fit is left out.
 *
 *     char text[100];
 *     struct line l = {text, sizeof text, 0};
 *     line_put (&l, "task %d", 3);
 */
#ifndef DROVER_BASE_LINE_H
#define DROVER_BASE_LINE_H

#include <stddef.h>

struct line {
    char *text; /* always terminated behind the first line_put() */
    size_t size;
    size_t len; /* below size */
};

/* Append, as far as there is room. */
void line_put (struct line *l, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

#endif
