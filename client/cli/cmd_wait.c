/* drover wait: until tasks of batches have ended.
 *
 * Finished and succeeded are different things: --all, --any, --count and --percent count finished
 * tasks, --first-success and --success those that are done. The work goes on when the time is over.
 * --any and --first-success print the task.
 *
 * The broker waits for conditions of whole batches. For some tasks of one it is asked when the
 * batch has as many more outcomes as these tasks need at the least, and then how they stand: so
 * seldom, and never too late.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/json_out.h"
#include "client/cli/latest.h"
#include "client/cli/say.h"
#include "client/cli/show.h"
#include "client/cli/tally.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define PAGE_ROWS 500

static const char command[] = "wait";

struct wait_opts {
    struct session_opts session;
    struct wanted wanted;
    const char *word; /* the option that said it */
    bool print_task;
    uint64_t timeout_ms; /* 0: none */
    int conditions;      /* given on the command line */
};

/* A selector, and what is waited for because of it. */
struct watch {
    const struct selector *s;
    struct tally tally;
    uint64_t retried;      /* tasks of the batch, by drover_retry() */
    uint64_t gone;         /* tasks that have ended, and nothing else is known of them */
    bool well;             /* these are done, as all others of the batch that have ended */
    uint64_t ref;          /* 0: nothing is waited for any more */
    drover_error_t answer; /* then */
};

/* Milliseconds until the deadline (microseconds, monotonic), for drover_next(): -1 none. */
static int64_t time_left (int64_t deadline_us)
{
    int64_t left = deadline_us - clock_mono_us ();

    if (deadline_us == CLOCK_NEVER)
        return -1;
    return left > 0 ? (left + 999) / 1000 : 0;
}

/* --- how tasks stand --- */

static bool is_open (const drover_pair_t *pairs, size_t count)
{
    return show_is (pairs, count, "state", "waiting") || show_is (pairs, count, "state", "running");
}

/* The outcomes of an attached batch are gone when its client has read them. */
static bool is_gone (const drover_pair_t *pairs, size_t count)
{
    return show_is (pairs, count, "state", "finished");
}

static int add_task (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct watch *w = arg;
    struct tally *t = &w->tally;
    bool done = show_is (pairs, count, "state", "done");
    bool gone = is_gone (pairs, count);

    t->total++;
    t->done += done;
    t->cancelled += show_is (pairs, count, "state", "cancelled");
    t->not_ok += !done && !gone && !is_open (pairs, count);
    w->gone += gone;
    return 0;
}

/* Tasks that are gone are done if all of their batch are that have ended by now. */
static int judge_gone (drover_t *h, struct watch *w, drover_error_t *e)
{
    struct batch_state state;

    if (batches_state (h, w->s->id, &state, e) < 0)
        return -1;
    w->well = state.not_ok == 0;
    return 0;
}

/* The tasks that are named. */
static int look_at_tasks (drover_t *h, struct watch *w, drover_error_t *e)
{
    const struct selector *s = w->s;
    struct tally *t = &w->tally;

    w->gone = 0;
    if (session_query (h, DROVER_QUERY_TASKS, s->id, s->first, s->count, add_task, w, e) < 0)
        return -1;
    if (w->gone > 0 && judge_gone (h, w, e) < 0)
        return -1;
    *(w->well ? &t->done : &t->not_ok) += w->gone;
    if (t->open)
        t->total = s->count; /* those that are named may come */
    return 0;
}

/* Asks; *outcomes (may be NULL) is how many the whole batch has. 0 or -1. */
static int look (drover_t *h, struct watch *w, uint64_t *outcomes, drover_error_t *e)
{
    const struct selector *s = w->s;
    struct batch_state state;

    if (batches_state (h, s->id, &state, e) < 0)
        return -1;
    w->tally = (struct tally){.total = state.total,
                              .done = state.done,
                              .not_ok = state.not_ok,
                              .cancelled = state.cancelled,
                              .open = state.open};
    w->retried = state.retried;
    if (outcomes)
        *outcomes = state.done + state.not_ok;
    if (s->count == 0)
        return 0;
    w->tally = (struct tally){.open = state.open && state.total < s->first + s->count};
    return look_at_tasks (h, w, e);
}

/* --- waiting --- */

static void answer (struct watch *w, int code, const char *text)
{
    w->ref = 0;
    w->answer.code = code;
    snprintf (w->answer.text, sizeof w->answer.text, "%s", text);
}

static void wait_tasks (const struct wait_opts *o, drover_t *h, struct watch *w)
{
    uint64_t outcomes;

    w->ref = 0;
    if (look (h, w, &outcomes, &w->answer) < 0)
        return;
    if (w->tally.total == 0 || tally_is_decided (&w->tally, &o->wanted))
        answer (w, DROVER_OK, "");
    else
        w->ref = drover_wait (h, w->s->id, DROVER_WAIT_COUNT,
                              outcomes + tally_needs (&w->tally, &o->wanted), &w->answer);
}

static void start (const struct wait_opts *o, drover_t *h, struct watch *w)
{
    if (w->s->count)
        wait_tasks (o, h, w);
    else
        w->ref = drover_wait (h, w->s->id, o->wanted.condition, o->wanted.n, &w->answer);
}

static void answer_all (struct watch *all, size_t count, const drover_error_t *e)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].ref)
            answer (&all[i], e->code, e->text);
}

static void on_reply (const struct wait_opts *o, drover_t *h, struct watch *all, size_t count,
                      const drover_event_t *event)
{
    for (size_t i = 0; i < count; i++) {
        bool again = all[i].s->count &&
                     (event->reply->code == DROVER_OK || event->reply->code == DROVER_EUNKNOWN);

        if (all[i].ref != event->ref)
            continue;
        if (again)
            wait_tasks (o, h, &all[i]);
        else
            answer (&all[i], event->reply->code, event->reply->text);
        return;
    }
}

static bool all_answered (const struct watch *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].ref)
            return false;
    return true;
}

/* The answers come in any order; meanwhile the user is told what the library has to tell. */
static void take_answers (const struct wait_opts *o, drover_t *h, struct watch *all, size_t count)
{
    int64_t deadline_us =
        o->timeout_ms ? clock_mono_us () + (int64_t)o->timeout_ms * US_PER_MS : CLOCK_NEVER;
    const drover_error_t late = {.code = DROVER_ETIME, .text = "the time is over"};
    drover_error_t e = {0};
    const drover_event_t *event;

    while (!all_answered (all, count)) {
        int64_t left = time_left (deadline_us);
        int got = drover_next (h, left, &event, &e);

        if (got < 0)
            answer_all (all, count, &e);
        else if (got == 0 && left == 0)
            answer_all (all, count, &late);
        else if (got > 0 && event->kind == DROVER_EVENT_LOST)
            answer_all (all, count, event->refused);
        else if (got > 0 && event->kind == DROVER_EVENT_REPLY)
            on_reply (o, h, all, count, event);
        else if (got > 0 && event->kind == DROVER_EVENT_NOTICE)
            session_notice (&o->session, event->notice);
    }
}

/* --- what came of it --- */

static bool is_selected (const struct selector *s, uint64_t row)
{
    return s->count == 0 || (row >= s->first && row - s->first < s->count);
}

/* Whether that is what is waited for. */
static bool is_wanted (const struct wait_opts *o, const struct selector *s, struct latest *latest,
                       const drover_result_t *result)
{
    bool success = o->wanted.condition == DROVER_WAIT_SUCCESSES;
    drover_error_t e;

    return is_selected (s, result->row) && (!success || result->how == DROVER_DONE) &&
           latest_counts (latest, &result, &e) == 1;
}

/* The first of the tasks that counts, from the outcomes there are. 0: none. */
static uint64_t first_task (const struct wait_opts *o, drover_t *h, const struct watch *w)
{
    const struct batch_state state = {.id = w->s->id, .retried = w->retried};
    drover_batch_t *b = drover_attach (h, w->s->id, 0, 0, NULL, NULL);
    const drover_event_t *event;
    struct latest latest;
    uint64_t task = 0;

    latest_init (&latest, h, &state, false);
    while (b && task == 0 && drover_next (h, -1, &event, NULL) == 1) {
        if (event->kind == DROVER_EVENT_LOST ||
            (event->batch == b &&
             (event->kind == DROVER_EVENT_END || event->kind == DROVER_EVENT_REFUSED)))
            break;
        if (event->batch == b && event->kind == DROVER_EVENT_RESULT) {
            uint64_t row = event->row; /* the question whether it counts may end the event */

            task = is_wanted (o, w->s, &latest, event->result) ? row + 1 : 0;
        }
    }
    latest_fini (&latest);
    drover_batch_free (&b);
    return task;
}

static int take_gone (const drover_pair_t *pairs, size_t count, void *arg)
{
    uint64_t *task = arg;

    if (*task == 0 && is_gone (pairs, count))
        *task = drover_pair_number (pairs, count, "row", 0) + 1;
    return 0;
}

/* Where there are no outcomes: the lowest of the tasks that are gone. Of those it is known that
 * they have succeeded if none of the batch has not. */
static uint64_t gone_task (const struct wait_opts *o, drover_t *h, struct watch *w)
{
    uint64_t count = w->s->count ? w->s->count : w->tally.total;
    uint64_t task = 0;
    drover_error_t e;

    for (uint64_t at = 0; at < count && task == 0; at += PAGE_ROWS)
        if (session_query (h, DROVER_QUERY_TASKS, w->s->id, w->s->first + at,
                           count - at < PAGE_ROWS ? count - at : PAGE_ROWS, take_gone, &task,
                           &e) < 0)
            return 0;
    if (o->wanted.condition == DROVER_WAIT_SUCCESSES && (judge_gone (h, w, &e) < 0 || !w->well))
        return 0;
    return task;
}

static void put_number (json_t *object, const char *name, uint64_t value)
{
    json_object_set_new (object, name, json_integer ((json_int_t)value));
}

static void print_json (const struct wait_opts *o, const struct watch *w, bool late, uint64_t task)
{
    const struct tally *t = &w->tally;
    json_t *object = json_new ();

    put_number (object, "batch", w->s->id);
    json_object_set_new (object, "condition", json_string (o->word));
    json_object_set_new (object, "holds", json_boolean (!late && tally_holds (t, &o->wanted)));
    json_object_set_new (object, "timed_out", json_boolean (late));
    if (task)
        put_number (object, "task", task);
    if (!late) {
        put_number (object, "total", t->total);
        put_number (object, "done", t->done);
        put_number (object, "failed", t->not_ok - t->cancelled);
        put_number (object, "cancelled", t->cancelled);
    }
    json_print (object);
}

static void say_not (const struct wait_opts *o, const struct watch *w)
{
    const struct tally *t = &w->tally;
    uint64_t left = t->total - tally_finished (t);
    char more[60] = "";

    if (left > 0)
        snprintf (more, sizeof more, ", %" PRIu64 " had not ended", left);
    say (command,
         "batch %" PRIu64 ": %s%" PRIu64 " of %" PRIu64 " tasks succeeded, %" PRIu64
         " failed, %" PRIu64 " cancelled%s",
         w->s->id,
         o->wanted.condition == DROVER_WAIT_ALL ? "" : "it cannot come to that any more: ", t->done,
         t->total, t->not_ok - t->cancelled, t->cancelled, more);
}

static int report (const struct wait_opts *o, drover_t *h, struct watch *w)
{
    bool good = tally_holds (&w->tally, &o->wanted);
    uint64_t task = 0;

    if (w->s->count && w->tally.total == 0) {
        say (command, "batch %" PRIu64 " has no task %" PRIu64, w->s->id, w->s->first + 1);
        return STATUS_NOTHING;
    }
    if (good && o->print_task)
        task = first_task (o, h, w);
    if (good && o->print_task && task == 0)
        task = gone_task (o, h, w);
    if (o->session.json)
        print_json (o, w, false, task);
    else if (task && !o->session.quiet)
        printf ("%" PRIu64 ".%" PRIu64 "\n", w->s->id, task);
    if (!good && !o->session.quiet && !o->session.json)
        say_not (o, w);
    return good ? STATUS_OK : STATUS_FAILED;
}

/* DROVER_EUNKNOWN stands for two things: there is no such batch, or it has ended without the
 * condition; a look tells. */
static int conclude (const struct wait_opts *o, drover_t *h, struct watch *w)
{
    drover_error_t *e = &w->answer;

    if (e->code == DROVER_ETIME && o->session.json)
        print_json (o, w, true, 0);
    if (e->code != DROVER_OK && e->code != DROVER_EUNKNOWN)
        return batches_error (&o->session, w->s->id, e);
    if ((w->s->count == 0 || e->code != DROVER_OK) && look (h, w, NULL, e) < 0)
        return batches_error (&o->session, w->s->id, e);
    return report (o, h, w);
}

/* All at once. */
static int wait_for (const struct wait_opts *o, drover_t *h, const struct selectors *s)
{
    struct watch *all = mem_zalloc (s->count * sizeof *all);
    int worst = STATUS_OK;

    for (size_t i = 0; i < s->count; i++) {
        all[i].s = &s->all[i];
        start (o, h, &all[i]);
    }
    take_answers (o, h, all, s->count);
    for (size_t i = 0; i < s->count; i++) {
        int status = conclude (o, h, &all[i]);

        worst = status > worst ? status : worst;
    }
    free (all);
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

static void set_condition (struct wait_opts *o, int condition, const char *word, uint64_t n,
                           bool print)
{
    o->wanted = (struct wanted){condition, n};
    o->word = word;
    o->print_task = print;
    o->conditions++;
}

static int take_option (struct wait_opts *o, int opt)
{
    struct err e = {0};
    uint64_t n = 0;

    switch (opt) {
    case OPT_ALL:
        set_condition (o, DROVER_WAIT_ALL, "all", 0, false);
        return 0;
    case OPT_ANY:
        set_condition (o, DROVER_WAIT_COUNT, "any", 1, true);
        return 0;
    case OPT_FIRST_SUCCESS:
        set_condition (o, DROVER_WAIT_SUCCESSES, "first-success", 1, true);
        return 0;
    case OPT_SUCCESS:
        if (number_within (optarg, 1, UINT32_MAX, &n, &e) < 0)
            return say_usage (command, "--success: %s", e.text);
        set_condition (o, DROVER_WAIT_SUCCESSES, "success", n, false);
        return 0;
    case OPT_COUNT:
        if (number_within (optarg, 1, UINT32_MAX, &n, &e) < 0)
            return say_usage (command, "--count: %s", e.text);
        set_condition (o, DROVER_WAIT_COUNT, "count", n, false);
        return 0;
    case OPT_PERCENT:
        if (number_within (optarg, 1, 100, &n, &e) < 0)
            return say_usage (command, "--percent: %s", e.text);
        set_condition (o, DROVER_WAIT_PERCENT, "percent", n, false);
        return 0;
    default:
        if (duration_ms (optarg, &o->timeout_ms, &e) < 0)
            return say_usage (command, "--timeout: %s", e.text);
        return 0;
    }
}

int cmd_wait (int argc, char **argv)
{
    struct wait_opts o = {
        .session = {.command = command}, .wanted = {DROVER_WAIT_ALL, 0}, .word = "all"};
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
    status = wait_for (&o, h, &s);
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
