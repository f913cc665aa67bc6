#include "tests/sim/user.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/sim/bench.h"
#include "tests/sim/cover.h"
#include "tests/sim/net.h"
#include "tests/sim/states.h"
#include "tests/sim/user_inner.h"

enum { NEVER_LOST_S = 100000, GOODBYE_US = 2 * US_PER_S, HURRIED = 20 };

static void wake_at (struct user *u, int64_t when);

/* --- turns --- */

static bool is_open (const struct user *u)
{
    return session_state (u->core.session) == SESSION_OPEN;
}

static void read_mail (struct user *u)
{
    struct letter *l;
    while ((l = STAILQ_FIRST (&u->mail))) {
        struct wire w;
        struct err e;
        STAILQ_REMOVE_HEAD (&u->mail, link);
        if (wire_decode (&w, &l->f, NULL, &e) < 0)
            sim_fail (u->s, "%s is sent: %s", u->name, e.text);
        if (!u->s->big)
            cover_met (u->s->cover, AT_CLIENT, state_at_client (&u->core, u->bye_us), w.kind);
        u->told_bye |= w.kind == WIRE_BYE;
        bool open = is_open (u);
        core_message (&u->core, user_clock (u), &w);
        if (open || is_open (u))
            u->heard_us = user_clock (u);
        wire_frames_fini (&l->f);
        free (l);
    }
}

static void on_mail (struct sim *s, void *peer, struct wire_frames *f)
{
    struct user *u = peer;
    struct letter *l = mem_zalloc (sizeof *l);
    l->f = *f;
    *f = (struct wire_frames){0};
    STAILQ_INSERT_TAIL (&u->mail, l, link);
    wake_at (u, s->now + sim_between (s, 5, 50));
}

static void connect (struct user *u)
{
    net_close (u->s, u->conn);
    u->conn = net_connect (u->s, u->name, on_mail, u);
    session_connected (u->core.session, user_clock (u));
}

static void transmit (struct user *u)
{
    struct wire_frames f;
    while (session_next (u->core.session, user_clock (u), &f)) {
        if (net_to_broker (u->s, u->conn, &f) < 0) {
            session_unsent (u->core.session, &f);
            wake_at (u, u->s->now + 5 * US_PER_MS);
            return;
        }
    }
}

static bool wants_nothing (const struct user *u)
{
    bool lost = user_is_lost (u);
    for (unsigned i = 0; i < u->n_jobs; i++)
        if (!job_is_over (u->jobs[i]) && (u->jobs[i]->open || !lost))
            return false;
    return !u->n_asks && (!u->to_ask || lost);
}

/* Nothing is left to do: some say so, others stay; and some do not wait for that. */
static void say_goodbye (struct user *u)
{
    bool hasty = user_clock (u) >= u->hasty_us;
    if (u->bye_us || user_is_lost (u) || !(hasty || (u->polite && wants_nothing (u))))
        return;
    sim_trace (u->s, "%s says goodbye", u->name);
    u->bye_us = user_clock (u);
    session_bye (u->core.session);
}

static void end (struct user *u)
{
    struct letter *l;
    if (!u->alive)
        return;
    u->alive = false;
    while ((l = STAILQ_FIRST (&u->mail))) {
        STAILQ_REMOVE_HEAD (&u->mail, link);
        wire_frames_fini (&l->f);
        free (l);
    }
    for (unsigned i = 0; i < u->n_jobs; i++)
        job_forget (u, u->jobs[i]);
    core_fini (&u->core);
    store_fini (&u->store);
}

/* True: it is gone. */
static bool leave (struct user *u)
{
    bool answered = session_over (u->core.session) || user_clock (u) >= u->bye_us + GOODBYE_US;
    if (!(u->bye_us && answered) && !user_is_lost (u))
        return false;
    sim_trace (u->s, "%s leaves", u->name);
    net_close (u->s, u->conn);
    end (u);
    return true;
}

static int64_t next_act (struct user *u)
{
    int64_t at = core_deadline (&u->core);
    if (u->bye_us && u->bye_us + GOODBYE_US < at)
        at = u->bye_us + GOODBYE_US;
    if (u->bye_us || user_is_lost (u))
        return at;
    for (unsigned i = 0; i < u->n_jobs; i++)
        if (job_next_act (u->jobs[i]) < at)
            at = job_next_act (u->jobs[i]);
    if (asks_next_act (u) < at)
        at = asks_next_act (u);
    return u->hasty_us < at ? u->hasty_us : at;
}

static void turn (struct user *u)
{
    struct sim *s = u->s;
    read_mail (u);
    core_tick (&u->core, user_clock (u));
    if (session_reconnect (u->core.session))
        connect (u);
    if (!user_is_lost (u) && !u->bye_us) {
        for (unsigned i = 0; i < u->n_jobs; i++)
            job_act (u, u->jobs[i]);
        asks_act (u);
    }
    core_flush (&u->core);
    user_take_events (u);
    say_goodbye (u);
    transmit (u);
    if (leave (u))
        return;
    int64_t at = sim_clock_when (&u->clock, next_act (u));
    wake_at (u, at > s->now ? at : s->now + 1);
}

static void wake (struct sim *s, void *arg, uint64_t number)
{
    struct user *u = arg;
    if (number != u->wakes)
        return;
    u->next = CLOCK_NEVER;
    if (!u->alive)
        return;
    if (s->now < u->paused_until)
        wake_at (u, u->paused_until);
    else
        turn (u);
}

static void wake_at (struct user *u, int64_t when)
{
    if (when >= u->next || !u->alive)
        return;
    u->next = when;
    sim_at (u->s, when, wake, u, ++u->wakes);
}

/* --- the whole --- */

static struct user *make (struct sim *s, unsigned index, const char *stem)
{
    struct user *u = mem_zalloc (sizeof *u);
    u->s = s;
    u->index = index;
    u->alive = true;
    u->next = CLOCK_NEVER;
    u->clock = sim_clock_new (s);
    u->lost_us = (s->big || !sim_chance (s, 100) ? NEVER_LOST_S : 30) * (int64_t)US_PER_S;
    u->heard_us = user_clock (u);
    u->hasty_us = CLOCK_NEVER;
    STAILQ_INIT (&u->mail);
    snprintf (u->name, sizeof u->name, "%s%u", stem, index);
    struct session_config c = {.name = u->name,
                               .host = "here",
                               .version = "0",
                               .pid = index,
                               .seed = 1 + sim_below (s, 1000),
                               .connect_us = CLOCK_NEVER,
                               .lost_us = u->lost_us};
    store_init (&u->store, NULL, SIZE_MAX, SIZE_MAX);
    core_init (&u->core, &c, &u->store, user_clock (u));
    connect (u);
    wake_at (u, s->now);
    return u;
}

struct user *user_new (struct sim *s, unsigned index)
{
    struct user *u = make (s, index, "c");
    unsigned jobs = 1 + (unsigned)sim_below (s, 7);
    u->polite = sim_chance (s, 500);
    if (sim_chance (s, 150))
        u->hasty_us = user_clock (u) + sim_between (s, 0, 20) * US_PER_S;
    u->to_ask = (unsigned)sim_below (s, 12);
    for (unsigned i = 0; i < jobs; i++)
        job_plan (u, job_new (u));
    return u;
}

struct user *user_new_big (struct sim *s, unsigned index, uint64_t rows)
{
    struct user *u = make (s, index, "big");
    struct job *j = job_new (u);
    j->form = FORM_FUNCTION;
    j->cpus = 1;
    j->plan = rows;
    j->next_us = user_clock (u);
    return u;
}

struct user *user_new_auditor (struct sim *s, unsigned index)
{
    struct user *u = make (s, index, "auditor");
    u->auditor = true;
    for (unsigned i = 0; i < s->n_users; i++) {
        for (unsigned k = 0; k < s->users[i]->n_jobs; k++) {
            const struct job *j = s->users[i]->jobs[k];
            if (!j->promised || j->void_ || j->removals)
                continue;
            job_attach (u, j, 0, true);
            sim_count (s, COUNT_AUDITS);
        }
    }
    return u;
}

void user_free (struct user **up)
{
    struct user *u = *up;
    *up = NULL;
    if (!u)
        return;
    end (u);
    for (unsigned i = 0; i < u->n_jobs; i++)
        job_free (&u->jobs[i]);
    free (u);
}

const char *user_name (const struct user *u)
{
    return u->name;
}

struct conn *user_conn (struct user *u)
{
    return u->conn;
}

bool user_is_alive (const struct user *u)
{
    return u->alive;
}

bool user_is_done (const struct user *u)
{
    return !u->alive || wants_nothing (u);
}

void user_wants (const struct user *u, char *text, size_t size)
{
    for (unsigned i = 0; i < u->n_jobs; i++) {
        if (job_is_over (u->jobs[i]))
            continue;
        snprintf (text, size, "%s: the end of batch %d", u->name, (int)u->jobs[i]->id);
        return;
    }
    snprintf (text, size, "%s: %s", u->name,
              u->n_asks ? wire_name (u->asks[0].kind) : "something to ask");
}

uint64_t user_told_rows (const struct user *u)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < u->n_jobs; i++)
        n += u->jobs[i]->got.count;
    return n;
}

void user_welcomed (struct sim *s, const void *peer, const struct msg_welcome *m)
{
    for (unsigned i = 0; i < s->n_users; i++) {
        struct user *u = s->users[i];
        if (u != peer)
            continue;
        u->durable = m->features & FEATURE_DURABLE;
        u->reset |= u->welcomed && !m->resumed && !u->durable;
        u->gone |= u->welcomed && !m->resumed && !bench_is_new (s);
        u->welcomed = true;
    }
}

void user_is_gone (struct sim *s, const void *peer)
{
    for (unsigned i = 0; i < s->n_users; i++)
        s->users[i]->gone |= s->users[i] == peer;
}

uint64_t user_batch (const struct sim *s, const void *peer, uint64_t handle)
{
    for (unsigned i = 0; i < s->n_users; i++)
        for (unsigned k = 0; s->users[i] == peer && k < s->users[i]->n_jobs; k++) {
            const struct job *j = s->users[i]->jobs[k];
            if (j->open && !j->forgotten && !j->void_ && j->b.handle == handle)
                return j->b.id;
        }
    return 0;
}

void user_void_promises (struct sim *s)
{
    for (unsigned i = 0; i < s->n_users; i++)
        for (unsigned k = 0; k < s->users[i]->n_jobs; k++)
            s->users[i]->jobs[k]->void_ = s->users[i]->jobs[k]->open;
}

void user_hurry (struct sim *s, struct user *u, int64_t us)
{
    if (!u->alive || u->auditor)
        return;
    u->hurry_until = s->now + us;
    u->ask_us = user_clock (u);
    u->to_ask += HURRIED;
    wake_at (u, s->now);
}

bool user_leave (struct sim *s, struct user *u, int64_t us)
{
    if (!u->alive || u->auditor)
        return false;
    u->hasty_us = user_clock (u) + us;
    wake_at (u, s->now);
    return true;
}

bool user_crash (struct sim *s, struct user *u)
{
    if (!u->alive || u->auditor)
        return false;
    sim_trace (s, "%s dies", u->name);
    net_close (s, u->conn);
    end (u);
    return true;
}

bool user_pause (struct sim *s, struct user *u, int64_t us)
{
    if (!u->alive)
        return false;
    sim_trace (s, "%s stands still for %d ms", u->name, (int)(us / US_PER_MS));
    u->paused_until = s->now + us;
    return true;
}

bool user_lag (struct sim *s, struct user *u, int64_t us)
{
    sim_trace (s, "the clock of %s lags by %d ms", u->name, (int)(us / US_PER_MS));
    sim_clock_lag (&u->clock, us);
    return u->alive;
}
