/* Replay: a scheduler from the records of an earlier life. Where it can be, it is the code that
 * made the change when it was new; nothing is recorded, and nobody is told.
 *
 * Records come in the order of their commits, or batch by batch with those of sessions first: a
 * GRANTED may name a session that has ended since. Such a holder is a ghost, until a later record
 * of the batch says what became of the rows; a ghost that holds rows at the end is lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

static struct worker *holder (struct sched *s, uint64_t token)
{
    struct session *se = session_by_token (s, token);
    if (!se)
        se = restored_ghost (s, token);
    return se->worker;
}

/* What the holder has of the batch; NULL with an error where that is nothing. */
static struct lease *lease_of (struct sched *s, struct batch *b, uint64_t token, struct err *e)
{
    struct session *se = session_by_token (s, token);
    struct lease *l = se && se->worker ? lease_find (se->worker, b->id) : NULL;
    if (!l)
        err_set (e, EINVAL, "holder %016" PRIx64 " holds nothing", token);
    return l;
}

static bool covers (const struct ranges *r, uint64_t lo, uint64_t hi)
{
    struct range part = ranges_from (r, lo);
    return part.lo == lo && part.hi >= hi && lo < hi;
}

typedef int replay_fn (struct sched *s, struct batch *b, const struct wire *w, struct err *e);

static int on_spec (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    return batch_spec (s, b, w, NULL, e);
}

static int on_rows (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    struct content none = {0};
    int rc = batch_rows (s, b, w, &none, NULL, e);
    content_fini (&none);
    return rc;
}

static int on_close (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    return batch_close (s, b, &w->m.close, NULL, e);
}

static int on_cancel (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    (void)s;
    (void)e;
    batch_cancel_replay (b, &w->m.cancel);
    return 0;
}

static int on_retry (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    if (!batch_rerun (s, b, &w->m.retry))
        return err_set (e, EINVAL, "there is nothing to retry");
    return 0;
}

static int on_set (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    (void)e;
    set_replay (s, b, &w->m.set);
    return 0;
}

static int on_remove (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    (void)w;
    if (b->granted)
        return err_set (e, EINVAL, "some of its rows are out");
    batch_free (s, &b);
    return 0;
}

static int on_results (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    struct lease *l = NULL;
    if (w->m.results.holder && !(l = lease_of (s, b, w->m.results.holder, e)))
        return -1;
    return results_replay (s, b, l, w, e);
}

static int on_output (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    return output_replay (s, b, w, e);
}

static int on_granted (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    const struct msg_granted *m = &w->m.granted;
    struct worker *wk = holder (s, m->holder);
    uint64_t hi = m->first + m->count;
    if (hi >= m->first)
        due_now (s, b, m->first, hi);
    if (!wk || hi < m->first || !covers (&b->waiting, m->first, hi))
        return err_set (e, EINVAL, "rows from %" PRIu64 " on are granted, but did not wait",
                        m->first);
    if (m->slot_count && !covers (&b->slots, m->slot_base, m->slot_base + m->slot_count))
        return err_set (e, EINVAL, "slot numbers from %" PRIu64 " on are granted twice",
                        m->slot_base);
    uint64_t shares = wk->shares;
    struct lease *l = lease_get (b, wk);
    l->share = m->share;
    wk->shares = shares > m->share ? shares : m->share;
    ranges_remove (&b->slots, m->slot_base, m->slot_base + m->slot_count);
    ranges_add (&l->slots, m->slot_base, m->slot_base + m->slot_count);
    for (uint64_t row = m->first; row < hi && (b->odd || m->attempt != 1); row++)
        if (odd_attempt (b, row) != m->attempt)
            odd_get (b, row)->attempt = (unsigned)m->attempt;
    lease_take_out (s, l, m->first, hi);
    return 0;
}

static int on_given_back (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    const struct msg_given_back *m = &w->m.given_back;
    struct lease *l = lease_of (s, b, m->holder, e);
    if (!l)
        return -1;
    lease_give_back (s, l, m->first, m->first + m->count, NULL);
    lease_drop_if_empty (s, l);
    return 0;
}

/* The holder's name: a ghost has none of its own. For the caller to free. */
static char *name_of (const struct lease *l, struct bytes said)
{
    return said.len ? mem_strndup ((const char *)said.ptr, said.len)
                    : mem_strdup (l->worker->session->name);
}

static int on_holder_lost (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    struct lease *l = lease_of (s, b, w->m.holder_lost.holder, e);
    if (!l)
        return -1;
    char *worker = name_of (l, w->m.holder_lost.worker);
    lease_lose (s, l, w->m.holder_lost.counts, worker, 0, NULL);
    free (worker);
    return 0;
}

static int on_retried (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    const struct msg_retried *m = &w->m.retried;
    struct lease *l = lease_of (s, b, m->holder, e);
    struct outcome o = {.row = m->row,
                        .attempt = m->attempt,
                        .how = (enum outcome_how)m->how,
                        .status = (unsigned)m->status,
                        .signal = (unsigned)m->signal};
    if (!l)
        return -1;
    if (!ranges_has (&l->out, m->row))
        return err_set (e, EINVAL, "row %" PRIu64 " is run again, but was not granted", m->row);
    char *worker = name_of (l, m->worker);
    retry_row (s, l, &o, worker, 0, NULL);
    lease_count (l);
    lease_drop_if_empty (s, l);
    free (worker);
    return 0;
}

static int on_settled (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    (void)s;
    return after_replay (b, &w->m.settled, e);
}

static int on_confirmed (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    (void)e;
    results_confirmed (s, b, w->m.confirmed.record);
    return 0;
}

/* What may be recorded of a batch, and where its record says which. */
static const struct {
    replay_fn *fn;
    size_t batch;
} OF_BATCH[256] = {
    [WIRE_SPEC] = {on_spec, offsetof (union wire_msg, spec.batch)},
    [WIRE_ROWS] = {on_rows, offsetof (union wire_msg, rows.batch)},
    [WIRE_CLOSE] = {on_close, offsetof (union wire_msg, close.batch)},
    [WIRE_CANCEL] = {on_cancel, offsetof (union wire_msg, cancel.id)},
    [WIRE_RETRY] = {on_retry, offsetof (union wire_msg, retry.id)},
    [WIRE_SET] = {on_set, offsetof (union wire_msg, set.id)},
    [WIRE_REMOVE] = {on_remove, offsetof (union wire_msg, remove.id)},
    [WIRE_RESULTS] = {on_results, offsetof (union wire_msg, results.batch)},
    [WIRE_OUTPUT] = {on_output, offsetof (union wire_msg, output.batch)},
    [WIRE_GRANTED] = {on_granted, offsetof (union wire_msg, granted.batch)},
    [WIRE_GIVEN_BACK] = {on_given_back, offsetof (union wire_msg, given_back.batch)},
    [WIRE_HOLDER_LOST] = {on_holder_lost, offsetof (union wire_msg, holder_lost.batch)},
    [WIRE_RETRIED] = {on_retried, offsetof (union wire_msg, retried.batch)},
    [WIRE_SETTLED] = {on_settled, offsetof (union wire_msg, settled.batch)},
    [WIRE_CONFIRMED] = {on_confirmed, offsetof (union wire_msg, confirmed.batch)},
};

static int replay_open (struct sched *s, const struct wire *w, struct err *e)
{
    uint64_t id = w->m.open.batch;
    if (!id || batch_find (s, id))
        return err_set (e, EINVAL, "batch %" PRIu64 " is there twice", id);
    const struct batch *before = batch_by_key (s, w->m.open.key);
    if (before && !before->cut_short) /* that one lets go of it, whatever became of it since */
        return err_set (e, EINVAL, "batch %" PRIu64 " has the key of another", id);
    batch_open (s, &s->orphans, w, 0, NULL);
    return 0;
}

static int replay_hello (struct sched *s, const struct wire *w, struct err *e)
{
    uint64_t token = w->m.hello.token;
    struct session *se = session_by_token (s, token);
    if (!token || w->m.hello.role != ROLE_WORKER)
        return err_set (e, EINVAL, "session %016" PRIx64 " is no worker's", token);
    if (se)
        restored_mark (s, se, w);
    else
        restored_new (s, w);
    return 0;
}

static int replay_left (struct sched *s, const struct wire *w, struct err *e)
{
    struct session *se = session_by_token (s, w->m.left.token);
    if (!se)
        return err_set (e, EINVAL, "session %016" PRIx64 " ends, but did not begin",
                        w->m.left.token);
    if (LIST_EMPTY (&se->worker->leases))
        session_end (s, se, 0, NULL);
    else
        se->ghost = true;
    return 0;
}

static int replay_of_batch (struct sched *s, const struct wire *w, struct err *e)
{
    const char *name = wire_name (w->kind) ? wire_name (w->kind) : "a record";
    struct err why;
    if (!OF_BATCH[w->kind & 255].fn)
        return err_set (e, EINVAL, "%s is no record", name);
    uint64_t id = *(const uint64_t *)((const char *)&w->m + OF_BATCH[w->kind & 255].batch);
    struct batch *b = batch_find (s, id);
    if (!b && w->kind == WIRE_REMOVE) { /* all that is left of it: its number was given */
        s->next_batch = id >= s->next_batch ? id + 1 : s->next_batch;
        return 0;
    }
    if (!b)
        return err_set (e, EINVAL, "%s of batch %" PRIu64 " that was not opened", name, id);
    if (OF_BATCH[w->kind & 255].fn (s, b, w, &why) < 0)
        return err_set (e, EINVAL, "batch %" PRIu64 ", %s: %s", id, name, why.text);
    if (w->kind != WIRE_REMOVE)
        batch_progress (s, b, 0);
    return 0;
}

int sched_replay (struct sched *s, const struct wire *record, struct err *e)
{
    int rc;
    s->replaying = s->replayed = true;
    switch (record->kind) {
    case WIRE_OPEN:
        rc = replay_open (s, record, e);
        break;
    case WIRE_HELLO:
        rc = replay_hello (s, record, e);
        break;
    case WIRE_LEFT:
        rc = replay_left (s, record, e);
        break;
    default:
        rc = replay_of_batch (s, record, e);
    }
    s->replaying = false;
    return rc;
}

/* Clocks begin with the first turn: nobody knows how long the broker was away. */
static void start_clocks (struct sched *s, int64_t now)
{
    s->judge_us = now + s->cfg.reattach_us;
    s->exclusive_us = now + s->cfg.lost_us;
    s->now_us = now;
    for (struct batch *b = s->batches; b; b = b->hh.next) {
        struct lease *l;
        if (!b->ended)
            batch_start_clocks (s, b, now);
        due_start (s, b, now);
        batch_set_ready (s, b);
        LIST_FOREACH (l, &b->leases, b_link)
            l->moved_us = now;
    }
    retention_start_clocks (s, now);
    for (struct session *se = s->by_token; se; se = se->by_token.next)
        se->heard_us = se->gone_us = now;
    if (s->cfg.went_back)
        restored_doubt (s);
}

static void settle (struct sched *s, int64_t now, struct effects *fx)
{
    struct session *se, *tmp;
    HASH_ITER (by_token, s->by_token, se, tmp) {
        if (!se->ghost)
            continue;
        if (!LIST_EMPTY (&se->worker->leases))
            effect_log (fx, LOG_WARN, "rows of a worker that is not known session=%016" PRIx64,
                        se->token);
        session_end (s, se, now, fx);
    }
    restored_record_doubt (s, fx);
    struct batch *b, *next;
    HASH_ITER (hh, s->batches, b, next) {
        batch_cancel_rest (s, b, now, fx);
        after_follow (s, b, fx);
        after_skip (s, b, fx);
    }
}

void replay_finish (struct sched *s, int64_t now, struct effects *fx)
{
    if (s->replayed) {
        s->replayed = false;
        s->unsettled = true;
        start_clocks (s, now);
    }
    if (s->unsettled && !s->degraded) {
        s->unsettled = false;
        settle (s, now, fx);
    }
}
