/* peers: those who speak with the broker, as the scheduler knows them: sessions and what they say,
 * clients and what they look at and wait for, workers and their slots. Private to broker/core;
 * core.h has all of it.
 */
#ifndef DROVER_BROKER_CORE_PEERS_H
#define DROVER_BROKER_CORE_PEERS_H

#include <sys/queue.h>

#include "broker/core/sched.h"
#include "common/base/hash.h"
#include "common/model/ranges.h"
#include "common/wire/chan.h"
#include "common/wire/content.h"

struct batch;
struct entry;
struct lease;
struct sched;

#define UNREAD_WINDOWS 8 /* what a peer may leave unread, in windows, besides rows and results */

struct session {
    uint64_t token;
    uint64_t route;    /* 0: not connected */
    uint64_t hello_by; /* the route of its last HELLO */
    enum wire_role role;
    struct chan *chan;
    char *name; /* unique among those of its role */
    char *host;
    uint64_t pid;
    uint64_t born;     /* as its HELLO said */
    int64_t heard_us;  /* last sign of life */
    int64_t gone_us;   /* since when there is no connection; 0 while there is one */
    int64_t pinged_us; /* clients: the last ping */
    uint64_t hold;     /* the last commit that something of it waits for */
    bool dirty;        /* may have something to transmit */
    bool said_bye;
    bool broken;         /* what it said cannot be made good: it ends with this message */
    bool shut;           /* its window was said to be 0 */
    bool processes_gone; /* its worker has ended all it had, or is known to be dead */
    bool restored;       /* from the store, and not back yet */
    bool unsure;         /* ... and the state went back: it may hold what nobody knows of */
    bool ghost;          /* restored, but all that is known of it is that it was granted rows */
    bool missed;         /* degraded: a message was left with the peer, and all behind it */
    bool leaving;        /* degraded: it ends when its end can be recorded */
    bool doubtful; /* it did not hear a WELCOME before, and has said nothing behind this one */
    bool spoke;    /* has said something behind a WELCOME: so it has heard it */
    bool astray;   /* has rows of batches that this state does not know: it ends */
    unsigned malformed;
    unsigned refusals;     /* said in the log */
    struct wire hello;     /* restored: its record */
    struct client *client; /* one of the two, by role */
    struct worker *worker;
    UT_hash_handle by_token;
    UT_hash_handle by_route;
    UT_hash_handle by_name; /* workers */
    TAILQ_ENTRY (session) dirty_link;
};

/* A client's view of a batch. */
struct sub {
    uint64_t handle;
    struct client *client;
    struct batch *batch;
    struct entry *next; /* of the batch's log to be sent; NULL: all has been */
    bool owner;         /* it opened the batch */
    bool joined;        /* ... which was there already, under its key */
    bool whole;         /* it says all of the batch anew where it is there already */
    bool compares;      /* ... and gets nothing back before its CLOSE */
    bool first;         /* ... and waited for its client since a restart */
    bool told;          /* was sent END, and is to confirm that it has all */
    bool follow;
    uint64_t confirmed;    /* the last record it will not ask for again */
    struct content resent; /* a chunk in parts that it sends again */
    UT_hash_handle hh;     /* by handle, in client */
    LIST_ENTRY (sub) link; /* in batch */
    TAILQ_ENTRY (sub) pump_link;
    bool pumping; /* in the list of those that may have something to send */
};

/* Somebody waits for a condition of a batch, or for the end of what was cancelled. */
struct waiter {
    uint64_t ref;
    struct client *client;
    struct batch *batch;
    enum wire_condition condition;
    uint64_t n;
    uint64_t first, count; /* rows that were cancelled; count 0: all */
    struct peek *peek; /* what is asked of its row, `first`; NULL: it waits for something else */
    int64_t since_us;
    LIST_ENTRY (waiter) link;   /* in batch */
    LIST_ENTRY (waiter) c_link; /* in client */
};

struct quota_limit { /* that is reached */
    const char *text;
    uint64_t have, limit;
};

struct client {
    struct session *session;
    struct sub *subs; /* hash by handle */
    /* batches that may have rows to place, by priority, then in turn */
    TAILQ_HEAD (batch_list, batch) ready;
    TAILQ_ENTRY (client) ready_link; /* in sched, while `ready` is not empty */
    LIST_HEAD (, waiter) waiters;
    unsigned n_asked;                  /* waits, cancels and drains that are not answered yet */
    LIST_HEAD (, batch) owned;         /* what it submitted, attached or detached */
    uint64_t tasks, bytes;             /* unfinished, of its batches: quota.c */
    uint64_t stuck_tasks, stuck_bytes; /* of these, of batches that are stuck: stuck.c */
    uint64_t batches;
    bool over_quota;
    struct ranges over;   /* handles of batches whose END it was sent */
    struct batch *served; /* in `ready`: got rows last, so it is last among its equals */
    struct batch *wide;   /* for which a worker is drained */
    bool is_ready;
};

struct function_name {
    char *name;
    UT_hash_handle hh;
};

struct known_batch { /* specs that a worker has been sent */
    uint64_t id;
    uint8_t *specs; /* bitmap */
    size_t n;
    UT_hash_handle hh;
};

struct worker {
    struct session *session;
    uint64_t slots;
    uint64_t cores;    /* as it said, for people; 0: it did not */
    uint64_t occupied; /* sum over leases */
    uint64_t io_tasks; /* tasks that take no slot, at one time, ... */
    uint64_t io_busy;  /* ... and those it has; sum over leases */
    uint64_t containment;
    uint64_t grants; /* number of the last grant */
    uint64_t shares;
    bool commands; /* it can run them */
    bool peeks;    /* it answers PEEK */
    bool suspect, draining;
    bool holding;              /* came back, and has yet to say what it holds: it gets no rows */
    int64_t hold_us;           /* since when */
    bool drain_asked;          /* by a client: it stays */
    uint64_t done;             /* outcomes it gave, for people */
    bool quarantined;          /* it was lost too often: it gets no rows for a while */
    bool clearing;             /* it is to be empty, for a row that runs alone */
    int64_t alone_us;          /* ... which has had it since, cleared or run; 0: it has not */
    int64_t rest_us;           /* and after which others come first */
    struct batch *drained_for; /* its slots are kept for a task that takes several: wide.c */
    int64_t drained_us;        /* since when */
    int64_t drain_from_us;     /* not before: it was, and for nothing */
    struct function_name *functions;
    struct known_batch *known;
    LIST_HEAD (, lease) leases;
    bool hungry;
    TAILQ_ENTRY (worker) link;
    TAILQ_ENTRY (worker) hungry_link;
};

struct drain { /* a client waits for a worker to be empty, or for the broker to be done */
    uint64_t ref;
    struct client *client;
    struct worker *worker; /* NULL: the broker, which takes no new batches while this is there */
    bool answered;
    LIST_ENTRY (drain) link;
};

/* --- hello.c --- */
void session_on_hello (struct sched *s, const struct sched_event *ev, int64_t now,
                       struct effects *fx);
/* How much to make of a peer that comes or leaves. */
enum log_level session_coming_level (const struct session *se);
/* Hard to meet by chance, never 0. */
uint64_t sched_random (struct sched *s);
/* A session that has no connection yet. */
struct session *session_make (struct sched *s, const struct wire *hello, uint64_t token,
                              int64_t now);

/* --- sessions.c --- */
struct session *session_by_token (struct sched *s, uint64_t token);
struct session *session_by_route (struct sched *s, uint64_t route);
struct session *session_by_name (struct sched *s, const char *name); /* workers */
/* 0: it is not connected. */
void session_set_route (struct sched *s, struct session *se, uint64_t route);
/* Transmit a message that has no number; se NULL: to somebody without a session. */
void session_say (struct session *se, uint64_t route, struct wire *w, struct effects *fx);
void session_say_error (struct session *se, uint64_t route, enum wire_code code, unsigned kind,
                        uint64_t ref, const char *text, struct effects *fx);
/* Its window is 0. */
bool session_is_shut (const struct sched *s, const struct session *se);
/* session_end(), as soon as that can be recorded; until then it is cut off. */
void session_leave (struct sched *s, struct session *se, int64_t now, struct effects *fx);
/* An ACK, with how much may be on its way to us. */
void session_say_window (struct sched *s, struct session *se, struct effects *fx);
/* Queue a numbered message for a session. Lane by kind. Drops it in silence where there is no
 * session any more. */
void session_post (struct sched *s, struct session *se, const struct wire *w);
void session_dirty (struct sched *s, struct session *se);
void session_on_message (struct sched *s, const struct sched_event *ev, int64_t now,
                         struct effects *fx);
void session_on_malformed (struct sched *s, const struct sched_event *ev, int64_t now,
                           struct effects *fx);
void session_on_gone (struct sched *s, const struct sched_event *ev, int64_t now);
void session_end (struct sched *s, struct session *se, int64_t now, struct effects *fx);
void sessions_tick (struct sched *s, const struct sched_event *tick, int64_t now,
                    struct effects *fx);
void sessions_stop (struct sched *s, struct effects *fx);
void sessions_flush (struct sched *s, int64_t now, struct effects *fx);
/* Not now: try again in a while. */
void session_busy (struct session *se, unsigned kind, uint64_t ref, const struct quota_limit *over,
                   struct effects *fx);
void session_error (struct sched *s, struct session *se, enum wire_code code, unsigned kind,
                    uint64_t ref, struct effects *fx, const char *fmt, ...)
    __attribute__ ((format (printf, 7, 8)));

/* --- restored.c --- */
/* A worker's session from its record; and one of which only a grant is known. */
struct session *restored_new (struct sched *s, const struct wire *hello);
struct session *restored_ghost (struct sched *s, uint64_t token);
/* A second record of it: whether the state went back since its worker was heard. */
void restored_mark (struct sched *s, struct session *se, const struct wire *hello);
/* The state went back: none of these workers is known to have told all. */
void restored_doubt (struct sched *s);
/* ... and that is recorded, until they have. */
void restored_record_doubt (struct sched *s, struct effects *fx);
/* It has told all, or is gone. */
void restored_trust (struct sched *s, struct session *se);
/* Its worker is to be told that the broker was restarted: it is not certain that it has heard it.
 */
bool restored_is_new (const struct session *se);
/* Its worker is back. */
void restored_back (struct sched *s, struct session *se, const struct wire *hello, int64_t now);
void restored_hold (struct sched *s, struct worker *w, const struct msg_hold *m, int64_t now,
                    struct effects *fx);
/* Not back since a restart, or back and yet to say what it holds: what it was granted may have
 * never arrived. */
bool worker_is_away (const struct worker *w);

/* --- clients.c: what a client says --- */
struct client *client_new (struct sched *s, struct session *se);
void client_gone (struct sched *s, struct client *c, int64_t now, struct effects *fx);
void client_on_message (struct sched *s, struct session *se, const struct wire *w, int64_t now,
                        struct effects *fx);
struct sub *client_sub (struct client *c, uint64_t handle);
/* It was sent END for the handle: what it still says of it is no error. */
void client_over (struct client *c, uint64_t handle);
/* It has asked as much as a client may without an answer. */
bool client_asks_too_much (const struct client *c);
/* Parts of a large row of it are missing. */
bool client_is_halfway (const struct client *c);
void reply (struct sched *s, struct client *c, uint64_t ref, enum wire_code code, uint64_t value,
            const char *text);

/* --- subs.c: results to those who look at a batch --- */
struct sub *sub_new (struct client *c, struct batch *b, uint64_t handle, uint64_t record);
void sub_free (struct sched *s, struct sub **sub);
/* It was sent END. */
void sub_over (struct sched *s, struct sub **sub);
/* It has all up to `record`; one beyond the last: also END. */
void sub_confirm (struct sched *s, struct sub *sub, uint64_t record, struct effects *fx);
void sub_pump_later (struct sched *s, struct sub *sub);
void subs_pump (struct sched *s);

/* --- waits.c --- */
struct waiter *wait_add (struct client *c, struct batch *b, const struct waiter *what);
/* Answer it, and free it, if what it waits for has come. */
void waiter_check (struct sched *s, struct waiter *w, int64_t now);
void waits_check (struct sched *s, struct batch *b, int64_t now);
void waiter_free (struct waiter *w);

/* --- queries.c --- */
void query_answer (struct sched *s, struct client *c, const struct wire *w);

/* --- quota.c --- */
/* Tasks of the batch that are not finished became more, or (negative) fewer. */
void quota_tasks (struct sched *s, struct batch *b, int64_t more);
/* Likewise the bytes of its rows; they count in queue_bytes, too. */
void quota_bytes (struct sched *s, struct batch *b, int64_t more);
/* Bytes of its rows count against the client, or not any more. */
void quota_client (struct sched *s, struct batch *b, int64_t more);
/* So many bytes of the batch are kept, whatever work is done, or not any more. */
void quota_lasting (struct sched *s, struct batch *b, int64_t more);
/* The batch is its client's now, or about not to be any more. */
void quota_join (struct sched *s, struct batch *b, struct client *c);
void quota_leave (struct sched *s, struct batch *b);
/* The batch is stuck now, or not any more (stuck.c). */
void quota_stuck (struct sched *s, struct batch *b, bool stuck);
/* What else decides whether the client is held back has changed. */
void quota_look (struct sched *s, struct client *c);
/* The client may not open a batch now, and why. */
bool quota_refuses (const struct sched *s, const struct client *c, struct quota_limit *over);
/* Why no rows of the batch are taken, but for the rest of a large one: its client does not mind its
 * window, or it is stuck and its client is not held back. NULL: they are. */
const char *quota_refuses_rows (const struct sched *s, const struct batch *b);

/* --- workers.c: what a worker says --- */
struct worker *worker_new (struct sched *s, struct session *se, const struct wire *hello);
/* It said BYE: rows of grants that it had not acknowledged by then never came, and wait again. */
void worker_left (struct sched *s, struct worker *w, int64_t now, struct effects *fx);
void worker_gone (struct sched *s, struct worker *w, bool counts, int64_t now, struct effects *fx);
void worker_on_message (struct sched *s, struct session *se, const struct wire *w, int64_t now,
                        struct effects *fx);
bool worker_is_fit (const struct worker *w); /* alive, and not about to leave */
bool worker_takes (const struct worker *w);  /* and free for rows of any kind */
bool worker_has_function (const struct worker *w, const struct function_name *need);
bool worker_can (const struct worker *w, const struct batch *b);
void workers_count_slots (struct sched *s);
struct known_batch *worker_known (struct worker *w, uint64_t batch);
void worker_drain (struct sched *s, struct worker *w);
void worker_forget (struct sched *s, struct worker *w, uint64_t batch);

/* --- quarantine.c --- */
void quarantine_lost (struct sched *s, const struct worker *w, int64_t now, struct effects *fx);
bool quarantine_has (const struct sched *s, const struct worker *w, int64_t now);
size_t quarantine_entries (const struct sched *s); /* names that are remembered */
void quarantine_tick (struct sched *s, int64_t now);
void quarantine_fini (struct sched *s);

/* --- drains.c --- */
extern const char DRAINING[]; /* why new work is refused */
void drains_on_drain (struct sched *s, struct client *c, const struct msg_drain *m,
                      struct effects *fx);
/* Whether somebody waits for the broker to be done: new work is refused. */
bool drains_broker (const struct sched *s);
/* The worker may be empty. */
void drains_check (struct sched *s, struct worker *w);
/* The broker may be done. */
void drains_tick (struct sched *s);
/* The client does not wait for this any more; it is gone. */
void drains_drop (struct sched *s, struct client *c, uint64_t ref, struct effects *fx);
void drains_client_gone (struct sched *s, struct client *c, struct effects *fx);

/* --- live.c --- */
/* False: the worker has not taken what was sent before, and this is dropped. */
bool live_from_client (struct sched *s, struct batch *b, const struct wire *w);
void live_granted (struct sched *s, struct batch *b, struct worker *wk, uint64_t first,
                   uint64_t count);
/* A row has taken its input up to there, or has ended: nothing of that is said again. */
void live_taken (struct sched *s, struct batch *b, uint64_t row, uint64_t upto);
void live_free (struct batch *b);

#endif
