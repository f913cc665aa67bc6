/* user: a program that submits batches and reads their results: the turn of libdrover, in virtual
 * time, around the real client/lib/core. It checks what it is told. */
#ifndef DROVER_SIM_USER_H
#define DROVER_SIM_USER_H

#include "tests/sim/sim.h"

/* A program with some batches in mind. */
struct user *user_new (struct sim *s, unsigned index);
/* One that takes up all detached batches which others were promised, and checks them. */
struct user *user_new_auditor (struct sim *s, unsigned index);
void user_free (struct user **u);

const char *user_name (const struct user *u);
struct conn *user_conn (struct user *u);
bool user_is_alive (const struct user *u);

/* Everything that it wanted has ended. */
bool user_is_done (const struct user *u);

/* For the bench: a session was welcomed. `peer` may be somebody else. */
void user_welcomed (struct sim *s, void *peer, bool resumed);

/* Faults: it dies; it reads and says nothing for a while. */
bool user_crash (struct sim *s, struct user *u);
bool user_pause (struct sim *s, struct user *u, int64_t us);

#endif
