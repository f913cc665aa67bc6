/* plan: from a read command line to something that can be run: input, command, spec, slots.
 *
 * What foreach, invoke and submit have in common. Nothing is started here; what is wrong with the
 * input or the command shows before there is a session.
 */
#ifndef DROVER_CLI_PLAN_H
#define DROVER_CLI_PLAN_H

#include "client/cli/foreach_opts.h"
#include "client/cli/jobs.h"
#include "client/cli/runner.h"
#include "client/drover.h"
#include "common/base/err.h"

#define PLAN_NAME_MAX 200

/* A stage behind the first. */
struct plan_stage {
    drover_command_t *command; /* of a function: as it is shown */
    drover_spec_t *spec;
};

struct plan {
    const struct foreach_opts *opts;
    struct jobs *jobs;
    drover_command_t *command; /* of a function: as it is shown */
    drover_command_t *tag;     /* NULL: none */
    drover_command_t *key;     /* --order-by; NULL: none */
    drover_spec_t *spec;
    struct plan_stage *stages;    /* as many as opts->stages */
    struct runner_stage *running; /* the same, for the runner */
    unsigned slots;               /* of a private worker; 0: its default */
    unsigned limit;               /* of tasks at one time, for runner_jobs(); 0: none */
    unsigned asked;               /* what -j said; 0: it was not given */
    size_t words_bytes;           /* of the command, quoted where it is to be */
    size_t places;                /* in it where a value may stand */
    char name[PLAN_NAME_MAX];     /* of the batch, for people */
};

/* The greatest number of slots that this system is likely to bear. */
unsigned plan_slots_most (void);

/* Would the command line of these values be longer than the system takes? -1 with an error that
 * names the task and the limit. */
int plan_check_length (struct plan *p, uint64_t task, const drover_bytes_t *values, size_t count,
                       struct err *e);

/* A feed_next_fn and its descriptor, for a plan. */
int plan_next (void *plan, const drover_bytes_t **values, size_t *count, struct err *e);
int plan_input_fd (void *plan);

/* Wait until there may be more input, after plan_next() said INPUT_WAIT. */
void plan_wait (const struct plan *p);

/* What a runner needs, filled from the plan; for the caller to change. */
struct runner_opts plan_runner (struct plan *p);

/* What is to be done with a plan. Returns the exit status. */
typedef int plan_run_fn (struct plan *p);

/* Make a plan (open the input, wait for its header if it has one, compile the command), and print
 * its command lines (--dry-run) or run it. Returns the exit status; `trouble` is that of an
 * error of the plan, which has been said. */
int plan_carry_out (const struct foreach_opts *opts, int trouble, plan_run_fn *run);

/* Print the errors of the steps above; returns `status`. */
int plan_error (const struct plan *p, const struct err *e, int status);

#endif
