/* user_inner: the structs of a simulated program, for the files that make it up.
 *
 *     user.c         its turn, its connection, its life
 *     user_plan.c    what it plans
 *     user_jobs.c    how it submits
 *     user_told.c    what it is told, against what it knows
 *     user_asks.c    what else it asks of the broker
 */
#ifndef DROVER_SIM_USER_INNER_H
#define DROVER_SIM_USER_INNER_H

#include <sys/queue.h>

#include "client/lib/core.h"
#include "tests/sim/fate.h"
#include "tests/sim/user.h"

enum { JOBS_MAX = 400, ASKS_MAX = 64, FEEDS_MAX = 3 };

struct told { /* an outcome, in the order of telling */
    uint64_t row, attempt;
    int how;
};

struct feed { /* the live input of a row */
    uint64_t at, len;
    bool eof;
};

struct job { /* a batch */
    struct batch b;
    struct user *user;
    bool open, forgotten;
    bool attached;  /* to another's */
    uint64_t id;    /* the broker's number */
    uint64_t token; /* of the session in which that number was told */
    char key[40];
    bool shared;  /* others may submit it again */
    bool twin;    /* ... and this one does, */
    bool differs; /* ... not quite the same: in row other_row, or elsewhere */
    uint64_t flags, jobs, cpus, priority, spec_flags, timeout_ms, deadline_ms, result_bytes;
    uint64_t backoff_max_ms, other_row;
    uint64_t from; /* record, of an attached one */
    bool follow;
    enum wire_form form;
    struct fate_tag tag;
    uint64_t plan; /* rows in the end */
    bool large;    /* its first row is large */
    int64_t next_us;
    int64_t cancel_us;     /* CLOCK_NEVER: not */
    uint64_t cancel_count; /* 0: all */
    bool cancelled;        /* was asked for */
    bool promised;         /* all of it was acknowledged, and it is detached */
    bool void_;            /* ... and that counts no more */
    bool blurred;          /* what came while that was so was not looked at */
    unsigned removals;     /* of it, asked for by anybody and not refused */
    bool ended;            /* END was delivered */
    bool refused;          /* the broker could not keep it */
    struct ranges got;
    struct told *told;
    size_t n_told;
    struct feed feeds[FEEDS_MAX];
    uint32_t *seen; /* bytes of live output, by row, */
    uint32_t *seen_attempt;
    const struct job *like; /* of an attached one or a twin: the one that opened it */
};

struct letter {
    struct wire_frames f;
    STAILQ_ENTRY (letter) link;
};

struct ask { /* a request without an answer */
    uint64_t ref;
    enum wire_kind kind;
    struct job *job; /* NULL: about none of its own */
    uint64_t first, count;
    unsigned retries; /* of the batch, then */
    int64_t drop_us;  /* when it is not waited for any more; CLOCK_NEVER: never */
};

struct user {
    struct sim *s;
    char name[24];
    unsigned index;
    bool alive, auditor;
    bool reset; /* a session was lost, and what was attached with it */
    bool welcomed;
    bool durable;     /* the broker says that it comes back with all it acknowledged */
    bool gone;        /* for so long that its attached batches may be cancelled */
    bool told_bye;    /* by a broker that left */
    int64_t bye_us;   /* when it said goodbye; 0: not yet */
    bool polite;      /* it says goodbye in the end, */
    int64_t hasty_us; /* ... or then, whatever is under way; CLOCK_NEVER */
    struct sim_clock clock;
    int64_t lost_us;
    int64_t heard_us; /* of its broker, in a session; by its clock */
    struct core core;
    struct store store;
    struct conn *conn;
    STAILQ_HEAD (, letter) mail;
    int64_t paused_until, next;
    uint64_t wakes;
    int64_t ask_us; /* when it asks something */
    unsigned to_ask;
    int64_t hurry_until; /* it does not wait long between them; of s->now */
    struct ask asks[ASKS_MAX];
    unsigned n_asks;
    unsigned keys; /* that it has given to batches */
    struct job *jobs[JOBS_MAX];
    unsigned n_jobs;
};

static inline int64_t user_clock (struct user *u)
{
    return sim_clock_read (u->s, &u->clock);
}

/* Its session is over, for good. */
static inline bool user_is_lost (const struct user *u)
{
    return session_state (u->core.session) == SESSION_LOST;
}

/* --- user_jobs.c --- */
struct job *job_new (struct user *u);
void job_free (struct job **j);
/* There will be no more of it for the user. */
bool job_is_over (const struct job *j);
void job_forget (struct user *u, struct job *j);
uint64_t job_batch (const struct job *j); /* as the ledger knows it */

/* --- user_plan.c --- */
void job_plan (struct user *u, struct job *j);
/* A job that submits another's once more, or something else under its key. */
void job_plan_twin (struct user *u, const struct job *like, bool differs);
/* A job that looks at another's batch, from that record on. */
struct job *job_attach (struct user *u, const struct job *to, uint64_t record, bool follow);
/* What is due of it; and when the next is. */
void job_act (struct user *u, struct job *j);
int64_t job_next_act (const struct job *j);

/* --- user_told.c --- */
void user_take_events (struct user *u);

/* --- user_asks.c --- */
void ask_cancel (struct user *u, struct job *j);
/* Something now and then. */
void asks_act (struct user *u);
int64_t asks_next_act (const struct user *u);
void asks_replied (struct user *u, const drover_event_t *event);

#endif
