/* Opening and closing. The order at the start is: look at the files, have SQLite open
 * them, look at what it found, fold the log in. Only then is anything written. */
#include "broker/store/statedb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/store/state_dir.h"
#include "broker/store/statedb_impl.h"
#include "common/base/buf.h"
#include "common/base/faultpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"

enum { ROOM_SPARE = 1 << 20 };

int statedb_error (struct statedb *db, const char *what, struct err *e)
{
    int code = sqlite3_extended_errcode (db->sql), system = sqlite3_system_errno (db->sql);
    const char *words = sqlite3_errmsg (db->sql);
    switch (code & 0xff) {
    case SQLITE_FULL:
        return err_sys (e, system ? system : ENOSPC, "%s %s", what, db->path);
    case SQLITE_NOMEM:
        return err_set (e, ENOMEM, "%s %s: no memory", what, db->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set (e, EBADMSG, "%s is damaged: %s (error %d of SQLite)", db->path, words,
                        code);
    case SQLITE_READONLY:
        return err_set (e, EROFS, "%s %s: %s", what, db->path, words);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set (e, EBUSY, "%s %s: another program holds it", what, db->path);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return err_set (e, system ? system : EIO, "%s %s: %s (%s, error %d of SQLite)", what,
                        db->path, strerror (system ? system : EIO), words, code);
    default:
        return err_set (e, EIO, "%s %s: %s (error %d of SQLite)", what, db->path, words, code);
    }
}

/* --- SQLite's side --- */

static int exec (struct statedb *db, const char *sql, const char *what, struct err *e)
{
    return sqlite3_exec (db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                      : statedb_error (db, what, e);
}

/* Called by SQLite behind each commit, in place of its own checkpoints. */
static int on_log (void *arg, sqlite3 *sql, const char *name, int pages)
{
    struct statedb *db = arg;
    (void)sql;
    (void)name;
    db->log_pages = pages;
    return SQLITE_OK;
}

/* A database that nobody changes, as SQLite is to be told. */
static char *immutable_url (const char *path)
{
    struct buf b;
    char escape[4];
    buf_init (&b, 4 * strlen (path) + 64);
    buf_append (&b, "file:", 5);
    for (; *path; path++) {
        snprintf (escape, sizeof escape, "%%%02x", (unsigned)(unsigned char)*path);
        if (strchr ("?#%", *path))
            buf_append (&b, escape, 3);
        else
            buf_append (&b, path, 1);
    }
    buf_append (&b, "?immutable=1", sizeof "?immutable=1");
    return (char *)b.bytes;
}

static int open_sql (struct statedb *db, const char *vfs, int flags, struct err *e)
{
    char *url = db->frozen ? immutable_url (db->path) : NULL;
    if (url)
        flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    int rc = sqlite3_open_v2 (url ? url : db->path, &db->sql,
                              flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
    free (url);
    if (rc == SQLITE_OK) {
        sqlite3_db_config (db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_db_config (db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config (db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        return 0;
    }
    if (!db->sql)
        return err_set (e, ENOMEM, "cannot open %s: no memory", db->path);
    return statedb_error (db, "cannot open", e);
}

/* SQLite gives its files the mode of the database: others never see into it, whatever the umask. */
static int make_file (const char *path, struct err *e)
{
    int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys (e, errno, "cannot open %s", path);
    close (fd);
    return 0;
}

static void close_sql (struct statedb *db)
{
    for (int i = 0; i < STMTS; i++) {
        sqlite3_finalize (db->stmt[i]);
        db->stmt[i] = NULL;
    }
    sqlite3_close (db->sql);
    db->sql = NULL;
}

static int set_up (struct statedb *db, struct err *e)
{
    static const char PRAGMAS[] =
        "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
        "PRAGMA journal_size_limit = 67108864; PRAGMA busy_timeout = 0;"
        "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;"
        "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;";
    if (exec (db, PRAGMAS, "cannot open", e) < 0 ||
        exec (db, db->fast ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL",
              "cannot open", e) < 0)
        return -1;
    sqlite3_wal_hook (db->sql, on_log, db);
    return 0;
}

/* Half a fold on a full disk would eat the room that commits need. */
static bool has_room (struct statedb *db)
{
    struct statvfs fs;
    struct stat st;
    sqlite3_stmt *stmt = NULL;
    uint64_t pages = 0;
    if (sqlite3_prepare_v2 (db->sql, "PRAGMA page_count", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step (stmt) == SQLITE_ROW)
        pages = (uint64_t)sqlite3_column_int64 (stmt, 0);
    sqlite3_finalize (stmt);
    if (stat (db->path, &st) < 0 || statvfs (db->path, &fs) < 0)
        return true; /* then SQLite will find out */
    uint64_t wanted = pages * STATE_PAGE, have = (uint64_t)st.st_size;
    return wanted <= have || wanted - have + ROOM_SPARE < (uint64_t)fs.f_bavail * fs.f_frsize;
}

int statedb_fold (struct statedb *db, bool all, struct err *e)
{
    if (!has_room (db))
        return err_set (e, ENOSPC, "no room to fold the log into %s", db->path);
    FAULT_POINT ("store-folds");
    int rc = sqlite3_wal_checkpoint_v2 (
        db->sql, NULL, all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK)
        return statedb_error (db, "cannot fold the log into", e);
    FAULT_POINT ("store-folded");
    db->log_pages = 0;
    return 0;
}

/* --- a new state --- */

static bool is_missing (const char *path)
{
    struct stat st;
    return stat (path, &st) < 0 || st.st_size == 0;
}

/* Nothing is there: is that the truth? */
static int may_be_new (struct statedb *db, enum mark_found found, const struct wal_report *wal,
                       struct err *e)
{
    if (found == MARK_READ && db->mark.commit)
        return err_set (e, EBADMSG,
                        "%s is missing or empty, and %s knows of commit %" PRIu64
                        ": bring it back, or remove the whole directory to begin anew",
                        db->path, db->mark_path, db->mark.commit);
    if (wal->bytes)
        return err_set (e, EBADMSG,
                        "%s is missing or empty, and its log %s is there: bring it back, or remove "
                        "the whole directory to begin anew",
                        db->path, db->wal_path);
    return 0;
}

static void remove_files (const char *path)
{
    static const char *const ENDS[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        char *name = mem_printf ("%s%s", path, ENDS[i]);
        unlink (name);
        free (name);
    }
}

/* Made under another name, whole and synced, so that it is there or not, whenever the power fails.
 */
static int make_at (struct statedb *db, const struct statedb_options *o, struct err *e)
{
    remove_files (db->path);
    if (make_file (db->path, e) < 0 || open_sql (db, o->vfs, SQLITE_OPEN_READWRITE, e) < 0 ||
        set_up (db, e) < 0 || exec (db, "PRAGMA synchronous = FULL", "cannot make", e) < 0 ||
        statedb_create (db, o->made_by, e) < 0 || statedb_fold (db, true, e) < 0)
        return -1;
    sqlite3_db_config (db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return 0;
}

static int make_new (struct statedb *db, const struct statedb_options *o, struct err *e)
{
    char *path = db->path, *fresh = state_dir_file (db->dir, "state.db.new");
    db->path = fresh;
    int rc = make_at (db, o, e);
    close_sql (db);
    FAULT_POINT ("store-made");
    db->path = path;
    if (rc == 0 && rename (fresh, path) < 0)
        rc = err_sys (e, errno, "cannot make %s", path);
    FAULT_POINT ("store-named");
    free (fresh);
    return rc < 0 ? -1 : state_dir_sync (db->dir, e);
}

/* --- opening --- */

/* From here on the mark speaks of this life. Who finds that the state went back records what
 * follows from it, with the first commit; should it die before, the next is to find it again. So
 * until then the mark is one of a life that was not synced, in no boot that there is. */
int statedb_begin_mark (struct statedb *db, struct err *e)
{
    if (db->mark_fd < 0 && (db->mark_fd = mark_open (db->mark_path, e)) < 0)
        return -1;
    db->mark = (struct mark){.fast = db->fast || db->went_back, .commit = db->meta.commit};
    memcpy (db->mark.state, db->meta.state, sizeof db->mark.state);
    if (!db->went_back)
        memcpy (db->mark.boot, db->boot, sizeof db->mark.boot);
    db->mark_doubts = db->went_back;
    FAULT_POINT ("store-begins-mark");
    return mark_write (db->mark_fd, &db->mark, true, e);
}

void statedb_mark_commit (struct statedb *db, uint64_t commit)
{
    bool first = db->mark_doubts;
    db->mark_doubts = false;
    db->mark.commit = commit;
    if (first) {
        db->mark.fast = db->fast;
        memcpy (db->mark.boot, db->boot, sizeof db->mark.boot);
    }
    /* Only a witness: one that is behind says less than it could, and nothing wrong. (But one that
     * allows for lost commits would be no witness in durability full.) */
    mark_write (db->mark_fd, &db->mark, first, NULL);
}

/* Where the log cannot be folded in, what stands behind its last transaction is cut off at least.
 */
static int cut_tail (struct statedb *db, struct err *e)
{
    int rc = 0;
    if (!db->log_torn)
        return 0;
    int fd = open (db->wal_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys (e, errno, "cannot open %s", db->wal_path);
    if (ftruncate (fd, (off_t)db->log_end) < 0 || fsync (fd) < 0)
        rc = err_sys (e, errno, "cannot cut %s", db->wal_path);
    close (fd);
    return rc;
}

/* Before the mark says that this boot has lost nothing; and synced, or the next one may give the
 * numbers of this one. */
static int write_skipped (struct statedb *db, struct err *e)
{
    if (exec (db, "PRAGMA synchronous = FULL", "cannot write", e) < 0 ||
        statedb_write_figures (db, e) < 0)
        return -1;
    db->skips = false;
    return db->fast ? exec (db, "PRAGMA synchronous = NORMAL", "cannot write", e) : 0;
}

int statedb_settle (struct statedb *db, struct err *e)
{
    struct err why = {0};
    if (db->settled)
        return 0;
    bool folded = statedb_fold (db, true, &why) == 0;
    bool may_stay = why.code == ENOSPC || why.code == EBUSY; /* somebody reads */
    if (!folded && (!may_stay || cut_tail (db, &why) < 0)) {
        if (e)
            *e = why;
        return -1;
    }
    if ((db->skips && write_skipped (db, e) < 0) || statedb_begin_mark (db, e) < 0)
        return -1;
    db->settled = true;
    FAULT_POINT ("store-settled");
    return 0;
}

/* After a failed fsync the system may hold pages for written that are not on the disk: they are
 * dropped, so that what is read now was. */
static void drop_cache (const char *path)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    posix_fadvise (fd, 0, 0, POSIX_FADV_DONTNEED);
    close (fd);
}

/* Where there is no room for the index of the log, which is a file in shared memory, it can be kept
 * in our own: then nobody else can read the database, but we can. */
static bool wants_room (struct statedb *db, const struct err *e)
{
    int code = sqlite3_extended_errcode (db->sql);
    return e->code == ENOSPC || code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMOPEN ||
           code == SQLITE_IOERR_SHMMAP;
}

/* A newer format is refused before anything is written. */
static int open_known (struct statedb *db, const char *vfs, uint64_t *format, struct err *e)
{
    if (open_sql (db, vfs, SQLITE_OPEN_READWRITE, e) < 0)
        return -1;
    if (db->alone && exec (db, "PRAGMA locking_mode = EXCLUSIVE", "cannot open", e) < 0)
        return -1;
    if (statedb_format (db->sql, db->path, format, e) < 0)
        return -1;
    return *format > STATE_FORMAT
               ? statedb_migrate (db->sql, db->path, *format, STATE_FORMAT, STATE_MIGRATIONS, e)
               : 0;
}

static int open_somehow (struct statedb *db, const char *vfs, uint64_t *format, struct err *e)
{
    struct err why;
    if (open_known (db, vfs, format, &why) == 0)
        return 0;
    if (!wants_room (db, &why)) {
        if (e)
            *e = why;
        return -1;
    }
    log_event (LOG_WARN, "no room for SQLite's index: nobody else can read the state why=\"%s\"",
               why.text);
    close_sql (db);
    db->alone = true;
    return open_known (db, vfs, format, e);
}

/* To bring it up to date is to write. */
static int refuse_older (const struct statedb *db, uint64_t format, struct err *e)
{
    if (format == STATE_FORMAT)
        return 0;
    return err_set (e, EPROTONOSUPPORT,
                    "%s has format %" PRIu64
                    ", which is older than %d: a broker that starts on it brings it up to date",
                    db->path, format, STATE_FORMAT);
}

static int open_checked (struct statedb *db, const struct statedb_options *o, struct err *e)
{
    enum mark_found found;
    struct wal_report wal;
    uint64_t format;
    db->alone = o->read_only; /* the index of its log is a file, too */
    if (statedb_verify_files (db, &found, &wal, e) < 0)
        return -1;
    db->frozen = o->read_only && !wal.bytes;
    if (o->read_only && is_missing (db->path))
        return err_set (e, ENOENT, "there is no state in %s", db->dir);
    if (is_missing (db->path) && (may_be_new (db, found, &wal, e) < 0 || make_new (db, o, e) < 0))
        return -1;
    if (open_somehow (db, o->vfs, &format, e) < 0 || set_up (db, e) < 0 ||
        (o->read_only && refuse_older (db, format, e) < 0) ||
        statedb_migrate (db->sql, db->path, format, STATE_FORMAT, STATE_MIGRATIONS, e) < 0 ||
        statedb_prepare (db, e) < 0 || statedb_load (db, e) < 0 ||
        statedb_verify_open (db, found, &wal, e) < 0)
        return -1;
    FAULT_POINT ("store-verified");
    db->log_end = wal.header_bad ? 0 : wal.end;
    db->log_torn = wal.header_bad || wal.torn;
    if (o->read_only)
        return 0;
    /* A disk that takes nothing now is for the first commit to find: reading goes on. */
    struct err why;
    if (statedb_settle (db, &why) < 0 && !o->from_disk)
        log_event (LOG_WARN, "the disk takes nothing why=\"%s\"", why.text);
    return 0;
}

static struct statedb *open_one (const struct statedb_options *o, struct err *e)
{
    struct statedb *db = mem_zalloc (sizeof *db);
    STAILQ_INIT (&db->touched);
    STAILQ_INIT (&db->removed);
    db->mark_fd = -1;
    db->fast = o->fast;
    db->dir = mem_strdup (o->dir);
    db->path = state_dir_file (o->dir, "state.db");
    db->wal_path = state_dir_file (o->dir, "state.db-wal");
    db->mark_path = state_dir_file (o->dir, "mark");
    db->sum = XXH3_createState ();
    if (o->boot)
        snprintf (db->boot, sizeof db->boot, "%s", o->boot);
    else
        mark_boot (db->boot);
    if (o->from_disk) {
        drop_cache (db->path);
        drop_cache (db->wal_path);
    }
    if (!db->sum)
        err_set (e, ENOMEM, "cannot open %s: no memory", db->path);
    else if (open_checked (db, o, e) == 0)
        return db;
    statedb_close (&db, false);
    return NULL;
}

struct statedb *statedb_open (const struct statedb_options *o, struct err *e)
{
    struct err mine;
    if (!e)
        e = &mine;
    if (statedb_salvage_finish (o->dir, e) < 0)
        return NULL;
    struct statedb *db = open_one (o, e);
    if (!o->salvage || (db && statedb_replay (db, NULL, NULL, NULL, e) == 0))
        return db;
    statedb_close (&db, false);
    if (e->code != EBADMSG || statedb_salvage (o, e) < 0)
        return NULL;
    return open_one (o, e);
}

/* All is folded in, and synced: SQLite removes the log, and nothing will be missing. */
static void end_mark (struct statedb *db)
{
    sqlite3_db_config (db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    if (!db->fast || !db->settled || db->mark_doubts)
        return;
    db->mark.fast = false;
    mark_write (db->mark_fd, &db->mark, true, NULL);
}

void statedb_close (struct statedb **dbp, bool clean)
{
    struct statedb *db = *dbp;
    struct state_batch *b, *tmp;
    struct err e;
    *dbp = NULL;
    if (!db)
        return;
    if (clean && db->sql && statedb_fold (db, true, &e) < 0)
        log_event (LOG_WARN, "the log could not be folded in why=\"%s\"", e.text);
    else if (clean && db->sql)
        end_mark (db);
    close_sql (db);
    HASH_ITER (hh, db->batches, b, tmp) {
        HASH_DEL (db->batches, b);
        free (b);
    }
    while ((b = STAILQ_FIRST (&db->removed))) {
        STAILQ_REMOVE_HEAD (&db->removed, link);
        free (b);
    }
    if (db->mark_fd >= 0)
        close (db->mark_fd);
    XXH3_freeState (db->sum);
    free (db->dir);
    free (db->path);
    free (db->wal_path);
    free (db->mark_path);
    free (db);
}

bool statedb_is_alone (const struct statedb *db)
{
    return db->alone;
}

bool statedb_went_back (const struct statedb *db)
{
    return db->went_back;
}

uint64_t statedb_commit_number (const struct statedb *db)
{
    return db->meta.commit;
}
