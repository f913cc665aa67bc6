#include "broker/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/units.h"

enum { EXIT_USAGE = 2 };

enum {
    OPT_LISTEN = 256,
    OPT_LISTEN_FD,
    OPT_LIFETIME_FD,
    OPT_INSECURE,
    OPT_PRIVATE,
    OPT_ENDPOINT_FILE,
    OPT_LOG_LEVEL,
    OPT_PING,
    OPT_SUSPECT,
    OPT_LOST,
    OPT_CLIENT_GONE,
    OPT_QUEUE_BYTES,
    OPT_RESULT_BYTES,
    OPT_STATE,
    OPT_DURABILITY,
    OPT_SALVAGE,
    OPT_READ_ONLY,
    OPT_KEEP_RESULTS,
    OPT_KEEP_BYTES,
    OPT_REATTACH,
    OPT_CLIENT_TASKS,
    OPT_CLIENT_BYTES,
};

static const struct option OPTIONS[] = {
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"listen-fd", required_argument, NULL, OPT_LISTEN_FD},
    {"lifetime-fd", required_argument, NULL, OPT_LIFETIME_FD},
    {"insecure", optional_argument, NULL, OPT_INSECURE},
    {"private", no_argument, NULL, OPT_PRIVATE},
    {"endpoint-file", required_argument, NULL, OPT_ENDPOINT_FILE},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"ping-every", required_argument, NULL, OPT_PING},
    {"suspect-after", required_argument, NULL, OPT_SUSPECT},
    {"lost-after", required_argument, NULL, OPT_LOST},
    {"client-gone-after", required_argument, NULL, OPT_CLIENT_GONE},
    {"queue-bytes", required_argument, NULL, OPT_QUEUE_BYTES},
    {"result-bytes", required_argument, NULL, OPT_RESULT_BYTES},
    {"state", required_argument, NULL, OPT_STATE},
    {"durability", required_argument, NULL, OPT_DURABILITY},
    {"salvage", no_argument, NULL, OPT_SALVAGE},
    {"read-only", no_argument, NULL, OPT_READ_ONLY},
    {"keep-results", required_argument, NULL, OPT_KEEP_RESULTS},
    {"keep-bytes", required_argument, NULL, OPT_KEEP_BYTES},
    {"reattach-grace", required_argument, NULL, OPT_REATTACH},
    {"client-tasks", required_argument, NULL, OPT_CLIENT_TASKS},
    {"client-bytes", required_argument, NULL, OPT_CLIENT_BYTES},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const char HELP[] =
    "usage: drover-broker [OPTIONS]\n"
    "Spreads the tasks of clients over workers. Without --listen it serves the user's own socket.\n"
    "\n"
    "  --listen URL             tcp://HOST:PORT (port 0: any), ipc://PATH; may be repeated\n"
    "  --insecure[=public]      allow tcp without keys: on loopback, or on any address\n"
    "  --endpoint-file FILE     write the endpoints there when they are ready, one a line\n"
    "  --lost-after D           a worker silent for so long is given up (20s)\n"
    "  --suspect-after D        and gets no new tasks after this (6s)\n"
    "  --ping-every D           signs of life (2s)\n"
    "  --client-gone-after D    a client whose connection is gone loses its attached batches "
    "(10s)\n"
    "  --queue-bytes SIZE       tasks and results held in memory; above, clients wait (1G)\n"
    "  --result-bytes SIZE      unread results of one batch; above, it is not continued (64M)\n"
    "  --client-tasks N         unfinished tasks of one client; at that it waits (100000000)\n"
    "  --client-bytes SIZE      and bytes of them (three quarters of --queue-bytes)\n"
    "  --state DIR              keep batches and results there, and come back with them\n"
    "  --durability HOW         full: hold also when the power fails (the default with --state);\n"
    "                           fast: when the broker is killed; memory: as without --state\n"
    "  --keep-results D         forget a finished detached batch after so long (never)\n"
    "  --keep-bytes SIZE        or the oldest of them when they take more (half of --queue-bytes)\n"
    "  --reattach-grace D       after a restart nobody is given up for so long (60s)\n"
    "  --salvage                run on what is consistent in a damaged state\n"
    "  --read-only              show what is in --state, and change nothing\n"
    "  --log-level LEVEL        error, warn, info (default), debug\n"
    "  --lifetime-fd N          end when this descriptor reaches its end of file\n"
    "  --listen-fd N            the first --listen is this socket, listening already\n"
    "  --private                serve one client, quietly\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 stopped, 2 usage, 65 state is damaged, 66 there is none to read, 69 cannot "
    "listen, 71 system error,\n"
    "74 disk, 75 state is in use, 78 refused: tcp without keys, state open to others or too new.\n";

static int usage (const char *option, const char *value, const char *mend)
{
    fprintf (stderr, "drover-broker: %s %s: %s\n", option, value, mend);
    return EXIT_USAGE;
}

static int duration (const char *option, const char *text, int64_t *us)
{
    uint64_t ms;
    if (units_duration_ms (text, &ms) < 0 || ms == 0 || ms > 86400000)
        return usage (option, text, "give a duration such as 500ms, 10s or 5m, up to a day");
    *us = (int64_t)ms * US_PER_MS;
    return -1;
}

static int age (const char *option, const char *text, int64_t *us)
{
    uint64_t ms;
    if (units_duration_ms (text, &ms) < 0 || ms == 0 || ms > 3650ull * 86400000)
        return usage (option, text, "give a duration such as 12h or 30d, up to ten years");
    *us = (int64_t)ms * US_PER_MS;
    return -1;
}

static int durability (struct options *o, const char *text)
{
    static const char *const NAMES[] = {"memory", "fast", "full"};
    for (int i = 0; i < 3; i++)
        if (strcmp (text, NAMES[i]) == 0) {
            o->durability = NAMES[i];
            o->fast = i == 1;
            return -1;
        }
    return usage ("--durability", text, "say memory, fast or full");
}

static int size (const char *option, const char *text, uint64_t *bytes)
{
    if (units_size (text, bytes) < 0 || *bytes < 65536)
        return usage (option, text, "give a size such as 64M or 2G, at least 64K");
    return -1;
}

static int count (const char *option, const char *text, uint64_t *n)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull (text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || !value)
        return usage (option, text, "give a whole number, at least 1");
    *n = value;
    return -1;
}

static int descriptor (const char *option, const char *text, int *fd)
{
    char *end;
    long n = strtol (text, &end, 10);
    if (end == text || *end || n < 0 || n > 1000000)
        return usage (option, text, "give the number of an open descriptor");
    *fd = (int)n;
    return -1;
}

static int complain (const struct err *e)
{
    fprintf (stderr, "drover-broker: %s\n", e->text);
    return EXIT_USAGE;
}

static int insecure (const char *text, enum insecure *how)
{
    struct err e;
    return insecure_option (text, how, &e) < 0 ? complain (&e) : -1;
}

static int log_level (const char *text, enum log_level *level)
{
    int n = log_level_by_name (text);
    if (n < 0)
        return usage ("--log-level", text, "say error, warn, info or debug");
    *level = (enum log_level)n;
    return -1;
}

static int add_listen (struct options *o, const char *url)
{
    if (o->n_listen == TURN_LINKS_MAX)
        return usage ("--listen", url, "too many endpoints");
    o->listen[o->n_listen++] = url;
    return -1;
}

static int set (struct options *o, int opt, const char *arg)
{
    switch (opt) {
    case OPT_LISTEN:
        return add_listen (o, arg);
    case OPT_LISTEN_FD:
        return descriptor ("--listen-fd", arg, &o->listen_fd);
    case OPT_LIFETIME_FD:
        return descriptor ("--lifetime-fd", arg, &o->lifetime_fd);
    case OPT_INSECURE:
        return insecure (arg, &o->insecure);
    case OPT_PRIVATE:
        o->private = true;
        return -1;
    case OPT_ENDPOINT_FILE:
        o->endpoint_file = arg;
        return -1;
    case OPT_LOG_LEVEL:
        return log_level (arg, &o->level);
    case OPT_PING:
        return duration ("--ping-every", arg, &o->sched.ping_us);
    case OPT_SUSPECT:
        return duration ("--suspect-after", arg, &o->sched.suspect_us);
    case OPT_LOST:
        return duration ("--lost-after", arg, &o->sched.lost_us);
    case OPT_CLIENT_GONE:
        return duration ("--client-gone-after", arg, &o->sched.client_gone_us);
    case OPT_QUEUE_BYTES:
        return size ("--queue-bytes", arg, &o->sched.queue_bytes);
    case OPT_CLIENT_TASKS:
        return count ("--client-tasks", arg, &o->sched.client_tasks);
    case OPT_CLIENT_BYTES:
        return size ("--client-bytes", arg, &o->sched.client_bytes);
    case OPT_RESULT_BYTES:
        return size ("--result-bytes", arg, &o->sched.result_bytes);
    case OPT_STATE:
        o->state = arg;
        return -1;
    case OPT_DURABILITY:
        return durability (o, arg);
    case OPT_SALVAGE:
        o->salvage = true;
        return -1;
    case OPT_READ_ONLY:
        o->read_only = true;
        return -1;
    case OPT_KEEP_RESULTS:
        return age ("--keep-results", arg, &o->sched.keep_us);
    case OPT_KEEP_BYTES:
        return size ("--keep-bytes", arg, &o->sched.keep_bytes);
    case OPT_REATTACH:
        return duration ("--reattach-grace", arg, &o->sched.reattach_us);
    case 'h':
        fputs (HELP, stdout);
        return 0;
    case 'V':
        puts ("drover-broker " DROVER_VERSION);
        return 0;
    default: /* getopt has named the option */
        fputs ("drover-broker: see drover-broker --help\n", stderr);
        return EXIT_USAGE;
    }
}

static int check_state (const struct options *o)
{
    bool memory = o->durability && strcmp (o->durability, "memory") == 0;
    if (o->state && !*o->state)
        return usage ("--state", "''", "name a directory");
    if (o->state && memory)
        return usage ("--durability", "memory", "keeps nothing: leave --state out");
    if (!o->state && o->durability && !memory)
        return usage ("--durability", o->durability, "say with --state where it is kept");
    if (!o->state && o->salvage)
        return usage ("--salvage", "", "say with --state what");
    if (!o->state && o->read_only)
        return usage ("--read-only", "", "say with --state what");
    if (o->read_only && (o->salvage || o->durability))
        return usage ("--read-only", "", "goes with neither --salvage nor --durability");
    return -1;
}

static int from_environment (struct options *o)
{
    struct err e;
    if (o->insecure == INSECURE_NO && insecure_environment (&o->insecure, &e) < 0)
        return complain (&e);
    return -1;
}

/* Twice the limit, and never so little that what is on its way would not fit. */
static void derive (struct sched_config *c)
{
    uint64_t least = 256 << 20;
    c->overflow_bytes = c->queue_bytes > least ? c->queue_bytes : least;
}

int options_parse (struct options *o, int argc, char **argv)
{
    *o = (struct options){.listen_fd = -1, .lifetime_fd = -1, .level = LOG_INFO};
    sched_config_defaults (&o->sched);
    int opt, status;
    while ((opt = getopt_long (argc, argv, "hV", OPTIONS, NULL)) != -1)
        if ((status = set (o, opt, optarg)) >= 0)
            return status;
    derive (&o->sched);
    if (optind < argc)
        return usage ("argument", argv[optind], "drover-broker takes only options; see --help");
    if (o->listen_fd >= 0 && !o->n_listen)
        return usage ("--listen-fd", "", "say with --listen where it listens");
    if ((status = check_state (o)) >= 0)
        return status;
    return from_environment (o);
}
