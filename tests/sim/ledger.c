#include "tests/sim/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "common/model/ranges.h"
#include "tests/sim/bench.h"
#include "tests/sim/host.h"
#include "tests/sim/store_test.h"
#include "tests/sim/turns.h"

enum {
    ENDS_MAX = 64,
    KILLED = OUTCOME_KINDS,
    ERA_SHIFT = 40,
    LOSSES = 3,                 /* the crash limit where a batch names none, */
    SETTLED_US = 60 * US_PER_S, /* by then a worker that is back has ended what is not its own */
    SURE = 2, /* ... and the least for a culprit to be certain: it has to run alone first */
};

struct key {
    uint64_t batch, row;
};

struct past { /* of a row */
    struct key key;
    unsigned starts;
    unsigned n_ends;
    struct {
        uint64_t attempt;
        unsigned how; /* enum outcome_how, or KILLED */
        bool again;   /* that is a reason to run it once more */
    } ends[ENDS_MAX];
    int64_t ended_us; /* the last of them */
    unsigned again;   /* starts for such a reason */
    unsigned downs;   /* of workers that it took down */
    bool poison, parked, counted;
    bool told;        /* its end was reported */
    uint64_t attempt; /* the highest that started */
    uint64_t token;   /* of the session of the last start that counted */
    bool free;        /* may start again, whoever started it last */
    UT_hash_handle hh;
};

struct execution {
    struct order order;
    struct past *past;
    struct host *host;
    bool void_; /* of before an amnesty */
    LIST_ENTRY (execution) link;
};

struct token { /* of a session that the broker began */
    uint64_t token;
    uint64_t era;
    bool fenced;
    bool down;       /* a row took its worker down */
    int64_t void_us; /* what starts before then is of before an amnesty, ... */
    UT_hash_handle hh;
};

struct retried { /* a batch */
    uint64_t batch;
    unsigned times;
    UT_hash_handle hh;
};

struct ended { /* a batch of which rows were cancelled */
    uint64_t batch;
    bool all;
    struct ranges rows;
    UT_hash_handle hh;
};

struct ledger {
    struct past *rows;
    struct token *tokens;
    struct ended *ended;
    struct retried *retried;
    struct turns *turns;
    uint64_t highest;   /* batch of which a row started */
    uint64_t void_upto; /* ... if its batch is lower than that */
    unsigned lost;      /* workers, by no fault of a row */
    unsigned innocents; /* parked */
    LIST_HEAD (, execution) running;
    uint64_t era;
};

struct ledger *ledger_new (void)
{
    struct ledger *l = mem_zalloc (sizeof *l);
    LIST_INIT (&l->running);
    return l;
}

static void forget_rows (struct ledger *l)
{
    struct past *p, *tmp;
    HASH_ITER (hh, l->rows, p, tmp) {
        HASH_DEL (l->rows, p);
        free (p);
    }
}

static void forget_retried (struct ledger *l)
{
    struct retried *r, *tmp;
    HASH_ITER (hh, l->retried, r, tmp) {
        HASH_DEL (l->retried, r);
        free (r);
    }
}

static void forget_ended (struct ledger *l)
{
    struct ended *e, *tmp;
    HASH_ITER (hh, l->ended, e, tmp) {
        HASH_DEL (l->ended, e);
        ranges_fini (&e->rows);
        free (e);
    }
}

void ledger_free (struct ledger **lp)
{
    struct ledger *l = *lp;
    struct token *t, *tmp;
    *lp = NULL;
    if (!l)
        return;
    while (!LIST_EMPTY (&l->running)) {
        struct execution *x = LIST_FIRST (&l->running);
        LIST_REMOVE (x, link);
        free (x);
    }
    forget_rows (l);
    forget_ended (l);
    forget_retried (l);
    turns_forget (&l->turns);
    HASH_ITER (hh, l->tokens, t, tmp) {
        HASH_DEL (l->tokens, t);
        free (t);
    }
    free (l);
}

void ledger_new_era (struct sim *s)
{
    s->ledger->era++;
}

static struct token *find_token (const struct ledger *l, uint64_t token)
{
    struct token *t = NULL;
    HASH_FIND (hh, l->tokens, &token, sizeof token, t);
    return t;
}

void ledger_enrol (struct sim *s, uint64_t token)
{
    struct token *t = find_token (s->ledger, token);
    if (t)
        sim_fail (s, "two sessions have one token");
    t = mem_zalloc (sizeof *t);
    t->token = token;
    t->era = s->ledger->era;
    HASH_ADD (hh, s->ledger->tokens, token, sizeof t->token, t);
}

bool ledger_knows (const struct sim *s, uint64_t token)
{
    return find_token (s->ledger, token);
}

uint64_t ledger_batch (const struct sim *s, uint64_t token, uint64_t id)
{
    const struct token *t = find_token (s->ledger, token);
    return (t ? t->era : s->ledger->era) << ERA_SHIFT | id;
}

void ledger_amnesty (struct sim *s)
{
    struct execution *x;
    LIST_FOREACH (x, &s->ledger->running, link) {
        x->void_ = true;
        x->past = NULL;
    }
    forget_rows (s->ledger);
    forget_ended (s->ledger);
    turns_forget (&s->ledger->turns);
    s->ledger->innocents = 0;
    for (struct token *t = s->ledger->tokens; t; t = t->hh.next)
        t->void_us = CLOCK_NEVER;
    uint64_t era = s->ledger->highest >> ERA_SHIFT << ERA_SHIFT;
    uint64_t id = s->ledger->highest - era;
    s->ledger->void_upto = era + (id / STORE_TEST_SKIP + 1) * STORE_TEST_SKIP;
}

void ledger_settled (struct sim *s, uint64_t token)
{
    struct token *t = find_token (s->ledger, token);
    if (t && t->void_us)
        t->void_us = s->now + SETTLED_US;
}

static struct past *find (const struct ledger *l, uint64_t batch, uint64_t row)
{
    struct key key = {batch, row};
    struct past *p = NULL;
    HASH_FIND (hh, l->rows, &key, sizeof key, p);
    return p;
}

static bool token_is_fenced (const struct ledger *l, uint64_t token)
{
    const struct token *t = find_token (l, token);
    return !t || t->fenced;
}

static bool is_fenced (const struct sim *s, const struct execution *x)
{
    return x->void_ || token_is_fenced (s->ledger, x->order.token);
}

void ledger_fence (struct sim *s, uint64_t token)
{
    struct token *t = find_token (s->ledger, token);
    if (t)
        t->fenced = true;
}

void ledger_unfence (struct sim *s, uint64_t token)
{
    struct token *t = find_token (s->ledger, token);
    if (t)
        t->fenced = false;
}

/* --- starts --- */

#define ROW(o) (int)(o)->row, (int)((o)->batch & 0xffffffff)

static bool excludes (const struct order *x, const struct order *o)
{
    return o->keys ? x->row % o->keys == o->row % o->keys : x->row == o->row;
}

static void check_exclusive (struct sim *s, const struct host *h, const struct order *o)
{
    const struct execution *x;
    LIST_FOREACH (x, &s->ledger->running, link)
        if (x->order.batch == o->batch && excludes (&x->order, o) && !x->void_ &&
            !host_stood_still (x->host))
            sim_fail (s,
                      "row %d of batch %d is exclusive, and starts at %s while row %d runs at %s",
                      ROW (o), host_name (h), (int)x->order.row, host_name (x->host));
}

/* Against what else runs now. */
static void check_others (struct sim *s, const struct host *h, const struct order *o)
{
    const struct execution *x;
    uint64_t running = 1;
    LIST_FOREACH (x, &s->ledger->running, link) {
        if (x->order.batch != o->batch || is_fenced (s, x))
            continue;
        running++;
        if (x->order.row == o->row)
            sim_fail (s, "row %d of batch %d starts at %s while it runs at %s", ROW (o),
                      host_name (h), host_name (x->host));
        if (x->order.slot == o->slot)
            sim_fail (s, "slot %d of batch %d is used at %s and at %s", (int)o->slot,
                      (int)(o->batch & 0xffffffff), host_name (h), host_name (x->host));
    }
    if (o->jobs && running > o->jobs)
        sim_fail (s, "%d rows of batch %d run, -j is %d", (int)running,
                  (int)(o->batch & 0xffffffff), (int)o->jobs);
    if (!o->slot || (o->jobs && o->slot > o->jobs))
        sim_fail (s, "slot %d of batch %d, -j is %d", (int)o->slot, (int)(o->batch & 0xffffffff),
                  (int)o->jobs);
}

/* How its last attempt ended; -1: it has not, or that is not known any more. */
static int last_end (const struct past *p)
{
    for (unsigned i = p->n_ends; i-- > 0;)
        if (p->ends[i].attempt == p->attempt)
            return (int)i;
    return -1;
}

/* Its holder is there, and has said how it ended. */
static void check_again (struct sim *s, struct past *p, const struct order *o)
{
    int last = last_end (p);
    unsigned runs = o->again.runs ? o->again.runs : 1;
    if (last < 0 && p->n_ends == ENDS_MAX)
        return;
    if (last >= 0 && o->exclusive && p->ends[last].how == KILLED)
        return; /* its worker had to, as the broker could not be heard */
    if (last < 0 || !p->ends[last].again)
        sim_fail (s, "row %d of batch %d starts again, and nobody gave up who had it", ROW (o));
    if (++p->again >= runs)
        sim_fail (s, "row %d of batch %d runs %d times, and is to run %d times", ROW (o),
                  (int)p->again + 1, (int)runs);
    if (s->now < p->ended_us + o->again.backoff_ms * (int64_t)US_PER_MS)
        sim_fail (s, "row %d of batch %d runs again %d ms after its end, and is to wait %d",
                  ROW (o), (int)((s->now - p->ended_us) / US_PER_MS), (int)o->again.backoff_ms);
}

/* Of workers that may be lost with it. */
static unsigned limit_of (const struct fate_again *a)
{
    if (a->losses)
        return a->losses;
    return a->on & RETRY_LOST && a->runs > 1 ? a->runs : LOSSES;
}

static void check_limit (struct sim *s, const struct past *p, const struct order *o)
{
    unsigned limit = limit_of (&o->again);
    if (p->parked)
        sim_fail (s, "row %d of batch %d starts, and was parked", ROW (o));
    if (o->poison && p->downs >= (limit > SURE ? limit : SURE))
        sim_fail (s, "row %d of batch %d starts, and has taken %d workers down", ROW (o),
                  (int)p->downs);
}

/* Against what the row did before. */
static void check_past (struct sim *s, struct past *p, const struct order *o)
{
    if (!p->starts || p->free)
        return;
    if (p->told && !ledger_retries (s, o->batch))
        sim_fail (s, "row %d of batch %d starts as attempt %d, and was told to have ended", ROW (o),
                  (int)o->attempt);
    if (o->once)
        sim_fail (s, "row %d of batch %d starts twice, and is to run at most once", ROW (o));
    if (o->attempt <= p->attempt)
        sim_fail (s, "row %d of batch %d starts as attempt %d behind attempt %d", ROW (o),
                  (int)o->attempt, (int)p->attempt);
    check_limit (s, p, o);
    if (!token_is_fenced (s->ledger, p->token))
        check_again (s, p, o);
}

static void check_cancelled (struct sim *s, const struct order *o)
{
    struct ended *e = NULL;
    HASH_FIND (hh, s->ledger->ended, &o->batch, sizeof o->batch, e);
    if (e && (e->all || ranges_has (&e->rows, o->row)))
        sim_fail (s, "row %d of batch %d starts, and its cancellation was acknowledged", ROW (o));
}

/* Against what comes before it. */
static void check_turns (struct sim *s, const struct order *o)
{
    const struct execution *x;
    LIST_FOREACH (x, &s->ledger->running, link)
        if (o->after && x->order.batch == o->after && !is_fenced (s, x) &&
            !ledger_retries (s, o->after))
            sim_fail (s, "row %d of batch %d starts while row %d of a batch before it runs",
                      ROW (o), (int)x->order.row);
    if (o->keys)
        turns_start (s, &s->ledger->turns, o);
    turns_batches (s, &s->ledger->turns, o);
}

static struct past *past_of (struct sim *s, const struct order *o)
{
    struct past *p = find (s->ledger, o->batch, o->row);
    if (p)
        return p;
    p = mem_zalloc (sizeof *p);
    p->key = (struct key){o->batch, o->row};
    HASH_ADD (hh, s->ledger->rows, key, sizeof p->key, p);
    return p;
}

struct execution *ledger_start (struct sim *s, struct host *h, const struct order *o)
{
    struct execution *x = mem_zalloc (sizeof *x);
    const struct token *t = find_token (s->ledger, o->token);
    x->order = *o;
    x->host = h;
    x->void_ = t && s->now < t->void_us && o->batch < s->ledger->void_upto;
    x->past = past_of (s, o);
    sim_trace (s, "%s starts row %d of batch %d, attempt %d, slot %d", host_name (h), ROW (o),
               (int)o->attempt, (int)o->slot);
    struct past *p = x->past;
    bool counts = !is_fenced (s, x);
    if (o->exclusive && !x->void_ && !host_lags (h))
        check_exclusive (s, h, o);
    if (counts) {
        check_others (s, h, o);
        check_past (s, p, o);
        check_cancelled (s, o);
        if (!x->void_)
            check_turns (s, o);
        p->token = o->token;
        p->free = false;
        p->poison = o->poison;
        p->attempt = o->attempt;
    }
    LIST_INSERT_HEAD (&s->ledger->running, x, link);
    if (o->batch > s->ledger->highest)
        s->ledger->highest = o->batch;
    if (!x->void_ && p->starts++)
        sim_count (s, COUNT_RERUNS);
    return x;
}

/* --- ends --- */

static void note_end (struct sim *s, const struct execution *x, unsigned how, bool again)
{
    struct past *p = x->past;
    if (!p)
        return;
    if (x->order.attempt == p->attempt) /* not of one before, whose worker was given up */
        p->ended_us = s->now;
    if (p->n_ends == ENDS_MAX)
        return;
    p->ends[p->n_ends].attempt = x->order.attempt;
    p->ends[p->n_ends].again = again;
    p->ends[p->n_ends++].how = how;
}

void ledger_end (struct sim *s, struct execution **xp, const struct outcome *o)
{
    struct execution *x = *xp;
    *xp = NULL;
    sim_trace (s, "%s ends row %d of batch %d: %s", host_name (x->host), ROW (&x->order),
               outcome_name (o->how));
    note_end (s, x, o->how, fate_wants_again (&x->order.again, o->how, o->status, o->signal));
    LIST_REMOVE (x, link);
    free (x);
}

void ledger_kill (struct sim *s, struct execution **xp)
{
    struct execution *x = *xp;
    *xp = NULL;
    if (!x)
        return;
    sim_trace (s, "%s: row %d of batch %d is killed", host_name (x->host), ROW (&x->order));
    note_end (s, x, KILLED, x->order.again.on & (RETRY_SIGNAL | RETRY_TIMEOUT | RETRY_LOST));
    LIST_REMOVE (x, link);
    free (x);
}

void ledger_down (struct sim *s, struct execution *x)
{
    struct token *t = find_token (s->ledger, x->order.token);
    if (is_fenced (s, x))
        return;
    t->down = true;
    x->past->downs++;
}

void ledger_lost (struct sim *s, uint64_t token)
{
    const struct token *t = find_token (s->ledger, token);
    if (t && !t->down)
        s->ledger->lost++;
}

void ledger_stray (struct sim *s, bool asks)
{
    if (asks)
        s->ledger->lost++;
    else if (s->ledger->lost)
        s->ledger->lost--;
}

void ledger_parked (struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt)
{
    struct ledger *l = s->ledger;
    struct past *p = past_of (s, &(struct order){.batch = batch, .row = row});
    p->parked |= !p->free && attempt >= p->attempt;
    if (p->poison || p->counted)
        return;
    p->counted = true;
    if (++l->innocents > l->lost)
        sim_fail (s, "row %d of batch %d is parked, and is innocent: %d are, %d workers were lost",
                  (int)row, (int)(batch & 0xffffffff), (int)l->innocents, (int)l->lost);
}

void ledger_cancelled (struct sim *s, uint64_t batch, uint64_t first, uint64_t count)
{
    struct ended *e = NULL;
    HASH_FIND (hh, s->ledger->ended, &batch, sizeof batch, e);
    if (!e) {
        e = mem_zalloc (sizeof *e);
        e->batch = batch;
        HASH_ADD (hh, s->ledger->ended, batch, sizeof e->batch, e);
    }
    e->all |= !count;
    if (count)
        ranges_add (&e->rows, first, first + count);
}

static struct retried *find_retried (const struct ledger *l, uint64_t batch)
{
    struct retried *r = NULL;
    HASH_FIND (hh, l->retried, &batch, sizeof batch, r);
    return r;
}

unsigned ledger_retries (const struct sim *s, uint64_t batch)
{
    const struct retried *r = find_retried (s->ledger, batch);
    return r ? r->times : 0;
}

static void count_retry (struct ledger *l, uint64_t batch)
{
    struct retried *r = find_retried (l, batch);
    if (!r) {
        r = mem_zalloc (sizeof *r);
        r->batch = batch;
        HASH_ADD (hh, l->retried, batch, sizeof r->batch, r);
    }
    r->times++;
}

static void pardon (struct past *p)
{
    p->free = true;
    p->parked = p->told = false;
    p->again = p->downs = 0;
}

static bool is_running (const struct sim *s, const struct past *p)
{
    const struct execution *x;
    LIST_FOREACH (x, &s->ledger->running, link)
        if (x->past == p && !is_fenced (s, x))
            return true;
    return false;
}

void ledger_retried (struct sim *s, uint64_t batch)
{
    struct ended *e = NULL;
    struct past *p;
    count_retry (s->ledger, batch);
    HASH_FIND (hh, s->ledger->ended, &batch, sizeof batch, e);
    if (e) {
        HASH_DEL (s->ledger->ended, e);
        ranges_fini (&e->rows);
        free (e);
    }
    for (p = s->ledger->rows; p; p = p->hh.next)
        if (p->key.batch == batch && !is_running (s, p))
            pardon (p);
}

/* Of a row that is run again on request, who reads on is told of earlier attempts as well. */
void ledger_told (struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt)
{
    struct past *p = find (s->ledger, batch, row);
    if (p)
        p->told = true;
    if (p && attempt < p->attempt && !ledger_retries (s, batch))
        sim_fail (s, "row %d of batch %d is told as ended by attempt %d, and attempt %d had begun",
                  (int)row, (int)(batch & 0xffffffff), (int)attempt, (int)p->attempt);
}

static bool ended_as (const struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt,
                      unsigned how)
{
    const struct past *p = find (s->ledger, batch, row);
    for (unsigned i = 0; p && i < p->n_ends; i++)
        if (p->ends[i].attempt == attempt && p->ends[i].how == how)
            return true;
    return p && p->n_ends == ENDS_MAX;
}

bool ledger_ended (const struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt,
                   enum outcome_how how)
{
    return ended_as (s, batch, row, attempt, how);
}

bool ledger_killed (const struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt)
{
    return ended_as (s, batch, row, attempt, KILLED);
}

unsigned ledger_starts (const struct sim *s, uint64_t batch, uint64_t row)
{
    const struct past *p = find (s->ledger, batch, row);
    return p ? p->starts : 0;
}
