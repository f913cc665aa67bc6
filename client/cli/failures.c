/* failures: which tasks did not succeed; see failures.h. */
#include "client/cli/failures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/say.h"
#include "common/base/line.h"

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

static void put_why (struct line *l, const drover_result_t *r)
{
    const char *name = r->signal ? sigabbrev_np (r->signal) : NULL;

    if (r->reason[0])
        line_put (l, "%s", r->reason);
    else if (r->signal)
        line_put (l, name ? "killed by signal %d (%s)" : "killed by signal %d", r->signal, name);
    else if (r->how == DROVER_FAILED)
        line_put (l, "exit status %d", r->status);
    else
        line_put (l, "%s", drover_how_name (r->how));
}

size_t failure_text (const drover_result_t *r, const drover_bytes_t *values, size_t count,
                     bool places, char *out, size_t size)
{
    const char *place = r->worker[0] ? r->worker : r->host;
    struct line l = {out, size, 0};

    line_put (&l, "task %" PRIu64, r->row + 1);
    say_values (&l, values, count);
    if (r->stage > 0)
        line_put (&l, " in stage %u", r->stage);
    if (places && place[0])
        line_put (&l, " on %.60s", place);
    line_put (&l, ": ");
    put_why (&l, r);
    return l.len;
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
