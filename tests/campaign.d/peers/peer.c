#include "tests/campaign.d/peers/peer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/wire/rows.h"

#define OUR_WINDOW_BYTES (4u << 20)
#define HELLO_AGAIN_US (5 * US_PER_S)
#define FIRST_WINDOW_MSGS 1024
#define FIRST_WINDOW_BYTES (1u << 20)

void peer_fail (const char *fmt, ...)
{
    va_list args;
    va_start (args, fmt);
    fputs ("peers: ", stderr);
    vfprintf (stderr, fmt, args);
    fputc ('\n', stderr);
    va_end (args);
    fflush (stdout);
    _exit (1);
}

static bool can_send (struct peer *p)
{
    return zsock_events (p->sock) & ZMQ_POLLOUT;
}

/* Takes the frames. Only called where the socket takes a message: all of it goes, or none. */
static void transmit_take (struct peer *p, struct wire_frames *f)
{
    zmsg_t *msg = zmsg_new ();
    for (unsigned i = 0; i < f->count; i++)
        zmsg_addmem (msg, f->frame[i].ptr, f->frame[i].len);
    if (zmsg_send (&msg, p->sock) != 0)
        zmsg_destroy (&msg);
    wire_frames_fini (f);
}

static void encode (const struct wire *w, struct wire_frames *f)
{
    struct err e;
    if (wire_encode (w, f, &e) != 0)
        peer_fail ("%s cannot be encoded: %s", wire_name (w->kind), e.text);
}

bool peer_say (struct peer *p, const struct wire *w)
{
    struct wire_frames f;
    if (!can_send (p))
        return false;
    encode (w, &f);
    transmit_take (p, &f);
    return true;
}

void peer_post (struct peer *p, enum chan_lane lane, const struct wire *w)
{
    struct wire_frames f;
    encode (w, &f);
    chan_post_take (p->chan, lane, &f, 0);
}

static void say_hello (struct peer *p, int64_t now)
{
    char name[64];
    struct buf functions;
    struct wire w = {.kind = WIRE_HELLO};
    snprintf (name, sizeof name, "%s.%ld.%u", p->c->stem ? p->c->stem : "peer", (long)getpid (),
              p->number);
    w.m.hello = (struct msg_hello){
        .min_major = WIRE_MAJOR,
        .max_major = WIRE_MAJOR,
        .features = FEATURE_PARTS,
        .role = p->c->role,
        .token = p->token,
        .received = chan_received (p->chan),
        .name = bytes_str (name),
        .host = bytes_str ("localhost"),
        .version = bytes_str ("peers"),
        .pid = (uint64_t)getpid (),
        .slots = p->c->slots,
    };
    buf_init (&functions, 4096);
    if (p->c->functions) {
        row_begin (&functions, 1);
        row_value (&functions, bytes_str (p->c->functions));
    }
    w.body[0] = slice_borrowed (functions.bytes, functions.len);
    /* said again until it is answered */
    p->hello_at = peer_say (p, &w) ? now + HELLO_AGAIN_US : now;
    buf_fini (&functions);
}

static void begin_anew (struct peer *p, const struct msg_welcome *m)
{
    chan_free (&p->chan);
    p->chan = chan_new (m->window_msgs, m->window_bytes);
}

/* A broker that was restarted knows the session: this worker has nothing of what it was granted. */
static void hold_nothing (struct peer *p)
{
    struct wire w = {.kind = WIRE_HOLD, .m.hold = {.last = 1}};
    struct wire_frames f;
    chan_renumber (p->chan);
    encode (&w, &f);
    chan_post_first_take (p->chan, &f);
}

static void on_welcome (struct peer *p, const struct msg_welcome *m, int64_t now)
{
    struct wire ack = {.kind = WIRE_ACK, .m.ack = {.window_bytes = OUR_WINDOW_BYTES}};
    if (p->present)
        return;
    if (m->resumed == 0)
        begin_anew (p, m);
    else if (m->resumed == 2)
        hold_nothing (p);
    else if (chan_resume (p->chan, m->received) != 0)
        peer_fail ("the broker received what was never sent");
    chan_window (p->chan, m->window_msgs, m->window_bytes);
    p->token = m->token;
    p->broker = m->broker;
    p->present = true;
    p->ping_us = (int64_t)m->ping_ms * US_PER_MS;
    p->ping_at = now + p->ping_us;
    ack.ack = chan_ack_number (p->chan);
    peer_say (p, &ack);
    if (p->c->welcomed)
        p->c->welcomed (p, m, now);
}

static void lost (struct peer *p, int64_t now)
{
    p->present = false;
    p->hello_at = now;
}

static void tell (struct peer *p, const struct wire *w, int64_t now)
{
    if (p->c->told)
        p->c->told (p, w, now);
}

static void on_error (struct peer *p, const struct wire *w, int64_t now)
{
    switch (w->m.error.code) {
    case WIRE_NO_SESSION:
    case WIRE_FENCED:
    case WIRE_LOST:
    case WIRE_STOPPING:
        tell (p, w, now);
        if (p->present)
            lost (p, now);
        return;
    case WIRE_MALFORMED:
    case WIRE_FORBIDDEN:
    case WIRE_UNSUPPORTED:
        peer_fail ("the broker refuses a good %s: %.*s", wire_name ((unsigned)w->m.error.kind),
                   (int)w->m.error.text.len, (const char *)w->m.error.text.ptr);
    default:
        tell (p, w, now);
    }
}

static void on_unnumbered (struct peer *p, const struct wire *w, int64_t now)
{
    struct wire pong = {.kind = WIRE_PONG, .m.pong = {.stamp = w->m.ping.stamp}};
    switch (w->kind) {
    case WIRE_WELCOME:
        on_welcome (p, &w->m.welcome, now);
        return;
    case WIRE_PING:
        pong.ack = chan_ack_number (p->chan);
        if (!p->mute)
            peer_say (p, &pong);
        return;
    case WIRE_ACK:
        chan_window (p->chan, FIRST_WINDOW_MSGS, w->m.ack.window_bytes);
        tell (p, w, now);
        return;
    case WIRE_ERROR:
        on_error (p, w, now);
        return;
    case WIRE_BYE:
        lost (p, now);
        return;
    default:
        tell (p, w, now);
    }
}

static void on_numbered (struct peer *p, const struct wire *w, int64_t now)
{
    switch (chan_accept (p->chan, w->seq, w->ack)) {
    case CHAN_NEW:
        if (w->seq)
            tell (p, w, now);
        return;
    case CHAN_DUPLICATE:
        return;
    case CHAN_GAP:
        lost (p, now);
        return;
    case CHAN_LIE:
        peer_fail ("the broker acknowledges what was never sent");
    }
}

static void on_frames (struct peer *p, const struct wire_frames *f, int64_t now)
{
    struct err e;
    struct wire w;
    if (wire_decode (&w, f, NULL, &e) != 0)
        peer_fail ("the broker said what cannot be read: %s", e.text);
    if (!p->present) {
        /* what else comes now belongs to a session that is over */
        if (w.kind == WIRE_WELCOME || w.kind == WIRE_ERROR)
            on_unnumbered (p, &w, now);
    } else {
        if (w.kind != WIRE_WELCOME)
            on_numbered (p, &w, now);
        if (!w.seq)
            on_unnumbered (p, &w, now);
    }
    wire_fini (&w);
}

/* One message as frames of our own. */
static void receive (struct peer *p, int64_t now)
{
    struct wire_frames f = {0};
    zmsg_t *msg = zmsg_recv (p->sock);
    if (!msg)
        return;
    if (zmsg_size (msg) > 1 + WIRE_BODIES)
        peer_fail ("the broker said something of %zu frames", zmsg_size (msg));
    for (zframe_t *z = zmsg_first (msg); z; z = zmsg_next (msg)) {
        struct slice s = slice_borrowed (zframe_data (z), zframe_size (z));
        f.frame[f.count++] = s.len ? slice_keep (&s) : (struct slice){0};
    }
    zmsg_destroy (&msg);
    on_frames (p, &f, now);
    wire_frames_fini (&f);
}

static void flush (struct peer *p, int64_t now)
{
    struct wire_frames f;
    struct wire ack = {.kind = WIRE_ACK, .m.ack = {.window_bytes = OUR_WINDOW_BYTES}};
    chan_now (p->chan, now);
    while (can_send (p) && chan_next (p->chan, &f))
        transmit_take (p, &f);
    if (!chan_owes_ack (p->chan))
        return;
    ack.ack = chan_ack_number (p->chan);
    if (peer_say (p, &ack))
        chan_ack_sent (p->chan, ack.ack);
}

static void ping (struct peer *p, int64_t now)
{
    struct wire w = {.kind = WIRE_PING, .m.ping = {.stamp = (uint64_t)now}};
    w.ack = chan_ack_number (p->chan);
    p->ping_at = now + p->ping_us;
    peer_say (p, &w);
}

void peer_turn (struct peer *p, int64_t now)
{
    if (p->over)
        return;
    /* asked once where nothing is the matter: of thousands of peers, most do nothing most turns */
    int events = zsock_events (p->sock);
    /* no connection: there is nobody to whom a session could be known */
    if (p->present && !p->deaf && !(events & ZMQ_POLLOUT))
        lost (p, now);
    while (!p->deaf && !p->over && events & ZMQ_POLLIN) {
        receive (p, now);
        events = zsock_events (p->sock);
    }
    if (p->over)
        return;
    if (!p->mute && !p->present && now >= p->hello_at && events & ZMQ_POLLOUT)
        say_hello (p, now);
    if (p->c->tick)
        p->c->tick (p, now);
    if (p->mute || !p->present)
        return;
    if (now >= p->ping_at)
        ping (p, now);
    if (!chan_idle (p->chan) || chan_owes_ack (p->chan))
        flush (p, now);
}

static zsock_t *connect_to (const char *url, struct err *e)
{
    zsock_t *sock = zsock_new (ZMQ_DEALER);
    if (!sock) {
        err_sys (e, errno, "cannot make a socket");
        return NULL;
    }
    zsock_set_linger (sock, 0);
    zsock_set_sndhwm (sock, 1000000);
    zsock_set_rcvhwm (sock, 1000);
    zsock_set_sndtimeo (sock, 0);
    zsock_set_rcvtimeo (sock, 0);
    zsock_set_maxmsgsize (sock, WIRE_FRAME_MAX);
    zsock_set_reconnect_ivl (sock, 100 + randof (200));
    zsock_set_reconnect_ivl_max (sock, 2000);
    zsock_set_immediate (sock, 1); /* nothing is queued for a broker that is away */
    if (zsock_connect (sock, "%s", url) == 0)
        return sock;
    err_sys (e, errno, "cannot connect to %s", url);
    zsock_destroy (&sock);
    return NULL;
}

int peer_init (struct peer *p, const struct peer_config *c, struct err *e)
{
    p->c = c;
    p->chan = chan_new (FIRST_WINDOW_MSGS, FIRST_WINDOW_BYTES);
    p->sock = connect_to (c->url, e);
    return p->sock ? 0 : -1;
}

int peer_reconnect (struct peer *p, struct err *e)
{
    zsock_destroy (&p->sock);
    p->present = false;
    p->hello_at = 0;
    p->sock = connect_to (p->c->url, e);
    return p->sock ? 0 : -1;
}

void peer_fini (struct peer *p)
{
    zsock_destroy (&p->sock);
    chan_free (&p->chan);
}
