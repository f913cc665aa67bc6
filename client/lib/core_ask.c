/* Asking the broker; what comes back is for core.c.
 *
 * What is asked leaves in the control lane. A cancellation of some rows must not come before them;
 * but it may not wait behind others either, which the window holds up, perhaps because the very
 * tasks that are to be cancelled do not come to an end. So it is asked in two parts where some of
 * its rows have left and some have not.
 */
#include <errno.h>
#include <inttypes.h>

#include "client/lib/core.h"
#include "client/lib/unsent.h"
#include "common/base/hash.h"

enum { PARTS = 2 };

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

static uint64_t ask_part (struct core *c, enum chan_lane lane, struct wire *w, uint64_t handle,
                          struct err *e)
{
    uint64_t ref = requests_ask (&c->requests, c->session, lane, w, handle, e);
    if (ref)
        requests_find (&c->requests, ref)->range = true;
    return ref;
}

/* How many refs, or 0. */
static int ask_range (struct core *c, struct wire *w, uint64_t handle, uint64_t *refs,
                      struct err *e)
{
    struct batch *b = NULL;
    HASH_FIND (hh, c->batches, &handle, sizeof handle, b);
    if (b && !b->over && send_rows_of (b, &w->m.cancel, e) != 0)
        return 0;
    struct msg_cancel *m = &w->m.cancel;
    uint64_t unsent = unsent_first (c->session, handle);
    bool left = unsent == UINT64_MAX || (m->first < unsent && m->count <= unsent - m->first);
    if (left || m->first >= unsent) {
        refs[0] = ask_part (c, left ? LANE_CONTROL : LANE_BULK, w, handle, e);
        return refs[0] ? 1 : 0;
    }
    uint64_t count = m->count;
    m->count = unsent - m->first;
    refs[0] = ask_part (c, LANE_CONTROL, w, handle, e);
    m->first = unsent;
    m->count = count - m->count;
    refs[1] = refs[0] ? ask_part (c, LANE_BULK, w, handle, e) : 0;
    return refs[1] ? 2 : 0;
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

static int ask (struct core *c, struct wire *w, uint64_t handle, uint64_t *refs, struct err *e)
{
    if (core_gone (c, e) != 0)
        return 0;
    if (w->kind == WIRE_CANCEL && w->m.cancel.count && handle)
        return ask_range (c, w, handle, refs, e);
    name_request (c, w);
    refs[0] = requests_ask (&c->requests, c->session, LANE_CONTROL, w, handle, e);
    return refs[0] ? 1 : 0;
}

uint64_t core_ask (struct core *c, struct wire *w, uint64_t handle, struct err *e)
{
    uint64_t refs[PARTS];
    int count = ask (c, w, handle, refs, e);
    return count == 0 ? 0 : count == 1 ? refs[0] : core_join (c, refs, (size_t)count);
}

int core_tell (struct core *c, struct wire *w, uint64_t handle, struct err *e)
{
    uint64_t refs[PARTS];
    int count = ask (c, w, handle, refs, e);
    for (int i = 0; i < count; i++)
        requests_find (&c->requests, refs[i])->quiet = true;
    return count ? 0 : -1;
}
