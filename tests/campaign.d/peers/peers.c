/* peers: many peers of a broker in one process, to load it and to try its patience. A tool of
 * tests/campaign, on czmq; doc/CAMPAIGN.md says which test uses what.
 *
 *     peers ROLE URL [NAME=NUMBER]...
 *
 * Roles are in roles.h. Ends with status 0, 2 for a wrong call, or 1 with a line on stderr.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/campaign.d/peers/roles.h"

enum { USAGE = 2, SPARE_SOCKETS = 64 };

static const struct {
    const char *name;
    int (*run) (const struct role_options *o);
} ROLES[] = {
    {"hold", role_hold},     {"flood", role_flood}, {"ping", role_ping},
    {"zombie", role_zombie}, {"deaf", role_deaf},   {"stubborn", role_stubborn},
};

static const struct {
    const char *name;
    size_t offset;
} NUMBERS[] = {
    {"peers", offsetof (struct role_options, peers)},
    {"workers", offsetof (struct role_options, workers)},
    {"slots", offsetof (struct role_options, slots)},
    {"tasks", offsetof (struct role_options, tasks)},
    {"rows", offsetof (struct role_options, rows)},
    {"bytes", offsetof (struct role_options, bytes)},
    {"ahead", offsetof (struct role_options, ahead)},
    {"chunks", offsetof (struct role_options, chunks)},
    {"every_us", offsetof (struct role_options, every_us)},
};

static int usage (const char *what)
{
    fprintf (stderr, "peers: %s\nusage: peers hold|flood|ping|zombie|deaf|stubborn URL", what);
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        fprintf (stderr, " [%s=N]", NUMBERS[i].name);
    fputc ('\n', stderr);
    return USAGE;
}

static int set_number (struct role_options *o, const char *text)
{
    const char *value = strchr (text, '=');
    char *end;
    if (!value)
        return -1;
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        if (strlen (NUMBERS[i].name) != (size_t)(value - text) ||
            strncmp (NUMBERS[i].name, text, (size_t)(value - text)) != 0)
            continue;
        uint64_t n = strtoull (value + 1, &end, 10);
        memcpy ((char *)o + NUMBERS[i].offset, &n, sizeof n);
        return *end || end == value + 1 ? -1 : 0;
    }
    return -1;
}

/* Read from a descriptor, and blocked before the library's threads begin, which inherit that. */
static int take_signals (void)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigprocmask (SIG_BLOCK, &set, NULL);
    return signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool role_stopped (const struct role_options *o)
{
    struct pollfd fd = {.fd = o->stop_fd, .events = POLLIN};
    return poll (&fd, 1, 0) > 0;
}

int main (int argc, char **argv)
{
    struct role_options o = {
        .peers = 1,
        .workers = 1,
        .slots = 1,
        .tasks = 1000,
        .rows = 1000,
        .bytes = 16,
        .chunks = 100,
        .every_us = 5000,
    };
    if (argc < 3)
        return usage ("no role, or no broker");
    o.url = argv[2];
    for (int i = 3; i < argc; i++)
        if (set_number (&o, argv[i]) != 0)
            return usage (argv[i]);
    setvbuf (stdout, NULL, _IOLBF, 0);
    o.stop_fd = take_signals ();
    zsys_handler_set (NULL);
    zsys_set_max_sockets (o.peers + o.workers + SPARE_SOCKETS);
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES; i++)
        if (strcmp (ROLES[i].name, argv[1]) == 0) {
            int status = ROLES[i].run (&o);
            close (o.stop_fd);
            return status;
        }
    return usage ("no such role");
}
