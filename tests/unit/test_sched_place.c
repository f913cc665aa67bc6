/* Who gets which rows, and how many: broker/core/place.c through the scheduler's face. */
#include "tests/unit/sched_harness.h"

static uint64_t id_of (struct peer *c, uint64_t handle)
{
    return client_view (c, handle)->id;
}

static void a_batch_of_ten_behind_a_hundred_thousand_starts_with_the_next_free_slot (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    client_submit (c, 1, 0, 0, 100000);
    client_submit (c, 2, 0, 0, 10);
    assert_int_equal (worker_held (w, id_of (c, 1)), 4);
    assert_int_equal (worker_held (w, id_of (c, 2)), 0);
    b->now += 50000;
    worker_finish (w, id_of (c, 1), 1, OUTCOME_DONE, 50000);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (c, 2)), 1);
    bed_free (&b);
}

static void it_starts_even_where_the_first_batch_has_looked_ahead (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    client_submit (c, 1, 0, 0, 100000);
    for (int i = 0; i < 20; i++) {
        b->now += 2000;
        worker_finish (w, id_of (c, 1), 4, OUTCOME_DONE, 2000);
        bed_settle (b);
    }
    assert_true (worker_held (w, id_of (c, 1)) > 4);
    client_submit (c, 2, 0, 0, 10);
    bed_pass (b, 100000); /* the rows that run now turn out to be long */
    struct wire m;
    assert_true (peer_take (w, WIRE_TAKE_BACK, &m));
    while (m.kind == WIRE_TAKE_BACK) { /* in halves, until nothing is left that does not run */
        uint64_t spare = worker_held (w, id_of (c, 1)) - 4;
        uint64_t asked = m.m.take_back.count;
        wire_fini (&m);
        worker_return (w, id_of (c, 1), asked < spare ? asked : spare);
        bed_pass (b, 20000);
        if (!peer_take (w, WIRE_TAKE_BACK, &m))
            break;
    }
    assert_int_equal (worker_held (w, id_of (c, 1)), 4);
    worker_finish (w, id_of (c, 1), 1, OUTCOME_DONE, 100000);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (c, 2)), 1);
    bed_free (&b);
}

static void jobs_limit_holds_over_all_workers (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w[3];
    for (int i = 0; i < 3; i++)
        w[i] = bed_worker (b, "w", 4);
    client_submit (c, 1, 0, 5, 1000);
    for (int round = 0; round < 100; round++) {
        uint64_t slots = 0;
        for (int i = 0; i < 3; i++)
            slots +=
                worker_held (w[i], id_of (c, 1)) ? worker_slots (w[i], id_of (c, 1))->count : 0;
        assert_int_equal (slots, 5);
        b->now += 30000;
        worker_finish (w[round % 3], id_of (c, 1), 1 + round % 2, OUTCOME_DONE, 30000);
        bed_settle (b);
    }
    bed_run (b, 30000);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

static void slot_numbers_are_disjoint_over_workers (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w[4];
    for (int i = 0; i < 4; i++)
        w[i] = bed_worker (b, "w", 3);
    client_submit (c, 1, 0, 10, 500);
    for (int round = 0; round < 60; round++) {
        struct ranges all = {0};
        for (int i = 0; i < 4; i++) {
            struct ranges *r = worker_slots (w[i], id_of (c, 1));
            for (size_t k = 0; worker_held (w[i], id_of (c, 1)) && k < r->n; k++) {
                assert_false (ranges_meets (&all, r->at[k].lo, r->at[k].hi));
                assert_true (r->at[k].lo >= 1 && r->at[k].hi <= 11);
                ranges_add (&all, r->at[k].lo, r->at[k].hi);
            }
        }
        ranges_fini (&all);
        b->now += 1000;
        worker_finish (w[round % 4], id_of (c, 1), 100, OUTCOME_DONE, 1000);
        bed_settle (b);
    }
    bed_run (b, 1000);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

static void a_small_batch_spreads_over_the_hosts (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 8);
    struct peer *w2 = bed_worker (b, "w2", 8);
    client_submit (c, 1, 0, 0, 8);
    assert_int_equal (worker_held (w1, 0), 4);
    assert_int_equal (worker_held (w2, 0), 4);
    bed_free (&b);
}

static void chunk_size_follows_measured_time_and_shrinks_at_the_end (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, 0, 0, 100000);
    uint64_t id = id_of (c, 1);
    assert_int_equal (worker_held (w, id), 2); /* nothing is known: one for each slot */
    for (int i = 0; i < 40; i++) {
        b->now += 10;
        worker_finish (w, id, worker_held (w, id) / 2 + 1, OUTCOME_DONE, 10);
        bed_settle (b);
    }
    uint64_t held = worker_held (w, id); /* 5 ms of 10 us are 500 rows for each slot, twice */
    assert_in_range (held, 1000, 2000);
    while (client_view (c, 1)->done.count + worker_held (w, id) < 100000) {
        b->now += 10;
        worker_finish (w, id, 300, OUTCOME_DONE, 10);
        bed_settle (b);
    }
    assert_in_range (worker_held (w, id), 1, 1400);
    uint64_t last = 0;
    while ((last = worker_held (w, id)) > 0) {
        worker_finish (w, id, 100, OUTCOME_DONE, 10);
        bed_settle (b);
        assert_true (worker_held (w, id) < last);
    }
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

static void the_last_rows_are_not_given_to_one_worker (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    client_submit (c, 1, 0, 0, 2000);
    uint64_t id = id_of (c, 1);
    for (int i = 0; i < 100 && client_view (c, 1)->done.count < 1000; i++) {
        worker_finish (w1, id, 10, OUTCOME_DONE, 10);
        bed_settle (b);
    }
    struct peer *w2 = bed_worker (b, "w2", 1);
    bed_settle (b);
    uint64_t most = worker_held (w1, id) + worker_held (w2, id);
    assert_true (worker_held (w2, id) > 0);
    assert_true (worker_held (w2, id) <= most);
    bed_run (b, 100);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

static void long_tasks_are_granted_one_by_one (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    client_submit (c, 1, 0, 0, 1000);
    uint64_t id = id_of (c, 1);
    for (int i = 0; i < 50; i++) {
        assert_int_equal (worker_held (w, id), 4);
        b->now += 100000;
        worker_finish (w, id, 1 + i % 4, OUTCOME_DONE, 100000);
        bed_settle (b);
    }
    bed_free (&b);
}

static void at_most_once_batches_have_no_look_ahead (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 4);
    struct peer *w2 = bed_worker (b, "w2", 4);
    client_submit (c, 1, BATCH_AT_MOST_ONCE, 6, 1000);
    uint64_t id = id_of (c, 1);
    for (int i = 0; i < 200; i++) {
        struct peer *w = i % 3 ? w1 : w2;
        assert_true (worker_held (w1, id) <= worker_slots (w1, id)->count);
        assert_true (worker_held (w2, id) <= worker_slots (w2, id)->count);
        b->now += 20;
        worker_finish (w, id, 1 + i % 5, OUTCOME_DONE, 20);
        bed_settle (b);
    }
    bed_free (&b);
}

/* A worker with rows beyond its slots, a second one that has nothing to do. */
static void look_ahead_is_taken_back_when_another_worker_is_idle (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    client_submit (c, 1, 0, 0, 100);
    uint64_t id = id_of (c, 1);
    for (int i = 0; i < 200 && bed_figures (b).waiting; i++) {
        worker_finish (w1, id, 1, OUTCOME_DONE, 50);
        bed_settle (b);
    }
    uint64_t held = worker_held (w1, id);
    assert_true (held >= 2);
    struct peer *w2 = bed_worker (b, "w2", 1);
    bed_pass (b, 20000);
    struct wire m;
    assert_true (peer_take (w1, WIRE_TAKE_BACK, &m));
    assert_int_equal (m.m.take_back.batch, id);
    assert_int_equal (m.m.take_back.count, held / 2);
    wire_fini (&m);
    assert_int_equal (peer_count (w1, WIRE_TAKE_BACK), 0); /* asked once */
    worker_return (w1, id, held / 2);
    bed_settle (b);
    assert_true (worker_held (w2, id) > 0);
    assert_int_equal (worker_row (w2, id, w2->held[0].row)->attempt, 1); /* it had not started */
    bed_run (b, 50);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

/* Rows that were granted for one free slot spread when the others of the same worker get free. */
static void rows_spread_when_more_slots_get_free (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    client_submit (c, 1, 0, 0, 3);
    client_submit (c, 2, 0, 0, 40000);
    uint64_t long_id = id_of (c, 1);
    uint64_t id = id_of (c, 2);
    assert_int_equal (worker_held (w, long_id), 3);
    for (int i = 0; i < 30; i++) {
        worker_finish (w, id, worker_held (w, id) / 2 + 1, OUTCOME_DONE, 10);
        bed_settle (b);
    }
    assert_int_equal (worker_slots (w, id)->count, 1);
    assert_true (worker_held (w, id) > 100);
    worker_finish (w, id, 1, OUTCOME_DONE, 900000); /* from here on they are long */
    bed_settle (b);
    worker_finish (w, long_id, 3, OUTCOME_DONE, 1000000);
    bed_settle (b);
    assert_int_equal (worker_slots (w, id)->count, 4);
    bed_free (&b);
}

/* Rows that were thought to be short are out for one slot; then all of them are long. */
static void slots_that_get_free_later_are_given_even_if_no_row_fits (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, 0, 0, 1);
    client_submit (c, 2, 0, 0, 5000);
    uint64_t id = id_of (c, 2);
    for (int i = 0; i < 20; i++) {
        worker_finish (w, id, 1, OUTCOME_DONE, 100);
        bed_settle (b);
    }
    assert_true (worker_held (w, id) > 2);
    worker_finish (w, id, 1, OUTCOME_DONE, 5000000);
    worker_finish (w, id_of (c, 1), 1, OUTCOME_DONE, 5000000);
    bed_settle (b);
    assert_int_equal (worker_slots (w, id)->count, 2);
    bed_free (&b);
}

static void clients_share_and_not_their_batches (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    for (uint64_t h = 1; h <= 9; h++)
        client_submit (c1, h, 0, 0, 1000);
    client_submit (c2, 1, 0, 0, 1000);
    struct peer *w = bed_worker (b, "w", 10);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (c2, 1)), 5);
    assert_int_equal (worker_held (w, 0), 10);
    bed_free (&b);
}

static void the_higher_priority_goes_first_and_equal_ones_share (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_submit (c, 1, 0, 0, 100);
    client_submit (c, 2, 0, 0, 100);
    client_open (c, 3, 0, 0, 80);
    client_spec (c, 3, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 3, 4);
    client_close (c, 3);
    bed_settle (b);
    struct peer *w = bed_worker (b, "w", 10);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (c, 3)), 4);
    assert_int_equal (worker_held (w, id_of (c, 1)), 3);
    assert_int_equal (worker_held (w, id_of (c, 2)), 3);
    bed_free (&b);
}

static void a_task_takes_as_many_slots_as_it_says (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 3);
    client_rows (c, 1, 10);
    bed_settle (b);
    assert_int_equal (worker_held (w, 0), 2);
    client_submit (c, 2, 0, 0, 10);
    assert_int_equal (worker_held (w, id_of (c, 2)), 2); /* what is left of 8 */
    bed_free (&b);
}

static void tasks_without_cpus_run_beside_a_full_worker (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, 0, 0, 100);
    assert_int_equal (worker_held (w, 0), 2);
    client_open (c, 2, 0, 0, 50);
    client_spec (c, 2, 0, FORM_FUNCTION, "echo", 0);
    client_rows (c, 2, 500);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (c, 2)), 500);
    assert_int_equal (worker_slots (w, id_of (c, 2))->count, 500);
    b->now += 50000;
    worker_finish (w, id_of (c, 1), 1, OUTCOME_DONE, 50000);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (c, 1)), 2);
    bed_free (&b);
}

static struct view *submit_without_cpus (struct peer *c, uint64_t jobs, uint64_t rows)
{
    client_open (c, 1, 0, jobs, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 0);
    client_rows (c, 1, rows);
    client_close (c, 1);
    bed_settle (c->bed);
    return client_view (c, 1);
}

static void tasks_without_cpus_are_spread_evenly (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    struct peer *w2 = bed_worker (b, "w2", 64);
    struct peer *w3 = bed_worker (b, "w3", 2);
    uint64_t id = submit_without_cpus (c, 0, 301)->id;
    assert_in_range (worker_held (w1, id), 99, 101);
    assert_in_range (worker_held (w2, id), 99, 101);
    assert_in_range (worker_held (w3, id), 99, 101);
    bed_run (b, 1000);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

static void jobs_limit_holds_for_tasks_without_cpus (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 2);
    struct peer *w2 = bed_worker (b, "w2", 2);
    struct view *v = submit_without_cpus (c, 9, 1000);
    for (int i = 0; i < 50; i++) {
        uint64_t held1 = worker_held (w1, v->id), held2 = worker_held (w2, v->id);
        assert_in_range (held1, 4, 5);
        assert_int_equal (held1 + held2, 9);
        b->now += 5000;
        worker_finish (i % 2 ? w1 : w2, v->id, 1 + (uint64_t)i % 3, OUTCOME_DONE, 5000);
        bed_settle (b);
    }
    bed_run (b, 5000);
    assert_true (v->ended);
    bed_free (&b);
}

static void a_worker_that_comes_late_gets_its_part_of_tasks_without_cpus (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 2);
    struct view *v = submit_without_cpus (c, 0, 1600);
    assert_int_equal (worker_held (w1, v->id), 1000);
    struct peer *w2 = bed_worker (b, "w2", 2);
    assert_int_equal (worker_held (w2, v->id), 600);
    worker_finish (w1, v->id, 900, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_int_equal (worker_held (w1, v->id), 100);
    bed_run (b, 1000);
    assert_true (v->ended);
    bed_free (&b);
}

static void a_worker_has_no_more_tasks_without_cpus_than_it_says (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = submit_without_cpus (c, 0, 990);
    client_open (c, 2, 0, 0, 50);
    client_spec (c, 2, 0, FORM_FUNCTION, "echo", 0);
    client_rows (c, 2, 100);
    bed_settle (b);
    client_submit (c, 3, 0, 0, 8);
    assert_int_equal (worker_held (w, v->id), 990);
    assert_int_equal (worker_held (w, id_of (c, 2)), 10);
    assert_int_equal (worker_held (w, id_of (c, 3)), 2);
    worker_finish (w, v->id, 5, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (c, 2)), 15);
    bed_free (&b);
}

static void functions_go_only_to_workers_that_have_them (void **state)
{
    (void)state;
    static const char *const OTHER[] = {"img:thumb", NULL};
    static const char *const NONE[] = {NULL};
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *plain = bed_worker_of (b, "plain", 4, true, NONE);
    struct peer *other = bed_worker_of (b, "other", 4, false, OTHER);
    client_submit (c, 1, 0, 0, 10); /* "echo" */
    assert_int_equal (worker_held (plain, 0) + worker_held (other, 0), 0);
    bed_pass (b, US_PER_S);
    struct wire m;
    assert_true (peer_take (c, WIRE_NOTICE, &m));
    assert_int_equal (m.m.notice.code, NOTICE_NO_FUNCTION);
    assert_non_null (memmem (m.m.notice.text.ptr, m.m.notice.text.len, "the function 'echo'", 19));
    wire_fini (&m);
    client_open (c, 2, 0, 0, 50);
    client_spec (c, 2, 0, FORM_SHELL, "true", 1);
    client_rows (c, 2, 10);
    client_open (c, 3, 0, 0, 50);
    client_spec (c, 3, 0, FORM_FUNCTION, "img:thumb", 1);
    client_rows (c, 3, 10);
    bed_settle (b);
    assert_int_equal (worker_held (plain, id_of (c, 2)), 4);
    assert_int_equal (worker_held (other, id_of (c, 2)), 0);
    assert_int_equal (worker_held (other, id_of (c, 3)), 4);
    struct peer *echo = bed_worker (b, "echo", 4);
    bed_settle (b);
    assert_true (worker_held (echo, id_of (c, 1)) > 0);
    bed_free (&b);
}

/* Several specs, only some of them functions: whoever takes the batch has all. */
static void a_worker_must_have_all_that_a_batch_may_run (void **state)
{
    (void)state;
    static const char *const NONE[] = {NULL};
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *plain = bed_worker_of (b, "plain", 4, true, NONE);
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_SHELL, "true", 1);
    client_spec (c, 1, 1, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 10);
    bed_settle (b);
    assert_int_equal (worker_held (plain, 0), 0);
    bed_free (&b);
}

static void each_row_has_a_spec_of_its_own_where_the_batch_says_so (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 3);
    client_open (c, 1, BATCH_EACH_SPEC, 0, 50);
    for (uint64_t i = 0; i < 20; i++)
        client_spec (c, 1, i, FORM_SHELL, "true", 1);
    client_rows (c, 1, 20);
    client_close (c, 1);
    bed_settle (b);
    assert_int_equal (peer_count (w, WIRE_SPEC), 3);
    for (size_t i = 0; i < w->n_held; i++)
        assert_int_equal (w->held[i].spec, w->held[i].row);
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 1)->end.done, 20);
    bed_free (&b);
}

static void a_spec_is_sent_once_to_a_worker (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 3);
    client_submit (c, 1, 0, 0, 300);
    bed_run (b, 20000);
    assert_true (client_view (c, 1)->ended);
    assert_int_equal (peer_count (w, WIRE_SPEC), 1);
    assert_int_equal (peer_count (w, WIRE_FORGET), 1);
    bed_free (&b);
}

static void a_task_too_big_for_any_worker_is_said (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 5);
    client_rows (c, 1, 1);
    bed_settle (b);
    bed_pass (b, 2 * US_PER_S);
    struct wire m;
    assert_true (peer_take (c, WIRE_NOTICE, &m));
    assert_int_equal (m.m.notice.code, NOTICE_TASK_TOO_BIG);
    assert_int_equal (m.m.notice.value, 4);
    wire_fini (&m);
    assert_int_equal (peer_count (c, WIRE_NOTICE), 0);
    bed_free (&b);
}

static void without_a_worker_the_client_is_told_after_two_seconds (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_submit (c, 1, 0, 0, 10);
    bed_pass (b, 1500 * US_PER_MS);
    assert_int_equal (peer_count (c, WIRE_NOTICE), 0);
    bed_pass (b, US_PER_S);
    assert_int_equal (peer_count (c, WIRE_NOTICE), 1);
    bed_free (&b);
}

static void ask_drain (struct peer *c, uint64_t ref, const char *name)
{
    struct wire w = {.kind = WIRE_DRAIN};
    w.m.drain.ref = ref;
    w.m.drain.name = bytes_str (name);
    peer_post (c, &w);
}

static void say_capacity (struct peer *w, uint64_t slots, uint64_t draining)
{
    struct wire m = {.kind = WIRE_CAPACITY};
    m.m.capacity.slots = slots;
    m.m.capacity.draining = draining;
    peer_post (w, &m);
}

static void a_draining_worker_gets_nothing_and_the_answer_comes_when_it_is_empty (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 2);
    struct peer *w2 = bed_worker (b, "w2", 2);
    client_submit (c, 1, 0, 0, 100);
    uint64_t id = id_of (c, 1);
    ask_drain (c, 9, "w1");
    ask_drain (c, 10, "nobody");
    bed_settle (b);
    assert_int_equal (client_reply (c, 10), WIRE_UNKNOWN);
    assert_int_equal (peer_count (w1, WIRE_DRAIN), 1);
    say_capacity (w1, 2, 0); /* it had not read DRAIN then */
    worker_finish (w1, id, 1, OUTCOME_DONE, 50000);
    bed_settle (b);
    assert_int_equal (worker_held (w1, id), 1);
    assert_int_equal (client_reply (c, 9), -1);
    worker_finish (w1, id, 1, OUTCOME_DONE, 50000);
    bed_settle (b);
    assert_int_equal (worker_held (w1, id), 0);
    assert_int_equal (client_reply (c, 9), WIRE_OK);
    assert_int_equal (worker_held (w2, id), 2);
    bed_free (&b);
}

static void capacity_changes_what_a_worker_gets (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, 0, 0, 100);
    uint64_t id = id_of (c, 1);
    say_capacity (w, 6, 0);
    bed_settle (b);
    assert_int_equal (worker_held (w, id), 6);
    say_capacity (w, 1, 0);
    bed_settle (b);
    worker_finish (w, id, 5, OUTCOME_DONE, 50000);
    bed_settle (b);
    assert_int_equal (worker_held (w, id), 1);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_batch_of_ten_behind_a_hundred_thousand_starts_with_the_next_free_slot),
        cmocka_unit_test (it_starts_even_where_the_first_batch_has_looked_ahead),
        cmocka_unit_test (jobs_limit_holds_over_all_workers),
        cmocka_unit_test (slot_numbers_are_disjoint_over_workers),
        cmocka_unit_test (a_small_batch_spreads_over_the_hosts),
        cmocka_unit_test (chunk_size_follows_measured_time_and_shrinks_at_the_end),
        cmocka_unit_test (the_last_rows_are_not_given_to_one_worker),
        cmocka_unit_test (long_tasks_are_granted_one_by_one),
        cmocka_unit_test (at_most_once_batches_have_no_look_ahead),
        cmocka_unit_test (look_ahead_is_taken_back_when_another_worker_is_idle),
        cmocka_unit_test (rows_spread_when_more_slots_get_free),
        cmocka_unit_test (slots_that_get_free_later_are_given_even_if_no_row_fits),
        cmocka_unit_test (clients_share_and_not_their_batches),
        cmocka_unit_test (the_higher_priority_goes_first_and_equal_ones_share),
        cmocka_unit_test (a_task_takes_as_many_slots_as_it_says),
        cmocka_unit_test (tasks_without_cpus_run_beside_a_full_worker),
        cmocka_unit_test (tasks_without_cpus_are_spread_evenly),
        cmocka_unit_test (jobs_limit_holds_for_tasks_without_cpus),
        cmocka_unit_test (a_worker_that_comes_late_gets_its_part_of_tasks_without_cpus),
        cmocka_unit_test (a_worker_has_no_more_tasks_without_cpus_than_it_says),
        cmocka_unit_test (functions_go_only_to_workers_that_have_them),
        cmocka_unit_test (a_worker_must_have_all_that_a_batch_may_run),
        cmocka_unit_test (each_row_has_a_spec_of_its_own_where_the_batch_says_so),
        cmocka_unit_test (a_spec_is_sent_once_to_a_worker),
        cmocka_unit_test (a_task_too_big_for_any_worker_is_said),
        cmocka_unit_test (without_a_worker_the_client_is_told_after_two_seconds),
        cmocka_unit_test (a_draining_worker_gets_nothing_and_the_answer_comes_when_it_is_empty),
        cmocka_unit_test (capacity_changes_what_a_worker_gets),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
