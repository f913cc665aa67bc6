/* any: start three tasks and go on when the first has ended: the others are left running, or, with
 * the word "cancel" behind the program's name, are cancelled. */
#include "example.h"

/* The others go on, and end in their time. */
static void leave (drover_t *h, drover_task_t *const *tasks, double began)
{
    drover_error_t e;
    drover_each_t *each = drover_when_each (h, tasks, 3, &e);
    drover_task_t *t;
    if (!each)
        die ("drover_when_each", &e);
    while (drover_each_next (each, -1, NULL, &t, &e) == 1) {
        printf ("%4.2f s  ", now () - began);
        show (drover_task_result (t));
    }
    drover_each_free (&each);
}

/* They settle when their processes are gone. */
static void cancel (drover_task_t *const *tasks, double began)
{
    drover_error_t e;
    drover_cancel_options_t options = {.reason = "another was first"};
    if (drover_tasks_cancel (tasks, 3, &options, &e) < 0 ||
        drover_tasks_wait (tasks, 3, DROVER_WAIT_ALL, 0, -1, NULL, NULL, &e) < 0)
        die ("cancel", &e);
    for (int i = 0; i < 3; i++) {
        const drover_result_t *r = drover_task_result (tasks[i]);
        printf ("task %d: %s %s\n", i + 1, drover_how_name (r->how), r->reason);
    }
    printf ("%4.2f s  nothing runs any more\n", now () - began);
}

int main (int argc, char **argv)
{
    drover_error_t e;
    drover_t *h = start (3);
    const double seconds[] = {2, 3, 1};
    drover_task_t *tasks[3], *any;
    double began = now ();

    run_sleepers (h, seconds, 3, tasks);
    any = drover_when_any (tasks, 3, &e);
    if (!any || drover_task_wait (any, -1, NULL, &e) < 0)
        die ("drover_when_any", &e);
    printf ("%4.2f s  task %d was first\n", now () - began, (int)drover_task_result (any)->row + 1);
    if (argc > 1 && strcmp (argv[1], "cancel") == 0)
        cancel (tasks, began);
    else
        leave (h, tasks, began);
    drover_close (&h);
    return 0;
}
