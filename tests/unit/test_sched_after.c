/* Dependencies: a batch waits until others are over, and runs or is skipped by how they ended. */
#include <string.h>

#include "common/wire/rows.h"
#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

enum { SECOND = US_PER_S };

static struct view *submit (struct peer *c, uint64_t handle, uint64_t flags, const char *after,
                            uint64_t count)
{
    struct msg_open m = {
        .batch = handle, .flags = flags, .priority = 50, .after = bytes_str (after)};
    return client_submit_as (c, &m, count);
}

static void finish (struct peer *w, const struct view *v, uint64_t n, enum outcome_how how)
{
    worker_finish (w, v->id, n, how, 1000);
    bed_settle (w->bed);
}

static void ask (struct peer *c, enum wire_kind kind, uint64_t ref, uint64_t id)
{
    struct wire w = {.kind = kind};
    if (kind == WIRE_RETRY) {
        w.m.retry.ref = ref;
        w.m.retry.id = id;
        w.m.retry.hows = 255;
    } else {
        w.m.remove.ref = ref;
        w.m.remove.id = id;
    }
    peer_post (c, &w);
    bed_settle (c->bed);
}

static void a_batch_runs_when_the_one_before_it_has_ended_well (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *first = submit (c, 1, 0, "", 2);
    struct view *second = submit (c, 2, 0, "1:ok", 2);
    finish (w, first, 1, OUTCOME_DONE);
    assert_int_equal (worker_held (w, second->id), 0);
    finish (w, first, 1, OUTCOME_DONE);
    assert_int_equal (worker_held (w, second->id), 2);
    finish (w, second, 2, OUTCOME_DONE);
    assert_int_equal (second->end.done, 2);
    bed_free (&b);
}

static void each_condition_is_held_to_how_it_ended (void **state)
{
    (void)state;
    static const struct {
        const char *after;
        enum outcome_how how;
        bool runs;
    } CASES[] = {{"1:ok", OUTCOME_DONE, true},        {"1:ok", OUTCOME_FAILED, false},
                 {"1:any", OUTCOME_DONE, true},       {"1:any", OUTCOME_TIMEOUT, true},
                 {"1:fail", OUTCOME_FAILED, true},    {"1:fail", OUTCOME_DONE, false},
                 {"1:ok,1:fail", OUTCOME_DONE, false}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct bed *b = bed_new (NULL, NULL);
        struct peer *c = bed_client (b, "c");
        struct peer *w = bed_worker (b, "w", 4);
        struct view *first = submit (c, 1, BATCH_DETACHED, "", 1);
        struct view *early = submit (c, 2, 0, CASES[i].after, 3);
        finish (w, first, 1, CASES[i].how);
        struct view *late = submit (c, 3, 0, CASES[i].after, 3); /* it is over already */
        assert_int_equal (worker_held (w, early->id) > 0, CASES[i].runs);
        bed_run (b, 1000);
        assert_int_equal (early->end.done, CASES[i].runs ? 3 : 0);
        assert_int_equal (early->end.skipped, CASES[i].runs ? 0 : 3);
        assert_int_equal (early->end.state, BATCH_FINISHED);
        assert_int_equal (late->end.skipped, early->end.skipped);
        bed_free (&b);
    }
}

static void a_cancelled_batch_did_not_succeed (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, BATCH_DETACHED, 0, 50); /* without rows, even */
    bed_settle (b);
    struct view *second = submit (c, 2, 0, "1:ok", 3);
    struct view *third = submit (c, 3, 0, "1:fail", 0);
    client_cancel (c, 1, 1, 0, 0);
    bed_settle (b);
    assert_int_equal (second->end.skipped, 3);
    assert_true (third->ended);
    bed_free (&b);
}

static void rows_that_come_when_it_is_too_late_are_skipped_too (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *first = submit (c, 1, 0, "", 1);
    struct msg_open m = {.batch = 2, .flags = BATCH_ORDERED, .after = bytes_str ("1:ok")};
    client_open_as (c, &m);
    client_spec (c, 2, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 2, 5);
    finish (w, first, 1, OUTCOME_FAILED);
    struct view *second = client_view (c, 2);
    assert_int_equal (view_count (second, OUTCOME_SKIPPED), 5);
    assert_false (second->ended);
    client_rows (c, 2, 5);
    client_close (c, 2);
    bed_settle (b);
    assert_int_equal (second->end.skipped, 10);
    bed_free (&b);
}

static void chains_are_skipped_to_their_end (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *first = submit (c, 1, 0, "", 1);
    submit (c, 2, 0, "1:ok", 1);
    struct view *third = submit (c, 3, 0, "2:ok,1:any", 1);
    struct view *clean_up = submit (c, 4, 0, "3:any", 1);
    struct view *alarm = submit (c, 5, 0, "3:fail,1:fail", 1);
    finish (w, first, 1, OUTCOME_FAILED);
    assert_int_equal (third->end.skipped, 1);
    assert_int_equal (worker_held (w, clean_up->id), 1);
    assert_int_equal (worker_held (w, alarm->id), 1);
    bed_free (&b);
}

static void a_batch_that_is_not_there_is_refused_in_words (void **state)
{
    (void)state;
    static const struct {
        const char *after;
        enum wire_code code;
    } BAD[] = {{"7:ok", WIRE_UNKNOWN},       {"2:ok", WIRE_UNKNOWN}, /* itself, as it would be */
               {"1:ok,7:any", WIRE_UNKNOWN}, {"1", WIRE_MALFORMED},
               {"1:", WIRE_MALFORMED},       {"1:well", WIRE_MALFORMED},
               {":ok", WIRE_MALFORMED},      {"1:ok,", WIRE_MALFORMED},
               {"01:ok", WIRE_MALFORMED},    {"99999999999999999999:ok", WIRE_MALFORMED},
               {",", WIRE_MALFORMED},        {"1:ok 1:ok", WIRE_MALFORMED}};
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct view *first = submit (c, 1, BATCH_DETACHED, "", 1);
    assert_int_equal (first->id, 1);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct msg_open m = {.batch = 2 + i, .after = bytes_str (BAD[i].after)};
        client_open_as (c, &m);
        bed_settle (b);
        assert_int_equal (c->error, BAD[i].code);
        assert_int_equal (client_view (c, 2 + i)->end.state, BATCH_BROKEN);
    }
    assert_int_equal (bed_figures (b).batches, 1);
    bed_free (&b);
}

static void what_is_settled_holds_when_the_other_is_forgotten_or_retried (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *first = submit (c, 1, BATCH_DETACHED, "", 1);
    struct view *other = submit (c, 2, BATCH_DETACHED, "", 1);
    struct view *third = submit (c, 3, 0, "1:fail,2:ok", 1);
    finish (w, first, 1, OUTCOME_FAILED);
    ask (c, WIRE_REMOVE, 1, first->id);
    assert_int_equal (client_reply (c, 1), WIRE_OK);
    finish (w, other, 1, OUTCOME_DONE);
    assert_int_equal (worker_held (w, third->id), 1);
    bed_free (&b);
}

static void who_retries_what_was_skipped_wants_it_to_run (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *first = submit (c, 1, 0, "", 1);
    struct view *second = submit (c, 2, BATCH_DETACHED, "1:ok", 2);
    finish (w, first, 1, OUTCOME_FAILED);
    assert_int_equal (second->end.skipped, 2);
    ranges_remove (&second->done, 0, 2);
    second->ended = false;
    ask (c, WIRE_RETRY, 1, second->id);
    assert_int_equal (worker_held (w, second->id), 2);
    bed_free (&b);
}

static void a_batch_that_waits_can_be_cancelled (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *first = submit (c, 1, 0, "", 1);
    struct view *second = submit (c, 2, BATCH_DETACHED, "1:ok", 2);
    client_cancel (c, 1, 2, 0, 0);
    bed_settle (b);
    assert_int_equal (second->end.cancelled, 2);
    finish (w, first, 1, OUTCOME_DONE);
    assert_true (first->ended);
    bed_free (&b);
}

static bool has_text (struct peer *c, const char *text)
{
    struct wire w;
    bool found = false;
    while (peer_take (c, WIRE_REPLY, &w)) {
        found |= memmem (w.body[0].ptr, w.body[0].len, text, strlen (text)) != NULL;
        wire_fini (&w);
    }
    return found;
}

static void it_is_shown_what_a_batch_waits_for (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 4);
    struct view *first = submit (c, 1, 0, "", 1);
    struct view *second = submit (c, 2, 0, "", 1);
    struct view *third = submit (c, 3, 0, "1:ok,2:any", 1);
    struct wire m = {.kind = WIRE_QUERY};
    m.m.query = (struct msg_query){.ref = 9, .what = QUERY_BATCH, .id = third->id};
    finish (w, first, 1, OUTCOME_DONE);
    peer_post (c, &m);
    bed_settle (b);
    assert_true (has_text (c, "2:any"));
    finish (w, second, 1, OUTCOME_DONE);
    peer_post (c, &m);
    bed_settle (b);
    assert_false (has_text (c, "2:any"));
    bed_free (&b);
}

static void dependencies_outlive_the_broker (void **state)
{
    (void)state;
    for (int ended = 0; ended < 3; ended++) {
        struct store_test *t;
        struct sched_config cfg;
        sched_config_defaults (&cfg);
        cfg.records = cfg.durable = true;
        struct bed *b = bed_new (&cfg, store_test_new (&t));
        b->faithful = true;
        struct peer *c = bed_client (b, "c");
        struct peer *w = bed_worker (b, "w", 4);
        struct view *first = submit (c, 1, BATCH_DETACHED, "", 1);
        struct view *other = submit (c, 2, 0, "", 1);
        struct view *good = submit (c, 3, 0, "1:any,2:ok", 1);
        struct view *bad = submit (c, 4, 0, "1:ok", 1);
        if (ended) /* before the restart, and then forgotten, too */
            finish (w, first, 1, OUTCOME_FAILED);
        if (ended == 2)
            ask (c, WIRE_REMOVE, 1, first->id);
        t->by_batch = ended == 1;
        bed_restart (b, t);
        bed_settle (b);
        if (!ended)
            finish (w, first, 1, OUTCOME_FAILED);
        assert_int_equal (bad->end.skipped, 1);
        assert_int_equal (worker_held (w, good->id), 0);
        finish (w, other, 1, OUTCOME_DONE);
        assert_int_equal (worker_held (w, good->id), 1);
        finish (w, good, 1, OUTCOME_DONE);
        assert_true (good->ended);
        bed_free (&b);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_batch_runs_when_the_one_before_it_has_ended_well),
        cmocka_unit_test (each_condition_is_held_to_how_it_ended),
        cmocka_unit_test (a_cancelled_batch_did_not_succeed),
        cmocka_unit_test (rows_that_come_when_it_is_too_late_are_skipped_too),
        cmocka_unit_test (chains_are_skipped_to_their_end),
        cmocka_unit_test (a_batch_that_is_not_there_is_refused_in_words),
        cmocka_unit_test (what_is_settled_holds_when_the_other_is_forgotten_or_retried),
        cmocka_unit_test (who_retries_what_was_skipped_wants_it_to_run),
        cmocka_unit_test (a_batch_that_waits_can_be_cancelled),
        cmocka_unit_test (it_is_shown_what_a_batch_waits_for),
        cmocka_unit_test (dependencies_outlive_the_broker),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
