#include "client/lib/restart.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* A batch that the program has freed, with DETACH behind the last of its rows: as long as that is
 * not acknowledged, it may have to be opened once more. */
struct ghost {
    LIST_ENTRY (ghost) link;
    uint64_t handle;
    uint64_t record, trail;
    bool waits; /* its DETACH does */
    struct opening opening;
};

/* --- what is in the channel --------------------------------------------------------------------
 */

static uint64_t *handle_of (struct wire *w)
{
    switch (w->kind) {
    case WIRE_OPEN:
        return &w->m.open.batch;
    case WIRE_SPEC:
        return &w->m.spec.batch;
    case WIRE_ROWS:
        return &w->m.rows.batch;
    case WIRE_CLOSE:
        return &w->m.close.batch;
    case WIRE_ATTACH:
        return &w->m.attach.batch;
    case WIRE_DETACH:
        return &w->m.detach.batch;
    case WIRE_INPUT:
        return &w->m.input.batch;
    case WIRE_SIGNAL:
        return &w->m.signal.batch;
    case WIRE_CONFIRM:
        return &w->m.confirm.batch;
    case WIRE_CANCEL:
        return w->m.cancel.id ? NULL : &w->m.cancel.batch;
    default:
        return NULL;
    }
}

uint64_t restart_handle (const struct wire_frames *f)
{
    struct wire w;
    if (wire_decode (&w, f, NULL, NULL) != 0)
        return 0;
    uint64_t *handle = handle_of (&w);
    uint64_t h = handle ? *handle : 0;
    wire_fini (&w);
    return h;
}

static bool may_go_on (const struct batch *b)
{
    return !b->over && (b->attached || b->opening.open.key.len);
}

/* A batch that is to be opened again; NULL: there is none of that handle. */
static struct batch *batch_of (struct core *c, uint64_t handle)
{
    struct batch *b = NULL;
    HASH_FIND (hh, c->batches, &handle, sizeof handle, b);
    return b && may_go_on (b) && !opening_waits (&b->opening) ? b : NULL;
}

static struct ghost *ghost_of (struct core *c, uint64_t handle)
{
    struct ghost *g;
    LIST_FOREACH (g, &c->ghosts, link)
        if (g->handle == handle)
            return g;
    return NULL;
}

static void note (struct batch *b, const struct wire *w)
{
    if (w->kind == WIRE_OPEN)
        b->waits.open = true;
    else if (w->kind == WIRE_CLOSE)
        b->waits.close = true;
    else if (w->kind == WIRE_ROWS && w->m.rows.chunk < b->waits.chunk)
        b->waits.chunk = w->m.rows.chunk;
}

/* Said behind an OPEN that was not answered. It is kept with the batch, and may be in the channel
 * more than once where that OPEN was put off. */
static bool is_kept (const struct batch *b, const struct wire *w)
{
    return !b->opening.done &&
           (w->kind == WIRE_SPEC || w->kind == WIRE_ROWS || w->kind == WIRE_CLOSE ||
            w->kind == WIRE_CANCEL); /* (with its request; it may be about those rows) */
}

/* Of a batch: OPEN, ATTACH, live input and CONFIRM are said anew; the rest stays, where the broker
 * is told again what it is about. */
static bool look_at_batch (struct core *c, const struct wire *w, uint64_t handle)
{
    struct batch *b = batch_of (c, handle);
    struct ghost *g = ghost_of (c, handle);
    if (b)
        note (b, w);
    if (g && w->kind == WIRE_DETACH)
        g->waits = true;
    if (b && is_kept (b, w))
        return true;
    if (w->kind == WIRE_OPEN || w->kind == WIRE_ATTACH || w->kind == WIRE_INPUT ||
        w->kind == WIRE_CONFIRM)
        return true;
    return !b && !g;
}

static bool look (void *arg, const struct wire_frames *f)
{
    struct core *c = arg;
    struct wire w;
    struct request *q = NULL;
    bool drop = false;
    if (wire_decode (&w, f, NULL, NULL) != 0)
        return true;
    uint64_t *handle = handle_of (&w);
    uint64_t *ref = request_ref (&w);
    if (handle)
        drop = look_at_batch (c, &w, *handle);
    if (ref && !drop && (q = requests_find (&c->requests, *ref)))
        q->queued = true;
    wire_fini (&w);
    return drop;
}

static void survey (struct core *c)
{
    struct batch *b;
    struct request *q;
    struct ghost *g;
    for (b = c->batches; b; b = b->hh.next)
        b->waits = (struct waits){.chunk = b->chunks};
    for (q = c->requests.by_ref; q; q = q->hh.next)
        q->queued = false;
    LIST_FOREACH (g, &c->ghosts, link)
        g->waits = false;
    session_sift (c->session, look, c);
}

/* --- what is said ------------------------------------------------------------------------------
 */

/* Behind a record, and what was told up to it. */
static void say_open (struct core *c, const struct opening *o, uint64_t record, uint64_t trail,
                      bool compare, bool again)
{
    struct wire w = opening_message (o);
    w.m.open.record = record;
    w.m.open.trail = trail;
    w.m.open.compare = compare;
    w.m.open.again = again;
    session_post_first (c->session, &w);
}

/* Somebody else may submit under its key: what the broker has may be theirs. It was acknowledged
 * when it was compared, but that it differs may have been said to a connection that broke: so it is
 * still to be compared, chunk by chunk or, as to what is not said again, by what CLOSE says. */
static bool is_compared (const struct batch *b)
{
    return b->opening.open.compare;
}

static void open_again (struct core *c, struct batch *b)
{
    b->put_off = 0;
    if (opening_waits (&b->opening)) /* it will be opened when it is time */
        return;
    b->kept_open |= b->opened || !b->waits.open;
    b->kept_close |= b->closed && !b->waits.close;
    if (b->kept_open && b->waits.chunk > b->kept_chunks)
        b->kept_chunks = b->waits.chunk;
    b->confirmed = 0;
    b->reopening = true;
    say_open (c, &b->opening, b->record, b->trail, is_compared (b), b->kept_open);
    opening_say_rest (&b->opening, c->session);
    if (is_compared (b) && b->opening.done && b->kept_close && !b->waits.close)
        batch_say_close (b, LANE_CONTROL, NULL);
    batch_inputs_again (b);
}

static void attach_again (struct core *c, const struct batch *b)
{
    struct wire w = {.kind = WIRE_ATTACH};
    w.m.attach.batch = b->handle;
    w.m.attach.id = b->id;
    w.m.attach.record = b->record + 1;
    w.m.attach.follow = b->follow;
    w.m.attach.trail = b->trail;
    session_post_first (c->session, &w);
}

static void batches_again (struct core *c)
{
    struct batch *b, *next;
    HASH_ITER (hh, c->batches, b, next) {
        if (b->over)
            continue;
        if (!may_go_on (b))
            core_break (c, b, "the broker was restarted, and the batch has no key");
        else if (b->attached)
            attach_again (c, b);
        else
            open_again (c, b);
    }
}

static void free_ghost (struct ghost *g)
{
    LIST_REMOVE (g, link);
    opening_fini (&g->opening);
    free (g);
}

static void ghosts_again (struct core *c)
{
    struct ghost *g, *next;
    for (g = LIST_FIRST (&c->ghosts); g; g = next) {
        next = LIST_NEXT (g, link);
        if (g->waits)
            say_open (c, &g->opening, g->record, g->trail, false, false);
        else
            free_ghost (g);
    }
}

/* A request that the broker had is asked again; an answer that has begun cannot be gone on with. */
static void requests_again (struct core *c)
{
    struct request *q, *next;
    HASH_ITER (hh, c->requests.by_ref, q, next) {
        struct batch *b = NULL;
        q->again = true; /* what is not acknowledged may have been done as well */
        if (q->queued)
            continue;
        if (q->handle)
            HASH_FIND (hh, c->batches, &q->handle, sizeof q->handle, b);
        if (q->handle && (b ? b->over : q->over))
            core_answer_request (c, q, WIRE_OK, "the batch is over");
        else if (q->handle && !b && !request_by_number (q))
            core_answer_request (c, q, WIRE_LOST,
                                 "the broker was restarted before it answered: it is not known "
                                 "what became of it");
        else if (q->begun)
            core_answer_request (c, q, WIRE_LOST,
                                 "the broker was restarted while it answered: ask again");
        else
            request_again (q, c->session, b && !b->opening.done ? LANE_BULK : LANE_CONTROL);
    }
}

void restart_begin (struct core *c)
{
    survey (c);
    batches_again (c);
    ghosts_again (c);
    requests_again (c);
}

/* --- what it has -------------------------------------------------------------------------------
 */

struct had { /* by the broker */
    uint64_t handle;
    const struct msg_opened *m;
    bool compared; /* what it has is to be said again, so that it can tell a difference */
};

static bool has_it (void *arg, const struct wire_frames *f)
{
    const struct had *had = arg;
    struct wire w;
    bool has = false;
    if (wire_decode (&w, f, NULL, NULL) != 0)
        return false;
    if (w.kind == WIRE_ROWS && w.m.rows.batch == had->handle)
        has = w.m.rows.chunk < had->m->chunks &&
              (!had->compared || had->m->chunks == UINT64_MAX); /* cancelled: it keeps none */
    if (w.kind == WIRE_CLOSE && w.m.close.batch == had->handle)
        has = had->m->closed && !had->compared;
    wire_fini (&w);
    return has;
}

static bool is_of (void *arg, const struct wire_frames *f)
{
    return restart_handle (f) == *(const uint64_t *)arg;
}

/* Attached batches go with a client that is away for too long, and the broker remembers nothing of
 * them. One that was restarted meanwhile may as well have lost them. */
static const char *why_unknown (const struct core *c)
{
    if (session_was_given_up (c->session))
        return "the broker had no connection from here for too long, and cancelled it";
    return "the broker does not know it: its state is older than what it acknowledged, or it had "
           "no connection from here for too long";
}

/* What the broker has of it is not to run on: nobody would take its results. (A request could be
 * refused, and who detaches cannot ask again.) */
static void give_up (struct core *c, struct batch *b, const char *why)
{
    struct wire cancel = {.kind = WIRE_CANCEL};
    struct wire detach = {.kind = WIRE_DETACH};
    struct request *q, *next;
    core_break (c, b, why);
    session_sift (c->session, is_of, &b->handle);
    HASH_ITER (hh, c->requests.by_ref, q, next) {
        if (q->handle == b->handle)
            core_answer_request (c, q, WIRE_LOST, why);
    }
    cancel.m.cancel.batch = b->handle;
    cancel.m.cancel.reason = bytes_str (why);
    detach.m.detach.batch = b->handle;
    session_post (c->session, LANE_CONTROL, &cancel, NULL);
    session_post (c->session, LANE_CONTROL, &detach, NULL);
}

bool restart_opened (struct core *c, struct batch *b, const struct msg_opened *m)
{
    struct had had = {b->handle, m, is_compared (b)};
    b->reopening = false;
    const char *why = NULL;
    if (b->kept_open && !m->known)
        why = why_unknown (c);
    else if (m->chunks < b->kept_chunks || (b->kept_close && !m->closed))
        why = "the broker's state is older than what it acknowledged";
    if (why) {
        give_up (c, b, why);
        return false;
    }
    session_sift (c->session, has_it, &had);
    return true;
}

bool restart_attached (struct core *c, struct batch *b, const struct msg_opened *m)
{
    struct wire detach = {.kind = WIRE_DETACH};
    if (!b->born || !m->born || b->born == m->born)
        return true;
    core_break (c, b,
                "the broker's state is older than what it acknowledged: this number is another "
                "batch's now");
    detach.m.detach.batch = b->handle;
    session_post (c->session, LANE_CONTROL, &detach, NULL);
    return false;
}

/* --- batches that are freed ---------------------------------------------------------------------
 */

void restart_add_ghost (struct core *c, const struct batch *b)
{
    struct ghost *g;
    if (!b->opening.open.key.len)
        return;
    g = mem_zalloc (sizeof *g);
    g->handle = b->handle;
    g->record = b->record;
    g->trail = b->trail;
    opening_init (&g->opening, &b->opening.open);
    LIST_INSERT_HEAD (&c->ghosts, g, link);
}

void restart_forget_ghosts (struct core *c)
{
    while (!LIST_EMPTY (&c->ghosts))
        free_ghost (LIST_FIRST (&c->ghosts));
}
