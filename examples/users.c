/* users: fetch, then process, for a hundred users. Fetching waits for 100 ms and holds no slot, so
 * that all of it happens at once; processing is 50 ms of work and takes a slot, of which there is
 * one for each core. No user waits for the others between the two.
 *
 *     DROVER_MODULES=. ./users [SLOTS]     (with work.so in that directory)
 */
#include "example.h"

enum { USERS = 100 };

int main (int argc, char **argv)
{
    drover_error_t e;
    unsigned slots = argc > 1 ? (unsigned)atoi (argv[1]) : 0;
    drover_t *h = start (slots);
    drover_each_t *each = drover_when_each (h, NULL, 0, &e);
    drover_spec_t *fetch = sleeper (0.1, "user {}", 0);
    drover_spec_t *process = drover_spec_new_function ("work:process");
    double began = now ();
    int good = 0, all = 0;
    drover_task_t *t;

    for (int i = 0; i < USERS; i++) {
        char text[12];
        const drover_bytes_t value = {text, (size_t)sprintf (text, "%d", i + 1)};
        drover_task_t *fetched = drover_task_run (h, fetch, &value, 1, NULL, &e);
        t = fetched ? drover_then (fetched, process, 0, NULL, &e) : NULL;
        if (!t || drover_each_add (each, t, &e) < 0)
            die ("users", &e);
        drover_task_free (&fetched);
    }
    /* results as they complete, each once */
    while (drover_each_next (each, -1, NULL, &t, &e) == 1) {
        all++;
        good += drover_task_result (t)->how == DROVER_DONE;
        drover_task_free (&t);
    }
    printf ("%d of %d users in %.2f s; one after another %.1f s\n", good, all, now () - began,
            USERS * 0.15 * second ());
    drover_each_free (&each);
    drover_spec_free (&fetch);
    drover_spec_free (&process);
    drover_close (&h);
    return good != USERS;
}
