/* runner: one attached batch; see runner.h. */
#include "client/cli/batches.h"
#include "client/cli/runner_inner.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/say.h"
#include "common/base/clock.h"

#define PENDING_ROWS 65536               /* unfinished rows at one time */
#define BEHIND_ROWS 65536                /* in order: rows from the first unprinted one */
#define PENDING_BYTES ((size_t)16 << 20) /* of values to be printed with their outcomes */
#define EVENT_TURN 1024                  /* events handled in one turn */
#define STAGE_NAME_MAX 256

static const int wanted_signals[] = {SIGINT, SIGTERM, SIGHUP, 0};

const char *runner_command (const struct runner *r)
{
    return r->opts->session.command;
}

static void runner_trouble (struct runner *r, const char *text)
{
    say (runner_command (r), "%s", text);
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
    if (!r->cancelled || kill) /* what comes of it the end tells */
        drover_drop (r->h, drover_batch_cancel (r->batch, &options, NULL));
    r->cancelled = true;
    drover_flush (r->h);
}

/* No more rows, and of those there are, only what runs goes on. */
static void hang_up (struct runner *r)
{
    drover_cancel_options_t options = {.unstarted = 1, .reason = "not started: hung up"};

    if (r->hung_up || r->cancelled)
        return;
    say (runner_command (r), "hung up: nothing more is started, what runs goes on to its end; TERM "
                             "ends it");
    r->hung_up = true;
    r->cut = r->feeding != FEED_ENDED;
    end_feeding (r);
    drover_drop (r->h, drover_batch_cancel (r->batch, &options, NULL));
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

static void on_result (struct runner *r, const drover_result_t *result)
{
    drover_error_t e = {0};
    bool done = result->how == DROVER_DONE;

    summary_add (&r->summary, result);
    r->failed += !done && !(r->hung_up && result->how == DROVER_CANCELLED);
    r->ended += result->how != DROVER_CANCELLED && result->how != DROVER_BROKER_LOST;
    r->printer.batch = drover_batch_id (r->batch);
    if (!r->silent && printer_result (&r->printer, result, &e) < 0)
        on_output_error (r, &e);
}

static void broken (struct runner *r, const char *why)
{
    say (runner_command (r), "%s; %" PRIu64 " of %" PRIu64 " tasks had ended", why, r->ended,
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
        say (runner_command (r), "the batch was cancelled%s%s", end->reason[0] ? ": " : "",
             end->reason);
}

static void on_notice (struct runner *r, const drover_notice_t *n)
{
    if (!session_is_hopeless (r->h, n)) {
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

unsigned runner_flags (const struct runner_opts *o)
{
    return o->order_by ? DROVER_ORDERED : 0;
}

/* A private worker has as many slots as are wanted, which does not limit tasks that take none. */
unsigned runner_jobs (const struct runner_opts *o, bool private)
{
    return private && o->stage_count == 0 && o->cpus > 0 ? 0 : o->jobs;
}

/* Rows that are to run again. Where they cannot be kept, what runs goes on: only nothing is
 * compared. */
static void keep_row (struct runner *r, const drover_bytes_t *values, size_t count)
{
    struct err e;

    if (!r->kept || rowfile_add (r->kept, values, count, &e) == 0)
        return;
    say (runner_command (r), "%s: nothing will be compared", e.text);
    rowfile_free (&r->kept);
}

static int remember (void *arg, int64_t row, const drover_bytes_t *values, size_t count)
{
    struct runner *r = arg;

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
    return BEHIND_ROWS - behind < RUNNER_FEED_TURN ? BEHIND_ROWS - behind : RUNNER_FEED_TURN;
}

/* Returns 1 if there is more to be taken at once. */
static int feed (struct runner *r)
{
    uint64_t most = rows_allowed (r);
    struct err e;
    int got;

    if (r->feeding == FEED_ENDED)
        return 0;
    r->feeding = most > 0 ? FEED_MORE : FEED_HELD;
    if (most == 0)
        return 0;
    got = feed_rows (&r->rows, most, &e);
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

    if (!r->silent && printer_flush (&r->printer, &e) < 0) {
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
        more |= r->feeding == FEED_HELD && rows_allowed (r) > 0; /* outcomes have made room */
        if (!more)
            wait_for_more (r);
        else
            on_signals (r);
    }
}

/* --- before and after --- */

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

static unsigned tasks_at_once (const struct runner *r)
{
    return r->again ? 1 : runner_jobs (r->opts, drover_is_private (r->h));
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
    struct afters after;
    drover_error_t e;

    retrying_apply (&r->opts->retrying, &options);
    if (batches_run_after (&r->opts->session, r->h, r->opts->after, &after, &options) < 0)
        return -1;
    r->batch = drover_batch_open (r->h, &options, &e);
    if (!r->batch)
        return session_error (&r->opts->session, &e, -1);
    r->rows = (struct feed){.next = r->opts->next,
                            .arg = r->opts->arg,
                            .order_by = r->opts->order_by,
                            .batch = r->batch,
                            .spec = drover_batch_add_spec (r->batch, r->opts->spec, &e),
                            .added = remember,
                            .added_arg = r};
    if (r->rows.spec < 0)
        return session_error (&r->opts->session, &e, -1);
    for (size_t i = 0; i < r->opts->stage_count; i++)
        if (open_stage (r, i, &options) < 0)
            return -1;
    return 0;
}

int runner_batch (struct runner *r)
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
    worth_summary (r);
    return 0;
}

void runner_end_batch (struct runner *r)
{
    feed_fini (&r->rows);
    drover_batch_free (&r->batch);
    printer_fini (&r->printer);
    summary_fini (&r->summary);
}

static int run_both (struct runner *r)
{
    int status = STATUS_FOREACH;
    struct err e;

    if (r->opts->compare) {
        r->kept = rowfile_new (&e);
        if (!r->kept) {
            say (runner_command (r), "%s", e.text);
            return status;
        }
    }
    if (runner_batch (r) == 0) {
        status = status_of (r);
        if (worth_report (r) != 0)
            status = STATUS_FOREACH;
    }
    runner_end_batch (r);
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
