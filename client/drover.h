/* drover.h: submit batches of tasks to drover, and get exactly one outcome for each.
 *
 * A handle (drover_t) is one session with a broker. Open batches on it, add specs (what to run) and
 * rows (the values of each task), and take events with drover_next(): results come as the tasks
 * end. Nothing blocks but what says so. Without a broker, drover_open() starts a private one with a
 * worker; both are gone when the handle is closed or its process dies, however that happens.
 *
 *     drover_error_t e;
 *     drover_t *h = drover_open (NULL, &e);
 *     drover_batch_t *b = drover_batch_open (h, NULL, &e);
 *     drover_spec_t *s = drover_spec_new_function ("drover:echo");
 *     int spec = drover_batch_add_spec (b, s, &e);
 *     drover_batch_add (b, spec, values, 1, &e);
 *     drover_batch_close (b, &e);
 *     while (drover_next (h, -1, &event, &e) == 1 && event->kind != DROVER_EVENT_END)
 *         ...
 *     drover_close (&h);
 *
 * Tasks as futures, waiting for several of them, cancel sources and continuations: drover_task.h,
 * which this file includes.
 *
 * Conventions. A function that can fail returns 0 or -1 (or a pointer or NULL) and fills the
 * drover_error_t given last, which may be NULL. A call that fails took nothing and changed nothing.
 * Arguments are borrowed: the library copies what it keeps. x_free (&x) takes NULL and sets the
 * pointer to NULL. Structs of options are to be zeroed first; zero means the default. Units are in
 * the names. Rows count from 0 within their batch.
 *
 * Threads. Several threads may use the library at once, each with handles of its own. A handle, and
 * what was made from it, belongs to one thread at a time. Specs and commands belong to no handle;
 * do not share one while it is changed. The library has no global state, installs no signal
 * handler, changes no signal disposition, and its inner threads take no signals.
 */
#ifndef DROVER_H
#define DROVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- values --- */

typedef struct drover drover_t;                 /* a session with a broker */
typedef struct drover_batch drover_batch_t;     /* tasks submitted together; lives in its handle */
typedef struct drover_spec drover_spec_t;       /* what a task runs, and how */
typedef struct drover_command drover_command_t; /* a compiled command template */
typedef struct drover_cancel_source drover_cancel_source_t; /* ends many tasks: drover_task.h */

/* Bytes that somebody else owns; may hold NUL, are not terminated. */
typedef struct drover_bytes {
    const void *ptr; /* may be NULL where len is 0 */
    size_t len;
} drover_bytes_t;

enum drover_code {
    DROVER_OK,
    DROVER_EINVAL,     /* a wrong argument, or a call out of order */
    DROVER_ENOMEM,     /* no memory */
    DROVER_ESYSTEM,    /* the system refused something; the text says what */
    DROVER_ENOBROKER,  /* nobody answers there, or none is running */
    DROVER_EVERSION,   /* the broker speaks another version */
    DROVER_EFORBIDDEN, /* not allowed, or not without --insecure */
    DROVER_EUNKNOWN,   /* no such batch, task or worker */
    DROVER_ECONFLICT,  /* the same key with other content */
    DROVER_EBUSY,      /* over a limit of the broker; later */
    DROVER_ESTORAGE,   /* the broker cannot keep it */
    DROVER_ETOOBIG,    /* over a limit; the text names the limit and the size */
    DROVER_ETIME,      /* the given time has passed */
    DROVER_ELOST,      /* the broker is gone, and with it the session */
    DROVER_EPROTOCOL,  /* the broker said something that it may not */
    DROVER_ESTOPPED,   /* a callback asked to stop */
    DROVER_EINTR,      /* a signal handler ran while it waited */
    DROVER_ECANCELLED  /* the cancel source of a wait was cancelled */
};

/* What went wrong: a code, and one line for people. */
typedef struct drover_error {
    int code; /* enum drover_code */
    char text[400];
} drover_error_t;

/* How a task ended. */
enum drover_how {
    DROVER_DONE,       /* exit status 0, or the function returned 0 */
    DROVER_FAILED,     /* anything else that ran, or could not be started */
    DROVER_TIMEOUT,    /* over its time limit */
    DROVER_CANCELLED,  /* its processes are gone */
    DROVER_LOST,       /* at-most-once batches: it may have started on a worker that was lost */
    DROVER_PARKED,     /* it took workers down too often */
    DROVER_SKIPPED,    /* what it depends on did not succeed */
    DROVER_BROKER_LOST /* the broker went away, and with it what it knew of the task */
};

/* "done", "failed", ...; never NULL. */
const char *drover_how_name (int how);

/* The library's version, "0.1.0". */
const char *drover_version (void);

/* --- finding a broker --- */

enum drover_open_flag {
    DROVER_OPEN_LOCAL = 1,           /* a private broker, whatever else there is */
    DROVER_OPEN_NO_PRIVATE = 2,      /* never a private one: fail with DROVER_ENOBROKER instead */
    DROVER_OPEN_INSECURE = 4,        /* tcp to this machine without keys; also DROVER_INSECURE=1 */
    DROVER_OPEN_INSECURE_PUBLIC = 8, /* tcp to anywhere without keys; also DROVER_INSECURE=public */
    DROVER_OPEN_NOWAIT = 16,         /* do not wait for the broker's answer */
    DROVER_OPEN_DEBUG = 32           /* a private broker and worker write their logs to stderr */
};

typedef struct drover_options {
    const char *broker;    /* URL, tcp://HOST:PORT or ipc://PATH; NULL: as drover_find_broker() */
    unsigned flags;        /* enum drover_open_flag */
    const char *name;      /* of this client, for people; NULL: none */
    unsigned slots;        /* of the private worker; 0: the usable cores */
    int64_t connect_ms;    /* how long to wait for a first answer; 0: 5000 */
    int64_t lost_ms;       /* how long a session may be without its broker; 0: 5 minutes */
    size_t task_memory;    /* output of one task kept in memory; 0: 1 MiB. More goes to a file */
    size_t memory;         /* output of all tasks kept in memory; 0: 16 MiB */
    const char *spill_dir; /* for that (unlinked) file; NULL: $TMPDIR, else /tmp */
    const char *state;     /* show the state directory of a broker that does not run: queries and
                              results of its batches, and nothing else; nothing in it is changed.
                              DROVER_ESTORAGE: it cannot be read, and why is said on stderr.
                              `broker` is of no account then; connect_ms 0: 10 minutes */
} drover_options_t;

/* Which broker would be used: options->broker, else $DROVER_BROKER, else the user's own broker if
 * its socket answers (a stale socket counts as none). Options may be NULL. Returns 1 with its URL
 * in `url`, 0 if there is none (drover_open() would start a private one), -1 with an error
 * (DROVER_EFORBIDDEN: the directory of the socket belongs to somebody else or is open to others;
 * with DROVER_OPEN_NO_PRIVATE also DROVER_ESYSTEM: it is in one that cannot be entered).
 */
int drover_find_broker (const drover_options_t *options, char *url, size_t size, drover_error_t *e);

/* The URL of the user's own broker, running or not: $XDG_RUNTIME_DIR/drover/broker, else in a
 * directory under /tmp named after the user id. With `create` the directory is made (0700); where
 * it exists, owner and mode are checked. Returns 0 or -1. */
int drover_user_broker (char *url, size_t size, int create, drover_error_t *e);

/* --- sessions --- */

/* Open a session. Options may be NULL. Waits for the broker's answer up to connect_ms, unless
 * DROVER_OPEN_NOWAIT: then what is posted meanwhile is kept, and a broker that does not answer
 * shows as DROVER_EVENT_LOST. NULL with an error that names the broker and what to do. */
drover_t *drover_open (const drover_options_t *options, drover_error_t *e);

/* End the session and free everything made from the handle: batches, the present event. Waits up to
 * 1 s for the broker's goodbye, up to 4 s for a private broker and worker to be gone. Attached
 * batches that are not finished are cancelled by the broker, detached ones go on. */
void drover_close (drover_t **h);

/* The URL of the broker in use; "private" brokers have one too. Valid as long as the handle. */
const char *drover_broker (const drover_t *h);

/* 1 if the broker is a private one of this handle. */
int drover_is_private (const drover_t *h);

/* A descriptor for foreign event loops, to be polled for reading (level-triggered), never to be
 * read or closed. It is readable whenever an event is undelivered or the library has something to
 * do: call drover_next (h, 0, ...) until it returns 0. The same descriptor for the life of the
 * handle. */
int drover_fd (drover_t *h);

/* Send what is waiting in partly filled chunks. drover_next() does it as well. */
void drover_flush (drover_t *h);

/* Wait until the broker has acknowledged (and, where it has a store, kept) everything submitted so
 * far. Events meanwhile are kept for drover_next(). 0; -1 with DROVER_ETIME or DROVER_ELOST. */
int drover_sync (drover_t *h, int64_t timeout_ms, drover_error_t *e);

/* Time a round trip to the broker. 0; -1 with DROVER_ETIME or DROVER_ELOST. `rtt_us` may be NULL.
 */
int drover_ping (drover_t *h, int64_t timeout_ms, int64_t *rtt_us, drover_error_t *e);

/* --- events --- */

enum drover_event_kind {
    DROVER_EVENT_CONNECTED,  /* the broker answered; again after each reconnect */
    DROVER_EVENT_OPENED,     /* a batch has its number: drover_batch_id() */
    DROVER_EVENT_RESULT,     /* a task ended: `result` */
    DROVER_EVENT_OUTPUT,     /* a piece of output, of batches with live output: `output` */
    DROVER_EVENT_END,        /* a batch is over, its last event: `end` */
    DROVER_EVENT_ROOM,       /* a batch takes rows again, after drover_batch_room() said 0 */
    DROVER_EVENT_INPUT_ROOM, /* a task takes live input again: `row` */
    DROVER_EVENT_REPLY,      /* to a request with a ref: `reply` */
    DROVER_EVENT_NOTICE,     /* something to tell the user: `notice` */
    DROVER_EVENT_REFUSED,    /* the broker refused something about a batch or ref: `refused` */
    DROVER_EVENT_LOST        /* the session is over, the last event of the handle: `refused` */
};

/* The outcome of a task. Texts are never NULL. */
typedef struct drover_result {
    uint64_t row;
    uint64_t attempt; /* from 1; 0 if it never ran */
    int how;          /* enum drover_how */
    int status;       /* exit status, 0-255; 126 and 127 also where it could not be started */
    int signal;       /* that ended it, or 0 */
    const void *out;  /* stdout, or what a function returned; NULL: none, or in a file */
    const void *err;  /* stderr */
    uint64_t out_len; /* bytes of stdout that are here, wherever they are kept */
    uint64_t err_len;
    uint64_t out_bytes; /* bytes that it printed in all; more than out_len where keep_bytes cut it,
                           or where they came as DROVER_EVENT_OUTPUT */
    uint64_t err_bytes;
    uint64_t start_us; /* wall clock, since the epoch; 0 if it never ran */
    uint64_t wall_us;  /* how long it ran */
    uint64_t user_us;  /* processor time */
    uint64_t sys_us;
    uint64_t maxrss_kib;
    const char *worker; /* name */
    const char *host;
    const char *reason; /* one line: why it could not be started, why it was cancelled; or "" */
    unsigned stage;     /* of a pipeline: in which stage it ended, from 1; 0: there are none */
    const struct drover_result *before; /* of a pipeline: what became of it in the stage before,
                                           without its stdout; or NULL */
} drover_result_t;

/* A piece of the output of a task. Pieces of an attempt come in order; when `attempt` grows, what
 * came of earlier attempts is void. */
typedef struct drover_output {
    uint64_t row;
    uint64_t attempt;
    int stream; /* 1 stdout, 2 stderr */
    uint64_t offset;
    drover_bytes_t bytes;
} drover_output_t;

enum drover_batch_state {
    DROVER_BATCH_RUNNING,   /* drover_attach() without follow: this is all there is now */
    DROVER_BATCH_FINISHED,  /* every task has its outcome */
    DROVER_BATCH_CANCELLED, /* likewise, after a cancellation */
    DROVER_BATCH_BROKEN     /* it ended before its time; the reason says why */
};

typedef struct drover_end {
    int state; /* enum drover_batch_state */
    uint64_t total;
    uint64_t done;
    uint64_t failed;
    uint64_t timeout;
    uint64_t cancelled;
    uint64_t lost;
    uint64_t parked;
    uint64_t skipped;
    uint64_t broker_lost;
    const char *reason; /* or "" */
} drover_end_t;

/* An answer to a request. Its records are read with drover_reply_record(). */
typedef struct drover_reply {
    int code;       /* enum drover_code; DROVER_OK, or why not */
    int more;       /* 1: further replies with this ref follow */
    uint64_t count; /* of records in this reply */
    uint64_t value; /* a number, as the request says */
    const char *text;
} drover_reply_t;

enum drover_note {
    DROVER_NOTE_NO_WORKER = 1, /* no worker is connected (not told of a private broker) */
    DROVER_NOTE_TASK_TOO_BIG,  /* no worker there could ever run it (private broker: cancelled) */
    DROVER_NOTE_NO_FUNCTION,   /* no worker there has the function; likewise */
    DROVER_NOTE_WORKER_LOST,
    DROVER_NOTE_AWAY =
        1000,               /* the broker does not answer, or stopped; the library goes on trying */
    DROVER_NOTE_INSECURE,   /* this session has no keys */
    DROVER_NOTE_BUSY,       /* the broker takes no new batch yet; the library tries again */
    DROVER_NOTE_BACK,       /* it answers again, and goes on with the session */
    DROVER_NOTE_OUTPUT_LOST /* bytes in the middle of the output of a task are missing */
};

typedef struct drover_notice {
    int code; /* enum drover_note, or one that a newer broker knows: show the text */
    uint64_t value;
    const char *text;
} drover_notice_t;

typedef struct drover_event {
    int kind;                      /* enum drover_event_kind */
    drover_batch_t *batch;         /* it is about, or NULL */
    uint64_t ref;                  /* of the request it answers, or 0 */
    uint64_t row;                  /* RESULT, OUTPUT, INPUT_ROOM */
    const drover_result_t *result; /* RESULT, else NULL; and so on */
    const drover_output_t *output;
    const drover_end_t *end;
    const drover_reply_t *reply;
    const drover_notice_t *notice;
    const drover_error_t *refused;
} drover_event_t;

/* The next event, waiting for it up to timeout_ms (0: not at all, -1: as long as it takes). Returns
 * 1 with *event, which is valid until the next call with this handle that takes events or waits, or
 * frees the event's batch (see drover_result_keep()); 0 when there is none in time, or a signal
 * handler ran; -1 after DROVER_EVENT_LOST was delivered, or where the system fails. */
int drover_next (drover_t *h, int64_t timeout_ms, const drover_event_t **event, drover_error_t *e);

/* A view of the output of a result from `offset` on: stream 1 is stdout, 2 stderr. Works for what
 * is in memory and for what is in a file. Returns 1 with *piece (never empty, at most 256 KiB from
 * a file), valid until the next call of this function for the same handle; 0 at the end; -1 with an
 * error. */
int drover_result_piece (const drover_result_t *r, int stream, uint64_t offset,
                         drover_bytes_t *piece, drover_error_t *e);

/* Keep the result of the present event beyond the next call, without copying large output; where
 * much is kept it goes to the file. For the caller to free, before the handle is closed. NULL when
 * there is no memory. */
drover_result_t *drover_result_keep (const drover_result_t *r);
void drover_result_free (drover_result_t **r);

typedef struct drover_pair {
    drover_bytes_t name;
    drover_bytes_t value;
} drover_pair_t;

/* The next record of the present REPLY, from *at (0 at first) on: up to `max` pairs are filled.
 * Returns how many pairs the record has and moves *at; -1 behind the last. */
int drover_reply_record (const drover_event_t *event, size_t *at, drover_pair_t *pairs, size_t max);

/* --- commands: what stands between the user's words and a line for the job shell --- */

enum drover_command_flag {
    DROVER_COMMAND_QUOTE = 1,     /* the words are quoted too: no shell syntax is live in them */
    DROVER_COMMAND_NO_APPEND = 2, /* do not append {} where no replacement string is used */
    DROVER_COMMAND_RAW = 4,       /* values are inserted as they are (tags, not command lines) */
    DROVER_COMMAND_SPREAD = 8,    /* several values a job: a word with {} is repeated for each */
    DROVER_COMMAND_STAGE = 16 /* for drover_batch_then(): {} is the output of the stage before */
};

typedef struct drover_command_options {
    const char *const *words; /* of the command, NULL behind the last; none: the values are lines */
    unsigned flags;           /* enum drover_command_flag */
    const char *replace;      /* the string in place of {}; NULL: {} */
    const char *const *names; /* of the values, for {name}; NULL behind the last; NULL: none */
} drover_command_options_t;

/* Compile a template as GNU Parallel would read it: {} {.} {/} {//} {/.} {#} {%} {n} {-n} ...
 * For drover_command_free(). NULL with DROVER_EINVAL or DROVER_ETOOBIG. */
drover_command_t *drover_command_new (const drover_command_options_t *options, drover_error_t *e);
void drover_command_free (drover_command_t **c);

/* The text for these values, job number (from 1) and slot number (from 1), as the worker will make
 * it. *text is NUL-terminated (though values may hold anything), and valid until the next call with
 * this command. 0 or -1. */
int drover_command_expand (drover_command_t *c, const drover_bytes_t *values, size_t count,
                           uint64_t seq, unsigned slot, const char **text, size_t *len,
                           drover_error_t *e);

/* --- specs --- */

enum drover_spec_flag {
    DROVER_SPEC_LIVE_OUTPUT = 1,    /* output comes at once, as DROVER_EVENT_OUTPUT */
    DROVER_SPEC_LIVE_INPUT = 2,     /* stdin comes from drover_input(); batches with `input` */
    DROVER_SPEC_LEAVE_CHILDREN = 4, /* what a task leaves running stays */
    DROVER_SPEC_ROW_INPUT = 8,      /* the last value of a row is the task's stdin */
    DROVER_SPEC_MERGE_STDERR = 16,  /* stderr goes where stdout goes */
    DROVER_SPEC_CANCEL_FD = 64      /* a command gets a descriptor, with its number in
                                       DROVER_CANCEL_FD, that becomes readable when the task is
                                       cancelled or over its time limit, half its grace (1 s at the
                                       most) before TERM: a line "cancelled", "timeout" or "lost" */
};

enum drover_steps {
    DROVER_STEPS_GRACE,   /* a time limit ends a task with TERM, grace_ms, KILL */
    DROVER_STEPS_PARALLEL /* as GNU Parallel: TERM TERM TERM KILL, 200, 100 and 50 ms apart */
};

/* A line for the job shell, made from a template for each row. The command is copied. NULL when
 * there is no memory. */
drover_spec_t *drover_spec_new_shell (const drover_command_t *c);

/* A program with its arguments (NULL behind the last), without a shell. Rows have no values, but
 * with DROVER_SPEC_ROW_INPUT. */
drover_spec_t *drover_spec_new_argv (const char *const *argv);

/* A function "module:name" that workers loaded; a row's value is its argument. */
drover_spec_t *drover_spec_new_function (const char *name);

void drover_spec_free (drover_spec_t **s);

/* Setters. Texts are copied; where one is too long, drover_batch_add_spec() says so. Defaults: the
 * worker's own directory, an empty environment, 1 slot, no time limit, 5000 ms of grace, the
 * present umask, /bin/sh, every byte of output. */
void drover_spec_dir (drover_spec_t *s, const char *dir);
void drover_spec_shell (drover_spec_t *s, const char *shell);
void drover_spec_cpus (drover_spec_t *s, unsigned slots);
void drover_spec_timeout (drover_spec_t *s, uint64_t timeout_ms);
void drover_spec_grace (drover_spec_t *s, uint64_t grace_ms);
void drover_spec_steps (drover_spec_t *s, int steps); /* enum drover_steps */
void drover_spec_umask (drover_spec_t *s, unsigned mask);
void drover_spec_flags (drover_spec_t *s, unsigned flags);    /* enum drover_spec_flag, added */
void drover_spec_keep (drover_spec_t *s, uint64_t max_bytes); /* of each stream; 0: all */

/* The environment of the tasks: a copy of these NAME=value strings (NULL behind the last), without
 * those of drover_environment_excluded(). 0, or -1 with DROVER_ENOMEM or DROVER_ETOOBIG. */
int drover_spec_environment (drover_spec_t *s, char *const *environment, drover_error_t *e);

/* The names that drover_spec_environment() leaves out, NULL behind the last. A name that ends in *
 * stands for all that begin with what is before it. */
const char *const *drover_environment_excluded (void);

/* --- batches --- */

enum drover_batch_flag {
    DROVER_DETACHED = 1,     /* lives on without its client; results are kept until forgotten */
    DROVER_AT_MOST_ONCE = 2, /* a row that may have started is never run again */
    DROVER_EACH_SPEC = 4,    /* row r runs as spec r */
    DROVER_ORDERED = 8,      /* rows of one key run one after another, in the order in which they
                                were added; implies DROVER_EXCLUSIVE. drover_batch_add_keyed() */
    DROVER_INPUT = 16,       /* rows get live input */
    DROVER_EXCLUSIVE = 32    /* never two runs of a row at one time, not even where a worker was cut
                                off: it ends the row before another worker may have it */
};

/* Which outcomes are run again, while there are `runs`. A row whose worker was lost always is: that
 * counts as no run, see crash_limit. */
enum drover_retry_on {
    DROVER_RETRY_FAILED = 1, /* an exit status other than 0, or it could not be started */
    DROVER_RETRY_SIGNAL = 2, /* ended by a signal */
    DROVER_RETRY_TIMEOUT = 4,
    DROVER_RETRY_LOST = 8 /* and where crash_limit is 0, `runs` is the crash limit */
};

/* How a batch is to have ended before another one runs: all done; in any way; not all done. */
enum drover_after_when { DROVER_AFTER_OK, DROVER_AFTER_ANY, DROVER_AFTER_FAIL };

typedef struct drover_after {
    uint64_t batch; /* the broker's number: drover_batch_id() */
    int when;       /* enum drover_after_when */
} drover_after_t;

typedef struct drover_batch_options {
    const char *name;     /* for people */
    const char *key;      /* the same key again means the same batch; NULL: none. What is said again
                             is compared: DROVER_ECONFLICT, if it differs */
    int whole_chunks;     /* 1: rows leave only when a chunk is full, and with the end of the batch:
                             for a key that is used again, since the same rows must make the same
                             chunks. Where the batch was there already, nothing comes of it before
                             the end: it is compared first */
    unsigned flags;       /* enum drover_batch_flag */
    unsigned jobs;        /* greatest number of tasks at one time, over all workers; 0: no limit */
    unsigned priority;    /* 1-100, higher first; 0: 50 */
    uint64_t deadline_ms; /* for the whole batch, from now; 0: none */
    unsigned runs;     /* greatest number of runs of a task, up to 1000; 0: 1. Its outcome is that
                          of the last one */
    unsigned retry_on; /* enum drover_retry_on; 0, without retry_exits: all but the last */
    unsigned char retry_exits[32]; /* likewise exit status n: bit n % 8 of byte n / 8 */
    uint64_t retry_delay_ms;       /* before the second run; doubled for each further one, and up to
                                      a half more, by chance; 0: none */
    uint64_t retry_delay_max_ms;   /* before it is spread; 0: 10 minutes, or the delay if longer */
    unsigned crash_limit;  /* a task that was running when so many workers were lost is parked, up
                              to 1000; 0: the broker's default, 3 */
    uint64_t result_bytes; /* undelivered results the broker may hold before it waits for us; 0: its
                              default */
    uint64_t max_pending;  /* unfinished rows above which drover_batch_room() says 0; 0: no limit */
    void *user;            /* for the caller: drover_batch_user() */
    drover_cancel_source_t *cancel; /* the whole batch is cancelled with it; NULL: none */
    const drover_after_t *after; /* it runs when these are over, and have ended so; else its tasks
                                    are DROVER_SKIPPED. DROVER_EUNKNOWN: no such batch. Copied */
    size_t after_count;          /* up to 256 */
} drover_batch_options_t;

/* Open a batch. Options may be NULL. It belongs to the handle; drover_batch_free() gives it back
 * earlier. NULL with an error. */
drover_batch_t *drover_batch_open (drover_t *h, const drover_batch_options_t *options,
                                   drover_error_t *e);

/* Forget a batch: no more events of it. One that is not finished is not cancelled by that: its
 * tasks go on, a detached one to its end, an attached one as long as the session. NULL is fine. */
void drover_batch_free (drover_batch_t **b);

void *drover_batch_user (const drover_batch_t *b);

/* Add what rows may run. Returns its number, from 0, or -1. */
int drover_batch_add_spec (drover_batch_t *b, const drover_spec_t *s, drover_error_t *e);

#define DROVER_STAGES_MAX 32

/* Make a pipeline of a batch, or a longer one: what ends well in the last stage goes on, without a
 * barrier between the stages, to this one, and is done when it is done there. To be called before
 * the first row is added; returns the number of the stage, from 2, or -1.
 *
 * Rows are added to the batch as ever, each is an item; there is one RESULT for each item, from the
 * stage in which it ended (`stage`, with the stages before it at `before`), and one END. A stage
 * that does not end well ends its item. Of `s` and `options` (may be NULL) each stage has its own
 * jobs, cpus, retries and limits; `priority` 0: above the stage before. No live input or output, no
 * detached batches.
 *
 * The stdout of a stage is the stdin of the next one; where that is a function, its argument; where
 * its command was made with DROVER_COMMAND_STAGE and holds {} or a part of it, this is the stdout,
 * less one newline at its end, and there is no stdin. In such a command {1} {2} ... are the item's
 * own values, and {#} is its number. Output over the limit of a row (8 MiB) ends its item as
 * failed. In an ordered batch the keys hold within each stage.
 *
 * A stage is given no more rows while the one behind it has more than enough to do, so memory is
 * bounded. Cancelling the batch, as a whole only, cancels all stages; it is answered when the
 * processes of all of them are gone. */
int drover_batch_then (drover_batch_t *b, const drover_spec_t *s,
                       const drover_batch_options_t *options, drover_error_t *e);

/* Add one task, to be run as spec number `spec` with these values (copied). Returns its row, or -1:
 * DROVER_ETOOBIG names the limit and the size, DROVER_ELOST: the broker is gone. Rows are packed
 * and leave when a chunk is full, or with drover_flush() or drover_next(). Never waits: ask
 * drover_batch_room() first. */
int64_t drover_batch_add (drover_batch_t *b, int spec, const drover_bytes_t *values, size_t count,
                          drover_error_t *e);

/* The same for a batch with DROVER_ORDERED, where each row has a key (copied, up to 32 KiB, may be
 * empty): a row starts when the one before it of the same key has its outcome, whatever that is,
 * and after all its runs. Rows of other keys do not wait for it. Rows that drover_retry() runs
 * again go behind all of their key that have not ended. */
int64_t drover_batch_add_keyed (drover_batch_t *b, int spec, drover_bytes_t key,
                                const drover_bytes_t *values, size_t count, drover_error_t *e);

/* How many rows may be added now without piling up memory. 0: wait for DROVER_EVENT_ROOM. */
uint64_t drover_batch_room (drover_batch_t *b);

/* No more rows. 0 or -1. */
int drover_batch_close (drover_batch_t *b, drover_error_t *e);

/* Rows added. */
uint64_t drover_batch_rows (const drover_batch_t *b);

/* Rows added and not finished; 0 for attached batches. */
uint64_t drover_batch_pending (const drover_batch_t *b);

/* The broker's number of the batch; 0 before DROVER_EVENT_OPENED. */
uint64_t drover_batch_id (const drover_batch_t *b);

/* Records received so far, for a later drover_attach() that goes on behind them. */
uint64_t drover_batch_record (const drover_batch_t *b);

/* Take up the results of a batch that exists, from record `from_record` on (1 or 0: all). `follow`
 * 0: what there is now, then END with DROVER_BATCH_RUNNING. Where there is no such batch,
 * DROVER_EVENT_REFUSED says so. NULL with an error. */
drover_batch_t *drover_attach (drover_t *h, uint64_t id, uint64_t from_record, int follow,
                               void *user, drover_error_t *e);

/* Live stdin of a row. Returns how many of the bytes were taken, 0 when the task must first take
 * what it has (DROVER_EVENT_INPUT_ROOM follows), -1 with an error. */
int64_t drover_input (drover_batch_t *b, uint64_t row, const void *bytes, size_t len,
                      drover_error_t *e);
int drover_input_end (drover_batch_t *b, uint64_t row, drover_error_t *e);

/* Send a signal to the process group of a row. */
int drover_signal (drover_batch_t *b, uint64_t row, int signo, drover_error_t *e);

/* --- requests: each returns a ref (never 0) at once; DROVER_EVENT_REPLY answers it --------------
 * 0 with an error when the session is over. */

typedef struct drover_cancel_options {
    uint64_t first;     /* of the rows to end */
    uint64_t count;     /* 0: all */
    uint64_t grace_ms;  /* between TERM and KILL; 0: as the spec says */
    int kill;           /* 1: KILL at once */
    const char *reason; /* shown in the outcomes; NULL: none */
    int unstarted;      /* 1: only rows that have not started; what runs goes on to its end */
} drover_cancel_options_t;

/* End rows of a batch of this handle, or of batch number `id`. Options may be NULL: all rows.
 * Answered when they have ended and their processes are gone; reply->value is how long that took,
 * in microseconds. DROVER_EINVAL for single rows that wait for a whole chunk (`whole_chunks`),
 * DROVER_EBUSY for those of a batch that the broker has not taken yet. */
uint64_t drover_batch_cancel (drover_batch_t *b, const drover_cancel_options_t *options,
                              drover_error_t *e);
uint64_t drover_cancel (drover_t *h, uint64_t id, const drover_cancel_options_t *options,
                        drover_error_t *e);

enum drover_condition {
    DROVER_WAIT_ALL,       /* all tasks are finished */
    DROVER_WAIT_COUNT,     /* n are finished */
    DROVER_WAIT_SUCCESSES, /* n are done */
    DROVER_WAIT_PERCENT,   /* n percent are finished */
    DROVER_WAIT_GONE       /* finished, and no process of a cancelled attempt is left */
};

/* Answered when the condition holds (code DROVER_OK), or can no longer come to hold. */
uint64_t drover_wait (drover_t *h, uint64_t id, int condition, uint64_t n, drover_error_t *e);

/* Run rows [first, first + count) (count 0: all) of a detached batch again that ended in one of
 * `hows`: 1 << DROVER_FAILED and so on, not DROVER_DONE. Runs and losses are counted anew.
 * reply->value is how many that were; DROVER_ECONFLICT: the batch is attached, or being cancelled.
 * Done once, also over a restart. drover_attach() tells their earlier outcomes as well: of a row
 * the one with the highest attempt counts, and none while it waits or runs again. */
uint64_t drover_retry (drover_t *h, uint64_t id, uint64_t first, uint64_t count, unsigned hows,
                       drover_error_t *e);

/* Forget a batch that is over, with its results. DROVER_ECONFLICT: it is not over, DROVER_EBUSY:
 * somebody reads its results. Where the broker was restarted before it answered, a batch that is
 * not there any more counts as forgotten. */
uint64_t drover_forget (drover_t *h, uint64_t id, drover_error_t *e);

enum drover_change {
    DROVER_CHANGE_JOBS = 1,
    DROVER_CHANGE_PRIORITY = 2,
    DROVER_CHANGE_DEADLINE = 4,
    DROVER_CHANGE_NAME = 8
};

typedef struct drover_set_options {
    unsigned changes;     /* enum drover_change: which of these are meant */
    unsigned jobs;        /* as in drover_batch_options_t; 0: no limit */
    unsigned priority;    /* 0: 50 */
    uint64_t deadline_ms; /* from now; 0: none any more */
    const char *name;     /* NULL: none */
} drover_set_options_t;

/* Change a batch that is not over, also one of another client. A lower limit of jobs ends nothing:
 * what runs goes on to its end. DROVER_ECONFLICT: the batch is over. */
uint64_t drover_set (drover_t *h, uint64_t id, const drover_set_options_t *options,
                     drover_error_t *e);

typedef struct drover_peek { /* how far somebody has read the output of a task */
    uint64_t attempt;        /* 0: not begun */
    uint64_t out_at;         /* bytes of its stdout */
    uint64_t err_at;
} drover_peek_t;

/* What a task has printed behind `from` (NULL: from its beginning), at most 64 KiB of each stream.
 * With `wait` the answer comes when there is more, or the task has ended; it may get lost where its
 * worker is: ask again when none has come in a second. One record: state (waiting: it has not
 * started, running, away: its worker is, hidden: its worker cannot show it, ended: its outcome has
 * the rest), attempt, out_at, out, err_at, err. drover_follow() does all of this. */
uint64_t drover_peek (drover_t *h, uint64_t id, uint64_t row, const drover_peek_t *from, int wait,
                      drover_error_t *e);

enum drover_what {
    DROVER_QUERY_STATUS,  /* one record: the broker */
    DROVER_QUERY_BATCHES, /* one for each batch */
    DROVER_QUERY_BATCH,   /* one for batch `id` */
    DROVER_QUERY_TASKS,   /* one for each row of [first, first + count) of batch `id`; the broker
                             may leave out the last: ask again from there, until there is none */
    DROVER_QUERY_WORKERS  /* one for each worker */
};

/* Answered by one or more replies with records; those before the last have `more` 1. `filter`: as
 * the broker understands it (doc/PROTOCOL.md), may be NULL. */
uint64_t drover_query (drover_t *h, int what, uint64_t id, uint64_t first, uint64_t count,
                       const char *filter, drover_error_t *e);

/* Answered when the worker runs nothing any more. It then ends, with status 0. */
uint64_t drover_drain_worker (drover_t *h, const char *name, drover_error_t *e);

/* Answered when all batches of the broker are over and their clients have heard of it. Until the
 * request is dropped, or this handle closed, it takes no new ones (DROVER_EBUSY). It then waits for
 * drover_stop_broker(). 0 with DROVER_EINVAL for a private one. */
uint64_t drover_drain_broker (drover_t *h, drover_error_t *e);

/* Stop the broker, as TERM does, and wait until nobody listens at its address any more: a broker
 * may then be started on its address and its state. 0, or -1: DROVER_ETIME when it is still there
 * after `timeout_ms`, DROVER_EINVAL for a private one. The session is over either way. */
int drover_stop_broker (drover_t *h, int64_t timeout_ms, drover_error_t *e);

/* Nobody waits for this ref any more. A cancellation is carried out all the same, as soon as the
 * broker can. */
void drover_drop (drover_t *h, uint64_t ref);

/* --- requests that wait --- */

/* Called for each record of an answer; other than 0 stops. */
typedef int drover_record_fn (const drover_pair_t *pairs, size_t count, void *arg);

/* Wait for the answer to a request: 0 when its last reply came with DROVER_OK; -1 with its code and
 * text, DROVER_ETIME (the ref is dropped), or DROVER_ELOST (the broker is gone, or was restarted
 * when `fn` had some of the records: ask again). `fn` (may be NULL) gets the records,
 * `value` (may be NULL) the value of the last reply. Other events are kept for drover_next(). */
int drover_await (drover_t *h, uint64_t ref, int64_t timeout_ms, drover_record_fn *fn, void *arg,
                  uint64_t *value, drover_error_t *e);

/* Called for each piece of output; other than 0 stops. Where `offset` is beyond what came before of
 * the stream, what is between is not kept; where `attempt` is a new one, the task runs again and
 * begins anew. */
typedef int drover_output_fn (const drover_output_t *output, void *arg);

/* The output of one task, running or not, of a batch of any client: what there is now, or with
 * `follow` until the task has ended, however often it runs again. A reader that is slow holds up
 * nobody. 0; -1 with an error, DROVER_EUNKNOWN: there is no such batch or task, DROVER_ETIME:
 * timeout_ms (-1: none) is over, DROVER_ESTOPPED. Events are kept for drover_next(). */
int drover_follow (drover_t *h, uint64_t id, uint64_t row, int follow, int64_t timeout_ms,
                   drover_output_fn *fn, void *arg, drover_error_t *e);

/* The value of a pair by name, or an empty one; and as a number, or `otherwise`. */
drover_bytes_t drover_pair_find (const drover_pair_t *pairs, size_t count, const char *name);
uint64_t drover_pair_number (const drover_pair_t *pairs, size_t count, const char *name,
                             uint64_t otherwise);

/* --- was it worth it? --- */

/* Figures of a batch, of a fixed size however many tasks it has. To be zeroed first. */
typedef struct drover_worth {
    /* what drover_worth_add() counts */
    uint64_t tasks;
    uint64_t ran;        /* of these: the others were not started */
    uint64_t not_done;   /* neither done nor cancelled */
    uint64_t again;      /* had more than one run */
    uint64_t work_us;    /* how long they ran, summed */
    uint64_t metered_us; /* of that: of tasks whose processor time is known, which are commands */
    uint64_t cpu_us;     /* their processor time */
    uint64_t longest_us;
    uint64_t longest_row;
    uint64_t longest_start_us;
    uint64_t first_start_us; /* by the clocks of the hosts, since the epoch; 0: none */
    uint64_t last_end_us;
    uint64_t host_hash;
    int hosts; /* 0, 1, or 2: several */
    /* what the caller may say; 0: not known */
    uint64_t wall_us;       /* of the batch, from its first row on */
    uint64_t starved_us;    /* of that: there were no rows to run */
    uint64_t sequential_us; /* the same tasks one after another, measured, ... */
    uint64_t parallel_us;   /* ... and in parallel, measured in the same way */
    uint64_t slots;         /* how many of the tasks can run at one time */
    uint64_t cores;         /* of the hosts with these slots */
    uint64_t asked;         /* the user wanted no more than so many at one time (-j) */
    int shared;             /* 1: the slots are those of a shared broker, and not made by -j */
    int functions;          /* 1: the tasks are functions */
    uint64_t values;        /* of a task (-n) */
    uint64_t keys;          /* ordered: how many keys have tasks, ... */
    uint64_t key_tasks;     /* ... and how many tasks the key has that has most */
} drover_worth_t;

/* Count an outcome. */
void drover_worth_add (drover_worth_t *w, const drover_result_t *r);

enum drover_rule {
    DROVER_RULE_SEQUENTIAL, /* one after another is faster */
    DROVER_RULE_SMALL,      /* tasks too small for their overhead */
    DROVER_RULE_STRAGGLER,  /* one task rules the time of all: `row` */
    DROVER_RULE_FEW,        /* fewer tasks than slots */
    DROVER_RULE_WAITING,    /* tasks wait more than they compute, and more could wait at one time */
    DROVER_RULE_ONE_CORE,   /* one core, or one slot, does it all */
    DROVER_RULE_SLOTS,      /* more tasks at one time than cores, which are busy */
    DROVER_RULE_KEYS,       /* the order leaves too little to run at one time */
    DROVER_RULES
};

typedef struct drover_advice {
    int rule;         /* enum drover_rule */
    uint64_t gain_us; /* what following it may save, at the most; an estimate */
    uint64_t row;
    char text[160]; /* what was seen, in figures: no newline, no full stop */
    char mend[160]; /* what to do */
} drover_advice_t;

/* "sequential", "small", ...; never NULL. */
const char *drover_rule_name (int rule);

/* What to do better: up to `max` rules that apply, the strongest first. Returns how many apply: 0
 * when nothing is wrong, or too little is known to say. */
size_t drover_advise (const drover_worth_t *w, drover_advice_t *advice, size_t max);

/* --- a loop in one call -------------------------------------------------------------------------
 * Each opens a batch, runs it and returns when it is over: 0 when all tasks are done, 1 when some
 * are not, -1 with an error. Events of other batches are kept for drover_next(). `options` may be
 * NULL; with their `deadline_ms` or `cancel` the call has a time-out, or can be ended. */

/* Called for each outcome, in order of completion; other than 0 cancels the rest (-1,
 * DROVER_ESTOPPED). */
typedef int drover_result_fn (const drover_result_t *result, void *arg);

/* The values of task number `row`: fills `*value` and returns 1, or 0 when there are no more, or -1
 * to stop. The bytes need to live until the next call. */
typedef int drover_value_fn (uint64_t row, drover_bytes_t *value, void *arg);

/* Run the spec once for each value. */
int drover_foreach (drover_t *h, const drover_spec_t *s, const drover_batch_options_t *options,
                    drover_value_fn *next, drover_result_fn *fn, void *arg, drover_error_t *e);

/* What drover_foreach_compare() measured. */
typedef struct drover_comparison {
    uint64_t parallel_us; /* from the opening of the batch to its last outcome */
    uint64_t sequential_us;
    int sequential; /* what the second run came to: 0 all tasks are done, 1 some are not */
} drover_comparison_t;

/* As drover_foreach(), and when all is over once more, one task at a time: so each task runs twice,
 * and `next` is asked again from row 0 on, and has to give the same. `fn` gets the outcomes of the
 * first run; in the second it is not called. Returns what drover_foreach() would have; where the
 * second run fails -1, with *c telling the first time and `sequential_us` 0. */
int drover_foreach_compare (drover_t *h, const drover_spec_t *s,
                            const drover_batch_options_t *options, drover_value_fn *next,
                            drover_result_fn *fn, void *arg, drover_comparison_t *c,
                            drover_error_t *e);

/* Run one task. `*result` (may be NULL) is for the caller to free. */
int drover_run (drover_t *h, const drover_spec_t *s, const drover_batch_options_t *options,
                const drover_bytes_t *values, size_t count, drover_result_t **result,
                drover_error_t *e);

/* Run different specs at the same time, each once, without values. */
int drover_invoke (drover_t *h, const drover_spec_t *const *specs, size_t count,
                   const drover_batch_options_t *options, drover_result_fn *fn, void *arg,
                   drover_error_t *e);

#ifdef __cplusplus
}
#endif

#include "drover_task.h"

#endif
