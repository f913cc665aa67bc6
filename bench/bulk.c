/* bulk: large arguments and results (drover:echo of 1 MiB) in bytes per second, both ways together,
 * against the null broker with messages of that size, in turns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/child.h"
#include "bench/cluster.h"
#include "bench/feed.h"
#include "bench/options.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

static double null_round (const struct bench_options *o)
{
    double numbers[4];
    char count[24], size[24], window[24];
    snprintf (count, sizeof count, "%llu", (unsigned long long)o->tasks);
    snprintf (size, sizeof size, "%llu", (unsigned long long)o->size);
    snprintf (window, sizeof window, "%llu", (unsigned long long)o->window);
    child_reference (numbers, 4, "null_broker", "--transport", o->transport, "--tasks", count,
                     "--size", size, "--window", window, NULL);
    return numbers[3] / 1e6;
}

static double drover_round (const struct bench_options *o, drover_t *h, const char *bytes)
{
    drover_bytes_t row = {bytes, o->size};
    int64_t wall = feed_run (h, "drover:echo", row, o->size, o->tasks);
    return (double)(o->tasks * o->size * 2) / (double)wall;
}

int main (int argc, char **argv)
{
    static double ours[BENCH_ROUNDS_MAX], null[BENCH_ROUNDS_MAX], ratio[BENCH_ROUNDS_MAX];
    struct bench_options o = {
        .tasks = 300, .rounds = 3, .transport = "tcp", .slots = 2, .size = 1 << 20, .window = 8};
    bench_options_read (&o, argc, argv, "large arguments and results");
    char *bytes = mem_zalloc (o.size);
    memset (bytes, 'b', o.size);

    struct cluster *c = cluster_start (o.transport);
    cluster_worker (c, o.slots);
    drover_t *h = cluster_open (c);
    feed_run (h, "drover:echo", (drover_bytes_t){bytes, o.size}, o.size, 4); /* all are there */
    for (unsigned i = 0; i < o.rounds; i++) {
        null[i] = null_round (&o);
        ours[i] = drover_round (&o, h, bytes);
        ratio[i] = ours[i] / null[i];
    }
    drover_close (&h);
    free (bytes);

    char name[64], figure[32], reference[32];
    snprintf (name, sizeof name, "%.3g MiB in, %.3g MiB out, %s", (double)o.size / (1 << 20),
              (double)o.size / (1 << 20), o.transport);
    bench_line (name, bench_figure (figure, bench_median (ours, o.rounds), "MB/s"),
                bench_figure (reference, bench_median (null, o.rounds), "MB/s null"),
                bench_median (ratio, o.rounds), "0.8 x, then 0.9 x");
    return 0;
}
