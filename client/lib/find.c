#include "client/lib/find.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/lib/fault.h"
#include "common/base/userdir.h"
#include "common/net/insecure.h"
#include "common/net/url.h"

#define SUN_PATH_MAX 108

static bool is_tcp (const char *url)
{
    return strncmp (url, "tcp:", 4) == 0;
}

/* What the flags say, else the environment. */
static int how_insecure (unsigned flags, enum insecure *how, struct err *e)
{
    *how = INSECURE_NO;
    if (flags & DROVER_OPEN_INSECURE_PUBLIC)
        *how = INSECURE_PUBLIC;
    else if (flags & DROVER_OPEN_INSECURE)
        *how = INSECURE_LOOPBACK;
    else
        return insecure_environment (how, e);
    return 0;
}

int find_allowed (const char *url, unsigned flags, drover_error_t *e)
{
    enum insecure insecure;
    struct net_url u;
    struct err why = {0};
    if (net_parse_url (url, NET_CONNECT, &u, &why) != 0) /* before who may reach it */
        return fault_err (e, &why);
    if (how_insecure (flags, &insecure, &why) != 0)
        return fault_err (e, &why);
    if (!is_tcp (url) || insecure == INSECURE_PUBLIC)
        return 0;
    if (net_is_loopback (url)) {
        if (insecure == INSECURE_LOOPBACK)
            return 0;
        return fault_set (e, DROVER_EFORBIDDEN,
                          "%s: a tcp broker needs keys; to go without them on this host, say "
                          "--insecure (or DROVER_INSECURE=1)",
                          url);
    }
    return fault_set (e, DROVER_EFORBIDDEN,
                      "%s: a tcp broker needs keys; to go without them in a network that is yours "
                      "alone, say --insecure=public (or DROVER_INSECURE=public)",
                      url);
}

/* 0, or the errno value; EINPROGRESS where there was no answer in time. */
static int try_connect (const struct sockaddr *a, socklen_t size, int64_t wait_ms)
{
    int fd = socket (a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return EINPROGRESS;
    int rc = connect (fd, a, size) == 0 ? 0 : errno;
    if (rc == EINPROGRESS) {
        struct pollfd p = {fd, POLLOUT, 0};
        socklen_t len = sizeof rc;
        if (poll (&p, 1, (int)(wait_ms < INT32_MAX ? wait_ms : INT32_MAX)) > 0)
            getsockopt (fd, SOL_SOCKET, SO_ERROR, &rc, &len);
    }
    close (fd);
    return rc;
}

static int probe_ipc (const struct net_url *u)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy (a.sun_path, u->path, sizeof a.sun_path);
    return try_connect ((struct sockaddr *)&a, sizeof a, 0);
}

static int probe_tcp (const struct net_url *u, int64_t wait_ms)
{
    char port[12];
    struct addrinfo hints = {.ai_family = u->ipv6 ? AF_INET6 : AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    snprintf (port, sizeof port, "%u", u->port);
    if (getaddrinfo (u->host, port, &hints, &found) != 0)
        return EINPROGRESS; /* the link says it in words */
    int rc = try_connect (found->ai_addr, found->ai_addrlen, wait_ms);
    freeaddrinfo (found);
    return rc;
}

/* What a broker needs to listen there. */
static const char *insecure_word (const char *url)
{
    if (!is_tcp (url))
        return "";
    return net_is_loopback (url) ? " --insecure" : " --insecure=public";
}

int find_probe (const char *url, int64_t wait_ms, drover_error_t *e)
{
    struct net_url u;
    struct err why = {0};
    if (net_parse_url (url, NET_CONNECT, &u, &why) != 0)
        return fault_err (e, &why);
    int rc = u.transport == NET_IPC ? probe_ipc (&u) : probe_tcp (&u, wait_ms);
    switch (rc) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTSOCK:
        return fault_set (e, DROVER_ENOBROKER,
                          "no broker listens at %s: start one with `drover broker start --listen "
                          "%s%s`, or name another with --broker",
                          url, url, insecure_word (url));
    case EACCES:
    case EPERM:
        return fault_set (e, DROVER_EFORBIDDEN, "%s: %s: this broker is another user's", url,
                          strerror (rc));
    case EHOSTUNREACH:
    case ENETUNREACH:
        return fault_set (e, DROVER_ENOBROKER, "%s: %s: check the address and the network", url,
                          strerror (rc));
    default:
        return 0;
    }
}

static int copy_url (char *to, size_t size, const char *url, drover_error_t *e)
{
    int n = snprintf (to, size, "%s", url);
    if (n < 0 || (size_t)n >= size)
        return fault_set (e, DROVER_EINVAL, "the broker's URL is too long (%zu bytes at the most)",
                          size - 1);
    return 1;
}

/* As when XDG_RUNTIME_DIR is still that of the user before su. */
static bool is_out_of_reach (const struct err *why)
{
    return why->code == EACCES || why->code == ENOTDIR;
}

/* The user's own, if it is alive. Where its place cannot be reached nobody of this user listens,
 * which only matters to who needs one. */
static int own_broker (unsigned flags, char *url, size_t size, drover_error_t *e)
{
    struct err why = {0};
    if (userdir_broker (url, size, false, &why) == 0)
        return find_probe (url, 0, NULL) == 0;
    if (why.code == ENOENT || (is_out_of_reach (&why) && !(flags & DROVER_OPEN_NO_PRIVATE)))
        return 0;
    return fault_set (e, why.code == EPERM ? DROVER_EFORBIDDEN : DROVER_ESYSTEM, "%s%s", why.text,
                      is_out_of_reach (&why) ? ": set XDG_RUNTIME_DIR to a directory of yours, or "
                                               "name a broker with --broker"
                                             : "");
}

int drover_find_broker (const drover_options_t *options, char *url, size_t size, drover_error_t *e)
{
    unsigned flags = options ? options->flags : 0;
    const char *named = options ? options->broker : NULL;
    if (flags & DROVER_OPEN_LOCAL)
        return 0;
    if (named && *named)
        return copy_url (url, size, named, e);
    named = getenv ("DROVER_BROKER");
    if (named && *named)
        return copy_url (url, size, named, e);
    return own_broker (flags, url, size, e);
}

int drover_user_broker (char *url, size_t size, int create, drover_error_t *e)
{
    char dir[SUN_PATH_MAX] = "";
    struct err why = {0};
    /* where the directory is not there yet, its name is known all the same */
    if (userdir_path (dir, sizeof dir, create != 0, &why) != 0 &&
        (create || (why.code != ENOENT && !is_out_of_reach (&why))))
        return fault_set (e, why.code == EPERM ? DROVER_EFORBIDDEN : DROVER_ESYSTEM, "%s",
                          why.text);
    int n = snprintf (url, size, "ipc://%s/broker", dir);
    if (n < 0 || (size_t)n >= size || strlen (dir) + sizeof "/broker" > SUN_PATH_MAX)
        return fault_set (e, DROVER_EINVAL,
                          "%s/broker is too long for the path of a Unix socket (%d bytes at the "
                          "most): set XDG_RUNTIME_DIR to a shorter one",
                          dir, SUN_PATH_MAX - 1);
    return 0;
}
