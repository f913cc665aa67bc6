/* drover retry: run tasks of submitted batches again that did not succeed. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"

static const char command[] = "retry";

#define FAILED_STATES                                                                              \
    (1u << DROVER_FAILED | 1u << DROVER_TIMEOUT | 1u << DROVER_LOST | 1u << DROVER_PARKED)

struct retry {
    struct session_opts session;
    unsigned hows; /* 1 << enum drover_how */
};

/* A state of tasks that can be run again, as a bit; 0: it is none. */
static unsigned state_bit (const char *word, size_t len)
{
    for (int how = DROVER_FAILED; how <= DROVER_SKIPPED; how++) {
        const char *name = drover_how_name (how);

        if (strlen (name) == len && memcmp (name, word, len) == 0)
            return 1u << how;
    }
    return 0;
}

static int take_states (struct retry *r, const char *list)
{
    do {
        size_t len = strcspn (list, ",");
        unsigned bit = state_bit (list, len);

        if (!bit)
            return say_usage (command,
                              "--state %.*s: a task that can be run again is failed, timeout, "
                              "cancelled, lost, parked or skipped",
                              (int)len, list);
        r->hows |= bit;
        list += len;
    } while (*list++ == ',');
    return STATUS_OK;
}

static void print_retried (const struct retry *r, uint64_t id, uint64_t count)
{
    json_t *object;

    if (r->session.json) {
        object = json_new ();
        json_object_set_new (object, "batch", json_integer ((json_int_t)id));
        json_object_set_new (object, "retried", json_integer ((json_int_t)count));
        json_print (object);
    } else if (count == 0) {
        say (command, "batch %" PRIu64 ": no such task has ended so", id);
    } else if (!r->session.quiet) {
        say (command, "batch %" PRIu64 ": %" PRIu64 " task%s again", id, count,
             count == 1 ? " runs" : "s run");
    }
}

static int retry_one (const struct retry *r, drover_t *h, const struct selector *s)
{
    drover_error_t e = {0};
    uint64_t count = 0;
    uint64_t ref = drover_retry (h, s->id, s->first, s->count, r->hows, &e);

    if (!ref || drover_await (h, ref, -1, NULL, NULL, &count, &e) < 0)
        return batches_error (&r->session, s->id, &e);
    print_retried (r, s->id, count);
    return count > 0 ? STATUS_OK : STATUS_NOTHING;
}

enum { OPT_FAILED = SESSION_OPT_OWN, OPT_STATE };

static const struct option options[] = {SESSION_OPTIONS,
                                        {"failed", no_argument, NULL, OPT_FAILED},
                                        {"state", required_argument, NULL, OPT_STATE},
                                        {NULL, 0, NULL, 0}};

int cmd_retry (int argc, char **argv)
{
    struct retry r = {.session = {.command = command}};
    struct selectors s;
    drover_t *h;
    int opt, status;

    while ((opt = session_getopt (&r.session, argc, argv, ":", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?' || (opt == OPT_STATE && take_states (&r, optarg) != STATUS_OK))
            return STATUS_USAGE;
        r.hows |= opt == OPT_FAILED ? FAILED_STATES : 0;
    }
    r.hows = r.hows ? r.hows : FAILED_STATES;
    status = batches_open (&r.session, argv + optind, (size_t)(argc - optind), &h, &s);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < s.count; i++) {
        int one = retry_one (&r, h, &s.all[i]);

        status = one > status ? one : status;
    }
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
