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

static void explain_function (const struct batch *b, const struct job *j, int wait_status,
                              struct outcome *o, char *text, size_t size)
{
    const struct spec *s = batch_spec ((struct batch *)b, j->rows.spec);
    int len = s ? (int)s->msg.body[0].len : 0;
    const char *name = s ? (const char *)s->msg.body[0].ptr : "";
    if (len > 200)
        len = 200;
    if (WIFSIGNALED (wait_status)) {
        const char *abbrev = sigabbrev_np (WTERMSIG (wait_status));
        o->signal = (unsigned)WTERMSIG (wait_status);
        snprintf (text, size, "killed by SIG%s in function %.*s", abbrev ? abbrev : "?", len, name);
    } else {
        o->status = (unsigned)WEXITSTATUS (wait_status);
        snprintf (text, size, "function %.*s ended its process with status %u", len, name,
                  o->status);
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
            explain_function (e->batch, j, wait_status, o, text, size);
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

static uint64_t claimed_of (struct agent *a, const struct executor *e, const struct job *j)
{
    return a->cfg.pages.claimed (a->cfg.pages.self, e->number, j->run, (uint32_t)j->rows.count);
}

/* It died before it had started anything, as others before it. */
static bool to_blame (struct agent *a, const struct executor *e)
{
    const struct job *j = TAILQ_FIRST (&e->jobs);
    return j && !claimed_of (a, e, j) && ++e->batch->deaths >= DEATHS_MAX;
}

/* What is left of a job: the row that was running, if any, is answered, the others go back. */
static void bury_job (struct agent *a, struct executor *e, struct job *j, bool blame,
                      const struct agent_event *ev, int64_t now)
{
    struct batch *b = e->batch;
    uint64_t claimed = claimed_of (a, e, j);
    bool running = claimed > j->answered && !answered_all (e, ev->wait_status);
    /* rows that were claimed before the running one, and whose outcomes are lost, run again */
    if (running && claimed - 1 > j->answered) {
        struct run lost;
        if (j->answered)
            drop_front (j, j->answered);
        claimed -= j->answered;
        j->answered = 0;
        run_cut (&j->rows, claimed - 1, &lost);
        b->handed -= lost.count;
        rows_again (a, b, lost);
    } else if (j->answered) {
        drop_front (j, j->answered);
    }
    if (running || blame) {
        end_row (a, e, j, ev, now);
        if (j->rows.count == 1)
            return;
        drop_front (j, 1);
    }
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
    if (!expected)
        fx_log (fx, LOG_WARN, "executor died executor=%u status=0x%x", e->number,
                (unsigned)ev->wait_status);
    e->killed = true; /* nothing more is handed to it */
    if (e->batch && e->batch->exclusive && e->doom == DOOM_NONE && !exclusive_may_run (a, now))
        e->doom = DOOM_LOST; /* the launcher ended it, while we were stopped */
    if (e->batch && ev->unsent.len) {
        struct slice unsent = slice_borrowed (ev->unsent.ptr, ev->unsent.len);
        executor_outcomes (a, e, &unsent, now, fx);
    }
    struct job *j;
    bool blame = !expected && e->batch && to_blame (a, e);
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
