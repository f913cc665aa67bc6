/* The rig: see agent_rig.h. */
#include "agent_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/wire/rows.h"

static struct rig_run *run_at (struct rig *r, uint32_t executor, uint64_t run)
{
    assert_in_range (executor, 1, r->n_executors);
    assert_true (run < r->executor[executor].n_runs);
    return &r->executor[executor].run[run];
}

static void page_open (void *self, uint32_t executor, uint64_t run, uint32_t count)
{
    struct rig *r = self;
    struct rig_executor *x = &r->executor[executor];
    assert_int_equal (run, x->n_runs);
    assert_true (x->n_runs < RIG_RUNS);
    x->run[x->n_runs++] = (struct rig_run){.count = count};
}

static uint32_t page_recall (void *self, uint32_t executor, uint64_t run, uint32_t count,
                             uint32_t want)
{
    struct rig_run *u = run_at (self, executor, run);
    assert_int_equal (count, u->count);
    uint32_t n = u->count - u->claimed;
    if (n > want)
        n = want;
    u->count -= n;
    return n;
}

static int64_t page_claimed (void *self, uint32_t executor, uint64_t run, uint32_t count)
{
    struct rig *r = self;
    struct rig_run *u = run_at (self, executor, run);
    assert_int_equal (count, u->count);
    return r->torn ? -1 : (int64_t)u->claimed;
}

static bool page_running (void *self, uint32_t executor, struct agent_running *out)
{
    struct rig *r = self;
    struct rig_executor *x = &r->executor[executor];
    if (!x->running)
        return false;
    out->run = x->current;
    out->place = x->run[x->current].claimed - 1;
    out->start_us = x->start_us;
    return true;
}

static bool page_cancel (void *self, uint32_t executor)
{
    struct rig *r = self;
    struct rig_executor *x = &r->executor[executor];
    x->asked = x->running;
    return x->running && x->looks;
}

static size_t page_peek (void *self, uint32_t executor, void *copy, size_t size)
{
    struct rig *r = self;
    struct rig_executor *x = &r->executor[executor];
    assert_true (x->packed.len <= size);
    if (x->packed.len)
        memcpy (copy, x->packed.bytes, x->packed.len);
    return x->packed.len;
}

static bool page_progress (void *self, uint32_t executor, struct agent_progress *p)
{
    struct rig *r = self;
    struct rig_executor *x = &r->executor[executor];
    if (!x->running || !x->done)
        return false;
    *p = (struct agent_progress){
        .run = x->current, .place = x->run[x->current].claimed - 1, .done = x->done, .total = 10};
    return true;
}

static bool page_spent (void *self, uint32_t executor)
{
    return ((struct rig *)self)->executor[executor].spent;
}

static void page_lease (void *self, uint32_t executor, int64_t until_us, int64_t margin_us)
{
    struct rig *r = self;
    r->executor[executor].lease_us = until_us;
    r->executor[executor].margin_us = margin_us;
}

/* --- what the agent does --- */

static void keep_results (struct rig *r, const struct wire *w)
{
    struct bytes body = bytes_of (w->body[0].ptr, w->body[0].len);
    struct outcome o;
    size_t at = 0;
    uint64_t n = 0;
    while (outcome_read (body, &at, &o) == 1) {
        n++;
        if (w->m.results.batch != 1 || o.row >= RIG_ROWS)
            continue;
        struct rig_row *row = &r->row[o.row];
        r->again += r->restarted && !row->out;
        if (r->restarted && !row->out)
            continue;
        row->out = false;
        row->outcomes++;
        row->last = o;
        snprintf (row->reason, sizeof row->reason, "%.*s", (int)o.reason.len, o.reason.ptr);
    }
    assert_int_equal (at, body.len);
    assert_int_equal (n, w->m.results.count);
}

static void keep_returned (struct rig *r, const struct wire *w)
{
    r->last_returned_last = (unsigned)w->m.returned.last;
    for (uint64_t i = 0; w->m.returned.batch == 1 && i < w->m.returned.count; i++) {
        struct rig_row *row = &r->row[w->m.returned.first + i];
        row->out = false;
        row->returned++;
    }
}

static void keep_hold (struct rig *r, const struct wire *w)
{
    const struct msg_hold *m = &w->m.hold;
    assert_true (r->holding);
    for (uint64_t i = 0; m->batch == 1 && i < m->count; i++) {
        assert_false (r->row[m->first + i].held); /* each row once */
        r->row[m->first + i].held = true;
    }
    r->holding = !m->last;
    for (unsigned i = 0; m->last && i < RIG_ROWS; i++) {
        struct rig_row *row = &r->row[i];
        if (!row->out || row->held)
            continue;
        row->out = false;
        row->returned++;
        r->given_back++;
    }
}

static void broker_receives (struct rig *r, struct wire_frames *f)
{
    struct wire w;
    struct err e = {0};
    if (wire_decode (&w, f, NULL, &e) < 0)
        fail_msg ("the agent sent what is no message: %s", e.text);
    assert_true (wire_may_send (SENDER_W, w.kind));
    if (w.kind == WIRE_HELLO || chan_accept (r->chan, w.seq, w.ack) == CHAN_NEW) {
        r->kinds[w.kind]++;
        if (w.kind == WIRE_RESULTS)
            keep_results (r, &w);
        if (w.kind == WIRE_RETURNED)
            keep_returned (r, &w);
        if (w.kind == WIRE_HOLD)
            keep_hold (r, &w);
        else
            assert_false (r->holding && w.seq);     /* nothing comes before it, */
        assert_false (r->kinds[WIRE_BYE] && w.seq); /* nor behind the end */
        wire_fini (&r->last[w.kind]);
        r->last[w.kind] = w;
        return;
    }
    wire_fini (&w);
}

static void executor_receives (struct rig *r, unsigned number, const struct wire_frames *f)
{
    struct rig_executor *x = &r->executor[number];
    struct wire w;
    struct err e = {0};
    if (wire_decode (&w, f, NULL, &e) < 0)
        fail_msg ("the agent sent an executor what is no message: %s", e.text);
    assert_true (wire_may_send (SENDER_A, w.kind));
    if (w.kind == WIRE_RUN) {
        assert_true (x->n_told < x->n_runs);
        assert_true (x->specs > 0);
        struct rig_run *u = &x->run[x->n_told++];
        u->batch = w.m.run.batch;
        u->spec = w.m.run.spec;
        u->first = w.m.run.first;
        u->attempt = w.m.run.attempt;
        u->slot = w.m.run.slot;
        assert_int_equal (rows_check (bytes_of (w.body[0].ptr, w.body[0].len), w.m.run.count, NULL),
                          0);
    }
    x->specs += w.kind == WIRE_SPEC;
    x->cancels += w.kind == WIRE_CANCEL_ROWS;
    x->inputs += w.kind == WIRE_INPUT || w.kind == WIRE_SIGNAL;
    x->forgets += w.kind == WIRE_FORGET;
    wire_fini (&w);
}

static void new_executor (struct rig *r, enum agent_kind kind)
{
    struct agent_event ev = {.executor_kind = kind, .kind = AGENT_NEW};
    if (r->refuse) {
        ev.kind = AGENT_REFUSED;
        ev.text = "no more processes";
    } else {
        ev.executor = ++r->n_executors;
        assert_true (r->n_executors < RIG_EXECUTORS);
        r->executor[r->n_executors] = (struct rig_executor){.kind = kind, .alive = true};
        buf_init (&r->executor[r->n_executors].packed, 64 << 10);
    }
    rig_event (r, &ev);
}

static void apply (struct rig *r, struct agent_effect *x, unsigned *wanted)
{
    switch (x->kind) {
    case AGENT_DO_SEND:
        assert_true (r->executor[x->executor].alive);
        executor_receives (r, x->executor, &x->frames);
        break;
    case AGENT_DO_NEW:
        wanted[x->executor_kind]++;
        break;
    case AGENT_DO_KILL:
        r->executor[x->executor].killed = true;
        break;
    case AGENT_DO_PAUSE:
        r->paused = x->on;
        break;
    case AGENT_DO_RECONNECT:
        r->reconnects++;
        break;
    case AGENT_DO_TOKEN:
        break;
    case AGENT_DO_WATCH:
        r->watched = x->on;
        break;
    case AGENT_DO_EXIT:
        r->exited = true;
        r->status = x->status;
        break;
    case AGENT_DO_LOG:
        r->logs++;
        snprintf (r->log, sizeof r->log, "%s", x->text);
        break;
    }
}

static void transmit (struct rig *r)
{
    struct wire_frames f;
    while (agent_transmit (r->agent, &f)) {
        if (r->full) {
            agent_unsent_take (r->agent, &f);
            return;
        }
        if (!r->deaf)
            broker_receives (r, &f);
        wire_frames_fini (&f);
    }
}

void rig_event (struct rig *r, const struct agent_event *ev)
{
    struct agent_effects fx = {0};
    struct err e = {0};
    unsigned wanted[AGENT_KINDS] = {0};
    agent_step (r->agent, ev, r->now, &fx);
    agent_end_turn (r->agent, r->now, &fx);
    for (size_t i = 0; i < fx.n; i++)
        apply (r, &fx.at[i], wanted);
    agent_effects_fini (&fx);
    if (agent_check (r->agent, &e) < 0)
        fail_msg ("invariant: %s", e.text);
    transmit (r);
    for (unsigned kind = 0; kind < AGENT_KINDS; kind++)
        while (wanted[kind]--)
            new_executor (r, kind);
}

void rig_pass (struct rig *r, int64_t us)
{
    int64_t end = r->now + us;
    while (agent_deadline (r->agent) <= end) {
        int64_t due = agent_deadline (r->agent);
        r->now = due > r->now ? due : r->now + 1;
        rig_event (r, &(struct agent_event){.kind = AGENT_TICK});
    }
    if (r->now < end)
        r->now = end;
}

struct rig *rig_seeded (unsigned slots, uint64_t seed)
{
    static const char *const functions[] = {"drover:echo", NULL};
    struct rig *r = mem_zalloc (sizeof *r);
    r->now = 1000000;
    r->token = 77;
    r->chan = chan_new (1000, 1 << 20);
    r->cfg = (struct agent_config){
        .name = "w",
        .host = "h",
        .version = "0",
        .broker = "ipc:///b",
        .pid = 1,
        .slots = slots,
        .io_tasks = RIG_IO_TASKS,
        .containment = 1,
        .functions = functions,
        .drain_us = 3 * US_PER_S,
        .seed = seed,
        .pages = {r, page_open, page_recall, page_claimed, page_running, page_cancel, page_peek,
                  page_lease, page_progress, page_spent},
    };
    r->agent = agent_new (&r->cfg);
    rig_event (r, &(struct agent_event){.kind = AGENT_START});
    return r;
}

struct rig *rig_new (unsigned slots)
{
    return rig_seeded (slots, 0);
}

struct rig *rig_connected (unsigned slots)
{
    struct rig *r = rig_new (slots);
    assert_int_equal (r->kinds[WIRE_HELLO], 1);
    rig_welcome (r, false);
    return r;
}

void rig_free (struct rig **rp)
{
    struct rig *r = *rp;
    agent_free (&r->agent);
    chan_free (&r->chan);
    for (unsigned i = 0; i < 256; i++)
        wire_fini (&r->last[i]);
    for (unsigned i = 1; i <= r->n_executors; i++)
        buf_fini (&r->executor[i].packed);
    free (r);
    *rp = NULL;
}

/* --- the broker --- */

static void deliver (struct rig *r, const struct wire_frames *f)
{
    struct wire w;
    struct err e = {0};
    if (wire_decode (&w, f, NULL, &e) < 0)
        fail_msg ("the test's message is none: %s", e.text);
    if (!r->deaf)
        rig_event (r, &(struct agent_event){.kind = AGENT_MESSAGE, .message = &w});
    wire_fini (&w);
}

static void flush (struct rig *r)
{
    struct wire_frames f;
    while (chan_next (r->chan, &f)) {
        deliver (r, &f);
        wire_frames_fini (&f);
    }
}

void rig_say (struct rig *r, struct wire *w)
{
    struct wire_frames f;
    struct err e = {0};
    if (!wire_numbered (w->kind))
        w->ack = chan_ack_number (r->chan);
    if (wire_encode (w, &f, &e) < 0)
        fail_msg ("the test's message cannot be encoded: %s", e.text);
    if (wire_numbered (w->kind)) {
        chan_post_take (r->chan, w->kind == WIRE_GRANT ? LANE_BULK : LANE_CONTROL, &f, 0);
        flush (r);
        return;
    }
    deliver (r, &f);
    wire_frames_fini (&f);
}

static void welcome (struct rig *r, unsigned resumed)
{
    struct wire w = {.kind = WIRE_WELCOME};
    w.m.welcome = (struct msg_welcome){.major = WIRE_MAJOR,
                                       .token = r->token,
                                       .received = chan_received (r->chan),
                                       .resumed = resumed,
                                       .features = FEATURE_PROGRESS,
                                       .ping_ms = 2000,
                                       .lost_ms = 20000,
                                       .orphan_ms = 600000,
                                       .window_msgs = 256,
                                       .window_bytes = 8 << 20};
    rig_say (r, &w);
    if (resumed)
        flush (r);
}

void rig_welcome (struct rig *r, bool resumed)
{
    if (!resumed) {
        chan_free (&r->chan);
        r->chan = chan_new (1000, 1 << 20);
        r->token++;
        r->grants = 0;
    } else {
        assert_int_equal (chan_resume (r->chan, r->last[WIRE_HELLO].m.hello.received), 0);
    }
    welcome (r, resumed);
}

void rig_restart (struct rig *r)
{
    chan_free (&r->chan);
    r->chan = chan_new (1000, 1 << 20);
    r->grants = 0;
    r->restarted = r->holding = true;
    for (unsigned i = 0; i < RIG_ROWS; i++)
        r->row[i].held = false;
    welcome (r, 2);
}

static void say_spec (struct rig *r, uint64_t batch, uint64_t form, uint64_t cpus, uint64_t flags,
                      uint64_t timeout_ms)
{
    struct wire w = {.kind = WIRE_SPEC, .body[0] = slice_borrowed ("drover:echo", 11)};
    w.m.spec.batch = batch;
    w.m.spec.form = form;
    w.m.spec.cpus = cpus;
    w.m.spec.flags = flags;
    w.m.spec.timeout_ms = timeout_ms;
    rig_say (r, &w);
}

void rig_spec (struct rig *r, uint64_t batch, uint64_t form, uint64_t cpus, uint64_t timeout_ms)
{
    say_spec (r, batch, form, cpus, 0, timeout_ms);
}

void rig_spec_flags (struct rig *r, uint64_t batch, uint64_t form, uint64_t cpus, uint64_t flags)
{
    say_spec (r, batch, form, cpus, flags, 0);
}

void rig_grant (struct rig *r, uint64_t batch, uint64_t first, uint64_t count, uint64_t share,
                uint64_t base, uint64_t slots)
{
    struct buf rows;
    buf_init (&rows, 1 << 20);
    for (uint64_t i = 0; i < count; i++) {
        row_begin (&rows, 1);
        row_value (&rows, bytes_str ("value"));
    }
    struct wire w = {.kind = WIRE_GRANT, .body[0] = slice_borrowed (rows.bytes, rows.len)};
    w.m.grant = (struct msg_grant){.batch = batch,
                                   .grant = ++r->grants,
                                   .first = first,
                                   .count = count,
                                   .attempt = 1,
                                   .share = share,
                                   .slot_base = base,
                                   .slot_count = slots};
    for (uint64_t i = 0; batch == 1 && i < count; i++)
        r->row[first + i].out = true;
    rig_say (r, &w);
    buf_fini (&rows);
}

void rig_cancel (struct rig *r, uint64_t first, uint64_t count, uint64_t upto)
{
    struct wire w = {.kind = WIRE_CANCEL_ROWS};
    w.m.cancel_rows = (struct msg_cancel_rows){
        .batch = 1, .first = first, .count = count, .upto = upto, .reason = bytes_str ("enough")};
    rig_say (r, &w);
}

void rig_take_back (struct rig *r, uint64_t count)
{
    struct wire w = {.kind = WIRE_TAKE_BACK};
    w.m.take_back.batch = 1;
    w.m.take_back.count = count;
    rig_say (r, &w);
}

/* --- executors --- */

bool rig_claim (struct rig *r, unsigned x)
{
    struct rig_executor *e = &r->executor[x];
    if (!e->alive || e->killed || e->running)
        return false;
    while (e->current < e->n_told && e->run[e->current].claimed == e->run[e->current].count)
        e->current++;
    if (e->current == e->n_told)
        return false;
    e->run[e->current].claimed++;
    e->running = true;
    e->start_us = r->now;
    return true;
}

void rig_finish_quietly (struct rig *r, unsigned x, enum outcome_how how, int64_t took_us)
{
    struct rig_executor *e = &r->executor[x];
    struct rig_run *u = &e->run[e->current];
    assert_true (e->running);
    r->now += took_us;
    struct outcome o = {.row = u->first + u->answered,
                        .attempt = u->attempt,
                        .how = how,
                        .out = bytes_str ("value"),
                        .wall_us = (uint64_t)took_us};
    outcome_pack (&e->packed, &o);
    e->n_packed++;
    u->answered++;
    e->running = false;
}

void rig_send_results (struct rig *r, unsigned x)
{
    struct rig_executor *e = &r->executor[x];
    struct slice body = slice_borrowed (e->packed.bytes, e->packed.len);
    struct wire w = {.kind = WIRE_RESULTS, .body[0] = slice_keep (&body)};
    w.m.results.batch = e->run[e->current].batch;
    w.m.results.count = e->n_packed;
    buf_clear (&e->packed);
    e->n_packed = 0;
    rig_event (r, &(struct agent_event){.kind = AGENT_SAID, .executor = x, .message = &w});
    wire_fini (&w);
}

void rig_finish (struct rig *r, unsigned x, enum outcome_how how, int64_t took_us)
{
    rig_finish_quietly (r, x, how, took_us);
    rig_send_results (r, x);
}

void rig_acknowledge (struct rig *r)
{
    struct wire ack = {.kind = WIRE_ACK};
    ack.m.ack.window_bytes = 8 << 20;
    rig_say (r, &ack);
}

unsigned rig_work (struct rig *r, unsigned x, int64_t each_us)
{
    unsigned n = 0;
    while (rig_claim (r, x)) {
        rig_finish (r, x, OUTCOME_DONE, each_us);
        if (++n % 100 == 0)
            rig_acknowledge (r);
    }
    return n;
}

unsigned rig_work_all (struct rig *r, int64_t each_us)
{
    unsigned n = 0;
    unsigned before;
    do {
        before = n;
        for (unsigned x = 1; x <= r->n_executors; x++)
            n += rig_work (r, x, each_us);
    } while (n != before);
    return n;
}

void rig_die (struct rig *r, unsigned x, int wait_status)
{
    struct rig_executor *e = &r->executor[x];
    e->alive = false;
    rig_event (r, &(struct agent_event){.kind = AGENT_DIED,
                                        .executor = x,
                                        .wait_status = wait_status,
                                        .cut = e->cut,
                                        .unsent = bytes_of (e->packed.bytes, e->packed.len)});
    e->running = false;
}

static bool has_work (const struct rig_executor *e)
{
    for (unsigned i = 0; i < e->n_told; i++)
        if (e->run[i].answered < e->run[i].count)
            return true;
    return false;
}

unsigned rig_busy (const struct rig *r)
{
    unsigned n = 0;
    for (unsigned x = 1; x <= r->n_executors; x++)
        n += r->executor[x].alive && has_work (&r->executor[x]);
    return n;
}

unsigned rig_holder (const struct rig *r, uint64_t row)
{
    for (unsigned x = 1; x <= r->n_executors; x++)
        for (unsigned i = 0; r->executor[x].alive && i < r->executor[x].n_told; i++) {
            const struct rig_run *u = &r->executor[x].run[i];
            if (row >= u->first + u->answered && row < u->first + u->count)
                return x;
        }
    return 0;
}

void rig_all (const struct rig *r, uint64_t first, uint64_t count, enum outcome_how how)
{
    for (uint64_t i = first; i < first + count; i++) {
        if (r->row[i].outcomes != 1 || r->row[i].returned || r->row[i].last.how != how)
            fail_msg ("row %lu: %u outcomes, last %s (%s), returned %u", (unsigned long)i,
                      r->row[i].outcomes, outcome_name (r->row[i].last.how), r->row[i].reason,
                      r->row[i].returned);
    }
}

struct rig *rig_running (uint64_t form, uint64_t count)
{
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, form, 1, 0);
    rig_grant (r, 1, 0, count, 1, 1, 1);
    rig_claim (r, 1);
    return r;
}

struct rig *rig_running_at (uint64_t first, uint64_t count, unsigned *x)
{
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, first, 1, 1, 1);
    rig_work_all (r, 1);
    rig_grant (r, 1, first, count, 1, 0, 0);
    *x = rig_holder (r, first);
    rig_claim (r, *x);
    return r;
}
