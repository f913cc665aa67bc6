/* drover forget: submitted batches that are over, with their results. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "client/cli/show.h"
#include "common/base/mem.h"

static const char command[] = "forget";

struct forget {
    struct session_opts session;
    bool finished;     /* all that are over, ... */
    uint64_t older_ms; /* ... and have been for longer */
    uint64_t *ids;     /* of those */
    size_t count;
    uint64_t forgotten;
};

static int add_batch (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct forget *f = arg;

    if (!show_is_over (pairs, count) || !drover_pair_number (pairs, count, "detached", 0) ||
        drover_pair_number (pairs, count, "ended_ms", 0) < f->older_ms)
        return 0;
    if ((f->count & (f->count - 1)) == 0) /* room in powers of two */
        f->ids = mem_resize (f->ids, f->count ? 2 * f->count : 1, sizeof *f->ids);
    f->ids[f->count++] = drover_pair_number (pairs, count, "id", 0);
    return 0;
}

static void print_forgotten (struct forget *f, uint64_t id)
{
    json_t *object;

    f->forgotten++;
    if (!f->session.json)
        return;
    object = json_new ();
    json_object_set_new (object, "batch", json_integer ((json_int_t)id));
    json_object_set_new (object, "forgotten", json_true ());
    json_print (object);
}

/* One that was found by its age may be gone meanwhile, or be read: that is no failure. */
static int forget_one (struct forget *f, drover_t *h, uint64_t id, bool named)
{
    drover_error_t e = {0};
    uint64_t ref = drover_forget (h, id, &e);

    if (ref && drover_await (h, ref, -1, NULL, NULL, NULL, &e) == 0)
        print_forgotten (f, id);
    else if (named || (e.code != DROVER_EUNKNOWN && e.code != DROVER_EBUSY))
        return batches_error (&f->session, id, &e);
    return STATUS_OK;
}

static int forget_selected (struct forget *f, drover_t *h, const struct selectors *s)
{
    int worst = STATUS_OK;

    for (size_t i = 0; i < s->count; i++) {
        int status = forget_one (f, h, s->all[i].id, true);

        worst = status > worst ? status : worst;
    }
    return worst;
}

static int forget_finished (struct forget *f, drover_t *h)
{
    drover_error_t e = {0};
    int worst = STATUS_OK;

    if (session_query (h, DROVER_QUERY_BATCHES, 0, 0, 0, add_batch, f, &e) < 0)
        return session_error (&f->session, &e, STATUS_TROUBLE);
    for (size_t i = 0; i < f->count; i++) {
        int status = forget_one (f, h, f->ids[i], false);

        worst = status > worst ? status : worst;
    }
    free (f->ids);
    return worst;
}

static int run_selected (struct forget *f, char *const *words, size_t count)
{
    struct selectors s;
    drover_t *h;
    int status = batches_open (&f->session, words, count, &h, &s);

    if (status != STATUS_OK)
        return status;
    if (selectors_have_tasks (&s))
        status = say_usage (command, "whole batches can be forgotten, not single tasks");
    else
        status = forget_selected (f, h, &s);
    drover_close (&h);
    selectors_fini (&s);
    return status;
}

static int run_finished (struct forget *f)
{
    int status;
    drover_t *h;

    f->session.flags |= DROVER_OPEN_NO_PRIVATE;
    h = session_open (&f->session, &status);
    if (!h)
        return status;
    status = forget_finished (f, h);
    drover_close (&h);
    return status;
}

enum { OPT_FINISHED = SESSION_OPT_OWN, OPT_OLDER };

static const struct option options[] = {SESSION_OPTIONS,
                                        {"finished", no_argument, NULL, OPT_FINISHED},
                                        {"older", required_argument, NULL, OPT_OLDER},
                                        {NULL, 0, NULL, 0}};

int cmd_forget (int argc, char **argv)
{
    struct forget f = {.session = {.command = command}};
    struct err e;
    int opt, status;

    while ((opt = session_getopt (&f.session, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?')
            return STATUS_USAGE;
        f.finished = true;
        if (opt == OPT_OLDER && duration_ms (optarg, &f.older_ms, &e) < 0)
            return say_usage (command, "--older: %s", e.text);
    }
    if (f.finished && optind < argc)
        return say_usage (command, "either batches, or --finished and --older");
    if (f.finished)
        status = run_finished (&f);
    else
        status = run_selected (&f, argv + optind, (size_t)(argc - optind));
    if (f.forgotten > 0 && !f.session.quiet && !f.session.json)
        say (command, "%" PRIu64 " batch%s forgotten", f.forgotten, f.forgotten == 1 ? "" : "es");
    return status;
}
