/* The simulator.
 *
 *     sim [--seeds N] [--first S] [--verbose] [--cover PERMILLE]
 *                              lives from consecutive seeds; says at the end what they met and
 *                              fails where they met less, or, of the first seed that fails, says
 *                              what broke and how to see it again
 *     sim --workers W --rows R a life without faults, but large
 *     sim                      what belongs in every run of the tests: some of both, and as many
 *                              lives more as it takes to meet what is to be met
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/cover.h"
#include "tests/sim/sim.h"

enum {
#ifdef __SANITIZE_ADDRESS__ /* several times slower: the ordinary build looks at the rest */
    TEST_SEEDS = 150,
    TEST_SEEDS_MAX = TEST_SEEDS,
    TEST_COVER = 0,
    TEST_ROWS = 50000,
#else
    TEST_SEEDS = 500,
    TEST_SEEDS_MAX = 3000, /* what 500 meet is a matter of luck: 93 to 96 of 100 */
    TEST_COVER = 950,      /* of 1000 pairs of message and state */
    TEST_ROWS = 500000,
#endif
    TEST_WORKERS = 1000,
    LIFE_MAX_S = 60, /* real seconds: a core that never returns */
    BIG_MAX_S = 600,
};

static const char *const NAMES[COUNTS] = {
#define X(NAME, words) [COUNT_##NAME] = words,
    SIM_COUNTS (X)
#undef X
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

struct options {
    const char *program;
    uint64_t seeds, first, rows;
    uint64_t seeds_max; /* where `seeds` of them have not met enough */
    unsigned workers, cover;
    bool verbose;
};

static int usage (const char *program)
{
    fprintf (stderr,
             "usage: %s [--seeds N] [--first S] [--verbose] [--cover PERMILLE]\n"
             "       %s --workers W --rows R\n",
             program, program);
    return 2;
}

static int failed (const struct sim *s)
{
    fflush (stdout);
    fprintf (stderr, "%s\n", s->why);
    print_command (STDERR_FILENO);
    return 1;
}

static void print_counts (const uint64_t *counts)
{
    for (int i = 0; i < COUNTS; i++)
        printf ("%10" PRIu64 "  %s\n", counts[i], NAMES[i]);
}

/* Whether that many lives are enough. */
static bool have_lived (const struct options *o, const struct sim_tally *t, uint64_t lives)
{
    return lives >= o->seeds && (lives >= o->seeds_max || cover_permille (t->cover) >= o->cover);
}

static int run_lives (const struct options *o, struct sim_tally *t)
{
    static struct sim s;
    uint64_t lives = 0;
    for (; !have_lived (o, t, lives); lives++) {
        uint64_t seed = o->first + lives;
        snprintf (the_command, sizeof the_command,
                  "seed %" PRIu64 " failed; replay it with: %s --seeds 1 --first %" PRIu64
                  " --verbose\n",
                  seed, o->program, seed);
        alarm (LIFE_MAX_S);
        if (sim_run (&s, seed, o->verbose, t) < 0)
            return failed (&s);
    }
    printf ("%" PRIu64 " seeds from %" PRIu64 " on\n", lives, o->first);
    print_counts (t->counts);
    if (cover_print (t->cover) >= o->cover)
        return 0;
    printf ("that is less than %u of 1000\n", o->cover);
    return 1;
}

static int run_big (const struct options *o, struct sim_tally *t)
{
    static struct sim s;
    snprintf (the_command, sizeof the_command, "failed: %s --workers %u --rows %" PRIu64 "\n",
              o->program, o->workers, o->rows);
    alarm (BIG_MAX_S);
    return sim_run_big (&s, o->workers, o->rows, t) < 0 ? failed (&s) : 0;
}

static int run (const struct options *o, bool lives, bool big)
{
    struct sim_tally lived = {.cover = cover_new ()};
    struct sim_tally built = {.cover = cover_new ()};
    int status = lives ? run_lives (o, &lived) : 0;
    if (status == 0 && big)
        status = run_big (o, &built);
    cover_free (&lived.cover);
    cover_free (&built.cover);
    return status;
}

int main (int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {"cover", required_argument, NULL, 'c'},
        {"workers", required_argument, NULL, 'w'},
        {"rows", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.program = argv[0], .seeds = TEST_SEEDS, .first = 1};
    int c;
    while ((c = getopt_long (argc, argv, "", OPTIONS, NULL)) != -1) {
        uint64_t n = optarg ? strtoull (optarg, NULL, 10) : 0;
        if (c == 'n')
            o.seeds = n;
        else if (c == 'f')
            o.first = n;
        else if (c == 'v')
            o.verbose = true;
        else if (c == 'c')
            o.cover = (unsigned)n;
        else if (c == 'w')
            o.workers = (unsigned)n;
        else if (c == 'r')
            o.rows = n;
        else
            return usage (argv[0]);
    }
    if (optind < argc || !o.workers != !o.rows)
        return usage (argv[0]);
    watch_crashes ();
    if (argc > 1)
        return run (&o, !o.workers, o.workers);
    o.cover = TEST_COVER;
    o.seeds_max = TEST_SEEDS_MAX;
    o.workers = TEST_WORKERS;
    o.rows = TEST_ROWS;
    return run (&o, true, true);
}
