/* Pipelines: items through batches on one handle, which has no socket here: the broker is made of
 * single messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client/lib/cancel_source.h"
#include "client/lib/handle.h"
#include "client/lib/pipeline.h"
#include "common/base/clock.h"
#include "common/wire/outcome.h"
#include "common/wire/rows.h"

enum { STAGES = 3, VALUES = 8, TEXT = 40 };

struct seen { /* of a stage, by the broker */
    uint64_t rows;
    uint64_t record;
    size_t count; /* values of its last row, and they themselves */
    char values[VALUES][TEXT];
    bool closed;
    bool cancelled;
    uint64_t cancel_ref;
    struct msg_spec spec;
};

static struct drover h;
static drover_batch_t *head;
static struct seen seen[STAGES + 2]; /* by handle */
static uint64_t seq, acked;
static const drover_event_t *event;
static const int64_t now = 1000;

/* --- the broker --- */

static void comes (struct wire w)
{
    struct wire_frames f;
    struct wire decoded;
    if (wire_numbered (w.kind))
        w.seq = ++seq;
    assert_int_equal (wire_encode (&w, &f, NULL), 0);
    assert_int_equal (wire_decode (&decoded, &f, NULL, NULL), 0);
    wire_frames_fini (&f);
    core_message (&h.core, now, &decoded);
}

static void take_rows (const struct wire *w)
{
    struct seen *s = &seen[w->m.rows.batch];
    struct bytes body = bytes_of (w->body[0].ptr, w->body[0].len);
    struct bytes values[VALUES];
    size_t at = 0;
    int64_t count;
    while ((count = row_read (body, &at, values, VALUES)) >= 0) {
        s->rows++;
        s->count = (size_t)count;
        for (int64_t i = 0; i < count; i++)
            snprintf (s->values[i], TEXT, "%.*s", (int)values[i].len, (const char *)values[i].ptr);
    }
}

static void take (const struct wire *w)
{
    if (w->kind == WIRE_ROWS)
        take_rows (w);
    if (w->kind == WIRE_CLOSE)
        seen[w->m.close.batch].closed = true;
    if (w->kind == WIRE_CANCEL) {
        seen[w->m.cancel.batch].cancelled = true;
        seen[w->m.cancel.batch].cancel_ref = w->m.cancel.ref;
    }
    if (w->kind == WIRE_SPEC)
        seen[w->m.spec.batch].spec = w->m.spec;
}

/* The broker takes all that leaves. */
static void taken (void)
{
    struct wire_frames f;
    struct wire w;
    core_flush (&h.core);
    while (session_next (h.core.session, now, &f)) {
        assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
        wire_frames_fini (&f);
        take (&w);
        bool numbered = w.seq != 0;
        acked = numbered ? w.seq : acked;
        wire_fini (&w);
        if (numbered)
            comes (
                (struct wire){.kind = WIRE_ACK, .ack = acked, .m.ack = {.window_bytes = 1 << 20}});
    }
}

static void comes_outcome (uint64_t stage, struct outcome o)
{
    struct buf body;
    struct wire w = {.kind = WIRE_RESULTS};
    buf_init (&body, 1 << 20);
    o.attempt = 1;
    outcome_pack (&body, &o);
    w.m.results.batch = stage;
    w.m.results.record = ++seen[stage].record;
    w.m.results.count = 1;
    w.m.results.worker = bytes_str ("w");
    w.body[0] = slice_borrowed (body.bytes, body.len);
    comes (w);
    buf_fini (&body);
}

static void comes_done (uint64_t stage, uint64_t row, const char *out)
{
    comes_outcome (stage, (struct outcome){.row = row, .out = bytes_str (out)});
}

static void comes_end (uint64_t stage, uint64_t state, const char *reason)
{
    struct wire w = {.kind = WIRE_END, .m.end = {.batch = stage, .state = state} };
    w.m.end.reason = bytes_str (reason);
    comes (w);
}

/* The cancellation of a stage is answered. */
static void comes_gone (uint64_t stage, uint64_t us)
{
    struct wire w = {.kind = WIRE_REPLY, .m.reply = {.ref = seen[stage].cancel_ref, .value = us}};
    comes (w);
}

/* --- the program --- */

/* As drover_next() does it: the kind of the next event, or -1. */
static int next (void)
{
    struct err e;
    do {
        if (pipelines_next (&h, &event))
            return event->kind;
        if (core_next (&h.core, NULL, &event, &e) != 1)
            return -1;
    } while (!pipelines_pass (&h.core.event));
    return event->kind;
}

static void expect_nothing (void)
{
    assert_int_equal (next (), -1);
    taken ();
}

static const drover_result_t *expect_result (uint64_t item, int how, unsigned stage)
{
    assert_int_equal (next (), DROVER_EVENT_RESULT);
    assert_ptr_equal (event->batch, head);
    assert_int_equal (event->row, item);
    assert_int_equal (event->result->row, item);
    assert_int_equal (event->result->how, how);
    assert_int_equal (event->result->stage, stage);
    return event->result;
}

static const drover_end_t *expect_end (int state)
{
    assert_int_equal (next (), DROVER_EVENT_END);
    assert_ptr_equal (event->batch, head);
    assert_int_equal (event->end->state, state);
    return event->end;
}

static void add (const char *value)
{
    drover_bytes_t v = {value, strlen (value)};
    assert_true (drover_batch_add (head, 0, &v, 1, NULL) >= 0);
}

static drover_spec_t *line (const char *text, unsigned flags)
{
    const char *const words[] = {text, NULL};
    drover_command_options_t o = {.words = words, .flags = flags};
    drover_command_t *c = drover_command_new (&o, NULL);
    drover_spec_t *s = drover_spec_new_shell (c);
    drover_command_free (&c);
    return s;
}

static void then (drover_spec_t *s)
{
    drover_error_t e;
    if (drover_batch_then (head, s, NULL, &e) < 0)
        fail_msg ("%s", e.text);
    drover_spec_free (&s);
}

static void then_line (const char *text)
{
    then (line (text, DROVER_COMMAND_STAGE));
}

static int setup (void **state)
{
    static const struct session_config config = {
        .name = "t", .version = "1", .connect_us = CLOCK_NEVER, .lost_us = 60 * (int64_t)US_PER_S};
    struct wire w = {.kind = WIRE_WELCOME,
                     .m.welcome = {.major = WIRE_MAJOR,
                                   .broker = 1,
                                   .token = 7,
                                   .window_msgs = 1000,
                                   .window_bytes = 1 << 20}};
    drover_spec_t *s = line ("first", 0);
    (void)state;
    memset (&h, 0, sizeof h);
    memset (seen, 0, sizeof seen);
    seq = acked = 0;
    LIST_INIT (&h.batches);
    LIST_INIT (&h.pipelines);
    store_init (&h.store, NULL, 1 << 20, 1 << 24);
    core_init (&h.core, &config, &h.store, now);
    session_connected (h.core.session, now);
    comes (w);
    assert_int_equal (next (), DROVER_EVENT_CONNECTED);
    head = drover_batch_open (&h, NULL, NULL);
    assert_int_equal (drover_batch_add_spec (head, s, NULL), 0);
    drover_spec_free (&s);
    return 0;
}

static int teardown (void **state)
{
    (void)state;
    drover_batch_free (&head);
    result_unref (&h.piped);
    core_fini (&h.core);
    store_fini (&h.store);
    return 0;
}

/* --- cases --- */

static void the_output_of_a_stage_is_the_stdin_of_the_next (void **state)
{
    (void)state;
    then_line ("second");
    add ("x");
    taken ();
    comes_done (1, 0, "out\n");
    expect_nothing ();
    assert_int_equal (seen[2].rows, 1);
    assert_int_equal (seen[2].count, 3);
    assert_string_equal (seen[2].values[2], "out\n");
    assert_true (seen[2].spec.flags & SPEC_ROW_INPUT);
    comes_done (2, 0, "end");
    const drover_result_t *r = expect_result (0, DROVER_DONE, 2);
    assert_memory_equal (r->out, "end", 3);
    assert_int_equal (r->before->stage, 1);
    assert_null (r->before->before);
    expect_nothing ();
}

static void or_its_argument_without_one_newline_where_it_has_braces (void **state)
{
    (void)state;
    then_line ("second {}");
    add ("x");
    taken ();
    comes_done (1, 0, "out\n\n");
    expect_nothing ();
    assert_int_equal (seen[2].count, 2);
    assert_string_equal (seen[2].values[1], "out\n");
    assert_false (seen[2].spec.flags & SPEC_ROW_INPUT);
}

static void a_function_gets_the_bytes_as_they_are (void **state)
{
    (void)state;
    then (drover_spec_new_function ("m:f"));
    add ("x");
    taken ();
    comes_done (1, 0, "out\n");
    expect_nothing ();
    assert_int_equal (seen[2].count, 1);
    assert_string_equal (seen[2].values[0], "out\n");
    assert_false (seen[2].spec.flags & SPEC_ROW_INPUT);
}

static void later_stages_know_the_number_and_the_values_of_the_item (void **state)
{
    (void)state;
    then_line ("second");
    then_line ("third {1} {#}");
    add ("a");
    add ("b");
    taken ();
    comes_done (1, 1, "first");
    expect_nothing ();
    comes_done (2, 0, "second");
    expect_nothing ();
    assert_int_equal (seen[3].count, 4);
    assert_string_equal (seen[3].values[0], "2");
    assert_string_equal (seen[3].values[2], "b");
    assert_string_equal (seen[3].values[3], "second");
}

static void results_are_of_items_whatever_rows_they_were (void **state)
{
    (void)state;
    then_line ("second");
    for (int i = 0; i < 3; i++)
        add ("x");
    taken ();
    comes_done (1, 2, "c");
    comes_done (1, 0, "a");
    comes_done (1, 1, "b");
    expect_nothing ();
    assert_int_equal (drover_batch_pending (head), 3);
    comes_done (2, 1, "a");
    comes_done (2, 2, "b");
    comes_done (2, 0, "c");
    expect_result (0, DROVER_DONE, 2);
    expect_result (1, DROVER_DONE, 2);
    expect_result (2, DROVER_DONE, 2);
    assert_int_equal (drover_batch_pending (head), 0);
}

static void a_stage_that_fails_ends_its_item (void **state)
{
    (void)state;
    then_line ("second");
    then_line ("third");
    add ("x");
    add ("y");
    taken ();
    comes_outcome (1, (struct outcome){.row = 0, .how = OUTCOME_FAILED, .status = 3});
    comes_outcome (1, (struct outcome){.row = 1, .err = bytes_str ("careful")});
    assert_int_equal (expect_result (0, DROVER_FAILED, 1)->status, 3);
    expect_nothing ();
    comes_outcome (2, (struct outcome){.row = 0, .how = OUTCOME_TIMEOUT});
    const drover_result_t *r = expect_result (1, DROVER_TIMEOUT, 2);
    assert_memory_equal (r->before->err, "careful", 7);
    assert_string_equal (r->before->worker, "w");
    drover_result_t *kept = drover_result_keep (r);
    expect_nothing ();
    assert_memory_equal (kept->before->err, "careful", 7);
    drover_result_free (&kept);
    assert_int_equal (seen[3].rows, 0);
}

static void an_output_that_was_cut_is_not_passed_on (void **state)
{
    (void)state;
    then_line ("second");
    add ("x");
    taken ();
    comes_outcome (1, (struct outcome){.row = 0, .out = bytes_str ("some"), .out_bytes = 1000});
    const drover_result_t *r = expect_result (0, DROVER_FAILED, 2);
    assert_non_null (strstr (r->reason, "996 of the 1000 bytes"));
    assert_int_equal (r->attempt, 0);
    assert_int_equal (r->before->how, DROVER_DONE);
    expect_nothing ();
    assert_int_equal (seen[2].rows, 0);
}

static void a_stage_is_closed_when_the_one_before_has_ended (void **state)
{
    (void)state;
    then_line ("second");
    add ("x");
    assert_int_equal (drover_batch_close (head, NULL), 0);
    taken ();
    comes_done (1, 0, "");
    expect_nothing ();
    assert_true (seen[1].closed);
    assert_false (seen[2].closed);
    comes_end (1, BATCH_FINISHED, "");
    expect_nothing ();
    assert_true (seen[2].closed);
    comes_done (2, 0, "");
    comes_end (2, BATCH_FINISHED, "");
    expect_result (0, DROVER_DONE, 2);
    const drover_end_t *end = expect_end (DROVER_BATCH_FINISHED);
    assert_int_equal (end->total, 1);
    assert_int_equal (end->done, 1);
    expect_nothing ();
}

static void a_pipeline_without_items_ends (void **state)
{
    (void)state;
    then_line ("second");
    then_line ("third");
    assert_int_equal (drover_batch_close (head, NULL), 0);
    for (uint64_t s = 1; s <= STAGES; s++) {
        expect_nothing ();
        assert_true (seen[s].closed);
        comes_end (s, BATCH_FINISHED, "");
    }
    assert_int_equal (expect_end (DROVER_BATCH_FINISHED)->total, 0);
}

/* All events, of which so many told of room; results are not looked at. */
static unsigned drain (void)
{
    unsigned rooms = 0;
    int kind;
    while ((kind = next ()) >= 0)
        rooms += kind == DROVER_EVENT_ROOM;
    taken ();
    return rooms;
}

/* Each row ends when it can, in the first stage; nothing does in the second. */
static void outputs_do_not_pile_up_in_front_of_a_slow_stage (void **state)
{
    (void)state;
    uint64_t ended = 0;
    then_line ("second");
    while (drover_batch_room (head) > 0) {
        while (drover_batch_room (head) > 0)
            add ("x");
        taken ();
        for (; ended < drover_batch_rows (head); ended++)
            comes_done (1, ended, "small");
        drain ();
    }
    uint64_t rows = drover_batch_rows (head);
    assert_in_range (seen[2].rows, 1000, 5000);
    assert_in_range (rows, seen[2].rows + 1000, 10000);

    unsigned rooms = 0;
    for (uint64_t row = 0; row < rows; row++) {
        assert_true (row < seen[2].rows);
        comes_done (2, row, "");
        rooms += drain ();
    }
    assert_int_equal (rooms, 1);
    assert_int_equal (drover_batch_pending (head), 0);
}

static void large_outputs_are_fewer (void **state)
{
    (void)state;
    static char large[200000];
    uint64_t before, ended = 0;
    memset (large, 'x', sizeof large - 1);
    then_line ("second");
    before = drover_batch_room (head);
    add ("x");
    taken ();
    comes_done (1, ended++, large);
    expect_nothing ();
    assert_in_range (drover_batch_room (head), 1, before / 2);
}

static void cancelling_ends_all_stages_and_what_is_between (void **state)
{
    (void)state;
    drover_cancel_options_t o = {.reason = "enough"};
    drover_cancel_options_t some = {.first = 1, .count = 2};
    drover_error_t e;
    then_line ("second");
    add ("x");
    add ("y");
    taken ();
    assert_int_equal (drover_batch_cancel (head, &some, &e), 0);
    assert_int_equal (e.code, DROVER_EINVAL);
    assert_true (drover_batch_cancel (head, &o, NULL) != 0);
    drover_batch_close (head, NULL);
    taken ();
    assert_true (seen[1].cancelled && seen[2].cancelled);
    comes_done (1, 0, "it was too late");
    const drover_result_t *r = expect_result (0, DROVER_CANCELLED, 2);
    assert_string_equal (r->reason, "enough");
    comes_outcome (1, (struct outcome){.row = 1, .how = OUTCOME_CANCELLED});
    expect_result (1, DROVER_CANCELLED, 1);
    comes_end (1, BATCH_CANCELLED, "enough");
    expect_nothing ();
    assert_true (seen[2].closed);
    comes_end (2, BATCH_CANCELLED, "enough");
    assert_int_equal (expect_end (DROVER_BATCH_CANCELLED)->cancelled, 2);
}

/* One item is in the second of three stages, and the first has ended. */
static void item_in_the_middle (void)
{
    then_line ("second");
    then_line ("third");
    add ("x");
    drover_batch_close (head, NULL);
    taken ();
    comes_done (1, 0, "");
    comes_end (1, BATCH_FINISHED, "");
    expect_nothing ();
}

static void a_pipeline_ends_with_the_last_of_its_stages_whichever_that_is (void **state)
{
    (void)state;
    item_in_the_middle ();
    drover_drop (&h, drover_batch_cancel (head, NULL, NULL)); /* its answer is not looked at */
    comes_end (3, BATCH_CANCELLED, "");
    expect_nothing ();
    comes_outcome (2, (struct outcome){.row = 0, .how = OUTCOME_CANCELLED});
    comes_end (2, BATCH_CANCELLED, "");
    expect_result (0, DROVER_CANCELLED, 2);
    assert_int_equal (expect_end (DROVER_BATCH_CANCELLED)->cancelled, 1);
    expect_nothing ();
}

static const drover_reply_t *expect_reply (uint64_t ref)
{
    assert_int_equal (next (), DROVER_EVENT_REPLY);
    assert_int_equal (event->ref, ref);
    return event->reply;
}

static void a_cancellation_is_answered_when_the_last_stage_is_gone (void **state)
{
    (void)state;
    item_in_the_middle ();
    uint64_t ref = drover_batch_cancel (head, NULL, NULL);
    taken ();
    comes_gone (2, 3000);
    expect_nothing ();
    comes_gone (3, 20);
    const drover_reply_t *reply = expect_reply (ref);
    assert_int_equal (reply->code, DROVER_OK);
    assert_int_equal (reply->value, 3000);
    expect_nothing ();
    comes_end (2, BATCH_CANCELLED, "");
    comes_end (3, BATCH_CANCELLED, "");
    next ();
    next ();
    assert_int_equal (expect_reply (drover_batch_cancel (head, NULL, NULL))->code, DROVER_OK);
}

static void a_stage_that_refuses_is_told_in_that_answer (void **state)
{
    (void)state;
    item_in_the_middle ();
    uint64_t ref = drover_batch_cancel (head, NULL, NULL);
    taken ();
    comes ((struct wire){.kind = WIRE_REPLY,
                         .m.reply = {.ref = seen[2].cancel_ref,
                                     .code = WIRE_STORAGE,
                                     .text = bytes_str ("the disk is full")}});
    comes_gone (3, 20);
    const drover_reply_t *reply = expect_reply (ref);
    assert_int_equal (reply->code, DROVER_ESTORAGE);
    assert_string_equal (reply->text, "the disk is full");
    expect_nothing ();
}

static void a_cancellation_that_is_dropped_is_not_answered (void **state)
{
    (void)state;
    item_in_the_middle ();
    uint64_t ref = drover_batch_cancel (head, NULL, NULL);
    taken ();
    comes_gone (2, 3000);
    drover_drop (&h, ref);
    comes_gone (3, 20);
    expect_nothing ();
    ref = drover_batch_cancel (head, NULL, NULL);
    core_fail (&h.core, WIRE_LOST, "gone");
    assert_int_equal (expect_reply (ref)->code, DROVER_ELOST);
}

static void a_source_cancels_a_pipeline_whose_first_stage_is_over (void **state)
{
    (void)state;
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, NULL);
    h.epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
    item_in_the_middle ();
    assert_int_equal (binding_add_batch (head, c, NULL), 0);
    drover_cancel_source_cancel (c, "enough");
    bindings_look (&h);
    taken ();
    assert_true (seen[2].cancelled && seen[3].cancelled);
    comes_done (2, 0, "it was too late");
    assert_string_equal (expect_result (0, DROVER_CANCELLED, 3)->reason, "enough");
    drover_cancel_source_free (&c);
    close (h.epoll_fd);
}

static void a_stage_that_breaks_ends_those_before_it (void **state)
{
    (void)state;
    then_line ("second");
    add ("x");
    add ("y");
    taken ();
    comes_done (1, 0, "");
    expect_nothing ();
    comes_end (2, BATCH_BROKEN, "no luck");
    expect_result (0, DROVER_BROKER_LOST, 2);
    expect_nothing ();
    assert_true (seen[1].cancelled);
    comes_done (1, 1, "");
    assert_string_equal (expect_result (1, DROVER_BROKER_LOST, 2)->reason, "no luck");
    drover_batch_close (head, NULL);
    taken ();
    comes_end (1, BATCH_CANCELLED, "");
    assert_string_equal (expect_end (DROVER_BATCH_BROKEN)->reason, "no luck");
}

static void a_lost_session_ends_every_item (void **state)
{
    (void)state;
    then_line ("second");
    add ("x");
    add ("y");
    taken ();
    comes_done (1, 0, "");
    expect_nothing ();
    core_fail (&h.core, WIRE_LOST, "gone");
    expect_result (1, DROVER_BROKER_LOST, 1);
    expect_result (0, DROVER_BROKER_LOST, 2);
    assert_int_equal (expect_end (DROVER_BATCH_BROKEN)->broker_lost, 2);
}

static void later_stages_go_first (void **state)
{
    (void)state;
    then_line ("second");
    then_line ("third");
    const struct drover_batch *b;
    uint64_t above = 101;
    LIST_FOREACH (b, &h.batches, link) { /* the last opened is the first */
        assert_true (b->b.opening.open.priority < above);
        above = b->b.opening.open.priority;
    }
    assert_int_equal (above, 50);
}

static void what_makes_no_pipeline_is_refused (void **state)
{
    (void)state;
    drover_error_t e;
    drover_batch_options_t detached = {.flags = DROVER_DETACHED};
    drover_spec_t *s = line ("second", DROVER_COMMAND_STAGE);
    drover_spec_t *live = line ("second", DROVER_COMMAND_STAGE);
    drover_spec_flags (live, DROVER_SPEC_LIVE_OUTPUT);
    assert_int_equal (drover_batch_then (head, live, NULL, &e), -1);
    assert_int_equal (drover_batch_then (head, s, &detached, &e), -1);
    for (int i = 2; i <= DROVER_STAGES_MAX; i++)
        assert_int_equal (drover_batch_then (head, s, NULL, &e), i);
    assert_int_equal (drover_batch_then (head, s, NULL, &e), -1);
    assert_int_equal (e.code, DROVER_ETOOBIG);
    drover_spec_free (&s);
    drover_spec_free (&live);
}

static void stages_come_before_rows (void **state)
{
    (void)state;
    drover_error_t e;
    drover_spec_t *s = line ("second", DROVER_COMMAND_STAGE);
    add ("x");
    assert_int_equal (drover_batch_then (head, s, NULL, &e), -1);
    assert_int_equal (e.code, DROVER_EINVAL);
    drover_spec_free (&s);
}

#define CASE(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (the_output_of_a_stage_is_the_stdin_of_the_next),
        CASE (or_its_argument_without_one_newline_where_it_has_braces),
        CASE (a_function_gets_the_bytes_as_they_are),
        CASE (later_stages_know_the_number_and_the_values_of_the_item),
        CASE (results_are_of_items_whatever_rows_they_were),
        CASE (a_stage_that_fails_ends_its_item),
        CASE (an_output_that_was_cut_is_not_passed_on),
        CASE (a_stage_is_closed_when_the_one_before_has_ended),
        CASE (a_pipeline_without_items_ends),
        CASE (outputs_do_not_pile_up_in_front_of_a_slow_stage),
        CASE (large_outputs_are_fewer),
        CASE (cancelling_ends_all_stages_and_what_is_between),
        CASE (a_pipeline_ends_with_the_last_of_its_stages_whichever_that_is),
        CASE (a_cancellation_is_answered_when_the_last_stage_is_gone),
        CASE (a_stage_that_refuses_is_told_in_that_answer),
        CASE (a_cancellation_that_is_dropped_is_not_answered),
        CASE (a_source_cancels_a_pipeline_whose_first_stage_is_over),
        CASE (a_stage_that_breaks_ends_those_before_it),
        CASE (a_lost_session_ends_every_item),
        CASE (later_stages_go_first),
        CASE (what_makes_no_pipeline_is_refused),
        CASE (stages_come_before_rows),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
