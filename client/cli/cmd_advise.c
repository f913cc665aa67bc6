/* drover advise: was a batch worth it, and what would make it better? From the outcomes that the
 * broker keeps, of which only sums stay. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/json_out.h"
#include "client/cli/places.h"
#include "client/cli/say.h"
#include "client/cli/show.h"
#include "client/cli/summary.h"
#include "common/base/units.h"

#define NAME_MAX_SHOWN 400

static const char command[] = "advise";

struct advising {
    struct session_opts session;
    struct places places;
};

/* One batch. */
struct subject {
    uint64_t id;
    uint64_t submitted;
    uint64_t jobs; /* its limit; 0: none */
    uint64_t cpus;
    bool over;
    uint64_t gone; /* tasks whose outcome the broker does not have any more */
    char name[NAME_MAX_SHOWN];
    char state[40];
    struct summary summary;
};

static int take_batch (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct subject *s = arg;
    drover_bytes_t name = drover_pair_find (pairs, count, "name");

    s->submitted = drover_pair_number (pairs, count, "submitted", 0);
    s->jobs = drover_pair_number (pairs, count, "jobs", 0);
    s->cpus = drover_pair_number (pairs, count, "cpus", 1);
    s->over = show_is_over (pairs, count);
    s->summary.worth.keys = drover_pair_number (pairs, count, "keys", 0);
    s->summary.worth.key_tasks = drover_pair_number (pairs, count, "key_tasks", 0);
    s->summary.worth.functions = !drover_pair_number (pairs, count, "commands", 1);
    say_escape (s->name, sizeof s->name, name.ptr, name.len);
    show_field (pairs, count, "state", s->state, sizeof s->state);
    return 0;
}

/* How a task ended, by its word; -1: it has not, or nobody knows any more. */
static int how_of (const drover_pair_t *pairs, size_t count)
{
    for (int how = DROVER_DONE; how <= DROVER_BROKER_LOST; how++)
        if (show_is (pairs, count, "state", drover_how_name (how)))
            return how;
    return -1;
}

static int take_task (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct subject *s = arg;
    drover_bytes_t name = drover_pair_find (pairs, count, "host");
    char host[300];
    drover_result_t r = {.row = drover_pair_number (pairs, count, "row", 0),
                         .attempt = drover_pair_number (pairs, count, "attempt", 0),
                         .how = how_of (pairs, count),
                         .start_us = drover_pair_number (pairs, count, "start_us", 0),
                         .wall_us = drover_pair_number (pairs, count, "wall_us", 0),
                         .user_us = drover_pair_number (pairs, count, "user_us", 0),
                         .sys_us = drover_pair_number (pairs, count, "sys_us", 0),
                         .maxrss_kib = drover_pair_number (pairs, count, "maxrss_kib", 0),
                         .host = host};

    snprintf (host, sizeof host, "%.*s", (int)name.len, name.len ? (const char *)name.ptr : "");
    if (r.how >= 0)
        summary_add (&s->summary, &r);
    else
        s->gone += show_is (pairs, count, "state", "finished");
    return 0;
}

/* All that the broker knows of it. */
static int look (drover_t *h, struct subject *s, drover_error_t *e)
{
    if (session_query (h, DROVER_QUERY_BATCH, s->id, 0, 0, take_batch, s, e) < 0)
        return -1;
    return session_query (h, DROVER_QUERY_TASKS, s->id, 0, s->submitted, take_task, s, e);
}

/* The time is that of the tasks, by the clocks of their hosts: nobody waited for the batch. */
static void complete (const struct advising *a, struct subject *s)
{
    drover_worth_t *w = &s->summary.worth;

    s->summary.wall_us = w->last_end_us - w->first_start_us;
    w->shared = 1;
    w->asked = s->jobs;
    w->cores = a->places.cores;
    w->slots = s->cpus ? a->places.slots / s->cpus : 0;
    if (s->jobs && s->jobs < w->slots)
        w->slots = s->jobs;
}

/* --- printing --- */

static void print_json (const struct subject *s)
{
    json_t *object = json_new ();
    json_t *summary = summary_json (&s->summary, NULL);

    json_object_set_new (summary, "advice", summary_advice_json (&s->summary.worth));
    json_object_set_new (object, "batch", json_integer ((json_int_t)s->id));
    json_object_set_new (object, "name", json_string (s->name));
    json_object_set_new (object, "state", json_string (s->state));
    json_object_set_new (object, "submitted", json_integer ((json_int_t)s->submitted));
    json_object_set_new (object, "gone", json_integer ((json_int_t)s->gone));
    json_object_set_new (object, "summary", summary);
    json_print (object);
}

/* What the figures are about, where that is not the whole batch. */
static void print_reservations (const struct subject *s)
{
    uint64_t ended = s->summary.worth.tasks;

    if (!s->over)
        printf ("so far: %" PRIu64 " of %" PRIu64 " tasks have ended\n", ended + s->gone,
                s->submitted);
    if (s->gone)
        printf ("%" PRIu64 " outcomes are with the client that ran them: the broker keeps those of "
                "submitted batches only\n",
                s->gone);
    if (s->summary.cancelled)
        printf ("tasks were cancelled: the figures say less\n");
}

static void print_advice (const drover_worth_t *worth)
{
    drover_advice_t all[DROVER_RULES];
    size_t count = drover_advise (worth, all, DROVER_RULES);
    char gain[40];

    for (size_t i = 0; i < count; i++) {
        printf ("- %s: %s", all[i].text, all[i].mend);
        units_print_time (gain, sizeof gain, (double)all[i].gain_us);
        if (all[i].gain_us)
            printf (" (saves up to %s)", gain);
        putchar ('\n');
    }
    if (count == 0 && worth->ran > 0)
        printf ("nothing is wrong with it\n");
}

static void print_words (const struct subject *s)
{
    char line[400];

    printf ("batch %" PRIu64 " (%s), %s\n", s->id, s->name, s->state);
    print_reservations (s);
    if (s->summary.worth.tasks == 0)
        return;
    if (s->summary.worth.ran == 0) {
        printf ("none of its tasks ran\n");
        return;
    }
    summary_print (&s->summary, line, sizeof line);
    printf ("%s\n", line);
    print_advice (&s->summary.worth);
}

static int advise (const struct advising *a, drover_t *h, uint64_t id)
{
    struct subject s = {.id = id};
    drover_error_t e = {0};
    int status = STATUS_OK;

    summary_init (&s.summary);
    if (look (h, &s, &e) < 0) {
        status = batches_error (&a->session, id, &e);
    } else {
        complete (a, &s);
        if (a->session.json)
            print_json (&s);
        else
            print_words (&s);
    }
    summary_fini (&s.summary);
    return status;
}

static int advise_all (struct advising *a, drover_t *h, const struct selectors *s)
{
    drover_error_t e = {0};
    int worst = STATUS_OK;

    for (size_t i = 0; i < s->count; i++)
        if (s->all[i].count > 0)
            return say_usage (command, "is about whole batches: %" PRIu64, s->all[i].id);
    if (!a->session.state && places_ask (h, &a->places, &e) < 0)
        return session_error (&a->session, &e, STATUS_TROUBLE);
    for (size_t i = 0; i < s->count; i++) {
        int status = advise (a, h, s->all[i].id);

        if (i + 1 < s->count && !a->session.json && status == STATUS_OK)
            putchar ('\n');
        worst = status > worst ? status : worst;
    }
    return worst;
}

enum { OPT_STATE = SESSION_OPT_OWN };

static const struct option options[] = {
    SESSION_OPTIONS, {"state", required_argument, NULL, OPT_STATE}, {NULL, 0, NULL, 0}};

int cmd_advise (int argc, char **argv)
{
    struct advising a = {.session = {.command = command}};
    struct selectors s;
    drover_t *h;
    int opt, status;

    while ((opt = session_getopt (&a.session, argc, argv, ":", options)) != -1) {
        if (opt != OPT_STATE)
            return opt == '?' ? STATUS_USAGE : STATUS_OK;
        a.session.state = optarg;
    }
    status = batches_open (&a.session, argv + optind, (size_t)(argc - optind), &h, &s);
    if (status != STATUS_OK)
        return status;
    status = advise_all (&a, h, &s);
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
