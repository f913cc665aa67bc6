/* options: the command line that the programs in bench/ share, and how their figures are printed.
 */
#ifndef DROVER_BENCH_OPTIONS_H
#define DROVER_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_ROUNDS_MAX 1000

struct bench_options {
    uint64_t tasks;        /* a round */
    unsigned rounds;       /* the thing and its reference run in turns, so often each */
    const char *transport; /* "tcp" (loopback) or "ipc" */
    unsigned slots;        /* of the worker */
    unsigned records;      /* a message, of the null broker */
    uint64_t size;         /* bytes of a record */
    uint64_t window;       /* records on their way */
    bool child;            /* the null broker's workers ask a child of theirs */
    bool capture;          /* the spawn loop reads output */
    bool plain;            /* print numbers only, for another program */
    bool stamp;            /* the start program: say what time it is, no more */
    char **rest;           /* the words behind the options; NULL ends them */
};

/* Read the options into `o`, which holds the defaults. Prints the usage (`about` is its first line)
 * and leaves, with 0 for --help and 2 for a mistake. The strings point into argv. */
void bench_options_read (struct bench_options *o, int argc, char **argv, const char *about);

/* One line of the table: what was measured, its figure, the reference's, their ratio, the budget.
 * NULL leaves a column empty; a ratio below 0 too. Written at once, so that a pipe sees it. */
void bench_line (const char *name, const char *figure, const char *reference, double ratio,
                 const char *budget);

/* A number with up to four significant digits and its unit, into text[32]; returns text. */
char *bench_figure (char text[32], double value, const char *unit);

/* The middle one of `n` values, n > 0; sorts them. */
double bench_median (double *values, unsigned n);

/* Print "NAME: text" on stderr and leave with status 1. */
_Noreturn void bench_die (const char *text);

#endif
