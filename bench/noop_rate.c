/* noop_rate: functions that do nothing (drover:echo of 16 bytes), from the first row submitted to
 * the last result, against the null broker with 1 and with 64 records a message, in turns. Also the
 * processor time of all processes together for each task. */
#include <stdio.h>

#include "bench/child.h"
#include "bench/cluster.h"
#include "bench/feed.h"
#include "bench/options.h"
#include "common/base/clock.h"

static const char row_bytes[16] = "a row, 16 bytes";

struct samples {
    double rate[BENCH_ROUNDS_MAX];   /* tasks/s */
    double cpu_us[BENCH_ROUNDS_MAX]; /* a task */
    double null[BENCH_ROUNDS_MAX];   /* tasks/s of the null broker, 1 record a message */
    double null_cpu_us[BENCH_ROUNDS_MAX];
    double packed[BENCH_ROUNDS_MAX]; /* the same, 64 records */
    double ratio[BENCH_ROUNDS_MAX];
    double packed_ratio[BENCH_ROUNDS_MAX];
};

static void null_round (const struct bench_options *o, const char *records, uint64_t tasks,
                        double numbers[2])
{
    char count[24];
    snprintf (count, sizeof count, "%llu", (unsigned long long)tasks);
    child_reference (numbers, 2, "null_broker", "--transport", o->transport, "--records", records,
                     "--tasks", count, NULL);
}

static void drover_round (const struct bench_options *o, struct cluster *c, drover_t *h,
                          double *rate, double *cpu_us)
{
    drover_bytes_t row = {row_bytes, sizeof row_bytes};
    int64_t cpu = cluster_cpu_us (c);
    int64_t wall = feed_run (h, "drover:echo", row, sizeof row_bytes, o->tasks);
    *cpu_us = (double)(cluster_cpu_us (c) - cpu) / (double)o->tasks;
    *rate = (double)o->tasks * US_PER_S / (double)wall;
}

static void one_round (const struct bench_options *o, struct cluster *c, drover_t *h,
                       struct samples *s, unsigned i)
{
    double numbers[2];
    null_round (o, "1", o->tasks, numbers);
    s->null[i] = numbers[0];
    s->null_cpu_us[i] = numbers[1];
    drover_round (o, c, h, &s->rate[i], &s->cpu_us[i]);
    null_round (o, "64", o->tasks * 8, numbers);
    s->packed[i] = numbers[0];
    s->ratio[i] = s->rate[i] / s->null[i];
    s->packed_ratio[i] = s->rate[i] / s->packed[i];
}

static void print (const struct bench_options *o, struct samples *s)
{
    char name[64], figure[32], reference[32];
    unsigned n = o->rounds;
    snprintf (name, sizeof name, "no-op functions, %s", o->transport);
    bench_figure (figure, bench_median (s->rate, n), "/s");
    bench_line (name, figure, bench_figure (reference, bench_median (s->null, n), "/s null"),
                bench_median (s->ratio, n), "1.0 x null broker");
    bench_line (name, figure, bench_figure (reference, bench_median (s->packed, n), "/s null 64"),
                bench_median (s->packed_ratio, n), "then 0.25 x, 64 records");
    double cpu = bench_median (s->cpu_us, n), null_cpu = bench_median (s->null_cpu_us, n);
    snprintf (name, sizeof name, "CPU a no-op function, %s", o->transport);
    bench_line (name, bench_figure (figure, cpu, "us"),
                bench_figure (reference, null_cpu, "us null"), cpu / null_cpu, "then 1 us");
}

int main (int argc, char **argv)
{
    static struct samples samples;
    struct bench_options o = {.tasks = 500000, .rounds = 3, .transport = "tcp", .slots = 2};
    bench_options_read (&o, argc, argv, "no-op functions against the null broker");

    struct cluster *c = cluster_start (o.transport);
    cluster_worker (c, o.slots);
    drover_t *h = cluster_open (c);
    drover_bytes_t row = {row_bytes, sizeof row_bytes};
    feed_run (h, "drover:echo", row, sizeof row_bytes, 1000); /* everybody is there */
    for (unsigned i = 0; i < o.rounds; i++)
        one_round (&o, c, h, &samples, i);
    drover_close (&h);
    print (&o, &samples);
    return 0;
}
