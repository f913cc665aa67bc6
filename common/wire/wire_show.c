/* wire_show: a message as one line of text, whatever bytes it holds. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/wire/kinds.h"
#include "common/wire/wire.h"

#define TEXT_SHOWN 64 /* of a string, the rest is told by its length */

struct line {
    char *text;
    size_t size;
    size_t len;
};

__attribute__ ((format (printf, 2, 3))) static void add (struct line *l, const char *fmt, ...)
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

/* Blanks, quotes and what does not print are escaped: a peer cannot forge a second field or line.
 */
static void add_text (struct line *l, const char *name, const struct bytes *text)
{
    add (l, " %s=", name);
    for (size_t i = 0; i < text->len && i < TEXT_SHOWN; i++) {
        uint8_t c = text->ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '\\')
            add (l, "\\x%02x", c);
        else
            add (l, "%c", c);
    }
    if (text->len > TEXT_SHOWN)
        add (l, "...(%zu)", text->len);
}

void wire_show (const struct wire *w, char *line, size_t size)
{
    struct line l = {line, size, 0};
    const struct wire_kind_info *k = wire_kind_info (w->kind);
    if (size)
        line[0] = '\0';
    if (!k) {
        add (&l, "kind %u", (unsigned)w->kind);
        return;
    }
    add (&l, "%s seq=%" PRIu64 " ack=%" PRIu64, k->name, w->seq, w->ack);
    if (w->flags)
        add (&l, " flags=%u", w->flags);
    for (unsigned i = 0; i < k->fields; i++) {
        const void *at = (const char *)&w->m + k->field[i].offset;
        if (k->field[i].text)
            add_text (&l, k->field[i].name, at);
        else
            add (&l, " %s=%" PRIu64, k->field[i].name, *(const uint64_t *)at);
    }
    for (unsigned i = 0; i < k->bodies; i++)
        if (w->body[i].len)
            add (&l, " body%u=%zu", i, w->body[i].len);
}
