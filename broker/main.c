/* drover-broker: one process, one loop. doc/DESIGN.md, "The broker". */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "broker/options.h"
#include "broker/store/store_read.h"
#include "broker/store/store_sqlite.h"
#include "broker/turn.h"
#include "common/base/clock.h"
#include "common/base/faultpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/userdir.h"
#include "common/net/loop.h"
#include "common/net/url.h"

struct broker {
    struct options o;
    struct store *store;
    struct turn *turn;
    struct loop *loop;
    struct link *links[TURN_LINKS_MAX];
    int n_links;
    int signal_fd;
    char own_url[200]; /* the user's own socket */
    bool orphaned;     /* our owner is gone: no goodbyes */
};

static int complain (int status, const char *text)
{
    fprintf (stderr, "drover-broker: %s\n", text);
    return status;
}

/* As many peers as the system lets us have: one descriptor each. */
static void raise_descriptors (void)
{
    struct rlimit lim;
    if (getrlimit (RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit (RLIMIT_NOFILE, &lim);
    }
}

/* Signals are read from a descriptor; the mask is set before any thread is there to inherit
 * another. */
static int take_signals (struct broker *b, struct err *e)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    sigprocmask (SIG_BLOCK, &set, NULL);
    signal (SIGPIPE, SIG_IGN);
    b->signal_fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return b->signal_fd < 0 ? err_sys (e, errno, "signalfd") : 0;
}

static void on_signal (void *arg, int fd, short events)
{
    struct broker *b = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read (fd, &info, sizeof info) == sizeof info) {
        log_event (LOG_INFO, "stopping signal=%u", info.ssi_signo);
        turn_stop (b->turn);
    }
}

static void on_lifetime (void *arg, int fd, short events)
{
    struct broker *b = arg;
    char byte;
    (void)events;
    ssize_t n = read (fd, &byte, 1);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    loop_remove_fd (b->loop, fd);
    b->orphaned = true;
    turn_stop (b->turn);
}

/* Something has come: the turn that follows reads every link. */
static void on_link (void *arg, struct link *l)
{
    (void)arg;
    (void)l;
}

/* tcp is for everybody who reaches the port: without keys only where the user says so. */
static int check_url (const struct options *o, const char *url, struct err *e)
{
    if (strncmp (url, "tcp:", 4) != 0)
        return 0;
    if (o->insecure == INSECURE_PUBLIC ||
        (o->insecure == INSECURE_LOOPBACK && net_is_loopback (url)))
        return 0;
    if (o->insecure == INSECURE_LOOPBACK)
        return err_set (e, EACCES,
                        "%s can be reached from other hosts, and this version has no keys: say "
                        "--insecure=public if that network is yours alone, or listen on 127.0.0.1",
                        url);
    return err_set (e, EACCES,
                    "%s would let anybody in who reaches it: say --insecure to allow it on "
                    "this host, --insecure=public for any address",
                    url);
}

static int open_links (struct broker *b, struct err *e)
{
    struct options *o = &b->o;
    if (!o->n_listen) {
        if (userdir_broker (b->own_url, sizeof b->own_url, true, e) < 0)
            return EX_OSERR;
        o->listen[o->n_listen++] = b->own_url;
    }
    for (int i = 0; i < o->n_listen; i++) {
        struct net_url parsed; /* what is no address is said to be none, before who may reach it */
        if (net_parse_url (o->listen[i], NET_LISTEN, &parsed, e) < 0)
            return 2;
        if (check_url (o, o->listen[i], e) < 0)
            return EX_CONFIG;
        struct link *l = link_listen (o->listen[i], i == 0 ? o->listen_fd : -1, (unsigned)i, e);
        if (!l)
            return e->code == EINVAL || e->code == ENAMETOOLONG ? 2 : EX_UNAVAILABLE;
        b->links[b->n_links++] = l;
        if (turn_add_link (b->turn, l, e) < 0 || loop_add_link (b->loop, l, on_link, b, e) < 0)
            return EX_OSERR;
    }
    return 0;
}

/* Commits hold, or one has failed: the turn that follows looks. */
static void on_store (void *arg, int fd, short events)
{
    (void)arg;
    (void)fd;
    (void)events;
}

static int add_descriptors (struct broker *b, struct err *e)
{
    if (loop_add_fd (b->loop, b->signal_fd, POLLIN, on_signal, b, e) < 0)
        return -1;
    int ready = store_ready_fd (b->store);
    if (ready >= 0 && loop_add_fd (b->loop, ready, POLLIN, on_store, b, e) < 0)
        return -1;
    if (b->o.lifetime_fd < 0)
        return 0;
    fcntl (b->o.lifetime_fd, F_SETFD, FD_CLOEXEC);
    int flags = fcntl (b->o.lifetime_fd, F_GETFL);
    if (flags < 0)
        return err_sys (e, errno, "--lifetime-fd %d", b->o.lifetime_fd);
    fcntl (b->o.lifetime_fd, F_SETFL, flags | O_NONBLOCK);
    return loop_add_fd (b->loop, b->o.lifetime_fd, POLLIN, on_lifetime, b, e);
}

/* Whoever reads the file sees all endpoints or none: it appears by a rename. */
static int write_endpoints (struct broker *b, struct err *e)
{
    const char *path = b->o.endpoint_file;
    if (!path)
        return 0;
    char *tmp = mem_printf ("%s.%ld", path, (long)getpid ());
    FILE *f = fopen (tmp, "we");
    for (int i = 0; f && i < b->n_links; i++)
        fprintf (f, "%s\n", link_endpoint (b->links[i]));
    bool bad = !f || ferror (f);
    if (f && fclose (f) != 0)
        bad = true;
    int rc = 0;
    if (bad || rename (tmp, path) < 0) {
        rc = err_sys (e, errno, "cannot write %s", path);
        unlink (tmp);
    }
    free (tmp);
    return rc;
}

static void announce (struct broker *b)
{
    for (int i = 0; i < b->n_links; i++) {
        const char *url = link_endpoint (b->links[i]);
        log_event (LOG_INFO, "listening endpoint=%s", url);
        if (strncmp (url, "tcp:", 4) == 0)
            log_event (LOG_WARN,
                       "insecure endpoint=%s: whoever reaches it can run commands on the "
                       "workers and read results",
                       url);
    }
    if (b->o.state)
        log_event (LOG_INFO, "state directory=%s durability=%s", b->o.state, store_name (b->store));
    else if (!b->o.private)
        log_event (LOG_INFO, "memory only: what is queued is gone when this process ends");
}

/* What a supervisor can tell apart: damage, a disk that fails, a directory in use, a refusal. */
static int state_status (const struct err *e)
{
    switch (e->code) {
    case EBADMSG:
        return EX_DATAERR;
    case EBUSY:
        return EX_TEMPFAIL;
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case EROFS:
        return EX_IOERR;
    case ENOMEM:
        return EX_OSERR;
    default:
        return EX_CONFIG;
    }
}

static struct store *read_state (struct options *o, struct err *e)
{
    struct state_facts facts = {0};
    struct store *s = store_read_open (o->state, &facts, e);
    o->sched.state = facts.dir;
    o->sched.state_bytes = facts.bytes;
    o->sched.stopped = facts.in_order ? "in order" : "killed, or still to be folded in";
    return s;
}

static int open_state (struct broker *b, struct err *e)
{
    struct options *o = &b->o;
    struct statedb_options so = {
        .dir = o->state, .made_by = DROVER_VERSION, .fast = o->fast, .salvage = o->salvage};
    if (o->read_only)
        b->store = read_state (o, e);
    else
        b->store = o->state ? store_sqlite_open (&so, e) : store_mem ();
    if (!b->store)
        return o->read_only && e->code == ENOENT ? EX_NOINPUT : state_status (e);
    b->turn = turn_new (&o->sched, b->store, e);
    return b->turn ? 0 : state_status (e);
}

static int prepare (struct broker *b, struct err *e)
{
    struct sched_config *cfg = &b->o.sched;
    umask (077);
    raise_descriptors ();
    log_init ("broker", b->o.level);
    if (take_signals (b, e) < 0)
        return EX_OSERR;
    if (getrandom (&cfg->broker_id, sizeof cfg->broker_id, 0) < 0 ||
        getrandom (&cfg->seed, sizeof cfg->seed, 0) < 0)
        return err_sys (e, errno, "getrandom"), EX_OSERR;
    cfg->version = DROVER_VERSION;
    cfg->pid = (uint64_t)getpid ();
    cfg->start_us = clock_mono_us ();
    cfg->start_wall_us = clock_wall_us ();
    int status = open_state (b, e);
    if (status)
        return status;
    FAULT_POINT ("broker-restored");
    if (!(b->loop = loop_new (e)))
        return EX_OSERR;
    status = open_links (b, e);
    if (status)
        return status;
    FAULT_POINT ("broker-listens");
    if (add_descriptors (b, e) < 0)
        return EX_OSERR;
    if (write_endpoints (b, e) < 0)
        return EX_IOERR;
    FAULT_POINT ("broker-announced");
    announce (b);
    return 0;
}

static int serve (struct broker *b, struct err *e)
{
    int rc;
    while ((rc = turn_run (b->turn, e)) == 0)
        loop_wait (b->loop, turn_deadline (b->turn));
    FAULT_POINT ("broker-stops");
    if (rc > 0)
        return 0;
    return b->o.state ? state_status (e) : EX_SOFTWARE;
}

/* The state is given back before the addresses: who waits until nobody listens there may start a
 * broker on both. */
static void clean_up (struct broker *b)
{
    store_close (&b->store);
    for (int i = 0; i < b->n_links; i++) {
        if (b->loop)
            loop_remove_link (b->loop, b->links[i]);
        link_close (&b->links[i], b->orphaned ? 0 : 1000);
    }
    loop_free (&b->loop);
    turn_free (&b->turn);
    if (b->signal_fd >= 0)
        close (b->signal_fd);
}

int main (int argc, char **argv)
{
    struct broker b = {.signal_fd = -1};
    struct err e = {0};
    int status = options_parse (&b.o, argc, argv);
    if (status >= 0)
        return status;
    status = prepare (&b, &e);
    if (status == 0)
        status = serve (&b, &e);
    if (status)
        complain (status, e.text);
    clean_up (&b);
    return status;
}
