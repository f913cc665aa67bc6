/* startup: milliseconds from starting `drover foreach` where no broker runs until its first task
 * runs. The task is this program with --stamp, which prints the time, so the start of a process is
 * part of the figure. The reference is GNU Parallel where it is installed, in turns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/child.h"
#include "bench/options.h"
#include "common/base/clock.h"

#define ANSWER_BYTES 64

/* Milliseconds until the task that argv starts ran. */
static double start_ms (char *const *argv)
{
    char answer[ANSWER_BYTES];
    struct child c;
    int64_t begin = clock_mono_us ();
    child_start (&c, argv, -1, CHILD_READ);
    child_read (&c, answer, sizeof answer);
    child_wait (&c);
    long long stamp = atoll (answer);
    if (stamp <= begin)
        bench_die ("the task did not say when it ran");
    return (double)(stamp - begin) / US_PER_MS;
}

static double drover_ms (char *self)
{
    char path[CHILD_PATH_MAX];
    char *argv[] = {child_drover_path (path, "drover"),
                    "foreach",
                    "--local",
                    self,
                    "--stamp",
                    "{}",
                    ":::",
                    "1",
                    NULL};
    return start_ms (argv);
}

static double parallel_ms (char *self)
{
    char *argv[] = {"parallel", "--will-cite", self, "--stamp", "{}", ":::", "1", NULL};
    return start_ms (argv);
}

/* Whether the reference is there, and is GNU's (another program has the same name). */
static int have_parallel (void)
{
    char answer[4096];
    char *argv[] = {"sh", "-c", "parallel --version 2>/dev/null || :", NULL};
    struct child c;
    child_start (&c, argv, -1, CHILD_READ);
    child_read (&c, answer, sizeof answer);
    child_wait (&c);
    return strncmp (answer, "GNU parallel", 12) == 0;
}

static void print (double *ours, double *parallel, double *ratio, unsigned n, int have)
{
    char figure[32], reference[32] = "no GNU Parallel";
    double middle = bench_median (ours, n);
    if (have)
        bench_figure (reference, bench_median (parallel, n), "ms parallel");
    bench_line ("start to first task, no broker", bench_figure (figure, middle, "ms"), reference,
                have ? bench_median (ratio, n) : -1, "30 ms, then 10 ms");
}

int main (int argc, char **argv)
{
    static double ours[BENCH_ROUNDS_MAX], parallel[BENCH_ROUNDS_MAX], ratio[BENCH_ROUNDS_MAX];
    struct bench_options o = {.rounds = 20};
    char self[CHILD_PATH_MAX];
    bench_options_read (&o, argc, argv, "the time until the first task runs");
    if (o.stamp) {
        printf ("%lld\n", (long long)clock_mono_us ());
        return 0;
    }
    child_bench_path (self, "startup");
    int have = have_parallel ();
    for (unsigned i = 0; i < o.rounds; i++) {
        ours[i] = drover_ms (self);
        parallel[i] = have ? parallel_ms (self) : 1;
        ratio[i] = ours[i] / parallel[i];
    }
    print (ours, parallel, ratio, o.rounds, have);
    return 0;
}
