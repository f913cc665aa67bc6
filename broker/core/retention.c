/* Retention: a detached batch that is over waits with its results for whoever asks. It is forgotten
 * on request, after a time, or, the oldest first, when all of them take too much.
 *
 * The age of a batch of an earlier life is told by the real-time clock: from when its last task
 * ended to when this life began. (A state is read again in the same life, too, when the store had
 * failed.) Nobody wrote down when one ended without a task that did: its age counts from then on.
 */
#include <inttypes.h>
#include <stdio.h>

#include "broker/core/core.h"
#include "common/base/clock.h"

/* Of a batch that is replayed: its end as this life's clock would have shown it. */
static int64_t end_of_old (const struct sched *s, const struct batch *b)
{
    int64_t opened_us = (int64_t)b->open.m.open.opened_ms * US_PER_MS;
    int64_t wall = b->last_wall_us > opened_us ? b->last_wall_us : opened_us; /* a worker's clock */
    if (b->cancelled || !b->last_wall_us)
        return CLOCK_NEVER;
    return s->cfg.start_us - (s->cfg.start_wall_us - wall);
}

/* None ended in the future, as those of a clock that is ahead of ours would have. */
void retention_start_clocks (struct sched *s, int64_t now)
{
    struct batch *b;
    TAILQ_FOREACH (b, &s->kept, kept_link)
        if (b->ended_us > now)
            b->ended_us = now;
}

void retention_enter (struct sched *s, struct batch *b, int64_t now)
{
    if (!(b->flags & BATCH_DETACHED) || b->kept)
        return;
    b->kept = true;
    b->ended_us = s->replaying ? end_of_old (s, b) : now;
    b->kept_bytes = b->log_bytes + chunks_bytes (b);
    s->kept_bytes += b->kept_bytes;
    struct batch *before = TAILQ_LAST (&s->kept, kept_list);
    while (before && before->ended_us > b->ended_us)
        before = TAILQ_PREV (before, kept_list, kept_link);
    if (before)
        TAILQ_INSERT_AFTER (&s->kept, before, b, kept_link);
    else
        TAILQ_INSERT_HEAD (&s->kept, b, kept_link);
}

void retention_leave (struct sched *s, struct batch *b)
{
    if (!b->kept)
        return;
    b->kept = false;
    s->kept_bytes -= b->kept_bytes;
    TAILQ_REMOVE (&s->kept, b, kept_link);
}

/* What its reader was sent may be lost with this broker: so it has as long to come back for it as a
 * client ever has. Where there is no room for anybody, nobody has. */
static bool is_fresh (const struct sched *s, const struct batch *b, int64_t now)
{
    return s->cfg.durable && now - b->ended_us < s->cfg.client_gone_us && !is_beyond (s, 3);
}

/* Above their own limit, or a good part of what fills the room that others need as well. What
 * others queue is no reason: forgetting makes that no less. */
static bool too_much (const struct sched *s)
{
    uint64_t limit = s->cfg.keep_bytes ? s->cfg.keep_bytes : s->cfg.queue_bytes / 2;
    return s->kept_bytes > limit || (is_beyond (s, 2) && s->kept_bytes > s->cfg.overflow_bytes / 8);
}

void retention_tick (struct sched *s, int64_t now, struct effects *fx)
{
    struct batch *next;
    for (struct batch *b = TAILQ_FIRST (&s->kept); b; b = next) {
        next = TAILQ_NEXT (b, kept_link);
        bool old = s->cfg.keep_us && now - b->ended_us >= s->cfg.keep_us;
        /* after a restart who reads them may be on the way back */
        if (now < s->judge_us || is_fresh (s, b, now) || (!old && !too_much (s)))
            return;
        if (!LIST_EMPTY (&b->subs)) /* somebody reads it */
            continue;
        effect_log (fx, LOG_INFO, "forgotten batch=%" PRIu64 " kept_bytes=%" PRIu64 " why=%s",
                    b->id, b->kept_bytes, old ? "age" : "size");
        batch_forget (s, &b, fx);
    }
}

void retention_on_remove (struct sched *s, struct client *c, const struct msg_remove *m,
                          struct effects *fx)
{
    struct batch *b = batch_find (s, m->id);
    char why[80];
    if (!b) {
        snprintf (why, sizeof why, "there is no batch %" PRIu64, m->id);
        reply (s, c, m->ref, WIRE_UNKNOWN, 0, why);
    } else if (!b->ended) {
        snprintf (why, sizeof why, "batch %" PRIu64 " is not over: cancel it first", m->id);
        reply (s, c, m->ref, WIRE_CONFLICT, 0, why);
    } else if (!LIST_EMPTY (&b->subs)) {
        snprintf (why, sizeof why, "somebody reads the results of batch %" PRIu64, m->id);
        reply (s, c, m->ref, WIRE_BUSY, 0, why);
    } else {
        effect_log (fx, LOG_INFO, "forgotten batch=%" PRIu64 " kept_bytes=%" PRIu64 " why=request",
                    b->id, b->kept_bytes);
        reply (s, c, m->ref, WIRE_OK, 1, "");
        batch_forget (s, &b, fx);
    }
}
