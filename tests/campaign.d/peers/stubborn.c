/* stubborn: a client that never hears that a chunk has arrived, and says each one again.
 *
 * It comes about in three ways, in turn: the same message with the same number on the same
 * connection; on another connection, in the session that goes on; in a new session, under the
 * batch's key. The broker has taken the chunk each time, so none may count twice, and the broker
 * says how many it has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/wire/rows.h"
#include "tests/campaign.d/peers/roles.h"

enum { HANDLE = 1, WAIT_MS = 1, WAYS = 3 };
enum way { SAME_CONNECTION, NEW_CONNECTION, NEW_SESSION };
enum step { BEGIN, TAKEN, REPEAT, ENDED };

static const char FUNCTION[] = "drover:echo";

struct stubborn {
    const struct role_options *o;
    char key[64];
    enum step step;
    uint64_t chunk;    /* the one that is being said */
    uint64_t said;     /* number of the last numbered message of the session */
    uint64_t repeated; /* chunks that were said again */
    uint64_t id;       /* of the batch */
    bool cut;          /* the connection is to be another one ... */
    bool forget;       /* ... and the session, too */
};

static void post (struct peer *p, enum chan_lane lane, const struct wire *w)
{
    struct stubborn *s = p->data;
    peer_post (p, lane, w);
    s->said++;
}

static struct wire chunk_of (const struct stubborn *s)
{
    char text[24];
    struct buf rows;
    struct wire w = {
        .kind = WIRE_ROWS,
        .m.rows = {.batch = HANDLE,
                   .chunk = s->chunk,
                   .first = s->chunk * s->o->rows,
                   .count = s->o->rows},
    };
    buf_init (&rows, WIRE_FRAME_MAX);
    for (uint64_t i = 1; i <= s->o->rows; i++) {
        snprintf (text, sizeof text, "%" PRIu64, w.m.rows.first + i);
        row_begin (&rows, 1);
        row_value (&rows, bytes_str (text));
    }
    w.body[0] = buf_take_slice (&rows);
    return w;
}

static void post_chunk (struct peer *p)
{
    struct wire w = chunk_of (p->data);
    post (p, LANE_BULK, &w);
    slice_fini (&w.body[0]);
}

static void post_open (struct peer *p)
{
    struct stubborn *s = p->data;
    struct wire open = {
        .kind = WIRE_OPEN,
        .m.open = {.batch = HANDLE,
                   .flags = BATCH_DETACHED,
                   .key = bytes_str (s->key),
                   .name = bytes_str ("stubborn"),
                   .compare = 1},
    };
    struct wire spec = {
        .kind = WIRE_SPEC,
        .m.spec = {.batch = HANDLE, .form = FORM_FUNCTION, .cpus = 1},
    };
    spec.body[0] = slice_borrowed (FUNCTION, strlen (FUNCTION));
    post (p, LANE_CONTROL, &open);
    post (p, LANE_BULK, &spec);
}

static void post_close (struct peer *p)
{
    const struct stubborn *s = p->data;
    struct wire w = {
        .kind = WIRE_CLOSE,
        .m.close = {.batch = HANDLE, .total = s->o->chunks * s->o->rows},
    };
    post (p, LANE_BULK, &w);
}

static void say_again (struct peer *p)
{
    struct stubborn *s = p->data;
    struct wire w = chunk_of (s);
    w.seq = s->said;
    w.ack = chan_ack_number (p->chan);
    if (!peer_say (p, &w))
        peer_fail ("a connection that was welcomed takes no message");
    slice_fini (&w.body[0]);
}

/* The chunk arrived, and this client has not heard of it. */
static void repeat (struct peer *p)
{
    struct stubborn *s = p->data;
    enum way way = (enum way) (s->chunk % WAYS);
    s->step = REPEAT;
    s->cut = way != SAME_CONNECTION;
    s->forget = way == NEW_SESSION;
}

static void next_chunk (struct peer *p)
{
    struct stubborn *s = p->data;
    s->repeated++;
    if (++s->chunk == s->o->chunks) {
        post_close (p);
        s->step = ENDED;
        return;
    }
    post_chunk (p);
    s->step = TAKEN;
}

static void welcomed (struct peer *p, const struct msg_welcome *m, int64_t now)
{
    struct stubborn *s = p->data;
    (void)now;
    if (m->resumed != (s->step == REPEAT && !s->forget))
        peer_fail ("a session is resumed %" PRIu64, m->resumed);
    if (m->resumed)
        return;
    s->said = 0;
    post_open (p);
    post_chunk (p);
    if (s->step == BEGIN)
        s->step = TAKEN;
}

static void on_opened (struct stubborn *s, const struct msg_opened *m)
{
    bool again = s->step == REPEAT;
    uint64_t chunks = again ? s->chunk + 1 : 0;
    s->id = m->id;
    if (m->known != again || m->chunks != chunks || m->rows != chunks * s->o->rows)
        peer_fail ("the broker has %" PRIu64 " chunks with %" PRIu64 " rows, not %" PRIu64
                   " chunks",
                   m->chunks, m->rows, chunks);
}

static void told (struct peer *p, const struct wire *w, int64_t now)
{
    struct stubborn *s = p->data;
    (void)now;
    if (w->kind == WIRE_OPENED)
        on_opened (s, &w->m.opened);
    else if (w->kind == WIRE_ERROR || (w->kind == WIRE_END && s->step != ENDED))
        peer_fail ("the broker says %s", wire_name (w->kind));
}

static void tick (struct peer *p, int64_t now)
{
    struct stubborn *s = p->data;
    (void)now;
    if (!p->present || s->cut || !chan_idle (p->chan))
        return;
    if (s->step == TAKEN) {
        repeat (p);
    } else if (s->step == REPEAT) {
        if (!s->forget)
            say_again (p);
        next_chunk (p);
    } else if (s->step == ENDED) {
        p->over = true;
    }
}

static void cut (struct crowd *c, struct stubborn *s)
{
    if (s->forget)
        c->peers[0].token = 0;
    s->cut = false;
    crowd_reconnect (c, &c->peers[0]);
}

int role_stubborn (const struct role_options *o)
{
    const struct peer_config config = {
        .url = o->url, .role = ROLE_CLIENT, .welcomed = welcomed, .told = told, .tick = tick};
    struct stubborn s = {.o = o};
    struct crowd c;
    snprintf (s.key, sizeof s.key, "stubborn.%ld.%" PRId64, (long)getpid (), clock_wall_us ());
    crowd_init (&c);
    crowd_add (&c, &config, 1, &s, sizeof s);
    while (!role_stopped (o) && !c.peers[0].over) {
        crowd_turn (&c, WAIT_MS);
        if (s.cut)
            cut (&c, &s);
    }
    bool all = c.peers[0].over;
    printf ("batch=%" PRIu64 " chunks=%" PRIu64 " repeated=%" PRIu64 "\n", s.id, o->chunks,
            s.repeated);
    crowd_fini (&c);
    return all ? 0 : 1;
}
