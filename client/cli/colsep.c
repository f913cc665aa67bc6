/* colsep: Perl's notation is read here, POSIX's does the work.
 *
 * They differ where it matters in the escapes, which POSIX does not have, and in classes, where a
 * backslash is an ordinary character for POSIX: a class is therefore read into a set of its ASCII
 * members and written anew. What Perl would not read as POSIX does (lazy repetition, look-ahead,
 * \1) is refused. Of alternatives Perl takes the first, POSIX the longest.
 */
#include "client/cli/colsep.h"

#include <errno.h>
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

enum { EXPRESSION_MAX = 64 * 1024, ASCII = 128 };

struct colsep {
    uint8_t *literal; /* the text to look for; NULL: the expression does it */
    size_t literal_len;
    regex_t regex;
    char *row; /* a copy of the present row, with the NUL that regexec() needs */
    size_t size;
};

/* What is read, and what comes of it. */
struct translation {
    const char *at;
    struct buf posix;
    struct buf literal;
    bool is_literal;
};

static const char *escaped_class (char c)
{
    switch (c) {
    case 's':
        return "[[:space:]]";
    case 'S':
        return "[^[:space:]]";
    case 'd':
        return "[0-9]";
    case 'D':
        return "[^0-9]";
    case 'w':
        return "[[:alnum:]_]";
    case 'W':
        return "[^[:alnum:]_]";
    default:
        return NULL;
    }
}

/* The byte that \c stands for, -1 if it stands for none. */
static int escaped_byte (char c)
{
    static const char names[] = "tnrfav0e";
    static const char bytes[] = "\t\n\r\f\a\v\0\x1b";
    const char *found = c ? strchr (names, c) : NULL;
    if (found)
        return (unsigned char)bytes[found - names];
    bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return !c || letter ? -1 : (unsigned char)c;
}

static void put_literal (struct translation *t, char byte)
{
    if (strchr ("\\.[(){}*+?|^$", byte))
        buf_putc (&t->posix, '\\');
    buf_putc (&t->posix, byte);
    buf_putc (&t->literal, byte);
}

static int read_escape (struct translation *t, struct err *e)
{
    char c = *++t->at;
    const char *class = escaped_class (c);
    int byte = escaped_byte (c);
    if (class) {
        buf_puts (&t->posix, class);
        t->is_literal = false;
    } else if (byte > 0) {
        put_literal (t, (char)byte);
    } else {
        return err_set (e, EINVAL, "'\\%c' is not understood", c ? c : ' ');
    }
    t->at++;
    return 0;
}

/* --- classes --- */

struct set {
    bool member[ASCII];
    bool negated;
    struct buf beyond; /* bytes that are not ASCII, as they came */
};

static void add_named (struct set *s, char name)
{
    bool inverse = name >= 'A' && name <= 'Z';
    for (int i = 1; i < ASCII; i++) {
        bool space = i == ' ' || (i >= '\t' && i <= '\r');
        bool digit = i >= '0' && i <= '9';
        bool letter = (i >= 'a' && i <= 'z') || (i >= 'A' && i <= 'Z');
        bool word = digit || letter || i == '_';
        bool in = name == 's' || name == 'S' ? space : name == 'd' || name == 'D' ? digit : word;
        s->member[i] |= in != inverse;
    }
}

/* One member, a byte or an escape; -1: it was a named class or not ASCII, -2: an error. */
static int read_member (struct translation *t, struct set *s)
{
    unsigned char c = (unsigned char)*t->at;
    if (c == '\\') {
        c = (unsigned char)*++t->at;
        if (escaped_class ((char)c)) {
            add_named (s, (char)c);
            t->at++;
            return -1;
        }
        int byte = escaped_byte ((char)c);
        if (byte <= 0)
            return -2;
        c = (unsigned char)byte;
    }
    t->at++;
    if (c >= ASCII) {
        buf_putc (&s->beyond, (char)c);
        return -1;
    }
    s->member[c] = true;
    return c;
}

/* [:space:] and so on, as in POSIX. */
static bool read_posix_class (struct translation *t, struct set *s)
{
    static const struct {
        const char *text;
        char name;
    } classes[] = {{"[:space:]", 's'}, {"[:blank:]", 'b'}, {"[:digit:]", 'd'}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strncmp (t->at, classes[i].text, strlen (classes[i].text)) != 0)
            continue;
        t->at += strlen (classes[i].text);
        if (classes[i].name == 'b')
            s->member[' '] = s->member['\t'] = true;
        else
            add_named (s, classes[i].name);
        return true;
    }
    return false;
}

static int read_members (struct translation *t, struct set *s)
{
    t->at++;
    if (*t->at == '^') {
        s->negated = true;
        t->at++;
    }
    for (bool first = true; first || *t->at != ']'; first = false) {
        if (!*t->at)
            return -1;
        if (read_posix_class (t, s))
            continue;
        int from = read_member (t, s);
        if (from == -2)
            return -1;
        if (from < 0 || t->at[0] != '-' || t->at[1] == ']' || !t->at[1])
            continue;
        t->at++;
        int to = read_member (t, s);
        if (to < from)
            return -1;
        for (int i = from; i <= to; i++)
            s->member[i] = true;
    }
    t->at++;
    return 0;
}

/* In an order in which no member means anything to POSIX: ] first, ^ not first, - last, or first
 * where ^ would be. */
static void write_members (struct buf *out, const struct set *s)
{
    size_t start = out->len;
    if (s->member[']'])
        buf_putc (out, ']');
    for (int i = 1; i < ASCII; i++)
        if (s->member[i] && !strchr ("]^-[", i))
            buf_putc (out, (char)i);
    buf_append (out, s->beyond.bytes, s->beyond.len);
    if (s->member['['])
        buf_putc (out, '[');
    bool first = out->len == start;
    if (s->member['-'] && first)
        buf_putc (out, '-');
    if (s->member['^'])
        buf_putc (out, '^');
    if (s->member['-'] && !first)
        buf_putc (out, '-');
}

static int write_set (struct translation *t, const struct set *s, struct err *e)
{
    size_t count = s->beyond.len;
    for (int i = 1; i < ASCII; i++)
        count += s->member[i];
    if (!count)
        return err_set (e, EINVAL, "a class is empty");
    if (count == 1 && s->member['^'] && !s->negated) {
        buf_puts (&t->posix, "\\^");
        return 0;
    }
    buf_puts (&t->posix, s->negated ? "[^" : "[");
    write_members (&t->posix, s);
    buf_putc (&t->posix, ']');
    return 0;
}

static int read_class (struct translation *t, struct err *e)
{
    struct set s = {.negated = false};
    buf_init (&s.beyond, EXPRESSION_MAX);
    t->is_literal = false;
    int rc = read_members (t, &s);
    if (rc)
        err_set (e, EINVAL, "a class in [ ] is not understood");
    else
        rc = write_set (t, &s, e);
    buf_fini (&s.beyond);
    return rc;
}

/* --- the rest --- */

static bool repeats (char c)
{
    return c == '*' || c == '+' || c == '?';
}

static int read_other (struct translation *t, struct err *e)
{
    char c = *t->at;
    if (!strchr (".(){}*+?|^$", c)) {
        put_literal (t, c);
        t->at++;
        return 0;
    }
    t->is_literal = false;
    if (strncmp (t->at, "(?:", 3) == 0) {
        buf_putc (&t->posix, '(');
        t->at += 3;
        return 0;
    }
    if ((c == '(' && t->at[1] == '?') || ((repeats (c) || c == '}') && repeats (t->at[1])))
        return err_set (e, EINVAL, "'%.2s' is not understood", t->at);
    buf_putc (&t->posix, c);
    t->at++;
    return 0;
}

static int translate (struct translation *t, struct err *e)
{
    int rc = 0;
    while (!rc && *t->at) {
        if (*t->at == '\\')
            rc = read_escape (t, e);
        else if (*t->at == '[')
            rc = read_class (t, e);
        else
            rc = read_other (t, e);
    }
    buf_putc (&t->posix, '\0');
    if (!rc && (t->posix.failed || t->literal.failed))
        rc = err_set (e, EMSGSIZE, "the expression is too long");
    return rc;
}

static int compile (struct colsep *c, const struct translation *t, struct err *e)
{
    char said[200];
    int rc = regcomp (&c->regex, (const char *)t->posix.bytes, REG_EXTENDED);
    if (!rc)
        return 0;
    regerror (rc, &c->regex, said, sizeof said);
    return err_set (e, EINVAL, "%s", said);
}

struct colsep *colsep_new (const char *expression, struct err *e)
{
    struct err why;
    struct colsep *c = mem_zalloc (sizeof *c);
    struct translation t = {.at = expression, .is_literal = true};
    buf_init (&t.posix, EXPRESSION_MAX);
    buf_init (&t.literal, EXPRESSION_MAX);
    int rc = *expression ? translate (&t, &why) : err_set (&why, EINVAL, "it is empty");
    if (!rc && t.is_literal) {
        c->literal_len = t.literal.len;
        c->literal = (uint8_t *)mem_strndup ((const char *)t.literal.bytes, t.literal.len);
    } else if (!rc) {
        rc = compile (c, &t, &why);
    }
    buf_fini (&t.posix);
    buf_fini (&t.literal);
    if (rc) {
        err_set (e, EINVAL, "'%s' separates no columns: %s", expression, why.text);
        free (c);
        return NULL;
    }
    return c;
}

void colsep_free (struct colsep **c)
{
    if (!*c)
        return;
    if ((*c)->literal)
        free ((*c)->literal);
    else
        regfree (&(*c)->regex);
    free ((*c)->row);
    free (*c);
    *c = NULL;
}

static void copy_row (struct colsep *c, struct bytes row)
{
    if (c->size < row.len + 1) {
        c->size = 2 * row.len + 64;
        c->row = mem_resize (c->row, c->size, 1);
    }
    memcpy (c->row, row.ptr, row.len);
    c->row[row.len] = '\0';
}

static bool find_literal (const struct colsep *c, struct bytes row, size_t from, size_t *start,
                          size_t *end)
{
    const uint8_t *found = memmem (row.ptr + from, row.len - from, c->literal, c->literal_len);
    if (!found)
        return false;
    *start = (size_t)(found - row.ptr);
    *end = *start + c->literal_len;
    return true;
}

/* The next match at or behind `from`. One that is empty counts only behind `from`: there is
 * something between any two of them. */
static bool find_match (const struct colsep *c, size_t len, size_t from, size_t *start, size_t *end)
{
    for (size_t at = from; at <= len; at++) {
        regmatch_t m;
        if (regexec (&c->regex, c->row + at, 1, &m, at ? REG_NOTBOL : 0))
            return false;
        *start = at + (size_t)m.rm_so;
        *end = at + (size_t)m.rm_eo;
        if (*end > from)
            return true;
    }
    return false;
}

bool colsep_next (struct colsep *c, struct bytes row, size_t *at, struct bytes *column)
{
    size_t start;
    size_t end;
    bool found = false;
    if (*at == COLSEP_END)
        return false;
    if (!row.len) {
        *column = row;
        *at = COLSEP_END;
        return true;
    }
    if (c->literal) {
        found = find_literal (c, row, *at, &start, &end);
    } else {
        if (*at == 0)
            copy_row (c, row);
        found = find_match (c, row.len, *at, &start, &end);
    }
    *column = bytes_of (row.ptr + *at, (found ? start : row.len) - *at);
    *at = found ? end : COLSEP_END;
    return true;
}
