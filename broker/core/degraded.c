/* Degraded: the store takes no commits for now. What is there is served and goes on: queries,
 * running tasks, connections. Nothing that would have to be recorded is done: no rows are granted,
 * nobody is judged, nothing is forgotten. New work is refused in words; what peers send all the
 * same is left with them, unacknowledged, and so is all that they number behind it. When the store
 * takes commits again they are asked to come again, and send it once more.
 *
 * Trying each message's commit instead would drop the scheduler, with every session, each time.
 */
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

void sched_set_degraded (struct sched *s, const char *reason)
{
    if (!reason && !s->degraded)
        return;
    s->unshut |= !reason != !s->degraded;
    s->placing = true;
    free (s->degraded);
    s->degraded = reason ? mem_strdup (reason) : NULL;
}

/* Something new about a batch; what it knows is only compared. */
static bool adds (struct client *c, uint64_t handle, const struct wire *w)
{
    const struct sub *sub = c ? client_sub (c, handle) : NULL;
    return sub && sub->owner && !batch_knows (sub->batch, w);
}

/* Whether it would have to be recorded. What can be answered with a refusal is not among it. */
static bool needs_record (struct session *se, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_SPEC:
        return adds (se->client, w->m.spec.batch, w);
    case WIRE_ROWS:
        return adds (se->client, w->m.rows.batch, w);
    case WIRE_CLOSE:
        return adds (se->client, w->m.close.batch, w);
    case WIRE_CANCEL:
        return !w->m.cancel.ref;
    case WIRE_RESULTS:
    case WIRE_OUTPUT:
    case WIRE_RETURNED:
    case WIRE_HOLD:
        return se->worker;
    default:
        return false;
    }
}

bool degraded_leaves (struct sched *s, struct session *se, const struct wire *w)
{
    if (!w->seq)
        return false;
    se->missed |= s->degraded && needs_record (se, w);
    return se->missed;
}

bool degraded_refuses (struct sched *s, struct client *c, uint64_t ref)
{
    if (s->degraded)
        reply (s, c, ref, WIRE_STORAGE, 0, s->degraded);
    return s->degraded;
}

void degraded_tell (struct sched *s, struct effects *fx)
{
    if (!s->unshut)
        return;
    s->unshut = false;
    for (struct session *se = s->by_token; se; se = se->by_token.next) {
        if (se->route)
            session_say_window (s, se, fx);
        if (!s->degraded && se->missed) {
            se->missed = false;
            session_error (s, se, WIRE_NO_SESSION, 0, 0, fx,
                           "the store takes commits again: HELLO again");
        }
    }
}
