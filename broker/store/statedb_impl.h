/* statedb_impl: what the files of statedb share, and nobody else includes. */
#ifndef DROVER_BROKER_STATEDB_IMPL_H
#define DROVER_BROKER_STATEDB_IMPL_H

#include <sqlite3.h>
#include <sys/queue.h>
#include <xxhash.h>

#include "broker/store/mark.h"
#include "broker/store/statedb.h"
#include "broker/store/wal_scan.h"
#include "common/base/hash.h"

enum { STATE_FORMAT = 1, STATE_PAGE = 4096, RECORD_BITS = 32 };

#define RECORDS_MAX UINT32_MAX      /* of a batch */
#define BATCHES_MAX (INT32_MAX - 1) /* highest number of a batch */

enum statement {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_META,
    STMT_ADD,
    STMT_BATCH_NEW,
    STMT_BATCH,
    STMT_BATCH_GONE,
    STMT_RECORDS_GONE,
    STMT_SESSION,
    STMT_SESSION_GONE,
    STMT_READ,
    STMT_READ_SESSIONS,
    STMT_READ_NEXT,
    STMTS
};

/* The one row of the table `meta`. */
struct state_meta {
    uint64_t format;
    char state[17]; /* random, 16 hex digits */
    uint64_t commit;
    uint64_t batches, records, sessions;
    uint64_t removed_to; /* the highest batch that was removed */
};

/* A row of the table `batches`. */
struct state_batch {
    uint64_t id;
    uint64_t records; /* numbered 1 ... */
    uint64_t bytes;   /* of all of them */
    uint64_t rows, outcomes, last_commit;
    uint64_t total; /* once closed */
    bool closed, cancelled, removed;
    bool touched; /* differs from its row in the database */
    UT_hash_handle hh;
    STAILQ_ENTRY (state_batch) link; /* in `touched` or `removed` */
};

STAILQ_HEAD (state_batches, state_batch);

struct statedb {
    char *dir, *path, *wal_path, *mark_path;
    bool fast;
    bool skips; /* it has passed over some numbers of batches, and that is to be written */
    sqlite3 *sql;
    sqlite3_stmt *stmt[STMTS];
    XXH3_state_t *sum;
    struct state_meta meta;
    struct state_batch *batches; /* hash by id: those that are not removed */
    struct state_batches touched;
    struct state_batches removed; /* whose records are still being deleted */
    struct mark mark;
    int mark_fd;
    uint64_t log_end; /* of the log that was found at the start, without its torn end */
    bool log_torn;    /* there is such an end */
    int log_pages;    /* in the log, as of the last commit */
    bool settled;     /* see statedb_settle() */
    bool went_back;   /* see statedb_went_back() */
    bool mark_doubts; /* ... and who opens it next is to find that, too: see statedb_begin_mark() */
    bool alone;       /* SQLite's index is not shared */
    bool frozen;      /* it has no log, and is only read: SQLite makes no file beside it, either */
    char boot[37];    /* this boot of the system */
};

/* --- statedb.c --- */

/* -1 with what SQLite and the system say of the failure of `what`. */
int statedb_error (struct statedb *db, const char *what, struct err *e);

/* Before the first transaction of a life: fold in the log that an earlier one left, or at least cut
 * off what was never committed of it, so that nothing of it is taken for ours; and begin the mark.
 * Tried again by each transaction until it works. */
int statedb_settle (struct statedb *db, struct err *e);

/* Begin the mark of this life; where the state went back, the mark says so until a commit holds. */
int statedb_begin_mark (struct statedb *db, struct err *e);
/* A commit holds: note it in the mark. */
void statedb_mark_commit (struct statedb *db, uint64_t commit);

/* Fold the log into the database; `all`: and empty it, which a reader beside us can hinder. ENOSPC
 * where there is no room for it: nothing was tried then. */
int statedb_fold (struct statedb *db, bool all, struct err *e);

/* --- statedb_schema.c --- */

/* A step of migration: from format `from` to the next, in one transaction. */
struct state_migration {
    uint64_t from;
    const char *sql;
};

/* Make the tables of a new state. */
int statedb_create (struct statedb *db, const char *made_by, struct err *e);

/* The format of the database. EBADMSG where it is none of ours. */
int statedb_format (sqlite3 *sql, const char *path, uint64_t *format, struct err *e);

/* Bring the tables from `format` to `wanted` by the steps of the table, which ends with a step
 * without sql. EPROTONOSUPPORT where no step leads on, or the format is a newer one. */
int statedb_migrate (sqlite3 *sql, const char *path, uint64_t format, uint64_t wanted,
                     const struct state_migration *steps, struct err *e);
extern const struct state_migration STATE_MIGRATIONS[];

int statedb_prepare (struct statedb *db, struct err *e);
int statedb_load (struct statedb *db, struct err *e);
int statedb_write_meta (struct statedb *db, struct err *e);
/* In a transaction of its own. */
int statedb_write_figures (struct statedb *db, struct err *e);

/* --- statedb_verify.c --- */

/* What the files say before SQLite opens them: -1 with EBADMSG where acknowledged commits are
 * damaged for certain. `*found` is what was read of the mark, in db->mark. */
int statedb_verify_files (struct statedb *db, enum mark_found *found, struct wal_report *wal,
                          struct err *e);

/* ... and once it is open: the structure, and that no commit is missing that the mark knows of. */
int statedb_verify_open (struct statedb *db, enum mark_found found, const struct wal_report *wal,
                         struct err *e);

/* --- statedb_replay.c --- */

/* A record as it was read. */
struct state_record {
    uint64_t k, commit;
    struct wire_frames frames; /* borrowed from the statement */
    bool good;                 /* its checksum holds */
};

uint64_t statedb_sum (XXH3_state_t *s, uint64_t batch, uint64_t k, uint64_t commit,
                      const struct wire_frames *f);

/* The present row of STMT_READ or STMT_READ_SESSIONS. */
void statedb_read_row (XXH3_state_t *sum, sqlite3_stmt *stmt, uint64_t batch,
                       struct state_record *r);

/* --- statedb_salvage.c --- */

/* Make a new database of what is consistent in the old one, which is kept beside it under another
 * name, and say in the log what is lost. Nothing is done where nothing is wrong. */
int statedb_salvage (const struct statedb_options *o, struct err *e);

/* Where a salvage in `dir` had all but exchanged the files when its process ended: do that. */
int statedb_salvage_finish (const char *dir, struct err *e);

#endif
