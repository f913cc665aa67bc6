/* state_dir: the directory that a broker's state lives in: its own, closed to others, and used by
 * one broker at a time. doc/STATE.md, "The directory".
 *
 * The lock is flock() on DIR/lock, so it goes with the process, however that ends. The file names
 * the holder's pid, for people.
 */
#ifndef DROVER_BROKER_STATE_DIR_H
#define DROVER_BROKER_STATE_DIR_H

#include "common/base/err.h"

struct state_dir {
    char *path;  /* absolute, without symbolic links */
    int lock_fd; /* holds the lock; -1: none */
};

/* Make the directory if it is missing (0700; its parent must exist) and take its lock. -1: EPERM
 * where it, or a file of the state in it, belongs to somebody else or is open to others (the text
 * names the chmod); EBUSY where another broker has it (the text names its pid); else the system's
 * own words. */
int state_dir_open (struct state_dir *d, const char *path, struct err *e);

/* Take a directory that is there for reading: nothing in it is made or changed, and whoever may
 * read it may. -1: EBUSY where a broker has it, ENOENT where there is none, else the system's
 * words. */
int state_dir_read (struct state_dir *d, const char *path, struct err *e);

/* Gives the lock back. A zeroed or closed one is fine. */
void state_dir_close (struct state_dir *d);

/* See that names made, changed and removed in the directory are on the disk. */
int state_dir_sync (const char *dir, struct err *e);

/* The path of a file in it; for the caller to free. */
char *state_dir_file (const char *dir, const char *name);

#endif
