/* drover race: run command lines at the same time; the first that succeeds wins, and the others are
 * cancelled, wherever they run.
 */
#include <stddef.h>

#include "client/cli/cli.h"
#include "client/cli/lines.h"
#include "client/cli/plan.h"
#include "client/cli/rivals.h"

static const char command[] = "race";

static int race (struct plan *p)
{
    const struct rivals_opts rivals = {.plan = p, .keep_rest = p->opts->keep_rest};

    return rivals_run (&rivals);
}

static int run (const struct foreach_opts *o)
{
    return plan_carry_out (o, STATUS_USAGE, race);
}

int cmd_race (int argc, char **argv)
{
    return lines_command (command, OPTS_INPUT | OPTS_TASK | OPTS_BATCH | OPTS_SUMMARY | OPTS_REST,
                          STATUS_USAGE, argc, argv, run);
}
