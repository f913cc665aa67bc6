/* drover logs: the output of single tasks, also while they run. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/durations.h"
#include "client/cli/say.h"
#include "client/cli/sink.h"

static const char command[] = "logs";

struct logs_opts {
    struct session_opts session;
    bool follow;
    bool only_stderr;
    uint64_t timeout_ms;
};

struct printing { /* one task */
    const struct logs_opts *opts;
    struct sink *sink; /* [2]: of stdout and of stderr */
    uint64_t id, row;
    uint64_t attempt;
    uint64_t at[2];
    int error; /* of a write */
};

static struct sink *sink_of (const struct printing *p, int stream)
{
    return p->opts->only_stderr ? &p->sink[0] : &p->sink[stream - 1];
}

static void say_of (const struct printing *p, const char *what, uint64_t n)
{
    if (!p->opts->session.quiet)
        say (command, "task %" PRIu64 ".%" PRIu64 ": %s%" PRIu64 "%s", p->id, p->row + 1, what, n,
             *what ? " begins" : " bytes skipped");
}

static void mind_attempt (struct printing *p, uint64_t attempt)
{
    if (p->attempt && attempt != p->attempt)
        say_of (p, "run ", attempt);
    if (attempt != p->attempt)
        p->at[0] = p->at[1] = 0;
    p->attempt = attempt;
}

static int take_piece (const drover_output_t *o, void *arg)
{
    struct printing *p = arg;
    uint64_t *at = &p->at[o->stream - 1];
    struct sink *sink = sink_of (p, o->stream);

    mind_attempt (p, o->attempt);
    if (p->opts->only_stderr && o->stream == 1)
        return 0;
    if (o->offset > *at)
        say_of (p, "", o->offset - *at);
    *at = o->offset + o->bytes.len;
    if (sink_write (sink, o->bytes.ptr, o->bytes.len) < 0 || sink_flush (sink) < 0)
        p->error = sink->error;
    return p->error;
}

static int print_task (const struct logs_opts *o, drover_t *h, const struct selector *s,
                       struct sink *sinks)
{
    struct printing p = {.opts = o, .sink = sinks, .id = s->id, .row = s->first};
    drover_error_t e = {0};
    int64_t timeout_ms = o->timeout_ms ? (int64_t)o->timeout_ms : -1;

    if (drover_follow (h, s->id, s->first, o->follow, timeout_ms, take_piece, &p, &e) == 0)
        return STATUS_OK;
    if (p.error == EPIPE)
        return STATUS_PIPE;
    if (p.error) {
        say (command, "cannot write: %s", strerror (p.error));
        return STATUS_TROUBLE;
    }
    if (e.code != DROVER_EUNKNOWN)
        return batches_error (&o->session, s->id, &e);
    say (command, "%" PRIu64 ".%" PRIu64 ": %s", s->id, s->first + 1, e.text);
    return STATUS_NOTHING;
}

static int print_all (const struct logs_opts *o, drover_t *h, const struct selectors *s)
{
    struct sink sinks[2];
    int worst = STATUS_OK;

    sink_init (&sinks[0], STDOUT_FILENO, -1, NULL, NULL);
    sink_init (&sinks[1], STDERR_FILENO, -1, NULL, NULL);
    for (size_t i = 0; i < s->count; i++) {
        int status = print_task (o, h, &s->all[i], sinks);

        worst = status > worst ? status : worst;
        if (status == STATUS_PIPE || status == STATUS_TROUBLE)
            break;
    }
    return worst;
}

/* Each selector names one task. */
static bool are_tasks (const struct selectors *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i].count != 1)
            return false;
    return true;
}

enum { OPT_STDERR = SESSION_OPT_OWN, OPT_TIMEOUT };

static const struct option options[] = {SESSION_OPTIONS,
                                        {"follow", no_argument, NULL, 'f'},
                                        {"stderr", no_argument, NULL, OPT_STDERR},
                                        {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                        {NULL, 0, NULL, 0}};

int cmd_logs (int argc, char **argv)
{
    struct logs_opts o = {.session = {.command = command}};
    struct selectors s;
    struct err e = {0};
    drover_t *h;
    int opt, status;

    while ((opt = session_getopt (&o.session, argc, argv, ":f", options)) != -1) {
        if (opt == SESSION_OPT_HELP)
            return STATUS_OK;
        if (opt == '?')
            return STATUS_USAGE;
        if (opt == OPT_TIMEOUT && duration_ms (optarg, &o.timeout_ms, &e) < 0)
            return say_usage (command, "--timeout: %s", e.text);
        o.follow = o.follow || opt == 'f';
        o.only_stderr = o.only_stderr || opt == OPT_STDERR;
    }
    if (o.session.json)
        return say_usage (command, "--json: a task's output is printed as it is; see drover info");
    status = batches_open (&o.session, argv + optind, (size_t)(argc - optind), &h, &s);
    if (status != STATUS_OK)
        return status;
    if (are_tasks (&s))
        status = print_all (&o, h, &s);
    else
        status = say_usage (command, "which task? As in: drover logs last.1");
    drover_close (&h);
    selectors_fini (&s);
    return status;
}
