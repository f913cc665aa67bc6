/* Retry: an outcome that its batch wants run again is not reported. The row waits once more, with
 * the next attempt, after a delay that doubles; another worker has it if there is one.
 *
 * Only what a run of the row did counts as a run: a worker that was lost is counted apart
 * (leases.c). Rows that may not start twice, and those whose input is half gone, are never run
 * again.
 */
#include "broker/core/core.h"
#include "common/base/clock.h"

static const int64_t DELAY_MAX_US = 365 * 24 * 3600 * (int64_t)US_PER_S;

static bool in_exits (struct bytes set, unsigned status)
{
    return status / 8 < set.len && set.ptr[status / 8] >> status % 8 & 1;
}

static bool is_named (const struct msg_open *m, const struct outcome *o)
{
    switch (o->how) {
    case OUTCOME_FAILED:
        if (m->retry_on & RETRY_EXITS && !o->signal && in_exits (m->retry_exits, o->status))
            return true;
        return m->retry_on & (o->signal ? RETRY_SIGNAL : RETRY_FAILED);
    case OUTCOME_TIMEOUT:
        return m->retry_on & RETRY_TIMEOUT;
    case OUTCOME_LOST:
        return m->retry_on & RETRY_LOST;
    default:
        return false;
    }
}

bool batch_runs_once (const struct batch *b)
{
    return b->flags & (BATCH_AT_MOST_ONCE | BATCH_INPUT);
}

/* Its worker had to end it, because we could not be heard: that was no run. */
static bool is_cut_off (const struct batch *b, const struct outcome *o)
{
    return o->how == OUTCOME_LOST && b->flags & BATCH_EXCLUSIVE;
}

bool retry_wants (const struct batch *b, const struct outcome *o)
{
    if (o->how == OUTCOME_DONE || batch_runs_once (b) || row_is_doomed (b, o->row))
        return false;
    if (is_cut_off (b, o))
        return true;
    const struct odd_row *odd = b->odd ? odd_find (b, o->row) : NULL;
    return (odd ? odd->runs : 0) + 1 < b->runs && is_named (&b->open.m.open, o);
}

static bool has_delay (const struct batch *b, const struct odd_row *odd)
{
    return b->open.m.open.backoff_ms && odd->runs;
}

int64_t retry_delay (struct sched *s, const struct batch *b, const struct odd_row *odd)
{
    uint64_t base = b->open.m.open.backoff_ms;
    uint64_t most = b->open.m.open.backoff_max_ms;
    uint64_t limit = (uint64_t)(DELAY_MAX_US / US_PER_MS);
    if (!has_delay (b, odd))
        return 0;
    if (most && most < limit)
        limit = most;
    for (unsigned n = 1; n < odd->runs && base < limit; n++)
        base *= 2;
    if (base > limit)
        base = limit;
    int64_t us = (int64_t)base * US_PER_MS;
    return us + (int64_t)(sched_random (s) % (uint64_t)(us / 2 + 1));
}

void retry_row (struct sched *s, struct lease *l, const struct outcome *o, const char *worker,
                int64_t now, struct effects *fx)
{
    struct batch *b = l->batch;
    record_retried (s, l, o, fx);
    struct odd_row *odd = odd_get (b, o->row);
    odd->attempt = (unsigned)o->attempt + 1;
    odd->runs += !is_cut_off (b, o);
    odd->how = (uint8_t)o->how;
    odd->status = (uint8_t)o->status;
    odd->signal = (uint8_t)o->signal;
    odd->since_us = now;
    odd_was_with (odd, worker);
    ranges_remove (&l->out, o->row, o->row + 1);
    b->granted--;
    if (has_delay (b, odd))
        due_add (s, b, o->row, now + retry_delay (s, b, odd));
    else
        rows_wait (s, b, o->row, o->row + 1);
}
