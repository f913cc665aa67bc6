/* Rows that must not start twice, in executors that die. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "common/base/clock.h"

/* Rows [300, 320) of a batch are in one executor, which runs the first of them. */
static struct rig *running (enum wire_form form, uint64_t flags, unsigned *x)
{
    struct rig *r = rig_connected (1);
    rig_spec_flags (r, 1, form, 1, flags);
    rig_grant (r, 1, 0, 300, 1, 1, 1);
    rig_work_all (r, 1);
    rig_grant (r, 1, 300, 20, 1, 0, 0);
    *x = rig_holder (r, 300);
    rig_claim (r, *x);
    return r;
}

static void forget_packed (struct rig *r, unsigned x)
{
    buf_clear (&r->executor[x].packed);
    r->executor[x].n_packed = 0;
}

/* Two rows were run, and a third one is running. */
static void two_are_over (struct rig *r, unsigned x)
{
    for (int i = 0; i < 2; i++) {
        rig_finish_quietly (r, x, OUTCOME_DONE, 1);
        rig_claim (r, x);
    }
}

static void dies_with_outcomes (struct rig *r, unsigned x)
{
    forget_packed (r, x);
    rig_die (r, x, SIGSEGV);
}

static void rows_whose_outcomes_died_with_the_executor_are_lost (void **state)
{
    (void)state;
    const enum wire_form forms[] = {FORM_FUNCTION, FORM_SHELL};
    for (int i = 0; i < 2; i++) {
        unsigned x;
        struct rig *r = running (forms[i], SPEC_ONCE, &x);
        two_are_over (r, x);
        dies_with_outcomes (r, x);
        rig_all (r, 300, 2, OUTCOME_LOST);
        assert_non_null (strstr (r->row[300].reason, "at most once"));
        rig_all (r, 302, 1, OUTCOME_FAILED);
        assert_int_equal (rig_work_all (r, 1), 17); /* had not started */
        rig_all (r, 303, 17, OUTCOME_DONE);
        rig_free (&r);
    }
}

static void elsewhere_they_run_again (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = running (FORM_FUNCTION, 0, &x);
    two_are_over (r, x);
    dies_with_outcomes (r, x);
    rig_all (r, 302, 1, OUTCOME_FAILED);
    assert_int_equal (rig_work_all (r, 1), 19);
    rig_all (r, 300, 2, OUTCOME_DONE);
    rig_all (r, 303, 17, OUTCOME_DONE);
    rig_free (&r);
}

static void where_the_page_was_written_over_any_row_may_have_started (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = running (FORM_FUNCTION, SPEC_ONCE, &x);
    rig_finish (r, x, OUTCOME_DONE, 1);
    rig_claim (r, x);
    r->torn = true;
    rig_die (r, x, SIGSEGV);
    rig_all (r, 300, 1, OUTCOME_DONE);
    rig_all (r, 301, 19, OUTCOME_LOST);
    assert_int_equal (rig_work_all (r, 1), 0);
    rig_free (&r);
}

static void a_page_that_was_written_over_costs_other_batches_nothing (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = running (FORM_FUNCTION, 0, &x);
    r->torn = true;
    rig_die (r, x, SIGSEGV);
    r->torn = false;
    assert_int_equal (rig_work_all (r, 1), 20);
    rig_all (r, 300, 20, OUTCOME_DONE);
    rig_free (&r);
}

static void a_draining_worker_does_not_give_back_what_may_have_run (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = running (FORM_FUNCTION, SPEC_ONCE, &x);
    two_are_over (r, x);
    rig_event (r, &(struct agent_event){.kind = AGENT_TERM});
    dies_with_outcomes (r, x);
    rig_all (r, 300, 2, OUTCOME_LOST);
    for (unsigned i = 303; i < 320; i++)
        assert_int_equal (r->row[i].returned, 1);
    rig_free (&r);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rows_whose_outcomes_died_with_the_executor_are_lost),
        cmocka_unit_test (elsewhere_they_run_again),
        cmocka_unit_test (where_the_page_was_written_over_any_row_may_have_started),
        cmocka_unit_test (a_page_that_was_written_over_costs_other_batches_nothing),
        cmocka_unit_test (a_draining_worker_does_not_give_back_what_may_have_run),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
