/* Alone: a row whose workers were lost again and again runs with nothing beside it, so that it is
 * certain who took the next worker down, and no neighbour is lost with it.
 *
 * It goes to an idle worker. Where none is idle, one worker at a time is cleared: it gives back
 * what has not started, ends what runs, and gets nothing meanwhile. That costs the others: so it is
 * given up after a while (the next time it may take twice as long), and a worker that ran a row
 * alone is not used for another one for as long, if somebody else has work for it.
 */
#include <inttypes.h>

#include "broker/core/core.h"
#include "common/base/clock.h"

static const int64_t PATIENCE_US = 10 * US_PER_S;                /* of the first time */
static const int64_t PATIENCE_MAX_US = 3600 * (int64_t)US_PER_S; /* of any */
enum { PAUSE = 4 }; /* after one that was given up, in times of the patience */

bool worker_is_alone (const struct worker *w)
{
    const struct lease *l = LIST_FIRST (&w->leases);
    return l && !LIST_NEXT (l, w_link) && l->batch->odd && l->out.count == 1 &&
           row_needs_alone (l->batch, l->out.at[0].lo);
}

void alone_release (struct sched *s, struct worker *w)
{
    if (s->clearing != w || !w)
        return;
    s->clearing = NULL;
    w->clearing = false;
    w->alone_us = 0;
    worker_touch (s, w);
}

void alone_ended (struct sched *s, struct worker *w)
{
    if (!w->alone_us || w->clearing || !LIST_EMPTY (&w->leases))
        return;
    w->rest_us = s->now_us + (s->now_us - w->alone_us);
    w->alone_us = 0;
}

/* Somebody has work for it that needs no room of its own. */
static bool is_wanted (const struct sched *s, const struct worker *w)
{
    const struct client *c;
    const struct batch *b;
    TAILQ_FOREACH (c, &s->ready, ready_link)
        TAILQ_FOREACH (b, &c->ready, ready_link)
            if (rows_free (b) && worker_can (w, b))
                return true;
    return false;
}

static bool may_have (struct sched *s, struct worker *w, struct batch *b, uint64_t row, int64_t now)
{
    bool takes = w->clearing ? worker_is_fit (w) : worker_takes (w);
    return takes && worker_can (w, b) && !row_avoids (s, b, row, w, now) &&
           (now >= w->rest_us || !is_wanted (s, w));
}

static struct worker *idle_one (struct sched *s, struct batch *b, uint64_t row, int64_t now)
{
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (LIST_EMPTY (&w->leases) && may_have (s, w, b, row, now))
            return w;
    return NULL;
}

/* The one with the least to do. */
static struct worker *one_to_clear (struct sched *s, struct batch *b, uint64_t row, int64_t now)
{
    struct worker *w, *best = NULL;
    TAILQ_FOREACH (w, &s->workers, link) {
        if (!may_have (s, w, b, row, now))
            continue;
        if (!best || w->occupied * best->slots < best->occupied * w->slots)
            best = w;
    }
    return best;
}

static void clear (struct sched *s, struct worker *w, int64_t now)
{
    struct lease *l;
    s->clearing = w;
    s->clearing_since_us = now;
    w->clearing = true;
    w->alone_us = now;
    LIST_FOREACH (l, &w->leases, w_link) {
        struct wire m = {.kind = WIRE_TAKE_BACK};
        m.m.take_back.batch = l->batch->id;
        m.m.take_back.count = l->out.count;
        session_post (s, w->session, &m);
        l->taking_back = true;
    }
}

static void give (struct sched *s, struct worker *w, struct batch *b, uint64_t row, int64_t now,
                  struct effects *fx)
{
    int64_t since = w->clearing ? w->alone_us : now;
    if (w->clearing)
        s->patience_us = 0;
    alone_release (s, w);
    place_row (s, w, b, row, now, fx);
    w->alone_us = since;
    effect_log (fx, LOG_INFO, "alone batch=%" PRIu64 " row=%" PRIu64 " worker=%s", b->id, row,
                w->session->name);
}

/* True: a row was placed, and the lists may be others now. */
static bool place_one (struct sched *s, int64_t now, struct effects *fx)
{
    struct client *c;
    struct batch *b;
    TAILQ_FOREACH (c, &s->ready, ready_link)
        TAILQ_FOREACH (b, &c->ready, ready_link) {
            if (!b->alone.count || !b->slots.count)
                continue;
            uint64_t row = b->alone.at[0].lo;
            struct worker *w = idle_one (s, b, row, now);
            if (w) {
                give (s, w, b, row, now, fx);
                return true;
            }
            if (!s->clearing && now >= s->clear_after_us && (w = one_to_clear (s, b, row, now)))
                clear (s, w, now);
        }
    return false;
}

static void check_patience (struct sched *s, int64_t now)
{
    if (!s->clearing)
        return;
    if (!s->patience_us)
        s->patience_us = PATIENCE_US;
    if (!s->n_alone || LIST_EMPTY (&s->clearing->leases)) { /* it is not needed after all */
        alone_release (s, s->clearing);
    } else if (now - s->clearing_since_us >= s->patience_us) {
        alone_release (s, s->clearing);
        s->clear_after_us = now + PAUSE * s->patience_us;
        s->patience_us =
            s->patience_us < PATIENCE_MAX_US / 2 ? 2 * s->patience_us : PATIENCE_MAX_US;
    }
}

void alone_place (struct sched *s, int64_t now, struct effects *fx)
{
    while (s->n_alone && place_one (s, now, fx))
        ;
    check_patience (s, now);
}
