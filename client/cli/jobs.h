/* jobs: from input sources to the values of one job after another.
 *
 *     sources -> rows of values (combine) -> columns (-C) -> groups of rows (-n, -N) -> jobs
 *
 * A job can be had as soon as its values have been read; memory does not grow with the number of
 * jobs.
 */
#ifndef DROVER_CLI_JOBS_H
#define DROVER_CLI_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cli/source.h"
#include "client/drover.h"
#include "common/base/err.h"

#define JOB_VALUES_MAX 65536 /* values of one job */

/* One input source. */
struct input {
    const char *file;         /* "-" is stdin; NULL: the words */
    const char *const *words; /* borrowed */
    size_t count;
    bool linked; /* to the one before it (:::+ and ::::+) */
};

/* All of them, and what is made of their values. Borrowed as long as the jobs live. */
struct inputs {
    struct input *list;
    size_t count;                 /* at least 1 */
    struct source_options source; /* `trim` is for columns where there are any */
    bool link;                    /* --link: one value of each, shorter sources begin again */
    const char *colsep;           /* -C, or NULL */
    bool header;                  /* --header : */
    size_t per_job;               /* rows of a job; at least 1 */
    bool insert_none;             /* -n0, -N0: the values are taken, but not given */
};

struct job {
    uint64_t seq;                 /* from 1 */
    const drover_bytes_t *values; /* valid until the next job */
    size_t count;
};

struct jobs;

/* Opens all files. NULL with an error: one that cannot be read, an expression that is none. */
struct jobs *jobs_new (const struct inputs *inputs, struct err *e);
void jobs_free (struct jobs **j);

/* What the values are called: needed before the command is compiled. INPUT_VALUE: *names is NULL
 * (without --header), or names with NULL behind the last, valid as long as the jobs. INPUT_WAIT:
 * the header has not come yet, poll jobs_fd() and ask again. Or -1. */
int jobs_names (struct jobs *j, const char *const **names, struct err *e);

/* enum input_step: INPUT_VALUE with a job; INPUT_END; INPUT_WAIT; or -1. */
int jobs_next (struct jobs *j, struct job *job, struct err *e);

/* What to poll for reading after INPUT_WAIT. */
int jobs_fd (const struct jobs *j);

#endif
