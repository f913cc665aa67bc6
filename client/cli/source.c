/* source: see source.h. A list is walked in place; its pieces are found as they are asked for. */
#include "client/cli/source.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"

enum { VALUE_MAX = 1 << 20 };

struct source {
    const struct source_options *options;
    struct reader *reader; /* of a file, or NULL: a list */
    const char *const *words;
    size_t count; /* words left */
    size_t at;    /* in the first of them, where the next piece begins */
    bool stopped; /* -E */
};

static struct source *new_source (const struct source_options *options)
{
    struct source *s = mem_zalloc (sizeof *s);
    s->options = options;
    return s;
}

struct source *source_of_words (const char *const *words, size_t count,
                                const struct source_options *options)
{
    struct source *s = new_source (options);
    s->words = words;
    s->count = count;
    return s;
}

struct source *source_of_file (const char *path, const struct source_options *options,
                               struct err *e)
{
    struct source *s = new_source (options);
    struct bytes delimiter = options->delimiter.len ? options->delimiter : bytes_str ("\n");
    size_t value_max = options->value_max ? options->value_max : VALUE_MAX;
    s->reader = reader_open (path, delimiter, value_max, e);
    if (!s->reader)
        source_free (&s);
    return s;
}

void source_free (struct source **s)
{
    if (!*s)
        return;
    reader_free (&(*s)->reader);
    free (*s);
    *s = NULL;
}

static bool is_space (uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct bytes source_trimmed (struct bytes value, enum trim trim)
{
    if (trim == TRIM_LEFT || trim == TRIM_BOTH)
        while (value.len && is_space (*value.ptr))
            value = bytes_of (value.ptr + 1, value.len - 1);
    if (trim == TRIM_RIGHT || trim == TRIM_BOTH)
        while (value.len && is_space (value.ptr[value.len - 1]))
            value.len--;
    return value;
}

/* The next word, or the next piece of it where the delimiter splits words. */
static int next_word (struct source *s, struct bytes *value)
{
    if (!s->count)
        return INPUT_END;
    struct bytes delimiter = s->options->delimiter;
    *value = bytes_str (*s->words + s->at);
    const uint8_t *found = NULL;
    if (s->options->split_words && delimiter.len && value->len)
        found = memmem (value->ptr, value->len, delimiter.ptr, delimiter.len);
    if (found) {
        value->len = (size_t)(found - value->ptr);
        s->at += value->len + delimiter.len;
    } else {
        s->words++;
        s->count--;
        s->at = 0;
    }
    return INPUT_VALUE;
}

int source_next (struct source *s, struct bytes *value, struct err *e)
{
    const struct source_options *o = s->options;
    while (!s->stopped) {
        int step = s->reader ? reader_next (s->reader, value, e) : next_word (s, value);
        if (step != INPUT_VALUE)
            return step;
        if (o->stop && bytes_equal (*value, bytes_str (o->stop))) {
            s->stopped = true;
            break;
        }
        if (o->skip_blank && !source_trimmed (*value, TRIM_LEFT).len)
            continue;
        if (o->trim)
            *value = source_trimmed (*value, o->trim);
        return INPUT_VALUE;
    }
    return INPUT_END;
}

int source_fd (const struct source *s)
{
    assert (s->reader);
    return reader_fd (s->reader);
}
