/* listen: Unix sockets to listen on, made here because the messaging library would silently take
 * over a path on which somebody else listens. For link.c. */
#ifndef DROVER_NET_LISTEN_H
#define DROVER_NET_LISTEN_H

#include <sys/types.h>

#include "common/base/err.h"
#include "common/net/url.h"

/* The file of a listening Unix socket that we made; zero: none. */
struct listen_file {
    char path[108];
    dev_t dev;
    ino_t ino;
};

/* Bind and listen, mode 0600; of several who do so at one time, one succeeds. Returns the
 * descriptor and fills `file`, or -1: EADDRINUSE if somebody listens there or the path is no
 * socket, ENOENT or EACCES for the directory. */
int listen_ipc (const struct net_url *u, struct listen_file *file, struct err *e);

/* Check that a descriptor from outside is a listening socket (the library aborts otherwise), and
 * make it non-blocking and close-on-exec. */
int listen_check (const char *url, int fd, struct err *e);

/* Remove the file, unless somebody has put another in its place. */
void listen_remove (struct listen_file *file);

#endif
