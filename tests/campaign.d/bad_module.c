/* bad_module: functions as they should not be, for T6 and for tests/integ/modules.bats.
 *
 * bad:act takes one value, HOW:TAG or HOW. Where HOW is `good` it does nothing and gives its value
 * back; else it ends its process, or never ends. Built as anybody's module is, from this file and
 * drover_module.h.
 */
#include <drover_module.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int zero, sink;

static int good (drover_call_t *call)
{
    size_t len;
    const void *value = drover_call_value (call, 0, &len);
    return drover_call_result (call, value, len);
}

static int segv (drover_call_t *call)
{
    (void)call;
    *(volatile int *)(intptr_t)(zero + 8) = 1;
    return 0;
}

static int die (drover_call_t *call)
{
    (void)call;
    abort ();
}

static int leave (drover_call_t *call)
{
    (void)call;
    exit (3);
}

static int leave_at_once (drover_call_t *call)
{
    (void)call;
    _exit (0);
}

static int deeper (int n)
{
    volatile char page[4096];
    page[0] = (char)n;
    return n > zero ? deeper (n + 1) + page[0] : 0;
}

static int deep (drover_call_t *call)
{
    (void)call;
    return sink = deeper (1);
}

static int loop (drover_call_t *call)
{
    while (drover_call_count (call))
        sink++;
    return 0;
}

static int rest (drover_call_t *call)
{
    while (drover_call_count (call))
        pause ();
    return 0;
}

static const struct {
    const char *how;
    drover_function_t *act;
} acts[] = {
    {"good", good},           {"segv", segv}, {"abort", die}, {"exit", leave},
    {"_exit", leave_at_once}, {"deep", deep}, {"loop", loop}, {"rest", rest},
};

static int act (drover_call_t *call)
{
    const char *how = drover_call_text (call, 0);
    size_t len = how ? strcspn (how, ":") : 0;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strlen (acts[i].how) == len && strncmp (how, acts[i].how, len) == 0)
            return acts[i].act (call);
    return drover_call_fail (call, "bad:act does not know that");
}

static const struct drover_function functions[] = {
    {"act", act, "what its argument says"},
    {NULL, NULL, NULL},
};
DROVER_MODULE (functions)
