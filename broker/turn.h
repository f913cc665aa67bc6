/* turn: the broker's thin shell. Messages become events, effects become records and messages; one
 * commit a turn.
 *
 *     wait -> clock -> drain each link -> deadlines -> end of turn -> one commit -> what may leave
 *
 * All of it but the waiting is one call, so that nobody is judged before what has come from him is
 * read: a broker that stood still finds its mail and its deadlines at one time.
 *
 * A commit that fails leaves memory ahead of the store: the scheduler is dropped and replayed from
 * it, and takes no new work until the store takes commits again. Sends that a peer's connection
 * does not take now are parked in order, and tried again.
 */
#ifndef DROVER_BROKER_TURN_H
#define DROVER_BROKER_TURN_H

#include "broker/core/sched.h"
#include "broker/store/store.h"
#include "common/net/link.h"

struct turn;

enum { TURN_LINKS_MAX = 16 };

/* Links and store are borrowed. NULL with an error when the store cannot be replayed. */
struct turn *turn_new (const struct sched_config *cfg, struct store *store, struct err *e);
void turn_free (struct turn **t);

int turn_add_link (struct turn *t, struct link *l, struct err *e);

/* The broker is to end: peers are told in the next turn, and then turn_run() says so. */
void turn_stop (struct turn *t);

/* One turn: read what each link has, up to a bound; do what is due; commit; speak. Returns 1 when
 * the broker may leave, 0 to go on, -1 with an error when it cannot. */
int turn_run (struct turn *t, struct err *e);

/* When the loop must wake at the latest. */
int64_t turn_deadline (const struct turn *t);

const struct sched *turn_sched (const struct turn *t);

#endif
