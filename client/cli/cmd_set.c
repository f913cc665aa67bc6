/* drover set: change batches while they run. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"

static const char command[] = "set";

enum { JOBS_MOST = 1000000, PRIORITY_MOST = 100, NAME_MOST = 256 };

typedef int take_fn (drover_set_options_t *o, const char *value, struct err *e);

static int take_jobs (drover_set_options_t *o, const char *value, struct err *e)
{
    uint64_t n;

    if (number_within (value, 0, JOBS_MOST, &n, e) < 0)
        return -1;
    o->jobs = (unsigned)n;
    return 0;
}

static int take_priority (drover_set_options_t *o, const char *value, struct err *e)
{
    uint64_t n;

    if (number_within (value, 1, PRIORITY_MOST, &n, e) < 0)
        return -1;
    o->priority = (unsigned)n;
    return 0;
}

static int take_deadline (drover_set_options_t *o, const char *value, struct err *e)
{
    if (strcmp (value, "none") == 0)
        return 0;
    return duration_ms (value, &o->deadline_ms, e);
}

static int take_name (drover_set_options_t *o, const char *value, struct err *e)
{
    if (strlen (value) > NAME_MOST)
        return err_set (e, 0, "a name has %d bytes at the most", NAME_MOST);
    o->name = value;
    return 0;
}

static const struct {
    const char *name;
    unsigned change;
    take_fn *take;
} keys[] = {{"jobs", DROVER_CHANGE_JOBS, take_jobs},
            {"priority", DROVER_CHANGE_PRIORITY, take_priority},
            {"deadline", DROVER_CHANGE_DEADLINE, take_deadline},
            {"name", DROVER_CHANGE_NAME, take_name}};

static int take_word (drover_set_options_t *o, const char *word, const char *value)
{
    size_t len = (size_t)(value - word);
    struct err e;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strlen (keys[i].name) != len || memcmp (keys[i].name, word, len) != 0)
            continue;
        if (keys[i].take (o, value + 1, &e) < 0)
            return say_usage (command, "%s: %s", word, e.text);
        o->changes |= keys[i].change;
        return STATUS_OK;
    }
    return say_usage (command, "%s: what can be set is jobs=N, priority=N, deadline=D, name=NAME",
                      word);
}

/* Changes are KEY=VALUE; all other words select batches, which are moved to the front. */
static int split (drover_set_options_t *o, char **words, size_t count, size_t *batches)
{
    *batches = 0;
    for (size_t i = 0; i < count; i++) {
        const char *value = words[i][0] == '@' ? NULL : strchr (words[i], '=');

        if (!value)
            words[(*batches)++] = words[i];
        else if (take_word (o, words[i], value) != STATUS_OK)
            return STATUS_USAGE;
    }
    if (!o->changes)
        return say_usage (command, "what? As in: drover set last jobs=4 (jobs=N, priority=N, "
                                   "deadline=D, name=NAME)");
    return STATUS_OK;
}

static int set_one (const struct session_opts *session, drover_t *h, uint64_t id,
                    const drover_set_options_t *o)
{
    drover_error_t e = {0};
    uint64_t ref = drover_set (h, id, o, &e);

    if (!ref || drover_await (h, ref, -1, NULL, NULL, NULL, &e) < 0) {
        if (e.code != DROVER_ECONFLICT)
            return batches_error (session, id, &e);
        say (command, "%s", e.text);
        return STATUS_FAILED;
    }
    if (session->json) {
        json_t *object = json_new ();

        json_object_set_new (object, "batch", json_integer ((json_int_t)id));
        json_print (object);
    }
    return STATUS_OK;
}

static const struct option options[] = {SESSION_OPTIONS, {NULL, 0, NULL, 0}};

int cmd_set (int argc, char **argv)
{
    struct session_opts session = {.command = command};
    drover_set_options_t o = {0};
    struct selectors s;
    drover_t *h;
    size_t batches;
    int opt, status;

    while ((opt = session_getopt (&session, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?')
            return STATUS_USAGE;
    }
    if (split (&o, argv + optind, (size_t)(argc - optind), &batches) != STATUS_OK)
        return STATUS_USAGE;
    status = batches_open (&session, argv + optind, batches, &h, &s);
    if (status != STATUS_OK)
        return status;
    if (selectors_have_tasks (&s))
        status = say_usage (command, "whole batches can be changed, not single tasks");
    for (size_t i = 0; i < s.count && status != STATUS_USAGE; i++) {
        int one = set_one (&session, h, s.all[i].id, &o);

        status = one > status ? one : status;
    }
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
