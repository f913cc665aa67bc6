/* statedb: the database of a state directory. One thread at a time, and every call blocks until the
 * disk has done its part; store_sqlite.c keeps it away from the loop. doc/STATE.md has the tables.
 *
 * Records of a batch are numbered k = 1, 2, ... without a gap, each with a checksum; the row of the
 * batch says how many there are, the row of the state how many batches, records and sessions, and
 * up to which commit. So whatever is missing is missed.
 *
 * A transaction that fails is final: the handle takes no other, and is to be closed and opened
 * again, which looks at what really is on the disk.
 */
#ifndef DROVER_BROKER_STATEDB_H
#define DROVER_BROKER_STATEDB_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/store/store.h"

struct statedb;

struct statedb_options {
    const char *dir;     /* held by state_dir_open() */
    const char *made_by; /* version of the program, for people */
    bool fast;           /* not every commit is synced */
    bool salvage;        /* run on what is consistent, and say what is lost */
    bool read_only;      /* write nothing at all, and take no transactions */
    bool from_disk;   /* after a failure: what the system has in memory of the files may be a lie */
    const char *vfs;  /* SQLite's name of the way to files; NULL: the usual one */
    const char *boot; /* this boot of the system; NULL: ask it */
};

/* Open or make the database, check all that can be checked without reading every record, mend what
 * an interrupted write left. NULL: EBADMSG where it is damaged (the text names where),
 * EPROTONOSUPPORT where its format is not known here (both versions named, nothing touched), ENOENT
 * where there is none and it is to be read only, else what the system said. Strings are copied. */
struct statedb *statedb_open (const struct statedb_options *o, struct err *e);

/* `clean`: fold the log into the database first, as far as that works. */
void statedb_close (struct statedb **db, bool clean);

/* There was no room for what lets others read the database, too: a probe that works should be made
 * with a new handle. */
bool statedb_is_alone (const struct statedb *db);

/* Whether commits that had held may be missing as it was opened: the system went down while not
 * each of them was synced, or it was salvaged; and no commit has held since. */
bool statedb_went_back (const struct statedb *db);

/* The last commit that holds. */
uint64_t statedb_commit_number (const struct statedb *db);

/* One transaction: begin, records, each with the number of the commit it belongs to (of one batch
 * never less than the one before), and the end. They hold when statedb_commit() has returned 0. */
int statedb_begin (struct statedb *db, struct err *e);
int statedb_add (struct statedb *db, uint64_t batch, uint64_t commit, const struct wire_frames *f,
                 struct err *e);
int statedb_commit (struct statedb *db, uint64_t commit, struct err *e);

/* What can wait: the rows of removed batches, and the log once it is long. `idle`: also when it is
 * short. A bounded piece of work; `*more` says that there is another. */
int statedb_tidy (struct statedb *db, bool idle, bool *more, struct err *e);

/* Would a commit hold? Writes and takes back. */
int statedb_probe (struct statedb *db, struct err *e);

struct statedb_figures {
    uint64_t sessions, batches, records, bytes;
};

/* Read and check every record, and hand it over: as store_replay(). `fn` may be NULL: only check.
 * EBADMSG names what is damaged. */
int statedb_replay (struct statedb *db, store_replay_fn *fn, void *arg,
                    struct statedb_figures *figures, struct err *e);

#endif
