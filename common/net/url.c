#include "common/net/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SHAPES "an endpoint is tcp://HOST:PORT or ipc://PATH"

static int parse_ipc (const char *url, const char *path, struct net_url *u, struct err *e)
{
    size_t len = strlen (path);
    u->transport = NET_IPC;
    if (!len)
        return err_set (e, EINVAL, "%s: the path is missing; " SHAPES, url);
    if (path[0] == '@')
        return err_set (e, EINVAL,
                        "%s: abstract socket names are not used, because any user could connect; "
                        "name a file in a directory of your own",
                        url);
    _Static_assert(sizeof u->path == sizeof ((struct sockaddr_un *)0)->sun_path, "sun_path");
    if (len >= sizeof u->path)
        return err_set (e, ENAMETOOLONG,
                        "%.200s: the path has %zu bytes, a Unix socket's may have %zu: name a "
                        "shorter one",
                        url, len, sizeof u->path - 1);
    memcpy (u->path, path, len + 1);
    return 0;
}

/* The host, and where the port begins; NULL if there is no such split. */
static const char *split_host (const char *from, struct net_url *u)
{
    const char *colon;
    size_t len;
    if (*from == '[') {
        const char *end = strchr (from, ']');
        if (!end || end[1] != ':')
            return NULL;
        u->ipv6 = true;
        from++;
        len = (size_t)(end - from);
        colon = end + 1;
    } else {
        colon = strrchr (from, ':');
        if (!colon)
            return NULL;
        len = (size_t)(colon - from);
    }
    if (len == 0 || len >= sizeof u->host)
        return NULL;
    memcpy (u->host, from, len);
    u->host[len] = '\0';
    return colon + 1;
}

static bool plain_host (const struct net_url *u)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._";
    if (u->ipv6) {
        struct in6_addr address;
        char bare[sizeof u->host];
        memcpy (bare, u->host, sizeof bare);
        bare[strcspn (bare, "%")] = '\0'; /* the interface of a link-local address */
        return inet_pton (AF_INET6, bare, &address) == 1;
    }
    return u->host[strspn (u->host, letters)] == '\0';
}

static int parse_port (const char *text, unsigned *port)
{
    size_t digits = strspn (text, "0123456789");
    if (strcmp (text, "*") == 0) {
        *port = 0;
        return 0;
    }
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return -1;
    *port = (unsigned)strtoul (text, NULL, 10);
    return *port <= 65535 ? 0 : -1;
}

static int parse_tcp (const char *url, const char *rest, enum net_use use, struct net_url *u,
                      struct err *e)
{
    u->transport = NET_TCP;
    const char *port = split_host (rest, u);
    if (!port)
        return err_set (e, EINVAL, "%.200s: host or port is missing; " SHAPES, url);
    bool any = strcmp (u->host, "*") == 0 && !u->ipv6;
    if (!any && strchr (u->host, ':') && !u->ipv6)
        return err_set (e, EINVAL,
                        "%.200s: an IPv6 address is written in brackets: tcp://[::1]:PORT", url);
    if (!any && !plain_host (u))
        return err_set (e, EINVAL, "%.200s: '%s' is no host name or address", url, u->host);
    if (parse_port (port, &u->port) != 0)
        return err_set (e, EINVAL, "%.200s: '%.40s' is no port (1 to 65535)", url, port);
    if (use == NET_CONNECT && any)
        return err_set (e, EINVAL, "%s: nobody can connect to '*': name the broker's host", url);
    if (use == NET_CONNECT && u->port == 0)
        return err_set (e, EINVAL, "%s: nobody can connect to port 0: name the broker's port", url);
    return 0;
}

int net_parse_url (const char *url, enum net_use use, struct net_url *u, struct err *e)
{
    *u = (struct net_url){0};
    if (strncmp (url, "ipc://", 6) == 0)
        return parse_ipc (url, url + 6, u, e);
    if (strncmp (url, "tcp://", 6) == 0)
        return parse_tcp (url, url + 6, use, u, e);
    return err_set (e, EINVAL, "'%.200s': " SHAPES, url);
}

/* The first address of a name, as text. 0, or an EAI code. */
static int look_up (const char *name, int family, char *text, size_t size)
{
    struct addrinfo *found = NULL;
    struct addrinfo want = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    int rc = getaddrinfo (name, NULL, &want, &found);
    if (rc == 0)
        rc = getnameinfo (found->ai_addr, found->ai_addrlen, text, (socklen_t)size, NULL, 0,
                          NI_NUMERICHOST);
    if (found)
        freeaddrinfo (found);
    return rc;
}

static bool is_numeric (const struct net_url *u)
{
    struct in_addr v4;
    return u->ipv6 || inet_pton (AF_INET, u->host, &v4) == 1;
}

void net_bind_url (const char *url, const struct net_url *u, char *text, size_t size)
{
    char address[INET6_ADDRSTRLEN];
    bool name = u->transport == NET_TCP && !is_numeric (u) && strcmp (u->host, "*") != 0;
    if (name && look_up (u->host, AF_INET, address, sizeof address) == 0)
        snprintf (text, size, "tcp://%s:%u", address, u->port);
    else
        snprintf (text, size, "%s", url);
}

int net_find_host (const char *url, struct net_url *u, struct err *e)
{
    char address[INET6_ADDRSTRLEN];
    if (u->transport != NET_TCP || is_numeric (u))
        return 0;
    int rc = look_up (u->host, AF_INET, address, sizeof address);
    if (rc == 0)
        return 0;
    if (look_up (u->host, AF_INET6, address, sizeof address) == 0) {
        u->ipv6 = true;
        return 0;
    }
    if (rc == EAI_NONAME || rc == EAI_NODATA || rc == EAI_ADDRFAMILY)
        return err_set (e, ENXIO, "%s: there is no host '%s'", url, u->host);
    return 0;
}

bool net_is_loopback (const char *url)
{
    struct net_url u;
    struct in_addr v4;
    struct in6_addr v6;
    if (net_parse_url (url, NET_LISTEN, &u, NULL) != 0)
        return false;
    if (u.transport == NET_IPC || strcasecmp (u.host, "localhost") == 0)
        return true;
    if (u.ipv6)
        return inet_pton (AF_INET6, u.host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK (&v6);
    return inet_pton (AF_INET, u.host, &v4) == 1 && ntohl (v4.s_addr) >> 24 == 127;
}
