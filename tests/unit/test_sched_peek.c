/* What a row has printed so far: where the answer comes from, and that nothing is kept for it. */
#include <string.h>

#include "common/wire/rows.h"
#include "tests/unit/sched_harness.h"

static void ask (struct peer *c, uint64_t ref, const struct msg_peek *m)
{
    struct wire w = {.kind = WIRE_PEEK, .m.peek = *m};
    w.m.peek.ref = ref;
    peer_post (c, &w);
    bed_settle (c->bed);
}

struct answer {
    char state[16], attempt[16], out_at[16], out[64], err_at[16], err[64];
};

/* The record of the next answer; false: there is none. */
static bool answered (struct peer *c, struct answer *a)
{
    struct wire w;
    struct bytes v[12];
    char *const text[] = {a->state, a->attempt, a->out_at, a->out, a->err_at, a->err};
    size_t at = 0;
    if (!peer_take (c, WIRE_REPLY, &w))
        return false;
    assert_int_equal (w.m.reply.code, WIRE_OK);
    assert_int_equal (row_read (bytes_of (w.body[0].ptr, w.body[0].len), &at, v, 12), 12);
    for (int i = 0; i < 6; i++) {
        memcpy (text[i], v[2 * i + 1].ptr, v[2 * i + 1].len);
        text[i][v[2 * i + 1].len] = 0;
    }
    wire_fini (&w);
    return true;
}

/* What its executor has. */
static void tell (struct peer *w, const char *out, const char *err)
{
    struct wire m;
    assert_true (peer_take (w, WIRE_PEEK, &m));
    struct wire a = {.kind = WIRE_PEEKED};
    a.m.peeked = (struct msg_peeked){.ref = m.m.peek.ref,
                                     .batch = m.m.peek.batch,
                                     .row = m.m.peek.row,
                                     .attempt = m.m.peek.attempt,
                                     .out_at = m.m.peek.out_at,
                                     .err_at = m.m.peek.err_at};
    wire_fini (&m);
    a.body[0] = slice_borrowed ((const uint8_t *)out, strlen (out));
    a.body[1] = slice_borrowed ((const uint8_t *)err, strlen (err));
    peer_post (w, &a);
    bed_settle (w->bed);
}

static void print (struct peer *w, uint64_t batch, uint64_t row, uint64_t offset, const char *text)
{
    struct wire m = {.kind = WIRE_OUTPUT};
    m.m.output = (struct msg_output){
        .batch = batch, .row = row, .attempt = 1, .stream = 1, .offset = offset};
    m.body[0] = slice_borrowed ((const uint8_t *)text, strlen (text));
    peer_post (w, &m);
    bed_settle (w->bed);
}

static struct bed *bed_with (struct peer **c, struct peer **w, struct view **v)
{
    struct bed *b = bed_new (NULL, NULL);
    *c = bed_client (b, "c");
    *w = bed_worker (b, "w", 1);
    *v = client_submit (*c, 1, BATCH_DETACHED, 0, 3);
    return b;
}

static void the_worker_is_asked_and_its_answer_goes_to_the_one_who_asked (void **state)
{
    (void)state;
    struct answer a;
    struct peer *c, *w;
    struct view *v;
    struct bed *b = bed_with (&c, &w, &v);
    struct peer *other = bed_client (b, "other");
    ask (other, 1, &(struct msg_peek){.batch = v->id, .row = 0});
    tell (w, "so far", "oh");
    assert_true (answered (other, &a));
    assert_string_equal (a.state, "running");
    assert_string_equal (a.out, "so far");
    assert_string_equal (a.err, "oh");
    assert_int_equal (peer_count (c, WIRE_REPLY), 0);
    ask (other, 2,
         &(struct msg_peek){.batch = v->id, .row = 0, .attempt = 1, .out_at = 6, .wait = 1});
    assert_false (answered (other, &a));
    tell (w, " and on", "");
    assert_true (answered (other, &a));
    assert_string_equal (a.out_at, "6");
    assert_string_equal (a.out, " and on");
    assert_int_equal (v->record, 0); /* it is no result */
    bed_free (&b);
}

static void what_went_as_output_comes_from_the_log (void **state)
{
    (void)state;
    struct answer a;
    struct peer *c, *w;
    struct view *v;
    struct bed *b = bed_with (&c, &w, &v);
    print (w, v->id, 0, 0, "first ");
    print (w, v->id, 0, 6, "second ");
    ask (c, 1, &(struct msg_peek){.batch = v->id, .row = 0, .attempt = 1, .out_at = 2});
    assert_true (answered (c, &a));
    assert_string_equal (a.out, "rst ");
    ask (c, 2, &(struct msg_peek){.batch = v->id, .row = 0, .attempt = 1, .out_at = 6});
    assert_true (answered (c, &a));
    assert_string_equal (a.out, "second ");
    assert_int_equal (peer_count (w, WIRE_PEEK), 0);
    ask (c, 3, &(struct msg_peek){.batch = v->id, .row = 0, .attempt = 1, .out_at = 13});
    tell (w, "rest", "");
    assert_true (answered (c, &a));
    assert_string_equal (a.out_at, "13");
    assert_string_equal (a.out, "rest");
    bed_free (&b);
}

static void who_waits_hears_when_the_row_has_ended (void **state)
{
    (void)state;
    struct answer a;
    struct peer *c, *w;
    struct view *v;
    struct bed *b = bed_with (&c, &w, &v);
    ask (c, 1, &(struct msg_peek){.batch = v->id, .row = 0, .attempt = 1, .wait = 1});
    assert_int_equal (peer_count (w, WIRE_PEEK), 1);
    worker_finish (w, v->id, 1, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_true (answered (c, &a));
    assert_string_equal (a.state, "ended");
    ask (c, 2, &(struct msg_peek){.batch = v->id, .row = 0, .attempt = 1, .wait = 1});
    assert_true (answered (c, &a));
    assert_string_equal (a.state, "ended");
    bed_free (&b);
}

static void a_row_that_has_not_started_and_one_that_is_not_there (void **state)
{
    (void)state;
    struct answer a;
    struct peer *c, *w;
    struct view *v;
    struct bed *b = bed_with (&c, &w, &v);
    ask (c, 1, &(struct msg_peek){.batch = v->id, .row = 2, .wait = 1});
    assert_true (answered (c, &a));
    assert_string_equal (a.state, "waiting");
    ask (c, 2, &(struct msg_peek){.batch = v->id, .row = 3});
    assert_int_equal (client_reply (c, 2), WIRE_UNKNOWN);
    ask (c, 3, &(struct msg_peek){.batch = 99, .row = 0});
    assert_int_equal (client_reply (c, 3), WIRE_UNKNOWN);
    bed_free (&b);
}

static void offsets_of_another_attempt_count_as_none (void **state)
{
    (void)state;
    struct wire m;
    struct peer *c, *w;
    struct view *v;
    struct bed *b = bed_with (&c, &w, &v);
    ask (c, 1, &(struct msg_peek){.batch = v->id, .row = 0, .attempt = 7, .out_at = 100});
    assert_true (peer_take (w, WIRE_PEEK, &m));
    assert_int_equal (m.m.peek.attempt, 1);
    assert_int_equal (m.m.peek.out_at, 0);
    wire_fini (&m);
    bed_free (&b);
}

/* An answer that nobody waits for, and one of somebody else. */
static void answers_that_nobody_asked_for_are_passed_over (void **state)
{
    (void)state;
    struct wire m;
    struct peer *c, *w;
    struct view *v;
    struct bed *b = bed_with (&c, &w, &v);
    ask (c, 1, &(struct msg_peek){.batch = v->id, .row = 0, .wait = 1});
    assert_true (peer_take (w, WIRE_PEEK, &m));
    struct wire bad = {.kind = WIRE_PEEKED};
    bad.m.peeked =
        (struct msg_peeked){.ref = m.m.peek.ref + 1, .batch = v->id, .row = 0, .attempt = 1};
    peer_post (w, &bad);
    bad.m.peeked.ref = m.m.peek.ref;
    bad.m.peeked.row = 2;
    peer_post (w, &bad);
    bed_settle (b);
    wire_fini (&m);
    assert_int_equal (peer_count (c, WIRE_REPLY), 0);
    peer_free (c); /* and who asked may be gone */
    bed_settle (b);
    bad.m.peeked.row = 0;
    peer_post (w, &bad);
    bed_settle (b);
    bed_free (&b);
}

static void a_worker_that_cannot_show_it_is_not_asked (void **state)
{
    (void)state;
    struct answer a;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    const char *const functions[] = {"echo", NULL};
    struct peer *w = bed_worker_of (b, "w", 1, false, functions);
    struct view *v = client_submit (c, 1, 0, 0, 1);
    ask (c, 1, &(struct msg_peek){.batch = v->id, .row = 0, .wait = 1});
    assert_true (answered (c, &a));
    assert_string_equal (a.state, "hidden");
    assert_int_equal (peer_count (w, WIRE_PEEK), 0);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_worker_is_asked_and_its_answer_goes_to_the_one_who_asked),
        cmocka_unit_test (what_went_as_output_comes_from_the_log),
        cmocka_unit_test (who_waits_hears_when_the_row_has_ended),
        cmocka_unit_test (a_row_that_has_not_started_and_one_that_is_not_there),
        cmocka_unit_test (offsets_of_another_attempt_count_as_none),
        cmocka_unit_test (answers_that_nobody_asked_for_are_passed_over),
        cmocka_unit_test (a_worker_that_cannot_show_it_is_not_asked),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
