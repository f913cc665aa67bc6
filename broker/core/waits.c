/* Waits: conditions that clients wait for, looked at whenever a batch moves. */
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

static bool holds (const struct waiter *w)
{
    const struct batch *b = w->batch;
    switch (w->condition) {
    case WAIT_COUNT:
        return b->finished >= w->n;
    case WAIT_SUCCESSES:
        return b->counts[OUTCOME_DONE] >= w->n;
    case WAIT_PERCENT:
        return b->closed && b->finished * 100 >= b->submitted * w->n;
    case WAIT_FINISHED:
    case WAIT_PROCESSES_GONE:
    default:
        return b->ended;
    }
}

/* It cannot come to hold any more, unless rows are run again. */
static bool is_hopeless (const struct waiter *w)
{
    const struct batch *b = w->batch;
    uint64_t most;
    if (!b->closed)
        return false;
    switch (w->condition) {
    case WAIT_COUNT:
        most = b->submitted;
        break;
    case WAIT_SUCCESSES:
        most = b->counts[OUTCOME_DONE] + (b->submitted - b->finished);
        break;
    default:
        return false;
    }
    return w->n > most;
}

/* The rows that were cancelled have left their workers, and with them their processes. */
static bool rows_are_gone (const struct waiter *w)
{
    const struct batch *b = w->batch;
    uint64_t lo = w->first;
    uint64_t hi = w->count && w->count < UINT64_MAX - lo ? lo + w->count : UINT64_MAX;
    if (!w->count)
        return b->ended;
    const struct lease *l;
    LIST_FOREACH (l, &b->leases, b_link)
        if (ranges_meets (&l->out, lo, hi))
            return false;
    return true;
}

void waiter_free (struct waiter *w)
{
    w->client->n_asked--;
    LIST_REMOVE (w, link);
    LIST_REMOVE (w, c_link);
    free (w->peek);
    free (w);
}

void waiter_check (struct sched *s, struct waiter *w, int64_t now)
{
    const struct batch *b = w->batch;
    if (w->peek) {
        if (rows_are_gone (w))
            peek_over (s, w);
        return;
    }
    bool reached = w->condition == WAIT_PROCESSES_GONE ? rows_are_gone (w) : holds (w);
    bool over = b->ended || is_hopeless (w);
    if (!reached && !over)
        return;
    if (w->condition == WAIT_PROCESSES_GONE)
        reply (s, w->client, w->ref, WIRE_OK, (uint64_t)(now - w->since_us), "");
    else
        reply (s, w->client, w->ref, reached ? WIRE_OK : WIRE_UNKNOWN, b->finished,
               reached    ? ""
               : b->ended ? "the batch ended before that"
                          : "it cannot come to that any more");
    waiter_free (w);
}

void waits_check (struct sched *s, struct batch *b, int64_t now)
{
    struct waiter *w = LIST_FIRST (&b->waiters);
    while (w) {
        struct waiter *next = LIST_NEXT (w, link);
        waiter_check (s, w, now);
        w = next;
    }
}

struct waiter *wait_add (struct client *c, struct batch *b, const struct waiter *what)
{
    struct waiter *w = mem_zalloc (sizeof *w);
    *w = *what;
    w->client = c;
    w->batch = b;
    LIST_INSERT_HEAD (&b->waiters, w, link);
    LIST_INSERT_HEAD (&c->waiters, w, c_link);
    c->n_asked++;
    return w;
}
