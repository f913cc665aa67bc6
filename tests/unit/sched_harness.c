/* The bed: turns of the broker, and peers with channels. What clients and workers make of their
 * messages is in sched_models.c. */
#include "tests/unit/sched_harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/wire/rows.h"
#include "tests/sim/fake_clock.h"
#include "tests/sim/fake_link.h"
#include "tests/unit/sched_models.h"

enum { SETTLE_MAX = 20000 };

static struct peer *by_route (struct bed *b, uint64_t route)
{
    struct peer *p;
    LIST_FOREACH (p, &b->peers, link)
        if (p->route == route)
            return p;
    return NULL;
}

/* --- what peers say --- */

static void push (struct peer *p, struct wire_frames *f)
{
    p->bed->moves++;
    fake_link_push_take (p->bed->link, p->route, f);
}

void peer_say (struct peer *p, const struct wire *w)
{
    struct wire_frames f;
    struct err e;
    if (wire_encode (w, &f, &e) < 0)
        fail_msg ("%s", e.text);
    wire_stamp (&f, w->seq, w->ack ? w->ack : chan_ack_number (p->chan));
    push (p, &f);
}

void peer_post (struct peer *p, const struct wire *w)
{
    struct wire_frames f;
    struct err e;
    if (wire_encode (w, &f, &e) < 0)
        fail_msg ("%s", e.text);
    chan_post_take (p->chan, LANE_CONTROL, &f, 0);
}

static void hello (struct peer *p)
{
    struct wire w = {.kind = WIRE_HELLO, .m.hello = p->hello};
    w.m.hello.token = p->token;
    w.m.hello.received = p->token ? chan_received (p->chan) : 0;
    w.body[0] = p->functions;
    peer_say (p, &w);
}

static void transmit (struct peer *p)
{
    struct wire_frames f;
    if (!p->route || !p->token || !p->welcomed || p->stalled)
        return;
    while (chan_next (p->chan, &f))
        push (p, &f);
    if (!chan_owes_ack (p->chan))
        return;
    struct wire w = {.kind = WIRE_ACK};
    w.m.ack.window_bytes = 8 << 20;
    w.ack = chan_ack_number (p->chan);
    chan_ack_sent (p->chan, w.ack);
    peer_say (p, &w);
}

/* --- what peers hear --- */

static void on_welcome (struct peer *p, const struct msg_welcome *m)
{
    p->n_welcomes++;
    p->welcomed = true;
    bool known = p->token;
    p->resumed = m->resumed;
    p->token = m->token;
    p->window = m->window_bytes;
    p->durable = m->features & FEATURE_DURABLE;
    if (m->resumed == 2) {
        model_holds (p);
        return;
    }
    if (m->resumed) {
        assert_int_equal (chan_resume (p->chan, m->received), 0);
        return;
    }
    chan_free (&p->chan);
    p->chan = chan_new (1000, 64 << 20);
    if (known && p->role == ROLE_WORKER)
        worker_void (p);
    if (known && p->role == ROLE_CLIENT && p->durable)
        client_reopen (p);
}

static void on_ping (struct peer *p, const struct msg_ping *m)
{
    struct wire pong = {.kind = WIRE_PONG};
    pong.m.pong.stamp = m->stamp;
    p->n_pings++;
    peer_say (p, &pong);
}

static void session_business (struct peer *p, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_WELCOME:
        on_welcome (p, &w->m.welcome);
        break;
    case WIRE_PING:
        on_ping (p, &w->m.ping);
        break;
    case WIRE_ACK:
        p->n_acks++;
        p->window = w->m.ack.window_bytes;
        break;
    case WIRE_ERROR:
        p->n_errors++;
        p->error = (enum wire_code)w->m.error.code;
        p->last_error = w->m.error;
        p->last_error.text = bytes_str ("");
        if (p->bed->faithful && (p->error == WIRE_NO_SESSION || p->error == WIRE_LOST))
            peer_back (p, false);
        break;
    case WIRE_BYE:
        p->n_byes++;
        break;
    default:
        break;
    }
}

static void keep (struct peer *p, struct wire *w_take, bool unread)
{
    struct got_message *m = mem_zalloc (sizeof *m);
    m->w = *w_take;
    *w_take = (struct wire){0};
    if (unread)
        STAILQ_INSERT_TAIL (&p->unread, m, link);
    else
        STAILQ_INSERT_TAIL (&p->inbox, m, link);
}

static void hear (struct peer *p, struct wire *w_take)
{
    if (w_take->kind == WIRE_WELCOME) {
        session_business (p, w_take);
    } else if (chan_accept (p->chan, w_take->seq, w_take->ack) == CHAN_NEW) {
        if (!wire_numbered (w_take->kind)) {
            session_business (p, w_take);
        } else {
            model_hears (p, w_take);
            keep (p, w_take, false);
        }
    }
    wire_fini (w_take);
}

static int on_send (void *arg, uint64_t route, struct wire_frames *f)
{
    struct bed *b = arg;
    struct peer *p = by_route (b, route);
    struct wire w;
    struct err e;
    if (!p)
        return EHOSTUNREACH;
    if (p->full)
        return EAGAIN;
    b->moves++;
    if (wire_decode (&w, f, NULL, &e) < 0)
        fail_msg ("the broker sent: %s", e.text);
    wire_frames_fini (f);
    assert_true (wire_may_send (SENDER_B, w.kind));
    if (p->deaf)
        wire_fini (&w);
    else if (p->stalled)
        keep (p, &w, true);
    else
        hear (p, &w);
    return 0;
}

void peer_wake (struct peer *p)
{
    struct got_message *m;
    p->stalled = false;
    while ((m = STAILQ_FIRST (&p->unread))) {
        STAILQ_REMOVE_HEAD (&p->unread, link);
        hear (p, &m->w);
        free (m);
    }
}

bool peer_take (struct peer *p, enum wire_kind kind, struct wire *w)
{
    struct got_message *m;
    STAILQ_FOREACH (m, &p->inbox, link) {
        if (m->w.kind != kind)
            continue;
        STAILQ_REMOVE (&p->inbox, m, got_message, link);
        *w = m->w;
        free (m);
        return true;
    }
    return false;
}

unsigned peer_count (struct peer *p, enum wire_kind kind)
{
    struct wire w;
    unsigned n = 0;
    for (; peer_take (p, kind, &w); n++)
        wire_fini (&w);
    return n;
}

/* --- the bed --- */

static void begin (struct bed *b)
{
    struct err e;
    b->link = fake_link_new (on_send, b);
    b->turn = turn_new (&b->cfg, b->store, &e);
    if (!b->turn || turn_add_link (b->turn, b->link, &e) < 0)
        fail_msg ("%s", e.text);
}

struct bed *bed_new (const struct sched_config *cfg, struct store *store)
{
    struct bed *b = mem_zalloc (sizeof *b);
    if (cfg)
        b->cfg = *cfg;
    else
        sched_config_defaults (&b->cfg);
    b->cfg.broker_id = 77;
    b->cfg.seed = 1;
    b->now = 1000 * (int64_t)US_PER_S;
    b->cfg.start_us = b->now;
    fake_clock_set (b->now);
    LIST_INIT (&b->peers);
    b->store = store ? store : store_mem ();
    begin (b);
    return b;
}

void bed_restart (struct bed *b, struct store_test *t)
{
    struct peer *p;
    turn_free (&b->turn);
    fake_link_free (&b->link);
    store_test_crash (t, t->held);
    b->cfg.broker_id++;
    b->cfg.start_us = b->now;
    begin (b);
    LIST_FOREACH (p, &b->peers, link) {
        p->route = 0;
        if (b->faithful)
            peer_back (p, false);
    }
}

void bed_free (struct bed **bp)
{
    struct bed *b = *bp;
    *bp = NULL;
    while (!LIST_EMPTY (&b->peers))
        peer_free (LIST_FIRST (&b->peers));
    turn_free (&b->turn);
    store_close (&b->store);
    fake_link_free (&b->link);
    free (b);
}

const struct sched *bed_sched (const struct bed *b)
{
    return turn_sched (b->turn);
}

struct sched_figures bed_figures (const struct bed *b)
{
    return sched_figures (bed_sched (b));
}

void bed_turn (struct bed *b)
{
    struct err e;
    struct peer *p;
    LIST_FOREACH (p, &b->peers, link)
        transmit (p);
    fake_clock_set (b->now);
    if (turn_run (b->turn, &e) < 0)
        fail_msg ("%s", e.text);
    if (sched_check (bed_sched (b), &e) < 0)
        fail_msg ("%s", e.text);
}

void bed_settle (struct bed *b)
{
    for (int i = 0; i < SETTLE_MAX; i++) {
        uint64_t moves = b->moves;
        bed_turn (b);
        bed_turn (b);
        if (b->moves == moves)
            return;
    }
    fail_msg ("it never settles");
}

void bed_pass (struct bed *b, int64_t us)
{
    int64_t until = b->now + us;
    while (turn_deadline (b->turn) <= until) {
        if (turn_deadline (b->turn) > b->now)
            b->now = turn_deadline (b->turn);
        bed_turn (b);
    }
    b->now = until;
    bed_settle (b);
}

/* --- peers --- */

static struct peer *peer_new (struct bed *b, enum wire_role role, const char *name)
{
    struct peer *p = mem_zalloc (sizeof *p);
    p->bed = b;
    p->role = role;
    p->route = ++b->routes;
    p->chan = chan_new (1000, 64 << 20);
    STAILQ_INIT (&p->inbox);
    STAILQ_INIT (&p->unread);
    p->hello = (struct msg_hello){.min_major = WIRE_MAJOR,
                                  .max_major = WIRE_MAJOR,
                                  .features = FEATURE_PARTS,
                                  .role = role,
                                  .name = bytes_str (name),
                                  .host = bytes_str ("here"),
                                  .pid = p->route};
    LIST_INSERT_HEAD (&b->peers, p, link);
    return p;
}

struct peer *bed_client (struct bed *b, const char *name)
{
    struct peer *p = peer_new (b, ROLE_CLIENT, name);
    hello (p);
    bed_settle (b);
    return p;
}

struct peer *bed_worker_of (struct bed *b, const char *name, uint64_t slots, bool commands,
                            const char *const *functions)
{
    struct peer *p = peer_new (b, ROLE_WORKER, name);
    struct buf names;
    uint32_t n = 0;
    while (functions[n])
        n++;
    buf_init (&names, 1 << 16);
    row_begin (&names, n);
    for (uint32_t i = 0; i < n; i++)
        row_value (&names, bytes_str (functions[i]));
    p->functions = buf_take_slice (&names);
    p->hello.slots = slots;
    p->hello.features |= commands ? FEATURE_COMMANDS | FEATURE_PEEK : 0;
    hello (p);
    bed_settle (b);
    return p;
}

struct peer *bed_worker (struct bed *b, const char *name, uint64_t slots)
{
    static const char *const ECHO[] = {"echo", NULL};
    return bed_worker_of (b, name, slots, true, ECHO);
}

struct peer *bed_worker_instead (struct peer *dead)
{
    struct bed *b = dead->bed;
    struct peer *p = peer_new (b, ROLE_WORKER, "");
    p->functions = slice_keep (&dead->functions);
    p->hello = dead->hello;
    p->hello.replaces = dead->token;
    peer_free (dead);
    hello (p);
    bed_settle (b);
    return p;
}

void peer_cut (struct peer *p)
{
    p->route = 0;
}

void peer_back (struct peer *p, bool fresh)
{
    p->route = ++p->bed->routes;
    p->welcomed = false;
    if (fresh)
        p->token = 0;
    hello (p);
}

static void drop_messages (struct peer *p)
{
    struct got_message *m;
    while ((m = STAILQ_FIRST (&p->unread))) {
        STAILQ_REMOVE_HEAD (&p->unread, link);
        STAILQ_INSERT_TAIL (&p->inbox, m, link);
    }
    while ((m = STAILQ_FIRST (&p->inbox))) {
        STAILQ_REMOVE_HEAD (&p->inbox, link);
        wire_fini (&m->w);
        free (m);
    }
}

void peer_free (struct peer *p)
{
    LIST_REMOVE (p, link);
    drop_messages (p);
    model_free (p);
    chan_free (&p->chan);
    slice_fini (&p->functions);
    free (p);
}
