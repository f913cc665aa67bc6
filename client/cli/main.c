/* drover: the command line. Finds the command and runs it; see cli.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/help.h"
#include "client/cli/say.h"
#include "client/cli/suggest.h"

typedef int command_fn (int argc, char **argv);

#define COMMAND(name, function, group, arguments, summary) {name, function},
#define LATER(name)
static const struct {
    const char *name;
    command_fn *run;
} commands[] = {
#include "client/cli/commands.def"
};
#undef COMMAND
#undef LATER

#define COMMANDS (sizeof commands / sizeof *commands)

/* A closed stdin, stdout or stderr must not become the number of a socket. What is written to a
 * stdout that was closed is lost, so that fails, as it would have. */
static void open_std_descriptors (void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int mode = fd == STDOUT_FILENO ? O_RDONLY : O_RDWR;

        if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", mode) < 0)
            return;
    }
}

static command_fn *find_command (const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp (commands[i].name, name) == 0)
            return commands[i].run;
    return NULL;
}

static int unknown_command (const char *name)
{
    size_t count;
    const char *const *names = help_later (&count);
    const char *near;

    for (size_t i = 0; i < count; i++) {
        if (strcmp (names[i], name) == 0) {
            say (name, "not in this version");
            return STATUS_USAGE;
        }
    }
    names = help_commands (&count);
    near = suggest (name, names, count);
    if (near)
        return say_usage (NULL, "there is no command '%s'; did you mean '%s'?", name, near);
    return say_usage (NULL, "there is no command '%s'", name);
}

/* What was printed through stdio must have arrived. A reader that went away is no news. */
static int finish_stdout (int status)
{
    bool failed = ferror (stdout) != 0;

    errno = 0;
    failed |= fflush (stdout) != 0;
    if (!failed)
        return status;
    if (errno == EPIPE)
        return STATUS_PIPE;
    say (NULL, "cannot write to stdout: %s", errno ? strerror (errno) : "an earlier error");
    return status == STATUS_OK ? STATUS_TROUBLE : status;
}

static int run_command (int argc, char **argv)
{
    command_fn *run;

    if (argc < 2) {
        help_overview (stderr);
        return STATUS_USAGE;
    }
    if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0)
        return cmd_help (1, argv);
    if (strcmp (argv[1], "--version") == 0 || strcmp (argv[1], "-V") == 0)
        return cmd_version (1, argv + 1);
    run = find_command (argv[1]);
    if (!run)
        return unknown_command (argv[1]);
    if (argc > 2 && (strcmp (argv[2], "--help") == 0 || strcmp (argv[2], "-h") == 0) &&
        help_show (argv[1]) == 0)
        return STATUS_OK;
    return run (argc - 1, argv + 1);
}

int main (int argc, char **argv)
{
    open_std_descriptors ();
    signal (SIGPIPE, SIG_IGN);
    return finish_stdout (run_command (argc, argv));
}
