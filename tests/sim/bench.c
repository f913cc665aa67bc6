#include "tests/sim/bench.h"

#include <stdlib.h>

#include "broker/turn.h"
#include "common/base/mem.h"
#include "tests/sim/fake_clock.h"
#include "tests/sim/fake_link.h"
#include "tests/sim/host.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"
#include "tests/sim/store_test.h"
#include "tests/sim/user.h"

struct bench {
    struct sched_config cfg;
    struct store *store;
    struct store_test *disk; /* NULL: memory only */
    struct turn *turn;
    struct link *link;
    uint64_t waiting; /* messages that it has not read */
    int64_t next;     /* when it wakes */
    uint64_t wakes;   /* the number of the wake that counts */
    int64_t paused_until, late_until;
    uint64_t failures; /* of commits */
    uint64_t replays;
};

static void wake_at (struct sim *s, int64_t when);

/* --- what leaves --- */

/* The ledger must know which sessions the broker counts on. */
static void notice (struct sim *s, uint64_t route, const struct wire_frames *f)
{
    struct wire w;
    void *peer = net_peer (s, route);
    if (!peer || wire_decode (&w, f, NULL, NULL) < 0)
        return;
    if (w.kind == WIRE_WELCOME) {
        host_welcomed (s, peer, w.m.welcome.token);
        user_welcomed (s, peer, w.m.welcome.resumed);
    } else if (w.kind == WIRE_ERROR && w.m.error.code == WIRE_LOST) {
        host_given_up (s, peer, s->bench->cfg.lost_us);
    }
    wire_fini (&w);
}

static int on_send (void *arg, uint64_t route, struct wire_frames *f)
{
    struct sim *s = arg;
    notice (s, route, f);
    return net_to_peer (s, route, f);
}

/* --- turns --- */

static void replayed (struct sim *s)
{
    s->bench->replays++;
    sim_trace (s, "the broker was replayed");
    for (unsigned i = 0; i < s->n_hosts; i++)
        host_welcomed (s, s->hosts[i], 0);
}

static void check_replay (struct sim *s)
{
    struct bench *b = s->bench;
    if (!b->disk || b->disk->failures == b->failures)
        return;
    b->failures = b->disk->failures;
    sim_count (s, COUNT_FAILED_COMMITS);
    replayed (s);
}

static void crash_at_once (struct sim *s, void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
    if (!s->calm && bench_crash (s))
        sim_count (s, COUNT_BROKER_CRASHES);
}

static void be_late (struct sim *s)
{
    struct bench *b = s->bench;
    if (!b->disk)
        return;
    if (s->calm || s->now >= b->late_until)
        b->disk->late = 0;
    else if (sim_chance (s, 100))
        b->disk->late = sim_below (s, 30);
    if (b->disk->late && sim_chance (s, 8)) /* what was said too early would be missing */
        sim_at (s, s->now + sim_between (s, 0, 3000), crash_at_once, NULL, 0);
}

static int64_t next_wake (struct sim *s)
{
    struct bench *b = s->bench;
    int64_t at = turn_deadline (b->turn);
    if (b->disk && b->disk->held < b->disk->accepted)
        at = s->now + sim_between (s, 1, 20) * US_PER_MS;
    if (b->waiting)
        at = s->now;
    return at > s->now ? at : s->now + 1;
}

static void turn (struct sim *s)
{
    struct bench *b = s->bench;
    struct err e;
    fake_clock_set (s->now);
    for (unsigned i = 0; i < s->n_hosts; i++)
        host_was_heard (s, s->hosts[i]);
    be_late (s);
    turn_read (b->turn, b->link);
    b->waiting = b->waiting > 256 ? b->waiting - 256 : 0;
    if (turn_finish (b->turn, &e) < 0 || sched_check (turn_sched (b->turn), &e) < 0)
        sim_fail (s, "broker: %s", e.text);
    check_replay (s);
}

static void wake (struct sim *s, void *arg, uint64_t number)
{
    struct bench *b = arg;
    if (number != b->wakes)
        return;
    b->next = CLOCK_NEVER;
    if (s->now < b->paused_until) {
        wake_at (s, b->paused_until);
        return;
    }
    turn (s);
    wake_at (s, next_wake (s));
}

static void wake_at (struct sim *s, int64_t when)
{
    struct bench *b = s->bench;
    if (when >= b->next)
        return;
    b->next = when;
    sim_at (s, when, wake, b, ++b->wakes);
}

void bench_deliver (struct sim *s, void *peer, uint64_t route, struct wire_frames *f)
{
    struct bench *b = s->bench;
    host_spoke (s, peer);
    b->waiting++;
    fake_link_push_take (b->link, route, f);
    wake_at (s, s->now + (int64_t)sim_below (s, 100));
}

/* --- the whole --- */

static void start (struct sim *s)
{
    struct bench *b = s->bench;
    struct err e;
    b->link = fake_link_new (on_send, s);
    fake_clock_set (s->now);
    b->turn = turn_new (&b->cfg, b->store, &e);
    if (!b->turn || turn_add_link (b->turn, b->link, &e) < 0)
        sim_fail (s, "broker: %s", e.text);
}

struct bench *bench_new (struct sim *s, bool durable)
{
    struct bench *b = mem_zalloc (sizeof *b);
    sched_config_defaults (&b->cfg);
    b->cfg.broker_id = 1 + s->seed;
    b->cfg.seed = sim_random (s);
    b->cfg.start_us = s->now;
    if (sim_chance (s, 300)) {
        b->cfg.window_msgs = 4;
        b->cfg.window_bytes = 4096;
    }
    if (s->tight)
        b->cfg.queue_bytes = 20000;
    if (sim_chance (s, 200))
        b->cfg.result_bytes = 4000;
    if (durable && sim_chance (s, 500))
        b->late_until = CLOCK_NEVER;
    b->store = durable ? store_test_new (&b->disk) : store_mem ();
    b->next = CLOCK_NEVER;
    s->bench = b;
    start (s);
    wake_at (s, s->now);
    return b;
}

void bench_free (struct bench **bp)
{
    struct bench *b = *bp;
    *bp = NULL;
    if (!b)
        return;
    turn_free (&b->turn);
    store_close (&b->store);
    fake_link_free (&b->link);
    free (b);
}

void bench_pause (struct sim *s, int64_t us)
{
    s->bench->paused_until = s->now + us;
}

bool bench_late (struct sim *s, int64_t us)
{
    if (s->bench->late_until < s->now + us)
        s->bench->late_until = s->now + us;
    return s->bench->disk;
}

bool bench_fail (struct sim *s)
{
    if (!s->bench->disk)
        return false;
    if (sim_chance (s, 500))
        s->bench->disk->fail = true;
    else
        s->bench->disk->fail_append = true;
    return true;
}

bool bench_crash (struct sim *s)
{
    struct bench *b = s->bench;
    if (!b->disk)
        return false;
    sim_trace (s, "the broker is killed");
    turn_free (&b->turn);
    fake_link_free (&b->link);
    net_cut_all (s);
    store_test_crash (b->disk);
    b->waiting = 0;
    b->cfg.broker_id++;
    b->cfg.seed = sim_random (s);
    start (s);
    replayed (s);
    return true;
}

uint64_t bench_replays (const struct sim *s)
{
    return s->bench ? s->bench->replays : 0;
}

bool bench_is_done (const struct sim *s)
{
    struct sched_figures f = sched_figures (turn_sched (s->bench->turn));
    return f.waiting == 0 && f.granted == 0;
}

uint64_t bench_batches (const struct sim *s)
{
    return sched_figures (turn_sched (s->bench->turn)).batches;
}
