/* attempts: rows that ran before, or may not run yet: which wait for a time, which for another
 * worker, which to be alone; and what is run again. Private to broker/core; core.h has all of it.
 *
 * A row that is like all others has no record here.
 */
#ifndef DROVER_BROKER_CORE_ATTEMPTS_H
#define DROVER_BROKER_CORE_ATTEMPTS_H

#include "broker/core/sched.h"
#include "common/base/hash.h"
#include "common/model/ranges.h"
#include "common/wire/outcome.h"

struct batch;
struct lease;
struct sched;
struct worker;

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
/* How many rows and workers are remembered. */
size_t odd_entries (const struct batch *b);
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
/* Those that wait for a worker, for a time, or for another row. */
uint64_t rows_waiting (const struct batch *b);
bool row_waits (const struct batch *b, uint64_t row);
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

#endif
