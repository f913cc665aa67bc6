/* A state that went back: power failed, and commits that had held are gone. What was granted in
 * them is known to the workers alone, so nothing is given away before they have told. */
#include "tests/unit/restart_rig.h"

struct doubt {
    struct bed *b;
    struct store_test *t;
    struct peer *c, *w;
    struct view *v;
    uint64_t before; /* the last commit before its rows were granted */
};

/* A worker is granted two rows, in commits of their own. */
static struct doubt grants (uint64_t rows)
{
    struct doubt d = {0};
    d.b = durable_bed (&d.t);
    d.w = bed_worker (d.b, "w", 0);
    d.c = bed_client (d.b, "c");
    d.v = client_submit (d.c, 1, BATCH_DETACHED, 0, rows);
    assert_int_equal (d.w->granted, 0);
    d.before = d.t->held;
    struct wire m = {.kind = WIRE_CAPACITY};
    m.m.capacity.slots = 2;
    d.w->hello.slots = 2;
    peer_post (d.w, &m);
    bed_settle (d.b);
    assert_int_equal (worker_held (d.w, d.v->id), 2);
    d.b->faithful = false;
    return d;
}

/* ... which are gone. Nobody is back yet. */
static void forget_grants (struct doubt *d)
{
    lose_power (d->b, d->t, d->before);
    assert_int_equal (bed_figures (d->b).granted, 0);
    assert_int_equal (bed_figures (d->b).waiting, 2);
}

static void what_was_granted_and_forgotten_is_not_given_to_others (void **state)
{
    (void)state;
    struct doubt d = grants (2);
    forget_grants (&d);
    struct peer *other = bed_worker (d.b, "other", 4);
    pass (d.b, 5);
    assert_int_equal (other->granted, 0);
    peer_back (d.w, false);
    bed_settle (d.b);
    assert_int_equal (d.w->resumed, 2);
    assert_int_equal (bed_figures (d.b).granted, 2);
    assert_int_equal (other->granted, 0);
    peer_back (d.c, false);
    client_submit (d.c, 2, BATCH_DETACHED, 0, 1); /* all is known now */
    assert_int_equal (other->granted, 1);
    bed_free (&d.b);
}

static void the_next_life_doubts_as_well (void **state)
{
    (void)state;
    struct doubt d = grants (2);
    forget_grants (&d);
    restart (d.b, d.t);
    restart (d.b, d.t);
    struct peer *other = bed_worker (d.b, "other", 4);
    pass (d.b, 5);
    assert_int_equal (other->granted, 0);
    peer_back (d.w, false);
    bed_settle (d.b);
    assert_int_equal (bed_figures (d.b).granted, 2);
    d.b->faithful = true;
    worker_finish (d.w, d.v->id, 2, OUTCOME_DONE, 1000);
    bed_settle (d.b);
    restart (d.b, d.t); /* nor is it doubted for ever */
    peer_free (d.w);
    struct peer *c = bed_client (d.b, "c2");
    client_submit (c, 1, 0, 0, 6);
    bed_settle (d.b);
    assert_int_equal (other->granted, 4);
    bed_free (&d.b);
}

/* Of two rows the worker ends one; the power failure takes its outcome, and not its grant. */
static struct doubt one_outcome_is_lost (uint64_t flags)
{
    struct doubt d = {0};
    d.b = durable_bed (&d.t);
    d.w = bed_worker (d.b, "w", 2);
    d.c = bed_client (d.b, "c");
    d.v = client_submit (d.c, 1, BATCH_DETACHED | flags, 0, 2);
    assert_int_equal (worker_held (d.w, d.v->id), 2);
    d.before = d.t->held;
    worker_finish (d.w, d.v->id, 1, OUTCOME_DONE, 1000);
    bed_settle (d.b);
    d.b->faithful = false;
    lose_power (d.b, d.t, d.before);
    peer_back (d.w, false);
    bed_settle (d.b);
    return d;
}

static void what_may_have_run_is_not_run_at_most_once_and_again (void **state)
{
    (void)state;
    struct doubt d = one_outcome_is_lost (BATCH_AT_MOST_ONCE);
    assert_int_equal (worker_held (d.w, d.v->id), 1);
    assert_int_equal (bed_figures (d.b).waiting, 0);
    assert_int_equal (bed_figures (d.b).granted, 1);
    restart (d.b, d.t); /* and that is recorded */
    assert_int_equal (bed_figures (d.b).waiting, 0);
    peer_back (d.w, false);
    bed_settle (d.b);
    worker_finish (d.w, d.v->id, 1, OUTCOME_DONE, 1000);
    bed_settle (d.b);
    struct peer *reader = bed_client (d.b, "reader");
    struct wire m = {.kind = WIRE_ATTACH};
    m.m.attach = (struct msg_attach){.batch = 5, .id = d.v->id};
    const struct view *v = client_view (reader, 5);
    peer_post (reader, &m);
    bed_settle (d.b);
    assert_int_equal (v->end.total, 2);
    assert_int_equal (v->end.done, 1);
    assert_int_equal (view_got (v, 0)->how, OUTCOME_LOST);
    bed_free (&d.b);
}

static void what_may_run_again_does (void **state)
{
    (void)state;
    struct doubt d = one_outcome_is_lost (0);
    assert_int_equal (worker_held (d.w, d.v->id), 2);
    bed_free (&d.b);
}

/* Slot numbers of the first would count in the second, and are somebody else's there. */
static void no_two_lives_tell_a_worker_one_share (void **state)
{
    (void)state;
    struct doubt d = grants (2);
    uint64_t told[2];
    for (int life = 0; life < 2; life++) {
        d.b->cfg.seed++;
        lose_power (d.b, d.t, d.before);
        peer_back (d.w, false);
        bed_settle (d.b);
        assert_int_equal (bed_figures (d.b).granted, 2);
        told[life] = d.w->shares[0].number;
    }
    assert_true (told[0] != told[1]);
    bed_free (&d.b);
}

static void nobody_waits_for_a_worker_that_is_given_up (void **state)
{
    (void)state;
    struct doubt d = grants (2);
    forget_grants (&d);
    struct peer *other = bed_worker (d.b, "other", 4);
    pass (d.b, 58);
    assert_int_equal (other->granted, 0);
    pass (d.b, 5);
    assert_int_equal (other->granted, 2);
    bed_free (&d.b);
}

static void a_killed_broker_leaves_no_doubt (void **state)
{
    (void)state;
    struct doubt d = grants (4);
    restart (d.b, d.t);
    struct peer *other = bed_worker (d.b, "other", 4);
    bed_settle (d.b);
    assert_int_equal (other->granted, 2);
    bed_free (&d.b);
}

/* A worker would name rows of another batch, a user would wait for it. */
static void rows_of_a_lost_batch_are_not_taken_for_those_of_another (void **state)
{
    (void)state;
    struct store_test *t;
    struct bed *b = durable_bed (&t);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 2);
    client_submit (c, 1, BATCH_DETACHED, 0, 2);
    uint64_t kept = t->held;
    uint64_t lost = client_submit (c, 2, BATCH_DETACHED, 0, 1)->id;
    store_test_crash (t, kept); /* the worker has the row, and the store no batch */
    b->faithful = false;
    bed_restart (b, t);
    uint64_t id = client_submit (bed_client (b, "other"), 1, BATCH_DETACHED, 0, 1)->id;
    w->mute = true;
    peer_back (w, false);
    bed_settle (b);
    peer_count (w, WIRE_CANCEL_ROWS);
    say_hold (w, lost, 0, 1, 1, true);
    worker_void (w);
    bed_settle (b);
    assert_true (id > lost);
    assert_int_equal (peer_count (w, WIRE_CANCEL_ROWS), 1);
    assert_int_equal (worker_row (w, id, 0)->attempt, 1); /* granted, for the first time */
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_was_granted_and_forgotten_is_not_given_to_others),
        cmocka_unit_test (the_next_life_doubts_as_well),
        cmocka_unit_test (what_may_have_run_is_not_run_at_most_once_and_again),
        cmocka_unit_test (what_may_run_again_does),
        cmocka_unit_test (no_two_lives_tell_a_worker_one_share),
        cmocka_unit_test (nobody_waits_for_a_worker_that_is_given_up),
        cmocka_unit_test (a_killed_broker_leaves_no_doubt),
        cmocka_unit_test (rows_of_a_lost_batch_are_not_taken_for_those_of_another),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
