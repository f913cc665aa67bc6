/* chan_rig: one end of a channel: messages that carry a mark, and what leaves. */
#ifndef DROVER_TEST_CHAN_RIG_H
#define DROVER_TEST_CHAN_RIG_H

#include "common/wire/chan.h"

struct sent {
    uint64_t seq, ack, mark;
};

/* Queue a message that carries `mark`; the second with a body of `bytes`, 64 KiB at the most. */
void post (struct chan *c, enum chan_lane lane, uint64_t mark, uint64_t hold);
void post_bulk (struct chan *c, uint64_t mark, size_t bytes);

/* The next message, or zeros. */
struct sent next (struct chan *c);

void leaves (struct chan *c, uint64_t seq, uint64_t mark);
void nothing_leaves (struct chan *c);

#endif
