/* The n-th operation of the disk fails, and the n-th allocation of SQLite, for n = 0, 1, 2 ...
 * until none does (RELIABILITY.md, T4 and T24): it is said as what it is, what was acknowledged is
 * there, and the state takes commits again.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/bad_disk.h"
#include "tests/unit/state_rig.h"

enum { TURNS = 14 };

/* --- allocations of SQLite: the n-th fails --- */

struct memory {
    sqlite3_mem_methods real;
    int64_t left; /* below 0: none fails */
    bool failed;
};

static struct memory *memory (void)
{
    static struct memory m = {.left = -1};
    return &m;
}

static bool fails (void)
{
    struct memory *m = memory ();
    if (m->left < 0 || m->left-- > 0)
        return false;
    m->failed = true;
    return true;
}

static void *bad_malloc (int size)
{
    return fails () ? NULL : memory ()->real.xMalloc (size);
}

static void *bad_realloc (void *old, int size)
{
    return fails () ? NULL : memory ()->real.xRealloc (old, size);
}

static int set_up_memory (void **state)
{
    (void)state;
    sqlite3_mem_methods bad;
    assert_int_equal (sqlite3_config (SQLITE_CONFIG_GETMALLOC, &memory ()->real), SQLITE_OK);
    bad = memory ()->real;
    bad.xMalloc = bad_malloc;
    bad.xRealloc = bad_realloc;
    assert_int_equal (sqlite3_config (SQLITE_CONFIG_MALLOC, &bad), SQLITE_OK);
    return 0;
}

/* --- one life that may be hit --- */

struct hit {
    struct place p;
    struct bad_disk disk;
    struct model *m;
    uint64_t tried, holds;
    struct err e; /* of the failure */
};

static int turns (struct hit *h, struct statedb *db)
{
    bool more;
    for (int i = 0; i < TURNS; i++) {
        if (rig_turn (db, h->m, ++h->tried, 4, i == 5 ? 300000 : 4000, &h->e) < 0)
            return -1;
        h->holds = h->tried;
        if (i == 7 && statedb_tidy (db, true, &more, &h->e) < 0)
            return -1;
        if (i == 9 && statedb_probe (db, &h->e) < 0)
            return -1;
    }
    return statedb_replay (db, NULL, NULL, NULL, &h->e);
}

static int life (struct hit *h)
{
    struct statedb_options o = rig_options (&h->p);
    o.vfs = h->disk.name;
    struct statedb *db = statedb_open (&o, &h->e);
    int rc = db ? turns (h, db) : -1;
    statedb_close (&db, rc == 0);
    return rc;
}

static void begin_hit (struct hit *h)
{
    *h = (struct hit){.m = model_new (77)};
    place_make (&h->p);
    bad_disk_init (&h->disk);
}

static void end_hit (struct hit *h)
{
    model_free (&h->m);
    bad_disk_fini (&h->disk);
    place_remove (&h->p);
}

/* All is well again: what was acknowledged is there, and more is taken. */
static void check_healed (struct hit *h, uint64_t n)
{
    struct statedb_options o = rig_options (&h->p);
    o.vfs = h->disk.name;
    o.from_disk = true;
    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        struct statedb *db = statedb_open (&o, &e);
        if (!db)
            fail_msg ("after failure %d: %s", (int)n, e.text);
        uint64_t commit = rig_check (db, h->m);
        if (commit < h->holds || commit > h->tried)
            fail_msg ("after failure %d: commit %d, %d was acknowledged", (int)n, (int)commit,
                      (int)h->holds);
        model_cut (h->m, commit);
        h->tried = h->holds = commit;
        if (turns (h, db) < 0)
            fail_msg ("after failure %d: %s", (int)n, h->e.text);
        statedb_close (&db, true);
    }
}

static void check_words (const struct hit *h, int code, uint64_t n)
{
    if (h->e.code != code || !h->e.text[0])
        fail_msg ("failure %d is said as %d: %s", (int)n, h->e.code, h->e.text);
}

/* --- disk --- */

/* Returns whether there was a failure. One that only hits what can wait need not be told. */
static bool one_disk_failure (uint64_t n, int code, bool once)
{
    struct hit h;
    begin_hit (&h);
    if (once)
        bad_disk_fail_once (&h.disk, (int64_t)n, code);
    else
        bad_disk_fail (&h.disk, (int64_t)n, code);
    int rc = life (&h);
    bool hit = h.disk.last != 0;
    if (rc < 0)
        check_words (&h, code, n);
    bad_disk_heal (&h.disk);
    if (hit)
        check_healed (&h, n);
    end_hit (&h);
    return hit;
}

static void each_failure (int code, bool once)
{
    uint64_t n = 0, stride = rig_cases (0) ? 1 : 9;
    while (one_disk_failure (n, code, once))
        n += stride;
    assert_true (n > 100);
}

static void any_operation_may_fail_from_then_on (void **state)
{
    (void)state;
    each_failure (EIO, false);
}

static void any_operation_may_fail_once (void **state)
{
    (void)state;
    each_failure (EIO, true);
}

static void the_disk_may_be_full_at_any_write (void **state)
{
    (void)state;
    each_failure (ENOSPC, false);
}

/* --- memory --- */

static bool one_memory_failure (uint64_t n)
{
    struct hit h;
    begin_hit (&h);
    struct memory *m = memory ();
    m->failed = false;
    m->left = (int64_t)n;
    int rc = life (&h);
    m->left = -1;
    if (rc < 0)
        check_words (&h, ENOMEM, n);
    if (m->failed)
        check_healed (&h, n);
    end_hit (&h);
    return m->failed;
}

static void any_allocation_of_sqlite_may_fail (void **state)
{
    (void)state;
    uint64_t n = 0, stride = rig_cases (0) ? 1 : 41;
    while (one_memory_failure (n))
        n += stride;
    assert_true (n > 500);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (any_operation_may_fail_from_then_on),
        cmocka_unit_test (any_operation_may_fail_once),
        cmocka_unit_test (the_disk_may_be_full_at_any_write),
        cmocka_unit_test (any_allocation_of_sqlite_may_fail),
    };
    return cmocka_run_group_tests (tests, set_up_memory, NULL);
}
