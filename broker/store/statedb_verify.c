/* Is anything missing that was acknowledged? Three witnesses are asked: the log's frames, which
 * chain their checksums; the mark, which knows the last commit; and whether the system was started
 * anew since, for only then may something be missing that was written.
 *
 * After a power failure in durability full, the last transaction may be torn in any way: it was not
 * acknowledged. In durability fast, so may all since the log was last folded in.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "broker/store/statedb_impl.h"
#include "common/base/log.h"

enum { SKIP = 100000 }; /* numbers of batches */

static bool same_boot (const struct statedb *db)
{
    return db->boot[0] && strcmp (db->mark.boot, db->boot) == 0;
}

/* May what stands behind the first bad frame be the remains of a power failure? */
static bool may_be_torn (const struct statedb *db, enum mark_found found,
                         const struct wal_report *wal)
{
    if (!wal->later_commits)
        return true; /* nothing behind it was ever committed */
    if (found == MARK_READ && same_boot (db))
        return false;
    if (found == MARK_READ && db->mark.fast)
        return true;
    return !wal->later_next;
}

static int refuse_log (const struct statedb *db, const struct wal_report *wal, struct err *e)
{
    if (wal->header_bad)
        return err_set (
            e, EBADMSG,
            "%s is damaged: its header (offset 0) does not hold, and frames behind it do "
            "(--salvage runs on what is before)",
            db->wal_path);
    return err_set (e, EBADMSG,
                    "%s is damaged: frame %" PRIu64 " at offset %" PRIu64
                    " does not hold, and %" PRIu64
                    " behind it do (--salvage runs on what is before)",
                    db->wal_path, wal->bad_frame, wal->bad_offset, wal->later);
}

int statedb_verify_files (struct statedb *db, enum mark_found *found, struct wal_report *wal,
                          struct err *e)
{
    *found = mark_read (db->mark_path, &db->mark);
    if (*found == MARK_UNREADABLE)
        log_event (LOG_WARN, "%s is unreadable: it cannot tell whether commits are missing",
                   db->mark_path);
    if (wal_scan (db->wal_path, wal, e) < 0)
        return -1;
    return may_be_torn (db, *found, wal) ? 0 : refuse_log (db, wal, e);
}

static int check_structure (struct statedb *db, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = 0;
    if (sqlite3_prepare_v2 (db->sql, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step (stmt) != SQLITE_ROW) {
        rc = statedb_error (db, "cannot check", e);
        goto out;
    }
    const char *words = (const char *)sqlite3_column_text (stmt, 0);
    if (!words)
        rc = err_set (e, ENOMEM, "cannot check %s: no memory", db->path);
    else if (strcmp (words, "ok") != 0)
        rc = err_set (e, EBADMSG, "%s is damaged: %s", db->path, words);
out:
    sqlite3_finalize (stmt);
    return rc;
}

static int miss_commits (const struct statedb *db, const struct wal_report *wal, struct err *e)
{
    if (wal->header_bad)
        return err_set (e, EBADMSG,
                        "%s is damaged: its header (offset 0) does not hold, and commits %" PRIu64
                        " to %" PRIu64 " are missing (--salvage runs without them)",
                        db->wal_path, db->meta.commit + 1, db->mark.commit);
    if (wal->bad_frame)
        return err_set (e, EBADMSG,
                        "%s is damaged: frame %" PRIu64 " at offset %" PRIu64
                        " does not hold, and commits %" PRIu64 " to %" PRIu64
                        " are missing (--salvage runs without them)",
                        db->wal_path, wal->bad_frame, wal->bad_offset, db->meta.commit + 1,
                        db->mark.commit);
    return err_set (e, EBADMSG,
                    "%s has gone back to commit %" PRIu64 ", and %s knows of commit %" PRIu64
                    ": is its log cut or missing, or is it an older copy? (--salvage runs on it)",
                    db->path, db->meta.commit, db->mark_path, db->mark.commit);
}

static int check_mark (struct statedb *db, enum mark_found found, const struct wal_report *wal,
                       struct err *e)
{
    const struct mark *m = &db->mark;
    if (found != MARK_READ || m->commit <= db->meta.commit)
        return 0;
    if (strcmp (m->state, db->meta.state) != 0) {
        log_event (LOG_WARN, "%s is of another state than %s, and ignored", db->mark_path,
                   db->path);
        return 0;
    }
    if (!m->fast || same_boot (db))
        return miss_commits (db, wal, e);
    log_event (LOG_WARN,
               "the system went down: %" PRIu64 " commits before it are gone (durability fast) "
               "commit=%" PRIu64,
               m->commit - db->meta.commit, db->meta.commit);
    return 0;
}

/* The last commits may be gone that had held. */
static bool may_have_lost (const struct statedb *db, enum mark_found found)
{
    bool fast = found == MARK_READ ? db->mark.fast : db->fast && db->meta.commit;
    return fast && !same_boot (db);
}

/* Workers may hold rows and specs of batches that are gone with them: under a number that is given
 * again, other rows would be taken for those. What is not synced yet holds fewer than so many. */
static void pass_over_numbers (struct statedb *db)
{
    uint64_t to = db->meta.removed_to;
    for (const struct state_batch *b = db->batches; b; b = b->hh.next)
        to = b->id > to ? b->id : to;
    db->meta.removed_to = (to / SKIP + 1) * SKIP;
    db->skips = true;
}

int statedb_verify_open (struct statedb *db, enum mark_found found, const struct wal_report *wal,
                         struct err *e)
{
    if (check_structure (db, e) < 0 || check_mark (db, found, wal, e) < 0)
        return -1;
    db->went_back = may_have_lost (db, found);
    if (db->went_back)
        pass_over_numbers (db);
    if (wal->torn)
        log_event (LOG_WARN,
                   "an unfinished write at the end of the log is dropped file=%s bytes=%" PRIu64
                   " commit=%" PRIu64,
                   db->wal_path, wal->torn, db->meta.commit);
    return 0;
}
