/* queue_memory: a million rows of 16 bytes for drover:echo, queued before any worker exists.
 *
 * Prints the broker's memory for each queued task and the rate at which the queue fills, at three
 * sizes (the first tenth, the middle, the end: both should be flat). Then it starts a worker, waits
 * for all results, and holds that rate against the null broker with one record a message, measured
 * right before and right after.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/child.h"
#include "bench/cluster.h"
#include "bench/feed.h"
#include "bench/options.h"
#include "bench/proc.h"
#include "common/base/clock.h"

#define STEPS 10 /* parts in which the queue is filled */
#define SYNC_MS 60000

static const char row_bytes[16] = "a row, 16 bytes";

struct fill {
    double rate[STEPS];  /* rows/s, each step from its first row to its acknowledgement */
    double bytes[STEPS]; /* of the broker for each row queued so far, after each step */
};

static double null_rate (const struct bench_options *o)
{
    double numbers[1];
    char tasks[24];
    snprintf (tasks, sizeof tasks, "%llu",
              (unsigned long long)(o->tasks < 300000 ? o->tasks : 300000));
    child_reference (numbers, 1, "null_broker", "--tasks", tasks, "--transport", o->transport,
                     NULL);
    return numbers[0];
}

/* Until the broker has said that it has them all. */
static void synchronize (drover_t *h)
{
    drover_error_t e;
    if (drover_sync (h, SYNC_MS, &e))
        bench_die (e.text);
}

static void fill (struct feed *f, const struct cluster *c, uint64_t step, struct fill *out)
{
    synchronize (f->h);
    int64_t before = proc_memory (cluster_broker_pid (c));
    for (unsigned i = 0; i < STEPS; i++) {
        int64_t begin = clock_mono_us ();
        feed_add (f, step);
        synchronize (f->h);
        out->rate[i] = (double)step * US_PER_S / (double)(clock_mono_us () - begin);
        int64_t now = proc_memory (cluster_broker_pid (c));
        out->bytes[i] = (double)(now - before) / (double)(step * (i + 1));
    }
}

static void print_fill (const struct fill *f, uint64_t step)
{
    static const unsigned shown[] = {0, 4, STEPS - 1};
    char name[64], figure[32], reference[32];
    bench_figure (reference, f->rate[0], "/s first");
    for (unsigned i = 0; i < 3; i++) {
        unsigned n = shown[i];
        snprintf (name, sizeof name, "fill rate up to %llu queued",
                  (unsigned long long)(step * (n + 1)));
        bench_line (name, bench_figure (figure, f->rate[n], "/s"), reference,
                    f->rate[n] / f->rate[0], n ? "flat" : "");
        snprintf (name, sizeof name, "broker memory a task, %llu queued",
                  (unsigned long long)(step * (n + 1)));
        bench_line (name, bench_figure (figure, f->bytes[n], "B"), NULL, -1,
                    n == STEPS - 1 ? "60 B, then 40 B" : "");
    }
}

int main (int argc, char **argv)
{
    struct bench_options o = {.tasks = 1000000, .transport = "tcp", .slots = 2};
    bench_options_read (&o, argc, argv, "memory of queued tasks, and how fast they are run");
    double null_before = null_rate (&o);

    struct cluster *c = cluster_start (o.transport);
    drover_t *h = cluster_open (c);
    struct feed f;
    struct fill filled;
    uint64_t step = (o.tasks + STEPS - 1) / STEPS;
    feed_open (&f, h, "drover:echo", (drover_bytes_t){row_bytes, sizeof row_bytes},
               sizeof row_bytes);
    fill (&f, c, step, &filled);
    print_fill (&filled, step);

    int64_t begin = clock_mono_us ();
    cluster_worker (c, o.slots);
    feed_finish (&f);
    double rate = (double)(step * STEPS) * US_PER_S / (double)(clock_mono_us () - begin);
    drover_close (&h);

    char figure[32], reference[32];
    double null = (null_before + null_rate (&o)) / 2;
    bench_line ("queued tasks run, from worker start", bench_figure (figure, rate, "/s"),
                bench_figure (reference, null, "/s null"), rate / null, "0.3 x null broker");
    return 0;
}
