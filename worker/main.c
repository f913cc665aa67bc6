/* drover-worker: becomes the launcher, which forks the agent (turn.c) and executors. Nothing here
 * opens ZeroMQ: that is the agent's, after the fork.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cores.h"
#include "common/base/log.h"
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

static void announce (const struct options *o)
{
    if (o->private)
        return;
    log_event (LOG_INFO, "starting slots=%u broker=%s", o->slots, o->broker);
    if (strncmp (o->broker, "tcp:", 4) == 0)
        log_event (LOG_WARN,
                   "insecure broker=%s: no keys: whoever can be in the way of this connection, or "
                   "listen in its place, can run commands here",
                   o->broker);
}

int main (int argc, char **argv)
{
    struct options o;
    int status = options_parse (&o, argc, argv);
    if (status >= 0)
        return status;
    block_signals ();
    umask (077);
    log_init ("worker", o.level);
    if (!o.slots)
        o.slots = cores_usable ();
    announce (&o);
    struct launcher_config c = {.lifetime_fd = o.lifetime_fd, .executors_max = o.slots + 4096};
    return launcher_run (&c, worker_agent, &o);
}
