/* drover cancel: end tasks; returns when their processes are gone. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

static const char command[] = "cancel";

struct cancel_opts {
    struct session_opts session;
    uint64_t grace_ms;
    bool kill;
    const char *reason;
};

static void print_cancelled (const struct cancel_opts *o, uint64_t id, uint64_t count, double s)
{
    json_t *object;

    if (o->session.quiet)
        return;
    if (!o->session.json) {
        say (command, "batch %" PRIu64 ": %" PRIu64 " task%s ended, gone after %.1f s", id, count,
             count == 1 ? "" : "s", s);
        return;
    }
    object = json_new ();
    json_object_set_new (object, "batch", json_integer ((json_int_t)id));
    json_object_set_new (object, "cancelled", json_integer ((json_int_t)count));
    json_object_set_new (object, "gone_after_s", json_real (s));
    json_print (object);
}

/* One batch and what became of it. */
struct target {
    uint64_t id;
    uint64_t ref;
    uint64_t cancelled; /* tasks that had been before */
    uint64_t open;      /* tasks without an outcome then */
};

static void start_cancel (const struct cancel_opts *o, drover_t *h, const struct selector *s,
                          struct target *t, drover_error_t *e)
{
    drover_cancel_options_t options = {.first = s->first,
                                       .count = s->count,
                                       .grace_ms = o->grace_ms,
                                       .kill = o->kill,
                                       .reason = o->reason};
    struct batch_state state;

    t->id = s->id;
    t->ref = 0;
    if (batches_state (h, s->id, &state, e) < 0)
        return;
    t->cancelled = state.cancelled;
    t->open = state.waiting + state.running;
    t->ref = drover_cancel (h, s->id, &options, e);
}

static int finish_cancel (const struct cancel_opts *o, drover_t *h, const struct target *t,
                          int64_t started_us, drover_error_t *e)
{
    struct batch_state state;

    if (!t->ref || drover_await (h, t->ref, -1, NULL, NULL, NULL, e) < 0)
        return batches_error (&o->session, t->id, e);
    if (batches_state (h, t->id, &state, e) < 0) {
        if (e->code != DROVER_EUNKNOWN)
            return batches_error (&o->session, t->id, e);
        state.cancelled =
            t->cancelled + t->open; /* attached to a client: it is gone with its end */
    }
    print_cancelled (o, t->id, state.cancelled - t->cancelled,
                     (double)(clock_mono_us () - started_us) / 1e6);
    return STATUS_OK;
}

/* All at once, then one answer after the other. */
static int cancel_all (const struct cancel_opts *o, drover_t *h, const struct selectors *s)
{
    int64_t started_us = clock_mono_us ();
    struct target *targets = mem_zalloc (s->count * sizeof *targets);
    drover_error_t *errors = mem_zalloc (s->count * sizeof *errors);
    int worst = STATUS_OK;

    for (size_t i = 0; i < s->count; i++)
        start_cancel (o, h, &s->all[i], &targets[i], &errors[i]);
    for (size_t i = 0; i < s->count; i++) {
        int status = finish_cancel (o, h, &targets[i], started_us, &errors[i]);

        worst = status > worst ? status : worst;
    }
    free (errors);
    free (targets);
    return worst;
}

enum { OPT_GRACE = SESSION_OPT_OWN, OPT_KILL, OPT_REASON };

static const struct option options[] = {SESSION_OPTIONS,
                                        {"grace", required_argument, NULL, OPT_GRACE},
                                        {"kill", no_argument, NULL, OPT_KILL},
                                        {"reason", required_argument, NULL, OPT_REASON},
                                        {NULL, 0, NULL, 0}};

int cmd_cancel (int argc, char **argv)
{
    struct cancel_opts o = {.session = {.command = command}};
    struct selectors s;
    struct err e = {0};
    drover_t *h;
    int opt, status;

    while ((opt = session_getopt (&o.session, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?')
            return STATUS_USAGE;
        if (opt == OPT_GRACE && duration_ms (optarg, &o.grace_ms, &e) < 0)
            return say_usage (command, "--grace: %s", e.text);
        o.kill = o.kill || opt == OPT_KILL;
        o.reason = opt == OPT_REASON ? optarg : o.reason;
    }
    status = batches_open (&o.session, argv + optind, (size_t)(argc - optind), &h, &s);
    if (status != STATUS_OK)
        return status;
    status = cancel_all (&o, h, &s);
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
