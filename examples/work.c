/* work: a module with functions that keep a processor busy.
 *
 *     cc -O2 -shared -fPIC $(pkg-config --cflags libdrover) -o work.so work.c
 */
#include <drover_module.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How many primes there are below the number that the first value is. */
static int primes (drover_call_t *call)
{
    const char *text = drover_call_text (call, 0);
    unsigned long below = text ? strtoul (text, NULL, 10) : 0, found = 0;
    char out[60];
    for (unsigned long n = 2; n < below; n++) {
        unsigned long d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        found += d * d > n;
        if (n % 4096 == 0 && drover_cancelled (call))
            return drover_call_fail (call, "work:primes: not wanted any more");
    }
    snprintf (out, sizeof out, "%lu primes below %lu\n", found, below);
    return drover_call_result (call, out, strlen (out));
}

/* Give the value back after 50 ms of a processor's time ($SECOND * 50 ms). */
static int process (drover_call_t *call)
{
    size_t len;
    const char *value = drover_call_value (call, 0, &len), *second = getenv ("SECOND");
    double ms = 50 * (second ? strtod (second, NULL) : 1);
    clock_t until = clock () + (clock_t)(ms * CLOCKS_PER_SEC / 1000);
    while (clock () < until)
        if (drover_cancelled (call))
            return drover_call_fail (call, "work:process: not wanted any more");
    return drover_call_result (call, value, len);
}

static const struct drover_function functions[] = {
    {"primes", primes, "how many primes there are below a number"},
    {"process", process, "its argument, after 50 ms of work"},
    {NULL, NULL, NULL},
};

DROVER_MODULE (functions)
