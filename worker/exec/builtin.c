#include "worker/exec/builtin.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include "common/base/bytes.h"

static int echo (drover_call_t *call)
{
    size_t len;
    const void *value = drover_call_value (call, 0, &len);
    return len ? drover_call_result (call, value, len) != 0 : 0;
}

/* Seconds as decimal text, to nanoseconds; -1 when it is none. */
static int parse_seconds (struct bytes text, struct timespec *t)
{
    long unit = 100000000;
    bool digits = false, point = false;
    *t = (struct timespec){0};
    for (size_t i = 0; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (text.ptr[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (digit < 0 || digit > 9 || t->tv_sec > 1000000000)
            return -1;
        digits = true;
        if (point) {
            t->tv_nsec += digit * unit;
            unit /= 10;
        } else {
            t->tv_sec = t->tv_sec * 10 + digit;
        }
    }
    return digits ? 0 : -1;
}

static int sleep_for (drover_call_t *call)
{
    struct timespec t;
    struct bytes text;
    text.ptr = drover_call_value (call, 0, &text.len);
    if (parse_seconds (text, &t))
        return drover_call_fail (call, "drover:sleep wants a number of seconds");
    while (nanosleep (&t, &t) && errno == EINTR)
        ;
    return 0;
}

static const struct drover_function functions[] = {
    {"echo", echo, "its argument, as it is"},
    {"sleep", sleep_for, "sleeps for as many seconds as its argument says"},
    {NULL, NULL, NULL},
};

const struct drover_module builtin_module = {DROVER_MODULE_ABI, functions};
