/* net: connections between peers and the broker. Each direction is in order; a cut loses what is on
 * its way; a peer that is connected again has a new route, as with ZeroMQ.
 */
#ifndef DROVER_SIM_NET_H
#define DROVER_SIM_NET_H

#include "tests/sim/sim.h"

struct conn;

/* A message for the peer came (taken). */
typedef void net_deliver_fn (struct sim *s, void *peer, struct wire_frames *f);

struct net *net_new (void);
void net_free (struct net **n);

/* A connection, which will be there in a moment. It lives until the end of the run. */
struct conn *net_connect (struct sim *s, const char *name, net_deliver_fn *deliver, void *peer);

/* The peer closes it, or is dead: nothing more comes of it. */
void net_close (struct sim *s, struct conn *c);

/* 0: taken. -1: full, later. What is sent while there is no connection waits for one. */
int net_to_broker (struct sim *s, struct conn *c, struct wire_frames *f);

/* 0, EAGAIN or EHOSTUNREACH, as link_send(). */
int net_to_peer (struct sim *s, uint64_t route, struct wire_frames *f);

/* Who is behind a route; NULL: nobody, or somebody who has closed it. */
void *net_peer (struct sim *s, uint64_t route);

/* Faults. Cut, and back after a time; `quiet`: the broker does not hear of it. Nothing passes for a
 * while. Nothing is taken for a while. */
void net_cut (struct sim *s, struct conn *c, int64_t down_us, bool quiet);
void net_cut_all (struct sim *s);
void net_stall (struct sim *s, struct conn *c, int64_t us);
void net_jam (struct sim *s, struct conn *c, int64_t us);

#endif
