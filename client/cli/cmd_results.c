/* drover results: what tasks of batches printed, as far as there are outcomes, or as they come. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/latest.h"
#include "client/cli/printer.h"
#include "client/cli/say.h"
#include "common/base/clock.h"

static const char command[] = "results";

struct results_opts {
    struct session_opts session;
    bool follow;
    bool keep_order;
    uint64_t timeout_ms;
};

struct results {
    const struct results_opts *opts;
    drover_t *h;
    struct latest latest; /* of the batch in hand */
    int64_t deadline_us;
    uint64_t printed; /* tasks */
    uint64_t failed;
    uint64_t cancelled; /* of these */
};

/* Milliseconds that drover_next() may wait: -1 as long as it takes. */
static int64_t time_left (const struct results *r)
{
    int64_t left;

    if (r->deadline_us == CLOCK_NEVER)
        return -1;
    left = r->deadline_us - clock_mono_us ();
    return left > 0 ? (left + 999) / 1000 : 0;
}

static bool is_selected (const struct selector *s, uint64_t row)
{
    return s->count == 0 || (row >= s->first && row - s->first < s->count);
}

static int output_error (const struct printer *p, const drover_error_t *e)
{
    if (p->out.error == EPIPE)
        return STATUS_PIPE;
    say (command, "%s", e->text);
    return STATUS_TROUBLE;
}

static int flush (struct printer *p)
{
    drover_error_t e = {0};

    return printer_rest (p, &e) < 0 ? output_error (p, &e) : STATUS_OK;
}

static int on_result (struct results *r, struct printer *p, const drover_result_t *result)
{
    drover_error_t e = {0};
    int counts = latest_counts (&r->latest, &result, &e);

    if (counts < 0)
        return batches_error (&r->opts->session, r->latest.batch, &e);
    if (!counts)
        return STATUS_OK;
    if (latest_replaces (&r->latest, result))
        r->failed--;
    else
        r->printed++;
    r->failed += result->how != DROVER_DONE;
    r->cancelled += result->how == DROVER_CANCELLED;
    return printer_result (p, result, &e) < 0 ? output_error (p, &e) : STATUS_OK;
}

/* One event; -1: there are more to come, else the exit status so far. */
static int on_event (struct results *r, struct printer *p, const struct selector *s,
                     const drover_batch_t *b, const drover_event_t *event, uint64_t before)
{
    int status;

    if (event->kind == DROVER_EVENT_LOST)
        return session_error (&r->opts->session, event->refused, STATUS_TROUBLE);
    if (event->kind == DROVER_EVENT_NOTICE)
        session_notice (&r->opts->session, event->notice);
    if (event->batch != b)
        return -1;
    if (event->kind == DROVER_EVENT_REFUSED)
        return batches_error (&r->opts->session, s->id, event->refused);
    if (event->kind == DROVER_EVENT_END && event->end->state != DROVER_BATCH_BROKEN)
        return STATUS_OK;
    if (event->kind == DROVER_EVENT_END) {
        say (command, "batch %" PRIu64 ": %s", s->id, event->end->reason);
        return STATUS_TROUBLE;
    }
    if (event->kind != DROVER_EVENT_RESULT || !is_selected (s, event->row))
        return -1;
    status = on_result (r, p, event->result);
    if (status != STATUS_OK)
        return status;
    return s->count > 0 && r->printed - before == s->count ? STATUS_OK : -1;
}

/* The events of one batch, until there are no more of interest. */
static int take_events (struct results *r, struct printer *p, const struct selector *s,
                        drover_batch_t *b, uint64_t before)
{
    const drover_event_t *event;
    drover_error_t e = {0};
    int status = -1;

    while (status < 0) {
        int got = drover_next (r->h, 0, &event, &e);

        if (got == 0) {
            status = printer_flush (p, &e) < 0 ? output_error (p, &e) : -1;
            if (status >= 0)
                break;
            got = drover_next (r->h, time_left (r), &event, &e);
        }
        if (got < 0)
            return session_error (&r->opts->session, &e, STATUS_TROUBLE);
        if (got > 0)
            status = on_event (r, p, s, b, event, before);
        else if (time_left (r) == 0)
            return STATUS_TIMEOUT;
    }
    return status;
}

/* They have no line of their own, and the exit status needs one. */
static void say_cancelled (const struct results *r, uint64_t id, uint64_t count)
{
    if (count > 0 && !r->opts->session.json && !r->opts->session.quiet)
        say (command, "batch %" PRIu64 ": %" PRIu64 " task%s cancelled", id, count,
             count == 1 ? " was" : "s were");
}

static int print_batch (struct results *r, const struct selector *s)
{
    struct printer_opts printing = {.command = command,
                                    .keep_order = r->opts->keep_order,
                                    .json = r->opts->session.json,
                                    .quiet = r->opts->session.quiet,
                                    .places = true};
    uint64_t before = r->printed;
    uint64_t cancelled = r->cancelled;
    struct printer p;
    drover_error_t e = {0};
    struct batch_state state;
    drover_batch_t *b = NULL;
    int status, flushed;

    if (batches_state (r->h, s->id, &state, &e) == 0)
        b = drover_attach (r->h, s->id, 0, r->opts->follow, NULL, &e);
    if (!b)
        return batches_error (&r->opts->session, s->id, &e);
    latest_init (&r->latest, r->h, &state, r->opts->follow);
    printer_init (&p, &printing, -1, NULL, NULL);
    p.batch = s->id;
    p.next = s->first;
    status = take_events (r, &p, s, b, before);
    flushed = printer_failed (&p) ? STATUS_OK : flush (&p);
    say_cancelled (r, s->id, r->cancelled - cancelled);
    printer_fini (&p);
    latest_fini (&r->latest);
    drover_batch_free (&b);
    if (status == STATUS_OK && s->count > 0 && r->printed == before) {
        say (command, "no such task of batch %" PRIu64 " has an outcome", s->id);
        status = STATUS_NOTHING;
    }
    return status != STATUS_OK ? status : flushed;
}

static int print_all (const struct results_opts *o, drover_t *h, const struct selectors *s)
{
    struct results r = {.opts = o, .h = h, .deadline_us = CLOCK_NEVER};
    int worst = STATUS_OK;

    if (o->timeout_ms)
        r.deadline_us = clock_mono_us () + (int64_t)o->timeout_ms * US_PER_MS;
    for (size_t i = 0; i < s->count; i++) {
        int status = print_batch (&r, &s->all[i]);

        worst = status > worst ? status : worst;
        if (status == STATUS_PIPE || status == STATUS_TROUBLE)
            break;
    }
    return worst == STATUS_OK && r.failed > 0 ? STATUS_FAILED : worst;
}

enum { OPT_FOLLOW = SESSION_OPT_OWN, OPT_TIMEOUT, OPT_STATE };

static const struct option options[] = {SESSION_OPTIONS,
                                        {"follow", no_argument, NULL, OPT_FOLLOW},
                                        {"keep-order", no_argument, NULL, 'k'},
                                        {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                        {"state", required_argument, NULL, OPT_STATE},
                                        {NULL, 0, NULL, 0}};

int cmd_results (int argc, char **argv)
{
    struct results_opts o = {.session = {.command = command}};
    struct selectors s;
    struct err e = {0};
    drover_t *h;
    int opt, status;

    while ((opt = session_getopt (&o.session, argc, argv, ":k", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?')
            return STATUS_USAGE;
        if (opt == OPT_TIMEOUT && duration_ms (optarg, &o.timeout_ms, &e) < 0)
            return say_usage (command, "--timeout: %s", e.text);
        if (opt == OPT_STATE)
            o.session.state = optarg;
        o.follow = o.follow || opt == OPT_FOLLOW;
        o.keep_order = o.keep_order || opt == 'k';
    }
    if (o.follow && o.session.state)
        return say_usage (command, "--follow: nothing more comes where no broker runs (--state)");
    status = batches_open (&o.session, argv + optind, (size_t)(argc - optind), &h, &s);
    if (status != STATUS_OK)
        return status;
    status = print_all (&o, h, &s);
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
