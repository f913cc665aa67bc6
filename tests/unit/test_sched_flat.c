/* What came and went leaves nothing behind: tables are as long as they were before. */
#include <stdio.h>

#include "sched_harness.h"

enum { MANY = 1000, SOME = 200 };

static size_t entries (struct bed *b)
{
    return sched_entries (bed_sched (b));
}

static void say_bye (struct peer *p)
{
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (p, &bye);
    bed_settle (p->bed);
    peer_free (p);
}

static struct peer *worker_of_number (struct bed *b, unsigned i)
{
    char name[32];
    snprintf (name, sizeof name, "w%u", i);
    return bed_worker (b, name, 2);
}

/* A batch that stays open, as that of a program does that adds tasks for as long as it runs. */
static struct view *open_for_long (struct bed *b, uint64_t rows)
{
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, 0, 1, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, rows);
    bed_settle (b);
    return client_view (c, 1);
}

static void workers_that_leave_leave_nothing (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct view *v = open_for_long (b, MANY + 1);
    size_t before = entries (b) + 1; /* the row that the last one had begun */
    for (unsigned i = 0; i < MANY; i++) {
        struct peer *w = worker_of_number (b, i);
        bed_settle (b);
        assert_int_equal (worker_finish (w, v->id, 1, OUTCOME_DONE, 1000), 1);
        bed_settle (b);
        say_bye (w);
    }
    assert_int_equal (v->done.count, MANY);
    assert_int_equal (entries (b), before);
    bed_free (&b);
}

static void a_row_that_runs_for_long_keeps_nothing_of_those_behind_it (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *w = bed_worker (b, "w", 2);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 1, 1);
    bed_settle (b);
    size_t before = entries (b);
    for (uint64_t row = 1; row < VIEW_CHUNKS; row++) {
        client_rows (c, 1, 1);
        bed_settle (b);
        struct outcome o = {.row = row, .attempt = 1, .how = OUTCOME_DONE};
        worker_end (w, client_view (c, 1)->id, &o);
        bed_settle (b);
    }
    assert_int_equal (client_view (c, 1)->done.count, VIEW_CHUNKS - 1);
    assert_in_range (entries (b), before, before + 2);
    bed_free (&b);
}

/* Each of them is lost with a row, which remembers that as long as it waits. */
static void workers_that_are_lost_are_forgotten (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct view *v = open_for_long (b, SOME);
    size_t before = entries (b);
    for (unsigned i = 0; i < SOME; i++) {
        peer_free (worker_of_number (b, i));
        bed_pass (b, b->cfg.lost_us + US_PER_S);
    }
    assert_true (view_count (v, OUTCOME_PARKED) > SOME / 4);
    assert_in_range (entries (b), 0, before + SOME + 32); /* their names, for two hours */
    bed_pass (b, 2 * 3600 * (int64_t)US_PER_S);
    assert_in_range (entries (b), 0, before + 32);
    bed_free (&b);
}

/* One after another, every second of which says no word of it. */
static void clients_that_leave_leave_nothing (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    size_t before = entries (b);
    for (unsigned i = 0; i < SOME; i++) {
        struct peer *w = worker_of_number (b, i);
        struct peer *c = bed_client (b, "c");
        client_submit (c, 1, 0, 0, 10);
        client_open (c, 2, 0, 0, 50);
        bed_run (b, 1000);
        assert_true (client_view (c, 1)->ended);
        client_wait (c, 7, client_view (c, 2)->id, WAIT_FINISHED, 0);
        say_bye (w);
        if (i % 2)
            say_bye (c);
        else
            peer_free (c);
    }
    bed_pass (b, 2 * b->cfg.client_gone_us);
    assert_int_equal (bed_figures (b).clients, 0);
    assert_int_equal (entries (b), before);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (workers_that_leave_leave_nothing),
        cmocka_unit_test (a_row_that_runs_for_long_keeps_nothing_of_those_behind_it),
        cmocka_unit_test (workers_that_are_lost_are_forgotten),
        cmocka_unit_test (clients_that_leave_leave_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
