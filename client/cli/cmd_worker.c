/* drover worker start, list, drain: becomes drover-worker; shows workers; empties one. */
#include <stdio.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/help.h"
#include "client/cli/json_out.h"
#include "client/cli/programs.h"
#include "client/cli/say.h"
#include "client/cli/session.h"
#include "client/cli/show.h"

static const char command[] = "worker";

static const struct show_column columns[] = {{"name", "WORKER"},
                                             {"host", "HOST"},
                                             {"state", "STATE"},
                                             {"slots", "SLOTS"},
                                             {"cores", "CORES"},
                                             {"busy", "BUSY"},
                                             {"io_busy", "IO"},
                                             {"io_tasks", "IO-MAX"},
                                             {"done", "DONE"},
                                             {"pid", "PID"},
                                             {"containment", "CONTAINMENT"},
                                             {"functions", "FUNCTIONS"}};

#define COLUMNS (sizeof columns / sizeof *columns)

struct listing {
    const struct session_opts *session;
    struct table table;
    size_t shown;
};

static int take_worker (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct listing *l = arg;

    l->shown++;
    if (l->session->json)
        json_print (json_of_record (pairs, count));
    else
        show_row (&l->table, columns, COLUMNS, pairs, count);
    return 0;
}

static int list_workers (const struct session_opts *o)
{
    struct listing l = {.session = o};
    drover_error_t e = {0};
    int status;
    drover_t *h = session_open (o, &status);

    if (!h)
        return status;
    table_init (&l.table, COLUMNS);
    show_headings (&l.table, columns, COLUMNS);
    if (session_query (h, DROVER_QUERY_WORKERS, 0, 0, 0, take_worker, &l, &e) < 0)
        status = session_error (o, &e, STATUS_TROUBLE);
    else if (l.shown == 0)
        status = STATUS_NOTHING;
    else if (!o->json)
        table_print (&l.table, stdout);
    if (status == STATUS_NOTHING && !o->quiet)
        say (command, "no worker is connected to %s", drover_broker (h));
    table_fini (&l.table);
    drover_close (&h);
    return status;
}

static int drain_worker (const struct session_opts *o, const char *name, uint64_t timeout_ms)
{
    drover_error_t e = {0};
    int status;
    drover_t *h = session_open (o, &status);
    uint64_t ref;

    if (!h)
        return status;
    ref = drover_drain_worker (h, name, &e);
    if (!ref ||
        drover_await (h, ref, timeout_ms ? (int64_t)timeout_ms : -1, NULL, NULL, NULL, &e) < 0) {
        if (e.code == DROVER_EUNKNOWN)
            status = STATUS_NOTHING;
        else
            status = e.code == DROVER_ETIME ? STATUS_TIMEOUT : STATUS_TROUBLE;
        if (status == STATUS_NOTHING)
            say (command, "there is no worker '%s': drover worker list", name);
        else
            session_error (o, &e, status);
    }
    drover_close (&h);
    return status;
}

enum { OPT_TIMEOUT = SESSION_OPT_OWN };

static const struct option options[] = {
    SESSION_OPTIONS, {"timeout", required_argument, NULL, OPT_TIMEOUT}, {NULL, 0, NULL, 0}};

int cmd_worker (int argc, char **argv)
{
    struct session_opts o = {.command = command, .flags = DROVER_OPEN_NO_PRIVATE};
    uint64_t timeout_ms = 0;
    struct err e;
    int opt, words;

    if (argc > 1 && strcmp (argv[1], "start") == 0)
        return program_exec (command, "drover-worker", argv + 2);
    while ((opt = session_getopt (&o, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?')
            return STATUS_USAGE;
        if (duration_ms (optarg, &timeout_ms, &e) < 0)
            return say_usage (command, "--timeout: %s", e.text);
    }
    words = argc - optind;
    if (words == 1 && strcmp (argv[optind], "list") == 0)
        return list_workers (&o);
    if (words == 2 && strcmp (argv[optind], "drain") == 0)
        return drain_worker (&o, argv[optind + 1], timeout_ms);
    return say_usage (command, "'drover worker start', 'drover worker list' or "
                               "'drover worker drain WORKER'");
}
