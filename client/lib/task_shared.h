/* task_shared: the batches that the single tasks of a handle share, drover_task_run().
 *
 * The broker gives a batch to workers that have all its functions and as many slots as its widest
 * task takes. So tasks share one only with those that need the same of a worker: what no worker can
 * run holds up nobody else.
 */
#ifndef DROVER_CLIENT_TASK_SHARED_H
#define DROVER_CLIENT_TASK_SHARED_H

#include "client/drover.h"

/* Forget them; the batches are freed with the others of their handle. */
void shared_drop_all (drover_t *h);

#endif
