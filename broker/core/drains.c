/* Drains: clients that wait until a worker is empty, or the broker itself is done.
 *
 * A worker that was told to drain never takes work again, whoever waits for that. The broker takes
 * no new batches for as long as somebody who asked is there: were it to stay like that behind a
 * client that gave up, it would refuse all work, and nobody would be about to stop it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

const char DRAINING[] =
    "the broker is being drained, and stops when its batches are over: submit to "
    "another one, or to this one when it is back";

static void drain_free (struct drain *d)
{
    d->client->n_asked--;
    LIST_REMOVE (d, link);
    free (d);
}

static struct worker *worker_by_name (struct sched *s, struct bytes name)
{
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (bytes_equal (bytes_str (w->session->name), name))
            return w;
    return NULL;
}

static void add (struct sched *s, struct client *c, uint64_t ref, struct worker *w)
{
    struct drain *d = mem_zalloc (sizeof *d);
    c->n_asked++;
    d->ref = ref;
    d->client = c;
    d->worker = w;
    LIST_INSERT_HEAD (&s->drains, d, link);
}

void drains_check (struct sched *s, struct worker *w)
{
    struct drain *d = LIST_FIRST (&s->drains);
    while (d) {
        struct drain *next = LIST_NEXT (d, link);
        if (d->worker == w && LIST_EMPTY (&w->leases)) {
            reply (s, d->client, d->ref, WIRE_OK, 0, "");
            drain_free (d);
        }
        d = next;
    }
}

bool drains_broker (const struct sched *s)
{
    const struct drain *d;
    LIST_FOREACH (d, &s->drains, link)
        if (!d->worker)
            return true;
    return false;
}

/* Its end was not heard of by all who are to. */
static bool has_readers (const struct batch *b)
{
    const struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link)
        if (sub->owner && !(b->flags & BATCH_DETACHED))
            return true;
    return false;
}

/* Every batch is over, and everybody has what was said of it. */
static bool is_done (const struct sched *s)
{
    for (const struct batch *b = s->batches; b; b = b->hh.next)
        if (!b->ended || has_readers (b))
            return false;
    for (const struct session *se = s->by_token; se; se = se->by_token.next)
        if (se->client && !chan_idle (se->chan))
            return false;
    return true;
}

void drains_tick (struct sched *s)
{
    struct drain *d;
    if (!drains_broker (s) || !is_done (s))
        return;
    LIST_FOREACH (d, &s->drains, link) {
        if (d->worker || d->answered)
            continue;
        reply (s, d->client, d->ref, WIRE_OK, 0, "");
        d->answered = true; /* and nothing new begins before it has stopped us, or is gone */
    }
}

void drains_on_drain (struct sched *s, struct client *c, const struct msg_drain *m,
                      struct effects *fx)
{
    struct worker *w = m->name.len ? worker_by_name (s, m->name) : NULL;
    if (m->name.len && !w) {
        reply (s, c, m->ref, WIRE_UNKNOWN, 0, "there is no worker of that name");
        return;
    }
    if (!w && !drains_broker (s))
        effect_log (fx, LOG_INFO, "draining: no new batches client=%s host=%s pid=%" PRIu64,
                    c->session->name, c->session->host, c->session->pid);
    add (s, c, m->ref, w);
    if (!w)
        return; /* the next tick looks */
    worker_drain (s, w);
    drains_check (s, w);
}

static void drop (struct sched *s, struct client *c, bool all, uint64_t ref, struct effects *fx)
{
    bool draining = drains_broker (s);
    struct drain *d = LIST_FIRST (&s->drains);
    while (d) {
        struct drain *next = LIST_NEXT (d, link);
        if (d->client == c && (all || d->ref == ref))
            drain_free (d);
        d = next;
    }
    if (draining && !drains_broker (s))
        effect_log (fx, LOG_INFO, "not draining any more: nobody waits for it");
}

void drains_drop (struct sched *s, struct client *c, uint64_t ref, struct effects *fx)
{
    drop (s, c, false, ref, fx);
}

void drains_client_gone (struct sched *s, struct client *c, struct effects *fx)
{
    drop (s, c, true, 0, fx);
}
