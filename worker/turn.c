/* Turn: the agent's process. Sets up, turns until the core says that it is over, cleans up. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/cores.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "worker/worker.h"

enum {
    EXECUTORS_SPARE = 64,     /* of the other kind, about to be used or ended */
    OWN_DESCRIPTORS = 32,     /* of the agent, without executors */
    PREPARE_MAX = 4,          /* executors before there is work */
    RETRY_US = 5 * US_PER_MS, /* a full socket is tried again */
};

void turn_begin (struct worker *w)
{
    if (w->began)
        return;
    w->began = true;
    w->now_us = clock_mono_us ();
}

void turn_event (struct worker *w, const struct agent_event *ev)
{
    turn_begin (w);
    agent_step (w->agent, ev, w->now_us, &w->fx);
}

static void finish (struct worker *w)
{
    turn_begin (w);
    /* also while the broker has more to say: what was read of it is its sign of life */
    if (w->now_us >= agent_deadline (w->agent))
        turn_event (w, &(struct agent_event){.kind = AGENT_TICK});
    agent_end_turn (w->agent, w->now_us, &w->fx);
    apply_effects (w);
    executors_flush (w);
    broker_transmit (w);
    if (w->more)
        loop_again (w->loop);
    w->began = w->more = false;
}

static int64_t deadline (const struct worker *w)
{
    int64_t at = agent_deadline (w->agent);
    bool retry = w->blocked || w->unsent || w->n_requests;
    return retry && w->now_us + RETRY_US < at ? w->now_us + RETRY_US : at;
}

/* Do not wait for what runs. */
static void leave_at_once (struct worker *w)
{
    turn_event (w, &(struct agent_event){.kind = AGENT_TERM});
    turn_event (w, &(struct agent_event){.kind = AGENT_TERM});
}

/* INT is the launcher's word for that: two TERMs may come as one. */
static void on_signal (void *arg, int fd, short events)
{
    struct worker *w = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read (fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGINT)
            leave_at_once (w);
        else
            turn_event (w, &(struct agent_event){.kind = AGENT_TERM});
}

/* Whoever started us is gone. */
static void stdin_ended (struct worker *w)
{
    log_event (LOG_INFO, "standard input has ended: leaving");
    leave_at_once (w);
}

static void on_stdin (void *arg, int fd, short events)
{
    struct worker *w = arg;
    char dropped[512];
    (void)events;
    ssize_t n = read (fd, dropped, sizeof dropped);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    loop_remove_fd (w->loop, fd);
    stdin_ended (w);
}

static int watch_stdin (struct worker *w, struct err *e)
{
    if (!w->o->exit_on_stdin_eof)
        return 0;
    if (loop_add_fd (w->loop, 0, POLLIN, on_stdin, w, e) == 0)
        return 0;
    if (e->code != EPERM && e->code != EBADF)
        return -1;
    stdin_ended (w); /* a file or a closed descriptor: nobody is there */
    return 0;
}

static int take_signals (struct worker *w, struct err *e)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    sigprocmask (SIG_BLOCK, &set, NULL);
    w->signal_fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (w->signal_fd < 0)
        return err_sys (e, errno, "signalfd");
    return loop_add_fd (w->loop, w->signal_fd, POLLIN, on_signal, w, e);
}

/* What the system lets us have of something that each task takes `each` of; tasks that take no slot
 * make way for the others. */
static void fit (struct agent_config *c, rlim_t limit, unsigned each, const char *what)
{
    uint64_t wanted = (uint64_t)c->slots + c->io_tasks;
    if (limit == RLIM_INFINITY || limit / each >= wanted)
        return;
    uint64_t most = limit / each ? limit / each : 1;
    c->io_tasks = most > c->slots ? (unsigned)(most - c->slots) : 1;
    if (most < c->executors_max)
        c->executors_max = (unsigned)most;
    log_event (most < c->slots ? LOG_WARN : LOG_INFO,
               "few %s: %" PRIu64 " tasks at one time instead of %" PRIu64, what, most, wanted);
}

/* A descriptor for each executor (tasks do not inherit our limit: they descend from the launcher),
 * and two processes at least for each task. Half of those are left to others of the same user. */
static void fit_limits (struct agent_config *c)
{
    struct rlimit limit;
    c->executors_max = c->slots + c->io_tasks + EXECUTORS_SPARE;
    if (getrlimit (RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit (RLIMIT_NOFILE, &limit);
        bool some = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > OWN_DESCRIPTORS;
        fit (c,
             some && limit.rlim_max != RLIM_INFINITY ? limit.rlim_max - OWN_DESCRIPTORS
                                                     : limit.rlim_max,
             1, "descriptors (ulimit -n)");
    }
    if (geteuid () != 0 && getrlimit (RLIMIT_NPROC, &limit) == 0)
        fit (c, limit.rlim_cur, 4, "processes (ulimit -u)");
}

static uint64_t random_seed (void)
{
    uint64_t seed = 0;
    if (getrandom (&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)clock_wall_us ();
    return seed;
}

static struct agent *make_agent (struct worker *w, const struct launcher_start *start)
{
    char host[256] = "localhost";
    gethostname (host, sizeof host - 1);
    struct agent_config c = {
        .name = w->o->name ? w->o->name : host,
        .host = host,
        .version = DROVER_VERSION,
        .broker = w->o->broker,
        .pid = (uint64_t)start->launcher,
        .slots = w->o->slots,
        .cores = cores_usable (),
        .functions = (const char *const *)w->functions->names,
        .io_tasks = w->o->io_tasks,
        .prepare = w->o->slots < PREPARE_MAX ? w->o->slots : PREPARE_MAX,
        .drain_us = w->o->drain_us,
        .replaces = start->replaces,
        .seed = random_seed (),
        .containment = start->cgroup ? 1 : 0,
        .pages = executors_pages (w),
    };
    fit_limits (&c);
    return agent_new (&c);
}

static int set_up (struct worker *w, const struct launcher_start *start, struct err *e)
{
    if (!(w->loop = loop_new (e)) || take_signals (w, e) < 0 || executors_open (w, e) < 0 ||
        loop_add_fd (w->loop, w->launcher_fd, POLLIN, on_launcher, w, e) < 0)
        return EX_OSERR;
    w->agent = make_agent (w, start);
    if (broker_connect (w, e) < 0)
        return EX_UNAVAILABLE;
    turn_event (w, &(struct agent_event){.kind = AGENT_START});
    return watch_stdin (w, e) < 0 ? EX_OSERR : 0;
}

static void clean_up (struct worker *w)
{
    if (w->loop) /* without a loop nothing else was made */
        broker_disconnect (w, 0);
    agent_effects_fini (&w->fx);
    agent_free (&w->agent);
    executors_close (w);
    loop_free (&w->loop);
    free (w->requests);
    if (w->signal_fd >= 0)
        close (w->signal_fd);
    close (w->launcher_fd);
}

int worker_agent (const struct launcher_start *start, void *arg)
{
    struct err e = {0};
    const struct setup *setup = arg;
    struct worker w = {.o = &setup->o,
                       .functions = &setup->functions,
                       .launcher_fd = start->fd,
                       .signal_fd = -1,
                       .epoll_fd = -1};
    w.status = set_up (&w, start, &e);
    if (w.status)
        log_event (LOG_ERROR, "%s", e.text);
    while (!w.status && !w.leaving) {
        finish (&w);
        if (!w.leaving)
            loop_wait (w.loop, deadline (&w));
    }
    clean_up (&w);
    return w.status;
}
