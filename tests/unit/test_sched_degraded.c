/* A store that takes nothing: what cannot be written is not said, and all else goes on. */
#include "tests/unit/restart_rig.h"

static void a_full_disk_refuses_new_work_in_words_and_nothing_else (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 6);
    struct wire over = {.kind = WIRE_OPEN}; /* its deadline passes meanwhile */
    over.m.open.batch = 9;
    over.m.open.flags = BATCH_DETACHED;
    over.m.open.deadline_ms = 5000;
    peer_post (c, &over);
    client_spec (c, 9, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 9, 1);
    bed_settle (b);
    t->full = true;
    worker_finish (w, v->id, 1, OUTCOME_DONE, 50000);
    bed_turn (b);
    assert_int_equal (t->failures, 1);
    ping_all (b);
    pass (b, 30);
    assert_int_equal (t->failures, 1); /* it was not tried again and again */
    assert_int_equal (c->window, 0);
    assert_int_equal (w->window, 0);
    client_open (c, 2, 0, 0, 50);
    client_spec (c, 2, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 2, 1);
    client_cancel (c, 5, 1, 0, 0);
    struct wire m = {.kind = WIRE_QUERY};
    m.m.query.ref = 6;
    peer_post (c, &m);
    bed_settle (b);
    assert_int_equal (client_view (c, 2)->end.state, BATCH_BROKEN);
    assert_int_equal (c->error, WIRE_STORAGE);
    assert_int_equal (client_reply (c, 5), WIRE_STORAGE);
    assert_int_equal (client_reply (c, 6), WIRE_OK);
    assert_int_equal (bed_figures (b).granted, 2); /* its outcome waits with the worker */
    t->full = false;
    pass (b, 6);
    assert_int_equal (t->failures, 1);
    assert_true (c->window > 0);
    assert_true (w->window > 0);
    bed_run (b, 50000);
    assert_int_equal (v->end.done, 6);
    for (uint64_t row = 0; row < 6; row++)
        assert_int_equal (view_got (v, row)->attempt, 1);
    bed_free (&b);
}

static void what_is_submitted_to_a_full_disk_comes_later (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    bed_settle (b);
    t->full = true;
    client_rows (c, 1, 4);
    bed_turn (b);
    ping_all (b);
    client_rows (c, 1, 4);
    client_close (c, 1);
    pass (b, 3);
    assert_int_equal (bed_figures (b).waiting, 0);
    t->full = false;
    pass (b, 6);
    assert_int_equal (bed_figures (b).waiting, 8);
    bed_worker (b, "w", 4);
    bed_run (b, 1000);
    assert_int_equal (client_view (c, 1)->end.done, 8);
    assert_int_equal (t->failures, 1);
    bed_free (&b);
}

/* Nobody else would end it: it is neither closed nor its client gone. */
static void what_a_client_gives_up_while_the_disk_is_full_ends_later (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *other = bed_client (b, "other");
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 2);
    bed_settle (b);
    t->full = true;
    client_open (other, 2, 0, 0, 50);
    bed_turn (b);
    ping_all (b);
    struct wire cancel = {.kind = WIRE_CANCEL, .m.cancel.batch = 1};
    struct wire detach = {.kind = WIRE_DETACH, .m.detach.batch = 1};
    peer_post (c, &cancel);
    peer_post (c, &detach);
    pass (b, 3);
    assert_int_equal (bed_figures (b).waiting, 2);
    t->full = false;
    pass (b, 6);
    assert_int_equal (bed_figures (b).waiting, 0);
    bed_free (&b);
}

static void who_leaves_a_full_disk_is_gone_when_it_can_be_written (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, 0, 0, 6);
    t->full = true;
    struct wire cancel = {.kind = WIRE_CANCEL};
    cancel.m.cancel.batch = 1;
    peer_post (c, &cancel);
    bed_turn (b);
    ping_all (b);
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (w, &bye);
    peer_say (c, &bye);
    bed_settle (b);
    peer_free (w);
    peer_free (c);
    struct peer *late = bed_worker (b, "late", 2);
    assert_int_equal (late->error, WIRE_STORAGE);
    peer_free (late);
    assert_int_equal (bed_figures (b).granted, 2);
    t->full = false;
    pass (b, 6);
    assert_int_equal (bed_figures (b).batches, 0);
    assert_int_equal (bed_figures (b).clients, 0);
    assert_int_equal (bed_figures (b).workers, 0);
    assert_int_equal (t->failures, 1);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_full_disk_refuses_new_work_in_words_and_nothing_else),
        cmocka_unit_test (what_is_submitted_to_a_full_disk_comes_later),
        cmocka_unit_test (what_a_client_gives_up_while_the_disk_is_full_ends_later),
        cmocka_unit_test (who_leaves_a_full_disk_is_gone_when_it_can_be_written),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
