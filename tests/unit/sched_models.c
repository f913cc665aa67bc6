/* Model clients count what they are told; model workers hold rows until the test ends them. */
#include "tests/unit/sched_models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/wire/rows.h"
#include "common/wire/trail.h"

enum { LANES_OF_RUN = 2000, CONFIRM_EVERY = 4 };

/* --- clients hear --- */

struct view *client_view (struct peer *c, uint64_t handle)
{
    for (size_t i = 0; i < c->n_views; i++)
        if (c->views[i].handle == handle)
            return &c->views[i];
    assert_true (c->n_views < VIEWS_MAX);
    struct view *v = &c->views[c->n_views++];
    v->handle = handle;
    return v;
}

static uint64_t *asked_ref (struct wire *w)
{
    return w->kind == WIRE_CANCEL ? &w->m.cancel.ref : &w->m.wait.ref;
}

/* Said again, until there is an answer, to a broker that comes back. */
static void ask (struct peer *c, const struct wire *w)
{
    if (c->n_asked < ASKED_MAX)
        c->asked[c->n_asked++] = *w;
    peer_post (c, w);
}

/* Every few records, and behind the end. */
static void confirm (struct peer *c, uint64_t handle, uint64_t record)
{
    struct wire w = {.kind = WIRE_CONFIRM};
    w.m.confirm.batch = handle;
    w.m.confirm.record = record;
    if (c->durable)
        peer_post (c, &w);
}

static void note_outcome (struct view *v, const struct outcome *o, struct bytes worker)
{
    if (ranges_has (&v->done, o->row))
        fail_msg ("row %d has two outcomes", (int)o->row);
    assert_false (v->ended);
    ranges_add (&v->done, o->row, o->row + 1);
    if (v->n_got == GOT_MAX)
        return;
    if ((v->n_got & (v->n_got - 1)) == 0) /* room in powers of two */
        v->got = mem_resize (v->got, v->n_got ? 2 * v->n_got : 1, sizeof *v->got);
    struct got *g = &v->got[v->n_got++];
    *g = (struct got){o->row, o->attempt, o->how, ""};
    snprintf (g->worker, sizeof g->worker, "%.*s", (int)worker.len, (const char *)worker.ptr);
}

static void on_results (struct peer *c, const struct wire *w)
{
    const struct msg_results *m = &w->m.results;
    struct view *v = client_view (c, m->batch);
    struct outcome o;
    size_t at = 0;
    uint64_t n = 0;
    assert_int_equal (m->record, v->record + 1);
    v->record = m->record;
    v->trail = v->part ? 0 : trail_next (v->trail, w);
    for (; outcome_read (bytes_of (w->body[0].ptr, w->body[0].len), &at, &o) == 1; n++)
        note_outcome (v, &o, m->worker);
    assert_int_equal (n, m->count);
    if (m->record % CONFIRM_EVERY == 0)
        confirm (c, m->batch, m->record);
}

static void on_output (struct peer *c, const struct wire *w)
{
    struct view *v = client_view (c, w->m.output.batch);
    assert_int_equal (w->m.output.record, v->record + 1);
    v->record = w->m.output.record;
    v->trail = v->part ? 0 : trail_next (v->trail, w);
    v->output_bytes += w->body[0].len;
    assert_false (ranges_has (&v->done, w->m.output.row));
}

static void on_end (struct peer *c, const struct msg_end *m)
{
    struct view *v = client_view (c, m->batch);
    assert_false (v->ended);
    v->ended = true;
    v->end = *m;
    v->end.reason = bytes_of (NULL, 0);
    if (m->state != BATCH_BROKEN)
        confirm (c, m->batch, v->record + 1);
    if (!v->part && (m->state == BATCH_FINISHED || m->state == BATCH_CANCELLED))
        assert_int_equal (v->done.count, m->total);
}

static void on_opened (struct peer *c, const struct msg_opened *m)
{
    struct view *v = client_view (c, m->batch);
    v->id = m->id;
    v->known = m->known;
    v->known_chunks = m->chunks;
}

static void on_reply (struct peer *c, const struct msg_reply *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n_asked; i++)
        if (*asked_ref (&c->asked[i]) != m->ref)
            c->asked[kept++] = c->asked[i];
    c->n_asked = kept;
}

uint64_t view_count (const struct view *v, enum outcome_how how)
{
    uint64_t n = 0;
    for (size_t i = 0; i < v->n_got; i++)
        n += v->got[i].how == how;
    return n;
}

const struct got *view_got (const struct view *v, uint64_t row)
{
    for (size_t i = 0; i < v->n_got; i++)
        if (v->got[i].row == row)
            return &v->got[i];
    return NULL;
}

/* --- workers hear --- */

static struct share *share_of (struct peer *w, uint64_t batch)
{
    for (size_t i = 0; i < w->n_shares; i++)
        if (w->shares[i].batch == batch)
            return &w->shares[i];
    assert_true (w->n_shares < VIEWS_MAX);
    struct share *s = &w->shares[w->n_shares++];
    s->batch = batch;
    return s;
}

struct ranges *worker_slots (struct peer *w, uint64_t batch)
{
    return &share_of (w, batch)->slots;
}

static void take_slots (struct peer *w, const struct msg_grant *g)
{
    struct share *s = share_of (w, g->batch);
    if (s->number != g->share) {
        assert_true (!g->count || !worker_held (w, g->batch)); /* but to begin anew */
        ranges_fini (&s->slots);
        s->number = g->share;
    }
    assert_false (g->count && ranges_meets (&s->slots, g->slot_base, g->slot_base + g->slot_count));
    if (g->slot_count)
        ranges_add (&s->slots, g->slot_base, g->slot_base + g->slot_count);
    assert_true (s->slots.count > 0 || !g->count);
}

static void hold (struct peer *w, const struct msg_grant *g)
{
    for (uint64_t i = 0; i < g->count; i++) {
        assert_null (worker_row (w, g->batch, g->first + i));
        if (w->n_held == w->held_size) {
            w->held_size = w->held_size ? 2 * w->held_size : 64;
            w->held = mem_resize (w->held, w->held_size, sizeof *w->held);
        }
        w->held[w->n_held++] = (struct held){.batch = g->batch,
                                             .row = g->first + i,
                                             .attempt = g->attempt,
                                             .spec = g->spec + (g->each_spec ? i : 0)};
    }
    w->granted += g->count;
}

static void on_grant (struct peer *w, const struct wire *m)
{
    const struct msg_grant *g = &m->m.grant;
    take_slots (w, g);
    if (!g->count)
        return;
    if (g->total) {
        assert_int_equal (g->offset, w->part_have);
        w->part_have += m->body[0].len;
        if (w->part_have < g->total)
            return;
        w->part_have = 0;
        w->large++;
    } else if (rows_check (bytes_of (m->body[0].ptr, m->body[0].len), g->count, NULL) < 0) {
        fail_msg ("a grant whose rows are not those it tells of");
    }
    hold (w, g);
}

static void on_cancel_rows (struct peer *w, const struct msg_cancel_rows *m)
{
    if (m->unstarted) /* here every row has started */
        return;
    for (size_t i = 0; i < w->n_held; i++)
        if (w->held[i].batch == m->batch &&
            (!m->count || (w->held[i].row >= m->first && w->held[i].row - m->first < m->count)))
            w->held[i].cancelled = true;
}

void model_hears (struct peer *p, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_OPENED:
        on_opened (p, &w->m.opened);
        break;
    case WIRE_REPLY:
        on_reply (p, &w->m.reply);
        break;
    case WIRE_RESULTS:
        on_results (p, w);
        break;
    case WIRE_OUTPUT:
        on_output (p, w);
        break;
    case WIRE_END:
        on_end (p, &w->m.end);
        break;
    case WIRE_GRANT:
        on_grant (p, w);
        break;
    case WIRE_INPUT:
        p->early_inputs += !worker_row (p, w->m.input.batch, w->m.input.row);
        break;
    case WIRE_CANCEL_ROWS:
        on_cancel_rows (p, &w->m.cancel_rows);
        break;
    default:
        break;
    }
}

void model_free (struct peer *p)
{
    for (size_t i = 0; i < p->n_views; i++) {
        ranges_fini (&p->views[i].done);
        free (p->views[i].got);
        for (size_t n = 0; n < p->views[i].n_specs; n++)
            slice_fini (&p->views[i].command[n]);
    }
    for (size_t i = 0; i < p->n_shares; i++)
        ranges_fini (&p->shares[i].slots);
    free (p->held);
}

/* --- clients say --- */

static void say_open (struct peer *c, struct view *v)
{
    struct wire w = {.kind = WIRE_OPEN, .m.open = v->open};
    w.m.open.key = bytes_str (v->key);
    w.m.open.record = v->record;
    w.m.open.trail = v->trail;
    peer_post (c, &w);
}

void client_open_as (struct peer *c, const struct msg_open *m)
{
    struct view *v = client_view (c, m->batch);
    v->opened = true;
    v->open = *m;
    if (!v->key[0])
        snprintf (v->key, sizeof v->key, "key %d", (int)++c->bed->keys);
    say_open (c, v);
}

void client_open (struct peer *c, uint64_t handle, uint64_t flags, uint64_t jobs, uint64_t priority)
{
    struct msg_open m = {.batch = handle, .flags = flags, .jobs = jobs, .priority = priority};
    client_open_as (c, &m);
}

static void say_spec (struct peer *c, const struct msg_spec *m, const struct slice *command)
{
    struct wire w = {.kind = WIRE_SPEC, .m.spec = *m};
    w.body[0] = *command;
    peer_post (c, &w);
}

void client_spec (struct peer *c, uint64_t handle, uint64_t spec, enum wire_form form,
                  const char *text, uint64_t cpus)
{
    struct view *v = client_view (c, handle);
    struct msg_spec m = {.batch = handle, .spec = spec, .form = form, .cpus = cpus};
    struct slice command = slice_borrowed (text, strlen (text));
    say_spec (c, &m, &command);
    if (spec != v->n_specs || spec >= VIEW_SPECS)
        return;
    v->spec[spec] = m;
    v->command[v->n_specs++] = slice_keep (&command);
}

static void put_key (struct buf *keys, const struct view *v, uint64_t row)
{
    char text[32];
    snprintf (text, sizeof text, "key %d", (int)(row % (v->n_keys ? v->n_keys : 3)));
    if (v->open.flags & BATCH_ORDERED)
        row_value (keys, bytes_str (text));
}

static void say_rows (struct peer *c, struct view *v, uint64_t chunk, uint64_t first)
{
    struct buf body, keys;
    char text[32];
    buf_init (&body, SIZE_MAX);
    buf_init (&keys, SIZE_MAX);
    for (uint64_t i = 0; i < v->size[chunk]; i++) {
        snprintf (text, sizeof text, "row %d", (int)(first + i));
        row_begin (&body, 1);
        row_value (&body, bytes_str (text));
        put_key (&keys, v, first + i);
    }
    struct wire w = {.kind = WIRE_ROWS};
    w.m.rows.batch = v->handle;
    w.m.rows.chunk = chunk;
    w.m.rows.first = first;
    w.m.rows.count = v->size[chunk];
    w.body[0] = buf_take_slice (&body);
    w.body[1] = buf_take_slice (&keys);
    peer_post (c, &w);
    slice_fini (&w.body[0]);
    slice_fini (&w.body[1]);
}

void client_rows (struct peer *c, uint64_t handle, uint64_t count)
{
    struct view *v = client_view (c, handle);
    assert_true (v->chunks < VIEW_CHUNKS);
    v->size[v->chunks] = count;
    say_rows (c, v, v->chunks, v->rows);
    v->chunks++;
    v->rows += count;
}

static void say_close (struct peer *c, const struct view *v)
{
    struct wire w = {.kind = WIRE_CLOSE};
    w.m.close.batch = v->handle;
    w.m.close.total = v->rows;
    peer_post (c, &w);
}

void client_close (struct peer *c, uint64_t handle)
{
    struct view *v = client_view (c, handle);
    v->closed = true;
    say_close (c, v);
}

static void reopen (struct peer *c, struct view *v)
{
    uint64_t first = 0;
    v->open.again = v->id != 0;
    say_open (c, v);
    for (size_t i = 0; i < v->n_specs; i++)
        say_spec (c, &v->spec[i], &v->command[i]);
    for (uint64_t i = 0; i < v->chunks; first += v->size[i++])
        say_rows (c, v, i, first);
    if (v->closed)
        say_close (c, v);
}

void client_reopen (struct peer *c)
{
    for (size_t i = 0; i < c->n_views; i++)
        if (c->views[i].opened && !c->views[i].ended)
            reopen (c, &c->views[i]);
    for (size_t i = 0; i < c->n_asked; i++)
        peer_post (c, &c->asked[i]);
}

struct view *client_submit_as (struct peer *c, const struct msg_open *m, uint64_t count)
{
    uint64_t handle = m->batch;
    client_open_as (c, m);
    client_spec (c, handle, 0, FORM_FUNCTION, "echo", 1);
    for (uint64_t left = count; left;) {
        uint64_t n = left < 10000 ? left : 10000;
        client_rows (c, handle, n);
        left -= n;
    }
    client_close (c, handle);
    bed_settle (c->bed);
    return client_view (c, handle);
}

struct view *client_submit (struct peer *c, uint64_t handle, uint64_t flags, uint64_t jobs,
                            uint64_t count)
{
    struct msg_open m = {.batch = handle, .flags = flags, .jobs = jobs, .priority = 50};
    return client_submit_as (c, &m, count);
}

void client_cancel_as (struct peer *c, const struct msg_cancel *m)
{
    struct wire w = {.kind = WIRE_CANCEL, .m.cancel = *m};
    ask (c, &w);
}

void client_cancel (struct peer *c, uint64_t ref, uint64_t handle, uint64_t first, uint64_t count)
{
    struct msg_cancel m = {.ref = ref, .batch = handle, .first = first, .count = count};
    m.reason = bytes_str ("the test says so");
    client_cancel_as (c, &m);
}

void client_wait (struct peer *c, uint64_t ref, uint64_t id, enum wire_condition condition,
                  uint64_t n)
{
    struct wire w = {.kind = WIRE_WAIT};
    w.m.wait.ref = ref;
    w.m.wait.id = id;
    w.m.wait.condition = condition;
    w.m.wait.n = n;
    ask (c, &w);
}

int client_reply (struct peer *c, uint64_t ref)
{
    struct got_message *m;
    STAILQ_FOREACH (m, &c->inbox, link)
        if (m->w.kind == WIRE_REPLY && m->w.m.reply.ref == ref)
            return (int)m->w.m.reply.code;
    return -1;
}

/* --- workers say --- */

uint64_t worker_held (const struct peer *w, uint64_t batch)
{
    uint64_t n = 0;
    for (size_t i = 0; i < w->n_held; i++)
        n += !batch || w->held[i].batch == batch;
    return n;
}

const struct held *worker_row (const struct peer *w, uint64_t batch, uint64_t row)
{
    for (size_t i = w->n_held; i-- > 0;) /* the newest are asked for most */
        if (w->held[i].batch == batch && w->held[i].row == row)
            return &w->held[i];
    return NULL;
}

static void say_results (struct peer *w, uint64_t batch, uint64_t count, struct buf *body_take)
{
    struct wire m = {.kind = WIRE_RESULTS};
    m.m.results.batch = batch;
    m.m.results.count = count;
    m.body[0] = buf_take_slice (body_take);
    peer_post (w, &m);
    slice_fini (&m.body[0]);
}

/* When something that took so long and ends now began, by a worker's clock; 0: there is none. */
static uint64_t began_us (const struct bed *b, uint64_t wall_us)
{
    int64_t now_us = b->cfg.start_wall_us + b->now - b->cfg.start_us + b->clock_off_us;
    return b->cfg.start_wall_us ? (uint64_t)now_us - wall_us : 0;
}

uint64_t worker_finish (struct peer *w, uint64_t batch, uint64_t n, enum outcome_how how,
                        uint64_t wall_us)
{
    struct buf body;
    uint64_t done = 0;
    size_t kept = 0;
    buf_init (&body, SIZE_MAX);
    for (size_t i = 0; i < w->n_held; i++) {
        struct held *h = &w->held[i];
        if (done == n || h->batch != batch) {
            w->held[kept++] = *h;
            continue;
        }
        struct outcome o = {.row = h->row, .attempt = h->attempt, .how = how, .wall_us = wall_us};
        o.start_us = began_us (w->bed, wall_us);
        if (h->cancelled)
            o.how = OUTCOME_CANCELLED;
        outcome_pack (&body, &o);
        done++;
    }
    w->n_held = kept;
    if (done)
        say_results (w, batch, done, &body);
    buf_fini (&body);
    return done;
}

void worker_end (struct peer *w, uint64_t batch, const struct outcome *o)
{
    struct buf body;
    size_t kept = 0;
    for (size_t i = 0; i < w->n_held; i++)
        if (w->held[i].batch != batch || w->held[i].row != o->row)
            w->held[kept++] = w->held[i];
    w->n_held = kept;
    buf_init (&body, SIZE_MAX);
    outcome_pack (&body, o);
    say_results (w, batch, 1, &body);
    buf_fini (&body);
}

void worker_claim (struct peer *w, uint64_t batch, uint64_t row, uint64_t attempt,
                   enum outcome_how how)
{
    struct buf body;
    struct outcome o = {.row = row, .attempt = attempt, .how = how, .wall_us = 1000};
    buf_init (&body, SIZE_MAX);
    outcome_pack (&body, &o);
    say_results (w, batch, 1, &body);
    buf_fini (&body);
}

static void say_returned (struct peer *w, uint64_t batch, uint64_t first, uint64_t count, bool last)
{
    struct wire m = {.kind = WIRE_RETURNED};
    m.m.returned.batch = batch;
    m.m.returned.first = first;
    m.m.returned.count = count;
    m.m.returned.last = last;
    peer_post (w, &m);
}

void worker_return (struct peer *w, uint64_t batch, uint64_t n)
{
    for (size_t i = w->n_held; i-- > 0 && n;) {
        struct held h = w->held[i];
        if (h.batch != batch)
            continue;
        memmove (&w->held[i], &w->held[i + 1], (w->n_held - i - 1) * sizeof h);
        w->n_held--;
        n--;
        say_returned (w, batch, h.row, 1, false);
    }
    say_returned (w, batch, 0, 0, true);
}

void worker_void (struct peer *w)
{
    w->n_held = 0;
    w->part_have = 0;
    for (size_t i = 0; i < w->n_shares; i++)
        ranges_fini (&w->shares[i].slots);
    w->n_shares = 0;
}

static void say_hold (struct peer *w, uint64_t batch, uint64_t row, uint64_t attempt, bool last)
{
    struct wire m = {.kind = WIRE_HOLD};
    struct wire_frames f;
    struct err e;
    m.m.hold = (struct msg_hold){
        .batch = batch, .first = row, .count = !last, .attempt = attempt, .last = last};
    if (wire_encode (&m, &f, &e) < 0)
        fail_msg ("%s", e.text);
    chan_post_first_take (w->chan, &f);
}

/* Of what was not acknowledged, outcomes are named, and what was returned is not said again. */
static bool look_at_unacknowledged (void *arg, const struct wire_frames *f)
{
    struct wire w;
    struct outcome o;
    size_t at = 0;
    if (wire_decode (&w, f, NULL, NULL) < 0)
        return false;
    bool drop = w.kind == WIRE_RETURNED;
    while (w.kind == WIRE_RESULTS &&
           outcome_read (bytes_of (w.body[0].ptr, w.body[0].len), &at, &o) == 1)
        say_hold (arg, w.m.results.batch, o.row, o.attempt, false);
    wire_fini (&w);
    return drop;
}

void model_holds (struct peer *w)
{
    for (size_t i = 0; i < w->n_held; i++)
        w->held[i].cancelled = false; /* it is said again */
    w->part_have = 0;
    chan_renumber (w->chan);
    if (w->mute)
        return;
    chan_sift (w->chan, look_at_unacknowledged, w);
    for (size_t i = 0; i < w->n_held; i++)
        say_hold (w, w->held[i].batch, w->held[i].row, w->held[i].attempt, false);
    say_hold (w, 0, 0, 0, true);
}

/* What the worker can run at one time of its oldest batch. */
static uint64_t run_some (struct peer *w, uint64_t wall_us)
{
    struct wire m;
    while (peer_take (w, WIRE_TAKE_BACK, &m)) {
        uint64_t batch = m.m.take_back.batch;
        uint64_t held = worker_held (w, batch);
        uint64_t running = worker_slots (w, batch)->count;
        uint64_t spare = held > running ? held - running : 0;
        worker_return (w, batch, spare < m.m.take_back.count ? spare : m.m.take_back.count);
        wire_fini (&m);
    }
    if (!w->n_held || w->stalled || !w->route)
        return 0;
    uint64_t batch = w->held[0].batch;
    return worker_finish (w, batch, worker_slots (w, batch)->count, OUTCOME_DONE, wall_us);
}

void bed_run (struct bed *b, uint64_t wall_us)
{
    for (int i = 0; i < LANES_OF_RUN * 100; i++) {
        struct peer *p;
        uint64_t n = 0;
        b->now += (int64_t)wall_us;
        LIST_FOREACH (p, &b->peers, link)
            if (p->role == ROLE_WORKER)
                n += run_some (p, wall_us);
        bed_settle (b);
        if (!n)
            return;
    }
    fail_msg ("it never comes to an end");
}
