#include "tests/sim/net.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "tests/sim/bench.h"

enum {
    TAIL_MAX = 3,                /* messages of a connection that may come again over the next */
    TCP_ENDS_US = 15 * US_PER_S, /* a stall of that length may be the connection's end */
    DELAYED_US = US_PER_MS,      /* counted as such */
    LINGER_US = 10 * US_PER_MS,  /* of a broker that leaves */
    RETRY_US = 200 * US_PER_MS,  /* between attempts to connect to a broker that is not there */
};

struct mail {
    struct conn *conn;
    uint64_t route, epoch;
    enum way way;
    int64_t sent_us;
    struct wire_frames f;
    LIST_ENTRY (mail) link; /* in net: all that is on its way */
    STAILQ_ENTRY (mail) waiting;
};

struct conn {
    const char *name;
    net_deliver_fn *deliver;
    void *peer;
    uint64_t route;
    uint64_t epoch;     /* mail of an older one is lost, */
    uint64_t late_from; /* ... but to the broker from this one on, over the old route */
    bool up, closed;
    bool ghost; /* the broker thinks that it is there */
    int64_t base_us;
    int64_t last[2]; /* when the last mail of each way arrives */
    int64_t stalled_until[2], jammed_until;
    STAILQ_HEAD (, mail) waiting;      /* for a connection */
    struct wire_frames tail[TAIL_MAX]; /* the last that were sent */
    unsigned n_tail;
    LIST_ENTRY (conn) link;
    UT_hash_handle hh; /* by route: the present one */
};

struct net {
    LIST_HEAD (, conn) conns;
    LIST_HEAD (, mail) mails;
    struct conn *by_route;
    uint64_t routes;
    bool doubling;
    bool down;
    int64_t newest_us; /* when the newest was sent of what the broker has received */
};

struct net *net_new (bool doubling)
{
    struct net *n = mem_zalloc (sizeof *n);
    n->doubling = doubling;
    LIST_INIT (&n->conns);
    LIST_INIT (&n->mails);
    return n;
}

static void mail_free (struct mail *m)
{
    LIST_REMOVE (m, link);
    wire_frames_fini (&m->f);
    free (m);
}

static void drop_tail (struct conn *c)
{
    for (unsigned i = 0; i < c->n_tail; i++)
        wire_frames_fini (&c->tail[i]);
    c->n_tail = 0;
}

void net_free (struct net **np)
{
    struct net *n = *np;
    *np = NULL;
    if (!n)
        return;
    while (!LIST_EMPTY (&n->mails))
        mail_free (LIST_FIRST (&n->mails));
    HASH_CLEAR (hh, n->by_route);
    while (!LIST_EMPTY (&n->conns)) {
        struct conn *c = LIST_FIRST (&n->conns);
        LIST_REMOVE (c, link);
        drop_tail (c);
        free (c);
    }
    free (n);
}

/* --- passing --- */

static void to_broker (struct sim *s, struct mail *m)
{
    struct conn *c = m->conn;
    bool late = m->epoch != c->epoch;
    sim_count (s, COUNT_MESSAGES);
    if (late)
        sim_count (s, COUNT_LATE_TAILS);
    if (m->sent_us < s->net->newest_us)
        sim_count (s, COUNT_OVERTAKEN);
    else
        s->net->newest_us = m->sent_us;
    sim_trace_frames (s, c->name, "broker", &m->f);
    /* of a connection that was given up it is no sign of life */
    bench_deliver (s, late || c->closed ? NULL : c->peer, m->route, &m->f);
}

static void arrive (struct sim *s, void *arg, uint64_t n)
{
    struct mail *m = arg;
    struct conn *c = m->conn;
    (void)n;
    bool lost = m->epoch != c->epoch;
    if (m->way == TO_BROKER)
        lost = (lost && m->epoch < c->late_from) || s->net->down;
    if (lost || (m->way == TO_PEER && c->closed)) {
        sim_count (s, COUNT_LOST_MAIL);
    } else if (m->way == TO_PEER) {
        sim_count (s, COUNT_MESSAGES);
        sim_trace_frames (s, "broker", c->name, &m->f);
        c->deliver (s, c->peer, &m->f);
    } else {
        to_broker (s, m);
    }
    mail_free (m);
}

static int64_t delay (struct sim *s, const struct conn *c)
{
    if (s->big)
        return 100;
    int64_t us = c->base_us + sim_between (s, 20, 300);
    return sim_chance (s, 20) ? us + sim_between (s, 0, 40000) : us;
}

static void break_it (struct sim *s, void *arg, uint64_t epoch)
{
    struct conn *c = arg;
    if (c->epoch != epoch || !c->up)
        return;
    sim_count (s, COUNT_CUTS);
    net_cut (s, c, sim_between (s, 1, sim_chance (s, 100) ? 9000 : 300) * US_PER_MS, false);
}

/* Greetings are none of it: a session begins with a new one. */
static void remember (struct conn *c, const struct wire_frames *f)
{
    if (((const uint8_t *)f->frame[0].ptr)[2] == WIRE_HELLO) {
        drop_tail (c);
        return;
    }
    if (c->n_tail == TAIL_MAX) {
        wire_frames_fini (&c->tail[0]);
        for (unsigned i = 1; i < TAIL_MAX; i++)
            c->tail[i - 1] = c->tail[i];
        c->n_tail--;
    }
    c->tail[c->n_tail++] = wire_frames_keep (f);
}

static void dispatch (struct sim *s, struct mail *m, int64_t hold_us)
{
    struct conn *c = m->conn;
    int64_t when = s->now + hold_us + delay (s, c);
    if (when - s->now > DELAYED_US)
        sim_count (s, COUNT_DELAYED);
    if (when < c->stalled_until[m->way])
        when = c->stalled_until[m->way];
    if (when < c->last[m->way])
        when = c->last[m->way];
    c->last[m->way] = when;
    m->epoch = c->epoch;
    m->route = c->route;
    m->sent_us = s->now;
    if (s->net->doubling && m->way == TO_BROKER)
        remember (c, &m->f);
    sim_at (s, when, arrive, m, 0);
    if (!s->calm && s->fragile && sim_below (s, 100000) < s->fragile)
        sim_at (s, s->now + (int64_t)sim_below (s, 400), break_it, c, c->epoch);
}

static struct mail *mail_new (struct sim *s, struct conn *c, enum way way, struct wire_frames *f)
{
    struct mail *m = mem_zalloc (sizeof *m);
    m->conn = c;
    m->way = way;
    m->f = *f;
    *f = (struct wire_frames){0};
    LIST_INSERT_HEAD (&s->net->mails, m, link);
    return m;
}

int net_to_broker (struct sim *s, struct conn *c, struct wire_frames *f)
{
    if (s->now < c->jammed_until)
        return -1;
    struct mail *m = mail_new (s, c, TO_BROKER, f);
    if (c->up)
        dispatch (s, m, 0);
    else
        STAILQ_INSERT_TAIL (&c->waiting, m, waiting);
    return 0;
}

static struct conn *by_route (struct sim *s, uint64_t route)
{
    struct conn *c = NULL;
    HASH_FIND (hh, s->net->by_route, &route, sizeof route, c);
    return c;
}

struct conn *net_conn (struct sim *s, uint64_t route)
{
    return by_route (s, route);
}

void *net_peer (struct sim *s, uint64_t route)
{
    struct conn *c = by_route (s, route);
    return c && !c->closed ? c->peer : NULL;
}

int net_refuses (struct sim *s, uint64_t route)
{
    const struct conn *c = by_route (s, route);
    if (!c || (!c->up && !c->ghost))
        return EHOSTUNREACH;
    return s->now < c->jammed_until ? EAGAIN : 0;
}

void net_to_peer (struct sim *s, uint64_t route, struct wire_frames *f, int64_t hold_us)
{
    struct conn *c = by_route (s, route);
    if (c->up)
        dispatch (s, mail_new (s, c, TO_PEER, f), hold_us);
    else
        wire_frames_fini (f); /* written to nobody */
}

/* --- coming and going --- */

/* TCP finds out in the end. */
static void ghost_ends (struct sim *s, void *arg, uint64_t epoch)
{
    struct conn *c = arg;
    (void)s;
    if (c->epoch == epoch)
        c->ghost = false;
}

static void be_ghost (struct sim *s, struct conn *c)
{
    c->ghost = true;
    sim_at (s, s->now + sim_between (s, 15, 60) * US_PER_S, ghost_ends, c, c->epoch);
}

static void set_route (struct sim *s, struct conn *c)
{
    if (c->route)
        HASH_DEL (s->net->by_route, c);
    c->route = ++s->net->routes;
    HASH_ADD (hh, s->net->by_route, route, sizeof c->route, c);
}

/* What went over the old connection last comes again over the new one. */
static void come_again (struct sim *s, struct conn *c)
{
    unsigned first = c->n_tail;
    if (c->n_tail && !s->calm && sim_chance (s, 400))
        first = (unsigned)sim_below (s, c->n_tail);
    struct wire_frames again[TAIL_MAX];
    unsigned n = 0;
    for (; first < c->n_tail; first++)
        again[n++] = wire_frames_keep (&c->tail[first]);
    drop_tail (c);
    for (unsigned i = 0; i < n; i++) {
        sim_count (s, COUNT_DUPLICATES);
        dispatch (s, mail_new (s, c, TO_BROKER, &again[i]), 0);
    }
}

static void come_up (struct sim *s, void *arg, uint64_t epoch)
{
    struct conn *c = arg;
    struct mail *m;
    if (c->closed || c->epoch != epoch)
        return;
    if (s->net->down) {
        sim_at (s, s->now + sim_between (s, RETRY_US / 2, RETRY_US * 3 / 2), come_up, c, epoch);
        return;
    }
    set_route (s, c);
    c->up = true;
    c->ghost = false;
    sim_trace (s, "%s is connected, route %d", c->name, (int)c->route);
    come_again (s, c);
    while ((m = STAILQ_FIRST (&c->waiting))) {
        STAILQ_REMOVE_HEAD (&c->waiting, waiting);
        dispatch (s, m, 0);
    }
}

struct conn *net_connect (struct sim *s, const char *name, net_deliver_fn *deliver, void *peer)
{
    struct conn *c = mem_zalloc (sizeof *c);
    c->name = name;
    c->deliver = deliver;
    c->peer = peer;
    c->base_us = sim_chance (s, 100) ? sim_between (s, 0, 20000) : 0;
    STAILQ_INIT (&c->waiting);
    LIST_INSERT_HEAD (&s->net->conns, c, link);
    sim_at (s, s->now + sim_between (s, 100, 3000), come_up, c, c->epoch);
    return c;
}

/* Mail that is on its way is lost, or comes late to the broker, over the old route. */
static void next_epoch (struct sim *s, struct conn *c)
{
    bool late = !s->calm && sim_chance (s, 250);
    c->epoch++;
    c->late_from = late ? c->epoch - 1 : c->epoch;
    c->up = false;
    c->last[TO_BROKER] = c->last[TO_PEER] = 0;
}

void net_close (struct sim *s, struct conn *c)
{
    if (!c || c->closed)
        return;
    c->closed = true;
    c->up = false;
    bool quiet = sim_chance (s, 200) && !s->calm;
    if (quiet || sim_chance (s, 500))
        next_epoch (s, c); /* what it said last is lost with it */
    if (quiet || c->ghost)
        be_ghost (s, c);
    struct mail *m;
    while ((m = STAILQ_FIRST (&c->waiting))) {
        STAILQ_REMOVE_HEAD (&c->waiting, waiting);
        mail_free (m);
    }
    drop_tail (c);
}

void net_cut (struct sim *s, struct conn *c, int64_t down_us, bool quiet)
{
    if (!c || c->closed || !c->up)
        return;
    sim_trace (s, "%s is cut%s", c->name, quiet ? ", and the broker does not know" : "");
    next_epoch (s, c);
    if (quiet)
        be_ghost (s, c);
    sim_at (s, s->now + down_us, come_up, c, c->epoch);
}

static void cut_all (struct sim *s, void *arg, uint64_t n)
{
    struct conn *c;
    (void)arg;
    (void)n;
    LIST_FOREACH (c, &s->net->conns, link) {
        c->ghost = false;
        net_cut (s, c, sim_between (s, 100, 2000) * US_PER_MS, false);
        c->late_from = c->epoch;
    }
}

void net_down (struct sim *s, bool polite)
{
    s->net->down = true;
    if (polite)
        sim_at (s, s->now + LINGER_US, cut_all, NULL, 0);
    else
        cut_all (s, NULL, 0);
}

void net_up (struct sim *s)
{
    s->net->down = false;
}

static void stall_ends (struct sim *s, void *arg, uint64_t epoch)
{
    struct conn *c = arg;
    if (c->epoch == epoch)
        net_cut (s, c, sim_between (s, 1, 2000) * US_PER_MS, false);
}

void net_stall (struct sim *s, struct conn *c, enum way way, int64_t us)
{
    if (!c || c->closed)
        return;
    sim_trace (s, "nothing passes to %s for %d ms", way == TO_BROKER ? "the broker" : c->name,
               (int)(us / US_PER_MS));
    if (way != TO_PEER)
        c->stalled_until[TO_BROKER] = s->now + us;
    if (way != TO_BROKER)
        c->stalled_until[TO_PEER] = s->now + us;
    if (us >= TCP_ENDS_US && sim_chance (s, 500))
        sim_at (s, s->now + us - 1, stall_ends, c, c->epoch);
}

void net_jam (struct sim *s, struct conn *c, int64_t us)
{
    if (c)
        c->jammed_until = s->now + us;
}
