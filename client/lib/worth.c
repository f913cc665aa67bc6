/* worth: figures of a batch, as outcomes come. Of each task only sums and extremes are kept. */
#include <string.h>

#include "client/drover.h"
#include "common/base/hash.h"

static void note_host (drover_worth_t *w, const char *host)
{
    uint64_t h = host ? hash_bytes (host, strlen (host)) : hash_bytes ("", 0);
    if (w->hosts == 0) {
        w->hosts = 1;
        w->host_hash = h;
    } else if (h != w->host_hash) {
        w->hosts = 2;
    }
}

static void note_times (drover_worth_t *w, const drover_result_t *r)
{
    uint64_t end = r->start_us + r->wall_us;
    if (!w->first_start_us || r->start_us < w->first_start_us)
        w->first_start_us = r->start_us;
    if (end > w->last_end_us)
        w->last_end_us = end;
    if (r->wall_us < w->longest_us || (r->wall_us == w->longest_us && w->ran > 1))
        return;
    w->longest_us = r->wall_us;
    w->longest_row = r->row;
    w->longest_start_us = r->start_us;
}

void drover_worth_add (drover_worth_t *w, const drover_result_t *r)
{
    w->tasks++;
    w->not_done += r->how != DROVER_DONE && r->how != DROVER_CANCELLED;
    if (!r->start_us)
        return;
    w->ran++;
    w->again += r->attempt > 1;
    w->work_us += r->wall_us;
    if (r->maxrss_kib) { /* of short calls nothing is known */
        w->metered_us += r->wall_us;
        w->cpu_us += r->user_us + r->sys_us;
    }
    note_times (w, r);
    note_host (w, r->host);
}
