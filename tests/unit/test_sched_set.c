/* A batch is changed while it runs: its limit of tasks at one time, its priority, its deadline, its
 * name. */
#include "tests/unit/restart_rig.h"

static uint64_t slots_of (struct peer *w, uint64_t batch)
{
    return worker_held (w, batch) ? worker_slots (w, batch)->count : 0;
}

static void say_set (struct peer *c, uint64_t ref, const struct msg_set *m)
{
    struct wire w = {.kind = WIRE_SET, .m.set = *m};
    w.m.set.ref = ref;
    peer_post (c, &w);
    bed_settle (c->bed);
}

static void set_jobs (struct peer *c, uint64_t ref, uint64_t id, uint64_t jobs)
{
    say_set (c, ref, &(struct msg_set){.id = id, .changes = CHANGE_JOBS, .jobs = jobs});
    assert_int_equal (client_reply (c, ref), WIRE_OK);
}

static void a_lower_limit_ends_nothing_and_starts_nothing_before_enough_has_ended (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 8);
    struct view *v = client_submit (c, 1, 0, 8, 100);
    assert_int_equal (worker_held (w, v->id), 8);
    set_jobs (c, 1, v->id, 3);
    assert_int_equal (worker_held (w, v->id), 8);
    assert_int_equal (slots_of (w, v->id), 3);
    for (int i = 0; i < 5; i++) {
        b->now += 50000;
        worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
        bed_settle (b);
        assert_int_equal (worker_held (w, v->id), 7 - i);
    }
    worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
    bed_settle (b);
    assert_int_equal (worker_held (w, v->id), 3);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 100);
    bed_free (&b);
}

static void a_higher_limit_is_used_at_once (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 4);
    struct peer *w2 = bed_worker (b, "w2", 4);
    struct view *v = client_submit (c, 1, 0, 2, 100);
    set_jobs (c, 1, v->id, 5);
    assert_int_equal (worker_held (w1, v->id) + worker_held (w2, v->id), 5);
    set_jobs (c, 2, v->id, 0);
    assert_int_equal (worker_held (w1, v->id) + worker_held (w2, v->id), 8);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 100);
    bed_free (&b);
}

static void look_ahead_comes_back_when_the_limit_is_lowered (void **state)
{
    (void)state;
    struct wire m;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *v = client_submit (c, 1, 0, 4, 100000);
    worker_finish (w, v->id, 4, OUTCOME_DONE, 100);
    bed_settle (b);
    uint64_t held = worker_held (w, v->id);
    assert_true (held > 40);
    peer_count (w, WIRE_TAKE_BACK);
    set_jobs (c, 1, v->id, 1);
    assert_true (peer_take (w, WIRE_TAKE_BACK, &m));
    assert_int_equal (m.m.take_back.count, held - 1);
    wire_fini (&m);
    bed_free (&b);
}

/* A number may be in use where it was: nobody else gets it. */
static void numbers_above_the_limit_are_given_to_nobody_else (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 4);
    struct view *v = client_submit (c, 1, 0, 4, 100);
    set_jobs (c, 1, v->id, 2);
    struct peer *w2 = bed_worker (b, "w2", 4);
    set_jobs (c, 2, v->id, 6);
    assert_int_equal (slots_of (w1, v->id), 4);
    assert_int_equal (slots_of (w2, v->id), 2);
    assert_false (ranges_meets (worker_slots (w2, v->id), 1, 5));
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 100);
    bed_free (&b);
}

static void the_changed_priority_goes_first (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    client_submit (c, 1, 0, 0, 10);
    struct view *v = client_submit (c, 2, 0, 0, 10);
    struct view *last = client_submit (c, 3, 0, 0, 10);
    say_set (c, 1, &(struct msg_set){.id = last->id, .changes = CHANGE_PRIORITY, .priority = 80});
    for (int i = 0; i < 5; i++) {
        b->now += 50000;
        worker_finish (w, 0, 1, OUTCOME_DONE, 50000);
        worker_finish (w, client_view (c, 1)->id, 1, OUTCOME_DONE, 50000);
        worker_finish (w, last->id, 1, OUTCOME_DONE, 50000);
        bed_settle (b);
        assert_int_equal (worker_held (w, last->id), 1);
    }
    assert_int_equal (v->done.count, 0);
    bed_free (&b);
}

static void a_deadline_can_come_and_go (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, 0, 0, 10);
    struct msg_set m = {.id = v->id, .changes = CHANGE_DEADLINE, .deadline_ms = 5000};
    say_set (c, 1, &m);
    m.deadline_ms = 0;
    say_set (c, 2, &m);
    bed_pass (b, 10 * US_PER_S);
    assert_false (v->ended);
    m.deadline_ms = 5000;
    say_set (c, 3, &m);
    bed_pass (b, 3 * US_PER_S);
    assert_false (v->ended);
    bed_pass (b, 4 * US_PER_S);
    assert_int_equal (v->end.cancelled, 10);
    bed_free (&b);
}

static void what_is_over_or_unknown_is_refused_in_words (void **state)
{
    (void)state;
    struct wire m;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 2);
    bed_run (b, 1000);
    say_set (c, 1, &(struct msg_set){.id = v->id, .changes = CHANGE_JOBS, .jobs = 1});
    assert_true (peer_take (c, WIRE_REPLY, &m));
    assert_int_equal (m.m.reply.code, WIRE_CONFLICT);
    assert_true (bytes_equal (m.m.reply.text, bytes_str ("batch 1 is over")));
    wire_fini (&m);
    say_set (c, 2, &(struct msg_set){.id = 77, .changes = CHANGE_JOBS});
    assert_int_equal (client_reply (c, 2), WIRE_UNKNOWN);
    bed_free (&b);
}

static void what_was_set_holds_over_a_restart (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w1 = bed_worker (b, "w1", 4);
    struct peer *w2 = bed_worker (b, "w2", 4);
    struct view *v = client_submit (c, 1, 0, 8, 60);
    set_jobs (c, 1, v->id, 3);
    restart (b, t); /* its client opens it again with 8, and that is no conflict */
    assert_true (slots_of (w1, v->id) + slots_of (w2, v->id) <= 3);
    set_jobs (c, 2, v->id, 6);
    restart (b, t);
    assert_int_equal (slots_of (w1, v->id) + slots_of (w2, v->id), 6);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 60);
    bed_free (&b);
}

/* The worker never heard of its new share. */
static void a_share_that_did_not_arrive_is_told_again_after_a_restart (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *v = client_submit (c, 1, 0, 4, 60);
    w->deaf = true;
    set_jobs (c, 1, v->id, 2);
    w->deaf = false;
    restart (b, t);
    assert_int_equal (slots_of (w, v->id), 2);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 60);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_lower_limit_ends_nothing_and_starts_nothing_before_enough_has_ended),
        cmocka_unit_test (a_higher_limit_is_used_at_once),
        cmocka_unit_test (look_ahead_comes_back_when_the_limit_is_lowered),
        cmocka_unit_test (numbers_above_the_limit_are_given_to_nobody_else),
        cmocka_unit_test (the_changed_priority_goes_first),
        cmocka_unit_test (a_deadline_can_come_and_go),
        cmocka_unit_test (what_is_over_or_unknown_is_refused_in_words),
        cmocka_unit_test (what_was_set_holds_over_a_restart),
        cmocka_unit_test (a_share_that_did_not_arrive_is_told_again_after_a_restart),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
