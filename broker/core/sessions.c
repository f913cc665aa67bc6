/* Sessions: who is there. The numbered channel of each peer, signs of life, the end. How they come
 * is in hello.c.
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
    REFUSALS_LOGGED = 16, /* of one session; it is told all of them */
    UNREAD_MIN = 256 << 10,
    BUSY_RETRY_MS = 1000,
};

struct session *session_by_route (struct sched *s, uint64_t route)
{
    struct session *se = NULL;
    HASH_FIND (by_route, s->by_route, &route, sizeof route, se);
    return se;
}

struct session *session_by_token (struct sched *s, uint64_t token)
{
    struct session *se = NULL;
    HASH_FIND (by_token, s->by_token, &token, sizeof token, se);
    return se;
}

struct session *session_by_name (struct sched *s, const char *name)
{
    struct session *se = NULL;
    HASH_FIND (by_name, s->by_name, name, strlen (name), se);
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
    case WIRE_SIGNAL: /* these three behind the grant of their row */
    case WIRE_PEEK:
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
void session_say (struct session *se, uint64_t route, struct wire *w, struct effects *fx)
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

void session_say_error (struct session *se, uint64_t route, enum wire_code code, unsigned kind,
                        uint64_t ref, const char *text, struct effects *fx)
{
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error.code = code;
    w.m.error.kind = kind;
    w.m.error.ref = ref;
    w.m.error.text = bytes_str (text);
    session_say (se, route, &w, fx);
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
        session_say_error (se, se->route, code, kind, ref, text, fx);
    (void)s;
}

void session_busy (struct session *se, unsigned kind, uint64_t ref, const struct quota_limit *over,
                   struct effects *fx)
{
    struct wire w = {.kind = WIRE_ERROR};
    w.m.error.code = WIRE_BUSY;
    w.m.error.kind = kind;
    w.m.error.ref = ref;
    w.m.error.text = bytes_str (over->text);
    w.m.error.retry_ms = BUSY_RETRY_MS;
    w.m.error.have = over->have;
    w.m.error.limit = over->limit;
    if (se->route)
        session_say (se, se->route, &w, fx);
}

/* Held back while the store takes nothing, or there is too much. Who is in the middle of a large
 * row may finish it: half a row makes no room by itself. */
bool session_is_shut (const struct sched *s, const struct session *se)
{
    bool held = se->client && (s->was_full || se->client->over_quota);
    return s->degraded || (held && !client_is_halfway (se->client));
}

void session_set_route (struct sched *s, struct session *se, uint64_t route)
{
    if (se->route)
        HASH_DELETE (by_route, s->by_route, se);
    se->route = route;
    if (route)
        HASH_ADD (by_route, s->by_route, route, sizeof se->route, se);
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
    session_set_route (s, se, 0);
    if (se->worker) {
        if (se->said_bye)
            worker_left (s, se->worker, now, fx);
        worker_gone (s, se->worker, !se->said_bye && !se->astray, now, fx);
        record_left (s, se, fx);
    }
    if (se->client)
        client_gone (s, se->client, now, fx);
    restored_trust (s, se);
    wire_fini (&se->hello);
    chan_free (&se->chan);
    free (se->name);
    free (se->host);
    free (se);
}

/* Its end is recorded; while that cannot be, it is only cut off. */
void session_leave (struct sched *s, struct session *se, int64_t now, struct effects *fx)
{
    if (!s->degraded) {
        session_end (s, se, now, fx);
        return;
    }
    se->leaving = true;
    session_set_route (s, se, 0);
}

static void on_ping (struct session *se, const struct wire *w, struct effects *fx)
{
    struct wire pong = {.kind = WIRE_PONG};
    pong.m.pong.stamp = w->m.ping.stamp;
    session_say (se, se->route, &pong, fx);
}

static void on_bye (struct sched *s, struct session *se, int64_t now, struct effects *fx)
{
    struct wire ok = {.kind = WIRE_BYE_OK};
    session_say (se, se->route, &ok, fx);
    effect_log (fx, session_coming_level (se), "left %s=%s", se->worker ? "worker" : "client",
                se->name);
    se->said_bye = se->processes_gone = true;
    session_leave (s, se, now, fx);
}

static void on_stop (struct sched *s, const struct session *se, struct effects *fx)
{
    effect_log (fx, LOG_INFO, "stopping client=%s host=%s pid=%" PRIu64, se->name, se->host,
                se->pid);
    sessions_stop (s, fx);
    effect_stop (fx);
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
    case WIRE_STOP:
        on_stop (s, se, fx);
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
    session_say (se, se->route, &bye, fx);
    session_leave (s, se, now, fx);
}

/* A peer that breaks the rules again and again loses its session, never the process. */
static void misbehaved (struct sched *s, struct session *se, enum wire_code code, unsigned kind,
                        const char *text, int64_t now, struct effects *fx)
{
    s->malformed++;
    session_say_error (se, se->route, code, kind, 0, text, fx);
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
        session_say_error (NULL, se->route, WIRE_NO_SESSION, w->kind, 0,
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
    uint64_t most = UNREAD_WINDOWS * s->cfg.window_bytes;
    /* a few questions that came at one time are answered, however small the windows */
    most = most > UNREAD_MIN ? most : UNREAD_MIN;
    return se->client && chan_backlog_bytes (se->chan) > most;
}

/* It comes again as a new one, without anything. */
static void fence (struct sched *s, struct session *se, int64_t now, struct effects *fx)
{
    session_say_error (se, se->route, WIRE_FENCED, WIRE_HOLD, 0,
                       "the broker's state is older than what you have: it is void", fx);
    session_leave (s, se, now, fx);
}

static void handle (struct sched *s, struct session *se, const struct wire *w, int64_t now,
                    struct effects *fx)
{
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
    if (se->broken)
        turn_out (s, se, WIRE_MALFORMED, "a message that cannot be done without", now, fx);
    else if (se->astray)
        fence (s, se, now, fx);
}

void session_on_message (struct sched *s, const struct sched_event *ev, int64_t now,
                         struct effects *fx)
{
    const struct wire *w = ev->message;
    if (w->kind == WIRE_HELLO) {
        session_on_hello (s, ev, now, fx);
        return;
    }
    struct session *se = session_by_route (s, ev->route);
    if (!se) {
        session_say_error (NULL, ev->route, WIRE_NO_SESSION, w->kind, 0, "HELLO first", fx);
        return;
    }
    se->heard_us = now;
    se->spoke = true;
    if (se->doubtful) {
        se->doubtful = false;
        worker_touch (s, se->worker);
    }
    if ((w->seq != 0) != wire_numbered (w->kind)) {
        misbehaved (s, se, WIRE_MALFORMED, w->kind, "a number where there is none, or none", now,
                    fx);
        return;
    }
    session_dirty (s, se);
    if (degraded_leaves (s, se, w))
        chan_accept (se->chan, 0, w->ack);
    else if (in_order (s, se, w, now, fx))
        handle (s, se, w, now, fx);
}

void session_on_malformed (struct sched *s, const struct sched_event *ev, int64_t now,
                           struct effects *fx)
{
    struct session *se = session_by_route (s, ev->route);
    struct wire w = {.kind = (enum wire_kind)ev->kind_byte, .seq = ev->seq, .ack = ev->ack};
    if (!se) {
        s->malformed++;
        session_say_error (NULL, ev->route, ev->code, ev->kind_byte, 0, ev->text, fx);
        return;
    }
    session_dirty (s, se);
    if (degraded_leaves (s, se, &w))
        return;
    /* what is only new to us takes its number, or all that follow would count as a gap */
    if (ev->code != WIRE_UNSUPPORTED || !w.seq || in_order (s, se, &w, now, fx))
        misbehaved (s, se, ev->code, ev->kind_byte, ev->text, now, fx);
}

void session_on_gone (struct sched *s, const struct sched_event *ev, int64_t now)
{
    struct session *se = session_by_route (s, ev->route);
    if (!se)
        return;
    session_set_route (s, se, 0);
    se->gone_us = now;
}

/* Silent for too long; or not back since the broker was restarted; or back without a word about
 * what it holds. */
static bool is_lost (const struct sched *s, const struct session *se, int64_t silent, int64_t now)
{
    return silent >= s->cfg.lost_us || se->restored ||
           (se->worker->holding && now - se->worker->hold_us >= s->cfg.lost_us);
}

static void judge_worker (struct sched *s, struct session *se, const struct sched_event *tick,
                          int64_t now, struct effects *fx)
{
    int64_t silent = tick->read_to_us - se->heard_us;
    if (is_lost (s, se, silent, now)) {
        effect_log (fx, LOG_WARN, "lost worker=%s silent_ms=%" PRId64, se->name,
                    silent / US_PER_MS);
        if (se->route)
            session_say_error (se, se->route, WIRE_LOST, 0, 0, "given up for lost", fx);
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
    if (se->route || tick->read_to_us - se->gone_us < s->cfg.client_gone_us)
        return;
    effect_log (fx, LOG_INFO, "gone client=%s", se->name);
    session_end (s, se, now, fx);
}

/* A client's connection is seen to be gone when something is sent. */
static void ping_client (struct sched *s, struct session *se, int64_t now, struct effects *fx)
{
    if (!se->route || now - se->pinged_us < s->cfg.ping_us)
        return;
    se->pinged_us = now;
    struct wire ping = {.kind = WIRE_PING};
    ping.m.ping.stamp = (uint64_t)now;
    session_say (se, se->route, &ping, fx);
}

/* Our own lateness is nobody's silence. */
static void excuse (struct session *se, int64_t lag_us, int64_t now)
{
    int64_t *since[] = {&se->heard_us, se->gone_us ? &se->gone_us : NULL,
                        se->worker ? &se->worker->hold_us : NULL};
    for (size_t i = 0; i < sizeof since / sizeof *since; i++)
        if (since[i])
            *since[i] = *since[i] + lag_us < now ? *since[i] + lag_us : now;
}

void sessions_tick (struct sched *s, const struct sched_event *tick, int64_t now,
                    struct effects *fx)
{
    struct session *se, *tmp;
    s->judge_us += tick->lag_us; /* nor does it shorten the grace after a restart */
    if (s->judge_us > now + s->cfg.reattach_us)
        s->judge_us = now + s->cfg.reattach_us;
    bool may_judge = tick->read_to_us >= s->judge_us && !s->degraded;
    HASH_ITER (by_token, s->by_token, se, tmp) {
        excuse (se, tick->lag_us, now);
        if (se->client)
            ping_client (s, se, now, fx);
        if (se->leaving && !s->degraded)
            session_end (s, se, now, fx);
        else if (se->worker && may_judge)
            judge_worker (s, se, tick, now, fx);
        else if (se->client && may_judge)
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
            session_say (se, se->route, &bye, fx);
    }
}

void session_say_window (struct sched *s, struct session *se, struct effects *fx)
{
    struct wire ack = {.kind = WIRE_ACK};
    se->shut = session_is_shut (s, se);
    ack.m.ack.window_bytes = se->shut ? 0 : s->cfg.window_bytes;
    session_say (se, se->route, &ack, fx);
}

/* Submissions are held back while the broker holds more than it may, by every client's window. What
 * detached batches keep is not among it: were it to hold back the submission of the very batch that
 * keeps it, neither would ever end. It has the room beyond, and when that is nearly full, only as
 * long as one of them is being ended: is_cramped(), batches.c. The same goes for what waits for a
 * submission: stuck.c. */
static void check_full (struct sched *s, struct effects *fx)
{
    uint64_t limit = s->cfg.queue_bytes;
    uint64_t moving = s->queue_bytes - s->lasting_bytes - s->stuck_bytes;
    bool full = (s->was_full ? moving > limit / 4 * 3 : moving > limit) ||
                (is_cramped (s) && !s->no_room_to_make);
    if (full == s->was_full)
        return;
    s->was_full = full;
    effect_log (fx, LOG_INFO, "%s queue_bytes=%" PRIu64, full ? "full" : "has room again", moving);
    for (struct session *se = s->by_token; se; se = se->by_token.next)
        if (se->client && se->route && se->shut != full)
            session_say_window (s, se, fx);
}

static void flush_one (struct sched *s, struct session *se, int64_t now, struct effects *fx)
{
    struct wire_frames f;
    chan_now (se->chan, now);
    chan_release (se->chan, s->committed);
    while (se->route && chan_next (se->chan, &f))
        effect_send_take (fx, se->route, &f);
    /* it reached its quota, or is below it again; and who was held back may turn out to be in the
     * middle of a large row: its batch came later */
    bool moved = se->shut != session_is_shut (s, se) && (se->client || se->shut);
    if (se->route && (moved || chan_owes_ack (se->chan)))
        session_say_window (s, se, fx);
}

void sessions_flush (struct sched *s, int64_t now, struct effects *fx)
{
    check_full (s, fx);
    degraded_tell (s, fx);
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
