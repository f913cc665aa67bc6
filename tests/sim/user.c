#include "tests/sim/user.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "client/lib/core.h"
#include "common/base/mem.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"

enum { JOBS_MAX = 24, NEVER_LOST_S = 100000, LARGE_ROW = 300000 };

struct job { /* a batch */
    struct batch b;
    bool open;
    uint64_t id; /* the broker's number */
    uint64_t flags, jobs, cpus, priority;
    enum wire_form form;
    uint64_t plan; /* rows in the end */
    bool large;    /* its first row is large */
    int64_t next_us;
    int64_t cancel_us;     /* CLOCK_NEVER: not */
    uint64_t cancel_count; /* 0: all */
    bool cancelled;        /* was asked for */
    bool promised;         /* all of it was acknowledged, and it is detached */
    bool told;             /* END was delivered */
    bool refused;          /* the store could not take it */
    struct ranges got;
};

struct letter {
    struct wire_frames f;
    STAILQ_ENTRY (letter) link;
};

struct user {
    struct sim *s;
    char name[24];
    unsigned index;
    bool alive, auditor;
    bool reset; /* a session was lost, and what was attached with it */
    bool welcomed;
    struct core core;
    struct store store;
    struct conn *conn;
    STAILQ_HEAD (, letter) mail;
    int64_t paused_until, next;
    uint64_t wakes;
    uint64_t asked, answered; /* requests */
    struct job jobs[JOBS_MAX];
    unsigned n_jobs;
};

static void wake_at (struct user *u, int64_t when);

/* --- what it wants --- */

static void plan_job (struct sim *s, struct job *j)
{
    static const uint64_t JOBS[] = {0, 0, 1, 2, 3, 7};
    static const uint64_t PLANS[] = {0, 1, 10, 40, 150, 500};
    /* results of detached batches are kept, and take room */
    j->flags = !s->tight && sim_chance (s, 350) ? BATCH_DETACHED : 0;
    j->flags |= sim_chance (s, 150) ? BATCH_AT_MOST_ONCE : 0;
    j->jobs = JOBS[sim_below (s, 6)];
    j->cpus = sim_chance (s, 700) ? 1 : sim_below (s, 3);
    j->priority = sim_chance (s, 200) ? 80 : 50;
    j->form = sim_chance (s, 500) ? FORM_SHELL : FORM_FUNCTION;
    j->plan = sim_below (s, 1 + PLANS[sim_below (s, 6)]);
    j->large = j->plan && sim_chance (s, 50);
    j->next_us = s->now + sim_between (s, 0, sim_chance (s, 500) ? 1000 : 20000) * US_PER_MS;
    j->cancel_us = CLOCK_NEVER;
    if (sim_chance (s, 200))
        j->cancel_us = j->next_us + sim_between (s, 0, 8000) * US_PER_MS;
    j->cancel_count = sim_chance (s, 500) ? 0 : 1 + sim_below (s, 20);
}

static void open_job (struct user *u, struct job *j)
{
    char tag[64];
    struct err e;
    struct msg_open open = {.flags = j->flags, .jobs = j->jobs, .priority = j->priority};
    struct wire spec = {.m.spec = {.form = j->form, .cpus = j->cpus, .grace_ms = 100}};
    snprintf (tag, sizeof tag, "jobs=%u once=%u", (unsigned)j->jobs,
              j->flags & BATCH_AT_MOST_ONCE ? 1 : 0);
    spec.m.spec.shell = bytes_str (tag);
    spec.body[0] = slice_borrowed ("echo", 4);
    if (core_open (&u->core, &j->b, &open, &e) < 0 || batch_add_spec (&j->b, &spec, &e) < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    j->b.owner = j;
    j->open = true;
}

static void add_row (struct user *u, struct job *j)
{
    static char large[LARGE_ROW];
    struct err e;
    struct bytes value = bytes_str ("a value");
    if (j->large && !j->b.rows)
        value = bytes_of (large, sizeof large);
    if (batch_add (&j->b, 0, &value, 1, &e) < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    sim_count (u->s, COUNT_ROWS);
}

/* Some rows, or the end of them. */
static void submit (struct user *u, struct job *j)
{
    struct sim *s = u->s;
    struct err e;
    if (!j->open)
        open_job (u, j);
    uint64_t n = sim_chance (s, 500) ? j->plan : sim_below (s, 10);
    while (n-- && j->b.rows < j->plan && batch_room (&j->b, false))
        add_row (u, j);
    if (j->b.rows < j->plan)
        j->next_us = s->now + sim_between (s, 0, 500) * US_PER_MS;
    else if (batch_close (&j->b, &e) < 0)
        sim_fail (s, "%s: %s", u->name, e.text);
}

static void cancel (struct user *u, struct job *j)
{
    struct err e;
    struct wire w = {.kind = WIRE_CANCEL};
    j->cancel_us = CLOCK_NEVER;
    w.m.cancel.batch = j->b.handle;
    w.m.cancel.count = j->cancel_count;
    w.m.cancel.first = j->cancel_count ? sim_below (u->s, 10) : 0;
    w.m.cancel.kill = sim_chance (u->s, 300);
    j->cancelled = true;
    if (!core_ask (&u->core, &w, j->b.handle, &e))
        sim_fail (u->s, "%s: %s", u->name, e.text);
    u->asked++;
}

static void act (struct user *u)
{
    for (unsigned i = 0; i < u->n_jobs; i++) {
        struct job *j = &u->jobs[i];
        if (!j->b.over && !j->b.closed && u->s->now >= j->next_us)
            submit (u, j);
        if (j->open && !j->b.over && u->s->now >= j->cancel_us)
            cancel (u, j);
        if (j->b.closed && !j->b.over && !j->b.attached && j->flags & BATCH_DETACHED && j->id &&
            session_state (u->core.session) == SESSION_OPEN && session_idle (u->core.session))
            j->promised = true;
    }
}

static int64_t next_act (const struct user *u)
{
    int64_t at = CLOCK_NEVER;
    for (unsigned i = 0; i < u->n_jobs; i++) {
        const struct job *j = &u->jobs[i];
        if (!j->b.over && !j->b.closed && j->next_us < at)
            at = j->next_us;
        if (j->open && !j->b.over && j->cancel_us < at)
            at = j->cancel_us;
    }
    return at;
}

/* --- what it is told --- */

static void on_result (struct user *u, struct job *j, const drover_result_t *r)
{
    struct sim *s = u->s;
    bool ran = r->how == DROVER_DONE || r->how == DROVER_TIMEOUT;
    sim_trace (s, "%s is told row %d of batch %d: %s", u->name, (int)r->row, (int)j->id,
               outcome_name ((enum outcome_how)r->how));
    if (j->told || ranges_has (&j->got, r->row))
        sim_fail (s, "%s is told row %d of batch %d twice", u->name, (int)r->row, (int)j->id);
    ranges_add (&j->got, r->row, r->row + 1);
    if (ran && !ledger_ended (s, j->id, r->row, r->attempt, (enum outcome_how)r->how))
        sim_fail (s, "row %d of batch %d, attempt %d, did not end as %s", (int)r->row, (int)j->id,
                  (int)r->attempt, outcome_name ((enum outcome_how)r->how));
    if (r->how == DROVER_CANCELLED && !j->cancelled && !u->reset && !u->auditor)
        sim_fail (s, "row %d of batch %d was cancelled, and nobody asked for that", (int)r->row,
                  (int)j->id);
    if (r->how == DROVER_BROKER_LOST && !u->reset)
        sim_fail (s, "%s lost row %d of batch %d, but no session", u->name, (int)r->row,
                  (int)j->id);
    if (r->how == DROVER_LOST && !(j->flags & BATCH_AT_MOST_ONCE))
        sim_fail (s, "row %d of batch %d is lost, and could have run again", (int)r->row,
                  (int)j->id);
}

/* The disk took no commits: a batch is not accepted, a request is not done. */
static void on_storage (struct job *j)
{
    if (j)
        j->refused = true;
}

static void on_end (struct user *u, struct job *j, const drover_end_t *end)
{
    sim_trace (u->s, "%s is told the end of batch %d: state %d", u->name, (int)j->id, end->state);
    if (j->told)
        sim_fail (u->s, "%s is told the end of batch %d twice", u->name, (int)j->id);
    j->told = true;
    if (j->refused && end->state == DROVER_BATCH_BROKEN)
        return;
    uint64_t rows = u->auditor ? j->plan : j->b.rows;
    bool fewer = u->auditor && j->cancelled; /* what came behind the cancellation is not taken */
    if (j->got.count != end->total || end->total > rows || (end->total < rows && !fewer))
        sim_fail (u->s, "%s: batch %d ends with %d outcomes of %d rows, and says %d", u->name,
                  (int)j->id, (int)j->got.count, (int)rows, (int)end->total);
    if (u->auditor && end->state == DROVER_BATCH_BROKEN)
        sim_fail (u->s, "batch %d was promised, and is gone: %s", (int)j->id, end->reason);
}

static void on_event (struct user *u, const drover_event_t *event)
{
    struct job *j = (struct job *)event->batch;
    switch (event->kind) {
    case DROVER_EVENT_OPENED:
        j->id = j->b.id;
        break;
    case DROVER_EVENT_RESULT:
        on_result (u, j, event->result);
        break;
    case DROVER_EVENT_END:
        on_end (u, j, event->end);
        break;
    case DROVER_EVENT_REPLY:
        u->answered++;
        break;
    case DROVER_EVENT_REFUSED:
        if (event->refused->code == DROVER_ESTORAGE) {
            on_storage (j);
            break;
        }
        /* fall through */
    case DROVER_EVENT_LOST:
        sim_fail (u->s, "%s is refused: %s", u->name, event->refused->text);
    default:
        break;
    }
}

static void take_events (struct user *u)
{
    const drover_event_t *event;
    struct err e;
    int rc;
    while ((rc = core_next (&u->core, NULL, &event, &e)) == 1)
        on_event (u, event);
    if (rc < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
}

/* --- turns --- */

static void read_mail (struct user *u)
{
    struct letter *l;
    while ((l = STAILQ_FIRST (&u->mail))) {
        struct wire w;
        struct err e;
        STAILQ_REMOVE_HEAD (&u->mail, link);
        if (wire_decode (&w, &l->f, NULL, &e) < 0)
            sim_fail (u->s, "%s is sent: %s", u->name, e.text);
        core_message (&u->core, u->s->now, &w);
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
    session_connected (u->core.session, u->s->now);
}

static void transmit (struct user *u)
{
    struct wire_frames f;
    while (session_next (u->core.session, u->s->now, &f)) {
        if (net_to_broker (u->s, u->conn, &f) < 0) {
            session_unsent (u->core.session, &f);
            wake_at (u, u->s->now + 5 * US_PER_MS);
            return;
        }
    }
}

static void turn (struct user *u)
{
    struct sim *s = u->s;
    read_mail (u);
    core_tick (&u->core, s->now);
    if (session_reconnect (u->core.session))
        connect (u);
    act (u);
    core_flush (&u->core);
    take_events (u);
    transmit (u);
    int64_t at = core_deadline (&u->core);
    if (next_act (u) < at)
        at = next_act (u);
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

static struct user *make (struct sim *s, unsigned index, bool auditor)
{
    struct user *u = mem_zalloc (sizeof *u);
    u->s = s;
    u->index = index;
    u->auditor = auditor;
    u->alive = true;
    u->next = CLOCK_NEVER;
    STAILQ_INIT (&u->mail);
    snprintf (u->name, sizeof u->name, auditor ? "auditor" : "c%u", index);
    struct session_config c = {.name = u->name,
                               .host = "here",
                               .version = "0",
                               .pid = index,
                               .connect_us = CLOCK_NEVER,
                               .lost_us = NEVER_LOST_S * (int64_t)US_PER_S};
    store_init (&u->store, NULL, SIZE_MAX, SIZE_MAX);
    core_init (&u->core, &c, &u->store, s->now);
    connect (u);
    return u;
}

struct user *user_new (struct sim *s, unsigned index)
{
    struct user *u = make (s, index, false);
    u->n_jobs = 1 + (unsigned)sim_below (s, 7);
    for (unsigned i = 0; i < u->n_jobs; i++)
        plan_job (s, &u->jobs[i]);
    wake_at (u, s->now);
    return u;
}

static void audit (struct user *u, const struct job *promised)
{
    struct err e;
    if (u->n_jobs == JOBS_MAX)
        return;
    struct job *j = &u->jobs[u->n_jobs++];
    *j = (struct job){.open = true,
                      .id = promised->id,
                      .flags = promised->flags,
                      .plan = promised->b.rows,
                      .cancelled = promised->cancelled && !promised->cancel_count,
                      .cancel_us = CLOCK_NEVER,
                      .next_us = CLOCK_NEVER};
    if (core_attach (&u->core, &j->b, promised->id, 0, true, &e) < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
    j->b.owner = j;
}

struct user *user_new_auditor (struct sim *s, unsigned index)
{
    struct user *u = make (s, index, true);
    for (unsigned i = 0; i < s->n_users; i++)
        for (unsigned k = 0; k < s->users[i]->n_jobs; k++)
            if (s->users[i]->jobs[k].promised)
                audit (u, &s->users[i]->jobs[k]);
    wake_at (u, s->now);
    return u;
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
        if (u->jobs[i].open)
            core_forget (&u->core, &u->jobs[i].b);
    core_fini (&u->core);
    store_fini (&u->store);
}

void user_free (struct user **up)
{
    struct user *u = *up;
    *up = NULL;
    if (!u)
        return;
    end (u);
    for (unsigned i = 0; i < u->n_jobs; i++)
        ranges_fini (&u->jobs[i].got);
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
    if (!u->alive)
        return true;
    for (unsigned i = 0; i < u->n_jobs; i++)
        if (!u->jobs[i].told)
            return false;
    return u->asked == u->answered;
}

void user_welcomed (struct sim *s, void *peer, bool resumed)
{
    for (unsigned i = 0; i < s->n_users; i++) {
        struct user *u = s->users[i];
        if (u != peer)
            continue;
        u->reset |= u->welcomed && !resumed;
        u->welcomed = true;
    }
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
