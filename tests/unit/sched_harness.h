/* sched_harness: the broker's turn and scheduler with model peers around it, for unit tests.
 *
 * Everything goes through real bytes: peers keep channels, encode and decode; the broker is
 * broker/turn.c over a fake link and a fake clock. After every turn sched_check() must hold. Model
 * clients keep count of what they are told (a row that ends twice fails the test); model workers
 * hold rows until the test says how they end.
 */
#ifndef DROVER_UNIT_SCHED_HARNESS_H
#define DROVER_UNIT_SCHED_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <cmocka.h>

#include "broker/turn.h"
#include "common/base/clock.h"
#include "common/model/ranges.h"
#include "common/wire/chan.h"
#include "common/wire/outcome.h"
#include "tests/sim/store_test.h"

enum { VIEWS_MAX = 64, GOT_MAX = 100000 };

struct got { /* an outcome as a client was told */
    uint64_t row, attempt;
    enum outcome_how how;
    char worker[32];
};

enum { VIEW_SPECS = 8, VIEW_CHUNKS = 64, ASKED_MAX = 32 };

struct view { /* a client's batch */
    uint64_t handle, id;
    /* what was said of it, to be said again to a broker that comes back */
    struct msg_open open;
    struct msg_spec spec[VIEW_SPECS];
    struct slice command[VIEW_SPECS];
    uint64_t size[VIEW_CHUNKS];
    size_t n_specs;
    bool opened, closed;
    uint64_t n_keys; /* of an ordered batch: row R has key R % that; 0: 3 */
    char key[24];
    uint64_t known, known_chunks; /* as OPENED said */
    struct ranges done;
    struct got *got; /* the first GOT_MAX */
    size_t n_got;
    uint64_t record, trail;
    uint64_t chunks, rows; /* sent */
    uint64_t output_bytes;
    bool part; /* attached to, from some record on */
    bool ended;
    struct msg_end end;
};

struct held { /* a row that a worker was granted */
    uint64_t batch, row, attempt, spec;
    bool cancelled;
};

struct share {
    uint64_t batch, number;
    struct ranges slots;
};

struct got_message {
    struct wire w;
    STAILQ_ENTRY (got_message) link;
};

struct bed;

struct peer {
    struct bed *bed;
    uint64_t route; /* 0: not connected */
    uint64_t token;
    enum wire_role role;
    struct chan *chan;
    struct msg_hello hello;
    struct slice functions;
    uint64_t resumed;             /* what the last WELCOME said */
    bool welcomed;                /* on this connection */
    bool durable;                 /* the broker comes back, it says */
    struct wire asked[ASKED_MAX]; /* by clients, and not answered yet */
    size_t n_asked;
    bool stalled; /* reads nothing */
    bool deaf;    /* frames to it vanish */
    bool mute;    /* a worker that does not say by itself what it holds */
    bool full;    /* its connection takes nothing */
    STAILQ_HEAD (, got_message) inbox;
    STAILQ_HEAD (, got_message) unread; /* while stalled */
    uint64_t n_errors;
    enum wire_code error; /* the last */
    struct msg_error last_error;
    uint64_t n_byes, n_welcomes, n_acks, n_pings;
    uint64_t window; /* as the last ACK or WELCOME said */
    struct view views[VIEWS_MAX];
    size_t n_views;
    struct held *held; /* in the order in which they came */
    size_t n_held, held_size;
    struct share shares[VIEWS_MAX];
    size_t n_shares;
    uint64_t part_have;    /* bytes of the large row that is coming */
    uint64_t large;        /* large rows that came whole */
    uint64_t granted;      /* rows, in all */
    uint64_t early_inputs; /* for rows that it does not hold */
    LIST_ENTRY (peer) link;
};

struct bed {
    struct sched_config cfg;
    struct store *store;
    struct turn *turn;
    struct link *link;
    int64_t now;
    uint64_t routes;
    uint64_t moves;       /* messages, either way */
    uint64_t keys;        /* given out */
    int64_t clock_off_us; /* of the workers' real-time clocks, where cfg.start_wall_us is given */
    bool faithful;        /* peers come back by themselves when the broker does not know them */
    LIST_HEAD (, peer) peers;
};

/* --- the bed ---
 * cfg NULL: defaults; store NULL: memory. Takes the store. */
struct bed *bed_new (const struct sched_config *cfg, struct store *store);
void bed_free (struct bed **b);
const struct sched *bed_sched (const struct bed *b);
struct sched_figures bed_figures (const struct bed *b);

/* One turn: everything that peers have to say, a tick if it is due, and what comes back. */
void bed_turn (struct bed *b);
/* Turns until nobody has anything to say. */
void bed_settle (struct bed *b);
/* Time passes, with all the turns that fall due. */
void bed_pass (struct bed *b, int64_t us);
/* Every worker ends what it can run at one time, in steps of `wall_us`, until nothing is left. */
void bed_run (struct bed *b, uint64_t wall_us);

/* The broker dies, and another begins on what the store is sure to have. Everybody is cut off, and
 * comes back where `faithful` says so. */
void bed_restart (struct bed *b, struct store_test *t);

/* --- peers --- */
struct peer *bed_client (struct bed *b, const char *name);
/* Offers commands and the function "echo". */
struct peer *bed_worker (struct bed *b, const char *name, uint64_t slots);
/* `functions`: names, NULL behind the last. Borrowed strings. */
struct peer *bed_worker_of (struct bed *b, const char *name, uint64_t slots, bool commands,
                            const char *const *functions);
/* Its agent is dead, and frees it; another takes its place, with the same name. */
struct peer *bed_worker_instead (struct peer *dead);
/* The connection breaks: the next message to it finds no peer. */
void peer_cut (struct peer *p);
/* A new connection and HELLO with the token; `fresh`: without it. */
void peer_back (struct peer *p, bool fresh);
void peer_free (struct peer *p);
/* Read again what was not read while stalled. */
void peer_wake (struct peer *p);

/* Queue a numbered message. */
void peer_post (struct peer *p, const struct wire *w);
/* Say a message at once, whatever its number. */
void peer_say (struct peer *p, const struct wire *w);
/* The next message of that kind out of the inbox, for the caller to wire_fini(); false: none. */
bool peer_take (struct peer *p, enum wire_kind kind, struct wire *w);
/* How many of the kind are there; they are dropped. */
unsigned peer_count (struct peer *p, enum wire_kind kind);

/* --- clients --- */
void client_open (struct peer *c, uint64_t handle, uint64_t flags, uint64_t jobs,
                  uint64_t priority);
void client_spec (struct peer *c, uint64_t handle, uint64_t spec, enum wire_form form,
                  const char *text, uint64_t cpus);
/* With all that OPEN can say; the strings are borrowed for good. */
void client_open_as (struct peer *c, const struct msg_open *m);
/* A chunk of `count` rows, the next of the batch. */
void client_rows (struct peer *c, uint64_t handle, uint64_t count);
void client_close (struct peer *c, uint64_t handle);
/* OPEN, one spec of function "echo", rows, CLOSE. */
struct view *client_submit (struct peer *c, uint64_t handle, uint64_t flags, uint64_t jobs,
                            uint64_t count);
struct view *client_submit_as (struct peer *c, const struct msg_open *m, uint64_t count);
struct view *client_view (struct peer *c, uint64_t handle);
/* Open the batches that it has not seen the end of once more, and say all that it said of them. For
 * a broker that comes back; peers do so by themselves when WELCOME says it. */
void client_reopen (struct peer *c);
/* The reason is borrowed for good. */
void client_cancel_as (struct peer *c, const struct msg_cancel *m);
void client_cancel (struct peer *c, uint64_t ref, uint64_t handle, uint64_t first, uint64_t count);
void client_wait (struct peer *c, uint64_t ref, uint64_t id, enum wire_condition condition,
                  uint64_t n);
/* The answer to a request: its code, or -1 when there is none yet. */
int client_reply (struct peer *c, uint64_t ref);
uint64_t view_count (const struct view *v, enum outcome_how how);
/* The outcome of a row, or NULL. */
const struct got *view_got (const struct view *v, uint64_t row);

/* --- workers --- */
/* Rows held of a batch; 0: of all. */
uint64_t worker_held (const struct peer *w, uint64_t batch);
const struct held *worker_row (const struct peer *w, uint64_t batch, uint64_t row);
struct ranges *worker_slots (struct peer *w, uint64_t batch);
/* End up to `n` of the rows held of a batch, the oldest first, in one RESULTS; returns how many. */
uint64_t worker_finish (struct peer *w, uint64_t batch, uint64_t n, enum outcome_how how,
                        uint64_t wall_us);
/* One row ends like that. */
void worker_end (struct peer *w, uint64_t batch, const struct outcome *o);
/* Say an outcome, whether or not the row is held. */
void worker_claim (struct peer *w, uint64_t batch, uint64_t row, uint64_t attempt,
                   enum outcome_how how);
/* Give rows back that have not started: up to `n`, the last first. */
void worker_return (struct peer *w, uint64_t batch, uint64_t n);
/* It forgets all rows (its session was void). */
void worker_void (struct peer *w);

#endif
