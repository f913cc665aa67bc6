#include "tests/sim/moments.h"

#include "tests/sim/bench.h"
#include "tests/sim/host.h"
#include "tests/sim/net.h"
#include "tests/sim/user.h"

enum { CUTS = 6 };

static struct host *any_host (struct sim *s)
{
    return s->hosts[sim_below (s, s->n_hosts)];
}

/* Everybody wants something now. */
static void hurry_all (struct sim *s, int64_t us)
{
    for (unsigned i = 0; i < s->n_users; i++)
        user_hurry (s, s->users[i], us);
}

static void stop_broker (struct sim *s, void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
    if (!s->calm && bench_stop (s))
        sim_count (s, COUNT_BROKER_STOPS);
}

/* Perhaps, within so long. */
static void stop_within (struct sim *s, int64_t lo_ms, int64_t hi_ms)
{
    if (sim_chance (s, 300))
        sim_at (s, s->now + sim_between (s, lo_ms, hi_ms) * US_PER_MS, stop_broker, NULL, 0);
}

/* In its last turn the broker says goodbye first, and then what else there is to say. */
bool moment_stop (struct sim *s)
{
    bench_slow (s, 2 * US_PER_S);
    hurry_all (s, 2 * US_PER_S);
    sim_at (s, s->now + sim_between (s, 300, 1800) * US_PER_MS, stop_broker, NULL, 0);
    return true;
}

bool moment_worker_leaves (struct sim *s)
{
    struct host *h = any_host (s);
    int64_t us = sim_between (s, 2000, 4500) * US_PER_MS;
    if (!host_is_alive (h))
        return false;
    if (sim_chance (s, 300))
        net_jam (s, host_conn (h), us);
    else
        net_stall (s, host_conn (h), TO_BROKER, us);
    host_term (s, h);
    host_term (s, h); /* it does not wait for what runs */
    hurry_all (s, us);
    stop_within (s, 1900, 3000);
    return true;
}

bool moment_client_leaves (struct sim *s)
{
    struct user *u = s->users[sim_below (s, s->n_users)];
    int64_t us = sim_between (s, 300, 1900) * US_PER_MS;
    if (!user_leave (s, u, sim_between (s, 0, 300) * US_PER_MS))
        return false;
    net_stall (s, user_conn (u), TO_BROKER, us);
    user_hurry (s, u, us);
    stop_within (s, 100, 1500);
    return true;
}

static void pause_late (struct sim *s, void *arg, uint64_t n)
{
    (void)n;
    if (!s->calm && host_pause (s, arg, sim_between (s, 6000, 9000) * US_PER_MS))
        sim_count (s, COUNT_AGENT_PAUSES);
}

bool moment_no_room (struct sim *s)
{
    int64_t us = sim_between (s, 500, 2500) * US_PER_MS;
    if (!bench_full (s, us))
        return false;
    hurry_all (s, us + US_PER_S);
    for (int i = 0; i < 2; i++)
        sim_at (s, s->now + us + sim_between (s, -300, 600) * US_PER_MS, pause_late, any_host (s),
                0);
    stop_within (s, us / US_PER_MS, us / US_PER_MS + 1500);
    return true;
}

static void cut_again (struct sim *s, void *arg, uint64_t n)
{
    (void)n;
    if (s->calm)
        return;
    net_cut (s, host_conn (arg), sim_some_time (s), sim_chance (s, 300));
    sim_count (s, COUNT_CUTS);
}

bool moment_return (struct sim *s)
{
    if (!bench_crash (s))
        return false;
    for (int i = 0; i < CUTS; i++)
        sim_at (s, s->now + sim_between (s, 100, 3000) * US_PER_MS, cut_again, any_host (s), 0);
    hurry_all (s, 2 * US_PER_S);
    return true;
}
