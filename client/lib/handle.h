/* handle: a drover_t: the pure core with a link, a clock and a descriptor for foreign loops.
 *
 * One turn (handle_turn) reads what came, lets time pass, and sends what is to go. Every public
 * function that changes something ends with handle_settle(), so that the descriptor tells the
 * truth: ZeroMQ's own descriptor speaks of changes, and sending consumes them; so after each turn
 * the socket is asked, and where something is left an eventfd is kept raised.
 */
#ifndef DROVER_CLIENT_HANDLE_H
#define DROVER_CLIENT_HANDLE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "client/drover.h"
#include "client/lib/core.h"
#include "client/lib/private.h"
#include "client/lib/task.h"
#include "common/net/link.h"

struct pipeline;

struct drover_batch {
    struct batch b; /* what the core knows of it */
    drover_t *h;
    void *user;
    struct pipeline *pipe; /* it is a stage of; NULL: none */
    unsigned stage;        /* from 0, which is the one that the program has */
    LIST_ENTRY (drover_batch) link;
    struct futures *futures; /* of its rows, or of itself; or NULL */
    struct binding *binding; /* to a cancel source, or NULL */
    LIST_ENTRY (drover_batch) bound;
    bool hidden; /* the program does not know it (any more): no events */
    bool freed;  /* by the program, and kept for its futures */
};

LIST_HEAD (drover_batches, drover_batch);
LIST_HEAD (pipelines, pipeline);

struct drover {
    struct core core;
    struct store store;
    struct link *link; /* NULL: to be made again at reconnect_at */
    struct private *private;
    char *url;
    char *name;
    char host[257];
    struct drover_batches batches;
    struct tasks tasks;
    struct pipelines pipelines;
    struct result *piped; /* of the present event, where a pipeline made it */
    int epoll_fd;
    int timer_fd;
    int raised_fd;
    bool watched; /* somebody polls the descriptor: keep it true */
    bool raised;
    int64_t timer_at;
    int64_t reconnect_at;
    unsigned served; /* events since the last turn */
};

/* Read, tick, send. With `all` also what is over the limit of what may wait for the program. */
void handle_turn (drover_t *h, bool all);

/* Send what is to go now. */
void handle_send (drover_t *h);

/* Make the descriptor tell the truth. */
void handle_settle (drover_t *h);

/* Sleep until something can happen, or until `until` (clock_mono_us()). False: a signal handler
 * ran. */
bool handle_sleep (drover_t *h, int64_t until);

/* Turns until `done (h, arg)`: 0; -1 with DROVER_ETIME, DROVER_ELOST or DROVER_EINTR. Events are
 * kept, futures go on. */
int handle_wait (drover_t *h, bool (*done) (drover_t *h, void *arg), void *arg, int64_t timeout_ms,
                 drover_error_t *e);

/* The time `timeout_ms` from now; negative: never. */
int64_t handle_until (int64_t timeout_ms);

/* drover_batch_add() and drover_batch_cancel() for the library itself: whatever becomes of the
 * rows, and without an answer. `key`: of ordered batches, else NULL. The last ends one stage where
 * the batch is one of a pipeline. */
int64_t handle_add (drover_batch_t *b, int spec, const struct bytes *key,
                    const drover_bytes_t *values, size_t count, drover_error_t *e);
int handle_cancel (drover_batch_t *b, const drover_cancel_options_t *o, drover_error_t *e);
int handle_cancel_stage (drover_batch_t *b, const drover_cancel_options_t *o, drover_error_t *e);

/* 0, or -1 with why the session is lost. */
int handle_alive (const drover_t *h, drover_error_t *e);

#endif
