/* Quota: how much of the broker one client may fill with what it has submitted: unfinished tasks,
 * their bytes, and batches. Over it the client's window is shut and it may open no batch, until it
 * is well below again; everybody else goes on.
 *
 * What is on its way when the window shuts is taken: nothing is accepted by halves. A detached
 * batch whose client has left is nobody's, and counts towards the common limit only.
 */
#include "broker/core/core.h"

enum {
    SLACK_WINDOWS = 4, /* beyond the bytes: more than that is not on its way by chance */
};

static bool above (uint64_t have, uint64_t limit, bool before)
{
    return limit && (before ? have > limit / 4 * 3 : have >= limit);
}

/* Whoever is held back, or not any more, hears of it when the turn ends. */
static void judge (struct sched *s, struct client *c)
{
    bool over = above (c->tasks, s->cfg.client_tasks, c->over_quota) ||
                above (c->bytes, s->cfg.client_bytes, c->over_quota);
    if (over == c->over_quota || !c->session)
        return;
    c->over_quota = over;
    session_dirty (s, c->session);
}

void quota_tasks (struct sched *s, struct batch *b, int64_t more)
{
    b->quota_tasks += (uint64_t)more;
    b->client->tasks += (uint64_t)more;
    judge (s, b->client);
}

void quota_client (struct sched *s, struct batch *b, int64_t more)
{
    b->quota_bytes += (uint64_t)more;
    b->client->bytes += (uint64_t)more;
    judge (s, b->client);
}

void quota_bytes (struct sched *s, struct batch *b, int64_t more)
{
    s->queue_bytes += (uint64_t)more;
    quota_client (s, b, more);
}

void quota_lasting (struct sched *s, struct batch *b, int64_t more)
{
    s->lasting_bytes += (uint64_t)more;
    b->lasting_bytes += (uint64_t)more;
}

void quota_join (struct sched *s, struct batch *b, struct client *c)
{
    c->batches++;
    c->tasks += b->quota_tasks;
    c->bytes += b->quota_bytes;
    judge (s, c);
}

void quota_leave (struct sched *s, struct batch *b)
{
    struct client *c = b->client;
    c->batches--;
    c->tasks -= b->quota_tasks;
    c->bytes -= b->quota_bytes;
    judge (s, c);
}

/* (A row may be larger than any window, and fill the quota at once.) */
bool quota_is_crammed (const struct sched *s, const struct batch *b)
{
    const struct client *c = b->client;
    uint64_t slack = SLACK_WINDOWS * s->cfg.window_bytes + WIRE_ROW_MAX;
    return c->session && !chunk_half (b) && c->bytes > s->cfg.client_bytes + slack;
}

bool quota_refuses (const struct sched *s, const struct client *c, struct quota_limit *over)
{
    const struct {
        bool over;
        struct quota_limit limit;
    } LIMITS[] = {
        {is_crammed (s),
         {CRAMMED, s->queue_bytes + s->own_bytes, s->cfg.queue_bytes + s->cfg.overflow_bytes}},
        {s->cfg.client_batches && c->batches >= s->cfg.client_batches,
         {"busy: as many batches as one client may have", c->batches, s->cfg.client_batches}},
        {c->over_quota && above (c->tasks, s->cfg.client_tasks, true),
         {"busy: as many tasks as one client may have", c->tasks, s->cfg.client_tasks}},
        {c->over_quota,
         {"busy: as many bytes as one client may have", c->bytes, s->cfg.client_bytes}},
    };
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++)
        if (LIMITS[i].over) {
            *over = LIMITS[i].limit;
            return true;
        }
    return false;
}
