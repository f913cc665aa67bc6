/* rivals_report: who won; see rivals_report.h. */
#include "client/cli/rivals_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/cli/json_out.h"
#include "client/cli/say.h"

#define VALUES_SHOWN 100 /* bytes of the winner's values */

struct line {
    char *text;
    size_t size;
    size_t len;
};

__attribute__ ((format (printf, 2, 3))) static void put (struct line *l, const char *fmt, ...)
{
    va_list ap;
    int len;

    va_start (ap, fmt);
    len = vsnprintf (l->text + l->len, l->size - l->len, fmt, ap);
    va_end (ap);
    if (len > 0)
        l->len = l->len + (size_t)len < l->size ? l->len + (size_t)len : l->size - 1;
}

static void put_values (struct line *l, const drover_bytes_t *values, size_t count)
{
    char text[VALUES_SHOWN + 1];
    size_t len = 0;

    for (size_t i = 0; i < count && len + 10 < sizeof text; i++) {
        if (i > 0)
            text[len++] = ' ';
        len += say_escape (text + len, sizeof text - len, values[i].ptr, values[i].len);
    }
    if (len > 0)
        put (l, " (%.*s)", (int)len, text);
}

static void put_rest (struct line *l, const struct rivals_report *r)
{
    bool one = r->others == 1;

    if (r->failed > 0)
        put (l, "; %" PRIu64 " had failed", r->failed);
    if (r->others == 0)
        return;
    if (r->rest == REST_DETACHED)
        put (l, "; %" PRIu64 " other%s on as batch %" PRIu64, r->others, one ? " runs" : "s run",
             r->batch);
    else if (!r->gone)
        put (l, "; %" PRIu64 " other%s not gone yet", r->others, one ? " is" : "s are");
    else if (r->rest == REST_AWAITED)
        put (l, "; %" PRIu64 " other%s ended %.3f s later", r->others, one ? "" : "s",
             (double)r->gone_us / 1e6);
    else
        put (l, "; %" PRIu64 " other%s cancelled, gone %.3f s later", r->others,
             one ? " was" : "s were", (double)r->gone_us / 1e6);
}

size_t rivals_report_text (const struct rivals_report *r, char *out, size_t size)
{
    struct line l = {.text = out, .size = size};

    put (&l, "task %" PRIu64, r->winner);
    put_values (&l, r->values, r->count);
    if (r->worker[0])
        put (&l, " on %.60s", r->worker);
    put (&l, " %s after %.3f s", r->in_turn ? "succeeded" : "won", (double)r->won_us / 1e6);
    put_rest (&l, r);
    return l.len;
}

static void put_number (json_t *object, const char *name, uint64_t value)
{
    json_object_set_new (object, name, json_integer ((json_int_t)value));
}

static void put_seconds (json_t *object, const char *name, bool known, uint64_t us)
{
    json_object_set_new (object, name, known ? json_real ((double)us / 1e6) : json_null ());
}

json_t *rivals_report_json (const struct rivals_report *r)
{
    static const char *const rests[] = {"cancelled", "detached", "awaited"};
    json_t *object = json_new ();

    put_number (object, "batch", r->batch);
    put_number (object, "tasks", r->tasks);
    json_object_set_new (object, "winner",
                         r->winner ? json_integer ((json_int_t)r->winner) : json_null ());
    put_seconds (object, "won_after_s", r->winner != 0, r->won_us);
    put_number (object, "failed", r->failed);
    put_number (object, "others", r->others);
    json_object_set_new (object, "rest", json_string (rests[r->rest]));
    put_seconds (object, "gone_after_s", r->gone, r->gone_us);
    return object;
}
