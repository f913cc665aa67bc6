/* all: start three tasks, await all of them, and take their results in the order of the tasks. */
#include "example.h"

int main (void)
{
    drover_error_t e;
    drover_t *h = start (3);
    const double seconds[] = {2, 3, 1};
    drover_task_t *tasks[3], *all;
    double began = now ();

    run_sleepers (h, seconds, 3, tasks);
    all = drover_when_all (tasks, 3, &e);
    if (!all || drover_task_wait (all, -1, NULL, &e) < 0)
        die ("drover_when_all", &e);
    for (int i = 0; i < 3; i++)
        show (drover_task_result (tasks[i]));
    printf ("all in %.2f s, the time of the longest\n", now () - began);
    drover_close (&h); /* frees the futures, too */
    return 0;
}
