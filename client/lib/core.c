#include "client/lib/core.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/deliver.h"
#include "client/lib/fault.h"
#include "client/lib/item.h"
#include "client/lib/restart.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/wire/rows.h"
#include "common/wire/trail.h"

#define BUSY_MS 1000      /* where the broker does not say when to try again */
#define BUSY_MAX_MS 60000 /* it is not believed that it takes longer */

static struct batch *batch_of (struct core *c, uint64_t handle)
{
    struct batch *b = NULL;
    if (c->batches)
        HASH_FIND (hh, c->batches, &handle, sizeof handle, b);
    return b && !b->over ? b : NULL;
}

/* Results, and the pieces of output before them, go to the futures of their rows, if these have
 * any.
 */
static bool is_of_future (enum item_kind kind, const struct batch *b)
{
    return b && b->futures &&
           (kind == ITEM_RESULTS || kind == ITEM_OUTPUT || kind == ITEM_UNFINISHED);
}

/* Queue something of our own; `text` is copied. */
static struct item *put (struct core *c, enum item_kind kind, struct batch *b, const char *text)
{
    struct item *i = mem_zalloc (sizeof *i);
    i->kind = kind;
    i->batch = b;
    i->of_future = is_of_future (kind, b);
    i->text = text ? mem_strdup (text) : NULL;
    TAILQ_INSERT_TAIL (i->of_future ? &c->futures : &c->items, i, link);
    return i;
}

/* Queue a message, which is taken. */
static struct item *put_message (struct core *c, enum item_kind kind, struct batch *b,
                                 struct wire *w)
{
    struct item *i = put (c, kind, b, NULL);
    i->w = *w;
    *w = (struct wire){0};
    c->queued += i->w.header.len + i->w.body[0].len;
    return i;
}

void core_notice (struct core *c, enum drover_note code, const char *text)
{
    struct item *i = put (c, ITEM_NOTICE, NULL, text);
    i->w.kind = WIRE_NOTICE;
    i->w.m.notice.code = code;
    i->w.m.notice.text = bytes_str (i->text);
}

static void put_reply (struct core *c, uint64_t ref, uint64_t code, uint64_t value,
                       const char *text)
{
    struct item *i = put (c, ITEM_REPLY, NULL, text);
    i->w.kind = WIRE_REPLY;
    i->w.m.reply.ref = ref;
    i->w.m.reply.code = code;
    i->w.m.reply.value = value;
    i->w.m.reply.text = bytes_str (i->text);
}

/* One of several requests with one answer is over. */
static void answer_part (struct core *c, struct join *j, uint64_t code, uint64_t value,
                         struct bytes text)
{
    if (!join_answer (j, code, value, text))
        return;
    put_reply (c, j->ref, j->code, j->value, j->text);
    join_free (&j);
}

static void answer (struct core *c, const struct request *q, enum wire_code code, const char *text)
{
    if (q->join)
        answer_part (c, q->join, code, 0, bytes_str (text));
    else if (!q->quiet)
        put_reply (c, q->ref, code, 0, text);
}

/* The broker will say no more about it. */
static void set_over (struct core *c, struct batch *b, uint64_t state, struct bytes why,
                      bool all_done)
{
    b->over = true;
    b->end_state = state;
    b->end_reason = mem_strndup ((const char *)why.ptr, why.len);
    b->all_done = all_done;
    c->n_busy -= opening_waits (&b->opening);
    opening_done (&b->opening);
}

/* Rows without an outcome get one here, and END follows. */
static void end_here (struct core *c, struct batch *b, enum outcome_how how,
                      enum wire_batch_state state, const char *why)
{
    set_over (c, b, state, bytes_str (why), false);
    struct item *rows = put (c, ITEM_UNFINISHED, b, why);
    rows->how = how;
    struct item *end = put (c, ITEM_END, b, why);
    end->w.kind = WIRE_END;
    end->w.m.end.state = state;
    end->w.m.end.total = b->rows;
    end->w.m.end.reason = bytes_str (end->text);
}

void core_break (struct core *c, struct batch *b, const char *why)
{
    if (!b->over)
        end_here (c, b, OUTCOME_BROKER_LOST, BATCH_BROKEN, why);
}

/* --- what comes in ------------------------------------------------------------------------------
 */

/* Of a batch that was not read from its first record on it is not known. */
static void follow_trail (struct batch *b, uint64_t record, const struct wire *w)
{
    bool first = record == 1;
    bool next = b->record && record == b->record + 1 && b->trail;
    b->trail = first || next ? trail_next (b->trail, w) : 0;
}

/* Records of a batch come once and in order; one that is missing cannot come any more. */
static bool take_record (struct core *c, struct batch *b, uint64_t record, const struct wire *w)
{
    if (record <= b->record)
        return false;
    if (record > b->record + 1 && b->record) {
        char why[120];
        snprintf (why, sizeof why,
                  "records %" PRIu64 " to %" PRIu64 " of batch %" PRIu64 " are missing",
                  b->record + 1, record - 1, b->id);
        core_break (c, b, why);
        return false;
    }
    follow_trail (b, record, w);
    b->record = record;
    return true;
}

static void on_results (struct core *c, struct wire *w)
{
    struct batch *b = batch_of (c, w->m.results.batch);
    if (b && take_record (c, b, w->m.results.record, w))
        put_message (c, ITEM_RESULTS, b, w);
}

static void on_output (struct core *c, struct wire *w)
{
    struct batch *b = batch_of (c, w->m.output.batch);
    if (b && take_record (c, b, w->m.output.record, w))
        put_message (c, ITEM_OUTPUT, b, w);
}

static void on_opened (struct core *c, struct wire *w)
{
    struct batch *b = batch_of (c, w->m.opened.batch);
    if (!b)
        return;
    bool again = b->opened;
    if (b->reopening && !restart_opened (c, b, &w->m.opened))
        return;
    if (b->attached && !restart_attached (c, b, &w->m.opened))
        return;
    b->born = w->m.opened.born;
    opening_done (&b->opening);
    b->id = w->m.opened.id;
    b->opened = true;
    if (!again)
        put_message (c, ITEM_OPENED, b, w);
}

static void on_end (struct core *c, struct wire *w)
{
    struct batch *b = batch_of (c, w->m.end.batch);
    if (!b)
        return;
    if (b->put_off) { /* not of the batch, but of an OPEN before; OPENED may have overtaken it */
        b->put_off--;
        return;
    }
    set_over (c, b, w->m.end.state, w->m.end.reason, w->m.end.done == w->m.end.total);
    if (!b->attached && w->m.end.state != BATCH_RUNNING) {
        struct item *rows = put (c, ITEM_UNFINISHED, b, NULL);
        rows->text = mem_strdup (b->end_reason);
        rows->how = w->m.end.state == BATCH_CANCELLED ? OUTCOME_CANCELLED : OUTCOME_BROKER_LOST;
    }
    put_message (c, ITEM_END, b, w);
}

/* It has too many requests to answer, or cannot write what this one changes. */
static bool is_refused_for_now (uint64_t code)
{
    return code == WIRE_BUSY || code == WIRE_STORAGE;
}

static void on_reply (struct core *c, struct wire *w)
{
    struct request *q = requests_find (&c->requests, w->m.reply.ref);
    if (!q)
        return;
    struct batch *b = NULL;
    if (q->handle)
        HASH_FIND (hh, c->batches, &q->handle, sizeof q->handle, b);
    if (b && b->over && w->m.reply.code == WIRE_UNKNOWN) {
        /* it ended while the request was on its way */
        w->m.reply.code = WIRE_OK;
        w->m.reply.text = (struct bytes){NULL, 0};
    }
    if (request_is_done (q, (enum wire_code)w->m.reply.code)) {
        w->m.reply.code = WIRE_OK;
        w->m.reply.value = 1;
        w->m.reply.text = (struct bytes){NULL, 0};
    }
    if (rows_check (bytes_of (w->body[0].ptr, w->body[0].len), w->m.reply.count, NULL) != 0) {
        slice_fini (&w->body[0]);
        w->m.reply.count = 0;
        w->m.reply.code = WIRE_MALFORMED;
    }
    q->begun = true;
    if (q->quiet && is_refused_for_now (w->m.reply.code) && !(b && b->over))
        request_unasked (q, c->session);
    bool quiet = q->quiet;
    struct join *join = q->join;
    if (!w->m.reply.more)
        requests_forget (&c->requests, q);
    if (join && !w->m.reply.more)
        answer_part (c, join, w->m.reply.code, w->m.reply.value, w->m.reply.text);
    else if (!join && !quiet)
        put_message (c, ITEM_REPLY, NULL, w);
}

static void on_input_taken (struct core *c, struct wire *w)
{
    struct batch *b = batch_of (c, w->m.input_taken.batch);
    if (b && !b->attached && w->m.input_taken.row < b->rows &&
        batch_input_taken (b, w->m.input_taken.row, w->m.input_taken.offset))
        put_message (c, ITEM_INPUT_ROOM, b, w);
}

/* What no worker can run waits for one that can; where none will come, it ends with the reason. */
static void on_notice (struct core *c, struct wire *w)
{
    struct batch *b = batch_of (c, w->m.notice.batch);
    uint64_t code = w->m.notice.code;
    if (c->alone && b && !b->attached &&
        (code == DROVER_NOTE_TASK_TOO_BIG || code == DROVER_NOTE_NO_FUNCTION)) {
        struct wire cancel = {.kind = WIRE_CANCEL};
        cancel.m.cancel.batch = b->handle;
        cancel.m.cancel.reason = w->m.notice.text;
        core_tell (c, &cancel, b->handle, NULL);
    }
    put_message (c, ITEM_NOTICE, b, w);
}

static bool is_request (uint64_t kind)
{
    struct wire w = {.kind = (enum wire_kind)kind};
    return request_ref (&w) != NULL;
}

static bool of_batch (void *arg, const struct wire_frames *f)
{
    return restart_handle (f) == *(const uint64_t *)arg;
}

/* Whether the user has cancelled all of it. Who cancelled some rows hears that it is too early. */
static bool is_cancelled (struct core *c, const struct batch *b)
{
    bool all = false;
    struct request *q, *next;
    HASH_ITER (hh, c->requests.by_ref, q, next) {
        if (q->handle != b->handle)
            continue;
        if (q->range)
            core_answer_request (c, q, WIRE_BUSY, "the broker has not taken the batch yet");
        else
            all = true;
    }
    return all;
}

/* It takes no new batch now: all that was said of this one is said again later, unless the user has
 * cancelled it meanwhile. */
static void put_off (struct core *c, struct batch *b, const struct msg_error *m)
{
    char text[600];
    int64_t wait_us = (int64_t)(m->retry_ms ? m->retry_ms : BUSY_MS) * US_PER_MS;
    if (m->retry_ms > BUSY_MAX_MS)
        wait_us = (int64_t)BUSY_MAX_MS * US_PER_MS;
    session_sift (c->session, of_batch, &b->handle);
    b->put_off++;
    if (is_cancelled (c, b)) {
        core_cancel_unopened (c, b, "cancelled");
        return;
    }
    opening_put_off (&b->opening, c->now_us + session_about (c->session, wait_us));
    c->n_busy++;
    if (b->told_busy)
        return;
    b->told_busy = true;
    snprintf (text, sizeof text,
              "the broker is busy (%.*s, %" PRIu64 " of %" PRIu64
              "); trying again until it takes the batch",
              (int)m->text.len, (const char *)m->text.ptr, m->have, m->limit);
    core_notice (c, DROVER_NOTE_BUSY, text);
}

/* The broker refused something about a batch. What it says about a batch it knows is followed by
 * END; a batch it does not know, or that clashes with another, ends here. */
static void refused_batch (struct core *c, struct batch *b, struct wire *w)
{
    const struct msg_error *m = &w->m.error;
    bool fatal = m->code == WIRE_UNKNOWN || m->code == WIRE_CONFLICT || m->kind == WIRE_OPEN;
    if (b->told_busy && !b->opened && m->code == WIRE_UNKNOWN && m->kind != WIRE_OPEN)
        return; /* what was on its way behind the OPEN that was put off */
    if (b->reopening && m->code == WIRE_MALFORMED && m->kind != WIRE_OPEN)
        return; /* the broker has nothing of it any more: OPENED will say so */
    if (m->code == WIRE_BUSY && m->kind == WIRE_OPEN && !b->opened) {
        put_off (c, b, m);
        return;
    }
    char *text = mem_strndup ((const char *)m->text.ptr, m->text.len);
    put_message (c, ITEM_REFUSED, b, w);
    if (fatal)
        core_break (c, b, text);
    free (text);
}

/* An older broker cannot read an OPEN that asks for what it does not know, and cannot even say
 * which one it was: it is the first that asks for such things and was not answered. */
static struct batch *not_understood (struct core *c, struct msg_error *m)
{
    if (m->kind != WIRE_OPEN || m->code != WIRE_UNSUPPORTED)
        return NULL;
    for (struct batch *b = c->batches; b; b = b->hh.next) {
        if (b->attached || b->opened || b->over || !opening_message (&b->opening).flags)
            continue;
        m->text = bytes_str (b->opening.open.after.len
                                 ? "the broker is too old to let a batch wait for others (--after)"
                                 : "the broker is too old to keep tasks in order (--order-by)");
        return b;
    }
    return NULL;
}

static void refused_request (struct core *c, const struct msg_error *m)
{
    struct request *q = requests_find (&c->requests, m->ref);
    if (!q)
        return;
    char *text = mem_strndup ((const char *)m->text.ptr, m->text.len);
    core_answer_request (c, q, (enum wire_code)m->code, text);
    free (text);
}

static void on_error (struct core *c, struct wire *w)
{
    struct msg_error *m = &w->m.error;
    struct batch *b = NULL;
    if (is_request (m->kind)) {
        refused_request (c, m);
        return;
    }
    if (m->kind == WIRE_INPUT || m->kind == WIRE_SIGNAL) /* those may come too late */
        return;
    if (m->kind >= WIRE_OPEN)
        HASH_FIND (hh, c->batches, &m->ref, sizeof m->ref, b);
    if (!b)
        b = not_understood (c, m);
    if (!b)
        put_message (c, ITEM_REFUSED, NULL, w);
    else if (!b->over)
        refused_batch (c, b, w);
}

static void (*const HANDLERS[256]) (struct core *, struct wire *) = {
    [WIRE_RESULTS] = on_results, [WIRE_OUTPUT] = on_output, [WIRE_OPENED] = on_opened,
    [WIRE_END] = on_end,         [WIRE_REPLY] = on_reply,   [WIRE_INPUT_TAKEN] = on_input_taken,
    [WIRE_NOTICE] = on_notice,   [WIRE_ERROR] = on_error,
};

/* --- sessions that end --------------------------------------------------------------------------
 */

static void answer_all (struct core *c, enum wire_code code, const char *why)
{
    struct request *q, *next;
    HASH_ITER (hh, c->requests.by_ref, q, next) {
        answer (c, q, code, why);
        requests_forget (&c->requests, q);
    }
}

static void lose (struct core *c)
{
    const struct err *why = session_why (c->session);
    answer_all (c, WIRE_LOST, why->text);
    struct batch *b, *next;
    HASH_ITER (hh, c->batches, b, next)
        core_break (c, b, why->text);
    struct item *i = put (c, ITEM_LOST, NULL, why->text);
    i->w.kind = WIRE_ERROR;
    i->w.m.error.code = (uint64_t)why->code;
    i->w.m.error.text = bytes_str (i->text);
}

static void post_attach (struct core *c, const struct batch *b, uint64_t record)
{
    struct wire w = {.kind = WIRE_ATTACH};
    w.m.attach.batch = b->handle;
    w.m.attach.id = b->id;
    w.m.attach.record = record;
    w.m.attach.follow = b->follow;
    w.m.attach.trail = b->trail;
    session_post (c->session, LANE_CONTROL, &w, NULL);
}

/* Whether the broker can go on with a batch of the session before. */
static bool survives (const struct core *c, const struct batch *b)
{
    if (!b->id)
        return false;
    if (b->attached)
        return true;
    return (b->flags & BATCH_DETACHED) && b->closed && session_reset_clean (c->session);
}

/* A new session: batches that live at the broker are taken up again behind the last record, all
 * others are gone. */
static void begin_again (struct core *c)
{
    static const char why[] = "the broker lost this session, and with it what it knew of the batch";
    struct batch *b, *nb;
    HASH_ITER (hh, c->batches, b, nb) {
        if (b->over)
            continue;
        b->put_off = 0;
        if (survives (c, b))
            post_attach (c, b, b->record + 1);
        else
            core_break (c, b, why);
    }
    struct request *q, *nq;
    HASH_ITER (hh, c->requests.by_ref, q, nq) {
        if (!q->begun && !q->handle) {
            request_again (q, c->session, LANE_CONTROL);
            continue;
        }
        answer (c, q, WIRE_LOST, "the broker lost this session");
        requests_forget (&c->requests, q);
    }
}

/* The broker answers, for the first time or again. */
static void connected (struct core *c)
{
    put (c, ITEM_CONNECTED, NULL, NULL);
    if (c->told_away)
        core_notice (c, DROVER_NOTE_BACK, "the broker is back");
    c->told_away = false;
}

void core_message (struct core *c, int64_t now, struct wire *w)
{
    c->now_us = now;
    switch (session_message (c->session, now, w)) {
    case SESSION_DELIVER:
        if (HANDLERS[w->kind & 255])
            HANDLERS[w->kind & 255](c, w);
        break;
    case SESSION_RESET:
        begin_again (c);
        connected (c);
        break;
    case SESSION_RESTARTED:
        restart_begin (c);
        /* fall through */
    case SESSION_WELCOMED:
    case SESSION_RESUMED:
        connected (c);
        break;
    case SESSION_GONE:
        lose (c);
        break;
    case SESSION_NOTHING:
    default:
        break;
    }
    wire_fini (w);
}

void core_tick (struct core *c, int64_t now)
{
    if (session_tick (c->session, now) == SESSION_GONE)
        lose (c);
    const char *away = session_away (c->session);
    if (away) {
        core_notice (c, DROVER_NOTE_AWAY, away);
        c->told_away = true;
    }
    if (!LIST_EMPTY (&c->ghosts) && session_idle (c->session))
        restart_forget_ghosts (c);
    struct batch *b, *next;
    HASH_ITER (hh, c->batches, b, next) {
        if (b->opening.again_us <= now && session_state (c->session) == SESSION_OPEN && !b->over) {
            opening_again (&b->opening, c->session);
            c->n_busy--;
        }
        if (!b->wants_room || batch_room (b, true) == 0)
            continue;
        b->wants_room = false;
        put (c, ITEM_ROOM, b, NULL);
    }
}

void core_fail (struct core *c, enum wire_code code, const char *text)
{
    if (session_state (c->session) == SESSION_LOST)
        return;
    session_fail (c->session, code, text);
    lose (c);
}

/* --- what is asked for --------------------------------------------------------------------------
 */

static void adopt (struct core *c, struct batch *b, const struct msg_open *open)
{
    batch_init (b, c->session, c->store, ++c->last_handle, open);
    HASH_ADD (hh, c->batches, handle, sizeof b->handle, b);
}

int core_gone (const struct core *c, struct err *e)
{
    if (session_state (c->session) != SESSION_LOST)
        return 0;
    return err_set (e, EPIPE, "%s", session_why (c->session)->text);
}

int core_open (struct core *c, struct batch *b, const struct msg_open *open, struct err *e)
{
    if (core_gone (c, e) != 0)
        return -1;
    adopt (c, b, open);
    if (opening_say (&b->opening, c->session, e) == 0)
        return 0;
    HASH_DEL (c->batches, b);
    batch_fini (b);
    return -1;
}

int core_attach (struct core *c, struct batch *b, uint64_t id, uint64_t record, bool follow,
                 struct err *e)
{
    if (core_gone (c, e) != 0)
        return -1;
    adopt (c, b, NULL);
    b->attached = true;
    b->closed = true;
    b->id = id;
    b->follow = follow;
    b->record = record ? record - 1 : 0;
    post_attach (c, b, record);
    return 0;
}

/* No more of it, but what was added goes its way: so behind its rows. */
static void detach (struct core *c, struct batch *b)
{
    struct wire w = {.kind = WIRE_DETACH, .m.detach.batch = b->handle};
    if (b->over || session_state (c->session) == SESSION_LOST)
        return;
    if (!b->attached)
        batch_flush (b, NULL);
    batch_say_inputs (b, true);
    if (!b->attached && session_durable (c->session))
        restart_add_ghost (c, b);
    session_post (c->session, b->attached ? LANE_CONTROL : LANE_BULK, &w, NULL);
}

/* They are not answered by its end any more. */
static void forget_batch_of_requests (struct core *c, const struct batch *b)
{
    for (struct request *q = c->requests.by_ref; q; q = q->hh.next) {
        if (q->handle != b->handle)
            continue;
        q->id = b->id;
        q->over = b->over;
    }
}

void core_forget (struct core *c, struct batch *b)
{
    deliver_forget (c, b);
    forget_batch_of_requests (c, b);
    detach (c, b);
    c->n_busy -= opening_waits (&b->opening);
    HASH_DEL (c->batches, b);
    batch_fini (b);
}

void core_flush (struct core *c)
{
    struct batch *b, *next;
    HASH_ITER (hh, c->batches, b, next) {
        if (!b->over && !b->whole_chunks)
            batch_flush (b, NULL);
        batch_say_inputs (b, false);
    }
}

bool core_has_unsent (const struct core *c)
{
    const struct batch *b;
    for (b = c->batches; b; b = b->hh.next)
        if (b->chunk_count && !b->over && !b->whole_chunks)
            return true;
    return false;
}

bool core_idle (const struct core *c)
{
    return session_idle (c->session) && !c->n_busy;
}

void core_cancel_unopened (struct core *c, struct batch *b, const char *reason)
{
    struct request *q, *next;
    HASH_ITER (hh, c->requests.by_ref, q, next) {
        if (q->handle == b->handle)
            core_answer_request (c, q, WIRE_OK, "");
    }
    if (!b->over)
        end_here (c, b, OUTCOME_CANCELLED, BATCH_CANCELLED, reason);
}

void core_answer_request (struct core *c, struct request *q, enum wire_code code, const char *text)
{
    answer (c, q, code, text);
    requests_forget (&c->requests, q);
}

uint64_t core_answer (struct core *c, enum wire_code code, const char *text)
{
    put_reply (c, ++c->requests.last, code, 0, text);
    return c->requests.last;
}

uint64_t core_join (struct core *c, const uint64_t *refs, size_t count)
{
    return requests_join (&c->requests, refs, count);
}

/* A cancellation is to be carried out all the same, also by a broker that refuses it for now. */
static void drop_request (struct core *c, struct request *q, bool tell)
{
    struct wire w = {.kind = WIRE_DROP_REF, .m.drop_ref.ref = q->ref};
    if (wire_frames_kind (&q->frames) == WIRE_CANCEL) {
        q->quiet = true;
        q->join = NULL;
        return;
    }
    requests_forget (&c->requests, q);
    if (tell && session_state (c->session) != SESSION_LOST)
        session_post (c->session, LANE_CONTROL, &w, NULL);
}

static void drop_join (struct core *c, struct join *j, bool tell)
{
    struct request *q, *next;
    HASH_ITER (hh, c->requests.by_ref, q, next) {
        if (q->join == j)
            drop_request (c, q, tell);
    }
    join_free (&j);
}

void core_drop (struct core *c, uint64_t ref, bool tell)
{
    struct request *q = requests_find (&c->requests, ref);
    struct join *join = requests_joined (&c->requests, ref);
    if (q)
        drop_request (c, q, tell);
    if (join)
        drop_join (c, join, tell);
    struct item *i, *next;
    for (i = TAILQ_FIRST (&c->items); i; i = next) {
        next = TAILQ_NEXT (i, link);
        if (i->kind == ITEM_REPLY && i->w.m.reply.ref == ref)
            deliver_drop (c, i);
    }
}

void core_init (struct core *c, const struct session_config *config, struct store *store,
                int64_t now)
{
    *c = (struct core){.store = store, .session = session_new (config, now)};
    TAILQ_INIT (&c->items);
    TAILQ_INIT (&c->futures);
    LIST_INIT (&c->ghosts);
}

int64_t core_deadline (const struct core *c)
{
    int64_t at = session_deadline (c->session);
    const struct batch *b;
    if (!c->n_busy || session_state (c->session) != SESSION_OPEN)
        return at;
    for (b = c->batches; b; b = b->hh.next)
        if (b->opening.again_us < at)
            at = b->opening.again_us;
    return at;
}

void core_fini (struct core *c)
{
    deliver_end (c);
    while (!TAILQ_EMPTY (&c->items))
        deliver_drop (c, TAILQ_FIRST (&c->items));
    while (!TAILQ_EMPTY (&c->futures))
        deliver_drop (c, TAILQ_FIRST (&c->futures));
    result_unref (&c->result);
    HASH_CLEAR (hh, c->batches); /* their memory is the callers' */
    requests_fini (&c->requests);
    restart_forget_ghosts (c);
    session_free (&c->session);
}
