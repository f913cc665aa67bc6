/* null_broker: what ZeroMQ alone can do, as the measure for drover.
 *
 * A client, a broker and two echo workers, each a process; the broker has one ROUTER socket and
 * passes each message on (from the client to the workers in turn, from a worker to the client)
 * without looking into it. A message carries k records; the client keeps a window of records on
 * their way. With --child each worker hands every message to a child process over a socket pair and
 * sends on what comes back: one more hop, as a task process is.
 *
 * Messages without a byte are the only signals: "I am here" at the start, "it is over" at the end.
 * The parent never opens a ZeroMQ context, so that it may fork.
 *
 * --plain prints four numbers: tasks/s, CPU us a task in all processes, median us of a round trip
 * (0 unless one message at a time was on its way), bytes/s of arguments and results together.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "bench/options.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define WORKERS 2
#define CLIENT_ID "c"

/* Longer is no endpoint. */
#define ENDPOINT_MAX 200

struct plan {
    struct bench_options o;
    uint64_t messages;
    uint64_t window; /* in messages */
    size_t bytes;    /* of a message */
};

struct result {
    int64_t wall_us;
    double round_trip_us; /* median */
};

struct peer {
    void *context;
    void *socket;
};

static void check (int rc, const char *what)
{
    if (rc != -1)
        return;
    fprintf (stderr, "null_broker: %s: %s\n", what, zmq_strerror (errno));
    exit (1);
}

/* A socket without limits: the client's window is the only one, and nothing is ever dropped. */
static struct peer peer_open (int type, const char *id)
{
    struct peer p = {.context = zmq_ctx_new ()};
    int none = 0;
    p.socket = p.context ? zmq_socket (p.context, type) : NULL;
    check (p.socket ? 0 : -1, "socket");
    check (zmq_setsockopt (p.socket, ZMQ_SNDHWM, &none, sizeof none), "SNDHWM");
    check (zmq_setsockopt (p.socket, ZMQ_RCVHWM, &none, sizeof none), "RCVHWM");
    if (id)
        check (zmq_setsockopt (p.socket, ZMQ_IDENTITY, id, strlen (id)), "IDENTITY");
    return p;
}

static void peer_close (struct peer *p)
{
    zmq_close (p->socket);
    zmq_ctx_term (p->context);
}

static void connect_and_greet (struct peer *p, const char *endpoint)
{
    check (zmq_connect (p->socket, endpoint), endpoint);
    check (zmq_send (p->socket, "", 0, 0), "send");
}

static void write_all (int fd, const void *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write (fd, (const char *)bytes + done, len - done);
        check (n <= 0 ? -1 : 0, "write");
        done += (size_t)n;
    }
}

static int read_all (int fd, void *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = read (fd, (char *)bytes + done, len - done);
        if (n <= 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

/* --- broker --- */

static void send_to (void *socket, const char *id, zmq_msg_t *body)
{
    check (zmq_send (socket, id, strlen (id), ZMQ_SNDMORE), "send");
    check (zmq_msg_send (body, socket, 0), "send");
}

static void send_nothing_to (void *socket, const char *id)
{
    check (zmq_send (socket, id, strlen (id), ZMQ_SNDMORE), "send");
    check (zmq_send (socket, "", 0, 0), "send");
}

/* The next message; returns the first byte of who sent it. */
static char receive_from (void *socket, zmq_msg_t *body)
{
    char id[8];
    check (zmq_recv (socket, id, sizeof id, 0), "recv");
    check (zmq_msg_recv (body, socket, 0), "recv");
    return id[0];
}

static const char *worker_id (unsigned n)
{
    static const char *const ids[WORKERS] = {"0", "1"};
    return ids[n % WORKERS];
}

/* Everybody has greeted; tell the client to begin. */
static void gather (void *socket)
{
    zmq_msg_t body;
    zmq_msg_init (&body);
    for (unsigned greeted = 0; greeted < WORKERS + 1; greeted++)
        receive_from (socket, &body);
    zmq_msg_close (&body);
    send_nothing_to (socket, CLIENT_ID);
}

static void forward (void *socket)
{
    zmq_msg_t body;
    zmq_msg_init (&body);
    for (unsigned turn = 0;; turn++) {
        if (receive_from (socket, &body) != CLIENT_ID[0]) {
            send_to (socket, CLIENT_ID, &body);
            continue;
        }
        if (zmq_msg_size (&body) == 0)
            break;
        send_to (socket, worker_id (turn), &body);
    }
    zmq_msg_close (&body);
    for (unsigned w = 0; w < WORKERS; w++)
        send_nothing_to (socket, worker_id (w));
}

static void broker_main (const char *bind_to, int tell_fd)
{
    struct peer p = peer_open (ZMQ_ROUTER, NULL);
    char endpoint[ENDPOINT_MAX] = "";
    size_t len = sizeof endpoint;
    check (zmq_bind (p.socket, bind_to), bind_to);
    check (zmq_getsockopt (p.socket, ZMQ_LAST_ENDPOINT, endpoint, &len), "LAST_ENDPOINT");
    write_all (tell_fd, endpoint, sizeof endpoint);
    gather (p.socket);
    forward (p.socket);
    peer_close (&p);
}

/* --- worker, and its child --- */

static void child_main (int fd, size_t bytes)
{
    char *buffer = mem_resize (NULL, bytes, 1);
    while (read_all (fd, buffer, bytes) == 0)
        write_all (fd, buffer, bytes);
    free (buffer);
}

static int child_start (size_t bytes)
{
    int pair[2];
    check (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
    pid_t pid = fork ();
    check (pid, "fork");
    if (pid == 0) {
        close (pair[0]);
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        child_main (pair[1], bytes);
        _exit (0);
    }
    close (pair[1]);
    return pair[0];
}

/* With a child: its answer is read over the message it was sent, as the same message goes back. */
static void ask_child (int fd, zmq_msg_t *body)
{
    write_all (fd, zmq_msg_data (body), zmq_msg_size (body));
    check (read_all (fd, zmq_msg_data (body), zmq_msg_size (body)), "child");
}

static void worker_main (const struct plan *plan, const char *endpoint, unsigned n)
{
    int child = plan->o.child ? child_start (plan->bytes) : -1;
    struct peer p = peer_open (ZMQ_DEALER, worker_id (n));
    zmq_msg_t body;
    zmq_msg_init (&body);
    connect_and_greet (&p, endpoint);
    for (;;) {
        check (zmq_msg_recv (&body, p.socket, 0), "recv");
        if (zmq_msg_size (&body) == 0)
            break;
        if (child >= 0)
            ask_child (child, &body);
        check (zmq_msg_send (&body, p.socket, 0), "send");
    }
    zmq_msg_close (&body);
    peer_close (&p);
    if (child >= 0) {
        close (child);
        wait (NULL); /* so that its CPU time counts as ours */
    }
}

/* --- client --- */

static void submit (const struct plan *plan, void *socket, const char *records)
{
    zmq_msg_t body;
    check (zmq_msg_init_size (&body, plan->bytes), "message");
    memcpy (zmq_msg_data (&body), records, plan->bytes);
    check (zmq_msg_send (&body, socket, 0), "send");
}

/* Waits for one result, then takes all that are there. */
static uint64_t collect (void *socket, zmq_msg_t *body)
{
    uint64_t n = 0;
    for (int flags = 0; zmq_msg_recv (body, socket, flags) != -1; flags = ZMQ_DONTWAIT)
        n++;
    if (n == 0 || errno != EAGAIN)
        check (-1, "recv");
    return n;
}

static void run_window (const struct plan *plan, void *socket, const char *records)
{
    zmq_msg_t body;
    zmq_msg_init (&body);
    for (uint64_t sent = 0, received = 0; received < plan->messages;) {
        for (; sent < plan->messages && sent - received < plan->window; sent++)
            submit (plan, socket, records);
        received += collect (socket, &body);
    }
    zmq_msg_close (&body);
}

static double run_one_by_one (const struct plan *plan, void *socket, const char *records)
{
    double *took = mem_resize (NULL, plan->messages, sizeof *took);
    zmq_msg_t body;
    zmq_msg_init (&body);
    for (uint64_t i = 0; i < plan->messages; i++) {
        int64_t start = clock_mono_us ();
        submit (plan, socket, records);
        check (zmq_msg_recv (&body, socket, 0), "recv");
        took[i] = (double)(clock_mono_us () - start);
    }
    zmq_msg_close (&body);
    double median = bench_median (took, (unsigned)plan->messages);
    free (took);
    return median;
}

static void client_main (const struct plan *plan, const char *endpoint, int tell_fd)
{
    struct result r = {0};
    char *records = mem_zalloc (plan->bytes);
    memset (records, 'r', plan->bytes);
    struct peer p = peer_open (ZMQ_DEALER, CLIENT_ID);
    connect_and_greet (&p, endpoint);
    check (zmq_recv (p.socket, NULL, 0, 0), "recv");

    int64_t start = clock_mono_us ();
    if (plan->window == 1)
        r.round_trip_us = run_one_by_one (plan, p.socket, records);
    else
        run_window (plan, p.socket, records);
    r.wall_us = clock_mono_us () - start;

    check (zmq_send (p.socket, "", 0, 0), "send");
    peer_close (&p);
    write_all (tell_fd, &r, sizeof r);
    free (records);
}

/* --- the parent --- */

enum part { PART_BROKER, PART_WORKER, PART_CLIENT };

static void start (const struct plan *plan, enum part part, unsigned n, const char *endpoint,
                   int tell_fd)
{
    pid_t pid = fork ();
    check (pid, "fork");
    if (pid != 0)
        return;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (part == PART_BROKER)
        broker_main (endpoint, tell_fd);
    else if (part == PART_WORKER)
        worker_main (plan, endpoint, n);
    else
        client_main (plan, endpoint, tell_fd);
    _exit (0);
}

/* All processes have ended; a part that failed has already said why. */
static void reap (unsigned count)
{
    int status;
    for (unsigned i = 0; i < count; i++) {
        check (wait (&status), "wait");
        if (status != 0)
            bench_die ("a part of it failed");
    }
}

static void read_exactly (int fd, void *bytes, size_t len)
{
    if (read_all (fd, bytes, len))
        bench_die ("a part of it failed");
}

/* One pipe for what the broker says and one for the client's, each with one writer: a part that
 * dies is an end of file here, not a wait for ever. */
static struct result run (const struct plan *plan, const char *bind_to)
{
    struct result r;
    char endpoint[ENDPOINT_MAX];
    int from_broker[2], from_client[2];
    check (pipe2 (from_broker, O_CLOEXEC), "pipe");
    start (plan, PART_BROKER, 0, bind_to, from_broker[1]);
    close (from_broker[1]);
    read_exactly (from_broker[0], endpoint, sizeof endpoint);
    close (from_broker[0]);

    for (unsigned w = 0; w < WORKERS; w++)
        start (plan, PART_WORKER, w, endpoint, -1);
    check (pipe2 (from_client, O_CLOEXEC), "pipe");
    start (plan, PART_CLIENT, 0, endpoint, from_client[1]);
    close (from_client[1]);
    reap (WORKERS + 2);
    read_exactly (from_client[0], &r, sizeof r);
    close (from_client[0]);
    return r;
}

static double cpu_us (void)
{
    struct rusage u;
    getrusage (RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * US_PER_S +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void print (const struct plan *plan, const struct result *r)
{
    double tasks = (double)(plan->messages * plan->o.records);
    double per_s = tasks * US_PER_S / (double)r->wall_us;
    double bytes_per_s = per_s * (double)plan->o.size * 2;
    if (plan->o.plain) {
        printf ("%.1f %.4f %.1f %.0f\n", per_s, cpu_us () / tasks, r->round_trip_us, bytes_per_s);
        return;
    }
    printf ("null broker, %s, %u records of %llu B a message%s: %.0f tasks/s, %.2f us CPU a task, "
            "%.0f MB/s",
            plan->o.transport, plan->o.records, (unsigned long long)plan->o.size,
            plan->o.child ? ", with a child" : "", per_s, cpu_us () / tasks, bytes_per_s / 1e6);
    if (plan->window == 1)
        printf (", round trip p50 %.0f us", r->round_trip_us);
    printf ("\n");
}

int main (int argc, char **argv)
{
    struct plan plan = {
        .o = {.tasks = 500000, .transport = "tcp", .records = 1, .size = 16, .window = 16384}};
    char dir[256], path[260], url[280] = "tcp://127.0.0.1:*";
    const char *base = getenv ("TMPDIR");
    bench_options_read (&plan.o, argc, argv, "echo through a broker of plain ZeroMQ");
    plan.messages = (plan.o.tasks + plan.o.records - 1) / plan.o.records;
    plan.window = plan.o.window < plan.o.records ? 1 : plan.o.window / plan.o.records;
    plan.bytes = plan.o.size * plan.o.records;

    snprintf (dir, sizeof dir, "%s/drover-bench-XXXXXX", base ? base : "/tmp");
    check (mkdtemp (dir) ? 0 : -1, "mkdtemp");
    snprintf (path, sizeof path, "%s/s", dir);
    if (strcmp (plan.o.transport, "ipc") == 0)
        snprintf (url, sizeof url, "ipc://%s", path);
    struct result r = run (&plan, url);
    unlink (path);
    rmdir (dir);
    print (&plan, &r);
    return 0;
}
