#include "tests/sim/bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/turn.h"
#include "common/base/mem.h"
#include "tests/sim/cover.h"
#include "tests/sim/fake_clock.h"
#include "tests/sim/fake_link.h"
#include "tests/sim/host.h"
#include "tests/sim/inbox.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"
#include "tests/sim/roll.h"
#include "tests/sim/states.h"
#include "tests/sim/store_test.h"
#include "tests/sim/user.h"

enum {
    READ_MAX = 256,                 /* messages that it takes in one turn */
    AWAKE_GAP_US = 450 * US_PER_MS, /* a longer gap between turns is its own lateness */
    QUEUE_SLACK = 1 << 20,          /* one large row, and what has no bytes of its own */
    STILL_US = 100 * US_PER_MS,     /* no outcome for so long: others may take what waits */
    HOARD_US = 500 * US_PER_MS,     /* by then it must have been asked for */
    FAILURE_US = 20 * US_PER_MS,    /* what a failed commit takes */
};

struct bench {
    struct sched_config cfg;
    struct sim_clock clock;
    struct store *store;
    struct store_test *disk; /* NULL: memory only */
    struct turn *turn;       /* NULL: it is not there */
    struct link *link;
    struct inbox *inbox;
    int64_t next;       /* when it wakes */
    uint64_t wakes;     /* the number of the wake that counts */
    int64_t busy_until; /* with its last turn */
    int64_t paused_until, slow_until, late_until, full_until;
    int64_t block_us;  /* the next commit takes so long */
    int64_t turned_us; /* when the last turn was, by its clock */
    int64_t turn_at;   /* when the present turn began, of s->now */
    int64_t awake_us, began_us;
    uint64_t failures;  /* of commits */
    uint64_t hoarded;   /* a batch of which rows wait where they cannot start, */
    int64_t hoarded_us; /* ... since then, of awake_us */
};

static void wake_at (struct sim *s, int64_t when);

/* --- what leaves --- */

/* At a bad moment: something was said, and the commit of something else does not hold. */
static void crash_at_once (struct sim *s, void *arg, uint64_t n)
{
    (void)arg;
    if (s->calm)
        return;
    if (n ? bench_power_loss (s) : bench_crash (s))
        sim_count (s, n ? COUNT_POWER_LOSSES : COUNT_BROKER_CRASHES);
}

static void tempt_fate (struct sim *s)
{
    const struct bench *b = s->bench;
    if (!b->disk || s->calm || b->disk->held == b->disk->accepted || !sim_chance (s, 3))
        return;
    sim_at (s, s->now + sim_between (s, 0, 3000), crash_at_once, NULL, sim_chance (s, 500));
}

static void worker_dies (struct sim *s, void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
    if (!s->calm && host_crash (s, s->hosts[sim_below (s, s->n_hosts)]))
        sim_count (s, COUNT_AGENT_CRASHES);
}

/* What was cancelled stays so when the broker and who had the rows are others. */
static void tempt_with_a_cancel (struct sim *s)
{
    if (!s->bench->disk || s->calm || !sim_chance (s, 200))
        return;
    sim_at (s, s->now + sim_between (s, 1, 300) * US_PER_MS, crash_at_once, NULL, 0);
    sim_at (s, s->now + sim_between (s, 1, 1500) * US_PER_MS, worker_dies, NULL, 0);
}

static void notice (struct sim *s, uint64_t route, const struct wire_frames *f)
{
    struct wire w;
    if (wire_decode (&w, f, NULL, NULL) < 0)
        return;
    roll_sent (s, route, &w, store_committed (s->bench->store));
    if (w.kind == WIRE_WELCOME)
        user_welcomed (s, net_peer (s, route), &w.m.welcome);
    wire_fini (&w);
}

static int on_send (void *arg, uint64_t route, struct wire_frames *f)
{
    struct sim *s = arg;
    int refusal = net_refuses (s, route);
    if (refusal)
        return refusal;
    if (!s->big) {
        notice (s, route, f);
        tempt_fate (s);
    }
    net_to_peer (s, route, f, s->bench->block_us);
    return 0;
}

/* --- coming and going --- */

static void begin (struct sim *s)
{
    struct bench *b = s->bench;
    struct err e;
    int64_t now = sim_clock_read (s, &b->clock);
    b->cfg.broker_id++;
    b->cfg.seed = sim_random (s);
    b->cfg.start_us = now;
    b->turned_us = now;
    b->began_us = b->awake_us;
    b->busy_until = b->paused_until = b->block_us = 0;
    b->inbox = inbox_new ();
    b->link = fake_link_new (on_send, s);
    fake_clock_set (now);
    b->turn = turn_new (&b->cfg, b->store, &e);
    if (!b->turn || turn_add_link (b->turn, b->link, &e) < 0)
        sim_fail (s, "broker: %s", e.text);
    b->next = CLOCK_NEVER;
    net_up (s);
    wake_at (s, s->now);
}

static void restart (struct sim *s, void *arg, uint64_t n)
{
    struct bench *b = s->bench;
    (void)arg;
    (void)n;
    sim_trace (s, "the broker begins again");
    begin (s);
    roll_restart (s, b->disk, b->disk ? b->disk->held : 0, b->awake_us, b->cfg.reattach_us);
}

/* The process is gone. */
static void vanish (struct sim *s, bool polite)
{
    struct bench *b = s->bench;
    turn_free (&b->turn);
    fake_link_free (&b->link);
    inbox_free (&b->inbox);
    net_down (s, polite);
    if (!b->disk) {
        ledger_new_era (s);
        user_void_promises (s);
        store_close (&b->store);
        b->store = store_mem ();
    }
    int64_t down_us = sim_chance (s, 700) ? sim_between (s, 20, 500) * US_PER_MS
                                          : sim_between (s, 1, 15) * US_PER_S;
    sim_at (s, s->now + down_us, restart, NULL, 0);
}

static void leave (struct sim *s)
{
    struct bench *b = s->bench;
    sim_trace (s, "the broker leaves");
    if (b->disk) {
        b->disk->held = b->disk->accepted; /* it waited for them */
        b->disk->went_back = false;
    }
    vanish (s, true);
}

/* --- turns --- */

static void cut_off (struct sim *s, void *arg, uint64_t n)
{
    if (s->calm)
        return;
    net_cut (s, arg, sim_some_time (s), n);
    sim_count (s, COUNT_CUTS);
}

/* A worker has said what it holds, and what it is told of that may be lost. */
static void tempt_return (struct sim *s, uint64_t route, const struct wire *w)
{
    struct conn *c = net_conn (s, route);
    if (w->kind != WIRE_HOLD || !w->m.hold.last || !c || s->calm || !sim_chance (s, 120))
        return;
    sim_at (s, s->now + sim_between (s, 0, sim_chance (s, 500) ? 500 : 30000), cut_off, c,
            sim_chance (s, 500));
}

static void look_at (struct sim *s, uint64_t route, const struct wire_frames *f)
{
    struct bench *b = s->bench;
    const struct sched *sched = turn_sched (b->turn);
    struct wire w;
    if (wire_decode (&w, f, NULL, NULL) < 0)
        return;
    cover_met (s->cover, AT_BROKER, state_at_broker (sched, route), w.kind);
    roll_read (s, route, &w, sched_commit_number (sched) + 1, b->awake_us);
    tempt_return (s, route, &w);
    if (w.kind == WIRE_CANCEL)
        tempt_with_a_cancel (s);
    wire_fini (&w);
}

static void read_some (struct sim *s)
{
    struct bench *b = s->bench;
    struct wire_frames f;
    uint64_t route;
    for (int n = 0; n < READ_MAX && inbox_next (b->inbox, &route, &f); n++) {
        if (!s->big)
            look_at (s, route, &f);
        fake_link_push_take (b->link, route, &f);
    }
}

static void be_late (struct sim *s)
{
    struct bench *b = s->bench;
    if (!b->disk)
        return;
    b->disk->full = !s->calm && s->now < b->full_until;
    if (s->calm || s->now >= b->late_until)
        b->disk->late = 0;
    else if (sim_chance (s, 100))
        b->disk->late = sim_below (s, 30);
}

/* Rows do not stay where they cannot start while others are idle. */
static void check_hoards (struct sim *s)
{
    struct bench *b = s->bench;
    uint64_t batch = broker_hoards (turn_sched (b->turn), sim_clock_read (s, &b->clock), STILL_US);
    if (!batch || batch != b->hoarded) {
        b->hoarded = batch;
        b->hoarded_us = b->awake_us;
    }
    if (batch && b->awake_us - b->hoarded_us > HOARD_US)
        sim_fail (s, "rows of batch %d wait at a busy worker, and others are idle", (int)batch);
}

static void check_memory (struct sim *s)
{
    const struct bench *b = s->bench;
    struct sched_figures f = sched_figures (turn_sched (b->turn));
    uint64_t most = b->cfg.queue_bytes + QUEUE_SLACK + s->n_users * b->cfg.window_bytes;
    if (f.queue_bytes > most)
        sim_fail (s, "the broker holds %d bytes, its limit is %d", (int)f.queue_bytes,
                  (int)b->cfg.queue_bytes);
}

/* A commit failed: the broker begins again with what the disk holds. */
static void check_replay (struct sim *s)
{
    struct bench *b = s->bench;
    if (!b->disk || b->disk->failures == b->failures)
        return;
    b->failures = b->disk->failures;
    sim_count (s, COUNT_FAILED_COMMITS);
    sim_trace (s, "a commit failed");
    b->block_us += FAILURE_US;
    roll_restart (s, true, b->disk->held, b->awake_us, b->cfg.reattach_us);
    b->began_us = b->awake_us;
}

static void check (struct sim *s)
{
    struct bench *b = s->bench;
    struct err e;
    if (sched_check (turn_sched (b->turn), &e) < 0)
        sim_fail (s, "broker: %s", e.text);
    check_memory (s);
    check_hoards (s);
    check_replay (s);
    roll_turn (s, turn_sched (b->turn), b->awake_us);
}

static void turn (struct sim *s)
{
    struct bench *b = s->bench;
    struct err e;
    int64_t now = sim_clock_read (s, &b->clock);
    int64_t gap = now - b->turned_us;
    b->turned_us = now;
    b->turn_at = s->now;
    b->awake_us += gap < AWAKE_GAP_US ? gap : AWAKE_GAP_US;
    fake_clock_set (now);
    be_late (s);
    read_some (s);
    int rc = turn_run (b->turn, &e);
    if (rc < 0)
        sim_fail (s, "broker: %s", e.text);
    if (!s->big)
        check (s);
    if (rc == 1)
        leave (s);
}

static int64_t cost (struct sim *s)
{
    struct bench *b = s->bench;
    int64_t us = b->block_us;
    b->block_us = 0;
    if (s->now < b->slow_until)
        us += sim_between (s, 60, 190) * US_PER_MS;
    return us;
}

static int64_t next_wake (struct sim *s)
{
    struct bench *b = s->bench;
    int64_t at = sim_clock_when (&b->clock, turn_deadline (b->turn));
    if (b->disk && b->disk->held < b->disk->accepted)
        at = s->now + sim_between (s, 1, 20) * US_PER_MS;
    if (inbox_count (b->inbox))
        at = s->now;
    if (at < b->busy_until)
        at = b->busy_until;
    return at > s->now ? at : s->now + 1;
}

static void wake (struct sim *s, void *arg, uint64_t number)
{
    struct bench *b = arg;
    if (number != b->wakes || !b->turn)
        return;
    b->next = CLOCK_NEVER;
    if (s->now < b->paused_until || s->now < b->busy_until) {
        wake_at (s, b->paused_until > b->busy_until ? b->paused_until : b->busy_until);
        return;
    }
    turn (s);
    b->busy_until = s->now + cost (s);
    if (b->turn)
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
    (void)peer;
    if (!b->turn)
        return;
    inbox_put_take (b->inbox, route, s->now, f);
    wake_at (s, s->now + (int64_t)sim_below (s, 100));
}

/* --- its ends --- */

bool bench_crash (struct sim *s)
{
    struct bench *b = s->bench;
    if (!b->turn)
        return false;
    sim_trace (s, "the broker is killed");
    if (b->disk) { /* what was on its way to the disk may arrive there */
        store_test_crash (b->disk,
                          sim_between (s, (int64_t)b->disk->held, (int64_t)b->disk->accepted));
        b->disk->went_back = false;
    }
    vanish (s, false);
    return true;
}

bool bench_power_loss (struct sim *s)
{
    struct bench *b = s->bench;
    if (!b->turn || !b->disk)
        return false;
    uint64_t safe = b->disk->held;
    if (b->disk->fast) {
        uint64_t take = sim_below (s, 20);
        safe = safe > b->disk->synced + take ? safe - take : b->disk->synced;
    }
    sim_trace (s, "the broker's machine loses power");
    if (safe < b->disk->held) {
        s->counts[COUNT_FORGOTTEN] += b->disk->held - safe;
        s->went_back = true;
        ledger_amnesty (s);
        user_void_promises (s);
    }
    store_test_crash (b->disk, safe);
    b->disk->went_back = b->disk->fast;
    vanish (s, false);
    return true;
}

bool bench_stop (struct sim *s)
{
    struct bench *b = s->bench;
    if (!b->turn)
        return false;
    sim_trace (s, "the broker is to stop");
    turn_stop (b->turn);
    wake_at (s, s->now);
    return true;
}

static void configure (struct sim *s, struct sched_config *c)
{
    sched_config_defaults (c);
    c->broker_id = s->seed;
    if (s->big)
        return;
    if (sim_chance (s, 300)) {
        c->window_msgs = 4;
        c->window_bytes = 4096;
    }
    if (s->tight)
        c->queue_bytes = 20000;
    if (sim_chance (s, 200))
        c->result_bytes = 4000;
    if (sim_chance (s, 150))
        c->client_tasks = (uint64_t)sim_between (s, 20, 100);
    if (sim_chance (s, 500)) {
        c->suspect_us = 3 * US_PER_S;
        c->lost_us = sim_between (s, 7, 12) * US_PER_S;
    }
}

struct bench *bench_new (struct sim *s, bool durable)
{
    struct bench *b = mem_zalloc (sizeof *b);
    s->bench = b;
    configure (s, &b->cfg);
    b->clock = sim_clock_new (s);
    b->store = durable ? store_test_new (&b->disk) : store_mem ();
    if (durable) {
        b->disk->fast = sim_chance (s, 250);
        b->disk->by_batch = sim_chance (s, 500);
        if (sim_chance (s, 500))
            b->late_until = CLOCK_NEVER;
    }
    begin (s);
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
    inbox_free (&b->inbox);
    free (b);
}

/* --- faults --- */

bool bench_pause (struct sim *s, int64_t us)
{
    sim_trace (s, "the broker stands still for %d ms", (int)(us / US_PER_MS));
    s->bench->paused_until = s->now + us;
    return s->bench->turn;
}

bool bench_slow (struct sim *s, int64_t us)
{
    s->bench->slow_until = s->now + us;
    return true;
}

bool bench_lag (struct sim *s, int64_t us)
{
    sim_clock_lag (&s->bench->clock, us);
    return true;
}

bool bench_late (struct sim *s, int64_t us)
{
    struct bench *b = s->bench;
    if (b->late_until < s->now + us)
        b->late_until = s->now + us;
    return b->disk;
}

bool bench_block (struct sim *s, int64_t us)
{
    if (!s->bench->disk || !s->bench->turn)
        return false;
    s->bench->block_us = us;
    return true;
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

bool bench_full (struct sim *s, int64_t us)
{
    if (!s->bench->disk)
        return false;
    sim_trace (s, "the disk is full for %d ms", (int)(us / US_PER_MS));
    s->bench->full_until = s->now + us;
    return true;
}

/* --- for the others --- */

int64_t bench_awake (const struct sim *s)
{
    return s->bench->awake_us;
}

int64_t bench_waits (const struct sim *s)
{
    return s->now - s->bench->turn_at;
}

bool bench_is_new (const struct sim *s)
{
    return s->bench->awake_us - s->bench->began_us < s->bench->cfg.reattach_us / 2;
}

int64_t bench_lost_us (const struct sim *s)
{
    return s->bench->cfg.lost_us;
}

bool bench_knows (const struct sim *s, uint64_t token)
{
    uint64_t route;
    return broker_has (turn_sched (s->bench->turn), token, &route);
}

uint64_t bench_grants (const struct sim *s, uint64_t token)
{
    return broker_grants (turn_sched (s->bench->turn), token);
}

bool bench_has_unread (const struct sim *s, uint64_t route)
{
    return inbox_oldest (s->bench->inbox, route) < s->bench->turn_at;
}

bool bench_is_done (const struct sim *s)
{
    if (!s->bench->turn)
        return false;
    struct sched_figures f = sched_figures (turn_sched (s->bench->turn));
    return f.waiting == 0 && f.granted == 0;
}

void bench_trace (struct sim *s)
{
    struct buf dump;
    if (!s->verbose || !s->bench->turn)
        return;
    buf_init (&dump, SIZE_MAX);
    sched_dump (turn_sched (s->bench->turn), &dump);
    buf_putc (&dump, '\0');
    sim_trace (s, "the broker has:\n%s", (const char *)dump.bytes);
    buf_fini (&dump);
}

void bench_describe (const struct sim *s, char *text, size_t size)
{
    snprintf (text, size, "there is no broker");
    if (s->bench->turn)
        broker_describe (turn_sched (s->bench->turn), text, size);
}
