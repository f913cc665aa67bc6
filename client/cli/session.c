/* session: which broker a command talks to; see session.h. */
#include "client/cli/session.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/help.h"
#include "client/cli/programs.h"
#include "client/cli/say.h"

unsigned session_insecure_flag (const char *value)
{
    if (!value)
        return DROVER_OPEN_INSECURE;
    return strcmp (value, "public") == 0 ? DROVER_OPEN_INSECURE_PUBLIC : 0;
}

/* Returns -1 if the option was taken, otherwise what session_getopt() returns for it. */
static int take_common (struct session_opts *o, int opt)
{
    unsigned flag;

    switch (opt) {
    case SESSION_OPT_BROKER:
        o->broker = optarg;
        return -1;
    case SESSION_OPT_INSECURE:
        flag = session_insecure_flag (optarg);
        if (!flag) {
            say_usage (o->command,
                       "--insecure=%s: only --insecure (this machine) and "
                       "--insecure=public (any) are known",
                       optarg);
            return '?';
        }
        o->flags |= flag;
        return -1;
    case SESSION_OPT_LOCAL:
        o->flags |= DROVER_OPEN_LOCAL;
        return -1;
    case SESSION_OPT_QUIET:
        o->quiet = true;
        return -1;
    case SESSION_OPT_JSON:
        o->json = true;
        return -1;
    case SESSION_OPT_HELP:
        help_show (o->command);
        return SESSION_OPT_HELP;
    default:
        return opt;
    }
}

int session_getopt (struct session_opts *o, int argc, char **argv, const char *shorts,
                    const struct option *longs)
{
    int opt, took;

    opterr = 0;
    for (;;) {
        opt = getopt_long (argc, argv, shorts, longs, NULL);
        if (opt == -1)
            return -1;
        if (opt == ':') {
            say_usage (o->command, "option %s needs a value", argv[optind - 1]);
            return '?';
        }
        if (opt == '?') {
            if (optopt > 0 && optopt < 256)
                say_usage (o->command, "unknown option -%c", optopt);
            else if (optopt >= 256)
                say_usage (o->command, "option %s takes no value", argv[optind - 1]);
            else
                say_usage (o->command, "unknown or ambiguous option %s", argv[optind - 1]);
            return '?';
        }
        took = take_common (o, opt);
        if (took != -1)
            return took;
    }
}

int session_error (const struct session_opts *o, const drover_error_t *e, int status)
{
    say (o->command, "%s", e->text);
    return status;
}

/* Nobody to talk to for a command that needs somebody else's broker? The status if that was said,
 * else STATUS_OK. */
static int no_broker (const struct session_opts *o, const drover_options_t *options)
{
    char url[256];
    drover_error_t e;

    if (o->state && (o->broker || o->flags & DROVER_OPEN_LOCAL))
        return say_usage (o->command, "--state looks into a directory: no broker is asked");
    if (o->state || !(o->flags & DROVER_OPEN_NO_PRIVATE))
        return STATUS_OK;
    if (o->flags & DROVER_OPEN_LOCAL)
        return say_usage (o->command, "--local means a broker of this command's own, where nobody "
                                      "else has a batch");
    if (drover_find_broker (options, url, sizeof url, &e) != 0)
        return STATUS_OK;
    say (o->command, "no broker is running: start one with 'drover broker start' and "
                     "'drover worker start', or name one with --broker URL");
    return STATUS_TROUBLE;
}

drover_t *session_open (const struct session_opts *o, int *status)
{
    char name[80];
    drover_options_t options = {
        .broker = o->broker, .flags = o->flags, .slots = o->slots, .name = name, .state = o->state};
    drover_error_t e;
    drover_t *h = NULL;
    int found;

    snprintf (name, sizeof name, "drover %.60s", o->command);
    found = no_broker (o, &options);
    if (found == STATUS_OK) {
        program_set_bindir ();
        h = drover_open (&options, &e);
        if (!h && o->state && e.code == DROVER_ESTORAGE)
            found = STATUS_TROUBLE; /* its broker has said why */
        else if (!h)
            found = session_error (o, &e, e.code == DROVER_EINVAL ? STATUS_USAGE : STATUS_TROUBLE);
    }
    if (status)
        *status = found;
    return h;
}

bool session_is_hopeless (drover_t *h, const drover_notice_t *n)
{
    return drover_is_private (h) &&
           (n->code == DROVER_NOTE_TASK_TOO_BIG || n->code == DROVER_NOTE_NO_FUNCTION);
}

void session_notice (const struct session_opts *o, const drover_notice_t *n)
{
    if (n->code == DROVER_NOTE_INSECURE || o->quiet)
        return;
    say (o->command, "%s", n->text);
}
