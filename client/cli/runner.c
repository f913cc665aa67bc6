/* runner: one attached batch; see runner.h. */
#include "client/cli/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/json_out.h"
#include "client/cli/places.h"
#include "client/cli/printer.h"
#include "client/cli/rowfile.h"
#include "client/cli/say.h"
#include "client/cli/signals.h"
#include "client/cli/summary.h"
#include "common/base/clock.h"

#define PENDING_ROWS 65536               /* unfinished rows at one time */
#define BEHIND_ROWS 65536                /* in order: rows from the first unprinted one */
#define PENDING_BYTES ((size_t)16 << 20) /* of values to be printed with their outcomes */
#define FEED_TURN 4096                   /* rows taken from the input in one turn */
#define EVENT_TURN 1024                  /* events handled in one turn */
#define STAGE_NAME_MAX 256

static const int wanted_signals[] = {SIGINT, SIGTERM, SIGHUP, 0};

enum feeding { FEED_MORE, FEED_BLOCKED, FEED_ENDED };

struct runner {
    const struct runner_opts *opts;
    drover_t *h;
    drover_batch_t *batch;
    int spec;
    struct signals *signals;
    struct printer printer;
    struct summary summary;
    struct rowfile *kept; /* rows, to be run again for --compare; NULL: they are not */
    bool again;           /* this is that run: one after another, and nothing is printed */
    enum feeding feeding;
    int interrupts;      /* signals that came */
    bool hung_up;        /* by HUP: nothing is started any more */
    bool cut;            /* ... and there was more input */
    bool cancelled;      /* by us */
    bool silent;         /* nothing is printed any more */
    bool pipe_closed;    /* the reader of stdout went away */
    bool trouble;        /* said, and worth STATUS_FOREACH */
    bool refused;        /* and that was said */
    bool over;           /* nothing will come any more, or nobody waits for it */
    uint64_t failed;     /* tasks that are not done, but for those that HUP left unstarted */
    uint64_t ended;      /* tasks that have an outcome of their own */
    int64_t started_us;  /* monotonic */
    int64_t first_us;    /* when the first row came; 0: none did */
    uint64_t starved_us; /* since then: the input had nothing, and slots were free */
};

static const char *command_of (const struct runner *r)
{
    return r->opts->session.command;
}

static void runner_trouble (struct runner *r, const char *text)
{
    say (command_of (r), "%s", text);
    r->trouble = true;
}

static void end_feeding (struct runner *r)
{
    if (r->feeding != FEED_ENDED)
        drover_batch_close (r->batch, NULL);
    r->feeding = FEED_ENDED;
}

/* No more rows, and those there are end. Again with kill: at once. */
static void runner_cancel (struct runner *r, const char *reason, bool kill)
{
    drover_cancel_options_t options = {.kill = kill, .reason = reason};

    end_feeding (r);
    if (!r->cancelled || kill)
        drover_batch_cancel (r->batch, &options, NULL);
    r->cancelled = true;
    drover_flush (r->h);
}

/* No more rows, and of those there are, only what runs goes on. */
static void hang_up (struct runner *r)
{
    drover_cancel_options_t options = {.unstarted = 1, .reason = "not started: hung up"};

    if (r->hung_up || r->cancelled)
        return;
    say (command_of (r), "hung up: nothing more is started, what runs goes on to its end; TERM "
                         "ends it");
    r->hung_up = true;
    r->cut = r->feeding != FEED_ENDED;
    end_feeding (r);
    drover_batch_cancel (r->batch, &options, NULL);
    drover_flush (r->h);
}

/* Returns other than 0 when it is time to leave: also for a sink that waits. */
static int on_signals (void *arg)
{
    struct runner *r = arg;
    int signo;

    while ((signo = signals_take (r->signals)) != 0) {
        if (signo == SIGHUP) {
            hang_up (r);
            continue;
        }
        r->interrupts++;
        runner_cancel (r, "interrupted", r->interrupts > 1);
    }
    r->over = r->over || r->interrupts > 1;
    return r->interrupts > 1;
}

/* Output that cannot be written, or read again. */
static void on_output_error (struct runner *r, const drover_error_t *e)
{
    int code = r->printer.out.error ? r->printer.out.error : r->printer.err.error;

    if (r->silent || code == ECANCELED)
        return;
    r->silent = true;
    if (code == EPIPE)
        r->pipe_closed = true;
    else
        runner_trouble (r, e->text);
    runner_cancel (r, "the reader of the output went away", false);
}

/* Of an item that went through several stages its work is that of all. */
static void add_figures (struct runner *r, const drover_result_t *result)
{
    drover_result_t whole = *result;

    for (const drover_result_t *b = result->before; b; b = b->before) {
        whole.start_us = b->start_us;
        whole.wall_us += b->wall_us;
        whole.user_us += b->user_us;
        whole.sys_us += b->sys_us;
    }
    summary_add (&r->summary, &whole);
}

static void on_result (struct runner *r, const drover_result_t *result)
{
    drover_error_t e = {0};
    bool done = result->how == DROVER_DONE;

    add_figures (r, result);
    r->failed += !done && !(r->hung_up && result->how == DROVER_CANCELLED);
    r->ended += result->how != DROVER_CANCELLED && result->how != DROVER_BROKER_LOST;
    r->printer.batch = drover_batch_id (r->batch);
    if (!r->silent && printer_result (&r->printer, result, &e) < 0)
        on_output_error (r, &e);
}

static void broken (struct runner *r, const char *why)
{
    say (command_of (r), "%s; %" PRIu64 " of %" PRIu64 " tasks had ended", why, r->ended,
         drover_batch_rows (r->batch));
    r->trouble = true;
}

static void on_end (struct runner *r, const drover_end_t *end)
{
    drover_error_t e = {0};

    r->over = true;
    if (!r->silent && printer_rest (&r->printer, &e) < 0)
        on_output_error (r, &e);
    if (end->state == DROVER_BATCH_BROKEN && !(r->refused && !r->ended))
        broken (r, end->reason[0] ? end->reason : "the batch ended before its time");
    else if (end->state == DROVER_BATCH_CANCELLED && !r->cancelled && !r->hung_up)
        say (command_of (r), "the batch was cancelled%s%s", end->reason[0] ? ": " : "",
             end->reason);
}

/* On a broker of our own there are no other workers to wait for. */
static void on_notice (struct runner *r, const drover_notice_t *n)
{
    bool hopeless = n->code == DROVER_NOTE_TASK_TOO_BIG || n->code == DROVER_NOTE_NO_FUNCTION;

    if (!hopeless || !drover_is_private (r->h)) {
        session_notice (&r->opts->session, n);
        return;
    }
    runner_trouble (r, n->text);
    runner_cancel (r, n->text, false);
}

static void on_event (struct runner *r, const drover_event_t *event)
{
    if (event->kind == DROVER_EVENT_NOTICE) {
        on_notice (r, event->notice);
    } else if (event->kind == DROVER_EVENT_LOST) {
        runner_trouble (r, event->refused->text);
        r->over = true;
    } else if (event->batch != r->batch) {
        return;
    } else if (event->kind == DROVER_EVENT_RESULT) {
        on_result (r, event->result);
    } else if (event->kind == DROVER_EVENT_END) {
        on_end (r, event->end);
    } else if (event->kind == DROVER_EVENT_REFUSED) {
        r->refused = true;
        runner_trouble (r, event->refused->text);
        runner_cancel (r, "refused", false);
    }
}

/* --- rows --- */

static int err_of (struct err *e, const drover_error_t *from)
{
    return err_set (e, EINVAL, "%s", from->text);
}

/* Called for each row that was added; other than 0 stops. */
typedef int added_fn (struct runner *r, int64_t row, const drover_bytes_t *values, size_t count);

unsigned runner_flags (const struct runner_opts *o)
{
    return o->order_by ? DROVER_ORDERED : 0;
}

static int64_t add_row (const struct runner_opts *o, drover_batch_t *batch, int spec,
                        const drover_bytes_t *values, size_t count, drover_error_t *e)
{
    const char *text;
    size_t len;

    if (!o->order_by)
        return drover_batch_add (batch, spec, values, count, e);
    if (drover_command_expand (o->order_by, values, count, drover_batch_rows (batch) + 1, 1, &text,
                               &len, e) < 0)
        return -1;
    return drover_batch_add_keyed (batch, spec, (drover_bytes_t){text, len}, values, count, e);
}

/* Rows from the input to the batch, at most `most`: as runner_feed(), and 1: there may be more. */
static int take_rows (const struct runner_opts *o, drover_batch_t *batch, int spec, uint64_t most,
                      struct runner *r, added_fn *added, struct err *e)
{
    uint64_t room = drover_batch_room (batch);
    const drover_bytes_t *values;
    drover_error_t why = {0};
    size_t count;

    if (room == 0)
        return 3;
    for (uint64_t n = room < most ? room : most; n > 0; n--) {
        int got = o->next (o->arg, &values, &count, e);
        int64_t row;

        if (got == 0 && drover_batch_close (batch, &why) < 0)
            return err_of (e, &why);
        if (got != 1)
            return got;
        row = add_row (o, batch, spec, values, count, &why);
        if (row < 0 && why.code == DROVER_ETOOBIG)
            return err_set (e, E2BIG, "task %" PRIu64 ": %s", drover_batch_rows (batch) + 1,
                            why.text);
        if (row < 0)
            return err_of (e, &why);
        if (added && added (r, row, values, count) != 0)
            return err_set (e, ENOMEM, "no memory for the values of task %" PRId64, row + 1);
    }
    return 1;
}

int runner_feed (const struct runner_opts *o, drover_batch_t *batch, int spec, struct err *e)
{
    return take_rows (o, batch, spec, FEED_TURN, NULL, NULL, e);
}

/* Rows that are to run again. Where they cannot be kept, what runs goes on: only nothing is
 * compared. */
static void keep_row (struct runner *r, const drover_bytes_t *values, size_t count)
{
    struct err e;

    if (!r->kept || rowfile_add (r->kept, values, count, &e) == 0)
        return;
    say (command_of (r), "%s: nothing will be compared", e.text);
    rowfile_free (&r->kept);
}

static int remember (struct runner *r, int64_t row, const drover_bytes_t *values, size_t count)
{
    if (row == 0)
        r->first_us = clock_mono_us ();
    keep_row (r, values, count);
    return printer_values (&r->printer, (uint64_t)row, values, count);
}

/* As many rows as may be added before what is remembered of them takes too much memory. */
static uint64_t rows_allowed (struct runner *r)
{
    uint64_t behind = printer_behind (&r->printer, drover_batch_rows (r->batch));

    if (behind >= BEHIND_ROWS)
        return 0;
    if (printer_bytes (&r->printer) >= PENDING_BYTES)
        return drover_batch_pending (r->batch) == 0 ? 1 : 0;
    return BEHIND_ROWS - behind < FEED_TURN ? BEHIND_ROWS - behind : FEED_TURN;
}

/* Returns 1 if there is more to be taken at once. */
static int feed (struct runner *r)
{
    uint64_t most = rows_allowed (r);
    struct err e;
    int got;

    if (r->feeding == FEED_ENDED || most == 0)
        return 0;
    r->feeding = FEED_MORE;
    got = take_rows (r->opts, r->batch, r->spec, most, r, remember, &e);
    if (got == 2)
        r->feeding = FEED_BLOCKED;
    if (got == 0)
        r->feeding = FEED_ENDED;
    if (got < 0) {
        runner_trouble (r, e.text);
        drover_batch_close (r->batch, NULL);
        r->feeding = FEED_ENDED;
    }
    return got == 1;
}

/* --- the loop --- */

/* Returns 1 if there may be more events at once. */
static int take_events (struct runner *r)
{
    const drover_event_t *event;
    drover_error_t e = {0};
    int got;

    for (int n = 0; n < EVENT_TURN; n++) {
        if (r->over)
            return 0;
        got = drover_next (r->h, 0, &event, &e);
        if (got < 0) {
            runner_trouble (r, e.text);
            r->over = true;
        }
        if (got <= 0)
            return 0;
        on_event (r, event);
    }
    return 1;
}

/* Does it wait for the input, and not for tasks? */
static bool is_starved (const struct runner *r)
{
    uint64_t busy = r->opts->session.slots ? r->opts->session.slots : 1;

    return r->feeding == FEED_BLOCKED && r->first_us && drover_batch_pending (r->batch) < busy;
}

static void wait_for_more (struct runner *r)
{
    struct pollfd fds[3] = {{.fd = drover_fd (r->h), .events = POLLIN},
                            {.fd = r->signals->fd, .events = POLLIN},
                            {.fd = -1, .events = POLLIN}};
    drover_error_t e = {0};
    bool starved = is_starved (r);
    int64_t from = starved ? clock_mono_us () : 0;
    int ready;

    if (!r->silent && printer_flush (&r->printer) < 0) {
        snprintf (e.text, sizeof e.text, "cannot write the output: %s",
                  strerror (r->printer.out.error ? r->printer.out.error : r->printer.err.error));
        on_output_error (r, &e);
        return;
    }
    if (r->feeding == FEED_BLOCKED && r->opts->input_fd)
        fds[2].fd = r->opts->input_fd (r->opts->arg);
    ready = poll (fds, 3, -1);
    if (starved)
        r->starved_us += (uint64_t)(clock_mono_us () - from);
    if (ready > 0 && fds[1].revents)
        on_signals (r);
}

static void loop (struct runner *r)
{
    while (!r->over) {
        int more = feed (r);

        more |= take_events (r);
        if (r->over)
            break;
        if (!more)
            wait_for_more (r);
        else
            on_signals (r);
    }
}

/* --- before and after --- */

/* Complete the figures: times, and what there is to run tasks with. Slots stay 0 where the broker
 * does not say, or the tasks take none. */
static void finish_figures (struct runner *r)
{
    const struct runner_opts *o = r->opts;
    bool private = drover_is_private (r->h);
    int64_t now = clock_mono_us ();
    drover_worth_t *w = &r->summary.worth;
    struct places places = {0};
    drover_error_t e;

    r->summary.wall_us = (uint64_t)(now - r->started_us);
    w->wall_us = r->first_us ? (uint64_t)(now - r->first_us) : 0;
    w->starved_us = r->starved_us;
    w->shared = !private;
    w->functions = o->functions;
    w->values = o->values;
    w->asked = o->asked;
    if (places_ask (r->h, &places, &e) < 0)
        return;
    w->cores = places.cores;
    if (private && o->session.slots)
        places.slots = o->session.slots;
    w->slots = o->cpus ? places.slots / o->cpus : 0;
    if (!private && o->jobs > 0 && o->jobs < w->slots)
        w->slots = o->jobs;
}

static bool says_summary (const struct runner *r)
{
    return (r->opts->summary || r->opts->compare) && !r->trouble && r->interrupts < 2 &&
           !r->pipe_closed && !r->again;
}

static void report (struct runner *r)
{
    char line[400];

    if (!r->again && (r->interrupts > 0 || r->hung_up))
        say (command_of (r), "%s: %" PRIu64 " of %" PRIu64 " tasks had ended%s",
             r->interrupts ? "interrupted" : "hung up", r->ended, drover_batch_rows (r->batch),
             r->cut ? ", and there was more input" : "");
    if (!says_summary (r))
        return;
    finish_figures (r);
    if (!r->opts->summary || r->opts->summary_json)
        return;
    summary_print (&r->summary, line, sizeof line);
    say (NULL, "%s", line);
}

/* What comes behind the summary, and behind the run that it is compared with (NULL: there was
 * none). */
static void report_worth (struct runner *r, const struct summary *sequential)
{
    char line[400];
    json_t *object;

    if (!says_summary (r))
        return;
    if (r->opts->summary_json) {
        object = json_new ();
        json_object_set_new (object, "summary", summary_json (&r->summary, sequential));
        json_print (object);
        return;
    }
    if (sequential) {
        summary_compare (&r->summary, sequential, line, sizeof line);
        say (NULL, "%s", line);
        if (summary_differ (&r->summary, sequential, line, sizeof line) > 0)
            say (NULL, "%s", line);
    }
    if (r->opts->summary && r->opts->stage_count == 0 &&
        summary_advice (&r->summary, line, sizeof line) > 0)
        say (NULL, "%s", line);
}

static int status_of (const struct runner *r)
{
    if (r->trouble || r->interrupts > 0)
        return STATUS_FOREACH;
    if (r->pipe_closed)
        return STATUS_PIPE;
    if (r->hung_up && r->failed == 0 && (r->cut || r->ended < drover_batch_rows (r->batch)))
        return STATUS_FOREACH; /* not all was done, though nothing failed */
    return r->failed > 100 ? 101 : (int)r->failed;
}

/* 0: as many as there are slots. A private worker has as many as are wanted. */
static unsigned tasks_at_once (const struct runner *r)
{
    if (r->again)
        return 1;
    return drover_is_private (r->h) && r->opts->stage_count == 0 ? 0 : r->opts->jobs;
}

/* All of what the first one has that is not said of each. */
static int open_stage (struct runner *r, size_t i, const drover_batch_options_t *first)
{
    const struct runner_stage *st = &r->opts->stages[i];
    drover_batch_options_t options = {.jobs = st->jobs, .deadline_ms = first->deadline_ms};
    char name[STAGE_NAME_MAX];
    drover_error_t e;

    snprintf (name, sizeof name, "%.200s (stage %zu)", first->name ? first->name : "", i + 2);
    options.name = name;
    retrying_apply (&st->retrying, &options);
    return drover_batch_then (r->batch, st->spec, &options, &e) < 0
               ? session_error (&r->opts->session, &e, -1)
               : 0;
}

static int open_batch (struct runner *r)
{
    drover_batch_options_t options = {.name = r->opts->name,
                                      .flags = runner_flags (r->opts),
                                      .jobs = tasks_at_once (r),
                                      .priority = r->opts->priority,
                                      .deadline_ms = r->opts->deadline_ms,
                                      .max_pending = PENDING_ROWS};
    drover_error_t e;

    retrying_apply (&r->opts->retrying, &options);
    afters_apply (r->opts->after, &options);
    r->batch = drover_batch_open (r->h, &options, &e);
    if (!r->batch)
        return session_error (&r->opts->session, &e, -1);
    r->spec = drover_batch_add_spec (r->batch, r->opts->spec, &e);
    if (r->spec < 0)
        return session_error (&r->opts->session, &e, -1);
    for (size_t i = 0; i < r->opts->stage_count; i++)
        if (open_stage (r, i, &options) < 0)
            return -1;
    return 0;
}

/* Run the rows to their end. The session is open; 0, or -1: there is no batch. */
static int run_batch (struct runner *r)
{
    const struct runner_opts *o = r->opts;
    struct printer_opts printing = {.command = o->session.command,
                                    .keep_order = o->keep_order,
                                    .json = o->session.json,
                                    .quiet = o->session.quiet,
                                    .places = !drover_is_private (r->h),
                                    .stages = o->stage_count ? (unsigned)o->stage_count + 1 : 0,
                                    .tag = o->tag};

    printer_init (&r->printer, &printing, r->signals->fd, on_signals, r);
    summary_init (&r->summary);
    if (open_batch (r) < 0)
        return -1;
    loop (r);
    report (r);
    return 0;
}

static void end_batch (struct runner *r)
{
    drover_batch_free (&r->batch);
    printer_fini (&r->printer);
    summary_fini (&r->summary);
}

/* --- --compare --- */

/* Is there something to compare? What was cut short says nothing. */
static bool can_compare (const struct runner *r)
{
    return r->kept && r->summary.worth.tasks > 0 && !r->trouble && !r->interrupts && !r->hung_up &&
           !r->silent && r->summary.cancelled == 0;
}

static uint64_t measured_us (const struct summary *s)
{
    return s->worth.wall_us > s->worth.starved_us ? s->worth.wall_us - s->worth.starved_us : 1;
}

/* The rows of `r` once more, one after another, on the same workers. Returns whether all of them
 * ran; it is said where not. */
static bool run_again (struct runner *r, struct runner *again)
{
    struct err e;

    if (rowfile_rewind (r->kept, &e) < 0) {
        say (command_of (r), "%s: nothing is compared", e.text);
        return false;
    }
    if (r->opts->summary && isatty (STDERR_FILENO))
        say (command_of (r), "now the same one after another, for --compare");
    if (run_batch (again) < 0)
        return false;
    finish_figures (again);
    if (again->trouble)
        return false;
    if (again->interrupts || again->hung_up || again->summary.cancelled) {
        say (command_of (r),
             "the run one after another was ended after %" PRIu64 " of %" PRIu64
             " tasks: nothing is compared",
             again->ended, r->summary.worth.tasks);
        return false;
    }
    return true;
}

/* Returns 1 when the user interrupted it. */
static int compare (struct runner *r)
{
    struct runner_opts o = *r->opts;
    struct runner again = {.opts = &o,
                           .h = r->h,
                           .signals = r->signals,
                           .again = true,
                           .silent = true,
                           .started_us = clock_mono_us ()};
    int interrupted;

    o.session.quiet = true;
    o.session.json = false;
    o.next = rowfile_next;
    o.arg = r->kept;
    o.input_fd = NULL;
    o.keep_order = false;
    o.tag = NULL;
    if (run_again (r, &again)) {
        again.summary.measured_us = measured_us (&again.summary);
        r->summary.measured_us = measured_us (&r->summary);
        r->summary.worth.sequential_us = again.summary.measured_us;
        r->summary.worth.parallel_us = r->summary.measured_us;
        report_worth (r, &again.summary);
    } else if (!again.interrupts) {
        report_worth (r, NULL);
    }
    interrupted = again.interrupts > 0;
    end_batch (&again);
    return interrupted;
}

static int run_both (struct runner *r)
{
    int status = STATUS_FOREACH;
    struct err e;

    if (r->opts->compare) {
        r->kept = rowfile_new (&e);
        if (!r->kept) {
            say (command_of (r), "%s", e.text);
            return status;
        }
    }
    if (run_batch (r) == 0) {
        status = status_of (r);
        if (!can_compare (r))
            report_worth (r, NULL);
        else if (compare (r))
            status = STATUS_FOREACH;
    }
    end_batch (r);
    rowfile_free (&r->kept);
    return status;
}

int runner_run (const struct runner_opts *o)
{
    struct signals signals = {.fd = -1};
    struct runner r = {.opts = o, .signals = &signals, .started_us = clock_mono_us ()};
    int status = STATUS_FOREACH;
    struct err e;

    r.h = session_open (&o->session, NULL);
    if (!r.h)
        return status;
    /* From here on: before, Ctrl-C ends the program as any other, and what the session starts
     * (a private broker) does not inherit blocked signals. */
    if (signals_open (&signals, wanted_signals, &e) < 0)
        say (o->session.command, "%s", e.text);
    else
        status = run_both (&r);
    drover_close (&r.h);
    signals_close (&signals);
    return status;
}
