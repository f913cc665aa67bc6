/* find: which broker, and whether one listens there. doc/drover.1, "Which broker". */
#ifndef DROVER_CLIENT_FIND_H
#define DROVER_CLIENT_FIND_H

#include <stdbool.h>
#include <stdint.h>

#include "client/drover.h"

#define FIND_URL_MAX 512

/* Whether a session without keys is allowed with that broker, by the flags or the environment: 0,
 * or -1 with the mend. */
int find_allowed (const char *url, unsigned flags, drover_error_t *e);

/* Whether somebody listens: 0; -1 when the place is there and refuses, or is not there at all, or
 * the url is wrong. What does not answer within wait_ms, or cannot be told, counts as 0: the
 * session will find out. */
int find_probe (const char *url, int64_t wait_ms, drover_error_t *e);

#endif
