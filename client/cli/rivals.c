/* rivals: tasks of which one success is enough; see rivals.h. */
#include "client/cli/rivals.h"
#include "client/cli/batches.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/json_out.h"
#include "client/cli/lines.h"
#include "client/cli/printer.h"
#include "client/cli/rivals_report.h"
#include "client/cli/say.h"
#include "client/cli/signals.h"
#include "client/cli/summary.h"
#include "common/base/clock.h"

#define KEEP_BYTES ((uint64_t)16 << 20) /* of each stream, of what a broker is to keep */
#define SYNC_STEP_MS 200                /* how often a signal is looked for at the end */
#define AGAIN_US US_PER_S               /* before what was refused for now is asked again */
#define REASON_MAX 256

static const int wanted_signals[] = {SIGINT, SIGTERM, SIGHUP, 0};

struct rivals {
    const struct rivals_opts *opts;
    struct runner_opts run;
    struct joblist list;
    drover_t *h;
    drover_batch_t *batch;
    int spec;
    struct signals signals;
    struct printer printer;
    struct summary summary;
    struct rivals_report report;
    char worker[80];     /* where the winner ran */
    uint64_t fed;        /* tasks that the broker was given */
    uint64_t ended;      /* of them, before there was a winner */
    uint64_t late;       /* of these, over their time limit */
    int64_t started_us;  /* monotonic */
    int64_t won_us;      /* likewise */
    uint64_t cancel_ref; /* of the cancellation that is waited for; 0: none */
    bool kill;           /* at once */
    char reason[REASON_MAX + 1];
    int64_t again_us; /* it was refused for now, and is asked again then; or CLOCK_NEVER */
    bool told_again;  /* said */
    int interrupts;   /* signals that came */
    bool detached;
    bool closed;
    bool cancelled;   /* by us */
    bool finished;    /* the batch is over */
    bool pipe_closed; /* the reader of stdout went away */
    bool trouble;     /* said */
    bool over;        /* nothing is waited for any more */
};

static const char *command_of (const struct rivals *r)
{
    return r->run.session.command;
}

static void in_trouble (struct rivals *r, const char *text)
{
    say (command_of (r), "%s", text);
    r->trouble = true;
}

static void close_batch (struct rivals *r)
{
    if (!r->closed)
        drover_batch_close (r->batch, NULL);
    r->closed = true;
}

static void ask_cancel (struct rivals *r)
{
    drover_cancel_options_t options = {.kill = r->kill, .reason = r->reason};
    uint64_t ref = drover_batch_cancel (r->batch, &options, NULL);

    r->cancel_ref = ref ? ref : r->cancel_ref;
    r->again_us = CLOCK_NEVER;
    drover_flush (r->h);
}

/* Whatever has not ended ends. Again with kill: at once. */
static void cancel_rest (struct rivals *r, const char *reason, bool kill)
{
    close_batch (r);
    if (r->cancelled && !kill)
        return;
    r->cancelled = true;
    r->kill = kill;
    snprintf (r->reason, sizeof r->reason, "%s", reason);
    ask_cancel (r);
}

/* Returns other than 0 when it is time to leave: also for a sink that waits. */
static int on_signals (void *arg)
{
    struct rivals *r = arg;

    while (signals_take (&r->signals) != 0) {
        r->interrupts++;
        cancel_rest (r, "interrupted", r->cancelled);
    }
    r->over = r->over || r->interrupts > 1;
    return r->interrupts > 1;
}

static void on_output_error (struct rivals *r, const drover_error_t *e)
{
    int code = r->printer.out.error ? r->printer.out.error : r->printer.err.error;

    if (code == ECANCELED)
        return;
    if (code == EPIPE)
        r->pipe_closed = true;
    else
        in_trouble (r, e->text);
}

/* --- outcomes --- */

/* The others are not wanted any more, or go on: what becomes of them. */
static void leave_rest (struct rivals *r)
{
    char reason[80];

    if (r->report.others == 0 || r->opts->keep_rest) {
        r->report.gone = r->report.others == 0;
        close_batch (r);
        return;
    }
    snprintf (reason, sizeof reason, "task %" PRIu64 " was first", r->report.winner);
    cancel_rest (r, reason, false);
}

static void win (struct rivals *r, const drover_result_t *result)
{
    drover_error_t e = {0};

    r->won_us = clock_mono_us ();
    r->report.winner = result->row + 1;
    r->report.won_us = (uint64_t)(r->won_us - r->started_us);
    r->report.failed = r->ended;
    r->report.others = r->fed - r->ended - 1;
    if (!drover_is_private (r->h))
        snprintf (r->worker, sizeof r->worker, "%s",
                  result->worker[0] ? result->worker : result->host);
    leave_rest (r); /* first: whoever reads our output may be slow */
    r->printer.batch = drover_batch_id (r->batch);
    if (printer_result (&r->printer, result, &e) < 0 || printer_flush (&r->printer, &e) < 0)
        on_output_error (r, &e);
}

static void on_result (struct rivals *r, const drover_result_t *result)
{
    summary_add (&r->summary, result);
    if (r->report.winner || r->interrupts > 0)
        return;
    if (result->how == DROVER_DONE) {
        win (r, result);
        return;
    }
    r->ended++;
    r->late += result->how == DROVER_TIMEOUT;
    if (pending_keep (&r->printer.pending, result) < 0)
        in_trouble (r, "no memory for the output of a task");
    if (r->ended == r->list.count)
        close_batch (r);
}

static void on_end (struct rivals *r, const drover_end_t *end)
{
    r->finished = true;
    if (r->again_us != CLOCK_NEVER && end->state != DROVER_BATCH_BROKEN)
        ask_cancel (r); /* it is answered at once */
    r->again_us = CLOCK_NEVER;
    if (end->state == DROVER_BATCH_BROKEN)
        in_trouble (r, end->reason[0] ? end->reason : "the batch ended before its time");
    else if (end->state == DROVER_BATCH_CANCELLED && !r->cancelled)
        say (command_of (r), "the batch was cancelled%s%s", end->reason[0] ? ": " : "",
             end->reason);
}

static void on_notice (struct rivals *r, const drover_notice_t *n)
{
    if (!session_is_hopeless (r->h, n)) {
        session_notice (&r->run.session, n);
        return;
    }
    in_trouble (r, n->text);
    cancel_rest (r, n->text, false);
}

/* The losers' processes are gone, says the broker, which heard it from their workers. */
static void on_gone (struct rivals *r)
{
    if (!r->report.winner || r->report.gone)
        return;
    r->report.gone = true;
    r->report.gone_us = (uint64_t)(clock_mono_us () - r->won_us);
}

/* They run on: the broker has no room to write that they are to end, or too much to answer. */
static void on_refusal (struct rivals *r, const char *why)
{
    r->again_us = clock_mono_us () + AGAIN_US;
    if (!r->told_again && !r->run.session.quiet)
        say (command_of (r), "the broker cannot cancel the tasks now (%s); trying again", why);
    r->told_again = true;
}

static void on_reply (struct rivals *r, const drover_event_t *event)
{
    int code = event->reply->code;

    if (event->ref == 0 || event->ref != r->cancel_ref)
        return;
    r->cancel_ref = 0;
    if (code == DROVER_OK || code == DROVER_EUNKNOWN)
        on_gone (r);
    else if (code != DROVER_ELOST) /* then the end of the batch says so */
        on_refusal (r, event->reply->text);
}

static void on_event (struct rivals *r, const drover_event_t *event)
{
    if (event->kind == DROVER_EVENT_NOTICE) {
        on_notice (r, event->notice);
    } else if (event->kind == DROVER_EVENT_LOST) {
        in_trouble (r, event->refused->text);
        r->over = true;
    } else if (event->kind == DROVER_EVENT_REPLY) {
        on_reply (r, event);
    } else if (event->batch != r->batch) {
        return;
    } else if (event->kind == DROVER_EVENT_RESULT) {
        on_result (r, event->result);
    } else if (event->kind == DROVER_EVENT_END) {
        on_end (r, event->end);
    } else if (event->kind == DROVER_EVENT_REFUSED) {
        in_trouble (r, event->refused->text);
        cancel_rest (r, "refused", false);
    }
}

/* --- the loop --- */

/* All that fit, or, in turn, the next one when the one before it has ended. */
static void feed (struct rivals *r)
{
    const drover_bytes_t *values;
    drover_error_t e = {0};
    size_t count;

    while (!r->closed && !(r->opts->in_turn && r->fed > r->ended) &&
           drover_batch_room (r->batch) > 0 &&
           joblist_next (&r->list, &values, &count, NULL) == 1) {
        if (drover_batch_add (r->batch, r->spec, values, count, &e) < 0 ||
            printer_values (&r->printer, r->fed, values, count) < 0) {
            in_trouble (r, e.text[0] ? e.text : "no memory for the values of a task");
            cancel_rest (r, "not all tasks could be started", false);
            return;
        }
        r->fed++;
    }
}

static void take_events (struct rivals *r)
{
    const drover_event_t *event;
    drover_error_t e = {0};
    int got = 0;

    while (!r->over && (got = drover_next (r->h, 0, &event, &e)) == 1) {
        on_event (r, event);
        feed (r);
    }
    if (got < 0)
        in_trouble (r, e.text);
    r->over =
        r->over || got < 0 || (r->finished && r->cancel_ref == 0 && r->again_us == CLOCK_NEVER);
}

/* The broker has it all, and keeps it without us. */
static void hand_over (struct rivals *r)
{
    drover_error_t e = {0};

    while (!r->over && drover_sync (r->h, SYNC_STEP_MS, &e) < 0) {
        on_signals (r);
        if (e.code != DROVER_ETIME) {
            in_trouble (r, e.text);
            r->over = true;
        }
    }
    r->over = true;
}

static void loop (struct rivals *r)
{
    feed (r);
    while (!r->over) {
        struct pollfd fds[2] = {{.fd = drover_fd (r->h), .events = POLLIN},
                                {.fd = r->signals.fd, .events = POLLIN}};

        take_events (r);
        if (!r->over && r->detached && r->report.winner && !r->cancelled)
            hand_over (r);
        if (!r->over && poll (fds, 2, clock_poll_ms (r->again_us, clock_mono_us ())) > 0 &&
            fds[1].revents)
            on_signals (r);
        if (!r->over && clock_mono_us () >= r->again_us)
            ask_cancel (r);
    }
}

/* --- before and after --- */

static bool past_deadline (const struct rivals *r)
{
    return r->run.deadline_ms > 0 &&
           clock_mono_us () - r->started_us >= (int64_t)r->run.deadline_ms * US_PER_MS;
}

static int status_of (const struct rivals *r)
{
    if (r->interrupts > 0)
        return STATUS_INTERRUPTED;
    if (r->trouble)
        return STATUS_TROUBLE;
    if (r->pipe_closed)
        return STATUS_PIPE;
    if (r->report.winner)
        return STATUS_OK;
    if (r->fed > 0 && (r->late == r->list.count || past_deadline (r)))
        return STATUS_TIMEOUT;
    return STATUS_FAILED;
}

/* Those before the one that succeeded are named; if none did, what they said is shown, too. */
static void print_failed (struct rivals *r)
{
    drover_error_t e = {0};

    if (r->report.winner && (!r->opts->in_turn || r->run.session.json))
        return;
    r->printer.opts.no_out = true;
    r->printer.opts.no_err = r->report.winner != 0;
    if (printer_rest (&r->printer, &e) < 0)
        on_output_error (r, &e);
}

static void print_report (struct rivals *r)
{
    struct rivals_report *it = &r->report;
    const struct pending_row *row = it->winner ? pending_find (&r->list.all, it->winner - 1) : NULL;
    char line[400];

    it->batch = drover_batch_id (r->batch);
    it->tasks = r->list.count;
    it->in_turn = r->opts->in_turn;
    it->worker = r->worker;
    it->values = row ? row->values : NULL;
    it->count = row ? row->count : 0;
    if (!it->winner)
        it->failed = r->ended;
    if (it->rest == REST_AWAITED && r->finished && !it->gone) {
        it->gone = true;
        it->gone_us = (uint64_t)(clock_mono_us () - r->won_us);
    }
    if (r->run.session.json) {
        json_print (rivals_report_json (it));
        return;
    }
    if (r->run.session.quiet)
        return;
    if (it->winner) {
        rivals_report_text (it, line, sizeof line);
        say (command_of (r), "%s", line);
    } else if (!r->trouble && !r->interrupts) {
        say (command_of (r), "none of %" PRIu64 " succeeded%s", it->tasks,
             past_deadline (r) ? " before the deadline" : "");
    }
}

static void report (struct rivals *r)
{
    char line[400];

    if (r->interrupts > 0)
        say (command_of (r), "interrupted: %" PRIu64 " of %" PRIu64 " tasks had ended",
             r->ended + (r->report.winner != 0), r->list.count);
    else
        print_failed (r);
    if (!r->pipe_closed)
        print_report (r);
    if (!r->run.summary || r->opts->in_turn || r->trouble || r->interrupts || r->pipe_closed)
        return;
    r->summary.wall_us = (uint64_t)(clock_mono_us () - r->started_us);
    summary_print (&r->summary, line, sizeof line);
    say (NULL, "%s", line);
}

static int open_batch (struct rivals *r)
{
    drover_batch_options_t options = {.name = r->run.name ? r->run.name : command_of (r),
                                      .flags = r->detached ? DROVER_DETACHED : 0,
                                      .jobs = runner_jobs (&r->run, drover_is_private (r->h)),
                                      .priority = r->run.priority,
                                      .deadline_ms = r->run.deadline_ms};
    struct afters after;
    drover_error_t e = {0};

    retrying_apply (&r->run.retrying, &options);
    if (batches_run_after (&r->run.session, r->h, r->run.after, &after, &options) < 0)
        return -1;
    r->batch = drover_batch_open (r->h, &options, &e);
    r->spec = r->batch ? drover_batch_add_spec (r->batch, r->run.spec, &e) : -1;
    return r->spec < 0 ? session_error (&r->run.session, &e, -1) : 0;
}

/* The session is open, and belongs to us until the end. */
static int compete (struct rivals *r)
{
    struct printer_opts printing = {.command = command_of (r),
                                    .json = r->run.session.json,
                                    .quiet = r->run.session.quiet,
                                    .places = !drover_is_private (r->h)};
    int status = STATUS_TROUBLE;

    r->detached = r->opts->keep_rest && !drover_is_private (r->h);
    if (r->detached)
        drover_spec_keep (r->opts->plan->spec, KEEP_BYTES);
    if (r->opts->keep_rest)
        r->report.rest = r->detached ? REST_DETACHED : REST_AWAITED;
    printer_init (&r->printer, &printing, r->signals.fd, on_signals, r);
    r->printer.next = r->list.count; /* it is not to go on by itself with outcomes that are kept */
    summary_init (&r->summary);
    r->started_us = clock_mono_us ();
    if (open_batch (r) == 0) {
        loop (r);
        report (r);
        status = status_of (r);
    }
    printer_fini (&r->printer);
    summary_fini (&r->summary);
    return status;
}

/* All tasks are known: a private worker gets slots for those that run at the same time. */
static int run_list (struct rivals *r)
{
    int status = STATUS_TROUBLE;
    struct err e;

    if (r->list.count == 0) {
        say (command_of (r), "there is nothing to run: the input is empty");
        return STATUS_NOTHING;
    }
    r->run.session.slots = lines_slots (r->opts->plan, r->opts->in_turn ? 1 : r->list.count);
    r->h = session_open (&r->run.session, &status);
    if (!r->h)
        return status;
    status = STATUS_TROUBLE;
    if (signals_open (&r->signals, wanted_signals, &e) < 0)
        say (command_of (r), "%s", e.text);
    else
        status = compete (r);
    drover_close (&r->h);
    signals_close (&r->signals);
    return status;
}

int rivals_run (const struct rivals_opts *o)
{
    struct rivals r = {.opts = o, .run = plan_runner (o->plan), .again_us = CLOCK_NEVER};
    struct err e;
    int status;

    if (o->plan->opts->order_by)
        return say_usage (command_of (&r), "--order-by: one success is enough here, so there is "
                                           "no order to keep");
    drover_spec_steps (o->plan->spec, DROVER_STEPS_GRACE);
    if (joblist_read (&r.list, o->plan, &e) < 0)
        status = plan_error (o->plan, &e, STATUS_USAGE);
    else
        status = run_list (&r);
    joblist_fini (&r.list);
    return status;
}
