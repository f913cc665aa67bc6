/* cluster: a broker, and a worker beside it, as processes of a bench program. */
#include "bench/cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/child.h"
#include "bench/options.h"
#include "bench/proc.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define START_US (10 * (int64_t)US_PER_S)

struct cluster {
    struct child broker;
    struct child worker;
    char dir[256];
    char file[280]; /* where the broker writes its endpoint */
    char socket[280];
    char url[300];
    char state[280]; /* directory; empty: none */
    const char *transport;
};

static const char *const STATE_FILES[] = {"state.db", "state.db-wal", "state.db-shm", "mark",
                                          "lock"};

static void remove_state (const struct cluster *c)
{
    char path[300];
    for (size_t i = 0; i < sizeof STATE_FILES / sizeof *STATE_FILES; i++) {
        snprintf (path, sizeof path, "%s/%s", c->state, STATE_FILES[i]);
        unlink (path);
    }
    rmdir (c->state);
}

static void stop (int status, void *arg)
{
    struct cluster *c = arg;
    (void)status;
    child_end (&c->worker);
    child_end (&c->broker);
    unlink (c->file);
    unlink (c->socket);
    if (c->state[0])
        remove_state (c);
    rmdir (c->dir);
    free (c);
}

static void make_directory (struct cluster *c)
{
    const char *base = getenv ("TMPDIR");
    snprintf (c->dir, sizeof c->dir, "%s/drover-bench-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp (c->dir))
        bench_die ("cannot make a temporary directory");
    snprintf (c->file, sizeof c->file, "%s/endpoint", c->dir);
    snprintf (c->socket, sizeof c->socket, "%s/socket", c->dir);
}

/* The file appears whole, by a rename. */
static void read_endpoint (struct cluster *c)
{
    FILE *f;
    for (int64_t deadline = clock_mono_us () + START_US; !(f = fopen (c->file, "re"));) {
        if (clock_mono_us () > deadline)
            bench_die ("the broker does not say where it listens");
        child_pause (2);
    }
    if (!fgets (c->url, sizeof c->url, f))
        bench_die ("the broker wrote no endpoint");
    c->url[strcspn (c->url, "\n")] = 0;
    fclose (f);
}

static void start_broker (struct cluster *c)
{
    char path[CHILD_PATH_MAX], listen[300] = "tcp://127.0.0.1:0";
    if (strcmp (c->transport, "ipc") == 0)
        snprintf (listen, sizeof listen, "ipc://%s", c->socket);
    char *argv[] = {child_drover_path (path, "drover-broker"),
                    "--listen",
                    listen,
                    "--insecure",
                    "--endpoint-file",
                    c->file,
                    "--log-level",
                    "error",
                    c->state[0] ? "--state" : NULL,
                    c->state,
                    NULL};
    child_start (&c->broker, argv, -1, 0);
    read_endpoint (c);
}

static struct cluster *start (const char *transport, bool durable)
{
    struct cluster *c = mem_zalloc (sizeof *c);
    c->transport = transport;
    make_directory (c);
    if (durable)
        snprintf (c->state, sizeof c->state, "%s/state", c->dir);
    on_exit (stop, c);
    start_broker (c);
    return c;
}

struct cluster *cluster_start (const char *transport)
{
    return start (transport, false);
}

struct cluster *cluster_start_durable (const char *transport)
{
    return start (transport, true);
}

int64_t cluster_restart (struct cluster *c)
{
    int status;
    kill (c->broker.pid, SIGKILL);
    waitpid (c->broker.pid, &status, 0);
    unlink (c->file);
    int64_t begin = clock_mono_us ();
    start_broker (c);
    return clock_mono_us () - begin;
}

void cluster_worker (struct cluster *c, unsigned slots)
{
    char path[CHILD_PATH_MAX], count[16];
    snprintf (count, sizeof count, "%u", slots);
    char *argv[] = {child_drover_path (path, "drover-worker"),
                    "--broker",
                    c->url,
                    "--insecure",
                    "--slots",
                    count,
                    "--log-level",
                    "error",
                    NULL};
    child_start (&c->worker, argv, -1, 0);
}

drover_t *cluster_open (const struct cluster *c)
{
    drover_options_t options = {
        .broker = c->url, .flags = DROVER_OPEN_NO_PRIVATE | DROVER_OPEN_INSECURE, .name = "bench"};
    drover_error_t e;
    drover_t *h = drover_open (&options, &e);
    if (!h)
        bench_die (e.text);
    return h;
}

pid_t cluster_broker_pid (const struct cluster *c)
{
    return c->broker.pid;
}

static int64_t own_cpu_us (void)
{
    struct rusage u;
    getrusage (RUSAGE_SELF, &u);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * US_PER_S + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

int64_t cluster_cpu_us (const struct cluster *c)
{
    int64_t us = own_cpu_us () + proc_tree_cpu_us (c->broker.pid);
    return c->worker.pid > 0 ? us + proc_tree_cpu_us (c->worker.pid) : us;
}
