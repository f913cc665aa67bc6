/* Subs: results on their way to those who look at a batch, as fast as each of them reads, and END
 * behind them. */
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { OVER_MAX = 4096 };

struct sub *sub_new (struct client *c, struct batch *b, uint64_t handle, uint64_t record)
{
    struct sub *sub = mem_zalloc (sizeof *sub);
    sub->handle = handle;
    sub->client = c;
    sub->batch = b;
    sub->follow = true;
    TAILQ_FOREACH (sub->next, &b->log, link)
        if (sub->next->record >= record)
            break;
    HASH_ADD (hh, c->subs, handle, sizeof sub->handle, sub);
    if (handle < UINT64_MAX)
        ranges_remove (&c->over, handle, handle + 1);
    LIST_INSERT_HEAD (&b->subs, sub, link);
    b->n_subs++;
    return sub;
}

void sub_free (struct sched *s, struct sub **sub)
{
    struct sub *old = *sub;
    *sub = NULL;
    if (old->pumping)
        TAILQ_REMOVE (&s->pump, old, pump_link);
    if (old->batch->owner == old)
        old->batch->owner = NULL;
    HASH_DEL (old->client->subs, old);
    LIST_REMOVE (old, link);
    old->batch->n_subs--;
    content_fini (&old->resent);
    results_trim_later (s, old->batch); /* what was kept for it alone */
    batch_check_over (s, old->batch);
    free (old);
}

/* What a client still says of a batch whose end it has not heard of is no error. Of handles that
 * were chosen to make a long list, the lowest are forgotten. */
void client_over (struct client *c, uint64_t handle)
{
    if (handle == UINT64_MAX)
        return;
    ranges_add (&c->over, handle, handle + 1);
    if (c->over.n > OVER_MAX)
        ranges_remove (&c->over, 0, c->over.at[OVER_MAX / 2].lo);
}

void sub_over (struct sched *s, struct sub **sub)
{
    client_over ((*sub)->client, (*sub)->handle);
    sub_free (s, sub);
}

/* What none of those who submit will ask for again. A detached batch keeps its results for others.
 */
static void confirm_all (struct sched *s, struct batch *b, struct effects *fx)
{
    uint64_t all = UINT64_MAX;
    const struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link)
        if (sub->owner && sub->confirmed < all)
            all = sub->confirmed;
    if (b->flags & BATCH_DETACHED || all <= b->confirmed || all == UINT64_MAX)
        return;
    b->confirmed = all;
    record_confirmed (s, b, fx);
}

void sub_confirm (struct sched *s, struct sub *sub, uint64_t record, struct effects *fx)
{
    struct batch *b = sub->batch;
    uint64_t last = b->next_record - 1;
    if (!sub->owner)
        return;
    if (record > last && sub->told) {
        sub_over (s, &sub);
        return;
    }
    if (record > sub->confirmed)
        sub->confirmed = record < last ? record : last;
    confirm_all (s, b, fx);
}

void sub_pump_later (struct sched *s, struct sub *sub)
{
    if (sub->pumping)
        return;
    sub->pumping = true;
    TAILQ_INSERT_TAIL (&s->pump, sub, pump_link);
}

static void send_entry (struct sched *s, struct sub *sub)
{
    struct entry *en = sub->next;
    struct wire w = entry_message (en, sub->handle);
    session_post (s, sub->client->session, &w);
    sub->next = TAILQ_NEXT (en, link);
}

static void send_end (struct sched *s, struct sub *sub)
{
    struct batch *b = sub->batch;
    struct wire w = {.kind = WIRE_END };
    struct msg_end *m = &w.m.end;
    m->batch = sub->handle;
    m->state = batch_state (b);
    m->total = b->submitted;
    m->done = b->counts[OUTCOME_DONE];
    m->failed = b->counts[OUTCOME_FAILED];
    m->timeout = b->counts[OUTCOME_TIMEOUT];
    m->cancelled = b->counts[OUTCOME_CANCELLED];
    m->lost = b->counts[OUTCOME_LOST];
    m->parked = b->counts[OUTCOME_PARKED];
    m->skipped = b->counts[OUTCOME_SKIPPED];
    m->reason = bytes_str (b->reason);
    session_post (s, sub->client->session, &w);
}

/* END may be lost with this broker, and then its client asks the next one: the batch stays until it
 * says that it has seen it. */
static bool is_confirmed_later (const struct sched *s, const struct sub *sub)
{
    return s->cfg.durable && sub->owner && !(sub->batch->flags & BATCH_DETACHED);
}

/* Queue as much as the peer may have on its way, so that its channel never runs dry and never holds
 * much more. True: there is nothing left for now. */
static bool pump_one (struct sched *s, struct sub **subp)
{
    struct sub *sub = *subp;
    struct chan *chan = sub->client->session->chan;
    if (sub->compares)
        return true;
    while (sub->next) {
        if (chan_backlog_bytes (chan) > s->cfg.window_bytes)
            return false;
        send_entry (s, sub);
    }
    if ((sub->batch->ended || !sub->follow) && !sub->told) {
        send_end (s, sub);
        sub->told = true;
        if (!is_confirmed_later (s, sub))
            sub_over (s, subp);
    }
    return true;
}

void subs_pump (struct sched *s)
{
    struct sub *sub = TAILQ_FIRST (&s->pump);
    while (sub) {
        struct sub *next = TAILQ_NEXT (sub, pump_link);
        struct batch *b = sub->batch;
        if (pump_one (s, &sub) && sub) {
            TAILQ_REMOVE (&s->pump, sub, pump_link);
            sub->pumping = false;
        }
        results_trim_later (s, b);
        sub = next;
    }
}
