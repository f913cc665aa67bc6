/* wire_show: a message as one line of text, whatever bytes it holds. */
#include <inttypes.h>

#include "common/base/line.h"
#include "common/wire/kinds.h"
#include "common/wire/wire.h"

#define TEXT_SHOWN 64 /* of a string, the rest is told by its length */

/* Blanks, quotes and what does not print are escaped: a peer cannot forge a second field or line.
 */
static void add_text (struct line *l, const char *name, const struct bytes *text)
{
    line_put (l, " %s=", name);
    for (size_t i = 0; i < text->len && i < TEXT_SHOWN; i++) {
        uint8_t c = text->ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '\\')
            line_put (l, "\\x%02x", c);
        else
            line_put (l, "%c", c);
    }
    if (text->len > TEXT_SHOWN)
        line_put (l, "...(%zu)", text->len);
}

void wire_show (const struct wire *w, char *line, size_t size)
{
    struct line l = {line, size, 0};
    const struct wire_kind_info *k = wire_kind_info (w->kind);
    if (size)
        line[0] = '\0';
    if (!k) {
        line_put (&l, "kind %u", (unsigned)w->kind);
        return;
    }
    line_put (&l, "%s seq=%" PRIu64 " ack=%" PRIu64, k->name, w->seq, w->ack);
    if (w->flags)
        line_put (&l, " flags=%u", w->flags);
    for (unsigned i = 0; i < k->fields; i++) {
        const void *at = (const char *)&w->m + k->field[i].offset;
        if (k->field[i].text)
            add_text (&l, k->field[i].name, at);
        else
            line_put (&l, " %s=%" PRIu64, k->field[i].name, *(const uint64_t *)at);
    }
    for (unsigned i = 0; i < k->bodies; i++)
        if (w->body[i].len)
            line_put (&l, " body%u=%zu", i, w->body[i].len);
}
