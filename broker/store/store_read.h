/* store_read: a state directory that is looked at, and not changed. It replays as any other; what a
 * broker on it would record is dropped, so that broker accepts nothing (store_shut()).
 *
 * No file is written, made or removed, whatever the state is like: the log that a killed broker
 * left stays as it is. A broker that uses the directory keeps us out, and we keep it out.
 */
#ifndef DROVER_BROKER_STORE_READ_H
#define DROVER_BROKER_STORE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/store/store.h"

/* What the files tell beside the records. */
struct state_facts {
    const char *dir; /* absolute; lives as long as the store */
    uint64_t bytes;  /* of all its files */
    bool in_order;   /* the broker that had it last has stopped: it was not killed */
};

/* NULL: ENOENT where there is no state; EBUSY where a broker has it (its pid is named);
 * EPROTONOSUPPORT where its format is another one; EBADMSG where it is damaged. */
struct store *store_read_open (const char *dir, struct state_facts *facts, struct err *e);

#endif
