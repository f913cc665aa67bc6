/* Asking the broker; what comes back is for core.c. */
#include <errno.h>
#include <inttypes.h>

#include "client/lib/core.h"
#include "common/base/hash.h"

/* --- cancelling some rows -----------------------------------------------------------------------
 * Who cancels rows that have left must not wait behind others, which the window holds up: perhaps
 * because the very tasks that are to be cancelled do not come to an end. */

struct search {
    uint64_t handle;
    uint64_t first;
};

static bool look (void *arg, const struct wire_frames *f)
{
    struct search *x = arg;
    struct wire w;
    if (x->first != UINT64_MAX || wire_frames_kind (f) != WIRE_ROWS ||
        wire_decode (&w, f, NULL, NULL) != 0)
        return false;
    if (w.m.rows.batch == x->handle)
        x->first = w.m.rows.first;
    wire_fini (&w);
    return false;
}

/* The first row of a batch that waits in the session to leave, or UINT64_MAX. */
static uint64_t first_queued (struct session *s, uint64_t handle)
{
    struct search x = {handle, UINT64_MAX};
    session_sift (s, look, &x);
    return x.first;
}

/* A range may speak of rows that are still waiting to leave: those go before it. Where chunks are
 * to be whole they cannot. */
static int send_rows_of (struct batch *b, const struct msg_cancel *m, struct err *e)
{
    bool waits =
        b->chunk_count && (m->first >= b->chunk_first || m->count > b->chunk_first - m->first);
    if (!b->whole_chunks)
        return batch_flush (b, e);
    if (!waits)
        return 0;
    return err_set (e, EINVAL,
                    "rows from %" PRIu64 " on leave when their chunk is full, or with the end of "
                    "the batch: they cannot be cancelled before",
                    b->chunk_first);
}

static uint64_t ask_range_in (struct core *c, enum chan_lane lane, struct wire *w, uint64_t handle,
                              struct err *e)
{
    uint64_t ref = requests_ask (&c->requests, c->session, lane, w, handle, e);
    if (ref)
        requests_find (&c->requests, ref)->range = true;
    return ref;
}

/* What of it has left is cancelled at once; all of it, behind what has not. */
static uint64_t ask_range (struct core *c, struct wire *w, uint64_t handle, struct err *e)
{
    struct batch *b = NULL;
    HASH_FIND (hh, c->batches, &handle, sizeof handle, b);
    if (b && !b->over && send_rows_of (b, &w->m.cancel, e) != 0)
        return 0;
    const struct msg_cancel *m = &w->m.cancel;
    uint64_t unsent = first_queued (c->session, handle);
    if (m->first < unsent && m->count <= unsent - m->first)
        return ask_range_in (c, LANE_CONTROL, w, handle, e);
    if (m->first < unsent) {
        struct wire sent = *w;
        sent.m.cancel.count = unsent - m->first;
        uint64_t ref = ask_range_in (c, LANE_CONTROL, &sent, handle, e);
        if (!ref)
            return 0;
        requests_find (&c->requests, ref)->quiet = true;
    }
    return ask_range_in (c, LANE_BULK, w, handle, e);
}

/* --- any request --------------------------------------------------------------------------------
 */

/* What is done anew each time it is asked for gets a name, by which the broker knows it again. */
static void name_request (const struct core *c, struct wire *w)
{
    uint64_t name[] = {session_token (c->session), c->requests.last + 1};
    if (w->kind == WIRE_RETRY && name[0])
        w->m.retry.said = hash_bytes (name, sizeof name);
}

uint64_t core_ask (struct core *c, struct wire *w, uint64_t handle, struct err *e)
{
    if (core_gone (c, e) != 0)
        return 0;
    name_request (c, w);
    if (w->kind == WIRE_CANCEL && w->m.cancel.count && handle)
        return ask_range (c, w, handle, e);
    return requests_ask (&c->requests, c->session, LANE_CONTROL, w, handle, e);
}

int core_tell (struct core *c, struct wire *w, uint64_t handle, struct err *e)
{
    uint64_t ref = core_ask (c, w, handle, e);
    if (!ref)
        return -1;
    requests_find (&c->requests, ref)->quiet = true;
    return 0;
}
