/* template: checking and expanding. Compiling is in template_compile.c.
 *
 * Expanding runs once per task, on the worker: one pass over the parts, one append for each. A part
 * of a value is a view of it, so that nothing is copied twice.
 */
#include "common/model/template.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/model/shquote.h"

/* What a part may look at while it is expanded. */
struct scope {
    const struct bytes *values;
    size_t count;
    uint64_t seq;
    unsigned slot;
    const struct bytes *present; /* the value of a repeated word; NULL outside of one */
    size_t present_count;        /* 0 in a repeated word of a job without values */
};

/* Where the last component begins. */
static size_t base_at (struct bytes v)
{
    size_t at = v.len;
    while (at && v.ptr[at - 1] != '/')
        at--;
    return at;
}

static struct bytes base_of (struct bytes v)
{
    size_t at = base_at (v);
    return at ? bytes_of (v.ptr + at, v.len - at) : v;
}

static struct bytes without_extension (struct bytes v)
{
    for (size_t at = v.len; at && v.ptr[at - 1] != '/'; at--)
        if (v.ptr[at - 1] == '.')
            return bytes_of (v.ptr, at - 1);
    return v;
}

static size_t without_slashes (struct bytes v, size_t len)
{
    while (len && v.ptr[len - 1] == '/')
        len--;
    return len;
}

/* As dirname(3). */
static struct bytes directory_of (struct bytes v)
{
    size_t len = without_slashes (v, v.len);
    if (!len)
        return bytes_str (v.len ? "/" : ".");
    len = base_at (bytes_of (v.ptr, len));
    if (!len)
        return bytes_str (".");
    len = without_slashes (v, len);
    return len ? bytes_of (v.ptr, len) : bytes_str ("/");
}

static struct bytes modified (struct bytes v, uint8_t modifier)
{
    switch ((enum template_modifier)modifier) {
    case TEMPLATE_WHOLE:
        return v;
    case TEMPLATE_NO_EXT:
        return without_extension (v);
    case TEMPLATE_BASE:
        return base_of (v);
    case TEMPLATE_DIR:
        return directory_of (v);
    case TEMPLATE_BASE_STEM:
        return without_extension (base_of (v));
    }
    return v;
}

static void append_value (const struct template_part *p, struct bytes v, struct buf *out)
{
    v = modified (v, p->modifier);
    if (p->quoting == TEMPLATE_AS_IS)
        buf_append (out, v.ptr, v.len);
    else if (p->quoting == TEMPLATE_WORD)
        shquote_append (out, v);
    else
        shquote_append_command (out, v);
}

static void append_number (uint64_t n, struct buf *out)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    buf_append (out, digits + at, sizeof digits - at);
}

static void append_all (const struct template_part *p, const struct scope *s, struct buf *out)
{
    const struct bytes *values = s->present ? s->present : s->values;
    size_t count = s->present ? s->present_count : s->count;
    for (size_t i = 0; i < count && !out->failed; i++) {
        if (i)
            buf_putc (out, ' ');
        append_value (p, values[i], out);
    }
}

/* One part other than REPEAT. *text moves behind what a TEXT part takes. */
static void append_part (const struct template_part *p, const struct scope *s, const uint8_t **text,
                         struct buf *out)
{
    switch ((enum template_op)p->op) {
    case TEMPLATE_TEXT:
        buf_append (out, *text, p->number);
        *text += p->number;
        break;
    case TEMPLATE_ALL:
        append_all (p, s, out);
        break;
    case TEMPLATE_FIRST:
        if (p->number <= s->count)
            append_value (p, s->values[p->number - 1], out);
        break;
    case TEMPLATE_LAST:
        if (p->number <= s->count)
            append_value (p, s->values[s->count - p->number], out);
        break;
    case TEMPLATE_SEQ:
        append_number (s->seq, out);
        break;
    case TEMPLATE_SLOT:
        append_number (s->slot, out);
        break;
    case TEMPLATE_REPEAT:
        break;
    }
}

/* The `number` parts behind a REPEAT part, once for each value; once, with no value, if there is
 * none. */
static void append_repeated (const struct template_part *p, const struct scope *s,
                             const uint8_t **text, struct buf *out)
{
    static const struct bytes none;
    const uint8_t *start = *text;
    struct scope inner = *s;
    size_t times = s->count ? s->count : 1;
    inner.present_count = s->count ? 1 : 0;
    for (size_t i = 0; i < times && !out->failed; i++) {
        inner.present = s->count ? &s->values[i] : &none;
        *text = start;
        if (i)
            buf_putc (out, ' ');
        for (uint32_t k = 1; k <= p->number && !out->failed; k++)
            append_part (p + k, &inner, text, out);
    }
}

int template_expand (const struct template *t, const struct bytes *values, size_t count,
                     uint64_t seq, unsigned slot, struct buf *out)
{
    const struct scope s = {.values = values, .count = count, .seq = seq, .slot = slot};
    const uint8_t *text = t->text;
    for (size_t i = 0; i < t->count && !out->failed; i++) {
        const struct template_part *p = &t->parts[i];
        if (p->op == TEMPLATE_REPEAT) {
            append_repeated (p, &s, &text, out);
            i += p->number;
        } else {
            append_part (p, &s, &text, out);
        }
    }
    return out->failed ? -1 : 0;
}

/* A value from `lo` on, up to `hi`, counted from the first? */
static bool takes (const struct template_part *p, uint32_t lo, uint32_t hi)
{
    return p->op == TEMPLATE_FIRST && p->number >= lo && p->number <= hi;
}

bool template_takes_output (const struct template *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (takes (&t->parts[i], TEMPLATE_STAGE_OUTPUT, TEMPLATE_STAGE_OUTPUT))
            return true;
    return false;
}

bool template_takes_item (const struct template *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].op == TEMPLATE_LAST ||
            takes (&t->parts[i], TEMPLATE_STAGE_VALUES + 1, UINT32_MAX))
            return true;
    return false;
}

static int check_part (const struct template_part *p, size_t behind, struct err *e)
{
    bool value = p->op == TEMPLATE_ALL || p->op == TEMPLATE_FIRST || p->op == TEMPLATE_LAST;
    if (p->op > TEMPLATE_REPEAT || p->modifier > (value ? TEMPLATE_BASE_STEM : 0) ||
        p->quoting > (value ? TEMPLATE_COMMAND : 0))
        return err_set (e, EPROTO, "a template has a part of an unknown kind");
    bool counted = p->op == TEMPLATE_TEXT || p->op == TEMPLATE_REPEAT || p->op == TEMPLATE_FIRST ||
                   p->op == TEMPLATE_LAST;
    if (counted != (p->number != 0))
        return err_set (e, EPROTO, "a template has a part with a wrong number");
    if (p->op != TEMPLATE_REPEAT)
        return 0;
    if (p->number > behind)
        return err_set (e, EPROTO, "a template repeats more parts than it has");
    for (uint32_t k = 1; k <= p->number; k++)
        if (p[k].op == TEMPLATE_REPEAT)
            return err_set (e, EPROTO, "a template repeats a repetition");
    return 0;
}

static int check (const struct template_part *parts, size_t count, size_t text_len, struct err *e)
{
    if (count > TEMPLATE_PARTS_MAX || text_len > TEMPLATE_TEXT_MAX)
        return err_set (e, EMSGSIZE,
                        "a command has %zu parts and %zu bytes; the limits are %d and %d", count,
                        text_len, TEMPLATE_PARTS_MAX, TEMPLATE_TEXT_MAX);
    uint64_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (check_part (&parts[i], count - i - 1, e))
            return -1;
        if (parts[i].op == TEMPLATE_TEXT)
            used += parts[i].number;
    }
    if (used != text_len)
        return err_set (e, EPROTO, "a template has %zu bytes of text but uses %llu", text_len,
                        (unsigned long long)used);
    return 0;
}

static void *copy_of (const void *bytes, size_t len)
{
    void *copy = malloc (len ? len : 1);
    if (copy && len)
        memcpy (copy, bytes, len);
    return copy;
}

struct template *template_new (const struct template_part *parts, size_t count, struct bytes text,
                               struct err *e)
{
    if (check (parts, count, text.len, e))
        return NULL;
    struct template *t = mem_zalloc (sizeof *t);
    t->parts = copy_of (parts, count * sizeof *parts);
    t->count = count;
    t->text = copy_of (text.ptr, text.len);
    t->text_len = text.len;
    if (!t->parts || !t->text) {
        template_free (&t);
        err_set (e, ENOMEM, "no memory for a command");
    }
    return t;
}

void template_free (struct template **t)
{
    if (!*t)
        return;
    free ((*t)->parts);
    free ((*t)->text);
    free (*t);
    *t = NULL;
}
