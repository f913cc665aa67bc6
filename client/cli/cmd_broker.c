/* drover broker start: becomes drover-broker, in the foreground. */
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/help.h"
#include "client/cli/programs.h"
#include "client/cli/say.h"

static const char command[] = "broker";

int cmd_broker (int argc, char **argv)
{
    if (argc < 2)
        return say_usage (command, "start is what it can do: drover broker start");
    if (strcmp (argv[1], "--help") == 0)
        return help_show (command) == 0 ? STATUS_OK : STATUS_USAGE;
    if (strcmp (argv[1], "start") == 0)
        return program_exec (command, "drover-broker", argv + 2);
    if (strcmp (argv[1], "stop") == 0)
        return say_usage (command, "stop is not in this version: send TERM to drover-broker");
    return say_usage (command, "'%s' is nothing it can do, start is", argv[1]);
}
