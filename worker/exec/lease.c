#include "worker/exec/lease.h"

#include "common/base/clock.h"

#define STEPS 64 /* looks in a margin */
#define STEP_LEAST_US (10 * US_PER_MS)

/* When is what due: so long after the lease, and after so many looks. */
static const struct {
    enum lease_state state;
    int64_t eighths;
    unsigned looks;
} dues[] = {{LEASE_OVER, 4, 8}, {LEASE_KILL, 3, 5}, {LEASE_TERM, 1, 3}};

static int64_t step_us (struct lease l)
{
    int64_t us = l.margin_us / STEPS;
    return us > STEP_LEAST_US ? us : STEP_LEAST_US;
}

enum lease_state lease_look (struct lease_watch *w, struct lease l, int64_t now_us)
{
    if (!l.until_us || now_us < l.until_us) {
        *w = (struct lease_watch){0};
        return LEASE_HOLDS;
    }
    if (w->until_us != l.until_us) {
        *w = (struct lease_watch){.until_us = l.until_us, .looked_us = now_us, .looks = 1};
    } else if (now_us - w->looked_us >= step_us (l)) {
        w->looked_us = now_us;
        w->looks++;
    }
    for (unsigned i = 0; i < sizeof dues / sizeof *dues; i++)
        if (w->looks >= dues[i].looks && now_us - l.until_us >= l.margin_us / 8 * dues[i].eighths)
            return dues[i].state;
    return LEASE_HOLDS;
}

int64_t lease_deadline (const struct lease_watch *w, struct lease l)
{
    if (!l.until_us)
        return CLOCK_NEVER;
    return w->until_us == l.until_us ? w->looked_us + step_us (l) : l.until_us;
}
