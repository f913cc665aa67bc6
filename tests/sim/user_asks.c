#include <stdio.h>
#include <string.h>

#include "tests/sim/host.h"
#include "tests/sim/ledger.h"
#include "tests/sim/user_inner.h"

static void remember (struct user *u, uint64_t ref, const struct wire *w, struct job *j)
{
    struct ask *a = &u->asks[u->n_asks++];
    *a = (struct ask){.ref = ref, .kind = w->kind, .job = j, .drop_us = CLOCK_NEVER};
    if (j)
        a->retries = ledger_retries (u->s, job_batch (j));
    if (w->kind == WIRE_CANCEL) {
        a->first = w->m.cancel.first;
        a->count = w->m.cancel.count;
    }
    if (w->kind == WIRE_WAIT && sim_chance (u->s, 300))
        a->drop_us = user_clock (u) + sim_between (u->s, 0, 3000) * US_PER_MS;
}

static void ask (struct user *u, struct wire *w, struct job *j, uint64_t handle)
{
    struct err e;
    if (u->n_asks == ASKS_MAX)
        return;
    uint64_t ref = core_ask (&u->core, w, handle, &e);
    if (!ref)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    remember (u, ref, w, j);
}

void ask_cancel (struct user *u, struct job *j)
{
    struct wire w = {.kind = WIRE_CANCEL};
    struct msg_cancel *m = &w.m.cancel;
    j->cancel_us = CLOCK_NEVER;
    if (j->cancel_count && j->b.opening.again_us != CLOCK_NEVER)
        return; /* libdrover says then that the broker has not taken it yet */
    m->batch = j->b.handle;
    m->count = j->cancel_count;
    m->first = m->count ? sim_below (u->s, 10) : 0;
    m->kill = sim_chance (u->s, 300);
    m->unstarted = sim_chance (u->s, 200);
    if (m->count && m->first + m->count > j->b.rows) { /* of rows that there are */
        if (m->first >= j->b.rows)
            return;
        m->count = j->b.rows - m->first;
    }
    if (m->count && j->b.whole_chunks && !j->b.closed)
        return; /* they may not have left */
    j->cancelled = true;
    ask (u, &w, j, j->b.handle);
}

/* --- now and then --- */

static struct job *some_job (struct user *u)
{
    struct job *j = u->n_jobs ? u->jobs[sim_below (u->s, u->n_jobs)] : NULL;
    return j && j->open && !j->forgotten ? j : NULL;
}

static void ask_query (struct user *u)
{
    struct wire w = {.kind = WIRE_QUERY};
    struct job *j = some_job (u);
    w.m.query.what = sim_below (u->s, 5);
    w.m.query.id = j ? j->id : 1;
    w.m.query.first = sim_below (u->s, 20);
    w.m.query.count = sim_below (u->s, 50);
    ask (u, &w, NULL, 0);
}

static void ask_wait (struct user *u)
{
    struct wire w = {.kind = WIRE_WAIT};
    struct job *j = some_job (u);
    if (!j || !j->id)
        return;
    w.m.wait.id = j->id;
    w.m.wait.condition = sim_below (u->s, 4);
    w.m.wait.n = sim_below (u->s, 100);
    ask (u, &w, NULL, 0);
}

static void ask_drain (struct user *u)
{
    char name[24];
    struct wire w = {.kind = WIRE_DRAIN};
    bool hurries = u->s->now < u->hurry_until;
    if (!sim_chance (u->s, hurries ? 700 : 300))
        return;
    snprintf (name, sizeof name, "w%u", (unsigned)sim_below (u->s, u->s->n_hosts + 1));
    w.m.drain.name = bytes_str (name);
    ask (u, &w, NULL, 0);
}

static void say_signal (struct user *u)
{
    struct job *j = some_job (u);
    struct wire w = {.kind = WIRE_SIGNAL};
    if (!j || j->attached || !j->b.rows || j->b.over || j->form != FORM_SHELL)
        return;
    w.m.signal.batch = j->b.handle;
    w.m.signal.row = sim_below (u->s, j->b.rows);
    w.m.signal.signo = 15;
    session_post (u->core.session, LANE_CONTROL, &w, NULL);
}

static void say_ping (struct user *u)
{
    session_ping (u->core.session, user_clock (u), (uint64_t)user_clock (u));
}

static void look_at_others (struct user *u)
{
    struct user *v = u->s->users[sim_below (u->s, u->s->n_users)];
    struct job *j = v->n_jobs ? v->jobs[sim_below (u->s, v->n_jobs)] : NULL;
    if (v == u || !j || j->attached || !j->id || !(j->flags & BATCH_DETACHED) || j->void_)
        return;
    uint64_t record = sim_chance (u->s, 600) ? 1 : 1 + sim_below (u->s, j->b.record + 1);
    job_attach (u, j, record, sim_chance (u->s, 700));
}

static void look_away (struct user *u)
{
    struct job *j = some_job (u);
    if (j && j->attached && !j->b.over)
        job_forget (u, j);
}

static void forget_promised (struct user *u)
{
    struct job *j = some_job (u);
    if (j && j->promised && !j->b.over && sim_chance (u->s, 300))
        job_forget (u, j);
}

/* --- what anybody may do to a detached batch --- */

static struct job *any_detached (struct user *u)
{
    struct user *v = u->s->users[sim_below (u->s, u->s->n_users)];
    struct job *j = v->n_jobs ? v->jobs[sim_below (u->s, v->n_jobs)] : NULL;
    bool fits = j && !j->attached && !j->twin && j->id && j->flags & BATCH_DETACHED && !j->void_;
    return fits ? j : NULL;
}

static void ask_retry (struct user *u)
{
    struct job *j = any_detached (u);
    struct wire w = {.kind = WIRE_RETRY};
    struct msg_retry *m = &w.m.retry;
    if (!j)
        return;
    m->id = j->id;
    m->hows = sim_chance (u->s, 500) ? 255 : sim_below (u->s, 256);
    m->first = sim_below (u->s, 10);
    m->count = sim_chance (u->s, 700) ? 0 : 1 + sim_below (u->s, 20);
    ask (u, &w, NULL, 0);
}

/* Mostly when nobody needs it any more. */
static void ask_remove (struct user *u)
{
    struct job *j = any_detached (u);
    struct wire w = {.kind = WIRE_REMOVE};
    if (!j || u->n_asks == ASKS_MAX || (!j->ended && j->user->alive && !sim_chance (u->s, 100)))
        return;
    w.m.remove.id = j->id;
    j->removals++;
    ask (u, &w, j, 0);
}

static void ask_cancel_of_others (struct user *u)
{
    struct job *j = any_detached (u);
    struct wire w = {.kind = WIRE_CANCEL};
    struct msg_cancel *m = &w.m.cancel;
    if (!j || !j->promised || !j->plan || !sim_chance (u->s, 300))
        return;
    m->id = j->id;
    m->kill = sim_chance (u->s, 300);
    if (sim_chance (u->s, 600)) {
        m->first = sim_below (u->s, j->plan);
        m->count = 1 + sim_below (u->s, j->plan - m->first);
    }
    j->cancelled = true;
    ask (u, &w, j, 0);
}

/* Never above what it was opened with, which is what the ledger knows. */
static void ask_set (struct user *u)
{
    struct job *j = any_detached (u);
    struct wire w = {.kind = WIRE_SET};
    struct msg_set *m = &w.m.set;
    if (!j)
        return;
    m->id = j->id;
    m->changes = CHANGE_PRIORITY | CHANGE_NAME | (j->jobs ? CHANGE_JOBS : 0);
    m->jobs = j->jobs ? 1 + sim_below (u->s, j->jobs) : 0;
    m->priority = 1 + sim_below (u->s, 100);
    m->name = bytes_str ("another");
    ask (u, &w, NULL, 0);
}

/* Some run, and some do not. */
static void ask_peek (struct user *u)
{
    struct job *j = some_job (u);
    struct wire w = {.kind = WIRE_PEEK};
    if (!j || !j->id || !j->b.rows)
        return;
    w.m.peek.batch = j->id;
    w.m.peek.attempt = sim_below (u->s, 3);
    w.m.peek.out_at = sim_below (u->s, 100);
    w.m.peek.wait = sim_chance (u->s, 500);
    w.m.peek.row = sim_chance (u->s, 500) ? sim_below (u->s, j->b.rows + 1) : j->b.done.count;
    for (int i = 0; i < 5; i++, w.m.peek.row++)
        ask (u, &w, NULL, 0);
}

static void submit_again (struct user *u)
{
    struct job *j = any_detached (u);
    if (j && j->shared && u->n_jobs < JOBS_MAX)
        job_plan_twin (u, j, j->promised && sim_chance (u->s, 400));
}

static void (*const WHIMS[]) (struct user *u) = {
    ask_query,  ask_query,    ask_wait,     ask_wait,   ask_drain,       say_signal,
    say_signal, say_ping,     say_ping,     look_away,  look_at_others,  look_at_others,
    ask_retry,  ask_retry,    ask_remove,   ask_remove, forget_promised, ask_cancel_of_others,
    ask_drain,  submit_again, submit_again,
};

static void drop_some (struct user *u)
{
    int64_t now = user_clock (u);
    unsigned kept = 0;
    for (unsigned i = 0; i < u->n_asks; i++) {
        if (now >= u->asks[i].drop_us)
            core_drop (&u->core, u->asks[i].ref, true);
        else
            u->asks[kept++] = u->asks[i];
    }
    u->n_asks = kept;
}

void asks_act (struct user *u)
{
    drop_some (u);
    if (!u->to_ask || user_clock (u) < u->ask_us || u->auditor)
        return;
    u->to_ask--;
    u->ask_us =
        user_clock (u) + sim_between (u->s, 1, u->s->now < u->hurry_until ? 150 : 4000) * US_PER_MS;
    WHIMS[sim_below (u->s, sizeof WHIMS / sizeof *WHIMS)](u);
    if (sim_chance (u->s, 100)) /* besides: they take nobody's place */
        ask_set (u);
    if (sim_chance (u->s, 150))
        ask_peek (u);
}

int64_t asks_next_act (const struct user *u)
{
    int64_t at = u->to_ask ? u->ask_us : CLOCK_NEVER;
    for (unsigned i = 0; i < u->n_asks; i++)
        if (u->asks[i].drop_us < at)
            at = u->asks[i].drop_us;
    return at;
}

/* --- answers --- */

static void check_records (struct user *u, const drover_event_t *event)
{
    drover_pair_t pairs[40];
    size_t at = 0;
    uint64_t n = 0;
    while (core_reply_record (&u->core, &at, pairs, 40) > 0)
        n++;
    if (n != event->reply->count)
        sim_fail (u->s, "%s is answered with %d records, and told %d", u->name, (int)n,
                  (int)event->reply->count);
}

static void settle_cancel (struct user *u, const struct ask *a)
{
    uint64_t batch = job_batch (a->job);
    if (a->job->id && !a->job->void_ && ledger_retries (u->s, batch) == a->retries)
        ledger_cancelled (u->s, batch, a->first, a->count);
}

static void settle (struct user *u, const struct ask *a, const drover_reply_t *r)
{
    bool ok = r->code == DROVER_OK;
    if (a->kind == WIRE_CANCEL && ok)
        settle_cancel (u, a);
    if (a->kind == WIRE_RETRY && ok && r->value)
        sim_count (u->s, COUNT_RETRIES);
    if (a->kind == WIRE_REMOVE && ok)
        sim_count (u->s, COUNT_REMOVALS);
    /* (a disk without room refuses also what it took before, and could not answer) */
    if (a->kind == WIRE_REMOVE && (r->code == DROVER_ECONFLICT || r->code == DROVER_EBUSY))
        a->job->removals--;
}

void asks_replied (struct user *u, const drover_event_t *event)
{
    struct ask *a = u->asks;
    while (a < u->asks + u->n_asks && a->ref != event->ref)
        a++;
    if (a == u->asks + u->n_asks)
        sim_fail (u->s, "%s is answered what it did not ask, or asked no more", u->name);
    if (a->kind == WIRE_QUERY)
        check_records (u, event);
    if (event->reply->more)
        return;
    settle (u, a, event->reply);
    *a = u->asks[--u->n_asks];
}
