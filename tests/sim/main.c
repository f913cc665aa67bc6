/* The simulator: sim --seeds N [--first S] [--verbose]. Lives from consecutive seeds; says at the
 * end what they met, or, of the first that fails, what broke and how to see it again. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/sim.h"

static const char *const NAMES[COUNTS] = {
    [COUNT_MESSAGES] = "messages",
    [COUNT_ROWS] = "rows",
    [COUNT_RERUNS] = "rows started again",
    [COUNT_CUTS] = "connections cut",
    [COUNT_LOST_MAIL] = "messages lost with them",
    [COUNT_GHOSTS] = "cuts the broker did not hear of",
    [COUNT_STALLS] = "connections stalled",
    [COUNT_JAMS] = "connections full",
    [COUNT_AGENT_CRASHES] = "agents killed",
    [COUNT_HOST_LOSSES] = "hosts lost",
    [COUNT_AGENT_PAUSES] = "agents stopped and continued",
    [COUNT_TERMS] = "workers told to leave",
    [COUNT_EXECUTOR_CRASHES] = "executors killed",
    [COUNT_REFUSALS] = "executors that could not be made",
    [COUNT_USER_CRASHES] = "clients killed",
    [COUNT_USER_PAUSES] = "clients stopped and continued",
    [COUNT_BROKER_PAUSES] = "brokers stopped and continued",
    [COUNT_BROKER_CRASHES] = "brokers killed",
    [COUNT_LATE_COMMITS] = "times of late commits",
    [COUNT_FAILED_COMMITS] = "commits failed",
};

static char the_command[400]; /* how to see the present seed again, for the handler of a crash */

static void print_command (int fd)
{
    ssize_t n = write (fd, the_command, strlen (the_command));
    (void)n;
}

/* An assertion or a bad access in a core: say which seed it was. */
static void on_crash (int signo)
{
    print_command (STDERR_FILENO);
    signal (signo, SIG_DFL);
    raise (signo);
}

static void watch_crashes (void)
{
    signal (SIGABRT, on_crash);
    signal (SIGSEGV, on_crash);
    signal (SIGALRM, on_crash);
}

static int usage (const char *program)
{
    fprintf (stderr, "usage: %s --seeds N [--first S] [--verbose]\n", program);
    return 2;
}

static int run (const char *program, uint64_t first, uint64_t seeds, bool verbose)
{
    static struct sim s;
    uint64_t counts[COUNTS] = {0};
    for (uint64_t seed = first; seed - first < seeds; seed++) {
        snprintf (the_command, sizeof the_command,
                  "seed %" PRIu64 " failed; replay it with: %s --seeds 1 --first %" PRIu64
                  " --verbose\n",
                  seed, program, seed);
        alarm (60); /* real seconds: a core that never returns */
        if (sim_run (&s, seed, verbose, counts) < 0) {
            fflush (stdout);
            fprintf (stderr, "%s\n", s.why);
            print_command (STDERR_FILENO);
            return 1;
        }
    }
    printf ("%" PRIu64 " seeds from %" PRIu64 " on\n", seeds, first);
    for (int i = 0; i < COUNTS; i++)
        printf ("%10" PRIu64 "  %s\n", counts[i], NAMES[i]);
    return 0;
}

int main (int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    uint64_t seeds = 100;
    uint64_t first = 1;
    bool verbose = false;
    int c;
    while ((c = getopt_long (argc, argv, "", OPTIONS, NULL)) != -1) {
        if (c == 'n')
            seeds = strtoull (optarg, NULL, 10);
        else if (c == 'f')
            first = strtoull (optarg, NULL, 10);
        else if (c == 'v')
            verbose = true;
        else
            return usage (argv[0]);
    }
    if (optind < argc)
        return usage (argv[0]);
    watch_crashes ();
    return run (argv[0], first, seeds, verbose);
}
