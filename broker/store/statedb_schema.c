/* The tables, their statements, and the one row of `meta`. doc/STATE.md tells of them to people who
 * open the file in the sqlite3 shell; the names here are that page's. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "broker/store/statedb_impl.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

/* `words` is for people only, and under no checksum, as all of `batches` but its counts. */
static const char TABLES[] =
    "CREATE TABLE meta ("
    " one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, state TEXT NOT NULL,"
    " made_by TEXT NOT NULL, made_ms INTEGER NOT NULL, commit_number INTEGER NOT NULL,"
    " batches INTEGER NOT NULL, records INTEGER NOT NULL, sessions INTEGER NOT NULL,"
    " removed_to INTEGER NOT NULL, checksum INTEGER NOT NULL);"
    "CREATE TABLE kinds (kind INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "CREATE TABLE batches ("
    " batch INTEGER PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL, flags INTEGER NOT NULL,"
    " opened_ms INTEGER NOT NULL, rows INTEGER NOT NULL, total INTEGER, outcomes INTEGER NOT NULL,"
    " cancelled INTEGER NOT NULL, removed INTEGER NOT NULL, records INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL);"
    "CREATE TABLE records ("
    " id INTEGER PRIMARY KEY, batch INTEGER AS (id >> 32), k INTEGER AS (id & 4294967295),"
    " commit_number INTEGER NOT NULL, kind INTEGER NOT NULL, checksum INTEGER NOT NULL,"
    " words TEXT NOT NULL, header BLOB NOT NULL, body0 BLOB, body1 BLOB);"
    "CREATE TABLE sessions ("
    " token INTEGER PRIMARY KEY, commit_number INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " checksum INTEGER NOT NULL, words TEXT NOT NULL, header BLOB NOT NULL, body0 BLOB, body1 "
    "BLOB);"
    "CREATE VIEW overview AS SELECT batch, name, key, CASE WHEN removed THEN 'removed'"
    " WHEN total IS NULL THEN 'open' WHEN outcomes >= total THEN 'finished'"
    " WHEN cancelled THEN 'cancelling' ELSE 'running' END AS state, rows, total, outcomes,"
    " datetime(opened_ms / 1000, 'unixepoch', 'localtime') AS opened, records, bytes FROM batches;"
    "CREATE VIEW history AS SELECT b.batch, r.k, r.commit_number, n.name AS kind, r.words,"
    " length(r.header) + ifnull(length(r.body0), 0) + ifnull(length(r.body1), 0) AS bytes"
    " FROM batches b JOIN records r ON r.id > b.batch << 32 AND r.id < (b.batch + 1) << 32"
    " LEFT JOIN kinds n ON n.kind = r.kind ORDER BY r.id;"
    "CREATE VIEW workers AS SELECT printf('%016x', token) AS token, commit_number, words"
    " FROM sessions;";

static const char *const STATEMENTS[STMTS] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_META] = "UPDATE meta SET commit_number = ?1, batches = ?2, records = ?3, sessions = ?4,"
                  " removed_to = ?5, checksum = ?6",
    [STMT_ADD] = "INSERT INTO records (id, commit_number, kind, checksum, words, header, body0,"
                 " body1) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STMT_BATCH_NEW] = "INSERT INTO batches VALUES (?1, ?2, ?3, ?4, ?5, 0, NULL, 0, 0, 0, 0, 0)",
    [STMT_BATCH] = "UPDATE batches SET rows = ?2, total = ?3, outcomes = ?4, cancelled = ?5,"
                   " removed = ?6, records = ?7, bytes = ?8 WHERE batch = ?1",
    [STMT_BATCH_GONE] = "DELETE FROM batches WHERE batch = ?1",
    [STMT_RECORDS_GONE] = "DELETE FROM records WHERE id > ?1 AND id <= ?2",
    [STMT_SESSION] = "INSERT OR REPLACE INTO sessions (token, commit_number, kind, checksum, words,"
                     " header, body0, body1) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STMT_SESSION_GONE] = "DELETE FROM sessions WHERE token = ?1",
    [STMT_READ] = "SELECT id, commit_number, checksum, header, body0, body1 FROM records"
                  " WHERE id > ?1 AND id <= ?2 ORDER BY id",
    [STMT_READ_SESSIONS] = "SELECT token, commit_number, checksum, header, body0, body1"
                           " FROM sessions ORDER BY token",
    [STMT_READ_NEXT] = "SELECT id FROM records WHERE id > ?1 ORDER BY id LIMIT 1",
};

const struct state_migration STATE_MIGRATIONS[] = {
    {0, NULL}, /* format 1 is the first */
};

static int name_kinds (struct statedb *db, struct err *e)
{
    for (unsigned kind = 0; kind < 256; kind++) {
        char sql[100];
        if (!wire_name (kind))
            continue;
        snprintf (sql, sizeof sql, "INSERT INTO kinds VALUES (%u, '%s')", kind, wire_name (kind));
        if (sqlite3_exec (db->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
            return statedb_error (db, "cannot make", e);
    }
    return 0;
}

static uint64_t meta_sum (const struct state_meta *m)
{
    char text[200];
    int n = snprintf (text, sizeof text,
                      "%" PRIu64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
                      m->format, m->state, m->commit, m->batches, m->records, m->sessions,
                      m->removed_to);
    return XXH3_64bits (text, (size_t)n);
}

int statedb_create (struct statedb *db, const char *made_by, struct err *e)
{
    uint64_t id;
    char *sql;
    if (getrandom (&id, sizeof id, 0) < 0)
        return err_sys (e, errno, "getrandom");
    db->meta = (struct state_meta){.format = STATE_FORMAT};
    snprintf (db->meta.state, sizeof db->meta.state, "%016" PRIx64, id);
    sql = sqlite3_mprintf ("INSERT INTO meta VALUES (1, %d, %Q, %Q, %lld, 0, 0, 0, 0, 0, %lld)",
                           STATE_FORMAT, db->meta.state, made_by,
                           (long long)(clock_wall_us () / US_PER_MS),
                           (long long)meta_sum (&db->meta));
    int rc = 0;
    if (!sql)
        rc = err_set (e, ENOMEM, "cannot make %s: no memory", db->path);
    else if (sqlite3_exec (db->sql, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
             sqlite3_exec (db->sql, TABLES, NULL, NULL, NULL) != SQLITE_OK ||
             sqlite3_exec (db->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
        rc = statedb_error (db, "cannot make", e);
    else if ((rc = name_kinds (db, e)) == 0 &&
             sqlite3_exec (db->sql, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        rc = statedb_error (db, "cannot make", e);
    sqlite3_free (sql);
    return rc;
}

static int no_format (sqlite3 *sql, const char *path, struct err *e)
{
    if (sqlite3_errcode (sql) == SQLITE_NOMEM)
        return err_set (e, ENOMEM, "cannot read %s: no memory", path);
    int code = sqlite3_errcode (sql) & 0xff, system = sqlite3_system_errno (sql);
    if (code == SQLITE_IOERR || code == SQLITE_CANTOPEN || code == SQLITE_BUSY)
        return err_sys (e, system ? system : EIO, "cannot read %s", path);
    return err_set (e, EBADMSG, "%s is damaged, or no state of drover: %s", path,
                    sqlite3_errmsg (sql));
}

/* The one number that a query gives; -1: none. */
static int64_t number (sqlite3 *sql, const char *query, int *rc)
{
    sqlite3_stmt *stmt = NULL;
    int64_t n = -1;
    *rc = sqlite3_prepare_v2 (sql, query, -1, &stmt, NULL);
    if (*rc == SQLITE_OK) {
        *rc = sqlite3_step (stmt);
        if (*rc == SQLITE_ROW)
            n = sqlite3_column_int64 (stmt, 0);
    }
    sqlite3_finalize (stmt);
    return n;
}

int statedb_format (sqlite3 *sql, const char *path, uint64_t *format, struct err *e)
{
    int rc;
    int64_t tables = number (sql, "SELECT count(*) FROM sqlite_schema", &rc);
    *format = 0;
    if (rc != SQLITE_ROW)
        return no_format (sql, path, e);
    if (tables == 0)
        return err_set (e, EBADMSG, "%s is damaged: it has no tables", path);
    int64_t n = number (sql, "SELECT format FROM meta", &rc);
    if (rc != SQLITE_ROW)
        return no_format (sql, path, e);
    if (n < 1)
        return err_set (e, EBADMSG, "%s is damaged: it says that its format is %lld", path,
                        (long long)n);
    *format = (uint64_t)n;
    return 0;
}

static const char *step_from (const struct state_migration *steps, uint64_t from)
{
    for (; steps->sql; steps++)
        if (steps->from == from)
            return steps->sql;
    return NULL;
}

int statedb_migrate (sqlite3 *sql, const char *path, uint64_t format, uint64_t wanted,
                     const struct state_migration *steps, struct err *e)
{
    for (; format < wanted; format++) {
        const char *step = step_from (steps, format);
        if (!step)
            return err_set (e, EPROTONOSUPPORT,
                            "%s has format %llu, and drover %s has format %llu and no way there: "
                            "use the version in between",
                            path, (unsigned long long)format, DROVER_VERSION,
                            (unsigned long long)wanted);
        char *whole = sqlite3_mprintf ("BEGIN IMMEDIATE; %s; COMMIT", step);
        int rc = whole ? sqlite3_exec (sql, whole, NULL, NULL, NULL) : SQLITE_NOMEM;
        sqlite3_free (whole);
        if (rc != SQLITE_OK) {
            err_set (e, EIO, "%s cannot be brought to format %llu: %s", path,
                     (unsigned long long)format + 1, sqlite3_errmsg (sql));
            sqlite3_exec (sql, "ROLLBACK", NULL, NULL, NULL);
            return -1;
        }
    }
    if (format > wanted)
        return err_set (e, EPROTONOSUPPORT,
                        "%s has format %llu, drover %s knows formats up to %llu: use a newer "
                        "drover; nothing was changed",
                        path, (unsigned long long)format, DROVER_VERSION,
                        (unsigned long long)wanted);
    return 0;
}

int statedb_prepare (struct statedb *db, struct err *e)
{
    for (int i = 0; i < STMTS; i++)
        if (sqlite3_prepare_v3 (db->sql, STATEMENTS[i], -1, SQLITE_PREPARE_PERSISTENT, &db->stmt[i],
                                NULL) != SQLITE_OK)
            return statedb_error (db, "cannot use", e);
    return 0;
}

static int load_meta (struct statedb *db, struct err *e)
{
    struct state_meta *m = &db->meta;
    sqlite3_stmt *stmt = NULL;
    int rc = 0;
    if (sqlite3_prepare_v2 (
            db->sql,
            "SELECT format, state, commit_number, batches, records, sessions, removed_to, checksum"
            " FROM meta",
            -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step (stmt) != SQLITE_ROW) {
        rc = statedb_error (db, "cannot read", e);
        goto out;
    }
    const char *state = (const char *)sqlite3_column_text (stmt, 1);
    m->format = (uint64_t)sqlite3_column_int64 (stmt, 0);
    snprintf (m->state, sizeof m->state, "%s", state ? state : "");
    m->commit = (uint64_t)sqlite3_column_int64 (stmt, 2);
    m->batches = (uint64_t)sqlite3_column_int64 (stmt, 3);
    m->records = (uint64_t)sqlite3_column_int64 (stmt, 4);
    m->sessions = (uint64_t)sqlite3_column_int64 (stmt, 5);
    m->removed_to = (uint64_t)sqlite3_column_int64 (stmt, 6);
    if (meta_sum (m) != (uint64_t)sqlite3_column_int64 (stmt, 7))
        rc = err_set (e, EBADMSG, "%s is damaged: the checksum of its row 'meta' does not hold",
                      db->path);
out:
    sqlite3_finalize (stmt);
    return rc;
}

static void take_batch (struct statedb *db, sqlite3_stmt *stmt)
{
    struct state_batch *b = mem_zalloc (sizeof *b);
    b->id = (uint64_t)sqlite3_column_int64 (stmt, 0);
    b->rows = (uint64_t)sqlite3_column_int64 (stmt, 1);
    b->closed = sqlite3_column_type (stmt, 2) != SQLITE_NULL;
    b->total = (uint64_t)sqlite3_column_int64 (stmt, 2);
    b->outcomes = (uint64_t)sqlite3_column_int64 (stmt, 3);
    b->cancelled = sqlite3_column_int (stmt, 4) != 0;
    b->removed = sqlite3_column_int (stmt, 5) != 0;
    b->records = (uint64_t)sqlite3_column_int64 (stmt, 6);
    b->bytes = (uint64_t)sqlite3_column_int64 (stmt, 7);
    if (b->removed)
        STAILQ_INSERT_TAIL (&db->removed, b, link);
    else
        HASH_ADD (hh, db->batches, id, sizeof b->id, b);
}

/* In the order of their numbers, which the hash keeps for whoever walks it. */
int statedb_load (struct statedb *db, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int step = SQLITE_ERROR, rc = 0;
    if (load_meta (db, e) < 0)
        return -1;
    if (sqlite3_prepare_v2 (
            db->sql,
            "SELECT batch, rows, total, outcomes, cancelled, removed, records, bytes"
            " FROM batches ORDER BY batch",
            -1, &stmt, NULL) == SQLITE_OK)
        while ((step = sqlite3_step (stmt)) == SQLITE_ROW)
            take_batch (db, stmt);
    if (step != SQLITE_DONE)
        rc = statedb_error (db, "cannot read", e);
    else if (HASH_COUNT (db->batches) != db->meta.batches)
        rc = err_set (e, EBADMSG, "%s is damaged: it has %u batches of %" PRIu64, db->path,
                      HASH_COUNT (db->batches), db->meta.batches);
    sqlite3_finalize (stmt);
    return rc;
}

int statedb_write_meta (struct statedb *db, struct err *e)
{
    const struct state_meta *m = &db->meta;
    sqlite3_stmt *stmt = db->stmt[STMT_META];
    sqlite3_bind_int64 (stmt, 1, (sqlite3_int64)m->commit);
    sqlite3_bind_int64 (stmt, 2, (sqlite3_int64)m->batches);
    sqlite3_bind_int64 (stmt, 3, (sqlite3_int64)m->records);
    sqlite3_bind_int64 (stmt, 4, (sqlite3_int64)m->sessions);
    sqlite3_bind_int64 (stmt, 5, (sqlite3_int64)m->removed_to);
    sqlite3_bind_int64 (stmt, 6, (sqlite3_int64)meta_sum (m));
    int rc = sqlite3_step (stmt);
    sqlite3_reset (stmt);
    return rc == SQLITE_DONE ? 0 : statedb_error (db, "cannot write", e);
}
