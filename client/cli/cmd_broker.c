/* drover broker start: becomes drover-broker, in the foreground. drover broker stop: ends one. */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/help.h"
#include "client/cli/programs.h"
#include "client/cli/say.h"
#include "client/cli/session.h"
#include "client/cli/show.h"

static const char command[] = "broker";

#define STOP_MS 60000

struct stop_opts {
    struct session_opts session;
    bool drain;
    uint64_t timeout_ms;
};

struct left { /* what a broker has not finished */
    uint64_t tasks;
    bool memory;
};

static int take_batch (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct left *left = arg;

    if (show_is_over (pairs, count))
        return 0;
    left->tasks += drover_pair_number (pairs, count, "waiting", 0) +
                   drover_pair_number (pairs, count, "running", 0);
    return 0;
}

static int take_status (const drover_pair_t *pairs, size_t count, void *arg)
{
    ((struct left *)arg)->memory = show_is (pairs, count, "durability", "memory");
    return 0;
}

static int look (drover_t *h, struct left *left, drover_error_t *e)
{
    *left = (struct left){0};
    return session_query (h, DROVER_QUERY_STATUS, 0, 0, 0, take_status, left, e) < 0
               ? -1
               : session_query (h, DROVER_QUERY_BATCHES, 0, 0, 0, take_batch, left, e);
}

/* Until its batches are over. When that took too long, it goes on as before. */
static int drain (drover_t *h, int64_t timeout_ms, drover_error_t *e)
{
    uint64_t ref = drover_drain_broker (h, e);

    return ref ? drover_await (h, ref, timeout_ms, NULL, NULL, NULL, e) : -1;
}

static int stop (const struct stop_opts *o)
{
    int64_t timeout_ms = o->timeout_ms ? (int64_t)o->timeout_ms : STOP_MS;
    drover_error_t e = {0};
    struct left left = {0};
    int status, rc = 0;
    drover_t *h = session_open (&o->session, &status);

    if (!h)
        return status;
    if (o->drain)
        rc = drain (h, o->timeout_ms ? timeout_ms : -1, &e);
    else
        rc = look (h, &left, &e);
    if (rc == 0 && left.memory && left.tasks && !o->session.quiet)
        say (command, "it keeps nothing: %" PRIu64 " unfinished task%s end%s with it", left.tasks,
             left.tasks == 1 ? "" : "s", left.tasks == 1 ? "s" : "");
    if (rc == 0)
        rc = drover_stop_broker (h, timeout_ms, &e);
    if (rc < 0)
        status = session_error (&o->session, &e,
                                e.code == DROVER_ETIME ? STATUS_TIMEOUT : STATUS_TROUBLE);
    drover_close (&h);
    return status;
}

enum { OPT_DRAIN = SESSION_OPT_OWN, OPT_TIMEOUT };

static const struct option options[] = {SESSION_OPTIONS,
                                        {"drain", no_argument, NULL, OPT_DRAIN},
                                        {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                        {NULL, 0, NULL, 0}};

int cmd_broker (int argc, char **argv)
{
    struct stop_opts o = {.session = {.command = command, .flags = DROVER_OPEN_NO_PRIVATE}};
    struct err e;
    int opt;

    if (argc > 1 && strcmp (argv[1], "start") == 0)
        return program_exec (command, "drover-broker", argv + 2);
    while ((opt = session_getopt (&o.session, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?')
            return STATUS_USAGE;
        if (opt == OPT_TIMEOUT && duration_ms (optarg, &o.timeout_ms, &e) < 0)
            return say_usage (command, "--timeout: %s", e.text);
        o.drain = o.drain || opt == OPT_DRAIN;
    }
    if (argc - optind == 1 && strcmp (argv[optind], "stop") == 0)
        return stop (&o);
    return say_usage (command, "'drover broker start' or 'drover broker stop'");
}
