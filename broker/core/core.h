/* core: the structs of the scheduler, and what its files offer each other. Private to broker/core.
 *
 *     session   a peer: its channel, its liveness                     sessions.c
 *     client    a session's batches and what it waits for             clients.c subs.c waits.c
 *     worker    a session's slots and leases                          workers.c
 *     batch     specs, chunks, sets of rows, its log of results       batches.c chunks.c results.c
 *     lease     what one worker holds of one batch                    leases.c
 *     placing   who gets what next                          place.c waiting.c alone.c wide.c
 *     attempts  what runs again, when, and what ran before            retry.c due.c odd.c
 *     state     what the store is told, and a life that begins from it
 *               records.c replay.c restored.c degraded.c retention.c rerun.c
 *
 * Most structs are in headers of their own, which this one includes: peers.h (session, client,
 * worker), batch.h (batch, lease), attempts.h.
 */
#ifndef DROVER_BROKER_CORE_CORE_H
#define DROVER_BROKER_CORE_CORE_H

#include <sys/queue.h>

#include "broker/core/attempts.h"
#include "broker/core/batch.h"
#include "broker/core/peers.h"
#include "broker/core/sched.h"
#include "common/base/hash.h"
#include "common/model/ranges.h"
#include "common/wire/chan.h"
#include "common/wire/outcome.h"
#include "common/wire/rows.h"

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
    TAILQ_HEAD (, batch) settles;       /* ended in this turn, and others wait for them */
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
    uint64_t lasting_bytes; /* of these, what detached batches keep: no work makes them less */
    uint64_t unread_bytes;  /* and results of attached ones, which wait for their readers */
    uint64_t stuck_bytes;   /* ... and rows of batches that are stuck: stuck.c */
    uint64_t own_bytes;     /* of batches and their specs */
    uint64_t rng;
    uint64_t fenced, duplicates, malformed;
    uint64_t peeks;       /* number of the last one that a worker was asked for */
    int64_t tick_us;      /* next regular tick */
    int64_t judge_us;     /* nobody is judged before */
    int64_t take_back_us; /* when to look for rows to take back; CLOCK_NEVER: no need */
    bool placing;         /* something changed that may let rows be placed */
    bool replaying, stopping;
    bool replayed;        /* its clocks are still to be set */
    bool unsettled;       /* what was cut short by the end of the last life is still to be ended */
    bool unshut;          /* degraded, or not any more, and peers are still to be told */
    char *degraded;       /* why the store takes no commits; NULL: it does */
    bool was_full;        /* queue_bytes over the limit */
    bool no_room_to_make; /* ... nor is it of use to wait for what detached batches keep */
    int64_t now_us;       /* of the event in hand */
    struct flapper *flappers; /* workers that were lost, by name */
    struct due due;           /* rows that wait for a time */
    uint64_t n_alone;         /* rows in `alone` of all batches */
    struct worker *clearing;  /* the one that is being cleared */
    int64_t clearing_since_us, patience_us, clear_after_us;
    int64_t exclusive_us; /* after a restart: rows of exclusive batches wait until then */
};

/* Of the room beyond the limit, which is there for what is kept and for what well-behaved peers
 * have on its way, more than so many quarters are used. */
static inline bool is_beyond (const struct sched *s, unsigned quarters)
{
    return s->queue_bytes + s->own_bytes >
           s->cfg.queue_bytes + s->cfg.overflow_bytes / 4 * quarters;
}

/* What would add to it is refused. */
static inline bool is_crammed (const struct sched *s)
{
    return is_beyond (s, 4);
}

/* Nearly so, for what detached batches keep: nobody submits until that has made room. */
static inline bool is_cramped (const struct sched *s)
{
    return is_beyond (s, 3) && s->lasting_bytes > s->cfg.overflow_bytes / 4;
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
void record_settled (struct sched *s, const struct after *a, bool holds, bool known,
                     struct effects *fx);
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

/* --- degraded.c --- */
/* Whether the message is not taken now; its peer will send it again. */
bool degraded_leaves (struct sched *s, struct session *se, const struct wire *w);
/* Whether the request is refused, and was told so. */
bool degraded_refuses (struct sched *s, struct client *c, uint64_t ref);
/* Peers hear of a change. */
void degraded_tell (struct sched *s, struct effects *fx);

/* --- wide.c: tasks that take several slots --- */
/* It would get a row of the worker, if only more slots were free there. */
bool wide_waits (struct sched *s, struct worker *w, struct batch *b, int64_t now);
/* That is so, and it is first in turn: a worker may be drained for it. */
void wide_in_turn (struct sched *s, struct batch *b, int64_t now);
/* ... and so many slots went to others. */
void wide_passed (struct batch *b, uint64_t slots);
/* It got rows. */
void wide_served (struct sched *s, struct batch *b);
/* Free slots of the worker are not for this batch. */
bool wide_keeps (const struct worker *w, const struct batch *b);
/* No worker is drained for it any more. */
void wide_release (struct sched *s, struct batch *b);
void wide_tick (struct sched *s, int64_t now);
int wide_check (const struct worker *w, struct err *e);

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
