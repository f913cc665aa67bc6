/* Power failures (RELIABILITY.md, T3): after each, the state opens; in durability full nothing that
 * was acknowledged is missing; in durability fast it is what it was at some commit.
 *
 * $DROVER_CASES: how many failures; $DROVER_SEED: the first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/bad_disk.h"
#include "tests/unit/state_rig.h"

enum { MARKS_MAX = 400, LIVES = 3 };

struct life {
    struct place place;
    struct bad_disk disk;
    struct statedb_options o;
    struct model *m;
    struct dice dice;
    char boot[37];
    uint64_t number;        /* last commit that was tried */
    uint64_t holds;         /* last that was acknowledged */
    char *marks[MARKS_MAX]; /* that may be found: it is not synced behind each commit */
    size_t n_marks;
};

static void forget_marks (struct life *l)
{
    while (l->n_marks)
        free (l->marks[--l->n_marks]);
}

/* The first of a life is synced: none of those before it comes back. */
static void remember_mark (struct life *l)
{
    char *text = place_read (&l->place, "mark");
    if (!text)
        return;
    if (l->n_marks && strstr (text, l->boot) && !strstr (l->marks[0], l->boot))
        forget_marks (l);
    if (l->n_marks < MARKS_MAX)
        l->marks[l->n_marks++] = text;
    else
        free (text);
}

/* Turns until the power fails, in the middle of one as well. */
static void live (struct life *l, struct statedb *db)
{
    struct err e = {0};
    bool more;
    remember_mark (l);
    bad_disk_fail (&l->disk, (int64_t)dice_roll (&l->dice, 400), EIO);
    for (uint64_t i = dice_roll (&l->dice, 60); i; i--) {
        if (rig_turn (db, l->m, ++l->number, 5, dice_roll (&l->dice, 3) ? 500 : 20000, &e) < 0)
            break;
        l->holds = l->number;
        remember_mark (l);
        if (dice_roll (&l->dice, 8) == 0 &&
            (dice_roll (&l->dice, 2) ? statedb_tidy (db, true, &more, &e)
                                     : statedb_probe (db, &e)) < 0)
            break;
    }
    remember_mark (l);
}

static void cut (struct life *l, struct statedb *db)
{
    struct place after;
    place_make (&after);
    place_copy (&l->place, &after, "state.db"); /* where it was not opened yet */
    place_copy (&l->place, &after, "state.db-wal");
    place_copy (&l->place, &after, "state.db-journal");
    bad_disk_cut (&l->disk, &after, &l->dice);
    if (l->n_marks)
        place_write (&after, "mark", l->marks[dice_roll (&l->dice, l->n_marks)]);
    forget_marks (l);
    statedb_close (&db, false);
    bad_disk_fini (&l->disk);
    place_remove (&l->place);
    l->place = after;
}

static void new_boot (struct life *l)
{
    snprintf (l->boot, sizeof l->boot, "boot-%010d", (int)dice_roll (&l->dice, 1 << 30));
}

static void new_life (struct life *l, bool fast)
{
    bad_disk_init (&l->disk);
    bad_disk_remember (&l->disk);
    new_boot (l);
    l->o = rig_options (&l->place);
    l->o.vfs = l->disk.name;
    l->o.boot = l->boot;
    l->o.fast = fast;
}

static void check_after (struct life *l, bool fast, uint64_t seed)
{
    struct err e = {0};
    struct statedb_options o = rig_options (&l->place);
    new_boot (l);
    o.boot = l->boot;
    o.fast = fast;
    struct statedb *db = statedb_open (&o, &e);
    if (!db)
        fail_msg ("seed %d: %s", (int)seed, e.text);
    uint64_t commit = rig_check (db, l->m);
    if (commit > l->number || (!fast && commit < l->holds))
        fail_msg ("seed %d: it is at commit %d, and %d was acknowledged", (int)seed, (int)commit,
                  (int)l->holds);
    statedb_close (&db, true);
    model_cut (l->m, commit);
    l->holds = l->number = commit;
}

static void one_case (uint64_t seed)
{
    struct life l = {.dice = {seed}, .m = model_new (seed * 7 + 1)};
    place_make (&l.place);
    bool fast = seed % 3 == 0;
    for (int i = 0; i < LIVES; i++) {
        new_life (&l, fast);
        if (dice_roll (&l.dice, 4) == 0) /* or while it opens */
            bad_disk_fail (&l.disk, (int64_t)dice_roll (&l.dice, 60), EIO);
        remember_mark (&l);
        struct statedb *db = statedb_open (&l.o, NULL);
        if (db)
            live (&l, db);
        cut (&l, db);
        check_after (&l, fast, seed);
    }
    model_free (&l.m);
    place_remove (&l.place);
}

static void after_a_power_failure_nothing_acknowledged_is_missing (void **state)
{
    (void)state;
    const char *first = getenv ("DROVER_SEED");
    uint64_t seed = first ? strtoull (first, NULL, 10) : 1;
    for (uint64_t n = (rig_cases (51) + LIVES - 1) / LIVES; n; n--)
        one_case (seed++);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (after_a_power_failure_nothing_acknowledged_is_missing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
