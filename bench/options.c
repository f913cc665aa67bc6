/* options: the command line that the programs in bench/ share, and how their figures are printed.
 */
#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_TASKS = 256,
    OPT_ROUNDS,
    OPT_TRANSPORT,
    OPT_SLOTS,
    OPT_RECORDS,
    OPT_SIZE,
    OPT_WINDOW,
    OPT_CHILD,
    OPT_CAPTURE,
    OPT_PLAIN,
    OPT_STAMP,
    OPT_HELP
};

static const struct option long_options[] = {
    {"tasks", required_argument, NULL, OPT_TASKS},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"transport", required_argument, NULL, OPT_TRANSPORT},
    {"slots", required_argument, NULL, OPT_SLOTS},
    {"records", required_argument, NULL, OPT_RECORDS},
    {"size", required_argument, NULL, OPT_SIZE},
    {"window", required_argument, NULL, OPT_WINDOW},
    {"child", no_argument, NULL, OPT_CHILD},
    {"capture", no_argument, NULL, OPT_CAPTURE},
    {"plain", no_argument, NULL, OPT_PLAIN},
    {"stamp", no_argument, NULL, OPT_STAMP},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void usage (FILE *to, const char *about)
{
    fprintf (to,
             "%s: %s\n"
             "  --tasks N  --rounds N  --transport tcp|ipc  --slots N\n"
             "  --records N (a message)  --size BYTES  --window RECORDS\n"
             "  --child  --capture  --plain (numbers only)\n",
             program_invocation_short_name, about);
}

static uint64_t number (const char *text, uint64_t greatest)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull (text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value == 0 || value > greatest) {
        fprintf (stderr, "%s: not a number from 1 to %llu: %s\n", program_invocation_short_name,
                 (unsigned long long)greatest, text);
        exit (2);
    }
    return value;
}

static const char *transport (const char *text)
{
    if (strcmp (text, "tcp") && strcmp (text, "ipc")) {
        fprintf (stderr, "%s: --transport is tcp or ipc, not %s\n", program_invocation_short_name,
                 text);
        exit (2);
    }
    return text;
}

static void set (struct bench_options *o, int option, const char *about)
{
    switch (option) {
    case OPT_TASKS:
        o->tasks = number (optarg, UINT64_C (1000000000));
        break;
    case OPT_ROUNDS:
        o->rounds = (unsigned)number (optarg, BENCH_ROUNDS_MAX);
        break;
    case OPT_TRANSPORT:
        o->transport = transport (optarg);
        break;
    case OPT_SLOTS:
        o->slots = (unsigned)number (optarg, 100000);
        break;
    case OPT_RECORDS:
        o->records = (unsigned)number (optarg, 1000000);
        break;
    case OPT_SIZE:
        o->size = number (optarg, 64u << 20);
        break;
    case OPT_WINDOW:
        o->window = number (optarg, UINT64_C (1000000000));
        break;
    case OPT_CHILD:
        o->child = true;
        break;
    case OPT_CAPTURE:
        o->capture = true;
        break;
    case OPT_PLAIN:
        o->plain = true;
        break;
    case OPT_STAMP:
        o->stamp = true;
        break;
    case OPT_HELP:
        usage (stdout, about);
        exit (0);
    default:
        usage (stderr, about);
        exit (2);
    }
}

void bench_options_read (struct bench_options *o, int argc, char **argv, const char *about)
{
    int option;
    while ((option = getopt_long (argc, argv, "+", long_options, NULL)) != -1)
        set (o, option, about);
    o->rest = argv + optind;
}

void bench_line (const char *name, const char *figure, const char *reference, double ratio,
                 const char *budget)
{
    char text[32] = "";
    if (ratio >= 0)
        snprintf (text, sizeof text, "%.3f", ratio);
    printf ("%-34s %16s %18s %8s  %s\n", name, figure ? figure : "", reference ? reference : "",
            text, budget ? budget : "");
    fflush (stdout);
}

char *bench_figure (char text[32], double value, const char *unit)
{
    int decimals = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : 3;
    snprintf (text, 32, "%.*f %s", decimals, value, unit);
    return text;
}

static int compare (const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median (double *values, unsigned n)
{
    qsort (values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void bench_die (const char *text)
{
    fprintf (stderr, "%s: %s\n", program_invocation_short_name, text);
    exit (1);
}
