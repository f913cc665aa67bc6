/* pace: how many bytes may be on their way at one time, so that a slow line has little before it.
 *
 * What is on its way delays all that follows, signs of life too: 4 MiB are nothing on a fast line,
 * and half a minute at 1 mbit/s. So the sender measures. A *round* lasts from one message's
 * departure until it is acknowledged; the bytes acknowledged in it, over its time, are the rate of
 * delivery. The limit is what the line delivers in the time of an idle round trip and PACE_QUEUE_US
 * more: then a queue of that length stands before the line, and the line is never idle.
 *
 * The limit begins at PACE_LEAST and moves only in rounds in which something waited: at most to its
 * double (a millisecond's matter where round trips are short), at most to its half (a peer that was
 * held up once is not a slow line). The idle round trip is the shortest round, and is learnt anew
 * from small messages that go alone.
 *
 * A plain value without a clock: the caller passes the time. doc/DESIGN.md, "Sessions and
 * channels".
 */
#ifndef DROVER_WIRE_PACE_H
#define DROVER_WIRE_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_LEAST (64u << 10) /* bytes: half a second at 1 mbit/s */
#define PACE_QUEUE_US 50000    /* of waiting before the line */

struct pace {
    uint64_t limit;  /* bytes that may be on their way */
    uint64_t flight; /* that are */
    uint64_t sent;   /* all since the connection began */
    uint64_t acked;  /* likewise; `sent` less `flight` */
    int64_t rtt_us;  /* of an idle line; -1: not known */

    uint64_t round_end;   /* the round is over when `acked` reaches this; 0: there is no round */
    uint64_t round_acked; /* `acked` when it began */
    int64_t round_us;     /* when it began */
    bool round_alone;     /* nothing else was on its way then */
    bool round_waited;    /* something had to wait during it */
};

/* A new connection, of which nothing is known. */
void pace_init (struct pace *p);

/* Whether `bytes` more may leave. One message always may when nothing is on its way. */
bool pace_open (const struct pace *p, size_t bytes);

/* Something is there that cannot leave for now, by this limit or another. */
void pace_waits (struct pace *p);

void pace_sent (struct pace *p, size_t bytes, int64_t now_us);

/* The message sent last did not leave after all. */
void pace_unsent (struct pace *p, size_t bytes);

/* `bytes` of what was sent are acknowledged; `most`: the limit never exceeds this (unless it is
 * less than PACE_LEAST). */
void pace_acked (struct pace *p, size_t bytes, uint64_t most, int64_t now_us);

#endif
