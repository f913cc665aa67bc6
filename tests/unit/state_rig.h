/* state_rig: a state directory, a random history of records for it, and a model of what it must
 * give back, for the tests of the store.
 *
 * The model remembers every record with its commit. Whatever happened to the files, what is
 * replayed must be what the model has up to the commit at which the database says it is.
 */
#ifndef DROVER_UNIT_STATE_RIG_H
#define DROVER_UNIT_STATE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/store/statedb.h"
#include "broker/store/store.h"

/* --- a directory of the test's own, below $TMPDIR --- */
struct place {
    char dir[200];
};
void place_make (struct place *p);
/* Removes it with all files in it (and in directories in it). */
void place_remove (struct place *p);
/* The path of a file in it; valid until the next call but three. */
const char *place_file (const struct place *p, const char *name);
void place_copy (const struct place *from, const struct place *to, const char *name);
long place_size (const struct place *p, const char *name); /* -1: not there */
/* Change bits: byte at `offset` ^= mask. */
void place_flip (const struct place *p, const char *name, long offset, uint8_t mask);

/* The content of a small file as a string (the caller's), or NULL; and the way back. */
char *place_read (const struct place *p, const char *name);
void place_write (const struct place *p, const char *name, const char *text);

/* --- random numbers from a seed --- */
struct dice {
    uint64_t x;
};
uint64_t dice_roll (struct dice *d, uint64_t below);

/* --- records --- */
struct wire_frames rec_open (uint64_t batch, const char *name);
struct wire_frames rec_rows (uint64_t batch, uint64_t chunk, size_t bytes, uint8_t fill);
struct wire_frames rec_results (uint64_t batch, uint64_t record, size_t bytes);
struct wire_frames rec_close (uint64_t batch, uint64_t total);
struct wire_frames rec_remove (uint64_t batch);
struct wire_frames rec_hello (uint64_t token, uint64_t slots);
struct wire_frames rec_left (uint64_t token);

/* --- the model --- */
struct model;
struct model *model_new (uint64_t seed);
void model_free (struct model **m);
/* It is told of a record of commit `commit` (borrowed). */
void model_add (struct model *m, uint64_t batch, uint64_t commit, const struct wire_frames *f);
/* The next record of a random history, of `*batch`; the caller's to free. Not yet told. */
struct wire_frames model_next (struct model *m, uint64_t *batch, size_t bytes_max);
/* What a replay of the commits up to `commit` amounts to. */
uint64_t model_digest (const struct model *m, uint64_t commit);
/* Forget what came after `commit`; the history goes on from there. */
void model_cut (struct model *m, uint64_t commit);

/* A replay as a number: pass replay_take and a zeroed struct. */
struct replayed {
    uint64_t digest;
    uint64_t records; /* without that of removed batches */
    uint64_t removed_to;
};
int replay_take (void *arg, const struct wire_frames *f, struct err *e);

/* Append one random transaction of 1 to `records_max` records, as commit number `commit`, and tell
 * the model, whether or not it fails. */
int rig_turn (struct statedb *db, struct model *m, uint64_t commit, unsigned records_max,
              size_t bytes_max, struct err *e);

/* How many cases to try: $DROVER_CASES, or `usual`. */
uint64_t rig_cases (uint64_t usual);

/* Whether case i is to be tried: all are, or with $DROVER_SHARD=K/N each N-th twenty from the K-th
 * on, so that N processes share them, and each has cases of all kinds. */
bool rig_mine (uint64_t i);

/* The usual options for a place. */
struct statedb_options rig_options (const struct place *p);

/* Open, or fail the test. */
struct statedb *rig_open (const struct statedb_options *o);

/* The replay is the model's at the database's commit, or the test fails. Returns that commit. */
uint64_t rig_check (struct statedb *db, const struct model *m);

#endif
