/* background: a processor-heavy function runs elsewhere while the caller stays responsive.
 *
 *     DROVER_MODULES=. ./background [NUMBER]     (with work.so in that directory)
 */
#include "example.h"

int main (int argc, char **argv)
{
    drover_error_t e;
    drover_t *h = start (1);
    const char *number = argc > 1 ? argv[1] : "3000000";
    const drover_bytes_t value = {number, strlen (number)};
    drover_spec_t *spec = drover_spec_new_function ("work:primes");
    drover_task_t *task = drover_task_run (h, spec, &value, 1, NULL, &e);
    double began = now (), last = began, pause = 0;
    int ticks = 0;

    if (!task)
        die ("drover_task_run", &e);
    while (drover_task_wait (task, 20, NULL, &e) < 0) {
        if (e.code != DROVER_ETIME)
            die ("drover_task_wait", &e);
        /* here a program would look after its window, or its clients */
        ticks++;
        pause = now () - last > pause ? now () - last : pause;
        last = now ();
    }
    show (drover_task_result (task));
    printf ("%.2f s; meanwhile the caller woke %d times, with %.0f ms at most in between\n",
            now () - began, ticks, pause * 1e3);
    drover_spec_free (&spec);
    drover_close (&h);
    return 0;
}
