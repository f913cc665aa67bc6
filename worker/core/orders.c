/* Orders: what the broker says about work. SPEC, GRANT, INPUT, SIGNAL, FORGET, DRAIN here, the
 * taking away of rows in cancel.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/wire/rows.h"
#include "worker/core/core.h"

enum {
    STATUS_REFUSED = 125,     /* of a row that could not be started for want of sense */
    NOTE_BYTES_MAX = 1 << 20, /* input for rows of a batch that have not started */
};

/* A broker that was restarted says it again. Where it says something else, its state is not the one
 * that our rows came from: they are none of what it speaks of now. */
static void on_spec (struct agent *a, const struct wire *w, int64_t now, struct agent_effects *fx)
{
    struct batch *b = batch_get (a, w->m.spec.batch);
    const struct spec *s = batch_spec (b, w->m.spec.spec);
    struct wire end = {.kind = WIRE_CANCEL_ROWS};
    b->forgotten = false;
    if (s && wire_same (&s->msg, w))
        return;
    if (s) {
        fx_log (fx, LOG_ERROR, "batch=%" PRIu64 " has another spec than before: its rows end here",
                b->id);
        end.m.cancel_rows.batch = b->id;
        end.m.cancel_rows.kill = 1;
        end.m.cancel_rows.reason = bytes_str ("the broker came back with another spec");
        cancel_rows (a, &end, now, fx);
    }
    b->born = w->m.spec.born;
    batch_learn (a, b, w);
}

/* Rows that cannot be run whatever happens. */
static void fail_rows (struct agent *a, struct batch *b, const struct msg_grant *m,
                       const char *reason)
{
    struct outcome o = {.attempt = m->attempt,
                        .how = OUTCOME_FAILED,
                        .status = STATUS_REFUSED,
                        .reason = bytes_str (reason)};
    for (uint64_t i = 0; i < m->count; i++)
        results_make (a, b, m->first + i, &o, false);
}

static void arrived (struct agent *a, struct batch *b, const struct msg_grant *m,
                     const struct slice *body)
{
    struct run r = {.order = a->order,
                    .spec = m->spec,
                    .each_spec = m->each_spec && m->count > 1,
                    .first = m->first,
                    .count = m->count,
                    .attempt = m->attempt};
    struct err e;
    if (body->len > WIRE_ROW_MAX && m->count == 1) {
        fail_rows (a, b, m, "the row is longer than the 8 MiB that a worker takes");
        return;
    }
    if (rows_check (bytes_of (body->ptr, body->len), m->count, &e) < 0) {
        fail_rows (a, b, m, "the broker sent bytes that are no rows");
        return;
    }
    if (a->drain != DRAIN_NOT) {
        rows_returned (a, b->id, m->first, m->count, false);
        return;
    }
    r.body = slice_keep (body);
    runs_add (a, b, r);
}

/* A large row comes alone, in parts, one after another. What is too large is not kept. */
static void part_arrived (struct batch *b, const struct wire *w)
{
    const struct msg_grant *m = &w->m.grant;
    if (m->offset == 0) {
        blob_unref (&b->part);
        b->part_have = 0;
        b->part = m->total <= WIRE_ROW_MAX ? blob_new (m->total) : NULL;
    }
    if (m->offset != b->part_have || w->body[0].len > m->total - m->offset)
        return; /* the rest will not fit either; the row is answered with its last part */
    if (b->part && b->part_have + w->body[0].len <= blob_len (b->part))
        memcpy (blob_bytes (b->part) + b->part_have, w->body[0].ptr, w->body[0].len);
    b->part_have += w->body[0].len;
}

static bool part_is_last (const struct wire *w)
{
    return w->m.grant.offset + w->body[0].len >= w->m.grant.total;
}

static void part_complete (struct agent *a, struct batch *b, const struct msg_grant *m)
{
    struct slice body = slice_of_take (b->part);
    b->part = NULL;
    if (body.ptr && b->part_have == m->total)
        arrived (a, b, m, &body);
    else
        fail_rows (a, b, m,
                   m->total > WIRE_ROW_MAX ? "the row is longer than the 8 MiB that a worker takes"
                                           : "the row did not arrive whole");
    slice_fini (&body);
}

static void on_grant (struct agent *a, const struct wire *w)
{
    const struct msg_grant *m = &w->m.grant;
    struct batch *b = batch_get (a, m->batch);
    b->forgotten = false;
    a->grant = m->grant;
    a->order++;
    batch_share (b, m);
    a->place = true;
    if (!m->total) {
        if (m->count)
            arrived (a, b, m, &w->body[0]);
    } else if (m->count == 1 && m->offset < m->total) {
        part_arrived (b, w);
        if (part_is_last (w))
            part_complete (a, b, m);
    }
    cancel_arrived (a, b, m->grant);
}

/* Input and signals go to the executor that has the row, or wait with the row. */
static void on_note (struct agent *a, const struct wire *w, uint64_t batch, uint64_t row,
                     struct agent_effects *fx)
{
    struct batch *b = batch_find (a, batch);
    if (!b)
        return;
    struct wire copy = {.kind = w->kind, .m = w->m, .body[0] = w->body[0]};
    struct executor *e;
    LIST_FOREACH (e, &b->busy, batch_link)
        if (job_with (e, row)) {
            fx_send (fx, e->number, &copy);
            return;
        }
    if (!runs_have (b, row) || b->note_bytes + w->body[0].len > NOTE_BYTES_MAX)
        return;
    struct note *n = mem_zalloc (sizeof *n);
    n->row = row;
    n->msg = copy;
    n->msg.body[0] = slice_keep (&w->body[0]);
    b->note_bytes += n->msg.body[0].len;
    TAILQ_INSERT_TAIL (&b->notes, n, link);
}

static void answer_nothing (struct agent *a, const struct msg_peek *m)
{
    struct wire w = {.kind = WIRE_PEEKED};
    w.m.peeked = (struct msg_peeked){.ref = m->ref,
                                     .batch = m->batch,
                                     .row = m->row,
                                     .attempt = m->attempt,
                                     .out_at = m->out_at,
                                     .err_at = m->err_at};
    session_post (&a->session, &w);
}

/* Only a command that runs shows what it has printed. Who waits for one that does not yet asks
 * again. */
static void on_peek (struct agent *a, const struct wire *w, struct agent_effects *fx)
{
    const struct msg_peek *m = &w->m.peek;
    struct wire copy = {.kind = WIRE_PEEK, .m.peek = *m};
    struct batch *b = batch_find (a, m->batch);
    struct executor *e = NULL;
    if (b)
        LIST_FOREACH (e, &b->busy, batch_link)
            if (job_with (e, m->row))
                break;
    if (e && e->kind == AGENT_COMMANDS)
        fx_send (fx, e->number, &copy);
    else if (!m->wait)
        answer_nothing (a, m);
}

static void on_forget (struct agent *a, uint64_t id, struct agent_effects *fx)
{
    struct batch *b = batch_find (a, id);
    if (!b)
        return;
    b->forgotten = true;
    cancels_fini (b);
    batch_release (a, b, fx);
}

void orders_message (struct agent *a, const struct wire *w, int64_t now, struct agent_effects *fx)
{
    switch (w->kind) {
    case WIRE_SPEC:
        on_spec (a, w, now, fx);
        break;
    case WIRE_GRANT:
        on_grant (a, w);
        break;
    case WIRE_TAKE_BACK:
        take_back (a, &w->m.take_back, now, fx);
        break;
    case WIRE_CANCEL_ROWS:
        cancel_rows (a, w, now, fx);
        break;
    case WIRE_INPUT:
        on_note (a, w, w->m.input.batch, w->m.input.row, fx);
        break;
    case WIRE_SIGNAL:
        on_note (a, w, w->m.signal.batch, w->m.signal.row, fx);
        break;
    case WIRE_PEEK:
        on_peek (a, w, fx);
        break;
    case WIRE_FORGET:
        on_forget (a, w->m.forget.batch, fx);
        break;
    case WIRE_DRAIN:
        drain_start (a, DRAIN_EMPTY, now, fx);
        break;
    default:
        fx_log (fx, LOG_WARN, "the broker says what a worker does not know kind=%s",
                wire_name (w->kind));
    }
}
