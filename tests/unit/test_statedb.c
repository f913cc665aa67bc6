/* The database of a state directory: what is committed comes back, record by record, and what is
 * not right about the directory or the file is said and left alone. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/store/state_dir.h"
#include "broker/store/statedb_impl.h"
#include "common/base/mem.h"
#include "tests/unit/state_rig.h"

static void add (struct statedb *db, struct model *m, uint64_t batch, uint64_t commit,
                 struct wire_frames f)
{
    struct err e = {0};
    if (m)
        model_add (m, batch, commit, &f);
    if (statedb_add (db, batch, commit, &f, &e) < 0)
        fail_msg ("%s", e.text);
    wire_frames_fini (&f);
}

static void begin (struct statedb *db)
{
    struct err e = {0};
    if (statedb_begin (db, &e) < 0)
        fail_msg ("%s", e.text);
}

static void commit (struct statedb *db, uint64_t number)
{
    struct err e = {0};
    if (statedb_commit (db, number, &e) < 0)
        fail_msg ("%s", e.text);
}

/* Change the closed database by SQL. */
static void alter (const struct place *p, const char *sql)
{
    sqlite3 *raw;
    assert_int_equal (sqlite3_open (place_file (p, "state.db"), &raw), SQLITE_OK);
    int rc = sqlite3_exec (raw, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        fail_msg ("%s: %s", sql, sqlite3_errmsg (raw));
    sqlite3_close (raw);
}

/* The one number of a query. */
static int64_t ask (const struct place *p, const char *sql)
{
    sqlite3 *raw;
    sqlite3_stmt *stmt;
    assert_int_equal (sqlite3_open (place_file (p, "state.db"), &raw), SQLITE_OK);
    assert_int_equal (sqlite3_prepare_v2 (raw, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal (sqlite3_step (stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64 (stmt, 0);
    sqlite3_finalize (stmt);
    sqlite3_close (raw);
    return n;
}

static void refused (const struct statedb_options *o, int code, const char *words)
{
    struct err e = {0};
    struct statedb *db = statedb_open (o, &e);
    if (db && statedb_replay (db, NULL, NULL, NULL, &e) == 0)
        fail_msg ("it is not refused, for: %s", words);
    statedb_close (&db, false);
    if (e.code != code || !strstr (e.text, words))
        fail_msg ("code %d, not %d, for '%s': %s", e.code, code, words, e.text);
}

/* Two batches, one session, two commits; closed. */
static void fill (const struct statedb_options *o, struct model *m)
{
    struct statedb *db = rig_open (o);
    begin (db);
    add (db, m, 0, 1, rec_hello (77, 4));
    add (db, m, 1, 1, rec_open (1, "one"));
    add (db, m, 1, 1, rec_rows (1, 0, 100, 'a'));
    commit (db, 1);
    begin (db);
    add (db, m, 2, 2, rec_open (2, "two"));
    add (db, m, 2, 3, rec_rows (2, 0, 9000, 'b'));
    add (db, m, 1, 3, rec_close (1, 10));
    commit (db, 3);
    statedb_close (&db, true);
}

static void what_is_committed_comes_back (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (1);
    fill (&o, m);
    struct statedb *db = rig_open (&o);
    assert_int_equal (rig_check (db, m), 3);
    struct statedb_figures f;
    assert_int_equal (statedb_replay (db, NULL, NULL, &f, NULL), 0);
    assert_int_equal (f.sessions, 1);
    assert_int_equal (f.batches, 2);
    assert_int_equal (f.records, 5);
    statedb_close (&db, true);
    model_free (&m);
    place_remove (&p);
}

static bool went_back (const struct statedb_options *o, bool clean)
{
    struct statedb *db = rig_open (o);
    bool back = statedb_went_back (db);
    begin (db);
    commit (db, statedb_commit_number (db) + 1);
    statedb_close (&db, clean);
    return back;
}

static void a_state_that_was_not_synced_may_go_back_with_the_system (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    o.fast = true;
    o.boot = "first";
    assert_false (went_back (&o, false));
    assert_false (went_back (&o, false)); /* only the broker died */
    o.boot = "second";
    assert_true (went_back (&o, false));
    assert_false (went_back (&o, true));
    o.boot = "third"; /* it was ended as it should be, and all is on the disk */
    assert_false (went_back (&o, false));
    o.boot = "fourth";
    o.fast = false;
    assert_true (went_back (&o, false));
    o.boot = "fifth";
    assert_false (went_back (&o, false));
    place_remove (&p);
}

/* That it went back is recorded with the first commit of who finds it. */
static void who_dies_before_its_first_commit_leaves_the_doubt_to_the_next (void **state)
{
    (void)state;
    for (int fast = 0; fast < 2; fast++) {
        struct place p;
        place_make (&p);
        struct statedb_options o = rig_options (&p);
        o.fast = true;
        o.boot = "first";
        assert_false (went_back (&o, false));
        o.boot = "second";
        o.fast = fast;
        for (int i = 0; i < 4; i++) {
            struct statedb *db = rig_open (&o);
            assert_true (statedb_went_back (db));
            statedb_close (&db, i % 2);
        }
        assert_true (went_back (&o, false));
        assert_false (went_back (&o, false));
        o.boot = "third";
        assert_int_equal (went_back (&o, false), fast);
        place_remove (&p);
    }
}

static void a_transaction_without_its_end_is_gone (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (1);
    fill (&o, m);
    struct statedb *db = rig_open (&o);
    begin (db);
    add (db, NULL, 1, 4, rec_rows (1, 1, 5, 'x'));
    statedb_close (&db, false);
    db = rig_open (&o);
    assert_int_equal (rig_check (db, m), 3);
    statedb_close (&db, true);
    model_free (&m);
    place_remove (&p);
}

static int note_removed (void *arg, const struct wire_frames *record, struct err *e)
{
    struct wire w;
    if (wire_decode (&w, record, NULL, e) < 0)
        return -1;
    if (w.kind == WIRE_REMOVE)
        *(uint64_t *)arg = w.m.remove.id;
    wire_fini (&w);
    return 0;
}

/* The highest number of a batch that is said to be gone, by the same state in that boot. */
static uint64_t removed_in_boot (struct statedb_options *o, const char *boot)
{
    uint64_t id = 0;
    o->boot = boot;
    struct statedb *db = rig_open (o);
    assert_int_equal (statedb_replay (db, note_removed, &id, NULL, NULL), 0);
    begin (db);
    commit (db, statedb_commit_number (db) + 1); /* that it went back is known from then on */
    statedb_close (&db, false);
    return id;
}

static void where_a_boot_may_have_taken_batches_their_numbers_are_not_given_again (void **state)
{
    (void)state;
    for (int fast = 0; fast <= 1; fast++) {
        struct place p;
        place_make (&p);
        struct statedb_options o = rig_options (&p);
        struct model *m = model_new (1);
        o.fast = fast;
        o.boot = "one";
        fill (&o, m); /* up to batch 2 */
        assert_int_equal (removed_in_boot (&o, "one"), 0);
        assert_int_equal (removed_in_boot (&o, "two"), fast ? 100000 : 0);
        assert_int_equal (removed_in_boot (&o, "two"), fast ? 100000 : 0); /* it was written */
        assert_int_equal (removed_in_boot (&o, "three"), fast ? 200000 : 0);
        model_free (&m);
        place_remove (&p);
    }
}

static void empty_bodies_and_absent_ones_stay_what_they_are (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (1);
    struct statedb *db = rig_open (&o);
    struct wire w = {.kind = WIRE_ROWS};
    struct wire_frames f;
    w.m.rows.batch = 1;
    w.body[1] = slice_borrowed ("keys", 4);
    assert_int_equal (wire_encode (&w, &f, NULL), 0);
    assert_int_equal (f.count, 3);
    begin (db);
    add (db, m, 1, 1, rec_open (1, ""));
    add (db, m, 1, 1, f);
    add (db, m, 1, 1, rec_rows (1, 0, 0, 0));
    commit (db, 1);
    rig_check (db, m);
    statedb_close (&db, false);
    db = rig_open (&o);
    rig_check (db, m);
    statedb_close (&db, true);
    model_free (&m);
    place_remove (&p);
}

static void a_random_history_comes_back_after_each_of_many_lives (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (42);
    uint64_t number = 0;
    for (int life = 0; life < 12; life++) {
        struct err e = {0};
        struct statedb *db = rig_open (&o);
        assert_int_equal (rig_check (db, m), number);
        for (int i = 0; i < 20; i++)
            if (rig_turn (db, m, ++number, 8, 12000, &e) < 0)
                fail_msg ("%s", e.text);
        bool more;
        assert_int_equal (statedb_tidy (db, life % 2, &more, &e), 0);
        statedb_close (&db, life % 3 == 0);
    }
    model_free (&m);
    place_remove (&p);
}

static void a_removed_batch_is_gone_at_once_and_its_rows_bit_by_bit (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (1);
    struct statedb *db = rig_open (&o);
    begin (db);
    add (db, m, 1, 1, rec_open (1, "long"));
    for (uint64_t k = 0; k < 3000; k++)
        add (db, m, 1, 1, rec_rows (1, k, 10, 'r'));
    add (db, m, 2, 1, rec_open (2, "short"));
    commit (db, 1);
    begin (db);
    add (db, m, 1, 2, rec_remove (1));
    commit (db, 2);
    rig_check (db, m);
    statedb_close (&db, false);
    assert_in_range (ask (&p, "SELECT count(*) FROM records"), 1000, 2900);
    db = rig_open (&o);
    struct replayed r = {0};
    assert_int_equal (statedb_replay (db, replay_take, &r, NULL, NULL), 0);
    assert_int_equal (r.removed_to, 1);
    assert_int_equal (r.records, 1);
    bool more = true;
    while (more)
        assert_int_equal (statedb_tidy (db, true, &more, NULL), 0);
    statedb_close (&db, true);
    assert_int_equal (ask (&p, "SELECT count(*) FROM records"), 1);
    assert_int_equal (ask (&p, "SELECT count(*) FROM batches"), 1);
    model_free (&m);
    place_remove (&p);
}

static void records_that_fit_nothing_are_refused (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct statedb *db = rig_open (&o);
    struct err e = {0};
    struct wire_frames f = rec_close (9, 1);
    begin (db);
    assert_int_equal (statedb_add (db, 9, 1, &f, &e), -1);
    assert_non_null (strstr (e.text, "batch 9"));
    assert_int_equal (statedb_add (db, 0, 1, &f, &e), -1);
    wire_frames_fini (&f);
    f = rec_open (1ull << 40, "");
    assert_int_equal (statedb_add (db, 1ull << 40, 1, &f, &e), -1);
    wire_frames_fini (&f);
    statedb_close (&db, false);
    place_remove (&p);
}

static void the_views_answer_what_happened (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    fill (&o, NULL);
    assert_int_equal (ask (&p, "SELECT count(*) FROM history WHERE batch = 1"), 3);
    assert_int_equal (
        ask (&p, "SELECT count(*) FROM history WHERE batch = 1 AND k = 3 AND kind = 'CLOSE'"
                 " AND words = 'CLOSE batch=1 total=10'"),
        1);
    assert_int_equal (ask (&p, "SELECT count(*) FROM overview WHERE batch = 1 AND state = 'running'"
                               " AND name = 'one' AND total = 10 AND opened LIKE '2023-11-1_ %'"),
                      1);
    assert_int_equal (ask (&p, "SELECT count(*) FROM overview WHERE batch = 2 AND state = 'open'"),
                      1);
    assert_int_equal (ask (&p, "SELECT count(*) FROM workers WHERE token = '000000000000004d'"), 1);
    place_remove (&p);
}

/* --- what is wrong with the file --- */

static void changed_rows_are_found_and_named (void **state)
{
    (void)state;
    static const struct {
        const char *sql, *words;
    } CASES[] = {
        {"DELETE FROM records WHERE k = 2 AND batch = 1", "record 2 of batch 1 is missing"},
        {"DELETE FROM records WHERE k = 3 AND batch = 1", "record 3 of batch 1 is missing"},
        {"DELETE FROM records WHERE batch = 2", "record 1 of batch 2 is missing"},
        {"DELETE FROM batches WHERE batch = 2", "batches of 2"},
        {"DELETE FROM batches WHERE batch = 2; UPDATE meta SET batches = 1", "'meta'"},
        {"DELETE FROM sessions", "0 sessions of 1"},
        {"DELETE FROM meta", "damaged"},
        {"UPDATE records SET body0 = x'00' WHERE k = 2 AND batch = 1",
         "record 2 of batch 1 (commit 1): its checksum does not hold"},
        {"UPDATE records SET commit_number = 2 WHERE k = 2 AND batch = 1", "record 2 of batch 1"},
        {"UPDATE records SET commit_number = 9 WHERE k = 2 AND batch = 1", "record 2 of batch 1"},
        {"UPDATE records SET id = id + 1 WHERE k = 3 AND batch = 1",
         "record 3 of batch 1 is missing"},
        {"UPDATE records SET id = (7 << 32) + 1 WHERE k = 3 AND batch = 1",
         "record 3 of batch 1 is missing"},
        {"INSERT INTO records (id, commit_number, kind, checksum, words, header) VALUES"
         " ((7 << 32) + 1, 1, 16, 0, '', x'')",
         "records of batch 7, and not the batch"},
        {"UPDATE sessions SET token = 78", "session 000000000000004e"},
        {"UPDATE batches SET removed = 1 WHERE batch = 1", "batches of 2"},
        {"UPDATE batches SET records = 1 WHERE batch = 2", "batch 2 has 2 records of 1"},
        {"UPDATE meta SET commit_number = 2", "'meta'"},
    };
    struct place good, p;
    place_make (&good);
    place_make (&p);
    struct statedb_options o = rig_options (&good);
    fill (&o, NULL);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        place_copy (&good, &p, "state.db");
        o.dir = p.dir;
        alter (&p, CASES[i].sql);
        refused (&o, EBADMSG, CASES[i].words);
    }
    place_remove (&good);
    place_remove (&p);
}

static void a_newer_format_is_refused_and_untouched (void **state)
{
    (void)state;
    struct place p, before;
    place_make (&p);
    place_make (&before);
    struct statedb_options o = rig_options (&p);
    fill (&o, NULL);
    alter (&p, "UPDATE meta SET format = 3; PRAGMA wal_checkpoint(TRUNCATE)");
    place_copy (&p, &before, "state.db");
    refused (&o, EPROTONOSUPPORT, "has format 3");
    refused (&o, EPROTONOSUPPORT, DROVER_VERSION);
    o.salvage = true;
    refused (&o, EPROTONOSUPPORT, "nothing was changed");
    FILE *a = fopen (place_file (&p, "state.db"), "r"),
         *b = fopen (place_file (&before, "state.db"), "r");
    int c;
    while ((c = getc (a)) != EOF)
        assert_int_equal (c, getc (b));
    assert_int_equal (getc (b), EOF);
    fclose (a);
    fclose (b);
    place_remove (&p);
    place_remove (&before);
}

static void an_older_format_goes_up_step_by_step (void **state)
{
    (void)state;
    static const struct state_migration STEPS[] = {
        {1, "ALTER TABLE meta ADD COLUMN two INTEGER; UPDATE meta SET format = 2"},
        {2, "ALTER TABLE meta ADD COLUMN three INTEGER; UPDATE meta SET format = 3"},
        {4, "SELECT nothing; UPDATE meta SET format = 5"},
        {0, NULL},
    };
    struct place p;
    struct err e = {0};
    sqlite3 *raw;
    uint64_t format;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    fill (&o, NULL);
    assert_int_equal (sqlite3_open (place_file (&p, "state.db"), &raw), SQLITE_OK);
    assert_int_equal (statedb_migrate (raw, "it", 1, 3, STEPS, &e), 0);
    assert_int_equal (statedb_format (raw, "it", &format, &e), 0);
    assert_int_equal (format, 3);
    assert_int_equal (statedb_migrate (raw, "it", 3, 5, STEPS, &e), -1);
    assert_int_equal (e.code, EPROTONOSUPPORT);
    assert_int_equal (statedb_migrate (raw, "it", 4, 5, STEPS, &e), -1); /* a step that fails ... */
    assert_int_equal (statedb_format (raw, "it", &format, &e), 0);
    assert_int_equal (format, 3); /* ... changes nothing */
    sqlite3_close (raw);
    place_remove (&p);
}

static char *read_all (const char *path)
{
    FILE *f = fopen (path, "r");
    if (!f)
        fail_msg ("cannot read %s", path);
    char *text = mem_zalloc (100000);
    assert_true (fread (text, 1, 99999, f) > 1000);
    fclose (f);
    return text;
}

/* tests/vectors/state-1.sql is what version 0.1.0 wrote. */
static void a_state_of_every_released_format_is_read (void **state)
{
    (void)state;
    struct place p;
    struct replayed r = {0};
    struct err e = {0};
    char path[500];
    const char *top = getenv ("top_srcdir");
    snprintf (path, sizeof path, "%s/tests/vectors/state-1.sql", top ? top : "..");
    char *sql = read_all (path);
    place_make (&p);
    alter (&p, sql);
    free (sql);
    struct statedb_options o = rig_options (&p);
    struct statedb *db = rig_open (&o);
    if (statedb_replay (db, replay_take, &r, NULL, &e) < 0)
        fail_msg ("%s", e.text);
    assert_int_equal (statedb_commit_number (db), 12);
    assert_int_equal (r.records, 23);
    assert_int_equal (r.removed_to, 5);
    assert_true (r.digest == 15728979085700121409u);
    statedb_close (&db, true);
    place_remove (&p);
}

static void who_writes_beside_the_broker_holds_it_up_and_no_more (void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    sqlite3 *raw;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (1);
    fill (&o, m);
    struct statedb *db = rig_open (&o);
    assert_int_equal (sqlite3_open (place_file (&p, "state.db"), &raw), SQLITE_OK);
    assert_int_equal (sqlite3_exec (raw, "BEGIN; SELECT count(*) FROM records", NULL, NULL, NULL),
                      SQLITE_OK);
    begin (db); /* a reader is no hindrance */
    add (db, m, 2, 4, rec_close (2, 10));
    commit (db, 4);
    assert_int_equal (sqlite3_exec (raw, "COMMIT; BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal (statedb_begin (db, &e), -1);
    assert_int_equal (e.code, EBUSY);
    statedb_close (&db, false);
    db = rig_open (&o);
    assert_int_equal (rig_check (db, m), 4);
    assert_int_equal (
        sqlite3_exec (raw, "COMMIT; BEGIN; SELECT count(*) FROM records", NULL, NULL, NULL),
        SQLITE_OK);
    statedb_close (&db, false);
    db = rig_open (&o); /* nor is one at the start */
    begin (db);
    add (db, m, 2, 5, rec_results (2, 1, 5));
    commit (db, 5);
    assert_int_equal (rig_check (db, m), 5);
    sqlite3_close (raw);
    statedb_close (&db, true);
    model_free (&m);
    place_remove (&p);
}

static void a_file_that_is_no_state_is_refused (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    FILE *f = fopen (place_file (&p, "state.db"), "w");
    for (int i = 0; i < 5000; i++)
        fputs ("words ", f);
    fclose (f);
    refused (&o, EBADMSG, "state.db");
    unlink (place_file (&p, "state.db"));
    alter (&p, "CREATE TABLE mine (a)");
    refused (&o, EBADMSG, "no state of drover");
    place_remove (&p);
}

static void a_state_that_vanished_is_missed (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    fill (&o, NULL);
    unlink (place_file (&p, "state.db"));
    refused (&o, EBADMSG, "knows of commit 3");
    place_remove (&p);
}

/* --- salvage --- */

static void salvage_keeps_what_is_consistent_and_the_damaged_files (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (1);
    fill (&o, m);
    alter (&p, "UPDATE records SET header = x'00' WHERE k = 2 AND batch = 1");
    refused (&o, EBADMSG, "record 2 of batch 1");
    o.salvage = true;
    struct statedb *db = rig_open (&o);
    struct statedb_figures f;
    assert_int_equal (statedb_replay (db, NULL, NULL, &f, NULL), 0);
    assert_int_equal (f.batches, 2);
    assert_int_equal (f.records, 3);
    assert_int_equal (f.sessions, 1);
    assert_true (statedb_went_back (db));
    statedb_close (&db, true);
    assert_true (place_size (&p, "state.db.damaged-1") > 0);
    assert_int_equal (place_size (&p, "salvage"), -1);
    o.salvage = false;
    db = rig_open (&o);
    statedb_close (&db, true);
    model_free (&m);
    place_remove (&p);
}

static void move_file (const struct place *p, const char *from, const char *to)
{
    char old[300];
    snprintf (old, sizeof old, "%s", place_file (p, from));
    assert_int_equal (rename (old, place_file (p, to)), 0);
}

/* It is salvaged, then put back to how it was when the process ended before the step-th move. */
static void salvage_up_to (const struct place *p, struct statedb_options *o, int step)
{
    fill (o, NULL);
    alter (p, "UPDATE records SET header = x'00' WHERE k = 2 AND batch = 1");
    o->salvage = true;
    struct statedb *db = rig_open (o);
    statedb_close (&db, true);
    assert_int_equal (mkdir (place_file (p, "salvaged"), 0700), 0);
    move_file (p, "mark", "salvaged/mark");
    if (step < 3)
        move_file (p, "state.db", "salvaged/state.db");
    if (step < 2)
        move_file (p, "state.db.damaged-1", "state.db");
    place_write (p, "salvaged/state.db-shm", "");
}

static void salvage_that_was_interrupted_is_finished_at_the_next_start (void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct place p;
        place_make (&p);
        struct statedb_options o = rig_options (&p);
        salvage_up_to (&p, &o, 1 + i % 3);
        o.salvage = i >= 3;
        struct statedb *db = rig_open (&o);
        struct statedb_figures f;
        assert_int_equal (statedb_replay (db, NULL, NULL, &f, NULL), 0);
        assert_int_equal (f.batches, 2);
        assert_int_equal (f.records, 3);
        assert_true (statedb_went_back (db));
        statedb_close (&db, true);
        assert_true (place_size (&p, "state.db.damaged-1") > 0);
        assert_int_equal (place_size (&p, "state.db.damaged-2"), -1);
        assert_int_equal (place_size (&p, "salvaged"), -1);
        place_remove (&p);
    }
}

static void salvage_of_a_good_state_changes_nothing (void **state)
{
    (void)state;
    struct place p;
    place_make (&p);
    struct statedb_options o = rig_options (&p);
    struct model *m = model_new (1);
    fill (&o, m);
    o.salvage = true;
    struct statedb *db = rig_open (&o);
    assert_int_equal (rig_check (db, m), 3);
    statedb_close (&db, true);
    assert_int_equal (place_size (&p, "state.db.damaged-1"), -1);
    model_free (&m);
    place_remove (&p);
}

/* --- the directory --- */

static void refused_dir (const char *path, int code, const char *words)
{
    struct state_dir d;
    struct err e = {0};
    assert_int_equal (state_dir_open (&d, path, &e), -1);
    if (e.code != code || !strstr (e.text, words))
        fail_msg ("code %d, not %d, for '%s': %s", e.code, code, words, e.text);
}

static void a_directory_is_made_for_its_owner_alone (void **state)
{
    (void)state;
    struct place p;
    struct state_dir d;
    struct stat st;
    struct err e = {0};
    place_make (&p);
    assert_int_equal (state_dir_open (&d, place_file (&p, "new"), &e), 0);
    assert_int_equal (stat (d.path, &st), 0);
    assert_int_equal (st.st_mode & 07777, 0700);
    struct statedb_options o = {.dir = d.path, .made_by = "test"};
    mode_t mask = umask (0);
    fill (&o, NULL);
    struct statedb *db = rig_open (&o);
    umask (mask);
    assert_int_equal (stat (place_file (&p, "new/state.db"), &st), 0);
    assert_int_equal (st.st_mode & 07777, 0600);
    assert_int_equal (stat (place_file (&p, "new/mark"), &st), 0);
    assert_int_equal (st.st_mode & 07777, 0600);
    assert_int_equal (stat (place_file (&p, "new/state.db-wal"), &st), 0);
    assert_int_equal (st.st_mode & 07777, 0600);
    statedb_close (&db, true);
    state_dir_close (&d);
    refused_dir (place_file (&p, "not/there"), ENOENT, "cannot make");
    place_remove (&p);
}

static void a_directory_or_file_open_to_others_is_refused (void **state)
{
    (void)state;
    struct place p;
    struct state_dir d;
    place_make (&p);
    chmod (p.dir, 0750);
    refused_dir (p.dir, EPERM, "chmod 700");
    chmod (p.dir, 0700);
    assert_int_equal (state_dir_open (&d, p.dir, NULL), 0);
    state_dir_close (&d);
    assert_int_equal (chmod (place_file (&p, "lock"), 0604), 0);
    refused_dir (p.dir, EPERM, "chmod 600");
    chmod (place_file (&p, "lock"), 0600);
    assert_int_equal (symlink ("/etc/passwd", place_file (&p, "state.db")), 0);
    refused_dir (p.dir, EPERM, "no plain file");
    refused_dir (place_file (&p, "lock"), ENOTDIR, "not a directory");
    place_remove (&p);
}

static void a_second_broker_is_told_whose_the_directory_is (void **state)
{
    (void)state;
    struct place p;
    struct state_dir d;
    char words[40];
    place_make (&p);
    assert_int_equal (state_dir_open (&d, p.dir, NULL), 0);
    snprintf (words, sizeof words, "pid %ld", (long)getpid ());
    refused_dir (p.dir, EBUSY, words); /* flock is by open file, so also within a process */
    state_dir_close (&d);
    assert_int_equal (state_dir_open (&d, p.dir, NULL), 0);
    state_dir_close (&d);
    place_remove (&p);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_is_committed_comes_back),
        cmocka_unit_test (a_state_that_was_not_synced_may_go_back_with_the_system),
        cmocka_unit_test (who_dies_before_its_first_commit_leaves_the_doubt_to_the_next),
        cmocka_unit_test (a_transaction_without_its_end_is_gone),
        cmocka_unit_test (where_a_boot_may_have_taken_batches_their_numbers_are_not_given_again),
        cmocka_unit_test (empty_bodies_and_absent_ones_stay_what_they_are),
        cmocka_unit_test (a_random_history_comes_back_after_each_of_many_lives),
        cmocka_unit_test (a_removed_batch_is_gone_at_once_and_its_rows_bit_by_bit),
        cmocka_unit_test (records_that_fit_nothing_are_refused),
        cmocka_unit_test (the_views_answer_what_happened),
        cmocka_unit_test (changed_rows_are_found_and_named),
        cmocka_unit_test (a_newer_format_is_refused_and_untouched),
        cmocka_unit_test (an_older_format_goes_up_step_by_step),
        cmocka_unit_test (a_state_of_every_released_format_is_read),
        cmocka_unit_test (who_writes_beside_the_broker_holds_it_up_and_no_more),
        cmocka_unit_test (a_file_that_is_no_state_is_refused),
        cmocka_unit_test (a_state_that_vanished_is_missed),
        cmocka_unit_test (salvage_keeps_what_is_consistent_and_the_damaged_files),
        cmocka_unit_test (salvage_that_was_interrupted_is_finished_at_the_next_start),
        cmocka_unit_test (salvage_of_a_good_state_changes_nothing),
        cmocka_unit_test (a_directory_is_made_for_its_owner_alone),
        cmocka_unit_test (a_directory_or_file_open_to_others_is_refused),
        cmocka_unit_test (a_second_broker_is_told_whose_the_directory_is),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
