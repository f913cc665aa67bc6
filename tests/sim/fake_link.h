/* fake_link: in place of common/net/link.c, a broker's link without a socket.
 *
 * What turn.c sends goes to a function of the test, what it receives was pushed there before. So
 * the broker's own turn runs under a virtual network.
 */
#ifndef DROVER_SIM_FAKE_LINK_H
#define DROVER_SIM_FAKE_LINK_H

#include "common/net/link.h"

/* 0: taken (the frames are then the function's), or EAGAIN, or EHOSTUNREACH. */
typedef int fake_link_send_fn (void *arg, uint64_t route, struct wire_frames *f);

struct link *fake_link_new (fake_link_send_fn *send, void *arg);
void fake_link_free (struct link **l);

/* A message that link_receive() will find. */
void fake_link_push_take (struct link *l, uint64_t route, struct wire_frames *f);

/* A message that link_receive() will refuse. */
void fake_link_push_bad (struct link *l, uint64_t route);

#endif
