/* drover invoke: run different command lines at the same time.
 *
 * Each argument is a line for the job shell: a task without a command, whose value is the line. Or
 * a command with :::, as foreach has it. All tasks start at once unless -j says otherwise: so a
 * private worker gets as many slots as there are tasks, and all input is read first.
 */
#include <errno.h>
#include <stdint.h>

#include "client/cli/cli.h"
#include "client/cli/foreach_opts.h"
#include "client/cli/help.h"
#include "client/cli/pending.h"
#include "client/cli/plan.h"
#include "client/cli/runner.h"
#include "client/cli/say.h"

static const char command[] = "invoke";

/* All jobs, read and kept. */
struct joblist {
    struct pending all; /* by number, from 0 */
    uint64_t count;
    uint64_t next;
};

static int joblist_add (struct joblist *l, const drover_bytes_t *values, size_t count,
                        struct err *e)
{
    if (!pending_add (&l->all, l->count, values, count))
        return err_set (e, ENOMEM, "no memory for all tasks: use foreach");
    l->count++;
    return 0;
}

static int joblist_read (struct joblist *l, struct plan *p, struct err *e)
{
    const drover_bytes_t *values;
    size_t count;
    int got;

    while ((got = plan_next (p, &values, &count, e)) != INPUT_END) {
        if (got == INPUT_WAIT)
            plan_wait (p);
        else if (got < 0 || joblist_add (l, values, count, e) < 0)
            return -1;
    }
    return 0;
}

static int joblist_next (void *list, const drover_bytes_t **values, size_t *count, struct err *e)
{
    struct joblist *l = list;
    const struct pending_row *row = pending_find (&l->all, l->next);

    (void)e;
    if (!row)
        return 0;
    l->next++;
    *values = row->values;
    *count = row->count;
    return 1;
}

static unsigned slots_for (const struct plan *p, uint64_t tasks)
{
    uint64_t slots = tasks * (p->opts->task.cpus > 1 ? p->opts->task.cpus : 1);
    unsigned most = plan_slots_most ();

    if (p->opts->jobs.kind != JOBLIMIT_DEFAULT)
        return p->slots;
    return slots == 0 ? 1 : slots > most ? most : (unsigned)slots;
}

static int run_all (struct plan *p)
{
    struct joblist list = {.count = 0};
    struct runner_opts runner = plan_runner (p);
    struct err e;
    int status;

    if (joblist_read (&list, p, &e) < 0) {
        status = plan_error (p, &e, STATUS_FOREACH);
    } else {
        runner.next = joblist_next;
        runner.arg = &list;
        runner.input_fd = NULL;
        runner.session.slots = slots_for (p, list.count);
        status = runner_run (&runner);
    }
    pending_fini (&list.all);
    return status;
}

static int run (const struct foreach_opts *o)
{
    struct plan plan;
    struct err e;
    int status;

    if (plan_init (&plan, o, &e) < 0)
        status = plan_error (&plan, &e, STATUS_FOREACH);
    else if (o->dry_run)
        status = plan_dry_run (&plan, STATUS_FOREACH);
    else
        status = run_all (&plan);
    plan_fini (&plan);
    return status;
}

/* Without a ::: the words are the lines: values of a source, and no command. */
static void words_to_lines (struct foreach_opts *o)
{
    o->inputs.list[0] = (struct input){.words = o->words, .count = o->word_count};
    o->words += o->word_count;
    o->word_count = 0;
}

int cmd_invoke (int argc, char **argv)
{
    struct foreach_opts o;
    const char *const *words;
    struct err e;
    int status;

    if (foreach_opts_parse (&o, command, OPTS_ALL, argc, argv, &e) < 0) {
        say_usage (command, "%s", e.text);
        foreach_opts_fini (&o);
        return STATUS_FOREACH;
    }
    words = o.words;
    if (o.help) {
        status = help_show (command);
    } else if (o.stdin_implied && o.word_count == 0) {
        say_usage (command, "which command lines? As in: drover invoke 'make a' 'make b'");
        status = STATUS_FOREACH;
    } else {
        if (o.stdin_implied)
            words_to_lines (&o);
        status = run (&o);
    }
    o.words = words;
    foreach_opts_fini (&o);
    return status;
}
