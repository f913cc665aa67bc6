/* show: records of the broker; see show.h. */
#include "client/cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/fields.h"
#include "client/cli/say.h"
#include "common/base/clock.h"

#define FIELD_MAX 400

void show_span (uint64_t ms, char *out, size_t size)
{
    uint64_t s = ms / 1000;

    if (ms < 1000)
        snprintf (out, size, "%" PRIu64 " ms", ms);
    else if (s < 10)
        snprintf (out, size, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
    else if (s < 60)
        snprintf (out, size, "%" PRIu64 " s", s);
    else if (s < 3600)
        snprintf (out, size, "%" PRIu64 " m %" PRIu64 " s", s / 60, s % 60);
    else if (s < 86400)
        snprintf (out, size, "%" PRIu64 " h %" PRIu64 " m", s / 3600, s / 60 % 60);
    else
        snprintf (out, size, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
}

static bool ends_in (const char *name, const char *end)
{
    size_t len = strlen (name), end_len = strlen (end);

    return len > end_len && strcmp (name + len - end_len, end) == 0;
}

/* Microseconds since the epoch, as the time it is here. */
static void show_moment (uint64_t us, char *out, size_t size)
{
    time_t seconds = (time_t)(us / US_PER_S);
    struct tm tm;

    out[0] = '\0';
    if (us > 0 && localtime_r (&seconds, &tm))
        strftime (out, size, "%Y-%m-%d %H:%M:%S", &tm);
}

size_t show_field (const drover_pair_t *pairs, size_t count, const char *field, char *out,
                   size_t size)
{
    const struct field *f = field_find ((drover_bytes_t){field, strlen (field)});
    enum field_kind kind = f ? f->kind : FIELD_OTHER;
    drover_bytes_t value = drover_pair_find (pairs, count, field);
    uint64_t number = drover_pair_number (pairs, count, field, 0);

    if (value.len == 0 && strcmp (field, "total") == 0)
        snprintf (out, size, "?");
    else if (value.len == 0)
        out[0] = '\0';
    else if (kind == FIELD_ROW)
        snprintf (out, size, "%" PRIu64, number + 1);
    else if (kind == FIELD_BOOL)
        snprintf (out, size, "%s", number ? "yes" : "no");
    else if (kind == FIELD_MOMENT)
        show_moment (number, out, size);
    else if (ends_in (field, "_ms"))
        show_span (number, out, size);
    else if (ends_in (field, "_us"))
        show_span (number / 1000, out, size);
    else
        say_escape (out, size, value.ptr, value.len);
    return strlen (out);
}

bool show_is (const drover_pair_t *pairs, size_t count, const char *field, const char *word)
{
    drover_bytes_t value = drover_pair_find (pairs, count, field);

    return value.len == strlen (word) && memcmp (value.ptr, word, value.len) == 0;
}

bool show_is_over (const drover_pair_t *pairs, size_t count)
{
    return show_is (pairs, count, "state", "finished") ||
           show_is (pairs, count, "state", "cancelled");
}

void show_headings (struct table *t, const struct show_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        table_cell (t, columns[i].heading, strlen (columns[i].heading));
}

void show_row (struct table *t, const struct show_column *columns, size_t column_count,
               const drover_pair_t *pairs, size_t count)
{
    char text[FIELD_MAX];

    for (size_t i = 0; i < column_count; i++)
        table_cell (t, text, show_field (pairs, count, columns[i].field, text, sizeof text));
}

/* The name of a field for people: without the unit, which is with the value. */
static void field_label (drover_bytes_t record_name, char *label, size_t size)
{
    static const char *const units[] = {"_ms", "_us", "_s"};
    const struct field *f = field_find (record_name);

    if (f)
        snprintf (label, size, "%s", f->name);
    else
        snprintf (label, size, "%.*s", (int)record_name.len,
                  record_name.len ? (const char *)record_name.ptr : "");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (ends_in (label, units[i]))
            label[strlen (label) - strlen (units[i])] = '\0';
}

void show_record (const drover_pair_t *pairs, size_t count)
{
    char field[64], label[64], text[FIELD_MAX];

    for (size_t i = 0; i < count; i++) {
        snprintf (field, sizeof field, "%.*s", (int)pairs[i].name.len,
                  pairs[i].name.len ? (const char *)pairs[i].name.ptr : "");
        show_field (pairs, count, field, text, sizeof text);
        field_label (pairs[i].name, label, sizeof label);
        printf ("%-12s %s\n", label, text[0] ? text : "-");
    }
}
