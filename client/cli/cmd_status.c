/* drover status: what the broker says of itself. */
#include <stdio.h>

#include "client/cli/cli.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "client/cli/session.h"
#include "client/cli/show.h"

static const char command[] = "status";

static const struct option options[] = {SESSION_OPTIONS, {NULL, 0, NULL, 0}};

struct asked {
    const struct session_opts *session;
    drover_t *h;
};

static int print_status (const drover_pair_t *pairs, size_t count, void *arg)
{
    const struct asked *a = arg;
    json_t *object;

    if (!a->session->json) {
        printf ("%-12s %s\n", "url", drover_broker (a->h));
        show_record (pairs, count);
        return 0;
    }
    object = json_of_record (pairs, count);
    json_object_set_new (object, "url", json_string (drover_broker (a->h)));
    json_print (object);
    return 0;
}

int cmd_status (int argc, char **argv)
{
    struct session_opts o = {.command = command, .flags = DROVER_OPEN_NO_PRIVATE};
    struct asked asked = {.session = &o};
    drover_error_t e = {0};
    int opt = session_getopt (&o, argc, argv, ":", options);
    int status;

    if (opt != -1)
        return opt == '?' ? STATUS_USAGE : STATUS_OK;
    if (optind < argc)
        return say_usage (command, "takes no arguments: 'drover info %s' shows a batch",
                          argv[optind]);
    asked.h = session_open (&o, &status);
    if (!asked.h)
        return status;
    if (session_query (asked.h, DROVER_QUERY_STATUS, 0, 0, 0, print_status, &asked, &e) < 0)
        status = session_error (&o, &e, STATUS_TROUBLE);
    drover_close (&asked.h);
    return status;
}
