/* What is run again, when, and where: by its outcome, and after its worker was lost. */
#include <string.h>

#include "tests/unit/sched_harness.h"

enum { SECOND = US_PER_S };

static struct msg_open retrying (uint64_t runs, uint64_t retry_on)
{
    return (struct msg_open){.batch = 1, .priority = 50, .runs = runs, .retry_on = retry_on};
}

static void end_row (struct peer *w, const struct view *v, uint64_t row, uint64_t attempt,
                     enum outcome_how how, unsigned status, unsigned signo)
{
    struct outcome o = {.row = row,
                        .attempt = attempt,
                        .how = how,
                        .status = status,
                        .signal = signo,
                        .wall_us = 1000};
    worker_end (w, v->id, &o);
    bed_settle (w->bed);
}

static void alive (struct bed *b)
{
    struct peer *p;
    struct wire ping = {.kind = WIRE_PING};
    LIST_FOREACH (p, &b->peers, link)
        if (p->route && !p->deaf && !p->stalled)
            peer_say (p, &ping);
}

static void pass (struct bed *b, int64_t us)
{
    for (; us > 0; us -= SECOND) {
        alive (b);
        bed_pass (b, us < SECOND ? us : SECOND);
    }
}

static void a_failed_row_runs_again_and_only_the_last_outcome_is_told (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct msg_open m = retrying (3, RETRY_FAILED);
    struct view *v = client_submit_as (c, &m, 2);
    end_row (w, v, 0, 1, OUTCOME_FAILED, 1, 0);
    assert_int_equal (v->n_got, 0);
    assert_int_equal (worker_row (w, v->id, 0)->attempt, 2);
    end_row (w, v, 0, 2, OUTCOME_FAILED, 1, 0);
    assert_int_equal (worker_row (w, v->id, 0)->attempt, 3);
    end_row (w, v, 0, 3, OUTCOME_FAILED, 1, 0);
    assert_int_equal (view_got (v, 0)->attempt, 3);
    assert_int_equal (view_got (v, 0)->how, OUTCOME_FAILED);
    end_row (w, v, 1, 1, OUTCOME_DONE, 0, 0);
    assert_true (v->ended);
    assert_int_equal (v->end.failed, 1);
    bed_free (&b);
}

static void only_what_is_named_is_run_again (void **state)
{
    (void)state;
    static const uint8_t EXITS[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 8}; /* 75 */
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    struct msg_open m = retrying (2, RETRY_EXITS | RETRY_SIGNAL);
    m.retry_exits = bytes_of (EXITS, sizeof EXITS);
    struct view *v = client_submit_as (c, &m, 5);
    end_row (w, v, 0, 1, OUTCOME_FAILED, 1, 0);
    end_row (w, v, 1, 1, OUTCOME_FAILED, 75, 0);
    end_row (w, v, 2, 1, OUTCOME_FAILED, 0, 11);
    end_row (w, v, 3, 1, OUTCOME_TIMEOUT, 0, 15);
    end_row (w, v, 4, 1, OUTCOME_CANCELLED, 0, 15);
    assert_non_null (view_got (v, 0));
    assert_null (view_got (v, 1));
    assert_null (view_got (v, 2));
    assert_non_null (view_got (v, 3));
    assert_non_null (view_got (v, 4));
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 2);
    bed_free (&b);
}

static void one_message_may_carry_what_counts_and_what_runs_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct msg_open m = retrying (2, RETRY_TIMEOUT);
    struct view *v = client_submit_as (c, &m, 4);
    worker_finish (w, v->id, 4, OUTCOME_TIMEOUT, 1000);
    bed_settle (b);
    assert_int_equal (v->n_got, 0);
    assert_int_equal (worker_held (w, v->id), 4);
    worker_finish (w, v->id, 4, OUTCOME_TIMEOUT, 1000);
    bed_settle (b);
    assert_int_equal (v->end.timeout, 4);
    bed_free (&b);
}

static void the_delay_doubles_and_has_a_limit (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct msg_open m = retrying (5, RETRY_FAILED);
    m.backoff_ms = 1000;
    m.backoff_max_ms = 3000;
    struct view *v = client_submit_as (c, &m, 1);
    static const int64_t LEAST[] = {1000, 2000, 3000, 3000};
    for (uint64_t attempt = 1; attempt < 5; attempt++) {
        end_row (w, v, 0, attempt, OUTCOME_FAILED, 1, 0);
        assert_int_equal (bed_figures (b).waiting, 1);
        pass (b, (LEAST[attempt - 1] - 50) * US_PER_MS);
        assert_int_equal (worker_held (w, v->id), 0);
        pass (b, (LEAST[attempt - 1] / 2 + 100) * US_PER_MS);
        assert_int_equal (worker_row (w, v->id, 0)->attempt, attempt + 1);
    }
    bed_free (&b);
}

/* It goes on to its end, and its next run has not started. */
static void a_row_that_runs_has_no_further_run_when_the_rest_is_cancelled (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct msg_open m = retrying (3, RETRY_FAILED);
    struct view *v = client_submit_as (c, &m, 2);
    struct wire cancel = {.kind = WIRE_CANCEL};
    cancel.m.cancel.batch = 1;
    cancel.m.cancel.unstarted = 1;
    peer_post (c, &cancel);
    bed_settle (b);
    assert_false (worker_row (w, v->id, 0)->cancelled);
    end_row (w, v, 0, 1, OUTCOME_FAILED, 1, 0);
    assert_int_equal (view_got (v, 0)->how, OUTCOME_FAILED);
    assert_int_equal (view_got (v, 0)->attempt, 1);
    bed_run (b, 1000);
    assert_int_equal (v->end.cancelled, 1);
    bed_free (&b);
}

static void a_row_that_waits_for_its_time_can_be_cancelled (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct msg_open m = retrying (5, RETRY_FAILED);
    m.backoff_ms = 60000;
    struct view *v = client_submit_as (c, &m, 3);
    worker_finish (w, v->id, 3, OUTCOME_FAILED, 1000);
    bed_settle (b);
    client_cancel (c, 1, 1, 1, 1);
    bed_settle (b);
    assert_int_equal (view_got (v, 1)->how, OUTCOME_CANCELLED);
    client_cancel (c, 2, 1, 0, 0);
    bed_settle (b);
    assert_int_equal (v->end.cancelled, 3);
    bed_free (&b);
}

static void another_worker_has_the_next_run_if_there_is_one (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    struct msg_open m = retrying (10, RETRY_FAILED);
    struct view *v = client_submit_as (c, &m, 1);
    struct peer *w2 = bed_worker (b, "w2", 1);
    bed_settle (b);
    end_row (w1, v, 0, 1, OUTCOME_FAILED, 1, 0);
    assert_int_equal (worker_held (w2, v->id), 1);
    end_row (w2, v, 0, 2, OUTCOME_FAILED, 1, 0);
    assert_int_equal (worker_held (w1, v->id) + worker_held (w2, v->id), 1); /* either has had it */
    bed_free (&b);
}

static void the_same_worker_has_it_when_the_other_is_busy_for_long (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    struct peer *w2 = bed_worker (b, "w2", 1);
    struct msg_open m = retrying (10, RETRY_FAILED);
    struct view *v = client_submit_as (c, &m, 2);
    struct peer *has = worker_row (w1, v->id, 0) ? w1 : w2;
    end_row (has, v, 0, 1, OUTCOME_FAILED, 1, 0);
    assert_int_equal (worker_held (has, v->id), 0);
    pass (b, 5 * SECOND);
    assert_int_equal (worker_held (has, v->id), 0);
    pass (b, 6 * SECOND);
    assert_int_equal (worker_held (has, v->id), 1);
    bed_free (&b);
}

static void fresh_rows_do_not_wait_behind_those_that_avoid_a_worker (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 2);
    struct peer *w2 = bed_worker (b, "w2", 2);
    struct msg_open m = retrying (2, RETRY_FAILED);
    struct view *v = client_submit_as (c, &m, 100);
    for (int i = 0; i < 40; i++) { /* one is broken; the other has a long task */
        if (!worker_held (w1, v->id))
            break;
        worker_finish (w1, v->id, 2, OUTCOME_FAILED, 1000000);
        bed_settle (b);
        assert_int_equal (worker_held (w1, v->id), 2);
    }
    assert_int_equal (worker_held (w2, v->id), 2);
    assert_int_equal (v->n_got, 0);
    bed_free (&b);
}

static void what_may_start_once_only_is_never_run_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct msg_open m = retrying (5, RETRY_FAILED | RETRY_LOST);
    m.flags = BATCH_AT_MOST_ONCE;
    struct view *v = client_submit_as (c, &m, 2);
    end_row (w, v, 0, 1, OUTCOME_FAILED, 1, 0);
    assert_int_equal (view_got (v, 0)->how, OUTCOME_FAILED);
    bed_worker_instead (w);
    assert_int_equal (view_got (v, 1)->how, OUTCOME_LOST);
    bed_free (&b);
}

static void the_loss_of_a_worker_is_no_run (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct msg_open m = retrying (2, RETRY_FAILED);
    struct view *v = client_submit_as (c, &m, 1);
    w = bed_worker_instead (w);
    end_row (w, v, 0, 2, OUTCOME_FAILED, 1, 0);
    assert_int_equal (worker_row (w, v->id, 0)->attempt, 3);
    end_row (w, v, 0, 3, OUTCOME_FAILED, 1, 0);
    assert_int_equal (v->end.failed, 1);
    bed_free (&b);
}

static void runs_are_counted_over_a_restart_and_the_delay_begins_anew (void **state)
{
    (void)state;
    struct store_test *t;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.records = cfg.durable = true;
    struct bed *b = bed_new (&cfg, store_test_new (&t));
    b->faithful = true;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct msg_open m = retrying (3, RETRY_FAILED);
    m.backoff_ms = 4000;
    struct view *v = client_submit_as (c, &m, 1);
    end_row (w, v, 0, 1, OUTCOME_FAILED, 7, 0);
    pass (b, 3 * SECOND);
    bed_restart (b, t);
    bed_settle (b);
    pass (b, 3 * SECOND);
    assert_int_equal (worker_held (w, v->id), 0);
    pass (b, 4 * SECOND);
    assert_int_equal (worker_row (w, v->id, 0)->attempt, 2);
    end_row (w, v, 0, 2, OUTCOME_FAILED, 7, 0);
    pass (b, 14 * SECOND);
    end_row (w, v, 0, 3, OUTCOME_FAILED, 7, 0);
    assert_int_equal (view_got (v, 0)->attempt, 3);
    bed_free (&b);
}

/* --- rows that take workers down --- */

static void a_row_that_kills_its_workers_is_parked_and_no_neighbour_is (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *v = client_submit (c, 1, 0, 0, 40);
    unsigned deaths = 0;
    for (int i = 0; i < 200 && !v->ended; i++) {
        if (worker_row (w, v->id, 7)) {
            deaths++;
            w = bed_worker_instead (w);
        } else {
            worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
            pass (b, SECOND / 2);
        }
    }
    assert_true (v->ended);
    assert_int_equal (deaths, 3);
    assert_int_equal (v->end.parked, 1);
    assert_int_equal (v->end.done, 39);
    assert_int_equal (view_got (v, 7)->how, OUTCOME_PARKED);
    bed_free (&b);
}

static void a_row_that_was_lost_twice_runs_alone (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    w = bed_worker_instead (w);
    w = bed_worker_instead (w);
    client_submit (c, 2, 0, 0, 5);
    assert_int_equal (worker_held (w, 0), 1); /* nothing else, though there is a slot */
    const struct held *h =
        worker_row (w, v->id, 0) ? worker_row (w, v->id, 0) : worker_row (w, v->id, 1);
    assert_non_null (h);
    bed_run (b, 50000);
    for (int i = 0; i < 20 && !v->ended; i++) {
        pass (b, SECOND);
        bed_run (b, 50000);
    }
    assert_int_equal (v->end.done, 2);
    bed_free (&b);
}

static void a_worker_is_cleared_where_none_is_idle (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 2);
    struct view *v = client_submit (c, 1, 0, 0, 2);
    w1 = bed_worker_instead (w1);
    struct peer *w2 = bed_worker (b, "w2", 2);
    struct view *other = client_submit (c, 2, 0, 0, 50);
    w1 = bed_worker_instead (w1);
    assert_int_equal (worker_held (w2, other->id), 2);
    for (int i = 0; i < 100 && !v->ended; i++) {
        for (uint64_t n = 0; n < 2; n++) {
            struct peer *w = n ? w2 : w1;
            uint64_t mine = worker_held (w, v->id);
            assert_true (!mine || worker_held (w, 0) == 1);
            worker_finish (w, mine ? v->id : other->id, 1, OUTCOME_DONE, 50000);
            bed_settle (b);
        }
        pass (b, SECOND / 4);
    }
    assert_true (v->ended);
    assert_int_equal (v->end.done, 2);
    bed_free (&b);
}

static void losses_are_counted_over_a_restart (void **state)
{
    (void)state;
    struct store_test *t;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.records = cfg.durable = true;
    struct bed *b = bed_new (&cfg, store_test_new (&t));
    b->faithful = true;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct msg_open m = {.batch = 1, .priority = 50, .losses = 2};
    struct view *v = client_submit_as (c, &m, 1);
    w = bed_worker_instead (w);
    bed_restart (b, t);
    bed_settle (b);
    assert_int_equal (worker_held (w, v->id), 1);
    bed_worker_instead (w);
    assert_int_equal (v->end.parked, 1);
    bed_free (&b);
}

/* `--retries N --retry-on lost`: so many workers, not the usual number of them. */
static void runs_limit_losses_where_losses_are_named (void **state)
{
    (void)state;
    static const uint64_t LIMIT[] = {2, 5};
    for (int i = 0; i < 2; i++) {
        struct bed *b = bed_new (NULL, NULL);
        struct peer *c = bed_client (b, "c");
        struct peer *w = bed_worker (b, "w", 1);
        struct msg_open m = retrying (LIMIT[i], RETRY_LOST);
        struct view *v = client_submit_as (c, &m, 1);
        for (uint64_t losses = 1; losses < LIMIT[i]; losses++) {
            w = bed_worker_instead (w);
            assert_int_equal (worker_row (w, v->id, 0)->attempt, losses + 1);
        }
        bed_worker_instead (w);
        assert_int_equal (v->end.parked, 1);
        bed_free (&b);
    }
}

/* --- exclusive --- */

static void an_exclusive_row_runs_elsewhere_only_when_its_worker_has_ended_it (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 1);
    struct msg_open m = {.batch = 1, .priority = 50, .flags = BATCH_EXCLUSIVE};
    struct view *v = client_submit_as (c, &m, 1);
    struct peer *w2 = bed_worker (b, "w2", 1);
    bed_settle (b);
    for (int i = 0; i < 16; i++) { /* its session is over at once, its tasks are not */
        struct wire rubbish = {.kind = WIRE_PING, .seq = 1};
        peer_say (w1, &rubbish);
    }
    bed_settle (b);
    w1->deaf = true;
    assert_int_equal (bed_figures (b).workers, 1);
    pass (b, 19 * (int64_t)SECOND);
    assert_int_equal (worker_held (w2, v->id), 0);
    pass (b, 2 * SECOND);
    assert_int_equal (worker_held (w2, v->id), 1);
    bed_free (&b);
}

static void an_exclusive_row_that_its_worker_ended_runs_again (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct msg_open m = {.batch = 1, .priority = 50, .flags = BATCH_EXCLUSIVE};
    struct view *v = client_submit_as (c, &m, 1);
    end_row (w, v, 0, 1, OUTCOME_LOST, 0, 9);
    assert_int_equal (worker_row (w, v->id, 0)->attempt, 2);
    m.batch = 2;
    m.flags |= BATCH_AT_MOST_ONCE;
    v = client_submit_as (c, &m, 1);
    bed_run (b, 1000);
    v = client_submit_as (c, &(struct msg_open){.batch = 3, .flags = m.flags}, 1);
    end_row (w, v, 0, 1, OUTCOME_LOST, 0, 9);
    assert_int_equal (v->end.lost, 1);
    bed_free (&b);
}

static void exclusive_rows_have_no_look_ahead (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct msg_open m = {.batch = 1, .priority = 50, .flags = BATCH_EXCLUSIVE};
    struct view *v = client_submit_as (c, &m, 100);
    for (int i = 0; i < 10; i++) {
        assert_true (worker_held (w, v->id) <= 2);
        worker_finish (w, v->id, 2, OUTCOME_DONE, 10);
        bed_settle (b);
    }
    bed_free (&b);
}

static void
after_a_restart_exclusive_rows_that_wait_begin_when_old_workers_have_ended_them (void **state)
{
    (void)state;
    struct store_test *t;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.records = cfg.durable = true;
    struct bed *b = bed_new (&cfg, store_test_new (&t));
    b->faithful = true;
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    struct msg_open m = {.batch = 1, .priority = 50, .flags = BATCH_EXCLUSIVE};
    struct view *v = client_submit_as (c, &m, 2);
    bed_restart (b, t);
    bed_settle (b);
    assert_int_equal (worker_held (w, v->id), 1);
    worker_finish (w, v->id, 1, OUTCOME_DONE, 1000);
    pass (b, 18 * (int64_t)SECOND);
    assert_int_equal (worker_held (w, v->id), 0);
    pass (b, 3 * SECOND);
    assert_int_equal (worker_held (w, v->id), 1);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_failed_row_runs_again_and_only_the_last_outcome_is_told),
        cmocka_unit_test (only_what_is_named_is_run_again),
        cmocka_unit_test (one_message_may_carry_what_counts_and_what_runs_again),
        cmocka_unit_test (the_delay_doubles_and_has_a_limit),
        cmocka_unit_test (a_row_that_runs_has_no_further_run_when_the_rest_is_cancelled),
        cmocka_unit_test (a_row_that_waits_for_its_time_can_be_cancelled),
        cmocka_unit_test (another_worker_has_the_next_run_if_there_is_one),
        cmocka_unit_test (the_same_worker_has_it_when_the_other_is_busy_for_long),
        cmocka_unit_test (fresh_rows_do_not_wait_behind_those_that_avoid_a_worker),
        cmocka_unit_test (what_may_start_once_only_is_never_run_again),
        cmocka_unit_test (the_loss_of_a_worker_is_no_run),
        cmocka_unit_test (runs_are_counted_over_a_restart_and_the_delay_begins_anew),
        cmocka_unit_test (a_row_that_kills_its_workers_is_parked_and_no_neighbour_is),
        cmocka_unit_test (a_row_that_was_lost_twice_runs_alone),
        cmocka_unit_test (a_worker_is_cleared_where_none_is_idle),
        cmocka_unit_test (losses_are_counted_over_a_restart),
        cmocka_unit_test (runs_limit_losses_where_losses_are_named),
        cmocka_unit_test (an_exclusive_row_runs_elsewhere_only_when_its_worker_has_ended_it),
        cmocka_unit_test (an_exclusive_row_that_its_worker_ended_runs_again),
        cmocka_unit_test (exclusive_rows_have_no_look_ahead),
        cmocka_unit_test (
            after_a_restart_exclusive_rows_that_wait_begin_when_old_workers_have_ended_them),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
