/* user: a program that submits batches and reads their results: the turn of libdrover, in virtual
 * time, around the real client/lib/core. It checks what it is told. */
#ifndef DROVER_SIM_USER_H
#define DROVER_SIM_USER_H

#include <stddef.h>

#include "tests/sim/sim.h"

/* A program with some batches in mind. */
struct user *user_new (struct sim *s, unsigned index);
/* One that takes up all detached batches which others were promised, and checks them. */
struct user *user_new_auditor (struct sim *s, unsigned index);
/* One that submits so many small rows and nothing else. */
struct user *user_new_big (struct sim *s, unsigned index, uint64_t rows);
void user_free (struct user **u);

const char *user_name (const struct user *u);
struct conn *user_conn (struct user *u);
bool user_is_alive (const struct user *u);

/* Everything that it wanted has ended; what has not; rows that it was told the end of. */
bool user_is_done (const struct user *u);
void user_wants (const struct user *u, char *text, size_t size);
uint64_t user_told_rows (const struct user *u);

/* A session was welcomed. `peer` may be somebody else. */
void user_welcomed (struct sim *s, const void *peer, const struct msg_welcome *m);

/* The broker has ended its session: what was attached may be cancelled. */
void user_is_gone (struct sim *s, const void *peer);

/* The broker's number of a batch by that peer's handle; 0: not known there. */
uint64_t user_batch (const struct sim *s, const void *peer, uint64_t handle);

/* What was promised to anybody counts no more: the broker kept it only in memory, or on a disk that
 * may lose it, and it did. */
void user_void_promises (struct sim *s);

/* It asks a lot for so long. It says goodbye then, whatever is under way. */
void user_hurry (struct sim *s, struct user *u, int64_t us);
bool user_leave (struct sim *s, struct user *u, int64_t us);

/* Faults: it dies; it reads and says nothing for a while; its clock lags. */
bool user_crash (struct sim *s, struct user *u);
bool user_pause (struct sim *s, struct user *u, int64_t us);
bool user_lag (struct sim *s, struct user *u, int64_t us);

#endif
