/* actions: three different things at the same time, and what each said as it ended. */
#include "example.h"

static int ended (const drover_result_t *r, void *arg)
{
    const double *began = arg;
    printf ("%4.2f s  ", now () - *began);
    show (r);
    return 0;
}

int main (void)
{
    drover_error_t e;
    drover_t *h = start (3);
    drover_spec_t *actions[] = {sleeper (1.0, "the mail is sent", 1),
                                sleeper (0.5, "the cache is warm", 1),
                                sleeper (2.0, "the report is written", 1)};
    double began = now ();
    int status =
        drover_invoke (h, (const drover_spec_t *const *)actions, 3, NULL, ended, &began, &e);
    if (status < 0)
        die ("drover_invoke", &e);
    printf ("all three in %.2f s; one after another they take %.2f s\n", now () - began,
            3.5 * second ());
    for (int i = 0; i < 3; i++)
        drover_spec_free (&actions[i]);
    drover_close (&h);
    return status;
}
