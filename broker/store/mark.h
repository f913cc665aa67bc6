/* mark: DIR/mark, one line about the last commit that was told to hold. doc/STATE.md, "The mark".
 *
 * A log that was cut cleanly at an older commit looks whole. The mark is what tells: it is written
 * behind each commit (not synced: after a power failure it may be older than the state, never
 * newer than what was synced before it in durability full). `boot` says whether the system was
 * started anew since: only then may something be missing that was written and not synced.
 */
#ifndef DROVER_BROKER_MARK_H
#define DROVER_BROKER_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct mark {
    char state[17]; /* the state's id: 16 hex digits */
    char boot[37];  /* the system's boot id */
    bool fast;      /* commits are not synced one by one */
    uint64_t commit;
};

enum mark_found { MARK_READ, MARK_MISSING, MARK_UNREADABLE };

/* Read DIR/mark. An I/O error counts as unreadable. */
enum mark_found mark_read (const char *path, struct mark *m);

/* Open it for mark_write(), made if it is missing; the descriptor is the caller's. */
int mark_open (const char *path, struct err *e);

/* Replace its line, in one write. `sync`: and see it on the disk. */
int mark_write (int fd, const struct mark *m, bool sync, struct err *e);

/* This boot of the system; empty where it does not tell. */
void mark_boot (char boot[37]);

#endif
