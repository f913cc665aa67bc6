/* Damage to a state at rest (RELIABILITY.md, B38 and T25): truncated, flipped, exchanged, put back.
 * It is found and named, or nothing that was acknowledged is missing; never anything in between.
 *
 * $DROVER_CASES: how many cases of each kind, from 10,000 on every single cut of the last 64 KiB of
 * each file; $DROVER_SEED: the first; $DROVER_SHARD=K/N: each N-th part only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/state_rig.h"

enum { PAGE = 4096, FRAME = PAGE + 24, WAL_HEADER = 32, COMMITS = 120, FOLDED = 105, EACH = 10000 };

static const char *const FILES[] = {"state.db", "state.db-wal", "mark"};

/* A state as a killed broker leaves it: part in the database, part in the log. */
struct sample {
    struct place whole, older; /* older: the same some commits before */
    struct model *m;
    uint64_t commit;
};

static void copy_all (const struct place *from, const struct place *to)
{
    static const char *const REST[] = {"state.db-shm", "salvage", "state.db.damaged-1",
                                       "state.db.damaged-1-wal"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        place_copy (from, to, FILES[i]);
    for (size_t i = 0; i < sizeof REST / sizeof *REST; i++)
        unlink (place_file (to, REST[i]));
}

static void make_sample (struct sample *s, uint64_t seed)
{
    struct err e = {0};
    struct place p;
    place_make (&p);
    place_make (&s->whole);
    place_make (&s->older);
    s->m = model_new (seed);
    struct statedb_options o = rig_options (&p);
    struct statedb *db = rig_open (&o);
    for (s->commit = 1; s->commit <= COMMITS; s->commit++) {
        if (rig_turn (db, s->m, s->commit, 4, 3000, &e) < 0)
            fail_msg ("%s", e.text);
        if (s->commit == FOLDED) { /* in the database, and a new log begins */
            statedb_close (&db, true);
            db = rig_open (&o);
        }
        if (s->commit == COMMITS - 7)
            copy_all (&p, &s->older);
    }
    s->commit = COMMITS;
    copy_all (&p, &s->whole);
    statedb_close (&db, true);
    place_remove (&p);
}

static void free_sample (struct sample *s)
{
    place_remove (&s->whole);
    place_remove (&s->older);
    model_free (&s->m);
}

/* Found and named, or all there. Returns whether it was found. */
static bool verdict (const struct sample *s, const struct place *p, const char *what)
{
    struct err e = {0};
    struct replayed r = {0};
    struct statedb_options o = rig_options (p);
    struct statedb *db = statedb_open (&o, &e);
    int rc = db ? statedb_replay (db, replay_take, &r, NULL, &e) : -1;
    uint64_t commit = db ? statedb_commit_number (db) : 0;
    statedb_close (&db, false);
    if (rc < 0) {
        if (!strstr (e.text, p->dir) ||
            (e.code != EBADMSG && e.code != EPROTONOSUPPORT && e.code != EIO && e.code != EROFS))
            fail_msg ("%s: found, but not named: %s (%d)", what, e.text, e.code);
        return true;
    }
    if (commit != s->commit || r.digest != model_digest (s->m, commit))
        fail_msg ("%s: silently at commit %d of %d", what, (int)commit, (int)s->commit);
    return false;
}

struct tally {
    unsigned found, harmless;
};

static void count (struct tally *t, bool found)
{
    if (found)
        t->found++;
    else
        t->harmless++;
}

/* Of few cases chance decides. */
static bool is_most (unsigned n, const struct tally *t, unsigned part)
{
    unsigned all = t->found + t->harmless;
    return all < 40 || n > all / part;
}

static void print (const char *what, const struct tally *t)
{
    print_message ("# %s: %u found, %u harmless\n", what, t->found, t->harmless);
}

static uint64_t first_seed (void)
{
    const char *text = getenv ("DROVER_SEED");
    return text ? strtoull (text, NULL, 10) : 1;
}

static void a_whole_state_is_whole (void **state)
{
    (void)state;
    struct sample s;
    struct place p;
    make_sample (&s, 1);
    place_make (&p);
    copy_all (&s.whole, &p);
    assert_true (place_size (&p, "state.db-wal") > 65536);
    assert_false (verdict (&s, &p, "nothing"));
    place_remove (&p);
    free_sample (&s);
}

static void a_cut_anywhere_is_found (void **state)
{
    (void)state;
    struct sample s;
    struct place p;
    struct tally t = {0};
    struct dice d = {first_seed ()};
    make_sample (&s, 2);
    place_make (&p);
    for (int which = 0; which < 3; which++) {
        long size = place_size (&s.whole, FILES[which]), range = size < 65536 ? size : 65536;
        uint64_t n = rig_cases (70);
        bool each = n >= EACH || n >= (uint64_t)range;
        for (uint64_t i = 0; i < (each ? (uint64_t)range : n); i++) {
            char what[100];
            long at = size - 1 - (each ? (long)i : (long)dice_roll (&d, (uint64_t)range));
            if (!each && i % 8 == 7 && which == 1) /* at the end of a frame it looks whole */
                at = WAL_HEADER + (at - WAL_HEADER) / FRAME * FRAME;
            if (!rig_mine (i))
                continue;
            copy_all (&s.whole, &p);
            assert_int_equal (truncate (place_file (&p, FILES[which]), at), 0);
            snprintf (what, sizeof what, "%s cut at %ld", FILES[which], at);
            bool found = verdict (&s, &p, what);
            if (which == 1 && !found) /* all of the log was acknowledged */
                fail_msg ("%s: not found", what);
            count (&t, found);
        }
    }
    print ("cuts", &t);
    place_remove (&p);
    free_sample (&s);
}

/* In the middle of the log, at its end, and after the system went down. */
static void a_bad_frame_is_named_with_its_place (void **state)
{
    (void)state;
    struct sample s;
    struct place p;
    make_sample (&s, 7);
    place_make (&p);
    long frames = (place_size (&s.whole, "state.db-wal") - WAL_HEADER) / FRAME;
    const long bad[] = {1, 7, frames / 2, frames};
    for (int i = 0; i < 8; i++) {
        char words[100];
        struct err e = {0};
        struct statedb_options o = rig_options (&p);
        long n = bad[i % 4], at = WAL_HEADER + (n - 1) * FRAME;
        o.boot = i < 4 ? NULL : "another";
        copy_all (&s.whole, &p);
        place_flip (&p, "state.db-wal", at + 24 + 100 * i, 1);
        assert_null (statedb_open (&o, &e));
        assert_int_equal (e.code, EBADMSG);
        snprintf (words, sizeof words, "state.db-wal is damaged: frame %ld at offset %ld", n, at);
        if (!strstr (e.text, words))
            fail_msg ("not '%s', but: %s", words, e.text);
    }
    place_remove (&p);
    free_sample (&s);
}

static void a_flipped_bit_is_found_or_does_no_harm (void **state)
{
    (void)state;
    struct sample s;
    struct place p;
    struct tally t = {0};
    struct dice d = {first_seed () + 1000};
    make_sample (&s, 3);
    place_make (&p);
    for (uint64_t i = 0; i < rig_cases (200); i++) {
        char what[100];
        const char *name = FILES[i % 20 == 0 ? 2 : i % 2];
        long at = (long)dice_roll (&d, (uint64_t)place_size (&s.whole, name));
        if (i % 5 == 0) /* headers matter most */
            at %= 200;
        uint8_t mask = (uint8_t)(1 << dice_roll (&d, 8));
        if (!rig_mine (i))
            continue;
        copy_all (&s.whole, &p);
        if (at >= place_size (&s.whole, name))
            at = 0;
        place_flip (&p, name, at, mask);
        snprintf (what, sizeof what, "%s: byte %ld ^ 0x%02x", name, at, mask);
        count (&t, verdict (&s, &p, what));
    }
    print ("flips", &t);
    assert_true (is_most (t.found, &t, 3));
    place_remove (&p);
    free_sample (&s);
}

static void write_at (const struct place *p, const char *name, long at, const void *bytes,
                      size_t len)
{
    FILE *f = fopen (place_file (p, name), "r+");
    fseek (f, at, SEEK_SET);
    assert_int_equal (fwrite (bytes, 1, len, f), len);
    fclose (f);
}

static void read_at (const struct place *p, const char *name, long at, void *bytes, size_t len)
{
    FILE *f = fopen (place_file (p, name), "r");
    fseek (f, at, SEEK_SET);
    assert_int_equal (fread (bytes, 1, len, f), len);
    fclose (f);
}

/* Pages and frames that change places, are doubled, or are blank. */
static void exchanged_pieces_are_found (void **state)
{
    (void)state;
    static uint8_t a[FRAME], b[FRAME];
    struct sample s;
    struct place p;
    struct tally t = {0};
    struct dice d = {first_seed () + 2000};
    make_sample (&s, 4);
    place_make (&p);
    for (uint64_t i = 0; i < rig_cases (60); i++) {
        char what[100];
        bool log = i % 2;
        const char *name = FILES[log];
        long piece = log ? FRAME : PAGE, begin = log ? WAL_HEADER : 0;
        uint64_t pieces = (uint64_t)((place_size (&s.whole, name) - begin) / piece);
        uint64_t x = dice_roll (&d, pieces), y = dice_roll (&d, pieces), how = dice_roll (&d, 3);
        if (!rig_mine (i))
            continue;
        copy_all (&s.whole, &p);
        read_at (&p, name, begin + (long)x * piece, a, (size_t)piece);
        read_at (&p, name, begin + (long)y * piece, b, (size_t)piece);
        if (how == 2)
            memset (a, 0, sizeof a);
        write_at (&p, name, begin + (long)y * piece, a, (size_t)piece);
        if (how == 0)
            write_at (&p, name, begin + (long)x * piece, b, (size_t)piece);
        snprintf (what, sizeof what, "%s: pieces %d and %d, way %d", name, (int)x, (int)y,
                  (int)how);
        count (&t, verdict (&s, &p, what));
    }
    print ("pieces", &t);
    place_remove (&p);
    free_sample (&s);
}

/* Files that are gone, or of another day, beside those of today. */
static void a_file_of_yesterday_is_found (void **state)
{
    (void)state;
    struct sample s;
    struct place p;
    make_sample (&s, 5);
    place_make (&p);
    copy_all (&s.whole, &p);
    unlink (place_file (&p, "state.db-wal"));
    assert_true (verdict (&s, &p, "the log is gone"));
    copy_all (&s.whole, &p);
    unlink (place_file (&p, "state.db"));
    assert_true (verdict (&s, &p, "the database is gone"));
    copy_all (&s.whole, &p);
    place_copy (&s.older, &p, "state.db-wal");
    assert_true (verdict (&s, &p, "a log of yesterday"));
    copy_all (&s.whole, &p);
    place_copy (&s.older, &p, "mark"); /* knows less, and nothing wrong */
    assert_false (verdict (&s, &p, "a mark of yesterday"));
    copy_all (&s.whole, &p);
    unlink (place_file (&p, "mark"));
    assert_false (verdict (&s, &p, "no mark"));
    place_remove (&p);
    free_sample (&s);
}

/* Whatever salvage makes of it, it is consistent, and a second start needs no salvage. */
static void what_is_salvaged_is_consistent (void **state)
{
    (void)state;
    struct sample s;
    struct place p;
    struct tally t = {0};
    struct dice d = {first_seed () + 3000};
    make_sample (&s, 6);
    place_make (&p);
    for (uint64_t i = 0; i < rig_cases (40); i++) {
        struct err e = {0};
        struct statedb_options o = rig_options (&p);
        const char *name = FILES[i % 2];
        long at = (long)dice_roll (&d, (uint64_t)place_size (&s.whole, name));
        if (!rig_mine (i))
            continue;
        copy_all (&s.whole, &p);
        place_flip (&p, name, at, 0x10);
        o.salvage = true;
        struct statedb *db = statedb_open (&o, &e);
        count (&t, !db);
        if (!db)
            continue; /* nothing in it can be read: said so */
        if (statedb_replay (db, NULL, NULL, NULL, &e) < 0)
            fail_msg ("after salvage: %s", e.text);
        statedb_close (&db, true);
        o.salvage = false;
        db = rig_open (&o);
        assert_int_equal (statedb_replay (db, NULL, NULL, NULL, &e), 0);
        statedb_close (&db, true);
    }
    assert_true (is_most (t.harmless, &t, 2));
    place_remove (&p);
    free_sample (&s);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_whole_state_is_whole),
        cmocka_unit_test (a_cut_anywhere_is_found),
        cmocka_unit_test (a_bad_frame_is_named_with_its_place),
        cmocka_unit_test (a_flipped_bit_is_found_or_does_no_harm),
        cmocka_unit_test (exchanged_pieces_are_found),
        cmocka_unit_test (a_file_of_yesterday_is_found),
        cmocka_unit_test (what_is_salvaged_is_consistent),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
