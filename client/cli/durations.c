/* durations: see durations.h. */
#include "client/cli/durations.h"

#include <errno.h>
#include <string.h>

#include "common/base/units.h"

#define GRACE_MOST_MS 3600000

int duration_ms (const char *text, uint64_t *ms, struct err *e)
{
    if (units_duration_ms (text, ms))
        return err_set (e, EINVAL,
                        "'%s' is no duration: write 10 (seconds), 500ms, 10s, 5m or 1h30m", text);
    if (!*ms && strpbrk (text, "123456789"))
        *ms = 1; /* nothing means no limit in many places */
    return 0;
}

int grace_duration_ms (const char *text, uint64_t *ms, struct err *e)
{
    uint64_t grace_ms;

    if (duration_ms (text, &grace_ms, e))
        return -1;
    if (grace_ms > GRACE_MOST_MS)
        return err_set (e, EINVAL, "'%s' is too long: up to 1h", text);
    *ms = grace_ms ? grace_ms : 1; /* in the protocol 0 is the usual one */
    return 0;
}

int size_bytes (const char *text, uint64_t *bytes, struct err *e)
{
    if (units_size (text, bytes))
        return err_set (e, EINVAL, "'%s' is no size: write a number of bytes, or 64K, 1M, 2G",
                        text);
    return 0;
}

int number_within (const char *text, uint64_t least, uint64_t greatest, uint64_t *number,
                   struct err *e)
{
    uint64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && n < UINT64_MAX / 10; at++)
        n = n * 10 + (uint64_t)(*at - '0');
    if (at == text || *at || n < least || n > greatest)
        return err_set (e, EINVAL, "'%s' is not a whole number from %llu to %llu", text,
                        (unsigned long long)least, (unsigned long long)greatest);
    *number = n;
    return 0;
}
