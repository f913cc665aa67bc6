#include "tests/sim/exec.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/wire/outcome.h"
#include "tests/sim/host.h"
#include "tests/sim/ledger.h"

enum { PACKED_MAX = 8, SPECS_MAX = 64 };

struct known_spec {
    uint64_t batch, spec;
    uint64_t jobs;
    bool once;
};

struct run {
    bool told; /* its RUN has come */
    uint64_t batch, spec, first, attempt, slot;
    uint64_t token; /* of the session that it is from */
    uint32_t count, claimed;
};

struct exec {
    struct sim *s;
    struct host *host;
    uint32_t number;
    enum agent_kind kind;
    bool alive;
    struct run *runs;
    size_t n_runs, current;
    struct known_spec specs[SPECS_MAX];
    unsigned n_specs;
    struct execution *running;
    int64_t start_us;
    enum outcome_how how; /* of the running row, in the end */
    uint64_t ends;        /* the number of the end that counts */
    struct buf packed;
    uint64_t n_packed, packed_batch, record;
};

struct exec *exec_new (struct sim *s, struct host *h, uint32_t number, enum agent_kind kind)
{
    struct exec *x = mem_zalloc (sizeof *x);
    x->s = s;
    x->host = h;
    x->number = number;
    x->kind = kind;
    x->alive = true;
    buf_init (&x->packed, 64 << 10);
    return x;
}

void exec_free (struct exec **xp)
{
    struct exec *x = *xp;
    *xp = NULL;
    buf_fini (&x->packed);
    free (x->runs);
    free (x);
}

uint32_t exec_number (const struct exec *x)
{
    return x->number;
}

bool exec_is_alive (const struct exec *x)
{
    return x->alive;
}

/* --- the page --- */

static struct run *run_at (const struct exec *x, uint64_t run)
{
    if (run >= x->n_runs)
        sim_fail (x->s, "%s: executor %d has no run %d", host_name (x->host), (int)x->number,
                  (int)run);
    return &x->runs[run];
}

void exec_open (struct exec *x, uint64_t run, uint32_t count)
{
    if (run != x->n_runs)
        sim_fail (x->s, "%s: run %d is opened after %d", host_name (x->host), (int)run,
                  (int)x->n_runs);
    x->runs = mem_resize (x->runs, x->n_runs + 1, sizeof *x->runs);
    x->runs[x->n_runs++] = (struct run){.count = count};
}

uint32_t exec_recall (struct exec *x, uint64_t run, uint32_t want)
{
    struct run *r = run_at (x, run);
    uint32_t spare = r->count - r->claimed;
    uint32_t n = spare < want ? spare : want;
    r->count -= n;
    return n;
}

uint32_t exec_claimed (const struct exec *x, uint64_t run)
{
    return run_at (x, run)->claimed;
}

bool exec_running (const struct exec *x, struct agent_running *r)
{
    if (!x->running)
        return false;
    r->run = x->current;
    r->place = x->runs[x->current].claimed - 1;
    r->start_us = x->start_us;
    return true;
}

size_t exec_peek (const struct exec *x, void *copy, size_t size)
{
    size_t n = x->packed.len < size ? x->packed.len : 0;
    if (n)
        memcpy (copy, x->packed.bytes, n);
    return n;
}

struct bytes exec_unsent (const struct exec *x)
{
    return bytes_of (x->packed.bytes, x->packed.len);
}

/* --- rows --- */

static void send_packed (struct exec *x)
{
    struct wire w = {.kind = WIRE_RESULTS};
    if (!x->n_packed)
        return;
    w.m.results.batch = x->packed_batch;
    w.m.results.count = x->n_packed;
    w.m.results.record = ++x->record;
    w.body[0] = slice_borrowed (x->packed.bytes, x->packed.len);
    host_said (x->s, x->host, x->number, &w);
    buf_clear (&x->packed);
    x->n_packed = 0;
}

static const struct known_spec *spec_of (const struct exec *x, uint64_t batch, uint64_t spec)
{
    for (unsigned i = 0; i < x->n_specs; i++)
        if (x->specs[i].batch == batch && x->specs[i].spec == spec)
            return &x->specs[i];
    sim_fail (x->s, "%s: an executor does not know spec %d of batch %d", host_name (x->host),
              (int)spec, (int)batch);
}

static int64_t duration (struct sim *s)
{
    if (sim_chance (s, 300))
        return sim_between (s, 50, 3000);
    if (sim_chance (s, 600))
        return sim_between (s, 1, 100) * US_PER_MS;
    return sim_between (s, 100, 4000) * US_PER_MS;
}

static void row_ends (struct sim *s, void *arg, uint64_t number);

static void end_at (struct exec *x, int64_t when, enum outcome_how how)
{
    x->how = how;
    sim_at (x->s, when, row_ends, x, ++x->ends);
}

static void start (struct exec *x, struct run *r)
{
    const struct known_spec *spec = spec_of (x, r->batch, r->spec);
    struct order o = {.batch = r->batch,
                      .row = r->first + r->claimed++,
                      .attempt = r->attempt,
                      .slot = r->slot,
                      .token = r->token,
                      .jobs = spec->jobs,
                      .once = spec->once};
    x->start_us = x->s->now;
    x->running = ledger_start (x->s, x->host, &o);
    end_at (x, x->s->now + duration (x->s), sim_chance (x->s, 100) ? OUTCOME_FAILED : OUTCOME_DONE);
}

/* Claim the next row, or be idle. */
static void go_on (struct exec *x)
{
    while (x->alive && !x->running && x->current < x->n_runs) {
        struct run *r = &x->runs[x->current];
        if (!r->told)
            return;
        if (r->claimed < r->count) {
            start (x, r);
            return;
        }
        send_packed (x);
        x->current++;
    }
}

static void row_ends (struct sim *s, void *arg, uint64_t number)
{
    struct exec *x = arg;
    if (number != x->ends || !x->running)
        return;
    struct run *r = &x->runs[x->current];
    struct outcome o = {.row = r->first + r->claimed - 1,
                        .attempt = r->attempt,
                        .how = x->how,
                        .status = x->how == OUTCOME_FAILED,
                        .wall_us = (uint64_t)(s->now - x->start_us)};
    outcome_pack (&x->packed, &o);
    x->packed_batch = r->batch;
    x->n_packed++;
    ledger_end (s, &x->running, x->how);
    if (x->kind == AGENT_COMMANDS || x->n_packed >= PACKED_MAX)
        send_packed (x);
    go_on (x);
}

/* --- what the agent says --- */

static void learn (struct exec *x, const struct wire *w)
{
    char tag[64];
    unsigned jobs = 0;
    unsigned once = 0;
    if (x->n_specs == SPECS_MAX)
        sim_fail (x->s, "%s: specs are not forgotten", host_name (x->host));
    snprintf (tag, sizeof tag, "%.*s", (int)w->m.spec.shell.len, (const char *)w->m.spec.shell.ptr);
    sscanf (tag, "jobs=%u once=%u", &jobs, &once);
    x->specs[x->n_specs++] = (struct known_spec){
        .batch = w->m.spec.batch, .spec = w->m.spec.spec, .jobs = jobs, .once = once};
}

static void forget (struct exec *x, uint64_t batch)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < x->n_specs; i++)
        if (x->specs[i].batch != batch)
            x->specs[kept++] = x->specs[i];
    x->n_specs = kept;
}

static void begin_run (struct exec *x, const struct msg_run *m)
{
    size_t i = x->current;
    while (i < x->n_runs && x->runs[i].told)
        i++;
    struct run *r = run_at (x, i);
    *r = (struct run){.told = true,
                      .batch = m->batch,
                      .spec = m->spec,
                      .first = m->first,
                      .attempt = m->attempt,
                      .slot = m->slot,
                      .token = host_token (x->host),
                      .count = r->count};
    go_on (x);
}

static void cancel (struct exec *x, const struct msg_cancel_rows *m)
{
    const struct run *r = x->running ? &x->runs[x->current] : NULL;
    if (r && r->batch == m->batch && r->first + r->claimed - 1 == m->first)
        end_at (x, x->s->now + sim_between (x->s, 1, 200) * US_PER_MS, OUTCOME_CANCELLED);
}

void exec_receive (struct exec *x, const struct wire_frames *f)
{
    struct wire w;
    struct err e;
    if (!x->alive)
        return;
    if (wire_decode (&w, f, NULL, &e) < 0 || !wire_may_send (SENDER_A, w.kind))
        sim_fail (x->s, "%s tells an executor: %s", host_name (x->host), e.text);
    if (w.kind == WIRE_SPEC)
        learn (x, &w);
    else if (w.kind == WIRE_RUN)
        begin_run (x, &w.m.run);
    else if (w.kind == WIRE_CANCEL_ROWS)
        cancel (x, &w.m.cancel_rows);
    else if (w.kind == WIRE_FORGET)
        forget (x, w.m.forget.batch);
    wire_fini (&w);
}

void exec_stop (struct exec *x)
{
    x->alive = false;
    x->ends++;
    ledger_kill (x->s, &x->running);
}
