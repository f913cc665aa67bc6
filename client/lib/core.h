/* core: the client's decisions, pure: a session, the batches on it, and the order of events.
 *
 * Messages come in through core_message(), frames go out through session_next(), events come out of
 * core_next(), one by one, in the order in which the broker sent what they are made of. Nothing is
 * delivered twice: records of a batch are taken in order and once, a row ends once. Where a broker
 * was restarted that keeps its state, all goes on (restart.h); where a session is lost, what was
 * open ends with it: the rows without an outcome as broker_lost, requests with the reason, and END
 * behind them.
 *
 * No socket, clock or thread. The only file is the store's, and only when output is over its
 * limits. An event and all it points to stay valid until the next call of core_next().
 */
#ifndef DROVER_CLIENT_CORE_H
#define DROVER_CLIENT_CORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "client/drover.h"
#include "client/lib/batch.h"
#include "client/lib/request.h"
#include "client/lib/result.h"
#include "client/lib/session.h"

struct item;
TAILQ_HEAD (items, item);
struct ghost;
LIST_HEAD (ghosts, ghost);

struct core {
    struct session *session;
    struct store *store;
    struct batch *batches; /* uthash by handle */
    uint64_t last_handle;
    struct requests requests;
    struct items items;   /* what is to be delivered */
    struct items futures; /* results of batches whose rows are futures: core_next_future() */
    size_t queued;        /* bytes of messages in both */
    struct ghosts ghosts;
    unsigned n_busy; /* batches that wait for a broker that is busy */
    bool told_away;  /* the user was told that the broker does not answer */
    bool alone;      /* the broker has one worker and gets no other */
    int64_t now_us;  /* of the message in hand */
    struct item *present;
    struct result *result; /* of the present event, or being filled */
    struct item *filling;  /* the item of a result that is half made */
    struct item *named;    /* whose names `worker` and `host` hold */
    bool lost_delivered;

    /* the present event; its parts point to each other and to the present item */
    drover_event_t event;
    drover_output_t output;
    drover_end_t end;
    drover_reply_t reply;
    drover_notice_t notice;
    drover_error_t refused;
    char worker[257];
    char host[257];
    char text[513];
};

/* `store` must outlive the core. */
void core_init (struct core *c, const struct session_config *config, struct store *store,
                int64_t now);
void core_fini (struct core *c);

/* A message came; what is kept of it is taken. */
void core_message (struct core *c, int64_t now, struct wire *w);

/* Time has passed, after all that came was read. */
void core_tick (struct core *c, int64_t now);

/* When core_tick() has something to do. */
int64_t core_deadline (const struct core *c);

/* The session is over, for a reason from outside. */
void core_fail (struct core *c, enum wire_code code, const char *text);

/* Something of our own to tell the user. */
void core_notice (struct core *c, enum drover_note code, const char *text);

/* The next event, of any batch or only of one (others are kept, those without a batch too). 1 with
 * *event, 0 when there is none, -1 when the store failed: the event is still there for the next
 * call. */
int core_next (struct core *c, const struct batch *only, const drover_event_t **event,
               struct err *e);

/* The next result of a batch whose rows are futures (batch.h): as core_next(), which passes these
 * by. One that cannot be kept for want of room on the disk is still there for the next call. */
int core_next_future (struct core *c, const drover_event_t **event, struct err *e);
bool core_has_futures (const struct core *c);

/* Whether core_next() would find something (perhaps what turns out to be nothing). */
bool core_has_events (const struct core *c, const struct batch *only);

/* A batch of its own, or one that exists. `b` is zeroed memory of the caller's, to be given back by
 * core_forget(). */
int core_open (struct core *c, struct batch *b, const struct msg_open *open, struct err *e);
int core_attach (struct core *c, struct batch *b, uint64_t id, uint64_t record, bool follow,
                 struct err *e);

/* No more events of it; it is finished. */
void core_forget (struct core *c, struct batch *b);

/* Let go all partly filled chunks; whether there are any. */
void core_flush (struct core *c);
bool core_has_unsent (const struct core *c);

/* 0, or -1 with the reason: the session is lost. */
int core_gone (const struct core *c, struct err *e);

/* Ask the broker: the ref, or 0. `handle`: of the batch it is about, where the message names it so.
 */
uint64_t core_ask (struct core *c, struct wire *w, uint64_t handle, struct err *e);

/* The same where nobody wants to see the answer: 0, or -1. A cancellation that the broker cannot
 * carry out for now is left with it until it can. */
int core_tell (struct core *c, struct wire *w, uint64_t handle, struct err *e);

/* Answer a request from here: a new one, or this one. */
void core_answer_request (struct core *c, struct request *q, enum wire_code code, const char *text);
uint64_t core_answer (struct core *c, enum wire_code code, const char *text);

/* Make one request of several that were just asked. Its answer comes with the last of theirs: with
 * the greatest `value`, and the code of the first that was refused, if one was. The ref. */
uint64_t core_join (struct core *c, const uint64_t *refs, size_t count);

/* The broker will say no more about a batch: rows without an outcome get one, and END follows. */
void core_break (struct core *c, struct batch *b, const char *why);

/* End a batch that the broker has not opened, because it is busy. */
void core_cancel_unopened (struct core *c, struct batch *b, const char *reason);

/* Nothing waits to be acknowledged, or for a broker that is busy. */
bool core_idle (const struct core *c);

/* Forget a request and what has come of its answer; with `tell` the broker hears of it. Of a
 * cancellation only the answer is forgotten. */
void core_drop (struct core *c, uint64_t ref, bool tell);

/* Take the next reply with that ref out of the queue: 1 with *event, which core_reply_record()
 * reads and the next call of core_next() or core_take_reply() ends; 0 when none has come. */
int core_take_reply (struct core *c, uint64_t ref, const drover_event_t **event);

/* The next record of the present reply: see drover_reply_record(). */
int core_reply_record (const struct core *c, size_t *at, drover_pair_t *pairs, size_t max);

#endif
