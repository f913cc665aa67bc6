/* link: one ZeroMQ socket that carries messages of the protocol as frames.
 *
 * A broker's link is a ROUTER, a peer's (client or worker) a DEALER. Each link has a context of its
 * own: links of different threads have nothing in common. Plain libzmq: no signal handler, no
 * atexit hook, no global; its threads have every signal blocked. A link belongs to one thread, and
 * must not be used in a child after fork(). Nothing here blocks. Nothing here is an
 * acknowledgement: what was sent may still be lost (chan.h).
 */
#ifndef DROVER_NET_LINK_H
#define DROVER_NET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/wire/wire.h"

struct link;

enum link_type {
    LINK_BROKER, /* ROUTER: many peers, told apart by their route */
    LINK_PEER,   /* DEALER: one broker; the route is 0 */
};

/* Listen. tcp: port 0 or "*" lets the system choose. ipc: the socket file gets mode 0600; a file
 * that nobody listens on is replaced, a living one is refused (EADDRINUSE); link_close() removes
 * it.
 * listen_fd: -1, or a socket that is bound there and listening already; the link takes it (also
 * when it fails), and leaves its file to whoever made it. index: tells the links of a broker apart,
 * in the upper half of each route. Errors are one line with the mend. */
struct link *link_listen (const char *url, int listen_fd, unsigned index, struct err *e);

/* Connect, and stay at it: the broker need not be there yet, and may go and come back. What is sent
 * meanwhile waits. Only a url that cannot be right fails. */
struct link *link_connect (const char *url, struct err *e);

/* Close. What was sent and is not written yet has linger_ms to leave: 0 after a goodbye was
 * answered, 1000 on a forced exit. Waits that long at the most. */
void link_close (struct link **l, int linger_ms);

enum link_type link_type (const struct link *l);

/* The url, with the port that the system chose. Lives as long as the link. */
const char *link_endpoint (const struct link *l);

/* 0: sent, and the frames are consumed. -1: not sent, the caller still owns them; errno is EAGAIN
 * (full: later), or EHOSTUNREACH (that peer is gone; routes are not used again). */
int link_send (struct link *l, uint64_t route, struct wire_frames *f);

/* 1: a message. 0: nothing now. -1: a message with too many frames, or from a peer that chose its
 * own routing id; it is consumed, and *route says whose it was (a route that nobody has where it
 * cannot be answered). Frames are the caller's. */
int link_receive (struct link *l, uint64_t *route, struct wire_frames *f);

/* Whether link_receive() would find something. */
bool link_readable (struct link *l);

/* The descriptor to wait on, for reading, in a loop that is not ours. It tells of changes, not of
 * states: call link_readable() before each sleep, also after sending, and sleep only if that is
 * false. */
int link_wait_fd (const struct link *l);

#endif
