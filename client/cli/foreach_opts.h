/* foreach_opts: the command line of foreach, and of its relatives.
 *
 *     [OPTIONS] [COMMAND [ARGUMENTS]] [--then [OPTIONS] COMMAND [ARGUMENTS]]...
 *         [::: VALUES | :::: FILES | :::+ VALUES | ::::+ FILES]...
 *
 * as GNU Parallel reads it. Options that GNU Parallel knows and drover does not yet have are told
 * apart from unknown ones; none is ever ignored. Pure: nothing is opened, printed or asked here.
 */
#ifndef DROVER_CLI_FOREACH_OPTS_H
#define DROVER_CLI_FOREACH_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/after.h"
#include "client/cli/joblimit.h"
#include "client/cli/jobs.h"
#include "client/cli/retrying.h"
#include "client/cli/session.h"
#include "client/cli/task.h"
#include "common/base/err.h"

/* Groups of options; a command names those it takes. The options of session.h, --help, --quiet and
 * --json belong to every command. */
enum foreach_group {
    OPTS_INPUT = 1,  /* sources, replacement strings, -n, -N, --function, --dry-run */
    OPTS_TASK = 2,   /* --cpus, --timeout, --grace, --cancel-fd, --shell */
    OPTS_BATCH = 4,  /* -j, --priority, --name, --deadline, --retries and what belongs to it */
    OPTS_OUTPUT = 8, /* -k, --group, --tag */
    OPTS_SUMMARY = 32,
    OPTS_COMPARE = 128,
    OPTS_ALL = 15 | OPTS_SUMMARY | OPTS_COMPARE,
    OPTS_KEY = 16,   /* --id: of submit */
    OPTS_REST = 64,  /* --keep-rest: of race */
    OPTS_STAGE = 256 /* --then; those that a stage behind it may have beside OPTS_TASK */
};

/* What stands behind a --then. */
struct stage_opts {
    struct task_opts task;
    struct joblimit jobs;
    struct retrying retrying;
    const char *function;     /* or NULL: then there are words */
    const char *const *words; /* of the command, NULL behind the last */
    size_t word_count;
    char **memory; /* that they are in */
};

/* Strings are the arguments themselves. */
struct foreach_opts {
    struct session_opts session; /* but for `slots`: see `jobs` */
    struct task_opts task;
    struct inputs inputs;     /* for jobs_new(); always at least one */
    const char *const *words; /* of the command, NULL behind the last; for drover_command_new() */
    size_t word_count;
    unsigned command_flags;    /* enum drover_command_flag */
    const char *replace;       /* -I, or NULL */
    const char *function;      /* --function, or NULL; then there are no words */
    const char *order_by;      /* --order-by, or NULL */
    struct stage_opts *stages; /* behind the first */
    size_t stage_count;
    struct joblimit jobs; /* -j */
    unsigned priority;    /* 1-100; 0: not given */
    const char *name;     /* --name of the batch, or NULL */
    const char *key;      /* --id, or NULL */
    uint64_t deadline_ms; /* of the batch; 0: none */
    struct retrying retrying;
    struct afters after; /* --after */
    bool stdin_implied;  /* no source was named: the only one is stdin */
    bool separated;      /* there was a ::: or the like */
    bool keep_order;
    bool tag;
    bool dry_run;
    bool summary;
    bool keep_rest;
    bool compare;
    bool may_then;  /* the command has pipelines */
    bool help;      /* --help; nothing else counts then */
    char *memory;   /* the bytes of -d */
    size_t listed;  /* room in inputs.list */
    bool trim_said; /* --trim was given */
    bool limited;   /* -N was given, which outranks -n */
};

/* Read the arguments of `command` (argv[0] is its name), which takes these groups of options. 0, or
 * -1 with one line that names the option, its value and the mend, without "drover COMMAND: " in
 * front of it. foreach_opts_fini() in both cases. */
int foreach_opts_parse (struct foreach_opts *o, const char *command, unsigned groups, int argc,
                        char **argv, struct err *e);
void foreach_opts_fini (struct foreach_opts *o);

#endif
