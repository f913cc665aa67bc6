/* help: the overview, and the way to manual pages; see help.h. */
#include "client/cli/help.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct entry {
    const char *name;
    char group;
    const char *arguments;
    const char *summary;
};

#define COMMAND(name, function, group, arguments, summary) {name, group, arguments, summary},
#define LATER(name)
static const struct entry entries[] = {
#include "client/cli/commands.def"
};
#undef COMMAND
#undef LATER

#define COMMAND(name, function, group, arguments, summary) name,
#define LATER(name)
static const char *const names[] = {
#include "client/cli/commands.def"
};
#undef COMMAND
#undef LATER

#define COMMAND(name, function, group, arguments, summary)
#define LATER(name) name,
static const char *const later[] = {
#include "client/cli/commands.def"
};
#undef COMMAND
#undef LATER

static const struct {
    char group;
    const char *heading;
} groups[] = {
    {'w', "Run tasks (without a broker, on this machine):"},
    {'d', "Leave tasks with a broker:"},
    {'l', "Look:"},
    {'m', "Machinery:"},
    {'h', "Help:"},
};

const char *const *help_commands (size_t *count)
{
    *count = sizeof names / sizeof *names;
    return names;
}

const char *const *help_later (size_t *count)
{
    *count = sizeof later / sizeof *later;
    return later;
}

void help_overview (FILE *out)
{
    fputs ("drover runs tasks in parallel, on this machine or on many.\n\n"
           "usage: drover COMMAND [OPTIONS] [ARGUMENTS]\n",
           out);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        fprintf (out, "\n%s\n", groups[g].heading);
        for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
            if (entries[i].group == groups[g].group)
                fprintf (out, "  %-8s %-24s %s\n", entries[i].name, entries[i].arguments,
                         entries[i].summary);
    }
    fputs ("\nTry:  drover foreach gzip -9k {} ::: *.log\n"
           "      seq 20 | drover foreach 'echo {} squared is $(({} * {}))'\n"
           "More: drover help COMMAND\n",
           out);
}

/* Run man, silently where `probe` is set; its exit status, or -1. */
static int run_man (const char *page, int probe)
{
    extern char **environ;
    char *argv[] = {"man", probe ? "-w" : (char *)page, probe ? (char *)page : NULL, NULL};
    posix_spawn_file_actions_t actions;
    int status = -1;
    pid_t pid;

    if (posix_spawn_file_actions_init (&actions) != 0)
        return -1;
    if (probe) {
        posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen (&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (posix_spawnp (&pid, "man", &actions, NULL, argv, environ) == 0 &&
        waitpid (pid, &status, 0) == pid)
        status = WIFEXITED (status) ? WEXITSTATUS (status) : -1;
    posix_spawn_file_actions_destroy (&actions);
    return status;
}

int help_show (const char *command)
{
    const char *text = help_text (command);
    char page[80];

    if (!text)
        return -1;
    snprintf (page, sizeof page, "drover-%.60s", command);
    if (isatty (STDOUT_FILENO) && run_man (page, 1) == 0 && run_man (page, 0) == 0)
        return 0;
    fputs (text, stdout);
    return 0;
}
