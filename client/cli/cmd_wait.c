/* drover wait: until tasks of batches have ended.
 *
 * Finished and succeeded are different things: --all, --any, --count and --percent count finished
 * tasks, --first-success and --success those that are done. The work goes on when the time is over.
 * --any and --first-success print the task.
 */
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

static const char command[] = "wait";

struct wait_opts {
    struct session_opts session;
    int condition; /* enum drover_condition */
    uint64_t n;
    bool print_task;
    uint64_t timeout_ms; /* 0: none */
    int conditions;      /* given on the command line */
};

/* Milliseconds until the deadline (microseconds, monotonic), for drover_await(): -1 none. */
static int64_t time_left (int64_t deadline_us)
{
    int64_t left = deadline_us - clock_mono_us ();

    if (deadline_us == CLOCK_NEVER)
        return -1;
    return left > 0 ? (left + 999) / 1000 : 0;
}

/* The first task of the batch that counts, from the outcomes there are. 0: none. */
static uint64_t first_task (drover_t *h, uint64_t id, bool success)
{
    drover_batch_t *b = drover_attach (h, id, 0, 0, NULL, NULL);
    const drover_event_t *event;
    uint64_t task = 0;

    while (b && task == 0 && drover_next (h, -1, &event, NULL) == 1) {
        if (event->kind == DROVER_EVENT_LOST ||
            (event->batch == b &&
             (event->kind == DROVER_EVENT_END || event->kind == DROVER_EVENT_REFUSED)))
            break;
        if (event->kind == DROVER_EVENT_RESULT && (!success || event->result->how == DROVER_DONE))
            task = event->result->row + 1;
    }
    drover_batch_free (&b);
    return task;
}

static void print_task (const struct wait_opts *o, uint64_t id, uint64_t task)
{
    json_t *object;

    if (task == 0 || o->session.quiet)
        return;
    if (!o->session.json) {
        printf ("%" PRIu64 ".%" PRIu64 "\n", id, task);
        return;
    }
    object = json_new ();
    json_object_set_new (object, "batch", json_integer ((json_int_t)id));
    json_object_set_new (object, "task", json_integer ((json_int_t)task));
    json_print (object);
}

/* Did what was waited for come to hold? Where it is all tasks: did they succeed? */
static bool holds (const struct wait_opts *o, const struct batch_state *state)
{
    uint64_t finished = state->done + state->not_ok;

    switch (o->condition) {
    case DROVER_WAIT_SUCCESSES:
        return state->done >= o->n;
    case DROVER_WAIT_COUNT:
        return finished >= o->n;
    case DROVER_WAIT_PERCENT:
        return finished * 100 >= o->n * state->total;
    default:
        return state->not_ok == 0 && finished >= state->total;
    }
}

static int after_wait (const struct wait_opts *o, drover_t *h, uint64_t id)
{
    struct batch_state state;
    drover_error_t e = {0};

    if (batches_state (h, id, &state, &e) < 0)
        return batches_error (&o->session, id, &e);
    if (!holds (o, &state)) {
        if (!o->session.quiet)
            say (command,
                 "batch %" PRIu64 ": %" PRIu64 " of %" PRIu64 " tasks succeeded, %" PRIu64
                 " failed, %" PRIu64 " cancelled",
                 id, state.done, state.total, state.not_ok - state.cancelled, state.cancelled);
        return STATUS_FAILED;
    }
    if (o->print_task)
        print_task (o, id, first_task (h, id, o->condition == DROVER_WAIT_SUCCESSES));
    return STATUS_OK;
}

/* What was asked about one batch, and the answer. */
struct asked {
    uint64_t ref; /* 0: answered */
    drover_error_t answer;
};

static void answer_all (struct asked *asked, size_t count, const drover_error_t *e)
{
    for (size_t i = 0; i < count; i++) {
        if (asked[i].ref)
            asked[i].answer = *e;
        asked[i].ref = 0;
    }
}

static void on_reply (struct asked *asked, size_t count, const drover_event_t *event)
{
    for (size_t i = 0; i < count; i++) {
        if (asked[i].ref != event->ref)
            continue;
        asked[i].ref = 0;
        asked[i].answer.code = event->reply->code;
        snprintf (asked[i].answer.text, sizeof asked[i].answer.text, "%s", event->reply->text);
    }
}

static bool all_answered (const struct asked *asked, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (asked[i].ref)
            return false;
    return true;
}

/* The answers come in any order; meanwhile the user is told what the library has to tell. */
static void take_answers (const struct wait_opts *o, drover_t *h, struct asked *asked, size_t count)
{
    int64_t deadline_us =
        o->timeout_ms ? clock_mono_us () + (int64_t)o->timeout_ms * 1000 : CLOCK_NEVER;
    const drover_error_t late = {.code = DROVER_ETIME, .text = "the time is over"};
    drover_error_t e = {0};
    const drover_event_t *event;

    while (!all_answered (asked, count)) {
        int64_t left = time_left (deadline_us);
        int got = drover_next (h, left, &event, &e);

        if (got < 0)
            answer_all (asked, count, &e);
        else if (got == 0 && left == 0)
            answer_all (asked, count, &late);
        else if (got > 0 && event->kind == DROVER_EVENT_LOST)
            answer_all (asked, count, event->refused);
        else if (got > 0 && event->kind == DROVER_EVENT_REPLY)
            on_reply (asked, count, event);
        else if (got > 0 && event->kind == DROVER_EVENT_NOTICE)
            session_notice (&o->session, event->notice);
    }
}

/* DROVER_EUNKNOWN stands for two things: there is no such batch, or it has ended without the
 * condition; after_wait() finds out. */
static int conclude (const struct wait_opts *o, drover_t *h, uint64_t id, const drover_error_t *e)
{
    if (e->code != DROVER_OK && e->code != DROVER_EUNKNOWN)
        return batches_error (&o->session, id, e);
    return after_wait (o, h, id);
}

/* All batches at once. */
static int wait_for (const struct wait_opts *o, drover_t *h, const struct selectors *s)
{
    struct asked *asked = mem_zalloc (s->count * sizeof *asked);
    int worst = STATUS_OK;

    for (size_t i = 0; i < s->count; i++)
        asked[i].ref = drover_wait (h, s->all[i].id, o->condition, o->n, &asked[i].answer);
    take_answers (o, h, asked, s->count);
    for (size_t i = 0; i < s->count; i++) {
        int status = conclude (o, h, s->all[i].id, &asked[i].answer);

        worst = status > worst ? status : worst;
    }
    free (asked);
    return worst;
}

enum {
    OPT_ALL = SESSION_OPT_OWN,
    OPT_ANY,
    OPT_FIRST_SUCCESS,
    OPT_SUCCESS,
    OPT_COUNT,
    OPT_PERCENT,
    OPT_TIMEOUT
};

static const struct option options[] = {SESSION_OPTIONS,
                                        {"all", no_argument, NULL, OPT_ALL},
                                        {"any", no_argument, NULL, OPT_ANY},
                                        {"first-success", no_argument, NULL, OPT_FIRST_SUCCESS},
                                        {"success", required_argument, NULL, OPT_SUCCESS},
                                        {"count", required_argument, NULL, OPT_COUNT},
                                        {"percent", required_argument, NULL, OPT_PERCENT},
                                        {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                        {NULL, 0, NULL, 0}};

static void set_condition (struct wait_opts *o, int condition, uint64_t n, bool print)
{
    o->condition = condition;
    o->n = n;
    o->print_task = print;
    o->conditions++;
}

static int take_option (struct wait_opts *o, int opt)
{
    struct err e = {0};
    uint64_t n = 0;

    switch (opt) {
    case OPT_ALL:
        set_condition (o, DROVER_WAIT_ALL, 0, false);
        return 0;
    case OPT_ANY:
        set_condition (o, DROVER_WAIT_COUNT, 1, true);
        return 0;
    case OPT_FIRST_SUCCESS:
        set_condition (o, DROVER_WAIT_SUCCESSES, 1, true);
        return 0;
    case OPT_SUCCESS:
        if (number_within (optarg, 1, UINT32_MAX, &n, &e) < 0)
            return say_usage (command, "--success: %s", e.text);
        set_condition (o, DROVER_WAIT_SUCCESSES, n, false);
        return 0;
    case OPT_COUNT:
        if (number_within (optarg, 1, UINT32_MAX, &n, &e) < 0)
            return say_usage (command, "--count: %s", e.text);
        set_condition (o, DROVER_WAIT_COUNT, n, false);
        return 0;
    case OPT_PERCENT:
        if (number_within (optarg, 1, 100, &n, &e) < 0)
            return say_usage (command, "--percent: %s", e.text);
        set_condition (o, DROVER_WAIT_PERCENT, n, false);
        return 0;
    default:
        if (duration_ms (optarg, &o->timeout_ms, &e) < 0)
            return say_usage (command, "--timeout: %s", e.text);
        return 0;
    }
}

int cmd_wait (int argc, char **argv)
{
    struct wait_opts o = {.session = {.command = command}, .condition = DROVER_WAIT_ALL};
    struct selectors s;
    drover_t *h;
    int opt, status;

    while ((opt = session_getopt (&o.session, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?' || take_option (&o, opt) != 0)
            return STATUS_USAGE;
    }
    if (o.conditions > 1)
        return say_usage (command, "one of --all, --any, --first-success, --success, --count and "
                                   "--percent");
    status = batches_open (&o.session, argv + optind, (size_t)(argc - optind), &h, &s);
    if (status != STATUS_OK)
        return status;
    if (selectors_have_tasks (&s))
        status = say_usage (command, "whole batches can be waited for, not single tasks");
    else
        status = wait_for (&o, h, &s);
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
