/* places: what a broker's workers have to run tasks with: slots, and processor cores behind them.
 */
#ifndef DROVER_CLI_PLACES_H
#define DROVER_CLI_PLACES_H

#include <stdint.h>

#include "client/drover.h"

struct places {
    uint64_t slots; /* of workers that take work */
    uint64_t cores; /* of their hosts, each counted once; 0: not all workers tell */
};

/* Ask the broker. 0; -1 with an error. */
int places_ask (drover_t *h, struct places *p, drover_error_t *e);

#endif
