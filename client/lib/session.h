/* session: one client's session with a broker, as a pure state machine: no socket, no clock, no
 * file.
 *
 * It says HELLO, keeps what was posted until the broker acknowledged it (chan), answers and sends
 * pings, and decides when a connection is to be given up for a new one, and when the session is
 * lost. What the messages mean to batches is for the caller (core.h).
 *
 * Turn of the caller: session_message() for each message that came, session_tick() once, then
 * session_next() until it is false; session_reconnect() says when to drop the connection and make a
 * new one, for which session_connected() is called. doc/PROTOCOL.md, "A session".
 */
#ifndef DROVER_CLIENT_SESSION_H
#define DROVER_CLIENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/wire/chan.h"
#include "common/wire/wire.h"

struct session;

struct session_config {
    const char *name; /* of the client, for people; all strings are borrowed for its life */
    const char *host;
    const char *version;
    const char *broker; /* its URL, for messages; NULL: not said */
    uint64_t pid;
    uint64_t seed; /* random: clients that lost the same broker must not come back in step. 0: the
                      times in the middle */
    int64_t connect_us; /* the first answer must come within; CLOCK_NEVER: no limit */
    int64_t lost_us;    /* how long to go on without a broker after that */
};

enum session_state {
    SESSION_CLOSED,  /* no connection, or waiting for one */
    SESSION_OPENING, /* HELLO is out */
    SESSION_OPEN,
    SESSION_LOST, /* for good; session_why() */
};

/* What a message came to. */
enum session_news {
    SESSION_NOTHING, /* it was the session's own business, a duplicate, or nonsense */
    SESSION_DELIVER, /* it is for the caller */
    SESSION_WELCOMED,
    SESSION_RESUMED,   /* WELCOME again: nothing was lost */
    SESSION_RESET,     /* WELCOME again, but a new session: what was posted and granted is void */
    SESSION_RESTARTED, /* likewise, of a broker that has all it acknowledged: what it did not is
                        * still here, and waits for what session_post_first() says about its batches
                        */
    SESSION_GONE       /* the session is lost */
};

/* now: microseconds of the monotonic clock, never going back. */
struct session *session_new (const struct session_config *c, int64_t now);
void session_free (struct session **s);

/* A new connection was made. */
void session_connected (struct session *s, int64_t now);

/* A message came. `w` stays the caller's. */
enum session_news session_message (struct session *s, int64_t now, const struct wire *w);

/* Time has passed, after all that came was read. SESSION_GONE, or SESSION_NOTHING. */
enum session_news session_tick (struct session *s, int64_t now);

/* When session_tick() has something to do. */
int64_t session_deadline (const struct session *s);

/* Queue a numbered message in a lane. Fails as wire_encode() does. */
int session_post (struct session *s, enum chan_lane lane, const struct wire *w, struct err *e);

/* Queue frames of a numbered message (taken). */
void session_post_frames_take (struct session *s, enum chan_lane lane, struct wire_frames *f);

/* Queue a numbered message before all that is queued. */
void session_post_first (struct session *s, const struct wire *w);

/* Look for something that waits in the bulk lane: chan_find_bulk(). */
void session_find_bulk (const struct session *s, chan_sift_fn *found, void *arg);

/* Look at what waits to be sent, and drop some of it: chan_sift(). */
void session_sift (struct session *s, chan_sift_fn *drop, void *arg);

/* Ask for a round trip; session_pong() then tells the stamp of the last answer. */
void session_ping (struct session *s, int64_t now, uint64_t stamp);
uint64_t session_pong (const struct session *s);

/* Tell the broker to stop. Its goodbye comes, or the connection is gone; the message is not said
 * again. */
void session_stop_broker (struct session *s);

/* Say goodbye; what is queued goes first as far as the window lets it. */
void session_bye (struct session *s);

/* Whether the goodbye was answered. */
bool session_over (const struct session *s);

/* The next frames to transmit, for the caller to finish: true, or false when there are none now.
 * session_unsent() when the transmission was refused: the same message comes again. */
bool session_next (struct session *s, int64_t now, struct wire_frames *f);
void session_unsent (struct session *s, struct wire_frames *f);

/* True once when the connection is to be replaced. */
bool session_reconnect (struct session *s);

/* Given up from outside: the private broker ended, the connection cannot be made. */
void session_fail (struct session *s, enum wire_code code, const char *text);

enum session_state session_state (const struct session *s);

/* Why it is lost: e->code is an enum wire_code, or WIRE_LOST; the text is never empty then. */
const struct err *session_why (const struct session *s);

/* Why the user should know that the broker is away, and is waited for: it was silent for long, or
 * said that it stops. Once for each silence, else NULL. */
const char *session_away (struct session *s);

/* Whether the broker comes back with all it acknowledged. */
bool session_durable (const struct session *s);

/* From half to one and a half of a time. */
int64_t session_about (struct session *s, int64_t us);

/* How long a part of a large row should be: shorter on a slow line. */
size_t session_piece (const struct session *s);

/* Bytes posted and not acknowledged; whether nothing is. */
size_t session_backlog (const struct session *s);
bool session_idle (const struct session *s);

/* Whether the last SESSION_RESET or SESSION_RESTARTED was by a broker that had gone on all the
 * time, and had given this session up. */
bool session_was_given_up (const struct session *s);

/* Whether nothing of ours was lost at the last SESSION_RESET: all had been acknowledged, and the
 * broker is the same one. */
bool session_reset_clean (const struct session *s);

/* Of the last WELCOME, 0 before. */
uint64_t session_token (const struct session *s);
uint64_t session_broker (const struct session *s);

#endif
