#include "tests/sim/exec.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/wire/outcome.h"
#include "tests/sim/fate.h"
#include "tests/sim/host.h"
#include "tests/sim/ledger.h"

enum {
    PACKED_MAX = 8,
    SPECS_MAX = 500,
    REST_MAX = 60,    /* bytes of output that come with the outcome */
    BIG_ROW_US = 200, /* how long a row takes where nobody looks at it */
};

struct known_spec {
    uint64_t batch, spec;
    uint64_t timeout_ms;
    uint64_t flags;
    struct fate_tag tag;
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
    struct known_spec *specs;
    unsigned n_specs;
    struct execution *running;
    bool whole;             /* all rows of a run at once */
    struct known_spec spec; /* of the running row */
    uint64_t row;
    int64_t start_us, started; /* by the host's clock, and by ours */
    enum outcome_how how;      /* of the running row, in the end */
    unsigned status, signal;
    uint64_t ends;    /* the number of the end that counts */
    uint64_t printed; /* bytes of its output that were sent */
    uint64_t taken;   /* bytes of its input */
    bool eof;         /* ... and that was all */
    bool waits;       /* for it */
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
    buf_init (&x->packed, s->big ? 1 << 20 : 64 << 10);
    return x;
}

void exec_free (struct exec **xp)
{
    struct exec *x = *xp;
    *xp = NULL;
    buf_fini (&x->packed);
    free (x->runs);
    free (x->specs);
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

/* --- output and input --- */

static void print (struct exec *x, uint64_t upto)
{
    const struct run *r = &x->runs[x->current];
    uint8_t bytes[FATE_OUTPUT_MAX] = {0};
    size_t n = 0;
    for (uint64_t at = x->printed; at < upto; at++)
        bytes[n++] = fate_byte (r->batch, x->row, r->attempt, at);
    struct wire w = {.kind = WIRE_OUTPUT, .body[0] = slice_borrowed (bytes, n)};
    w.m.output.batch = r->batch;
    w.m.output.row = x->row;
    w.m.output.attempt = r->attempt;
    w.m.output.stream = 1;
    w.m.output.offset = x->printed;
    if (n)
        host_said (x->s, x->host, x->number, &w);
    x->printed = upto;
}

static void print_half (struct sim *s, void *arg, uint64_t number)
{
    struct exec *x = arg;
    (void)s;
    if (number == x->ends && x->running)
        print (x, fate_output (x->runs[x->current].batch, x->row, x->runs[x->current].attempt) / 2);
}

/* All of it was printed: what is long went ahead, the rest goes with the outcome. */
static size_t rest_of_output (struct exec *x, const struct run *r, uint8_t *rest)
{
    uint64_t len = x->how == OUTCOME_DONE ? fate_output (r->batch, x->row, r->attempt) : x->printed;
    bool live = x->spec.flags & SPEC_LIVE_OUTPUT;
    if (len > x->printed && (live || len - x->printed > REST_MAX))
        print (x, live ? len : len - REST_MAX);
    for (uint64_t at = x->printed; at < len; at++)
        rest[at - x->printed] = fate_byte (r->batch, x->row, r->attempt, at);
    return len - x->printed;
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

static int64_t duration (struct sim *s, const struct fate_tag *tag)
{
    if (tag->long_rows)
        return sim_between (s, 1, 30) * US_PER_S;
    if (tag->mixed)
        return sim_chance (s, 15) ? sim_between (s, 5, 25) * US_PER_S : sim_between (s, 20, 500);
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

static bool is_poison (const struct exec *x, const struct run *r)
{
    return x->spec.tag.poison && fate_is_poison (r->batch, x->row);
}

static void take_down (struct sim *s, void *arg, uint64_t number)
{
    struct exec *x = arg;
    if (number != x->ends || !x->running)
        return;
    ledger_down (s, x->running);
    host_poison (s, x->host);
}

static void plan_end (struct exec *x, const struct run *r)
{
    struct sim *s = x->s;
    const struct known_spec *spec = &x->spec;
    int64_t us = duration (s, &spec->tag);
    int64_t limit_us = (int64_t)spec->timeout_ms * US_PER_MS;
    if (x->kind == AGENT_COMMANDS && limit_us && us > limit_us) {
        end_at (x, s->now + limit_us, OUTCOME_TIMEOUT);
        return;
    }
    bool fails = sim_chance (s, spec->tag.fragile ? 350 : 100);
    if (fails && sim_chance (s, 200))
        x->signal = SIGSEGV;
    x->status = FATE_STATUS[sim_below (s, FATE_STATUSES)];
    end_at (x, s->now + us, fails ? OUTCOME_FAILED : OUTCOME_DONE);
    if (fate_output (r->batch, x->row, r->attempt) > REST_MAX)
        sim_at (s, s->now + us / 2, print_half, x, x->ends);
    if (is_poison (x, r))
        sim_at (s, s->now + sim_between (s, 1, us < 5000 ? us : 5000), take_down, x, x->ends);
}

static void start (struct exec *x, struct run *r)
{
    const struct known_spec *spec = spec_of (x, r->batch, r->spec);
    x->row = r->first + r->claimed++;
    x->spec = *spec;
    struct order o = {.batch = ledger_batch (x->s, r->token, r->batch),
                      .row = x->row,
                      .attempt = r->attempt,
                      .slot = r->slot,
                      .token = r->token,
                      .jobs = spec->tag.jobs,
                      .once = spec->tag.once,
                      .exclusive = spec->tag.exclusive,
                      .keys = spec->tag.keys,
                      .after = spec->tag.after ? ledger_batch (x->s, r->token, spec->tag.after) : 0,
                      .poison = is_poison (x, r),
                      .again = spec->tag.again};
    x->start_us = host_clock (x->host);
    x->started = x->s->now;
    x->printed = x->taken = x->signal = 0;
    x->eof = !(spec->flags & SPEC_LIVE_INPUT);
    x->waits = false;
    x->running = ledger_start (x->s, x->host, &o);
    plan_end (x, r);
}

/* Where nobody looks at rows: all of the run at once. */
static void start_run (struct exec *x, struct run *r)
{
    x->started = x->s->now;
    x->start_us = host_clock (x->host);
    r->claimed = r->count;
    x->whole = true;
    end_at (x, x->s->now + r->count * BIG_ROW_US, OUTCOME_DONE);
}

static void run_ends (struct exec *x)
{
    struct run *r = &x->runs[x->current];
    x->whole = false;
    for (uint32_t i = 0; i < r->count; i++) {
        struct outcome o = {.row = r->first + i, .attempt = r->attempt, .wall_us = BIG_ROW_US};
        outcome_pack (&x->packed, &o);
    }
    x->packed_batch = r->batch;
    x->n_packed += r->count;
}

/* Claim the next row, or be idle. */
static void go_on (struct exec *x)
{
    while (x->alive && !x->running && !x->whole && x->current < x->n_runs) {
        struct run *r = &x->runs[x->current];
        if (!r->told)
            return;
        if (r->claimed < r->count) {
            if (x->s->big)
                start_run (x, r);
            else
                start (x, r);
            return;
        }
        send_packed (x);
        x->current++;
    }
}

static struct outcome outcome_of (struct exec *x, const struct run *r)
{
    bool failed = x->how == OUTCOME_FAILED;
    return (struct outcome){.row = x->row,
                            .attempt = r->attempt,
                            .how = x->how,
                            .status = failed && !x->signal ? x->status : 0,
                            .signal = failed ? x->signal : 0,
                            .wall_us = (uint64_t)(x->s->now - x->started)};
}

static void pack (struct exec *x, const struct run *r)
{
    uint8_t rest[FATE_OUTPUT_MAX] = {0};
    struct outcome o = outcome_of (x, r);
    o.out = bytes_of (rest, rest_of_output (x, r, rest));
    o.out_bytes = x->printed + o.out.len;
    outcome_pack (&x->packed, &o);
    x->packed_batch = r->batch;
    x->n_packed++;
}

static void row_ends (struct sim *s, void *arg, uint64_t number)
{
    struct exec *x = arg;
    if (number != x->ends || !(x->running || x->whole))
        return;
    if (x->whole) {
        run_ends (x);
        go_on (x);
        return;
    }
    if (!x->eof && x->how == OUTCOME_DONE) {
        x->waits = true; /* it reads on */
        return;
    }
    struct outcome o = outcome_of (x, &x->runs[x->current]);
    pack (x, &x->runs[x->current]);
    ledger_end (s, &x->running, &o);
    if (x->kind == AGENT_COMMANDS || x->n_packed >= PACKED_MAX)
        send_packed (x);
    go_on (x);
}

/* --- what the agent says --- */

static void learn (struct exec *x, const struct wire *w)
{
    const struct msg_spec *m = &w->m.spec;
    if (x->n_specs == SPECS_MAX)
        sim_fail (x->s, "%s: specs are not forgotten", host_name (x->host));
    x->specs = mem_resize (x->specs, x->n_specs + 1, sizeof *x->specs);
    struct known_spec *k = &x->specs[x->n_specs++];
    *k = (struct known_spec){
        .batch = m->batch, .spec = m->spec, .timeout_ms = m->timeout_ms, .flags = m->flags};
    fate_tag_read (&k->tag, (const char *)m->shell.ptr, m->shell.len);
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

static bool runs_row (const struct exec *x, uint64_t batch, uint64_t row)
{
    return x->running && x->runs[x->current].batch == batch && x->row == row;
}

static void cancel (struct exec *x, const struct msg_cancel_rows *m)
{
    if (runs_row (x, m->batch, m->first))
        end_at (x, x->s->now + sim_between (x->s, 1, 200) * US_PER_MS, OUTCOME_CANCELLED);
}

static void be_signalled (struct exec *x, const struct msg_signal *m)
{
    if (!runs_row (x, m->batch, m->row) || x->how == OUTCOME_CANCELLED)
        return;
    x->signal = (unsigned)m->signo;
    end_at (x, x->s->now + sim_between (x->s, 100, 5000), OUTCOME_FAILED);
}

/* Only a run that a state has forgotten can have had the rest. */
static void miss_input (struct exec *x, const struct msg_input *m)
{
    if (!x->s->went_back)
        sim_fail (x->s, "input of row %d of batch %d comes at %d, it has %d", (int)m->row,
                  (int)m->batch, (int)m->offset, (int)x->taken);
    if (!x->eof && x->how != OUTCOME_CANCELLED)
        end_at (x, x->s->now + sim_between (x->s, 1, 200) * US_PER_MS, OUTCOME_LOST);
}

/* What is said again is passed over, but its end. */
static void take_input (struct exec *x, const struct wire *in)
{
    const struct msg_input *m = &in->m.input;
    const uint8_t *bytes = in->body[0].ptr;
    struct wire w = {.kind = WIRE_INPUT_TAKEN};
    if (!runs_row (x, m->batch, m->row))
        return;
    if (m->offset > x->taken) {
        miss_input (x, m);
        return;
    }
    for (size_t i = 0; i < in->body[0].len; i++)
        if (bytes[i] != fate_byte (0, m->row, 0, m->offset + i))
            sim_fail (x->s, "input of row %d is not what was sent", (int)m->row);
    if (m->offset + in->body[0].len >= x->taken) {
        x->taken = m->offset + in->body[0].len;
        x->eof |= m->eof;
    }
    w.m.input_taken.batch = m->batch;
    w.m.input_taken.row = m->row;
    w.m.input_taken.offset = x->taken;
    host_said (x->s, x->host, x->number, &w);
    if (x->eof && x->waits)
        end_at (x, x->s->now + 100, OUTCOME_DONE);
}

static void show (struct exec *x, const struct msg_peek *m)
{
    struct wire w = {.kind = WIRE_PEEKED};
    if (!runs_row (x, m->batch, m->row))
        return;
    w.m.peeked = (struct msg_peeked){.ref = m->ref,
                                     .batch = m->batch,
                                     .row = m->row,
                                     .attempt = m->attempt,
                                     .out_at = m->out_at,
                                     .err_at = m->err_at};
    host_said (x->s, x->host, x->number, &w);
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
    else if (w.kind == WIRE_INPUT)
        take_input (x, &w);
    else if (w.kind == WIRE_SIGNAL)
        be_signalled (x, &w.m.signal);
    else if (w.kind == WIRE_PEEK)
        show (x, &w.m.peek);
    wire_fini (&w);
}

void exec_stop (struct exec *x)
{
    x->alive = false;
    x->ends++;
    ledger_kill (x->s, &x->running);
}
