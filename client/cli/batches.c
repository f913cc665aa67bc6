/* batches: from selectors to batches; see batches.h. */
#include "client/cli/batches.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/say.h"
#include "client/cli/show.h"
#include "common/base/mem.h"

struct known {
    struct known_batch *all;
    size_t count;
};

static int add_known (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct known *k = arg;
    drover_bytes_t name = drover_pair_find (pairs, count, "name");

    k->all = mem_resize (k->all, k->count + 1, sizeof *k->all);
    k->all[k->count].id = drover_pair_number (pairs, count, "id", 0);
    k->all[k->count].name = mem_strndup (name.len ? name.ptr : "", name.len);
    k->count++;
    return 0;
}

static void known_fini (struct known *k)
{
    for (size_t i = 0; i < k->count; i++)
        free ((char *)k->all[i].name);
    free (k->all);
}

static int resolve (const struct session_opts *o, drover_t *h, struct selectors *s)
{
    struct known known = {NULL, 0};
    char missing[SELECTOR_NAME_MAX + 2] = "";
    drover_error_t e = {0};
    int status = STATUS_OK;

    if (session_query (h, DROVER_QUERY_BATCHES, 0, 0, 0, add_known, &known, &e) < 0)
        status = session_error (o, &e, STATUS_TROUBLE);
    else if (selectors_resolve (s, known.all, known.count, missing, sizeof missing) > 0)
        say (o->command, known.count ? "no batch matches %s" : "no batch matches %s: there is none",
             missing);
    if (status == STATUS_OK && s->count == 0)
        status = STATUS_NOTHING;
    known_fini (&known);
    return status;
}

int batches_open (struct session_opts *o, char *const *words, size_t count, drover_t **h,
                  struct selectors *s)
{
    struct err e;
    int status;

    if (count == 0)
        return say_usage (o->command, "which batch? As in: drover %s last", o->command);
    if (selectors_parse (s, words, count, &e) < 0)
        return say_usage (o->command, "%s", e.text);
    o->flags |= DROVER_OPEN_NO_PRIVATE;
    *h = session_open (o, &status);
    if (*h && selectors_need_list (s))
        status = resolve (o, *h, s);
    if (status != STATUS_OK) {
        drover_close (h);
        selectors_fini (s);
    }
    return status;
}

static int find_named (const struct session_opts *o, drover_t *h, struct bytes name, int when,
                       struct afters *found)
{
    char *word = mem_strndup ((const char *)name.ptr, name.len);
    struct selectors s;
    struct err e = {0};
    int status = selectors_parse (&s, &word, 1, &e) < 0 ? say_usage (o->command, "%s", e.text)
                                                        : resolve (o, h, &s);

    if (status == STATUS_OK && selectors_have_tasks (&s))
        status = say_usage (o->command, "--after %s: whole batches only", word);
    for (size_t i = 0; status == STATUS_OK && i < s.count; i++)
        if (afters_add (found, s.all[i].id, when, &e) < 0)
            status = say_usage (o->command, "--after: %s", e.text);
    selectors_fini (&s);
    free (word);
    return status == STATUS_OK ? 0 : -1;
}

int batches_run_after (const struct session_opts *o, drover_t *h, const struct afters *a,
                       struct afters *found, drover_batch_options_t *options)
{
    struct err e;

    found->count = 0;
    for (size_t i = 0; a && i < a->count; i++) {
        const drover_after_t *one = &a->list[i];

        if (a->names[i].len) {
            if (find_named (o, h, a->names[i], one->when, found) < 0)
                return -1;
        } else if (afters_add (found, one->batch, one->when, &e) < 0) {
            say_usage (o->command, "--after: %s", e.text);
            return -1;
        }
    }
    afters_apply (found, options);
    return 0;
}

static int save_state (const drover_pair_t *pairs, size_t count, void *arg)
{
    static const char *const not_ok[] = {"failed", "timeout", "cancelled",
                                         "lost",   "parked",  "skipped"};
    struct batch_state *state = arg;
    uint64_t submitted = drover_pair_number (pairs, count, "submitted", 0);

    state->id = drover_pair_number (pairs, count, "id", 0);
    state->pipeline = drover_pair_number (pairs, count, "pipeline", 0);
    state->open = show_is (pairs, count, "state", "open");
    state->total = drover_pair_number (pairs, count, "total", submitted);
    state->done = drover_pair_number (pairs, count, "done", 0);
    state->cancelled = drover_pair_number (pairs, count, "cancelled", 0);
    state->retried = drover_pair_number (pairs, count, "retried", 0);
    state->waiting = drover_pair_number (pairs, count, "waiting", 0);
    state->running = drover_pair_number (pairs, count, "running", 0);
    state->not_ok = 0;
    for (size_t i = 0; i < sizeof not_ok / sizeof *not_ok; i++)
        state->not_ok += drover_pair_number (pairs, count, not_ok[i], 0);
    return 0;
}

int batches_state (drover_t *h, uint64_t id, struct batch_state *state, drover_error_t *e)
{
    memset (state, 0, sizeof *state);
    return session_query (h, DROVER_QUERY_BATCH, id, 0, 0, save_state, state, e);
}

/* --- stages --- */

struct stages {
    struct selectors *s;
    uint64_t pipeline;
};

static int add_stage (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct stages *st = arg;
    uint64_t id = drover_pair_number (pairs, count, "id", 0);

    if (drover_pair_number (pairs, count, "pipeline", 0) != st->pipeline)
        return 0;
    for (size_t i = 0; i < st->s->count; i++)
        if (st->s->all[i].id == id && st->s->all[i].count == 0)
            return 0;
    st->s->all = mem_resize (st->s->all, st->s->count + 1, sizeof *st->s->all);
    st->s->all[st->s->count++] = (struct selector){.kind = SELECTOR_ID, .id = id};
    return 0;
}

int batches_add_stages (drover_t *h, struct selectors *s, drover_error_t *e)
{
    size_t named = s->count; /* what is added belongs to the same pipelines */

    for (size_t i = 0; i < named; i++) {
        struct stages stages = {.s = s};
        struct batch_state state;

        if (s->all[i].count > 0)
            continue;
        if (batches_state (h, s->all[i].id, &state, e) < 0 && e->code != DROVER_EUNKNOWN)
            return -1;
        stages.pipeline = state.pipeline;
        if (stages.pipeline &&
            session_query (h, DROVER_QUERY_BATCHES, 0, 0, 0, add_stage, &stages, e) < 0)
            return -1;
    }
    return 0;
}

int batches_error (const struct session_opts *o, uint64_t id, const drover_error_t *e)
{
    if (e->code == DROVER_EUNKNOWN) {
        say (o->command, "there is no batch %" PRIu64, id);
        return STATUS_NOTHING;
    }
    if (e->code == DROVER_ETIME) {
        say (o->command, "batch %" PRIu64 ": the time is over", id);
        return STATUS_TIMEOUT;
    }
    return session_error (o, e, STATUS_TROUBLE);
}
