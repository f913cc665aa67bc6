/* ledger: what really ran where, kept beside the cores, to hold their word against.
 *
 * An execution is fenced when the broker does not count on its worker's session any more. Of a row
 * at most one execution that is not fenced may run; likewise of a slot number of a batch, and -j of
 * them of a batch. A row starts again only when what started it before is fenced, or was to be
 * retried: for a reason that its batch named, not before its delay, and not beyond its runs. Each
 * start has a higher attempt than those before; of an at-most-once batch none is the second; none
 * follows the acknowledgement of a cancellation. A row that takes its worker down each time it runs
 * does so as often as the crash limit says; and of those that do not, no more are parked than
 * workers were lost for other reasons, as each of those was alone with one.
 */
#ifndef DROVER_SIM_LEDGER_H
#define DROVER_SIM_LEDGER_H

#include "common/wire/outcome.h"
#include "tests/sim/fate.h"
#include "tests/sim/sim.h"

struct execution;

struct order {                          /* what the executor was told */
    uint64_t batch, row, attempt, slot; /* batch: ledger_batch() */
    uint64_t token;                     /* of the session that it was granted in */
    uint64_t jobs;
    bool once;      /* at-most-once */
    bool exclusive; /* never two at one time, fenced or not */
    uint64_t after; /* a batch that is to be over first: ledger_batch(); 0: none */
    unsigned keys;  /* ... nor two of one key, nor out of order: turns.h; 0: it has none */
    bool poison;    /* it takes its worker down */
    struct fate_again again;
};

struct ledger *ledger_new (void);
void ledger_free (struct ledger **l);

/* The broker lost its memory, and gives numbers of batches again: those of now are others. */
void ledger_new_era (struct sim *s);
/* A session begins; the batch of that number in its time, as the ledger knows it. */
void ledger_enrol (struct sim *s, uint64_t token);
uint64_t ledger_batch (const struct sim *s, uint64_t token, uint64_t id);
bool ledger_knows (const struct sim *s, uint64_t token); /* one that began, be it over or not */
/* What ran before is known to nobody any more, with batches of the same numbers: no rule joins what
 * was and what comes. */
void ledger_amnesty (struct sim *s);
/* A session that went through it goes on: what it has is soon what the broker knows. */
void ledger_settled (struct sim *s, uint64_t token);

/* A row starts; fails the run where it must not. */
struct execution *ledger_start (struct sim *s, struct host *h, const struct order *o);

/* It ended by itself; or it was killed, and nobody can have its outcome. Sets *x to NULL. */
void ledger_end (struct sim *s, struct execution **x, const struct outcome *o);
void ledger_kill (struct sim *s, struct execution **x);

/* The session's rows are the broker's to give to others. */
void ledger_fence (struct sim *s, uint64_t token);
/* The broker was restarted and does not know that the session had ended. */
void ledger_unfence (struct sim *s, uint64_t token);

/* It takes its worker down now. */
void ledger_down (struct sim *s, struct execution *x);

/* The session's worker was lost; not that it said goodbye. */
void ledger_lost (struct sim *s, uint64_t token);

/* A worker asked for a session, and may be lost with it before it is welcomed; it is. */
void ledger_stray (struct sim *s, bool asks);

/* A row was reported as parked behind that attempt. */
void ledger_parked (struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt);

/* A cancellation of rows [first, first + count) was acknowledged; count 0: of all. */
void ledger_cancelled (struct sim *s, uint64_t batch, uint64_t first, uint64_t count);

/* Rows of it are asked to run again: what was cancelled or had ended may start. And how often that
 * was: a cancellation of before is void. */
void ledger_retried (struct sim *s, uint64_t batch);
unsigned ledger_retries (const struct sim *s, uint64_t batch);

/* A row was reported as ended by that attempt: fails the run where a later one has started; none
 * may from then on. */
void ledger_told (struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt);

/* Whether an attempt of the row ended like that, or was killed. */
bool ledger_ended (const struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt,
                   enum outcome_how how);
bool ledger_killed (const struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt);

/* How often it started. */
unsigned ledger_starts (const struct sim *s, uint64_t batch, uint64_t row);

#endif
