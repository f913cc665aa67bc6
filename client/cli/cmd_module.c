/* drover module list: the functions that workers have, and how many of them have each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/help.h"
#include "client/cli/json_out.h"
#include "client/cli/programs.h"
#include "client/cli/say.h"
#include "client/cli/session.h"
#include "client/cli/table.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

static const char command[] = "module";

struct function {
    char *name;
    uint64_t workers, slots;
    UT_hash_handle hh;
};

static void count_function (struct function **all, const char *name, size_t len, uint64_t slots)
{
    struct function *f;

    HASH_FIND (hh, *all, name, len, f);
    if (!f) {
        f = mem_zalloc (sizeof *f);
        f->name = mem_strndup (name, len);
        HASH_ADD_KEYPTR (hh, *all, f->name, len, f);
    }
    f->workers++;
    f->slots += slots;
}

/* The names of a worker stand in one text, with blanks between; "commands" is no function. */
static int take_worker (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct function **all = arg;
    drover_bytes_t names = drover_pair_find (pairs, count, "functions");
    uint64_t slots = drover_pair_number (pairs, count, "slots", 0);
    const char *at = names.ptr, *end = at + names.len;

    while (at < end) {
        const char *blank = memchr (at, ' ', (size_t)(end - at));
        size_t len = (size_t)((blank ? blank : end) - at);
        if (memchr (at, ':', len))
            count_function (all, at, len, slots);
        at += len + 1;
    }
    return 0;
}

static int by_name (const struct function *a, const struct function *b)
{
    return strcmp (a->name, b->name);
}

static void print_json (const struct function *f)
{
    json_t *object = json_new ();

    json_put_bytes (object, "function", f->name, strlen (f->name));
    json_object_set_new (object, "workers", json_integer ((json_int_t)f->workers));
    json_object_set_new (object, "slots", json_integer ((json_int_t)f->slots));
    json_print (object);
}

static void add_row (struct table *t, const struct function *f)
{
    char text[2][24];

    snprintf (text[0], sizeof text[0], "%llu", (unsigned long long)f->workers);
    snprintf (text[1], sizeof text[1], "%llu", (unsigned long long)f->slots);
    table_cell (t, f->name, strlen (f->name));
    table_cell (t, text[0], strlen (text[0]));
    table_cell (t, text[1], strlen (text[1]));
}

static void print (const struct function *all, bool json)
{
    static const char *const headings[] = {"FUNCTION", "WORKERS", "SLOTS"};
    struct table t;

    table_init (&t, 3);
    for (size_t i = 0; i < 3; i++)
        table_cell (&t, headings[i], strlen (headings[i]));
    for (const struct function *f = all; f; f = f->hh.next)
        if (json)
            print_json (f);
        else
            add_row (&t, f);
    if (!json)
        table_print (&t, stdout);
    table_fini (&t);
}

static void free_all (struct function **all)
{
    struct function *f, *next;

    HASH_ITER (hh, *all, f, next) {
        HASH_DEL (*all, f);
        free (f->name);
        free (f);
    }
}

static int list_functions (const struct session_opts *o)
{
    struct function *all = NULL;
    drover_error_t e = {0};
    int status;
    drover_t *h = session_open (o, &status);

    if (!h)
        return status;
    if (session_query (h, DROVER_QUERY_WORKERS, 0, 0, 0, take_worker, &all, &e) < 0) {
        status = session_error (o, &e, STATUS_TROUBLE);
    } else if (!all) {
        status = STATUS_NOTHING;
        if (!o->quiet)
            say (command, "no worker is connected to %s", drover_broker (h));
    } else {
        HASH_SRT (hh, all, by_name);
        print (all, o->json);
    }
    free_all (&all);
    drover_close (&h);
    return status;
}

static const struct option options[] = {SESSION_OPTIONS, {NULL, 0, NULL, 0}};

int cmd_module (int argc, char **argv)
{
    struct session_opts o = {.command = command, .flags = DROVER_OPEN_NO_PRIVATE};
    int opt;

    while ((opt = session_getopt (&o, argc, argv, ":", options)) != -1)
        return opt == SESSION_OPT_HELP ? STATUS_OK : STATUS_USAGE;
    if (argc - optind != 1 || strcmp (argv[optind], "list") != 0)
        return say_usage (command, "'drover module list'");
    if (o.flags & DROVER_OPEN_LOCAL) {
        char *arguments[] = {"--list-functions", NULL};
        return program_exec (command, "drover-worker", arguments);
    }
    return list_functions (&o);
}
