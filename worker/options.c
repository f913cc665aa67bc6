#include "worker/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/units.h"
#include "common/base/userdir.h"
#include "common/net/url.h"

enum {
    EXIT_USAGE = 2,
    GO_ON = -1,
    SLOTS_MAX = 1000000,
    IO_TASKS = 1000,
    IO_TASKS_MAX = 100000,
    NAME_MAX_BYTES = 200, /* the broker may add to it */
    DRAIN_S = 30,
    RECYCLE_BYTES = 1 << 30,
    RECYCLE_FILES = 500,
};

enum {
    OPT_BROKER = 256,
    OPT_SLOTS,
    OPT_IO_TASKS,
    OPT_NAME,
    OPT_INSECURE,
    OPT_LIFETIME_FD,
    OPT_STDIN_EOF,
    OPT_DRAIN,
    OPT_LOG_LEVEL,
    OPT_PRIVATE,
    OPT_CONTAINMENT,
    OPT_MODULES,
    OPT_LIST_FUNCTIONS,
    OPT_SWEEP,
    OPT_RECYCLE,
};

static const struct option OPTIONS[] = {
    {"broker", required_argument, NULL, OPT_BROKER},
    {"slots", required_argument, NULL, OPT_SLOTS},
    {"io-tasks", required_argument, NULL, OPT_IO_TASKS},
    {"name", required_argument, NULL, OPT_NAME},
    {"insecure", optional_argument, NULL, OPT_INSECURE},
    {"lifetime-fd", required_argument, NULL, OPT_LIFETIME_FD},
    {"exit-on-stdin-eof", no_argument, NULL, OPT_STDIN_EOF},
    {"drain-timeout", required_argument, NULL, OPT_DRAIN},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"private", no_argument, NULL, OPT_PRIVATE},
    {"containment", required_argument, NULL, OPT_CONTAINMENT},
    {"modules", required_argument, NULL, OPT_MODULES},
    {"list-functions", no_argument, NULL, OPT_LIST_FUNCTIONS},
    {"recycle", required_argument, NULL, OPT_RECYCLE},
    {"sweep", no_argument, NULL, OPT_SWEEP},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const char HELP[] =
    "usage: drover-worker [OPTIONS]\n"
    "Runs tasks for a broker. Without --broker and DROVER_BROKER it is the user's own.\n"
    "\n"
    "  --broker URL             tcp://HOST:PORT or ipc://PATH\n"
    "  --slots N                tasks at one time (the cores it may use)\n"
    "  --io-tasks N             tasks with --cpus 0, which take no slot, at one time (1000)\n"
    "  --name NAME              for people (the host's name)\n"
    "  --insecure[=public]      allow tcp without keys: on loopback, or to any address\n"
    "  --drain-timeout D        what running tasks get after TERM (30s)\n"
    "  --containment LEVEL      how tasks are kept together: auto (default), subreaper, cgroup\n"
    "  --modules DIR            load functions (*.so) from there; may be repeated\n"
    "  --recycle WHAT=N,...     replace processes of functions after calls=N (never), or when\n"
    "                           they have grown by memory=SIZE (1G) or files=N (500); 0: never\n"
    "  --list-functions         show the functions it would have, and end\n"
    "  --sweep                  only end what killed workers have left in cgroups\n"
    "  --exit-on-stdin-eof      end when standard input ends, as over ssh\n"
    "  --lifetime-fd N          end when this descriptor reaches its end of file\n"
    "  --log-level LEVEL        error, warn, info (default), debug\n"
    "  --private                serve one client, quietly\n"
    "  --help, --version\n"
    "\n"
    "Environment: DROVER_BROKER, DROVER_INSECURE (1 or public), DROVER_MODULES (DIR:DIR...).\n"
    "TERM: give back what has not started, finish what runs, leave. INT, or TERM again: kill\n"
    "what runs, leave. Once more: kill everything, without a word to the broker.\n"
    "Exit status: 0 left, 2 usage, 69 no such host, 70 it died too often, 71 system error,\n"
    "75 replaced or killed, 76 the broker speaks another version, 77 refused, 78 tcp without "
    "keys.\n";

static int usage (const char *option, const char *value, const char *mend)
{
    fprintf (stderr, "drover-worker: %s %s: %s\n", option, value, mend);
    return EXIT_USAGE;
}

static int complain (int status, const char *text)
{
    fprintf (stderr, "drover-worker: %s\n", text);
    return status;
}

static int set_number (const char *option, const char *text, unsigned long least,
                       unsigned long most, const char *mend, unsigned long *number)
{
    char *end;
    errno = 0;
    *number = strtoul (text, &end, 10);
    if (end == text || *end || errno || text[0] == '-' || *number < least || *number > most)
        return usage (option, text, mend);
    return GO_ON;
}

static int set_slots (struct options *o, const char *text)
{
    unsigned long n;
    int status = set_number ("--slots", text, 1, SLOTS_MAX, "give a number from 1 to 1000000", &n);
    if (status == GO_ON)
        o->slots = (unsigned)n;
    return status;
}

static int set_io_tasks (struct options *o, const char *text)
{
    unsigned long n;
    int status =
        set_number ("--io-tasks", text, 1, IO_TASKS_MAX, "give a number from 1 to 100000", &n);
    if (status == GO_ON)
        o->io_tasks = (unsigned)n;
    return status;
}

static int set_lifetime (struct options *o, const char *text)
{
    unsigned long n;
    int status =
        set_number ("--lifetime-fd", text, 0, 1000000, "give the number of an open descriptor", &n);
    if (status == GO_ON)
        o->lifetime_fd = (int)n;
    return status;
}

static int set_broker (struct options *o, const char *url)
{
    if (strlen (url) >= sizeof o->broker)
        return usage ("--broker", url, "the URL is too long");
    strcpy (o->broker, url);
    return GO_ON;
}

static int set_name (struct options *o, const char *name)
{
    if (!*name || strlen (name) > NAME_MAX_BYTES)
        return usage ("--name", name, "give 1 to 200 bytes");
    o->name = name;
    return GO_ON;
}

static int set_insecure (struct options *o, const char *text)
{
    struct err e;
    return insecure_option (text, &o->insecure, &e) < 0 ? complain (EXIT_USAGE, e.text) : GO_ON;
}

static int set_drain (struct options *o, const char *text)
{
    uint64_t ms;
    if (units_duration_ms (text, &ms) < 0 || ms > 7ull * 86400 * 1000)
        return usage ("--drain-timeout", text,
                      "give a duration such as 500ms, 10s or 5m, up to a week");
    o->drain_us = (int64_t)ms * US_PER_MS;
    return GO_ON;
}

static int set_containment (struct options *o, const char *text)
{
    static const char *const names[] = {"auto", "subreaper", "cgroup"};
    if (strcmp (text, "namespace") == 0)
        return usage ("--containment", text,
                      "this version does not have it: say auto, subreaper or cgroup");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp (text, names[i]) == 0) {
            o->containment = (enum containment)i;
            return GO_ON;
        }
    return usage ("--containment", text, "say auto, subreaper or cgroup");
}

static int add_modules (struct options *o, const char *dir)
{
    struct err e;
    return module_path_add (&o->modules, dir, &e) < 0 ? usage ("--modules", dir, e.text) : GO_ON;
}

/* One WHAT=N of --recycle: 0, or -1. */
static int set_limit (struct worn_limits *l, const char *what, size_t len)
{
    static const char *const names[] = {"calls=", "memory=", "files="};
    uint64_t *const values[] = {&l->calls, &l->memory_bytes, &l->files};
    char text[40];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen (names[i]);
        if (len <= n || len - n >= sizeof text || strncmp (what, names[i], n) != 0)
            continue;
        memcpy (text, what + n, len - n);
        text[len - n] = 0;
        return units_size (text, values[i]);
    }
    return -1;
}

static int set_recycle (struct options *o, const char *text)
{
    for (const char *at = text;; at++) {
        size_t len = strcspn (at, ",");
        if (set_limit (&o->limits, at, len) < 0)
            return usage ("--recycle", text, "give calls=N, memory=SIZE or files=N, with commas");
        at += len;
        if (!*at)
            return GO_ON;
    }
}

static int set_level (struct options *o, const char *text)
{
    int level = log_level_by_name (text);
    if (level < 0)
        return usage ("--log-level", text, "say error, warn, info or debug");
    o->level = (enum log_level)level;
    return GO_ON;
}

static int set (struct options *o, int opt, const char *arg)
{
    switch (opt) {
    case OPT_BROKER:
        return set_broker (o, arg);
    case OPT_SLOTS:
        return set_slots (o, arg);
    case OPT_IO_TASKS:
        return set_io_tasks (o, arg);
    case OPT_NAME:
        return set_name (o, arg);
    case OPT_INSECURE:
        return set_insecure (o, arg);
    case OPT_LIFETIME_FD:
        return set_lifetime (o, arg);
    case OPT_STDIN_EOF:
        o->exit_on_stdin_eof = true;
        return GO_ON;
    case OPT_DRAIN:
        return set_drain (o, arg);
    case OPT_LOG_LEVEL:
        return set_level (o, arg);
    case OPT_CONTAINMENT:
        return set_containment (o, arg);
    case OPT_PRIVATE:
        o->private = true;
        return GO_ON;
    case OPT_MODULES:
        return add_modules (o, arg);
    case OPT_LIST_FUNCTIONS:
        o->list_functions = true;
        return GO_ON;
    case OPT_RECYCLE:
        return set_recycle (o, arg);
    case OPT_SWEEP:
        o->sweep = true;
        return GO_ON;
    case 'h':
        fputs (HELP, stdout);
        return 0;
    case 'V':
        puts ("drover-worker " DROVER_VERSION);
        return 0;
    default: /* getopt has named the option */
        fputs ("drover-worker: see drover-worker --help\n", stderr);
        return EXIT_USAGE;
    }
}

/* Where nothing is said: the directory of the installation, if it is there. */
static int default_modules (struct options *o)
{
    struct err e;
    const char *list = getenv ("DROVER_MODULES");
    if (list && *list)
        return module_path_add_list (&o->modules, list, &e) < 0
                   ? usage ("DROVER_MODULES", list, e.text)
                   : GO_ON;
    if (access (DROVER_MODULEDIR, F_OK) == 0 &&
        module_path_add (&o->modules, DROVER_MODULEDIR, &e) < 0)
        return complain (EX_CONFIG, e.text);
    return GO_ON;
}

static int from_environment (struct options *o)
{
    struct err e;
    const char *url = getenv ("DROVER_BROKER");
    if (!o->broker[0] && url && *url) {
        int status = set_broker (o, url);
        if (status != GO_ON)
            return status;
    }
    if (!o->broker[0] && userdir_broker (o->broker, sizeof o->broker, true, &e) < 0)
        return complain (EX_OSERR, e.text);
    if (o->insecure == INSECURE_NO && insecure_environment (&o->insecure, &e) < 0)
        return complain (EXIT_USAGE, e.text);
    return GO_ON;
}

/* tcp is for everybody who reaches the port, or says it is the broker: without keys only where the
 * user says so. */
static int check_broker (const struct options *o)
{
    struct net_url u;
    struct err e;
    if (net_parse_url (o->broker, NET_CONNECT, &u, &e) < 0)
        return complain (EXIT_USAGE, e.text);
    if (u.transport != NET_TCP || o->insecure == INSECURE_PUBLIC)
        return GO_ON;
    if (net_is_loopback (o->broker)) {
        if (o->insecure == INSECURE_LOOPBACK)
            return GO_ON;
        err_set (&e, EACCES,
                 "%s: tcp needs keys, which this version does not have: say --insecure to go "
                 "without on this host",
                 o->broker);
    } else {
        err_set (&e, EACCES,
                 "%s: tcp needs keys, which this version does not have: say --insecure=public if "
                 "the network up to there is yours alone",
                 o->broker);
    }
    return complain (EX_CONFIG, e.text);
}

int options_parse (struct options *o, int argc, char **argv)
{
    int opt;
    *o = (struct options){.lifetime_fd = -1,
                          .io_tasks = IO_TASKS,
                          .level = LOG_INFO,
                          .drain_us = DRAIN_S * US_PER_S,
                          .limits = {.memory_bytes = RECYCLE_BYTES, .files = RECYCLE_FILES}};
    while ((opt = getopt_long (argc, argv, "hV", OPTIONS, NULL)) != -1) {
        int status = set (o, opt, optarg);
        if (status != GO_ON)
            return status;
    }
    if (optind < argc)
        return usage ("argument", argv[optind], "drover-worker takes only options; see --help");
    if (o->sweep)
        return GO_ON; /* it needs no broker */
    int status = o->modules.count ? GO_ON : default_modules (o);
    if (status != GO_ON || o->list_functions)
        return status;
    status = from_environment (o);
    return status == GO_ON ? check_broker (o) : status;
}

void options_fini (struct options *o)
{
    module_path_fini (&o->modules);
}
