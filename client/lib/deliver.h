/* deliver: from items to the events that the program sees. core_next() and core_take_reply() are
 * here; this header is for core.c alone. */
#ifndef DROVER_CLIENT_DELIVER_H
#define DROVER_CLIENT_DELIVER_H

#include "client/lib/core.h"
#include "client/lib/item.h"

/* The present event is over. */
void deliver_end (struct core *c);

/* Nothing refers to the batch any more. */
void deliver_forget (struct core *c, const struct batch *b);

/* Remove an item from the queue, delivered or not. */
void deliver_drop (struct core *c, struct item *i);

#endif
