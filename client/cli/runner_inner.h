/* runner_inner: what the files of the runner share: runner.c, the loop; runner_worth.c, what the
 * batch was worth, and the second run of --compare. See runner.h.
 */
#ifndef DROVER_CLI_RUNNER_INNER_H
#define DROVER_CLI_RUNNER_INNER_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/feed.h"
#include "client/cli/printer.h"
#include "client/cli/rowfile.h"
#include "client/cli/runner.h"
#include "client/cli/signals.h"
#include "client/cli/summary.h"

enum feeding {
    FEED_MORE,
    FEED_BLOCKED, /* the input has nothing yet */
    FEED_HELD,    /* what is remembered of rows takes too much memory: the input is left alone */
    FEED_ENDED
};

struct runner {
    const struct runner_opts *opts;
    drover_t *h;
    drover_batch_t *batch;
    struct feed rows;
    struct signals *signals;
    struct printer printer;
    struct summary summary;
    struct rowfile *kept; /* rows, to be run again for --compare; NULL: they are not */
    bool again;           /* this is that run: one after another, and nothing is printed */
    enum feeding feeding;
    int interrupts;      /* signals that came */
    bool hung_up;        /* by HUP: nothing is started any more */
    bool cut;            /* ... and there was more input */
    bool cancelled;      /* by us */
    bool silent;         /* nothing is printed any more */
    bool pipe_closed;    /* the reader of stdout went away */
    bool trouble;        /* said, and worth STATUS_FOREACH */
    bool refused;        /* and that was said */
    bool over;           /* nothing will come any more, or nobody waits for it */
    uint64_t failed;     /* tasks that are not done, but for those that HUP left unstarted */
    uint64_t ended;      /* tasks that have an outcome of their own */
    int64_t started_us;  /* monotonic */
    int64_t first_us;    /* when the first row came; 0: none did */
    uint64_t starved_us; /* since then: the input had nothing, and slots were free */
};

/* --- runner.c --- */
/* For messages. */
const char *runner_command (const struct runner *r);
/* Run the rows to their end. The session is open; 0, or -1: there is no batch. */
int runner_batch (struct runner *r);
void runner_end_batch (struct runner *r);

/* --- runner_worth.c --- */
/* It is over: its figures, and the line of them where that is asked for. */
void worth_summary (struct runner *r);
/* What comes behind the summary: --compare (which runs it once more), advice. Returns 1 when the
 * user interrupted it. */
int worth_report (struct runner *r);

#endif
