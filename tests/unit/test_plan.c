/* What a command line comes to before anything is started: slots, and lines that are too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "client/cli/plan.h"
#include "common/base/cores.h"

enum { ARGS_MAX = 1100 };

static unsigned cores; /* as the system says */

unsigned cores_usable (void)
{
    return cores;
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void plan_of (const char *const *args, plan_run_fn *run)
{
    static char name[] = "foreach";
    char *argv[ARGS_MAX + 2] = {name};
    struct foreach_opts o;
    struct err e = {0};
    int argc = 1;
    for (; args[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    if (foreach_opts_parse (&o, name, OPTS_ALL, argc, argv, &e) < 0)
        fail_msg ("%s", e.text);
    assert_int_equal (plan_carry_out (&o, 255, run), 0);
    foreach_opts_fini (&o);
}

static unsigned slots; /* of the plan that was noted */

static int note_slots (struct plan *p)
{
    slots = p->slots;
    return 0;
}

static unsigned slots_of (const char *const *args)
{
    plan_of (args, note_slots);
    return slots;
}

static void shares_are_of_the_cores_that_may_be_used (void **state)
{
    (void)state;
    cores = 7;
    assert_int_equal (slots_of (ARGS ("-j", "50%", "echo", ":::", "a")), 4);
    assert_int_equal (slots_of (ARGS ("-j", "+2", "echo", ":::", "a")), 9);
    assert_int_equal (slots_of (ARGS ("-j", "-2", "echo", ":::", "a")), 5);
    assert_int_equal (slots_of (ARGS ("-j", "3", "echo", ":::", "a")), 3);
}

static void a_task_that_needs_more_slots_than_there_are_cores_gets_them (void **state)
{
    (void)state;
    cores = 900;
    assert_int_equal (slots_of (ARGS ("--cpus", "900", "echo", ":::", "a")), 0);
    assert_int_equal (slots_of (ARGS ("--cpus", "901", "echo", ":::", "a")), 901);
    cores = 1;
    assert_int_equal (slots_of (ARGS ("--cpus", "2", "echo", ":::", "a")), 2);
}

static struct err refusal; /* of the first task; code 0: it was taken */

static int note_refusal (struct plan *p)
{
    const drover_bytes_t *values;
    size_t count;
    int got;
    refusal.code = 0;
    got = plan_next (p, &values, &count, &refusal);
    assert_int_equal (got, refusal.code ? -1 : 1);
    return 0;
}

static char *repeated (char *text, char c, size_t len)
{
    memset (text, c, len);
    text[len] = '\0';
    return text;
}

/* The first of n values, of `len` bytes, stands n times in the line. */
static int code_of_spread (const char *word, unsigned n, size_t len)
{
    const char *args[ARGS_MAX] = {"-N1000", word, ":::"};
    char text[1000];
    args[3] = repeated (text, 'v', len);
    for (unsigned i = 1; i < n; i++)
        args[3 + i] = "a";
    plan_of (args, note_refusal);
    return refusal.code;
}

static void a_value_in_a_repeated_word_counts_as_often_as_it_stands_there (void **state)
{
    (void)state;
    assert_int_equal (code_of_spread ("x{}{1}", 1000, 200), E2BIG);
    assert_non_null (strstr (refusal.text, "the command line of task 1 would have"));
    assert_int_equal (code_of_spread ("x{}{1}", 1000, 100), 0);
    assert_int_equal (code_of_spread ("x{}{1}", 1, 900), 0);
}

static void words_that_are_quoted_count_as_they_are_then (void **state)
{
    (void)state;
    static char quotes[25001], value[7001];
    repeated (quotes, '\'', sizeof quotes - 1);
    repeated (value, 'v', sizeof value - 1);
    plan_of (ARGS ("-q", "echo", quotes, ":::", value), note_refusal);
    assert_int_equal (refusal.code, E2BIG);
    plan_of (ARGS ("-q", "echo", quotes, ":::", "a"), note_refusal);
    assert_int_equal (refusal.code, 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (shares_are_of_the_cores_that_may_be_used),
        cmocka_unit_test (a_task_that_needs_more_slots_than_there_are_cores_gets_them),
        cmocka_unit_test (a_value_in_a_repeated_word_counts_as_often_as_it_stands_there),
        cmocka_unit_test (words_that_are_quoted_count_as_they_are_then),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
