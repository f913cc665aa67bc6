#include "tests/sim/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "tests/sim/bench.h"
#include "tests/sim/host.h"

enum { LOST_US = 20 * US_PER_S, ENDS_MAX = 64 };

struct key {
    uint64_t batch, row;
};

struct past { /* of a row */
    struct key key;
    unsigned starts;
    unsigned n_ends;
    struct {
        uint64_t attempt;
        enum outcome_how how;
    } ends[ENDS_MAX];
    uint64_t last_replays; /* of the broker, when it started last */
    bool last_counted;     /* the broker counted on that start */
    UT_hash_handle hh;
};

struct execution {
    struct order order;
    struct past *past;
    struct host *host;
    uint64_t replays; /* of the broker, when it started */
    LIST_ENTRY (execution) link;
};

struct ledger {
    struct past *rows;
    LIST_HEAD (, execution) running;
};

struct ledger *ledger_new (void)
{
    struct ledger *l = mem_zalloc (sizeof *l);
    LIST_INIT (&l->running);
    return l;
}

void ledger_free (struct ledger **lp)
{
    struct ledger *l = *lp;
    *lp = NULL;
    if (!l)
        return;
    while (!LIST_EMPTY (&l->running)) {
        struct execution *x = LIST_FIRST (&l->running);
        LIST_REMOVE (x, link);
        free (x);
    }
    struct past *p, *tmp;
    HASH_ITER (hh, l->rows, p, tmp) {
        HASH_DEL (l->rows, p);
        free (p);
    }
    free (l);
}

static struct past *find (const struct ledger *l, uint64_t batch, uint64_t row)
{
    struct key key = {batch, row};
    struct past *p = NULL;
    HASH_FIND (hh, l->rows, &key, sizeof key, p);
    return p;
}

static bool is_fenced (const struct sim *s, const struct execution *x)
{
    return x->replays != bench_replays (s) || x->order.token != host_broker_token (x->host) ||
           s->now - host_heard_us (x->host) >= LOST_US;
}

static void check_others (struct sim *s, const struct host *h, const struct order *o)
{
    const struct execution *x;
    uint64_t running = 1;
    LIST_FOREACH (x, &s->ledger->running, link) {
        if (x->order.batch != o->batch || is_fenced (s, x))
            continue;
        running++;
        if (x->order.row == o->row)
            sim_fail (s, "row %d of batch %d starts at %s while it runs at %s", (int)o->row,
                      (int)o->batch, host_name (h), host_name (x->host));
        if (x->order.slot == o->slot)
            sim_fail (s, "slot %d of batch %d is used at %s and at %s", (int)o->slot, (int)o->batch,
                      host_name (h), host_name (x->host));
    }
    if (o->jobs && running > o->jobs)
        sim_fail (s, "%d rows of batch %d run, -j is %d", (int)running, (int)o->batch,
                  (int)o->jobs);
    if (!o->slot || (o->jobs && o->slot > o->jobs))
        sim_fail (s, "slot %d of batch %d, -j is %d", (int)o->slot, (int)o->batch, (int)o->jobs);
}

struct execution *ledger_start (struct sim *s, struct host *h, const struct order *o)
{
    struct execution *x = mem_zalloc (sizeof *x);
    struct past *p = find (s->ledger, o->batch, o->row);
    if (!p) {
        p = mem_zalloc (sizeof *p);
        p->key = (struct key){o->batch, o->row};
        HASH_ADD (hh, s->ledger->rows, key, sizeof p->key, p);
    }
    x->order = *o;
    x->past = p;
    x->host = h;
    x->replays = bench_replays (s);
    bool counts = !is_fenced (s, x);
    if (counts)
        check_others (s, h, o);
    LIST_INSERT_HEAD (&s->ledger->running, x, link);
    /* a broker that was replayed does not know which rows had started */
    if (counts && p->last_counted && o->once && p->last_replays == x->replays)
        sim_fail (s, "row %d of batch %d starts twice, and is to run at most once", (int)o->row,
                  (int)o->batch);
    if (p->starts++)
        sim_count (s, COUNT_RERUNS);
    p->last_replays = x->replays;
    p->last_counted = counts;
    sim_trace (s, "%s starts row %d of batch %d, attempt %d, slot %d", host_name (h), (int)o->row,
               (int)o->batch, (int)o->attempt, (int)o->slot);
    return x;
}

void ledger_end (struct sim *s, struct execution **xp, enum outcome_how how)
{
    struct execution *x = *xp;
    struct past *p = x->past;
    *xp = NULL;
    sim_trace (s, "%s ends row %d of batch %d: %s", host_name (x->host), (int)x->order.row,
               (int)x->order.batch, outcome_name (how));
    if (p->n_ends < ENDS_MAX) {
        p->ends[p->n_ends].attempt = x->order.attempt;
        p->ends[p->n_ends++].how = how;
    }
    LIST_REMOVE (x, link);
    free (x);
}

void ledger_kill (struct sim *s, struct execution **xp)
{
    struct execution *x = *xp;
    *xp = NULL;
    if (!x)
        return;
    sim_trace (s, "%s: row %d of batch %d is killed", host_name (x->host), (int)x->order.row,
               (int)x->order.batch);
    LIST_REMOVE (x, link);
    free (x);
}

bool ledger_ended (const struct sim *s, uint64_t batch, uint64_t row, uint64_t attempt,
                   enum outcome_how how)
{
    const struct past *p = find (s->ledger, batch, row);
    for (unsigned i = 0; p && i < p->n_ends; i++)
        if (p->ends[i].attempt == attempt && p->ends[i].how == how)
            return true;
    return p && p->n_ends == ENDS_MAX;
}
