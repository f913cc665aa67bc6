/* Hello: who comes, and what they are told. A new session, or one that goes on: on another
 * connection, or after the broker was restarted.
 *
 * Names of workers are unique. A token is nobody's twice, also not over restarts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

enum { NAME_STEM_MAX = 230, NAME_TRIES = 16 };

uint64_t sched_random (struct sched *s)
{
    /* splitmix64 over a random seed: tokens need to be hard to meet by chance; who may speak at all
     * is decided by keys */
    s->rng += 0x9e3779b97f4a7c15u;
    uint64_t z = s->rng;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return z ? z : 1; /* 0 is no token */
}

static void welcome (struct sched *s, struct session *se, unsigned resumed, struct effects *fx)
{
    struct wire w = {.kind = WIRE_WELCOME};
    struct msg_welcome *m = &w.m.welcome;
    m->major = WIRE_MAJOR;
    m->features = FEATURE_PARTS | FEATURE_KEYS | FEATURE_COMMANDS | FEATURE_PROGRESS |
                  (s->cfg.durable ? FEATURE_DURABLE : 0);
    m->broker = s->cfg.broker_id;
    m->token = se->token;
    m->received = chan_ack_number (se->chan);
    m->resumed = resumed;
    m->ping_ms = (uint64_t)(s->cfg.ping_us / US_PER_MS);
    m->suspect_ms = (uint64_t)(s->cfg.suspect_us / US_PER_MS);
    m->lost_ms = (uint64_t)(s->cfg.lost_us / US_PER_MS);
    m->orphan_ms = (uint64_t)(s->cfg.orphan_us / US_PER_MS);
    m->frame_max = WIRE_FRAME_MAX;
    m->window_msgs = s->cfg.window_msgs;
    se->shut = session_is_shut (s, se);
    m->window_bytes = se->shut ? 0 : s->cfg.window_bytes;
    m->version = bytes_str (s->cfg.version);
    m->name = bytes_str (se->name);
    session_say (se, se->route, &w, fx);
}

static bool name_taken (struct sched *s, const char *name)
{
    struct session *se = NULL;
    HASH_FIND (by_name, s->by_name, name, strlen (name), se);
    return se;
}

/* Names of workers are unique: people use them to say which one. */
static char *unique_name (struct sched *s, const struct msg_hello *m)
{
    char *name = m->name.len ? mem_strndup ((const char *)m->name.ptr, m->name.len)
                             : mem_printf ("peer-%" PRIu64, m->pid);
    if (m->role != ROLE_WORKER || !name_taken (s, name))
        return name;
    /* the next number that is free; where thousands have one name, not by trying all of them */
    for (uint64_t n = 2;; n = n < NAME_TRIES || n > s->n_workers ? n + 1 : s->n_workers + 1) {
        char *other = mem_printf ("%.*s#%" PRIu64, NAME_STEM_MAX, name, n);
        if (!name_taken (s, other)) {
            free (name);
            return other;
        }
        free (other);
    }
}

struct session *session_make (struct sched *s, const struct wire *hello, uint64_t token,
                              int64_t now)
{
    const struct msg_hello *m = &hello->m.hello;
    struct session *se = mem_zalloc (sizeof *se);
    se->token = token;
    se->role = (enum wire_role)m->role;
    se->name = unique_name (s, m);
    se->host = mem_strndup ((const char *)m->host.ptr, m->host.len);
    se->pid = m->pid;
    se->born = m->born;
    se->heard_us = se->pinged_us = now;
    se->chan = chan_new (s->cfg.window_msgs, s->cfg.window_bytes);
    HASH_ADD (by_token, s->by_token, token, sizeof se->token, se);
    if (se->role == ROLE_WORKER)
        HASH_ADD_KEYPTR (by_name, s->by_name, se->name, strlen (se->name), se);
    if (se->role == ROLE_WORKER)
        se->worker = worker_new (s, se, hello);
    else
        se->client = client_new (s, se);
    return se;
}

static struct session *session_new (struct sched *s, uint64_t route, const struct wire *hello,
                                    int64_t now, struct effects *fx)
{
    uint64_t token;
    do
        token = sched_random (s);
    while (session_by_token (s, token));
    struct session *se = session_make (s, hello, token, now);
    session_set_route (s, se, route);
    record_session (s, se, hello, fx);
    return se;
}

static bool hello_fits (const struct msg_hello *m, uint64_t route, struct effects *fx)
{
    char text[200];
    if (m->min_major > WIRE_MAJOR || m->max_major < WIRE_MAJOR) {
        snprintf (text, sizeof text,
                  "this broker speaks protocol version %d, the peer %" PRIu64 " to %" PRIu64
                  ": install matching versions of drover",
                  WIRE_MAJOR, m->min_major, m->max_major);
        session_say_error (NULL, route, WIRE_UNSUPPORTED, WIRE_HELLO, 0, text, fx);
        return false;
    }
    if (m->role == ROLE_NONE) {
        session_say_error (NULL, route, WIRE_MALFORMED, WIRE_HELLO, 0, "a peer must name its role",
                           fx);
        return false;
    }
    return true;
}

/* The session of this token on a new connection; NULL where it cannot go on. */
static struct session *resume (struct sched *s, uint64_t route, const struct wire *hello,
                               int64_t now)
{
    const struct msg_hello *m = &hello->m.hello;
    struct session *se = m->token ? session_by_token (s, m->token) : NULL;
    if (!se || se->role != (enum wire_role)m->role || se->leaving)
        return NULL;
    if (restored_is_new (se))
        restored_back (s, se, hello, now);
    else if (chan_resume (se->chan, m->received) < 0)
        return NULL; /* is_late() would have said so */
    session_set_route (s, se, route);
    se->missed = false;
    se->gone_us = 0;
    se->heard_us = now;
    return se;
}

/* Workers that come and go are events; every command of a user is a client, and comes and goes. */
enum log_level session_coming_level (const struct session *se)
{
    return se->worker ? LOG_INFO : LOG_DEBUG;
}

/* Sessions that this peer had before. */
static void end_older (struct sched *s, uint64_t route, const struct msg_hello *m, int64_t now,
                       struct effects *fx)
{
    struct session *old = session_by_route (s, route);
    if (old && old->token != m->token)
        session_leave (s, old, now, fx);
    struct session *dead = m->replaces ? session_by_token (s, m->replaces) : NULL;
    if (dead && dead->role == ROLE_WORKER && m->role == ROLE_WORKER && dead->token != m->token) {
        effect_log (fx, LOG_WARN, "agent died worker=%s", dead->name);
        dead->processes_gone = true; /* the new one comes when they are */
        session_leave (s, dead, now, fx);
    }
}

/* The session that a worker without a token was given; NULL: none. */
static struct session *same_born (const struct sched *s, const struct msg_hello *m)
{
    const struct worker *w;
    if (m->role != ROLE_WORKER || m->token || !m->born)
        return NULL;
    TAILQ_FOREACH (w, &s->workers, link)
        if (w->session->born == m->born && w->session->pid == m->pid && !w->session->leaving)
            return w->session;
    return NULL;
}

/* Routes of one link are numbered as connections come. */
static bool is_older (uint64_t route, uint64_t other)
{
    return route >> 32 == other >> 32 && (int32_t)((uint32_t)route - (uint32_t)other) < 0;
}

/* A worker that has no token and was given one has not heard that WELCOME, nor any grant behind it:
 * what it was granted never arrived. One that says HELLO over a line that works one way only would
 * have a new session, with new rows, each time. Returns whether there was one. */
static bool end_unheard (struct sched *s, const struct msg_hello *m, int64_t now,
                         struct effects *fx)
{
    struct session *se = same_born (s, m);
    if (!se)
        return false;
    struct lease *l = LIST_FIRST (&se->worker->leases);
    while (l) {
        struct lease *next = LIST_NEXT (l, w_link);
        struct batch *b = l->batch;
        lease_give_back (s, l, 0, UINT64_MAX, fx);
        lease_drop_if_empty (s, l);
        batch_progress (s, b, now);
        l = next;
    }
    se->said_bye = se->processes_gone = true;
    session_leave (s, se, now, fx);
    return true;
}

static bool may_come (struct sched *s, const struct sched_event *ev, struct effects *fx)
{
    const struct msg_hello *m = &ev->message->m.hello;
    if (!hello_fits (m, ev->route, fx))
        return false;
    if (s->stopping) {
        session_say_error (NULL, ev->route, WIRE_STOPPING, WIRE_HELLO, 0,
                           "the broker is about to stop", fx);
        return false;
    }
    if (s->degraded && m->role == ROLE_WORKER && !session_by_token (s, m->token)) {
        session_say_error (NULL, ev->route, WIRE_STORAGE, WIRE_HELLO, 0, s->degraded, fx);
        return false;
    }
    return true;
}

/* A connection that was given up may bring its HELLO after the next one's: the network sends again
 * what it had not delivered, some time after it could. The session has gone on since, and its
 * numbers with it; or it began with the next one, whose WELCOME was heard or is on its way, with
 * rows behind it. (A peer that is really wrong about its numbers is lost in the end.) */
static bool is_late (const struct sched *s, const struct session *se, const struct msg_hello *m,
                     uint64_t route)
{
    const struct session *begun = same_born (s, m);
    if (begun && (begun->spoke || is_older (route, begun->hello_by)))
        return true;
    return se && se->role == (enum wire_role)m->role && !se->leaving && !restored_is_new (se) &&
           !chan_fits (se->chan, m->received);
}

void session_on_hello (struct sched *s, const struct sched_event *ev, int64_t now,
                       struct effects *fx)
{
    const struct msg_hello *m = &ev->message->m.hello;
    if (!may_come (s, ev, fx))
        return;
    struct session *se = session_by_token (s, m->token);
    if (is_late (s, se, m, ev->route)) {
        session_say_error (NULL, ev->route, WIRE_NO_SESSION, WIRE_HELLO, 0,
                           "an old HELLO: the session has gone on", fx);
        return;
    }
    bool unheard = end_unheard (s, m, now, fx); /* first: it may be that of this connection */
    end_older (s, ev->route, m, now, fx);
    unsigned resumed = se && restored_is_new (se) ? 2 : 1;
    se = resume (s, ev->route, ev->message, now);
    if (!se) {
        struct session *old = session_by_route (s, ev->route);
        if (old) /* the token was its own, the role was not */
            session_leave (s, old, now, fx);
        resumed = 0;
        se = session_new (s, ev->route, ev->message, now, fx);
    }
    effect_log (fx, resumed ? LOG_INFO : session_coming_level (se), "%s %s=%s host=%s",
                resumed ? "resumed" : "joined", se->worker ? "worker" : "client", se->name,
                se->host);
    se->doubtful = unheard;
    se->hello_by = ev->route;
    welcome (s, se, resumed, fx);
    session_dirty (s, se);
    if (se->worker)
        worker_touch (s, se->worker);
}
