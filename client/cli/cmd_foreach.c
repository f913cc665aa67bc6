/* drover foreach: run a command once for each value of the input. */
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/foreach_opts.h"
#include "client/cli/help.h"
#include "client/cli/plan.h"
#include "client/cli/runner.h"
#include "client/cli/say.h"

static const char command[] = "foreach";

static int run_all (struct plan *p)
{
    struct runner_opts runner = plan_runner (p);

    return runner_run (&runner);
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
        status = plan_carry_out (&o, STATUS_FOREACH, run_all);
    }
    foreach_opts_fini (&o);
    return status;
}
