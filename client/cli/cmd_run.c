/* drover run: one program, as if it ran here.
 *
 * Its stdin, stdout, stderr and exit status are this command's, signals are passed on to it. Never
 * a shell. The task runs at most once: what it has read and printed cannot be taken back.
 *
 * The first INT or TERM goes to the task as if it were local; a task that still waits for a slot is
 * cancelled instead. The second kills it, the third leaves. Ctrl-Z stops the task, then this
 * program; both go on together.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/after.h"
#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/say.h"
#include "client/cli/session.h"
#include "client/cli/show.h"
#include "client/cli/signals.h"
#include "client/cli/sink.h"
#include "client/cli/task.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define INPUT_BYTES 65536
#define STOP_MS 300 /* how long to wait until the broker has heard of a stop */

static const int wanted_signals[] = {SIGINT,  SIGTERM,  SIGHUP,  SIGQUIT, SIGUSR1,
                                     SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT, 0};

struct run_opts {
    struct session_opts session;
    struct task_opts task;
    uint64_t deadline_ms; /* from now to the end; 0: none */
    struct afters after;
    const char *function; /* or NULL */
    char **words;         /* program and arguments, or the function's arguments */
    size_t count;
};

struct run {
    const struct run_opts *opts;
    drover_t *h;
    drover_batch_t *batch;
    struct signals signals;
    struct sink out;
    struct sink err;
    char input[INPUT_BYTES]; /* read, and not yet taken: [input_at, input_len) */
    size_t input_at;
    size_t input_len;
    bool input_full;  /* the task must first take what it has */
    bool input_ended; /* and the task was told so */
    int interrupts;
    int first_signal;
    uint64_t state_ref;  /* of the query whether the task runs yet */
    int64_t deadline_us; /* monotonic */
    bool killed;
    bool over;
    int status;
};

static const char command[] = "run";

/* --- signals --- */

static void run_cancel (struct run *r, bool kill)
{
    drover_cancel_options_t options = {.kill = kill, .reason = "interrupted"};

    drover_drop (r->h, drover_batch_cancel (r->batch, &options, NULL));
}

static void run_interrupt (struct run *r, int signo)
{
    uint64_t id = drover_batch_id (r->batch);

    r->interrupts++;
    if (r->interrupts == 1)
        r->first_signal = signo;
    if (r->interrupts > 2) {
        r->over = true;
        r->status = 128 + r->first_signal;
    } else if (r->interrupts == 2) {
        run_cancel (r, true);
    } else {
        drover_signal (r->batch, 0, signo, NULL);
        r->state_ref = id ? drover_query (r->h, DROVER_QUERY_TASKS, id, 0, 1, NULL, NULL) : 0;
        if (!r->state_ref)
            run_cancel (r, false);
    }
}

/* The whole job stops: first the task, which is in a group of its own, then this program. */
static void run_stop (struct run *r)
{
    drover_signal (r->batch, 0, SIGSTOP, NULL);
    drover_ping (r->h, STOP_MS, NULL, NULL);
    raise (SIGSTOP);
    drover_signal (r->batch, 0, SIGCONT, NULL);
}

/* Returns other than 0 when it is time to leave: also for a sink that waits. */
static int on_signals (void *arg)
{
    struct run *r = arg;
    int signo;

    while ((signo = signals_take (&r->signals)) != 0) {
        if (signo == SIGINT || signo == SIGTERM)
            run_interrupt (r, signo);
        else if (signo == SIGTSTP)
            run_stop (r);
        else
            drover_signal (r->batch, 0, signo, NULL);
    }
    drover_flush (r->h);
    return r->over;
}

/* The answer to "does it run yet?": what does not run cannot be sent a signal. */
static void on_state (struct run *r, const drover_event_t *event)
{
    drover_pair_t pairs[32];
    size_t at = 0;
    int n = drover_reply_record (event, &at, pairs, 32);

    r->state_ref = 0;
    if (n > 0 && show_is (pairs, (size_t)n < 32 ? (size_t)n : 32, "state", "waiting"))
        run_cancel (r, false);
}

/* --- stdin --- */

static void run_send_input (struct run *r)
{
    while (r->input_at < r->input_len) {
        int64_t took =
            drover_input (r->batch, 0, r->input + r->input_at, r->input_len - r->input_at, NULL);

        if (took < 0) { /* the task has ended, or wants no more */
            r->input_ended = true;
            r->input_at = r->input_len;
            return;
        }
        r->input_full = took == 0;
        if (took == 0)
            return;
        r->input_at += (size_t)took;
    }
}

static void run_read_input (struct run *r)
{
    ssize_t n = read (STDIN_FILENO, r->input, sizeof r->input);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        r->input_ended = true;
        drover_input_end (r->batch, 0, NULL);
        return;
    }
    r->input_at = 0;
    r->input_len = (size_t)n;
    run_send_input (r);
}

/* A program in the background that reads its terminal is stopped: so it is left alone until this
 * program is in front again, which SIGCONT tells. */
static bool run_wants_input (const struct run *r)
{
    pid_t front;

    if (r->input_ended || r->input_full || r->input_at < r->input_len)
        return false;
    front = tcgetpgrp (STDIN_FILENO);
    return front < 0 || front == getpgrp ();
}

/* --- events --- */

static int closed_output (struct run *r, const struct sink *s)
{
    if (s->error == EPIPE)
        drover_signal (r->batch, 0, SIGPIPE, NULL); /* as if it had written there itself */
    else if (s->error != ECANCELED)
        say (command, "cannot write the output: %s", strerror (s->error));
    return -1;
}

static void on_output (struct run *r, int stream, const void *bytes, size_t len)
{
    struct sink *s = stream == 2 ? &r->err : &r->out;
    struct sink *other = stream == 2 ? &r->out : &r->err;

    if (!other->error)
        sink_flush (other);
    if (!s->error && sink_write (s, bytes, len) < 0)
        closed_output (r, s);
}

static void run_output_of_result (struct run *r, const drover_result_t *result, int stream)
{
    drover_bytes_t piece = {NULL, 0};
    uint64_t at = 0;
    drover_error_t e = {0};
    int more;

    while ((more = drover_result_piece (result, stream, at, &piece, &e)) == 1) {
        on_output (r, stream, piece.ptr, piece.len);
        at += piece.len;
    }
    if (more < 0)
        session_error (&r->opts->session, &e, 0);
}

static void run_flush (struct run *r)
{
    if (!r->out.error && sink_flush (&r->out) < 0)
        closed_output (r, &r->out);
    if (!r->err.error && sink_flush (&r->err) < 0)
        closed_output (r, &r->err);
}

static int status_of (const struct run *r, const drover_result_t *result)
{
    switch (result->how) {
    case DROVER_DONE:
        return 0;
    case DROVER_FAILED:
        return result->signal ? 128 + result->signal : result->status;
    case DROVER_TIMEOUT:
        return STATUS_TIMEOUT;
    case DROVER_CANCELLED:
        if (r->first_signal)
            return 128 + r->first_signal;
        return clock_mono_us () >= r->deadline_us ? STATUS_TIMEOUT : STATUS_TROUBLE;
    default:
        return STATUS_TROUBLE;
    }
}

static void on_result (struct run *r, const drover_result_t *result)
{
    bool ours = result->how == DROVER_CANCELLED && r->first_signal;

    run_output_of_result (r, result, 1);
    run_output_of_result (r, result, 2);
    run_flush (r);
    r->status = status_of (r, result);
    r->over = true;
    if (result->reason[0] && !ours)
        say (command, "%s", result->reason);
    else if (r->status == STATUS_TROUBLE && result->how != DROVER_FAILED)
        say (command, "the task ended as %s", drover_how_name (result->how));
}

static void run_trouble (struct run *r, const char *text)
{
    say (command, "%s", text);
    r->status = STATUS_TROUBLE;
    r->over = true;
}

static void on_notice (struct run *r, const drover_notice_t *n)
{
    if (session_is_hopeless (r->h, n))
        run_trouble (r, n->text);
    else
        session_notice (&r->opts->session, n);
}

static void on_event (struct run *r, const drover_event_t *event)
{
    switch (event->kind) {
    case DROVER_EVENT_OUTPUT:
        on_output (r, event->output->stream, event->output->bytes.ptr, event->output->bytes.len);
        break;
    case DROVER_EVENT_INPUT_ROOM:
        r->input_full = false;
        run_send_input (r);
        break;
    case DROVER_EVENT_RESULT:
        on_result (r, event->result);
        break;
    case DROVER_EVENT_NOTICE:
        on_notice (r, event->notice);
        break;
    case DROVER_EVENT_REPLY:
        if (event->ref == r->state_ref)
            on_state (r, event);
        break;
    case DROVER_EVENT_END:
        run_trouble (r, event->end->reason[0] ? event->end->reason : "the task has no outcome");
        break;
    case DROVER_EVENT_REFUSED:
        if (event->batch == r->batch)
            run_trouble (r, event->refused->text);
        break;
    case DROVER_EVENT_LOST:
        run_trouble (r, event->refused->text);
        break;
    default:
        break;
    }
}

/* --- the loop --- */

static void take_events (struct run *r)
{
    const drover_event_t *event;
    drover_error_t e = {0};
    int got = 0;

    while (!r->over && (got = drover_next (r->h, 0, &event, &e)) == 1)
        on_event (r, event);
    if (got < 0)
        run_trouble (r, e.text);
}

static void loop (struct run *r)
{
    while (!r->over) {
        struct pollfd fds[3] = {{.fd = drover_fd (r->h), .events = POLLIN},
                                {.fd = r->signals.fd, .events = POLLIN},
                                {.fd = -1, .events = POLLIN}};

        take_events (r);
        if (r->over)
            return;
        run_flush (r);
        if (run_wants_input (r))
            fds[2].fd = STDIN_FILENO;
        if (poll (fds, 3, -1) < 0)
            continue;
        if (fds[1].revents)
            on_signals (r);
        if (fds[2].revents)
            run_read_input (r);
    }
}

/* --- before and after --- */

static drover_spec_t *run_spec (const struct run_opts *o, struct err *e)
{
    drover_spec_t *spec = o->function ? drover_spec_new_function (o->function)
                                      : drover_spec_new_argv ((const char *const *)o->words);

    if (!spec) {
        err_set (e, ENOMEM, "no memory");
        return NULL;
    }
    if (!o->function)
        drover_spec_flags (spec, DROVER_SPEC_LIVE_OUTPUT | DROVER_SPEC_LIVE_INPUT);
    if (task_dress (spec, &o->task, e) < 0)
        drover_spec_free (&spec);
    return spec;
}

static int add_task (struct run *r, int spec, drover_error_t *e)
{
    const struct run_opts *o = r->opts;
    size_t count = o->function ? o->count : 0;
    drover_bytes_t *values = mem_resize (NULL, count + 1, sizeof *values);
    int64_t row;

    for (size_t i = 0; i < count; i++)
        values[i] = (drover_bytes_t){o->words[i], strlen (o->words[i])};
    row = drover_batch_add (r->batch, spec, values, count, e);
    free (values);
    return row < 0 ? -1 : 0;
}

static int open_task (struct run *r, const drover_spec_t *spec)
{
    drover_batch_options_t options = {.name = r->opts->words[0],
                                      .flags = DROVER_AT_MOST_ONCE |
                                               (r->opts->function ? 0 : DROVER_INPUT),
                                      .deadline_ms = r->opts->deadline_ms};
    struct afters after;
    drover_error_t e = {0};
    int number;

    if (batches_run_after (&r->opts->session, r->h, &r->opts->after, &after, &options) < 0)
        return -1;
    r->deadline_us = CLOCK_NEVER;
    if (r->opts->deadline_ms)
        r->deadline_us = clock_mono_us () + (int64_t)r->opts->deadline_ms * US_PER_MS;
    r->batch = drover_batch_open (r->h, &options, &e);
    number = r->batch ? drover_batch_add_spec (r->batch, spec, &e) : -1;
    if (number < 0 || add_task (r, number, &e) < 0 || drover_batch_close (r->batch, &e) < 0)
        return session_error (&r->opts->session, &e, -1);
    return 0;
}

static int run_task (const struct run_opts *o, const drover_spec_t *spec)
{
    struct run r = {.opts = o, .status = STATUS_TROUBLE, .input_ended = o->function != NULL};
    struct err e;

    r.h = session_open (&o->session, NULL);
    if (!r.h)
        return STATUS_TROUBLE;
    if (signals_open (&r.signals, wanted_signals, &e) < 0) {
        say (command, "%s", e.text);
    } else if (open_task (&r, spec) == 0) {
        sink_init (&r.out, STDOUT_FILENO, r.signals.fd, on_signals, &r);
        sink_init (&r.err, STDERR_FILENO, r.signals.fd, on_signals, &r);
        loop (&r);
    }
    drover_close (&r.h);
    signals_close (&r.signals);
    return r.status;
}

enum {
    OPT_CPUS = SESSION_OPT_OWN,
    OPT_TIMEOUT,
    OPT_GRACE,
    OPT_CANCEL_FD,
    OPT_DEADLINE,
    OPT_FUNCTION,
    OPT_AFTER
};

static const struct option options[] = {SESSION_OPTIONS,
                                        {"cpus", required_argument, NULL, OPT_CPUS},
                                        {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                        {"grace", required_argument, NULL, OPT_GRACE},
                                        {"cancel-fd", no_argument, NULL, OPT_CANCEL_FD},
                                        {"deadline", required_argument, NULL, OPT_DEADLINE},
                                        {"function", required_argument, NULL, OPT_FUNCTION},
                                        {"after", required_argument, NULL, OPT_AFTER},
                                        {NULL, 0, NULL, 0}};

static int take_option (struct run_opts *o, int opt)
{
    struct err e;

    if (opt == OPT_FUNCTION)
        o->function = optarg;
    if (opt == OPT_CANCEL_FD)
        o->task.cancel_fd = true;
    if (opt == OPT_CPUS && task_parse_cpus (optarg, &o->task.cpus, &e) < 0)
        return say_usage (command, "--cpus: %s", e.text);
    if (opt == OPT_TIMEOUT && duration_ms (optarg, &o->task.timeout_ms, &e) < 0)
        return say_usage (command, "--timeout: %s", e.text);
    if (opt == OPT_GRACE && grace_duration_ms (optarg, &o->task.grace_ms, &e) < 0)
        return say_usage (command, "--grace: %s", e.text);
    if (opt == OPT_DEADLINE && duration_ms (optarg, &o->deadline_ms, &e) < 0)
        return say_usage (command, "--deadline: %s", e.text);
    if (opt == OPT_AFTER && afters_parse (&o->after, optarg, &e) < 0)
        return say_usage (command, "--after: %s", e.text);
    return 0;
}

int cmd_run (int argc, char **argv)
{
    struct run_opts o = {.session = {.command = command}};
    drover_spec_t *spec;
    struct err e;
    int opt, status;

    task_opts_init (&o.task);
    while ((opt = session_getopt (&o.session, argc, argv, "+:", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?' || take_option (&o, opt) != 0)
            return STATUS_TROUBLE;
    }
    o.words = argv + optind;
    o.count = (size_t)(argc - optind);
    if (o.count == 0 && !o.function) {
        say_usage (command, "what shall be run? As in: drover run -- make check");
        return STATUS_TROUBLE;
    }
    if (o.function && o.task.cancel_fd) {
        say_usage (command, "--cancel-fd is for programs: a function asks drover_cancelled()");
        return STATUS_TROUBLE;
    }
    o.session.slots = o.task.cpus > 1 ? o.task.cpus : 1;
    spec = run_spec (&o, &e);
    if (!spec) {
        say (command, "%s", e.text);
        return STATUS_TROUBLE;
    }
    status = run_task (&o, spec);
    drover_spec_free (&spec);
    return status;
}
