/* store: where the broker keeps what it must not lose, behind a dozen verbs. doc/DESIGN.md,
 * "State".
 *
 * Records are encoded messages in the broker's own numbers (sched.h, EFFECT_RECORD). All records of
 * a turn become one numbered commit; store_committed() tells up to which number commits hold, at
 * once or later. A commit that fails leaves the store as it was before; the scheduler is then ahead
 * of it and must be replayed.
 */
#ifndef DROVER_BROKER_STORE_H
#define DROVER_BROKER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/wire/wire.h"

struct store;

/* Called for each record, in the order of its commit; other than 0 stops. */
typedef int store_replay_fn (void *arg, const struct wire_frames *record, struct err *e);

/* What an engine offers. `self` is its own. */
struct store_verbs {
    const char *name;   /* for people: "memory" */
    bool wants_records; /* false: EFFECT_RECORD would be wasted on it */
    int (*append) (void *self, const struct wire_frames *record, struct err *e);
    int (*commit) (void *self, uint64_t number, struct err *e);
    uint64_t (*committed) (void *self);
    int (*ready_fd) (void *self); /* readable when `committed` may have grown; -1: never needed */
    int (*replay) (void *self, store_replay_fn *fn, void *arg, struct err *e);
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

/* Add a record to the commit in the making (borrowed). -1: that commit is void, as if nothing had
 * been added to it. */
int store_append (struct store *s, const struct wire_frames *record, struct err *e);

/* Commit what was appended as `number`: one more than the last. -1: nothing of it was kept. */
int store_commit (struct store *s, uint64_t number, struct err *e);

uint64_t store_committed (struct store *s);
int store_ready_fd (struct store *s);
int store_replay (struct store *s, store_replay_fn *fn, void *arg, struct err *e);

#endif
