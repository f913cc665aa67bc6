/* child: other programs, started by a bench program, and gone when it is.
 *
 * Whatever fails here ends the bench program with a line on stderr: a figure that was not measured
 * as it should be is worth nothing.
 */
#ifndef DROVER_BENCH_CHILD_H
#define DROVER_BENCH_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_PATH_MAX 4096
#define CHILD_NAME_MAX 60 /* of a program of ours, without its directory */

struct child {
    pid_t pid; /* 0: none */
    int out;   /* its stdout, to be read; -1: not ours */
};

enum child_flag { CHILD_READ = 1 }; /* stdout comes to us; otherwise it goes nowhere */

/* Start argv[0] (found in $PATH). stdin is `in`, or /dev/null for -1; stderr is ours. It gets TERM
 * when this thread ends. */
void child_start (struct child *c, char *const *argv, int in, unsigned flags);

/* Read its output to the end: keeps the first size - 1 bytes, with a NUL behind them, in `text`
 * (may be NULL for size 0), and returns the number of lines in all of it. */
uint64_t child_read (struct child *c, char *text, size_t size);

/* Wait for it; a status other than 0 is fatal. */
void child_wait (struct child *c);

/* TERM, and KILL after 5 s; nothing for a child that is not there. Returns its wait status. */
int child_end (struct child *c);

/* Wait a moment, in a loop that looks for something with a deadline. */
void child_pause (int ms);

/* The path of a program of ours: `name` in the directory of this one (bench/), or with drover's
 * programs, in $DROVER_BINDIR or else the directory above. `path` has CHILD_PATH_MAX bytes, and is
 * returned. */
char *child_bench_path (char *path, const char *name);
char *child_drover_path (char *path, const char *name);

/* Run a reference program of bench/ with these words (NULL behind the last) and --plain, and read
 * the `n` numbers that it prints. */
void child_reference (double *values, unsigned n, const char *name, ...) __attribute__ ((sentinel));

/* A descriptor of a file without a name, with `line` in it `count` times, to be some child's stdin;
 * child_rewind() makes it ready for the next. */
int child_lines (const char *line, uint64_t count);
void child_rewind (int fd);

#endif
