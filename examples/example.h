/* example.h: what the examples share: clocks, complaints, and specs in one call. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <drover.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long a "second" of the examples is: $SECOND, or 1. */
static inline double second (void)
{
    const char *text = getenv ("SECOND");
    return text ? strtod (text, NULL) : 1;
}

static inline double now (void)
{
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void die (const char *what, const drover_error_t *e)
{
    fprintf (stderr, "%s: %s\n", what, e->text);
    exit (1);
}

/* A session: with the broker of $DROVER_BROKER, or the user's own, or else with a private one whose
 * worker has so many slots (0: one for each core). */
static inline drover_t *start (unsigned slots)
{
    drover_error_t e;
    drover_options_t options = {.slots = slots};
    drover_t *h = drover_open (&options, &e);
    if (!h)
        die ("drover_open", &e);
    if (drover_ping (h, -1, NULL, &e) < 0)
        die ("drover_ping", &e);
    return h;
}

/* A shell line, with {} in place of the task's value, that takes `cpus` slots. */
static inline drover_spec_t *shell (const char *line, unsigned cpus)
{
    drover_error_t e;
    const char *const words[] = {line, NULL};
    drover_command_options_t options = {.words = words, .flags = DROVER_COMMAND_NO_APPEND};
    drover_command_t *command = drover_command_new (&options, &e);
    drover_spec_t *spec;
    if (!command)
        die (line, &e);
    spec = drover_spec_new_shell (command);
    drover_spec_cpus (spec, cpus);
    drover_command_free (&command);
    return spec;
}

/* The shell line "sleep SECONDS; echo TEXT", in seconds of the examples. */
static inline drover_spec_t *sleeper (double seconds, const char *text, unsigned cpus)
{
    char line[200];
    snprintf (line, sizeof line, "sleep %.3f; echo %s", seconds * second (), text);
    return shell (line, cpus);
}

/* Start tasks that sleep so many seconds of the examples and then print a line. */
static inline void run_sleepers (drover_t *h, const double *seconds, size_t count,
                                 drover_task_t **tasks)
{
    drover_error_t e;
    for (size_t i = 0; i < count; i++) {
        char text[60];
        snprintf (text, sizeof text, "task %zu is done", i + 1);
        drover_spec_t *spec = sleeper (seconds[i], text, 1);
        tasks[i] = drover_task_run (h, spec, NULL, 0, NULL, &e);
        if (!tasks[i])
            die ("drover_task_run", &e);
        drover_spec_free (&spec);
    }
}

/* What a task printed; of one that did not succeed, why. */
static inline void show (const drover_result_t *r)
{
    if (r->out_len)
        fwrite (r->out, 1, r->out_len, stdout);
    if (r->how != DROVER_DONE) {
        fprintf (stderr, "a task ended as %s: %s\n", drover_how_name (r->how), r->reason);
        exit (1);
    }
}

#endif
