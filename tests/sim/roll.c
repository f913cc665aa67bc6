#include "tests/sim/roll.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "broker/core/sched.h"
#include "common/base/mem.h"
#include "tests/sim/bench.h"
#include "tests/sim/host.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"
#include "tests/sim/states.h"
#include "tests/sim/user.h"

enum {
    RING = 1024,                /* numbered messages of which the commit is remembered */
    SLACK_US = 500 * US_PER_MS, /* of ticks and of lag that does not count */
};

struct cover_of { /* grants up to that one are void where they are of that batch */
    uint64_t batch, upto;
};

struct entry {
    uint64_t token;
    void *peer;
    uint64_t route;
    uint64_t newest; /* the last route that was welcomed */
    uint64_t born;   /* as its HELLO without a token said; 0: there was none */
    bool worker;
    bool spoke; /* behind its WELCOME */
    char name[260];
    uint64_t expected;      /* the number that is new */
    uint64_t commits[RING]; /* by number */
    int64_t read_us;        /* awake time when something of it was read last */
    bool bye;               /* was read, */
    bool left;              /* ... or its next agent's HELLO */
    bool stays;             /* known to a broker that came back: not judged before it is here */
    uint64_t gone;          /* it was ended in this commit; 0: it is there */
    struct cover_of *covers;
    size_t n_covers;
    UT_hash_handle hh;
};

struct cancelled {                /* rows that are not to be granted any more */
    uint64_t batch, first, count; /* count 0: all */
    uint64_t commit;
    uint64_t token, seq, ref; /* of the message; it counts when it is acknowledged */
    bool acknowledged;
};

/* The last HELLO over a route. Its WELCOME may wait for a commit; the silence does not. */
struct greeting {
    uint64_t route;
    uint64_t born; /* of a worker without a token: who it is */
    int64_t read_us;
    bool left; /* the session that it began is over already */
    UT_hash_handle hh;
};

struct roll {
    struct entry *by_token;
    struct greeting *greetings;
    struct cancelled *cancelled;
    size_t n_cancelled;
};

struct roll *roll_new (void)
{
    return mem_zalloc (sizeof (struct roll));
}

static void drop (struct roll *r, struct entry *en)
{
    HASH_DEL (r->by_token, en);
    free (en->covers);
    free (en);
}

static void forget_greetings (struct roll *r)
{
    struct greeting *g, *tmp;
    HASH_ITER (hh, r->greetings, g, tmp) {
        HASH_DEL (r->greetings, g);
        free (g);
    }
}

void roll_free (struct roll **rp)
{
    struct roll *r = *rp;
    struct entry *en, *tmp;
    *rp = NULL;
    if (!r)
        return;
    HASH_ITER (hh, r->by_token, en, tmp)
        drop (r, en);
    forget_greetings (r);
    free (r->cancelled);
    free (r);
}

static struct entry *by_token (struct roll *r, uint64_t token)
{
    struct entry *en = NULL;
    HASH_FIND (hh, r->by_token, &token, sizeof token, en);
    return en;
}

static struct entry *by_route (struct roll *r, uint64_t route)
{
    struct entry *en;
    for (en = r->by_token; en; en = en->hh.next)
        if (en->route == route)
            return en;
    return NULL;
}

/* --- cancellations --- */

/* What it was granted of a batch so far may be void. */
static void cover (struct sim *s, struct entry *w, uint64_t batch)
{
    uint64_t upto = w->worker ? bench_grants (s, w->token) : 0;
    if (!upto)
        return;
    w->covers = mem_resize (w->covers, w->n_covers + 1, sizeof *w->covers);
    w->covers[w->n_covers++] = (struct cover_of){batch, upto};
}

static void read_cancel (struct sim *s, const struct entry *en, const struct wire *said,
                         uint64_t commit)
{
    struct roll *r = s->roll;
    const struct msg_cancel *m = &said->m.cancel;
    uint64_t batch = m->id ? m->id : user_batch (s, en->peer, m->batch);
    if (!batch)
        return;
    for (struct entry *w = r->by_token; w; w = w->hh.next)
        cover (s, w, batch);
    r->cancelled = mem_resize (r->cancelled, r->n_cancelled + 1, sizeof *r->cancelled);
    r->cancelled[r->n_cancelled++] =
        (struct cancelled){batch, m->first, m->count, commit, en->token, said->seq, m->ref, false};
}

/* Grants of before may leave later: the word that they are void goes with them. */
static bool is_covered (const struct entry *en, const struct msg_grant *m)
{
    for (size_t i = 0; i < en->n_covers; i++)
        if (en->covers[i].batch == m->batch && m->grant <= en->covers[i].upto)
            return true;
    return false;
}

static void check_grant (struct sim *s, const struct entry *en, const struct msg_grant *m,
                         uint64_t held)
{
    for (size_t i = 0; m->count && i < s->roll->n_cancelled; i++) {
        const struct cancelled *c = &s->roll->cancelled[i];
        bool meets =
            !c->count || (c->first < m->first + m->count && m->first < c->first + c->count);
        if (c->batch == m->batch && c->acknowledged && c->commit <= held && meets &&
            !is_covered (en, m))
            sim_fail (s, "rows from %d on of batch %d are granted, and were cancelled",
                      (int)m->first, (int)m->batch);
    }
}

static void read_retry (struct sim *s, const struct entry *en, const struct msg_retry *m)
{
    struct roll *r = s->roll;
    size_t kept = 0;
    ledger_retried (s, ledger_batch (s, en->token, m->id));
    for (size_t i = 0; i < r->n_cancelled; i++)
        if (r->cancelled[i].batch != m->id)
            r->cancelled[kept++] = r->cancelled[i];
    r->n_cancelled = kept;
}

static void sent_ack (struct roll *r, const struct entry *en, uint64_t ack)
{
    for (size_t i = 0; i < r->n_cancelled; i++)
        r->cancelled[i].acknowledged |=
            r->cancelled[i].token == en->token && r->cancelled[i].seq <= ack;
}

static void sent_reply (struct roll *r, const struct entry *en, const struct msg_reply *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n_cancelled; i++) {
        const struct cancelled *c = &r->cancelled[i];
        if (m->code == WIRE_OK || c->token != en->token || c->ref != m->ref)
            r->cancelled[kept++] = *c;
    }
    r->n_cancelled = kept;
}

/* Commits behind that one are gone; 0: all is. */
static void forget_cancels (struct roll *r, uint64_t last)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n_cancelled; i++)
        if (r->cancelled[i].commit <= last)
            r->cancelled[kept++] = r->cancelled[i];
    r->n_cancelled = kept;
}

/* --- what the broker reads --- */

static void leaves (struct entry *en)
{
    if (en)
        en->left = true;
}

static struct greeting *greeting_of (const struct roll *r, uint64_t route)
{
    struct greeting *g = NULL;
    HASH_FIND (hh, r->greetings, &route, sizeof route, g);
    return g;
}

static void note_greeting (struct roll *r, uint64_t route, const struct msg_hello *m,
                           int64_t awake_us)
{
    struct greeting *g = greeting_of (r, route);
    if (!g) {
        g = mem_zalloc (sizeof *g);
        g->route = route;
        HASH_ADD (hh, r->greetings, route, sizeof g->route, g);
    }
    g->read_us = awake_us;
    g->born = m->token ? 0 : m->born;
}

/* A worker that has no token says HELLO again over a newer connection: it has not heard the WELCOME
 * of before, if that has left yet, nor anything behind it. */
static void void_unheard (struct roll *r, uint64_t route, const struct msg_hello *m)
{
    if (m->token || !m->born)
        return;
    for (struct greeting *g = r->greetings; g; g = g->hh.next)
        g->left |= g->born == m->born && g->route < route;
    for (struct entry *en = r->by_token; en; en = en->hh.next)
        if (en->born == m->born && en->newest < route && !en->spoke)
            en->bye = en->left = true;
}

static void read_hello (struct sim *s, uint64_t route, const struct msg_hello *m, int64_t awake_us)
{
    struct entry *en = by_token (s->roll, m->token);
    struct entry *old = by_route (s->roll, route);
    void_unheard (s->roll, route, m);
    note_greeting (s->roll, route, m, awake_us);
    if (!en && m->role == ROLE_WORKER)
        ledger_stray (s, true);
    if (m->replaces && m->replaces != m->token)
        leaves (by_token (s->roll, m->replaces));
    if (old && old != en)
        leaves (old);
    if (en)
        en->read_us = awake_us;
}

void roll_read (struct sim *s, uint64_t route, const struct wire *w, uint64_t commit,
                int64_t awake_us)
{
    if (w->kind == WIRE_HELLO) {
        read_hello (s, route, &w->m.hello, awake_us);
        return;
    }
    struct entry *en = by_route (s->roll, route);
    if (!en)
        return;
    en->spoke = true;
    if (en->read_us < awake_us)
        en->read_us = awake_us;
    if (w->kind == WIRE_BYE)
        en->bye = en->left = true;
    if (!w->seq || w->seq != en->expected)
        return; /* the second time it counts for nothing */
    en->commits[w->seq % RING] = commit;
    en->expected++;
    if (w->kind == WIRE_CANCEL)
        read_cancel (s, en, w, commit);
    else if (w->kind == WIRE_RETRY)
        read_retry (s, en, &w->m.retry);
}

/* --- what it says --- */

static struct entry *enrol (struct sim *s, uint64_t route, const struct msg_welcome *m)
{
    struct entry *en = mem_zalloc (sizeof *en);
    en->token = m->token;
    en->expected = 1;
    en->peer = net_peer (s, route);
    en->worker = host_is (s, en->peer);
    const struct greeting *g = greeting_of (s->roll, route);
    en->read_us = g->read_us;
    en->born = g->born;
    en->bye = en->left = g->left;
    snprintf (en->name, sizeof en->name, "%.*s", (int)m->name.len, (const char *)m->name.ptr);
    HASH_ADD (hh, s->roll->by_token, token, sizeof en->token, en);
    ledger_enrol (s, en->token);
    if (en->worker)
        ledger_stray (s, false);
    /* its WELCOME may have waited for a commit, and grants behind it, while they were cancelled */
    for (size_t i = 0; i < s->roll->n_cancelled; i++)
        cover (s, en, s->roll->cancelled[i].batch);
    return en;
}

static struct entry *welcome (struct sim *s, uint64_t route, const struct msg_welcome *m)
{
    struct entry *en = by_token (s->roll, m->token);
    struct entry *old = by_route (s->roll, route);
    if (en ? route < en->newest : ledger_knows (s, m->token))
        return NULL; /* it waited in the broker, and goes to a connection of before */
    if (old && old != en)
        old->route = 0;
    if (!m->resumed && en)
        sim_fail (s, "the session of %s is new and had been there", en->name);
    if (m->resumed && (!en || en->gone))
        sim_fail (s, "a session goes on that had not begun");
    if (!en)
        en = enrol (s, route, m);
    en->newest = route;
    if (m->resumed == 2) {
        en->expected = 1;
        ledger_settled (s, en->token);
    }
    en->route = route;
    en->stays = false;
    return en;
}

/* Its session ends without a silence: only where the disk has forgotten what it had promised. */
static void fenced (struct sim *s, struct entry *en)
{
    if (!s->went_back)
        sim_fail (s, "%s is fenced, and nothing was forgotten", en->name);
    en->left = true;
}

void roll_sent (struct sim *s, uint64_t route, const struct wire *w, uint64_t held)
{
    bool begins = w->kind == WIRE_WELCOME;
    struct entry *en = begins ? welcome (s, route, &w->m.welcome) : by_route (s->roll, route);
    uint64_t ack = begins ? w->m.welcome.received : w->ack;
    if (en && w->kind == WIRE_REPLY)
        sent_reply (s->roll, en, &w->m.reply);
    if (en && w->kind == WIRE_GRANT)
        check_grant (s, en, &w->m.grant, held);
    if (en && w->kind == WIRE_ERROR && w->m.error.code == WIRE_FENCED)
        fenced (s, en);
    if (!en || !ack)
        return;
    sent_ack (s->roll, en, ack);
    if (ack >= en->expected)
        sim_fail (s, "the broker acknowledges message %d of %s, and has not read it", (int)ack,
                  en->name);
    if (en->commits[ack % RING] > held)
        sim_fail (s, "the broker acknowledges message %d of %s, which is in commit %d: %d hold",
                  (int)ack, en->name, (int)en->commits[ack % RING], (int)held);
}

/* --- who is gone --- */

static void judged (struct sim *s, const struct entry *en, int64_t awake_us)
{
    int64_t silent = awake_us - en->read_us;
    if (silent < bench_lost_us (s) - SLACK_US)
        sim_fail (s, "%s is given up after %d ms of silence", en->name, (int)(silent / US_PER_MS));
    if (en->route && bench_has_unread (s, en->route))
        sim_fail (s, "%s is given up, and its mail is not read", en->name);
    sim_trace (s, "%s was given up", en->name);
    sim_count (s, COUNT_GIVEN_UP);
}

/* What came over a connection that was given up in the same turn was looked at, and not taken: it
 * will come again. */
static void not_taken (struct roll *r, struct entry *en, uint64_t received)
{
    size_t kept = 0;
    if (received + 1 >= en->expected)
        return;
    en->expected = received + 1;
    for (size_t i = 0; i < r->n_cancelled; i++)
        if (r->cancelled[i].token != en->token || r->cancelled[i].seq <= received)
            r->cancelled[kept++] = r->cancelled[i];
    r->n_cancelled = kept;
}

void roll_turn (struct sim *s, const struct sched *sched, int64_t awake_us)
{
    struct entry *en, *tmp;
    HASH_ITER (hh, s->roll->by_token, en, tmp) {
        uint64_t route;
        if (en->gone)
            continue;
        if (broker_has (sched, en->token, &route)) {
            if (!en->stays) {
                en->route = route;
                not_taken (s->roll, en, broker_received (sched, en->token));
            }
            continue;
        }
        if (en->worker && !en->left)
            judged (s, en, awake_us);
        if (!en->worker)
            user_is_gone (s, en->peer);
        if (en->worker && !en->bye)
            ledger_lost (s, en->token);
        ledger_fence (s, en->token);
        en->gone = sched_commit_number (sched);
        en->route = 0;
    }
}

void roll_restart (struct sim *s, bool restores, uint64_t held, int64_t awake_us, int64_t grace_us)
{
    struct entry *en, *tmp;
    forget_cancels (s->roll, held);
    forget_greetings (s->roll);
    HASH_ITER (hh, s->roll->by_token, en, tmp) {
        en->route = en->newest = 0; /* nobody knows any more which connection was the newer */
        en->n_covers = 0;
        en->stays = true;
        if (en->read_us < awake_us + grace_us - bench_lost_us (s))
            en->read_us = awake_us + grace_us - bench_lost_us (s);
        if (en->gone > held) { /* that was not kept */
            ledger_unfence (s, en->token);
            en->gone = 0;
        }
        if (restores && en->worker && !en->gone && bench_knows (s, en->token))
            continue;
        if (en->worker && !en->gone)
            ledger_lost (s, en->token);
        ledger_fence (s, en->token);
        drop (s->roll, en);
    }
}

int64_t roll_silence (const struct sim *s, const void *peer)
{
    const struct entry *en;
    for (en = s->roll->by_token; en; en = en->hh.next)
        if (en->peer == peer && en->route)
            return bench_awake (s) + bench_waits (s) - en->read_us;
    return -1;
}
