/* template_compile: from the user's words to the parts of a template.
 *
 * The words are read once, byte by byte. At each byte a replacement string is looked for: the one
 * of -I, one in braces, or a name in braces; where two begin, the longer one counts. What is none
 * of them is literal text.
 *
 * A word here is what blanks separate in the joined command, with -q what the caller's shell passed
 * as one. When a word ends and it holds {}, and values are to be spread, a REPEAT part is put in
 * front of it.
 */
#include "common/model/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/shquote.h"

enum { NUMBER_DIGITS = 9 }; /* of {n}: more is no number */

struct compiler {
    const struct template_source *source;
    struct buf parts;   /* of struct template_part */
    struct buf text;    /* literal text */
    struct buf literal; /* with -q: what is still to be quoted as one piece */
    size_t word_part;   /* where the present word begins: in this part, ... */
    size_t word_text;   /* ... behind this byte of the text */
    size_t sealed;      /* parts before this one are repeated ones: text is not added to them */
    bool spread;        /* the present word holds {} */
    bool raw;           /* no value is quoted */
    bool found;         /* there was a replacement string */
    uint8_t before;     /* the last byte that is no blank; ';' at the start, 0 after a value */
    bool first_word;    /* with -q: the word that will be the command */
};

static struct template_part *part_at (struct compiler *c, size_t i)
{
    return (struct template_part *)(void *)c->parts.bytes + i;
}

static size_t part_count (const struct compiler *c)
{
    return c->parts.len / sizeof (struct template_part);
}

static void add_part (struct compiler *c, struct template_part part)
{
    buf_append (&c->parts, &part, sizeof part);
}

/* Literal text as it shall be in the line. Text behind text becomes one part. */
static void add_text (struct compiler *c, const uint8_t *bytes, size_t len)
{
    size_t n = part_count (c);
    if (!len || buf_append (&c->text, bytes, len))
        return;
    if (n > c->sealed && part_at (c, n - 1)->op == TEMPLATE_TEXT)
        part_at (c, n - 1)->number += (uint32_t)len;
    else
        add_part (c, (struct template_part){.op = TEMPLATE_TEXT, .number = (uint32_t)len});
}

static void begin_word (struct compiler *c)
{
    c->word_part = part_count (c);
    c->word_text = c->text.len;
    c->spread = false;
}

/* Put a REPEAT part where the word begins. Text that was there before it gets a part of its own. */
static void repeat_word (struct compiler *c)
{
    size_t at = c->word_part;
    size_t inside = 0; /* bytes of the word that were added to the text part in front of it */
    if (at && part_at (c, at - 1)->op == TEMPLATE_TEXT) {
        size_t total = c->text.len;
        for (size_t i = at; i < part_count (c); i++)
            if (part_at (c, i)->op == TEMPLATE_TEXT)
                total -= part_at (c, i)->number;
        inside = total - c->word_text;
    }
    size_t extra = inside ? 2 : 1;
    struct template_part fill[2] = {{.op = TEMPLATE_REPEAT},
                                    {.op = TEMPLATE_TEXT, .number = (uint32_t)inside}};
    if (buf_append (&c->parts, fill, extra * sizeof *fill))
        return;
    size_t behind = part_count (c) - extra - at;
    memmove (part_at (c, at + extra), part_at (c, at), behind * sizeof *fill);
    memcpy (part_at (c, at), fill, extra * sizeof *fill);
    if (inside)
        part_at (c, at - 1)->number -= (uint32_t)inside;
    part_at (c, at)->number = (uint32_t)(behind + extra - 1);
    c->sealed = part_count (c);
}

static void end_word (struct compiler *c)
{
    if (c->spread && !c->parts.failed && !c->text.failed)
        repeat_word (c);
}

static void flush_literal (struct compiler *c)
{
    if (!c->literal.len)
        return;
    struct buf quoted;
    struct bytes piece = bytes_of (c->literal.bytes, c->literal.len);
    buf_init (&quoted, 5 * TEMPLATE_TEXT_MAX + 2);
    if (c->first_word ? shquote_append_command (&quoted, piece) : shquote_append (&quoted, piece))
        c->text.failed = true;
    add_text (c, quoted.bytes, quoted.len);
    buf_fini (&quoted);
    buf_clear (&c->literal);
}

/* --- replacement strings --- */

/* The modifier at the start of s, and the } behind it; 0 if that is not what is there. */
static size_t read_modifier (const char *s, struct template_part *p)
{
    static const struct {
        const char *text;
        enum template_modifier modifier;
    } modifiers[] = {{"}", TEMPLATE_WHOLE},
                     {".}", TEMPLATE_NO_EXT},
                     {"/}", TEMPLATE_BASE},
                     {"//}", TEMPLATE_DIR},
                     {"/.}", TEMPLATE_BASE_STEM}};
    for (size_t i = 0; i < sizeof modifiers / sizeof *modifiers; i++) {
        size_t len = strlen (modifiers[i].text);
        if (strncmp (s, modifiers[i].text, len) == 0) {
            p->modifier = (uint8_t)modifiers[i].modifier;
            return len;
        }
    }
    return 0;
}

/* {} {.} ... {#} {%} {n} {-n} ...: the length, 0 if it is none. `s` is at the opening brace. */
static size_t read_braces (const struct compiler *c, const char *s, struct template_part *p)
{
    if (strncmp (s, "{#}", 3) == 0 || strncmp (s, "{%}", 3) == 0) {
        p->op = s[1] == '#' ? TEMPLATE_SEQ : TEMPLATE_SLOT;
        return 3;
    }
    size_t at = 1;
    bool last = s[at] == '-';
    at += last;
    size_t digits = strspn (s + at, "0123456789");
    if (digits > NUMBER_DIGITS || (last && !digits))
        return 0;
    for (size_t i = 0; i < digits; i++)
        p->number = p->number * 10 + (uint32_t)(s[at + i] - '0');
    if (digits && !p->number)
        return 0;
    p->op = !digits ? TEMPLATE_ALL : last ? TEMPLATE_LAST : TEMPLATE_FIRST;
    at += digits;
    size_t tail = read_modifier (s + at, p);
    if (!tail || (p->op == TEMPLATE_ALL && p->modifier == TEMPLATE_WHOLE && c->source->replace))
        return 0;
    return at + tail;
}

/* {name}, {name.}, ...: the length, 0 if it is none. The longest name counts, of equal ones the
 * first. */
static size_t read_name (const struct compiler *c, const char *s, struct template_part *p)
{
    const char *const *names = c->source->names;
    size_t best = 0;
    for (uint32_t i = 0; names && names[i]; i++) {
        size_t len = strlen (names[i]);
        struct template_part found = {.op = TEMPLATE_FIRST, .number = i + 1};
        if (!len || len <= best || strncmp (s + 1, names[i], len) != 0 ||
            !read_modifier (s + 1 + len, &found))
            continue;
        best = len;
        *p = found;
    }
    return best ? 1 + best + read_modifier (s + 1 + best, p) : 0;
}

/* Where a row of a later stage has what is meant. */
static void move_to_stage (struct template_part *p)
{
    if (p->op == TEMPLATE_ALL) {
        p->op = TEMPLATE_FIRST;
        p->number = TEMPLATE_STAGE_OUTPUT;
    } else if (p->op == TEMPLATE_FIRST) {
        p->number += TEMPLATE_STAGE_VALUES;
    } else if (p->op == TEMPLATE_SEQ) {
        p->op = TEMPLATE_FIRST;
        p->number = 1;
    }
}

/* The replacement string at the start of s: its length, 0 if there is none. */
static size_t read_reference (const struct compiler *c, const char *s, struct template_part *p)
{
    const char *replace = c->source->replace;
    size_t own = replace && strncmp (s, replace, strlen (replace)) == 0 ? strlen (replace) : 0;
    size_t braces = 0;
    *p = (struct template_part){0};
    if (*s == '{') {
        braces = read_braces (c, s, p);
        if (!braces) {
            *p = (struct template_part){0};
            braces = read_name (c, s, p);
        }
    }
    if (own && own >= braces) {
        *p = (struct template_part){.op = TEMPLATE_ALL};
        braces = own;
    }
    if (braces && (c->source->flags & TEMPLATE_STAGE))
        move_to_stage (p);
    return braces;
}

/* --- words --- */

/* Is this where the shell expects a command, as far as a look at the last byte can tell? Only
 * reserved words depend on it: they are quoted here, and shown plain elsewhere. */
static bool at_command (const struct compiler *c)
{
    if (c->source->flags & TEMPLATE_QUOTE_WORDS)
        return c->first_word;
    return c->before && strchr (";|&(`\n{", c->before);
}

static void add_reference (struct compiler *c, struct template_part p)
{
    bool value = p.op == TEMPLATE_ALL || p.op == TEMPLATE_FIRST || p.op == TEMPLATE_LAST;
    if (value && !c->raw)
        p.quoting = at_command (c) ? TEMPLATE_COMMAND : TEMPLATE_WORD;
    flush_literal (c);
    add_part (c, p);
    c->spread |= p.op == TEMPLATE_ALL && (c->source->flags & TEMPLATE_SPREAD);
    c->found = true;
    c->before = 0;
}

static void add_literal (struct compiler *c, char byte)
{
    uint8_t b = (uint8_t)byte;
    if (c->source->flags & TEMPLATE_QUOTE_WORDS) {
        buf_putc (&c->literal, byte);
        return;
    }
    bool blank = byte == ' ' || byte == '\t';
    if (blank)
        end_word (c);
    add_text (c, &b, 1);
    if (blank)
        begin_word (c);
    else
        c->before = b;
}

/* The blank between two words of the command line. */
static void add_gap (struct compiler *c)
{
    end_word (c);
    add_text (c, (const uint8_t *)" ", 1);
    begin_word (c);
}

static void add_word (struct compiler *c, const char *word)
{
    struct template_part p;
    if (!*word && (c->source->flags & TEMPLATE_QUOTE_WORDS))
        add_text (c, (const uint8_t *)"''", 2);
    while (*word && !c->parts.failed && !c->text.failed && !c->literal.failed) {
        size_t len = read_reference (c, word, &p);
        if (len)
            add_reference (c, p);
        else
            add_literal (c, *word);
        word += len ? len : 1;
    }
    flush_literal (c);
}

/* Are the values the command themselves, or its beginning? Then quoting would make one word of what
 * is meant to be a command line. */
static bool values_are_commands (const struct compiler *c)
{
    struct template_part p;
    const char *const *words = c->source->words;
    if (c->source->flags & TEMPLATE_QUOTE_WORDS)
        return false;
    return !words || !words[0] || read_reference (c, words[0], &p);
}

static void add_all (struct compiler *c)
{
    const char *const *words = c->source->words;
    bool some = words && words[0];
    begin_word (c);
    for (size_t i = 0; some && words[i]; i++) {
        c->first_word = i == 0;
        if (i)
            add_gap (c);
        add_word (c, words[i]);
    }
    if (!c->found && !(c->source->flags & (TEMPLATE_NO_APPEND | TEMPLATE_STAGE))) {
        c->first_word = !some;
        if (some)
            add_gap (c);
        add_reference (c, (struct template_part){.op = TEMPLATE_ALL});
    }
    end_word (c);
}

/* {= perl =} means something to GNU Parallel's users: it is refused, not passed to the shell. */
static bool holds_perl (const struct template_source *source)
{
    for (const char *const *w = source->words; w && *w; w++) {
        const char *begin = strstr (*w, "{=");
        if (begin && strstr (begin + 2, "=}"))
            return true;
    }
    return false;
}

struct template *template_compile (const struct template_source *source, struct err *e)
{
    struct template *t = NULL;
    struct compiler c = {.source = source, .before = ';'};
    if (!(source->flags & TEMPLATE_RAW) && holds_perl (source)) {
        err_set (e, EINVAL, "{= =} would be a perl expression, which does not work here");
        return NULL;
    }
    if (source->replace && !*source->replace) {
        err_set (e, EINVAL, "the replacement string is empty");
        return NULL;
    }
    buf_init (&c.parts, TEMPLATE_PARTS_MAX * sizeof (struct template_part));
    buf_init (&c.text, TEMPLATE_TEXT_MAX);
    buf_init (&c.literal, TEMPLATE_TEXT_MAX);
    c.raw = (source->flags & TEMPLATE_RAW) || values_are_commands (&c);
    add_all (&c);
    if (c.parts.failed)
        err_set (e, EMSGSIZE, "the command is made of more than %d parts", TEMPLATE_PARTS_MAX);
    else if (c.text.failed || c.literal.failed)
        err_set (e, EMSGSIZE, "the command is longer than %d bytes", TEMPLATE_TEXT_MAX);
    else
        t = template_new ((struct template_part *)(void *)c.parts.bytes, part_count (&c),
                          bytes_of (c.text.bytes, c.text.len), e);
    buf_fini (&c.parts);
    buf_fini (&c.text);
    buf_fini (&c.literal);
    return t;
}
