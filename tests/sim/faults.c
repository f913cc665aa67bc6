#include "tests/sim/faults.h"

#include "tests/sim/bench.h"
#include "tests/sim/host.h"
#include "tests/sim/moments.h"
#include "tests/sim/net.h"
#include "tests/sim/roll.h"
#include "tests/sim/user.h"

enum { FAULTS_MAX = 50 };

static struct host *any_host (struct sim *s)
{
    return s->hosts[sim_below (s, s->n_hosts)];
}

static struct user *any_user (struct sim *s)
{
    return s->users[sim_below (s, s->n_users)];
}

static struct conn *any_conn (struct sim *s)
{
    return sim_chance (s, 600) ? host_conn (any_host (s)) : user_conn (any_user (s));
}

/* --- the network --- */

static bool cut (struct sim *s)
{
    bool quiet = sim_chance (s, 250);
    net_cut (s, any_conn (s), sim_some_time (s), quiet);
    if (quiet)
        sim_count (s, COUNT_GHOSTS);
    return true;
}

static bool stall (struct sim *s)
{
    net_stall (s, any_conn (s), BOTH_WAYS, sim_some_time (s));
    return true;
}

static bool one_way (struct sim *s)
{
    net_stall (s, any_conn (s), sim_chance (s, 500) ? TO_BROKER : TO_PEER, sim_some_time (s));
    return true;
}

static bool stands_on_the_brink (struct sim *s, struct host *h)
{
    int64_t silence_us = roll_silence (s, h);
    int64_t us = bench_lost_us (s) - silence_us + sim_between (s, -150, 250) * US_PER_MS;
    if (silence_us < 0 || us <= 0 || !host_pause (s, h, us))
        return false;
    bench_slow (s, us + US_PER_S);
    return true;
}

/* Workers stand still until just about when they would be given up, and their word comes while the
 * broker is in a turn. (Cutting them off would not do: after 6 s it comes over another connection.)
 */
static bool brink (struct sim *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->n_hosts; i++)
        any |= stands_on_the_brink (s, s->hosts[i]);
    return any;
}

static bool jam (struct sim *s)
{
    net_jam (s, any_conn (s), sim_some_time (s) / 4);
    return true;
}

/* --- peers --- */

static bool crash_agent (struct sim *s)
{
    return host_crash (s, any_host (s));
}

static bool lose_host (struct sim *s)
{
    return host_lose (s, any_host (s));
}

static bool pause_agent (struct sim *s)
{
    return host_pause (s, any_host (s), sim_some_time (s));
}

static bool term_host (struct sim *s)
{
    return host_term (s, any_host (s));
}

static bool crash_executor (struct sim *s)
{
    return host_crash_executor (s, any_host (s));
}

static bool crash_user (struct sim *s)
{
    return user_crash (s, any_user (s));
}

static bool pause_user (struct sim *s)
{
    return user_pause (s, any_user (s), sim_some_time (s));
}

static bool lag (struct sim *s)
{
    int64_t us = sim_some_time (s) / 2;
    if (sim_chance (s, 300))
        return bench_lag (s, us);
    return sim_chance (s, 600) ? host_lag (s, any_host (s), us) : user_lag (s, any_user (s), us);
}

/* --- the broker and its disk --- */

static bool pause_broker (struct sim *s)
{
    return bench_pause (s, sim_some_time (s));
}

static bool slow_broker (struct sim *s)
{
    return bench_slow (s, sim_some_time (s));
}

static bool late_commits (struct sim *s)
{
    return bench_late (s, sim_some_time (s));
}

static bool block_commit (struct sim *s)
{
    return bench_block (s, sim_some_time (s));
}

static bool full_disk (struct sim *s)
{
    return bench_full (s, sim_some_time (s));
}

struct fault {
    bool (*strike) (struct sim *s);
    enum sim_count count; /* COUNTS: counted elsewhere */
    unsigned weight;
};

static const struct fault FAULTS[] = {
    {cut, COUNT_CUTS, 20},
    {stall, COUNT_STALLS, 8},
    {one_way, COUNT_ONE_WAY, 8},
    {brink, COUNT_BRINKS, 10},
    {jam, COUNT_JAMS, 6},
    {crash_agent, COUNT_AGENT_CRASHES, 8},
    {lose_host, COUNT_HOST_LOSSES, 4},
    {pause_agent, COUNT_AGENT_PAUSES, 8},
    {term_host, COUNT_TERMS, 4},
    {crash_executor, COUNT_EXECUTOR_CRASHES, 8},
    {crash_user, COUNT_USER_CRASHES, 4},
    {pause_user, COUNT_USER_PAUSES, 6},
    {lag, COUNT_CLOCK_LAGS, 6},
    {pause_broker, COUNT_BROKER_PAUSES, 5},
    {slow_broker, COUNT_SLOW_BROKERS, 4},
    {bench_crash, COUNT_BROKER_CRASHES, 4},
    {bench_power_loss, COUNT_POWER_LOSSES, 3},
    {bench_stop, COUNT_BROKER_STOPS, 2},
    {late_commits, COUNT_LATE_COMMITS, 8},
    {block_commit, COUNT_BLOCKED_COMMITS, 4},
    {bench_fail, COUNTS, 5},
    {full_disk, COUNT_FULL_DISKS, 3},
    {moment_stop, COUNT_SLOW_BROKERS, 5},
    {moment_worker_leaves, COUNT_TERMS, 6},
    {moment_client_leaves, COUNT_HASTY, 3},
    {moment_no_room, COUNT_FULL_DISKS, 5},
    {moment_return, COUNT_BROKER_CRASHES, 3},
};

static void strike (struct sim *s, void *arg, uint64_t n)
{
    const struct fault *f = FAULTS;
    uint64_t total = 0;
    (void)arg;
    (void)n;
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
        total += FAULTS[i].weight;
    uint64_t at = sim_below (s, total);
    for (; at >= f->weight; f++)
        at -= f->weight;
    if (f->strike (s) && f->count < COUNTS)
        sim_count (s, f->count);
}

void faults_plan (struct sim *s, int64_t until)
{
    uint64_t faults = sim_chance (s, 100) ? 0 : sim_below (s, FAULTS_MAX);
    for (uint64_t i = 0; i < faults; i++)
        sim_at (s, sim_between (s, s->now, until), strike, NULL, 0);
}
