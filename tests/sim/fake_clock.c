#include "tests/sim/fake_clock.h"

#include <limits.h>

#include "common/base/clock.h"

enum { WALL_S = 1700000000 }; /* what the wall showed at the beginning */

static int64_t the_time; /* virtual, as clock.c has the real one */

void fake_clock_set (int64_t mono_us)
{
    the_time = mono_us;
}

int64_t clock_mono_us (void)
{
    return the_time;
}

int64_t clock_wall_us (void)
{
    return (int64_t)WALL_S * US_PER_S + the_time;
}

int clock_poll_ms (int64_t deadline_us, int64_t now_us)
{
    if (deadline_us == CLOCK_NEVER)
        return -1;
    int64_t ms = deadline_us > now_us ? (deadline_us - now_us + US_PER_MS - 1) / US_PER_MS : 0;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}
