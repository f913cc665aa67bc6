/* drover info: everything the broker knows of batches, or of single tasks. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "client/cli/show.h"

static const char command[] = "info";

static const struct option options[] = {SESSION_OPTIONS, {NULL, 0, NULL, 0}};

struct info {
    struct session_opts session;
    uint64_t shown; /* records */
};

static int print_record (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct info *i = arg;

    if (i->session.json) {
        json_print (json_of_record (pairs, count));
    } else {
        if (i->shown > 0)
            putchar ('\n');
        show_record (pairs, count);
    }
    i->shown++;
    return 0;
}

static int print_one (struct info *i, drover_t *h, const struct selector *s)
{
    int what = s->count > 0 ? DROVER_QUERY_TASKS : DROVER_QUERY_BATCH;
    uint64_t before = i->shown;
    drover_error_t e = {0};

    if (session_query (h, what, s->id, s->first, s->count, print_record, i, &e) < 0)
        return batches_error (&i->session, s->id, &e);
    if (i->shown > before)
        return STATUS_OK;
    say (command, "batch %" PRIu64 " has no task %" PRIu64, s->id, s->first + 1);
    return STATUS_NOTHING;
}

int cmd_info (int argc, char **argv)
{
    struct info i = {.session = {.command = command}};
    int opt = session_getopt (&i.session, argc, argv, ":", options);
    struct selectors s;
    drover_t *h;
    int status;

    if (opt != -1)
        return opt == '?' ? STATUS_USAGE : STATUS_OK;
    status = batches_open (&i.session, argv + optind, (size_t)(argc - optind), &h, &s);
    if (status != STATUS_OK)
        return status;
    for (size_t n = 0; n < s.count; n++) {
        int one = print_one (&i, h, &s.all[n]);

        status = one > status ? one : status;
    }
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
