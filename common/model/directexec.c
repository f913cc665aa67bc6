/* directexec: a reader for the part of the shell's language that means nothing but words.
 *
 * Outside of quotes only bytes that are never special are taken. Inside single quotes everything
 * is, inside double quotes everything that is not live there. A backslash outside of quotes takes
 * the next byte. Anything else ends the attempt.
 */
#include "common/model/directexec.h"

#include <stdlib.h>
#include <string.h>

#include "common/model/shquote.h"

enum { START_WORDS = 16 };

/* Special nowhere outside of quotes; = and : and % only behind the first word. */
/* clang-format off */
static const bool literal[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
    ['_'] = true, ['-'] = true, ['.'] = true, ['/'] = true, ['+'] = true,
    [','] = true, [':'] = true, ['@'] = true, ['%'] = true, ['='] = true,
};
/* clang-format on */

/* What dash or bash would run itself, sorted. Some of these exist as programs too, which need not
 * behave the same. */
static const char *const builtins[] = {
    ".",       ":",      "[",       "alias",     "bg",       "bind",     "break",   "builtin",
    "caller",  "cd",     "chdir",   "command",   "compgen",  "complete", "compopt", "continue",
    "declare", "dirs",   "disown",  "echo",      "enable",   "eval",     "exec",    "exit",
    "export",  "false",  "fc",      "fg",        "getopts",  "hash",     "help",    "history",
    "jobs",    "kill",   "let",     "local",     "logout",   "mapfile",  "popd",    "printf",
    "pushd",   "pwd",    "read",    "readarray", "readonly", "return",   "set",     "shift",
    "shopt",   "source", "suspend", "test",      "times",    "trap",     "true",    "type",
    "typeset", "ulimit", "umask",   "unalias",   "unset",    "wait",
};

static int compare_names (const void *key, const void *name)
{
    return strcmp (key, *(const char *const *)name);
}

static bool is_builtin (const char *word)
{
    return bsearch (word, builtins, sizeof builtins / sizeof *builtins, sizeof *builtins,
                    compare_names) != NULL;
}

void directexec_init (struct directexec *d, size_t words, size_t bytes)
{
    *d = (struct directexec){.words_max = words};
    buf_init (&d->text, bytes);
}

void directexec_fini (struct directexec *d)
{
    buf_fini (&d->text);
    free (d->argv);
    d->argv = NULL;
    d->count = d->size = 0;
}

/* A quoted part: *at is behind the opening quote, and ends up behind the closing one. */
static bool take_quoted (struct directexec *d, struct bytes line, size_t *at, uint8_t quote)
{
    const uint8_t *from = line.ptr + *at;
    const uint8_t *end = memchr (from, quote, line.len - *at);
    if (!end)
        return false;
    size_t len = (size_t)(end - from);
    if (quote == '"')
        for (size_t i = 0; i < len; i++)
            if (strchr ("$`\\!", from[i])) /* also NUL, which strchr finds at the end */
                return false;
    if (memchr (from, 0, len))
        return false;
    *at += len + 1;
    return buf_append (&d->text, from, len) == 0;
}

/* One word, from its first byte to the blank or the end behind it. */
static bool take_word (struct directexec *d, struct bytes line, size_t *at)
{
    while (*at < line.len) {
        uint8_t c = line.ptr[*at];
        if (c == ' ' || c == '\t')
            break;
        (*at)++;
        if (literal[c]) {
            if (buf_putc (&d->text, (char)c))
                return false;
        } else if (c == '\'' || c == '"') {
            if (!take_quoted (d, line, at, c))
                return false;
        } else if (c == '\\' && *at < line.len && line.ptr[*at] != '\n' && line.ptr[*at]) {
            if (buf_putc (&d->text, (char)line.ptr[(*at)++]))
                return false;
        } else {
            return false;
        }
    }
    return buf_putc (&d->text, '\0') == 0;
}

/* May what was read be the first word: does it name a program, for every shell? */
static bool names_program (const char *word)
{
    if (!*word || strpbrk (word, "=%"))
        return false;
    if (strchr (word, '/'))
        return true;
    return !is_builtin (word) && !shquote_is_reserved (bytes_str (word));
}

/* The words are in d->text one behind the other: point at them. */
static bool fill_argv (struct directexec *d)
{
    if (d->size < d->count + 1) {
        size_t size = d->size ? d->size : START_WORDS;
        while (size < d->count + 1)
            size *= 2;
        char **argv = realloc (d->argv, size * sizeof *argv);
        if (!argv)
            return false;
        d->argv = argv;
        d->size = size;
    }
    char *word = (char *)d->text.bytes;
    for (size_t i = 0; i < d->count; i++) {
        d->argv[i] = word;
        word += strlen (word) + 1;
    }
    d->argv[d->count] = NULL;
    return true;
}

bool directexec_split (struct directexec *d, struct bytes line)
{
    buf_clear (&d->text);
    d->count = 0;
    for (size_t at = 0; at < line.len;) {
        if (line.ptr[at] == ' ' || line.ptr[at] == '\t') {
            at++;
            continue;
        }
        if (d->count == d->words_max || !take_word (d, line, &at))
            return false;
        if (d->count++ == 0 && !names_program ((const char *)d->text.bytes))
            return false;
    }
    return d->count && fill_argv (d);
}

/* The name of a variable that every shell passes on. */
static bool is_variable (const char *entry)
{
    size_t n = strspn (entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
    return n && entry[n] == '=' && !(entry[0] >= '0' && entry[0] <= '9');
}

bool directexec_shell (const char *shell, char *const *environment)
{
    const char *slash = strrchr (shell, '/');
    const char *name = slash ? slash + 1 : shell;
    if (strcmp (name, "sh") != 0 && strcmp (name, "dash") != 0)
        return false;
    bool pwd = false;
    for (; *environment; environment++) {
        if (!is_variable (*environment))
            return false;
        pwd |= strncmp (*environment, "PWD=", 4) == 0;
    }
    return pwd;
}
