/* restart: a broker that was restarted and has all it acknowledged. For core.c.
 *
 * The session is a new one, so every batch is opened again, by its key, and attached to again,
 * behind the records that have come; what the broker had not acknowledged is still in the channel
 * and follows; requests without an answer are asked again. What it says that it has is compared
 * with what it had acknowledged: a state that went back is not gone on with.
 * doc/PROTOCOL.md, "A broker that was restarted".
 */
#ifndef DROVER_CLIENT_RESTART_H
#define DROVER_CLIENT_RESTART_H

#include "client/lib/core.h"

/* After SESSION_RESTARTED, before anything is sent. */
void restart_begin (struct core *c);

/* The answer to an OPEN of restart_begin(). False: the batch cannot go on, and was broken. */
bool restart_opened (struct core *c, struct batch *b, const struct msg_opened *m);
/* The answer to any ATTACH. False: the number is another batch's by now; this one was broken. */
bool restart_attached (struct core *c, struct batch *b, const struct msg_opened *m);

/* The handle that a message of ours is about; 0: none. */
uint64_t restart_handle (const struct wire_frames *f);

/* The batch is about to be forgotten here, while what was said of it may have to be said again. */
void restart_add_ghost (struct core *c, const struct batch *b);
void restart_forget_ghosts (struct core *c);

#endif
