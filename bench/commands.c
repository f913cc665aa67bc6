/* commands: commands per second of `drover foreach` as a whole (its private broker and worker are
 * started and ended in that time), against a bare loop of vfork and exec in as many processes, and
 * against xargs -P, in turns. Once with /bin/true, once with /bin/echo, whose output is captured.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/child.h"
#include "bench/options.h"
#include "common/base/clock.h"

#define ITEM "1"

struct kind {
    const char *name;
    char *command;  /* an absolute path; each item is its argument */
    uint64_t lines; /* that each command prints */
    const char *budget;
};

static const struct kind kinds[] = {
    {"commands, status back", "/bin/true", 0, "0.85 x, then 0.95 x"},
    {"commands, output captured", "/bin/echo", 1, "0.75 x, then 0.9 x"},
};

struct samples {
    double ours[BENCH_ROUNDS_MAX], loop[BENCH_ROUNDS_MAX], xargs[BENCH_ROUNDS_MAX];
    double over_loop[BENCH_ROUNDS_MAX], over_xargs[BENCH_ROUNDS_MAX];
};

/* Commands/s of a program that takes an item from each line of stdin. */
static double filter_rate (char *const *argv, const struct kind *k, uint64_t tasks, int lines)
{
    struct child c;
    child_rewind (lines);
    int64_t begin = clock_mono_us ();
    child_start (&c, argv, lines, CHILD_READ);
    if (child_read (&c, NULL, 0) != tasks * k->lines)
        bench_die ("not every command's output came");
    child_wait (&c);
    return (double)tasks * US_PER_S / (double)(clock_mono_us () - begin);
}

static double drover_rate (const struct bench_options *o, const struct kind *k, int lines)
{
    char path[CHILD_PATH_MAX], slots[16];
    snprintf (slots, sizeof slots, "%u", o->slots);
    char *argv[] = {
        child_drover_path (path, "drover"), "foreach", "--local", "-j", slots, k->command, NULL};
    return filter_rate (argv, k, o->tasks, lines);
}

static double xargs_rate (const struct bench_options *o, const struct kind *k, int lines)
{
    char slots[16];
    snprintf (slots, sizeof slots, "%u", o->slots);
    char *argv[] = {"xargs", "-P", slots, "-n", "1", k->command, NULL};
    return filter_rate (argv, k, o->tasks, lines);
}

static double loop_rate (const struct bench_options *o, const struct kind *k)
{
    double number;
    char slots[16], tasks[24];
    snprintf (slots, sizeof slots, "%u", o->slots);
    snprintf (tasks, sizeof tasks, "%llu", (unsigned long long)o->tasks);
    if (k->lines)
        child_reference (&number, 1, "spawn_loop", "--slots", slots, "--tasks", tasks, "--capture",
                         "--", k->command, ITEM, NULL);
    else
        child_reference (&number, 1, "spawn_loop", "--slots", slots, "--tasks", tasks, "--",
                         k->command, ITEM, NULL);
    return number;
}

static void measure (const struct bench_options *o, const struct kind *k, struct samples *s)
{
    int lines = child_lines (ITEM, o->tasks);
    for (unsigned i = 0; i < o->rounds; i++) {
        s->loop[i] = loop_rate (o, k);
        s->ours[i] = drover_rate (o, k, lines);
        s->xargs[i] = xargs_rate (o, k, lines);
        s->over_loop[i] = s->ours[i] / s->loop[i];
        s->over_xargs[i] = s->ours[i] / s->xargs[i];
    }
    close (lines);
}

static void print (const struct kind *k, struct samples *s, unsigned n)
{
    char figure[32], reference[32];
    bench_figure (figure, bench_median (s->ours, n), "/s");
    bench_line (k->name, figure, bench_figure (reference, bench_median (s->loop, n), "/s vfork"),
                bench_median (s->over_loop, n), k->budget);
    bench_line (k->name, figure, bench_figure (reference, bench_median (s->xargs, n), "/s xargs"),
                bench_median (s->over_xargs, n), "");
}

int main (int argc, char **argv)
{
    static struct samples samples;
    struct bench_options o = {.tasks = 3000, .rounds = 3, .slots = 2};
    bench_options_read (&o, argc, argv, "commands per second");
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        measure (&o, &kinds[i], &samples);
        print (&kinds[i], &samples, o.rounds);
    }
    return 0;
}
