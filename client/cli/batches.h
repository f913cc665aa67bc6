/* batches: from selectors on the command line to batches of the broker. */
#ifndef DROVER_CLI_BATCHES_H
#define DROVER_CLI_BATCHES_H

#include <stdint.h>

#include "client/cli/after.h"
#include "client/cli/selectors.h"
#include "client/cli/session.h"
#include "client/drover.h"

/* What a batch is like at present. */
struct batch_state {
    uint64_t id;
    uint64_t total; /* as far as known: submitted, where the batch is still open */
    uint64_t done;
    uint64_t not_ok;    /* finished otherwise */
    uint64_t cancelled; /* of these */
    uint64_t retried;   /* were run again, by drover_retry() */
    uint64_t waiting;
    uint64_t running;
    uint64_t pipeline; /* that it is a stage of: the batch of the first one; 0: none */
    int open;          /* more rows may come */
};

/* Open a session for a command about batches that exist, and find the batches that the words (at
 * least one) select. Status 0 with *h, for drover_close(), and *s, for selectors_fini(); otherwise
 * everything was said, and nothing is to be freed. Selectors that match nothing are said, and only
 * where none matches at all the status is STATUS_NOTHING. */
int batches_open (struct session_opts *o, char *const *words, size_t count, drover_t **h,
                  struct selectors *s);

/* Let a batch that will be opened run after `a` (NULL: nothing), with its names turned into what
 * the broker has. `found` is borrowed by `options`. 0; -1: what is wrong was said. */
int batches_run_after (const struct session_opts *o, drover_t *h, const struct afters *a,
                       struct afters *found, drover_batch_options_t *options);

/* What the broker knows of batch `id`. 0; -1 with an error, DROVER_EUNKNOWN: no such batch. */
int batches_state (drover_t *h, uint64_t id, struct batch_state *state, drover_error_t *e);

/* Behind each selector of a whole batch that is a stage of a pipeline, those of the other stages
 * that are not selected by themselves. 0; -1 with an error. */
int batches_add_stages (drover_t *h, struct selectors *s, drover_error_t *e);

/* Say an error of the library about batch `id`; returns the exit status for it. */
int batches_error (const struct session_opts *o, uint64_t id, const drover_error_t *e);

#endif
