/* rivals: tasks of which one success is enough: what race and fallback have in common.
 *
 * All start at once (race), or each when the one before it did not succeed (fallback). The first
 * that succeeds wins: its output is printed whole, the others are cancelled, and what they print is
 * never seen. The command returns when they are gone, on every host, and says how long that took.
 * If none succeeds, all that they said on stderr is shown, with the reason of each.
 *
 * The batch is left open until there is a winner: so that the next one can be added, and so that a
 * detached one (keep_rest) is withdrawn by the broker if this command dies before.
 */
#ifndef DROVER_CLI_RIVALS_H
#define DROVER_CLI_RIVALS_H

#include <stdbool.h>

#include "client/cli/plan.h"

struct rivals_opts {
    struct plan *plan; /* borrowed */
    bool in_turn;      /* one after another */
    bool keep_rest;    /* those that have not won run on: with a shared broker without us */
};

/* Run them. Everything that goes wrong has been said. Returns the exit status. */
int rivals_run (const struct rivals_opts *o);

#endif
