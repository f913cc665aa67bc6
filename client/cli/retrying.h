/* retrying: what the command line says of running tasks again, and of what must not be.
 *
 * Values of --retries, --retry-on, --retry-delay and --crash-limit, checked against each other, and
 * brought into the options of a batch. Pure.
 */
#ifndef DROVER_CLI_RETRYING_H
#define DROVER_CLI_RETRYING_H

#include <stdbool.h>
#include <stdint.h>

#include "client/drover.h"
#include "common/base/err.h"

struct retrying {
    unsigned runs;            /* --retries: in all; 0: not given */
    unsigned on;              /* --retry-on: enum drover_retry_on */
    unsigned char exits[32];  /* ... and these exit statuses, as in drover_batch_options_t */
    uint64_t delay_ms;        /* --retry-delay */
    uint64_t delay_max_ms;    /* 0: not given */
    unsigned crash_limit;     /* 0: not given */
    bool exclusive;           /* --exclusive */
    bool at_most_once;        /* --at-most-once */
    bool on_said, delay_said; /* the option was given */
};

/* The values of --retries and --crash-limit. 0; -1 with words to stand behind the option's name. */
int retrying_parse_runs (struct retrying *r, const char *text, struct err *e);
int retrying_parse_crash_limit (struct retrying *r, const char *text, struct err *e);

/* The value of --retry-on: failed, signal, timeout, lost, exit:N, exit:N-M, with commas between.
 * Replaces what was there. 0 or -1. */
int retrying_parse_on (struct retrying *r, const char *text, struct err *e);

/* The value of --retry-delay: D or D..MAX. 0 or -1. */
int retrying_parse_delay (struct retrying *r, const char *text, struct err *e);

/* Whether they fit together. 0; -1 with a line that names the options. */
int retrying_check (const struct retrying *r, struct err *e);

/* Set the fields and flags of the batch that this is about. */
void retrying_apply (const struct retrying *r, drover_batch_options_t *o);

#endif
