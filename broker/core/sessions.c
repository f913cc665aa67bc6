/* Sessions: who is there. HELLO and WELCOME, the numbered channel of each peer, signs of life, the
 * end.
 *
 * A session outlives its connections: a peer that comes back with its token goes on where it was.
 * Workers are judged by silence, clients by their connection (a client may compute, or be stopped).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

enum {
    MALFORMED_MAX = 16,
    NAME_STEM_MAX = 230,
    NAME_TRIES = 16,
    REFUSALS_LOGGED = 16, /* of one session; it is told all of them */
    UNREAD_WINDOWS = 8,   /* what a client may leave unread, in windows, besides results */
};

static uint64_t random_token (struct sched *s)
{
    /* splitmix64 over a random seed: tokens need to be hard to meet by chance; who may speak at all
     * is decided by keys */
    s->rng += 0x9e3779b97f4a7c15u;
    uint64_t z = s->rng;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return z ? z : 1;
}

static struct session *by_route (struct sched *s, uint64_t route)
{
    struct session *se = NULL;
    HASH_FIND (by_route, s->by_route, &route, sizeof route, se);
    return se;
}

static struct session *by_token (struct sched *s, uint64_t token)
{
    struct session *se = NULL;
    HASH_FIND (by_token, s->by_token, &token, sizeof token, se);
    return se;
}

void session_dirty (struct sched *s, struct session *se)
{
    se->hold = s->turn;
    if (se->dirty)
        return;
    se->dirty = true;
    TAILQ_INSERT_TAIL (&s->dirty, se, dirty_link);
}

static bool is_bulk (enum wire_kind kind)
{
    switch (kind) {
    case WIRE_SPEC:
    case WIRE_GRANT:
    case WIRE_RESULTS:
    case WIRE_OUTPUT:
    case WIRE_INPUT:
    case WIRE_END:
        return true;
    default:
        return false;
    }
}

void session_post (struct sched *s, struct session *se, const struct wire *w)
{
    struct wire_frames f;
    if (!se || wire_encode (w, &f, NULL) < 0)
        return;
    chan_post_take (se->chan, is_bulk (w->kind) ? LANE_BULK : LANE_CONTROL, &f, s->turn);
    session_dirty (s, se);
}

/* Transmit a message that has no number. */
static void say (struct session *se, uint64_t route, struct wire *w, struct effects *fx)
{
    struct wire_frames f;
    if (se)
        w->ack = chan_ack_number (se->chan);
    if (wire_encode (w, &f, NULL) < 0)
        return;
    if (se)
        chan_ack_sent (se->chan, w->ack);
    effect_send_take (fx, route, &f);
}

static void say_error (struct session *se, uint64_t route, enum wire_code code, unsigned kind,
                       uint64_t ref, const char *text, struct effects *fx)
{
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error.code = code;
    w.m.error.kind = kind;
    w.m.error.ref = ref;
    w.m.error.text = bytes_str (text);
    say (se, route, &w, fx);
}

void session_error (struct sched *s, struct session *se, enum wire_code code, unsigned kind,
                    uint64_t ref, struct effects *fx, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start (ap, fmt);
    vsnprintf (text, sizeof text, fmt, ap);
    va_end (ap);
    if (se->refusals++ < REFUSALS_LOGGED)
        effect_log (fx, LOG_INFO, "refused peer=%s kind=%s ref=%" PRIu64 " why=\"%s\"", se->name,
                    wire_name (kind) ? wire_name (kind) : "?", ref, text);
    if (se->route)
        say_error (se, se->route, code, kind, ref, text, fx);
    (void)s;
}

/* Held back while there is too much. Who is in the middle of a large row may finish it: half a row
 * makes no room by itself. */
static bool is_shut (const struct sched *s, const struct session *se)
{
    return se->client && s->was_full && !client_is_halfway (se->client);
}

static void welcome (struct sched *s, struct session *se, bool resumed, struct effects *fx)
{
    struct wire w = {.kind = WIRE_WELCOME};
    struct msg_welcome *m = &w.m.welcome;
    m->major = WIRE_MAJOR;
    m->features = FEATURE_PARTS | FEATURE_COMMANDS;
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
    se->shut = is_shut (s, se);
    m->window_bytes = se->shut ? 0 : s->cfg.window_bytes;
    m->version = bytes_str (s->cfg.version);
    m->name = bytes_str (se->name);
    say (se, se->route, &w, fx);
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

static void set_route (struct sched *s, struct session *se, uint64_t route)
{
    if (se->route)
        HASH_DELETE (by_route, s->by_route, se);
    se->route = route;
    if (route)
        HASH_ADD (by_route, s->by_route, route, sizeof se->route, se);
}

static struct session *session_new (struct sched *s, uint64_t route, const struct wire *w,
                                    int64_t now)
{
    const struct msg_hello *m = &w->m.hello;
    struct session *se = mem_zalloc (sizeof *se);
    do
        se->token = random_token (s);
    while (by_token (s, se->token));
    se->role = (enum wire_role)m->role;
    se->name = unique_name (s, m);
    se->host = mem_strndup ((const char *)m->host.ptr, m->host.len);
    se->pid = m->pid;
    se->heard_us = se->pinged_us = now;
    se->chan = chan_new (s->cfg.window_msgs, s->cfg.window_bytes);
    HASH_ADD (by_token, s->by_token, token, sizeof se->token, se);
    if (se->role == ROLE_WORKER)
        HASH_ADD_KEYPTR (by_name, s->by_name, se->name, strlen (se->name), se);
    set_route (s, se, route);
    if (se->role == ROLE_WORKER)
        se->worker = worker_new (s, se, w);
    else
        se->client = client_new (s, se);
    return se;
}

void session_end (struct sched *s, struct session *se, int64_t now, struct effects *fx)
{
    /* first out of every list, so that nothing that follows finds it */
    if (se->dirty)
        TAILQ_REMOVE (&s->dirty, se, dirty_link);
    se->dirty = true; /* nothing puts it back */
    HASH_DELETE (by_token, s->by_token, se);
    if (se->role == ROLE_WORKER)
        HASH_DELETE (by_name, s->by_name, se);
    set_route (s, se, 0);
    if (se->worker)
        worker_gone (s, se->worker, !se->said_bye, now, fx);
    if (se->client)
        client_gone (s, se->client, now, fx);
    chan_free (&se->chan);
    free (se->name);
    free (se->host);
    free (se);
}

static bool hello_fits (const struct msg_hello *m, uint64_t route, struct effects *fx)
{
    char text[200];
    if (m->min_major > WIRE_MAJOR || m->max_major < WIRE_MAJOR) {
        snprintf (text, sizeof text,
                  "this broker speaks protocol version %d, the peer %" PRIu64 " to %" PRIu64
                  ": install matching versions of drover",
                  WIRE_MAJOR, m->min_major, m->max_major);
        say_error (NULL, route, WIRE_UNSUPPORTED, WIRE_HELLO, 0, text, fx);
        return false;
    }
    if (m->role == ROLE_NONE) {
        say_error (NULL, route, WIRE_MALFORMED, WIRE_HELLO, 0, "a peer must name its role", fx);
        return false;
    }
    return true;
}

/* The session of this token on a new connection; NULL where it cannot go on. */
static struct session *resume (struct sched *s, uint64_t route, const struct msg_hello *m,
                               int64_t now, struct effects *fx)
{
    struct session *se = m->token ? by_token (s, m->token) : NULL;
    if (!se || se->role != (enum wire_role)m->role)
        return NULL;
    if (chan_resume (se->chan, m->received) < 0) {
        effect_log (fx, LOG_WARN, "session does not fit peer=%s received=%" PRIu64, se->name,
                    m->received);
        session_end (s, se, now, fx);
        return NULL;
    }
    set_route (s, se, route);
    se->gone_us = 0;
    se->heard_us = now;
    return se;
}

/* Workers that come and go are events; every command of a user is a client, and comes and goes. */
static enum log_level coming_level (const struct session *se)
{
    return se->worker ? LOG_INFO : LOG_DEBUG;
}

static void on_hello (struct sched *s, const struct sched_event *ev, int64_t now,
                      struct effects *fx)
{
    const struct msg_hello *m = &ev->message->m.hello;
    if (!hello_fits (m, ev->route, fx))
        return;
    if (s->stopping) {
        say_error (NULL, ev->route, WIRE_STOPPING, WIRE_HELLO, 0, "the broker is about to stop",
                   fx);
        return;
    }
    struct session *old = by_route (s, ev->route);
    if (old && old->token != m->token)
        session_end (s, old, now, fx);
    struct session *dead = m->replaces ? by_token (s, m->replaces) : NULL;
    if (dead && dead->role == ROLE_WORKER && m->role == ROLE_WORKER && dead->token != m->token) {
        effect_log (fx, LOG_WARN, "agent died worker=%s", dead->name);
        session_end (s, dead, now, fx);
    }
    struct session *se = resume (s, ev->route, m, now, fx);
    bool resumed = se != NULL;
    if (!se) {
        if ((old = by_route (s, ev->route))) /* the token was its own, the role was not */
            session_end (s, old, now, fx);
        se = session_new (s, ev->route, ev->message, now);
    }
    effect_log (fx, resumed ? LOG_INFO : coming_level (se), "%s %s=%s host=%s",
                resumed ? "resumed" : "joined", se->worker ? "worker" : "client", se->name,
                se->host);
    welcome (s, se, resumed, fx);
    session_dirty (s, se);
    if (se->worker)
        worker_touch (s, se->worker);
}

static void on_ping (struct session *se, const struct wire *w, struct effects *fx)
{
    struct wire pong = {.kind = WIRE_PONG};
    pong.m.pong.stamp = w->m.ping.stamp;
    say (se, se->route, &pong, fx);
}

static void on_bye (struct sched *s, struct session *se, int64_t now, struct effects *fx)
{
    struct wire ok = {.kind = WIRE_BYE_OK};
    say (se, se->route, &ok, fx);
    effect_log (fx, coming_level (se), "left %s=%s", se->worker ? "worker" : "client", se->name);
    se->said_bye = true;
    session_end (s, se, now, fx);
}

/* Messages about the session itself; false: it is about work. */
static bool session_business (struct sched *s, struct session *se, const struct wire *w,
                              int64_t now, struct effects *fx)
{
    switch (w->kind) {
    case WIRE_PING:
        on_ping (se, w, fx);
        return true;
    case WIRE_ACK:
        chan_window (se->chan, s->cfg.window_msgs, w->m.ack.window_bytes);
        return true;
    case WIRE_BYE:
        on_bye (s, se, now, fx);
        return true;
    case WIRE_PONG:
    case WIRE_ERROR:
    case WIRE_BYE_OK:
        return true;
    default:
        return false;
    }
}

static void turn_out (struct sched *s, struct session *se, enum wire_code code, const char *text,
                      int64_t now, struct effects *fx)
{
    struct wire bye = {.kind = WIRE_BYE};
    bye.m.bye.code = code;
    bye.m.bye.text = bytes_str (text);
    say (se, se->route, &bye, fx);
    session_end (s, se, now, fx);
}

/* A peer that breaks the rules again and again loses its session, never the process. */
static void misbehaved (struct sched *s, struct session *se, enum wire_code code, unsigned kind,
                        const char *text, int64_t now, struct effects *fx)
{
    s->malformed++;
    say_error (se, se->route, code, kind, 0, text, fx);
    effect_log (fx, LOG_WARN, "bad message peer=%s why=\"%s\"", se->name, text);
    if (++se->malformed >= MALFORMED_MAX)
        turn_out (s, se, code, "too many bad messages", now, fx);
}

static bool in_order (struct sched *s, struct session *se, const struct wire *w, int64_t now,
                      struct effects *fx)
{
    chan_now (se->chan, now);
    chan_hold_ack (se->chan, s->turn);
    switch (chan_accept (se->chan, w->seq, w->ack)) {
    case CHAN_NEW:
        return true;
    case CHAN_DUPLICATE:
        return false;
    case CHAN_GAP: /* what came before was lost with a connection: the peer must come again */
        say_error (NULL, se->route, WIRE_NO_SESSION, w->kind, 0,
                   "a message is missing: HELLO again", fx);
        return false;
    case CHAN_LIE:
    default:
        misbehaved (s, se, WIRE_MALFORMED, w->kind, "acknowledges what was never sent", now, fx);
        return false;
    }
}

/* Results wait for the window of their reader, answers do not: who asks for more and more of them
 * and takes none would fill our memory. */
static bool reads_nothing (const struct sched *s, const struct session *se)
{
    return se->client && chan_backlog_bytes (se->chan) > UNREAD_WINDOWS * s->cfg.window_bytes;
}

void session_on_message (struct sched *s, const struct sched_event *ev, int64_t now,
                         struct effects *fx)
{
    const struct wire *w = ev->message;
    if (w->kind == WIRE_HELLO) {
        on_hello (s, ev, now, fx);
        return;
    }
    struct session *se = by_route (s, ev->route);
    if (!se) {
        say_error (NULL, ev->route, WIRE_NO_SESSION, w->kind, 0, "HELLO first", fx);
        return;
    }
    se->heard_us = now;
    if ((w->seq != 0) != wire_numbered (w->kind)) {
        misbehaved (s, se, WIRE_MALFORMED, w->kind, "a number where there is none, or none", now,
                    fx);
        return;
    }
    session_dirty (s, se);
    if (!in_order (s, se, w, now, fx))
        return;
    if (!wire_may_send (se->worker ? SENDER_W : SENDER_C, w->kind)) {
        misbehaved (s, se, WIRE_FORBIDDEN, w->kind, "not this role's business", now, fx);
        return;
    }
    if (session_business (s, se, w, now, fx))
        return;
    if (reads_nothing (s, se)) {
        effect_log (fx, LOG_WARN, "asks and does not read client=%s unread_bytes=%zu", se->name,
                    chan_backlog_bytes (se->chan));
        turn_out (s, se, WIRE_BUSY, "you ask, and do not read the answers", now, fx);
        return;
    }
    if (se->worker)
        worker_on_message (s, se, w, now, fx);
    else
        client_on_message (s, se, w, now, fx);
}

void session_on_malformed (struct sched *s, const struct sched_event *ev, int64_t now,
                           struct effects *fx)
{
    struct session *se = by_route (s, ev->route);
    struct wire w = {.kind = (enum wire_kind)ev->kind_byte, .seq = ev->seq, .ack = ev->ack};
    if (!se) {
        s->malformed++;
        say_error (NULL, ev->route, ev->code, ev->kind_byte, 0, ev->text, fx);
        return;
    }
    session_dirty (s, se);
    /* what is only new to us takes its number, or all that follow would count as a gap */
    if (ev->code != WIRE_UNSUPPORTED || !w.seq || in_order (s, se, &w, now, fx))
        misbehaved (s, se, ev->code, ev->kind_byte, ev->text, now, fx);
}

void session_on_gone (struct sched *s, const struct sched_event *ev, int64_t now)
{
    struct session *se = by_route (s, ev->route);
    if (!se)
        return;
    set_route (s, se, 0);
    se->gone_us = now;
}

static void judge_worker (struct sched *s, struct session *se, const struct sched_event *tick,
                          int64_t now, struct effects *fx)
{
    int64_t silent = tick->read_to_us - se->heard_us;
    if (silent >= s->cfg.lost_us) {
        effect_log (fx, LOG_WARN, "lost worker=%s silent_ms=%" PRId64, se->name,
                    silent / US_PER_MS);
        if (se->route)
            say_error (se, se->route, WIRE_LOST, 0, 0, "given up for lost", fx);
        session_end (s, se, now, fx);
        return;
    }
    bool suspect = silent >= s->cfg.suspect_us;
    if (suspect != se->worker->suspect) {
        se->worker->suspect = suspect;
        effect_log (fx, LOG_INFO, "%s worker=%s", suspect ? "suspect" : "alive again", se->name);
        worker_touch (s, se->worker);
    }
}

static void judge_client (struct sched *s, struct session *se, const struct sched_event *tick,
                          int64_t now, struct effects *fx)
{
    if (!se->route) {
        if (tick->read_to_us - se->gone_us >= s->cfg.client_gone_us) {
            effect_log (fx, LOG_INFO, "gone client=%s", se->name);
            session_end (s, se, now, fx);
        }
        return;
    }
    if (now - se->pinged_us < s->cfg.ping_us)
        return;
    se->pinged_us = now;
    struct wire ping = {.kind = WIRE_PING};
    ping.m.ping.stamp = (uint64_t)now;
    say (se, se->route, &ping, fx);
}

void sessions_tick (struct sched *s, const struct sched_event *tick, int64_t now,
                    struct effects *fx)
{
    struct session *se, *tmp;
    HASH_ITER (by_token, s->by_token, se, tmp) {
        se->heard_us += tick->lag_us; /* our own lateness is nobody's silence */
        if (se->heard_us > now)
            se->heard_us = now;
        if (se->worker)
            judge_worker (s, se, tick, now, fx);
        else
            judge_client (s, se, tick, now, fx);
    }
}

void sessions_stop (struct sched *s, struct effects *fx)
{
    s->stopping = true;
    struct session *se, *tmp;
    HASH_ITER (by_token, s->by_token, se, tmp) {
        struct wire bye = {.kind = WIRE_BYE};
        bye.m.bye.code = WIRE_STOPPING;
        bye.m.bye.text = bytes_str ("the broker was told to stop");
        if (se->route)
            say (se, se->route, &bye, fx);
    }
}

static void send_ack (struct sched *s, struct session *se, struct effects *fx)
{
    struct wire ack = {.kind = WIRE_ACK};
    se->shut = is_shut (s, se);
    ack.m.ack.window_bytes = se->shut ? 0 : s->cfg.window_bytes;
    say (se, se->route, &ack, fx);
}

/* Submissions are held back while the broker holds more than it may, by every client's window. */
static void check_full (struct sched *s, struct effects *fx)
{
    uint64_t limit = s->cfg.queue_bytes;
    bool full = s->was_full ? s->queue_bytes > limit / 4 * 3 : s->queue_bytes > limit;
    if (full == s->was_full)
        return;
    s->was_full = full;
    effect_log (fx, LOG_INFO, "%s queue_bytes=%" PRIu64, full ? "full" : "has room again",
                s->queue_bytes);
    for (struct session *se = s->by_token; se; se = se->by_token.next)
        if (se->client && se->route && se->shut != full)
            send_ack (s, se, fx);
}

static void flush_one (struct sched *s, struct session *se, int64_t now, struct effects *fx)
{
    struct wire_frames f;
    chan_now (se->chan, now);
    chan_release (se->chan, s->committed);
    while (se->route && chan_next (se->chan, &f))
        effect_send_take (fx, se->route, &f);
    if (se->route && chan_owes_ack (se->chan))
        send_ack (s, se, fx);
}

void sessions_flush (struct sched *s, int64_t now, struct effects *fx)
{
    check_full (s, fx);
    struct session *se = TAILQ_FIRST (&s->dirty);
    while (se) {
        struct session *next = TAILQ_NEXT (se, dirty_link);
        flush_one (s, se, now, fx);
        if (se->hold <= s->committed || !se->route) {
            TAILQ_REMOVE (&s->dirty, se, dirty_link);
            se->dirty = false;
        }
        se = next;
    }
}
