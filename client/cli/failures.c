/* failures: which tasks did not succeed; see failures.h. */
#include "client/cli/failures.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/say.h"

void failures_init (struct failures *f, const char *command, bool places)
{
    memset (f, 0, sizeof *f);
    f->command = command;
    f->places = places;
}

bool failures_counts (const drover_result_t *r)
{
    return r->how != DROVER_DONE && r->how != DROVER_CANCELLED && r->how != DROVER_BROKER_LOST;
}

/* Append, as far as there is room. */
__attribute__ ((format (printf, 4, 5))) static void put (char *out, size_t size, size_t *at,
                                                         const char *fmt, ...)
{
    va_list ap;
    int len;

    va_start (ap, fmt);
    len = vsnprintf (out + *at, size - *at, fmt, ap);
    va_end (ap);
    if (len > 0)
        *at = *at + (size_t)len < size ? *at + (size_t)len : size - 1;
}

static void put_values (char *out, size_t size, size_t *at, const drover_bytes_t *values,
                        size_t count)
{
    char text[FAILURE_VALUES_MAX + 1];
    size_t len = 0;

    for (size_t i = 0; i < count && len + 10 < sizeof text; i++) {
        if (i > 0)
            text[len++] = ' ';
        len += say_escape (text + len, sizeof text - len, values[i].ptr, values[i].len);
    }
    if (len > 0)
        put (out, size, at, " (%.*s)", (int)len, text);
}

static void put_why (char *out, size_t size, size_t *at, const drover_result_t *r)
{
    const char *name = r->signal ? sigabbrev_np (r->signal) : NULL;

    if (r->reason[0])
        put (out, size, at, "%s", r->reason);
    else if (r->signal)
        put (out, size, at, name ? "killed by signal %d (%s)" : "killed by signal %d", r->signal,
             name);
    else if (r->how == DROVER_FAILED)
        put (out, size, at, "exit status %d", r->status);
    else
        put (out, size, at, "%s", drover_how_name (r->how));
}

size_t failure_text (const drover_result_t *r, const drover_bytes_t *values, size_t count,
                     bool places, char *out, size_t size)
{
    const char *place = r->worker[0] ? r->worker : r->host;
    size_t at = 0;

    put (out, size, &at, "task %" PRIu64, r->row + 1);
    put_values (out, size, &at, values, count);
    if (r->stage > 0)
        put (out, size, &at, " in stage %u", r->stage);
    if (places && place[0])
        put (out, size, &at, " on %.60s", place);
    put (out, size, &at, ": ");
    put_why (out, size, &at, r);
    return at;
}

static const char *plural (uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void say_same (struct failures *f)
{
    if (f->same > 0)
        say (f->command, "%" PRIu64 " more task%s: %s", f->same, plural (f->same), f->reason);
    f->same = 0;
}

void failures_add (struct failures *f, const drover_result_t *r, const drover_bytes_t *values,
                   size_t count)
{
    char line[1000];

    if (!failures_counts (r))
        return;
    if (r->reason[0] && strncmp (f->reason, r->reason, sizeof f->reason - 1) == 0) {
        f->same++;
        return;
    }
    say_same (f);
    if (f->named == FAILURES_NAMED) {
        f->more++;
        return;
    }
    f->named++;
    snprintf (f->reason, sizeof f->reason, "%s", r->reason);
    failure_text (r, values, count, f->places, line, sizeof line);
    say (f->command, "%s", line);
}

void failures_rest (struct failures *f)
{
    say_same (f);
    if (f->more > 0)
        say (f->command, "%" PRIu64 " more task%s failed; --json tells of each", f->more,
             plural (f->more));
    f->more = 0;
}
