/* sleepers: 200 tasks of 0.05 s on 20 slots, once as functions (drover:sleep) on a worker that is
 * there, once as commands of a whole `drover foreach`, beside xargs -P 20, in turns. The ratio is
 * the ideal time, 0.5 s, to the time it took: how well slots are kept busy. */
#include <stdio.h>
#include <unistd.h>

#include "bench/child.h"
#include "bench/cluster.h"
#include "bench/feed.h"
#include "bench/options.h"
#include "common/base/clock.h"

#define NAP "0.05"
#define NAP_US 50000

struct samples {
    double functions[BENCH_ROUNDS_MAX], commands[BENCH_ROUNDS_MAX], xargs[BENCH_ROUNDS_MAX]; /* s */
};

static double functions_s (const struct bench_options *o, drover_t *h)
{
    drover_bytes_t row = {NAP, sizeof NAP - 1};
    return (double)feed_run (h, "drover:sleep", row, 0, o->tasks) / US_PER_S;
}

static double filter_s (char *const *argv, int lines)
{
    struct child c;
    child_rewind (lines);
    int64_t begin = clock_mono_us ();
    child_start (&c, argv, lines, 0);
    child_wait (&c);
    return (double)(clock_mono_us () - begin) / US_PER_S;
}

static double commands_s (const struct bench_options *o, int lines)
{
    char path[CHILD_PATH_MAX], slots[16];
    snprintf (slots, sizeof slots, "%u", o->slots);
    char *argv[] = {
        child_drover_path (path, "drover"), "foreach", "--local", "-j", slots, "sleep", NULL};
    return filter_s (argv, lines);
}

static double xargs_s (const struct bench_options *o, int lines)
{
    char slots[16];
    snprintf (slots, sizeof slots, "%u", o->slots);
    char *argv[] = {"xargs", "-P", slots, "-n", "1", "sleep", NULL};
    return filter_s (argv, lines);
}

static void measure (const struct bench_options *o, drover_t *h, struct samples *s)
{
    int lines = child_lines (NAP, o->tasks);
    functions_s (o, h); /* the processes for functions are there */
    for (unsigned i = 0; i < o->rounds; i++) {
        s->functions[i] = functions_s (o, h);
        s->commands[i] = commands_s (o, lines);
        s->xargs[i] = xargs_s (o, lines);
    }
    close (lines);
}

static void print (const struct bench_options *o, struct samples *s)
{
    char name[64], figure[32], reference[32];
    uint64_t turns = (o->tasks + o->slots - 1) / o->slots;
    double ideal = (double)(turns * NAP_US) / US_PER_S;
    double functions = bench_median (s->functions, o->rounds);
    double commands = bench_median (s->commands, o->rounds);
    double xargs = bench_median (s->xargs, o->rounds);
    bench_figure (reference, ideal, "s ideal");
    snprintf (name, sizeof name, "%llu x " NAP " s on %u slots", (unsigned long long)o->tasks,
              o->slots);
    bench_line (name, bench_figure (figure, functions, "s functions"), reference, ideal / functions,
                "0.97, then 0.99");
    bench_line (name, bench_figure (figure, commands, "s commands"), reference, ideal / commands,
                "0.94");
    bench_line (name, bench_figure (figure, xargs, "s xargs"), reference, ideal / xargs, "");
}

int main (int argc, char **argv)
{
    static struct samples samples;
    struct bench_options o = {.tasks = 200, .rounds = 3, .transport = "ipc", .slots = 20};
    bench_options_read (&o, argc, argv, "many tasks that sleep");

    struct cluster *c = cluster_start (o.transport);
    cluster_worker (c, o.slots);
    drover_t *h = cluster_open (c);
    measure (&o, h, &samples);
    drover_close (&h);
    print (&o, &samples);
    return 0;
}
