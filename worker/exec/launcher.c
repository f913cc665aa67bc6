/* The launcher's loop.
 *
 * Its states: serving an agent; clearing, when everything is being killed, to end or to start
 * anew; resting before a new agent. Whatever is a child of this process and neither the agent nor
 * an executor that lives is the leavings of an executor that died, and is killed (what a task was
 * allowed to leave is spared). A death is told to the agent after the first look that finds none.
 *
 * Nothing here waits but the poll() of the loop.
 */
#include "worker/exec/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/faultpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "worker/exec/cgroup.h"
#include "worker/exec/control.h"
#include "worker/exec/family.h"
#include "worker/exec/launcher_proto.h"

#define LOOK_US (10 * US_PER_MS)   /* between two looks for what is left */
#define WATCH_US (250 * US_PER_MS) /* between two looks at leases, as they may come at any time */
#define BACKOFF_MOST_MS 5000
#define RESTARTS_KEPT 32

enum state { SERVING, CLEARING, RESTING, OVER };

struct launcher {
    struct launcher_config c;
    launcher_agent_fn *agent_fn;
    void *agent_arg;
    pid_t self;
    sigset_t old_mask;
    int signal_fd;
    enum state state;
    /* the agent */
    int agent_fd;
    bool agent_full; /* its socket takes no answer now */
    uint64_t token;
    /* the executors */
    struct family family;
    bool dead_untold; /* some are dead, and the agent does not know */
    bool watching;    /* some may have leases */
    int64_t watch_us; /* when to look at them */
    /* endings */
    unsigned stops;        /* signals that asked for an end */
    int64_t hurried_us;    /* the agent was told to end at once, then; 0: not yet */
    int status;            /* to end with, once cleared; -1: start a new agent instead */
    int64_t clear_us;      /* since when we are clearing */
    int64_t rest_until_us; /* RESTING */
    int64_t restarts_us[RESTARTS_KEPT];
    unsigned restarts;
};

/* --- to the agent
 * --------------------------------------------------------------------------------- */

/* 0, or -1 when the socket does not take it now. */
static int tell (struct launcher *l, const struct answer *a, const int *fds)
{
    _Alignas(struct cmsghdr) char ancillary[CMSG_SPACE (2 * sizeof (int))] = {0};
    struct iovec v = {(void *)(uintptr_t)a, sizeof *a};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (fds) {
        m.msg_control = ancillary;
        m.msg_controllen = sizeof ancillary;
        struct cmsghdr *c = CMSG_FIRSTHDR (&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN (2 * sizeof (int));
        memcpy (CMSG_DATA (c), fds, 2 * sizeof (int));
    }
    return sendmsg (l->agent_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

/* Tell it and forget the executor: false when the socket is full. */
static bool tell_death (struct launcher *l, struct member *x, unsigned stuck)
{
    struct answer a = {
        .kind = LAUNCHER_DIED,
        .executor_kind = x->kind,
        .executor = x->number,
        .pid = x->pid,
        .wait_status = x->wait_status,
        .stuck = stuck,
    };
    FAULT_POINT ("launcher-tells-death");
    if (l->agent_fd >= 0 && tell (l, &a, NULL) && errno == EAGAIN)
        return false;
    family_remove (&l->family, x);
    return true;
}

/* --- executors
 * -------------------------------------------------------------------------------------- */

static void close_pair (int fds[2])
{
    close (fds[0]);
    close (fds[1]);
}

static struct member *fork_executor (struct launcher *l, enum executor_kind kind, int sockets[2],
                                     int control_fd)
{
    struct executor_start start = {
        .kind = kind,
        .socket_fd = sockets[1],
        .control_fd = control_fd,
        .parent = l->self,
        .cgroup = l->c.cgroup,
        .modules = l->c.modules,
        .limits = l->c.limits,
        .number = l->family.last_number + 1,
    };
    pid_t pid = fork ();
    if (pid == 0)
        _exit (executor_main (&start));
    if (pid < 0)
        return NULL;
    struct member *x = family_add (&l->family, pid, kind);
    x->page = control_map (control_fd, NULL);
    if (x->page)
        control_hide (x->page); /* it is of no concern to the others, which run foreign code */
    return x;
}

static void refuse (struct launcher *l, enum executor_kind kind, int error)
{
    log_event (LOG_WARN, "executor refused error=\"%s\"", strerror (error));
    tell (l, &(struct answer){.kind = LAUNCHER_REFUSED, .executor_kind = kind, .error = error},
          NULL);
}

static void new_executor (struct launcher *l, enum executor_kind kind)
{
    int sockets[2];
    if (HASH_COUNT (l->family.executors) >= l->c.executors_max) {
        refuse (l, kind, EAGAIN);
        return;
    }
    int control_fd = control_create (NULL);
    if (control_fd < 0) {
        refuse (l, kind, errno ? errno : ENOMEM);
        return;
    }
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
        refuse (l, kind, errno);
        close (control_fd);
        return;
    }
    struct member *x = fork_executor (l, kind, sockets, control_fd);
    if (!x) {
        refuse (l, kind, errno);
    } else {
        FAULT_POINT ("launcher-forked-executor");
        struct answer a = {
            .kind = LAUNCHER_NEW, .executor_kind = kind, .executor = x->number, .pid = x->pid};
        int fds[2] = {sockets[0], control_fd};
        /* The socket had room a moment ago. An agent to which it cannot be passed on never hears
         * of this executor, which ends by itself as its socket closes. */
        if (tell (l, &a, fds))
            log_event (LOG_ERROR, "executor not passed on number=%u", x->number);
        FAULT_POINT ("launcher-passed-executor");
    }
    close_pair (sockets);
    close (control_fd);
}

static void kill_executor (struct launcher *l, uint32_t number)
{
    struct member *x, *next;
    HASH_ITER (hh, l->family.executors, x, next) {
        if (x->number != number || x->dead)
            continue;
        kill (x->pid, SIGKILL);
        if (!x->kill_us)
            x->kill_us = clock_mono_us ();
    }
}

/* Executors whose leases are over, which should have ended their rows by themselves and did not. */
static void mind_leases (struct launcher *l, int64_t now_us)
{
    struct member *x, *next;
    if (!l->watching || now_us < l->watch_us)
        return;
    l->watch_us = now_us + WATCH_US;
    HASH_ITER (hh, l->family.executors, x, next) {
        if (!x->page || x->dead || x->kill_us)
            continue;
        struct lease lease = control_lease (x->page);
        if (lease_look (&x->lease, lease, now_us) == LEASE_OVER) {
            log_event (LOG_WARN, "the agent has stopped: ending an exclusive task executor=%u",
                       x->number);
            kill_executor (l, x->number);
            l->dead_untold = true;
        } else if (lease_deadline (&x->lease, lease) < l->watch_us) {
            l->watch_us = lease_deadline (&x->lease, lease);
        }
    }
}

/* Kill what is in the leaves of the dead. How many of them are not gone. */
static unsigned end_leaves (const struct launcher *l)
{
    struct member *x, *next;
    unsigned left = 0;
    HASH_ITER (hh, l->family.executors, x, next)
        left += x->dead && !cgroup_end_leaf (l->c.cgroup, x->number);
    return left;
}

/* Look for what dead executors left, and tell the deaths when there is nothing. An executor that
 * does not die, and leavings that do not, are given up in the end. */
static void mind_deaths (struct launcher *l, int64_t now_us)
{
    int64_t bound_us = (int64_t)l->c.unkillable_ms * US_PER_MS;
    struct member *x, *next;
    if (!l->dead_untold)
        return;
    unsigned left = end_leaves (l) + family_kill_leavings (&l->family);
    l->dead_untold = false;
    HASH_ITER (hh, l->family.executors, x, next) {
        bool late = x->kill_us && now_us - x->kill_us >= bound_us;
        unsigned stuck = 0;
        if (late && (left || !x->dead)) {
            stuck = family_spare_leavings (&l->family) + !x->dead;
            left = 0;
            family_spare (&l->family, x->pid);
            log_event (LOG_ERROR, "cannot be killed executor=%u processes=%u", x->number, stuck);
        }
        if (late || (x->dead && !left))
            l->dead_untold |= !tell_death (l, x, stuck);
        else
            l->dead_untold |= x->kill_us != 0;
    }
}

/* --- the agent
 * --------------------------------------------------------------------------------------- */

static void __attribute__ ((noreturn)) be_agent (struct launcher *l, int fd)
{
    struct launcher_start start = {
        .fd = fd, .launcher = l->self, .cgroup = l->c.cgroup, .replaces = l->token};
    setsid ();
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (getppid () != l->self)
        _exit (EX_OSERR);
    close (l->signal_fd);
    if (l->c.lifetime_fd > 2)
        close (l->c.lifetime_fd);
    sigprocmask (SIG_SETMASK, &l->old_mask, NULL);
    exit (l->agent_fn (&start, l->agent_arg));
}

static int start_agent (struct launcher *l)
{
    int fds[2];
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
        return -1;
    pid_t pid = fork ();
    if (pid == 0) {
        close (fds[0]);
        be_agent (l, fds[1]);
    }
    close (fds[1]);
    if (pid < 0) {
        close (fds[0]);
        return -1;
    }
    FAULT_POINT ("launcher-forked-agent");
    l->family.agent = pid;
    l->agent_fd = fds[0];
    l->state = SERVING;
    return 0;
}

/* What it still said of its session counts, also when its death was seen first. */
static void close_agent (struct launcher *l)
{
    struct request r;
    if (l->agent_fd < 0)
        return;
    while (recv (l->agent_fd, &r, sizeof r, MSG_DONTWAIT) == (ssize_t)sizeof r)
        if (r.kind == REQUEST_TOKEN)
            l->token = r.token;
    close (l->agent_fd);
    l->agent_fd = -1;
    l->agent_full = l->watching = false;
}

/* --- endings
 * ----------------------------------------------------------------------------------------- */

/* Kill everything; then end with this status, or (-1) start anew. A status that was set stays. */
static void clear_all (struct launcher *l, int status, int64_t now_us)
{
    FAULT_POINT ("launcher-clears");
    if (l->state != CLEARING) {
        l->state = CLEARING;
        l->clear_us = now_us;
        l->status = status;
    } else if (l->status < 0) {
        l->status = status;
    }
    close_agent (l);
}

/* Whether the agent may be started once more; notes the restart and when it is due. */
static bool may_restart (struct launcher *l, int64_t now_us)
{
    int64_t within_us = (int64_t)l->c.restarts_within_ms * US_PER_MS;
    uint64_t backoff_ms = l->c.backoff_ms;
    unsigned recent = 0;
    for (unsigned i = 0; i < l->restarts && i < RESTARTS_KEPT; i++)
        recent += now_us - l->restarts_us[i] < within_us;
    if (recent >= l->c.restarts_max)
        return false;
    l->restarts_us[l->restarts++ % RESTARTS_KEPT] = now_us;
    while (recent-- && backoff_ms < BACKOFF_MOST_MS)
        backoff_ms *= 2;
    l->rest_until_us = now_us + (int64_t)backoff_ms * US_PER_MS;
    return true;
}

static void cleared (struct launcher *l, int64_t now_us)
{
    FAULT_POINT ("launcher-cleared");
    family_remove_all (&l->family);
    l->dead_untold = false;
    l->family.agent = 0;
    if (l->status >= 0) {
        l->state = OVER;
    } else if (l->stops) {
        l->status = EX_TEMPFAIL;
        l->state = OVER;
    } else if (may_restart (l, now_us)) {
        l->state = RESTING;
    } else {
        log_event (LOG_ERROR, "agent died too often times=%u", l->c.restarts_max + 1);
        l->status = EX_SOFTWARE;
        l->state = OVER;
    }
}

static void mind_clearing (struct launcher *l, int64_t now_us)
{
    if (l->state != CLEARING)
        return;
    unsigned left = !cgroup_end_all (l->c.cgroup) + family_kill_all (&l->family);
    if (!left) {
        cleared (l, now_us);
    } else if (now_us - l->clear_us >= (int64_t)l->c.unkillable_ms * US_PER_MS) {
        log_event (LOG_ERROR, "cannot be killed processes=%u", left);
        family_remove_all (&l->family);
        l->family.agent = 0;
        family_spare_leavings (&l->family);
        cleared (l, now_us);
    }
}

static void agent_ended (struct launcher *l, int wait_status, int64_t now_us)
{
    l->family.agent = 0;
    if (WIFEXITED (wait_status)) {
        clear_all (l, WEXITSTATUS (wait_status), now_us);
    } else if (l->stops &&
               (WTERMSIG (wait_status) == SIGTERM || WTERMSIG (wait_status) == SIGINT)) {
        clear_all (l, EX_OK, now_us); /* ours, before it was ready for it: nothing had begun */
    } else {
        if (l->state != CLEARING) /* else it was us */
            log_event (LOG_ERROR, "agent died signal=%s", strsignal (WTERMSIG (wait_status)));
        clear_all (l, -1, now_us);
    }
}

static void reap (struct launcher *l, int64_t now_us)
{
    int status;
    pid_t pid;
    while ((pid = waitpid (-1, &status, WNOHANG)) > 0) {
        struct member *x = family_find (&l->family, pid);
        if (pid == l->family.agent) {
            agent_ended (l, status, now_us);
        } else if (x && !x->dead) {
            x->dead = true;
            x->wait_status = status;
            x->kill_us = now_us;
            l->dead_untold = true;
            if (x->kind == EXECUTOR_COMMAND && WIFEXITED (status) &&
                WEXITSTATUS (status) == EXECUTOR_LEFT) /* a function may exit with anything */
                family_spare_leavings (&l->family);
        }
    }
}

/* --- the loop
 * ------------------------------------------------------------------------------------------ */

static void on_request (struct launcher *l, const struct request *r, int64_t now_us)
{
    switch (r->kind) {
    case REQUEST_NEW:
        new_executor (l, r->executor == EXECUTOR_FUNCTION ? EXECUTOR_FUNCTION : EXECUTOR_COMMAND);
        break;
    case REQUEST_KILL:
        kill_executor (l, r->executor);
        l->dead_untold = true; /* that is, look now and then until it is */
        break;
    case REQUEST_TOKEN:
        l->token = r->token;
        break;
    case REQUEST_WATCH:
        l->watching = r->executor;
        l->watch_us = now_us;
        break;
    default:
        clear_all (l, EX_OK, now_us);
    }
}

/* One request a turn, and only while an answer would fit. */
static void hear_agent (struct launcher *l, int64_t now_us)
{
    struct request r;
    struct pollfd p = {.fd = l->agent_fd, .events = POLLOUT};
    poll (&p, 1, 0);
    l->agent_full = !(p.revents & POLLOUT);
    if (l->agent_full && !(p.revents & (POLLHUP | POLLERR)))
        return;
    ssize_t n = recv (l->agent_fd, &r, sizeof r, MSG_DONTWAIT);
    if (n == (ssize_t)sizeof r)
        on_request (l, &r, now_us);
    else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
        close_agent (l); /* it will end, or is dead already */
}

/* Who drains is asked to, and who is in a hurry is passed on as INT: it is the agent that kills
 * what runs, since it tells the broker so. What we kill ourselves is lost with a worker, for the
 * broker, after a while of silence. (Not as another TERM, which might come before the first was
 * read.) */
static void asked_to_end (struct launcher *l, int sig, int64_t now_us)
{
    bool first = l->stops++ == 0;
    if (l->state == CLEARING)
        return;
    if (l->state != SERVING || l->hurried_us) {
        clear_all (l, EX_TEMPFAIL, now_us);
    } else if (first && sig != SIGINT) {
        kill (l->family.agent, SIGTERM);
    } else {
        kill (l->family.agent, SIGINT);
        l->hurried_us = now_us;
    }
}

static void hear_signals (struct launcher *l, int64_t now_us)
{
    struct signalfd_siginfo info;
    while (read (l->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD) /* they are reaped each turn */
            asked_to_end (l, (int)info.ssi_signo, now_us);
}

static int64_t hurry_until (const struct launcher *l)
{
    return l->hurried_us ? l->hurried_us + (int64_t)l->c.hurry_ms * US_PER_MS : CLOCK_NEVER;
}

/* An agent that was to end at once, and has not. */
static void mind_hurry (struct launcher *l, int64_t now_us)
{
    if (now_us < hurry_until (l))
        return;
    log_event (LOG_ERROR, "the agent does not end: killing all");
    clear_all (l, EX_TEMPFAIL, now_us);
}

static void hear_owner (struct launcher *l, int64_t now_us)
{
    char drop[256];
    ssize_t n = read (l->c.lifetime_fd, drop, sizeof drop);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    l->c.lifetime_fd = -1;
    clear_all (l, EX_OK, now_us);
    l->status = EX_OK;
}

static int64_t next_deadline (const struct launcher *l, int64_t now_us)
{
    if (l->state == CLEARING || l->dead_untold)
        return now_us + LOOK_US;
    if (l->state == RESTING)
        return l->rest_until_us;
    int64_t hurry_us = hurry_until (l);
    return l->watching && l->watch_us < hurry_us ? l->watch_us : hurry_us;
}

static void turn (struct launcher *l)
{
    struct pollfd p[3] = {
        {.fd = l->signal_fd, .events = POLLIN},
        {.fd = l->c.lifetime_fd, .events = POLLIN},
        {.fd = l->agent_fd, .events = l->agent_full ? POLLOUT : POLLIN},
    };
    int64_t now_us = clock_mono_us ();
    poll (p, 3, clock_poll_ms (next_deadline (l, now_us), now_us));
    now_us = clock_mono_us ();
    if (p[0].revents)
        hear_signals (l, now_us);
    if (p[1].revents)
        hear_owner (l, now_us);
    reap (l, now_us);
    if (p[2].revents && l->state == SERVING && l->agent_fd >= 0)
        hear_agent (l, now_us);
    if (l->state == SERVING) {
        mind_leases (l, now_us);
        mind_deaths (l, now_us);
        mind_hurry (l, now_us);
    }
    mind_clearing (l, now_us);
    if (l->state == RESTING && now_us >= l->rest_until_us && start_agent (l)) {
        l->status = EX_OSERR;
        l->state = OVER;
    }
}

/* --- beginning
 * ------------------------------------------------------------------------------------------ */

static void set_defaults (struct launcher_config *c)
{
    if (!c->executors_max)
        c->executors_max = 4096;
    if (!c->restarts_max)
        c->restarts_max = 5;
    if (c->restarts_max > RESTARTS_KEPT)
        c->restarts_max = RESTARTS_KEPT;
    if (!c->restarts_within_ms)
        c->restarts_within_ms = 60000;
    if (!c->backoff_ms)
        c->backoff_ms = 100;
    if (!c->unkillable_ms)
        c->unkillable_ms = 5000;
    if (!c->hurry_ms)
        c->hurry_ms = 10000;
}

/* Descriptors 0, 1 and 2 must be taken: what we open would land there, and tasks use them. */
static void fill_stdio (void)
{
    int fd;
    do
        fd = open ("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close (fd);
}

static int set_up (struct launcher *l)
{
    sigset_t mask;
    fill_stdio ();
    fflush (NULL); /* or the agent would write it once more */
    signal (SIGPIPE, SIG_IGN);
    signal (SIGCHLD, SIG_DFL); /* ignored, it would reap by itself */
    sigemptyset (&mask);
    sigaddset (&mask, SIGCHLD);
    sigaddset (&mask, SIGTERM);
    sigaddset (&mask, SIGHUP);
    sigaddset (&mask, SIGINT);
    sigprocmask (SIG_BLOCK, &mask, &l->old_mask);
    if (l->c.lifetime_fd >= 0 && setsid () < 0)
        sigdelset (&mask, SIGINT); /* stays blocked: a Ctrl-C is the owner's */
    l->signal_fd = signalfd (-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return l->signal_fd < 0 || prctl (PR_SET_CHILD_SUBREAPER, 1) ? -1 : 0;
}

int launcher_run (const struct launcher_config *c, launcher_agent_fn *agent, void *arg)
{
    struct launcher *l = mem_zalloc (sizeof *l);
    l->c = *c;
    l->agent_fn = agent;
    l->agent_arg = arg;
    l->self = getpid ();
    l->agent_fd = l->signal_fd = -1;
    l->status = EX_OSERR;
    set_defaults (&l->c);
    if (set_up (l) || start_agent (l))
        log_event (LOG_ERROR, "launcher cannot start error=\"%s\"", strerror (errno));
    else
        while (l->state != OVER)
            turn (l);
    int status = l->status;
    if (l->signal_fd >= 0)
        close (l->signal_fd);
    close_agent (l);
    sigprocmask (SIG_SETMASK, &l->old_mask, NULL);
    free (l);
    return status;
}
