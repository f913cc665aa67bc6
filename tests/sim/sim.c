/* Sim: the generator, the trace, the faults of a life, and what must hold at its end. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/bench.h"
#include "tests/sim/events.h"
#include "tests/sim/fake_log.h"
#include "tests/sim/host.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"
#include "tests/sim/user.h"

enum {
    FAULTS_MAX = 40,
    FINISH_S = 400, /* virtual: everything must have ended that long after the last fault */
    LOOK_US = 200 * US_PER_MS,
};

uint64_t sim_random (struct sim *s)
{
    s->rng += 0x9e3779b97f4a7c15u;
    uint64_t z = s->rng;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_below (struct sim *s, uint64_t n)
{
    return sim_random (s) % n;
}

int64_t sim_between (struct sim *s, int64_t lo, int64_t hi)
{
    return lo + (int64_t)sim_below (s, (uint64_t)(hi - lo) + 1);
}

bool sim_chance (struct sim *s, unsigned per_mille)
{
    return sim_below (s, 1000) < per_mille;
}

void sim_fail (struct sim *s, const char *fmt, ...)
{
    va_list ap;
    va_start (ap, fmt);
    vsnprintf (s->why, sizeof s->why, fmt, ap);
    va_end (ap);
    longjmp (s->failed, 1);
}

static void print_time (const struct sim *s)
{
    printf ("%4d.%06d  ", (int)(s->now / US_PER_S), (int)(s->now % US_PER_S));
}

void sim_trace (struct sim *s, const char *fmt, ...)
{
    if (!s->verbose)
        return;
    va_list ap;
    print_time (s);
    va_start (ap, fmt);
    vprintf (fmt, ap);
    va_end (ap);
    putchar ('\n');
}

void sim_trace_frames (struct sim *s, const char *from, const char *to, const struct wire_frames *f)
{
    struct wire w;
    char line[400];
    if (!s->verbose || wire_decode (&w, f, NULL, NULL) < 0)
        return;
    wire_show (&w, line, sizeof line);
    sim_trace (s, "%s -> %s  %s", from, to, line);
    wire_fini (&w);
}

/* --- faults --- */

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

/* Mostly short; sometimes longer than what makes a worker lost. */
static int64_t some_time (struct sim *s)
{
    if (sim_chance (s, 500))
        return sim_between (s, 1, 2000) * US_PER_MS;
    return sim_between (s, 1, sim_chance (s, 300) ? 40 : 12) * US_PER_S;
}

static bool cut (struct sim *s)
{
    bool quiet = sim_chance (s, 250);
    net_cut (s, any_conn (s), some_time (s), quiet);
    if (quiet)
        sim_count (s, COUNT_GHOSTS);
    return true;
}

static bool stall (struct sim *s)
{
    net_stall (s, any_conn (s), some_time (s));
    return true;
}

static bool jam (struct sim *s)
{
    net_jam (s, any_conn (s), some_time (s) / 4);
    return true;
}

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
    return host_pause (s, any_host (s), some_time (s));
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
    return user_pause (s, any_user (s), some_time (s));
}

static bool pause_broker (struct sim *s)
{
    bench_pause (s, some_time (s));
    return true;
}

static bool crash_broker (struct sim *s)
{
    return bench_crash (s);
}

static bool late_commits (struct sim *s)
{
    return bench_late (s, some_time (s));
}

static bool fail_commit (struct sim *s)
{
    return bench_fail (s);
}

struct fault {
    bool (*strike) (struct sim *s);
    enum sim_count count;
    unsigned weight;
};

static const struct fault FAULTS[] = {
    {cut, COUNT_CUTS, 20},
    {stall, COUNT_STALLS, 10},
    {jam, COUNT_JAMS, 6},
    {crash_agent, COUNT_AGENT_CRASHES, 8},
    {lose_host, COUNT_HOST_LOSSES, 4},
    {pause_agent, COUNT_AGENT_PAUSES, 8},
    {term_host, COUNT_TERMS, 4},
    {crash_executor, COUNT_EXECUTOR_CRASHES, 8},
    {crash_user, COUNT_USER_CRASHES, 4},
    {pause_user, COUNT_USER_PAUSES, 6},
    {pause_broker, COUNT_BROKER_PAUSES, 5},
    {crash_broker, COUNT_BROKER_CRASHES, 4},
    {late_commits, COUNT_LATE_COMMITS, 8},
    {fail_commit, COUNTS, 5},
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

/* --- a life --- */

static void add_host (struct sim *s, unsigned slots)
{
    s->hosts[s->n_hosts] = host_new (s, s->n_hosts, slots);
    s->n_hosts++;
}

static void host_joins (struct sim *s, void *arg, uint64_t slots)
{
    (void)arg;
    add_host (s, (unsigned)slots);
}

/* No more faults, and somebody there who can do the work. */
static void be_calm (struct sim *s, void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
    sim_trace (s, "no more faults");
    s->calm = true;
    add_host (s, 8);
}

static void populate (struct sim *s)
{
    unsigned hosts = 1 + (unsigned)sim_below (s, 4);
    unsigned users = 1 + (unsigned)sim_below (s, 3);
    for (unsigned i = 0; i < hosts; i++)
        add_host (s, 1 + (unsigned)sim_below (s, 6));
    for (; s->n_users < users; s->n_users++)
        s->users[s->n_users] = user_new (s, s->n_users);
    if (sim_chance (s, 300))
        sim_at (s, s->now + some_time (s), host_joins, NULL, 1 + sim_below (s, 4));
}

static int64_t plan_faults (struct sim *s)
{
    int64_t until = s->now + sim_between (s, 2, 40) * US_PER_S;
    uint64_t faults = sim_chance (s, 100) ? 0 : sim_below (s, FAULTS_MAX);
    for (uint64_t i = 0; i < faults; i++)
        sim_at (s, sim_between (s, s->now, until), strike, NULL, 0);
    sim_at (s, until, be_calm, NULL, 0);
    return until;
}

/* Who still has something to do; NULL: nobody. */
static const char *who_is_busy (const struct sim *s)
{
    if (!s->calm)
        return "faults";
    for (unsigned i = 0; i < s->n_users; i++)
        if (!user_is_done (s->users[i]))
            return user_name (s->users[i]);
    for (unsigned i = 0; i < s->n_hosts; i++)
        if (!host_is_idle (s->hosts[i]))
            return host_name (s->hosts[i]);
    return bench_is_done (s) ? NULL : "broker";
}

static void nothing (struct sim *s, void *arg, uint64_t n)
{
    (void)s;
    (void)arg;
    (void)n;
}

/* Let things happen until all is done. */
static void go_on (struct sim *s, int64_t until)
{
    const char *busy;
    while ((busy = who_is_busy (s))) {
        int64_t look = s->now + LOOK_US;
        if (s->now > until)
            sim_fail (s, "it does not come to an end: %s", busy);
        sim_at (s, look, nothing, NULL, 0);
        while (s->now < look && events_next (s))
            ;
    }
}

static void live (struct sim *s)
{
    s->tight = sim_chance (s, 200);
    s->fragile = sim_chance (s, 500) ? 0 : (unsigned)sim_below (s, 2000);
    bench_new (s, sim_chance (s, 700));
    populate (s);
    int64_t finish = plan_faults (s) + FINISH_S * (int64_t)US_PER_S;
    go_on (s, finish);
    s->users[s->n_users] = user_new_auditor (s, s->n_users);
    s->n_users++;
    go_on (s, finish + FINISH_S * (int64_t)US_PER_S);
}

static void clean_up (struct sim *s)
{
    for (unsigned i = 0; i < s->n_users; i++)
        user_free (&s->users[i]);
    for (unsigned i = 0; i < s->n_hosts; i++)
        host_free (&s->hosts[i]);
    bench_free (&s->bench);
    net_free (&s->net);
    ledger_free (&s->ledger);
    events_free (&s->events);
}

static void on_log (void *arg, const char *line)
{
    sim_trace (arg, "broker: %s", line);
}

int sim_run (struct sim *s, uint64_t seed, bool verbose, uint64_t *counts)
{
    *s = (struct sim){.seed = seed, .rng = seed, .verbose = verbose, .counts = counts};
    s->now = 1000 * (int64_t)US_PER_S;
    fake_log_to (verbose ? on_log : NULL, s);
    s->events = events_new ();
    s->net = net_new ();
    s->ledger = ledger_new ();
    if (setjmp (s->failed) != 0) {
        if (verbose)
            sim_trace (s, "FAILED: %s", s->why);
        return -1; /* the pieces stay where they are: nothing can be trusted to be taken apart */
    }
    live (s);
    clean_up (s);
    return 0;
}
