/* Session: this worker and its broker, over connections that come and go.
 *
 * HELLO and WELCOME, the numbered channel, signs of life, BYE. The session outlives its
 * connections: after 6 s of silence a new connection is made and HELLO carries the token, so that
 * both sides send again what the other has not. Only a broker that does not know the token any
 * more, or that was away for longer than it allowed, makes what it granted void.
 *
 * The broker is judged only after what has arrived was read, and our own lateness (a stopped
 * process, a suspended machine) is not its silence.
 */
#include <inttypes.h>
#include <string.h>

#include "common/wire/rows.h"
#include "worker/core/core.h"

enum {
    SILENT_US = 6 * US_PER_S,
    FIRST_WORD_US = 2 * US_PER_S, /* a broker that never answered is told of after that */
    CALL_AGAIN_US = US_PER_S,     /* HELLO is not said more often over one connection */
    RETRY_US = US_PER_S,          /* to a broker that said that it is about to stop; then doubled */
    ACK_DELAY_US = 20 * US_PER_MS,
    ACK_MSGS = 32,
    ACK_BYTES = 512 << 10,
    WINDOW_BYTES = 8 << 20,   /* what the broker may have on its way */
    GOODBYE_US = US_PER_S,    /* how long BYE waits for its answer */
    MARGIN_US = 5 * US_PER_S, /* for exclusive tasks to be gone before the broker gives us up */
    EXIT_PROTOCOL = 76,       /* EX_PROTOCOL */
    EXIT_NOPERM = 77,
    EXIT_TEMPFAIL = 75,
};

#define BORN_NEXT                                                                                  \
    0x9e3779b97f4a7c15u /* odd: what is not 0 never becomes it, nor comes again soon */

void session_init (struct session *s, const struct agent_config *cfg, uint64_t replaces)
{
    *s = (struct session){.cfg = cfg,
                          .replaces = replaces,
                          .chan = chan_new (64, WINDOW_BYTES),
                          .ping_at_us = CLOCK_NEVER,
                          .call_us = CLOCK_NEVER,
                          .warn_at_us = CLOCK_NEVER,
                          .ping_us = 2 * US_PER_S,
                          .silent_us = SILENT_US,
                          .retry_us = SILENT_US,
                          .orphan_us = CLOCK_NEVER,
                          .dice = cfg->seed,
                          .born = cfg->seed,
                          .ack_at_us = CLOCK_NEVER};
}

static void drop_unnumbered (struct session *s)
{
    for (unsigned i = 0; i < s->n_say; i++)
        wire_frames_fini (&s->say[i]);
    s->n_say = 0;
    if (s->has_back)
        wire_frames_fini (&s->back);
    s->has_back = false;
}

void session_fini (struct session *s)
{
    drop_unnumbered (s);
    chan_free (&s->chan);
}

/* Queue a message without a number. They are answers and signs of life: where the connection takes
 * none, the newest are worth no more than those before. */
static void say (struct session *s, struct wire *w)
{
    struct wire_frames f;
    w->ack = chan_ack_number (s->chan);
    if (s->n_say == SAY_MAX || wire_encode (w, &f, NULL) < 0)
        return;
    s->say[s->n_say++] = f;
}

static void say_hello (struct session *s, unsigned slots)
{
    struct buf names;
    uint32_t n = 0;
    while (s->cfg->functions && s->cfg->functions[n])
        n++;
    buf_init (&names, 64 << 10);
    row_begin (&names, n);
    for (uint32_t i = 0; i < n; i++)
        row_value (&names, bytes_str (s->cfg->functions[i]));
    struct wire w = {.kind = WIRE_HELLO, .body[0] = slice_borrowed (names.bytes, names.len)};
    w.m.hello = (struct msg_hello){
        .min_major = WIRE_MAJOR,
        .max_major = WIRE_MAJOR,
        .features = FEATURE_PARTS | FEATURE_KEYS | FEATURE_COMMANDS | FEATURE_PEEK,
        .role = ROLE_WORKER,
        .token = s->token,
        .received = s->token ? chan_received (s->chan) : 0,
        .name = bytes_str (s->cfg->name),
        .host = bytes_str (s->cfg->host),
        .version = bytes_str (s->cfg->version),
        .pid = s->cfg->pid,
        .slots = slots,
        .replaces = s->replaces,
        .containment = s->cfg->containment,
        .born = s->born,
        .cores = s->cfg->cores,
        .io_tasks = s->cfg->io_tasks,
    };
    say (s, &w);
    buf_fini (&names);
}

/* From half to one and a half of the time. */
static int64_t about (struct session *s, int64_t us)
{
    if (!s->dice)
        return us;
    s->dice = s->dice * 6364136223846793005u + 1442695040888963407u;
    return us / 2 + (int64_t)((s->dice >> 33) % (uint64_t)(us + 1));
}

void session_call (struct session *s, unsigned slots, int64_t now, struct agent_effects *fx)
{
    if (s->reconnect)
        fx_add (fx, AGENT_DO_RECONNECT);
    if (s->reconnect || s->state == SESSION_LIVE || !s->called_us)
        s->hello_us = now;
    drop_unnumbered (s);
    say_hello (s, slots);
    if (!s->called_us) {
        s->heard_us = now;
        s->warn_at_us = now + FIRST_WORD_US;
    }
    s->state = SESSION_CALLING;
    s->called_us = now;
    s->call_us = now + about (s, s->retry_us);
    s->retry_us = 2 * s->retry_us < s->silent_us ? 2 * s->retry_us : s->silent_us;
    s->reconnect = true;
    s->ack_at_us = s->ping_at_us = CLOCK_NEVER;
}

/* The broker does not know us: HELLO, but no storm of them. */
static void call_soon (struct session *s, int64_t delay_us, int64_t now)
{
    if (s->state != SESSION_LIVE && s->state != SESSION_CALLING)
        return;
    drop_unnumbered (s);
    if (s->state == SESSION_LIVE)
        s->hello_us = now;
    s->state = SESSION_CALLING;
    s->reconnect = false;
    s->call_us = s->called_us + CALL_AGAIN_US;
    if (s->call_us < now + delay_us)
        s->call_us = now + delay_us;
}

/* The broker is about to stop: its connection goes with it, and it may be back at once. */
static void call_the_next (struct session *s, int64_t now)
{
    s->retry_us = RETRY_US;
    call_soon (s, about (s, RETRY_US), now);
    s->reconnect = true;
}

static void renew (struct session *s, uint64_t token)
{
    chan_free (&s->chan);
    s->chan = chan_new (64, WINDOW_BYTES);
    drop_unnumbered (s);
    s->token = token;
    s->unacked_msgs = s->unacked_bytes = 0;
}

/* Forget the session, and ask the broker to end it at once: that is, when nothing of it runs. */
static enum session_news give_up (struct session *s, int64_t now)
{
    if (s->token)
        s->replaces = s->token;
    s->ending = true;
    renew (s, 0);
    call_soon (s, 0, now);
    return SESSION_GIVEN_UP;
}

static int64_t at_least (uint64_t ms, int64_t floor_us)
{
    int64_t us = (int64_t)ms * US_PER_MS;
    return us > floor_us ? us : floor_us;
}

/* How long exclusive tasks may go on after the broker's last echo. Half of a short time is the most
 * that can be had of it; then pings must be as quick. */
static void learn_limit (struct session *s, const struct msg_welcome *m)
{
    int64_t lost_us = (int64_t)m->lost_ms * US_PER_MS;
    s->limit_us = lost_us - MARGIN_US > lost_us / 2 ? lost_us - MARGIN_US : lost_us / 2;
    s->margin_us = lost_us - s->limit_us;
    if (lost_us && s->ping_us > s->limit_us / 3)
        s->ping_us = s->limit_us / 3;
    if (s->echoed_us < s->hello_us)
        s->echoed_us = s->hello_us;
}

static void go_live (struct session *s, const struct msg_welcome *m, bool renewed, int64_t now,
                     struct agent_effects *fx)
{
    s->progress = m->features & FEATURE_PROGRESS;
    s->state = SESSION_LIVE;
    s->heard_us = now;
    s->ping_us = at_least (m->ping_ms, 50 * US_PER_MS);
    learn_limit (s, m);
    s->silent_us = SILENT_US > 3 * s->ping_us ? SILENT_US : 3 * s->ping_us;
    s->retry_us = s->silent_us;
    s->orphan_us = at_least (m->orphan_ms, US_PER_S);
    s->ping_at_us = now + s->ping_us;
    s->window_msgs = m->window_msgs;
    chan_window (s->chan, m->window_msgs, m->window_bytes);
    fx_log (fx, LOG_INFO, "%s broker=%s name=%.*s", renewed ? "joined" : "rejoined", s->cfg->broker,
            (int)m->name.len, (const char *)m->name.ptr);
    s->warned = false;
    s->warn_at_us = CLOCK_NEVER;
    if (!renewed)
        return;
    s->replaces = 0;
    fx_add (fx, AGENT_DO_TOKEN)->token = s->token;
}

/* The broker was restarted, and knows us and what we have. */
static void renumber (struct session *s)
{
    chan_renumber (s->chan);
    drop_unnumbered (s);
    s->unacked_msgs = s->unacked_bytes = 0;
}

static enum session_news on_welcome (struct session *s, const struct msg_welcome *m, int64_t now,
                                     struct agent_effects *fx)
{
    if (m->major != WIRE_MAJOR) {
        fx_log (fx, LOG_ERROR,
                "the broker at %s speaks protocol version %" PRIu64
                ", this worker %d: install matching versions of drover",
                s->cfg->broker, m->major, WIRE_MAJOR);
        fx_exit (fx, EXIT_PROTOCOL);
        return SESSION_NOTHING;
    }
    if (!m->resumed) {
        renew (s, m->token);
        s->born *= BORN_NEXT;
        go_live (s, m, true, now, fx);
        return SESSION_RENEWED;
    }
    if (m->token == s->token && m->resumed == 2) {
        renumber (s);
        go_live (s, m, false, now, fx);
        return SESSION_RESTARTED;
    }
    if (m->token != s->token || chan_resume (s->chan, m->received) < 0) {
        fx_log (fx, LOG_WARN, "the session does not fit what the broker knows of it: a new one");
        s->token = m->token; /* to be replaced */
        return give_up (s, now);
    }
    go_live (s, m, false, now, fx);
    return SESSION_RESUMED;
}

struct refusal { /* of a HELLO, that no waiting helps against */
    uint64_t code;
    int status;
};

static const struct refusal refusals[] = {
    {WIRE_UNSUPPORTED, EXIT_PROTOCOL},
    {WIRE_MALFORMED, EXIT_PROTOCOL},
    {WIRE_FORBIDDEN, EXIT_NOPERM},
};

static void refused (struct session *s, const struct msg_error *m, int64_t now,
                     struct agent_effects *fx)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (refusals[i].code != m->code)
            continue;
        fx_log (fx, LOG_ERROR, "the broker at %s refuses this worker: %.*s", s->cfg->broker,
                (int)m->text.len, (const char *)m->text.ptr);
        fx_exit (fx, refusals[i].status);
        return;
    }
    if (m->code == WIRE_STOPPING)
        call_the_next (s, now);
    else
        call_soon (s, CALL_AGAIN_US, now);
}

static void on_error (struct session *s, const struct msg_error *m, int64_t now,
                      struct agent_effects *fx)
{
    bool live = s->state == SESSION_LIVE;
    switch (m->code) {
    case WIRE_NO_SESSION:
    case WIRE_FENCED:
    case WIRE_LOST:
        if (s->state == SESSION_LEAVING)
            s->state = SESSION_OVER;
        if (live)
            call_soon (s, 0, now);
        break;
    case WIRE_REPLACED:
    case WIRE_REVOKED:
        fx_log (fx, LOG_ERROR, "the broker at %s ended this worker: %.*s", s->cfg->broker,
                (int)m->text.len, (const char *)m->text.ptr);
        fx_exit (fx, m->code == WIRE_REPLACED ? EXIT_TEMPFAIL : EXIT_NOPERM);
        break;
    default:
        if (m->kind == WIRE_HELLO && !live)
            refused (s, m, now, fx);
        else
            fx_log (fx, LOG_WARN, "the broker refuses kind=%s ref=%" PRIu64 " why=\"%.*s\"",
                    wire_name ((unsigned)m->kind) ? wire_name ((unsigned)m->kind) : "?", m->ref,
                    (int)m->text.len, (const char *)m->text.ptr);
    }
}

static void on_bye (struct session *s, const struct msg_bye *m, int64_t now,
                    struct agent_effects *fx)
{
    fx_log (fx, LOG_WARN, "the broker at %s says goodbye: %.*s; waiting for it to come back",
            s->cfg->broker, (int)m->text.len, (const char *)m->text.ptr);
    if (s->state == SESSION_LIVE)
        call_the_next (s, now);
    struct wire ok = {.kind = WIRE_BYE_OK};
    say (s, &ok);
    s->warned = true; /* said already */
}

static void on_ping (struct session *s, const struct msg_ping *m)
{
    struct wire pong = {.kind = WIRE_PONG};
    pong.m.pong.stamp = m->stamp;
    say (s, &pong);
}

/* The stamp is when the ping was said. */
static void on_pong (struct session *s, const struct msg_pong *m, int64_t now)
{
    if (m->stamp <= (uint64_t)now && (int64_t)m->stamp > s->echoed_us)
        s->echoed_us = (int64_t)m->stamp;
}

/* Messages about the session itself; false: it is about work. */
static bool session_business (struct session *s, const struct wire *w, int64_t now,
                              struct agent_effects *fx)
{
    switch (w->kind) {
    case WIRE_PING:
        on_ping (s, &w->m.ping);
        return true;
    case WIRE_ACK:
        chan_window (s->chan, s->window_msgs, w->m.ack.window_bytes);
        return true;
    case WIRE_ERROR:
        on_error (s, &w->m.error, now, fx);
        return true;
    case WIRE_BYE:
        on_bye (s, &w->m.bye, now, fx);
        return true;
    case WIRE_BYE_OK:
        if (s->state == SESSION_LEAVING)
            s->state = SESSION_OVER;
        return true;
    case WIRE_PONG:
        on_pong (s, &w->m.pong, now);
        return true;
    default:
        return false;
    }
}

static bool in_order (struct session *s, const struct wire *w, int64_t now,
                      struct agent_effects *fx)
{
    chan_now (s->chan, now);
    switch (chan_accept (s->chan, w->seq, w->ack)) {
    case CHAN_NEW:
        if (w->seq) {
            s->unacked_msgs++;
            s->unacked_bytes += w->body[0].len + w->body[1].len;
            s->ack_asked |= w->flags & WIRE_FLAG_ACK_NOW;
        }
        return true;
    case CHAN_DUPLICATE:
        return false;
    case CHAN_GAP:
    case CHAN_LIE:
    default:
        fx_log (fx, LOG_INFO, "a message is missing before seq=%" PRIu64 ": calling again", w->seq);
        call_soon (s, 0, now);
        return false;
    }
}

enum session_news session_receive (struct session *s, const struct wire *w, int64_t now,
                                   struct agent_effects *fx)
{
    if (s->state == SESSION_OVER)
        return SESSION_NOTHING;
    if (!wire_may_send (SENDER_B, w->kind)) {
        session_malformed (s, "not a broker's business", fx);
        return SESSION_NOTHING;
    }
    s->heard_us = now;
    if (w->kind == WIRE_WELCOME)
        return s->state == SESSION_LEAVING ? SESSION_NOTHING
                                           : on_welcome (s, &w->m.welcome, now, fx);
    if (s->state == SESSION_CALLING) { /* of an older connection, or the answer to HELLO */
        if (w->kind == WIRE_ERROR)
            on_error (s, &w->m.error, now, fx);
        return SESSION_NOTHING;
    }
    if (!in_order (s, w, now, fx) || session_business (s, w, now, fx))
        return SESSION_NOTHING;
    return SESSION_WORK;
}

void session_malformed (struct session *s, const char *text, struct agent_effects *fx)
{
    if (s->malformed++ < 16)
        fx_log (fx, LOG_WARN, "bad message from the broker at %s: %s", s->cfg->broker, text);
}

static void warn (struct session *s, struct agent_effects *fx)
{
    if (!s->warned)
        fx_log (fx, LOG_WARN,
                "no answer from the broker at %s: is it running? trying until it is there",
                s->cfg->broker);
    s->warned = true;
    s->warn_at_us = CLOCK_NEVER;
}

static void call_again (struct session *s, unsigned slots, int64_t now, struct agent_effects *fx)
{
    if (s->reconnect)
        warn (s, fx);
    session_call (s, slots, now, fx);
}

enum session_news session_tick (struct session *s, unsigned slots, int64_t now,
                                struct agent_effects *fx)
{
    int64_t due = session_deadline (s);
    if (due < now) { /* we are late */
        s->heard_us += now - due;
        if (s->heard_us > now)
            s->heard_us = now;
    }
    if (s->state == SESSION_CALLING) {
        if (s->token && s->orphan_us != CLOCK_NEVER && now - s->heard_us >= s->orphan_us) {
            fx_log (fx, LOG_WARN, "the broker at %s is away for %" PRId64 " s: giving up its work",
                    s->cfg->broker, (now - s->heard_us) / US_PER_S);
            return give_up (s, now);
        }
        if (now >= s->warn_at_us)
            warn (s, fx);
        if (now >= s->call_us && !s->ending)
            call_again (s, slots, now, fx);
    }
    if (s->state != SESSION_LIVE)
        return SESSION_NOTHING;
    if (now - s->heard_us >= s->silent_us) {
        s->reconnect = true;
        call_again (s, slots, now, fx);
        return SESSION_NOTHING;
    }
    if (now >= s->ping_at_us) {
        struct wire ping = {.kind = WIRE_PING};
        ping.m.ping.stamp = (uint64_t)now;
        say (s, &ping);
        s->ping_at_us = now + s->ping_us;
    }
    return SESSION_NOTHING;
}

static bool is_bulk (enum wire_kind kind)
{
    return kind == WIRE_RESULTS || kind == WIRE_OUTPUT || kind == WIRE_PEEKED;
}

void session_post_in (struct session *s, enum chan_lane lane, const struct wire *w)
{
    struct wire_frames f;
    if (wire_encode (w, &f, NULL) == 0)
        chan_post_take (s->chan, lane, &f, 0);
}

void session_post (struct session *s, const struct wire *w)
{
    session_post_in (s, is_bulk (w->kind) ? LANE_BULK : LANE_CONTROL, w);
}

void session_post_first (struct session *s, const struct wire *w)
{
    struct wire_frames f;
    if (wire_encode (w, &f, NULL) == 0)
        chan_post_first_take (s->chan, &f);
}

void session_end_turn (struct session *s, int64_t now)
{
    chan_now (s->chan, now);
    if (s->state != SESSION_LIVE || !chan_owes_ack (s->chan)) {
        s->ack_at_us = CLOCK_NEVER;
        s->unacked_msgs = s->unacked_bytes = 0;
        s->ack_now = s->ack_asked = false;
        return;
    }
    if (s->ack_at_us == CLOCK_NEVER)
        s->ack_at_us = now + ACK_DELAY_US;
    if (now >= s->ack_at_us || s->ack_asked || s->unacked_msgs >= ACK_MSGS ||
        s->unacked_bytes >= ACK_BYTES)
        s->ack_now = true;
}

static bool next_unnumbered (struct session *s, struct wire_frames *out)
{
    if (!s->n_say)
        return false;
    *out = s->say[0];
    s->n_say--;
    memmove (s->say, s->say + 1, s->n_say * sizeof *s->say);
    return true;
}

static bool acknowledge (struct session *s, struct wire_frames *out)
{
    if (!s->ack_now || !chan_owes_ack (s->chan))
        return false;
    struct wire w = {.kind = WIRE_ACK, .ack = chan_ack_number (s->chan)};
    w.m.ack.window_bytes = WINDOW_BYTES;
    if (wire_encode (&w, out, NULL) < 0)
        return false;
    chan_ack_sent (s->chan, w.ack);
    s->ack_now = s->ack_asked = false;
    s->ack_at_us = CLOCK_NEVER;
    s->unacked_msgs = s->unacked_bytes = 0;
    return true;
}

/* The last word, behind what went back only now. By the number that it acknowledges the broker
 * knows which grants never came. */
static bool goodbye (struct session *s, struct wire_frames *out)
{
    struct wire bye = {.kind = WIRE_BYE, .ack = chan_ack_number (s->chan)};
    s->bye_due = false;
    return wire_encode (&bye, out, NULL) == 0;
}

bool session_transmit (struct session *s, struct wire_frames *out)
{
    if (s->has_back) {
        *out = s->back;
        s->has_back = false;
        return true;
    }
    if (next_unnumbered (s, out))
        return true;
    if (s->state == SESSION_LIVE)
        return chan_next (s->chan, out) || acknowledge (s, out);
    return s->bye_due && (chan_next (s->chan, out) || goodbye (s, out));
}

static void leave (struct session *s, int64_t now)
{
    s->bye_due = true;
    s->state = SESSION_LEAVING;
    s->over_us = now + GOODBYE_US;
}

static void look_for_debts (void *arg, const struct wire_frames *f)
{
    enum wire_kind kind = wire_frames_kind (f);
    *(bool *)arg |= kind == WIRE_RESULTS || kind == WIRE_RETURNED;
}

/* Whether a broker that comes back would miss something: it knows of its own rows that they are
 * ours, and not how they ended. That we drain is told by our absence. */
static bool owes (const struct session *s)
{
    bool found = false;
    chan_look (s->chan, look_for_debts, &found);
    return found;
}

bool session_leave (struct session *s, bool killed, int64_t by_us, int64_t now)
{
    bool away = s->state == SESSION_CALLING;
    bool ready = now >= by_us || !s->token || (away ? !killed && !owes (s) : chan_idle (s->chan));
    if (s->state == SESSION_CALLING && ready)
        s->state = SESSION_OVER;
    else if (s->state == SESSION_LIVE && ready)
        leave (s, now);
    else if (s->state == SESSION_LEAVING && now >= s->over_us)
        s->state = SESSION_OVER;
    return s->state == SESSION_OVER;
}

static int64_t earlier (int64_t x, int64_t y)
{
    return x < y ? x : y;
}

int64_t session_deadline (const struct session *s)
{
    switch (s->state) {
    case SESSION_CALLING:
        return earlier (earlier (s->ending ? CLOCK_NEVER : s->call_us, s->warn_at_us),
                        s->token && s->orphan_us != CLOCK_NEVER ? s->heard_us + s->orphan_us
                                                                : CLOCK_NEVER);
    case SESSION_LIVE:
        /* an acknowledgement that is due waits for its connection, not for a time */
        return earlier (earlier (s->ping_at_us, s->ack_now ? CLOCK_NEVER : s->ack_at_us),
                        s->heard_us + s->silent_us);
    case SESSION_LEAVING:
        return s->over_us;
    default:
        return CLOCK_NEVER;
    }
}
