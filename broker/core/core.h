/* core: the structs of the scheduler, and what its files offer each other. Private to broker/core.
 *
 *     session   a peer: its channel, its liveness                     sessions.c
 *     client    a session's batches and what it waits for             clients.c subs.c waits.c
 *     worker    a session's slots and leases                          workers.c
 *     batch     specs, chunks, sets of rows, its log of results       batches.c chunks.c results.c
 *     lease     what one worker holds of one batch                    leases.c
 *     placing   who gets what next                                    place.c waiting.c alone.c
 *     attempts  what runs again, when, and what ran before            retry.c due.c odd.c
 *     state     what the store is told, and a life that begins from it
 *               records.c replay.c restored.c degraded.c retention.c rerun.c content.c
 *
 * Rows of a batch are in exactly one of: chunk not complete, waiting, later, out in one lease,
 * finished.
 * sched_check() proves it.
 */
#ifndef DROVER_BROKER_CORE_CORE_H
#define DROVER_BROKER_CORE_CORE_H

#include <sys/queue.h>
#include <uthash.h>

#include "broker/core/sched.h"
#include "common/model/ranges.h"
#include "common/wire/chan.h"
#include "common/wire/outcome.h"
#include "common/wire/rows.h"

struct client;
struct worker;
struct batch;
struct lease;

#define UNREAD_WINDOWS 8 /* what a peer may leave unread, in windows, besides rows and results */

struct session {
    uint64_t token;
    uint64_t route; /* 0: not connected */
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

/* What was said of a chunk in parts, as it comes. content.c. */
struct content {
    struct XXH3_state_s *state; /* NULL: nothing */
    uint64_t chunk;
    uint64_t have; /* bytes */
    uint64_t keys;
};

/* A client's view of a batch. */
struct sub {
    uint64_t handle;
    struct client *client;
    struct batch *batch;
    struct entry *next; /* of the batch's log to be sent; NULL: all has been */
    bool owner;         /* it opened the batch */
    bool joined;        /* ... which was there already, under its key */
    bool compares;      /* ... and gets nothing back before its CLOSE */
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
    struct sub *subs;           /* hash by handle */
    TAILQ_HEAD (, batch) ready; /* batches that may have rows to place, by priority, then in turn */
    TAILQ_ENTRY (client) ready_link; /* in sched, while `ready` is not empty */
    LIST_HEAD (, waiter) waiters;
    unsigned n_asked;          /* waits, cancels and drains that are not answered yet */
    LIST_HEAD (, batch) owned; /* what it submitted, attached or detached */
    uint64_t tasks, bytes;     /* unfinished, of its batches: quota.c */
    uint64_t batches;
    bool over_quota;
    struct ranges over;   /* handles of batches whose END it was sent */
    struct batch *served; /* in `ready`: got rows last, so it is last among its equals */
    bool is_ready;
};

/* Consecutive rows as they came. */
struct chunk {
    uint64_t first;
    uint64_t count;
    uint64_t open; /* rows that have no outcome */
    uint64_t kept; /* rows whose bytes are needed: those, and what may be retried */
    uint64_t spec;
    uint64_t stage;
    struct slice body; /* empty where the row came in parts */
    struct slice keys;
    struct slice *parts; /* of a single large row */
    size_t n_parts;
    uint64_t total;  /* of the parts */
    uint64_t have;   /* bytes of parts that have come */
    uint64_t at_row; /* where the last grant ended, and the byte: grants go forward */
    size_t at_byte;
};

/* One record of a batch's results: outcomes, or a piece of output. */
struct entry {
    enum wire_kind kind; /* WIRE_RESULTS or WIRE_OUTPUT */
    uint64_t record;
    uint64_t count; /* outcomes */
    uint64_t row, attempt, stream, offset;
    struct slice body;
    char *worker; /* name and host, both owned */
    char *host;
    TAILQ_ENTRY (entry) link;
};

/* Where the outcomes of a detached batch are. */
struct row_index {
    uint32_t *entry_of; /* by row: a number in `at`, from 1; 0: none yet */
    uint64_t rows_size;
    const struct entry **at; /* those with outcomes, in order */
    size_t n, size;
};

enum { PAST_MAX = 4 };

/* A row that is not like the others: it ran before. odd.c. */
struct odd_row {
    uint64_t row;
    struct batch *batch;
    unsigned attempt;            /* of its next or present run */
    unsigned losses;             /* of workers, while it may have run there */
    unsigned runs;               /* that ended, and were not reported */
    uint8_t how, status, signal; /* how the last attempt ended; DONE: it is not known */
    uint8_t n_past;              /* workers that it was with, the last ones, ... */
    uint32_t past[PAST_MAX];     /* ... the newest last: places in batch.past_at */
    int64_t since_us;            /* since when it waits for another worker */
    int64_t due_us;              /* it does not wait for a worker before */
    size_t due_at;               /* place in the heap, from 1; 0: it is not there */
    UT_hash_handle hh;
};

struct due { /* a heap by time */
    struct odd_row **at;
    size_t n, size;
};

struct batch {
    uint64_t id;
    char *name;
    struct wire open; /* the OPEN message, its strings kept by its header */
    uint64_t flags, jobs, priority, runs;
    uint64_t result_bytes;
    uint64_t quota_tasks, quota_bytes; /* its part in its client's */
    int64_t opened_us, deadline_us;
    bool awaited; /* replayed, and nobody's until it is opened again or the grace is over */
    struct client *client; /* whose share of the workers it uses */
    struct sub *owner;     /* NULL: detached and left, or replayed */
    struct wire *specs;    /* SPEC messages, each complete or kind 0 */
    uint64_t *spec_hashes;
    size_t n_specs;
    struct chunk *chunks; /* sorted; [chunk_head, chunk_tail) are alive */
    size_t chunk_head, chunk_tail, chunk_size;
    uint64_t next_chunk; /* number expected next */
    uint64_t *hashes;    /* of the content of each complete chunk */
    size_t n_hashes;
    struct content coming; /* of the chunk that comes in parts */
    size_t last_found;     /* chunk that the last lookup gave */
    uint64_t submitted;    /* rows that have come */
    struct ranges waiting;
    struct ranges picky;  /* of these, those that prefer some worker: waiting.c */
    struct ranges alone;  /* ... and those that are to run alone: alone.c */
    uint64_t fresh_from;  /* those that wait and are in neither begin here, or behind */
    struct ranges later;  /* these wait for a time first: due.c */
    struct ranges doomed; /* were cancelled one by one while they were out */
    uint64_t granted;     /* rows out in leases */
    uint64_t finished;
    uint64_t counts[OUTCOME_KINDS];
    struct ranges ended_as[OUTCOME_KINDS]; /* detached: rows that may be retried, by outcome */
    struct ranges again;                   /* finished rows that ran more than once */
    bool closed, cancelled, paused, ended;
    bool rerun;               /* it had ended before: when its deadline began is not known */
    bool over;                /* nobody looks at it any more: freed at the end of the turn */
    char *reason;             /* of the cancellation */
    uint64_t cancel_grace_ms; /* as the last cancellation said, for workers that come back */
    bool cancel_kill;
    bool ready; /* in its client's list */
    bool told_no_worker, told_too_big, told_no_function;
    uint64_t est_us; /* measured time of one task; 0: not known */
    uint64_t cpus;   /* of its specs, the greatest */
    uint64_t takers; /* workers that could have rows of it, as of this turn: */
    uint64_t takers_turn;
    bool commands; /* a worker needs these two to run it */
    struct function_name *functions;
    struct ranges slots; /* slot numbers {%} that no lease has, from 0 */
    unsigned losses_max; /* a row is parked after so many */
    struct odd_row *odd;
    struct past_worker *past;     /* workers that odd rows were with, by name ... */
    struct past_worker **past_at; /* ... and by number */
    LIST_HEAD (, lease) leases;
    LIST_HEAD (, sub) subs;
    unsigned n_subs;
    LIST_HEAD (, waiter) waiters;
    TAILQ_HEAD (, entry) log;
    STAILQ_HEAD (, early) early; /* live input that its row has not taken */
    uint64_t next_record, log_bytes;
    struct row_index index; /* of a detached batch */
    uint64_t own_bytes;     /* itself, its specs, live input */
    bool trimming;          /* in the list of those whose log may have got shorter */
    uint64_t confirmed;     /* the last record that is not asked for again */
    int64_t last_wall_us;   /* replayed: when its last task ended, by the clock of its worker */
    int64_t ended_us;
    uint64_t kept_bytes; /* counted in sched while it is in `kept` */
    bool kept;           /* detached and over: its results wait */
    UT_hash_handle hh;
    UT_hash_handle hh_key;
    bool keyed;     /* found by its key */
    bool cut_short; /* cancelled before it was closed */
    TAILQ_ENTRY (batch) trim_link;
    TAILQ_ENTRY (batch) kept_link;
    TAILQ_ENTRY (batch) ready_link;
    LIST_ENTRY (batch) owned_link;
    TAILQ_ENTRY (batch) over_link;
};

/* What a worker holds of a batch; there while rows are out. */
struct lease {
    struct batch *batch;
    struct worker *worker;
    struct ranges out;
    struct ranges named; /* its worker came back and has these */
    uint64_t share;      /* number told to the worker */
    struct ranges slots; /* slot numbers it has */
    uint64_t occupied;   /* slots of the worker it counts for */
    int64_t moved_us;    /* last grant or outcome */
    bool taking_back;    /* a TAKE_BACK is on its way */
    LIST_ENTRY (lease) b_link;
    LIST_ENTRY (lease) w_link;
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
    uint64_t occupied; /* sum over leases */
    uint64_t containment;
    uint64_t grants; /* number of the last grant */
    uint64_t shares;
    bool commands; /* it can run them */
    bool suspect, draining;
    bool holding;     /* came back, and has yet to say what it holds: it gets no rows */
    int64_t hold_us;  /* since when */
    bool drain_asked; /* by a client: it stays */
    uint64_t done;    /* outcomes it gave, for people */
    bool quarantined; /* it was lost too often: it gets no rows for a while */
    bool clearing;    /* it is to be empty, for a row that runs alone */
    int64_t alone_us; /* ... which has had it since, cleared or run; 0: it has not */
    int64_t rest_us;  /* and after which others come first */
    struct function_name *functions;
    struct known_batch *known;
    LIST_HEAD (, lease) leases;
    bool hungry;
    TAILQ_ENTRY (worker) link;
    TAILQ_ENTRY (worker) hungry_link;
};

struct drain { /* a client waits for a worker to be empty */
    uint64_t ref;
    struct client *client;
    struct worker *worker;
    LIST_ENTRY (drain) link;
};

struct sched {
    struct sched_config cfg;
    struct session *by_token, *by_route;
    struct session *by_name; /* workers */
    struct batch *batches, *by_key;
    struct client orphans;
    TAILQ_HEAD (client_list, client) ready;
    TAILQ_HEAD (, worker) workers;
    TAILQ_HEAD (, worker) hungry; /* those that may take more; who was served last is last */
    TAILQ_HEAD (, batch) over;
    TAILQ_HEAD (kept_list, batch) kept; /* what ended first is first */
    uint64_t kept_bytes;
    TAILQ_HEAD (, session) dirty;
    TAILQ_HEAD (, sub) pump;
    TAILQ_HEAD (, batch) trim;
    LIST_HEAD (, drain) drains;
    struct client *served; /* in `ready`: got rows last */
    uint64_t n_workers, n_clients;
    uint64_t n_unsure; /* sessions: no rows are granted while there are any */
    uint64_t slots;    /* of all workers that take work */
    uint64_t next_batch;
    uint64_t turn, committed; /* commit numbers */
    uint64_t queue_bytes;
    uint64_t own_bytes; /* of batches and their specs */
    uint64_t rng;
    uint64_t fenced, duplicates, malformed;
    int64_t tick_us;      /* next regular tick */
    int64_t judge_us;     /* nobody is judged before */
    int64_t take_back_us; /* when to look for rows to take back; CLOCK_NEVER: no need */
    bool placing;         /* something changed that may let rows be placed */
    bool replaying, stopping;
    bool replayed;  /* its clocks are still to be set */
    bool unsettled; /* what was cut short by the end of the last life is still to be ended */
    bool unshut;    /* degraded, or not any more, and peers are still to be told */
    char *degraded; /* why the store takes no commits; NULL: it does */
    bool was_full;  /* queue_bytes over the limit */
    int64_t now_us; /* of the event in hand */
    struct flapper *flappers; /* workers that were lost, by name */
    struct due due;           /* rows that wait for a time */
    uint64_t n_alone;         /* rows in `alone` of all batches */
    struct worker *clearing;  /* the one that is being cleared */
    int64_t clearing_since_us, patience_us, clear_after_us;
    int64_t exclusive_us; /* after a restart: rows of exclusive batches wait until then */
};

/* More is held than what well-behaved peers may have on its way beyond the limit: what would add to
 * it is refused. */
static inline bool is_crammed (const struct sched *s)
{
    return s->queue_bytes + s->own_bytes > s->cfg.queue_bytes + s->cfg.overflow_bytes;
}

/* --- effects.c --- */
void effect_record (struct effects *fx, uint64_t batch, const struct wire *w);
void effect_send_take (struct effects *fx, uint64_t route, struct wire_frames *f);
void effect_log (struct effects *fx, enum log_level level, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));
void effect_stop (struct effects *fx);

/* --- records.c: what the store is told; nothing where it wants no records, or while it replays ---
 */
/* What a client said of the batch. */
void record_said (struct sched *s, const struct batch *b, const struct wire *w, struct effects *fx);
/* A result, and whose rows they were (0: the broker's own word). */
void record_entry (struct sched *s, const struct batch *b, const struct entry *en, uint64_t holder,
                   struct effects *fx);
void record_granted (struct sched *s, const struct lease *l, const struct msg_grant *g,
                     struct effects *fx);
void record_given_back (struct sched *s, const struct lease *l, struct range r, struct effects *fx);
void record_holder_lost (struct sched *s, const struct lease *l, bool counts, struct effects *fx);
void record_retried (struct sched *s, const struct lease *l, const struct outcome *o,
                     struct effects *fx);
void record_confirmed (struct sched *s, const struct batch *b, struct effects *fx);
void record_remove (struct sched *s, const struct batch *b, struct effects *fx);
/* Takes the place of an earlier one of the same session. */
void record_session (struct sched *s, const struct session *se, const struct wire *hello,
                     struct effects *fx);
void record_left (struct sched *s, const struct session *se, struct effects *fx);
/* The real-time clock as it would be if it had only run since the broker began; for people. */
uint64_t sched_wall_ms (const struct sched *s, int64_t now);

/* --- replay.c --- */
/* Behind the last record: clocks begin, and what no record has settled is. */
void replay_finish (struct sched *s, int64_t now, struct effects *fx);

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

/* --- degraded.c --- */
/* Whether the message is not taken now; its peer will send it again. */
bool degraded_leaves (struct sched *s, struct session *se, const struct wire *w);
/* Whether the request is refused, and was told so. */
bool degraded_refuses (struct sched *s, struct client *c, uint64_t ref);
/* Peers hear of a change. */
void degraded_tell (struct sched *s, struct effects *fx);

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

/* --- batches.c --- */
struct batch *batch_find (struct sched *s, uint64_t id);
struct batch *batch_open (struct sched *s, struct client *c, const struct wire *w, int64_t now,
                          struct effects *fx);
struct batch *batch_by_key (struct sched *s, struct bytes key);
/* Half a submission, whose client left it: nobody will ever say the rest. */
bool batch_is_withdrawn (const struct batch *b);
/* Whether OPEN says something else than the one that the batch was opened with, and what. */
bool batch_differs (const struct batch *b, const struct msg_open *o, char *why, size_t size);
/* When it is opened, and after a restart. */
void batch_start_clocks (const struct sched *s, struct batch *b, int64_t now);
void batch_progress (struct sched *s, struct batch *b, int64_t now);
void batch_set_ready (struct sched *s, struct batch *b);
void batch_give_to (struct sched *s, struct batch *b, struct client *c);
void batch_free (struct sched *s, struct batch **b);
/* The same for good: the store forgets it, too. */
void batch_forget (struct sched *s, struct batch **b, struct effects *fx);
void batch_own_more (struct sched *s, struct batch *b, uint64_t bytes);
void batch_own_less (struct sched *s, struct batch *b, uint64_t bytes);
/* An attached batch that has ended and that nobody looks at goes when the turn ends, not under its
 * callers' feet. */
void batch_check_over (struct sched *s, struct batch *b);
void batches_free_over (struct sched *s, struct effects *fx);
void batches_tick (struct sched *s, int64_t now, struct effects *fx);
enum wire_batch_state batch_state (const struct batch *b);
const struct wire *batch_spec_of (const struct batch *b, uint64_t spec);

/* --- submit.c: -1 with EINVAL where it does not fit, EBUSY where there is no room, EEXIST where it
 * was said before, and differently; nothing has changed then --- */
extern const char CRAMMED[]; /* no room, in words */
int batch_spec (struct sched *s, struct batch *b, const struct wire *w, struct effects *fx,
                struct err *e);
/* `resent`: of whoever sends it, for chunks in parts that come again. */
int batch_rows (struct sched *s, struct batch *b, const struct wire *w, struct content *resent,
                struct effects *fx, struct err *e);
int batch_close (struct sched *s, struct batch *b, uint64_t total, struct effects *fx,
                 struct err *e);
/* Whether SPEC, ROWS or CLOSE would change nothing. */
bool batch_knows (const struct batch *b, const struct wire *w);
/* How many chunks are complete. */
uint64_t batch_chunks (const struct batch *b);

/* --- content.c --- */
uint64_t content_of_spec (const struct wire *w);
uint64_t content_of_rows (const struct wire *w);
/* A part of a chunk in parts; the one at offset 0 begins anew. -1: it is not the next one. */
int content_part (struct content *c, const struct wire *w);
uint64_t content_so_far (const struct content *c, const struct msg_rows *m);
void content_fini (struct content *c);

/* --- retention.c: detached batches that are over --- */
void retention_enter (struct sched *s, struct batch *b, int64_t now);
void retention_leave (struct sched *s, struct batch *b);
void retention_tick (struct sched *s, int64_t now, struct effects *fx);
void retention_on_remove (struct sched *s, struct client *c, const struct msg_remove *m,
                          struct effects *fx);

/* --- rerun.c --- */
/* Ended rows of these outcomes wait again; returns how many. */
uint64_t batch_rerun (struct sched *s, struct batch *b, const struct msg_retry *m);
void rerun_on_retry (struct sched *s, struct client *c, const struct wire *w, int64_t now,
                     struct effects *fx);

/* --- cancels.c --- */
/* Ends rows: waiting ones at once, running ones through their workers. count 0: the whole batch,
 * which then takes no more rows. */
void batch_cancel (struct sched *s, struct batch *b, const struct msg_cancel *m, int64_t now,
                   struct effects *fx);
/* Whether a row that comes back from its worker is not wanted any more. */
bool row_is_doomed (const struct batch *b, uint64_t row);
/* A record of a cancellation: what it ended is in the records behind it. */
void batch_cancel_replay (struct batch *b, const struct msg_cancel *m);
/* Its worker is told once more of those of its rows that are not wanted. */
void batch_cancel_again (struct sched *s, struct lease *l);
/* Rows that wait though they are not wanted, after a replay, end. */
void batch_cancel_rest (struct sched *s, struct batch *b, int64_t now, struct effects *fx);

/* --- chunks.c --- */
int chunk_add (struct sched *s, struct batch *b, const struct wire *w, struct err *e);
/* The large row of which parts are missing, or NULL. */
const struct chunk *chunk_half (const struct batch *b);
/* The chunk with the row, or NULL when none of its rows is needed any more. */
struct chunk *chunk_find (struct batch *b, uint64_t row);
/* The bytes of rows [first, first + count) of the chunk. */
struct slice chunk_rows (struct chunk *c, uint64_t first, uint64_t count);
/* Rows got their outcomes: what is not needed any more goes, unless they may be run again. */
void chunks_finish (struct sched *s, struct batch *b, uint64_t first, uint64_t count, bool keep);
/* ... and they are. */
void chunks_reopen (struct batch *b, uint64_t first, uint64_t count);
uint64_t chunks_bytes (const struct batch *b);
void chunks_free (struct sched *s, struct batch *b);

/* --- results.c --- */
void results_from_worker (struct sched *s, struct worker *wk, const struct wire *w, int64_t now,
                          struct effects *fx);
void output_from_worker (struct sched *s, struct worker *wk, const struct wire *w, int64_t now,
                         struct effects *fx);
/* The broker's own word on rows that are in no set any more. */
void results_make (struct sched *s, struct batch *b, uint64_t first, uint64_t count,
                   enum outcome_how how, const char *reason, struct effects *fx);
/* A record of them, out of a lease, or (NULL) out of rows that waited. */
int results_replay (struct sched *s, struct batch *b, struct lease *l, const struct wire *w,
                    struct err *e);
int output_replay (struct sched *s, struct batch *b, const struct wire *w, struct err *e);
/* Nobody will ask again for what is up to `record`. */
void results_confirmed (struct sched *s, struct batch *b, uint64_t record);
/* The entry as a message about `batch`; borrows from the entry. */
struct wire entry_message (const struct entry *en, uint64_t batch);
void entry_free (struct sched *s, struct batch *b, struct entry *en);
void results_trim (struct sched *s, struct batch *b);
/* Likewise at the end of the turn, once for all that read it. */
void results_trim_later (struct sched *s, struct batch *b);
void results_trim_all (struct sched *s);

/* --- rowindex.c --- */
/* The outcome of the row will be in the next entry that is added. */
void row_index_note (struct row_index *x, uint64_t row);
/* An entry with outcomes; it stays. */
void row_index_add (struct row_index *x, const struct entry *en);
/* The entry with the outcome of the row, or NULL. */
const struct entry *row_index_find (const struct row_index *x, uint64_t row);
void row_index_fini (struct row_index *x);

/* --- leases.c --- */
struct lease *lease_find (struct worker *w, uint64_t batch);
struct lease *lease_get (struct batch *b, struct worker *w);
void lease_count (struct lease *l); /* after `out` or `slots` changed */
void lease_drop_if_empty (struct sched *s, struct lease *l);
/* Rows that wait are its own now. */
void lease_take_out (struct sched *s, struct lease *l, uint64_t lo, uint64_t hi);
/* Slot numbers for `more` tasks at once, as far as there are; a message can carry one extent. */
void lease_add_slots (struct lease *l, uint64_t more, struct msg_grant *g);
/* Its rows of [lo, hi) were not started. The lease stays, even if it is empty. */
void lease_give_back (struct sched *s, struct lease *l, uint64_t lo, uint64_t hi,
                      struct effects *fx);
/* All its rows go back, or end as lost, or parked; with `worker`, a name, for people. */
void lease_lose (struct sched *s, struct lease *l, bool counts, const char *worker, int64_t now,
                 struct effects *fx);
/* Every row of the worker goes back, or ends as lost; `counts`: whether that was the worker's loss.
 */
void leases_lose (struct sched *s, struct worker *w, bool counts, int64_t now, struct effects *fx);

/* --- odd.c --- */
struct odd_row *odd_find (const struct batch *b, uint64_t row); /* NULL: it is like the others */
struct odd_row *odd_get (struct batch *b, uint64_t row);
unsigned odd_attempt (const struct batch *b, uint64_t row);
void odd_drop (struct sched *s, struct batch *b, uint64_t row);
/* As if it had never failed. Its attempts go on. */
void odd_forgive (struct odd_row *odd);
void odd_was_with (struct odd_row *odd, const char *worker);
bool odd_knows (const struct odd_row *odd, const char *worker);
/* The name of the i-th worker of those that are remembered, the newest last; NULL: there are fewer.
 */
const char *odd_past (const struct odd_row *odd, unsigned i);
void odd_past_text (const struct odd_row *odd, struct buf *out);
void odds_free (struct sched *s, struct batch *b);

/* --- due.c --- */
/* A row that is in no set waits for a time. */
void due_add (struct sched *s, struct batch *b, uint64_t row, int64_t due_us);
void due_remove (struct sched *s, struct odd_row *odd); /* from the heap only */
/* Rows of [lo, hi) wait for nothing any more, but a worker. */
void due_now (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi);
int64_t due_next (const struct sched *s); /* CLOCK_NEVER: nothing waits */
void due_tick (struct sched *s, int64_t now);
/* What was replayed waits for its whole time again. */
void due_start (struct sched *s, struct batch *b, int64_t now);
void due_fini (struct sched *s);

/* --- waiting.c --- */
/* Rows that are in no set wait for a worker. */
void rows_wait (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi);
/* ... and are in no set any more; returns how many there were. */
uint64_t rows_unwait (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi);
/* Those that wait and may share a worker. */
uint64_t rows_free (const struct batch *b);
/* Those that wait for a worker or for a time. */
uint64_t rows_waiting (const struct batch *b);
/* Whether so many workers were lost with it that it is to run alone. */
bool row_needs_alone (const struct batch *b, uint64_t row);
/* Another worker is to have it. */
bool row_avoids (struct sched *s, struct batch *b, uint64_t row, const struct worker *w,
                 int64_t now);
/* Rows that this worker may have next; empty: none. */
struct range rows_for (struct sched *s, struct batch *b, const struct worker *w, int64_t now);

/* --- retry.c --- */
/* No row of the batch is ever started twice. */
bool batch_runs_once (const struct batch *b);
/* The outcome is to be followed by another run. */
bool retry_wants (const struct batch *b, const struct outcome *o);
/* Until the next run; 0 where the batch wants none, or the row has not run. */
int64_t retry_delay (struct sched *s, const struct batch *b, const struct odd_row *odd);
/* A row of the lease ended like that, and waits again. The lease stays, even if it is empty. */
void retry_row (struct sched *s, struct lease *l, const struct outcome *o, const char *worker,
                int64_t now, struct effects *fx);

/* --- alone.c --- */
/* It runs a row that needs that, and nothing else. */
bool worker_is_alone (const struct worker *w);
/* Nothing is cleared for any more; it takes rows again. */
void alone_release (struct sched *s, struct worker *w);
/* A lease of it is over. */
void alone_ended (struct sched *s, struct worker *w);
void alone_place (struct sched *s, int64_t now, struct effects *fx);

/* --- quota.c --- */
/* Tasks of the batch that are not finished became more, or (negative) fewer. */
void quota_tasks (struct sched *s, struct batch *b, int64_t more);
/* Likewise the bytes of its rows; they count in queue_bytes, too. */
void quota_bytes (struct sched *s, struct batch *b, int64_t more);
/* The batch is its client's now, or about not to be any more. */
void quota_join (struct sched *s, struct batch *b, struct client *c);
void quota_leave (struct sched *s, struct batch *b);
/* The client may not open a batch now, and why. */
bool quota_refuses (const struct sched *s, const struct client *c, struct quota_limit *over);
/* Its client does not mind its window: rows are refused, but for the rest of a large one. */
bool quota_is_crammed (const struct sched *s, const struct batch *b);

/* --- quarantine.c --- */
void quarantine_lost (struct sched *s, const struct worker *w, int64_t now, struct effects *fx);
bool quarantine_has (const struct sched *s, const struct worker *w, int64_t now);
void quarantine_tick (struct sched *s, int64_t now);
void quarantine_fini (struct sched *s);

/* --- workers.c: what a worker says --- */
struct worker *worker_new (struct sched *s, struct session *se, const struct wire *hello);
void worker_gone (struct sched *s, struct worker *w, bool counts, int64_t now, struct effects *fx);
void worker_on_message (struct sched *s, struct session *se, const struct wire *w, int64_t now,
                        struct effects *fx);
bool worker_is_fit (const struct worker *w); /* alive, and not about to leave */
bool worker_takes (const struct worker *w);  /* and free for rows of any kind */
bool worker_can (const struct worker *w, const struct batch *b);
void workers_count_slots (struct sched *s);
struct known_batch *worker_known (struct worker *w, uint64_t batch);
void worker_drain (struct sched *s, struct worker *w);
void drains_check (struct sched *s, struct worker *w);
void worker_forget (struct sched *s, struct worker *w, uint64_t batch);

/* --- live.c --- */
/* False: the worker has not taken what was sent before, and this is dropped. */
bool live_from_client (struct sched *s, struct batch *b, const struct wire *w);
void live_granted (struct sched *s, struct batch *b, struct worker *wk, uint64_t first,
                   uint64_t count);
/* A row has taken its input up to there, or has ended: nothing of that is said again. */
void live_taken (struct sched *s, struct batch *b, uint64_t row, uint64_t upto);
void live_free (struct batch *b);

/* --- place.c --- */
/* Workers that could have rows of the batch; counted once a turn. */
uint64_t batch_takers (struct sched *s, struct batch *b);
/* One row that waits, to a worker that can have it. */
void place_row (struct sched *s, struct worker *w, struct batch *b, uint64_t row, int64_t now,
                struct effects *fx);
/* The worker may take more rows: it is looked at when the turn ends. */
void worker_touch (struct sched *s, struct worker *w);
void place_take_back (struct sched *s, int64_t now);
void place (struct sched *s, int64_t now, struct effects *fx);

#endif
