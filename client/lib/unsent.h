/* unsent: rows that wait in a session to leave, while its window or the line is shut.
 *
 * The window may be shut because tasks do not come to an end: those that wait for live input, or
 * those that somebody wants to cancel. So neither may wait behind such rows, unless it is about
 * them.
 */
#ifndef DROVER_CLIENT_UNSENT_H
#define DROVER_CLIENT_UNSENT_H

#include <stdint.h>

#include "client/lib/session.h"

/* The first row of a batch that waits to leave; UINT64_MAX: none does. */
uint64_t unsent_first (const struct session *s, uint64_t handle);

#endif
