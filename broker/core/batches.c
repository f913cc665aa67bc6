/* Batches: specs, rows, the end. What a client may do to them is decided in clients.c. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

struct batch *batch_find (struct sched *s, uint64_t id)
{
    struct batch *b = NULL;
    HASH_FIND (hh, s->batches, &id, sizeof id, b);
    return b;
}

void batch_own_more (struct sched *s, struct batch *b, uint64_t bytes)
{
    b->own_bytes += bytes;
    s->own_bytes += bytes;
}

void batch_own_less (struct sched *s, struct batch *b, uint64_t bytes)
{
    b->own_bytes -= bytes;
    s->own_bytes -= bytes;
}

enum wire_batch_state batch_state (const struct batch *b)
{
    if (!b->ended)
        return BATCH_RUNNING;
    return b->cancelled ? BATCH_CANCELLED : BATCH_FINISHED;
}

/* A deadline stays where it was when the broker is restarted: only the real-time clock knows how
 * long ago the batch was opened, then. With RETRY it begins anew. */
void batch_start_clocks (const struct sched *s, struct batch *b, int64_t now)
{
    const struct msg_open *m = &b->open.m.open;
    uint64_t wall_ms = sched_wall_ms (s, now);
    uint64_t age_ms = !b->rerun && wall_ms > m->opened_ms ? wall_ms - m->opened_ms : 0;
    uint64_t left_ms = b->deadline_ms > age_ms ? b->deadline_ms - age_ms : 0;
    b->opened_us = now;
    b->deadline_us = CLOCK_NEVER;
    if (b->deadline_ms && left_ms < INT64_MAX / 2 / US_PER_MS)
        b->deadline_us = now + (int64_t)left_ms * US_PER_MS;
}

/* What must be the same where a batch is opened again. */
static const struct {
    const char *name;
    size_t at;
} SAME_NUMBERS[] = {
    {"flags", offsetof (struct msg_open, flags)},
    {"jobs", offsetof (struct msg_open, jobs)},
    {"priority", offsetof (struct msg_open, priority)},
    {"deadline_ms", offsetof (struct msg_open, deadline_ms)},
    {"runs", offsetof (struct msg_open, runs)},
    {"result_bytes", offsetof (struct msg_open, result_bytes)},
    {"retry_on", offsetof (struct msg_open, retry_on)},
    {"backoff_ms", offsetof (struct msg_open, backoff_ms)},
    {"backoff_max_ms", offsetof (struct msg_open, backoff_max_ms)},
    {"losses", offsetof (struct msg_open, losses)},
};

static uint64_t number_at (const struct msg_open *m, size_t at)
{
    return *(const uint64_t *)((const char *)m + at);
}

bool batch_differs (const struct batch *b, const struct msg_open *o, char *why, size_t size)
{
    const struct msg_open *was = &b->open.m.open;
    for (size_t i = 0; i < sizeof SAME_NUMBERS / sizeof *SAME_NUMBERS; i++) {
        uint64_t old = number_at (was, SAME_NUMBERS[i].at);
        uint64_t new = number_at (o, SAME_NUMBERS[i].at);
        if (old == new)
            continue;
        snprintf (why, size,
                  "batch %" PRIu64 " has this key, and its %s is %" PRIu64 ", not %" PRIu64, b->id,
                  SAME_NUMBERS[i].name, old, new);
        return true;
    }
    const char *other = !bytes_equal (was->name, o->name)                 ? "name"
                        : !bytes_equal (was->retry_exits, o->retry_exits) ? "list of exit statuses"
                        : !bytes_equal (was->after, o->after) ? "list of batches before it"
                                                              : NULL;
    if (other)
        snprintf (why, size, "batch %" PRIu64 " has this key, and another %s", b->id, other);
    return other != NULL;
}

struct batch *batch_by_key (struct sched *s, struct bytes key)
{
    struct batch *b = NULL;
    if (key.len)
        HASH_FIND (hh_key, s->by_key, key.ptr, (unsigned)key.len, b);
    return b;
}

bool batch_is_withdrawn (const struct batch *b)
{
    return b->flags & BATCH_DETACHED && b->cancelled && b->cut_short && !b->owner;
}

static void drop_key (struct sched *s, struct batch *b)
{
    if (b->keyed)
        HASH_DELETE (hh_key, s->by_key, b);
    b->keyed = false;
}

/* One that was withdrawn before lets go of the key. */
static void take_key (struct sched *s, struct batch *b)
{
    struct bytes key = b->open.m.open.key;
    struct batch *before = batch_by_key (s, key);
    if (before)
        drop_key (s, before);
    b->keyed = key.len > 0;
    if (b->keyed)
        HASH_ADD_KEYPTR (hh_key, s->by_key, key.ptr, (unsigned)key.len, b);
}

/* Who names losses among what is run again says with the number of runs how often. */
static unsigned losses_max (const struct sched *s, const struct batch *b)
{
    const struct msg_open *m = &b->open.m.open;
    if (m->losses)
        return (unsigned)m->losses;
    return m->retry_on & RETRY_LOST && b->runs > 1 ? (unsigned)b->runs : s->cfg.losses_max;
}

/* The pipeline is known by its first stage, which learns with the second that it is one. */
static void join_pipeline (struct sched *s, struct client *c, struct batch *b)
{
    uint64_t *head = &b->open.m.open.head;
    const struct sub *sub = *head && !s->replaying ? client_sub (c, *head) : NULL;
    if (!s->replaying)
        *head = sub ? sub->batch->id : 0;
    struct batch *first = *head ? batch_find (s, *head) : NULL;
    b->pipeline = *head;
    if (first)
        first->pipeline = first->id;
}

struct batch *batch_open (struct sched *s, struct client *c, const struct wire *w, int64_t now,
                          struct effects *fx)
{
    const struct msg_open *m = &w->m.open;
    struct batch *b = mem_zalloc (sizeof *b);
    b->id = s->replaying ? m->batch : s->next_batch;
    if (b->id >= s->next_batch)
        s->next_batch = b->id + 1;
    b->awaited = s->replaying;
    b->name = mem_strndup ((const char *)m->name.ptr, m->name.len);
    b->open = *w;
    b->open.header = slice_keep (&w->header);
    b->open.m.open.batch = b->id;
    if (!s->replaying)
        b->open.m.open.opened_ms = sched_wall_ms (s, now);
    b->flags = m->flags;
    if (b->flags & BATCH_ORDERED) /* two runs of one row would be two of its key */
        b->flags |= BATCH_EXCLUSIVE;
    b->jobs = m->jobs;
    b->priority = m->priority;
    b->runs = m->runs ? m->runs : 1;
    b->losses_max = losses_max (s, b);
    b->result_bytes = m->result_bytes;
    b->deadline_ms = m->deadline_ms;
    batch_start_clocks (s, b, now);
    b->client = c;
    b->next_record = 1;
    b->cpus = 1;
    LIST_INIT (&b->leases);
    LIST_INIT (&b->subs);
    LIST_INIT (&b->waiters);
    LIST_INIT (&b->followers);
    TAILQ_INIT (&b->log);
    STAILQ_INIT (&b->early);
    ranges_add (&b->slots, 1, 1 + (b->jobs ? b->jobs : BATCH_SLOT_NUMBERS));
    HASH_ADD (hh, s->batches, id, sizeof b->id, b);
    take_key (s, b);
    batch_own_more (s, b, sizeof *b + m->name.len + m->key.len + m->after.len);
    LIST_INSERT_HEAD (&c->owned, b, owned_link);
    quota_join (s, b, c);
    join_pipeline (s, c, b);
    record_said (s, b, &b->open, fx);
    after_open (s, b, fx);
    return b;
}

static void free_parts (struct sched *s, struct batch *b)
{
    for (size_t i = 0; i < b->n_specs; i++)
        wire_fini (&b->specs[i]);
    free (b->specs);
    free (b->spec_hashes);
    free (b->hashes);
    content_fini (&b->coming);
    s->n_alone -= b->alone.count;
    odds_free (s, b);
    struct entry *en;
    while ((en = TAILQ_FIRST (&b->log)))
        entry_free (s, b, en);
    row_index_fini (&b->index);
    live_free (b);
    struct function_name *f, *f2;
    HASH_ITER (hh, b->functions, f, f2) {
        HASH_DEL (b->functions, f);
        free (f->name);
        free (f);
    }
    ranges_fini (&b->waiting);
    ranges_fini (&b->later);
    ranges_fini (&b->held);
    ranges_fini (&b->picky);
    ranges_fini (&b->alone);
    ranges_fini (&b->slots);
    ranges_fini (&b->again);
    for (int how = 0; how < OUTCOME_KINDS; how++)
        ranges_fini (&b->ended_as[how]);
    wire_fini (&b->open);
    free (b->name);
    free (b->reason);
    dooms_free (b);
}

static void unready (struct sched *s, struct batch *b)
{
    struct client *c = b->client;
    if (!b->ready)
        return;
    b->ready = false;
    wide_release (s, b);
    TAILQ_REMOVE (&c->ready, b, ready_link);
    if (c->served == b)
        c->served = NULL;
    if (TAILQ_EMPTY (&c->ready)) {
        TAILQ_REMOVE (&s->ready, c, ready_link);
        if (s->served == c)
            s->served = NULL;
        c->is_ready = false;
    }
}

void batch_check_over (struct sched *s, struct batch *b)
{
    if (!b->ended || b->flags & BATCH_DETACHED || b->over || b->awaited || !LIST_EMPTY (&b->subs))
        return;
    b->over = true;
    TAILQ_INSERT_TAIL (&s->over, b, over_link);
}

void batches_free_over (struct sched *s, struct effects *fx)
{
    struct batch *b;
    while (!s->degraded && (b = TAILQ_FIRST (&s->over))) {
        TAILQ_REMOVE (&s->over, b, over_link);
        b->over = false;
        if (LIST_EMPTY (&b->subs)) /* nobody came in the same turn */
            batch_forget (s, &b, fx);
    }
}

void batch_forget (struct sched *s, struct batch **bp, struct effects *fx)
{
    after_settle_of (s, *bp, fx);
    record_remove (s, *bp, fx);
    batch_free (s, bp);
}

void batch_free (struct sched *s, struct batch **bp)
{
    struct batch *b = *bp;
    *bp = NULL;
    assert (LIST_EMPTY (&b->leases));
    if (b->over)
        TAILQ_REMOVE (&s->over, b, over_link);
    retention_leave (s, b);
    while (!LIST_EMPTY (&b->waiters))
        waiter_free (LIST_FIRST (&b->waiters));
    while (!LIST_EMPTY (&b->subs)) {
        struct sub *sub = LIST_FIRST (&b->subs);
        sub_free (s, &sub);
    }
    unready (s, b);
    chunks_free (s, b);
    order_free (s, b);
    after_free (s, b);
    LIST_REMOVE (b, owned_link);
    quota_leave (s, b);
    HASH_DEL (s->batches, b);
    drop_key (s, b);
    if (b->trimming)
        TAILQ_REMOVE (&s->trim, b, trim_link);
    s->own_bytes -= b->own_bytes;
    free_parts (s, b);
    free (b);
}

const struct wire *batch_spec_of (const struct batch *b, uint64_t spec)
{
    return spec < b->n_specs && b->specs[spec].kind == WIRE_SPEC ? &b->specs[spec] : NULL;
}

/* Whether any rows could be placed. Which worker takes them is for place.c. */
static bool has_work (const struct sched *s, const struct batch *b)
{
    if (b->flags & BATCH_EXCLUSIVE && s->now_us < s->exclusive_us)
        return false;
    return b->waiting.count && !b->cancelled && !b->paused && !b->n_unmet;
}

/* Last among those of its priority; but before the one that had its turn just now: whoever is new
 * gets the next free slot. */
static void join_turns (struct client *c, struct batch *b)
{
    struct batch *other;
    TAILQ_FOREACH (other, &c->ready, ready_link)
        if (other->priority < b->priority || (other == c->served && other->priority == b->priority))
            break;
    if (other)
        TAILQ_INSERT_BEFORE (other, b, ready_link);
    else
        TAILQ_INSERT_TAIL (&c->ready, b, ready_link);
}

void batch_set_ready (struct sched *s, struct batch *b)
{
    struct client *c = b->client;
    if (!has_work (s, b)) {
        unready (s, b);
        return;
    }
    s->placing = true;
    if (b->ready)
        return;
    b->ready = true;
    join_turns (c, b);
    if (!c->is_ready) {
        c->is_ready = true;
        if (s->served && s->served == TAILQ_LAST (&s->ready, client_list))
            TAILQ_INSERT_BEFORE (s->served, c, ready_link);
        else
            TAILQ_INSERT_TAIL (&s->ready, c, ready_link);
    }
    struct worker *w;
    if (b->cpus == 0) { /* a worker whose slots are all taken can still have these */
        TAILQ_FOREACH (w, &s->workers, link)
            worker_touch (s, w);
    }
}

void batch_give_to (struct sched *s, struct batch *b, struct client *c)
{
    unready (s, b);
    LIST_REMOVE (b, owned_link);
    quota_leave (s, b);
    b->client = c;
    LIST_INSERT_HEAD (&c->owned, b, owned_link);
    quota_join (s, b, c);
    batch_set_ready (s, b);
}

static void end (struct sched *s, struct batch *b, int64_t now)
{
    b->ended = true;
    after_ended (s, b);
    retention_enter (s, b, now);
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        worker_forget (s, w, b->id);
    struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link)
        sub_pump_later (s, sub);
    batch_check_over (s, b);
}

void batch_progress (struct sched *s, struct batch *b, int64_t now)
{
    if (LIST_EMPTY (&b->subs))
        results_trim (s, b);
    batch_set_ready (s, b);
    if (!b->ended && b->closed && b->finished == b->submitted)
        end (s, b, now);
    waits_check (s, b, now);
}

static uint64_t greatest_worker (struct sched *s)
{
    uint64_t slots = 0;
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (w->slots > slots)
            slots = w->slots;
    return slots;
}

static void notice (struct sched *s, struct batch *b, enum wire_note code, uint64_t value,
                    const char *text)
{
    struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link) {
        struct wire w = {.kind = WIRE_NOTICE};
        w.m.notice.batch = sub->handle;
        w.m.notice.code = code;
        w.m.notice.value = value;
        w.m.notice.text = bytes_str (text);
        session_post (s, sub->client->session, &w);
    }
}

static bool any_worker_can (struct sched *s, struct batch *b)
{
    struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (worker_can (w, b))
            return true;
    return false;
}

/* A function that a batch needs and no worker has; NULL: there is none. */
static const char *missing_function (struct sched *s, const struct batch *b)
{
    for (const struct function_name *need = b->functions; need; need = need->hh.next) {
        struct worker *w;
        bool found = false;
        TAILQ_FOREACH (w, &s->workers, link)
            found |= worker_has_function (w, need);
        if (!found)
            return need->name;
    }
    return NULL;
}

static void tell_unable (struct sched *s, struct batch *b)
{
    char text[400];
    const char *name = missing_function (s, b);
    if (name)
        snprintf (text, sizeof text, "no worker there has the function '%s': drover module list",
                  name);
    else
        snprintf (text, sizeof text, "no worker there can run these tasks");
    notice (s, b, NOTICE_NO_FUNCTION, 0, text);
}

/* Why a batch does not move, said once to those who look at it. */
static void tell_why (struct sched *s, struct batch *b, int64_t now)
{
    char text[200];
    if (!s->n_workers) {
        if (!b->told_no_worker && now - b->opened_us >= 2 * US_PER_S)
            notice (s, b, NOTICE_NO_WORKER, 0, "no worker is connected to the broker");
        b->told_no_worker |= now - b->opened_us >= 2 * US_PER_S;
        return;
    }
    uint64_t most = greatest_worker (s);
    if (b->cpus > most && !b->told_too_big) {
        snprintf (text, sizeof text,
                  "a task takes %" PRIu64 " slots, the largest worker has %" PRIu64, b->cpus, most);
        notice (s, b, NOTICE_TASK_TOO_BIG, most, text);
        b->told_too_big = true;
    } else if (b->cpus <= most && !b->told_no_function && !any_worker_can (s, b)) {
        tell_unable (s, b);
        b->told_no_function = true;
    }
}

static void cancel_for (struct sched *s, struct batch *b, const char *why, int64_t now,
                        struct effects *fx)
{
    struct msg_cancel m = {.reason = bytes_str (why)};
    batch_cancel (s, b, &m, now, fx);
}

/* Replayed, and its client did not come back within the grace. */
static bool is_abandoned (const struct sched *s, const struct batch *b, int64_t now)
{
    return b->awaited && now >= s->judge_us;
}

static void abandon (struct sched *s, struct batch *b, int64_t now, struct effects *fx)
{
    b->awaited = false;
    if (!(b->closed && b->flags & BATCH_DETACHED))
        cancel_for (s, b, "its client did not come back", now, fx);
    results_trim (s, b);
    batch_check_over (s, b);
}

static const char NO_ROOM[] = "the broker has no room for more of its results: give the broker a "
                              "larger --queue-bytes, or let "
                              "the tasks print less or into files";

/* The one that keeps most, if it is much; and what those keep that are being ended already. */
static struct batch *greatest_keeper (const struct sched *s, uint64_t *on_its_way)
{
    struct batch *b, *greatest = NULL;
    for (b = s->batches; b; b = b->hh.next) {
        if (b->ended || !(b->flags & BATCH_DETACHED))
            continue;
        if (b->cancelled)
            *on_its_way += b->lasting_bytes;
        else if (b->lasting_bytes > s->cfg.overflow_bytes / 8 &&
                 (!greatest || b->lasting_bytes > greatest->lasting_bytes))
            greatest = b;
    }
    return greatest;
}

/* A batch that keeps what nobody may ever fetch cannot be paused, and forgetting those that are
 * over was not enough: it ends, and says why. (Behind a restart they are forgotten after the grace,
 * and those read by who has not come back just behind it.) Where no batch keeps much, nothing can
 * make room, and nobody is to wait for that.
 */
static void make_room (struct sched *s, int64_t now, struct effects *fx)
{
    uint64_t on_its_way = 0;
    s->no_room_to_make = false;
    if (!is_cramped (s) || now < s->judge_us + US_PER_S)
        return;
    struct batch *b = greatest_keeper (s, &on_its_way);
    if (s->lasting_bytes - on_its_way <= s->cfg.overflow_bytes / 4)
        return;
    s->no_room_to_make = !b;
    if (!b)
        return;
    effect_log (fx, LOG_WARN, "no room, ended batch=%" PRIu64 " kept_bytes=%" PRIu64, b->id,
                b->lasting_bytes);
    cancel_for (s, b, NO_ROOM, now, fx);
}

void batches_tick (struct sched *s, int64_t now, struct effects *fx)
{
    struct batch *b, *tmp;
    retention_tick (s, now, fx);
    make_room (s, now, fx);
    HASH_ITER (hh, s->batches, b, tmp) {
        if (is_abandoned (s, b, now))
            abandon (s, b, now, fx);
        if (b->ended)
            continue;
        s->placing |= b->picky.n || b->alone.n; /* they may have waited long enough */
        if (b->flags & BATCH_EXCLUSIVE)
            batch_set_ready (s, b);
        if (b->paused) /* others may have made room */
            results_trim (s, b);
        if (now >= b->deadline_us) {
            b->deadline_us = CLOCK_NEVER;
            cancel_for (s, b, "the batch is over its deadline", now, fx);
        } else if (b->waiting.count && !b->granted && !b->cancelled && !b->n_unmet) {
            tell_why (s, b, now);
        }
    }
}
