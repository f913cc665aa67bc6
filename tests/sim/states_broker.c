#include <inttypes.h>
#include <stdio.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "tests/sim/states.h"

enum { ANSWERS_US = 3 * US_PER_S }; /* who said something in that time */

enum broker_state state_at_broker (const struct sched *s, uint64_t route)
{
    struct session *se = NULL;
    HASH_FIND (by_route, s->by_route, &route, sizeof route, se);
    if (!se)
        return BROKER_NO_SESSION;
    if (se->client)
        return se->shut ? BROKER_CLIENT_SHUT : BROKER_CLIENT;
    if (se->worker->holding)
        return BROKER_WORKER_HOLDING;
    if (se->worker->suspect)
        return BROKER_WORKER_SUSPECT;
    return se->worker->draining ? BROKER_WORKER_DRAINING : BROKER_WORKER;
}

bool broker_has (const struct sched *s, uint64_t token, uint64_t *route)
{
    struct session *se = NULL;
    HASH_FIND (by_token, s->by_token, &token, sizeof token, se);
    *route = se ? se->route : 0;
    return se;
}

uint64_t broker_received (const struct sched *s, uint64_t token)
{
    struct session *se = NULL;
    HASH_FIND (by_token, s->by_token, &token, sizeof token, se);
    return se ? chan_received (se->chan) : 0;
}

uint64_t broker_grants (const struct sched *s, uint64_t token)
{
    struct session *se = NULL;
    HASH_FIND (by_token, s->by_token, &token, sizeof token, se);
    return se && se->worker ? se->worker->grants : 0;
}

static bool answers (const struct worker *w, int64_t now_us)
{
    return w->session->route && !w->session->doubtful && !w->holding && !w->suspect &&
           !w->draining && now_us - w->session->heard_us < ANSWERS_US;
}

/* (Slots that are kept for a task which takes several, or that runs alone, are not idle, though
 * they look so.) */
static bool has_room (const struct sched *s, const struct worker * not, const struct batch *b,
                      int64_t now_us)
{
    const struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (w != not &&answers (w, now_us) && w->occupied + b->cpus <= w->slots && !w->alone_us &&
            (!w->drained_for || w->drained_for == b))
            return true;
    return false;
}

uint64_t broker_hoards (const struct sched *s, int64_t now_us, int64_t still_us)
{
    const struct worker *w;
    const struct lease *l;
    TAILQ_FOREACH (w, &s->workers, link)
        LIST_FOREACH (l, &w->leases, w_link)
            if (l->out.count > l->slots.count && !l->taking_back && answers (w, now_us) &&
                now_us - l->moved_us > still_us && !l->batch->waiting.count &&
                l->batch->slots.count && !l->batch->paused && !l->batch->cancelled &&
                has_room (s, w, l->batch, now_us))
                return l->batch->id;
    return 0;
}

void broker_describe (const struct sched *s, char *text, size_t size)
{
    const struct batch *b = s->batches;
    while (b && !b->waiting.count && !b->granted)
        b = b->hh.next;
    snprintf (text, size, "the broker is done");
    if (b)
        snprintf (text, size,
                  "batch %" PRIu64 " of %s: %" PRIu64 " rows wait, %" PRIu64 " are out%s%s%s",
                  b->id, b->client->session ? b->client->session->name : "nobody", b->waiting.count,
                  b->granted, b->paused ? ", paused" : "", b->cancelled ? ", cancelled" : "",
                  b->ready ? ", ready" : "");
}
