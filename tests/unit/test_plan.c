/* What a command line comes to before anything is started: slots, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (shares_are_of_the_cores_that_may_be_used),
        cmocka_unit_test (a_task_that_needs_more_slots_than_there_are_cores_gets_them),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
