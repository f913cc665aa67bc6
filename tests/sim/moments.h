/* moments: faults that come together, at a time at which much is said and little is heard. Each of
 * them could be made of those in faults.c by chance, and would be once in many thousand lives. */
#ifndef DROVER_SIM_MOMENTS_H
#define DROVER_SIM_MOMENTS_H

#include "tests/sim/sim.h"

/* A slow broker that is asked for much is told to stop. */
bool moment_stop (struct sim *s);
/* A worker is to leave at once, and for a while the broker does not hear that. */
bool moment_worker_leaves (struct sim *s);
/* A client says goodbye in the middle of its work, and is not heard at once. */
bool moment_client_leaves (struct sim *s);
/* The disk takes nothing for a moment; behind it everybody says HELLO again, and somebody late. */
bool moment_no_room (struct sim *s);
/* The broker is killed, and who comes back to the next one is cut off at once. */
bool moment_return (struct sim *s);

#endif
