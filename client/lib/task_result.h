/* task_result: what a settled future keeps.
 *
 * A program may hold a hundred thousand results and read few of them. So a small result is packed
 * as it came over the wire, beside names that many share, and made into a drover_result_t when the
 * program asks; only large ones are kept as drover_result_keep() would.
 */
#ifndef DROVER_CLIENT_TASK_RESULT_H
#define DROVER_CLIENT_TASK_RESULT_H

#include "client/lib/task.h"

/* From the core; a large one stands alone already (result.h). */
void task_result_take (struct drover_task *t, const drover_result_t *r);

/* The same as another's. */
void task_result_share (struct drover_task *t, const struct drover_task *other);

/* Of our own; no worker had to do with it. */
void task_result_own (struct drover_task *t, const struct outcome *o);

void task_result_drop (struct drover_task *t);

#endif
