/* drover ping: is the broker there, and how far away is it? */
#include <inttypes.h>
#include <stdio.h>

#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "client/cli/session.h"

#define ANSWER_MS 10000
#define PINGS_MAX 1000000

static const char command[] = "ping";

static void print_time (const struct session_opts *o, drover_t *h, int64_t us)
{
    json_t *object;

    if (o->quiet)
        return;
    if (!o->json) {
        printf ("%s: %.3f ms\n", drover_broker (h), (double)us / 1000);
        fflush (stdout);
        return;
    }
    object = json_new ();
    json_object_set_new (object, "url", json_string (drover_broker (h)));
    json_object_set_new (object, "rtt_us", json_integer (us));
    json_print (object);
}

static int ping (const struct session_opts *o, uint64_t count)
{
    drover_error_t e = {0};
    int status;
    drover_t *h = session_open (o, &status);

    if (!h)
        return status;
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        int64_t us = 0;

        if (drover_ping (h, ANSWER_MS, &us, &e) < 0)
            status =
                session_error (o, &e, e.code == DROVER_ETIME ? STATUS_TIMEOUT : STATUS_TROUBLE);
        else
            print_time (o, h, us);
    }
    drover_close (&h);
    return status;
}

static const struct option options[] = {
    SESSION_OPTIONS, {"count", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};

int cmd_ping (int argc, char **argv)
{
    struct session_opts o = {.command = command, .flags = DROVER_OPEN_NO_PRIVATE};
    uint64_t count = 1;
    struct err e;
    int opt;

    while ((opt = session_getopt (&o, argc, argv, ":c:", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?')
            return STATUS_USAGE;
        if (number_within (optarg, 1, PINGS_MAX, &count, &e) < 0)
            return say_usage (command, "--count: %s", e.text);
    }
    if (optind < argc)
        return say_usage (command, "takes no arguments: a broker is named with --broker URL");
    return ping (&o, count);
}
