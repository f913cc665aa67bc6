/* batch: a batch, its rows as they came, its results, and which of its rows a worker holds. Private
 * to broker/core; core.h has all of it.
 *
 * Rows of a batch are in exactly one of: chunk not complete, held, waiting, later, out in one
 * lease, finished. sched_check() proves it.
 */
#ifndef DROVER_BROKER_CORE_BATCH_H
#define DROVER_BROKER_CORE_BATCH_H

#include <sys/queue.h>

#include "broker/core/sched.h"
#include "common/base/hash.h"
#include "common/model/ranges.h"
#include "common/wire/content.h"
#include "common/wire/outcome.h"
#include "common/wire/rows.h"

struct client;
struct function_name;
struct odd_row;
struct past_worker;
struct sub;
struct waiter;
struct worker;
struct session;
struct sched;

/* A row's place among those of its key; there while the row's bytes are. order.c. */
struct turn {
    uint64_t key;            /* a hash of it */
    uint32_t before, behind; /* rows of the key that are not finished, + 1; 0: none */
};

/* Consecutive rows as they came. */
struct chunk {
    uint64_t first;
    uint64_t count;
    uint64_t open; /* rows that have no outcome */
    uint64_t kept; /* rows whose bytes are needed: those, and what may be retried */
    uint64_t spec;
    uint64_t stage;
    struct slice body;   /* empty where the row came in parts */
    struct turn *turns;  /* of each row, in an ordered batch */
    struct slice *parts; /* of a single large row */
    size_t n_parts;
    uint64_t total;  /* of the parts */
    uint64_t have;   /* bytes of parts that have come */
    bool lasting;    /* all its rows have ended, and are only kept to be run again */
    uint64_t at_row; /* where the last grant ended, and the byte: grants go forward */
    size_t at_byte;
};

/* One record of a batch's results: outcomes, or a piece of output. */
struct entry {
    enum wire_kind kind; /* WIRE_RESULTS or WIRE_OUTPUT */
    uint64_t record;
    uint64_t count; /* outcomes */
    uint64_t row, attempt, stream, offset;
    uint64_t trail; /* before it */
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

enum { BATCH_SLOT_NUMBERS = 1000000 };

/* Rows that were out when they were cancelled, and how: what workers that come back are told once
 * more. cancels.c. */
struct doom {
    struct ranges rows;
    uint64_t grace_ms;
    bool kill;
    bool unstarted; /* those that run then go on to their end */
    char *reason;
};

enum after_when { AFTER_OK, AFTER_ANY, AFTER_FAIL };

/* A batch that is waited for. after.c. */
struct after {
    uint64_t id;
    enum after_when when;
    bool settled;     /* it is over, or nobody minds any more */
    struct batch *of; /* who waits */
    struct batch *on; /* NULL: settled, or replayed */
    LIST_ENTRY (after) link;
};

struct batch {
    uint64_t id;
    char *name;
    struct wire open; /* the OPEN message, its strings kept by its header */
    uint64_t flags, jobs, priority, runs;
    uint64_t result_bytes;
    uint64_t quota_tasks, quota_bytes; /* its part in its client's */
    uint64_t lasting_bytes;            /* results and rows that are kept; detached */
    uint64_t deadline_ms;              /* from its opening on; 0: none */
    int64_t opened_us, deadline_us;
    bool awaited; /* replayed, and nobody's until it is opened again or the grace is over */
    struct client *client; /* whose share of the workers it uses */
    struct sub *owner;     /* NULL: detached and left, or replayed */
    struct wire *specs;    /* SPEC messages, each complete or kind 0 */
    uint64_t *spec_hashes;
    size_t n_specs;
    struct chunk *chunks; /* sorted; [chunk_head, chunk_tail) are alive, or some of them */
    size_t chunk_head, chunk_tail, chunk_size;
    size_t n_dead;       /* ... of these, chunks of which nothing is needed any more */
    uint64_t next_chunk; /* number expected next */
    uint64_t *hashes;    /* of the content of each complete chunk */
    size_t n_hashes;
    uint64_t specs_chain, chunks_chain; /* content_chain() of both lists */
    bool hash_missing;                  /* one of the chunks could not be taken */
    struct content coming;              /* of the chunk that comes in parts */
    size_t last_found;                  /* chunk that the last lookup gave */
    uint64_t submitted;                 /* rows that have come */
    struct ranges waiting;
    struct ranges picky;      /* of these, those that prefer some worker: waiting.c */
    struct ranges alone;      /* ... and those that are to run alone: alone.c */
    uint64_t fresh_from;      /* those that wait and are in neither begin here, or behind */
    struct ranges later;      /* these wait for a time first: due.c */
    struct ranges held;       /* these wait for another row of their key: order.c */
    struct key_queue *queues; /* ordered: those of each key that are not finished, ... */
    uint64_t keys_most;       /* ... how many there were at one time, ... */
    uint64_t key_rows_most;   /* ... and how many rows one of them has got, without a pause */
    uint64_t granted;         /* rows out in leases */
    uint64_t finished;
    uint64_t counts[OUTCOME_KINDS];
    struct ranges ended_as[OUTCOME_KINDS]; /* detached: rows that may be retried, by outcome */
    struct ranges again;                   /* finished rows that ran more than once */
    uint64_t pipeline; /* that it is a stage of: the number of the first one; 0: none */
    bool closed, cancelled, paused, ended;
    uint64_t retried;    /* rows, by RETRY */
    bool rerun;          /* it had ended before: when its deadline began is not known */
    uint64_t retry_said; /* which RETRY was the last one, ... */
    uint64_t retry_rows; /* ... and how many rows it has run again */
    bool over;           /* nobody looks at it any more: freed at the end of the turn */
    char *reason;        /* of the cancellation */
    struct doom *dooms;  /* of rows that were out when they were cancelled, ... */
    size_t n_dooms;      /* ... each of them in one */
    bool ready;          /* in its client's list */
    bool told_no_worker, told_too_big, told_no_function;
    uint64_t est_us;        /* measured time of one task; 0: not known */
    uint64_t cpus;          /* of its specs, the greatest */
    struct worker *drained; /* for its next task, which takes several slots: wide.c */
    uint64_t passed;        /* slots that others got while it waited for some */
    int64_t drain_from_us, drain_patience_us;
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
    TAILQ_HEAD (entries, entry) log;
    STAILQ_HEAD (, early) early; /* live input that its row has not taken */
    uint64_t next_record, log_bytes;
    uint64_t trail;         /* of all records */
    uint64_t n_pieces;      /* of output, in the log */
    struct row_index index; /* of a detached batch */
    uint64_t own_bytes;     /* itself, its specs, what is known of chunks, live input */
    bool trimming;          /* in the list of those whose log may have got shorter */
    uint64_t confirmed;     /* the last record that is not asked for again */
    int64_t last_wall_us;   /* replayed: when its last task ended, by the clock of its worker */
    int64_t ended_us;
    uint64_t kept_bytes; /* counted in sched while it is in `kept` */
    bool kept;           /* detached and over: its results wait */
    struct after *after; /* what it is to run after */
    size_t n_after, n_unmet;
    char *unreachable;             /* why it can never run: its rows are skipped; NULL: it may */
    LIST_HEAD (, after) followers; /* who waits for this one */
    bool stuck;                    /* waits for one that is not closed: stuck.c */
    bool looked_at;                /* in a list of those to look at whether they are */
    TAILQ_ENTRY (batch) look_link;
    bool settles; /* in the list of those that have ended in this turn */
    TAILQ_ENTRY (batch) settles_link;
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
struct progress {
    uint64_t row, attempt, done, total;
    SLIST_ENTRY (progress) link;
};

struct lease {
    struct batch *batch;
    struct worker *worker;
    struct ranges out;
    struct ranges named;   /* its worker came back and has these */
    uint64_t share;        /* number told to the worker */
    struct ranges slots;   /* slot numbers it has */
    struct ranges retired; /* had, above the present limit of the batch: they may be in use there */
    uint64_t occupied;     /* slots of the worker it counts for */
    uint64_t io_busy;      /* or, where its tasks take none, how many run */
    int64_t moved_us;      /* last grant or outcome */
    bool taking_back;      /* a TAKE_BACK is on its way */
    SLIST_HEAD (, progress) progress; /* what rows that run there have said: progress.c */
    unsigned n_progress;
    LIST_ENTRY (lease) b_link;
    LIST_ENTRY (lease) w_link;
};

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
int batch_close (struct sched *s, struct batch *b, const struct msg_close *m, struct effects *fx,
                 struct err *e);
/* Whether SPEC, ROWS or CLOSE would change nothing. */
bool batch_knows (const struct batch *b, const struct wire *w);
/* How many chunks are complete. */
uint64_t batch_chunks (const struct batch *b);

/* --- retention.c: detached batches that are over --- */
void retention_enter (struct sched *s, struct batch *b, int64_t now);
void retention_start_clocks (struct sched *s, int64_t now); /* behind a replay */
void retention_leave (struct sched *s, struct batch *b);
void retention_tick (struct sched *s, int64_t now, struct effects *fx);
void retention_on_remove (struct sched *s, struct client *c, const struct msg_remove *m,
                          struct effects *fx);

/* --- rerun.c --- */
/* Ended rows of these outcomes wait again; returns how many. */
uint64_t batch_rerun (struct sched *s, struct batch *b, const struct msg_retry *m);
void rerun_on_retry (struct sched *s, struct client *c, const struct wire *w, int64_t now,
                     struct effects *fx);

/* --- set.c: jobs, priority, deadline and name of a batch that is not over --- */
void set_on_set (struct sched *s, struct client *c, const struct wire *w, int64_t now,
                 struct effects *fx);
/* A record of it. */
void set_replay (struct sched *s, struct batch *b, const struct msg_set *m);
/* Its slot numbers once more, to its worker. */
void lease_say_slots (struct sched *s, const struct lease *l);

/* --- peeks.c: what a row has printed so far --- */
void peek_on_peek (struct sched *s, struct client *c, struct batch *b, const struct msg_peek *m,
                   int64_t now);
/* Progress of rows that run, for who asks: progress.c. */
void progress_told (struct worker *wk, const struct msg_progress *m);
/* What the row has said, or NULL. */
const struct progress *progress_of (const struct lease *l, uint64_t row);
void progress_drop_all (struct lease *l);
void peek_on_peeked (struct sched *s, struct worker *wk, const struct wire *w);
/* Who waits for more of the row hears that it does not run there any more. */
void peek_over (struct sched *s, struct waiter *w);

/* --- cancels.c --- */
/* Ends rows: waiting ones at once, running ones through their workers. count 0: the whole batch,
 * which then takes no more rows. */
void batch_cancel (struct sched *s, struct batch *b, const struct msg_cancel *m, int64_t now,
                   struct effects *fx);
/* What the outcome of a row says that is cancelled now; never NULL. */
const char *row_cancel_reason (const struct batch *b, uint64_t row);
/* Whether a row that comes back from its worker is not wanted any more. */
bool row_is_doomed (const struct batch *b, uint64_t row);
/* A record of a cancellation: what it ended is in the records behind it. */
void batch_cancel_replay (struct batch *b, const struct msg_cancel *m);
/* Its worker is told once more of those of its rows that are not wanted. */
void batch_cancel_again (struct sched *s, const struct lease *l);
/* Rows that wait though they are not wanted, after a replay, end. */
void batch_cancel_rest (struct sched *s, struct batch *b, int64_t now, struct effects *fx);
/* Rows that are to run again. */
void dooms_forget (struct batch *b, uint64_t lo, uint64_t hi);
void dooms_free (struct batch *b);

/* --- after.c --- */
/* What a new batch is to run after, as its OPEN says. ENOENT: there is no such batch, EINVAL. */
int after_check (struct sched *s, const struct msg_open *m, struct err *e);
void after_open (struct sched *s, struct batch *b, struct effects *fx);
/* A batch that was replayed: what no record has settled is looked at. */
void after_follow (struct sched *s, struct batch *b, struct effects *fx);
int after_replay (struct batch *b, const struct msg_settled *m, struct err *e);
/* It is over: its followers are settled when the turn ends, ... */
void after_ended (struct sched *s, struct batch *b);
void after_settle (struct sched *s, struct effects *fx);
/* ... or now, as it is about to be forgotten. */
void after_settle_of (struct sched *s, struct batch *b, struct effects *fx);
/* Its rows that wait end, if it can never run. */
void after_skip (struct sched *s, struct batch *b, struct effects *fx);
/* It is to run all the same. */
void after_void (struct batch *b);
/* What it waits for, as OPEN has it. */
void after_text (const struct batch *b, struct buf *out);
int after_check_all (const struct batch *b, struct err *e);
void after_free (struct sched *s, struct batch *b);

/* --- stuck.c: batches that wait for one that is not closed --- */
/* Whether it is one of them. */
bool batch_is_stuck (const struct batch *b);
/* What it waits for has changed. */
void stuck_look (struct sched *s, struct batch *b);
/* It is closed now. */
void stuck_closed (struct sched *s, struct batch *b);

/* --- order.c: batches with BATCH_ORDERED; the others never come here, but where it says so --- */
/* Whether ROWS bring a key for each row. */
int order_check_keys (const struct wire *w, struct err *e);
/* The places of the rows of a new chunk; as long as its bytes. */
struct turn *order_turns (const struct wire *w);
/* Any batch: rows that are in no set, behind all of their keys that are not finished. They wait
 * when it is their turn. */
void order_join (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi);
/* Any batch: the row has its outcome; whoever is behind it may run. */
void order_leave (struct sched *s, struct batch *b, uint64_t row);
/* Any batch: what ran of the row may go on until then. */
void order_hold_until (struct sched *s, struct batch *b, uint64_t row, int64_t until_us);
/* What is taken by the keys, beside the rows. */
uint64_t order_bytes (const struct batch *b);
int order_check (const struct batch *b, struct err *e);
void order_free (struct sched *s, struct batch *b);

/* Rows of [lo, hi) that wait, for whatever it is, end. cancels.c. */
void rows_end (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi, enum outcome_how how,
               const char *reason, struct effects *fx);

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
void chunks_reopen (struct sched *s, struct batch *b, uint64_t first, uint64_t count);
uint64_t chunks_bytes (const struct batch *b);
/* ... of these, of rows that have ended. */
uint64_t chunks_lasting (const struct batch *b);
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
/* Whether that is the trail up to the record, as far as that is known still; 0 is any. */
bool results_trail_fits (const struct batch *b, uint64_t record, uint64_t trail);
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
/* The same of rows that may have been started all the same, and may have ended: the state went back
 * since. What is to run at most once is lost. */
void lease_give_back_doubtful (struct sched *s, struct lease *l, uint64_t lo, uint64_t hi,
                               struct effects *fx);
/* All its rows go back, or end as lost, or parked; with `worker`, a name, for people. */
void lease_lose (struct sched *s, struct lease *l, bool counts, const char *worker, int64_t now,
                 struct effects *fx);
/* Every row of the worker goes back, or ends as lost; `counts`: whether that was the worker's loss.
 */
void leases_lose (struct sched *s, struct worker *w, bool counts, int64_t now, struct effects *fx);

#endif
