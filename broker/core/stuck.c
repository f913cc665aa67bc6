/* Stuck: a batch that waits, by itself or through others, for one of which not all has been
 * submitted.
 *
 * Nothing that workers do makes such a batch smaller. Were it to fill its client's quota or the
 * broker's room, and so to hold back the submission of the one that it waits for, neither would
 * ever end. So its tasks and bytes are counted apart (quota.c). The number of a batch that is
 * waited for is lower than one's own, so what follows from a change is found by going on to the
 * followers, and that comes to an end.
 */
#include "broker/core/core.h"

TAILQ_HEAD (todo, batch);

bool batch_is_stuck (const struct batch *b)
{
    for (size_t i = 0; i < b->n_after; i++) {
        const struct batch *on = b->after[i].on;
        if (on && (!on->closed || on->stuck))
            return true;
    }
    return false;
}

static void look_at (struct todo *todo, struct batch *b)
{
    if (b->looked_at)
        return;
    b->looked_at = true;
    TAILQ_INSERT_TAIL (todo, b, look_link);
}

static void look_behind (struct todo *todo, const struct batch *b)
{
    const struct after *a;
    LIST_FOREACH (a, &b->followers, link)
        look_at (todo, a->of);
}

static void look (struct sched *s, struct todo *todo)
{
    struct batch *b;
    while ((b = TAILQ_FIRST (todo))) {
        TAILQ_REMOVE (todo, b, look_link);
        b->looked_at = false;
        bool stuck = batch_is_stuck (b);
        if (stuck == b->stuck)
            continue;
        quota_stuck (s, b, stuck);
        look_behind (todo, b);
    }
}

void stuck_look (struct sched *s, struct batch *b)
{
    struct todo todo = TAILQ_HEAD_INITIALIZER (todo);
    look_at (&todo, b);
    look (s, &todo);
}

void stuck_closed (struct sched *s, struct batch *b)
{
    struct todo todo = TAILQ_HEAD_INITIALIZER (todo);
    look_behind (&todo, b);
    look (s, &todo);
    quota_look (s, b->client);
}
