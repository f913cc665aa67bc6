/* round_trip: one task at a time (drover:echo of 16 bytes) on an idle system, the median of many,
 * against the null broker whose workers ask an echo child over a socket pair, in turns. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/child.h"
#include "bench/cluster.h"
#include "bench/feed.h"
#include "bench/options.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

static const char row_bytes[16] = "a row, 16 bytes";

static double null_round (const struct bench_options *o)
{
    double numbers[3];
    char count[24];
    snprintf (count, sizeof count, "%llu", (unsigned long long)o->tasks);
    child_reference (numbers, 3, "null_broker", "--transport", o->transport, "--tasks", count,
                     "--window", "1", "--child", NULL);
    return numbers[2];
}

static double drover_round (struct feed *f, uint64_t tasks)
{
    double *took = mem_resize (NULL, tasks, sizeof *took);
    for (uint64_t i = 0; i < tasks; i++) {
        int64_t begin = clock_mono_us ();
        uint64_t results = f->results;
        feed_add (f, 1);
        feed_until (f, results + 1);
        took[i] = (double)(clock_mono_us () - begin);
    }
    double median = bench_median (took, (unsigned)tasks);
    free (took);
    return median;
}

int main (int argc, char **argv)
{
    static double ours[BENCH_ROUNDS_MAX], null[BENCH_ROUNDS_MAX], ratio[BENCH_ROUNDS_MAX];
    struct bench_options o = {.tasks = 2000, .rounds = 3, .transport = "ipc", .slots = 2};
    bench_options_read (&o, argc, argv, "the round trip of a single task");

    struct cluster *c = cluster_start (o.transport);
    cluster_worker (c, o.slots);
    drover_t *h = cluster_open (c);
    struct feed f;
    feed_open (&f, h, "drover:echo", (drover_bytes_t){row_bytes, sizeof row_bytes},
               sizeof row_bytes);
    feed_add (&f, 100); /* everybody is there */
    feed_until (&f, 100);
    for (unsigned i = 0; i < o.rounds; i++) {
        null[i] = null_round (&o);
        ours[i] = drover_round (&f, o.tasks);
        ratio[i] = ours[i] / null[i];
    }
    feed_finish (&f);
    drover_close (&h);

    char name[64], figure[32], reference[32];
    snprintf (name, sizeof name, "round trip of one task, %s, p50", o.transport);
    bench_line (name, bench_figure (figure, bench_median (ours, o.rounds), "us"),
                bench_figure (reference, bench_median (null, o.rounds), "us null+child"),
                bench_median (ratio, o.rounds), "1.3 x, then 1.1 x");
    return 0;
}
