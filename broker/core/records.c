/* Records: what the store is told. What a client said of a batch is kept as it was said, in the
 * broker's own numbers; what the broker decided about rows (who holds them, who lost them) in kinds
 * of their own. replay.c reads them.
 *
 * A record is written where the change is made, before what follows from it: replay then meets the
 * same states in the same order. All records of a turn hold together or not at all.
 */
#include "broker/core/core.h"
#include "common/base/clock.h"

static bool wanted (const struct sched *s)
{
    return s->cfg.records && !s->replaying;
}

uint64_t sched_wall_ms (const struct sched *s, int64_t now)
{
    return (uint64_t)((s->cfg.start_wall_us + now - s->cfg.start_us) / US_PER_MS);
}

static void set_batch (struct wire *w, uint64_t id)
{
    switch (w->kind) {
    case WIRE_OPEN:
        w->m.open.batch = id;
        break;
    case WIRE_SPEC:
        w->m.spec.batch = id;
        break;
    case WIRE_ROWS:
        w->m.rows.batch = id;
        break;
    case WIRE_CLOSE:
        w->m.close.batch = id;
        break;
    case WIRE_CANCEL:
        w->m.cancel.id = id;
        break;
    case WIRE_SET:
        w->m.set.id = id;
        break;
    case WIRE_RETRY:
        w->m.retry.id = id;
        break;
    default:
        break;
    }
}

void record_said (struct sched *s, const struct batch *b, const struct wire *w, struct effects *fx)
{
    if (!wanted (s))
        return;
    struct wire mine = *w;
    set_batch (&mine, b->id);
    effect_record (fx, b->id, &mine);
}

void record_entry (struct sched *s, const struct batch *b, const struct entry *en, uint64_t holder,
                   struct effects *fx)
{
    if (!wanted (s))
        return;
    struct wire w = entry_message (en, b->id);
    if (w.kind == WIRE_RESULTS)
        w.m.results.holder = holder;
    effect_record (fx, b->id, &w);
}

void record_granted (struct sched *s, const struct lease *l, const struct msg_grant *g,
                     struct effects *fx)
{
    if (!wanted (s))
        return;
    struct wire w = {.kind = WIRE_GRANTED};
    w.m.granted = (struct msg_granted){.holder = l->worker->session->token,
                                       .batch = l->batch->id,
                                       .first = g->first,
                                       .count = g->count,
                                       .attempt = g->attempt,
                                       .share = l->share,
                                       .slot_base = g->slot_base,
                                       .slot_count = g->slot_count};
    effect_record (fx, l->batch->id, &w);
}

void record_given_back (struct sched *s, const struct lease *l, struct range r, struct effects *fx)
{
    if (!wanted (s))
        return;
    struct wire w = {.kind = WIRE_GIVEN_BACK};
    w.m.given_back = (struct msg_given_back){.holder = l->worker->session->token,
                                             .batch = l->batch->id,
                                             .first = r.lo,
                                             .count = r.hi - r.lo};
    effect_record (fx, l->batch->id, &w);
}

void record_retried (struct sched *s, const struct lease *l, const struct outcome *o,
                     struct effects *fx)
{
    if (!wanted (s))
        return;
    struct wire w = {.kind = WIRE_RETRIED};
    w.m.retried = (struct msg_retried){.holder = l->worker->session->token,
                                       .batch = l->batch->id,
                                       .row = o->row,
                                       .attempt = o->attempt,
                                       .how = o->how,
                                       .status = o->status,
                                       .signal = o->signal,
                                       .worker = bytes_str (l->worker->session->name)};
    effect_record (fx, l->batch->id, &w);
}

void record_holder_lost (struct sched *s, const struct lease *l, bool counts, struct effects *fx)
{
    if (!wanted (s))
        return;
    struct wire w = {.kind = WIRE_HOLDER_LOST};
    w.m.holder_lost = (struct msg_holder_lost){.holder = l->worker->session->token,
                                               .batch = l->batch->id,
                                               .counts = counts,
                                               .worker = bytes_str (l->worker->session->name)};
    effect_record (fx, l->batch->id, &w);
}

void record_confirmed (struct sched *s, const struct batch *b, struct effects *fx)
{
    if (!wanted (s) || s->degraded)
        return;
    struct wire w = {.kind = WIRE_CONFIRMED};
    w.m.confirmed = (struct msg_confirmed){.batch = b->id, .record = b->confirmed};
    effect_record (fx, b->id, &w);
}

void record_settled (struct sched *s, const struct after *a, bool holds, bool known,
                     struct effects *fx)
{
    if (!wanted (s))
        return;
    struct wire w = {.kind = WIRE_SETTLED};
    w.m.settled = (struct msg_settled){
        .batch = a->of->id, .on = a->id, .when = a->when, .holds = holds, .known = known};
    effect_record (fx, a->of->id, &w);
}

void record_remove (struct sched *s, const struct batch *b, struct effects *fx)
{
    if (!wanted (s))
        return;
    struct wire w = {.kind = WIRE_REMOVE};
    w.m.remove.id = b->id;
    effect_record (fx, b->id, &w);
}

void record_session (struct sched *s, const struct session *se, const struct wire *hello,
                     struct effects *fx)
{
    if (!wanted (s) || !se->worker)
        return;
    struct wire w = {.kind = WIRE_HELLO, .m.hello = hello->m.hello};
    w.m.hello.token = se->token;
    w.m.hello.received = se->unsure;
    w.m.hello.name = bytes_str (se->name);
    w.body[0] = hello->body[0];
    effect_record (fx, 0, &w);
}

void record_left (struct sched *s, const struct session *se, struct effects *fx)
{
    if (!wanted (s) || !se->worker || se->ghost)
        return;
    struct wire w = {.kind = WIRE_LEFT};
    w.m.left.token = se->token;
    effect_record (fx, 0, &w);
}
