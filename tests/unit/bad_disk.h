/* bad_disk: a way to files for SQLite (a VFS) over a disk that fails, is slow, or loses its power.
 *
 * Everything goes to the real files, too. What was written and not synced is remembered by file, so
 * that a power failure can be staged: bad_disk_cut() writes the files as they may be found after
 * it, each unsynced sector (512 bytes) kept or not, torn writes and holes included.
 */
#ifndef DROVER_UNIT_BAD_DISK_H
#define DROVER_UNIT_BAD_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/state_rig.h"

struct image;

struct bad_disk {
    char name[32]; /* for statedb_options.vfs */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool hold;     /* syncs wait */
    bool remember; /* for bad_disk_cut() */
    int64_t left;  /* operations that still work; below 0: all */
    bool once;     /* only one fails */
    int code;      /* what the others fail with, an errno value */
    int last;      /* the last failure */
    uint64_t ops;  /* writes, truncations, syncs, openings and deletions so far */
    uint64_t syncs;
    struct image *images;
};

void bad_disk_init (struct bad_disk *d);
void bad_disk_fini (struct bad_disk *d);

/* After `ops` more operations each one fails with `code`. */
void bad_disk_fail (struct bad_disk *d, int64_t ops, int code);
void bad_disk_fail_once (struct bad_disk *d, int64_t ops, int code);
void bad_disk_heal (struct bad_disk *d);
uint64_t bad_disk_ops (struct bad_disk *d);
uint64_t bad_disk_syncs (struct bad_disk *d);

/* Syncs do not return while it is held. */
void bad_disk_hold (struct bad_disk *d, bool hold);

/* From here on (with no file open) remember what is not synced. */
void bad_disk_remember (struct bad_disk *d);

/* The power fails: into `to` go the files as they may be found afterwards, by the dice. */
void bad_disk_cut (struct bad_disk *d, const struct place *to, struct dice *dice);

#endif
