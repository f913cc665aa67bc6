/* The store behind its verbs: commits hold when the disk has them, in order; a failed one is told;
 * and the loop is never held up by the disk. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/store/store_sqlite.h"
#include "tests/unit/bad_disk.h"
#include "tests/unit/state_rig.h"

enum { WAIT_MS = 10000 };

static struct store *open_store (const struct statedb_options *o)
{
    struct err e = {0};
    struct store *s = store_sqlite_open (o, &e);
    if (!s)
        fail_msg ("%s", e.text);
    return s;
}

static int append (struct store *s, struct model *m, uint64_t batch, uint64_t commit,
                   struct wire_frames f, struct err *e)
{
    if (m)
        model_add (m, batch, commit, &f);
    int rc = store_append (s, batch, &f, e);
    wire_frames_fini (&f);
    return rc;
}

/* Until commits up to `number` hold; the descriptor is what tells. */
static void await (struct store *s, uint64_t number)
{
    struct pollfd fd = {.fd = store_ready_fd (s), .events = POLLIN};
    while (store_committed (s) < number)
        if (poll (&fd, 1, WAIT_MS) != 1)
            fail_msg ("commit %d does not hold", (int)number);
}

/* Until a failure is told. */
static void await_failure (struct store *s, uint64_t number, struct err *e)
{
    struct pollfd fd = {.fd = store_ready_fd (s), .events = POLLIN};
    while (store_commit (s, number, e) == 0) {
        if (poll (&fd, 1, WAIT_MS) != 1)
            fail_msg ("no failure is told");
        store_committed (s);
        number++;
    }
}

static uint64_t digest (struct store *s)
{
    struct replayed r = {0};
    struct err e = {0};
    if (store_replay (s, replay_take, &r, &e) < 0)
        fail_msg ("%s", e.text);
    return r.digest;
}

static void what_holds_comes_back (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (7);
    struct store *s = open_store (&o);
    assert_string_equal (store_name (s), "durable");
    assert_true (store_wants_records (s) && store_is_durable (s));
    for (uint64_t number = 1; number <= 200; number++) {
        uint64_t batch;
        struct wire_frames f = model_next (m, &batch, 3000);
        assert_int_equal (append (s, m, batch, number, f, NULL), 0);
        assert_int_equal (store_commit (s, number, NULL), 0);
        assert_true (store_committed (s) <= number);
    }
    await (s, 200);
    store_close (&s);
    o.fast = true;
    s = open_store (&o);
    assert_string_equal (store_name (s), "durable-fast");
    assert_int_equal (store_committed (s), 200);
    assert_true (digest (s) == model_digest (m, 200));
    store_close (&s);
    model_free (&m);
    place_remove (&p);
}

static void what_was_accepted_is_written_before_it_closes (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (8);
    struct store *s = open_store (&o);
    for (uint64_t number = 1; number <= 50; number++) {
        append (s, m, number, number, rec_open (number, "x"), NULL);
        assert_int_equal (store_commit (s, number, NULL), 0);
    }
    store_close (&s);
    s = open_store (&o);
    assert_int_equal (store_committed (s), 50);
    assert_true (digest (s) == model_digest (m, 50));
    store_close (&s);
    model_free (&m);
    place_remove (&p);
}

static void a_commit_without_records_holds_at_once_and_in_order (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct bad_disk d;
    bad_disk_init (&d);
    struct statedb_options o = rig_options (&p);
    o.vfs = d.name;
    struct store *s = open_store (&o);
    assert_int_equal (store_commit (s, 1, NULL), 0);
    assert_int_equal (store_commit (s, 5, NULL), 0);
    assert_int_equal (store_committed (s), 5);
    bad_disk_hold (&d, true);
    append (s, NULL, 1, 6, rec_open (1, "x"), NULL);
    assert_int_equal (store_commit (s, 6, NULL), 0);
    assert_int_equal (store_commit (s, 7, NULL), 0);
    assert_int_equal (store_committed (s), 5);
    bad_disk_hold (&d, false);
    await (s, 7);
    store_close (&s);
    bad_disk_fini (&d);
    place_remove (&p);
}

/* T9: an fsync that takes long holds up what depends on it, and nobody else. */
static void a_slow_disk_does_not_hold_up_the_loop (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct bad_disk d;
    bad_disk_init (&d);
    struct statedb_options o = rig_options (&p);
    o.vfs = d.name;
    struct model *m = model_new (9);
    struct store *s = open_store (&o);
    bad_disk_hold (&d, true);
    uint64_t syncs = bad_disk_syncs (&d);
    for (uint64_t number = 1; number <= 100; number++) { /* would never end in this thread */
        append (s, m, number, number, rec_open (number, "x"), NULL);
        assert_int_equal (store_commit (s, number, NULL), 0);
        assert_int_equal (store_committed (s), 0);
    }
    bad_disk_hold (&d, false);
    await (s, 100);
    assert_in_range (bad_disk_syncs (&d) - syncs, 1, 20); /* all that waited is one group */
    store_close (&s);
    s = open_store (&o);
    assert_true (digest (s) == model_digest (m, 100));
    store_close (&s);
    bad_disk_fini (&d);
    model_free (&m);
    place_remove (&p);
}

static void a_failed_commit_is_told_and_what_holds_is_there_after_reopen (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct bad_disk d;
    bad_disk_init (&d);
    struct statedb_options o = rig_options (&p);
    o.vfs = d.name;
    struct model *m = model_new (10);
    struct store *s = open_store (&o);
    struct err e = {0};
    append (s, m, 1, 1, rec_open (1, "x"), NULL);
    store_commit (s, 1, NULL);
    await (s, 1);
    bad_disk_fail (&d, 0, ENOSPC);
    append (s, NULL, 2, 2, rec_open (2, "y"), NULL);
    assert_int_equal (store_commit (s, 2, NULL), 0);
    await_failure (s, 3, &e);
    assert_int_equal (e.code, ENOSPC);
    assert_non_null (strstr (e.text, "No space left on device"));
    assert_int_equal (store_committed (s), 1);
    struct wire_frames f = rec_close (1, 0);
    assert_int_equal (store_append (s, 1, &f, &e), -1);
    wire_frames_fini (&f);
    assert_int_equal (store_reopen (s, &e), 0);
    assert_true (digest (s) == model_digest (m, 1));
    /* the disk is as full as before: that is said again, whatever is tried */
    while (store_probe (s, &e) == -1 && e.code == EINPROGRESS)
        poll (NULL, 0, 1);
    assert_int_equal (e.code, ENOSPC);
    assert_int_equal (store_commit (s, 9, NULL), 0); /* nothing to write */
    assert_int_equal (store_committed (s), 9);
    bad_disk_heal (&d);
    int rc;
    while ((rc = store_probe (s, &e)) == -1 && e.code == EINPROGRESS)
        poll (NULL, 0, 1);
    assert_int_equal (rc, 0);
    append (s, m, 1, 10, rec_close (1, 0), NULL);
    assert_int_equal (store_commit (s, 10, NULL), 0);
    await (s, 10);
    store_close (&s);
    s = open_store (&o);
    assert_true (digest (s) == model_digest (m, 10));
    store_close (&s);
    bad_disk_fini (&d);
    model_free (&m);
    place_remove (&p);
}

/* A process that is killed leaves nothing behind that hinders the next. */
static void a_killed_process_loses_nothing_that_held (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    int told[2];
    assert_int_equal (pipe (told), 0);
    pid_t pid = fork ();
    if (pid == 0) {
        struct store *s = store_sqlite_open (&o, NULL);
        for (uint64_t number = 1;; number++) {
            append (s, NULL, number, number, rec_open (number, "x"), NULL);
            store_commit (s, number, NULL);
            uint64_t holds = store_committed (s);
            if (write (told[1], &holds, sizeof holds) < 0)
                _exit (1);
        }
    }
    close (told[1]);
    uint64_t holds = 0;
    while (holds < 30 && read (told[0], &holds, sizeof holds) == sizeof holds)
        ;
    kill (pid, SIGKILL);
    uint64_t later;
    while (read (told[0], &later, sizeof later) == sizeof later)
        holds = later;
    close (told[0]);
    waitpid (pid, NULL, 0);
    struct store *s = open_store (&o);
    struct replayed r = {0};
    assert_int_equal (store_replay (s, replay_take, &r, NULL), 0);
    assert_true (r.records >= holds && r.records == store_committed (s));
    store_close (&s);
    place_remove (&p);
}

static void a_second_store_in_the_directory_is_refused (void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct store *s = open_store (&o);
    assert_null (store_sqlite_open (&o, &e));
    assert_int_equal (e.code, EBUSY);
    store_close (&s);
    s = open_store (&o);
    store_close (&s);
    place_remove (&p);
}

struct slow_replay {
    const struct place *p;
    bool looked;
};

/* Longer than the pause behind which the thread tidies up. */
static int replay_slowly (void *arg, const struct wire_frames *f, struct err *e)
{
    struct slow_replay *r = arg;
    (void)f;
    (void)e;
    if (!r->looked) {
        long before = place_size (r->p, "state.db-wal");
        poll (NULL, 0, 400);
        assert_int_equal (place_size (r->p, "state.db-wal"), before);
        r->looked = true;
    }
    return 0;
}

static void nothing_is_tidied_up_while_the_loop_replays (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct store *s = open_store (&o);
    append (s, NULL, 1, 1, rec_open (1, "kept"), NULL);
    append (s, NULL, 2, 1, rec_open (2, "removed"), NULL);
    for (uint64_t chunk = 0; chunk < 3000; chunk++)
        append (s, NULL, 2, 1, rec_rows (2, chunk, 1000, 0), NULL);
    store_commit (s, 1, NULL);
    append (s, NULL, 2, 2, rec_remove (2), NULL);
    store_commit (s, 2, NULL);
    store_close (&s);
    s = open_store (&o);
    struct slow_replay r = {.p = &p};
    assert_int_equal (store_replay (s, replay_slowly, &r, NULL), 0);
    assert_true (r.looked);
    store_close (&s);
    place_remove (&p);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_holds_comes_back),
        cmocka_unit_test (what_was_accepted_is_written_before_it_closes),
        cmocka_unit_test (a_commit_without_records_holds_at_once_and_in_order),
        cmocka_unit_test (a_slow_disk_does_not_hold_up_the_loop),
        cmocka_unit_test (a_failed_commit_is_told_and_what_holds_is_there_after_reopen),
        cmocka_unit_test (a_killed_process_loses_nothing_that_held),
        cmocka_unit_test (nothing_is_tidied_up_while_the_loop_replays),
        cmocka_unit_test (a_second_store_in_the_directory_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
