/* drover foreach: run a command once for each value of the input. */
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/foreach_opts.h"
#include "client/cli/help.h"
#include "client/cli/plan.h"
#include "client/cli/runner.h"
#include "client/cli/say.h"

static const char command[] = "foreach";

static int run (const struct foreach_opts *o)
{
    struct plan plan;
    struct runner_opts runner;
    struct err e;
    int status;

    if (plan_init (&plan, o, &e) < 0) {
        status = plan_error (&plan, &e, STATUS_FOREACH);
    } else if (o->dry_run) {
        status = plan_dry_run (&plan, STATUS_FOREACH);
    } else {
        runner = plan_runner (&plan);
        status = runner_run (&runner);
    }
    plan_fini (&plan);
    return status;
}

int cmd_foreach (int argc, char **argv)
{
    struct foreach_opts o;
    struct err e;
    int status;

    if (foreach_opts_parse (&o, command, OPTS_ALL | OPTS_STAGE, argc, argv, &e) < 0) {
        say_usage (command, "%s", e.text);
        status = STATUS_FOREACH;
    } else if (o.help) {
        status = help_show (command);
    } else {
        if (o.stdin_implied && isatty (STDIN_FILENO) && !o.session.quiet)
            say (command, "reading values from the terminal, one a line; Ctrl-D ends them "
                          "(::: VALUES gives them here)");
        status = run (&o);
    }
    foreach_opts_fini (&o);
    return status;
}
