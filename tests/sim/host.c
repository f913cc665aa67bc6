#include "tests/sim/host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/mem.h"
#include "tests/sim/careless.h"
#include "tests/sim/cover.h"
#include "tests/sim/exec.h"
#include "tests/sim/net.h"
#include "tests/sim/states.h"

enum { JUST_NOW_US = 5 * US_PER_S };

struct happening { /* that the agent has not read */
    struct agent_event ev;
    struct wire_frames f; /* of a message */
    STAILQ_ENTRY (happening) link;
};

STAILQ_HEAD (happenings, happening);

struct host {
    struct sim *s;
    char name[24];
    unsigned index, slots;
    struct sim_clock clock;
    struct agent *agent; /* NULL: dead */
    uint64_t life;       /* of agents */
    struct conn *conn;
    struct happenings happenings; /* from executors and the launcher */
    struct happenings mail;       /* from the broker */
    bool deaf;                    /* reads nothing from executors */
    uint64_t token;
    struct careless *careless; /* NULL: it is not */
    bool lost;                 /* for ever */
    bool termed;
    bool lagged;
    int64_t paused_until;
    int64_t next;
    uint64_t wakes;
    struct exec **execs; /* by number, also dead ones */
    uint32_t n_execs;
};

static void wake_at (struct host *h, int64_t when);

/* --- what is known of it --- */

const char *host_name (const struct host *h)
{
    return h->name;
}

struct conn *host_conn (struct host *h)
{
    return h->conn;
}

bool host_is_alive (const struct host *h)
{
    return h->agent;
}

bool host_is_idle (const struct host *h)
{
    struct agent_figures f = {0};
    if (h->agent)
        f = agent_figures (h->agent);
    return f.queued == 0 && f.handed == 0;
}

uint64_t host_token (const struct host *h)
{
    return h->token;
}

int64_t host_clock (struct host *h)
{
    return sim_clock_read (h->s, &h->clock);
}

bool host_lags (const struct host *h)
{
    return h->lagged;
}

bool host_stood_still (const struct host *h)
{
    return h->lagged || h->s->now < h->paused_until + JUST_NOW_US;
}

bool host_is (const struct sim *s, const void *peer)
{
    for (unsigned i = 0; i < s->n_hosts; i++)
        if (s->hosts[i] == peer)
            return true;
    return false;
}

/* --- the pages --- */

static struct exec *exec_of (struct host *h, uint32_t number)
{
    if (!number || number > h->n_execs)
        sim_fail (h->s, "%s has no executor %d", h->name, (int)number);
    return h->execs[number - 1];
}

static void page_open (void *self, uint32_t executor, uint64_t run, uint32_t count)
{
    exec_open (exec_of (self, executor), run, count);
}

static uint32_t page_recall (void *self, uint32_t executor, uint64_t run, uint32_t count,
                             uint32_t want)
{
    (void)count;
    return exec_recall (exec_of (self, executor), run, want);
}

static int64_t page_claimed (void *self, uint32_t executor, uint64_t run, uint32_t count)
{
    (void)count;
    return exec_claimed (exec_of (self, executor), run);
}

static bool page_running (void *self, uint32_t executor, struct agent_running *r)
{
    return exec_running (exec_of (self, executor), r);
}

/* Functions here never look whether they are cancelled. */
static bool page_cancel (void *self, uint32_t executor)
{
    (void)self;
    (void)executor;
    return false;
}

static size_t page_peek (void *self, uint32_t executor, void *copy, size_t size)
{
    return exec_peek (exec_of (self, executor), copy, size);
}

/* A host stops as a whole, so nobody here has to see that an agent stopped alone. */
static void page_lease (void *self, uint32_t executor, int64_t until_us, int64_t margin_us)
{
    (void)self, (void)executor, (void)until_us, (void)margin_us;
}

/* A third of the functions that run for long tell how far they are. */
static bool page_progress (void *self, uint32_t executor, struct agent_progress *p)
{
    struct host *h = self;
    struct agent_running r;
    if (executor % 3 || !exec_running (exec_of (self, executor), &r))
        return false;
    *p = (struct agent_progress){
        .run = r.run, .place = r.place, .done = (uint64_t)h->s->now / US_PER_S};
    return true;
}

static bool page_spent (void *self, uint32_t executor)
{
    (void)self, (void)executor;
    return false;
}

/* --- what the agent will read --- */

static struct happening *happening_new (struct happenings *list, enum agent_event_kind kind,
                                        uint32_t executor)
{
    struct happening *p = mem_zalloc (sizeof *p);
    p->ev.kind = kind;
    p->ev.executor = executor;
    STAILQ_INSERT_TAIL (list, p, link);
    return p;
}

static void drop (struct happenings *list)
{
    struct happening *p;
    while ((p = STAILQ_FIRST (list))) {
        STAILQ_REMOVE_HEAD (list, link);
        wire_frames_fini (&p->f);
        free (p);
    }
}

void host_said (struct sim *s, struct host *h, uint32_t executor, const struct wire *w)
{
    struct err e;
    struct happening *p = happening_new (&h->happenings, AGENT_SAID, executor);
    if (wire_encode (w, &p->f, &e) < 0)
        sim_fail (s, "an executor says: %s", e.text);
    wake_at (h, s->now + sim_between (s, 5, 50));
}

static void on_mail (struct sim *s, void *peer, struct wire_frames *f)
{
    struct host *h = peer;
    struct happening *p = happening_new (&h->mail, AGENT_MESSAGE, 0);
    p->f = *f;
    *f = (struct wire_frames){0};
    wake_at (h, s->now + sim_between (s, 5, 50));
}

/* --- the launcher --- */

static void be_born (struct sim *s, void *arg, uint64_t life_and_kind)
{
    struct host *h = arg;
    enum agent_kind kind = (enum agent_kind) (life_and_kind % AGENT_KINDS);
    if (!h->agent || h->life != life_and_kind / AGENT_KINDS)
        return;
    struct happening *p = happening_new (&h->happenings, AGENT_NEW, h->n_execs + 1);
    p->ev.executor_kind = kind;
    if (!s->calm && sim_chance (s, 30)) {
        sim_count (s, COUNT_REFUSALS);
        p->ev.kind = AGENT_REFUSED;
        p->ev.executor = 0;
        p->ev.text = "no more processes";
    } else {
        h->execs = mem_resize (h->execs, h->n_execs + 1, sizeof *h->execs);
        h->execs[h->n_execs] = exec_new (s, h, h->n_execs + 1, kind);
        h->n_execs++;
    }
    wake_at (h, s->now);
}

static void make_executor (struct host *h, enum agent_kind kind)
{
    sim_at (h->s, h->s->now + sim_between (h->s, 500, 4000), be_born, h,
            h->life * AGENT_KINDS + kind);
}

static void bury (struct sim *s, struct host *h, struct exec *x, int wait_status)
{
    if (!exec_is_alive (x))
        return;
    exec_stop (x);
    struct happening *p = happening_new (&h->happenings, AGENT_DIED, exec_number (x));
    p->ev.wait_status = wait_status;
    p->ev.unsent = exec_unsent (x);
    p->ev.wall_us = (uint64_t)host_clock (h);
    wake_at (h, s->now + sim_between (s, 5, 500));
}

static void be_killed (struct sim *s, void *arg, uint64_t number)
{
    struct host *h = arg;
    bury (s, h, exec_of (h, (uint32_t)number), SIGKILL);
}

/* --- turns --- */

static void leave (struct host *h, int status)
{
    sim_trace (h->s, "%s leaves with status %d", h->name, status);
    if (!h->termed)
        sim_fail (h->s, "%s leaves with status %d, and nobody asked it to", h->name, status);
    for (uint32_t i = 0; i < h->n_execs; i++)
        if (exec_is_alive (h->execs[i]))
            exec_stop (h->execs[i]);
    net_close (h->s, h->conn);
    agent_free (&h->agent);
    h->lost = true;
}

static void apply (struct host *h, struct agent_effect *x)
{
    struct sim *s = h->s;
    switch (x->kind) {
    case AGENT_DO_SEND:
        exec_receive (exec_of (h, x->executor), &x->frames);
        break;
    case AGENT_DO_NEW:
        make_executor (h, x->executor_kind);
        break;
    case AGENT_DO_KILL:
        sim_at (s, s->now + sim_between (s, 100, 5000), be_killed, h, x->executor);
        break;
    case AGENT_DO_PAUSE:
        h->deaf = x->on;
        break;
    case AGENT_DO_RECONNECT:
        net_close (s, h->conn);
        h->conn = net_connect (s, h->name, on_mail, h);
        break;
    case AGENT_DO_WATCH:
        break; /* see page_lease() */
    case AGENT_DO_TOKEN:
        h->token = x->token;
        if (h->careless)
            careless_renew (h->careless);
        break;
    case AGENT_DO_LOG:
        sim_trace (s, "%s: %s", h->name, x->text);
        break;
    case AGENT_DO_EXIT:
        break; /* after everything else */
    }
}

static void apply_all (struct host *h, struct agent_effects *fx)
{
    const struct agent_effect *over = NULL;
    for (size_t i = 0; i < fx->n; i++) {
        apply (h, &fx->at[i]);
        if (fx->at[i].kind == AGENT_DO_EXIT)
            over = &fx->at[i];
    }
    if (over)
        leave (h, over->status);
}

/* True: nothing was left behind. */
static bool transmit (struct host *h)
{
    struct wire_frames f;
    while (agent_transmit (h->agent, &f)) {
        if (h->careless && !h->s->calm)
            h->s->counts[COUNT_STALE] += careless_says (h->careless, &f);
        if (net_to_broker (h->s, h->conn, &f) < 0) {
            agent_unsent_take (h->agent, &f);
            return false;
        }
    }
    return true;
}

static void read_one (struct host *h, struct happening *p, struct agent_effects *fx)
{
    struct wire w = {0};
    struct err e;
    if (p->f.count && wire_decode (&w, &p->f, NULL, &e) < 0)
        sim_fail (h->s, "%s is sent: %s", h->name, e.text);
    if (p->f.count && !h->s->big)
        cover_met (h->s->cover, p->ev.executor ? AT_AGENT : AT_WORKER, state_at_worker (h->agent),
                   w.kind);
    h->termed |= p->ev.kind == AGENT_MESSAGE && w.kind == WIRE_DRAIN;
    if (h->careless && p->ev.kind == AGENT_MESSAGE && w.kind == WIRE_GRANT)
        careless_hears (h->careless, &w.m.grant);
    p->ev.message = &w;
    agent_step (h->agent, &p->ev, host_clock (h), fx);
    wire_fini (&w);
    wire_frames_fini (&p->f);
    free (p);
}

static void read_all (struct host *h, struct agent_effects *fx)
{
    struct happening *p;
    while ((p = STAILQ_FIRST (&h->mail))) {
        STAILQ_REMOVE_HEAD (&h->mail, link);
        read_one (h, p, fx);
    }
    while (!h->deaf && (p = STAILQ_FIRST (&h->happenings))) {
        STAILQ_REMOVE_HEAD (&h->happenings, link);
        read_one (h, p, fx);
    }
}

static void turn (struct sim *s, struct host *h)
{
    struct agent_effects fx = {0};
    struct err e;
    int64_t now = host_clock (h);
    read_all (h, &fx);
    if (now >= agent_deadline (h->agent))
        agent_step (h->agent, &(struct agent_event){.kind = AGENT_TICK}, now, &fx);
    agent_end_turn (h->agent, now, &fx);
    if (!s->big && agent_check (h->agent, &e) < 0)
        sim_fail (s, "%s: %s", h->name, e.text);
    apply_all (h, &fx);
    agent_effects_fini (&fx);
    if (!h->agent)
        return;
    if (!transmit (h))
        wake_at (h, s->now + 5 * US_PER_MS);
    int64_t at = sim_clock_when (&h->clock, agent_deadline (h->agent));
    if (!STAILQ_EMPTY (&h->happenings) && !h->deaf)
        at = s->now;
    wake_at (h, at > s->now ? at : s->now + 1);
}

static void wake (struct sim *s, void *arg, uint64_t number)
{
    struct host *h = arg;
    if (number != h->wakes)
        return;
    h->next = CLOCK_NEVER;
    if (!h->agent)
        return;
    if (s->now < h->paused_until)
        wake_at (h, h->paused_until);
    else
        turn (s, h);
}

static void wake_at (struct host *h, int64_t when)
{
    if (when >= h->next || !h->agent)
        return;
    h->next = when;
    sim_at (h->s, when, wake, h, ++h->wakes);
}

/* --- coming and going --- */

static void begin (struct sim *s, void *arg, uint64_t life)
{
    static const char *const FUNCTIONS[] = {"echo", NULL};
    struct host *h = arg;
    if (h->lost || h->agent || life != h->life)
        return;
    struct agent_config c = {
        .name = h->name,
        .host = h->name,
        .version = "0",
        .broker = "sim",
        .pid = 1000 + h->index,
        .slots = h->slots,
        .functions = FUNCTIONS,
        .prepare = s->big         ? 0
                   : h->slots < 4 ? h->slots
                                  : 4,
        .drain_us = sim_between (s, 0, 5) * US_PER_S,
        .backlog_bytes = sim_chance (s, 300) ? 500 : 0,
        .replaces = h->token,
        .seed = s->big ? 0 : sim_random (s) | 1,
        .pages = {h, page_open, page_recall, page_claimed, page_running, page_cancel, page_peek,
                  page_lease, page_progress, page_spent},
    };
    h->agent = agent_new (&c);
    h->deaf = false;
    h->conn = net_connect (s, h->name, on_mail, h);
    struct agent_effects fx = {0};
    agent_step (h->agent, &(struct agent_event){.kind = AGENT_START}, host_clock (h), &fx);
    apply_all (h, &fx);
    agent_effects_fini (&fx);
    wake_at (h, s->now);
}

struct host *host_new (struct sim *s, unsigned index, unsigned slots, bool helper)
{
    struct host *h = mem_zalloc (sizeof *h);
    h->s = s;
    h->index = index;
    h->slots = slots;
    h->next = CLOCK_NEVER;
    h->clock = sim_clock_new (s);
    snprintf (h->name, sizeof h->name, "%s%u", helper ? "helper" : "w", index);
    h->careless = !s->big && sim_chance (s, 500) ? careless_new () : NULL;
    STAILQ_INIT (&h->happenings);
    STAILQ_INIT (&h->mail);
    begin (s, h, 0);
    return h;
}

void host_free (struct host **hp)
{
    struct host *h = *hp;
    *hp = NULL;
    if (!h)
        return;
    drop (&h->happenings);
    drop (&h->mail);
    agent_free (&h->agent);
    careless_free (&h->careless);
    for (uint32_t i = 0; i < h->n_execs; i++)
        exec_free (&h->execs[i]);
    free (h->execs);
    free (h);
}

static void die (struct sim *s, struct host *h)
{
    for (uint32_t i = 0; i < h->n_execs; i++)
        if (exec_is_alive (h->execs[i]))
            exec_stop (h->execs[i]);
    drop (&h->happenings);
    drop (&h->mail);
    net_close (s, h->conn);
    agent_free (&h->agent);
    h->life++;
    h->paused_until = 0;
}

bool host_crash (struct sim *s, struct host *h)
{
    if (!h->agent)
        return false;
    sim_trace (s, "the agent of %s dies", h->name);
    die (s, h);
    sim_at (s, s->now + sim_between (s, 20, 500) * US_PER_MS, begin, h, h->life);
    return true;
}

void host_poison (struct sim *s, struct host *h)
{
    if (host_crash (s, h))
        sim_count (s, COUNT_POISON);
}

bool host_lose (struct sim *s, struct host *h)
{
    if (!h->agent)
        return false;
    sim_trace (s, "%s is gone for ever", h->name);
    die (s, h);
    h->lost = true;
    return true;
}

bool host_pause (struct sim *s, struct host *h, int64_t us)
{
    if (!h->agent)
        return false;
    sim_trace (s, "the agent of %s stands still for %d ms", h->name, (int)(us / US_PER_MS));
    h->paused_until = s->now + us;
    return true;
}

bool host_lag (struct sim *s, struct host *h, int64_t us)
{
    sim_trace (s, "the clock of %s lags by %d ms", h->name, (int)(us / US_PER_MS));
    sim_clock_lag (&h->clock, us);
    h->lagged = true;
    return h->agent;
}

bool host_term (struct sim *s, struct host *h)
{
    if (!h->agent)
        return false;
    sim_trace (s, "%s is to leave", h->name);
    h->termed = true;
    happening_new (&h->mail, AGENT_TERM, 0);
    wake_at (h, s->now);
    return true;
}

bool host_crash_executor (struct sim *s, struct host *h)
{
    for (uint32_t i = h->n_execs; h->agent && i-- > 0;) {
        if (!exec_is_alive (h->execs[i]) || sim_chance (s, 300))
            continue;
        sim_trace (s, "executor %d of %s crashes", (int)i + 1, h->name);
        bury (s, h, h->execs[i], SIGSEGV);
        return true;
    }
    return false;
}
