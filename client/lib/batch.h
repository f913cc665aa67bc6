/* batch: one batch as its client sees it: rows on their way out, and which of them have ended.
 *
 * Rows are packed into chunks; a chunk leaves when it is full, when its spec changes, or when the
 * caller says so. A row that is larger than a piece leaves alone, in parts. What comes back is
 * numbered by records without gaps, and each row ends once, whatever comes twice.
 *
 * Pure: messages go to the session. core.h brings what comes in.
 */
#ifndef DROVER_CLIENT_BATCH_H
#define DROVER_CLIENT_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "client/lib/opening.h"
#include "client/lib/partial.h"
#include "client/lib/session.h"
#include "common/base/buf.h"
#include "common/base/hash.h"
#include "common/model/ranges.h"
#include "common/wire/outcome.h"

#define BATCH_CHUNK_MAX ((size_t)64 << 10)  /* bytes of a chunk */
#define BATCH_CHUNK_ROWS 16384              /* rows of a chunk */
#define BATCH_BACKLOG_MAX ((size_t)1 << 20) /* bytes posted and not acknowledged, before a wait */
#define BATCH_INPUT_WINDOW ((uint64_t)256 << 10) /* live input beyond what the task has taken */
#define BATCH_SPECS_MAX 1000000
#define BATCH_KEY_MAX ((size_t)32 << 10) /* bytes of an ordering key */
#define BATCH_CONFIRM_RECORDS                                                                      \
    1000 /* delivered records are confirmed when there are so many, ...                            \
          */
#define BATCH_CONFIRM_BYTES ((size_t)1 << 20) /* ... or so many bytes of them */

struct input;

struct waits {      /* of a batch, in the channel: restart.c */
    uint64_t chunk; /* the first */
    bool open, close;
};

struct batch {
    UT_hash_handle hh; /* in the core, by handle */
    struct session *session;
    struct store *store;
    void *owner; /* what events name it by */
    uint64_t handle;
    uint64_t id;   /* the broker's number, 0: not known yet */
    uint64_t born; /* which of those that had this number: the broker's word; 0: not known */
    uint64_t flags;
    bool attached; /* not opened here: its rows are not ours */
    bool follow;
    bool opened; /* the broker said its number */
    bool closed;
    bool over;          /* the broker has no more to say about it, or is gone */
    bool ended;         /* END was delivered */
    bool live_output;   /* pieces are delivered as they come */
    bool cuts_output;   /* a spec keeps only so much of it */
    bool whole_chunks;  /* they leave when they are full, and at the end */
    bool wants_room;    /* was told to wait */
    bool futures;       /* each row has one, and no result is an event */
    bool all_done;      /* by the broker's count at its end */
    uint64_t end_state; /* enum wire_batch_state, when it is over, ... */
    char *end_reason;   /* ... and why; NULL: it is not over */

    int specs;
    struct buf chunk; /* rows that have not left */
    struct buf keys;  /* ... and their ordering keys */
    uint64_t chunk_first;
    uint64_t chunk_count;
    int chunk_spec; /* of its first row */
    uint64_t chunks;
    uint64_t specs_said, chunks_said; /* content_chain() of them */
    uint64_t rows;                    /* added */
    uint64_t max_pending;             /* 0: no limit */

    struct opening opening;
    bool told_busy;       /* the user was */
    unsigned put_off;     /* refusals of OPEN whose END is still to come */
    bool reopening;       /* asked a broker that was restarted what it has */
    uint64_t kept_chunks; /* the broker acknowledged so many, ... */
    bool kept_open;       /* ... that there is the batch, ... */
    bool kept_close;      /* ... and its end */
    struct waits waits;

    uint64_t record;    /* the last that came */
    uint64_t trail;     /* of all up to it; 0: some were never asked for */
    uint64_t delivered; /* the last that the program has seen */
    uint64_t confirmed; /* the last of which the broker was told that */
    size_t unconfirmed; /* bytes of those between */
    struct ranges done; /* rows whose outcome was delivered */
    uint64_t tally[OUTCOME_KINDS];
    struct partials partials;
    struct input *inputs; /* uthash by row */
    bool inputs_wait;     /* some of it was not said yet */
};

/* A zeroed batch begins its life; `session` and `store` must outlive it. `open`: it is to be opened
 * so; NULL: it is one to attach to. */
void batch_init (struct batch *b, struct session *session, struct store *store, uint64_t handle,
                 const struct msg_open *open);
void batch_fini (struct batch *b);

/* Queue a numbered message about it. Fails as wire_encode() does. */
int batch_post (struct batch *b, enum chan_lane lane, const struct wire *w, struct err *e);

/* Number of the spec, or -1. `m` and bodies as wire_encode() takes them; batch and spec are set
 * here. */
int batch_add_spec (struct batch *b, struct wire *spec, struct err *e);

/* The row's number, or -1: EINVAL, EMSGSIZE (names limit and size), ENOMEM. */
int64_t batch_add (struct batch *b, int spec, const struct bytes *values, size_t count,
                   struct err *e);

/* The same in a batch with BATCH_ORDERED, where each row has a key. NULL: it has none. */
int64_t batch_add_keyed (struct batch *b, int spec, const struct bytes *key,
                         const struct bytes *values, size_t count, struct err *e);

/* Let a partly filled chunk go. -1 only when there is no memory; then it is still there. */
int batch_flush (struct batch *b, struct err *e);

int batch_close (struct batch *b, struct err *e);

/* Queue CLOSE: behind its rows, or before others' where the broker has them all. */
int batch_say_close (struct batch *b, enum chan_lane lane, struct err *e);

/* Rows that may be added now; 0: wait. `enough` asks for more before it stops being 0, so that a
 * waiter is not woken for single rows. */
uint64_t batch_room (const struct batch *b, bool enough);

static inline uint64_t batch_pending (const struct batch *b)
{
    return b->attached ? 0 : b->rows - b->done.count;
}

/* Count a row as ended; false: it ended before. */
bool batch_finish_row (struct batch *b, uint64_t row, enum outcome_how how);

/* Live input: how many of the bytes were taken, 0: the window is shut, -1. */
int64_t batch_input (struct batch *b, uint64_t row, struct bytes bytes, bool eof, struct err *e);

/* The task has taken its input up to `offset`: true if somebody waits to send more. */
bool batch_input_taken (struct batch *b, uint64_t row, uint64_t offset);

/* Input leaves when its row has, and before other rows that wait: say what may leave by now, or
 * behind all rows, as nobody asks again. */
void batch_say_inputs (struct batch *b, bool last);

/* Say again the input that was not taken. */
void batch_inputs_again (struct batch *b);

/* The program has seen a record of so many bytes; or, with the last, the end of the batch. The
 * broker is told now and then, where it wants to know. */
void batch_seen (struct batch *b, uint64_t record, size_t bytes);
void batch_seen_end (struct batch *b);

#endif
