#include <stdio.h>
#include <string.h>

#include "tests/sim/user_inner.h"

enum { FEED_MAX = 2000, EACH_SPEC_MAX = 30, TIGHT_MAX = 10, FEW = 10, CPUS_MAX = 7, KEYS_MAX = 20 };

static void plan_flags (struct sim *s, struct job *j)
{
    /* results of detached batches are kept, and take room */
    bool detached = sim_chance (s, 350) && (!s->tight || j->plan <= TIGHT_MAX);
    j->flags = detached ? BATCH_DETACHED : 0;
    j->flags |= sim_chance (s, 150) ? BATCH_AT_MOST_ONCE : 0;
    if (sim_chance (s, 80)) {
        j->flags |= BATCH_EACH_SPEC;
        if (j->plan > EACH_SPEC_MAX)
            j->plan = EACH_SPEC_MAX;
    }
    if (!j->flags && !s->tight && sim_chance (s, 180)) {
        j->flags |= BATCH_INPUT;
        j->spec_flags |= SPEC_LIVE_INPUT;
        j->form = FORM_SHELL;
        j->plan = 1 + sim_below (s, FEEDS_MAX);
        for (unsigned i = 0; i < FEEDS_MAX; i++)
            j->feeds[i].len = sim_below (s, FEED_MAX);
    }
    if (sim_chance (s, 150))
        j->spec_flags |= SPEC_LIVE_OUTPUT;
    if (sim_chance (s, 120)) {
        j->flags |= BATCH_EXCLUSIVE;
        j->spec_flags |= SPEC_EXCLUSIVE;
    }
    if (sim_chance (s, 120)) {
        j->flags |= BATCH_ORDERED;
        j->tag.keys = 1 + (unsigned)sim_below (s, KEYS_MAX);
    }
}

static void plan_limits (struct sim *s, struct job *j)
{
    static const uint64_t JOBS[] = {0, 0, 1, 2, 3, 7};
    j->jobs = JOBS[sim_below (s, 6)];
    j->cpus = sim_chance (s, 700) ? 1 : sim_below (s, 3);
    if (j->plan <= FEW && sim_chance (s, 60))
        j->cpus = CPUS_MAX; /* for the last worker only */
    j->priority = sim_chance (s, 200) ? 80 : 50;
    if (sim_chance (s, 100))
        j->timeout_ms = (uint64_t)sim_between (s, 20, 2000);
    if (sim_chance (s, 40))
        j->deadline_ms = (uint64_t)sim_between (s, 100, 20000);
    if (sim_chance (s, 100))
        j->result_bytes = (uint64_t)sim_between (s, 100, 3000);
}

static void plan_again (struct sim *s, struct job *j)
{
    static const unsigned BACKOFFS[] = {0, 0, 10, 300, 2000};
    struct fate_again *a = &j->tag.again;
    if (sim_chance (s, 300))
        a->losses = 1 + (unsigned)sim_below (s, 4);
    if (!sim_chance (s, 300))
        return;
    a->runs = 1 + (unsigned)sim_below (s, 4);
    a->on = (unsigned)sim_below (s, 32);
    a->exits = (unsigned)sim_below (s, 1 << FATE_STATUSES);
    a->backoff_ms = BACKOFFS[sim_below (s, sizeof BACKOFFS / sizeof *BACKOFFS)];
    j->backoff_max_ms = a->backoff_ms ? sim_below (s, 2) * 2 * a->backoff_ms : 0;
}

static void plan_tag (struct sim *s, struct job *j)
{
    j->tag.jobs = (unsigned)j->jobs;
    j->tag.once = (j->flags & BATCH_AT_MOST_ONCE) != 0;
    j->tag.exclusive = (j->flags & (BATCH_EXCLUSIVE | BATCH_ORDERED)) != 0;
    j->tag.fragile = sim_chance (s, 200);
    j->tag.poison = j->plan < 60 && sim_chance (s, 40);
    j->tag.long_rows = j->plan < 20 && sim_chance (s, 60);
    j->tag.mixed = j->plan > 100 && sim_chance (s, 150);
}

/* Every batch has a key. Of one that others may submit as well, chunks are alike whenever they are
 * made. */
static void plan_key (struct user *u, struct job *j)
{
    snprintf (j->key, sizeof j->key, "%s-%u", u->name, u->keys++);
    j->shared = j->flags & BATCH_DETACHED && !u->s->tight && sim_chance (u->s, 400);
}

static void plan_time (struct user *u, struct job *j, int64_t within_ms)
{
    j->next_us = user_clock (u) + sim_between (u->s, 0, within_ms) * US_PER_MS;
}

void job_plan (struct user *u, struct job *j)
{
    static const uint64_t PLANS[] = {0, 1, 10, 40, 150, 500};
    struct sim *s = u->s;
    j->form = sim_chance (s, 500) ? FORM_SHELL : FORM_FUNCTION;
    j->plan = sim_below (s, 1 + PLANS[sim_below (s, 6)]);
    plan_flags (s, j);
    plan_limits (s, j);
    plan_again (s, j);
    plan_tag (s, j);
    plan_key (u, j);
    /* a detached batch keeps the rows that fail, and where there is no room it is not closed */
    j->large = j->plan && !(s->tight && j->flags & BATCH_DETACHED) && sim_chance (s, 50);
    plan_time (u, j, sim_chance (s, 500) ? 1000 : 20000);
    if (sim_chance (s, 200))
        j->cancel_us = j->next_us + sim_between (s, 0, 8000) * US_PER_MS;
    j->cancel_count = sim_chance (s, 500) ? 0 : 1 + sim_below (s, 20);
}

/* What makes it another batch: in its OPEN, in its spec, or in a row. */
static void plan_difference (struct sim *s, struct job *j)
{
    uint64_t which = sim_below (s, 3);
    j->differs = true;
    if (which == 0)
        j->priority++;
    else if (which == 1)
        j->timeout_ms += 1000;
    else
        j->other_row = sim_below (s, j->plan);
}

void job_plan_twin (struct user *u, const struct job *like, bool differs)
{
    struct job *j = job_new (u);
    const struct job blank = *j;
    *j = (struct job){.flags = like->flags,
                      .jobs = like->jobs,
                      .cpus = like->cpus,
                      .priority = like->priority,
                      .spec_flags = like->spec_flags,
                      .timeout_ms = like->timeout_ms,
                      .deadline_ms = like->deadline_ms,
                      .result_bytes = like->result_bytes,
                      .backoff_max_ms = like->backoff_max_ms,
                      .form = like->form,
                      .tag = like->tag,
                      .plan = like->plan,
                      .large = like->large};
    j->user = u;
    j->cancel_us = blank.cancel_us;
    j->other_row = blank.other_row;
    j->like = like;
    j->shared = j->twin = true;
    memcpy (j->key, like->key, sizeof j->key);
    plan_time (u, j, 3000);
    if (differs && j->plan)
        plan_difference (u->s, j);
    sim_count (u->s, COUNT_TWINS);
}
