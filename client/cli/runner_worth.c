/* runner_worth: what a batch was worth: its figures, the advice that follows from them, and what
 * the same rows take one after another (--compare). See runner.h.
 *
 * Of a pipeline in which a stage has a limit of its own, or takes other slots than the rest, it is
 * not known how much could have run at one time.
 */
#include <inttypes.h>
#include <unistd.h>

#include "client/cli/json_out.h"
#include "client/cli/places.h"
#include "client/cli/runner_inner.h"
#include "client/cli/say.h"
#include "common/base/clock.h"

/* --- figures --- */

/* A stage cannot use all the slots that others can. */
static bool is_uneven (const struct runner_opts *o, uint64_t slots)
{
    bool uneven = o->stage_count > 0 && o->jobs > 0 && o->jobs < slots;

    for (size_t i = 0; i < o->stage_count; i++)
        uneven = uneven || (o->stages[i].jobs > 0 && o->stages[i].jobs < slots);
    return uneven;
}

/* Complete the figures: times, and what there is to run tasks with. Slots stay 0 where the broker
 * does not say, or the tasks take none. */
static void finish_figures (struct runner *r)
{
    const struct runner_opts *o = r->opts;
    bool private = drover_is_private (r->h);
    int64_t now = clock_mono_us ();
    drover_worth_t *w = &r->summary.worth;
    struct places places = {0};
    drover_error_t e;

    r->summary.wall_us = (uint64_t)(now - r->started_us);
    w->wall_us = r->first_us ? (uint64_t)(now - r->first_us) : 0;
    w->starved_us = r->starved_us;
    w->shared = !private;
    w->functions = o->functions;
    w->values = o->values;
    w->asked = o->asked;
    w->keys = r->rows.keys.count;
    w->key_tasks = r->rows.keys.most;
    if (places_ask (r->h, &places, &e) < 0)
        return;
    w->cores = places.cores;
    if (private && o->session.slots)
        places.slots = o->session.slots;
    w->slots = o->cpus ? places.slots / o->cpus : 0;
    if (!private && o->jobs > 0 && o->jobs < w->slots && o->stage_count == 0)
        w->slots = o->jobs;
    r->summary.uneven = is_uneven (o, w->slots);
}

static bool says_summary (const struct runner *r)
{
    return (r->opts->summary || r->opts->compare) && !r->trouble && r->interrupts < 2 &&
           !r->pipe_closed && !r->again;
}

void worth_summary (struct runner *r)
{
    char line[400];

    if (!r->again && (r->interrupts > 0 || r->hung_up))
        say (runner_command (r), "%s: %" PRIu64 " of %" PRIu64 " tasks had ended%s",
             r->interrupts ? "interrupted" : "hung up", r->ended, drover_batch_rows (r->batch),
             r->cut ? ", and there was more input" : "");
    if (!says_summary (r))
        return;
    finish_figures (r);
    if (!r->opts->summary || r->opts->summary_json)
        return;
    summary_print (&r->summary, line, sizeof line);
    say (NULL, "%s", line);
}

/* What comes behind the summary, and behind the run that it is compared with (NULL: there was
 * none). */
static void report_worth (struct runner *r, const struct summary *sequential)
{
    char line[400];
    json_t *object;

    if (!says_summary (r))
        return;
    if (r->opts->summary_json) {
        object = json_new ();
        json_object_set_new (object, "summary", summary_json (&r->summary, sequential));
        json_print (object);
        return;
    }
    if (sequential) {
        summary_compare (&r->summary, sequential, line, sizeof line);
        say (NULL, "%s", line);
        if (summary_differ (&r->summary, sequential, line, sizeof line) > 0)
            say (NULL, "%s", line);
    }
    if (r->opts->summary && summary_advice (&r->summary, line, sizeof line) > 0)
        say (NULL, "%s", line);
}

/* --- --compare --- */

/* Is there something to compare? What was cut short says nothing. */
static bool can_compare (const struct runner *r)
{
    return r->kept && r->summary.worth.tasks > 0 && !r->trouble && !r->interrupts && !r->hung_up &&
           !r->silent && r->summary.cancelled == 0;
}

static uint64_t measured_us (const struct summary *s)
{
    return s->worth.wall_us > s->worth.starved_us ? s->worth.wall_us - s->worth.starved_us : 1;
}

/* The rows of `r` once more, one after another, on the same workers. Returns whether all of them
 * ran; it is said where not. */
static bool run_again (struct runner *r, struct runner *again)
{
    struct err e;

    if (rowfile_rewind (r->kept, &e) < 0) {
        say (runner_command (r), "%s: nothing is compared", e.text);
        return false;
    }
    if (r->opts->summary && isatty (STDERR_FILENO))
        say (runner_command (r), "now the same one after another, for --compare");
    if (runner_batch (again) < 0)
        return false;
    finish_figures (again);
    if (again->trouble)
        return false;
    if (again->interrupts || again->hung_up || again->summary.cancelled) {
        say (runner_command (r),
             "the run one after another was ended after %" PRIu64 " of %" PRIu64
             " tasks: nothing is compared",
             again->ended, r->summary.worth.tasks);
        return false;
    }
    return true;
}

/* Returns 1 when the user interrupted it. */
static int compare (struct runner *r)
{
    struct runner_opts o = *r->opts;
    struct runner again = {.opts = &o,
                           .h = r->h,
                           .signals = r->signals,
                           .again = true,
                           .silent = true,
                           .started_us = clock_mono_us ()};
    int interrupted;

    o.session.quiet = true;
    o.session.json = false;
    o.next = rowfile_next;
    o.arg = r->kept;
    o.input_fd = NULL;
    o.keep_order = false;
    o.tag = NULL;
    if (run_again (r, &again)) {
        again.summary.measured_us = measured_us (&again.summary);
        r->summary.measured_us = measured_us (&r->summary);
        r->summary.worth.sequential_us = again.summary.measured_us;
        r->summary.worth.parallel_us = r->summary.measured_us;
        report_worth (r, &again.summary);
    } else if (!again.interrupts) {
        report_worth (r, NULL);
    }
    interrupted = again.interrupts > 0;
    runner_end_batch (&again);
    return interrupted;
}

int worth_report (struct runner *r)
{
    if (can_compare (r))
        return compare (r);
    report_worth (r, NULL);
    return 0;
}
