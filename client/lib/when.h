/* when: combinations of futures, and futures taken as they settle. */
#ifndef DROVER_CLIENT_WHEN_H
#define DROVER_CLIENT_WHEN_H

#include "client/lib/task.h"

/* Free the drover_each_t of a handle that is closed. */
void eaches_fini (struct tasks *ts);

#endif
