/* latest: which outcomes of a submitted batch still count.
 *
 * The records of a batch tell an outcome of each run that drover_retry() has made, and of a task
 * that runs again only what does not count any more. Only what is not DROVER_DONE can be run again;
 * of that the broker is asked, some tasks at one time, which attempt is the present one, and only
 * where it says that something of the batch was.
 */
#ifndef DROVER_CLI_LATEST_H
#define DROVER_CLI_LATEST_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/batches.h"
#include "client/drover.h"

struct latest_page;
struct latest_row;

struct latest {
    drover_t *h;
    uint64_t batch;
    bool retried; /* something of it was run again */
    bool follow;
    struct latest_page *pages; /* of tasks, as they stood; uthash */
    struct latest_row *failed; /* tasks that were told; uthash */
    drover_result_t *kept;
};

/* `follow`: outcomes are told as they come, so that a task may be told twice. */
void latest_init (struct latest *l, drover_t *h, const struct batch_state *state, bool follow);

/* Before the session is closed. */
void latest_fini (struct latest *l);

/* Whether the outcome *r of a present event counts: 1 or 0; -1 with an error. The event may be gone
 * then, and *r is a copy, until the next call. */
int latest_counts (struct latest *l, const drover_result_t **r, drover_error_t *e);

/* Note an outcome that counts. True: it takes the place of one that was noted, and not DROVER_DONE.
 */
bool latest_replaces (struct latest *l, const drover_result_t *r);

#endif
