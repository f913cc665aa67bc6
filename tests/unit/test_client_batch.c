/* The client's batches: how rows leave, and when there is room for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/rows.h"
#include "tests/unit/client_rig.h"

static void a_batch_leaves_as_open_spec_rows_close (void **state)
{
    (void)state;
    batch_close (&batch, NULL);
    static const unsigned kinds[] = {WIRE_OPEN, WIRE_SPEC, WIRE_ROWS, WIRE_CLOSE, 0};
    for (int i = 0; i < 5; i++) {
        struct wire w = leaves ();
        assert_int_equal (w.kind, kinds[i]);
        if (w.kind == WIRE_ROWS) {
            assert_int_equal (w.m.rows.count, 3);
            assert_int_equal (rows_check (bytes_of (w.body[0].ptr, w.body[0].len), 3, NULL), 0);
        }
        if (w.kind == WIRE_CLOSE)
            assert_int_equal (w.m.close.total, 3);
        wire_fini (&w);
    }
}

static void a_cancelled_batch_accounts_for_rows_the_broker_never_took (void **state)
{
    (void)state;
    struct outcome o = {.row = 0, .attempt = 1, .how = OUTCOME_CANCELLED};
    comes (results (1, &o, 1));
    comes_end (BATCH_CANCELLED);
    for (unsigned i = 0; i < 3; i++)
        expect_result (i, DROVER_CANCELLED, "");
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (event->end->cancelled, 3);
}

static void room_is_told_once_there_is_some (void **state)
{
    (void)state;
    batch.max_pending = 4;
    assert_int_equal (batch_room (&batch, false), 1);
    add_rows (&batch, 1);
    assert_int_equal (batch_room (&batch, false), 0);
    batch.wants_room = true;
    core_tick (&core, now);
    expect_nothing ();
    comes_done (1, 0, "a");
    expect_result (0, DROVER_DONE, "a");
    core_tick (&core, now);
    core_tick (&core, now);
    assert_int_equal (next (), DROVER_EVENT_ROOM);
    expect_nothing ();
}

static void unacknowledged_bytes_leave_no_room (void **state)
{
    (void)state;
    static char big[200000];
    struct bytes v = bytes_of (big, sizeof big);
    int added = 0;
    while (batch_room (&batch, false) && added < 100)
        assert_true (batch_add (&batch, 0, &v, 1, NULL) >= 0), added++;
    assert_in_range (added, 4, 7);
    core_flush (&core);
    acknowledge_all ();
    assert_true (batch_room (&batch, true) > 0);
}

static void a_large_row_leaves_in_parts_of_one_chunk (void **state)
{
    (void)state;
    size_t size = 600000;
    char *big = malloc (size);
    memset (big, 'x', size);
    struct bytes v = bytes_of (big, size);
    assert_int_equal (batch_add (&batch, 0, &v, 1, NULL), 3);
    add_rows (&batch, 1);
    core_flush (&core);
    uint64_t offset = 0, total = 0, chunk = 0;
    struct wire w;
    while ((w = leaves ()).kind) {
        comes ((struct wire){.kind = WIRE_ACK, .ack = w.seq, .m.ack = {.window_bytes = 1 << 20}});
        if (w.kind == WIRE_ROWS && w.m.rows.total) {
            assert_int_equal (w.m.rows.first, 3);
            assert_int_equal (w.m.rows.chunk, 1);
            assert_int_equal (w.m.rows.offset, offset);
            assert_true (w.body[0].len <= WIRE_PIECE_MAX);
            offset += w.body[0].len;
            total = w.m.rows.total;
        } else if (w.kind == WIRE_ROWS) {
            chunk = w.m.rows.chunk;
        }
        wire_fini (&w);
    }
    assert_int_equal (offset, total);
    assert_true (total > size);
    assert_int_equal (chunk, 2);
    free (big);
}

static void each_row_of_an_ordered_batch_leaves_with_its_key (void **state)
{
    (void)state;
    struct err e;
    size_t size = 600000;
    char *big = calloc (1, size);
    const struct bytes keys[] = {bytes_str ("a"), bytes_str (""), bytes_str ("c")};
    const struct bytes huge = bytes_of (big, size), small = bytes_str ("small");
    assert_int_equal (batch_add_keyed (&batch, 0, &keys[0], NULL, 0, &e), -1);
    core_forget (&core, &batch);
    open_batch (BATCH_ORDERED, 0);
    assert_int_equal (batch_add (&batch, 0, NULL, 0, &e), -1);
    assert_int_equal (batch_add_keyed (&batch, 0, &huge, NULL, 0, &e), -1);
    for (int i = 0; i < 3; i++)
        assert_int_equal (batch_add_keyed (&batch, 0, &keys[i], i < 2 ? &small : &huge, 1, &e), i);
    core_flush (&core);
    struct wire w;
    unsigned row = 0;
    while ((w = leaves ()).kind) {
        size_t at = 0;
        struct bytes key;
        comes ((struct wire){.kind = WIRE_ACK, .ack = w.seq, .m.ack = {.window_bytes = 1 << 20}});
        if (w.kind == WIRE_OPEN && w.m.open.batch == batch.handle)
            assert_int_equal (w.flags & WIRE_FLAG_MUST_UNDERSTAND, WIRE_FLAG_MUST_UNDERSTAND);
        for (uint64_t i = 0; w.kind == WIRE_ROWS && !w.m.rows.offset &&
                             w.m.rows.batch == batch.handle && i < w.m.rows.count;
             i++) {
            assert_int_equal (key_read (bytes_of (w.body[1].ptr, w.body[1].len), &at, &key), 0);
            assert_true (bytes_equal (key, keys[row++]));
        }
        if (w.kind == WIRE_ROWS)
            assert_int_equal (w.body[1].len, at);
        wire_fini (&w);
    }
    assert_int_equal (row, 3);
    free (big);
}

static void a_row_over_the_limit_is_refused_with_both_numbers (void **state)
{
    (void)state;
    struct err e;
    struct bytes v = bytes_of ("", (size_t)65 << 20); /* its bytes are never looked at */
    assert_int_equal (batch_add (&batch, 0, &v, 1, &e), -1);
    assert_non_null (strstr (e.text, "68157440"));
    assert_non_null (strstr (e.text, "83885"));
    assert_int_equal (batch.rows, 3);
}

static void chunks_split_where_specs_do_not_follow (void **state)
{
    (void)state;
    core_forget (&core, &batch);
    open_batch (BATCH_EACH_SPEC, 0);
    add_spec (&batch, 0);
    struct err e;
    assert_int_equal (batch_add (&batch, 0, NULL, 0, &e), 0);
    assert_int_equal (batch_add (&batch, 0, NULL, 0, &e), -1);
    assert_int_equal (batch_add (&batch, 1, NULL, 0, &e), 1);
    core_flush (&core);
    struct wire w;
    unsigned rows = 0;
    while ((w = leaves ()).kind) {
        if (w.kind == WIRE_ROWS && w.m.rows.batch == batch.handle) {
            assert_int_equal (w.m.rows.spec, 0);
            assert_int_equal (w.m.rows.count, 2);
            rows++;
        }
        wire_fini (&w);
    }
    assert_int_equal (rows, 1);
}

static void input_stops_at_the_window_and_goes_on_when_taken (void **state)
{
    (void)state;
    batch.flags |= BATCH_INPUT;
    opened (1);
    core_flush (&core);
    all_leave ();
    size_t size = 300000;
    char *bytes = calloc (1, size);
    int64_t taken = batch_input (&batch, 0, bytes_of (bytes, size), false, NULL);
    assert_int_equal (taken, 256 << 10);
    assert_int_equal (batch_input (&batch, 0, bytes_of (bytes, 10), false, NULL), 0);
    all_leave ();
    struct wire w = {.kind = WIRE_INPUT_TAKEN};
    w.m.input_taken = (struct msg_input_taken){.batch = batch.handle, .row = 0, .offset = 1000};
    comes (w);
    assert_int_equal (next (), DROVER_EVENT_INPUT_ROOM);
    assert_int_equal (event->row, 0);
    assert_int_equal (batch_input (&batch, 0, bytes_of (bytes, size), false, NULL), 1000);
    assert_int_equal (batch_input (&batch, 0, bytes_of (NULL, 0), true, NULL), 0);
    free (bytes);
}

static void a_forgotten_batch_has_no_more_events (void **state)
{
    (void)state;
    comes_done (1, 0, "a");
    comes_done (2, 1, "b");
    expect_result (0, DROVER_DONE, "a");
    core_forget (&core, &batch);
    expect_nothing ();
    open_batch (0, 1);
}

static void events_of_one_batch_can_be_taken_out_of_turn (void **state)
{
    (void)state;
    struct batch *old = calloc (1, sizeof *old);
    struct msg_open open = {.flags = 0};
    core_open (&core, old, &open, NULL);
    comes_done (1, 0, "a");
    core_break (&core, old, "over");
    assert_int_equal (core_next (&core, old, &event, NULL), 1);
    assert_int_equal (event->kind, DROVER_EVENT_END);
    assert_int_equal (core_next (&core, old, &event, NULL), 0);
    expect_result (0, DROVER_DONE, "a");
    core_forget (&core, old);
    free (old);
}

static void whole_chunks_do_not_leave_before_the_end (void **state)
{
    (void)state;
    acknowledge_all ();
    batch.whole_chunks = true;
    add_rows (&batch, 2);
    core_flush (&core);
    assert_false (core_has_unsent (&core));
    expect_leave (0);
    batch_close (&batch, NULL);
    struct wire w = expect_leaves (WIRE_ROWS);
    assert_int_equal (w.m.rows.count, 5);
    wire_fini (&w);
    expect_leave (WIRE_CLOSE);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_batch_leaves_as_open_spec_rows_close),
        TEST (a_cancelled_batch_accounts_for_rows_the_broker_never_took),
        TEST (room_is_told_once_there_is_some),
        TEST (unacknowledged_bytes_leave_no_room),
        TEST (a_large_row_leaves_in_parts_of_one_chunk),
        TEST (each_row_of_an_ordered_batch_leaves_with_its_key),
        TEST (a_row_over_the_limit_is_refused_with_both_numbers),
        TEST (chunks_split_where_specs_do_not_follow),
        TEST (input_stops_at_the_window_and_goes_on_when_taken),
        TEST (a_forgotten_batch_has_no_more_events),
        TEST (whole_chunks_do_not_leave_before_the_end),
        TEST (events_of_one_batch_can_be_taken_out_of_turn),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
