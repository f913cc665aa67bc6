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

/* Batches wait for one that it has not closed: it is to be able to say the rest of that. */
static bool owes (const struct client *c)
{
    const struct batch *b;
    LIST_FOREACH (b, &c->owned, owned_link)
        if (!b->closed && !LIST_EMPTY (&b->followers))
            return true;
    return false;
}

/* What is stuck has as much room again. There it is held back as well, unless it waits for itself;
 * then rows of what is stuck are refused. */
static bool is_over (const struct sched *s, const struct client *c)
{
    bool was = c->over_quota;
    bool stuck = above (c->stuck_tasks, s->cfg.client_tasks, was) ||
                 above (c->stuck_bytes, s->cfg.client_bytes, was);
    return above (c->tasks - c->stuck_tasks, s->cfg.client_tasks, was) ||
           above (c->bytes - c->stuck_bytes, s->cfg.client_bytes, was) || (stuck && !owes (c));
}

void quota_look (struct sched *s, struct client *c)
{
    bool over = is_over (s, c);
    if (over == c->over_quota || !c->session)
        return;
    c->over_quota = over; /* it hears of it when the turn ends */
    session_dirty (s, c->session);
}

void quota_tasks (struct sched *s, struct batch *b, int64_t more)
{
    b->quota_tasks += (uint64_t)more;
    b->client->tasks += (uint64_t)more;
    b->client->stuck_tasks += b->stuck ? (uint64_t)more : 0;
    quota_look (s, b->client);
}

void quota_client (struct sched *s, struct batch *b, int64_t more)
{
    b->quota_bytes += (uint64_t)more;
    b->client->bytes += (uint64_t)more;
    b->client->stuck_bytes += b->stuck ? (uint64_t)more : 0;
    s->stuck_bytes += b->stuck ? (uint64_t)more : 0;
    quota_look (s, b->client);
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

/* Its stuck tasks and bytes are the client's as well, or not any more. */
static void count_stuck (struct client *c, const struct batch *b, bool more)
{
    c->stuck_tasks += more ? b->quota_tasks : -b->quota_tasks;
    c->stuck_bytes += more ? b->quota_bytes : -b->quota_bytes;
}

void quota_stuck (struct sched *s, struct batch *b, bool stuck)
{
    b->stuck = stuck;
    count_stuck (b->client, b, stuck);
    s->stuck_bytes += stuck ? b->quota_bytes : -b->quota_bytes;
    quota_look (s, b->client);
}

void quota_join (struct sched *s, struct batch *b, struct client *c)
{
    c->batches++;
    c->tasks += b->quota_tasks;
    c->bytes += b->quota_bytes;
    if (b->stuck)
        count_stuck (c, b, true);
    quota_look (s, c);
}

void quota_leave (struct sched *s, struct batch *b)
{
    struct client *c = b->client;
    c->batches--;
    c->tasks -= b->quota_tasks;
    c->bytes -= b->quota_bytes;
    if (b->stuck)
        count_stuck (c, b, false);
    quota_look (s, c);
}

static bool is_reached (uint64_t have, uint64_t limit)
{
    return limit && have >= limit;
}

/* (A row may be larger than any window, and fill the quota at once.) */
const char *quota_refuses_rows (const struct sched *s, const struct batch *b)
{
    const struct client *c = b->client;
    uint64_t slack = SLACK_WINDOWS * s->cfg.window_bytes + WIRE_ROW_MAX;
    uint64_t bytes = b->stuck ? c->stuck_bytes : c->bytes - c->stuck_bytes;
    if (!c->session || chunk_half (b))
        return NULL;
    if (b->stuck && !c->over_quota && owes (c) &&
        (is_reached (c->stuck_tasks, s->cfg.client_tasks) ||
         is_reached (c->stuck_bytes, s->cfg.client_bytes)))
        return "busy: it waits for a batch that is not closed, and as much waits like that as one "
               "client may have";
    return bytes > s->cfg.client_bytes + slack ? CRAMMED : NULL;
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
