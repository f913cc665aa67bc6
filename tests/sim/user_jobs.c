#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/sim/ledger.h"
#include "tests/sim/user_inner.h"

enum { LARGE_ROW = 300000, FEED_MAX = 2000, EACH_SPEC_MAX = 30, TIGHT_MAX = 10 };

struct job *job_new (struct user *u)
{
    if (u->n_jobs == JOBS_MAX)
        sim_fail (u->s, "%s has too many jobs", u->name);
    struct job *j = mem_zalloc (sizeof *j);
    j->user = u;
    j->cancel_us = j->next_us = CLOCK_NEVER;
    u->jobs[u->n_jobs++] = j;
    return j;
}

void job_free (struct job **jp)
{
    struct job *j = *jp;
    *jp = NULL;
    ranges_fini (&j->got);
    free (j->told);
    free (j->seen);
    free (j->seen_attempt);
    free (j);
}

uint64_t job_batch (const struct job *j)
{
    return ledger_batch (j->user->s, j->token, j->id);
}

/* --- plans --- */

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
    if (!j->flags && !s->tight && sim_chance (s, 80)) {
        j->flags |= BATCH_INPUT;
        j->spec_flags |= SPEC_LIVE_INPUT;
        j->form = FORM_SHELL;
        j->plan = 1 + sim_below (s, FEEDS_MAX);
        for (unsigned i = 0; i < FEEDS_MAX; i++)
            j->feeds[i].len = sim_below (s, FEED_MAX);
    }
    if (sim_chance (s, 150))
        j->spec_flags |= SPEC_LIVE_OUTPUT;
}

static void plan_limits (struct sim *s, struct job *j)
{
    static const uint64_t JOBS[] = {0, 0, 1, 2, 3, 7};
    j->jobs = JOBS[sim_below (s, 6)];
    j->cpus = sim_chance (s, 700) ? 1 : sim_below (s, 3);
    j->priority = sim_chance (s, 200) ? 80 : 50;
    if (sim_chance (s, 100))
        j->timeout_ms = (uint64_t)sim_between (s, 20, 2000);
    if (sim_chance (s, 40))
        j->deadline_ms = (uint64_t)sim_between (s, 100, 20000);
    if (sim_chance (s, 100))
        j->result_bytes = (uint64_t)sim_between (s, 100, 3000);
}

static void plan_tag (struct sim *s, struct job *j)
{
    j->tag.jobs = (unsigned)j->jobs;
    j->tag.once = (j->flags & BATCH_AT_MOST_ONCE) != 0;
    j->tag.poison = j->plan < 60 && sim_chance (s, 40);
    j->tag.long_rows = j->plan < 20 && sim_chance (s, 60);
    j->tag.mixed = j->plan > 100 && sim_chance (s, 150);
}

void job_plan (struct user *u, struct job *j)
{
    static const uint64_t PLANS[] = {0, 1, 10, 40, 150, 500};
    struct sim *s = u->s;
    j->form = sim_chance (s, 500) ? FORM_SHELL : FORM_FUNCTION;
    j->plan = sim_below (s, 1 + PLANS[sim_below (s, 6)]);
    plan_flags (s, j);
    plan_limits (s, j);
    plan_tag (s, j);
    j->large = j->plan && sim_chance (s, 50);
    j->next_us =
        user_clock (u) + sim_between (s, 0, sim_chance (s, 500) ? 1000 : 20000) * US_PER_MS;
    if (sim_chance (s, 200))
        j->cancel_us = j->next_us + sim_between (s, 0, 8000) * US_PER_MS;
    j->cancel_count = sim_chance (s, 500) ? 0 : 1 + sim_below (s, 20);
}

/* --- submitting --- */

static void add_spec (struct user *u, struct job *j)
{
    char tag[100];
    struct err e;
    struct wire spec = {.m.spec = {.form = j->form,
                                   .cpus = j->cpus,
                                   .flags = j->spec_flags,
                                   .timeout_ms = j->timeout_ms,
                                   .grace_ms = 100}};
    fate_tag_write (&j->tag, tag, sizeof tag);
    spec.m.spec.shell = bytes_str (tag);
    spec.body[0] = slice_borrowed ("echo", 4);
    if (batch_add_spec (&j->b, &spec, &e) < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
}

static void open_job (struct user *u, struct job *j)
{
    struct err e;
    char key[40];
    snprintf (key, sizeof key, "%s-%u", u->name, (unsigned)u->keys++);
    struct msg_open open = {.key = bytes_str (key),
                            .flags = j->flags,
                            .jobs = j->jobs,
                            .priority = j->priority,
                            .deadline_ms = j->deadline_ms,
                            .result_bytes = j->result_bytes};
    if (core_open (&u->core, &j->b, &open, &e) < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    if (!(j->flags & BATCH_EACH_SPEC))
        add_spec (u, j);
    j->b.owner = j;
    j->open = true;
}

static void add_row (struct user *u, struct job *j)
{
    static const char large[LARGE_ROW];
    struct err e;
    struct bytes value = bytes_str ("a value");
    uint64_t row = j->b.rows;
    bool each = j->flags & BATCH_EACH_SPEC;
    if (each)
        add_spec (u, j);
    if (j->large && !row)
        value = bytes_of (large, sizeof large);
    if (batch_add (&j->b, each ? (int)row : 0, &value, 1, &e) < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    sim_count (u->s, COUNT_ROWS);
}

/* Some rows, or the end of them. */
static void submit (struct user *u, struct job *j)
{
    struct sim *s = u->s;
    struct err e;
    if (!j->open)
        open_job (u, j);
    uint64_t n = s->big || sim_chance (s, 500) ? j->plan : sim_below (s, 10);
    while (n-- && j->b.rows < j->plan && batch_room (&j->b, false))
        add_row (u, j);
    if (j->b.rows < j->plan)
        j->next_us = user_clock (u) + (s->big ? 1 : sim_between (s, 0, 500)) * US_PER_MS;
    else if (batch_close (&j->b, &e) < 0)
        sim_fail (s, "%s: %s", u->name, e.text);
}

static void feed_row (struct user *u, struct job *j, uint64_t row)
{
    struct feed *f = &j->feeds[row];
    uint8_t bytes[FEED_MAX];
    struct err e;
    uint64_t n = 1 + sim_below (u->s, 700);
    if (n > f->len - f->at)
        n = f->len - f->at;
    for (uint64_t i = 0; i < n; i++)
        bytes[i] = fate_byte (0, row, 0, f->at + i);
    bool eof = f->at + n == f->len;
    int64_t took = batch_input (&j->b, row, bytes_of (bytes, n), eof, &e);
    if (took < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    f->at += (uint64_t)took;
    f->eof = eof && f->at == f->len;
}

static bool wants_input (const struct job *j)
{
    if (!(j->flags & BATCH_INPUT) || !j->b.closed)
        return false;
    for (uint64_t row = 0; row < j->plan; row++)
        if (!j->feeds[row].eof)
            return true;
    return false;
}

static void feed (struct user *u, struct job *j)
{
    uint64_t row = sim_below (u->s, j->plan);
    if (!j->feeds[row].eof)
        feed_row (u, j, row);
    j->next_us = user_clock (u) + sim_between (u->s, 1, 300) * US_PER_MS;
}

static bool is_safe (struct user *u)
{
    return session_state (u->core.session) == SESSION_OPEN && core_idle (&u->core);
}

void job_act (struct user *u, struct job *j)
{
    int64_t now = user_clock (u);
    if (j->attached || j->forgotten || u->auditor)
        return;
    if (!j->b.over && !j->b.closed && now >= j->next_us)
        submit (u, j);
    if (j->open && !j->b.over && now >= j->cancel_us)
        ask_cancel (u, j);
    if (!j->b.over && wants_input (j) && now >= j->next_us)
        feed (u, j);
    if (!u->s->tight && !j->promised && j->b.closed && !j->b.over && j->flags & BATCH_DETACHED &&
        j->id && is_safe (u))
        j->promised = true;
}

int64_t job_next_act (const struct job *j)
{
    if (j->attached || j->forgotten || j->b.over)
        return CLOCK_NEVER;
    int64_t at = !j->b.closed || wants_input (j) ? j->next_us : CLOCK_NEVER;
    return j->open && j->cancel_us < at ? j->cancel_us : at;
}

struct job *job_attach (struct user *u, const struct job *to, uint64_t record, bool follow)
{
    struct err e;
    struct job *j = job_new (u);
    j->attached = j->open = true;
    j->like = to;
    j->id = to->id;
    j->token = to->token;
    j->flags = to->flags;
    j->spec_flags = to->spec_flags;
    j->plan = to->plan;
    j->from = record;
    j->follow = follow;
    if (core_attach (&u->core, &j->b, to->id, record, follow, &e) < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    j->b.owner = j;
    return j;
}

bool job_is_over (const struct job *j)
{
    return j->ended || j->forgotten;
}

void job_forget (struct user *u, struct job *j)
{
    if (j->open && !j->forgotten)
        core_forget (&u->core, &j->b);
    j->forgotten = true;
}
