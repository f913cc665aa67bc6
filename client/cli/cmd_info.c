/* drover info: everything the broker knows of batches, or of single tasks; with --state, everything
 * that is in the state directory of a broker that does not run. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/batch_table.h"
#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "client/cli/show.h"

static const char command[] = "info";

struct info {
    struct session_opts session;
    struct table table; /* of the batches of a state */
    uint64_t shown;     /* records */
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

static int print_selected (struct info *i, char *const *words, size_t count)
{
    struct selectors s;
    drover_t *h;
    int status = batches_open (&i->session, words, count, &h, &s);

    if (status != STATUS_OK)
        return status;
    for (size_t n = 0; n < s.count; n++) {
        int one = print_one (i, h, &s.all[n]);

        status = one > status ? one : status;
    }
    drover_close (&h);
    selectors_fini (&s);
    return status;
}

/* Of a status what is true of a state, and not of the broker that was started to read it. */
static int print_state (const drover_pair_t *pairs, size_t count, void *arg)
{
    static const char *const names[] = {"state",   "durability", "stopped", "state_bytes",
                                        "batches", "waiting",    "running"};
    enum { NAMES = sizeof names / sizeof *names };
    drover_pair_t kept[NAMES];

    for (size_t n = 0; n < NAMES; n++) {
        kept[n].name = (drover_bytes_t){names[n], strlen (names[n])};
        kept[n].value = drover_pair_find (pairs, count, names[n]);
    }
    return print_record (kept, NAMES, arg);
}

static int add_batch (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct info *i = arg;

    if (i->session.json)
        return print_record (pairs, count, i);
    batch_table_add (&i->table, pairs, count);
    i->shown++;
    return 0;
}

static int print_overview (struct info *i)
{
    drover_error_t e = {0};
    int status;
    drover_t *h = session_open (&i->session, &status);

    if (!h)
        return status;
    batch_table_init (&i->table);
    if (session_query (h, DROVER_QUERY_STATUS, 0, 0, 0, print_state, i, &e) < 0 ||
        session_query (h, DROVER_QUERY_BATCHES, 0, 0, 0, add_batch, i, &e) < 0) {
        status = session_error (&i->session, &e, STATUS_TROUBLE);
    } else if (!i->session.json && i->shown > 1) {
        putchar ('\n');
        table_print (&i->table, stdout);
    }
    table_fini (&i->table);
    drover_close (&h);
    return status;
}

enum { OPT_STATE = SESSION_OPT_OWN };

static const struct option options[] = {
    SESSION_OPTIONS, {"state", required_argument, NULL, OPT_STATE}, {NULL, 0, NULL, 0}};

int cmd_info (int argc, char **argv)
{
    struct info i = {.session = {.command = command}};
    int opt;

    while ((opt = session_getopt (&i.session, argc, argv, ":", options)) != -1) {
        if (opt != OPT_STATE)
            return opt == '?' ? STATUS_USAGE : STATUS_OK;
        i.session.state = optarg;
    }
    if (i.session.state && optind == argc)
        return print_overview (&i);
    return print_selected (&i, argv + optind, (size_t)(argc - optind));
}
