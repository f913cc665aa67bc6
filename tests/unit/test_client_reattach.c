/* The client's core and a broker that was restarted: requests, attached batches, live input,
 * confirmed records and output. What is submitted again is in test_client_restart.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/client_rig.h"

/* --- requests --- */

static void comes_reply (uint64_t ref, uint64_t more)
{
    struct wire w = {.kind = WIRE_REPLY};
    w.m.reply.ref = ref;
    w.m.reply.more = more;
    comes (w);
}

static void requests_without_an_answer_are_asked_again_once (void **state)
{
    (void)state;
    all_acknowledged ();
    uint64_t wait = ask ((struct wire){.kind = WIRE_WAIT, .m.wait.id = 7}, 0);
    acknowledge_all ();
    struct wire cancel = {.kind = WIRE_CANCEL, .m.cancel.batch = batch.handle};
    uint64_t second = ask (cancel, batch.handle);
    all_leave ();
    restart ();
    expect_leave (WIRE_OPEN);
    struct wire w = expect_leaves (WIRE_CANCEL); /* not acknowledged: where it was */
    assert_int_equal (w.m.cancel.ref, second);
    wire_fini (&w);
    w = expect_leaves (WIRE_WAIT);
    assert_int_equal (w.m.wait.ref, wait);
    wire_fini (&w);
    expect_leave (0);
    connected ();
    comes_reply (wait, 0);
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->ref, wait);
}

static void an_answer_that_had_begun_ends_in_words (void **state)
{
    (void)state;
    all_acknowledged ();
    uint64_t ref = ask ((struct wire){.kind = WIRE_QUERY}, 0);
    acknowledge_all ();
    comes_reply (ref, 1);
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    restart ();
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->reply->code, DROVER_ELOST);
    assert_int_equal (event->reply->more, 0);
}

static void a_cancellation_of_what_is_over_is_answered (void **state)
{
    (void)state;
    all_acknowledged ();
    struct wire cancel = {.kind = WIRE_CANCEL, .m.cancel.batch = batch.handle};
    uint64_t ref = ask (cancel, batch.handle);
    all_leave ();
    for (unsigned i = 0; i < 3; i++) {
        comes_done (i + 1, i, "a");
        expect_result (i, DROVER_DONE, "a");
    }
    comes_end (BATCH_FINISHED);
    assert_int_equal (next (), DROVER_EVENT_END);
    restart ();
    expect_leave (0); /* nothing of it is said to a broker that may have forgotten it */
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->ref, ref);
    assert_int_equal (event->reply->code, DROVER_OK);
}

static void what_was_attached_to_is_attached_to_behind_the_last_record (void **state)
{
    (void)state;
    struct batch other = {0};
    all_acknowledged ();
    assert_int_equal (core_attach (&core, &other, 99, 1, true, NULL), 0);
    acknowledge_all ();
    comes ((struct wire){.kind = WIRE_OPENED, .m.opened = {.batch = other.handle, .id = 99}});
    assert_int_equal (next (), DROVER_EVENT_OPENED);
    struct outcome o = {.row = 5, .attempt = 1};
    struct wire r = results (1, &o, 1);
    r.m.results.batch = other.handle;
    comes (r);
    assert_int_equal (next (), DROVER_EVENT_RESULT);
    restart ();
    struct wire open = expect_leaves (WIRE_OPEN);
    struct wire w = expect_leaves (WIRE_ATTACH);
    assert_int_equal (w.m.attach.id, 99);
    assert_int_equal (w.m.attach.record, 2);
    assert_int_equal (w.m.attach.follow, 1);
    wire_fini (&w);
    wire_fini (&open);
    core_forget (&core, &other);
}

/* The state went back, and the number was given again. */
static void what_was_attached_to_is_not_taken_for_another_batch (void **state)
{
    (void)state;
    struct batch other = {0};
    struct wire opened = {.kind = WIRE_OPENED};
    all_acknowledged ();
    assert_int_equal (core_attach (&core, &other, 99, 1, true, NULL), 0);
    acknowledge_all ();
    opened.m.opened = (struct msg_opened){.batch = other.handle, .id = 99, .born = 1000};
    comes (opened);
    assert_int_equal (next (), DROVER_EVENT_OPENED);
    restart ();
    connected ();
    struct wire open = expect_leaves (WIRE_OPEN);
    struct wire attach = expect_leaves (WIRE_ATTACH);
    opened.m.opened.born = 2000;
    comes (opened);
    expect_leave (WIRE_DETACH);
    assert_true (other.over);
    expect_broken ("the broker's state is older than what it acknowledged");
    wire_fini (&attach);
    wire_fini (&open);
    core_forget (&core, &other);
}

/* --- live input --- */

static void takes_input (const char *bytes, bool eof)
{
    assert_true (batch_input (&batch, 0, bytes_str (bytes), eof, NULL) >= 0);
}

static void input_that_was_not_taken_is_said_again (void **state)
{
    (void)state;
    core_forget (&core, &batch);
    open_batch (BATCH_INPUT, 1);
    all_acknowledged ();
    takes_input ("one", false);
    takes_input ("two", false);
    acknowledge_all ();
    comes ((struct wire){.kind = WIRE_INPUT_TAKEN,
                         .m.input_taken = {.batch = batch.handle, .row = 0, .offset = 2}});
    takes_input ("", true);
    restart ();
    expect_leave (WIRE_OPEN);
    struct wire w = expect_leaves (WIRE_INPUT);
    assert_int_equal (w.m.input.offset, 2);
    assert_int_equal (w.m.input.eof, 1);
    assert_int_equal (w.body[0].len, 4);
    assert_memory_equal (w.body[0].ptr, "etwo", 4);
    wire_fini (&w);
    expect_leave (0);
}

/* --- CONFIRM --- */

static uint64_t confirms (void)
{
    struct wire w;
    uint64_t last = 0;
    while ((w = leaves ()).kind) {
        if (w.kind == WIRE_CONFIRM)
            last = w.m.confirm.record;
        wire_fini (&w);
    }
    return last;
}

static void many_results (unsigned count)
{
    add_rows (&batch, count - 3);
    all_acknowledged ();
    for (unsigned i = 0; i < count; i++)
        comes_done (i + 1, i, "x");
}

static void what_the_program_has_seen_is_confirmed_now_and_then (void **state)
{
    (void)state;
    many_results (1200);
    assert_int_equal (confirms (), 0); /* not what only came */
    for (unsigned i = 0; i < 1000; i++)
        expect_result (i, DROVER_DONE, "x");
    assert_int_equal (confirms (), 0);
    expect_result (1000, DROVER_DONE, "x");
    assert_int_equal (confirms (), 1000);
    for (unsigned i = 1001; i < 1200; i++)
        expect_result (i, DROVER_DONE, "x");
    assert_int_equal (confirms (), 0);
    comes_end (BATCH_FINISHED);
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_int_equal (confirms (), 0);
    expect_nothing ();
    assert_int_equal (confirms (), 1201); /* END stands behind the last */
}

static void an_end_is_confirmed_though_its_batch_is_freed_at_once (void **state)
{
    (void)state;
    many_results (3);
    for (unsigned i = 0; i < 3; i++)
        expect_result (i, DROVER_DONE, "x");
    comes_end (BATCH_FINISHED);
    assert_int_equal (next (), DROVER_EVENT_END);
    core_forget (&core, &batch);
    assert_int_equal (confirms (), 4);
    expect_nothing ();
    open_batch (0, 1);
}

static void large_results_are_confirmed_sooner (void **state)
{
    (void)state;
    static char text[250001];
    memset (text, 'x', sizeof text - 1);
    add_rows (&batch, 3);
    all_acknowledged ();
    for (unsigned i = 0; i < 6; i++)
        comes_done (i + 1, i, text);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal (next (), DROVER_EVENT_RESULT);
        assert_int_equal (confirms (), i < 5 ? 0 : 5);
    }
}

static void results_of_detached_batches_are_not_confirmed (void **state)
{
    (void)state;
    core_forget (&core, &batch);
    open_batch (BATCH_DETACHED, 3);
    many_results (1200);
    for (unsigned i = 0; i < 1200; i++)
        expect_result (i, DROVER_DONE, "x");
    assert_int_equal (confirms (), 0);
}

/* --- output --- */

static void output_that_comes_twice_counts_once (void **state)
{
    (void)state;
    all_acknowledged ();
    comes_output (1, 0, 1, 0, "one");
    comes_output (2, 0, 1, 0, "one");
    comes_output (3, 0, 1, 2, "etwo");
    comes_output (4, 0, 1, 0, "onetwo");
    comes_done (5, 0, "three");
    expect_result (0, DROVER_DONE, "onetwothree");
}

static void live_output_that_comes_twice_is_delivered_once (void **state)
{
    (void)state;
    core_forget (&core, &batch);
    struct msg_open open = {.key = bytes_str ("live")};
    batch = (struct batch){0};
    core_open (&core, &batch, &open, NULL);
    add_spec (&batch, SPEC_LIVE_OUTPUT);
    add_rows (&batch, 1);
    all_acknowledged ();
    comes_output (1, 0, 1, 0, "one");
    comes_output (2, 0, 1, 0, "one");
    comes_output (3, 0, 1, 2, "etwo");
    assert_int_equal (next (), DROVER_EVENT_OUTPUT);
    assert_int_equal (event->output->bytes.len, 3);
    assert_int_equal (next (), DROVER_EVENT_OUTPUT);
    assert_int_equal (event->output->offset, 3);
    assert_memory_equal (event->output->bytes.ptr, "two", 3);
    comes_output (4, 0, 2, 0, "anew"); /* another attempt */
    assert_int_equal (next (), DROVER_EVENT_OUTPUT);
    assert_int_equal (event->output->bytes.len, 4);
    expect_nothing ();
}

static void output_that_is_missing_is_said (void **state)
{
    (void)state;
    all_acknowledged ();
    comes_output (1, 0, 1, 0, "one");
    comes_output (2, 0, 1, 10, "two");
    assert_int_equal (next (), DROVER_EVENT_NOTICE);
    assert_int_equal (event->notice->code, DROVER_NOTE_OUTPUT_LOST);
    assert_non_null (strstr (event->notice->text, "7 bytes of the output of task 1"));
    comes_done (3, 0, "");
    expect_result (0, DROVER_DONE, "onetwo");
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup_durable, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (requests_without_an_answer_are_asked_again_once),
        TEST (an_answer_that_had_begun_ends_in_words),
        TEST (a_cancellation_of_what_is_over_is_answered),
        TEST (what_was_attached_to_is_attached_to_behind_the_last_record),
        TEST (what_was_attached_to_is_not_taken_for_another_batch),
        TEST (input_that_was_not_taken_is_said_again),
        TEST (what_the_program_has_seen_is_confirmed_now_and_then),
        TEST (an_end_is_confirmed_though_its_batch_is_freed_at_once),
        TEST (large_results_are_confirmed_sooner),
        TEST (results_of_detached_batches_are_not_confirmed),
        TEST (output_that_comes_twice_counts_once),
        TEST (live_output_that_comes_twice_is_delivered_once),
        TEST (output_that_is_missing_is_said),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
