/* drover fallback: run command lines one after another, until one succeeds.
 *
 * One that is over its time limit is ended first, and the next starts when its processes are gone:
 * so two of them never work on the same thing.
 */
#include <stddef.h>

#include "client/cli/cli.h"
#include "client/cli/lines.h"
#include "client/cli/plan.h"
#include "client/cli/rivals.h"
#include "client/cli/say.h"

static const char command[] = "fallback";

static int fall_back (struct plan *p)
{
    const struct rivals_opts rivals = {.plan = p, .in_turn = true};

    return rivals_run (&rivals);
}

static int run (const struct foreach_opts *o)
{
    if (o->jobs.kind != JOBLIMIT_DEFAULT)
        return say_usage (command, "-j: one runs at a time; 'drover race' starts all at once");
    return plan_carry_out (o, STATUS_USAGE, fall_back);
}

int cmd_fallback (int argc, char **argv)
{
    return lines_command (command, OPTS_INPUT | OPTS_TASK | OPTS_BATCH, STATUS_USAGE, argc, argv,
                          run);
}
