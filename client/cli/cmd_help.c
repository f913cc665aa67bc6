/* drover help, drover version. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/help.h"
#include "client/cli/json_out.h"
#include "client/cli/say.h"
#include "client/cli/session.h"
#include "client/drover.h"

/* `worker list` and the like: told on the page of the first word. */
static bool is_part (const char *command, const char *part)
{
    static const char *const parts[][2] = {{"broker", "start"}, {"broker", "stop"},
                                           {"worker", "start"}, {"worker", "list"},
                                           {"worker", "drain"}, {"module", "list"}};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp (parts[i][0], command) == 0 && strcmp (parts[i][1], part) == 0)
            return true;
    return false;
}

int cmd_help (int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        help_overview (stdout);
        return STATUS_OK;
    }
    if (argc > 2 && !is_part (argv[1], argv[2]))
        return say_usage (NULL, "help for one command at a time: '%s' is one too many", argv[2]);
    if (argc > 3)
        return say_usage (NULL, "help for one command at a time: '%s' is one too many", argv[3]);
    if (help_show (argv[1]) == 0)
        return STATUS_OK;
    return say_usage (NULL, "there is no help for '%s'", argv[1]);
}

int cmd_version (int argc, char **argv)
{
    static const struct option options[] = {SESSION_OPTIONS, {NULL, 0, NULL, 0}};
    struct session_opts o = {.command = "version"};
    int opt = session_getopt (&o, argc, argv, ":", options);
    json_t *object;

    if (opt != -1)
        return opt == '?' ? STATUS_USAGE : STATUS_OK;
    if (!o.json) {
        printf ("drover %s\n", drover_version ());
        return STATUS_OK;
    }
    object = json_new ();
    json_object_set_new (object, "version", json_string (drover_version ()));
    json_print (object);
    return STATUS_OK;
}
