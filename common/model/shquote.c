/* shquote: one table of the bytes that no shell looks at twice, one of the words it does.
 *
 * The plain set is small on purpose: a comma or a colon is harmless alone, but means something
 * beside what the template may put around it (braces, a tilde).
 */
#include "common/model/shquote.h"

#include <string.h>

/* clang-format off */
static const bool plain[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
    ['_'] = true, ['-'] = true, ['.'] = true, ['/'] = true, ['+'] = true,
};
/* clang-format on */

/* Of dash and of bash. */
static const char *const reserved[] = {
    "case",     "coproc", "do", "done",   "elif", "else", "esac",  "fi",    "for",
    "function", "if",     "in", "select", "then", "time", "until", "while",
};

bool shquote_is_plain (struct bytes value)
{
    if (!value.len)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (!plain[value.ptr[i]])
            return false;
    return true;
}

bool shquote_is_reserved (struct bytes word)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (bytes_equal (word, bytes_str (reserved[i])))
            return true;
    return false;
}

/* Between single quotes; `quotes` is how many of them are in the value. */
static int append_quoted (struct buf *out, struct bytes value, size_t quotes)
{
    uint8_t *to = buf_room (out, value.len + 2 + quotes * 4);
    if (!to)
        return -1;
    uint8_t *at = to;
    *at++ = '\'';
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\'') {
            memcpy (at, "'\"'\"'", 5);
            at += 5;
        } else {
            *at++ = value.ptr[i];
        }
    }
    *at++ = '\'';
    out->len += (size_t)(at - to);
    return 0;
}

static size_t count_quotes (struct bytes value)
{
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++)
        n += value.ptr[i] == '\'';
    return n;
}

int shquote_append (struct buf *out, struct bytes value)
{
    if (shquote_is_plain (value))
        return buf_append (out, value.ptr, value.len);
    return append_quoted (out, value, count_quotes (value));
}

int shquote_append_command (struct buf *out, struct bytes value)
{
    if (shquote_is_reserved (value))
        return append_quoted (out, value, 0);
    return shquote_append (out, value);
}
