/* drover list: the batches that the broker knows. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/batch_table.h"
#include "client/cli/cli.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "client/cli/session.h"

static const char command[] = "list";

static const char *const states[] = {"open", "running", "cancelling", "finished", "cancelled"};

struct list {
    struct session_opts session;
    const char *wanted; /* states with commas between; NULL: all */
    struct table table;
    size_t shown;
};

/* Is the word one of those in `list`, which has commas between them? */
static bool in_list (const char *list, const char *word, size_t len)
{
    while (*list) {
        size_t n = strcspn (list, ",");

        if (n == len && memcmp (list, word, len) == 0)
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

static int take_batch (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct list *l = arg;
    drover_bytes_t state = drover_pair_find (pairs, count, "state");

    if (l->wanted && !in_list (l->wanted, state.ptr, state.len))
        return 0;
    l->shown++;
    if (l->session.json)
        json_print (json_of_record (pairs, count));
    else
        batch_table_add (&l->table, pairs, count);
    return 0;
}

/* 0; -1 for a state that there is not, which has been said. */
static int check_states (const char *list)
{
    while (*list) {
        size_t n = strcspn (list, ",");
        bool known = false;

        for (size_t i = 0; i < sizeof states / sizeof *states; i++)
            known = known || (strlen (states[i]) == n && memcmp (list, states[i], n) == 0);
        if (!known) {
            say_usage (command,
                       "--state %.*s: a batch is open, running, cancelling, finished or cancelled",
                       (int)n, list);
            return -1;
        }
        list += n + (list[n] == ',');
    }
    return 0;
}

static int list_batches (struct list *l)
{
    drover_error_t e = {0};
    int status;
    drover_t *h = session_open (&l->session, &status);

    if (!h)
        return status;
    batch_table_init (&l->table);
    if (session_query (h, DROVER_QUERY_BATCHES, 0, 0, 0, take_batch, l, &e) < 0)
        status = session_error (&l->session, &e, STATUS_TROUBLE);
    else if (!l->session.json && l->shown > 0)
        table_print (&l->table, stdout);
    else if (l->shown == 0 && l->wanted)
        status = STATUS_NOTHING;
    table_fini (&l->table);
    drover_close (&h);
    return status;
}

enum { OPT_STATE = SESSION_OPT_OWN };

static const struct option options[] = {
    SESSION_OPTIONS, {"state", required_argument, NULL, OPT_STATE}, {NULL, 0, NULL, 0}};

int cmd_list (int argc, char **argv)
{
    struct list l = {.session = {.command = command, .flags = DROVER_OPEN_NO_PRIVATE}};
    int opt;

    while ((opt = session_getopt (&l.session, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?' || check_states (optarg) < 0)
            return STATUS_USAGE;
        l.wanted = optarg;
    }
    if (optind < argc)
        return say_usage (command, "takes no arguments: 'drover info %s' shows a batch",
                          argv[optind]);
    return list_batches (&l);
}
