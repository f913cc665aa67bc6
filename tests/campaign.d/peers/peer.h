/* peer: one DEALER that speaks the protocol, as a client or a worker of a broker under test.
 *
 * It says HELLO, and says it again whenever its connection or its session is gone; it pings,
 * answers pings, acknowledges, and keeps numbered messages until they are acknowledged. What else
 * it says, and what it does not do although it should, is for whoever uses it: the fields are open
 * for that.
 *
 * A tool of the tests, on czmq. What comes from the network is decoded by common/wire, never by an
 * assertion of the library.
 */
#ifndef DROVER_CAMPAIGN_PEER_H
#define DROVER_CAMPAIGN_PEER_H

#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire/chan.h"

struct peer;

struct peer_config {
    const char *url;
    enum wire_role role;
    const char *stem;      /* of a worker's name; its number is put behind it */
    const char *functions; /* that a worker offers: one name, or NULL */
    uint64_t slots;
    void (*welcomed) (struct peer *p, const struct msg_welcome *m, int64_t now); /* or NULL */
    void (*told) (struct peer *p, const struct wire *w, int64_t now); /* numbered, in order and new;
                                                                         or ERROR, PONG; or NULL */
    void (*tick) (struct peer *p, int64_t now);                       /* often; or NULL */
};

struct peer {
    const struct peer_config *c;
    zsock_t *sock;
    struct chan *chan;
    unsigned number; /* among its crowd, from 0 */
    bool present;    /* welcomed, and nothing was heard to the contrary */
    bool mute;       /* says nothing of itself any more: no PING, PONG, ACK, HELLO */
    bool deaf;       /* reads nothing any more */
    bool over;       /* it has done what it was there for */
    bool unpolled;   /* its crowd does not wait for it any more */
    uint64_t token;  /* of its session; 0: none yet */
    uint64_t broker; /* the life of the broker that welcomed it last */
    int64_t hello_at;
    int64_t ping_at;
    int64_t ping_us;
    void *data; /* whoever uses it */
};

/* Make the socket and begin to connect. `p` is empty but for `number` and `data`. */
int peer_init (struct peer *p, const struct peer_config *c, struct err *e);
void peer_fini (struct peer *p);

/* Another connection: the old one is cut without a word. The session is kept. */
int peer_reconnect (struct peer *p, struct err *e);

/* Read what is there, say what is due. */
void peer_turn (struct peer *p, int64_t now);

/* Queue a numbered message; it leaves with the next turn. Ends the process where it cannot be
 * encoded: that is a mistake of this program. */
void peer_post (struct peer *p, enum chan_lane lane, const struct wire *w);

/* Transmit at once and once, whatever its kind; false where the connection does not take it. */
bool peer_say (struct peer *p, const struct wire *w);

/* End the process with a line on stderr and status 1: the broker did what it must not do. */
void peer_fail (const char *fmt, ...) __attribute__ ((format (printf, 1, 2), noreturn));

#endif
