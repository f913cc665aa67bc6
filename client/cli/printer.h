/* printer: the output of tasks, each whole: its stdout to stdout, then its stderr to stderr.
 *
 * Of a pipeline the stdout is that of the last stage, and the stderr of all stages comes, one
 * behind the other.
 *
 * In order of completion, or in order of rows: then outcomes that come too early are kept (in a
 * file where they are large; see drover_result_keep()). With a tag, each line of output begins with
 * it and a tab. With json, each outcome is one line on stdout and nothing else is printed.
 *
 * Tasks that fail are named on stderr, each behind its output; see failures.h.
 */
#ifndef DROVER_CLI_PRINTER_H
#define DROVER_CLI_PRINTER_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/failures.h"
#include "client/cli/pending.h"
#include "client/cli/recall.h"
#include "client/cli/sink.h"
#include "client/drover.h"

struct printer_opts {
    const char *command;   /* for messages */
    bool keep_order;       /* rows from 0 on, without gaps */
    bool json;             /* lines of JSON */
    bool quiet;            /* failed tasks are not named */
    bool places;           /* where they are, with the worker they ran on */
    bool no_out;           /* what tasks print on stdout is left out, but for json; ... */
    bool no_err;           /* ... and on stderr */
    unsigned stages;       /* of a pipeline; 0: none */
    drover_command_t *tag; /* what stands in front of each line; NULL: nothing. Borrowed */
};

struct printer {
    struct printer_opts opts;
    struct sink out;
    struct sink err;
    struct pending pending;
    struct failures failures;
    struct recall recall;
    uint64_t batch; /* its number, for json */
    uint64_t next;  /* row to be printed next, in keep_order */
};

/* `wake_fd`, `wake` and `arg` as for sink_init(). The printer does not move in memory. */
void printer_init (struct printer *p, const struct printer_opts *opts, int wake_fd,
                   sink_wake_fn *wake, void *arg);

/* Before the session is closed. */
void printer_fini (struct printer *p);

/* Remember the values of a row, where they will be printed. 0, or -1: no memory. */
int printer_values (struct printer *p, uint64_t row, const drover_bytes_t *values, size_t count);

/* Bytes of remembered values, and rows from the first unprinted one to `rows`: what the caller
 * limits. The second is 0 unless in keep_order. */
size_t printer_bytes (const struct printer *p);
uint64_t printer_behind (const struct printer *p, uint64_t rows);

/* Print an outcome, or keep it. 0; -1 with an error: a sink failed (its `error` says how), or an
 * output cannot be read. */
int printer_result (struct printer *p, const drover_result_t *r, drover_error_t *e);

/* The end: print what was kept and will not be preceded by anything any more, write out all. 0, or
 * -1 as printer_result(). */
int printer_rest (struct printer *p, drover_error_t *e);

/* Write out what is in the buffers. 0, or -1 with an error: a sink failed. */
int printer_flush (struct printer *p, drover_error_t *e);

/* Has a sink failed? What is left would only fail again. */
bool printer_failed (const struct printer *p);

#endif
