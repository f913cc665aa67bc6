#include "tests/sim/net.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/mem.h"
#include "tests/sim/bench.h"

enum way { TO_BROKER, TO_PEER };

struct mail {
    struct conn *conn;
    uint64_t route, epoch;
    enum way way;
    struct wire_frames f;
    LIST_ENTRY (mail) link; /* in net: all that is on its way */
    STAILQ_ENTRY (mail) waiting;
};

struct conn {
    const char *name;
    net_deliver_fn *deliver;
    void *peer;
    uint64_t route;
    uint64_t epoch; /* mail of an older one is lost */
    bool up, closed;
    bool ghost; /* the broker thinks that it is there */
    int64_t base_us;
    int64_t last[2]; /* when the last mail of each way arrives */
    int64_t stalled_until, jammed_until;
    STAILQ_HEAD (, mail) waiting; /* for a connection */
    LIST_ENTRY (conn) link;
};

struct net {
    LIST_HEAD (, conn) conns;
    LIST_HEAD (, mail) mails;
    uint64_t routes;
};

struct net *net_new (void)
{
    struct net *n = mem_zalloc (sizeof *n);
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

void net_free (struct net **np)
{
    struct net *n = *np;
    *np = NULL;
    if (!n)
        return;
    while (!LIST_EMPTY (&n->mails))
        mail_free (LIST_FIRST (&n->mails));
    while (!LIST_EMPTY (&n->conns)) {
        struct conn *c = LIST_FIRST (&n->conns);
        LIST_REMOVE (c, link);
        free (c);
    }
    free (n);
}

/* --- passing --- */

static void arrive (struct sim *s, void *arg, uint64_t n)
{
    struct mail *m = arg;
    struct conn *c = m->conn;
    (void)n;
    if (m->epoch != c->epoch || (m->way == TO_PEER && c->closed)) {
        sim_count (s, COUNT_LOST_MAIL);
    } else if (m->way == TO_PEER) {
        sim_count (s, COUNT_MESSAGES);
        sim_trace_frames (s, "broker", c->name, &m->f);
        c->deliver (s, c->peer, &m->f);
    } else {
        sim_count (s, COUNT_MESSAGES);
        sim_trace_frames (s, c->name, "broker", &m->f);
        /* of a connection that was given up it is no sign of life */
        bench_deliver (s, c->closed ? NULL : c->peer, m->route, &m->f);
    }
    mail_free (m);
}

static int64_t delay (struct sim *s, const struct conn *c)
{
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

static void dispatch (struct sim *s, struct mail *m)
{
    struct conn *c = m->conn;
    int64_t when = s->now + delay (s, c);
    if (when < c->stalled_until)
        when = c->stalled_until;
    if (when < c->last[m->way])
        when = c->last[m->way];
    c->last[m->way] = when;
    m->epoch = c->epoch;
    m->route = c->route;
    sim_at (s, when, arrive, m, 0);
    if (!s->calm && sim_below (s, 100000) < s->fragile)
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
        dispatch (s, m);
    else
        STAILQ_INSERT_TAIL (&c->waiting, m, waiting);
    return 0;
}

static struct conn *by_route (struct sim *s, uint64_t route)
{
    struct conn *c;
    LIST_FOREACH (c, &s->net->conns, link)
        if (c->route == route)
            return c;
    return NULL;
}

void *net_peer (struct sim *s, uint64_t route)
{
    struct conn *c = by_route (s, route);
    return c && !c->closed ? c->peer : NULL;
}

int net_to_peer (struct sim *s, uint64_t route, struct wire_frames *f)
{
    struct conn *c = by_route (s, route);
    if (!c || (!c->up && !c->ghost))
        return EHOSTUNREACH;
    if (s->now < c->jammed_until)
        return EAGAIN;
    if (c->up)
        dispatch (s, mail_new (s, c, TO_PEER, f));
    else
        wire_frames_fini (f); /* written to nobody */
    return 0;
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

static void come_up (struct sim *s, void *arg, uint64_t epoch)
{
    struct conn *c = arg;
    struct mail *m;
    if (c->closed || c->epoch != epoch)
        return;
    c->route = ++s->net->routes;
    c->up = true;
    c->ghost = false;
    sim_trace (s, "%s is connected, route %d", c->name, (int)c->route);
    while ((m = STAILQ_FIRST (&c->waiting))) {
        STAILQ_REMOVE_HEAD (&c->waiting, waiting);
        dispatch (s, m);
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

void net_close (struct sim *s, struct conn *c)
{
    if (!c || c->closed)
        return;
    c->closed = true;
    c->up = false;
    bool quiet = sim_chance (s, 200) && !s->calm;
    if (quiet || sim_chance (s, 500))
        c->epoch++; /* what it said last is lost with it */
    if (quiet)
        be_ghost (s, c);
    struct mail *m;
    while ((m = STAILQ_FIRST (&c->waiting))) {
        STAILQ_REMOVE_HEAD (&c->waiting, waiting);
        mail_free (m);
    }
}

void net_cut (struct sim *s, struct conn *c, int64_t down_us, bool quiet)
{
    if (!c || c->closed || !c->up)
        return;
    sim_trace (s, "%s is cut%s", c->name, quiet ? ", and the broker does not know" : "");
    c->up = false;
    c->epoch++;
    if (quiet)
        be_ghost (s, c);
    c->last[TO_BROKER] = c->last[TO_PEER] = 0;
    sim_at (s, s->now + down_us, come_up, c, c->epoch);
}

void net_cut_all (struct sim *s)
{
    struct conn *c;
    LIST_FOREACH (c, &s->net->conns, link)
        net_cut (s, c, sim_between (s, 100, 2000) * US_PER_MS, false);
}

void net_stall (struct sim *s, struct conn *c, int64_t us)
{
    if (c)
        c->stalled_until = s->now + us;
}

void net_jam (struct sim *s, struct conn *c, int64_t us)
{
    if (c)
        c->jammed_until = s->now + us;
}
