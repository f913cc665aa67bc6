/* chan: one direction-pair of numbered messages between two peers, over connections that come and
 * go.
 *
 * Nothing in ZeroMQ is an acknowledgement. A channel keeps each numbered message until the other
 * side has acknowledged it, hands it out again after a reconnect, and drops what it has seen
 * before. Numbers are given when a message leaves, so control overtakes bulk that is still queued.
 * Pure: no clock, no socket. doc/PROTOCOL.md, "A session".
 *
 * Use: chan_post_take() queues a message; chan_next() hands out frames to transmit, as long as the
 * window is open; what comes in goes through chan_accept(); chan_resume() after each (re)connect
 * says what the other side had received.
 */
#ifndef DROVER_WIRE_CHAN_H
#define DROVER_WIRE_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/wire.h"

struct chan;

enum chan_lane { /* before each other when they leave */
                 LANE_CONTROL,
                 LANE_LIVE, /* what tasks that run wait for: it takes the line's time, and minds no
                               window */
                 LANE_BULK,
                 LANES,
};
enum chan_verdict {
    CHAN_NEW,       /* handle it */
    CHAN_DUPLICATE, /* seen before: drop it, acknowledge again */
    CHAN_GAP, /* one before it is missing: the peer broke the protocol, or the connection changed */
    CHAN_LIE, /* it acknowledges what was never sent */
};

/* `window_msgs` and `window_bytes` limit what is on its way unacknowledged in the bulk lane. */
struct chan *chan_new (uint64_t window_msgs, uint64_t window_bytes);
void chan_free (struct chan **c);

/* What time it is, for all calls that follow: before messages of a turn are handed in and out. From
 * the times of acknowledgements the channel learns what the line delivers, and lets no more of the
 * other lanes be on its way than about 50 ms of that (common/wire/pace.h). */
void chan_now (struct chan *c, int64_t now_us);

/* Queue an encoded message of a numbered kind (takes the frames). `hold` is the commit it waits
 * for: chan_next() does not hand it out before chan_release() reached that number. Control does not
 * wait for the others, nor for the window. */
void chan_post_take (struct chan *c, enum chan_lane lane, struct wire_frames *f, uint64_t hold);

/* Commits up to `commit` hold. */
void chan_release (struct chan *c, uint64_t commit);

/* How long a piece of a large row or output should be: a piece holds up what follows, so it is
 * shorter on a slow line. At most WIRE_PIECE_MAX. */
size_t chan_piece_bytes (const struct chan *c);

/* The next frames to transmit, numbered and with the present acknowledgement, in `out` (the caller
 * finishes them, or link_send() takes them): true, or false when there are none for now. */
bool chan_next (struct chan *c, struct wire_frames *out);

/* A transmission was refused: the next chan_next() hands the same message out again. */
void chan_unsent (struct chan *c);

/* A message came with these numbers in its preamble. seq 0: only the acknowledgement counts
 * (CHAN_NEW). */
enum chan_verdict chan_accept (struct chan *c, uint64_t seq, uint64_t ack);

/* The highest number received in order, whether or not it may be acknowledged yet. */
uint64_t chan_received (const struct chan *c);

/* Numbers accepted from now on are acknowledged only when chan_release() reached `commit`: a
 * receiver that must first make them durable calls this at the start of each turn with the commit
 * that the turn will have. Without it they are acknowledged at once. */
void chan_hold_ack (struct chan *c, uint64_t commit);

/* The number to acknowledge: in the preamble of messages that do not go through chan_next(), and as
 * `received` in HELLO and WELCOME (what is received and not durable must be sent again). */
uint64_t chan_ack_number (const struct chan *c);

/* Whether something may be acknowledged that no transmission has acknowledged yet, or was asked for
 * by a duplicate. chan_next() tells it with each message; whoever sends another message with this
 * number in its preamble says so with chan_ack_sent(). */
bool chan_owes_ack (const struct chan *c);
void chan_ack_sent (struct chan *c, uint64_t ack);

/* After a (re)connect: the other side had received up to `received`; everything later goes out
 * again, in order and with the same numbers, before anything new, whatever the window, but no
 * faster than the line takes it. -1 if that is beyond what was sent, or before what was
 * acknowledged. */
int chan_resume (struct chan *c, uint64_t received);

/* Whether that can be what the other side has received: not less than it has acknowledged, not more
 * than was sent. */
bool chan_fits (const struct chan *c, uint64_t received);

/* The other side began a new life, and knows nothing of the numbers: they begin again at 1 in both
 * directions. What was not acknowledged is kept, in order, and leaves before what was queued behind
 * it, whatever the window, but no faster than the line takes it. doc/PROTOCOL.md, "A broker that
 * was restarted". */
void chan_renumber (struct chan *c);

/* Queue an encoded message of a numbered kind (takes the frames) before all others that have not
 * left, behind those that were queued in this way already: what the other side must hear first in
 * its new life. */
void chan_post_first_take (struct chan *c, struct wire_frames *f);

/* Look at each message that waits to be sent, in the order in which they would leave were every
 * window open; where `drop` says true it goes. Those on their way are not shown. */
typedef bool chan_sift_fn (void *arg, const struct wire_frames *f);
void chan_sift (struct chan *c, chan_sift_fn *drop, void *arg);

/* Look at the messages of the bulk lane that wait to be sent, in order, until one is found. */
void chan_find_bulk (const struct chan *c, chan_sift_fn *found, void *arg);

/* Show each message that the other side has not acknowledged, on its way or waiting, in no certain
 * order. */
typedef void chan_look_fn (void *arg, const struct wire_frames *f);
void chan_look (const struct chan *c, chan_look_fn *look, void *arg);

/* The other side's window, from WELCOME or ACK. Either 0: no bulk goes out, but INPUT, SIGNAL and
 * CLOSE that nothing else stands before. With nothing of the bulk lane on its way, one message may
 * go, however large it is. */
void chan_window (struct chan *c, uint64_t window_msgs, uint64_t window_bytes);

/* Bytes queued and unacknowledged in all lanes; whether another message in the bulk lane would
 * leave without waiting for an acknowledgement (the window has room beyond what is queued and on
 * its way): who produces much asks first. */
size_t chan_backlog_bytes (const struct chan *c);
bool chan_wants_bulk (const struct chan *c);

/* Nothing queued, nothing unacknowledged. */
bool chan_idle (const struct chan *c);

#endif
