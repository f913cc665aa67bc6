/* Rows on their way through the agent: order, shares, slots, jobs, parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "common/base/clock.h"
#include "common/wire/rows.h"

static void rows_start_in_grant_order (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_spec (r, 2, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 1, 1, 1, 1);
    rig_grant (r, 2, 0, 1, 1, 1, 1);
    rig_grant (r, 1, 1, 1, 1, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        rig_claim (r, 1);
        assert_int_equal (r->executor[1].run[i].batch, i == 1 ? 2 : 1);
        rig_finish (r, 1, OUTCOME_DONE, 10 * US_PER_MS);
    }
    rig_all (r, 0, 2, OUTCOME_DONE);
    rig_free (&r);
}

static void share_limits_running_rows (void **state)
{
    (void)state;
    struct rig *r = rig_connected (8);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 20, 1, 5, 3);
    assert_int_equal (rig_busy (r), 3);
    rig_grant (r, 1, 20, 1, 1, 8, 1);
    assert_int_equal (rig_busy (r), 4);
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 0, 21, OUTCOME_DONE);
    rig_free (&r);
}

static void batch_whose_share_is_in_use_is_passed_over (void **state)
{
    (void)state;
    struct rig *r = rig_connected (4);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_spec (r, 2, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 5, 1, 1, 1);
    rig_grant (r, 2, 0, 5, 1, 1, 2);
    assert_int_equal (rig_busy (r), 3);
    rig_free (&r);
}

static void slot_numbers_are_unique_and_lowest_first (void **state)
{
    (void)state;
    struct rig *r = rig_connected (3);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 6, 1, 4, 3);
    unsigned seen = 0;
    for (unsigned x = 1; x <= 3; x++)
        seen |= 1u << r->executor[x].run[0].slot;
    assert_int_equal (seen, 7u << 4);
    rig_claim (r, rig_holder (r, 1));
    unsigned x = rig_holder (r, 1);
    uint64_t slot = r->executor[x].run[0].slot;
    rig_finish (r, x, OUTCOME_DONE, 10 * US_PER_MS);
    assert_int_equal (r->executor[x].run[1].slot, slot);
    rig_free (&r);
}

static void new_share_does_not_use_numbers_that_are_in_use (void **state)
{
    (void)state;
    struct rig *r = rig_connected (4);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 2, 1, 1, 2);
    rig_grant (r, 1, 2, 3, 2, 2, 3); /* numbers 2, 3 and 4; a row holds 2, and one holds 1 */
    assert_int_equal (rig_busy (r), 3);
    assert_int_equal (r->executor[rig_holder (r, 2)].run[0].slot, 3);
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 0, 5, OUTCOME_DONE);
    rig_free (&r);
}

/* A broker that came back may know of less than what runs: its share is small, and comes bit by
 * bit. */
static void rows_with_numbers_of_an_old_share_count_in_the_new_one (void **state)
{
    (void)state;
    struct rig *r = rig_connected (8);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 4, 1, 11, 4);
    rig_grant (r, 1, 4, 3, 2, 1, 1);
    rig_grant (r, 1, 0, 0, 2, 11, 1);
    assert_int_equal (rig_busy (r), 4); /* one in the share of two, and three beside it */
    for (uint64_t row = 1; row < 4; row++) {
        rig_claim (r, rig_holder (r, row));
        rig_finish (r, rig_holder (r, row), OUTCOME_DONE, 10 * US_PER_MS);
        assert_int_equal (rig_busy (r), row == 1 ? 3 : 2);
    }
    rig_work_all (r, 20 * US_PER_MS);
    rig_all (r, 0, 7, OUTCOME_DONE);
    rig_free (&r);
}

static void task_of_many_cpus_takes_as_many_slots (void **state)
{
    (void)state;
    struct rig *r = rig_connected (5);
    rig_spec (r, 1, FORM_SHELL, 2, 0);
    rig_grant (r, 1, 0, 4, 1, 1, 4);
    assert_int_equal (rig_busy (r), 2);
    assert_int_equal (agent_figures (r->agent).slots_used, 4);
    rig_free (&r);
}

static void wide_task_gets_its_turn (void **state)
{
    (void)state;
    struct rig *r = rig_connected (2);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_spec (r, 2, FORM_SHELL, 2, 0);
    rig_spec (r, 3, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 2, 1, 1, 2);
    rig_grant (r, 2, 0, 1, 1, 1, 1);
    rig_grant (r, 3, 0, 2, 1, 1, 2);
    rig_claim (r, 1);
    rig_finish (r, 1, OUTCOME_DONE, 20 * US_PER_MS);
    assert_int_equal (rig_busy (r), 1); /* the free slot waits for the wide task */
    rig_claim (r, 2);
    rig_finish (r, 2, OUTCOME_DONE, 20 * US_PER_MS);
    assert_int_equal (rig_busy (r), 1);
    assert_int_equal (agent_figures (r->agent).slots_used, 2);
    rig_free (&r);
}

static void tasks_without_cpus_hold_no_slot (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 0, 0);
    rig_spec (r, 2, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 20, 1, 1, 20);
    rig_grant (r, 2, 0, 2, 1, 1, 2);
    assert_int_equal (rig_busy (r), 21);
    assert_int_equal (agent_figures (r->agent).slots_used, 1);
    rig_free (&r);
}

static void tasks_without_cpus_are_no_more_than_the_worker_says_and_hold_up_no_others (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 0, 0);
    rig_spec (r, 2, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 40, 1, 1, 40);
    assert_int_equal (agent_figures (r->agent).io_used, RIG_IO_TASKS);
    rig_grant (r, 2, 0, 2, 1, 1, 2);
    assert_int_equal (agent_figures (r->agent).io_used, RIG_IO_TASKS);
    assert_int_equal (agent_figures (r->agent).slots_used, 1);
    rig_free (&r);
}

static void task_wider_than_the_worker_fails_in_words (void **state)
{
    (void)state;
    struct rig *r = rig_connected (2);
    rig_spec (r, 1, FORM_SHELL, 3, 0);
    rig_grant (r, 1, 0, 2, 1, 1, 2);
    rig_all (r, 0, 2, OUTCOME_FAILED);
    assert_non_null (strstr (r->row[0].reason, "3 slots"));
    rig_free (&r);
}

static void grant_without_its_spec_fails_in_words (void **state)
{
    (void)state;
    struct rig *r = rig_connected (2);
    rig_grant (r, 1, 0, 2, 1, 1, 2);
    rig_all (r, 0, 2, OUTCOME_FAILED);
    rig_free (&r);
}

static void tiny_functions_share_a_job (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, 2000, 1, 1, 1);
    assert_int_equal (r->executor[rig_holder (r, 0)].run[0].count, 1);
    assert_int_equal (rig_work_all (r, 1), 2000);
    unsigned most = 0;
    unsigned x = r->n_executors;
    for (unsigned i = 0; i < r->executor[x].n_runs; i++)
        if (r->executor[x].run[i].count > most)
            most = r->executor[x].run[i].count;
    assert_true (most >= 100);
    rig_all (r, 0, 2000, OUTCOME_DONE);
    rig_free (&r);
}

static void long_functions_go_one_by_one (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, 10, 1, 1, 1);
    rig_work_all (r, 50 * US_PER_MS);
    unsigned x = r->n_executors;
    assert_int_equal (r->executor[x].n_runs, 10);
    rig_all (r, 0, 10, OUTCOME_DONE);
    rig_free (&r);
}

static void last_rows_are_spread_over_free_slots (void **state)
{
    (void)state;
    struct rig *r = rig_connected (4);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, 1000, 1, 1, 4);
    rig_work_all (r, 1);
    rig_grant (r, 1, 1000, 8, 1, 0, 0);
    assert_int_equal (rig_busy (r), 4);
    rig_free (&r);
}

/* An executor with several rows of 1 us, and its number. */
static struct rig *with_a_large_job (unsigned slots, unsigned *x)
{
    struct rig *r = rig_connected (slots);
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    rig_grant (r, 1, 0, 300, 1, 1, slots);
    rig_work_all (r, 1);
    rig_grant (r, 1, 300, 20, 1, 0, 0);
    *x = rig_holder (r, 300);
    return r;
}

static void long_row_gives_back_the_rows_behind_it (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_a_large_job (1, &x);
    rig_claim (r, x);
    assert_int_equal (agent_figures (r->agent).queued, 0);
    rig_pass (r, 30 * US_PER_MS);
    assert_int_equal (agent_figures (r->agent).handed, 1);
    assert_int_equal (agent_figures (r->agent).queued, 19);
    rig_finish (r, x, OUTCOME_DONE, US_PER_S);
    rig_work_all (r, 1);
    rig_all (r, 0, 320, OUTCOME_DONE);
    rig_free (&r);
}

static void outcomes_before_a_long_row_do_not_wait_for_it (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_a_large_job (1, &x);
    for (int i = 0; i < 5; i++) {
        rig_claim (r, x);
        rig_finish_quietly (r, x, OUTCOME_DONE, 1);
    }
    rig_claim (r, x);
    rig_pass (r, 30 * US_PER_MS);
    rig_all (r, 300, 5, OUTCOME_DONE);
    rig_finish (r, x, OUTCOME_DONE, US_PER_S); /* sends the five once more */
    rig_work_all (r, 1);
    rig_all (r, 0, 320, OUTCOME_DONE);
    rig_free (&r);
}

/* Whoever packed the last outcome was slow to send it: its job is over, and it has the next. */
static void outcomes_that_were_had_already_may_come_behind_the_next_batch (void **state)
{
    (void)state;
    unsigned x;
    for (unsigned next = 1; next <= 2; next++) {
        struct rig *r = with_a_large_job (1, &x);
        for (int i = 0; i < 20; i++) {
            rig_claim (r, x);
            rig_finish_quietly (r, x, OUTCOME_DONE, 1);
        }
        rig_pass (r, 30 * US_PER_MS);
        rig_all (r, 300, 20, OUTCOME_DONE);
        assert_int_equal (rig_busy (r), 0);
        if (next == 2) { /* of a batch, or of none yet */
            rig_spec (r, 2, FORM_FUNCTION, 1, 0);
            rig_grant (r, 2, 0, 1, 2, 1, 1);
        }
        rig_send_results (r, x);
        assert_false (r->executor[x].killed);
        if (next == 1) {
            rig_spec (r, 2, FORM_FUNCTION, 1, 0);
            rig_grant (r, 2, 0, 1, 2, 1, 1);
        }
        assert_int_equal (rig_work_all (r, 1), 1);
        assert_false (r->executor[x].killed);
        assert_int_equal (agent_figures (r->agent).handed, 0);
        rig_free (&r);
    }
}

static void outcomes_of_one_turn_leave_as_one_message (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 5, 0);
    unsigned before = r->kinds[WIRE_RESULTS];
    rig_grant (r, 1, 0, 100, 1, 1, 2); /* all of them fail at once */
    assert_int_equal (r->kinds[WIRE_RESULTS], before + 1);
    assert_int_equal (r->last[WIRE_RESULTS].m.results.count, 100);
    rig_free (&r);
}

static void large_row_in_parts_runs_whole (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct buf row;
    char *value = calloc (1, 600000);
    buf_init (&row, 1 << 20);
    row_begin (&row, 1);
    row_value (&row, bytes_of (value, 600000));
    rig_spec (r, 1, FORM_FUNCTION, 1, 0);
    for (size_t at = 0; at < row.len; at += WIRE_PIECE_MAX) {
        size_t len = row.len - at < WIRE_PIECE_MAX ? row.len - at : WIRE_PIECE_MAX;
        struct wire w = {.kind = WIRE_GRANT, .body[0] = slice_borrowed (row.bytes + at, len)};
        w.m.grant = (struct msg_grant){.batch = 1,
                                       .grant = ++r->grants,
                                       .count = 1,
                                       .attempt = 1,
                                       .share = 1,
                                       .slot_base = 1,
                                       .slot_count = at ? 0 : 1,
                                       .offset = at,
                                       .total = row.len};
        assert_int_equal (rig_busy (r), 0);
        rig_say (r, &w);
    }
    assert_int_equal (rig_work_all (r, 1), 1);
    rig_all (r, 0, 1, OUTCOME_DONE);
    buf_fini (&row);
    free (value);
    rig_free (&r);
}

static void spec_is_told_to_an_executor_once (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 5, 1, 1, 1);
    rig_work_all (r, 20 * US_PER_MS);
    assert_int_equal (r->executor[1].specs, 1);
    struct wire w = {.kind = WIRE_FORGET};
    w.m.forget.batch = 1;
    rig_say (r, &w);
    assert_int_equal (r->executor[1].forgets, 1);
    assert_int_equal (agent_figures (r->agent).batches, 0);
    rig_free (&r);
}

static void input_waits_with_its_row (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    rig_spec_flags (r, 1, FORM_ARGV, 1, SPEC_LIVE_INPUT);
    rig_grant (r, 1, 0, 2, 1, 1, 1);
    struct wire w = {.kind = WIRE_INPUT, .body[0] = slice_borrowed ("hello", 5)};
    w.m.input.batch = 1;
    w.m.input.row = 1;
    rig_say (r, &w);
    assert_int_equal (r->executor[1].inputs, 0);
    rig_claim (r, 1);
    rig_finish (r, 1, OUTCOME_DONE, 1000);
    assert_int_equal (r->executor[1].inputs, 1);
    w.m.input.offset = 5;
    rig_say (r, &w);
    assert_int_equal (r->executor[1].inputs, 2);
    rig_free (&r);
}

/* The connection is gone, and the executor prints so much of its row that it is not read any more.
 */
static void print_until_paused (struct rig *r, unsigned x, uint64_t row)
{
    char *piece = calloc (1, WIRE_PIECE_MAX);
    struct wire w = {.kind = WIRE_OUTPUT, .body[0] = slice_borrowed (piece, WIRE_PIECE_MAX)};
    r->deaf = true;
    w.m.output.batch = 1;
    w.m.output.row = row;
    w.m.output.attempt = 1;
    w.m.output.stream = 1;
    for (int i = 0; i < 40 && !r->paused; i++) {
        rig_event (r, &(struct agent_event){.kind = AGENT_SAID, .executor = x, .message = &w});
        w.m.output.offset += WIRE_PIECE_MAX;
    }
    assert_true (r->paused);
    assert_true (w.m.output.offset < 10 << 20);
    free (piece);
}

static void read_again (struct rig *r)
{
    r->deaf = false;
    rig_pass (r, 15 * US_PER_S);
    rig_welcome (r, true);
    for (int i = 0; i < 40 && r->paused; i++) /* as much at a time as may be on its way */
        rig_acknowledge (r);
    assert_false (r->paused);
}

static void many_unacknowledged_results_pause_the_executors (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 2);
    print_until_paused (r, 1, 0);
    read_again (r);
    rig_free (&r);
}

static void an_outcome_does_not_overtake_output_that_is_not_read (void **state)
{
    (void)state;
    unsigned x;
    struct rig *r = with_a_large_job (1, &x);
    rig_claim (r, x);
    print_until_paused (r, x, 300);
    rig_finish_quietly (r, x, OUTCOME_DONE, 1);
    rig_claim (r, x);
    rig_pass (r, 30 * US_PER_MS);
    assert_int_equal (agent_figures (r->agent).handed, 20); /* more output of it may be there */
    read_again (r);
    rig_pass (r, 30 * US_PER_MS);
    for (int i = 0; i < 200; i++) /* its output goes first */
        rig_acknowledge (r);
    rig_all (r, 300, 1, OUTCOME_DONE);
    rig_finish (r, x, OUTCOME_DONE, US_PER_S);
    rig_work_all (r, 1);
    rig_all (r, 0, 320, OUTCOME_DONE);
    rig_free (&r);
}

static void say_output (struct rig *r, unsigned x, uint64_t row, size_t len)
{
    char *bytes = calloc (1, len);
    struct wire w = {.kind = WIRE_OUTPUT, .body[0] = slice_borrowed (bytes, len)};
    w.m.output = (struct msg_output){.batch = 1, .row = row, .attempt = 1, .stream = 1};
    rig_event (r, &(struct agent_event){.kind = AGENT_SAID, .executor = x, .message = &w});
    free (bytes);
}

static void output_goes_in_pieces_as_long_as_the_line_is_not_known (void **state)
{
    (void)state;
    struct rig *r = rig_running (FORM_SHELL, 1);
    say_output (r, 1, 0, WIRE_PIECE_MAX);
    assert_int_equal (r->kinds[WIRE_OUTPUT], 1); /* the next waits */
    assert_true (r->last[WIRE_OUTPUT].body[0].len <= WIRE_PIECE_MAX / 4);
    for (int i = 0; i < 10; i++)
        rig_acknowledge (r);
    assert_true (r->kinds[WIRE_OUTPUT] >= 4);
    const struct wire *last = &r->last[WIRE_OUTPUT];
    assert_int_equal (last->m.output.offset + last->body[0].len, WIRE_PIECE_MAX);
    rig_free (&r);
}

static void a_cancelled_row_is_over_before_the_output_of_others_is_out (void **state)
{
    (void)state;
    struct rig *r = rig_connected (3);
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 3, 1, 1, 3);
    for (unsigned x = 1; x <= 3; x++)
        rig_claim (r, x);
    unsigned talker = rig_holder (r, 0), quiet = rig_holder (r, 1), other = rig_holder (r, 2);
    say_output (r, talker, 0, WIRE_PIECE_MAX);
    say_output (r, other, 2, 10);
    rig_cancel (r, 1, 2, 0);
    rig_finish (r, quiet, OUTCOME_CANCELLED, 1000);
    rig_finish (r, other, OUTCOME_CANCELLED, 1000);
    rig_all (r, 1, 1, OUTCOME_CANCELLED);
    assert_int_equal (r->row[2].outcomes, 0); /* its own output comes first */
    for (int i = 0; i < 10; i++)
        rig_acknowledge (r);
    rig_all (r, 2, 1, OUTCOME_CANCELLED);
    rig_free (&r);
}

static void surplus_executors_end_after_a_while (void **state)
{
    (void)state;
    struct rig *r = rig_connected (1);
    struct wire pong = {.kind = WIRE_PONG};
    rig_spec (r, 1, FORM_SHELL, 0, 0);
    rig_grant (r, 1, 0, 20, 1, 1, 20);
    rig_work_all (r, 1000);
    for (int i = 0; i < 10; i++) {
        rig_pass (r, 5 * US_PER_S);
        rig_say (r, &pong);
    }
    unsigned killed = 0;
    for (unsigned x = 1; x <= r->n_executors; x++)
        killed += r->executor[x].killed;
    assert_int_equal (killed, 19);
    rig_free (&r);
}

static void refused_executors_are_asked_for_again (void **state)
{
    (void)state;
    struct rig *r = rig_connected (2);
    r->refuse = true;
    rig_spec (r, 1, FORM_SHELL, 1, 0);
    rig_grant (r, 1, 0, 4, 1, 1, 2);
    rig_pass (r, 3 * US_PER_S);
    assert_int_equal (rig_busy (r), 0);
    r->refuse = false;
    rig_pass (r, 2 * US_PER_S);
    assert_int_equal (rig_busy (r), 2);
    rig_free (&r);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rows_start_in_grant_order),
        cmocka_unit_test (share_limits_running_rows),
        cmocka_unit_test (batch_whose_share_is_in_use_is_passed_over),
        cmocka_unit_test (slot_numbers_are_unique_and_lowest_first),
        cmocka_unit_test (new_share_does_not_use_numbers_that_are_in_use),
        cmocka_unit_test (rows_with_numbers_of_an_old_share_count_in_the_new_one),
        cmocka_unit_test (task_of_many_cpus_takes_as_many_slots),
        cmocka_unit_test (wide_task_gets_its_turn),
        cmocka_unit_test (tasks_without_cpus_hold_no_slot),
        cmocka_unit_test (
            tasks_without_cpus_are_no_more_than_the_worker_says_and_hold_up_no_others),
        cmocka_unit_test (task_wider_than_the_worker_fails_in_words),
        cmocka_unit_test (grant_without_its_spec_fails_in_words),
        cmocka_unit_test (tiny_functions_share_a_job),
        cmocka_unit_test (long_functions_go_one_by_one),
        cmocka_unit_test (last_rows_are_spread_over_free_slots),
        cmocka_unit_test (long_row_gives_back_the_rows_behind_it),
        cmocka_unit_test (outcomes_before_a_long_row_do_not_wait_for_it),
        cmocka_unit_test (outcomes_that_were_had_already_may_come_behind_the_next_batch),
        cmocka_unit_test (outcomes_of_one_turn_leave_as_one_message),
        cmocka_unit_test (large_row_in_parts_runs_whole),
        cmocka_unit_test (spec_is_told_to_an_executor_once),
        cmocka_unit_test (input_waits_with_its_row),
        cmocka_unit_test (many_unacknowledged_results_pause_the_executors),
        cmocka_unit_test (output_goes_in_pieces_as_long_as_the_line_is_not_known),
        cmocka_unit_test (a_cancelled_row_is_over_before_the_output_of_others_is_out),
        cmocka_unit_test (an_outcome_does_not_overtake_output_that_is_not_read),
        cmocka_unit_test (surplus_executors_end_after_a_while),
        cmocka_unit_test (refused_executors_are_asked_for_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
