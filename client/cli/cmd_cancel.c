/* drover cancel: end tasks; returns when their processes are gone.
 *
 * How long that took is told by the broker, which has it from the workers: from the cancellation to
 * the last process.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "client/cli/show.h"
#include "common/base/mem.h"

#define REASON_MAX 256
#define ASKED_MAX 1000 /* cancellations that are under way at one time */

static const char command[] = "cancel";

enum { STATE_WAITING = 1, STATE_RUNNING = 2, STATE_BOTH = 3 };

struct cancel_opts {
    struct session_opts session;
    uint64_t grace_ms;
    bool kill;
    const char *reason;
    unsigned states; /* of the tasks that are meant */
};

/* All that is meant of one batch, and what became of it. */
struct target {
    uint64_t id;
    uint64_t named;     /* tasks; 0: all */
    bool whole;         /* so it was said, whatever else of it is named */
    bool found;         /* there is such a task */
    uint64_t cancelled; /* tasks of the batch that had been before */
    uint64_t open;      /* tasks of the batch without an outcome then */
    uint64_t pipeline;  /* that the batch is a stage of; 0: none */
    uint64_t gone_us;   /* the longest that was waited for any of them */
    int status;
};

static void print_cancelled (const struct cancel_opts *o, const struct target *t, uint64_t count)
{
    double gone_s = (double)t->gone_us / 1e6;
    char stage[60] = "";
    json_t *object;

    if (t->pipeline && t->pipeline != t->id)
        snprintf (stage, sizeof stage, " (a stage of pipeline %" PRIu64 ")", t->pipeline);
    if (o->session.json) {
        object = json_new ();
        json_object_set_new (object, "batch", json_integer ((json_int_t)t->id));
        if (t->pipeline)
            json_object_set_new (object, "pipeline", json_integer ((json_int_t)t->pipeline));
        json_object_set_new (object, "cancelled", json_integer ((json_int_t)count));
        json_object_set_new (object, "gone_after_s", json_real (gone_s));
        json_print (object);
    } else if (!o->session.quiet && count == 0) {
        say (command, "batch %" PRIu64 "%s: no such task was left to end", t->id, stage);
    } else if (!o->session.quiet) {
        say (command, "batch %" PRIu64 "%s: %" PRIu64 " task%s ended, gone after %.3f s", t->id,
             stage, count, count == 1 ? "" : "s", gone_s);
    }
}

static int no_such_task (const struct selector *s)
{
    say (command, "batch %" PRIu64 " has no task %" PRIu64, s->id, s->first + 1);
    return STATUS_NOTHING;
}

/* --- ranges of rows --- */

struct span {
    uint64_t first;
    uint64_t count; /* 0: all */
    uint64_t ref;
};

struct spans {
    struct span *all;
    size_t count;
    size_t size;
};

static void add_span (struct spans *spans, uint64_t first, uint64_t count)
{
    struct span *last = spans->count ? &spans->all[spans->count - 1] : NULL;

    if (last && last->first + last->count == first) {
        last->count += count;
        return;
    }
    if (spans->count == spans->size) {
        spans->size = spans->size ? 2 * spans->size : 64;
        spans->all = mem_resize (spans->all, spans->size, sizeof *spans->all);
    }
    spans->all[spans->count++] = (struct span){.first = first, .count = count};
}

static int add_running (const drover_pair_t *pairs, size_t count, void *arg)
{
    if (show_is (pairs, count, "state", "running"))
        add_span (arg, drover_pair_number (pairs, count, "row", 0), 1);
    return 0;
}

static int ask (const struct cancel_opts *o, drover_t *h, uint64_t id, struct span *span,
                drover_error_t *e)
{
    drover_cancel_options_t options = {.first = span->first,
                                       .count = span->count,
                                       .grace_ms = o->grace_ms,
                                       .kill = o->kill,
                                       .reason = o->reason,
                                       .unstarted = o->states == STATE_WAITING};

    span->ref = drover_cancel (h, id, &options, e);
    return span->ref ? 0 : -1;
}

/* What has not started is over as soon as the broker knows, and what runs may take its time: so
 * nothing is waited for there. */
static int await_gone (const struct cancel_opts *o, drover_t *h, struct target *t,
                       const struct span *span, drover_error_t *e)
{
    uint64_t us = 0;

    if (o->states == STATE_WAITING)
        return 0;
    if (drover_await (h, span->ref, -1, NULL, NULL, &us, e) < 0)
        return e->code == DROVER_EUNKNOWN ? 0 : -1; /* it was there, and went with its client */
    t->gone_us = us > t->gone_us ? us : t->gone_us;
    return 0;
}

/* --- targets --- */

static int add_selector (const struct cancel_opts *o, drover_t *h, struct target *t,
                         const struct selector *s, const struct batch_state *state,
                         struct spans *spans, drover_error_t *e)
{
    if (s->count && !state->open && s->first >= state->total) {
        t->status = no_such_task (s);
        return 0;
    }
    t->found = true;
    t->named += s->count;
    if (o->states == STATE_RUNNING)
        return session_query (h, DROVER_QUERY_TASKS, s->id, s->first, s->count, add_running, spans,
                              e);
    add_span (spans, s->first, s->count);
    return 0;
}

static int start (const struct cancel_opts *o, drover_t *h, struct target *t,
                  const struct selectors *s, struct spans *spans, drover_error_t *e)
{
    const struct selector whole = {.id = t->id};
    struct batch_state state;

    if (batches_state (h, t->id, &state, e) < 0)
        return -1;
    t->pipeline = state.pipeline;
    t->cancelled = state.cancelled;
    t->open = state.waiting + state.running;
    if (t->whole)
        return add_selector (o, h, t, &whole, &state, spans, e);
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i].id == t->id && add_selector (o, h, t, &s->all[i], &state, spans, e) < 0)
            return -1;
    return 0;
}

static int finish (const struct cancel_opts *o, drover_t *h, const struct target *t,
                   drover_error_t *e)
{
    struct batch_state state;

    if (!t->found)
        return 0;
    if (batches_state (h, t->id, &state, e) < 0) {
        if (e->code != DROVER_EUNKNOWN)
            return -1;
        /* attached to a client: gone with its end */
        state.cancelled = t->cancelled + t->open;
        if (t->named && t->named < t->open)
            state.cancelled = t->cancelled + t->named;
    }
    print_cancelled (o, t, state.cancelled - t->cancelled);
    return 0;
}

/* A target of many spans is cut into turns, since a broker answers only so many at one time. */
static int await_turn (const struct cancel_opts *o, drover_t *h, struct target *t,
                       struct spans *spans, size_t from, size_t to, drover_error_t *e)
{
    for (size_t i = from; i < to; i++)
        if (await_gone (o, h, t, &spans->all[i], e) < 0)
            return -1;
    return 0;
}

static int ask_turn (const struct cancel_opts *o, drover_t *h, const struct target *t,
                     struct spans *spans, size_t *asked, drover_error_t *e)
{
    for (size_t n = 0; n < ASKED_MAX && *asked < spans->count; n++, ++*asked)
        if (ask (o, h, t->id, &spans->all[*asked], e) < 0)
            return -1;
    return 0;
}

struct progress {
    struct spans spans;
    size_t asked;
    drover_error_t error; /* why it came to nothing, ... */
    bool failed;          /* ... where it did */
};

/* The rest of a target that was asked for. */
static int await_target (const struct cancel_opts *o, drover_t *h, struct target *t,
                         struct progress *p)
{
    size_t gone = 0;
    int rc = p->failed ? -1 : 0;

    while (rc == 0 && gone < p->spans.count) {
        rc = await_turn (o, h, t, &p->spans, gone, p->asked, &p->error);
        gone = p->asked;
        if (rc == 0)
            rc = ask_turn (o, h, t, &p->spans, &p->asked, &p->error);
    }
    if (rc == 0)
        rc = finish (o, h, t, &p->error);
    if (rc < 0)
        t->status = batches_error (&o->session, t->id, &p->error);
    return t->status;
}

/* One for each batch that is named, in that order: its tasks are counted together, since the broker
 * counts those that were ended by batch. Returns how many. */
static size_t find_targets (const struct selectors *s, struct target *targets)
{
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++) {
        size_t at = 0;

        while (at < count && targets[at].id != s->all[i].id)
            at++;
        targets[at].id = s->all[i].id;
        targets[at].whole |= s->all[i].count == 0;
        count += at == count;
    }
    return count;
}

/* All at once, then one after the other until they are gone. Each is looked at before any is ended,
 * since the end of one stage of a pipeline lets its client end the others. */
static int cancel_all (const struct cancel_opts *o, drover_t *h, const struct selectors *s)
{
    struct target *targets = mem_zalloc (s->count * sizeof *targets);
    struct progress *all = mem_zalloc (s->count * sizeof *all);
    size_t count = find_targets (s, targets);
    int worst = STATUS_OK;

    for (size_t i = 0; i < count; i++)
        all[i].failed = start (o, h, &targets[i], s, &all[i].spans, &all[i].error) < 0;
    for (size_t i = 0; i < count; i++) {
        struct progress *p = &all[i];
        if (!p->failed)
            p->failed = ask_turn (o, h, &targets[i], &p->spans, &p->asked, &p->error) < 0;
    }
    for (size_t i = 0; i < count; i++) {
        int status = await_target (o, h, &targets[i], &all[i]);

        worst = status > worst ? status : worst;
        free (all[i].spans.all);
    }
    free (all);
    free (targets);
    return worst;
}

/* --- the command line --- */

static int take_states (struct cancel_opts *o, const char *list)
{
    do {
        size_t len = strcspn (list, ",");
        bool waiting = len == 7 && memcmp (list, "waiting", len) == 0;
        bool running = len == 7 && memcmp (list, "running", len) == 0;

        if (!waiting && !running)
            return say_usage (command,
                              "--state %.*s: a task that can be ended is waiting or running",
                              (int)len, list);
        o->states |= waiting ? STATE_WAITING : STATE_RUNNING;
        list += len;
    } while (*list++ == ',');
    return STATUS_OK;
}

enum { OPT_GRACE = SESSION_OPT_OWN, OPT_KILL, OPT_REASON, OPT_STATE };

static const struct option options[] = {SESSION_OPTIONS,
                                        {"grace", required_argument, NULL, OPT_GRACE},
                                        {"kill", no_argument, NULL, OPT_KILL},
                                        {"reason", required_argument, NULL, OPT_REASON},
                                        {"state", required_argument, NULL, OPT_STATE},
                                        {NULL, 0, NULL, 0}};

static int take_option (struct cancel_opts *o, int opt)
{
    struct err e = {0};

    if (opt == OPT_GRACE && grace_duration_ms (optarg, &o->grace_ms, &e) < 0)
        return say_usage (command, "--grace: %s", e.text);
    if (opt == OPT_REASON && strlen (optarg) > REASON_MAX)
        return say_usage (command, "--reason: has %zu bytes, and up to %d are kept",
                          strlen (optarg), REASON_MAX);
    if (opt == OPT_REASON)
        o->reason = optarg;
    if (opt == OPT_STATE)
        return take_states (o, optarg);
    o->kill = o->kill || opt == OPT_KILL;
    return STATUS_OK;
}

int cmd_cancel (int argc, char **argv)
{
    struct cancel_opts o = {.session = {.command = command}};
    struct selectors s;
    drover_error_t e = {0};
    drover_t *h;
    int opt, status;

    while ((opt = session_getopt (&o.session, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?' || take_option (&o, opt) != STATUS_OK)
            return STATUS_USAGE;
    }
    o.states = o.states ? o.states : STATE_BOTH;
    status = batches_open (&o.session, argv + optind, (size_t)(argc - optind), &h, &s);
    if (status != STATUS_OK)
        return status;
    if (batches_add_stages (h, &s, &e) < 0)
        status = session_error (&o.session, &e, STATUS_TROUBLE);
    else
        status = cancel_all (&o, h, &s);
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
