/* Died: an executor ended. The row it was running gets the outcome that its end explains; rows it
 * had not started run elsewhere, as if they had never been handed over.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "worker/core/core.h"

enum {
    DEATHS_MAX = 3, /* executors that die before they started anything: then a row is to blame */
    LEFT = 3,       /* exit statuses of an executor that sent every outcome before it went */
    STUCK = 4,
};

/* A function may end its process with any status, in the middle of its row. */
static bool answered_all (const struct executor *e, int wait_status)
{
    return e->kind == AGENT_COMMANDS && WIFEXITED (wait_status) &&
           (WEXITSTATUS (wait_status) == LEFT || WEXITSTATUS (wait_status) == STUCK);
}

static void explain_function (const struct executor *e, const struct job *j, int wait_status,
                              struct outcome *o, char *text, size_t size)
{
    const struct spec *s = batch_spec (e->batch, j->rows.spec);
    int len = s ? (int)s->msg.body[0].len : 0;
    const char *name = s ? (const char *)s->msg.body[0].ptr : "";
    if (len > 200)
        len = 200;
    if (e->spoiled && e->unstarted) {
        snprintf (text, size, "function %.*s: its module does not load", len, name);
    } else if (e->spoiled) {
        snprintf (text, size, "function %.*s damaged what its executor works with", len, name);
    } else if (WIFSIGNALED (wait_status)) {
        const char *abbrev = sigabbrev_np (WTERMSIG (wait_status));
        o->signal = (unsigned)WTERMSIG (wait_status);
        snprintf (text, size, "killed by SIG%s %s function %.*s%s", abbrev ? abbrev : "?",
                  e->unstarted ? "before" : "in", len, name, e->unstarted ? " began" : "");
    } else {
        o->status = (unsigned)WEXITSTATUS (wait_status);
        snprintf (text, size, "function %.*s ended its process with status %u%s", len, name,
                  o->status, e->unstarted ? " before it began" : "");
    }
}

/* How the running row ended, by what ended its executor. */
static void explain (const struct executor *e, const struct job *j, int wait_status,
                     struct outcome *o, char *text, size_t size)
{
    o->how = OUTCOME_FAILED;
    o->signal = SIGKILL;
    text[0] = '\0';
    switch (e->doom) {
    case DOOM_CANCEL:
        o->how = OUTCOME_CANCELLED;
        snprintf (text, size, "%s", e->reason ? e->reason : "");
        break;
    case DOOM_TIMEOUT:
        o->how = OUTCOME_TIMEOUT;
        outcome_limit_words (text, size,
                             batch_spec (e->batch, j->rows.spec)->msg.m.spec.timeout_ms);
        break;
    case DOOM_LOST:
        o->how = OUTCOME_LOST;
        snprintf (text, size, "exclusive: its worker ended it, as the broker did not answer");
        break;
    default:
        if (e->kind == AGENT_FUNCTIONS) {
            o->signal = 0;
            explain_function (e, j, wait_status, o, text, size);
        } else {
            snprintf (text, size, "executor died");
        }
    }
    o->reason = bytes_str (text);
}

static void fill_times (struct agent *a, const struct executor *e, const struct job *j,
                        const struct agent_event *ev, int64_t now, struct outcome *o)
{
    struct agent_running r;
    int64_t start_us = j->since_us;
    if (a->cfg.pages.running (a->cfg.pages.self, e->number, &r) && r.start_us <= now &&
        r.start_us >= start_us)
        start_us = r.start_us;
    o->wall_us = (uint64_t)(now - start_us);
    o->start_us = ev->wall_us > o->wall_us ? ev->wall_us - o->wall_us : 0;
}

/* The first row of the job was running. */
static void end_row (struct agent *a, struct executor *e, const struct job *j,
                     const struct agent_event *ev, int64_t now)
{
    char text[512];
    struct batch *b = e->batch;
    struct outcome o = {.attempt = j->rows.attempt};
    b->handed--;
    b->careful -= b->careful > 0;
    if (e->doom == DOOM_DRAIN) { /* it has run, so it must not count as not started */
        holds_add (&a->silenced, (struct hold){b->id, j->rows.attempt, j->rows.first, 1});
        return;
    }
    explain (e, j, ev->wait_status, &o, text, sizeof text);
    fill_times (a, e, j, ev, now, &o);
    results_make (a, b, j->rows.first, &o, o.how == OUTCOME_CANCELLED && !e->spoke);
    batch_notes_drop (b, j->rows.first);
}

static void drop_front (struct job *j, uint64_t n)
{
    struct run front;
    run_cut (&j->rows, n, &front);
    slice_fini (&front.body);
}

/* How many rows of the job have started. Where its code has written over the page any may have. */
static uint64_t claimed_of (struct agent *a, struct executor *e, const struct job *j)
{
    int64_t n =
        a->cfg.pages.claimed (a->cfg.pages.self, e->number, j->run, (uint32_t)j->rows.count);
    if (n >= 0)
        return (uint64_t)n;
    e->spoiled = true;
    return j->rows.count;
}

/* Whether the first row is to blame for an executor that died before it had started anything: as
 * others before it, or because it was waited for long enough. */
static bool to_blame (struct agent *a, struct executor *e, bool expected)
{
    const struct job *j = TAILQ_FIRST (&e->jobs);
    e->unstarted = j && !claimed_of (a, e, j);
    if (!e->unstarted)
        return false;
    return e->doom == DOOM_STALL || (!expected && ++e->batch->deaths >= DEATHS_MAX);
}

/* Rows that have started, or may have, and of which nobody can tell how they ended. */
static void end_untold (struct agent *a, struct batch *b, const struct run *rows)
{
    struct outcome o = {.attempt = rows->attempt,
                        .how = OUTCOME_LOST,
                        .reason = bytes_str ("at most once: it may have run, but its executor died "
                                             "and its outcome is lost")};
    for (uint64_t i = 0; i < rows->count; i++) {
        results_make (a, b, rows->first + i, &o, false);
        batch_notes_drop (b, rows->first + i);
    }
}

/* The first `n` rows of the job had started, and have no outcome: they run again, where they may.
 */
static void bury_untold (struct agent *a, struct batch *b, struct job *j, uint64_t n)
{
    struct run untold;
    run_cut (&j->rows, n, &untold);
    b->handed -= n;
    if (!b->once) {
        rows_again (a, b, untold);
        return;
    }
    end_untold (a, b, &untold);
    slice_fini (&untold.body);
}

/* What is left of a job: the row that was running, if any, is answered, the others go back. Of an
 * executor that was spoiled any row may be to blame that has no outcome, or one that has; so they
 * run again, each in an executor that has run nothing before, and which it pays for alone. */
static void bury_job (struct agent *a, struct executor *e, struct job *j, bool blame,
                      const struct agent_event *ev, int64_t now)
{
    struct batch *b = e->batch;
    uint64_t claimed = claimed_of (a, e, j);
    bool running = claimed > j->answered && !answered_all (e, ev->wait_status);
    uint64_t untold = running ? claimed - j->answered - 1 : 0;
    if (j->answered)
        drop_front (j, j->answered);
    j->answered = 0;
    if (running && e->spoiled && e->doom != DOOM_CANCEL && (untold || e->used)) {
        b->careful += ++untold;
        running = false;
    }
    if (untold)
        bury_untold (a, b, j, untold);
    if (j->rows.count && (running || blame)) {
        end_row (a, e, j, ev, now);
        drop_front (j, 1);
    }
    if (!j->rows.count)
        return;
    b->handed -= j->rows.count;
    rows_again (a, b, j->rows);
    j->rows.body = (struct slice){0};
}

/* The slots of what cannot be killed are lost. */
static void lose_slots (struct agent *a, const struct executor *e, unsigned stuck,
                        struct agent_effects *fx)
{
    unsigned lost = e->cpus < a->slots ? e->cpus : a->slots;
    a->slots -= lost;
    fx_log (fx, LOG_WARN, "processes cannot be killed executor=%u processes=%u slots=%u", e->number,
            stuck, a->slots);
    struct wire w = {.kind = WIRE_CAPACITY};
    w.m.capacity.slots = a->slots;
    w.m.capacity.draining = a->drain != DRAIN_NOT;
    session_post (&a->session, &w);
}

void executor_died (struct agent *a, const struct agent_event *ev, int64_t now,
                    struct agent_effects *fx)
{
    struct executor *e = executor_find (a, ev->executor);
    if (!e)
        return;
    bool expected = e->killed || answered_all (e, ev->wait_status);
    if (!expected && !ev->cut)
        fx_log (fx, LOG_WARN, "executor died executor=%u status=0x%x", e->number,
                (unsigned)ev->wait_status);
    e->killed = true; /* nothing more is handed to it */
    e->spoiled |= ev->cut;
    if (e->batch && e->batch->exclusive && e->doom == DOOM_NONE && !exclusive_may_run (a, now))
        e->doom = DOOM_LOST; /* the launcher ended it, while we were stopped */
    if (e->batch && ev->unsent.len) {
        struct slice unsent = slice_borrowed (ev->unsent.ptr, ev->unsent.len);
        executor_outcomes (a, e, &unsent, now, fx);
    }
    struct job *j;
    expected |= ev->cut && e->used; /* who has run nothing has nothing to be cut off by */
    bool blame = e->batch && to_blame (a, e, expected);
    e->used |= e->n_jobs > 1; /* rows of one may have been run when those of another were */
    while (e->batch && (j = TAILQ_FIRST (&e->jobs))) {
        bury_job (a, e, j, blame, ev, now);
        blame = false;
        TAILQ_REMOVE (&e->jobs, j, link);
        e->n_jobs--;
        job_free (&j);
    }
    if (ev->stuck)
        lose_slots (a, e, ev->stuck, fx);
    executor_leave (a, e, fx);
    executor_free (a, &e);
}
