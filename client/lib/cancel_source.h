/* cancel_source: what of a handle is bound to a cancel source.
 *
 * A source knows nobody: it is a reason, a state and a timer descriptor that becomes readable when
 * it is cancelled (at once, or when its time has come) and stays so. A handle has a binding for
 * each source that something of it depends on; it has the source's descriptor in its epoll set,
 * looks in every turn, and cancels what is bound. So sources may be cancelled from anywhere, and
 * only the thread of the handle ever touches the handle.
 */
#ifndef DROVER_CLIENT_CANCEL_SOURCE_H
#define DROVER_CLIENT_CANCEL_SOURCE_H

#include "client/lib/handle.h"
#include "client/lib/task.h"

/* Bind a pending future; its source is not cancelled. `cancel` NULL: nothing. 0; -1: no room in the
 * epoll set. */
int binding_add_task (struct drover_task *t, drover_cancel_source_t *cancel, drover_error_t *e);
void binding_drop_task (struct drover_task *t);

/* Likewise a batch. */
int binding_add_batch (struct drover_batch *b, drover_cancel_source_t *cancel, drover_error_t *e);
void binding_drop_batch (struct drover_batch *b);

/* Be woken when it is cancelled. 0 or -1. */
int binding_add_wait (drover_t *h, drover_cancel_source_t *cancel, struct binding **to,
                      drover_error_t *e);
void binding_drop_wait (struct binding **b);

/* Cancel what is bound to sources that are cancelled. */
void bindings_look (drover_t *h);

#endif
