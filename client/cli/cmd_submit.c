/* drover submit: leave a batch with a broker, print its number.
 *
 * The number is printed when the broker has everything. A submit that does not come so far takes
 * back what it has sent; with --id it leaves it, since the same command again goes on with it. So
 * what is sent must not depend on moments: chunks are whole, and variables that are not the same in
 * two terminals are left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/foreach_opts.h"
#include "client/cli/help.h"
#include "client/cli/json_out.h"
#include "client/cli/plan.h"
#include "client/cli/runner.h"
#include "client/cli/say.h"
#include "client/cli/signals.h"

#define KEEP_BYTES ((uint64_t)16 << 20) /* of each stream of a task */
#define SYNC_STEP_MS 200                /* how often a signal is looked for at the end */

static const char command[] = "submit";
static const int wanted_signals[] = {SIGINT, SIGTERM, SIGHUP, 0};

struct submit {
    struct plan *plan;
    struct runner_opts rows;
    drover_t *h;
    drover_batch_t *batch;
    struct feed feed;
    struct signals signals;
};

static int refused (const struct submit *s, const drover_error_t *why)
{
    if (!s->rows.key || why->code != DROVER_ECONFLICT)
        return session_error (&s->rows.session, why, STATUS_TROUBLE);
    say (command, "--id %s: there is a batch of this id, and it is another one: %s", s->rows.key,
         why->text);
    return STATUS_TROUBLE;
}

/* Somebody cancelled it before all was said, or the broker had no room for what it keeps. */
static int ended (const struct submit *s, const drover_end_t *end)
{
    if (end->state != DROVER_BATCH_CANCELLED)
        return STATUS_OK;
    say (command, "batch %" PRIu64 " was ended before it was submitted: %s",
         drover_batch_id (s->batch), end->reason);
    return STATUS_TROUBLE;
}

static int take_event (struct submit *s, const drover_event_t *event)
{
    if (event->kind == DROVER_EVENT_END && event->batch == s->batch)
        return ended (s, event->end);
    if (event->kind == DROVER_EVENT_NOTICE && event->notice->code != DROVER_NOTE_NO_WORKER)
        session_notice (&s->rows.session, event->notice);
    if (event->kind == DROVER_EVENT_LOST ||
        (event->kind == DROVER_EVENT_REFUSED && event->batch == s->batch))
        return refused (s, event->refused);
    return STATUS_OK;
}

static int take_events (struct submit *s)
{
    const drover_event_t *event;
    drover_error_t e = {0};
    int status = STATUS_OK;
    int got = 0;

    while (status == STATUS_OK && (got = drover_next (s->h, 0, &event, &e)) == 1)
        status = take_event (s, event);
    return got < 0 ? session_error (&s->rows.session, &e, STATUS_TROUBLE) : status;
}

/* Wait for room, for input, or for a signal. */
static int wait_for_more (struct submit *s, bool for_input)
{
    struct pollfd fds[3] = {
        {.fd = drover_fd (s->h), .events = POLLIN},
        {.fd = s->signals.fd, .events = POLLIN},
        {.fd = for_input ? s->rows.input_fd (s->rows.arg) : -1, .events = POLLIN}};

    poll (fds, 3, -1);
    return signals_take (&s->signals) ? STATUS_INTERRUPTED : STATUS_OK;
}

static int feed_all (struct submit *s)
{
    int status = STATUS_OK;
    struct err e = {0};

    while (status == STATUS_OK) {
        int got = feed_rows (&s->feed, RUNNER_FEED_TURN, &e);

        if (got < 0)
            return plan_error (s->plan, &e, STATUS_USAGE);
        if (got == 0)
            return STATUS_OK;
        status = take_events (s);
        if (status == STATUS_OK && got != 1)
            status = wait_for_more (s, got == 2);
        else if (signals_take (&s->signals))
            status = STATUS_INTERRUPTED;
    }
    return status;
}

/* Until the broker has it all, however long it takes, as long as it is there. */
static int sync_all (struct submit *s)
{
    drover_error_t e = {0};
    int status = STATUS_OK;

    while (status == STATUS_OK && drover_sync (s->h, SYNC_STEP_MS, &e) < 0) {
        if (e.code != DROVER_ETIME)
            return session_error (&s->rows.session, &e, STATUS_TROUBLE);
        if (signals_take (&s->signals))
            return STATUS_INTERRUPTED;
        status = take_events (s);
    }
    while (status == STATUS_OK && drover_batch_id (s->batch) == 0) {
        status = take_events (s);
        if (status == STATUS_OK && drover_batch_id (s->batch) == 0)
            status = wait_for_more (s, false);
    }
    return status == STATUS_OK ? take_events (s) : status;
}

static void print_id (const struct submit *s)
{
    uint64_t id = drover_batch_id (s->batch);
    json_t *object;

    if (!s->rows.session.json) {
        printf ("%" PRIu64 "\n", id);
        return;
    }
    object = json_new ();
    json_object_set_new (object, "batch", json_integer ((json_int_t)id));
    json_object_set_new (object, "tasks", json_integer ((json_int_t)drover_batch_rows (s->batch)));
    json_print (object);
}

/* Take back what was sent. */
static void withdraw (struct submit *s)
{
    drover_cancel_options_t options = {.kill = 1, .reason = "submit was interrupted"};
    drover_error_t e;
    uint64_t ref;

    drover_batch_close (s->batch, NULL);
    ref = drover_batch_cancel (s->batch, &options, NULL);
    if (ref)
        drover_await (s->h, ref, 2000, NULL, NULL, NULL, &e);
}

static int submit_all (struct submit *s)
{
    drover_batch_options_t options = {.name = s->rows.name,
                                      .flags = DROVER_DETACHED | runner_flags (&s->rows),
                                      .key = s->rows.key,
                                      .whole_chunks = s->rows.key != NULL,
                                      .jobs = s->rows.jobs,
                                      .priority = s->rows.priority,
                                      .deadline_ms = s->rows.deadline_ms};
    struct afters after;
    drover_error_t e = {0};
    int status;

    retrying_apply (&s->rows.retrying, &options);
    if (batches_run_after (&s->rows.session, s->h, s->rows.after, &after, &options) < 0)
        return STATUS_TROUBLE;
    s->batch = drover_batch_open (s->h, &options, &e);
    s->feed = (struct feed){.next = s->rows.next,
                            .arg = s->rows.arg,
                            .order_by = s->rows.order_by,
                            .batch = s->batch,
                            .spec = -1};
    if (s->batch)
        s->feed.spec = drover_batch_add_spec (s->batch, s->rows.spec, &e);
    if (s->feed.spec < 0)
        return session_error (&s->rows.session, &e, STATUS_TROUBLE);
    status = feed_all (s);
    if (status == STATUS_OK)
        status = sync_all (s);
    if (status == STATUS_OK)
        print_id (s);
    else if (!s->rows.key)
        withdraw (s);
    return status;
}

static int submit (struct plan *p)
{
    struct submit s = {.plan = p, .rows = plan_runner (p)};
    struct err e;
    int status;

    drover_spec_keep (p->spec, KEEP_BYTES);
    drover_spec_steps (p->spec, DROVER_STEPS_GRACE);
    s.rows.session.flags |= DROVER_OPEN_NO_PRIVATE;
    s.h = session_open (&s.rows.session, &status);
    if (!s.h)
        return status;
    status = STATUS_TROUBLE;
    if (signals_open (&s.signals, wanted_signals, &e) < 0)
        say (command, "%s", e.text);
    else
        status = submit_all (&s);
    feed_fini (&s.feed);
    drover_close (&s.h);
    signals_close (&s.signals);
    return status;
}

static int run (const struct foreach_opts *o)
{
    if (o->key && afters_have_names (&o->after))
        return say_usage (command, "--id with --after last or @name: the next time that is another "
                                   "batch; give its number");
    if (o->key) {
        unsetenv ("OLDPWD");
        unsetenv ("SHLVL");
    }
    return plan_carry_out (o, STATUS_USAGE, submit);
}

int cmd_submit (int argc, char **argv)
{
    struct foreach_opts o;
    struct err e;
    int status;

    if (foreach_opts_parse (&o, command, OPTS_INPUT | OPTS_TASK | OPTS_BATCH | OPTS_KEY, argc, argv,
                            &e) < 0)
        status = say_usage (command, "%s", e.text);
    else if (o.help)
        status = help_show (command);
    else
        status = run (&o);
    foreach_opts_fini (&o);
    return status;
}
