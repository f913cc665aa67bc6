/* summary: what a batch was worth; see summary.h. */
#include "client/cli/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/units.h"

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

/* Numbers whose sums differ where their rows do, as good as always (splitmix64). */
static uint64_t scatter (uint64_t row)
{
    row += 0x9e3779b97f4a7c15u;
    row = (row ^ (row >> 30)) * 0xbf58476d1ce4e5b9u;
    row = (row ^ (row >> 27)) * 0x94d049bb133111ebu;
    return row ^ (row >> 31);
}

/* As if it had run in one piece. */
static drover_result_t all_stages (struct summary *s, const drover_result_t *r)
{
    drover_result_t whole = *r;

    drover_worth_add (&s->runs, r);
    for (const drover_result_t *b = r->before; b; b = b->before) {
        drover_worth_add (&s->runs, b);
        whole.start_us = b->start_us;
        whole.wall_us += b->wall_us;
        whole.user_us += b->user_us;
        whole.sys_us += b->sys_us;
    }
    return whole;
}

void summary_add (struct summary *s, const drover_result_t *r)
{
    drover_result_t whole = all_stages (s, r);

    s->staged = s->staged || r->before != NULL;
    drover_worth_add (&s->worth, &whole);
    s->lost += r->how == DROVER_LOST;
    s->parked += r->how == DROVER_PARKED;
    s->cancelled += r->how == DROVER_CANCELLED;
    if (r->how != DROVER_DONE && r->how != DROVER_CANCELLED)
        s->failed_sum += scatter (r->row);
    if (r->host && r->host[0])
        add_host (s, r->host);
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

/* --- figures that are made of others --- */

static double wall_of (const struct summary *s)
{
    return s->wall_us ? (double)s->wall_us : 1;
}

static double speed_up (const struct summary *s)
{
    return (double)s->worth.work_us / wall_of (s);
}

static uint64_t ran (const struct summary *s)
{
    return s->worth.tasks - s->cancelled;
}

/* Wall time that the slots did not need, of each task. */
static double overhead_us (const struct summary *s)
{
    double idle = wall_of (s) - (double)s->worth.work_us / (double)s->worth.slots;

    return idle > 0 ? idle / (double)ran (s) : 0;
}

int summary_print (const struct summary *s, char *out, size_t size)
{
    uint64_t slots = s->worth.slots;
    char odd[60] = "", cancelled[40] = "", places[80] = "", wall[40], work[40], overhead[40],
         efficiency[120] = "";

    print_odd (s, odd, sizeof odd);
    if (s->cancelled)
        snprintf (cancelled, sizeof cancelled, ", %" PRIu64 " cancelled", s->cancelled);
    if (slots && s->host_count)
        snprintf (places, sizeof places, ", %" PRIu64 " slot%s on %zu host%s", slots,
                  plural (slots), s->host_count, plural (s->host_count));
    units_print_time (wall, sizeof wall, (double)s->wall_us);
    units_print_time (work, sizeof work, (double)s->worth.work_us);
    if (slots && ran (s)) {
        units_print_time (overhead, sizeof overhead, overhead_us (s));
        snprintf (efficiency, sizeof efficiency, ", efficiency %.0f %%, overhead %s/task",
                  100 * speed_up (s) / (double)slots, overhead);
    }
    return snprintf (out, size,
                     "%" PRIu64 " task%s, %" PRIu64
                     " failed%s%s%s: wall %s, work %s, speed-up %.1f%s",
                     s->worth.tasks, plural (s->worth.tasks), s->worth.not_done, odd, cancelled,
                     places, wall, work, speed_up (s), efficiency);
}

/* The figures that advice is about. */
static drover_worth_t advised (const struct summary *s)
{
    drover_worth_t w = s->runs;

    if (!s->staged)
        return s->worth;
    w.wall_us = s->worth.wall_us;
    w.starved_us = s->worth.starved_us;
    w.slots = s->uneven ? 0 : s->worth.slots;
    w.cores = s->worth.cores;
    w.asked = s->worth.asked;
    w.shared = s->worth.shared;
    w.functions = s->worth.functions;
    w.values = s->worth.values;
    return w; /* of one key several tasks may run, in different stages */
}

int summary_advice (const struct summary *s, char *out, size_t size)
{
    drover_worth_t w = advised (s);
    drover_advice_t a;

    if (s->cancelled || drover_advise (&w, &a, 1) == 0)
        return 0;
    return snprintf (out, size, "%s: %s", a.text, a.mend);
}

/* --- --compare --- */

static double measured (const struct summary *s)
{
    return s->measured_us ? (double)s->measured_us : 1;
}

int summary_compare (const struct summary *parallel, const struct summary *sequential, char *out,
                     size_t size)
{
    double p = measured (parallel), s = measured (sequential);
    char p_text[40], s_text[40];

    units_print_time (p_text, sizeof p_text, p);
    units_print_time (s_text, sizeof s_text, s);
    if (s < p)
        return snprintf (out, size,
                         "in parallel %s, one after another %s: sequential was faster, measured "
                         "speed-up %.2f",
                         p_text, s_text, s / p);
    return snprintf (out, size, "in parallel %s, one after another %s: measured speed-up %.*f",
                     p_text, s_text, s / p < 1.95 ? 2 : 1, s / p);
}

int summary_differ (const struct summary *parallel, const struct summary *sequential, char *out,
                    size_t size)
{
    uint64_t p = parallel->worth.not_done, s = sequential->worth.not_done;

    if (p != s)
        return snprintf (out, size,
                         "in parallel %" PRIu64 " task%s failed, one after another %" PRIu64
                         ": the tasks depend on each other, or on what they did before",
                         p, plural (p), s);
    if (parallel->failed_sum == sequential->failed_sum)
        return 0;
    return snprintf (out, size,
                     "%" PRIu64 " task%s failed in parallel as well as one after another, but not "
                     "the same",
                     p, plural (p));
}

/* --- JSON --- */

static void put (json_t *o, const char *name, uint64_t n)
{
    json_object_set_new (o, name, json_integer ((json_int_t)n));
}

static void put_s (json_t *o, const char *name, double us)
{
    json_object_set_new (o, name, json_real (us / US_PER_S));
}

/* With as many digits as it is worth. */
static void put_ratio (json_t *o, const char *name, double ratio)
{
    json_object_set_new (o, name, json_real ((double)(int64_t)(ratio * 1000 + 0.5) / 1000));
}

json_t *summary_advice_json (const drover_worth_t *worth)
{
    drover_advice_t all[DROVER_RULES];
    size_t count = drover_advise (worth, all, DROVER_RULES);
    json_t *list = json_array ();

    for (size_t i = 0; i < count; i++) {
        json_t *o = json_object ();

        json_object_set_new (o, "rule", json_string (drover_rule_name (all[i].rule)));
        if (all[i].rule == DROVER_RULE_STRAGGLER)
            put (o, "task", all[i].row + 1);
        put_s (o, "gain_s", (double)all[i].gain_us);
        json_object_set_new (o, "text", json_string (all[i].text));
        json_object_set_new (o, "mend", json_string (all[i].mend));
        json_array_append_new (list, o);
    }
    return list;
}

static json_t *compare_json (const struct summary *p, const struct summary *s)
{
    json_t *o = json_object ();

    put_s (o, "parallel_s", measured (p));
    put_s (o, "sequential_s", measured (s));
    put_ratio (o, "speed_up", measured (s) / measured (p));
    put (o, "parallel_failed", p->worth.not_done);
    put (o, "sequential_failed", s->worth.not_done);
    json_object_set_new (o, "same_failed", json_boolean (p->failed_sum == s->failed_sum));
    return o;
}

json_t *summary_json (const struct summary *s, const struct summary *sequential)
{
    json_t *o = json_object ();
    drover_worth_t w = advised (s);

    put (o, "tasks", s->worth.tasks);
    put (o, "failed", s->worth.not_done);
    put (o, "cancelled", s->cancelled);
    put (o, "hosts", s->host_count);
    put_s (o, "wall_s", (double)s->wall_us);
    put_s (o, "work_s", (double)s->worth.work_us);
    if (s->worth.metered_us)
        put_s (o, "cpu_s", (double)s->worth.cpu_us);
    put_ratio (o, "speed_up", speed_up (s));
    if (s->worth.cores)
        put (o, "cores", s->worth.cores);
    if (s->worth.slots) {
        put (o, "slots", s->worth.slots);
        put_ratio (o, "efficiency", speed_up (s) / (double)s->worth.slots);
    }
    if (s->worth.slots && ran (s))
        put_s (o, "overhead_s", overhead_us (s));
    if (sequential)
        json_object_set_new (o, "compare", compare_json (s, sequential));
    if (!s->cancelled)
        json_object_set_new (o, "advice", summary_advice_json (&w));
    return o;
}
