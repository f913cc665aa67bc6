/* lines: commands that take one line for the job shell per argument; see lines.h. */
#include "client/cli/lines.h"

#include <errno.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/help.h"
#include "client/cli/say.h"

/* --- the command line --- */

/* Without a ::: the words are the lines: values of a source, and no command. */
static void words_to_lines (struct foreach_opts *o)
{
    o->inputs.list[0] = (struct input){.words = o->words, .count = o->word_count};
    o->words += o->word_count;
    o->word_count = 0;
}

static int run_parsed (struct foreach_opts *o, int usage, lines_run_fn *run)
{
    const char *command = o->session.command;
    const char *const *words = o->words;
    int status;

    if (o->help)
        return help_show (command);
    if (o->stdin_implied && o->word_count == 0) {
        say_usage (command, "which command lines? As in: drover %s 'make a' 'make b'", command);
        return usage;
    }
    if (o->stdin_implied)
        words_to_lines (o);
    status = run (o);
    o->words = words;
    return status;
}

int lines_command (const char *command, unsigned groups, int usage, int argc, char **argv,
                   lines_run_fn *run)
{
    struct foreach_opts o;
    struct err e;
    int status = usage;

    if (foreach_opts_parse (&o, command, groups, argc, argv, &e) < 0)
        say_usage (command, "%s", e.text);
    else
        status = run_parsed (&o, usage, run);
    foreach_opts_fini (&o);
    return status;
}

unsigned lines_slots (const struct plan *p, uint64_t tasks)
{
    uint64_t slots = tasks * (p->opts->task.cpus > 1 ? p->opts->task.cpus : 1);
    unsigned most = plan_slots_most ();

    if (p->opts->jobs.kind != JOBLIMIT_DEFAULT)
        return p->slots;
    return slots == 0 ? 1 : slots > most ? most : (unsigned)slots;
}

/* --- the list --- */

static int joblist_add (struct joblist *l, const drover_bytes_t *values, size_t count,
                        struct err *e)
{
    if (!pending_add (&l->all, l->count, values, count))
        return err_set (e, ENOMEM, "no memory for all tasks: use foreach");
    l->count++;
    return 0;
}

int joblist_read (struct joblist *l, struct plan *p, struct err *e)
{
    const drover_bytes_t *values;
    size_t count;
    int got;

    memset (l, 0, sizeof *l);
    while ((got = plan_next (p, &values, &count, e)) != INPUT_END) {
        if (got == INPUT_WAIT)
            plan_wait (p);
        else if (got < 0 || joblist_add (l, values, count, e) < 0)
            return -1;
    }
    return 0;
}

void joblist_fini (struct joblist *l)
{
    pending_fini (&l->all);
}

int joblist_next (void *list, const drover_bytes_t **values, size_t *count, struct err *e)
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
