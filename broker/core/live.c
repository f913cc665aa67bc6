/* Live: stdin and signals of a running row, from the client that owns the batch to the worker that
 * has the row.
 *
 * Input is kept until its row has taken it or has ended (a client sends a window's worth before
 * anything is taken): it goes out right behind the grant, again where the first worker gave the row
 * back unstarted, and, after a restart, when it is certain that the worker has the row.
 */
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

/* Live input does not mind the window, so it comes also when there is no room for anything else.
 * What a client may send before its rows take it is no more than this, for hundreds of rows. */
#define LIVE_ROOM ((uint64_t)64 << 20)

struct early { /* may have to be said (again) when its row is granted */
    struct wire w;
    STAILQ_ENTRY (early) link;
};

static uint64_t row_of (const struct wire *w)
{
    return w->kind == WIRE_INPUT ? w->m.input.row : w->m.signal.row;
}

static void forward (struct sched *s, struct batch *b, struct worker *wk, const struct wire *w)
{
    struct wire copy = *w;
    if (w->kind == WIRE_INPUT)
        copy.m.input.batch = b->id;
    else
        copy.m.signal.batch = b->id;
    session_post (s, wk->session, &copy);
}

static struct worker *holder (struct batch *b, uint64_t row)
{
    struct lease *l;
    LIST_FOREACH (l, &b->leases, b_link)
        if (ranges_has (&l->out, row))
            return l->worker;
    return NULL;
}

static void early_free (struct early *early)
{
    wire_fini (&early->w);
    free (early);
}

static void keep (struct sched *s, struct batch *b, const struct wire *w)
{
    struct early *early = mem_zalloc (sizeof *early);
    early->w = *w;
    early->w.header = slice_keep (&w->header);
    for (int i = 0; i < WIRE_BODIES; i++)
        early->w.body[i] = slice_keep (&w->body[i]);
    batch_own_more (s, b, sizeof *early + w->body[0].len);
    STAILQ_INSERT_TAIL (&b->early, early, link);
}

static void drop (struct sched *s, struct batch *b, struct early *early)
{
    STAILQ_REMOVE (&b->early, early, early, link);
    batch_own_less (s, b, sizeof *early + early->w.body[0].len);
    early_free (early);
}

/* Signals have no window, and to drop one of thousands is what a system does, too. Live input that
 * is dropped is missed: a client that minds its limit, 256 KiB for each row, comes to this one with
 * hundreds of rows on a worker that is stopped. */
static bool is_choked (const struct sched *s, const struct worker *wk, const struct wire *w)
{
    uint64_t most = UNREAD_WINDOWS * s->cfg.window_bytes;
    if (w->kind == WIRE_INPUT)
        most += LIVE_ROOM;
    return chan_backlog_bytes (wk->session->chan) > most;
}

bool live_from_client (struct sched *s, struct batch *b, const struct wire *w)
{
    struct worker *wk = holder (b, row_of (w));
    bool there = wk && !worker_is_away (wk);
    bool finished = row_of (w) < b->submitted && !wk && !row_waits (b, row_of (w));
    if (there && is_choked (s, wk, w))
        return false;
    if (there)
        forward (s, b, wk, w);
    if (finished || b->ended || (there && !(b->flags & BATCH_INPUT)))
        return true;
    if (s->queue_bytes > s->cfg.overflow_bytes + LIVE_ROOM)
        return false;
    keep (s, b, w);
    return true;
}

void live_granted (struct sched *s, struct batch *b, struct worker *wk, uint64_t first,
                   uint64_t count)
{
    struct early *early = STAILQ_FIRST (&b->early);
    while (early) {
        struct early *next = STAILQ_NEXT (early, link);
        bool meant = row_of (&early->w) >= first && row_of (&early->w) - first < count;
        if (meant)
            forward (s, b, wk, &early->w);
        if (meant && !(b->flags & BATCH_INPUT)) /* a signal is meant for one run */
            drop (s, b, early);
        early = next;
    }
}

void live_taken (struct sched *s, struct batch *b, uint64_t row, uint64_t upto)
{
    struct early *early = STAILQ_FIRST (&b->early);
    while (early) {
        struct early *next = STAILQ_NEXT (early, link);
        const struct wire *w = &early->w;
        bool input = w->kind == WIRE_INPUT;
        if (row_of (w) == row && (!input || w->m.input.offset + w->body[0].len <= upto))
            drop (s, b, early);
        early = next;
    }
}

void live_free (struct batch *b)
{
    struct early *early;
    while ((early = STAILQ_FIRST (&b->early))) {
        STAILQ_REMOVE_HEAD (&b->early, link);
        early_free (early);
    }
}
