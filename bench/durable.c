/* durable: functions that do nothing (drover:echo of 16 bytes), with a broker that keeps its state
 * on the disk and syncs every commit; against SQLite's rate of rows in transactions of 1,000, and
 * against the same functions without a state, in turns. Then: a million tasks are queued, the
 * broker is killed, and comes back.
 */
#include <stdio.h>

#include "bench/child.h"
#include "bench/cluster.h"
#include "bench/feed.h"
#include "bench/options.h"
#include "common/base/clock.h"

#define QUEUED 1000000
#define SYNC_MS 60000

static const char row_bytes[16] = "a row, 16 bytes";

struct samples {
    double rate[BENCH_ROUNDS_MAX];   /* tasks/s */
    double sqlite[BENCH_ROUNDS_MAX]; /* rows/s */
    double memory[BENCH_ROUNDS_MAX]; /* tasks/s without a state */
    double ratio[BENCH_ROUNDS_MAX];
    double memory_ratio[BENCH_ROUNDS_MAX];
};

static double rate (const struct bench_options *o, drover_t *h)
{
    drover_bytes_t row = {row_bytes, sizeof row_bytes};
    int64_t wall = feed_run (h, "drover:echo", row, sizeof row_bytes, o->tasks);
    return (double)o->tasks * US_PER_S / (double)wall;
}

static drover_t *ready (struct cluster *c, const struct bench_options *o)
{
    drover_bytes_t row = {row_bytes, sizeof row_bytes};
    cluster_worker (c, o->slots);
    drover_t *h = cluster_open (c);
    feed_run (h, "drover:echo", row, sizeof row_bytes, 1000); /* everybody is there */
    return h;
}

static void compare (const struct bench_options *o, struct samples *s)
{
    drover_t *durable = ready (cluster_start_durable (o->transport), o);
    drover_t *memory = ready (cluster_start (o->transport), o);
    for (unsigned i = 0; i < o->rounds; i++) {
        child_reference (&s->sqlite[i], 1, "sqlite_rows", NULL);
        s->rate[i] = rate (o, durable);
        s->memory[i] = rate (o, memory);
        s->ratio[i] = s->rate[i] / s->sqlite[i];
        s->memory_ratio[i] = s->rate[i] / s->memory[i];
    }
    drover_close (&durable);
    drover_close (&memory);
}

static void print (const struct bench_options *o, struct samples *s)
{
    char figure[32], reference[32];
    unsigned n = o->rounds;
    bench_figure (figure, bench_median (s->rate, n), "/s");
    bench_line ("durable no-op functions", figure,
                bench_figure (reference, bench_median (s->sqlite, n), "/s SQLite"),
                bench_median (s->ratio, n), "150 k/s and 0.2 x SQLite's rows");
    bench_line ("durable no-op functions", figure,
                bench_figure (reference, bench_median (s->memory, n), "/s memory"),
                bench_median (s->memory_ratio, n), "then 0.5 x without a state");
}

static void restart (const struct bench_options *o)
{
    char figure[32];
    drover_error_t e;
    struct feed f;
    struct cluster *c = cluster_start_durable (o->transport);
    drover_t *h = cluster_open (c);
    feed_open (&f, h, "drover:echo", (drover_bytes_t){row_bytes, sizeof row_bytes},
               sizeof row_bytes);
    feed_add (&f, QUEUED);
    if (drover_sync (h, SYNC_MS, &e))
        bench_die (e.text);
    double ms = (double)cluster_restart (c) / US_PER_MS;
    bench_line ("restart with a million queued tasks", bench_figure (figure, ms, "ms"), NULL, -1,
                "5 s");
}

int main (int argc, char **argv)
{
    static struct samples samples;
    struct bench_options o = {.tasks = 300000, .rounds = 3, .transport = "tcp", .slots = 2};
    bench_options_read (&o, argc, argv, "no-op functions with a state directory");
    compare (&o, &samples);
    print (&o, &samples);
    restart (&o);
    return 0;
}
