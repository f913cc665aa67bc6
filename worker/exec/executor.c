/* The process around command.c and function.c.
 *
 * All signals are blocked but TERM, which is also what the kernel sends when the launcher dies:
 * then everything that descends from this process is killed, and it ends. The loop of commands
 * reads TERM from a descriptor; functions are foreign code, which a handler interrupts. SIGCHLD
 * only wakes the loop from its ppoll().
 */
#include "worker/exec/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/faultpoint.h"
#include "common/base/mem.h"
#include "worker/exec/command.h"
#include "worker/exec/control.h"
#include "worker/exec/framing.h"
#include "worker/exec/function.h"
#include "worker/exec/house.h"
#include "worker/exec/leaf.h"
#include "worker/exec/spec.h"
#include "worker/exec/tree.h"
#include "worker/exec/values.h"

#define STREAM_QUEUE (1u << 20)
#define KILL_WAIT_MS 5000

enum { POLL_STREAM, POLL_TERM, POLL_COMMAND }; /* where they are among what is polled for */

/* A RUN that is not over yet. */
struct run {
    struct wire w;
    uint64_t number;
    size_t at; /* where its next row begins in the body */
};

struct executor {
    struct framing *stream;
    struct control *control;
    struct specs *specs;
    struct command *command;
    struct lease_watch lease;
    int term_fd; /* readable: a TERM has come */
    struct values values;
    struct run queue[CONTROL_RUNS]; /* a ring */
    unsigned head, count;
    uint64_t runs; /* that came */
    int over;
};

/* --- rows --------------------------------------------------------------------------------------
 */

static void drop_run (struct executor *x)
{
    wire_fini (&x->queue[x->head].w);
    x->head = (x->head + 1) % CONTROL_RUNS;
    x->count--;
}

static void start_row (struct executor *x, struct run *run, uint64_t place, int64_t now_us)
{
    const struct msg_run *m = &run->w.m.run;
    struct bytes body = bytes_of (run->w.body[0].ptr, run->w.body[0].len);
    struct spec *spec = specs_get (x->specs, m->batch, m->spec);
    uint64_t row = m->first + place;
    if (values_read (&x->values, body, &run->at))
        command_refuse (x->command, m, row, "the row is no list of values");
    else if (!spec)
        command_refuse (x->command, m, row, "the executor was not sent this spec");
    else if (spec->broken.code)
        command_refuse (x->command, m, row, spec->broken.text);
    else if (!spec->env)
        command_refuse (x->command, m, row, "a function in an executor of commands");
    else
        command_start (x->command, spec, m, row, &x->values, now_us);
}

/* Start rows until one runs, or none is left. */
static void run_on (struct executor *x, int64_t now_us)
{
    while (x->count && !command_busy (x->command) && !command_over (x->command)) {
        struct run *run = &x->queue[x->head];
        int64_t place = control_claim (x->control, run->number, now_us);
        if (place < 0) {
            drop_run (x);
            continue;
        }
        start_row (x, run, (uint64_t)place, now_us);
    }
}

/* --- messages -----------------------------------------------------------------------------------
 */

static int queue_run (struct executor *x, struct wire *w)
{
    if (x->count == CONTROL_RUNS)
        return -1;
    struct run *run = &x->queue[(x->head + x->count++) % CONTROL_RUNS];
    *run = (struct run){.w = *w, .number = x->runs++};
    *w = (struct wire){0};
    return 0;
}

static int handle (struct executor *x, struct wire *w, int64_t now_us)
{
    switch (w->kind) {
    case WIRE_SPEC:
        specs_put_take (x->specs, w);
        return 0;
    case WIRE_FORGET:
        specs_forget (x->specs, w->m.forget.batch);
        return 0;
    case WIRE_RUN:
        FAULT_POINT ("executor-takes-run");
        return queue_run (x, w);
    case WIRE_CANCEL_ROWS:
        command_cancel (x->command, &w->m.cancel_rows, now_us);
        return 0;
    case WIRE_INPUT:
        command_input (x->command, &w->m.input, bytes_of (w->body[0].ptr, w->body[0].len), now_us);
        return 0;
    case WIRE_PEEK:
        command_peek (x->command, &w->m.peek);
        return 0;
    case WIRE_SIGNAL:
        command_signal (x->command, &w->m.signal);
        return 0;
    default:
        return 0;
    }
}

static int take_messages (struct executor *x, int64_t now_us)
{
    struct wire_frames frames;
    struct wire w;
    int rc = framing_fill (x->stream, NULL);
    if (rc < 0) {
        x->over = EXECUTOR_OVER;
        return -1;
    }
    x->over = EXECUTOR_FAULT; /* where one of these is no message */
    while ((rc = framing_next (x->stream, &frames, NULL)) > 0) {
        rc = wire_decode (&w, &frames, NULL, NULL);
        wire_frames_fini (&frames);
        if (rc)
            break;
        rc = handle (x, &w, now_us);
        wire_fini (&w);
        if (rc)
            break;
        run_on (x, now_us); /* what follows may be for the row that this begins */
    }
    return rc;
}

/* --- the lease -----------------------------------------------------------------------------------
 */

/* The agent has let the lease of an exclusive row pass and has not ended it: it is stopped. */
static void mind_lease (struct executor *x, int64_t now_us)
{
    enum lease_state state = lease_look (&x->lease, control_lease (x->control), now_us);
    if (state != LEASE_HOLDS)
        command_lapse (x->command, state != LEASE_TERM, now_us);
}

static int64_t deadline (const struct executor *x)
{
    int64_t command_us = command_deadline (x->command);
    if (!command_busy (x->command))
        return command_us;
    int64_t lease_us = lease_deadline (&x->lease, control_lease (x->control));
    return lease_us < command_us ? lease_us : command_us;
}

/* --- the loop ------------------------------------------------------------------------------------
 */

static int wait_for_work (struct executor *x, struct pollfd *p, int64_t now_us)
{
    sigset_t mask;
    int64_t until_us = deadline (x);
    struct timespec t = {0};
    unsigned n = POLL_COMMAND;
    p[POLL_STREAM] = (struct pollfd){.fd = framing_fd (x->stream), .events = POLLIN};
    if (framing_want_write (x->stream))
        p[POLL_STREAM].events |= POLLOUT;
    p[POLL_TERM] = (struct pollfd){.fd = x->term_fd, .events = POLLIN};
    n += command_poll (x->command, p + n);
    if (until_us > now_us && until_us != CLOCK_NEVER) {
        t.tv_sec = (until_us - now_us) / US_PER_S;
        t.tv_nsec = (until_us - now_us) % US_PER_S * 1000;
    }
    sigfillset (&mask);
    sigdelset (&mask, SIGCHLD);
    int rc = ppoll (p, n, until_us == CLOCK_NEVER ? NULL : &t, &mask);
    return rc < 0 && errno == EINTR ? 0 : rc;
}

/* One turn after a wait: 0, or -1 when it is over (x->over). What is to be sent leaves before the
 * next row is started: a start takes a good part of a millisecond. */
static int turn (struct executor *x, bool messages)
{
    int64_t now_us = clock_mono_us ();
    x->over = EXECUTOR_OVER;
    if (command_busy (x->command)) {
        mind_lease (x, now_us);
        command_turn (x->command, now_us);
    }
    if (framing_flush (x->stream, NULL) || (messages && take_messages (x, now_us)))
        return -1;
    x->over = EXECUTOR_OVER;
    run_on (x, now_us);
    if (framing_flush (x->stream, NULL))
        return -1;
    if (command_busy (x->command) || !command_over (x->command))
        return 0;
    if (framing_flush_all (x->stream, NULL) == 0)
        x->over = command_over (x->command);
    return -1;
}

static void serve_commands (struct executor *x)
{
    struct pollfd p[POLL_COMMAND + COMMAND_FDS];
    for (;;) {
        int ready = wait_for_work (x, p, clock_mono_us ());
        if (ready > 0 && p[POLL_TERM].revents)
            x->over = EXECUTOR_OVER;
        if (ready < 0 || (ready > 0 && p[POLL_TERM].revents))
            return;
        if (turn (x, ready > 0 && p[POLL_STREAM].revents & ~POLLOUT))
            return;
    }
}

static int command_serve (struct framing *stream, struct control *control, struct leaf *leaf,
                          pid_t parent)
{
    sigset_t term;
    sigemptyset (&term);
    sigaddset (&term, SIGTERM);
    struct executor *x = mem_zalloc (sizeof *x);
    x->stream = stream;
    x->control = control;
    x->specs = specs_new ();
    x->command = command_new (stream, control, leaf, parent);
    x->over = EXECUTOR_FAULT;
    x->term_fd = signalfd (-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
    if (x->term_fd >= 0) {
        serve_commands (x);
        close (x->term_fd);
    }
    int over = x->over;
    while (x->count)
        drop_run (x);
    values_fini (&x->values);
    command_free (&x->command);
    specs_free (&x->specs);
    free (x);
    return over;
}

/* --- the process
 * ---------------------------------------------------------------------------------- */

static void on_term (int sig)
{
    (void)sig;
    tree_kill_all (KILL_WAIT_MS);
    _exit (EXECUTOR_OVER);
}

static void on_child (int sig)
{
    (void)sig;
}

/* Asked of the kernel, because the C library keeps two real-time signals to itself and will not
 * change them, though its own posix_spawn() (make uses it) starts programs with both ignored. */
static void default_all (void)
{
    struct {
        void (*handler) (int);
        unsigned long flags;
        void (*restorer) (void);
        unsigned long mask;
    } action = {.handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++)
        syscall (SYS_rt_sigaction, sig, &action, NULL, sizeof action.mask);
}

/* Dispositions first: a default of SIGCHLD would not wake ppoll(), and what is ignored here would
 * be ignored in every task. */
static void set_signals (enum executor_kind kind)
{
    sigset_t mask;
    default_all ();
    sigaction (SIGCHLD, &(struct sigaction){.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP},
               NULL);
    sigfillset (&mask);
    sigaction (SIGTERM, &(struct sigaction){.sa_handler = on_term, .sa_mask = mask}, NULL);
    if (kind == EXECUTOR_FUNCTION)
        sigdelset (&mask, SIGTERM);
    sigdelset (&mask, SIGSEGV);
    sigdelset (&mask, SIGBUS);
    sigdelset (&mask, SIGFPE);
    sigdelset (&mask, SIGILL);
    sigdelset (&mask, SIGABRT);
    sigprocmask (SIG_SETMASK, &mask, NULL);
}

/* Close all but 0, 1, 2 and those in `keep`, which may have -1 in it. */
static void close_others (int keep[], unsigned count)
{
    int from = 3;
    for (;;) {
        int next = INT_MAX;
        for (unsigned i = 0; i < count; i++)
            if (keep[i] >= from && keep[i] < next)
                next = keep[i];
        if (next > from)
            close_range ((unsigned)from, (unsigned)next - 1, 0);
        if (next == INT_MAX)
            return;
        from = next + 1;
    }
}

/* The worker's own stdin and stdout are not an executor's business. */
static void detach_stdio (void)
{
    int fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    dup2 (fd, 0);
    dup2 (fd, 1);
    close (fd);
}

static void enter (const struct executor_start *s)
{
    int keep[] = {s->socket_fd, s->control_fd, s->cgroup ? s->cgroup->own_fd : -1};
    close_others (keep, sizeof keep / sizeof *keep);
    detach_stdio ();
}

/* Whether the launcher is gone, or just going: its sockets are closed before its children get
 * another parent, and /proc tells of that in between (flag PF_EXITING of proc_pid_stat(5)). */
static bool launcher_is_gone (pid_t launcher)
{
    char path[40], text[600];
    unsigned long flags = 0;
    snprintf (path, sizeof path, "/proc/%ld/stat", (long)launcher);
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read (fd, text, sizeof text - 1);
    if (fd >= 0)
        close (fd);
    if (getppid () != launcher || n <= 0)
        return true;
    text[n] = 0;
    const char *rest = strrchr (text, ')'); /* behind it: the state, five numbers, the flags */
    if (!rest || sscanf (rest, ") %*c %*d %*d %*d %*d %*d %lu", &flags) != 1)
        return false;
    return flags & 0x4;
}

/* End what is left, and what is left of the worker's cgroup where no launcher will see to it. */
static int leave (const struct executor_start *s, struct leaf *leaf, int over)
{
    FAULT_POINT ("executor-leaves");
    if (over != EXECUTOR_LEFT && over != EXECUTOR_STUCK) {
        leaf_kill (leaf);
        if (tree_kill_all (KILL_WAIT_MS))
            over = EXECUTOR_STUCK;
    }
    leaf_fini (leaf);
    if (s->cgroup && launcher_is_gone (s->parent))
        cgroup_leave (s->cgroup);
    return over;
}

int executor_main (const struct executor_start *s)
{
    struct leaf leaf;
    bool functions = s->kind == EXECUTOR_FUNCTION;
    setsid ();
    set_signals (s->kind);
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    prctl (PR_SET_PDEATHSIG, SIGTERM);
    if (getppid () != s->parent)
        return EXECUTOR_OVER;
    enter (s);
    FAULT_POINT ("executor-starts");
    struct control *control = control_map (s->control_fd, NULL);
    close (s->control_fd);
    if (!control)
        return EXECUTOR_FAULT;
    leaf_init (&leaf, functions ? NULL : s->cgroup, s->number);
    int fd = functions ? house_hide_fd (s->socket_fd) : s->socket_fd;
    struct framing *stream = framing_new (fd, STREAM_QUEUE);
    int over = functions ? function_serve (stream, control, s->modules, &s->limits)
                         : command_serve (stream, control, &leaf, s->parent);
    over = leave (s, &leaf, over);
    framing_free (&stream);
    control_unmap (&control);
    return over;
}
