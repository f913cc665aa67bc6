#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/sim/ledger.h"
#include "tests/sim/user_inner.h"

enum { LARGE_ROW = 300000, PIECE_MAX = 700, EXITS_BYTES = 32 };

struct job *job_new (struct user *u)
{
    if (u->n_jobs == JOBS_MAX)
        sim_fail (u->s, "%s has too many jobs", u->name);
    struct job *j = mem_zalloc (sizeof *j);
    j->user = u;
    j->cancel_us = j->next_us = CLOCK_NEVER;
    j->other_row = UINT64_MAX;
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

/* --- submitting --- */

static void add_spec (struct user *u, struct job *j)
{
    char tag[200];
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

/* To run after a batch of its own that it knows the number of. */
static void choose_after (struct user *u, struct job *j)
{
    const struct job *other = u->jobs[sim_below (u->s, u->n_jobs)];
    if (!j->shared && !u->s->big && sim_chance (u->s, 200) && other->id && !other->attached &&
        !other->void_)
        j->tag.after = (unsigned)other->id;
}

static void open_job (struct user *u, struct job *j)
{
    static const char *const WHEN[] = {"ok", "any", "fail"};
    char after[40] = "";
    choose_after (u, j);
    if (j->tag.after)
        snprintf (after, sizeof after, "%u:%s", j->tag.after, WHEN[j->tag.after % 3]);
    struct err e;
    const struct fate_again *a = &j->tag.again;
    uint8_t exits[EXITS_BYTES] = {0};
    for (unsigned i = 0; i < FATE_STATUSES; i++)
        if (a->exits >> i & 1)
            exits[FATE_STATUS[i] / 8] |= (uint8_t)(1 << FATE_STATUS[i] % 8);
    struct msg_open open = {.key = bytes_str (j->key),
                            .flags = j->flags,
                            .jobs = j->jobs,
                            .priority = j->priority,
                            .deadline_ms = j->deadline_ms,
                            .result_bytes = j->result_bytes,
                            .runs = a->runs,
                            .retry_on = a->on,
                            .retry_exits = bytes_of (exits, sizeof exits),
                            .backoff_ms = a->backoff_ms,
                            .backoff_max_ms = j->backoff_max_ms,
                            .losses = a->losses,
                            .after = bytes_str (after),
                            .compare = j->shared};
    if (core_open (&u->core, &j->b, &open, &e) < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    j->b.whole_chunks = j->shared;
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
    char text[16];
    uint64_t row = j->b.rows;
    bool each = j->flags & BATCH_EACH_SPEC;
    if (each)
        add_spec (u, j);
    if (j->large && !row)
        value = bytes_of (large, sizeof large);
    if (row == j->other_row)
        value = bytes_str ("another value");
    snprintf (text, sizeof text, "%d", (int)(row % (j->tag.keys ? j->tag.keys : 1)));
    const struct bytes key = bytes_str (text);
    if (batch_add_keyed (&j->b, each ? (int)row : 0, j->tag.keys ? &key : NULL, &value, 1, &e) < 0)
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
    uint8_t bytes[PIECE_MAX];
    struct err e;
    uint64_t n = 1 + sim_below (u->s, PIECE_MAX);
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
        j->id && !j->twin && is_safe (u))
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
