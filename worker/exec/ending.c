#include "worker/exec/ending.h"

#include <signal.h>

#include "common/base/clock.h"

#define KILL_AGAIN_US (10 * US_PER_MS)
#define NOTICE_US US_PER_S

static const int64_t steps_us[] = {200 * US_PER_MS, 100 * US_PER_MS, 50 * US_PER_MS};
#define STEPS (sizeof steps_us / sizeof *steps_us)

/* How many TERMs come before KILL. */
static unsigned terms (const struct ending *e)
{
    return e->steps ? STEPS : 1;
}

/* How long a task that was told has before the first TERM. */
static int64_t notice_us (unsigned steps, int64_t grace_us)
{
    if (steps)
        return steps_us[0];
    return grace_us / 2 < NOTICE_US ? grace_us / 2 : NOTICE_US;
}

static void hurry (struct ending *e, int64_t grace_us, int64_t now_us)
{
    if (e->killed || e->steps)
        return;
    if (now_us + grace_us < e->next_us)
        e->next_us = now_us + grace_us;
    if (e->stage == 0 && grace_us < e->grace_us)
        e->grace_us = grace_us;
}

void ending_begin (struct ending *e, enum outcome_how how, unsigned steps, uint64_t grace_ms,
                   bool kill, bool told, int64_t now_us)
{
    int64_t grace_us = (int64_t)grace_ms * US_PER_MS;
    int64_t before_us = told ? notice_us (steps, grace_us) : 0;
    if (e->begun)
        hurry (e, grace_us, now_us);
    else
        *e = (struct ending){.begun = true,
                             .how = how,
                             .steps = steps,
                             .grace_us = grace_us - before_us,
                             .next_us = now_us + before_us};
    if (kill && !e->killed) {
        e->stage = terms (e);
        e->next_us = now_us;
    }
}

int ending_signal (struct ending *e, int64_t now_us)
{
    if (!e->begun || now_us < e->next_us)
        return 0;
    unsigned stage = e->stage++;
    if (stage < terms (e)) {
        e->next_us = now_us + (e->steps ? steps_us[stage] : e->grace_us);
        return SIGTERM;
    }
    if (e->killed++ == 0)
        e->killed_us = now_us;
    e->next_us = now_us + KILL_AGAIN_US;
    return SIGKILL;
}
