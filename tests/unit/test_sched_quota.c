/* What one client may fill, and that it costs the others nothing. */
#include <string.h>

#include "tests/unit/sched_harness.h"

static struct bed *bed_with (uint64_t tasks, uint64_t bytes, uint64_t batches)
{
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.client_tasks = tasks;
    cfg.client_bytes = bytes;
    cfg.client_batches = batches;
    return bed_new (&cfg, NULL);
}

/* The last ERROR, which must be about an OPEN of this handle that was put off. */
static struct msg_error put_off (struct peer *c, uint64_t handle)
{
    assert_int_equal (c->last_error.code, WIRE_BUSY);
    assert_int_equal (c->last_error.kind, WIRE_OPEN);
    assert_int_equal (c->last_error.ref, handle);
    return c->last_error;
}

static void a_client_over_its_tasks_is_held_back_and_others_are_not (void **state)
{
    (void)state;
    struct bed *b = bed_with (1000, 1 << 30, 100);
    struct peer *c = bed_client (b, "c");
    struct peer *other = bed_client (b, "other");
    client_submit (c, 1, 0, 0, 1000);
    assert_int_equal (c->window, 0);
    assert_true (other->window > 0);
    client_open (c, 2, 0, 0, 50);
    bed_settle (b);
    struct msg_error e = put_off (c, 2);
    assert_int_equal (e.code, WIRE_BUSY);
    assert_int_equal (e.have, 1000);
    assert_int_equal (e.limit, 1000);
    assert_true (e.retry_ms > 0);
    struct peer *w = bed_worker (b, "w", 1);
    struct view *v = client_submit (other, 1, 0, 0, 10);
    bed_run (b, 50000);
    assert_true (v->ended);
    (void)w;
    bed_free (&b);
}

static void of_a_batch_that_was_put_off_nothing_is_accepted (void **state)
{
    (void)state;
    struct bed *b = bed_with (100, 1 << 30, 100);
    struct peer *c = bed_client (b, "c");
    client_submit (c, 1, BATCH_DETACHED, 0, 100);
    uint64_t errors = c->n_errors;
    struct view *v = client_submit (c, 2, 0, 0, 10);
    assert_int_equal (put_off (c, 2).code, WIRE_BUSY);
    assert_int_equal (c->n_errors, errors + 1); /* SPEC, ROWS and CLOSE are passed over */
    assert_int_equal (v->end.state, BATCH_BROKEN);
    assert_int_equal (bed_figures (b).batches, 1);
    bed_worker (b, "w", 4);
    bed_run (b, 50000);
    assert_true (c->window > 0);
    v = client_submit (c, 3, 0, 0, 10);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 10);
    bed_free (&b);
}

static void bytes_and_batches_have_limits_as_well (void **state)
{
    (void)state;
    struct bed *b = bed_with (0, 4000, 3);
    struct peer *c = bed_client (b, "c");
    for (uint64_t handle = 1; handle <= 4; handle++)
        client_open (c, handle, 0, 0, 50);
    bed_settle (b);
    assert_int_equal (put_off (c, 4).limit, 3);
    struct peer *d = bed_client (b, "d");
    client_submit (d, 1, 0, 0, 3000);
    assert_int_equal (d->window, 0);
    client_open (d, 2, 0, 0, 50);
    bed_settle (b);
    assert_int_equal (put_off (d, 2).limit, 4000);
    client_cancel (d, 1, 1, 0, 0);
    bed_settle (b);
    assert_true (d->window > 0);
    bed_free (&b);
}

/* --- what is taken beside the bytes of rows --- */

enum { TINY = 50 };

static void open_for_rows (struct peer *c)
{
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
}

/* As a slow producer submits. */
static void chunks_of_one_row_count_with_what_they_take_themselves (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    open_for_rows (c);
    for (int i = 0; i < TINY; i++)
        client_rows (c, 1, 1);
    client_close (c, 1);
    bed_settle (b);
    assert_true (bed_figures (b).queue_bytes >= TINY * 150);
    bed_worker (b, "w", 4);
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 1)->end.done, TINY);
    assert_int_equal (bed_figures (b).queue_bytes, 0);
    bed_free (&b);
}

static void post_byte (struct peer *c, uint64_t offset)
{
    struct wire w = {.kind = WIRE_ROWS};
    w.m.rows = (struct msg_rows){.batch = 1, .count = 1, .offset = offset, .total = TINY};
    w.body[0] = slice_borrowed ("", 1);
    peer_post (c, &w);
}

static void parts_of_one_byte_count_likewise (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    open_for_rows (c);
    for (uint64_t i = 0; i < TINY; i++)
        post_byte (c, i);
    client_view (c, 1)->rows = 1;
    client_close (c, 1);
    bed_settle (b);
    assert_true (bed_figures (b).queue_bytes >= TINY * 60);
    bed_worker (b, "w", 1);
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 1)->end.done, 1);
    assert_int_equal (bed_figures (b).queue_bytes, 0);
    bed_free (&b);
}

static void post_chunk (struct peer *c, uint64_t chunk)
{
    static const uint8_t ROW[] = {0x91, 0xc4, 0x01, 'x'};
    struct wire w = {.kind = WIRE_ROWS};
    w.m.rows = (struct msg_rows){.batch = 1, .chunk = chunk, .first = chunk, .count = 1};
    w.body[0] = slice_borrowed (ROW, sizeof ROW);
    peer_post (c, &w);
}

/* Of each a hash is kept until the batch ends. */
static void chunks_that_are_over_count_with_what_is_known_of_them (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = cfg.overflow_bytes = 4096;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    open_for_rows (c);
    for (uint64_t chunk = 0; chunk < 2000 && c->error != WIRE_BUSY; chunk++) {
        post_chunk (c, chunk);
        bed_settle (b);
        bed_run (b, 1000);
    }
    assert_int_equal (c->error, WIRE_BUSY);
    assert_in_range (client_view (c, 1)->done.count, 100, 1100);
    struct view *v = client_submit (c, 2, 0, 0, 10); /* with the batch gone there is room again */
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 10);
    bed_free (&b);
}

/* P10, P11: who asks for results and does not read them is held to its limit, and nobody waits for
 * it. */
static void a_slow_reader_costs_the_one_beside_it_nothing (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.result_bytes = 20000;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *slow = bed_client (b, "slow");
    struct peer *quick = bed_client (b, "quick");
    bed_worker (b, "w", 4);
    client_submit (slow, 1, 0, 0, 20000);
    slow->stalled = true;
    struct view *v = client_submit (quick, 1, 0, 0, 500);
    for (int i = 0; i < 2000 && !v->ended; i++)
        bed_turn (b), bed_run (b, 1000);
    assert_true (v->ended);
    assert_int_equal (v->end.done, 500);
    assert_true (bed_figures (b).queue_bytes < 20000 * 20 + 200000);
    slow->stalled = false;
    peer_wake (slow);
    bed_free (&b);
}

/* --- what waits for a submission --- */

/* Open for rows. */
static void open_batch (struct peer *c, uint64_t handle)
{
    client_open (c, handle, 0, 0, 50);
    client_spec (c, handle, 0, FORM_FUNCTION, "echo", 1);
    bed_settle (c->bed);
}

static struct view *submit_after (struct peer *c, uint64_t handle, const char *after,
                                  uint64_t count)
{
    struct msg_open m = {.batch = handle, .priority = 50, .after = bytes_str (after)};
    return client_submit_as (c, &m, count);
}

static void close_batch (struct peer *c, uint64_t handle, uint64_t rows)
{
    client_rows (c, handle, rows);
    client_close (c, handle);
    bed_settle (c->bed);
    bed_run (c->bed, 1000);
}

/* It would wait for itself: rows of the first are behind the window that the second shuts. */
static void what_waits_for_a_submission_does_not_hold_it_back (void **state)
{
    (void)state;
    struct bed *b = bed_with (10, 1 << 30, 100);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    open_batch (c, 1);
    submit_after (c, 2, "1:ok", 8);
    submit_after (c, 3, "2:ok", 8); /* through another */
    assert_true (c->window > 0);
    close_batch (c, 1, 5);
    for (uint64_t handle = 1; handle <= 3; handle++)
        assert_int_equal (client_view (c, handle)->end.state, BATCH_FINISHED);
    assert_int_equal (client_view (c, 3)->end.done, 8);
    bed_free (&b);
}

static void nor_do_its_bytes (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = 600;
    cfg.client_bytes = 400;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *d = bed_client (b, "d");
    bed_worker (b, "w", 4);
    open_batch (c, 1);
    submit_after (c, 2, "1:ok", 60);
    submit_after (d, 2, "1:ok", 60);
    assert_true (c->window > 0);
    close_batch (c, 1, 5);
    assert_int_equal (client_view (c, 2)->end.done, 60);
    assert_int_equal (client_view (d, 2)->end.done, 60);
    bed_free (&b);
}

static void there_is_as_much_room_again_for_it_and_then_it_is_refused_in_words (void **state)
{
    (void)state;
    struct bed *b = bed_with (10, 1 << 30, 100);
    struct peer *c = bed_client (b, "c");
    bed_worker (b, "w", 4);
    open_batch (c, 1);
    submit_after (c, 2, "1:ok", 12);
    struct view *v = submit_after (c, 3, "1:ok", 2);
    assert_int_equal (c->last_error.code, WIRE_BUSY);
    assert_int_equal (c->last_error.kind, WIRE_ROWS);
    assert_int_equal (v->end.state, BATCH_CANCELLED);
    close_batch (c, 1, 5);
    assert_int_equal (client_view (c, 2)->end.done, 12);
    bed_free (&b);
}

static void who_waits_for_the_submission_of_another_is_held_back_there (void **state)
{
    (void)state;
    struct bed *b = bed_with (10, 1 << 30, 100);
    struct peer *c = bed_client (b, "c");
    struct peer *d = bed_client (b, "d");
    bed_worker (b, "w", 4);
    open_batch (c, 1);
    submit_after (d, 1, "1:ok", 9);
    assert_true (d->window > 0);
    submit_after (d, 2, "1:ok", 9);
    assert_int_equal (d->window, 0);
    assert_int_equal (d->n_errors, 0);
    open_batch (d, 3);
    assert_int_equal (put_off (d, 3).limit, 10);
    close_batch (c, 1, 5);
    assert_int_equal (client_view (d, 1)->end.done, 9);
    assert_int_equal (client_view (d, 2)->end.done, 9);
    assert_true (d->window > 0);
    bed_free (&b);
}

/* Somebody waits for what it has yet to say: it is let go on. */
static void who_is_held_back_and_waited_for_is_not_held_back_any_more (void **state)
{
    (void)state;
    struct bed *b = bed_with (10, 1 << 30, 100);
    struct peer *c = bed_client (b, "c");
    struct peer *d = bed_client (b, "d");
    bed_worker (b, "w", 4);
    open_batch (c, 1);
    open_batch (d, 1);
    submit_after (d, 2, "1:ok", 12);
    assert_int_equal (d->window, 0);
    submit_after (c, 2, "2:ok", 2);
    assert_true (d->window > 0);
    close_batch (d, 1, 5);
    assert_int_equal (client_view (c, 2)->end.done, 2);
    close_batch (c, 1, 5);
    assert_int_equal (client_view (d, 2)->end.done, 12);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_client_over_its_tasks_is_held_back_and_others_are_not),
        cmocka_unit_test (of_a_batch_that_was_put_off_nothing_is_accepted),
        cmocka_unit_test (bytes_and_batches_have_limits_as_well),
        cmocka_unit_test (chunks_of_one_row_count_with_what_they_take_themselves),
        cmocka_unit_test (parts_of_one_byte_count_likewise),
        cmocka_unit_test (chunks_that_are_over_count_with_what_is_known_of_them),
        cmocka_unit_test (a_slow_reader_costs_the_one_beside_it_nothing),
        cmocka_unit_test (what_waits_for_a_submission_does_not_hold_it_back),
        cmocka_unit_test (nor_do_its_bytes),
        cmocka_unit_test (there_is_as_much_room_again_for_it_and_then_it_is_refused_in_words),
        cmocka_unit_test (who_waits_for_the_submission_of_another_is_held_back_there),
        cmocka_unit_test (who_is_held_back_and_waited_for_is_not_held_back_any_more),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
