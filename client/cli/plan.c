/* plan: from a read command line to something that can be run; see plan.h. */
#include "client/cli/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/say.h"
#include "client/cli/task.h"
#include "common/base/cores.h"
#include "common/base/mem.h"

#define LINE_MAX_BYTES 131071 /* of one argument, as the kernel has it (MAX_ARG_STRLEN) */
#define QUOTED_TIMES 5        /* bytes that one byte of a value may become, quoted */
#define QUOTED_MORE 24        /* ... and a value besides; also digits of a number */
#define SLOTS_MOST 1000
#define SLOTS_GREATEST 100000

/* --- slots --- */

/* A share of a limit of the system, if that is less than what there was. */
static unsigned within (unsigned most, int resource, bool hard, rlim_t share)
{
    struct rlimit limit;
    rlim_t n;

    if (getrlimit (resource, &limit) != 0)
        return most;
    n = hard ? limit.rlim_max : limit.rlim_cur;
    if (n == RLIM_INFINITY || n / share >= most)
        return most;
    return n / share > 0 ? (unsigned)(n / share) : 1;
}

unsigned plan_slots_most (void)
{
    return within (within (SLOTS_MOST, RLIMIT_NOFILE, true, 8), RLIMIT_NPROC, false, 4);
}

/* Tasks at one time as -j says; 0: it does not. */
static int limit_of (const struct joblimit *jobs, unsigned *limit, struct err *e)
{
    bool all = jobs->kind == JOBLIMIT_ALL;

    *limit = 0;
    return jobs->kind == JOBLIMIT_DEFAULT
               ? 0
               : joblimit_slots (jobs, cores_usable (), all ? plan_slots_most () : SLOTS_GREATEST,
                                 limit, e);
}

/* All stages share the slots of a private worker: it has as many as the widest of them asks for. */
static unsigned shared_slots (const struct plan *p, unsigned first)
{
    const struct foreach_opts *o = p->opts;
    unsigned most = 0, widest = o->task.cpus;
    bool said = first > 0 && o->task.cpus > 0;

    if (o->task.cpus > 0)
        most = first ? first : cores_usable ();
    for (size_t i = 0; i < o->stage_count; i++) {
        unsigned cpus = o->stages[i].task.cpus;
        unsigned asked = p->running[i].jobs ? p->running[i].jobs : cores_usable ();

        said |= p->running[i].jobs > 0 && cpus > 0;
        most = cpus > 0 && asked > most ? asked : most;
        widest = cpus > widest ? cpus : widest;
    }
    return said ? (most > widest ? most : widest) : task_slots (widest, 0);
}

static int plan_slots (struct plan *p, struct err *e)
{
    const struct foreach_opts *o = p->opts;
    bool all = o->jobs.kind == JOBLIMIT_ALL;
    unsigned slots = 0;

    if (limit_of (&o->jobs, &slots, e) < 0)
        return -1;
    for (size_t i = 0; i < o->stage_count; i++)
        if (limit_of (&o->stages[i].jobs, &p->running[i].jobs, e) < 0)
            return -1;
    p->slots = o->stage_count ? shared_slots (p, slots) : task_slots (o->task.cpus, slots);
    p->limit = all ? 0 : slots;
    p->asked = slots;
    return 0;
}

/* --- the command --- */

/* The names of the values, as soon as the input has said them. */
static int wait_for_names (struct plan *p, const char *const **names, struct err *e)
{
    for (;;) {
        int got = jobs_names (p->jobs, names, e);

        if (got != INPUT_WAIT)
            return got < 0 ? -1 : 0;
        plan_wait (p);
    }
}

static int err_of (struct err *e, const drover_error_t *from)
{
    return err_set (e, EINVAL, "%s", from->text);
}

static int compile_key (struct plan *p, const char *const *names, struct err *e)
{
    const char *const words[] = {p->opts->order_by, NULL};
    drover_command_options_t options = {.words = words,
                                        .flags = DROVER_COMMAND_RAW | DROVER_COMMAND_NO_APPEND,
                                        .replace = p->opts->replace,
                                        .names = names};
    drover_error_t why = {0};

    p->key = drover_command_new (&options, &why);
    return p->key ? 0 : err_set (e, EINVAL, "--order-by: %s", why.text);
}

static int compile (struct plan *p, const char *const *names, struct err *e)
{
    const struct foreach_opts *o = p->opts;
    const char *const function[] = {o->function, NULL};
    const char *const value[] = {"{}", NULL};
    drover_command_options_t options = {.words = o->function ? function : o->words,
                                        .flags = o->command_flags,
                                        .replace = o->replace,
                                        .names = names};
    drover_command_options_t tag = {.words = value, .flags = DROVER_COMMAND_RAW};
    drover_error_t why = {0};

    p->command = drover_command_new (&options, &why);
    if (!p->command)
        return err_of (e, &why);
    if (o->tag && !(p->tag = drover_command_new (&tag, &why)))
        return err_of (e, &why);
    return o->order_by ? compile_key (p, names, e) : 0;
}

static int make_spec (drover_spec_t **spec, const char *function, const drover_command_t *command,
                      struct task_opts task, struct err *e)
{
    *spec = function ? drover_spec_new_function (function) : drover_spec_new_shell (command);
    task.steps = task.grace_ms ? DROVER_STEPS_GRACE : DROVER_STEPS_PARALLEL;
    if (!*spec)
        return err_set (e, ENOMEM, "no memory for the command");
    return task_dress (*spec, &task, e);
}

static int make_stage (struct plan *p, size_t i, const char *const *names, struct err *e)
{
    const struct foreach_opts *o = p->opts;
    const struct stage_opts *st = &o->stages[i];
    const char *const function[] = {"--function", st->function, NULL};
    drover_command_options_t options = {.words = st->function ? function : st->words,
                                        .flags = (o->command_flags & DROVER_COMMAND_QUOTE) |
                                                 DROVER_COMMAND_STAGE,
                                        .replace = o->replace,
                                        .names = names};
    drover_error_t why = {0};

    p->stages[i].command = drover_command_new (&options, &why);
    if (!p->stages[i].command)
        return err_of (e, &why);
    if (make_spec (&p->stages[i].spec, st->function, p->stages[i].command, st->task, e) < 0)
        return -1;
    p->running[i].spec = p->stages[i].spec;
    p->running[i].retrying = st->retrying;
    return 0;
}

static int make_stages (struct plan *p, const char *const *names, struct err *e)
{
    for (size_t i = 0; i < p->opts->stage_count; i++)
        if (make_stage (p, i, names, e) < 0)
            return -1;
    return 0;
}

/* For lists of batches: the name that was given, else the command. */
static void make_name (struct plan *p)
{
    const struct foreach_opts *o = p->opts;
    size_t at = 0;

    p->name[0] = '\0';
    if (o->name || o->function)
        snprintf (p->name, sizeof p->name, "%s", o->name ? o->name : o->function);
    for (size_t i = 0; !o->name && i < o->word_count && at < sizeof p->name; i++)
        at +=
            (size_t)snprintf (p->name + at, sizeof p->name - at, "%s%s", i ? " " : "", o->words[i]);
}

/* How often a value may stand in a command line, at the most: for fits_anyway(). */
static void measure (struct plan *p)
{
    const struct foreach_opts *o = p->opts;
    size_t replace = o->replace ? strlen (o->replace) : 0;
    size_t times = o->command_flags & DROVER_COMMAND_QUOTE ? QUOTED_TIMES : 1;

    p->places = 1;
    for (size_t i = 0; i < o->word_count; i++) {
        p->words_bytes += times * (strlen (o->words[i]) + 1);
        for (const char *at = o->words[i]; (at = strchr (at, '{')) != NULL; at++)
            p->places++;
    }
    if (replace > 0)
        p->places += p->words_bytes / replace;
}

/* 0; -1 with an error. plan_fini() in both cases. `opts` is borrowed. */
static int plan_init (struct plan *p, const struct foreach_opts *opts, struct err *e)
{
    const char *const *names = NULL;

    memset (p, 0, sizeof *p);
    p->opts = opts;
    p->stages = mem_zalloc ((opts->stage_count + 1) * sizeof *p->stages);
    p->running = mem_zalloc ((opts->stage_count + 1) * sizeof *p->running);
    make_name (p);
    measure (p);
    if (plan_slots (p, e) < 0)
        return -1;
    p->jobs = jobs_new (&opts->inputs, e);
    if (!p->jobs || wait_for_names (p, &names, e) < 0 || compile (p, names, e) < 0)
        return -1;
    if (make_spec (&p->spec, opts->function, p->command, opts->task, e) < 0)
        return -1;
    return make_stages (p, names, e);
}

static void plan_fini (struct plan *p)
{
    for (size_t i = 0; p->stages && i < p->opts->stage_count; i++) {
        drover_spec_free (&p->stages[i].spec);
        drover_command_free (&p->stages[i].command);
    }
    free (p->stages);
    free (p->running);
    drover_spec_free (&p->spec);
    drover_command_free (&p->key);
    drover_command_free (&p->tag);
    drover_command_free (&p->command);
    jobs_free (&p->jobs);
}

int plan_error (const struct plan *p, const struct err *e, int status)
{
    say (p->opts->session.command, "%s", e->text);
    return status;
}

/* --- the rows --- */

/* Most lines are far from the limit, and are not made to find that out. Where words are repeated
 * for each value, one value may be in all of them. */
static bool fits_anyway (const struct plan *p, const drover_bytes_t *values, size_t count)
{
    size_t bytes = QUOTED_MORE;

    if (count > 1 && p->opts->command_flags & DROVER_COMMAND_SPREAD)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (values[i].len > LINE_MAX_BYTES)
            return false;
        bytes += QUOTED_TIMES * values[i].len + QUOTED_MORE;
    }
    return p->words_bytes + p->places * bytes <= LINE_MAX_BYTES;
}

int plan_check_length (struct plan *p, uint64_t task, const drover_bytes_t *values, size_t count,
                       struct err *e)
{
    drover_error_t why = {0};
    const char *text;
    size_t len = 0;

    if (p->opts->function || fits_anyway (p, values, count))
        return 0;
    if (drover_command_expand (p->command, values, count, task, 1, &text, &len, &why) < 0)
        return err_of (e, &why);
    if (len <= LINE_MAX_BYTES)
        return 0;
    return err_set (e, E2BIG,
                    "the command line of task %" PRIu64
                    " would have %zu bytes, and the system takes %d: pass a file name, or use "
                    "--function",
                    task, len, LINE_MAX_BYTES);
}

int plan_next (void *plan, const drover_bytes_t **values, size_t *count, struct err *e)
{
    struct plan *p = plan;
    struct job job;
    int got = jobs_next (p->jobs, &job, e);

    if (got != INPUT_VALUE)
        return got;
    *values = job.values;
    *count = job.count;
    return plan_check_length (p, job.seq, job.values, job.count, e) < 0 ? -1 : 1;
}

int plan_input_fd (void *plan)
{
    const struct plan *p = plan;

    return jobs_fd (p->jobs);
}

void plan_wait (const struct plan *p)
{
    poll (&(struct pollfd){.fd = jobs_fd (p->jobs), .events = POLLIN}, 1, -1);
}

/* Slots of each task, 0 where the stages do not agree. */
static unsigned common_cpus (const struct foreach_opts *o)
{
    for (size_t i = 0; i < o->stage_count; i++)
        if (o->stages[i].task.cpus != o->task.cpus)
            return 0;
    return o->task.cpus;
}

struct runner_opts plan_runner (struct plan *p)
{
    const struct foreach_opts *o = p->opts;
    struct runner_opts r = {.session = o->session,
                            .spec = p->spec,
                            .next = plan_next,
                            .arg = p,
                            .input_fd = plan_input_fd,
                            .jobs = p->limit,
                            .cpus = common_cpus (o),
                            .stages = p->running,
                            .stage_count = o->stage_count,
                            .priority = o->priority,
                            .name = p->name[0] ? p->name : NULL,
                            .key = o->key,
                            .deadline_ms = o->deadline_ms,
                            .retrying = o->retrying,
                            .after = &o->after,
                            .keep_order = o->keep_order,
                            .summary = !o->session.quiet && (o->summary || isatty (STDERR_FILENO)),
                            .summary_json = o->session.json && (o->summary || o->compare),
                            .compare = o->compare,
                            .functions = o->function != NULL,
                            .values = o->inputs.per_job,
                            .asked = p->asked,
                            .tag = p->tag,
                            .order_by = p->key};

    r.session.slots = p->slots;
    return r;
}

/* --- dry run --- */

static int print_line (drover_command_t *command, uint64_t task, const drover_bytes_t *values,
                       size_t count, struct err *e)
{
    drover_error_t why = {0};
    const char *text;
    size_t len;

    if (drover_command_expand (command, values, count, task, 1, &text, &len, &why) < 0)
        return err_of (e, &why);
    fwrite (text, 1, len, stdout);
    putchar ('\n');
    return ferror (stdout) ? -2 : 0; /* main() says why, or nothing */
}

/* The stages behind the first, as they are written, but for what is known of the item. */
static int print_stages (const struct plan *p, uint64_t task, const drover_bytes_t *values,
                         size_t count, struct err *e)
{
    drover_bytes_t *row = mem_zalloc ((count + 2) * sizeof *row);
    char number[24];
    int bad = 0;

    row[0] = (drover_bytes_t){number, (size_t)snprintf (number, sizeof number, "%" PRIu64, task)};
    row[1] = (drover_bytes_t){"{}", 2};
    for (size_t i = 0; i < count; i++)
        row[2 + i] = values[i];
    for (size_t i = 0; bad == 0 && i < p->opts->stage_count; i++) {
        fputs ("--then ", stdout);
        bad = print_line (p->stages[i].command, task, row, count + 2, e);
    }
    free (row);
    return bad;
}

/* Print the command lines on stdout. */
static int plan_dry_run (struct plan *p, int trouble)
{
    const drover_bytes_t *values;
    struct err e = {0};
    uint64_t task = 0;
    size_t count;
    int got;

    while ((got = plan_next (p, &values, &count, &e)) != INPUT_END) {
        if (got == INPUT_WAIT) {
            fflush (stdout);
            plan_wait (p);
            continue;
        }
        if (got > 0)
            got = print_line (p->command, ++task, values, count, &e);
        if (got == 0)
            got = print_stages (p, task, values, count, &e);
        if (got == -1)
            return plan_error (p, &e, trouble);
        if (got < 0)
            break;
    }
    return STATUS_OK;
}

int plan_carry_out (const struct foreach_opts *opts, int trouble, plan_run_fn *run)
{
    struct plan plan;
    struct err e;
    int status;

    if (plan_init (&plan, opts, &e) < 0)
        status = plan_error (&plan, &e, trouble);
    else if (opts->dry_run)
        status = plan_dry_run (&plan, trouble);
    else
        status = run (&plan);
    plan_fini (&plan);
    return status;
}
