/* summary: what a batch was worth; see summary.h. */
#include "client/cli/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/drover.h"
#include "common/base/mem.h"

void summary_init (struct summary *s)
{
    memset (s, 0, sizeof *s);
}

void summary_fini (struct summary *s)
{
    for (size_t i = 0; i < s->host_count; i++)
        free (s->hosts[i]);
    free (s->hosts);
    memset (s, 0, sizeof *s);
}

static void add_host (struct summary *s, const char *host)
{
    if (s->host_count > 0 && strcmp (s->hosts[s->last_host], host) == 0)
        return;
    for (size_t i = 0; i < s->host_count; i++) {
        if (strcmp (s->hosts[i], host) == 0) {
            s->last_host = i;
            return;
        }
    }
    if (s->host_count == SUMMARY_HOSTS_MAX)
        return;
    s->hosts = mem_resize (s->hosts, s->host_count + 1, sizeof *s->hosts);
    s->last_host = s->host_count;
    s->hosts[s->host_count++] = mem_strdup (host);
}

void summary_add (struct summary *s, int how, uint64_t wall_us, const char *host)
{
    s->tasks++;
    s->failed += how != DROVER_DONE && how != DROVER_CANCELLED;
    s->lost += how == DROVER_LOST;
    s->parked += how == DROVER_PARKED;
    s->cancelled += how == DROVER_CANCELLED;
    s->work_us += wall_us;
    if (host && host[0])
        add_host (s, host);
}

/* A time with the digits that say something: 12.3 s, 0.45 s, 1.5 ms, 40 us. */
static int print_time (char *out, size_t size, double us)
{
    if (us >= 99950)
        return snprintf (out, size, us >= 999500 ? "%.1f s" : "%.2f s", us / 1e6);
    if (us >= 950)
        return snprintf (out, size, us >= 9950 ? "%.0f ms" : "%.1f ms", us / 1e3);
    return snprintf (out, size, "%.0f us", us);
}

static const char *plural (uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* What became of the failed ones, where that is not the usual. */
static void print_odd (const struct summary *s, char *out, size_t size)
{
    if (s->lost && s->parked)
        snprintf (out, size, " (%" PRIu64 " lost, %" PRIu64 " parked)", s->lost, s->parked);
    else if (s->lost || s->parked)
        snprintf (out, size, " (%" PRIu64 " %s)", s->lost ? s->lost : s->parked,
                  s->lost ? "lost" : "parked");
}

int summary_print (const struct summary *s, uint64_t wall_us, uint64_t slots, char *out,
                   size_t size)
{
    double wall = wall_us ? (double)wall_us : 1;
    double work = (double)s->work_us;
    uint64_t ran = s->tasks - s->cancelled;
    double idle = slots ? wall - work / (double)slots : 0;
    char odd[60] = "", cancelled[40] = "", places[80] = "", wall_text[40], work_text[40],
         overhead_text[40], efficiency[120] = "";

    print_odd (s, odd, sizeof odd);
    if (s->cancelled)
        snprintf (cancelled, sizeof cancelled, ", %" PRIu64 " cancelled", s->cancelled);
    if (slots && s->host_count)
        snprintf (places, sizeof places, ", %" PRIu64 " slot%s on %zu host%s", slots,
                  plural (slots), s->host_count, plural (s->host_count));
    print_time (wall_text, sizeof wall_text, (double)wall_us);
    print_time (work_text, sizeof work_text, work);
    print_time (overhead_text, sizeof overhead_text, idle > 0 && ran ? idle / (double)ran : 0);
    if (slots && ran)
        snprintf (efficiency, sizeof efficiency, ", efficiency %.0f %%, overhead %s/task",
                  100 * work / wall / (double)slots, overhead_text);
    return snprintf (out, size,
                     "%" PRIu64 " task%s, %" PRIu64
                     " failed%s%s%s: wall %s, work %s, speed-up %.1f%s",
                     s->tasks, plural (s->tasks), s->failed, odd, cancelled, places, wall_text,
                     work_text, work / wall, efficiency);
}
