/* drover race: run command lines at the same time; the first that succeeds wins, and the others are
 * cancelled, wherever they run.
 */
#include <stddef.h>

#include "client/cli/cli.h"
#include "client/cli/lines.h"
#include "client/cli/plan.h"
#include "client/cli/rivals.h"

static const char command[] = "race";

static int run (const struct foreach_opts *o)
{
    struct plan plan;
    struct rivals_opts rivals = {.plan = &plan, .keep_rest = o->keep_rest};
    struct err e;
    int status;

    if (plan_init (&plan, o, &e) < 0)
        status = plan_error (&plan, &e, STATUS_USAGE);
    else if (o->dry_run)
        status = plan_dry_run (&plan, STATUS_USAGE);
    else
        status = rivals_run (&rivals);
    plan_fini (&plan);
    return status;
}

int cmd_race (int argc, char **argv)
{
    return lines_command (command, OPTS_INPUT | OPTS_TASK | OPTS_BATCH | OPTS_SUMMARY | OPTS_REST,
                          STATUS_USAGE, argc, argv, run);
}
