/* cli: what the commands of the command line share: their exit statuses and their entry points.
 *
 * One command, one file: cmd_x.c holds cmd_x(). commands.def lists them all, with what is shown in
 * the overview. A command gets its arguments with its own name as argv[0], and returns the exit
 * status of the program.
 */
#ifndef DROVER_CLI_CLI_H
#define DROVER_CLI_CLI_H

enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,  /* some task failed, or a condition cannot hold any more */
    STATUS_USAGE = 2,   /* unknown option, bad value */
    STATUS_NOTHING = 3, /* nothing matched */
    STATUS_TIMEOUT = 124,
    STATUS_TROUBLE = 125, /* drover or the broker is in trouble */
    STATUS_INTERRUPTED = 130,
    STATUS_PIPE = 141,   /* the reader of stdout went away; as death by SIGPIPE */
    STATUS_FOREACH = 255 /* usage or trouble of foreach and invoke, the habit of GNU Parallel */
};

#define COMMAND(name, function, group, arguments, summary) int function (int argc, char **argv);
#define LATER(name)
#include "client/cli/commands.def"
#undef COMMAND
#undef LATER

#endif
