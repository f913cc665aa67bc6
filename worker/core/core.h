/* core: the structs of the agent, and what its files offer each other. Private to worker/core.
 *
 *     session   the broker: its channel, its silence                   session.c
 *     batch     specs, waiting runs, slot numbers, results to go       batches.c results.c
 *     run       consecutive rows that wait                             runs.c
 *     executor  a process, with the jobs it was handed                 executors.c
 *     job       consecutive rows handed to an executor as one RUN      jobs.c
 *     orders    what the broker says about work                        orders.c cancel.c
 *     placing   which rows start where                                 place.c
 *     drain     the ways to an end                                     drain.c
 *     hold      what is here, for a broker that was restarted          hold.c
 *     exclusive rows that must not run on when the broker is away      exclusive.c
 *
 * A granted row is in exactly one place: a run of its batch, a job of an executor, or answered. A
 * busy executor works for one batch, holds one of its slot numbers and the slots of one task.
 */
#ifndef DROVER_WORKER_CORE_CORE_H
#define DROVER_WORKER_CORE_CORE_H

#include <assert.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/model/ranges.h"
#include "common/wire/chan.h"
#include "common/wire/outcome.h"
#include "worker/core/agent.h"

/* --- session ------------------------------------------------------------------------------------
 */

enum session_state {
    SESSION_CALLING, /* HELLO was said, or will be at call_us */
    SESSION_LIVE,
    SESSION_LEAVING, /* BYE was said */
    SESSION_OVER,
};

enum { SAY_MAX = 16 };

struct session {
    const struct agent_config *cfg;
    enum session_state state;
    struct chan *chan;
    uint64_t token;                  /* 0: none yet */
    uint64_t replaces;               /* token of a session that this one takes the place of */
    bool ending;                     /* what ran in that one is being killed: no HELLO before */
    struct wire_frames say[SAY_MAX]; /* messages without a number */
    unsigned n_say;
    struct wire_frames back; /* could not be sent */
    bool has_back;
    int64_t heard_us;  /* last sign of the broker's life */
    int64_t called_us; /* last HELLO */
    int64_t hello_us;  /* the first HELLO of this call, over this connection */
    int64_t echoed_us; /* when what the broker has answered last was said */
    int64_t limit_us;  /* for how long after that it cannot have given us up for lost */
    int64_t margin_us; /* and for how long after that it does not, either */
    int64_t retry_us;  /* HELLO without an answer is said again after about that */
    uint64_t dice;     /* 0: none */
    uint64_t born;     /* as in HELLO; 0: none */
    int64_t call_us;   /* CALLING: when to say HELLO (again) */
    bool reconnect;    /* ... over a new connection */
    int64_t ping_at_us, ping_us;
    int64_t silent_us; /* silence after which a new connection is made */
    int64_t orphan_us;
    uint64_t window_msgs;
    int64_t ack_at_us; /* when what was received is acknowledged, whatever else goes out */
    bool ack_now;
    bool ack_asked; /* the broker waits for it */
    bool progress;  /* the broker takes PROGRESS */
    uint64_t unacked_msgs, unacked_bytes;
    bool bye_due;    /* LEAVING: BYE has not left */
    int64_t over_us; /* ... and how long its answer is waited for */
    bool warned;     /* that the broker does not answer */
    int64_t warn_at_us;
    unsigned malformed;
};

enum session_news {
    SESSION_NOTHING,
    SESSION_WORK,      /* the message is about work */
    SESSION_RESUMED,   /* goes on where it was */
    SESSION_RESTARTED, /* the broker was: what it granted holds, and it has to be told what is here
                        */
    SESSION_RENEWED,   /* a new one: all that was granted before is void */
    SESSION_GIVEN_UP,  /* the broker was away for too long: likewise */
};

void session_init (struct session *s, const struct agent_config *cfg, uint64_t replaces);
void session_fini (struct session *s);

/* Say HELLO; the first time, and whenever the broker must be told again who this is. */
void session_call (struct session *s, unsigned slots, int64_t now, struct agent_effects *fx);
enum session_news session_receive (struct session *s, const struct wire *w, int64_t now,
                                   struct agent_effects *fx);
void session_malformed (struct session *s, const char *text, struct agent_effects *fx);
enum session_news session_tick (struct session *s, unsigned slots, int64_t now,
                                struct agent_effects *fx);
/* Queue a numbered message; its lane follows from its kind. */
void session_post (struct session *s, const struct wire *w);
/* Queue a numbered message before all that is queued. */
void session_post_first (struct session *s, const struct wire *w);
/* In another lane than messages of its kind usually have. */
void session_post_in (struct session *s, enum chan_lane lane, const struct wire *w);
void session_end_turn (struct session *s, int64_t now);
bool session_transmit (struct session *s, struct wire_frames *out);
/* Say BYE once everything else is acknowledged; over at by_us at the latest. A broker that is away
 * is waited for only with something that it would miss: outcomes, rows that go back, or (`killed`)
 * rows that BYE answers for. True when it is over. */
bool session_leave (struct session *s, bool killed, int64_t by_us, int64_t now);
int64_t session_deadline (const struct session *s);

/* --- batches ------------------------------------------------------------------------------------
 */

struct bits { /* a set of small numbers */
    uint64_t *word;
    size_t n;
};

struct spec {
    uint64_t number;
    struct wire msg;  /* SPEC, with references of its own */
    struct bits told; /* executors that know it, by index */
    UT_hash_handle hh;
};

struct run {
    uint64_t order; /* of its grant among all grants */
    uint64_t spec;  /* of its first row */
    bool each_spec; /* every row has a spec of its own */
    uint64_t first, count, attempt;
    struct slice body; /* exactly its rows */
    TAILQ_ENTRY (run) link;
};

/* Rows that are cancelled, also those still on their way. */
struct cancel {
    uint64_t first, count; /* count 0: all */
    uint64_t upto;         /* number of the last grant it may meet */
    char *reason;
    TAILQ_ENTRY (cancel) link;
};

/* Input or a signal for a row that has not started. */
struct note {
    uint64_t row;
    struct wire msg;
    TAILQ_ENTRY (note) link;
};

struct batch {
    uint64_t id;
    uint64_t born; /* which of those that had this number: the broker's word */
    struct spec *specs;
    TAILQ_HEAD (runs, run) runs; /* by order, then by row */
    uint64_t queued;             /* rows in runs */
    bool waiting;                /* in the agent's list of batches with runs */
    uint64_t share;
    struct ranges numbers;       /* {%} of the share */
    struct ranges free;          /* those of them that may be given to executors */
    unsigned foreign;            /* executors that hold a number of an earlier share */
    LIST_HEAD (, executor) busy; /* executors that work for it */
    unsigned n_busy;
    uint64_t handed;  /* rows in jobs, without an outcome */
    uint64_t est_ns;  /* measured time of a row; 0: not known */
    uint64_t chunk;   /* rows of a job; doubles until it is work for a while */
    unsigned deaths;  /* of executors in a row, before they had started anything */
    uint64_t careful; /* rows to be run one at a time, each in an executor of its own */
    TAILQ_HEAD (, cancel) cancels;
    TAILQ_HEAD (, note) notes;
    size_t note_bytes;
    struct blob *part; /* a large row as far as it has come */
    uint64_t part_have;
    struct slice out;    /* outcomes to be sent, while they are those of one message */
    struct buf out_more; /* ... or of several */
    uint64_t out_count;  /* of either */
    bool out_overtakes;  /* they do not wait behind output */
    bool forgotten;      /* goes when the last of its rows is answered */
    bool exclusive;      /* a spec says so: see exclusive.c */
    bool once;           /* likewise: what may have started is not started again */
    struct bits told;    /* executors that know a spec of it */
    TAILQ_ENTRY (batch) link;
    TAILQ_ENTRY (batch) out_link;
    UT_hash_handle hh;
};

/* --- executors ----------------------------------------------------------------------------------
 */

struct job {
    uint64_t run;    /* number of the RUN on this executor */
    struct run rows; /* order, spec, first, count, attempt, body: to queue again what is left */
    uint64_t answered;
    int64_t since_us;    /* began, or its predecessor ended */
    uint64_t timed_rows; /* rows when it was handed over */
    TAILQ_ENTRY (job) link;
};

/* What ends the running row of an executor, and so what its outcome is if the executor dies. */
enum doom {
    DOOM_NONE,
    DOOM_CANCEL,
    DOOM_TIMEOUT,
    DOOM_DRAIN,
    DOOM_LOST,
    DOOM_STALL, /* it runs nothing, and does not say why */
    DOOM_VOID
};

struct executor {
    uint32_t number;
    unsigned index; /* small, used again */
    enum agent_kind kind;
    uint64_t next_run;
    TAILQ_HEAD (job_list, job) jobs;
    unsigned n_jobs;
    struct batch *batch; /* it works for; NULL: idle, or of a session that is over */
    uint64_t slot;       /* number that it holds while it has a batch */
    unsigned cpus;       /* slots it holds */
    bool io;             /* ... or none, though it works */
    enum doom doom;
    char *reason; /* of the cancellation */
    bool busy;    /* holds slots: works, or is being killed */
    bool killed;
    bool last;                  /* it is not used again: its rows were suspects, or it said so */
    bool spoiled;               /* it said what it may not, or its stream or page is broken */
    bool used;                  /* it has answered rows */
    bool unstarted;             /* it died before it had started anything */
    unsigned stalls;            /* looks in a row that found it with rows and running none, ... */
    int64_t stall_us;           /* ... and when the last of them was, or it ran one */
    bool deep;                  /* has rows that could be recalled */
    uint64_t peeked;            /* outcomes that were had with peek(), and will come again */
    int64_t moved_us;           /* last outcome, or the hand-over to an idle one */
    bool spoke;                 /* output of the row that is next to be answered was passed on */
    int64_t due_us;             /* when its running row is to be looked at, or it is to be killed */
    int64_t idle_us;            /* since when */
    struct agent_progress told; /* of which the broker knows */
    LIST_ENTRY (executor) batch_link;
    TAILQ_ENTRY (executor) link; /* idle list */
    TAILQ_ENTRY (executor) deep_link;
    UT_hash_handle hh;
};

enum drain {
    DRAIN_NOT,
    DRAIN_EMPTY, /* leave when nothing runs any more, however long that takes */
    DRAIN_LEAVE
};

/* Rows that the worker has to answer for. */
struct hold {
    uint64_t batch, attempt, first, count;
};

struct holds {
    struct hold *at;
    size_t n, size;
};

struct agent {
    struct agent_config cfg;
    struct session session;
    unsigned slots;
    unsigned slots_used;
    unsigned io_used; /* executors with a task that takes no slot */
    struct batch *batches;
    TAILQ_HEAD (waiting_list, batch) waiting; /* batches with runs, by the order of their first */
    TAILQ_HEAD (, batch) out;                 /* batches with outcomes to be sent */
    uint64_t order;                           /* grants that came, over all sessions */
    uint64_t grant;                           /* number of the last one of this session */
    uint64_t queued;
    unsigned n_exclusive;       /* batches that are */
    bool watched;               /* the launcher knows that there are some */
    int64_t leased_us;          /* the end of the leases that were given last */
    struct holds silenced;      /* rows that a drain has killed: their answer is BYE */
    struct executor *executors; /* by number */
    unsigned n_executors;
    unsigned n_busy;
    unsigned starting[AGENT_KINDS];                     /* asked for */
    TAILQ_HEAD (idle_list, executor) idle[AGENT_KINDS]; /* last used first */
    unsigned n_idle[AGENT_KINDS];
    TAILQ_HEAD (deep_list, executor) deep; /* with rows to recall, by moved_us */
    struct bits indexes;
    int64_t due_us;     /* no executor's due_us is earlier */
    int64_t refused_us; /* no new executor before */
    unsigned refusals;  /* since the last one came */
    bool short_of;      /* rows wait for executors that could not be made */
    bool place;         /* something changed that may let rows start */
    bool paused;
    enum drain drain;
    int64_t drain_by_us; /* running rows may go on until then, */
    int64_t gone_by_us;  /* killed executors must be gone by then, 0: not killed yet, */
    int64_t leave_by_us; /* and the last results acknowledged; 0: something runs */
    bool exiting;
    unsigned terms;
};

/* --- effects.c --- */
struct agent_effect *fx_add (struct agent_effects *fx, enum agent_effect_kind kind);
void fx_log (struct agent_effects *fx, enum log_level level, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));
void fx_exit (struct agent_effects *fx, int status);
/* Encode for an executor. -1 where the message does not fit in frames. */
int fx_send (struct agent_effects *fx, uint32_t executor, const struct wire *w);

/* --- bits.c --- */
bool bits_has (const struct bits *b, unsigned i);
void bits_set (struct bits *b, unsigned i);
void bits_clear (struct bits *b, unsigned i);
unsigned bits_lowest_free (const struct bits *b);
void bits_fini (struct bits *b);

/* --- runs.c: rows that wait --- */
struct run *run_new (const struct run *r); /* takes its body */
void run_free (struct run **r);
/* Cut the first `n` rows (0 < n <= count) off into *front, with a body of its own. */
void run_cut (struct run *r, uint64_t n, struct run *front);
/* Drop all rows but the first `n`. */
void run_trim (struct run *r, uint64_t n);
/* Queue rows (takes the body), where their order puts them. */
void runs_add (struct agent *a, struct batch *b, struct run r);
/* Cut the first `n` rows of the first run off. */
void runs_take_front (struct agent *a, struct batch *b, uint64_t n, struct run *out);
/* Take up to `n` rows of the last run, as *first and *count. */
void runs_take_back (struct agent *a, struct batch *b, uint64_t n, uint64_t *first,
                     uint64_t *count);
/* Take the rows of [first, first + count) that wait: one piece of them; false when there is none.
 */
bool runs_take_range (struct agent *a, struct batch *b, uint64_t first, uint64_t count,
                      struct run *out);
bool runs_have (const struct batch *b, uint64_t row);
void runs_drop (struct agent *a, struct batch *b);

/* --- batches.c --- */
struct batch *batch_get (struct agent *a, uint64_t id); /* made where it is not there */
struct batch *batch_find (struct agent *a, uint64_t id);
struct spec *batch_spec (struct batch *b, uint64_t number);
/* A SPEC, in the place of one of that number. */
void batch_learn (struct agent *a, struct batch *b, const struct wire *w);
void batch_free (struct agent *a, struct batch **b);
/* Free it if it is forgotten and has no rows here any more. */
void batch_release (struct agent *a, struct batch *b, struct agent_effects *fx);
/* Which numbers of the share are free, told by who is busy. */
void batch_count_free (struct batch *b);
/* Slot numbers of a grant: added to the share, or the beginning of another. */
void batch_share (struct batch *b, const struct msg_grant *m);
void batch_measure (struct batch *b, uint64_t rows, int64_t took_us);
void batch_notes_drop (struct batch *b, uint64_t row);

/* --- results.c --- */
/* Outcomes for the broker: a body of `count`. */
/* `overtakes`: no output of these rows has gone before, and somebody waits to hear that they are
 * over: they do not queue behind the output of others. */
void results_add (struct agent *a, struct batch *b, const struct slice *body, uint64_t count,
                  bool overtakes);
void results_make (struct agent *a, struct batch *b, uint64_t row, const struct outcome *o,
                   bool overtakes);
void results_cancelled (struct agent *a, struct batch *b, const struct run *r, const char *reason);
void results_flush (struct agent *a, struct batch *b);
void results_flush_all (struct agent *a);
void rows_returned (struct agent *a, uint64_t batch, uint64_t first, uint64_t count, bool last);

/* --- jobs.c: rows in executors --- */
/* Hand the rows (taken) to the executor. */
void job_start (struct agent *a, struct executor *e, struct batch *b, struct run *rows, int64_t now,
                struct agent_effects *fx);
void job_free (struct job **j);
/* Queue the unclaimed rows of the executor again: up to `want`, the last first. Returns how many.
 */
uint64_t jobs_recall (struct agent *a, struct executor *e, uint64_t want, int64_t now,
                      struct agent_effects *fx);
/* The job's rows are all answered, or recalled: drop it. The executor is to be settled later. */
void job_over (struct executor *e, struct job *j, int64_t now);
struct job *job_with (struct executor *e, uint64_t row);
/* Whether a row runs there now, and which. */
bool job_running (struct agent *a, struct executor *e, uint64_t *row);
/* Rows go back to the queue, or to the broker while the worker drains. Takes the body. */
void rows_again (struct agent *a, struct batch *b, struct run r);

/* --- executors.c --- */
struct executor *executor_find (struct agent *a, uint32_t number);
/* It works for the batch from now on, under the lowest free slot number. */
void executor_occupy (struct agent *a, struct executor *e, struct batch *b, unsigned cpus,
                      int64_t now);
/* After its jobs changed: idle when it has none, else in or out of the list of deep ones. May end
 * its batch. */
void executor_settle (struct agent *a, struct executor *e, int64_t now, struct agent_effects *fx);
/* It works for no batch any more. */
void executor_leave (struct agent *a, struct executor *e, struct agent_effects *fx);
void executor_kill (struct agent *a, struct executor *e, enum doom doom, const char *reason,
                    int64_t now, struct agent_effects *fx);
void executor_set_due (struct agent *a, struct executor *e, int64_t due_us);
/* A time limit of rows, CLOCK_NEVER for none. */
int64_t executor_limit_us (uint64_t limit_ms);
/* It has a function to call: look now and then whether it does, and for how long. */
void executor_watch (struct agent *a, struct executor *e, uint64_t limit_ms, int64_t now);
void executor_new (struct agent *a, const struct agent_event *ev, int64_t now);
void executor_refused (struct agent *a, const struct agent_event *ev, int64_t now,
                       struct agent_effects *fx);
void executor_free (struct agent *a, struct executor **e);
/* So many more could work now: ask for them, as far as the limit allows. */
void executors_want (struct agent *a, enum agent_kind kind, uint64_t count, int64_t now,
                     struct agent_effects *fx);
void executors_tick (struct agent *a, int64_t now, struct agent_effects *fx);
int64_t executors_deadline (const struct agent *a);

/* --- said.c: what executors say --- */
void executor_said (struct agent *a, const struct agent_event *ev, int64_t now,
                    struct agent_effects *fx);
/* Outcomes that wait in the executor for the end of a long row. */
void executor_peek (struct agent *a, struct executor *e, int64_t now, struct agent_effects *fx);
/* Account for outcomes from the executor and pass them on. -1 where they are none that it owes. */
int executor_outcomes (struct agent *a, struct executor *e, const struct slice *body, int64_t now,
                       struct agent_effects *fx);
/* It sent what is no message, as its words say. */
void executor_nonsense (struct agent *a, const struct agent_event *ev, int64_t now,
                        struct agent_effects *fx);

/* --- died.c --- */
void executor_died (struct agent *a, const struct agent_event *ev, int64_t now,
                    struct agent_effects *fx);

/* --- orders.c, cancel.c: what the broker says --- */
void orders_message (struct agent *a, const struct wire *w, int64_t now, struct agent_effects *fx);
void cancel_rows (struct agent *a, const struct wire *w, int64_t now, struct agent_effects *fx);
/* Answer what is cancelled of the rows that just came. */
void cancel_arrived (struct agent *a, struct batch *b, uint64_t grant);
void cancels_fini (struct batch *b);
void take_back (struct agent *a, const struct msg_take_back *m, int64_t now,
                struct agent_effects *fx);

/* --- hold.c --- */
void holds_add (struct holds *h, struct hold x);
void holds_fini (struct holds *h);
/* The broker was restarted: tell it what is here, and drop what it forgot. */
void hold_tell (struct agent *a, struct agent_effects *fx);

/* --- exclusive.c --- */
/* Whether rows of exclusive batches may start. */
bool exclusive_may_run (const struct agent *a, int64_t now);
void exclusive_tick (struct agent *a, int64_t now, struct agent_effects *fx);
int64_t exclusive_deadline (const struct agent *a);
/* The executor has begun to work for its batch, or ceases to: its lease. */
void exclusive_lease (const struct agent *a, const struct executor *e);
void exclusive_release (const struct agent *a, const struct executor *e);
/* The broker has said something, or a batch has become exclusive: renew the leases. */
void exclusive_renew (struct agent *a);
/* Before rows are started. */
void exclusive_end_turn (struct agent *a, struct agent_effects *fx);

/* --- place.c --- */
void place (struct agent *a, int64_t now, struct agent_effects *fx);

/* --- drain.c --- */
void drain_start (struct agent *a, enum drain how, int64_t now, struct agent_effects *fx);
/* Where it drains, say so (again). */
void drain_say (struct agent *a);
void drain_end_turn (struct agent *a, int64_t now, struct agent_effects *fx);
/* Everything granted in the session is void. */
void drain_void (struct agent *a, int64_t now, struct agent_effects *fx);
/* Of a session that was given up all executors are gone: the broker may be told so. */
void drain_end_void (struct agent *a);
int64_t drain_deadline (const struct agent *a);

#endif
