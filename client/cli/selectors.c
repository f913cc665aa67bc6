/* selectors: which batches and tasks the user means; see selectors.h. */
#include "client/cli/selectors.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static const char wanted[] =
    "a batch is 12, last, all or @name; its tasks are 12.7, 12.3-9, last.7 or "
    "@name.7";

/* The digits at *s as a number from 1 on; moves *s behind them. */
static bool take_number (const char **s, uint64_t *n)
{
    uint64_t value = 0;
    const char *at = *s;

    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    *s = at;
    *n = value;
    return value > 0;
}

/* What stands behind the dot: one task or a range of them. */
static bool take_tasks (const char *at, struct selector *s)
{
    uint64_t from, to;

    if (!take_number (&at, &from))
        return false;
    to = from;
    if (*at == '-') {
        at++;
        if (!take_number (&at, &to) || to < from)
            return false;
    }
    s->first = from - 1;
    s->count = to - from + 1;
    return *at == '\0';
}

static bool parse_name (const char *name, struct selector *s)
{
    size_t len = strlen (name);
    const char *dot = strrchr (name, '.');

    s->kind = SELECTOR_NAME;
    if (len == 0 || len > SELECTOR_NAME_MAX)
        return false;
    memcpy (s->name, name, len + 1);
    if (dot && dot > name && take_tasks (dot + 1, s))
        s->stem = (size_t)(dot - name);
    else
        s->first = s->count = 0;
    return true;
}

static bool parse_one (const char *text, struct selector *s)
{
    const char *at = text;

    memset (s, 0, sizeof *s);
    if (text[0] == '@')
        return parse_name (text + 1, s);
    if (strcmp (text, "all") == 0) {
        s->kind = SELECTOR_ALL;
        return true;
    }
    if (strncmp (text, "last", 4) == 0) {
        s->kind = SELECTOR_LAST;
        at = text + 4;
    } else if (!take_number (&at, &s->id)) {
        return false;
    }
    return *at == '\0' || (*at == '.' && take_tasks (at + 1, s));
}

static struct selector *selectors_add (struct selectors *s)
{
    s->all = mem_resize (s->all, s->count + 1, sizeof *s->all);
    return &s->all[s->count++];
}

static int parse_word (struct selectors *s, const char *word, struct err *e)
{
    char *copy = mem_strdup (word);
    char *rest = copy;
    char *text;
    int status = 0;

    while (status == 0 && (text = strsep (&rest, ",")) != NULL)
        if (!parse_one (text, selectors_add (s)))
            status = err_set (e, EINVAL, "'%.100s' is no selector: %s", text, wanted);
    free (copy);
    return status;
}

int selectors_parse (struct selectors *s, char *const *words, size_t count, struct err *e)
{
    memset (s, 0, sizeof *s);
    for (size_t i = 0; i < count; i++) {
        if (parse_word (s, words[i], e) < 0) {
            selectors_fini (s);
            return -1;
        }
    }
    return 0;
}

void selectors_fini (struct selectors *s)
{
    free (s->all);
    memset (s, 0, sizeof *s);
}

static bool matches (const struct selector *s, const struct known_batch *batch, uint64_t last)
{
    switch (s->kind) {
    case SELECTOR_ALL:
        return true;
    case SELECTOR_LAST:
        return batch->id == last;
    case SELECTOR_NAME:
        if (s->count > 0)
            return strlen (batch->name) == s->stem && memcmp (batch->name, s->name, s->stem) == 0;
        return strcmp (batch->name, s->name) == 0;
    case SELECTOR_ID:
        break;
    }
    return batch->id == s->id;
}

static int by_id (const void *a, const void *b)
{
    const struct known_batch *one = a, *other = b;

    return (one->id > other->id) - (one->id < other->id);
}

static const char *selector_text (const struct selector *s, char *text, size_t size)
{
    if (s->kind == SELECTOR_NAME)
        snprintf (text, size, "@%s", s->name);
    else
        snprintf (text, size, "%s", s->kind == SELECTOR_ALL ? "all" : "last");
    return text;
}

static void selectors_add_id (struct selectors *s, const struct selector *like, uint64_t id)
{
    struct selector *new = selectors_add (s);

    *new = *like;
    new->kind = SELECTOR_ID;
    new->id = id;
}

static void add_matching (struct selectors *out, const struct selector *s,
                          const struct known_batch *sorted, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (matches (s, &sorted[i], sorted[count - 1].id))
            selectors_add_id (out, s, sorted[i].id);
}

size_t selectors_resolve (struct selectors *s, const struct known_batch *known, size_t count,
                          char *missing, size_t missing_size)
{
    struct selectors out = {0};
    struct known_batch *sorted = mem_resize (NULL, count + 1, sizeof *sorted);
    size_t absent = 0;

    if (count > 0)
        memcpy (sorted, known, count * sizeof *sorted);
    qsort (sorted, count, sizeof *sorted, by_id);
    for (size_t i = 0; i < s->count; i++) {
        const struct selector *one = &s->all[i];
        size_t before = out.count;

        if (one->kind == SELECTOR_ID) {
            selectors_add_id (&out, one, one->id);
            continue;
        }
        if (one->kind == SELECTOR_NAME) {
            struct selector whole = *one;

            whole.first = whole.count = 0;
            add_matching (&out, &whole, sorted, count);
        }
        if (out.count == before && (one->kind != SELECTOR_NAME || one->stem))
            add_matching (&out, one, sorted, count);
        if (out.count == before && absent++ == 0 && missing_size > 0)
            selector_text (one, missing, missing_size);
    }
    free (sorted);
    selectors_fini (s);
    *s = out;
    return absent;
}

int selectors_need_list (const struct selectors *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i].kind != SELECTOR_ID)
            return 1;
    return 0;
}

int selectors_have_tasks (const struct selectors *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i].count > 0)
            return 1;
    return 0;
}
