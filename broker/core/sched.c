/* Sched: the turn. Events go to the files that know what to do with them; what follows from all of
 * them comes after. */
#include "broker/core/sched.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

enum { TICK_US = 250 * US_PER_MS };

void sched_config_defaults (struct sched_config *c)
{
    *c = (struct sched_config){
        .version = "0",
        .durability = "memory",
        .ping_us = 2 * US_PER_S,
        .suspect_us = 6 * US_PER_S,
        .lost_us = 20 * US_PER_S,
        .orphan_us = 600 * (int64_t)US_PER_S,
        .client_gone_us = 10 * US_PER_S,
        .reattach_us = 60 * US_PER_S,
        .window_msgs = 256,
        .window_bytes = 4 << 20,
        .queue_bytes = 1 << 30,
        .overflow_bytes = 1 << 30,
        .result_bytes = 64 << 20,
        .client_tasks = 100000000,
        .client_batches = 100000,
        .losses_max = 3,
    };
}

struct sched *sched_new (const struct sched_config *c)
{
    struct sched *s = mem_zalloc (sizeof *s);
    s->cfg = *c;
    if (!s->cfg.client_bytes)
        s->cfg.client_bytes = s->cfg.queue_bytes / 4 * 3;
    /* tokens of an earlier life of the same broker must not be given to others */
    s->peeks = c->broker_id; /* answers to what another life asked for are not meant */
    s->rng = c->seed + c->first_commit * 0xd1342543de82ef95u;
    s->next_batch = 1;
    s->replayed = c->went_back; /* even if nothing is left */
    s->turn = c->first_commit ? c->first_commit : 1;
    s->committed = s->turn - 1;
    s->take_back_us = CLOCK_NEVER;
    TAILQ_INIT (&s->ready);
    TAILQ_INIT (&s->workers);
    TAILQ_INIT (&s->hungry);
    TAILQ_INIT (&s->over);
    TAILQ_INIT (&s->settles);
    TAILQ_INIT (&s->kept);
    TAILQ_INIT (&s->dirty);
    TAILQ_INIT (&s->pump);
    TAILQ_INIT (&s->trim);
    LIST_INIT (&s->drains);
    TAILQ_INIT (&s->orphans.ready);
    LIST_INIT (&s->orphans.waiters);
    LIST_INIT (&s->orphans.owned);
    return s;
}

void sched_free (struct sched **sp)
{
    struct sched *s = *sp;
    *sp = NULL;
    if (!s)
        return;
    struct effects fx = {0};
    struct session *se, *tmp;
    HASH_ITER (by_token, s->by_token, se, tmp) {
        session_end (s, se, 0, &fx);
        effects_clear (&fx);
    }
    struct batch *b, *tmp_b;
    HASH_ITER (hh, s->batches, b, tmp_b) {
        struct batch *gone = b;
        batch_free (s, &gone);
    }
    effects_fini (&fx);
    due_fini (s);
    quarantine_fini (s);
    free (s->degraded);
    free (s);
}

static void on_tick (struct sched *s, const struct sched_event *ev, int64_t now, struct effects *fx)
{
    if (!s->degraded)
        place_take_back (s, now);
    due_tick (s, now);
    if (now < s->tick_us && !ev->lag_us)
        return;
    s->tick_us = now + TICK_US; /* from now: never catch up in a burst */
    sessions_tick (s, ev, now, fx);
    drains_tick (s);
    quarantine_tick (s, now);
    wide_tick (s, now);
    if (!s->degraded)
        batches_tick (s, now, fx);
}

void sched_step (struct sched *s, const struct sched_event *ev, int64_t now_us, struct effects *fx)
{
    s->now_us = now_us;
    replay_finish (s, now_us, fx); /* before anything else happens to it */
    switch (ev->kind) {
    case EVENT_MESSAGE:
        session_on_message (s, ev, now_us, fx);
        break;
    case EVENT_MALFORMED:
        session_on_malformed (s, ev, now_us, fx);
        break;
    case EVENT_GONE:
        session_on_gone (s, ev, now_us);
        break;
    case EVENT_TICK:
        on_tick (s, ev, now_us, fx);
        break;
    case EVENT_STOP:
        sessions_stop (s, fx);
        effect_stop (fx);
        break;
    }
}

void sched_end_turn (struct sched *s, int64_t now_us, struct effects *fx)
{
    s->now_us = now_us;
    replay_finish (s, now_us, fx);
    subs_pump (s); /* first: a batch that was not read, and is now, has rows to place */
    results_trim_all (s);
    after_settle (s, fx);
    place (s, now_us, fx);
    batches_free_over (s, fx);
    s->turn++;
}

uint64_t sched_commit_number (const struct sched *s)
{
    return s->turn - 1;
}

void sched_committed (struct sched *s, uint64_t commit)
{
    if (commit > s->committed)
        s->committed = commit;
}

void sched_flush (struct sched *s, int64_t now_us, struct effects *fx)
{
    sessions_flush (s, now_us, fx);
}

int64_t sched_deadline (const struct sched *s)
{
    int64_t next = s->take_back_us < s->tick_us ? s->take_back_us : s->tick_us;
    return due_next (s) < next ? due_next (s) : next;
}

uint64_t sched_peers (const struct sched *s)
{
    return s->n_workers + s->n_clients;
}

struct sched_figures sched_figures (const struct sched *s)
{
    struct sched_figures f = {
        .clients = s->n_clients,
        .workers = s->n_workers,
        .batches = HASH_COUNT (s->batches),
        .queue_bytes = s->queue_bytes,
        .fenced = s->fenced,
        .duplicates = s->duplicates,
        .malformed = s->malformed,
    };
    for (const struct batch *b = s->batches; b; b = b->hh.next) {
        f.waiting += rows_waiting (b);
        f.granted += b->granted;
    }
    return f;
}
