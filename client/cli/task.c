/* task: the circumstances of a task; see task.h. */
#include "client/cli/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/durations.h"
#include "common/base/cores.h"

#define CPUS_MAX 100000

void task_opts_init (struct task_opts *o)
{
    memset (o, 0, sizeof *o);
    o->cpus = 1;
    o->steps = DROVER_STEPS_GRACE;
}

static const char *task_shell (const struct task_opts *o)
{
    const char *shell = o->shell ? o->shell : getenv ("PARALLEL_SHELL");

    return shell && shell[0] ? shell : "/bin/sh";
}

int task_dress (drover_spec_t *spec, const struct task_opts *o, struct err *e)
{
    extern char **environ;
    drover_error_t why = {0};
    char *dir = getcwd (NULL, 0);

    if (!dir)
        return err_sys (e, errno, "the present directory cannot be told");
    drover_spec_dir (spec, dir);
    free (dir);
    drover_spec_shell (spec, task_shell (o));
    drover_spec_cpus (spec, o->cpus);
    drover_spec_timeout (spec, o->timeout_ms);
    if (o->grace_ms > 0)
        drover_spec_grace (spec, o->grace_ms);
    drover_spec_steps (spec, o->steps);
    if (o->cancel_fd)
        drover_spec_flags (spec, DROVER_SPEC_CANCEL_FD);
    drover_spec_keep (spec, o->keep);
    if (drover_spec_environment (spec, environ, &why) < 0)
        return err_set (e, EINVAL, "%s", why.text);
    return 0;
}

unsigned task_slots (unsigned cpus, unsigned slots)
{
    if (slots > 0 || cpus <= 1)
        return slots;
    return cores_usable () >= cpus ? 0 : cpus;
}

int task_parse_cpus (const char *text, unsigned *cpus, struct err *e)
{
    uint64_t n;

    if (number_within (text, 0, CPUS_MAX, &n, e) < 0)
        return -1;
    *cpus = (unsigned)n;
    return 0;
}
