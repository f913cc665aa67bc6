/* futures: what the library's futures do with a real broker and worker, one scenario a run.
 *
 *     futures many N | race | limit | chain | signal | unable
 *
 * Prints what came of it, for library.bats; status 1 with a line where something failed.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/drover.h"

#define PATIENCE_MS 30000

static drover_t *h;
static drover_error_t error;
static drover_cancel_source_t *source;

static void check (int good, const char *what)
{
    if (good)
        return;
    printf ("%s: %s\n", what, error.text);
    exit (1);
}

static drover_spec_t *shell (const char *word)
{
    const char *const words[] = {word, NULL};
    drover_command_options_t o = {.words = words};
    drover_command_t *c = drover_command_new (&o, &error);
    check (c != NULL, "command");
    drover_spec_t *s = drover_spec_new_shell (c);
    drover_command_free (&c);
    check (drover_spec_environment (s, environ, &error) == 0, "environment");
    return s;
}

static drover_task_t *run (const drover_spec_t *s, const char *value)
{
    drover_bytes_t v = {value, strlen (value)};
    drover_task_t *t = drover_task_run (h, s, &v, 1, source, &error);
    check (t != NULL, "run");
    return t;
}

static void show (const char *name, const drover_task_t *t)
{
    const drover_result_t *r = drover_task_result (t);
    printf ("%s %s %.*s%s\n", name, drover_how_name (r->how), (int)r->out_len,
            r->out ? (const char *)r->out : "", r->reason);
}

/* So many single tasks, each with its own result. */
static void many (int count)
{
    char text[24];
    int good = 0;
    drover_task_t *t;
    drover_spec_t *s = drover_spec_new_function ("drover:echo");
    drover_each_t *each = drover_when_each (h, NULL, 0, &error);
    for (int i = 0; i < count; i++) {
        snprintf (text, sizeof text, "%d", i);
        t = run (s, text);
        drover_task_set_user (t, (void *)(intptr_t)i);
        check (drover_each_add (each, t, &error) == 0, "add");
    }
    while (drover_each_next (each, PATIENCE_MS, NULL, &t, &error) == 1) {
        const drover_result_t *r = drover_task_result (t);
        int len = snprintf (text, sizeof text, "%d", (int)(intptr_t)drover_task_user (t));
        good += r->how == DROVER_DONE && r->out_len == (uint64_t)len &&
                memcmp (r->out, text, (size_t)len) == 0;
        drover_task_free (&t);
    }
    printf ("%d of %d\n", good, count);
    drover_each_free (&each);
    drover_spec_free (&s);
}

/* The first of three wins; the others, and what they have started, are ended. */
static void race (void)
{
    size_t first = 9;
    drover_spec_t *s = shell ("sleep {} & wait; echo {}");
    drover_task_t *t[3] = {run (s, "60"), run (s, "0.01"), run (s, "61")};
    check (drover_tasks_wait (t, 3, DROVER_WAIT_SUCCESSES, 1, PATIENCE_MS, NULL, &first, &error) ==
               0,
           "wait");
    printf ("winner %zu\n", first);
    drover_cancel_source_cancel (source, "slower");
    check (drover_tasks_wait (t, 3, DROVER_WAIT_ALL, 0, PATIENCE_MS, NULL, NULL, &error) == 0,
           "wait for all");
    show ("a", t[0]);
    show ("c", t[2]);
    drover_spec_free (&s);
}

/* Never more of a batch at one time than it says; the tasks count themselves. */
static void limit (void)
{
    drover_batch_options_t o = {.jobs = 2};
    drover_task_t *t[12];
    drover_spec_t *s =
        shell ("mkdir at.{}; touch on.{}; until [ -e on.0 ] && [ -e on.1 ]; do sleep 0.02; done; "
               "ls -d at.* | wc -l; sleep 0.02; rmdir at.{}");
    drover_spec_cpus (s, 0);
    drover_batch_t *b = drover_batch_open (h, &o, &error);
    check (b != NULL, "batch");
    char dir[4096];
    drover_spec_dir (s, getcwd (dir, sizeof dir));
    int spec = drover_batch_add_spec (b, s, &error);
    for (int i = 0; i < 12; i++) {
        char text[24];
        drover_bytes_t v = {text, (size_t)snprintf (text, sizeof text, "%d", i)};
        t[i] = drover_batch_task (b, spec, &v, 1, NULL, &error);
        check (t[i] != NULL, "task");
    }
    drover_task_t *all = drover_when_batch (b, &error);
    drover_batch_free (&b);
    check (drover_task_wait (all, PATIENCE_MS, NULL, &error) == 0, "wait");
    int most = 0;
    for (int i = 0; i < 12; i++) {
        const drover_result_t *r = drover_task_result (t[i]);
        int n = r->out_len ? atoi (r->out) : 99;
        most = n > most ? n : most;
    }
    printf ("%s, at most %d\n", drover_how_name (drover_task_result (all)->how), most);
    drover_spec_free (&s);
}

static int count_call (const drover_result_t *result, drover_task_t **next, void *arg)
{
    (void)next;
    printf ("called after %s\n", drover_how_name (result->how));
    *(int *)arg += 1;
    return 0;
}

/* Each stage has the output of the one before. */
static void chain (void)
{
    int calls = 0;
    drover_spec_t *first = shell ("echo {} more");
    drover_spec_t *second = shell ("tr a-z A-Z");
    drover_spec_flags (second, DROVER_SPEC_ROW_INPUT);
    drover_spec_t *bad = shell ("exit 3; echo {}");
    drover_task_t *a = run (first, "some");
    drover_task_t *b = drover_then (a, first, 0, NULL, &error);
    drover_task_t *c = drover_then (b, second, 0, NULL, &error);
    drover_task_t *d = drover_then (c, bad, 0, NULL, &error);
    drover_task_t *e = drover_then (d, second, 0, NULL, &error);
    drover_task_t *f = drover_then_call (d, count_call, &calls, DROVER_THEN_NOT_DONE, NULL, &error);
    drover_task_t *ends[2] = {e, f};
    check (drover_tasks_wait (ends, 2, DROVER_WAIT_ALL, 0, PATIENCE_MS, NULL, NULL, &error) == 0,
           "wait");
    show ("c", c);
    show ("d", d);
    show ("e", e);
    show ("f", f);
    drover_spec_free (&first);
    drover_spec_free (&second);
    drover_spec_free (&bad);
}

static void on_signal (int signo)
{
    (void)signo;
    drover_cancel_source_cancel (source, "a signal came");
}

/* A signal ends all tasks of a source. */
static void by_signal (void)
{
    drover_spec_t *s = shell ("echo {}; kill -TERM $PARENT; sleep 60");
    signal (SIGTERM, on_signal);
    drover_task_t *t = run (s, "began");
    check (drover_task_wait (t, PATIENCE_MS, NULL, &error) == 0, "wait");
    printf ("%s: %s\n", drover_how_name (drover_task_result (t)->how),
            drover_task_result (t)->reason);
    drover_spec_free (&s);
}

/* What no worker can run holds up, or takes along, none of the others. */
static void unable (void)
{
    drover_spec_t *echo = drover_spec_new_function ("drover:echo");
    drover_spec_t *unknown = drover_spec_new_function ("test:unknown");
    drover_spec_t *wide = drover_spec_new_function ("drover:echo");
    drover_spec_cpus (wide, 60000);
    drover_task_t *good[2];
    drover_task_t *bad[2] = {run (unknown, "x"), NULL};
    good[0] = run (echo, "a");
    bad[1] = run (wide, "y");
    good[1] = run (echo, "b");
    check (drover_tasks_wait (good, 2, DROVER_WAIT_ALL, 0, PATIENCE_MS, NULL, NULL, &error) == 0,
           "wait");
    check (!drover_task_result (bad[0]) || getenv ("DROVER_BROKER") == NULL, "it waits");
    drover_cancel_source_cancel (source, "nobody will");
    check (drover_tasks_wait (bad, 2, DROVER_WAIT_ALL, 0, PATIENCE_MS, NULL, NULL, &error) == 0,
           "wait for all");
    show ("a", good[0]);
    show ("b", good[1]);
    printf ("x %s\ny %s\n", drover_how_name (drover_task_result (bad[0])->how),
            drover_how_name (drover_task_result (bad[1])->how));
    drover_spec_free (&wide);
    drover_spec_free (&unknown);
    drover_spec_free (&echo);
}

int main (int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char self[24];
    snprintf (self, sizeof self, "%d", (int)getpid ());
    setenv ("PARENT", self, 1);
    setvbuf (stdout, NULL, _IOLBF, 0);
    h = drover_open (NULL, &error);
    check (h != NULL, "open");
    source = drover_cancel_source_new (NULL, &error);
    check (source != NULL, "source");
    if (strcmp (what, "many") == 0 && argc > 2)
        many (atoi (argv[2]));
    else if (strcmp (what, "race") == 0)
        race ();
    else if (strcmp (what, "limit") == 0)
        limit ();
    else if (strcmp (what, "chain") == 0)
        chain ();
    else if (strcmp (what, "signal") == 0)
        by_signal ();
    else if (strcmp (what, "unable") == 0)
        unable ();
    else
        printf ("usage: futures many N | race | limit | chain | signal | unable\n");
    drover_cancel_source_free (&source);
    drover_close (&h);
    return 0;
}
