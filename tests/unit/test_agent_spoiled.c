/* Functions that damage what their executor works with: its stream, its page, its loop. Which of
 * several rows it was is not known; each is to pay for itself, and none for another. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "common/base/clock.h"

/* Seconds in which the broker is there. */
static void pass_s (struct rig *r, unsigned s)
{
    while (s--) {
        rig_pass (r, US_PER_S);
        rig_acknowledge (r);
    }
}

static void nonsense (struct rig *r, unsigned x)
{
    rig_event (r,
               &(struct agent_event){.kind = AGENT_NONSENSE, .executor = x, .text = "no message"});
    assert_true (r->executor[x].killed);
    buf_clear (&r->executor[x].packed); /* the stream had them, behind the nonsense */
    rig_die (r, x, SIGKILL);
}

/* Executor of rows from 300 on that has run `n` of them, and whose outcomes nobody has; it runs one
 * more. */
static struct rig *with_unsent (uint64_t flags, unsigned n, unsigned *x)
{
    struct rig *r = rig_connected (1);
    rig_spec_flags (r, 1, FORM_FUNCTION, 1, flags);
    rig_grant (r, 1, 0, 300, 1, 1, 1);
    rig_work_all (r, 1);
    rig_grant (r, 1, 300, 20, 1, 0, 0);
    *x = rig_holder (r, 300);
    rig_claim (r, *x);
    while (n--) {
        rig_finish_quietly (r, *x, OUTCOME_DONE, 1);
        rig_claim (r, *x);
    }
    return r;
}

/* The rows from 300 on, one at a time in executors of their own; row `culprit` spoils its one. */
static void run_alone (struct rig *r, unsigned rows, uint64_t culprit)
{
    for (uint64_t row = 300; row < 300 + rows; row++) {
        unsigned x = rig_holder (r, row);
        assert_true (x > 0);
        assert_int_equal (r->executor[x].n_told, 1);
        assert_int_equal (rig_holder (r, row + 1) == x, 0);
        assert_true (rig_claim (r, x));
        if (row == culprit) {
            nonsense (r, x);
            continue;
        }
        rig_finish (r, x, OUTCOME_DONE, 1);
        assert_true (r->executor[x].killed);
        rig_die (r, x, SIGKILL);
    }
}

static void rows_of_a_spoiled_executor_run_again_each_in_its_own (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_unsent (0, 4, &x);
    nonsense (r, x);
    for (unsigned row = 300; row < 305; row++)
        assert_int_equal (r->row[row].outcomes, 0);
    run_alone (r, 5, 302);
    rig_all (r, 300, 2, OUTCOME_DONE);
    rig_all (r, 302, 1, OUTCOME_FAILED);
    assert_string_equal (r->row[302].reason,
                         "function drover:echo damaged what its executor works with");
    rig_all (r, 303, 2, OUTCOME_DONE);
    x = rig_holder (r, 305);
    rig_work_all (r, 1);
    rig_all (r, 305, 15, OUTCOME_DONE);
    assert_false (r->executor[x].killed);
    rig_free (&r);
}

static void a_row_is_not_to_blame_where_others_ran_before_it (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_unsent (0, 0, &x);
    nonsense (r, x);
    assert_int_equal (r->row[300].outcomes, 0);
    run_alone (r, 1, 300);
    rig_all (r, 300, 1, OUTCOME_FAILED);
    rig_work_all (r, 1);
    rig_all (r, 301, 19, OUTCOME_DONE);
    rig_free (&r);
}

static void rows_whose_page_was_written_over_are_all_suspects (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_unsent (0, 2, &x);
    r->torn = true;
    buf_clear (&r->executor[x].packed);
    rig_die (r, x, SIGSEGV);
    r->torn = false;
    assert_int_equal (r->row[300].outcomes, 0);
    run_alone (r, 20, 304);
    rig_all (r, 300, 4, OUTCOME_DONE);
    rig_all (r, 304, 1, OUTCOME_FAILED);
    rig_all (r, 305, 15, OUTCOME_DONE);
    rig_free (&r);
}

/* The row that closed it has its outcome; the one that runs only found it closed. */
static void a_row_is_not_to_blame_where_the_stream_was_closed_before_it (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_unsent (0, 2, &x);
    r->executor[x].cut = true;
    rig_die (r, x, 0);
    rig_all (r, 300, 2, OUTCOME_DONE);
    assert_int_equal (r->row[302].outcomes, 0);
    x = rig_holder (r, 302);
    assert_int_equal (r->executor[x].n_told, 1);
    rig_work_all (r, 1);
    rig_all (r, 302, 18, OUTCOME_DONE);
    rig_free (&r);
}

/* An executor that has told nothing yet has one row, and those behind it as another job. */
static void the_first_row_is_not_to_blame_where_another_job_may_have_begun (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, 300, 1, 1, 1);
    unsigned x = rig_holder (r, 0);
    rig_work_all (r, 1);
    rig_die (r, x, SIGKILL);
    rig_grant (r, 1, 300, 1, 1, 0, 0);
    rig_grant (r, 1, 301, 19, 1, 0, 0);
    x = rig_holder (r, 300);
    assert_int_equal (rig_holder (r, 301), x);
    rig_claim (r, x);
    rig_finish_quietly (r, x, OUTCOME_DONE, 1);
    rig_claim (r, x);
    r->torn = true;
    nonsense (r, x);
    r->torn = false;
    assert_int_equal (r->row[300].outcomes, 0);
    run_alone (r, 2, 301);
    rig_work_all (r, 1);
    rig_all (r, 300, 1, OUTCOME_DONE);
    rig_all (r, 301, 1, OUTCOME_FAILED);
    rig_all (r, 302, 18, OUTCOME_DONE);
    rig_free (&r);
}

static void rows_that_may_run_once_are_lost_with_their_outcomes (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_unsent (SPEC_ONCE, 2, &x);
    nonsense (r, x);
    rig_all (r, 300, 3, OUTCOME_LOST);
    rig_work_all (r, 1);
    rig_free (&r);
    r = with_unsent (SPEC_ONCE, 2, &x);
    buf_clear (&r->executor[x].packed);
    rig_die (r, x, SIGSEGV); /* row 302 did that, but who wiped the outcomes before it? */
    rig_all (r, 300, 2, OUTCOME_LOST);
    rig_all (r, 302, 1, OUTCOME_FAILED);
    while ((x = rig_holder (r, 303))) {
        rig_claim (r, x);
        rig_finish (r, x, OUTCOME_DONE, 1);
        break;
    }
    rig_all (r, 303, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void an_executor_that_does_not_begin_is_given_up_after_many_looks (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 500);
    rig_grant (r, 1, 0, 2, 1, 1, 1);
    unsigned x = rig_holder (r, 0);
    rig_acknowledge (r);
    rig_event (r, &(struct agent_event){.kind = AGENT_TICK});
    pass_s (r, 20);
    assert_false (r->executor[x].killed);
    pass_s (r, 20);
    assert_true (r->executor[x].killed);
    rig_die (r, x, SIGKILL);
    rig_all (r, 0, 1, OUTCOME_FAILED);
    assert_string_equal (r->row[0].reason, "function drover:echo: its module does not load");
    rig_work_all (r, 1);
    rig_all (r, 1, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void an_executor_that_keeps_its_outcomes_is_given_up_as_spoiled (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_unsent (0, 1, &x);
    rig_finish_quietly (r, x, OUTCOME_DONE, 1);
    buf_clear (&r->executor[x].packed);
    pass_s (r, 40);
    assert_true (r->executor[x].killed);
    rig_die (r, x, SIGKILL);
    run_alone (r, 2, 300);
    rig_all (r, 300, 1, OUTCOME_FAILED);
    rig_all (r, 301, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void a_function_without_a_limit_may_run_for_ever (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_FUNCTION, 1);
    pass_s (r, 300);
    assert_false (r->executor[1].killed);
    rig_finish (r, 1, OUTCOME_DONE, 1);
    rig_all (r, 0, 1, OUTCOME_DONE);
    rig_free (&r);
}

static void progress_is_told_once_a_second_and_only_when_it_is_new (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_FUNCTION, 2);
    pass_s (r, 2);
    assert_int_equal (r->kinds[WIRE_PROGRESS], 0);
    for (uint64_t done = 1; done <= 5; done++) {
        r->executor[1].done = done;
        rig_pass (r, US_PER_S / 10);
    }
    pass_s (r, 3);
    assert_in_range (r->kinds[WIRE_PROGRESS], 1, 2);
    assert_int_equal (r->last[WIRE_PROGRESS].m.progress.row, 0);
    assert_int_equal (r->last[WIRE_PROGRESS].m.progress.attempt, 1);
    assert_int_equal (r->last[WIRE_PROGRESS].m.progress.done, 5);
    assert_int_equal (r->last[WIRE_PROGRESS].m.progress.total, 10);
    rig_finish (r, 1, OUTCOME_DONE, 1);
    rig_work_all (r, 1);
    rig_all (r, 0, 2, OUTCOME_DONE);
    rig_free (&r);
}

static void a_spent_executor_is_replaced_between_rows (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = rig_running_at (300, 20, &x);
    r->executor[x].spent = true;
    rig_finish (r, x, OUTCOME_DONE, 1);
    rig_work_all (r, 1);
    rig_all (r, 300, 20, OUTCOME_DONE);
    assert_true (r->executor[x].killed);
    rig_die (r, x, SIGKILL);
    rig_grant (r, 1, 320, 5, 1, 0, 0);
    assert_int_not_equal (rig_holder (r, 320), x);
    rig_work_all (r, 1);
    rig_all (r, 320, 5, OUTCOME_DONE);
    rig_free (&r);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rows_of_a_spoiled_executor_run_again_each_in_its_own),
        cmocka_unit_test (a_row_is_not_to_blame_where_others_ran_before_it),
        cmocka_unit_test (rows_whose_page_was_written_over_are_all_suspects),
        cmocka_unit_test (the_first_row_is_not_to_blame_where_another_job_may_have_begun),
        cmocka_unit_test (rows_that_may_run_once_are_lost_with_their_outcomes),
        cmocka_unit_test (an_executor_that_does_not_begin_is_given_up_after_many_looks),
        cmocka_unit_test (an_executor_that_keeps_its_outcomes_is_given_up_as_spoiled),
        cmocka_unit_test (a_function_without_a_limit_may_run_for_ever),
        cmocka_unit_test (progress_is_told_once_a_second_and_only_when_it_is_new),
        cmocka_unit_test (a_row_is_not_to_blame_where_the_stream_was_closed_before_it),
        cmocka_unit_test (a_spent_executor_is_replaced_between_rows),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
