/* url: endpoints as people write them: tcp://HOST:PORT and ipc://PATH.
 *
 * Checked here and refused in words, because the messaging library says "Invalid argument" to all
 * of it.
 */
#ifndef DROVER_NET_URL_H
#define DROVER_NET_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

enum net_transport { NET_TCP, NET_IPC };

struct net_url {
    enum net_transport transport;
    char host[256]; /* tcp: a name, an address, or "*"; IPv6 without its brackets */
    bool ipv6;      /* tcp: written in brackets */
    unsigned port;  /* tcp: 0 lets the system choose */
    char path[108]; /* ipc */
};

/* Whether one listens there or connects to it: only a listener may say "*" or port 0. */
enum net_use { NET_LISTEN, NET_CONNECT };

/* Take a url apart. -1 (EINVAL, ENAMETOOLONG) with one line that says what is wrong with it. */
int net_parse_url (const char *url, enum net_use use, struct net_url *u, struct err *e);

/* What to bind to, for a library that takes addresses and interfaces but no names: a name that
 * means an IPv4 address of some host is replaced by it. */
void net_bind_url (const char *url, const struct net_url *u, char *text, size_t size);

/* Whether the host of a parsed url has an address; sets u->ipv6 where it has none of IPv4. -1
 * (ENXIO) only if the name is certainly unknown: a name service that does not answer may do so
 * later. May wait for that service. */
int net_find_host (const char *url, struct net_url *u, struct err *e);

/* Whether only this host can reach it: ipc, or tcp on 127.0.0.0/8, ::1 or localhost. What cannot be
 * parsed is not. */
bool net_is_loopback (const char *url);

#endif
