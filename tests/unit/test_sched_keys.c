/* Keys: the same submission twice is one batch, whoever says it; another one under the same key is
 * refused, and changes nothing. */
#include <string.h>

#include "common/base/mem.h"
#include "common/wire/rows.h"
#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

/* The same as a view of another client, under another handle. */
static void copy_open (struct peer *c, uint64_t handle, const struct view *v)
{
    struct wire w = {.kind = WIRE_OPEN, .m.open = v->open};
    w.m.open.batch = handle;
    w.m.open.key = bytes_str (v->key);
    peer_post (c, &w);
}

static void rows_of (struct peer *c, uint64_t handle, uint64_t chunk, uint64_t first,
                     const char *value)
{
    struct buf body;
    struct wire w = {.kind = WIRE_ROWS};
    buf_init (&body, SIZE_MAX);
    row_begin (&body, 1);
    row_value (&body, bytes_str (value));
    w.m.rows.batch = handle;
    w.m.rows.chunk = chunk;
    w.m.rows.first = first;
    w.m.rows.count = 1;
    w.body[0] = buf_take_slice (&body);
    peer_post (c, &w);
    slice_fini (&w.body[0]);
}

static bool is_broken (struct peer *c, uint64_t handle)
{
    const struct view *v = client_view (c, handle);
    return v->ended && v->end.state == BATCH_BROKEN;
}

static void a_second_client_reads_and_may_submit_what_is_missing (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    client_open (c1, 1, 0, 0, 50);
    client_spec (c1, 1, 0, FORM_FUNCTION, "echo", 1);
    rows_of (c1, 1, 0, 0, "a");
    rows_of (c1, 1, 1, 1, "b");
    bed_settle (b);
    copy_open (c2, 7, client_view (c1, 1));
    client_spec (c2, 7, 0, FORM_FUNCTION, "echo", 1);
    rows_of (c2, 7, 0, 0, "a");
    rows_of (c2, 7, 1, 1, "b");
    rows_of (c2, 7, 2, 2, "c");
    bed_settle (b);
    assert_int_equal (client_view (c2, 7)->known, 1);
    assert_int_equal (client_view (c2, 7)->known_chunks, 2);
    assert_int_equal (client_view (c2, 7)->id, client_view (c1, 1)->id);
    rows_of (c1, 1, 2, 2, "c"); /* the first says it as well */
    struct wire close = {.kind = WIRE_CLOSE};
    close.m.close.batch = 1;
    close.m.close.total = 3;
    peer_post (c1, &close);
    bed_worker (b, "w", 2);
    bed_run (b, 50000);
    assert_int_equal (client_view (c1, 1)->end.done, 3);
    assert_int_equal (client_view (c2, 7)->end.done, 3);
    assert_int_equal (c1->n_errors + c2->n_errors, 0);
    bed_free (&b);
}

static void the_batch_passes_to_the_next_who_opened_it (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    client_submit (c1, 1, 0, 0, 6);
    copy_open (c2, 7, client_view (c1, 1));
    bed_settle (b);
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (c1, &bye);
    bed_settle (b);
    assert_int_equal (bed_figures (b).waiting, 6);
    bed_worker (b, "w", 1);
    peer_say (c2, &bye);
    bed_settle (b);
    assert_int_equal (bed_figures (b).waiting, 0);
    bed_run (b, 1000);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void another_open_under_the_same_key_is_refused (void **state)
{
    (void)state;
    static const size_t FIELDS[] = {
        offsetof (struct msg_open, flags),          offsetof (struct msg_open, jobs),
        offsetof (struct msg_open, priority),       offsetof (struct msg_open, deadline_ms),
        offsetof (struct msg_open, runs),           offsetof (struct msg_open, result_bytes),
        offsetof (struct msg_open, retry_on),       offsetof (struct msg_open, backoff_ms),
        offsetof (struct msg_open, backoff_max_ms), offsetof (struct msg_open, losses),
    };
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c1 = bed_client (b, "c1");
    struct view *v = client_submit (c1, 1, 0, 0, 6);
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        struct peer *c2 = bed_client (b, "c2");
        struct view other = *v;
        *(uint64_t *)((char *)&other.open + FIELDS[i]) += 1;
        copy_open (c2, 2, &other);
        rows_of (c2, 2, 0, 0, "not for it");
        bed_settle (b);
        assert_true (is_broken (c2, 2));
        assert_int_equal (c2->error, WIRE_CONFLICT);
        assert_int_equal (c2->n_errors, 1);
        peer_free (c2);
    }
    struct peer *c3 = bed_client (b, "c3");
    struct view named = *v;
    named.open.name = bytes_str ("another");
    copy_open (c3, 2, &named);
    bed_settle (b);
    assert_true (is_broken (c3, 2));
    bed_worker (b, "w", 2);
    bed_run (b, 1000);
    assert_int_equal (v->end.done, 6);
    bed_free (&b);
}

/* The bytes of the first chunk are gone by then: its hash is not. */
static void other_rows_specs_or_ends_under_the_same_key_are_refused (void **state)
{
    (void)state;
    for (int what = 0; what < 5; what++) {
        struct bed *b = bed_new (NULL, NULL);
        struct peer *c1 = bed_client (b, "c1");
        struct peer *w = bed_worker (b, "w", 1);
        client_open (c1, 1, 0, 0, 50);
        client_spec (c1, 1, 0, FORM_FUNCTION, "echo", 1);
        rows_of (c1, 1, 0, 0, "a");
        rows_of (c1, 1, 1, 1, "b");
        bed_settle (b);
        worker_finish (w, client_view (c1, 1)->id, 1, OUTCOME_DONE, 50000);
        struct wire close = {.kind = WIRE_CLOSE};
        close.m.close.batch = 1;
        close.m.close.total = 2;
        peer_post (c1, &close);
        bed_settle (b);
        struct peer *c2 = bed_client (b, "c2");
        copy_open (c2, 7, client_view (c1, 1));
        client_spec (c2, 7, 0, FORM_FUNCTION, what == 0 ? "other" : "echo", 1);
        rows_of (c2, 7, 0, 0, what == 1 ? "x" : "a");
        rows_of (c2, 7, 1, 1, what == 2 ? "x" : "b");
        if (what == 3)
            rows_of (c2, 7, 2, 2, "one too many");
        close.m.close.batch = 7;
        close.m.close.total = what == 4 ? 1 : 2;
        peer_post (c2, &close);
        bed_settle (b);
        assert_true (is_broken (c2, 7));
        assert_int_equal (c2->error, WIRE_CONFLICT);
        bed_run (b, 50000);
        assert_int_equal (client_view (c1, 1)->end.done, 2); /* and nothing has changed */
        bed_free (&b);
    }
}

/* What a client says twice to its own batch, and differently, is refused as well. */
static void a_client_cannot_change_what_it_said (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, BATCH_DETACHED, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    rows_of (c, 1, 0, 0, "a");
    rows_of (c, 1, 0, 0, "b");
    bed_settle (b);
    assert_true (is_broken (c, 1));
    assert_int_equal (bed_figures (b).waiting, 1);
    bed_free (&b);
}

static void part_of (struct peer *c, uint64_t handle, const char *bytes, size_t total,
                     size_t offset, size_t len)
{
    struct wire w = {.kind = WIRE_ROWS};
    w.m.rows.batch = handle;
    w.m.rows.count = 1;
    w.m.rows.offset = offset;
    w.m.rows.total = total;
    w.body[0] = slice_borrowed (bytes + offset, len);
    peer_post (c, &w);
}

enum { LARGE = 1000 };

/* A row in parts, of which some have come: said again, by any cut, and then the rest. */
static void a_large_row_is_compared_over_its_parts (void **state)
{
    (void)state;
    static char same[LARGE], other[LARGE];
    memset (same, 'a', LARGE);
    memset (other, 'a', LARGE);
    other[300] = 'b';
    for (int differs = 0; differs <= 1; differs++)
        for (int whole = 0; whole <= 1; whole++) {
            struct bed *b = bed_new (NULL, NULL);
            struct peer *c1 = bed_client (b, "c1");
            struct peer *c2 = bed_client (b, "c2");
            client_open (c1, 1, 0, 0, 50);
            client_spec (c1, 1, 0, FORM_FUNCTION, "echo", 1);
            part_of (c1, 1, same, LARGE, 0, 400);
            if (whole)
                part_of (c1, 1, same, LARGE, 400, 600);
            bed_settle (b);
            copy_open (c2, 7, client_view (c1, 1));
            part_of (c2, 7, differs ? other : same, LARGE, 0, 200);
            part_of (c2, 7, differs ? other : same, LARGE, 200, 200);
            part_of (c2, 7, same, LARGE, 400, 600);
            bed_settle (b);
            assert_int_equal (client_view (c2, 7)->known_chunks, whole);
            assert_int_equal (is_broken (c2, 7), differs);
            if (!whole && differs) /* the rest did not come from who was refused */
                part_of (c1, 1, same, LARGE, 400, 600);
            bed_settle (b);
            assert_int_equal (bed_figures (b).waiting, 1);
            assert_int_equal (c1->n_errors, 0);
            bed_free (&b);
        }
}

/* A client leaves a detached batch before it is closed; another one, later, says the same. */
static struct peer *say_after_half (struct bed *b, uint64_t flags, struct view *half)
{
    struct peer *c1 = bed_client (b, "c1");
    struct peer *c2 = bed_client (b, "c2");
    client_open (c1, 1, BATCH_DETACHED | flags, 0, 50);
    client_spec (c1, 1, 0, FORM_FUNCTION, "echo", 1);
    rows_of (c1, 1, 0, 0, "a");
    bed_settle (b);
    *half = *client_view (c1, 1);
    peer_say (c1, &(struct wire){.kind = WIRE_BYE});
    bed_settle (b);
    copy_open (c2, 7, half);
    client_spec (c2, 7, 0, FORM_FUNCTION, "echo", 1);
    rows_of (c2, 7, 0, 0, "a");
    rows_of (c2, 7, 1, 1, "b");
    peer_post (c2, &(struct wire){.kind = WIRE_CLOSE, .m.close = {.batch = 7, .total = 2}});
    bed_settle (b);
    return c2;
}

static void half_a_submission_leaves_its_key_to_the_next (void **state)
{
    (void)state;
    struct view half;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c2 = say_after_half (b, 0, &half);
    assert_int_equal (c2->n_errors, 0);
    assert_int_equal (client_view (c2, 7)->known, 0);
    bed_restart (b, t); /* what is found by the key again is not the half */
    struct peer *c3 = bed_client (b, "c3");
    copy_open (c3, 9, &half);
    bed_worker (b, "w", 2);
    bed_run (b, 50000);
    assert_int_equal (client_view (c3, 9)->end.done, 2);
    bed_free (&b);
}

static void half_a_submission_that_may_run_once_keeps_its_key (void **state)
{
    (void)state;
    struct view half;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c2 = say_after_half (b, BATCH_AT_MOST_ONCE, &half);
    assert_true (is_broken (c2, 7));
    assert_int_equal (c2->error, WIRE_CONFLICT);
    bed_free (&b);
}

/* It is its client that cancelled it, and not gone: behind a restart it finds it again. */
static void what_was_cancelled_half_said_is_its_clients_behind_a_restart (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    client_open (c, 1, BATCH_DETACHED, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 2);
    bed_settle (b);
    worker_finish (w, client_view (c, 1)->id, 1, OUTCOME_DONE, 50000);
    bed_settle (b);
    client_cancel (c, 5, 1, 0, 0);
    bed_settle (b);
    bed_restart (b, t);
    peer_back (w, false);
    peer_back (c, false);
    bed_settle (b);
    assert_int_equal (client_view (c, 1)->known, 1);
    assert_false (is_broken (c, 1));
    bed_free (&b);
}

/* Two had opened it, and the one who cancelled it is back first, and has seen its end. */
static void nor_does_the_second_who_comes_back_find_another_batch (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    struct peer *d = bed_client (b, "d");
    client_open (c, 1, BATCH_DETACHED, 0, 50);
    bed_settle (b);
    copy_open (d, 7, client_view (c, 1));
    bed_settle (b);
    uint64_t id = client_view (c, 1)->id;
    c->deaf = d->deaf = true; /* neither has seen the end yet */
    client_cancel (c, 5, 1, 0, 0);
    bed_settle (b);
    c->deaf = d->deaf = false;
    bed_restart (b, t);
    peer_back (c, false);
    bed_settle (b);
    assert_true (client_view (c, 1)->ended);
    peer_back (d, false);
    bed_settle (b);
    client_view (d, 7)->known = client_view (d, 7)->id = 0;
    struct wire w = {.kind = WIRE_OPEN, .m.open = client_view (c, 1)->open};
    w.m.open.batch = 7;
    w.m.open.key = bytes_str (client_view (c, 1)->key);
    w.m.open.compare = w.m.open.again = 1;
    peer_post (d, &w);
    bed_settle (b);
    assert_int_equal (client_view (d, 7)->known, 1);
    assert_int_equal (client_view (d, 7)->id, id);
    bed_free (&b);
}

/* Also where nothing of it was read, and others might say the same. */
static void what_passed_its_deadline_half_said_is_its_clients_behind_a_restart (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *c = bed_client (b, "c");
    client_open_as (c, &(struct msg_open){.batch = 1,
                                          .flags = BATCH_DETACHED,
                                          .priority = 50,
                                          .deadline_ms = 1000,
                                          .compare = 1});
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 2);
    bed_settle (b);
    uint64_t id = client_view (c, 1)->id;
    bed_restart (b, t);
    bed_pass (b, 2 * US_PER_S);
    peer_back (c, false);
    bed_settle (b);
    assert_int_equal (client_view (c, 1)->known, 1);
    assert_int_equal (client_view (c, 1)->id, id);
    bed_free (&b);
}

/* An attached batch that waits for its client behind a restart, with a result that is not read, and
 * another client that has its key and says something else. */
static struct bed *bed_with_an_impostor (struct peer **c1, struct peer **c2)
{
    struct store_test *t;
    struct bed *b = bed_new (NULL, store_test_new (&t));
    struct peer *w = bed_worker (b, "w", 1);
    *c1 = bed_client (b, "c1");
    client_submit (*c1, 1, 0, 0, 2);
    (*c1)->full = true;
    worker_finish (w, client_view (*c1, 1)->id, 1, OUTCOME_DONE, 50000);
    bed_turn (b);
    (*c1)->full = false;
    bed_restart (b, t);
    peer_back (w, false);
    *c2 = bed_client (b, "c2");
    copy_open (*c2, 7, client_view (*c1, 1));
    rows_of (*c2, 7, 0, 0, "x");
    bed_settle (b);
    assert_true (is_broken (*c2, 7));
    return b;
}

static void who_is_refused_after_a_restart_leaves_the_batch_to_its_client (void **state)
{
    (void)state;
    for (int leaves = 0; leaves <= 1; leaves++) {
        struct peer *c1, *c2;
        struct bed *b = bed_with_an_impostor (&c1, &c2);
        struct wire bye = {.kind = WIRE_BYE};
        if (leaves)
            peer_say (c2, &bye);
        bed_settle (b);
        peer_back (c1, false);
        bed_settle (b);
        assert_int_equal (client_view (c1, 1)->done.count, 1);
        bed_run (b, 50000);
        assert_int_equal (client_view (c1, 1)->end.done, 2);
        bed_free (&b);
    }
}

static void a_batch_that_only_refused_clients_opened_again_ends_with_the_grace (void **state)
{
    (void)state;
    struct peer *c1, *c2;
    struct bed *b = bed_with_an_impostor (&c1, &c2);
    bed_pass (b, 59 * US_PER_S);
    assert_int_equal (bed_figures (b).batches, 1);
    bed_pass (b, 30 * US_PER_S); /* the worker says nothing, and is lost with its row */
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_second_client_reads_and_may_submit_what_is_missing),
        cmocka_unit_test (the_batch_passes_to_the_next_who_opened_it),
        cmocka_unit_test (another_open_under_the_same_key_is_refused),
        cmocka_unit_test (other_rows_specs_or_ends_under_the_same_key_are_refused),
        cmocka_unit_test (a_client_cannot_change_what_it_said),
        cmocka_unit_test (a_large_row_is_compared_over_its_parts),
        cmocka_unit_test (half_a_submission_leaves_its_key_to_the_next),
        cmocka_unit_test (half_a_submission_that_may_run_once_keeps_its_key),
        cmocka_unit_test (what_was_cancelled_half_said_is_its_clients_behind_a_restart),
        cmocka_unit_test (nor_does_the_second_who_comes_back_find_another_batch),
        cmocka_unit_test (what_passed_its_deadline_half_said_is_its_clients_behind_a_restart),
        cmocka_unit_test (who_is_refused_after_a_restart_leaves_the_batch_to_its_client),
        cmocka_unit_test (a_batch_that_only_refused_clients_opened_again_ends_with_the_grace),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
