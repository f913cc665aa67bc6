/* drover-worker: becomes the launcher, which forks the agent (turn.c) and executors. Nothing here
 * opens ZeroMQ: that is the agent's, after the fork.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "common/base/cores.h"
#include "common/base/log.h"
#include "worker/exec/sweep.h"
#include "worker/worker.h"

/* Held back from the start, so that none is lost before the launcher or the agent reads them. */
static void block_signals (void)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    sigprocmask (SIG_BLOCK, &set, NULL);
    signal (SIGPIPE, SIG_IGN);
}

static void announce (const struct options *o, bool cgroup)
{
    if (o->private)
        return;
    log_event (LOG_INFO, "starting slots=%u broker=%s containment=%s", o->slots, o->broker,
               cgroup ? "cgroup" : "subreaper");
    if (strncmp (o->broker, "tcp:", 4) == 0)
        log_event (LOG_WARN,
                   "insecure broker=%s: no keys: whoever can be in the way of this connection, or "
                   "listen in its place, can run commands here",
                   o->broker);
}

/* A cgroup for the tasks, and what dead workers have left in theirs is ended. A private worker has
 * no time to look everywhere. 0, also where there is none (own_fd is -1 then); -1 where there must
 * be one. */
static int make_cgroup (const struct options *o, struct cgroup *g)
{
    struct err e;
    *g = (struct cgroup){.own_fd = -1};
    if (o->containment == CONTAINMENT_SUBREAPER)
        return 0;
    int rc = cgroup_open (g, &e);
    g->required = o->containment == CONTAINMENT_CGROUP;
    if (rc && g->required) {
        fprintf (stderr, "drover-worker: --containment cgroup: %s\n", e.text);
        return -1;
    }
    if (rc)
        log_event (LOG_DEBUG, "no cgroup for tasks: %s", e.text);
    if (!o->private)
        sweep_everywhere ();
    else if (rc == 0)
        sweep_own (g);
    return 0;
}

static void complain (void *arg, const char *why)
{
    (void)arg;
    log_event (LOG_WARN, "module left out: %s", why);
}

static int run (struct setup *setup)
{
    struct options *o = &setup->o;
    struct cgroup g;
    if (make_cgroup (o, &g))
        return EX_OSERR;
    bool cgroup = g.own_fd >= 0;
    if (o->sweep) {
        cgroup_close (&g);
        return EX_OK;
    }
    announce (o, cgroup);
    struct launcher_config c = {.lifetime_fd = o->lifetime_fd,
                                .cgroup = cgroup ? &g : NULL,
                                .modules = &o->modules,
                                .limits = o->limits,
                                .executors_max = o->slots + o->io_tasks + 4096};
    int status = launcher_run (&c, worker_agent, setup);
    cgroup_close (&g);
    return status;
}

static int list_functions (const struct survey *s)
{
    for (size_t i = 0; i < s->count; i++)
        printf ("%s\t%s\n", s->names[i], s->abouts[i]);
    return fflush (stdout) == 0 ? 0 : EX_IOERR;
}

int main (int argc, char **argv)
{
    struct setup setup = {0};
    int status = options_parse (&setup.o, argc, argv);
    if (status < 0) {
        block_signals ();
        umask (077);
        log_init ("worker", setup.o.level);
        if (!setup.o.slots)
            setup.o.slots = cores_usable ();
        if (!setup.o.sweep) /* which has nothing to do with modules */
            survey_modules (&setup.functions, &setup.o.modules, complain, NULL);
        status = setup.o.list_functions ? list_functions (&setup.functions) : run (&setup);
        survey_fini (&setup.functions);
    }
    options_fini (&setup.o);
    return status;
}
