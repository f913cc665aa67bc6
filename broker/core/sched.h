/* sched: the broker's decisions, pure. Events in, effects out; no clock, socket, file or thread.
 *
 * One turn of the broker is: sched_step() for each event, sched_end_turn() once, the records among
 * the effects go to the store and are committed under one number, sched_committed() with the
 * highest number that holds, then the messages that may leave come out of sched_flush(). A message
 * that was decided in a turn never leaves before that turn's commit holds, and what the turn
 * received is acknowledged no earlier.
 *
 * doc/PROTOCOL.md says what the messages mean; doc/DESIGN.md why it is cut like this.
 */
#ifndef DROVER_BROKER_CORE_SCHED_H
#define DROVER_BROKER_CORE_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/wire/wire.h"

struct sched;

struct sched_config {
    uint64_t broker_id;     /* random, one for each life */
    uint64_t seed;          /* for session tokens; random */
    const char *version;    /* of the program */
    const char *durability; /* for people: "memory" */
    bool durable;           /* the store outlives the process: peers are told that we come back */
    const char *state;      /* for people: the directory that is read only; NULL: none is */
    uint64_t state_bytes;   /* ... what is in it */
    const char *stopped;    /* ... and how the broker that had it last has ended */
    uint64_t pid;           /* for people */
    int64_t start_us;       /* when the broker began, monotonic */
    int64_t start_wall_us;  /* ... and by the real-time clock, for people */
    int64_t ping_us;        /* told to peers; and how often clients are pinged */
    int64_t suspect_us;     /* silence after which a worker gets no new rows, ... */
    int64_t lost_us;        /* ... and after which its rows run elsewhere */
    int64_t orphan_us;      /* told to workers: how long they go on without a broker */
    int64_t client_gone_us; /* how long an unreachable client may be away */
    int64_t reattach_us;    /* after a restart nobody is judged for so long */
    uint64_t window_msgs;   /* unacknowledged messages and bytes a peer may have on its way */
    uint64_t window_bytes;
    uint64_t queue_bytes;    /* rows and results held for all; above, submissions are held back */
    uint64_t overflow_bytes; /* beyond that nothing more is taken, from whomever it comes */
    uint64_t result_bytes;   /* undelivered results of one batch; above, it is not granted (of all
                                attached ones together: a quarter of queue_bytes) */
    uint64_t client_tasks;   /* unfinished tasks of one client; at that it is held back; 0: any */
    uint64_t client_bytes;   /* ... and bytes of them; 0: three quarters of queue_bytes */
    uint64_t client_batches; /* ... and batches */
    int64_t keep_us;       /* a detached batch that is over is forgotten after so long; 0: never */
    uint64_t keep_bytes;   /* ... and the oldest of them above so many bytes; 0: queue_bytes / 2 */
    bool records;          /* the store wants EFFECT_RECORD */
    bool went_back;        /* the store may have lost commits that were told to hold */
    uint64_t first_commit; /* number of the first commit: behind the last of the store; 0 is 1 */
    unsigned losses_max;   /* a row whose workers were lost that often is parked */
};

/* Reasonable values for everything but broker_id and seed. */
void sched_config_defaults (struct sched_config *c);

enum sched_event_kind {
    EVENT_MESSAGE,   /* `route`, `message`: decoded */
    EVENT_MALFORMED, /* `route`: sent what is no message; `code`, `text` say why, `kind_byte`,
                        `seq`, `ack` as far as they are known */
    EVENT_GONE,      /* `route`: a send found no such peer */
    EVENT_TICK,      /* at sched_deadline(); `lag_us`: how late the loop was; `read_to_us` */
    EVENT_STOP,      /* the broker is to end */
};

struct sched_event {
    enum sched_event_kind kind;
    uint64_t route;
    const struct wire *message; /* borrowed; what is kept is referenced */
    enum wire_code code;
    const char *text;
    unsigned kind_byte;
    uint64_t seq, ack;
    int64_t lag_us;
    int64_t read_to_us; /* everything that arrived before was read: silence is judged up to here */
};

enum effect_kind {
    EFFECT_RECORD, /* `frames`: for the store: an accepted message in the broker's own numbers */
    EFFECT_SEND,   /* transmit `frames` on `route` */
    EFFECT_LOG,    /* `text`, `level` */
    EFFECT_STOP,   /* all has been said: leave */
};

struct effect {
    enum effect_kind kind;
    uint64_t route;
    uint64_t batch; /* of a record: the batch it belongs to; 0: it is of a session */
    struct wire_frames frames;
    enum log_level level;
    char *text;
};

/* A list of effects; zeroed is empty. Its entries own their slices and texts. */
struct effects {
    struct effect *at;
    size_t n;
    size_t size;
};

void effects_clear (struct effects *fx);
void effects_fini (struct effects *fx);

struct sched *sched_new (const struct sched_config *c);
void sched_free (struct sched **s);

void sched_step (struct sched *s, const struct sched_event *ev, int64_t now_us, struct effects *fx);

/* What follows from all of the turn's events: rows are placed, results are passed on. */
void sched_end_turn (struct sched *s, int64_t now_us, struct effects *fx);

/* The number of the commit for the records of the turn that sched_end_turn() ended last. Every turn
 * has one. */
uint64_t sched_commit_number (const struct sched *s);

/* Commits up to `commit` hold. */
void sched_committed (struct sched *s, uint64_t commit);

/* The messages that may leave now. */
void sched_flush (struct sched *s, int64_t now_us, struct effects *fx);

/* The store takes no commits, for this reason: new work is refused, and nothing is done that would
 * have to be recorded. NULL: it does again. For those who replay after a failed commit: before the
 * first event. */
void sched_set_degraded (struct sched *s, const char *reason);

/* When the next EVENT_TICK is due. */
int64_t sched_deadline (const struct sched *s);

/* Rebuild from records (store.h says in which order) into a new scheduler, before any event: it
 * then has the same batches, and the same rows with the same workers, as the one that made the
 * records. Workers, and clients of attached batches, are given time to come back. -1 with the
 * reason for a record that does not fit those before it. */
int sched_replay (struct sched *s, const struct wire *record, struct err *e);

/* How many peers have a session, connected or not. */
uint64_t sched_peers (const struct sched *s);

/* Figures for the log and for tests. */
struct sched_figures {
    uint64_t clients, workers, batches;
    uint64_t waiting, granted; /* rows */
    uint64_t queue_bytes;
    uint64_t fenced;     /* outcomes that came too late and were dropped */
    uint64_t duplicates; /* outcomes that had been accepted before */
    uint64_t malformed;  /* messages */
};
struct sched_figures sched_figures (const struct sched *s);

/* What a replay must bring back, as text that is the same for the same. For tests and the
 * simulator.
 */
void sched_dump (const struct sched *s, struct buf *out);

/* How many entries all tables have that peers and their work may make longer. For tests: what came
 * and went leaves none. */
size_t sched_entries (const struct sched *s);

/* Check every invariant; 0, or -1 with what does not hold. For tests and the simulator. */
int sched_check (const struct sched *s, struct err *e);

#endif
