/* --salvage: a new database of what is consistent. Of each batch the records up to the first that
 * is damaged or missing are a history that could have been; what came later is lost, and said so.
 *
 * The damaged files are only read, and stay beside the new ones under other names.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/state_dir.h"
#include "broker/store/statedb_impl.h"
#include "common/base/faultpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/* Where the new files wait, whole and synced, for the old ones to be moved away. */
#define DONE "salvaged"

struct salvage {
    sqlite3 *old;
    sqlite3_stmt *read, *next, *sessions, *removed;
    struct statedb *fresh;
    uint64_t commit; /* the highest that was taken over */
    uint64_t batches, records, lost_batches;
};

static int prepare (struct salvage *s, const char *path, struct err *e)
{
    static const char READ[] = "SELECT id, commit_number, checksum, header, body0, body1"
                               " FROM records WHERE id > ?1 AND id <= ?2 ORDER BY id";
    static const char NEXT[] = "SELECT id FROM records WHERE id > ?1 ORDER BY id LIMIT 1";
    static const char SESSIONS[] = "SELECT token, commit_number, checksum, header, body0, body1"
                                   " FROM sessions ORDER BY token";
    static const char REMOVED[] = "SELECT removed FROM batches WHERE batch = ?1";
    if (sqlite3_prepare_v2 (s->old, READ, -1, &s->read, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2 (s->old, NEXT, -1, &s->next, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2 (s->old, SESSIONS, -1, &s->sessions, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2 (s->old, REMOVED, -1, &s->removed, NULL) == SQLITE_OK)
        return 0;
    return err_set (e, EBADMSG, "nothing in %s can be salvaged: %s", path, sqlite3_errmsg (s->old));
}

static int take (struct salvage *s, uint64_t batch, const struct state_record *r, struct err *e)
{
    if (statedb_add (s->fresh, batch, r->commit, &r->frames, e) < 0)
        return -1;
    if (r->commit > s->commit)
        s->commit = r->commit;
    s->records += batch != 0;
    return 0;
}

static int take_sessions (struct salvage *s, struct err *e)
{
    struct state_record r;
    int step;
    while ((step = sqlite3_step (s->sessions)) == SQLITE_ROW) {
        statedb_read_row (s->fresh->sum, s->sessions, 0, &r);
        if (!r.good)
            log_event (LOG_WARN, "salvage: lost session=%016" PRIx64, r.k);
        else if (take (s, 0, &r, e) < 0)
            return -1;
    }
    if (step != SQLITE_DONE)
        log_event (LOG_WARN, "salvage: lost sessions why=\"%s\"", sqlite3_errmsg (s->old));
    return 0;
}

/* How many records the old database has of it, where it can still say so. */
static uint64_t count (struct salvage *s, uint64_t batch)
{
    sqlite3_stmt *stmt = NULL;
    uint64_t n = 0;
    if (sqlite3_prepare_v2 (s->old, "SELECT records FROM batches WHERE batch = ?1", -1, &stmt,
                            NULL) == SQLITE_OK) {
        sqlite3_bind_int64 (stmt, 1, (sqlite3_int64)batch);
        if (sqlite3_step (stmt) == SQLITE_ROW)
            n = (uint64_t)sqlite3_column_int64 (stmt, 0);
    }
    sqlite3_finalize (stmt);
    return n;
}

static int take_batch (struct salvage *s, uint64_t batch, struct err *e)
{
    struct state_record r;
    uint64_t k = 0, commit = 0;
    int step, rc = 0;
    sqlite3_bind_int64 (s->read, 1, (sqlite3_int64)(batch << RECORD_BITS));
    sqlite3_bind_int64 (s->read, 2, (sqlite3_int64)(batch << RECORD_BITS | RECORDS_MAX));
    while (rc == 0 && (step = sqlite3_step (s->read)) == SQLITE_ROW) {
        statedb_read_row (s->fresh->sum, s->read, batch, &r);
        if (!r.good || r.k != k + 1 || r.commit < commit)
            break;
        rc = take (s, batch, &r, e);
        commit = r.commit;
        k++;
    }
    sqlite3_reset (s->read);
    uint64_t had = count (s, batch);
    s->batches += k != 0;
    s->lost_batches += k == 0;
    if (rc == 0 && (k < had || step != SQLITE_DONE))
        log_event (LOG_WARN, "salvage: batch=%" PRIu64 " kept=%" PRIu64 " lost=%" PRIu64 "%s",
                   batch, k, had > k ? had - k : 0, k ? "" : ": the batch is gone");
    return rc;
}

static bool was_removed (struct salvage *s, uint64_t batch)
{
    sqlite3_bind_int64 (s->removed, 1, (sqlite3_int64)batch);
    bool yes = sqlite3_step (s->removed) == SQLITE_ROW && sqlite3_column_int (s->removed, 0) != 0;
    sqlite3_reset (s->removed);
    return yes;
}

/* The next batch of which there is a record behind `after`; 0: none. A page that cannot be read
 * hides what is on it: the search goes on behind, in growing steps. */
static uint64_t next_batch (struct salvage *s, uint64_t after)
{
    for (uint64_t skip = 0; after + skip < BATCHES_MAX; skip = skip * 2 + 1) {
        sqlite3_bind_int64 (s->next, 1,
                            (sqlite3_int64)((after + skip) << RECORD_BITS | RECORDS_MAX));
        int step = sqlite3_step (s->next);
        uint64_t batch =
            step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64 (s->next, 0) >> RECORD_BITS : 0;
        sqlite3_reset (s->next);
        if (step == SQLITE_ROW || step == SQLITE_DONE)
            return batch;
    }
    return 0;
}

static int take_all (struct salvage *s, struct err *e)
{
    if (statedb_begin (s->fresh, e) < 0 || take_sessions (s, e) < 0)
        return -1;
    for (uint64_t batch = 0; (batch = next_batch (s, batch));)
        if (was_removed (s, batch))
            s->fresh->meta.removed_to = batch;
        else if (take_batch (s, batch, e) < 0)
            return -1;
    return statedb_commit (s->fresh, s->commit, e);
}

/* Numbers of batches that were ever given are not given again, so far as that is known. */
static void take_removed_to (struct salvage *s)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2 (s->old, "SELECT removed_to FROM meta", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step (stmt) == SQLITE_ROW &&
        (uint64_t)sqlite3_column_int64 (stmt, 0) > s->fresh->meta.removed_to)
        s->fresh->meta.removed_to = (uint64_t)sqlite3_column_int64 (stmt, 0) & INT32_MAX;
    sqlite3_finalize (stmt);
}

static int move (const char *dir, const char *from, const char *to, struct err *e)
{
    char *a = state_dir_file (dir, from), *b = state_dir_file (dir, to);
    FAULT_POINT_OF ("salvage-moves", strrchr (b, '/') + 1);
    int rc = rename (a, b) < 0 && errno != ENOENT ? err_sys (e, errno, "cannot rename %s", a) : 0;
    free (a);
    free (b);
    return rc;
}

static void clear (const char *place)
{
    static const char *const NAMES[] = {"state.db", "state.db-wal", "state.db-shm", "mark"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        char *path = state_dir_file (place, NAMES[i]);
        unlink (path);
        free (path);
    }
    rmdir (place);
}

/* A name for the damaged files that is free, and that of their log. */
static void damaged_names (const char *dir, char name[40], char wal[48])
{
    for (int i = 1;; i++) {
        snprintf (name, 40, "state.db.damaged-%d", i);
        snprintf (wal, 48, "%s-wal", name);
        char *path = state_dir_file (dir, name);
        bool is_free = access (path, F_OK) < 0;
        free (path);
        if (is_free)
            return;
    }
}

/* The log first: without the database beside it, it is nothing, and beside the new one it would be
 * folded into that. */
static int exchange_database (const char *dir, struct err *e)
{
    char name[40], wal[48];
    damaged_names (dir, name, wal);
    if (move (dir, "state.db-wal", wal, e) < 0 || move (dir, "state.db", name, e) < 0 ||
        move (dir, DONE "/state.db", "state.db", e) < 0)
        return -1;
    log_event (LOG_WARN, "salvage: the damaged files are kept as %s/%s and %s", dir, name, wal);
    return 0;
}

/* The new files are whole: their directory says so by its name. From then on the old ones are to
 * go, if not now then at the next start. The new database leaves its directory as the first of
 * them, so while it is there, what stands in its place is the old one. */
static int exchange (const char *dir, struct err *e)
{
    char *fresh = state_dir_file (dir, DONE "/state.db"), *place = state_dir_file (dir, DONE);
    int rc = access (fresh, F_OK) == 0 ? exchange_database (dir, e) : 0;
    if (rc == 0)
        rc = move (dir, DONE "/mark", "mark", e);
    if (rc == 0)
        rc = state_dir_sync (dir, e);
    FAULT_POINT ("salvage-exchanged");
    if (rc == 0)
        clear (place);
    free (fresh);
    free (place);
    return rc;
}

int statedb_salvage_finish (const char *dir, struct err *e)
{
    char *place = state_dir_file (dir, DONE);
    bool pending = access (place, F_OK) == 0;
    free (place);
    if (!pending)
        return 0;
    log_event (LOG_WARN, "salvage: was interrupted, goes on");
    return exchange (dir, e);
}

static int open_both (struct salvage *s, const struct statedb_options *o, const char *path,
                      const char *place, struct err *e)
{
    struct statedb_options fresh = *o;
    fresh.dir = place;
    fresh.salvage = false;
    if (sqlite3_open_v2 (path, &s->old, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, o->vfs) !=
        SQLITE_OK)
        return err_set (e, EBADMSG, "nothing in %s can be salvaged: %s", path,
                        sqlite3_errmsg (s->old));
    if (prepare (s, path, e) < 0)
        return -1;
    clear (place);
    if (mkdir (place, 0700) < 0)
        return err_sys (e, errno, "cannot make %s", place);
    s->fresh = statedb_open (&fresh, e);
    return s->fresh ? 0 : -1;
}

/* Whoever opens the new database first is to find that it went back. */
static int mark_doubt (struct salvage *s, struct err *e)
{
    s->fresh->went_back = true;
    return statedb_begin_mark (s->fresh, e);
}

int statedb_salvage (const struct statedb_options *o, struct err *e)
{
    struct salvage s = {0};
    char *path = state_dir_file (o->dir, "state.db"), *place = state_dir_file (o->dir, "salvage");
    log_event (LOG_WARN, "salvage: begins why=\"%s\"", e->text);
    int rc = open_both (&s, o, path, place, e);
    if (rc == 0) {
        FAULT_POINT ("salvage-begins");
        take_removed_to (&s);
        rc = take_all (&s, e) < 0 ? -1 : mark_doubt (&s, e);
    }
    sqlite3_finalize (s.read);
    sqlite3_finalize (s.next);
    sqlite3_finalize (s.sessions);
    sqlite3_finalize (s.removed);
    sqlite3_close (s.old);
    if (rc == 0)
        log_event (LOG_WARN,
                   "salvage: kept batches=%" PRIu64 " records=%" PRIu64 " commit=%" PRIu64
                   " lost batches=%" PRIu64,
                   s.batches, s.records, s.commit, s.lost_batches);
    statedb_close (&s.fresh, rc == 0);
    FAULT_POINT ("salvage-made");
    if (rc == 0)
        rc = move (o->dir, "salvage", DONE, e) < 0 ? -1 : state_dir_sync (o->dir, e);
    FAULT_POINT ("salvage-named");
    if (rc == 0)
        rc = exchange (o->dir, e);
    clear (place);
    free (path);
    free (place);
    return rc;
}
