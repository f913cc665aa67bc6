/* store: where the broker keeps what it must not lose, behind a dozen verbs. doc/DESIGN.md,
 * "State".
 *
 * Records are encoded messages in the broker's own numbers (sched.h, EFFECT_RECORD). Each belongs
 * to a batch, and is the next of that batch; batches are independent of each other. Those of batch
 * 0 are of workers' sessions: HELLO with the token that was given, and LEFT, which ends it. REMOVE
 * ends a batch: nothing of it is needed any more, but that its number is not given again.
 *
 * All records of a turn become one numbered commit; store_committed() tells up to which number
 * commits hold, at once or later. A commit that fails leaves the store as it was before; the
 * scheduler is then ahead of it and must be replayed.
 */
#ifndef DROVER_BROKER_STORE_H
#define DROVER_BROKER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/wire/wire.h"

struct store;

/* Called for each record: first those of sessions that have not ended, then batch by batch, of each
 * in its order; among all the REMOVE of the highest batch that was removed, if any. Or all of them
 * in the order of their commits, which is the same to the scheduler. Other than 0 stops. */
typedef int store_replay_fn (void *arg, const struct wire_frames *record, struct err *e);

/* What an engine offers. `self` is its own. */
struct store_verbs {
    const char *name;   /* for people: "memory" */
    bool wants_records; /* false: EFFECT_RECORD would be wasted on it */
    const char *shut;   /* why it takes no commits at all: those it is given are dropped */
    bool durable;       /* what was committed outlives the process, and peers may be told so */
    int (*append) (void *self, uint64_t batch, const struct wire_frames *record, struct err *e);
    int (*commit) (void *self, uint64_t number, struct err *e);
    uint64_t (*committed) (void *self);
    int (*ready_fd) (void *self); /* readable when `committed` may have grown; -1: never needed */
    int (*replay) (void *self, store_replay_fn *fn, void *arg, struct err *e);
    int (*reopen) (void *self, struct err *e); /* NULL: nothing to do */
    int (*probe) (void *self, struct err *e);  /* NULL: nothing to do */
    bool (*went_back) (void *self);            /* NULL: never */
    void (*close) (void *self);
};

/* A store on an engine; takes `self`. */
struct store *store_new (const struct store_verbs *verbs, void *self);
void store_close (struct store **s);

/* The store of a broker without a state directory: keeps nothing, and every commit holds at once.
 */
struct store *store_mem (void);

const char *store_name (const struct store *s);
bool store_wants_records (const struct store *s);
bool store_is_durable (const struct store *s);

/* Why nothing is kept, though what was kept can be read; NULL: it is not so. */
const char *store_shut (const struct store *s);

/* Whether commits that were told to hold may be missing since it was opened: power failed while not
 * each of them was synced, or it was salvaged. */
bool store_went_back (const struct store *s);

/* Add a record of a batch (0: of a session) to the commit in the making (borrowed). -1: that commit
 * is void, as if nothing had been added to it. */
int store_append (struct store *s, uint64_t batch, const struct wire_frames *record, struct err *e);

/* Commit what was appended as `number`: one more than the last; behind store_reopen(), any that is
 * higher. Without records it costs nothing. -1: nothing of it was kept, nor of an earlier one that
 * was accepted and does not hold: the store is of no use before store_reopen(). */
int store_commit (struct store *s, uint64_t number, struct err *e);

uint64_t store_committed (struct store *s);
int store_ready_fd (struct store *s);
int store_replay (struct store *s, store_replay_fn *fn, void *arg, struct err *e);

/* After a failure: begin anew from what is on the disk (a failed fsync is final for its handle).
 * All that does not hold is gone, then. -1: what is there cannot be read or is damaged. */
int store_reopen (struct store *s, struct err *e);

/* Try whether a commit would hold now, without one: 0, or -1 with the reason. */
int store_probe (struct store *s, struct err *e);

#endif
