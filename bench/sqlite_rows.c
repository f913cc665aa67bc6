/* sqlite_rows: how many rows a second SQLite takes, with nothing around it, as the measure for
 * durable work: transactions of --records rows of --size bytes, write-ahead log, each transaction
 * synced.
 *
 * --plain prints one number: rows/s.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/options.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

struct files {
    char dir[256];
    char db[280];
};

static void make_files (struct files *f)
{
    const char *base = getenv ("TMPDIR");
    snprintf (f->dir, sizeof f->dir, "%s/drover-bench-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp (f->dir))
        bench_die ("cannot make a temporary directory");
    snprintf (f->db, sizeof f->db, "%s/rows.db", f->dir);
}

static void remove_files (const struct files *f)
{
    unlink (f->db);
    rmdir (f->dir);
}

static void run (sqlite3 *db, const char *sql)
{
    if (sqlite3_exec (db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_die (sqlite3_errmsg (db));
}

static void insert (sqlite3 *db, sqlite3_stmt *stmt, const void *bytes, uint64_t size,
                    uint64_t rows)
{
    run (db, "BEGIN");
    for (uint64_t i = 0; i < rows; i++) {
        sqlite3_bind_blob64 (stmt, 1, bytes, size, SQLITE_STATIC);
        if (sqlite3_step (stmt) != SQLITE_DONE)
            bench_die (sqlite3_errmsg (db));
        sqlite3_reset (stmt);
    }
    run (db, "COMMIT");
}

int main (int argc, char **argv)
{
    struct bench_options o = {.tasks = 500000, .records = 1000, .size = 16};
    bench_options_read (&o, argc, argv, "rows that SQLite takes, each transaction synced");
    struct files f;
    sqlite3 *db;
    sqlite3_stmt *stmt;
    make_files (&f);
    if (sqlite3_open (f.db, &db) != SQLITE_OK)
        bench_die (sqlite3_errmsg (db));
    run (db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
             "CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)");
    if (sqlite3_prepare_v2 (db, "INSERT INTO t (bytes) VALUES (?)", -1, &stmt, NULL) != SQLITE_OK)
        bench_die (sqlite3_errmsg (db));
    void *bytes = mem_zalloc (o.size + 1);
    int64_t begin = clock_mono_us ();
    for (uint64_t left = o.tasks; left;) {
        uint64_t n = left < o.records ? left : o.records;
        insert (db, stmt, bytes, o.size, n);
        left -= n;
    }
    double per_s = (double)o.tasks * US_PER_S / (double)(clock_mono_us () - begin);
    free (bytes);
    sqlite3_finalize (stmt);
    sqlite3_close (db);
    remove_files (&f);
    if (o.plain)
        printf ("%.1f\n", per_s);
    else
        printf ("SQLite, transactions of %u rows: %.0f rows/s\n", o.records, per_s);
    return 0;
}
