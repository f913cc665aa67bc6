/* Continuations, over a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/echo_broker.h"

static drover_spec_t *echo;

static int setup (void **state)
{
    echo = echo_spec ();
    return echo_setup (state);
}

static int teardown (void **state)
{
    drover_spec_free (&echo);
    return echo_teardown (state);
}

static drover_task_t *run (const char *value)
{
    drover_bytes_t v = {value, strlen (value)};
    drover_task_t *t = drover_task_run (h, echo, &v, 1, NULL, &error);
    assert_non_null (t);
    return t;
}

static const drover_result_t *result (drover_task_t *t)
{
    if (drover_task_wait (t, PATIENCE_MS, NULL, &error) != 0)
        fail_msg ("%s", error.text);
    return drover_task_result (t);
}

struct seen {
    int calls;
    int how;
    int say;             /* what the function returns */
    drover_task_t *next; /* and goes on with */
    char out[20];
};

static int look (const drover_result_t *r, drover_task_t **next, void *arg)
{
    struct seen *s = arg;
    s->calls++;
    s->how = r->how;
    memcpy (s->out, r->out ? r->out : "", r->out ? r->out_len : 0);
    *next = s->next;
    return s->say;
}

static void a_spec_runs_with_the_output_of_the_task_before (void **state)
{
    (void)state;
    drover_task_t *a = run ("hello");
    drover_task_t *b = drover_then (a, echo, 0, NULL, &error);
    drover_task_t *c = drover_then (b, echo, 0, NULL, &error);
    drover_task_free (&a);
    drover_task_free (&b);
    assert_int_equal (result (c)->how, DROVER_DONE);
    assert_int_equal (result (c)->out_len, 5);
    assert_memory_equal (result (c)->out, "hello", 5);
    assert_int_equal (broker.rows, 3);
    drover_task_free (&c);
}

static void an_output_that_was_cut_is_not_passed_on (void **state)
{
    (void)state;
    const char *const argv[] = {"true", NULL};
    drover_spec_t *takes_none = drover_spec_new_argv (argv);
    drover_task_t *a = run ("cut");
    drover_task_t *b = drover_then (a, echo, 0, NULL, &error);
    drover_task_t *c = drover_then (a, takes_none, 0, NULL, &error);
    assert_int_equal (result (b)->how, DROVER_FAILED);
    assert_int_equal (result (b)->status, 126);
    assert_string_equal (result (b)->reason,
                         "1000 of the 1003 bytes of the output of the task before were not kept");
    assert_int_equal (result (c)->how, DROVER_DONE);
    assert_int_equal (broker.rows, 2);
    drover_task_free (&a);
    drover_task_free (&b);
    drover_task_free (&c);
    drover_spec_free (&takes_none);
}

static void a_function_is_called_with_the_result (void **state)
{
    (void)state;
    struct seen seen = {0};
    drover_task_t *a = run ("hello");
    drover_task_t *b = drover_then_call (a, look, &seen, 0, NULL, &error);
    assert_int_equal (result (b)->how, DROVER_DONE);
    assert_int_equal (seen.calls, 1);
    assert_string_equal (seen.out, "hello");
    drover_task_free (&a);
    drover_task_free (&b);
}

static void it_is_called_though_nobody_waits_for_it (void **state)
{
    (void)state;
    struct seen seen = {0};
    drover_task_t *a = run ("hello");
    drover_task_t *b = drover_then_call (a, look, &seen, 0, NULL, &error);
    drover_task_free (&a);
    drover_task_free (&b);
    const drover_event_t *event;
    while (!seen.calls) {
        struct pollfd p = {drover_fd (h), POLLIN, 0};
        assert_int_equal (poll (&p, 1, PATIENCE_MS), 1);
        while (drover_next (h, 0, &event, &error) == 1)
            ;
    }
    assert_int_equal (seen.calls, 1);
}

static void a_failure_skips_what_comes_after_unless_it_is_asked_for (void **state)
{
    (void)state;
    struct seen seen = {0}, only_bad = {0}, always = {0};
    drover_task_t *a = run ("fail");
    drover_task_t *t[4];
    t[0] = drover_then_call (a, look, &seen, 0, NULL, &error);
    t[1] = drover_then_call (t[0], look, &seen, 0, NULL, &error);
    t[2] = drover_then_call (a, look, &only_bad, DROVER_THEN_NOT_DONE, NULL, &error);
    t[3] = drover_then_call (t[1], look, &always, DROVER_THEN_ALWAYS, NULL, &error);
    for (int i = 0; i < 4; i++)
        result (t[i]);
    assert_int_equal (result (t[0])->how, DROVER_SKIPPED);
    assert_string_equal (result (t[0])->reason, "the task before it is failed");
    assert_int_equal (result (t[1])->how, DROVER_SKIPPED);
    assert_int_equal (seen.calls, 0);
    assert_int_equal (only_bad.how, DROVER_FAILED);
    assert_int_equal (always.how, DROVER_SKIPPED);
    for (int i = 0; i < 4; i++)
        drover_task_free (&t[i]);
    drover_task_free (&a);
    a = run ("x");
    t[0] = drover_then (a, echo, DROVER_THEN_NOT_DONE, NULL, &error);
    assert_int_equal (result (t[0])->how, DROVER_SKIPPED);
    drover_task_free (&a);
    drover_task_free (&t[0]);
}

static void what_a_function_returns_is_its_status (void **state)
{
    (void)state;
    struct seen seen = {.say = 7};
    drover_task_t *a = run ("x");
    drover_task_t *b = drover_then_call (a, look, &seen, 0, NULL, &error);
    assert_int_equal (result (b)->how, DROVER_FAILED);
    assert_int_equal (result (b)->status, 7);
    drover_task_free (&a);
    drover_task_free (&b);
}

static void a_function_may_go_on_with_another_task (void **state)
{
    (void)state;
    struct seen seen = {.next = run ("second")};
    drover_task_t *a = run ("first");
    drover_task_t *b = drover_then_call (a, look, &seen, 0, NULL, &error);
    assert_memory_equal (result (b)->out, "second", 6);
    drover_task_free (&a);
    drover_task_free (&b);
}

static void a_continuation_of_what_has_settled_is_called_later (void **state)
{
    (void)state;
    struct seen seen = {0};
    drover_task_t *a = run ("x");
    result (a);
    drover_task_t *b = drover_then_call (a, look, &seen, 0, NULL, &error);
    assert_int_equal (seen.calls, 0);
    struct pollfd p = {drover_fd (h), POLLIN, 0};
    assert_int_equal (poll (&p, 1, 0), 1);
    assert_int_equal (result (b)->how, DROVER_DONE);
    assert_int_equal (seen.calls, 1);
    drover_task_free (&a);
    drover_task_free (&b);
}

static void what_is_cancelled_before_it_begins_does_not_begin (void **state)
{
    (void)state;
    struct seen seen = {0};
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    drover_task_t *a = run ("hold");
    drover_task_t *b = drover_then_call (a, look, &seen, 0, c, &error);
    drover_task_t *d = drover_then (a, echo, 0, NULL, &error);
    assert_int_equal (drover_task_cancel (d, NULL, &error), 0);
    assert_int_equal (drover_task_result (d)->how, DROVER_CANCELLED);
    drover_cancel_source_cancel (c, "no more");
    assert_int_equal (result (b)->how, DROVER_CANCELLED);
    assert_string_equal (result (b)->reason, "no more");
    assert_false (drover_task_settled (a));
    echo_release ();
    result (a);
    assert_int_equal (seen.calls, 0);
    drover_task_t *late = drover_then_call (a, look, &seen, 0, c, &error);
    assert_int_equal (drover_task_result (late)->how, DROVER_CANCELLED);
    drover_task_free (&late);
    drover_task_free (&a);
    drover_task_free (&b);
    drover_task_free (&d);
    drover_cancel_source_free (&c);
}

static void what_has_begun_is_cancelled_where_it_runs (void **state)
{
    (void)state;
    struct seen seen = {.next = run ("hold")};
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    drover_task_t *a = run ("x");
    drover_task_t *b = drover_then_call (a, look, &seen, 0, c, &error);
    while (!seen.calls)
        assert_int_equal (drover_task_wait (b, 1, NULL, &error), -1);
    drover_cancel_source_cancel (c, "no more");
    assert_int_equal (result (b)->how, DROVER_CANCELLED);
    assert_string_equal (result (b)->reason, "no more");
    drover_task_free (&a);
    drover_task_free (&b);
    drover_cancel_source_free (&c);
}

static int wait_within (const drover_result_t *r, drover_task_t **next, void *arg)
{
    const drover_event_t *event;
    (void)r;
    (void)next;
    *(int *)arg = drover_next (h, 0, &event, &error) == -1 && error.code == DROVER_EINVAL &&
                  drover_sync (h, 10, &error) == -1 && error.code == DROVER_EINVAL;
    return 0;
}

static void a_function_may_not_wait (void **state)
{
    (void)state;
    int refused = 0;
    drover_task_t *a = run ("x");
    drover_task_t *b = drover_then_call (a, wait_within, &refused, 0, NULL, &error);
    result (b);
    assert_int_equal (refused, 1);
    drover_task_free (&a);
    drover_task_free (&b);
}

static int again (const drover_result_t *r, drover_task_t **next, void *arg)
{
    int *left = arg;
    (void)r;
    if (--*left == 0)
        return 0;
    drover_task_t *t = run ("x");
    *next = drover_then_call (t, again, arg, 0, NULL, &error);
    drover_task_free (&t);
    return 0;
}

static void a_loop_of_continuations_takes_no_stack (void **state)
{
    (void)state;
    int left = 300;
    drover_task_t *a = run ("x");
    drover_task_t *b = drover_then_call (a, again, &left, 0, NULL, &error);
    drover_task_free (&a);
    assert_int_equal (result (b)->how, DROVER_DONE);
    assert_int_equal (left, 0);
    drover_task_free (&b);
}

static void a_long_chain_is_skipped_without_stack (void **state)
{
    (void)state;
    struct seen seen = {0};
    drover_task_t *t = run ("fail");
    for (int i = 0; i < 100000; i++) {
        drover_task_t *next = drover_then_call (t, look, &seen, 0, NULL, &error);
        drover_task_free (&t);
        t = next;
    }
    assert_int_equal (result (t)->how, DROVER_SKIPPED);
    assert_int_equal (seen.calls, 0);
    drover_task_free (&t);
}

static void what_comes_after_a_combination_comes_after_all_of_it (void **state)
{
    (void)state;
    struct seen seen = {0};
    drover_task_t *t[2] = {run ("x"), run ("hold")};
    drover_task_t *all = drover_when_all (t, 2, &error);
    drover_task_t *b = drover_then_call (all, look, &seen, 0, NULL, &error);
    assert_int_equal (drover_task_wait (t[0], PATIENCE_MS, NULL, &error), 0);
    assert_int_equal (seen.calls, 0);
    drover_task_free (&all);
    echo_release ();
    assert_int_equal (result (b)->how, DROVER_DONE);
    drover_task_free (&b);
    drover_task_free (&t[0]);
    drover_task_free (&t[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_spec_runs_with_the_output_of_the_task_before),
        TEST (an_output_that_was_cut_is_not_passed_on),
        TEST (a_function_is_called_with_the_result),
        TEST (it_is_called_though_nobody_waits_for_it),
        TEST (a_failure_skips_what_comes_after_unless_it_is_asked_for),
        TEST (what_a_function_returns_is_its_status),
        TEST (a_function_may_go_on_with_another_task),
        TEST (a_continuation_of_what_has_settled_is_called_later),
        TEST (what_is_cancelled_before_it_begins_does_not_begin),
        TEST (what_has_begun_is_cancelled_where_it_runs),
        TEST (a_function_may_not_wait),
        TEST (a_loop_of_continuations_takes_no_stack),
        TEST (a_long_chain_is_skipped_without_stack),
        TEST (what_comes_after_a_combination_comes_after_all_of_it),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
