/* Replay: random histories of clients and workers, and after each step a second scheduler from the
 * records, in either order in which stores may give them, that must be what the first one is. And
 * what must come of it when the broker dies in the middle: every row once, nothing lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/sched.h"
#include "common/base/buf.h"
#include "tests/sim/store_test.h"
#include "tests/unit/sched_harness.h"

enum { CLIENTS = 2, WORKERS = 3, HISTORIES = 60, STEPS = 100, PEERS_MAX = 64 };

struct history {
    struct bed *b;
    struct store_test *t;
    struct peer *client[CLIENTS];
    struct peer *worker[PEERS_MAX];
    size_t n_workers;
    uint64_t handle, ref;
    uint64_t rng;
    char after[VIEWS_MAX * CLIENTS * 4][32]; /* of OPENs: borrowed for good */
    size_t n_after;
};

static uint64_t roll (struct history *h, uint64_t n)
{
    h->rng += 0x9e3779b97f4a7c15u;
    uint64_t z = h->rng;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

/* --- the same again --- */

static struct buf dump_of (const struct sched *s)
{
    struct buf text;
    buf_init (&text, SIZE_MAX);
    sched_dump (s, &text);
    buf_putc (&text, '\0');
    return text;
}

/* The first line that differs. */
static void show_difference (const char *live, const char *again)
{
    while (*live && *live == *again) {
        const char *line = live;
        while (*live && *live == *again && *live != '\n')
            live++, again++;
        if (*live != *again) {
            again -= live - line;
            live = line;
            break;
        }
        live++;
        again++;
    }
    fail_msg ("lived:    %.*s\nreplayed: %.*s", (int)strcspn (live, "\n"), live,
              (int)strcspn (again, "\n"), again);
}

static void check_replay (struct history *h)
{
    struct buf live = dump_of (bed_sched (h->b));
    for (int by_batch = 0; by_batch <= 1; by_batch++) {
        struct err e;
        h->t->by_batch = by_batch;
        struct turn *t = turn_new (&h->b->cfg, h->b->store, &e);
        if (!t || sched_check (turn_sched (t), &e) < 0)
            fail_msg ("%s", e.text);
        struct buf again = dump_of (turn_sched (t));
        if (strcmp ((char *)live.bytes, (char *)again.bytes) != 0)
            show_difference ((char *)live.bytes, (char *)again.bytes);
        buf_fini (&again);
        turn_free (&t);
    }
    buf_fini (&live);
}

/* --- what happens --- */

static struct peer *some_client (struct history *h)
{
    return h->client[roll (h, CLIENTS)];
}

static struct peer *some_worker (struct history *h)
{
    return h->n_workers ? h->worker[roll (h, h->n_workers)] : NULL;
}

static struct view *some_view (struct history *h, struct peer *c)
{
    return c->n_views ? &c->views[roll (h, c->n_views)] : NULL;
}

static void ping_all (struct history *h)
{
    struct peer *p;
    struct wire w = {.kind = WIRE_PING};
    LIST_FOREACH (p, &h->b->peers, link)
        if (p->route && !p->deaf)
            peer_say (p, &w);
    bed_settle (h->b);
}

static void pass (struct history *h, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        bed_pass (h->b, US_PER_S);
        ping_all (h);
    }
}

/* One or two batches to run after, or none. */
static struct bytes some_batches (struct history *h)
{
    static const char *const WHEN[] = {"ok", "any", "fail"};
    struct view *one = some_view (h, some_client (h));
    struct view *two = some_view (h, some_client (h));
    if (!one || !two || !one->id || roll (h, 3) || h->n_after == sizeof h->after / sizeof *h->after)
        return bytes_of (NULL, 0);
    char *text = h->after[h->n_after++];
    int len = snprintf (text, sizeof h->after[0], "%d:%s", (int)one->id, WHEN[roll (h, 3)]);
    if (two->id && roll (h, 2))
        snprintf (text + len, sizeof h->after[0] - (size_t)len, ",%d:%s", (int)two->id,
                  WHEN[roll (h, 3)]);
    return bytes_str (text);
}

static void submit (struct history *h)
{
    static const uint64_t FLAGS[] = {0,
                                     BATCH_DETACHED,
                                     BATCH_DETACHED,
                                     BATCH_AT_MOST_ONCE,
                                     BATCH_DETACHED | BATCH_AT_MOST_ONCE,
                                     BATCH_EXCLUSIVE,
                                     BATCH_ORDERED,
                                     BATCH_ORDERED | BATCH_DETACHED,
                                     BATCH_ORDERED | BATCH_AT_MOST_ONCE};
    struct peer *c = some_client (h);
    uint64_t handle = ++h->handle;
    if (c->n_views >= VIEWS_MAX / 2)
        return;
    struct msg_open m = {.batch = handle,
                         .flags = FLAGS[roll (h, sizeof FLAGS / sizeof *FLAGS)],
                         .jobs = roll (h, 5),
                         .priority = roll (h, 3),
                         .runs = roll (h, 4),
                         .retry_on = RETRY_FAILED,
                         .backoff_ms = roll (h, 2) * 1500,
                         .losses = roll (h, 4),
                         .after = some_batches (h)};
    client_open_as (c, &m);
    client_spec (c, handle, 0, FORM_FUNCTION, "echo", roll (h, 6) ? 1 : 2);
    for (uint64_t chunks = 1 + roll (h, 3); chunks; chunks--)
        client_rows (c, handle, 1 + roll (h, 6));
    if (roll (h, 5))
        client_close (c, handle);
}

static void go_on_submitting (struct history *h)
{
    struct peer *c = some_client (h);
    struct view *v = some_view (h, c);
    if (!v || v->closed || v->ended)
        return;
    client_rows (c, v->handle, 1 + roll (h, 8));
    if (roll (h, 2))
        client_close (c, v->handle);
}

static void finish (struct history *h)
{
    static const enum outcome_how HOW[] = {OUTCOME_DONE, OUTCOME_DONE, OUTCOME_FAILED,
                                           OUTCOME_TIMEOUT};
    struct peer *w = some_worker (h);
    if (w && w->n_held)
        worker_finish (w, w->held[roll (h, w->n_held)].batch, 1 + roll (h, 3), HOW[roll (h, 4)],
                       roll (h, 2) ? 50000 : 300);
}

static void print (struct history *h)
{
    struct peer *w = some_worker (h);
    struct wire m = {.kind = WIRE_OUTPUT};
    if (!w || !w->n_held)
        return;
    const struct held *held = &w->held[roll (h, w->n_held)];
    m.m.output.batch = held->batch;
    m.m.output.row = held->row;
    m.m.output.attempt = held->attempt;
    m.m.output.stream = 1;
    m.body[0] = slice_borrowed ("some output", 11);
    peer_post (w, &m);
}

static void give_back (struct history *h)
{
    struct peer *w = some_worker (h);
    if (w && w->n_held)
        worker_return (w, w->held[roll (h, w->n_held)].batch, 1 + roll (h, 3));
}

static void cancel (struct history *h)
{
    struct peer *c = some_client (h);
    struct view *v = some_view (h, c);
    if (!v || v->ended || c->n_asked >= 8)
        return;
    struct msg_cancel m = {.ref = ++h->ref,
                           .batch = v->handle,
                           .first = roll (h, 5),
                           .count = roll (h, 3) ? 1 + roll (h, 5) : 0,
                           .grace_ms = 1000 * roll (h, 3),
                           .kill = roll (h, 4) == 0,
                           .unstarted = roll (h, 4) == 0};
    m.reason = bytes_str (roll (h, 2) ? "the test says so" : "");
    client_cancel_as (c, &m);
}

static void join (struct history *h)
{
    if (h->n_workers < WORKERS)
        h->worker[h->n_workers++] = bed_worker (h->b, "w", 1 + roll (h, 3));
}

static void forget_worker (struct history *h, size_t i)
{
    peer_free (h->worker[i]);
    h->worker[i] = h->worker[--h->n_workers];
}

static void leave (struct history *h)
{
    if (!h->n_workers)
        return;
    size_t i = roll (h, h->n_workers);
    struct wire bye = {.kind = WIRE_BYE};
    peer_say (h->worker[i], &bye);
    bed_settle (h->b);
    forget_worker (h, i);
}

static void lose (struct history *h)
{
    if (!h->n_workers)
        return;
    forget_worker (h, roll (h, h->n_workers));
    pass (h, roll (h, 2) ? 22 : 1);
}

static void client_leaves (struct history *h)
{
    size_t i = roll (h, CLIENTS);
    struct wire bye = {.kind = WIRE_BYE};
    if (roll (h, 2))
        peer_say (h->client[i], &bye);
    bed_settle (h->b);
    peer_free (h->client[i]);
    h->client[i] = bed_client (h->b, "c");
}

static void retry (struct history *h)
{
    struct peer *c = some_client (h);
    struct view *v = some_view (h, c);
    struct wire w = {.kind = WIRE_RETRY};
    if (!v || !v->ended || !(v->open.flags & BATCH_DETACHED))
        return;
    w.m.retry.ref = ++h->ref;
    w.m.retry.id = v->id;
    w.m.retry.hows = roll (h, 256);
    w.m.retry.count = roll (h, 2) ? 1 + roll (h, 6) : 0;
    w.m.retry.first = roll (h, 4);
    w.m.retry.said = roll (h, 20);
    peer_post (c, &w);
}

static void forget (struct history *h)
{
    struct peer *c = some_client (h);
    struct view *v = some_view (h, c);
    struct wire w = {.kind = WIRE_REMOVE};
    if (!v || roll (h, 3))
        return;
    w.m.remove.ref = ++h->ref;
    w.m.remove.id = v->id;
    peer_post (c, &w);
}

static void restart (struct history *h)
{
    if (roll (h, 2))
        bed_turn (h->b); /* something is on its way */
    h->t->by_batch = roll (h, 2);
    bed_restart (h->b, h->t);
}

static void fail_commit (struct history *h)
{
    h->t->fail = true;
    h->t->by_batch = roll (h, 2);
    bed_turn (h->b);
    bed_turn (h->b);
    ping_all (h);
    pass (h, 2);
}

static const struct {
    void (*fn) (struct history *h);
    uint64_t weight;
} HAPPENS[] = {
    {submit, 5},    {go_on_submitting, 4}, {finish, 30},     {print, 3},
    {give_back, 3}, {cancel, 2},           {join, 4},        {leave, 1},
    {lose, 1},      {client_leaves, 1},    {retry, 4},       {forget, 1},
    {restart, 2},   {ping_all, 2},         {fail_commit, 1},
};

static void something (struct history *h)
{
    uint64_t all = 0;
    for (size_t i = 0; i < sizeof HAPPENS / sizeof *HAPPENS; i++)
        all += HAPPENS[i].weight;
    uint64_t at = roll (h, all);
    size_t i = 0;
    while (at >= HAPPENS[i].weight)
        at -= HAPPENS[i++].weight;
    HAPPENS[i].fn (h);
}

/* Everything that was submitted comes to its end. */
static void finish_all (struct history *h)
{
    for (size_t i = 0; i < CLIENTS; i++)
        for (size_t v = 0; v < h->client[i]->n_views; v++)
            if (!h->client[i]->views[v].closed && !h->client[i]->views[v].ended)
                client_close (h->client[i], h->client[i]->views[v].handle);
    bed_worker (h->b, "last", 4);
    pass (h, 70); /* who did not come back is given up */
    bed_run (h->b, 50000);
    pass (h, 1);
    struct sched_figures f = bed_figures (h->b);
    assert_int_equal (f.waiting, 0);
    assert_int_equal (f.granted, 0);
    for (size_t i = 0; i < CLIENTS; i++)
        for (size_t v = 0; v < h->client[i]->n_views; v++)
            assert_true (h->client[i]->views[v].ended);
}

static void live (uint64_t seed)
{
    struct history h = {.rng = seed};
    h.b = bed_new (NULL, store_test_new (&h.t));
    h.b->faithful = true;
    for (size_t i = 0; i < CLIENTS; i++)
        h.client[i] = bed_client (h.b, "c");
    join (&h);
    for (int step = 0; step < STEPS; step++) {
        something (&h);
        if (roll (&h, 3))
            bed_settle (h.b);
        else
            bed_turn (h.b);
        check_replay (&h);
    }
    finish_all (&h);
    check_replay (&h);
    bed_free (&h.b);
}

static void a_replayed_scheduler_is_the_one_that_made_the_records (void **state)
{
    const char *one = getenv ("SEED"); /* a single history, to look at */
    (void)state;
    if (one) {
        live (strtoull (one, NULL, 0));
        return;
    }
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        print_message ("# seed %d\n", (int)seed);
        live (seed);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_replayed_scheduler_is_the_one_that_made_the_records),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
