/* Peeks: what a row has printed so far, for whoever asks. A reader takes it piece by piece, and
 * asks for the next one when it has read the last: so it holds up nobody, and nothing is kept for
 * it.
 *
 * What went as OUTPUT is in the log of the batch, as long as that is kept; what is behind it, only
 * its executor has. A question that waits there is answered when the row has ended, at the latest;
 * one that gets lost, with an executor or in a restart, is asked again by its client.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { STREAMS = 2, PIECE_MAX = 64 << 10 };

struct peek {
    uint64_t number; /* as its worker knows it */
    uint64_t attempt;
    uint64_t at[STREAMS];
};

struct found { /* of one stream */
    uint64_t at;
    struct bytes bytes;
};

static struct lease *lease_with (struct batch *b, uint64_t row)
{
    struct lease *l;
    LIST_FOREACH (l, &b->leases, b_link)
        if (ranges_has (&l->out, row))
            return l;
    return NULL;
}

static void put_text (struct buf *body, const char *name, struct bytes value)
{
    row_value (body, bytes_str (name));
    row_value (body, value);
}

static void put (struct buf *body, const char *name, uint64_t value)
{
    char digits[24];
    snprintf (digits, sizeof digits, "%" PRIu64, value);
    put_text (body, name, bytes_str (digits));
}

static void answer (struct sched *s, struct client *c, uint64_t ref, const char *state,
                    uint64_t attempt, const struct found f[STREAMS])
{
    struct wire w = {.kind = WIRE_REPLY, .m.reply = {.ref = ref, .count = 1}};
    struct buf body;
    buf_init (&body, WIRE_FRAME_MAX);
    row_begin (&body, 12);
    put_text (&body, "state", bytes_str (state));
    put (&body, "attempt", attempt);
    put (&body, "out_at", f[0].at);
    put_text (&body, "out", f[0].bytes);
    put (&body, "err_at", f[1].at);
    put_text (&body, "err", f[1].bytes);
    w.body[0] = buf_take_slice (&body);
    session_post (s, c->session, &w);
    slice_fini (&w.body[0]);
}

/* --- of the log --- */

static bool is_piece (const struct entry *en, uint64_t row, uint64_t attempt, unsigned stream)
{
    return en->kind == WIRE_OUTPUT && en->row == row && en->attempt == attempt &&
           en->stream == stream + 1;
}

/* The piece with the byte at f->at, or the first one behind it. The newest are looked at first. */
static bool find_piece (const struct batch *b, uint64_t row, uint64_t attempt, unsigned stream,
                        struct found *f)
{
    const struct entry *en, *best = NULL;
    if (!b->n_pieces)
        return false;
    TAILQ_FOREACH_REVERSE (en, &b->log, entries, link)
    {
        if (!is_piece (en, row, attempt, stream))
            continue;
        if (en->offset + en->body.len <= f->at)
            break; /* all before it is older still */
        best = en;
    }
    if (!best)
        return false;
    size_t skip = best->offset < f->at ? f->at - best->offset : 0;
    f->at = best->offset + skip;
    f->bytes = bytes_of (best->body.ptr + skip, best->body.len - skip);
    if (f->bytes.len > PIECE_MAX)
        f->bytes.len = PIECE_MAX;
    return true;
}

static bool find (const struct batch *b, uint64_t row, const struct peek *p,
                  struct found f[STREAMS])
{
    bool any = false;
    for (unsigned i = 0; i < STREAMS; i++) {
        f[i] = (struct found){.at = p->at[i]};
        any |= find_piece (b, row, p->attempt, i, &f[i]);
    }
    return any;
}

/* --- of its executor --- */

static void ask_worker (struct sched *s, struct client *c, struct lease *l,
                        const struct msg_peek *m, const struct peek *p, int64_t now)
{
    struct waiter what = {.ref = m->ref,
                          .condition = WAIT_PROCESSES_GONE,
                          .first = m->row,
                          .count = 1,
                          .since_us = now};
    what.peek = mem_zalloc (sizeof *p);
    *what.peek = *p;
    what.peek->number = ++s->peeks;
    struct wire w = {.kind = WIRE_PEEK, .m.peek = *m};
    w.m.peek.ref = what.peek->number;
    w.m.peek.batch = l->batch->id;
    w.m.peek.attempt = p->attempt;
    w.m.peek.out_at = p->at[0];
    w.m.peek.err_at = p->at[1];
    wait_add (c, l->batch, &what);
    session_post (s, l->worker->session, &w);
}

static bool is_choked (const struct sched *s, const struct lease *l)
{
    return worker_is_away (l->worker) ||
           chan_backlog_bytes (l->worker->session->chan) > UNREAD_WINDOWS * s->cfg.window_bytes;
}

void peek_on_peek (struct sched *s, struct client *c, struct batch *b, const struct msg_peek *m,
                   int64_t now)
{
    struct found f[STREAMS];
    struct peek p = {.attempt = odd_attempt (b, m->row)};
    struct lease *l = lease_with (b, m->row);
    if (m->row >= b->submitted) {
        reply (s, c, m->ref, WIRE_UNKNOWN, 0,
               b->closed ? "the batch has no such task" : "the batch has no such task yet");
        return;
    }
    if (p.attempt == m->attempt) {
        p.at[0] = m->out_at;
        p.at[1] = m->err_at;
    }
    bool waits = row_waits (b, m->row);
    bool found = find (b, m->row, &p, f);
    if (!l)
        answer (s, c, m->ref, waits ? "waiting" : "ended", p.attempt, f);
    else if (found)
        answer (s, c, m->ref, "running", p.attempt, f);
    else if (!l->worker->peeks || is_choked (s, l))
        answer (s, c, m->ref, l->worker->peeks ? "away" : "hidden", p.attempt, f);
    else
        ask_worker (s, c, l, m, &p, now);
}

void peek_over (struct sched *s, struct waiter *w)
{
    const struct batch *b = w->batch;
    struct found f[STREAMS] = {{.at = w->peek->at[0]}, {.at = w->peek->at[1]}};
    bool waits = row_waits (b, w->first);
    answer (s, w->client, w->ref, waits ? "waiting" : "ended", w->peek->attempt, f);
    waiter_free (w);
}

static struct waiter *asked (struct batch *b, uint64_t number)
{
    struct waiter *w;
    LIST_FOREACH (w, &b->waiters, link)
        if (w->peek && w->peek->number == number)
            return w;
    return NULL;
}

void peek_on_peeked (struct sched *s, struct worker *wk, const struct wire *m)
{
    const struct msg_peeked *p = &m->m.peeked;
    struct lease *l = lease_find (wk, p->batch);
    struct waiter *w = l ? asked (l->batch, p->ref) : NULL;
    if (!w || w->first != p->row || w->peek->attempt != p->attempt || !ranges_has (&l->out, p->row))
        return;
    uint64_t at[STREAMS] = {p->out_at, p->err_at};
    struct found f[STREAMS];
    find (l->batch, p->row, w->peek, f); /* what has gone as OUTPUT meanwhile */
    for (unsigned i = 0; i < STREAMS; i++)
        if (!f[i].bytes.len && at[i] >= f[i].at)
            f[i] = (struct found){at[i], bytes_of (m->body[i].ptr, m->body[i].len)};
    answer (s, w->client, w->ref, "running", p->attempt, f);
    waiter_free (w);
}
