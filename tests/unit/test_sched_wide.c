/* Tasks that take several slots among those that take one: broker/core/wide.c through the
 * scheduler's face. */
#include "tests/unit/sched_harness.h"

enum { TASK_US = 100000 }; /* longer than what is granted ahead */

/* `cpus` for each task; returns the broker's number of the batch. */
static uint64_t submit (struct peer *c, uint64_t handle, uint64_t priority, uint64_t cpus,
                        uint64_t rows)
{
    client_open (c, handle, 0, 0, priority);
    client_spec (c, handle, 0, FORM_FUNCTION, "echo", cpus);
    client_rows (c, handle, rows);
    client_close (c, handle);
    bed_settle (c->bed);
    return client_view (c, handle)->id;
}

/* One row of the batch, which has run for that long. */
static void finish (struct peer *w, uint64_t id, uint64_t us)
{
    w->bed->now += (int64_t)us;
    worker_finish (w, id, 1, OUTCOME_DONE, us);
    bed_settle (w->bed);
}

/* Time passes, and the worker gives signs of life. */
static void live (struct peer *w, uint64_t us)
{
    const uint64_t step = US_PER_S;
    for (uint64_t left = us; left; left -= left < step ? left : step) {
        struct wire ping = {.kind = WIRE_PING};
        peer_say (w, &ping);
        bed_pass (w->bed, (int64_t)(left < step ? left : step));
    }
}

static void slots_that_get_free_are_kept_from_lower_priorities_of_its_client (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t first = submit (c, 1, 50, 1, 1000);
    uint64_t wide = submit (c, 2, 51, 4, 2);
    for (uint64_t held = 4; held > 0; held--) {
        assert_int_equal (worker_held (w, first), held);
        assert_int_equal (worker_held (w, wide), 0);
        finish (w, first, TASK_US);
    }
    assert_int_equal (worker_held (w, wide), 1);
    finish (w, wide, TASK_US);
    assert_int_equal (worker_held (w, wide), 1);
    finish (w, wide, TASK_US);
    assert_int_equal (worker_held (w, first), 4);
    bed_run (b, TASK_US);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

static void short_tasks_that_were_granted_ahead_run_out (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t first = submit (c, 1, 50, 1, 100000);
    for (int i = 0; i < 50; i++)
        finish (w, first, 100);
    assert_true (worker_held (w, first) > 20);
    uint64_t wide = submit (c, 2, 51, 3, 1);
    int turns = 0;
    for (; turns < 1000 && !worker_held (w, wide); turns++)
        finish (w, first, 100);
    assert_in_range (turns, 1, 600); /* twice 5 ms for each slot */
    bed_free (&b);
}

/* Another client's tasks go on, until they have had as many slots as the wide task takes. */
static void it_is_passed_over_by_others_for_as_many_slots_as_it_takes (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *many = bed_client (b, "many");
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t small = submit (many, 1, 50, 1, 1000);
    uint64_t wide = submit (c, 1, 50, 3, 100);
    int passed = 0;
    while (worker_held (w, small) == 4) {
        finish (w, small, TASK_US);
        passed++;
        assert_in_range (passed, 1, 4);
    }
    assert_int_equal (passed, 4); /* the fourth slot was kept */
    finish (w, small, TASK_US);
    finish (w, small, TASK_US);
    assert_int_equal (worker_held (w, wide), 1);
    bed_free (&b);
}

static void both_kinds_get_their_share (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *many = bed_client (b, "many");
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t small = submit (many, 1, 50, 1, 4000);
    uint64_t wide = submit (c, 1, 50, 4, 1000);
    for (int i = 0; i < 1000; i++)
        finish (w, worker_held (w, wide) ? wide : small, TASK_US);
    assert_in_range (client_view (c, 1)->done.count, 150, 350);
    assert_in_range (client_view (many, 1)->done.count, 650, 850);
    bed_free (&b);
}

static void its_own_client_s_higher_priorities_go_first (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t high = submit (c, 1, 60, 1, 40);
    uint64_t wide = submit (c, 2, 50, 4, 1);
    for (int i = 0; i < 36; i++) {
        assert_int_equal (worker_held (w, high), 4);
        finish (w, high, TASK_US);
    }
    assert_int_equal (worker_held (w, wide), 0);
    for (int i = 0; i < 4; i++)
        finish (w, high, TASK_US);
    assert_int_equal (worker_held (w, wide), 1);
    bed_free (&b);
}

static void one_of_several_workers_is_drained (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w[3];
    for (int i = 0; i < 3; i++)
        w[i] = bed_worker (b, "w", 4);
    uint64_t first = submit (c, 1, 50, 1, 1000);
    uint64_t wide = submit (c, 2, 51, 4, 1);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 3; i++)
            finish (w[i], first, TASK_US);
    uint64_t held = 0, wides = 0;
    for (int i = 0; i < 3; i++) {
        held += worker_held (w[i], first);
        wides += worker_held (w[i], wide);
    }
    assert_int_equal (held, 9); /* 4, 4 and one that is left */
    assert_int_equal (wides, 0);
    bed_run (b, TASK_US);
    assert_true (client_view (c, 2)->ended);
    bed_free (&b);
}

static void the_worker_that_is_ready_first_is_drained (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *small = bed_worker (b, "small", 4);
    struct peer *large = bed_worker (b, "large", 32);
    uint64_t first = submit (c, 1, 50, 1, 1000);
    uint64_t wide = submit (c, 2, 51, 4, 1);
    finish (small, first, TASK_US);
    assert_int_equal (worker_held (small, first), 4);
    for (int i = 0; i < 4; i++)
        finish (large, first, TASK_US);
    assert_int_equal (worker_held (large, first), 28);
    assert_int_equal (worker_held (large, wide), 1);
    bed_free (&b);
}

/* A slot is taken by a task without end: what is lost by waiting for it is bounded. */
static void draining_is_given_up_after_a_while_and_tried_again_later (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    uint64_t endless = submit (c, 1, 99, 1, 1);
    uint64_t first = submit (c, 2, 50, 1, 100000);
    uint64_t wide = submit (c, 3, 51, 2, 1);
    uint64_t idle = 0, all = 3000;
    for (uint64_t i = 0; i < all; i++) { /* 300 s */
        idle += worker_held (w, first) == 0;
        worker_finish (w, first, 1, OUTCOME_DONE, TASK_US);
        live (w, TASK_US);
    }
    assert_in_range (idle, 95, all * 3 / 10);
    assert_int_equal (worker_held (w, wide), 0);
    finish (w, endless, TASK_US);
    for (int i = 0; i < 6000 && !worker_held (w, wide); i++) {
        worker_finish (w, first, 1, OUTCOME_DONE, TASK_US);
        live (w, TASK_US);
    }
    assert_int_equal (worker_held (w, wide), 1);
    bed_free (&b);
}

static void patience_is_longer_than_tasks_are (void **state)
{
    (void)state;
    enum { MINUTE = 60 * 1000 * 1000 };
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    uint64_t first = submit (c, 1, 50, 1, 1000);
    for (int i = 0; i < 8; i++) {
        live (w, MINUTE);
        worker_finish (w, first, 1, OUTCOME_DONE, MINUTE);
        bed_settle (b);
    }
    uint64_t wide = submit (c, 2, 51, 2, 1);
    for (int i = 0; i < 2; i++) {
        live (w, MINUTE / 2);
        worker_finish (w, first, 1, OUTCOME_DONE, MINUTE);
        bed_settle (b);
    }
    assert_int_equal (worker_held (w, wide), 1);
    bed_free (&b);
}

static void tasks_without_slots_go_on_where_a_worker_is_drained (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t first = submit (c, 1, 50, 1, 1000);
    submit (c, 2, 51, 4, 1);
    finish (w, first, TASK_US);
    assert_int_equal (worker_held (w, first), 3);
    uint64_t waits = submit (c, 3, 50, 0, 200);
    assert_int_equal (worker_held (w, waits), 200);
    bed_free (&b);
}

static void a_wide_batch_that_is_cancelled_gives_the_slots_free (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    uint64_t first = submit (c, 1, 50, 1, 1000);
    submit (c, 2, 51, 4, 1);
    finish (w, first, TASK_US);
    finish (w, first, TASK_US);
    assert_int_equal (worker_held (w, first), 2);
    client_cancel (c, 7, 2, 0, 0);
    bed_settle (b);
    assert_int_equal (worker_held (w, first), 4);
    bed_free (&b);
}

static void another_worker_is_drained_when_the_first_is_lost (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 4);
    uint64_t first = submit (c, 1, 50, 1, 1000);
    uint64_t wide = submit (c, 2, 51, 4, 1);
    finish (w1, first, TASK_US);
    assert_int_equal (worker_held (w1, first), 3);
    struct peer *w2 = bed_worker (b, "w2", 3);
    bed_settle (b);
    assert_int_equal (worker_held (w2, first), 3); /* too small for the wide one */
    struct peer *w3 = bed_worker_instead (w1);
    bed_settle (b);
    assert_int_equal (worker_held (w3, wide), 1);
    bed_free (&b);
}

static void many_batches_of_all_widths_end (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c[3] = {bed_client (b, "a"), bed_client (b, "b"), bed_client (b, "c")};
    for (uint64_t i = 0; i < 24; i++)
        submit (c[i % 3], i, 45 + i % 7, 1 + i * 5 % 6, 40);
    for (uint64_t slots = 2; slots < 7; slots++)
        bed_worker (b, "w", slots);
    bed_run (b, 30000);
    for (uint64_t i = 0; i < 24; i++)
        assert_true (client_view (c[i % 3], i)->ended);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (slots_that_get_free_are_kept_from_lower_priorities_of_its_client),
        cmocka_unit_test (short_tasks_that_were_granted_ahead_run_out),
        cmocka_unit_test (it_is_passed_over_by_others_for_as_many_slots_as_it_takes),
        cmocka_unit_test (both_kinds_get_their_share),
        cmocka_unit_test (its_own_client_s_higher_priorities_go_first),
        cmocka_unit_test (one_of_several_workers_is_drained),
        cmocka_unit_test (the_worker_that_is_ready_first_is_drained),
        cmocka_unit_test (draining_is_given_up_after_a_while_and_tried_again_later),
        cmocka_unit_test (patience_is_longer_than_tasks_are),
        cmocka_unit_test (tasks_without_slots_go_on_where_a_worker_is_drained),
        cmocka_unit_test (a_wide_batch_that_is_cancelled_gives_the_slots_free),
        cmocka_unit_test (another_worker_is_drained_when_the_first_is_lost),
        cmocka_unit_test (many_batches_of_all_widths_end),
    };
    return cmocka_run_group_tests_name ("sched_wide", tests, NULL, NULL);
}
