/* rivals_report: who won; see rivals_report.h. */
#include "client/cli/rivals_report.h"

#include <inttypes.h>

#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "common/base/line.h"

static void put_rest (struct line *l, const struct rivals_report *r)
{
    bool one = r->others == 1;

    if (r->failed > 0)
        line_put (l, "; %" PRIu64 " had failed", r->failed);
    if (r->others == 0)
        return;
    if (r->rest == REST_DETACHED)
        line_put (l, "; %" PRIu64 " other%s on as batch %" PRIu64, r->others,
                  one ? " runs" : "s run", r->batch);
    else if (!r->gone)
        line_put (l, "; %" PRIu64 " other%s not gone yet", r->others, one ? " is" : "s are");
    else if (r->rest == REST_AWAITED)
        line_put (l, "; %" PRIu64 " other%s ended %.3f s later", r->others, one ? "" : "s",
                  (double)r->gone_us / 1e6);
    else
        line_put (l, "; %" PRIu64 " other%s cancelled, gone %.3f s later", r->others,
                  one ? " was" : "s were", (double)r->gone_us / 1e6);
}

size_t rivals_report_text (const struct rivals_report *r, char *out, size_t size)
{
    struct line l = {.text = out, .size = size};

    line_put (&l, "task %" PRIu64, r->winner);
    say_values (&l, r->values, r->count);
    if (r->worker[0])
        line_put (&l, " on %.60s", r->worker);
    line_put (&l, " %s after %.3f s", r->in_turn ? "succeeded" : "won", (double)r->won_us / 1e6);
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
