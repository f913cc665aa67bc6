/* Sim: the generator, the trace, clocks, a life and what must hold at its end. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/sim/bench.h"
#include "tests/sim/events.h"
#include "tests/sim/fake_log.h"
#include "tests/sim/faults.h"
#include "tests/sim/host.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"
#include "tests/sim/roll.h"
#include "tests/sim/user.h"

enum {
    FINISH_S = 2000, /* virtual: everything must have ended that long after the last fault */
    LOOK_US = 200 * US_PER_MS,
    MESSAGES_MIN = 2500, /* a life of fewer goes on for another round */
    ROUNDS_MAX = 6,
};

/* --- chance --- */

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

int64_t sim_some_time (struct sim *s)
{
    if (sim_chance (s, 500))
        return sim_between (s, 1, 2000) * US_PER_MS;
    return sim_between (s, 1, sim_chance (s, 300) ? 40 : 12) * US_PER_S;
}

/* --- clocks --- */

struct sim_clock sim_clock_new (struct sim *s)
{
    return (struct sim_clock){.offset = s->big ? 0 : sim_between (s, 0, 5000) * US_PER_S};
}

int64_t sim_clock_read (const struct sim *s, struct sim_clock *c)
{
    if (s->now + c->offset > c->shown)
        c->shown = s->now + c->offset;
    return c->shown;
}

int64_t sim_clock_when (const struct sim_clock *c, int64_t shown)
{
    return shown == CLOCK_NEVER ? CLOCK_NEVER : shown - c->offset;
}

void sim_clock_lag (struct sim_clock *c, int64_t us)
{
    c->offset -= us;
}

/* --- words --- */

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

static void on_log (void *arg, const char *line)
{
    sim_trace (arg, "broker: %s", line);
}

/* --- a life --- */

static void add_host (struct sim *s, unsigned slots, bool helper)
{
    s->hosts = mem_resize (s->hosts, s->n_hosts + 1, sizeof *s->hosts);
    s->hosts[s->n_hosts] = host_new (s, s->n_hosts, slots, helper);
    s->n_hosts++;
}

static void host_joins (struct sim *s, void *arg, uint64_t slots)
{
    (void)arg;
    add_host (s, (unsigned)slots, false);
}

static void add_users (struct sim *s, unsigned n)
{
    for (; n && s->n_users < USERS_MAX - 1; n--) {
        s->users[s->n_users] = user_new (s, s->n_users);
        s->n_users++;
    }
}

/* No more faults, and somebody there who can do the work. */
static void be_calm (struct sim *s, void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
    sim_trace (s, "no more faults");
    s->calm = true;
    add_host (s, 8, true);
}

/* Who still has something to do, into `text`; false: nobody. */
static bool somebody_is_busy (const struct sim *s, char *text, size_t size)
{
    snprintf (text, size, "faults");
    if (!s->calm)
        return true;
    for (unsigned i = 0; i < s->n_users; i++)
        if (!user_is_done (s->users[i])) {
            user_wants (s->users[i], text, size);
            return true;
        }
    for (unsigned i = 0; i < s->n_hosts; i++)
        if (!host_is_idle (s->hosts[i])) {
            snprintf (text, size, "%s", host_name (s->hosts[i]));
            return true;
        }
    bench_describe (s, text, size);
    return !bench_is_done (s);
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
    char busy[200];
    while (somebody_is_busy (s, busy, sizeof busy)) {
        int64_t look = s->now + LOOK_US;
        if (s->now > until) {
            bench_trace (s);
            sim_fail (s, "it does not come to an end: %s", busy);
        }
        sim_at (s, look, nothing, NULL, 0);
        while (s->now < look && events_next (s))
            sim_count (s, COUNT_EVENTS);
    }
}

/* Users, faults, calm; and all that was begun comes to an end. */
static void live_round (struct sim *s)
{
    int64_t until = s->now + sim_between (s, 2, 40) * US_PER_S;
    s->calm = false;
    add_users (s, 1 + (unsigned)sim_below (s, 3));
    if (sim_chance (s, 300))
        sim_at (s, s->now + sim_some_time (s), host_joins, NULL, 1 + sim_below (s, 4));
    faults_plan (s, until);
    sim_at (s, until, be_calm, NULL, 0);
    go_on (s, until + FINISH_S * (int64_t)US_PER_S);
}

static void live (struct sim *s)
{
    uint64_t before = s->counts[COUNT_MESSAGES];
    s->tight = sim_chance (s, 200);
    s->fragile = sim_chance (s, 500) ? 0 : (unsigned)sim_below (s, 2000);
    bench_new (s, sim_chance (s, 700));
    for (unsigned hosts = 1 + (unsigned)sim_below (s, 4); hosts; hosts--)
        add_host (s, 1 + (unsigned)sim_below (s, 6), false);
    for (int round = 0; round < ROUNDS_MAX && s->counts[COUNT_MESSAGES] - before < MESSAGES_MIN;
         round++)
        live_round (s);
    s->users[s->n_users] = user_new_auditor (s, s->n_users);
    s->n_users++;
    go_on (s, s->now + FINISH_S * (int64_t)US_PER_S);
}

static void clean_up (struct sim *s)
{
    for (unsigned i = 0; i < s->n_users; i++)
        user_free (&s->users[i]);
    for (unsigned i = 0; i < s->n_hosts; i++)
        host_free (&s->hosts[i]);
    free (s->hosts);
    bench_free (&s->bench);
    net_free (&s->net);
    ledger_free (&s->ledger);
    roll_free (&s->roll);
    events_free (&s->events);
}

static void set_up (struct sim *s, uint64_t seed, struct sim_tally *t)
{
    s->seed = s->rng = seed;
    s->counts = t->counts;
    s->cover = t->cover;
    s->now = 1000 * (int64_t)US_PER_S;
    s->events = events_new ();
    s->net = net_new (!s->big && sim_chance (s, 300));
    s->ledger = ledger_new ();
    s->roll = roll_new ();
}

int sim_run (struct sim *s, uint64_t seed, bool verbose, struct sim_tally *t)
{
    *s = (struct sim){.verbose = verbose};
    fake_log_to (verbose ? on_log : NULL, s);
    set_up (s, seed, t);
    if (setjmp (s->failed) != 0) {
        if (verbose)
            sim_trace (s, "FAILED: %s", s->why);
        return -1; /* the pieces stay where they are: nothing can be trusted to be taken apart */
    }
    live (s);
    clean_up (s);
    return 0;
}

static void live_big (struct sim *s, unsigned workers, uint64_t rows)
{
    bench_new (s, false);
    while (s->n_hosts < workers)
        add_host (s, 8, true);
    s->users[s->n_users] = user_new_big (s, s->n_users, rows);
    s->n_users++;
    int64_t began = s->now;
    go_on (s, s->now + 100000 * (int64_t)US_PER_S);
    if (user_told_rows (s->users[0]) != rows)
        sim_fail (s, "%d rows of %d ended", (int)user_told_rows (s->users[0]), (int)rows);
    printf ("%u workers, %d rows: all ended after %.1f s of virtual time\n", workers, (int)rows,
            (double)(s->now - began) / US_PER_S);
}

int sim_run_big (struct sim *s, unsigned workers, uint64_t rows, struct sim_tally *t)
{
    *s = (struct sim){.big = true, .calm = true};
    fake_log_to (NULL, NULL);
    set_up (s, 1, t);
    if (setjmp (s->failed) != 0)
        return -1;
    live_big (s, workers, rows);
    clean_up (s);
    return 0;
}
