#include "common/base/clock.h"

#include <limits.h>
#include <time.h>

static int64_t read_us (clockid_t id)
{
    struct timespec ts;
    clock_gettime (id, &ts);
    return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int64_t clock_mono_us (void)
{
    return read_us (CLOCK_MONOTONIC);
}

int64_t clock_wall_us (void)
{
    return read_us (CLOCK_REALTIME);
}

int clock_poll_ms (int64_t deadline_us, int64_t now_us)
{
    if (deadline_us == CLOCK_NEVER)
        return -1;
    if (deadline_us <= now_us)
        return 0;
    int64_t ms = (deadline_us - now_us + US_PER_MS - 1) / US_PER_MS;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}
