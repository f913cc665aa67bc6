#include "client/lib/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define FIRST_WINDOW_MSGS 1024        /* until WELCOME says */
#define FIRST_WINDOW_BYTES (1u << 20) /* likewise */
#define OUR_WINDOW_BYTES (4u << 20)   /* what the broker may have on its way to us */
#define ACK_DELAY_US (20 * US_PER_MS) /* an acknowledgement waits for company that long ... */
#define ACK_MSGS 16                   /* ... or until so many messages wait for it */
#define OPENING_US (6 * US_PER_S)     /* a HELLO without an answer: try another connection */
#define RETRY_US (1 * US_PER_S)       /* ... at the start and for a broker that stopped: at first */
#define LAG_US (1 * US_PER_S)         /* a tick later than this is our own fault */
#define NOTHING ((struct bytes){NULL, 0})
#define URGENT_MAX 32 /* unnumbered messages queued; more of them are not needed */

static const char NO_ANSWER[] = "does not answer";

struct session {
    struct session_config c;
    enum session_state state;
    struct chan *chan;
    struct wire_frames urgent[URGENT_MAX]; /* unnumbered, in order, before all else */
    unsigned urgent_count;
    bool from_chan; /* where the last frames of session_next() came from */
    bool reconnect;
    bool durable;
    const char *away; /* to be told: NULL, or away_text */
    char away_text[500];
    bool silent; /* was told, or is to be; until the next WELCOME */
    bool bye;    /* goes when the channel has nothing to send */
    bool said_bye;
    bool over;
    bool same_life; /* at the last WELCOME to a new session: the broker had not been restarted */
    bool reset_clean;

    uint64_t token;
    uint64_t broker;
    uint64_t dice;        /* 0: none */
    uint64_t window_msgs; /* of the broker */
    int64_t ping_us;
    int64_t suspect_us;

    int64_t call_at;  /* CLOSED: a new connection is made then; CLOCK_NEVER: it is being made */
    int64_t retry_us; /* how long the next HELLO waits for its answer, about */
    int64_t patience; /* how long the present one does */
    int64_t opened;   /* HELLO went out */
    int64_t heard;    /* last sign of life */
    int64_t asked;    /* the first ping since then; CLOCK_NEVER: none */
    int64_t pinged;   /* the last ping */
    int64_t missing;  /* since when there is no session; CLOCK_NEVER: there is one */
    int64_t ticked;
    int64_t owed; /* since when an acknowledgement is owed; CLOCK_NEVER: none */
    unsigned owed_msgs;
    bool ack_asked; /* the broker waits for it */
    uint64_t pong;
    struct err why;
};

static void drop_urgent (struct session *s)
{
    for (unsigned i = 0; i < s->urgent_count; i++)
        wire_frames_fini (&s->urgent[i]);
    s->urgent_count = 0;
}

/* A queue that is full drops the newest: all of these are asked for or said again. */
static void say (struct session *s, struct wire *w)
{
    if (s->urgent_count == URGENT_MAX)
        return;
    struct wire_frames *f = &s->urgent[s->urgent_count];
    if (wire_encode (w, f, NULL) == 0)
        s->urgent_count++;
}

static int64_t about (struct session *s, int64_t us)
{
    if (!s->dice)
        return us;
    s->dice = s->dice * 6364136223846793005u + 1442695040888963407u;
    return us / 2 + (int64_t)((s->dice >> 33) % (uint64_t)(us + 1));
}

static void say_hello (struct session *s, int64_t now)
{
    drop_urgent (s); /* what was to be said before HELLO would only be refused */
    struct wire w = {.kind = WIRE_HELLO};
    w.m.hello = (struct msg_hello){
        .min_major = WIRE_MAJOR,
        .max_major = WIRE_MAJOR,
        .features = FEATURE_PARTS | FEATURE_KEYS | FEATURE_COMMANDS,
        .role = ROLE_CLIENT,
        .token = s->token,
        .received = s->token ? chan_received (s->chan) : 0,
        .name = bytes_str (s->c.name),
        .host = bytes_str (s->c.host),
        .version = bytes_str (s->c.version),
        .pid = s->c.pid,
    };
    say (s, &w);
    s->state = SESSION_OPENING;
    s->opened = now;
    s->call_at = CLOCK_NEVER;
    s->patience = about (s, s->retry_us);
    s->retry_us = 2 * s->retry_us < OPENING_US ? 2 * s->retry_us : OPENING_US;
    s->asked = CLOCK_NEVER;
    s->owed = CLOCK_NEVER;
    if (s->missing == CLOCK_NEVER)
        s->missing = now;
}

/* `text` is what the broker said, or empty. */
static enum session_news lose (struct session *s, enum wire_code code, const char *what,
                               struct bytes text)
{
    s->state = SESSION_LOST;
    drop_urgent (s);
    err_set (&s->why, (int)code, "%s%s%.*s", what, text.len ? ": " : "", (int)text.len,
             text.len ? (const char *)text.ptr : "");
    return SESSION_GONE;
}

static enum session_news lose_to_nonsense (struct session *s)
{
    return lose (s, WIRE_MALFORMED, "the broker acknowledged what was never sent", NOTHING);
}

static int seconds (int64_t us)
{
    return (int)((us + US_PER_S - 1) / US_PER_S);
}

/* One silence is told once, however many connections are tried in it. */
static void notice_silence (struct session *s, const char *what)
{
    char limit[40] = "";
    if (s->silent)
        return;
    s->silent = true;
    if (s->c.lost_us != CLOCK_NEVER)
        snprintf (limit, sizeof limit, " up to %d s", seconds (s->c.lost_us));
    snprintf (s->away_text, sizeof s->away_text,
              "the broker%s%.300s %s; waiting%s for it to come back%s", s->c.broker ? " at " : "",
              s->c.broker ? s->c.broker : "", what, limit,
              s->durable ? "" : " (if it ended, what it had is lost: it keeps nothing)");
    s->away = s->away_text;
}

static void hang_up (struct session *s)
{
    s->state = SESSION_CLOSED;
    s->reconnect = true;
    drop_urgent (s);
}

/* The broker is about to stop, and will be back with all it acknowledged, perhaps at once. */
static enum session_news wait_for_next (struct session *s, int64_t now)
{
    notice_silence (s, "was stopped");
    if (s->missing == CLOCK_NEVER)
        s->missing = now;
    s->state = SESSION_CLOSED;
    drop_urgent (s);
    s->retry_us = RETRY_US;
    s->call_at = now + about (s, RETRY_US);
    return SESSION_NOTHING;
}

/* A session of a broker that does not know the old one: what is kept of that, if anything. */
static enum session_news begin_anew (struct session *s, const struct msg_welcome *m)
{
    s->same_life = m->broker == s->broker;
    if (s->durable && m->features & FEATURE_DURABLE) {
        chan_renumber (s->chan);
        return SESSION_RESTARTED;
    }
    s->reset_clean = s->same_life && chan_idle (s->chan);
    chan_free (&s->chan);
    s->chan = chan_new (m->window_msgs, m->window_bytes);
    return SESSION_RESET;
}

static enum session_news on_welcome (struct session *s, int64_t now, const struct msg_welcome *m)
{
    if (s->state != SESSION_OPENING)
        return SESSION_NOTHING;
    if (m->major != WIRE_MAJOR)
        return lose (s, WIRE_UNSUPPORTED, "the broker speaks another version of the protocol",
                     m->version);
    enum session_news news = SESSION_WELCOMED;
    if (s->token && m->resumed) {
        news = SESSION_RESUMED;
        if (chan_resume (s->chan, m->received) != 0)
            return lose_to_nonsense (s);
    } else if (s->token) {
        news = begin_anew (s, m);
    }
    s->durable = m->features & FEATURE_DURABLE;
    s->window_msgs = m->window_msgs;
    chan_window (s->chan, m->window_msgs, m->window_bytes);
    s->token = m->token;
    s->broker = m->broker;
    s->ping_us = (int64_t)(m->ping_ms ? m->ping_ms : 2000) * US_PER_MS;
    s->suspect_us = (int64_t)(m->suspect_ms ? m->suspect_ms : 6000) * US_PER_MS;
    s->state = SESSION_OPEN;
    s->missing = CLOCK_NEVER;
    s->away = NULL;
    s->silent = false;
    s->retry_us = OPENING_US;
    s->pinged = now;
    struct wire ack = {.kind = WIRE_ACK, .m.ack = {.window_bytes = OUR_WINDOW_BYTES}};
    say (s, &ack);
    return news;
}

/* The broker does not know us (any more): say HELLO on the same connection. While one is on its
 * way, the errors are about what was said before it. */
static enum session_news on_no_session (struct session *s, int64_t now)
{
    if (s->state == SESSION_OPEN)
        say_hello (s, now);
    return SESSION_NOTHING;
}

static enum session_news on_error (struct session *s, int64_t now, const struct msg_error *m)
{
    switch (m->code) {
    case WIRE_NO_SESSION:
        return on_no_session (s, now);
    case WIRE_FENCED:
    case WIRE_LOST: /* the broker gave this session up; a new HELLO tells what is left of it */
        return on_no_session (s, now);
    case WIRE_STOPPING:
        if (s->durable)
            return wait_for_next (s, now);
        /* fall through */
    case WIRE_REPLACED:
    case WIRE_REVOKED:
        return lose (s, (enum wire_code)m->code, "the broker ended the session", m->text);
    default:
        break;
    }
    if (s->state == SESSION_OPENING && (m->kind == WIRE_HELLO || m->kind == 0))
        return lose (s, (enum wire_code)m->code, "the broker refused the session", m->text);
    return s->state == SESSION_OPEN ? SESSION_DELIVER : SESSION_NOTHING;
}

static enum session_news on_bye (struct session *s, int64_t now, const struct msg_bye *m)
{
    if (s->state != SESSION_OPEN)
        return SESSION_NOTHING;
    if (s->durable && m->code == WIRE_STOPPING) {
        struct wire ok = {.kind = WIRE_BYE_OK};
        wait_for_next (s, now);
        say (s, &ok);
        return SESSION_NOTHING;
    }
    return lose (s, m->code ? (enum wire_code)m->code : WIRE_STOPPING,
                 "the broker ended the session", m->text);
}

static void owe (struct session *s, int64_t now, const struct wire *w)
{
    if (!chan_owes_ack (s->chan))
        return;
    if (s->owed == CLOCK_NEVER)
        s->owed = now, s->owed_msgs = 0, s->ack_asked = false;
    s->owed_msgs++;
    s->ack_asked |= w->flags & WIRE_FLAG_ACK_NOW;
}

/* The numbers in the preamble. */
static enum session_news take_numbers (struct session *s, int64_t now, const struct wire *w)
{
    chan_now (s->chan, now);
    switch (chan_accept (s->chan, w->seq, w->ack)) {
    case CHAN_NEW:
        owe (s, now, w);
        return SESSION_DELIVER;
    case CHAN_DUPLICATE:
        owe (s, now, w);
        return SESSION_NOTHING;
    case CHAN_GAP: /* something was lost with a connection that nobody saw break */
        say_hello (s, now);
        return SESSION_NOTHING;
    case CHAN_LIE:
    default:
        return lose_to_nonsense (s);
    }
}

static void on_ping (struct session *s, const struct msg_ping *m)
{
    struct wire pong = {.kind = WIRE_PONG, .m.pong = {.stamp = m->stamp}};
    say (s, &pong);
}

static enum session_news on_unnumbered (struct session *s, int64_t now, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_PING:
        on_ping (s, &w->m.ping);
        return SESSION_NOTHING;
    case WIRE_PONG:
        s->pong = w->m.pong.stamp;
        return SESSION_NOTHING;
    case WIRE_ACK:
        chan_window (s->chan, s->window_msgs, w->m.ack.window_bytes);
        return SESSION_NOTHING;
    case WIRE_ERROR:
        return on_error (s, now, &w->m.error);
    case WIRE_BYE:
        return on_bye (s, now, &w->m.bye);
    case WIRE_BYE_OK:
        s->over = s->said_bye;
        return SESSION_NOTHING;
    default:
        return SESSION_NOTHING;
    }
}

static enum session_news watch_silence (struct session *s, int64_t now)
{
    if (now - s->pinged >= s->ping_us)
        session_ping (s, now, (uint64_t)now);
    if (s->asked == CLOCK_NEVER || now - s->asked < s->suspect_us)
        return SESSION_NOTHING;
    notice_silence (s, NO_ANSWER);
    s->missing = s->asked;
    hang_up (s);
    return SESSION_NOTHING;
}

static enum session_news give_up (struct session *s)
{
    char what[400];
    snprintf (what, sizeof what, "the broker%s%.300s went away, and did not come back within %d s",
              s->c.broker ? " at " : "", s->c.broker ? s->c.broker : "", seconds (s->c.lost_us));
    return lose (s, WIRE_LOST, what, NOTHING);
}

static enum session_news watch_opening (struct session *s, int64_t now)
{
    bool first = s->token == 0;
    int64_t limit = first ? s->c.connect_us : s->c.lost_us;
    if (limit != CLOCK_NEVER && now - s->missing >= limit)
        return first ? lose (s, WIRE_LOST, "no answer", NOTHING) : give_up (s);
    if (s->state == SESSION_OPENING && now - s->opened >= s->patience) {
        if (!first)
            notice_silence (s, NO_ANSWER);
        hang_up (s);
    } else if (s->state == SESSION_CLOSED && now >= s->call_at) {
        s->call_at = CLOCK_NEVER;
        hang_up (s);
    }
    return SESSION_NOTHING;
}

static bool ack_due (const struct session *s, int64_t now)
{
    return s->owed != CLOCK_NEVER &&
           (s->ack_asked || s->owed_msgs >= ACK_MSGS || now - s->owed >= ACK_DELAY_US);
}

struct session *session_new (const struct session_config *c, int64_t now)
{
    struct session *s = mem_zalloc (sizeof *s);
    s->c = *c;
    s->window_msgs = FIRST_WINDOW_MSGS;
    s->chan = chan_new (FIRST_WINDOW_MSGS, FIRST_WINDOW_BYTES);
    s->ping_us = 2 * US_PER_S;
    s->suspect_us = 6 * US_PER_S;
    s->dice = c->seed;
    /* less than connect_us: the first HELLO may be lost with a broker that is just being restarted
     */
    s->retry_us = s->patience = RETRY_US;
    s->asked = s->owed = s->call_at = CLOCK_NEVER;
    s->missing = s->heard = s->ticked = now;
    return s;
}

void session_free (struct session **s)
{
    if (!*s)
        return;
    drop_urgent (*s);
    chan_free (&(*s)->chan);
    free (*s);
    *s = NULL;
}

void session_connected (struct session *s, int64_t now)
{
    if (s->state != SESSION_LOST)
        say_hello (s, now);
}

enum session_news session_message (struct session *s, int64_t now, const struct wire *w)
{
    if (s->state == SESSION_LOST || !wire_may_send (SENDER_B, w->kind))
        return SESSION_NOTHING;
    s->heard = now;
    s->asked = CLOCK_NEVER;
    if (w->kind == WIRE_WELCOME)
        return on_welcome (s, now, &w->m.welcome);
    if (s->state != SESSION_OPEN)
        return wire_numbered (w->kind) ? SESSION_NOTHING : on_unnumbered (s, now, w);
    enum session_news news = take_numbers (s, now, w);
    if (news != SESSION_DELIVER || wire_numbered (w->kind))
        return news;
    return on_unnumbered (s, now, w);
}

static int64_t sooner (int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later (int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t session_deadline (const struct session *s)
{
    int64_t at = CLOCK_NEVER;
    switch (s->state) {
    case SESSION_OPEN:
        at = s->pinged + s->ping_us;
        if (s->asked != CLOCK_NEVER)
            at = sooner (at, s->asked + s->suspect_us);
        if (s->owed != CLOCK_NEVER)
            at = sooner (at, s->owed + ACK_DELAY_US);
        return at;
    case SESSION_OPENING:
    case SESSION_CLOSED: {
        at = s->state == SESSION_OPENING ? s->opened + s->patience : s->call_at;
        int64_t limit = s->token ? s->c.lost_us : s->c.connect_us;
        return limit == CLOCK_NEVER ? at : sooner (at, s->missing + limit);
    }
    case SESSION_LOST:
    default:
        return CLOCK_NEVER;
    }
}

enum session_news session_tick (struct session *s, int64_t now)
{
    int64_t lag = now - later (s->ticked, session_deadline (s));
    s->ticked = now;
    if (lag > LAG_US && s->asked != CLOCK_NEVER)
        s->asked += lag;
    if (s->state == SESSION_LOST)
        return SESSION_NOTHING;
    if (s->state != SESSION_OPEN)
        return watch_opening (s, now);
    if (s->owed == CLOCK_NEVER && chan_owes_ack (s->chan)) /* a transmission was refused */
        s->owed = now;
    return watch_silence (s, now);
}

int session_post (struct session *s, enum chan_lane lane, const struct wire *w, struct err *e)
{
    struct wire_frames f;
    if (wire_encode (w, &f, e) != 0)
        return -1;
    chan_post_take (s->chan, lane, &f, 0);
    return 0;
}

void session_post_frames_take (struct session *s, enum chan_lane lane, struct wire_frames *f)
{
    chan_post_take (s->chan, lane, f, 0);
}

void session_post_first (struct session *s, const struct wire *w)
{
    struct wire_frames f;
    if (wire_encode (w, &f, NULL) == 0)
        chan_post_first_take (s->chan, &f);
}

void session_find_bulk (const struct session *s, chan_sift_fn *found, void *arg)
{
    chan_find_bulk (s->chan, found, arg);
}

void session_sift (struct session *s, chan_sift_fn *drop, void *arg)
{
    chan_sift (s->chan, drop, arg);
}

void session_ping (struct session *s, int64_t now, uint64_t stamp)
{
    struct wire w = {.kind = WIRE_PING, .m.ping = {.stamp = stamp}};
    say (s, &w);
    s->pinged = now;
    if (s->asked == CLOCK_NEVER)
        s->asked = now;
}

uint64_t session_pong (const struct session *s)
{
    return s->pong;
}

void session_stop_broker (struct session *s)
{
    struct wire w = {.kind = WIRE_STOP};
    say (s, &w);
}

void session_bye (struct session *s)
{
    s->bye = true;
}

bool session_over (const struct session *s)
{
    return s->over;
}

static bool next_urgent (struct session *s, struct wire_frames *f)
{
    if (s->urgent_count == 0)
        return false;
    *f = s->urgent[0];
    s->urgent_count--;
    memmove (s->urgent, s->urgent + 1, s->urgent_count * sizeof *f);
    s->from_chan = false;
    uint64_t ack = s->state == SESSION_OPEN ? chan_ack_number (s->chan) : 0;
    wire_stamp (f, 0, ack);
    if (s->state == SESSION_OPEN)
        chan_ack_sent (s->chan, ack);
    return true;
}

/* What only waits for the rest to be out. */
static void say_last (struct session *s, int64_t now)
{
    if (s->bye && !s->said_bye) {
        struct wire w = {.kind = WIRE_BYE};
        say (s, &w);
        s->said_bye = true;
    } else if (ack_due (s, now)) {
        struct wire w = {.kind = WIRE_ACK, .m.ack = {.window_bytes = OUR_WINDOW_BYTES}};
        say (s, &w);
    }
}

bool session_next (struct session *s, int64_t now, struct wire_frames *f)
{
    bool any = next_urgent (s, f);
    chan_now (s->chan, now);
    if (!any && s->state == SESSION_OPEN) {
        any = chan_next (s->chan, f);
        s->from_chan = any;
        if (!any) {
            say_last (s, now);
            any = next_urgent (s, f);
        }
    }
    if (any && s->state == SESSION_OPEN)
        s->owed = CLOCK_NEVER;
    return any;
}

void session_unsent (struct session *s, struct wire_frames *f)
{
    if (s->from_chan) {
        wire_frames_fini (f);
        chan_unsent (s->chan);
        return;
    }
    if (s->urgent_count == URGENT_MAX) {
        wire_frames_fini (f);
        return;
    }
    memmove (s->urgent + 1, s->urgent, s->urgent_count * sizeof *f);
    s->urgent[0] = *f;
    s->urgent_count++;
}

bool session_reconnect (struct session *s)
{
    bool reconnect = s->reconnect;
    s->reconnect = false;
    return reconnect;
}

void session_fail (struct session *s, enum wire_code code, const char *text)
{
    if (s->state != SESSION_LOST)
        lose (s, code, text, NOTHING);
}

enum session_state session_state (const struct session *s)
{
    return s->state;
}

const struct err *session_why (const struct session *s)
{
    return &s->why;
}

const char *session_away (struct session *s)
{
    const char *away = s->away;
    s->away = NULL;
    return away;
}

int64_t session_about (struct session *s, int64_t us)
{
    return about (s, us);
}

bool session_durable (const struct session *s)
{
    return s->durable;
}

size_t session_piece (const struct session *s)
{
    return chan_piece_bytes (s->chan);
}

size_t session_backlog (const struct session *s)
{
    return chan_backlog_bytes (s->chan);
}

bool session_idle (const struct session *s)
{
    return chan_idle (s->chan);
}

uint64_t session_token (const struct session *s)
{
    return s->token;
}

uint64_t session_broker (const struct session *s)
{
    return s->broker;
}

bool session_was_given_up (const struct session *s)
{
    return s->same_life;
}

bool session_reset_clean (const struct session *s)
{
    return s->reset_clean;
}
