/* wal_scan: our own look at a SQLite write-ahead log, before SQLite sees it.
 *
 * SQLite's recovery stops at the first frame that does not hold, and says nothing: it cannot tell
 * the torn end of an unfinished transaction from damage in the middle. Here the frames behind are
 * looked at, too. Each frame carries a checksum that continues the one of the frame before it, so
 * what follows a bad frame can be judged from the checksum that stands in its predecessor.
 * The format: https://www.sqlite.org/fileformat2.html#walformat
 */
#ifndef DROVER_BROKER_WAL_SCAN_H
#define DROVER_BROKER_WAL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct wal_report {
    uint64_t bytes;         /* of the file; 0: missing or empty */
    bool header_bad;        /* its first 32 bytes do not hold */
    uint64_t frames;        /* good ones in a row from the first */
    uint64_t commits;       /* transactions that end in them */
    uint64_t bad_frame;     /* the first that does not hold, from 1; 0: there is none */
    uint64_t bad_offset;    /* ... in bytes */
    uint64_t later;         /* good frames of the same log behind it ... */
    uint64_t later_commits; /* ... of which so many end a transaction */
    bool later_next;        /* and a transaction begins behind one of those ends */
    uint64_t end;           /* of the last good transaction, in bytes */
    uint64_t torn;          /* bytes of the same log behind the last good transaction */
};

/* 0, or -1 when the file cannot be read. A file that is not there is empty. */
int wal_scan (const char *path, struct wal_report *r, struct err *e);

#endif
