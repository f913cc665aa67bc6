/* programs: where drover-broker and drover-worker are; see programs.h. */
#include "client/cli/programs.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/say.h"
#include "common/base/mem.h"

#ifndef DROVER_BINDIR
#define DROVER_BINDIR "/usr/local/bin"
#endif

/* The directory this program is in. 0 or -1. */
static int own_directory (char *dir, size_t size)
{
    ssize_t len = readlink ("/proc/self/exe", dir, size - 1);
    char *slash;

    if (len <= 0)
        return -1;
    dir[len] = '\0';
    slash = strrchr (dir, '/');
    if (!slash)
        return -1;
    *slash = '\0';
    return 0;
}

static int is_there (const char *dir, const char *program)
{
    char path[PATH_MAX + 32];

    snprintf (path, sizeof path, "%s/%s", dir, program);
    return access (path, X_OK) == 0;
}

void program_set_bindir (void)
{
    char dir[PATH_MAX];
    const char *given = getenv ("DROVER_BINDIR");

    if (given && given[0])
        return;
    if (own_directory (dir, sizeof dir) == 0 && is_there (dir, "drover-broker"))
        setenv ("DROVER_BINDIR", dir, 1);
}

/* What exec hands down: nothing of ours. */
static void reset_signals (void)
{
    signal (SIGPIPE, SIG_DFL);
}

int program_exec (const char *command, const char *program, char **arguments)
{
    const char *dir;
    char path[PATH_MAX];
    size_t count = 0;
    char **argv;

    program_set_bindir ();
    dir = getenv ("DROVER_BINDIR");
    snprintf (path, sizeof path, "%s/%s", dir && dir[0] ? dir : DROVER_BINDIR, program);
    while (arguments[count])
        count++;
    argv = mem_resize (NULL, count + 2, sizeof *argv);
    argv[0] = (char *)program;
    memcpy (argv + 1, arguments, (count + 1) * sizeof *argv);
    reset_signals ();
    execv (path, argv);
    say (command, "cannot start %s: %s (DROVER_BINDIR says where the programs are)", path,
         strerror (errno));
    free (argv);
    return STATUS_TROUBLE;
}
