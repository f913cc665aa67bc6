/* private: a broker and a worker of one client, that nobody else sees.
 *
 * The client makes the socket and listens on it before either program starts, so that everybody can
 * connect at once. Its name in the file system is removed before that, too: what remains is a
 * descriptor of the client, and its path in /proc is what the others connect to, again also after a
 * break. So nothing is left in the file system, whoever is killed and when. (The name stays until
 * the end where others may not follow that path, as when the client has changed its user.) Both
 * programs hold the end of a pipe whose other end only the client has: when the client is gone,
 * they end, with all that they run.
 */
#ifndef DROVER_CLIENT_PRIVATE_H
#define DROVER_CLIENT_PRIVATE_H

#include <stdbool.h>

#include "common/base/err.h"

struct private;

/* Start both; with `state`, a broker alone, which shows what is in that directory and changes
 * nothing. slots: of the worker, 0 for its default. debug: their logs go to stderr; otherwise only
 * what ends them does. NULL with an error: the programs are not found, or cannot be started (what
 * was started is ended then). */
struct private *private_start (unsigned slots, const char *state, bool debug, struct err *e);

/* End both, and wait for them: up to 2 s, then they are killed. */
void private_stop (struct private **p);

/* Where it listens; lives as long as `p`. */
const char *private_url (const struct private *p);

/* Descriptors that become readable when the broker or the worker has ended; -1: none. */
int private_broker_fd (const struct private *p);
int private_worker_fd (const struct private *p);

/* Look whether one of them has ended: true with a text that says which and how. EIO: the broker
 * could not read the state, and has said why on stderr; else ECHILD. */
bool private_ended (struct private *p, struct err *e);

#endif
