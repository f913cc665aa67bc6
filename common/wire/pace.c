/* pace: a round at a time. A round that takes no longer than an idle round trip and the queue we
 * allow says that the line could take more; a longer one, that it has too much before it. In both
 * cases the limit goes towards what is delivered in just that time. */
#include "common/wire/pace.h"

#include <assert.h>

enum { SMALL = 4 << 10 }; /* bytes that take no time to mention on any line worth the name */

void pace_init (struct pace *p)
{
    *p = (struct pace){.limit = PACE_LEAST, .rtt_us = -1};
}

bool pace_open (const struct pace *p, size_t bytes)
{
    return !p->flight || (p->flight < p->limit && bytes <= p->limit - p->flight);
}

void pace_waits (struct pace *p)
{
    p->round_waited = true;
}

void pace_sent (struct pace *p, size_t bytes, int64_t now_us)
{
    if (!p->round_end && bytes) {
        p->round_end = p->sent + bytes;
        p->round_acked = p->acked;
        p->round_us = now_us;
        p->round_alone = !p->flight;
        p->round_waited = false;
    }
    p->sent += bytes;
    p->flight += bytes;
}

void pace_unsent (struct pace *p, size_t bytes)
{
    assert (bytes <= p->flight);
    p->sent -= bytes;
    p->flight -= bytes;
    if (p->round_end > p->sent)
        p->round_end = 0;
}

/* Any round is at least as long as an idle one. A small message alone is an idle one, if its
 * acknowledgement was not held up: a longer way is believed by and by. */
static void learn_rtt (struct pace *p, uint64_t bytes, int64_t took_us)
{
    if (p->rtt_us < 0 || took_us < p->rtt_us)
        p->rtt_us = took_us;
    else if (p->round_alone && bytes <= SMALL)
        p->rtt_us += (took_us - p->rtt_us) / 4;
}

static uint64_t between (uint64_t x, uint64_t least, uint64_t most)
{
    if (x > most)
        x = most;
    return x < least ? least : x;
}

/* Without more on its way than is acknowledged anyway, a short round proves nothing: the limit does
 * not go down by it. */
static void adapt (struct pace *p, uint64_t bytes, int64_t took_us, uint64_t most)
{
    int64_t span_us = p->rtt_us + PACE_QUEUE_US;
    uint64_t fits = bytes * (uint64_t)span_us / (uint64_t)(took_us > 0 ? took_us : 1);
    if (took_us <= span_us)
        p->limit = between (fits, p->limit, 2 * p->limit);
    else
        p->limit = between (fits, p->limit / 2, p->limit);
    p->limit = between (p->limit, PACE_LEAST, most);
}

void pace_acked (struct pace *p, size_t bytes, uint64_t most, int64_t now_us)
{
    assert (bytes <= p->flight);
    p->flight -= bytes;
    p->acked += bytes;
    if (!p->round_end || p->acked < p->round_end)
        return;
    uint64_t delivered = p->acked - p->round_acked;
    int64_t took_us = now_us > p->round_us ? now_us - p->round_us : 0;
    p->round_end = 0;
    learn_rtt (p, delivered, took_us);
    if (p->round_waited)
        adapt (p, delivered, took_us, most);
}
