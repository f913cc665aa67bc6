/* tally: how tasks stand; see tally.h. */
#include "client/cli/tally.h"

#include "client/drover.h"

uint64_t tally_finished (const struct tally *t)
{
    return t->done + t->not_ok;
}

static uint64_t left (const struct tally *t)
{
    uint64_t ended = tally_finished (t);

    return t->total > ended ? t->total - ended : 0;
}

/* Outcomes of the kind that counts which are missing, as far as the total is known. */
static uint64_t missing (const struct tally *t, const struct wanted *w)
{
    uint64_t have = w->condition == DROVER_WAIT_SUCCESSES ? t->done : tally_finished (t);
    uint64_t want = w->n;

    if (w->condition == DROVER_WAIT_ALL)
        want = t->total;
    else if (w->condition == DROVER_WAIT_PERCENT)
        want = (t->total * w->n + 99) / 100;
    return want > have ? want - have : 0;
}

/* While more tasks may come, only a number can be reached, no part of them all. */
static bool is_reached (const struct tally *t, const struct wanted *w)
{
    bool number = w->condition == DROVER_WAIT_COUNT || w->condition == DROVER_WAIT_SUCCESSES;

    return (!t->open || number) && missing (t, w) == 0;
}

bool tally_holds (const struct tally *t, const struct wanted *w)
{
    return is_reached (t, w) && !(w->condition == DROVER_WAIT_ALL && t->not_ok > 0);
}

bool tally_is_decided (const struct tally *t, const struct wanted *w)
{
    return is_reached (t, w) || (!t->open && missing (t, w) > left (t));
}

uint64_t tally_needs (const struct tally *t, const struct wanted *w)
{
    uint64_t most = missing (t, w);
    uint64_t failures = left (t) - most + 1; /* so many more, and it cannot be */

    if (w->condition == DROVER_WAIT_SUCCESSES && !t->open && most <= left (t) && failures < most)
        most = failures;
    return most ? most : 1;
}
