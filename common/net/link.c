/* link: the settings of the sockets are in the tables below. No heartbeats of the messaging
 * library, because they lose data behind a stalled reader; no handover of routing ids, because that
 * hands over sessions; mandatory routing, because the default drops in silence; limits on queues
 * and frames, because the defaults have none.
 */
#include "common/net/link.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/mem.h"
#include "common/net/listen.h"
#include "common/net/url.h"

#define ID_LEN 5                 /* of a routing id that the library made: 0, then 32 bits */
#define ZERO_COPY_MIN (16 << 10) /* bytes; below that a copy is cheaper than a shared count */
#define WRAP_MIN (4 << 10)       /* bytes; a smaller frame could pin a large receive buffer */

struct link {
    void *context;
    void *socket;
    enum link_type type;
    uint64_t index;
    int wait_fd;
    char *endpoint;
    struct listen_file file; /* of an ipc listener that we made */
};

struct setting {
    int option;
    int value;
    const char *name;
};

#define SET(option, value)                                                                         \
    {                                                                                              \
        option, value, #option                                                                     \
    }

static const struct setting common_settings[] = {
    SET (ZMQ_SNDHWM, 1000),
    SET (ZMQ_RCVHWM, 1000),
    SET (ZMQ_SNDTIMEO, 0),
    SET (ZMQ_RCVTIMEO, 0),
    SET (ZMQ_HANDSHAKE_IVL, 5000),
    SET (ZMQ_HEARTBEAT_IVL, 0),
    SET (ZMQ_TCP_KEEPALIVE, 1),
    SET (ZMQ_TCP_KEEPALIVE_IDLE, 10),
    SET (ZMQ_TCP_KEEPALIVE_INTVL, 5),
    SET (ZMQ_TCP_KEEPALIVE_CNT, 3),
    SET (ZMQ_TCP_MAXRT, 180000),
    SET (ZMQ_LINGER, 0),
};

static const struct setting broker_settings[] = {
    SET (ZMQ_ROUTER_MANDATORY, 1),
    SET (ZMQ_BACKLOG, 4096),
};

static const struct setting peer_settings[] = {
    SET (ZMQ_RECONNECT_IVL_MAX, 2000),
    SET (ZMQ_CONNECT_TIMEOUT, 2000),
};

static int set_int (struct link *l, const char *name, int option, int value, struct err *e)
{
    if (zmq_setsockopt (l->socket, option, &value, sizeof value) == 0)
        return 0;
    return err_sys (e, errno, "cannot set %s to %d", name, value);
}

static int set_all (struct link *l, const struct setting *s, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (set_int (l, s[i].name, s[i].option, s[i].value, e) != 0)
            return -1;
    return 0;
}

#define SET_ALL(l, table, e) set_all (l, table, sizeof (table) / sizeof (table)[0], e)

/* Peers that lost the same broker must not come back in step. */
static int random_reconnect_ms (void)
{
    unsigned char dice = 0;
    if (getrandom (&dice, sizeof dice, GRND_NONBLOCK) != sizeof dice)
        dice = 128;
    return 100 + dice * 200 / 255;
}

static int apply_settings (struct link *l, struct err *e)
{
    int64_t frame_max = WIRE_FRAME_MAX;
    if (zmq_setsockopt (l->socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) != 0)
        return err_sys (e, errno, "cannot set ZMQ_MAXMSGSIZE");
    if (SET_ALL (l, common_settings, e) != 0)
        return -1;
    if (l->type == LINK_BROKER)
        return SET_ALL (l, broker_settings, e);
    if (SET_ALL (l, peer_settings, e) != 0)
        return -1;
    return set_int (l, "ZMQ_RECONNECT_IVL", ZMQ_RECONNECT_IVL, random_reconnect_ms (), e);
}

/* The first socket of a context starts the library's threads, which inherit our signal mask: a
 * signal for the program must never land on one of them. */
static void *make_socket (void *context, int type)
{
    sigset_t all, before;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    void *socket = zmq_socket (context, type);
    int saved = errno;
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    errno = saved;
    return socket;
}

static struct link *link_new (enum link_type type, unsigned index, struct err *e)
{
    struct link *l = mem_zalloc (sizeof *l);
    size_t size = sizeof l->wait_fd;
    l->type = type;
    l->index = index;
    l->context = zmq_ctx_new ();
    if (l->context)
        l->socket = make_socket (l->context, type == LINK_BROKER ? ZMQ_ROUTER : ZMQ_DEALER);
    if (!l->socket) {
        err_sys (e, errno, "cannot make a ZeroMQ socket");
        goto out;
    }
    if (zmq_getsockopt (l->socket, ZMQ_FD, &l->wait_fd, &size) != 0) {
        err_sys (e, errno, "cannot read ZMQ_FD");
        goto out;
    }
    if (apply_settings (l, e) == 0)
        return l;
out:
    link_close (&l, 0);
    return NULL;
}

void link_close (struct link **lp, int linger_ms)
{
    struct link *l = *lp;
    if (!l)
        return;
    int saved = errno;
    *lp = NULL;
    if (l->socket) {
        zmq_setsockopt (l->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close (l->socket);
    }
    listen_remove (&l->file);
    if (l->context)
        while (zmq_ctx_term (l->context) != 0 && errno == EINTR)
            continue;
    free (l->endpoint);
    free (l);
    errno = saved;
}

static char *read_endpoint (struct link *l, const char *url)
{
    char text[512];
    size_t size = sizeof text;
    if (zmq_getsockopt (l->socket, ZMQ_LAST_ENDPOINT, text, &size) != 0 || !text[0])
        return mem_strdup (url);
    return mem_strdup (text);
}

static int bind_error (const char *url, const struct net_url *u, int code, struct err *e)
{
    switch (code) {
    case EADDRINUSE:
        return err_set (e, code, "%s: port %u is in use there: choose another, or end what has it",
                        url, u->port);
    case EACCES:
        return err_set (e, code, "%s: port %u needs privileges: choose one above 1023", url,
                        u->port);
    case EADDRNOTAVAIL:
    case ENODEV:
        return err_set (e, code, "%s: this host has no address '%s' to listen on", url, u->host);
    default:
        return err_sys (e, code, "%s: cannot listen", url);
    }
}

static int bind_link (struct link *l, const char *url, const struct net_url *u, int fd,
                      struct err *e)
{
    char bind_url[512];
    if (fd >= 0 && set_int (l, "ZMQ_USE_FD", ZMQ_USE_FD, fd, e) != 0)
        return -1;
    if (set_int (l, "ZMQ_IPV6", ZMQ_IPV6, u->ipv6, e) != 0)
        return -1;
    net_bind_url (url, u, bind_url, sizeof bind_url);
    if (zmq_bind (l->socket, bind_url) != 0)
        return bind_error (url, u, errno, e);
    l->endpoint = read_endpoint (l, url);
    return 0;
}

struct link *link_listen (const char *url, int listen_fd, unsigned index, struct err *e)
{
    struct net_url u;
    struct link *l = NULL;
    struct listen_file file = {0};
    if (net_parse_url (url, NET_LISTEN, &u, e) != 0)
        goto out;
    if (listen_fd >= 0) {
        if (listen_check (url, listen_fd, e) != 0)
            goto out;
    } else if (u.transport == NET_IPC) {
        listen_fd = listen_ipc (&u, &file, e);
        if (listen_fd < 0)
            goto out;
    }
    l = link_new (LINK_BROKER, index, e);
    if (!l || bind_link (l, url, &u, listen_fd, e) != 0)
        goto out;
    l->file = file;
    return l;
out:
    listen_remove (&file);
    if (listen_fd >= 0)
        close (listen_fd);
    link_close (&l, 0);
    return NULL;
}

struct link *link_connect (const char *url, struct err *e)
{
    struct net_url u;
    struct link *l = NULL;
    if (net_parse_url (url, NET_CONNECT, &u, e) != 0 || net_find_host (url, &u, e) != 0)
        return NULL;
    l = link_new (LINK_PEER, 0, e);
    if (!l)
        return NULL;
    if (set_int (l, "ZMQ_IPV6", ZMQ_IPV6, u.ipv6, e) != 0)
        goto out;
    if (zmq_connect (l->socket, url) != 0) {
        err_sys (e, errno, "%s: cannot connect", url);
        goto out;
    }
    l->endpoint = mem_strdup (url);
    return l;
out:
    link_close (&l, 0);
    return NULL;
}

enum link_type link_type (const struct link *l)
{
    return l->type;
}

const char *link_endpoint (const struct link *l)
{
    return l->endpoint;
}

/* Called by a thread of the library when it has written the message. */
static void drop_blob (void *bytes, void *hint)
{
    struct blob *b = hint;
    (void)bytes;
    blob_unref (&b);
}

/* A frame as the library wants it: large bodies share our bytes, the rest is copied. Headers always
 * are: they are stamped again when a message is sent again. */
static int make_msg (zmq_msg_t *m, const struct slice *s, bool header)
{
    if (!header && s->blob && s->len >= ZERO_COPY_MIN) {
        struct blob *b = blob_ref (s->blob);
        if (zmq_msg_init_data (m, (void *)(uintptr_t)s->ptr, s->len, drop_blob, b) == 0)
            return 0;
        blob_unref (&b);
        return -1;
    }
    if (zmq_msg_init_size (m, s->len) != 0)
        return -1;
    if (s->len)
        memcpy (zmq_msg_data (m), s->ptr, s->len);
    return 0;
}

static int make_msgs (zmq_msg_t *msgs, const struct wire_frames *f)
{
    for (unsigned i = 0; i < f->count; i++)
        if (make_msg (&msgs[i], &f->frame[i], i == 0) != 0) {
            while (i--)
                zmq_msg_close (&msgs[i]);
            errno = EAGAIN; /* no memory now */
            return -1;
        }
    return 0;
}

static int send_id (struct link *l, uint64_t route)
{
    uint32_t id = (uint32_t)route;
    uint8_t bytes[ID_LEN] = {0, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                             (uint8_t)id};
    int rc;
    do
        rc = zmq_send (l->socket, bytes, sizeof bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : 0;
}

static int send_msg (struct link *l, zmq_msg_t *m, bool more)
{
    int rc;
    do
        rc = zmq_msg_send (m, l->socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : 0;
}

/* Whether a message leaves is decided by its first frame; the library takes the others, or drops
 * them with the connection. */
static int send_msgs (struct link *l, uint64_t route, zmq_msg_t *msgs, unsigned count)
{
    unsigned i = 0;
    if (l->type == LINK_BROKER) {
        if (send_id (l, route) != 0)
            return -1;
    } else if (send_msg (l, &msgs[i], count > 1) == 0) {
        i++;
    } else {
        return -1;
    }
    for (; i < count; i++)
        if (send_msg (l, &msgs[i], i + 1 < count) != 0)
            zmq_msg_close (&msgs[i]);
    return 0;
}

int link_send (struct link *l, uint64_t route, struct wire_frames *f)
{
    zmq_msg_t msgs[1 + WIRE_BODIES];
    assert (f->count && f->count <= 1 + WIRE_BODIES);
    if (l->type == LINK_BROKER && route >> 32 != l->index) {
        errno = EHOSTUNREACH;
        return -1;
    }
    if (make_msgs (msgs, f) != 0)
        return -1;
    if (send_msgs (l, route, msgs, f->count) == 0) {
        wire_frames_fini (f);
        return 0;
    }
    int saved = errno;
    for (unsigned i = 0; i < f->count; i++)
        zmq_msg_close (&msgs[i]);
    errno = saved == EAGAIN ? EAGAIN : EHOSTUNREACH;
    return -1;
}

static void free_msg (void *hint)
{
    zmq_msg_close (hint);
    free (hint);
}

/* The frame as a slice; the message is empty afterwards. */
static struct slice take_msg (zmq_msg_t *m, bool header)
{
    size_t len = zmq_msg_size (m);
    if (len < WRAP_MIN || (header && len <= WIRE_HEADER_MAX)) {
        struct slice s = slice_borrowed (zmq_msg_data (m), len);
        return len ? slice_keep (&s) : (struct slice){0};
    }
    zmq_msg_t *kept = mem_zalloc (sizeof *kept);
    zmq_msg_init (kept);
    zmq_msg_move (kept, m);
    struct blob *b = blob_wrap (zmq_msg_data (kept), len, free_msg, kept);
    if (!b)
        free_msg (kept);
    return slice_of_take (b);
}

static int receive_msg (struct link *l, zmq_msg_t *m)
{
    int rc;
    do
        rc = zmq_msg_recv (m, l->socket, ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : 0;
}

/* The route of a ROUTER's id frame. An id that the library did not make is a peer that set its own:
 * it could pass for another, so nobody answers it. */
static bool read_route (const struct link *l, zmq_msg_t *m, uint64_t *route)
{
    const uint8_t *id = zmq_msg_data (m);
    if (zmq_msg_size (m) != ID_LEN || id[0] != 0)
        return false;
    *route = l->index << 32 | (uint64_t)id[1] << 24 | (uint64_t)id[2] << 16 | (uint64_t)id[3] << 8 |
             id[4];
    return true;
}

/* All frames of a message of which `m` is the first: it has arrived as a whole. Whether there were
 * as many as a message may have, and memory for them. */
static bool read_frames (struct link *l, zmq_msg_t *m, struct wire_frames *f)
{
    bool fits = true;
    for (;;) {
        bool more = zmq_msg_more (m);
        size_t len = zmq_msg_size (m);
        fits = fits && f->count <= WIRE_BODIES;
        if (fits) {
            struct slice *s = &f->frame[f->count];
            *s = take_msg (m, f->count == 0);
            f->count++;
            fits = s->len == len;
        }
        if (!more)
            return fits;
        if (receive_msg (l, m) != 0)
            return false;
    }
}

int link_receive (struct link *l, uint64_t *route, struct wire_frames *f)
{
    zmq_msg_t m;
    bool known = true, whole = false;
    *route = l->index << 32;
    *f = (struct wire_frames){0};
    zmq_msg_init (&m);
    if (receive_msg (l, &m) != 0) {
        zmq_msg_close (&m);
        return 0;
    }
    if (l->type == LINK_BROKER)
        known = read_route (l, &m, route);
    if (l->type == LINK_PEER || (zmq_msg_more (&m) && receive_msg (l, &m) == 0))
        whole = read_frames (l, &m, f);
    zmq_msg_close (&m);
    if (known && whole)
        return 1;
    wire_frames_fini (f);
    return -1;
}

bool link_readable (struct link *l)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt (l->socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

int link_wait_fd (const struct link *l)
{
    return l->wait_fd;
}
