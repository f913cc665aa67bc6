/* net: connections between peers and the broker. Each direction is in order; a cut loses what is on
 * its way, or lets it come late; a peer that is connected again has a new route, as with ZeroMQ.
 */
#ifndef DROVER_SIM_NET_H
#define DROVER_SIM_NET_H

#include "tests/sim/sim.h"

struct conn;

enum way { TO_BROKER, TO_PEER, BOTH_WAYS };

/* A message for the peer came (taken). */
typedef void net_deliver_fn (struct sim *s, void *peer, struct wire_frames *f);

/* `doubling`: peers' last messages may come a second time over their next connection. */
struct net *net_new (bool doubling);
void net_free (struct net **n);

/* A connection, which will be there in a moment. It lives until the end of the run. */
struct conn *net_connect (struct sim *s, const char *name, net_deliver_fn *deliver, void *peer);

/* The peer closes it, or is dead: nothing more comes of it. */
void net_close (struct sim *s, struct conn *c);

/* 0: taken. -1: full, later. What is sent while there is no connection waits for one. */
int net_to_broker (struct sim *s, struct conn *c, struct wire_frames *f);

/* What link_send() says of that route now: 0, EAGAIN or EHOSTUNREACH. */
int net_refuses (struct sim *s, uint64_t route);

/* A message to a peer that net_refuses() nothing (taken). It leaves after `hold_us`. */
void net_to_peer (struct sim *s, uint64_t route, struct wire_frames *f, int64_t hold_us);

/* The connection of a route; NULL: there is none. */
struct conn *net_conn (struct sim *s, uint64_t route);

/* Who is behind a route; NULL: nobody, or somebody who has closed it. */
void *net_peer (struct sim *s, uint64_t route);

/* The broker's process is gone: connections are cut, and come back only when it is there again.
 * What it said last arrives where it was `polite`. */
void net_down (struct sim *s, bool polite);
void net_up (struct sim *s);

/* Faults. Cut, and back after a time; `quiet`: the broker does not hear of it. Nothing passes that
 * way for a while (a long one may end with a cut). Nothing is taken for a while. */
void net_cut (struct sim *s, struct conn *c, int64_t down_us, bool quiet);
void net_stall (struct sim *s, struct conn *c, enum way way, int64_t us);
void net_jam (struct sim *s, struct conn *c, int64_t us);

#endif
