#include "client/lib/private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/net/listen.h"
#include "common/net/url.h"

#define CHILD_LIFETIME_FD 3 /* what the children find where */
#define CHILD_LISTEN_FD 4
#define FREE_FD 10 /* ours are above, so that none is in the way of theirs */
#define END_WAIT_US (2 * US_PER_S)

extern char **environ;

struct child {
    const char *name;
    pid_t pid; /* 0: not started, or gone */
    int pidfd;
    int status; /* of waitpid(), once it is gone */
};

struct private
{
    char url[120];
    int socket_fd; /* the socket file, without a name */
    int lifetime;  /* our end of the pipe */
    bool reads;    /* a state, and does no work */
    struct child broker;
    struct child worker;
    char dir[80]; /* of the socket file, where it had to keep its name; else empty */
};

struct preparation { /* what only the start needs */
    int listen_fd;
    int lifetime_end; /* the children's */
    char *programs;   /* the directory */
};

static int find_programs (struct preparation *s, struct err *e)
{
    static const char *const names[] = {"drover-broker", "drover-worker"};
    const char *dir = getenv ("DROVER_BINDIR");
    s->programs = mem_strdup (dir && *dir ? dir : DROVER_BINDIR);
    for (int i = 0; i < 2; i++) {
        char *path = mem_printf ("%s/%s", s->programs, names[i]);
        bool found = access (path, X_OK) == 0;
        free (path);
        if (!found)
            return err_set (e, ENOENT,
                            "cannot start a private broker: there is no %s in %s (install drover, "
                            "set DROVER_BINDIR to where it is, or name a broker with --broker)",
                            names[i], s->programs);
    }
    return 0;
}

/* Move a descriptor out of the way of the children's numbers. */
static int move_up (int *fd, struct err *e)
{
    int up = fcntl (*fd, F_DUPFD_CLOEXEC, FREE_FD);
    if (up < 0)
        return err_sys (e, errno, "cannot start a private broker");
    close (*fd);
    *fd = up;
    return 0;
}

static int make_dir (char *dir, size_t size, struct err *e)
{
    const char *run = getenv ("XDG_RUNTIME_DIR");
    struct stat st;
    bool usable = run && run[0] == '/' && strlen (run) + sizeof "/drover-XXXXXX" <= size &&
                  stat (run, &st) == 0 && st.st_uid == geteuid () && access (run, W_OK) == 0;
    snprintf (dir, size, "%s/drover-XXXXXX", usable ? run : "/tmp");
    if (mkdtemp (dir))
        return 0;
    if (usable) {
        snprintf (dir, size, "/tmp/drover-XXXXXX");
        if (mkdtemp (dir))
            return 0;
    }
    err_sys (e, errno, "cannot make a directory for a private broker: %s", dir);
    dir[0] = '\0';
    return -1;
}

static void remove_names (struct private *p, const char *path)
{
    unlink (path);
    rmdir (p->dir);
    p->dir[0] = '\0';
}

/* Let go of the file's name, if the path by descriptor works here: not only for this process, which
 * sees its own also where the others may not, as after setuid(). */
static void go_nameless (struct private *p, const char *path)
{
    char by_fd[40];
    struct stat named, same;
    if (prctl (PR_GET_DUMPABLE) != 1)
        return;
    p->socket_fd = open (path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    snprintf (by_fd, sizeof by_fd, "/proc/%ld/fd/%d", (long)getpid (), p->socket_fd);
    if (p->socket_fd < 0 || fstat (p->socket_fd, &named) != 0 || stat (by_fd, &same) != 0 ||
        named.st_ino != same.st_ino || named.st_dev != same.st_dev)
        return;
    snprintf (p->url, sizeof p->url, "ipc://%s", by_fd);
    remove_names (p, path);
}

static int make_socket (struct private *p, struct preparation *s, struct err *e)
{
    struct net_url u;
    struct listen_file file;
    if (make_dir (p->dir, sizeof p->dir, e) != 0)
        return -1;
    snprintf (p->url, sizeof p->url, "ipc://%s/s", p->dir);
    if (net_parse_url (p->url, NET_LISTEN, &u, e) != 0)
        return -1;
    s->listen_fd = listen_ipc (&u, &file, e);
    if (s->listen_fd < 0 || move_up (&s->listen_fd, e) != 0)
        return -1;
    go_nameless (p, u.path);
    return 0;
}

static int make_pipe (struct private *p, struct preparation *s, struct err *e)
{
    int fds[2];
    if (pipe2 (fds, O_CLOEXEC) != 0)
        return err_sys (e, errno, "cannot start a private broker");
    s->lifetime_end = fds[0];
    p->lifetime = fds[1];
    return move_up (&s->lifetime_end, e);
}

/* Only what a child is to have: nothing on stdin, no stdout of ours that it could hold open, its
 * two descriptors, a clean signal state; a session of its own, so that neither Ctrl-C nor the end
 * of a terminal reaches it past the client. */
static int spawn (struct child *c, const struct preparation *s, char *const *argv, bool listens,
                  struct err *e)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset (&none);
    sigfillset (&all);
    posix_spawn_file_actions_init (&fa);
    posix_spawnattr_init (&attr);
    posix_spawn_file_actions_addopen (&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen (&fa, 1, "/dev/null", O_WRONLY, 0);
    if (s->lifetime_end >= 0)
        posix_spawn_file_actions_adddup2 (&fa, s->lifetime_end, CHILD_LIFETIME_FD);
    if (listens)
        posix_spawn_file_actions_adddup2 (&fa, s->listen_fd, CHILD_LISTEN_FD);
    posix_spawn_file_actions_addclosefrom_np (
        &fa, listens ? CHILD_LISTEN_FD + 1 : CHILD_LIFETIME_FD + (s->lifetime_end >= 0));
    posix_spawnattr_setsigmask (&attr, &none);
    posix_spawnattr_setsigdefault (&attr, &all);
    posix_spawnattr_setflags (&attr,
                              POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    char *path = mem_printf ("%s/%s", s->programs, c->name);
    int rc = posix_spawn (&c->pid, path, &fa, &attr, argv, environ);
    posix_spawn_file_actions_destroy (&fa);
    posix_spawnattr_destroy (&attr);
    if (rc) {
        c->pid = 0;
        err_sys (e, rc, "cannot start %s", path);
    } else {
        c->pidfd = pidfd_open (c->pid, 0);
    }
    free (path);
    return rc ? -1 : 0;
}

static int start_broker (struct private *p, const struct preparation *s, const char *state,
                         bool debug, struct err *e)
{
    char *argv[] = {"drover-broker",
                    "--private",
                    "--listen",
                    p->url,
                    "--listen-fd",
                    "4",
                    "--lifetime-fd",
                    "3",
                    "--log-level",
                    debug ? "debug" : "error",
                    state ? "--read-only" : NULL,
                    "--state",
                    (char *)state,
                    NULL};
    return spawn (&p->broker, s, argv, true, e);
}

static int start_worker (struct private *p, const struct preparation *s, unsigned slots, bool debug,
                         struct err *e)
{
    char number[16];
    char *argv[] = {"drover-worker",
                    "--private",
                    "--broker",
                    p->url,
                    "--lifetime-fd",
                    "3",
                    "--log-level",
                    debug ? "debug" : "error",
                    NULL,
                    NULL,
                    NULL};
    if (slots) {
        snprintf (number, sizeof number, "%u", slots);
        argv[8] = "--slots";
        argv[9] = number;
    }
    return spawn (&p->worker, s, argv, false, e);
}

struct private *private_start (unsigned slots, const char *state, bool debug, struct err *e)
{
    struct preparation s = {.listen_fd = -1, .lifetime_end = -1};
    struct private *p = mem_zalloc (sizeof *p);
    p->socket_fd = p->lifetime = -1;
    p->reads = state != NULL;
    p->broker = (struct child){.name = "drover-broker", .pidfd = -1};
    p->worker = (struct child){.name = "drover-worker", .pidfd = -1};
    if (find_programs (&s, e) != 0 || make_socket (p, &s, e) != 0 || make_pipe (p, &s, e) != 0 ||
        start_broker (p, &s, state, debug, e) != 0 ||
        (!state && start_worker (p, &s, slots, debug, e) != 0))
        private_stop (&p);
    if (s.listen_fd >= 0)
        close (s.listen_fd);
    if (s.lifetime_end >= 0)
        close (s.lifetime_end);
    free (s.programs);
    return p;
}

/* Whether it has ended. A program that reaps all children, or ignores them, has taken our status:
 * that is an end, too. */
static bool reap (struct child *c)
{
    if (c->pid == 0)
        return true;
    pid_t got = waitpid (c->pid, &c->status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return false;
    if (got < 0)
        c->status = 0;
    c->pid = 0;
    return true;
}

/* Wait until both have ended or the time is over. */
static bool wait_both (struct private *p, int64_t until)
{
    for (;;) {
        bool broker = reap (&p->broker);
        bool worker = reap (&p->worker);
        int64_t now = clock_mono_us ();
        if ((broker && worker) || now >= until)
            return broker && worker;
        struct pollfd fds[2] = {{broker ? -1 : p->broker.pidfd, POLLIN, 0},
                                {worker ? -1 : p->worker.pidfd, POLLIN, 0}};
        poll (fds, 2, clock_poll_ms (until, now));
    }
}

static void kill_child (struct child *c)
{
    if (c->pid)
        kill (c->pid, SIGKILL);
}

/* Who killed the worker may have killed all that would end its tasks, too. Where they are in
 * cgroups they are found by these, which takes another worker. */
static void sweep (void)
{
    char *argv[] = {"drover-worker", "--private", "--sweep", "--log-level", "error", NULL};
    struct preparation s = {.listen_fd = -1, .lifetime_end = -1};
    struct child c = {.name = "drover-worker", .pidfd = -1};
    struct err e;
    if (find_programs (&s, &e) != 0 || spawn (&c, &s, argv, false, &e) != 0)
        goto out;
    struct pollfd p = {c.pidfd, POLLIN, 0};
    for (int64_t until = clock_mono_us () + END_WAIT_US; !reap (&c) && clock_mono_us () < until;)
        poll (&p, 1, clock_poll_ms (until, clock_mono_us ()));
    if (c.pidfd >= 0)
        close (c.pidfd);
out:
    free (s.programs);
}

static void close_fd (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

void private_stop (struct private **pp)
{
    struct private *p = *pp;
    if (!p)
        return;
    *pp = NULL;
    bool was_started = p->worker.pidfd >= 0;
    close_fd (&p->lifetime);
    if (!wait_both (p, clock_mono_us () + END_WAIT_US)) {
        kill_child (&p->worker);
        kill_child (&p->broker);
        wait_both (p, clock_mono_us () + END_WAIT_US);
    }
    if (was_started && WIFSIGNALED (p->worker.status))
        sweep ();
    close_fd (&p->broker.pidfd);
    close_fd (&p->worker.pidfd);
    close_fd (&p->socket_fd);
    if (p->dir[0]) {
        char path[100];
        snprintf (path, sizeof path, "%s/s", p->dir);
        remove_names (p, path);
    }
    free (p);
}

const char *private_url (const struct private *p)
{
    return p->url;
}

int private_broker_fd (const struct private *p)
{
    return p->broker.pidfd;
}

int private_worker_fd (const struct private *p)
{
    return p->worker.pidfd;
}

static bool say_end (struct child *c, int code, struct err *e)
{
    if (c->pid == 0 || !reap (c))
        return false;
    if (WIFSIGNALED (c->status))
        err_set (e, ECHILD, "the private %s was ended by signal %d", c->name, WTERMSIG (c->status));
    else
        err_set (e, code, "the private %s ended with status %d", c->name, WEXITSTATUS (c->status));
    return true;
}

bool private_ended (struct private *p, struct err *e)
{
    return say_end (&p->broker, p->reads ? EIO : ECHILD, e) || say_end (&p->worker, ECHILD, e);
}
