/* Those who look at a batch, and those who are slow about it. */
#include "tests/unit/sched_harness.h"

static uint64_t id_of (struct peer *c, uint64_t handle)
{
    return client_view (c, handle)->id;
}

/* --- looking at a batch --- */

static void attach (struct peer *c, uint64_t handle, uint64_t id, uint64_t record, bool follow)
{
    struct wire w = {.kind = WIRE_ATTACH};
    w.m.attach.batch = handle;
    w.m.attach.id = id;
    w.m.attach.record = record;
    w.m.attach.follow = follow;
    client_view (c, handle)->record = record ? record - 1 : 0;
    client_view (c, handle)->part = record > 1;
    peer_post (c, &w);
}

static void who_attaches_gets_all_results_or_those_from_a_record_on (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    struct peer *w = bed_worker (b, "w", 1);
    uint64_t id = client_submit (c1, 1, BATCH_DETACHED, 0, 10)->id;
    for (int i = 0; i < 5; i++) {
        worker_finish (w, id, 1, OUTCOME_DONE, 50000);
        bed_settle (b);
    }
    attach (c2, 1, id, 0, true);
    attach (c2, 2, id, 4, true);
    attach (c2, 3, id, 0, false);
    bed_settle (b);
    assert_int_equal (client_view (c2, 1)->done.count, 5);
    assert_int_equal (client_view (c2, 2)->done.count, 2);
    assert_int_equal (client_view (c2, 3)->end.state, BATCH_RUNNING);
    assert_int_equal (client_view (c2, 3)->done.count, 5);
    bed_run (b, 50000);
    assert_int_equal (client_view (c2, 1)->done.count, 10);
    assert_int_equal (client_view (c2, 2)->done.count, 7);
    assert_int_equal (client_view (c2, 3)->done.count, 5);
    attach (c1, 5, id, 0, true);
    bed_settle (b);
    assert_int_equal (client_view (c1, 5)->end.done, 10);
    bed_free (&b);
}

/* The last one who looks goes, and another one comes, in the same turn. */
static void who_attaches_when_the_last_reader_leaves_is_answered (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *w = bed_worker (b, "w", 1);
    uint64_t id = client_submit (c1, 1, 0, 0, 1)->id;
    c1->full = true; /* nothing reaches it: the batch is kept for it */
    worker_finish (w, id, 1, OUTCOME_DONE, 1000);
    struct wire detach = {.kind = WIRE_DETACH};
    detach.m.detach.batch = 1;
    peer_post (c1, &detach);
    attach (c1, 2, id, 0, true);
    client_view (c1, 2)->part = true; /* what was sent is not kept */
    bed_turn (b);
    c1->full = false;
    b->now += 20000;
    bed_settle (b);
    bed_pass (b, US_PER_S);
    assert_true (client_view (c1, 2)->ended);
    bed_free (&b);
}

static void nobody_reads_an_attached_batch_and_it_goes_on (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 4000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    uint64_t id = client_submit (c, 1, 0, 0, 200)->id;
    struct wire detach = {.kind = WIRE_DETACH};
    detach.m.detach.batch = 1;
    peer_post (c, &detach);
    client_wait (c, 5, id, WAIT_FINISHED, 0);
    bed_settle (b);
    bed_run (b, 50000);
    assert_int_equal (w->granted, 200);
    assert_int_equal (client_reply (c, 5), WIRE_OK);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void a_detached_batch_keeps_its_results_and_never_waits_for_a_reader (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 4000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 1);
    uint64_t id = client_submit (c, 1, BATCH_DETACHED, 0, 200)->id;
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (c, &bye);
    bed_settle (b);
    bed_run (b, 50000);
    struct peer *c2 = bed_client (b, "c2");
    attach (c2, 1, id, 0, true);
    bed_settle (b);
    assert_int_equal (client_view (c2, 1)->end.done, 200);
    bed_free (&b);
}

/* --- limits --- */

static void slow_reader_pauses_only_its_batch (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 20000;
    cfg.window_bytes = 10000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *slow = bed_client (b, "slow");
    struct peer *quick = bed_client (b, "quick");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (slow, 1, 0, 0, 1000);
    client_submit (quick, 1, 0, 0, 1000);
    slow->stalled = true;
    for (int i = 0; i < 2000; i++) {
        worker_finish (w, id_of (slow, 1), 1, OUTCOME_DONE, 50000);
        worker_finish (w, id_of (quick, 1), 1, OUTCOME_DONE, 50000);
        bed_turn (b);
        bed_turn (b);
    }
    assert_true (client_view (quick, 1)->ended);
    assert_int_equal (worker_held (w, 0), 0);
    uint64_t left = bed_figures (b).waiting;
    assert_in_range (left, 1, 900);
    peer_wake (slow);
    bed_settle (b);
    assert_int_equal (worker_held (w, id_of (slow, 1)), 2); /* at once, not at the next tick */
    bed_run (b, 50000);
    assert_true (client_view (slow, 1)->ended);
    bed_free (&b);
}

/* Each of them is far below the limit of its batch, and together they would fill the broker. */
static void many_who_do_not_read_leave_room_for_others (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = 100000;
    cfg.window_bytes = 1000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *slow[10];
    bed_worker (b, "w", 4);
    for (int i = 0; i < 10; i++) {
        slow[i] = bed_client (b, "slow");
        client_submit (slow[i], 1, 0, 0, 300);
        bed_settle (b);
        slow[i]->stalled = true;
    }
    bed_run (b, 1000);
    assert_in_range (bed_figures (b).queue_bytes, 1, cfg.queue_bytes * 3 / 4);
    struct peer *quick = bed_client (b, "quick");
    assert_int_equal (quick->window, cfg.window_bytes);
    client_submit (quick, 1, 0, 0, 200);
    bed_run (b, 1000);
    assert_true (client_view (quick, 1)->ended);
    for (int i = 0; i < 10; i++)
        peer_wake (slow[i]);
    bed_settle (b);
    bed_pass (b, 2 * US_PER_S);
    bed_run (b, 1000);
    for (int i = 0; i < 10; i++)
        assert_true (client_view (slow[i], 1)->ended);
    bed_free (&b);
}

static void output_that_is_not_read_pauses_as_well (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 20000;
    cfg.window_bytes = 10000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    client_submit (c, 1, 0, 0, 3);
    uint64_t id = id_of (c, 1);
    c->stalled = true;
    static char bytes[5000];
    for (uint64_t i = 0; i < 10; i++) {
        struct wire m = {.kind = WIRE_OUTPUT};
        m.m.output.batch = id;
        m.m.output.attempt = 1;
        m.m.output.stream = 1;
        m.m.output.offset = i * sizeof bytes;
        m.body[0] = slice_borrowed (bytes, sizeof bytes);
        peer_post (w, &m);
    }
    worker_finish (w, id, 1, OUTCOME_DONE, 50000);
    bed_turn (b);
    bed_turn (b);
    assert_int_equal (worker_held (w, 0), 0);
    peer_wake (c);
    bed_settle (b);
    assert_int_equal (client_view (c, 1)->output_bytes, 50000);
    bed_run (b, 50000);
    assert_true (client_view (c, 1)->ended);
    bed_free (&b);
}

static void queue_limit_shuts_the_window_and_reopens_it (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = 100000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *other = bed_client (b, "other");
    client_submit (c, 1, 0, 0, 20000);
    bed_settle (b);
    assert_int_equal (c->window, 0);
    assert_int_equal (other->window, 0);
    struct peer *late = bed_client (b, "late");
    assert_int_equal (late->window, 0);
    struct peer *w = bed_worker (b, "w", 4);
    assert_true (w->window > 0); /* results must not be held back: they make room */
    bed_run (b, 20);
    assert_true (client_view (c, 1)->ended);
    assert_int_equal (c->window, cfg.window_bytes);
    assert_int_equal (other->window, cfg.window_bytes);
    assert_int_equal (late->window, cfg.window_bytes);
    bed_free (&b);
}

static void the_oldest_kept_results_make_room_before_clients_wait (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = 100000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    for (uint64_t handle = 1; handle <= 12; handle++) {
        client_submit (c, handle, BATCH_DETACHED, 0, 1000);
        bed_run (b, 20);
        assert_true (client_view (c, handle)->ended);
        bed_pass (b, US_PER_S);
    }
    assert_true (bed_figures (b).batches < 12);
    assert_true (bed_figures (b).batches > 0);
    assert_true (bed_figures (b).queue_bytes <= cfg.queue_bytes);
    assert_int_equal (c->window, cfg.window_bytes);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (who_attaches_gets_all_results_or_those_from_a_record_on),
        cmocka_unit_test (who_attaches_when_the_last_reader_leaves_is_answered),
        cmocka_unit_test (nobody_reads_an_attached_batch_and_it_goes_on),
        cmocka_unit_test (a_detached_batch_keeps_its_results_and_never_waits_for_a_reader),
        cmocka_unit_test (slow_reader_pauses_only_its_batch),
        cmocka_unit_test (many_who_do_not_read_leave_room_for_others),
        cmocka_unit_test (output_that_is_not_read_pauses_as_well),
        cmocka_unit_test (queue_limit_shuts_the_window_and_reopens_it),
        cmocka_unit_test (the_oldest_kept_results_make_room_before_clients_wait),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
