/* store_sqlite: the store of a broker with a state directory.
 *
 * The database is a second thread's: a disk that takes seconds for one write must not look like a
 * broker that is dead. A turn's records are queued as one commit; the thread takes all that are
 * queued into one transaction (group commit), and an eventfd tells the loop that they hold.
 */
#ifndef DROVER_BROKER_STORE_SQLITE_H
#define DROVER_BROKER_STORE_SQLITE_H

#include "broker/store/statedb.h"
#include "broker/store/store.h"

/* Take the directory o->dir and open the database in it: NULL as state_dir_open() and
 * statedb_open() say. */
struct store *store_sqlite_open (const struct statedb_options *o, struct err *e);

#endif
