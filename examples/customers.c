/* customers: a loop, and the same loop in parallel.
 *
 * Ten customers, one second a purchase: one after another, then on all slots, then as what they
 * are: tasks that only wait, and hold no slot.
 */
#include "example.h"

/* The values of the loop: customer 1 to 10. */
static int next (uint64_t row, drover_bytes_t *value, void *arg)
{
    char *text = arg;
    if (row == 10)
        return 0;
    value->ptr = text;
    value->len = (size_t)sprintf (text, "%d", (int)row + 1);
    return 1;
}

/* The loop with so many at one time (0: as many as there is room for). How long it took. */
static double loop (drover_t *h, unsigned jobs, unsigned cpus)
{
    drover_error_t e;
    drover_batch_options_t options = {.jobs = jobs};
    drover_spec_t *purchase = sleeper (1, "customer {} has paid", cpus);
    char text[12];
    double began = now ();
    if (drover_foreach (h, purchase, &options, next, NULL, text, &e) < 0)
        die ("drover_foreach", &e);
    drover_spec_free (&purchase);
    return now () - began;
}

int main (int argc, char **argv)
{
    unsigned slots = argc > 1 ? (unsigned)atoi (argv[1]) : 2;
    drover_t *h = start (slots);
    double alone = loop (h, 1, 1), together = loop (h, 0, 1), waiting = loop (h, 0, 0);
    printf ("one after another   %5.2f s\n", alone);
    printf ("on %u slots          %5.2f s   %.1f times as fast\n", slots, together,
            alone / together);
    printf ("holding no slot     %5.2f s   %.1f times as fast\n", waiting, alone / waiting);
    drover_close (&h);
    return 0;
}
