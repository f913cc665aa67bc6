/* Agent: events to those who know what to do with them, and the end of each turn. */
#include <stdlib.h>

#include "worker/core/core.h"

enum {
    EXECUTORS_MAX = 2000,
    IO_TASKS = 1000,
    BACKLOG_BYTES = 8 << 20,
};

static void copy_config (struct agent *a, const struct agent_config *c)
{
    a->cfg = *c;
    a->cfg.name = mem_strdup (c->name ? c->name : "");
    a->cfg.host = mem_strdup (c->host ? c->host : "");
    a->cfg.version = mem_strdup (c->version ? c->version : "");
    a->cfg.broker = mem_strdup (c->broker ? c->broker : "");
    if (!a->cfg.executors_max)
        a->cfg.executors_max = EXECUTORS_MAX;
    if (!a->cfg.io_tasks)
        a->cfg.io_tasks = IO_TASKS;
    if (!a->cfg.backlog_bytes)
        a->cfg.backlog_bytes = BACKLOG_BYTES;
}

struct agent *agent_new (const struct agent_config *c)
{
    struct agent *a = mem_zalloc (sizeof *a);
    copy_config (a, c);
    a->slots = c->slots;
    a->due_us = CLOCK_NEVER;
    TAILQ_INIT (&a->waiting);
    TAILQ_INIT (&a->out);
    TAILQ_INIT (&a->deep);
    for (unsigned kind = 0; kind < AGENT_KINDS; kind++)
        TAILQ_INIT (&a->idle[kind]);
    session_init (&a->session, &a->cfg, c->replaces);
    return a;
}

void agent_free (struct agent **ap)
{
    struct agent *a = *ap;
    if (!a)
        return;
    struct executor *e;
    struct executor *etmp;
    struct batch *b;
    struct batch *btmp;
    HASH_ITER (hh, a->executors, e, etmp)
        executor_free (a, &e);
    HASH_ITER (hh, a->batches, b, btmp)
        batch_free (a, &b);
    session_fini (&a->session);
    holds_fini (&a->silenced);
    bits_fini (&a->indexes);
    free ((char *)a->cfg.name);
    free ((char *)a->cfg.host);
    free ((char *)a->cfg.version);
    free ((char *)a->cfg.broker);
    free (a);
    *ap = NULL;
}

static void on_message (struct agent *a, const struct wire *w, int64_t now,
                        struct agent_effects *fx)
{
    enum session_news news = session_receive (&a->session, w, now, fx);
    if (news == SESSION_WORK)
        orders_message (a, w, now, fx);
    else if (news == SESSION_RENEWED || news == SESSION_GIVEN_UP)
        drain_void (a, now, fx);
    else if (news == SESSION_RESTARTED)
        hold_tell (a, fx);
    if (a->n_exclusive) { /* it may have been an echo */
        a->place = true;
        exclusive_renew (a);
    }
}

static void on_start (struct agent *a, int64_t now, struct agent_effects *fx)
{
    session_call (&a->session, a->slots, now, fx);
    executors_want (a, AGENT_COMMANDS, a->cfg.prepare, now, fx);
}

static void on_tick (struct agent *a, int64_t now, struct agent_effects *fx)
{
    if (session_tick (&a->session, a->slots, now, fx) == SESSION_GIVEN_UP)
        drain_void (a, now, fx);
    exclusive_tick (a, now, fx);
    executors_tick (a, now, fx);
}

void agent_step (struct agent *a, const struct agent_event *ev, int64_t now,
                 struct agent_effects *fx)
{
    switch (ev->kind) {
    case AGENT_START:
        on_start (a, now, fx);
        break;
    case AGENT_MESSAGE:
        on_message (a, ev->message, now, fx);
        break;
    case AGENT_MALFORMED:
        session_malformed (&a->session, ev->text, fx);
        break;
    case AGENT_NEW:
        executor_new (a, ev, now);
        break;
    case AGENT_REFUSED:
        executor_refused (a, ev, now, fx);
        break;
    case AGENT_SAID:
        executor_said (a, ev, now, fx);
        break;
    case AGENT_NONSENSE:
        executor_nonsense (a, ev, now, fx);
        break;
    case AGENT_DIED:
        executor_died (a, ev, now, fx);
        break;
    case AGENT_TICK:
        on_tick (a, now, fx);
        break;
    case AGENT_TERM:
        drain_start (a, DRAIN_LEAVE, now, fx);
        break;
    }
}

/* Results are kept until the broker has them: while there are too many, nothing more is read from
 * executors, whose tasks then wait on their pipes, and no row is started. */
static void mind_backlog (struct agent *a, struct agent_effects *fx)
{
    size_t kept = chan_backlog_bytes (a->session.chan);
    size_t limit = a->cfg.backlog_bytes;
    bool pause = a->paused ? kept > limit / 4 * 3 : kept > limit;
    if (pause == a->paused)
        return;
    a->paused = pause;
    fx_add (fx, AGENT_DO_PAUSE)->on = pause;
    a->place = true;
}

void agent_end_turn (struct agent *a, int64_t now, struct agent_effects *fx)
{
    mind_backlog (a, fx);
    exclusive_end_turn (a, fx);
    if (a->place && !a->paused)
        place (a, now, fx);
    results_flush_all (a);
    mind_backlog (a, fx);
    drain_end_void (a);
    session_end_turn (&a->session, now);
    drain_end_turn (a, now, fx);
}

bool agent_transmit (struct agent *a, struct wire_frames *out)
{
    return session_transmit (&a->session, out);
}

void agent_unsent_take (struct agent *a, struct wire_frames *f)
{
    a->session.back = *f;
    a->session.has_back = true;
    *f = (struct wire_frames){0};
}

int64_t agent_deadline (const struct agent *a)
{
    if (a->exiting)
        return CLOCK_NEVER;
    int64_t at = session_deadline (&a->session);
    int64_t next = executors_deadline (a);
    if (next < at)
        at = next;
    next = drain_deadline (a);
    if (next < at)
        at = next;
    next = exclusive_deadline (a);
    return next < at ? next : at;
}
