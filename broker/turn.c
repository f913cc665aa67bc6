#include "broker/turn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/faultpoint.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/mem.h"

enum {
    MESSAGES_A_TURN = 256, /* of one link: the others get their turn, and commits stay small */
    STRANGERS = 16,        /* connections that may have no session, beside as many as have one */
    PARKED_RETRY_US = 10 * US_PER_MS,
    LAG_COUNTS_US = 200 * US_PER_MS,
    PARKED_ANSWERS_MAX = 4096, /* to a peer that takes none of them */
    PROBE_FIRST_US = US_PER_S, /* after a failed commit the store is tried; then half as often, */
    PROBE_LAST_US = 5 * US_PER_S, /* ... down to this */
};

struct parked_frames {
    struct wire_frames f;
    STAILQ_ENTRY (parked_frames) link;
};

/* Messages for a peer whose connection is full. */
struct parked {
    uint64_t route;
    unsigned answers; /* messages without a number: what has one is bounded by its channel */
    STAILQ_HEAD (, parked_frames) list;
    UT_hash_handle hh;
};

/* A link, and up to when it is known to be read. Of a link that always has more, messages are
 * counted: its peers are read in turn, so that after as many as there are peers each was looked at.
 */
struct source {
    struct link *link;
    bool more;          /* this turn left something there */
    uint64_t count;     /* messages read since... */
    int64_t since_us;   /* ...this time */
    int64_t read_to_us; /* what arrived before was read */
};

struct turn {
    struct sched_config cfg;
    struct sched *sched;
    struct store *store;
    struct source links[TURN_LINKS_MAX];
    unsigned n_links;
    struct effects fx;
    struct parked *parked; /* hash by route */
    uint64_t last_commit;  /* number of the last one that the store accepted */
    int64_t now;
    int64_t probe_us; /* when the store is tried again; 0: it takes commits */
    int64_t probe_every_us;
    bool stop, leave;
};

static int replay_one (void *arg, const struct wire_frames *record, struct err *e)
{
    struct wire w;
    if (wire_decode (&w, record, NULL, e) < 0)
        return -1;
    int rc = sched_replay (arg, &w, e);
    FAULT_POINT_OF ("broker-replays", wire_name (w.kind));
    wire_fini (&w);
    return rc;
}

static int replay (struct turn *t, struct err *e)
{
    uint64_t held = store_committed (t->store);
    sched_free (&t->sched);
    t->cfg.first_commit = (held > t->last_commit ? held : t->last_commit) + 1;
    t->sched = sched_new (&t->cfg);
    return store_replay (t->store, replay_one, t->sched, e);
}

struct turn *turn_new (const struct sched_config *cfg, struct store *store, struct err *e)
{
    struct turn *t = mem_zalloc (sizeof *t);
    t->cfg = *cfg;
    t->cfg.records = store_wants_records (store);
    t->cfg.durable = store_is_durable (store);
    t->cfg.durability = store_name (store);
    t->cfg.went_back = store_went_back (store);
    t->store = store;
    if (replay (t, e) < 0)
        turn_free (&t);
    else if (store_shut (store)) /* for good: nobody asks whether it takes commits again */
        sched_set_degraded (t->sched, store_shut (store));
    return t;
}

static void unpark (struct turn *t, struct parked *p)
{
    struct parked_frames *f;
    while ((f = STAILQ_FIRST (&p->list))) {
        STAILQ_REMOVE_HEAD (&p->list, link);
        wire_frames_fini (&f->f);
        free (f);
    }
    HASH_DEL (t->parked, p);
    free (p);
}

void turn_free (struct turn **tp)
{
    struct turn *t = *tp;
    *tp = NULL;
    if (!t)
        return;
    struct parked *p, *tmp;
    HASH_ITER (hh, t->parked, p, tmp)
        unpark (t, p);
    effects_fini (&t->fx);
    sched_free (&t->sched);
    free (t);
}

int turn_add_link (struct turn *t, struct link *l, struct err *e)
{
    if (t->n_links == TURN_LINKS_MAX)
        return err_set (e, EINVAL, "more than %d endpoints", TURN_LINKS_MAX);
    t->links[t->n_links++].link = l;
    return 0;
}

static void step (struct turn *t, struct sched_event *ev)
{
    sched_step (t->sched, ev, t->now, &t->fx);
}

static void on_frames (struct turn *t, uint64_t route, struct wire_frames *f)
{
    struct wire w;
    struct err e;
    enum wire_code code;
    struct sched_event ev = {.kind = EVENT_MESSAGE, .route = route, .message = &w};
    if (wire_decode (&w, f, &code, &e) < 0) {
        ev.kind = EVENT_MALFORMED;
        ev.code = code;
        ev.text = e.text;
        ev.kind_byte = (unsigned)w.kind;
        ev.seq = w.seq;
        ev.ack = w.ack;
    }
    step (t, &ev);
    FAULT_POINT_OF ("broker-takes", wire_name (w.kind));
    wire_fini (&w);
    wire_frames_fini (f);
}

static void read_link (struct turn *t, struct source *src)
{
    for (int n = 0; n < MESSAGES_A_TURN; n++) {
        struct wire_frames f;
        uint64_t route;
        int rc = link_receive (src->link, &route, &f);
        if (rc == 0)
            return;
        if (rc > 0) {
            on_frames (t, route, &f);
        } else if (route) {
            struct sched_event ev = {.kind = EVENT_MALFORMED,
                                     .route = route,
                                     .code = WIRE_MALFORMED,
                                     .text = "a message has three frames at the most"};
            step (t, &ev);
        }
    }
    src->more = true;
}

/* Every link, whatever woke the loop: silence is judged behind this. */
static void read_links (struct turn *t)
{
    for (unsigned i = 0; i < t->n_links; i++)
        read_link (t, &t->links[i]);
}

void turn_stop (struct turn *t)
{
    t->stop = true;
}

/* A full rotation is twice the peers and a few: some connections have no session. */
static void account (struct turn *t, struct source *src)
{
    if (!src->more) {
        src->read_to_us = src->since_us = t->now;
        src->count = 0;
        return;
    }
    src->more = false;
    src->count += MESSAGES_A_TURN;
    if (src->count < 2 * sched_peers (t->sched) + STRANGERS)
        return;
    src->read_to_us = src->since_us;
    src->since_us = t->now;
    src->count = 0;
}

/* Everything that arrived before this time was read. */
static int64_t read_to (struct turn *t)
{
    int64_t at = t->now;
    for (unsigned i = 0; i < t->n_links; i++) {
        account (t, &t->links[i]);
        if (t->links[i].read_to_us < at)
            at = t->links[i].read_to_us;
    }
    return at;
}

static void tick (struct turn *t)
{
    struct sched_event ev = {.kind = EVENT_TICK, .read_to_us = read_to (t)};
    int64_t late = t->now - sched_deadline (t->sched);
    if (late < 0)
        return;
    if (late > LAG_COUNTS_US)
        ev.lag_us = late;
    step (t, &ev);
}

/* --- what may leave --- */

static struct link *link_of (struct turn *t, uint64_t route)
{
    uint64_t index = route >> 32;
    return index < t->n_links ? t->links[index].link : NULL;
}

static void gone (struct turn *t, uint64_t route)
{
    struct sched_event ev = {.kind = EVENT_GONE, .route = route};
    step (t, &ev);
}

/* A peer that asks on and takes no answer is as good as gone; if it is not, it says HELLO again. */
static void park (struct turn *t, uint64_t route, struct wire_frames *f)
{
    struct parked *p = NULL;
    HASH_FIND (hh, t->parked, &route, sizeof route, p);
    if (!p) {
        p = mem_zalloc (sizeof *p);
        p->route = route;
        STAILQ_INIT (&p->list);
        HASH_ADD (hh, t->parked, route, sizeof p->route, p);
    }
    p->answers += !wire_numbered (wire_frames_kind (f));
    struct parked_frames *node = mem_zalloc (sizeof *node);
    node->f = *f;
    *f = (struct wire_frames){0};
    STAILQ_INSERT_TAIL (&p->list, node, link);
    if (p->answers <= PARKED_ANSWERS_MAX)
        return;
    gone (t, route);
    unpark (t, p);
}

static void transmit (struct turn *t, uint64_t route, struct wire_frames *f)
{
    struct parked *p = NULL;
    HASH_FIND (hh, t->parked, &route, sizeof route, p);
    struct link *l = link_of (t, route);
    FAULT_POINT_OF ("broker-sends", wire_name (wire_frames_kind (f)));
    if (p) {
        if (wire_frames_kind (f) != WIRE_PING) /* whether it is there is known from what waits */
            park (t, route, f);                /* behind that */
    } else if (l && link_send (l, route, f) < 0) {
        if (errno == EAGAIN)
            park (t, route, f);
        else
            gone (t, route);
    }
    wire_frames_fini (f);
}

static void retry (struct turn *t, struct parked *p)
{
    struct parked_frames *f;
    while ((f = STAILQ_FIRST (&p->list))) {
        bool answer = !wire_numbered (wire_frames_kind (&f->f));
        if (link_send (link_of (t, p->route), p->route, &f->f) < 0) {
            if (errno == EAGAIN)
                return;
            gone (t, p->route);
            break;
        }
        p->answers -= answer;
        STAILQ_REMOVE_HEAD (&p->list, link);
        free (f);
    }
    unpark (t, p);
}

static void retry_parked (struct turn *t)
{
    struct parked *p, *tmp;
    HASH_ITER (hh, t->parked, p, tmp)
        retry (t, p);
}

static void carry_out (struct turn *t)
{
    /* transmit() may add effects (a peer that is gone): the list is walked by index */
    for (size_t i = 0; i < t->fx.n; i++) {
        struct effect *ef = &t->fx.at[i];
        if (ef->kind == EFFECT_LOG && ef->text)
            log_event (ef->level, "%s", ef->text);
        if (ef->kind == EFFECT_STOP)
            t->leave = true;
        if (ef->kind != EFFECT_SEND)
            continue;
        struct wire_frames f = ef->frames;
        ef->frames = (struct wire_frames){0};
        transmit (t, ef->route, &f);
    }
    effects_clear (&t->fx);
}

/* How many records of this turn the store took, -1 when it took one not. */
static int append_records (struct turn *t, struct err *e)
{
    int n = 0;
    for (size_t i = 0; i < t->fx.n; i++) {
        if (t->fx.at[i].kind != EFFECT_RECORD)
            continue;
        FAULT_POINT ("broker-appends");
        if (store_append (t->store, t->fx.at[i].batch, &t->fx.at[i].frames, e) < 0)
            return -1;
        n++;
    }
    return n;
}

static int commit (struct turn *t, struct err *e)
{
    int n = append_records (t, e);
    if (n < 0)
        return -1;
    if (n)
        FAULT_POINT ("broker-commits");
    if (store_commit (t->store, sched_commit_number (t->sched), e) < 0)
        return -1;
    if (n)
        FAULT_POINT ("broker-queued-commit");
    t->last_commit = sched_commit_number (t->sched);
    return 0;
}

/* Nothing is left of what the scheduler said that is gone: sessions begin anew behind it. */
static void drop_parked (struct turn *t)
{
    struct parked *p, *tmp;
    HASH_ITER (hh, t->parked, p, tmp)
        unpark (t, p);
}

/* Memory is ahead of the store: what it kept is all that there is. Until it takes commits again
 * nothing new is accepted. */
static int recover (struct turn *t, const struct err *why, struct err *e)
{
    log_event (LOG_ERROR, "commit failed, replaying why=\"%s\"", why->text);
    for (size_t i = 0; i < t->fx.n; i++)
        t->leave |= t->fx.at[i].kind == EFFECT_STOP;
    effects_clear (&t->fx);
    drop_parked (t);
    if (store_reopen (t->store, e) < 0 || replay (t, e) < 0)
        return -1;
    sched_set_degraded (t->sched, why->text);
    t->probe_every_us = PROBE_FIRST_US;
    t->probe_us = t->now + t->probe_every_us;
    return 0;
}

static void probe (struct turn *t)
{
    struct err e;
    if (!t->probe_us || t->now < t->probe_us)
        return;
    if (store_probe (t->store, &e) == 0) {
        log_event (LOG_INFO, "the store takes commits again");
        sched_set_degraded (t->sched, NULL);
        t->probe_us = 0;
        return;
    }
    if (t->probe_every_us < PROBE_LAST_US / 2)
        t->probe_every_us *= 2;
    else
        t->probe_every_us = PROBE_LAST_US;
    t->probe_us = t->now + t->probe_every_us;
    if (e.code == EINPROGRESS)
        return; /* the reason is the one that was told before */
    log_event (LOG_WARN, "the store takes no commits why=\"%s\"", e.text);
    sched_set_degraded (t->sched, e.text);
}

static void stop (struct turn *t)
{
    struct sched_event ev = {.kind = EVENT_STOP};
    if (t->stop)
        step (t, &ev);
    t->stop = false;
}

int turn_run (struct turn *t, struct err *e)
{
    struct err why;
    t->now = clock_mono_us (); /* once a turn */
    read_links (t);
    stop (t);
    probe (t);
    tick (t);
    sched_end_turn (t->sched, t->now, &t->fx);
    if (commit (t, &why) < 0 && recover (t, &why, e) < 0)
        return -1;
    sched_committed (t->sched, store_committed (t->store));
    sched_flush (t->sched, t->now, &t->fx);
    retry_parked (t);
    carry_out (t);
    return t->leave ? 1 : 0;
}

int64_t turn_deadline (const struct turn *t)
{
    int64_t at = sched_deadline (t->sched);
    if (t->probe_us && t->probe_us < at)
        at = t->probe_us;
    if (t->parked && t->now + PARKED_RETRY_US < at)
        at = t->now + PARKED_RETRY_US;
    return at;
}

const struct sched *turn_sched (const struct turn *t)
{
    return t->sched;
}
