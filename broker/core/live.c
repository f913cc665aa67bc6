/* Live: stdin and signals of a running row, from the client that owns the batch to the worker that
 * has the row.
 *
 * Input that comes before its row is granted is kept (a client sends a window's worth before
 * anything is taken) and goes out right behind the grant; what comes for a row whose worker is not
 * back since a restart, when it is certain that it has the row.
 */
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

struct early { /* waits for its row to be granted */
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

void live_from_client (struct sched *s, struct batch *b, const struct wire *w)
{
    struct worker *wk = holder (b, row_of (w));
    if (wk && !worker_is_away (wk)) {
        forward (s, b, wk, w);
        return;
    }
    bool finished = row_of (w) < b->submitted && !wk && !ranges_has (&b->waiting, row_of (w)) &&
                    !ranges_has (&b->later, row_of (w));
    if (finished || b->ended || b->early_bytes > WIRE_PIECE_MAX * 4)
        return;
    struct early *early = mem_zalloc (sizeof *early);
    early->w = *w;
    early->w.header = slice_keep (&w->header);
    for (int i = 0; i < WIRE_BODIES; i++)
        early->w.body[i] = slice_keep (&w->body[i]);
    b->early_bytes += sizeof *early + w->body[0].len;
    STAILQ_INSERT_TAIL (&b->early, early, link);
}

static void early_free (struct early *early)
{
    wire_fini (&early->w);
    free (early);
}

void live_granted (struct sched *s, struct batch *b, struct worker *wk, uint64_t first,
                   uint64_t count)
{
    struct early *early = STAILQ_FIRST (&b->early);
    while (early) {
        struct early *next = STAILQ_NEXT (early, link);
        uint64_t row = row_of (&early->w);
        if (row >= first && row - first < count) {
            forward (s, b, wk, &early->w);
            STAILQ_REMOVE (&b->early, early, early, link);
            b->early_bytes -= sizeof *early + early->w.body[0].len;
            early_free (early);
        }
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
