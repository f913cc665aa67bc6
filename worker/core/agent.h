/* agent: the worker's decisions, pure. Events in, effects out; no clock, socket, file or thread.
 *
 * One turn of the worker is: agent_step() for each event, agent_end_turn() once, the effects are
 * applied in their order, then agent_transmit() hands out what is to be sent to the broker, as long
 * as the socket takes it.
 *
 * What is granted is kept as runs of consecutive rows and never expanded; executors get rows in
 * jobs sized by the measured time of a row, and give back what they have not started when a row
 * takes longer than thought. Each granted row is answered exactly once: by an outcome, or by
 * RETURNED. doc/PROTOCOL.md says what the messages mean.
 */
#ifndef DROVER_WORKER_CORE_AGENT_H
#define DROVER_WORKER_CORE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/log.h"
#include "common/wire/wire.h"

struct agent;

/* What an executor can do; the numbers are those of worker/exec/executor.h. */
enum agent_kind { AGENT_COMMANDS, AGENT_FUNCTIONS, AGENT_KINDS };

/* The row that an executor runs now. */
struct agent_running {
    uint64_t run;     /* number of the RUN, counted from 0 for each executor */
    uint32_t place;   /* of the row in it */
    int64_t start_us; /* monotonic */
};

/* What it has said of its progress. */
struct agent_progress {
    uint64_t run;
    uint32_t place;
    uint64_t done, total;
};

/* How far executors are: memory shared with them (worker/exec/control.h), looked at through these
 * functions, so that a test or a simulator can stand in for it. None of them waits. */
struct agent_pages {
    void *self;
    /* RUN number `run` of this executor will have `count` rows. */
    void (*open) (void *self, uint32_t executor, uint64_t run, uint32_t count);
    /* Take back up to `want` rows of the last `count`, which are not claimed; returns how many. */
    uint32_t (*recall) (void *self, uint32_t executor, uint64_t run, uint32_t count, uint32_t want);
    /* Rows of the last `count` that have started; -1 where the page is not as it was left. */
    int64_t (*claimed) (void *self, uint32_t executor, uint64_t run, uint32_t count);
    bool (*running) (void *self, uint32_t executor, struct agent_running *r);
    /* Ask the function that runs there to stop: whether it is one that looks. */
    bool (*cancel) (void *self, uint32_t executor);
    /* Outcomes that it has packed and not sent, of rows before one that runs long; they come once
     * more later. Returns how many bytes. */
    size_t (*peek) (void *self, uint32_t executor, void *copy, size_t size);
    /* Its row is exclusive, and may run until then (0: for ever) although the agent does nothing
     * more; `margin_us` later another worker may have it. */
    void (*lease) (void *self, uint32_t executor, int64_t until_us, int64_t margin_us);
    /* What the function that runs there has said of its progress; false: nothing. */
    bool (*progress) (void *self, uint32_t executor, struct agent_progress *p);
    /* Whether it wants to be replaced. */
    bool (*spent) (void *self, uint32_t executor);
};

struct agent_config {
    const char *name; /* strings are copied */
    const char *host;
    const char *version;
    const char *broker; /* its URL, for log lines */
    uint64_t pid;
    unsigned containment; /* as in HELLO: 0 subreaper, 1 cgroup */
    unsigned slots;
    unsigned cores;               /* of the machine, that it may use; 0: not known */
    unsigned io_tasks;            /* tasks that take no slot, at one time. 0: 1000 */
    const char *const *functions; /* names, NULL behind the last */
    unsigned executors_max;       /* for both kinds of tasks. 0: 2000 */
    unsigned prepare;             /* command executors to start before any work is there */
    int64_t drain_us;             /* how long running rows may go on after TERM */
    size_t backlog_bytes;         /* results kept for the broker; above, executors wait. 0: 8 MiB */
    uint64_t replaces;            /* token of the session of an agent that died; 0: none */
    uint64_t seed; /* random: peers that lost the same broker must not come back in step. 0: the
                      times in the middle */
    struct agent_pages pages;
};

enum agent_event_kind {
    AGENT_START,     /* once, first */
    AGENT_MESSAGE,   /* `message` from the broker */
    AGENT_MALFORMED, /* `text`: the broker sent what is no message */
    AGENT_NEW,       /* executor `executor` of kind `executor_kind` is there */
    AGENT_REFUSED,   /* one of kind `executor_kind` could not be made: `text` */
    AGENT_SAID,      /* `message` from executor `executor` */
    AGENT_NONSENSE,  /* executor `executor` sent what is no message: `text` */
    AGENT_DIED,      /* executor `executor` ended with `wait_status`, everything it sent was read */
    AGENT_TICK,      /* agent_deadline() has come, and all that had arrived was read */
    AGENT_TERM,      /* give back, finish, leave; the second time: at once */
};

struct agent_event {
    enum agent_event_kind kind;
    const struct wire *message; /* borrowed; what is kept is referenced */
    const char *text;
    uint32_t executor;
    enum agent_kind executor_kind;
    int wait_status;
    unsigned stuck;      /* DIED: processes of it that could not be killed */
    bool cut;            /* DIED: its stream was broken, or its module is another one now */
    struct bytes unsent; /* DIED: outcomes it had packed and not sent */
    uint64_t wall_us;    /* DIED: time of day, for outcomes made here */
};

enum agent_effect_kind {
    AGENT_DO_SEND,      /* `frames` to executor `executor` */
    AGENT_DO_NEW,       /* make an executor of kind `executor_kind` */
    AGENT_DO_KILL,      /* kill executor `executor` with all that it runs */
    AGENT_DO_PAUSE,     /* `on`: read nothing from executors for now / again */
    AGENT_DO_RECONNECT, /* drop the connection to the broker and make a new one */
    AGENT_DO_TOKEN,     /* `token`: the session that a next agent would replace */
    AGENT_DO_WATCH,     /* `on`: there may be leases, which others are to watch / no more */
    AGENT_DO_EXIT,      /* leave with `status` */
    AGENT_DO_LOG,       /* `level`, `text` */
};

struct agent_effect {
    enum agent_effect_kind kind;
    uint32_t executor;
    enum agent_kind executor_kind;
    bool on;
    uint64_t token;
    int status;
    struct wire_frames frames;
    enum log_level level;
    char *text;
};

/* A list of effects; zeroed is empty. Its entries own their frames and texts. */
struct agent_effects {
    struct agent_effect *at;
    size_t n;
    size_t size;
};

void agent_effects_clear (struct agent_effects *fx);
void agent_effects_fini (struct agent_effects *fx);

struct agent *agent_new (const struct agent_config *c);
void agent_free (struct agent **a);

void agent_step (struct agent *a, const struct agent_event *ev, int64_t now_us,
                 struct agent_effects *fx);

/* What follows from all of the turn's events: rows are started, results are queued. */
void agent_end_turn (struct agent *a, int64_t now_us, struct agent_effects *fx);

/* The next frames for the broker, in `out` (the caller finishes them): true, or false when there
 * are none for now. Frames that could not be sent are given back with agent_unsent_take(), and come
 * first the next time. */
bool agent_transmit (struct agent *a, struct wire_frames *out);
void agent_unsent_take (struct agent *a, struct wire_frames *f);

/* When the next AGENT_TICK is due; CLOCK_NEVER: never. */
int64_t agent_deadline (const struct agent *a);

/* Figures for the log and for tests. */
struct agent_figures {
    uint64_t batches;
    uint64_t queued;    /* rows granted and not handed to an executor */
    uint64_t handed;    /* rows that executors hold without an outcome */
    uint64_t executors; /* alive, or asked for */
    uint64_t busy;
    uint64_t slots, slots_used;
    uint64_t io_used; /* executors with a task that takes no slot */
    bool connected, draining;
};
struct agent_figures agent_figures (const struct agent *a);

/* Check every invariant; 0, or -1 with what does not hold. For tests and the simulator. */
int agent_check (const struct agent *a, struct err *e);

#endif
