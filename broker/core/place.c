/* Place: who gets which rows next.
 *
 * Clients take turns; among one client's batches the highest priority goes first, equal ones take
 * turns. A worker gets rows for its free slots, and, of short tasks, enough beyond to be busy until
 * the next answer is back. How many depends on the measured time of a task: about TARGET_US of work
 * a slot, less towards the end of a batch, so that no chunk is the straggler. Where several batches
 * wait, nobody looks ahead: each free slot goes to the next in turn. Tasks that take no slot are
 * spread evenly.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

enum {
    TARGET_US = 5000,      /* of work for a slot at one time */
    LOOK_AHEAD_US = 20000, /* tasks longer than this are granted one by one */
    FINE_US = 1000,        /* from here on slots are filled one after another */
    ROWS_PER_SLOT = 4096,
    TAKE_BACK_EVERY_US = 2000,
    TAKE_BACK_STILL_US =
        5000, /* no outcome for so long: its look-ahead may be better off elsewhere */
};

void worker_touch (struct sched *s, struct worker *w)
{
    s->placing = true;
    if (w->hungry)
        return;
    w->hungry = true;
    TAILQ_INSERT_TAIL (&s->hungry, w, hungry_link);
}

static void sated (struct sched *s, struct worker *w)
{
    w->hungry = false;
    TAILQ_REMOVE (&s->hungry, w, hungry_link);
}

static uint64_t least (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- what a worker needs before it can have rows --- */

static bool knows_spec (struct known_batch *k, uint64_t spec)
{
    return spec / 8 < k->n && (k->specs[spec / 8] & 1 << spec % 8);
}

static void send_specs (struct sched *s, struct worker *w, struct batch *b, uint64_t first,
                        uint64_t count)
{
    struct known_batch *k = worker_known (w, b->id);
    while (k->n <= (first + count) / 8) {
        size_t n = (first + count) / 8 + 1;
        k->specs = mem_resize (k->specs, n, 1);
        while (k->n < n)
            k->specs[k->n++] = 0;
    }
    for (uint64_t spec = first; spec < first + count; spec++) {
        if (knows_spec (k, spec))
            continue;
        k->specs[spec / 8] |= (uint8_t)(1 << spec % 8);
        struct wire m = *batch_spec_of (b, spec);
        m.m.spec.born = b->open.m.open.opened_ms;
        session_post (s, w->session, &m);
    }
}

/* --- one grant --- */

/* A part as it came from the client, or in pieces where the worker's line is slower. */
static void post_part (struct sched *s, struct worker *w, const struct slice *part, struct wire *m)
{
    size_t piece = chan_piece_bytes (w->session->chan);
    for (size_t at = 0; at < part->len; at += piece) {
        size_t len = least (part->len - at, piece);
        m->body[0] = slice_sub (part, at, len);
        session_post (s, w->session, m);
        slice_fini (&m->body[0]);
        m->m.grant.offset += len;
        m->m.grant.slot_count = 0; /* once is enough */
    }
}

static void post_rows (struct sched *s, struct worker *w, struct chunk *c, struct wire *m)
{
    if (!c->n_parts) {
        m->body[0] = chunk_rows (c, m->m.grant.first, m->m.grant.count);
        session_post (s, w->session, m);
        slice_fini (&m->body[0]);
        return;
    }
    m->m.grant.total = c->total;
    for (size_t i = 0; i < c->n_parts; i++)
        post_part (s, w, &c->parts[i], m);
}

/* How many rows from r.lo on can go in one message: of one chunk and one attempt. */
static uint64_t run_length (struct batch *b, const struct chunk *c, struct range r, uint64_t most)
{
    uint64_t n = least (least (r.hi - r.lo, c->first + c->count - r.lo), most);
    if (!b->odd)
        return n;
    unsigned attempt = odd_attempt (b, r.lo);
    uint64_t same = 1;
    while (same < n && odd_attempt (b, r.lo + same) == attempt)
        same++;
    return same;
}

struct need {
    uint64_t rows;
    uint64_t more_slots; /* slot numbers to add to the lease */
    bool ahead;          /* rows may go out that no slot number is free for */
};

/* Of rows r, as many as are needed and fit in one message. */
static void grant (struct sched *s, struct lease *l, struct range r, struct need *need, int64_t now,
                   struct effects *fx)
{
    struct batch *b = l->batch;
    struct worker *w = l->worker;
    struct chunk *c = chunk_find (b, r.lo);
    bool each = b->flags & BATCH_EACH_SPEC;
    struct wire m = {.kind = WIRE_GRANT};
    struct msg_grant *g = &m.m.grant;
    g->batch = b->id;
    g->spec = c->spec + (each ? r.lo - c->first : 0);
    g->each_spec = each;
    g->stage = c->stage;
    g->first = r.lo;
    g->attempt = odd_attempt (b, r.lo);
    lease_add_slots (l, need->more_slots, g);
    uint64_t slots = g->slot_count; /* of a large row the last part tells of none */
    uint64_t idle = l->slots.count > l->out.count ? l->slots.count - l->out.count : 1;
    uint64_t most = need->ahead ? need->rows : least (need->rows, idle);
    uint64_t n = g->count = run_length (b, c, r, most);
    send_specs (s, w, b, g->spec, each ? n : 1);
    g->grant = ++w->grants;
    g->share = l->share;
    record_granted (s, l, g, fx);
    post_rows (s, w, c, &m);
    lease_take_out (s, l, r.lo, r.lo + n);
    l->moved_us = now;
    if (!STAILQ_EMPTY (&b->early))
        live_granted (s, b, w, r.lo, n);
    need->rows -= n;
    need->more_slots -= slots;
}

/* --- how much --- */

/* Somebody else in turn could use what this batch would only queue. */
static bool contended (struct sched *s, const struct worker *w, const struct batch *b)
{
    const struct client *c;
    const struct batch *other;
    TAILQ_FOREACH (c, &s->ready, ready_link)
        TAILQ_FOREACH (other, &c->ready, ready_link)
            if (other != b && other->cpus && other->slots.count && worker_can (w, other) &&
                (c != b->client || other->priority >= b->priority))
                return true;
    return false;
}

/* Rows for one slot at one time. */
static uint64_t per_slot (struct sched *s, const struct batch *b)
{
    if (!b->est_us || b->est_us >= LOOK_AHEAD_US)
        return 1;
    uint64_t rows = TARGET_US / b->est_us;
    uint64_t guided = b->waiting.count / (2 * (s->slots ? s->slots : 1));
    if (rows > ROWS_PER_SLOT)
        rows = ROWS_PER_SLOT;
    rows = least (rows, guided);
    return rows ? rows : 1;
}

uint64_t batch_takers (struct sched *s, struct batch *b)
{
    const struct worker *w;
    if (b->takers_turn == s->turn)
        return b->takers;
    b->takers_turn = s->turn;
    b->takers = 0;
    TAILQ_FOREACH (w, &s->workers, link)
        b->takers += worker_takes (w) && worker_can (w, b);
    return b->takers;
}

/* Tasks that take no slot: a worker may run many more of them than it should have, and nothing
 * takes them back once they run. So each worker has an even part of what there is, anew with each
 * look, as far as it has room beside those of other batches. */
static uint64_t even_part (struct sched *s, struct batch *b)
{
    uint64_t all = b->waiting.count + b->granted;
    uint64_t n = batch_takers (s, b);
    if (b->jobs)
        all = least (all, b->jobs);
    return n ? (all + n - 1) / n : 0;
}

static uint64_t io_room (const struct worker *w)
{
    return w->io_tasks > w->io_busy ? w->io_tasks - w->io_busy : 0;
}

static uint64_t can_start (struct sched *s, const struct worker *w, struct batch *b,
                           const struct lease *l)
{
    if (b->cpus == 0) {
        uint64_t out = l ? l->out.count : 0;
        uint64_t part = even_part (s, b);
        return out < part ? least (part - out, io_room (w)) : 0;
    }
    uint64_t room = w->slots > w->occupied ? w->slots - w->occupied : 0;
    return room / b->cpus;
}

static struct need needed (struct sched *s, const struct worker *w, struct batch *b,
                           const struct lease *l)
{
    struct need need = {0};
    uint64_t share = l ? l->slots.count : 0;
    uint64_t out = l ? l->out.count : 0;
    uint64_t idle = share > out ? share - out : 0;
    uint64_t start = least (can_start (s, w, b, l), rows_free (b));
    bool others = contended (s, w, b);
    bool fine = others || b->est_us == 0 || b->est_us >= FINE_US;
    if (fine && b->cpus)
        start = least (start, 1);
    if (start > idle)
        need.more_slots = least (start - idle, b->slots.count);
    start = least (start, idle + need.more_slots);
    share += need.more_slots;
    uint64_t deep = per_slot (s, b);
    need.ahead = b->est_us && b->est_us < LOOK_AHEAD_US && b->cpus &&
                 !(b->flags & (BATCH_AT_MOST_ONCE | BATCH_ORDERED | BATCH_EXCLUSIVE));
    if (others) {
        need.rows = need.ahead ? start * deep : start;
        return need;
    }
    uint64_t want = need.ahead ? 2 * deep * share : out + start;
    if (start || (need.ahead && out * 4 <= want * 3))
        need.rows = want > out ? want - out : least (start, 1); /* one carries the slot numbers */
    return need;
}

/* --- whose turn --- */

static void next_turn (struct sched *s, struct batch *b)
{
    struct client *c = b->client;
    if (!b->ready)
        return;
    TAILQ_REMOVE (&c->ready, b, ready_link);
    struct batch *other;
    TAILQ_FOREACH (other, &c->ready, ready_link)
        if (other->priority < b->priority)
            break;
    if (other)
        TAILQ_INSERT_BEFORE (other, b, ready_link);
    else
        TAILQ_INSERT_TAIL (&c->ready, b, ready_link);
    TAILQ_REMOVE (&s->ready, c, ready_link);
    TAILQ_INSERT_TAIL (&s->ready, c, ready_link);
    c->served = b;
    s->served = c;
}

static bool place_batch (struct sched *s, struct worker *w, struct batch *b, int64_t now,
                         struct effects *fx)
{
    struct lease *l = lease_find (w, b->id);
    if (!worker_can (w, b)) /* first: it costs least */
        return false;
    struct need need = needed (s, w, b, l);
    struct range r = rows_for (s, b, w, now);
    if (!need.rows || r.lo == r.hi)
        return false;
    if (!l)
        l = lease_get (b, w);
    for (; need.rows && r.lo < r.hi; r = rows_for (s, b, w, now))
        grant (s, l, r, &need, now, fx);
    wide_served (s, b);
    next_turn (s, b);
    batch_set_ready (s, b);
    return true;
}

void place_row (struct sched *s, struct worker *w, struct batch *b, uint64_t row, int64_t now,
                struct effects *fx)
{
    struct need need = {.rows = 1, .more_slots = 1};
    grant (s, lease_get (b, w), (struct range){row, row + 1}, &need, now, fx);
    next_turn (s, b);
    batch_set_ready (s, b);
}

static bool place_one (struct sched *s, struct worker *w, int64_t now, struct effects *fx)
{
    struct client *c;
    struct batch *b, *wide = NULL; /* the first that waits for more slots */
    uint64_t occupied = w->occupied;
    TAILQ_FOREACH (c, &s->ready, ready_link)
        TAILQ_FOREACH (b, &c->ready, ready_link) {
            if (wide_keeps (w, b))
                continue;
            if (place_batch (s, w, b, now, fx)) {
                if (wide)
                    wide_passed (wide, w->occupied - occupied);
                return true;
            }
            if (!wide && wide_waits (s, w, b, now)) {
                wide = b;
                wide_in_turn (s, b, now);
            }
        }
    return false;
}

/* One round gives each hungry worker one portion, so that a small batch spreads over the hosts. */
static bool place_round (struct sched *s, bool full_ones, int64_t now, struct effects *fx)
{
    bool any = false;
    struct worker *w = TAILQ_FIRST (&s->hungry);
    while (w && !TAILQ_EMPTY (&s->ready)) {
        struct worker *next = TAILQ_NEXT (w, hungry_link);
        bool full = w->occupied >= w->slots;
        if (!worker_takes (w))
            sated (s, w);
        else if ((!full || full_ones) && place_one (s, w, now, fx))
            any = true;
        else if (full && full_ones)
            sated (s, w);
        w = next;
    }
    return any;
}

void place (struct sched *s, int64_t now, struct effects *fx)
{
    if (!s->placing || s->degraded || s->n_unsure)
        return;
    s->placing = false;
    if (s->n_alone || s->clearing)
        alone_place (s, now, fx);
    while (place_round (s, false, now, fx))
        ;
    while (
        place_round (s, true, now, fx)) /* nobody is idle: some may have more than they can start */
        ;
    if (!(TAILQ_EMPTY (&s->hungry) && TAILQ_EMPTY (&s->ready)) && s->take_back_us == CLOCK_NEVER)
        s->take_back_us = now + TAKE_BACK_EVERY_US;
}

/* --- look-ahead that is better off elsewhere --- */

static bool has_room (const struct worker *w, const struct batch *b)
{
    return worker_takes (w) && w->occupied + b->cpus <= w->slots && worker_can (w, b) &&
           !wide_keeps (w, b);
}

/* A worker could start them: another one, or this one with slots that got free since. */
static bool somebody_idle (struct sched *s, const struct lease *l)
{
    const struct worker *w;
    if (rows_free (l->batch) || !l->batch->slots.count)
        return false;
    TAILQ_FOREACH (w, &s->hungry, hungry_link)
        if (has_room (w, l->batch))
            return true;
    return false;
}

/* True: there may be something to take back later. */
static bool take_back_from (struct sched *s, struct lease *l, int64_t now)
{
    if (l->out.count <= l->slots.count || worker_is_away (l->worker))
        return false;
    if (l->taking_back || now - l->moved_us < TAKE_BACK_STILL_US)
        return true;
    if (!somebody_idle (s, l) && !contended (s, l->worker, l->batch))
        return false;
    struct wire m = {.kind = WIRE_TAKE_BACK};
    m.m.take_back.batch = l->batch->id;
    m.m.take_back.count = (l->out.count - l->slots.count + 1) / 2;
    session_post (s, l->worker->session, &m);
    l->taking_back = true;
    return true;
}

void place_take_back (struct sched *s, int64_t now)
{
    if (now < s->take_back_us)
        return;
    s->take_back_us = CLOCK_NEVER;
    bool later = false;
    struct worker *w;
    struct lease *l;
    if (TAILQ_EMPTY (&s->hungry) && TAILQ_EMPTY (&s->ready))
        return;
    TAILQ_FOREACH (w, &s->workers, link)
        LIST_FOREACH (l, &w->leases, w_link)
            later |= take_back_from (s, l, now);
    if (later)
        s->take_back_us = now + TAKE_BACK_EVERY_US;
}
