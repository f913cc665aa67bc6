/* drover invoke: run different command lines at the same time.
 *
 * All tasks start at once unless -j says otherwise: so a private worker gets as many slots as there
 * are tasks, and all input is read first.
 */
#include <stddef.h>

#include "client/cli/cli.h"
#include "client/cli/lines.h"
#include "client/cli/plan.h"
#include "client/cli/runner.h"

static const char command[] = "invoke";

static int run_all (struct plan *p)
{
    struct joblist list;
    struct runner_opts runner = plan_runner (p);
    struct err e;
    int status;

    if (joblist_read (&list, p, &e) < 0) {
        status = plan_error (p, &e, STATUS_FOREACH);
    } else {
        runner.next = joblist_next;
        runner.arg = &list;
        runner.input_fd = NULL;
        runner.session.slots = lines_slots (p, list.count);
        status = runner_run (&runner);
    }
    joblist_fini (&list);
    return status;
}

static int run (const struct foreach_opts *o)
{
    return plan_carry_out (o, STATUS_FOREACH, run_all);
}

int cmd_invoke (int argc, char **argv)
{
    return lines_command (command, OPTS_ALL, STATUS_FOREACH, argc, argv, run);
}
