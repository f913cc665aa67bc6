/* Results: outcomes as they come from workers, into the batch's log, from where subs.c passes them
 * on.
 *
 * An outcome counts if its row is out in a lease of that worker and the attempt is the present one;
 * anything else is late and is dropped. Bodies are passed on as they came; only where something in
 * them was dropped are they made anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/mem.h"
#include "common/wire/trail.h"

enum {
    MADE_ROWS_MAX = 8192,
    UNREAD_PART = 4, /* a quarter of the queue: a client may have three of rows */
};

/* Besides what was asked for, a batch has as much room as all attached batches together leave of
 * their part of the queue. So one that nobody reads takes half of that part, n of them take
 * n / (n + 1), and however many there are, clients that read have room to submit. */
static uint64_t log_limit (const struct sched *s, const struct batch *b)
{
    uint64_t part = s->cfg.queue_bytes / UNREAD_PART;
    uint64_t room = part > s->unread_bytes ? part - s->unread_bytes : 0;
    uint64_t limit = b->result_bytes ? b->result_bytes : s->cfg.result_bytes;
    return limit < room ? limit : room;
}

/* A batch whose results are not read is granted no more: when they are many, or when there is no
 * room for anybody's. A detached one keeps them, and waits for nobody. */
static void pause_if_full (struct sched *s, struct batch *b)
{
    if (b->paused || b->flags & BATCH_DETACHED)
        return;
    if (b->log_bytes <= log_limit (s, b) && !is_crammed (s))
        return;
    b->paused = true;
    batch_set_ready (s, b);
}

/* What a result takes of memory, with its place in the index. */
static uint64_t weight (const struct entry *en)
{
    return en->body.len + sizeof *en + en->count * sizeof (uint32_t);
}

static void weigh (struct sched *s, struct batch *b, int64_t more)
{
    b->log_bytes += (uint64_t)more;
    s->queue_bytes += (uint64_t)more;
    if (b->flags & BATCH_DETACHED)
        quota_lasting (s, b, more);
    else
        s->unread_bytes += (uint64_t)more;
}

struct wire entry_message (const struct entry *en, uint64_t batch)
{
    struct wire w = {.kind = en->kind};
    w.body[0] = en->body;
    if (en->kind == WIRE_RESULTS)
        w.m.results = (struct msg_results){.batch = batch,
                                           .record = en->record,
                                           .count = en->count,
                                           .worker = bytes_str (en->worker),
                                           .host = bytes_str (en->host)};
    else
        w.m.output = (struct msg_output){.batch = batch,
                                         .record = en->record,
                                         .row = en->row,
                                         .attempt = en->attempt,
                                         .stream = en->stream,
                                         .offset = en->offset};
    return w;
}

/* Of outcomes, or (`o`) a piece of output. */
static struct entry *entry_new (struct sched *s, struct batch *b, const struct msg_output *o,
                                uint64_t count, struct slice *body_take, const struct session *from)
{
    struct entry *en = mem_zalloc (sizeof *en);
    en->kind = o ? WIRE_OUTPUT : WIRE_RESULTS;
    en->row = o ? o->row : 0;
    en->attempt = o ? o->attempt : 0;
    en->stream = o ? o->stream : 0;
    en->offset = o ? o->offset : 0;
    en->record = b->next_record++;
    en->count = count;
    en->body = *body_take;
    *body_take = (struct slice){0};
    en->worker = mem_strdup (from ? from->name : "");
    en->host = mem_strdup (from ? from->host : "");
    struct wire w = entry_message (en, b->id);
    en->trail = b->trail;
    b->trail = trail_next (b->trail, &w);
    TAILQ_INSERT_TAIL (&b->log, en, link);
    weigh (s, b, (int64_t)weight (en));
    b->n_pieces += en->kind == WIRE_OUTPUT;
    if (en->kind == WIRE_RESULTS && b->flags & BATCH_DETACHED)
        row_index_add (&b->index, en);
    struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link) {
        if (!sub->next)
            sub->next = en;
        sub_pump_later (s, sub);
    }
    pause_if_full (s, b);
    return en;
}

void entry_free (struct sched *s, struct batch *b, struct entry *en)
{
    TAILQ_REMOVE (&b->log, en, link);
    weigh (s, b, -(int64_t)weight (en));
    b->n_pieces -= en->kind == WIRE_OUTPUT;
    slice_fini (&en->body);
    free (en->worker);
    free (en->host);
    free (en);
}

static void unpause (struct sched *s, struct batch *b)
{
    bool room = !is_crammed (s) && b->log_bytes < log_limit (s, b) / 2;
    if (!b->paused || (!room && !TAILQ_EMPTY (&b->log)))
        return;
    b->paused = false;
    batch_set_ready (s, b);
}

/* Of an attached batch, what everybody has been sent goes; of a detached one it is kept. */
void results_trim (struct sched *s, struct batch *b)
{
    if (b->flags & BATCH_DETACHED)
        return;
    uint64_t needed = b->awaited ? 0 : b->next_record; /* its client will ask for them */
    struct sub *sub;
    LIST_FOREACH (sub, &b->subs, link)
        if (sub->next && sub->next->record < needed)
            needed = sub->next->record;
    struct entry *en;
    while ((en = TAILQ_FIRST (&b->log)) && en->record < needed)
        entry_free (s, b, en);
    unpause (s, b);
}

void results_trim_later (struct sched *s, struct batch *b)
{
    if (b->trimming)
        return;
    b->trimming = true;
    TAILQ_INSERT_TAIL (&s->trim, b, trim_link);
}

void results_trim_all (struct sched *s)
{
    struct batch *b;
    while ((b = TAILQ_FIRST (&s->trim))) {
        TAILQ_REMOVE (&s->trim, b, trim_link);
        b->trimming = false;
        results_trim (s, b);
    }
}

/* Of a detached batch, what did not end well may be run again (rerun.c): its bytes and its attempt
 * are kept. */
static bool may_retry (const struct batch *b, const struct outcome *o)
{
    return b->flags & BATCH_DETACHED && o->how != OUTCOME_DONE;
}

static void count_outcome (struct sched *s, struct batch *b, const struct outcome *o)
{
    bool keep = may_retry (b, o);
    b->counts[o->how]++;
    b->finished++;
    quota_tasks (s, b, -1);
    if (o->attempt > 1)
        ranges_add (&b->again, o->row, o->row + 1);
    if (keep) {
        ranges_add (&b->ended_as[o->how], o->row, o->row + 1);
        if (o->attempt > 1)
            odd_get (b, o->row)->attempt = (unsigned)o->attempt;
    } else {
        odd_drop (s, b, o->row);
    }
    order_leave (s, b, o->row);
    chunks_finish (s, b, o->row, 1, keep);
    if (!STAILQ_EMPTY (&b->early))
        live_taken (s, b, o->row, UINT64_MAX);
    if (b->flags & BATCH_DETACHED)
        row_index_note (&b->index, o->row);
}

void results_make (struct sched *s, struct batch *b, uint64_t first, uint64_t count,
                   enum outcome_how how, const char *reason, struct effects *fx)
{
    while (count) {
        uint64_t n = count < MADE_ROWS_MAX ? count : MADE_ROWS_MAX;
        struct buf body;
        buf_init (&body, SIZE_MAX);
        for (uint64_t row = first; row < first + n; row++) {
            struct outcome o = {.row = row, .attempt = odd_attempt (b, row), .how = how};
            o.reason = bytes_str (reason);
            outcome_pack (&body, &o);
            count_outcome (s, b, &o);
        }
        struct slice slice = buf_take_slice (&body);
        struct entry *en = entry_new (s, b, NULL, n, &slice, NULL);
        record_entry (s, b, en, 0, fx);
        first += n;
        count -= n;
    }
}

/* The whole body is looked at before anything is believed. */
static int check_body (const struct wire *w)
{
    struct bytes body = bytes_of (w->body[0].ptr, w->body[0].len);
    struct outcome o;
    uint64_t n = 0;
    size_t at = 0;
    int rc;
    while ((rc = outcome_read (body, &at, &o)) == 1) {
        if (o.how > OUTCOME_LOST)
            return -1;
        n++;
    }
    return rc == 0 && n == w->m.results.count && n ? 0 : -1;
}

struct tally {
    uint64_t accepted, dropped, duplicates;
    uint64_t retried;
    uint64_t wall_us;
    bool cut;        /* not all of them were accepted: */
    struct buf rest; /* those that were */
};

/* It was accepted before, and its acknowledgement was lost. (Of a row that ran more than once it is
 * not known which attempt ended it.) */
static bool is_duplicate (const struct batch *b, const struct outcome *o)
{
    if (o->row >= b->submitted || row_waits (b, o->row))
        return false;
    const struct lease *l;
    LIST_FOREACH (l, &b->leases, b_link)
        if (ranges_has (&l->out, o->row))
            return false;
    return ranges_has (&b->again, o->row) ? o->attempt > 1 : o->attempt == 1;
}

/* Whether it is to be reported. */
static bool take_outcome (struct sched *s, struct lease *l, const struct outcome *o,
                          struct tally *t, int64_t now, struct effects *fx)
{
    struct batch *b = l->batch;
    if ((b->odd ? odd_attempt (b, o->row) : 1) != o->attempt || !ranges_has (&l->out, o->row)) {
        t->dropped++;
        t->duplicates += is_duplicate (b, o);
        return false;
    }
    if (o->how != OUTCOME_DONE && retry_wants (b, o)) {
        retry_row (s, l, o, l->worker->session->name, now, fx);
        t->retried++;
        return false;
    }
    ranges_remove (&l->out, o->row, o->row + 1);
    b->granted--;
    count_outcome (s, b, o);
    t->accepted++;
    t->wall_us += o->wall_us;
    return true;
}

static void take_outcomes (struct sched *s, struct lease *l, struct bytes body, struct tally *t,
                           int64_t now, struct effects *fx)
{
    struct outcome o;
    size_t at = 0;
    size_t begin = 0;
    while (outcome_read (body, &at, &o) == 1) {
        bool taken = take_outcome (s, l, &o, t, now, fx);
        if (!taken && !t->cut) {
            t->cut = true;
            buf_append (&t->rest, body.ptr, begin);
        }
        if (taken && t->cut)
            buf_append (&t->rest, body.ptr + begin, at - begin);
        begin = at;
    }
}

static void measure (struct batch *b, const struct tally *t)
{
    uint64_t mean = t->wall_us / t->accepted;
    if (!mean)
        mean = 1;
    /* quick to learn that tasks are long, slower to believe that they are short */
    b->est_us = b->est_us && mean < b->est_us ? (3 * b->est_us + mean) / 4 : mean;
}

static void report (struct sched *s, struct lease *l, const struct wire *w, struct tally *t,
                    struct effects *fx)
{
    struct slice body = t->cut ? buf_take_slice (&t->rest) : slice_keep (&w->body[0]);
    struct entry *en = entry_new (s, l->batch, NULL, t->accepted, &body, l->worker->session);
    record_entry (s, l->batch, en, l->worker->session->token, fx);
    measure (l->batch, t);
}

static void finish_message (struct sched *s, struct lease *l, const struct wire *w, struct tally *t,
                            int64_t now, struct effects *fx)
{
    struct batch *b = l->batch;
    struct worker *wk = l->worker;
    if (t->accepted)
        report (s, l, w, t, fx);
    wk->done += t->accepted + t->retried;
    l->moved_us = now;
    lease_count (l);
    lease_drop_if_empty (s, l);
    drains_check (s, wk);
    worker_touch (s, wk);
    batch_progress (s, b, now);
}

/* Of a batch that the worker holds nothing of. */
static void late_outcomes (struct sched *s, struct worker *wk, const struct wire *w,
                           struct effects *fx)
{
    struct bytes body = bytes_of (w->body[0].ptr, w->body[0].len);
    const struct batch *b = batch_find (s, w->m.results.batch);
    uint64_t duplicates = 0;
    struct outcome o;
    size_t at = 0;
    while (b && outcome_read (body, &at, &o) == 1)
        duplicates += is_duplicate (b, &o);
    s->duplicates += duplicates;
    s->fenced += w->m.results.count - duplicates;
    effect_log (fx, LOG_INFO,
                "late outcomes worker=%s batch=%" PRIu64 " count=%" PRIu64 " duplicates=%" PRIu64,
                wk->session->name, w->m.results.batch, w->m.results.count, duplicates);
}

void results_from_worker (struct sched *s, struct worker *wk, const struct wire *w, int64_t now,
                          struct effects *fx)
{
    if (check_body (w) < 0) {
        session_error (s, wk->session, WIRE_MALFORMED, w->kind, w->m.results.batch, fx,
                       "these are no outcomes");
        wk->session->broken = true; /* its rows would never end */
        return;
    }
    struct lease *l = lease_find (wk, w->m.results.batch);
    struct tally t = {0};
    if (!l) {
        late_outcomes (s, wk, w, fx);
        return;
    }
    buf_init (&t.rest, SIZE_MAX);
    take_outcomes (s, l, bytes_of (w->body[0].ptr, w->body[0].len), &t, now, fx);
    s->duplicates += t.duplicates;
    s->fenced += t.dropped - t.duplicates;
    if (t.accepted || t.retried)
        finish_message (s, l, w, &t, now, fx);
    buf_fini (&t.rest);
}

void output_from_worker (struct sched *s, struct worker *wk, const struct wire *w, int64_t now,
                         struct effects *fx)
{
    const struct msg_output *m = &w->m.output;
    struct lease *l = lease_find (wk, m->batch);
    if (!l || !ranges_has (&l->out, m->row) || odd_attempt (l->batch, m->row) != m->attempt) {
        s->fenced++;
        return;
    }
    struct slice body = slice_keep (&w->body[0]);
    struct entry *en = entry_new (s, l->batch, m, 0, &body, wk->session);
    record_entry (s, l->batch, en, 0, fx);
    batch_progress (s, l->batch, now);
}

/* The outcomes of a record, out of the lease of who held the rows, or out of those that waited:
 * then they are the broker's own word. */
static int take_record (struct sched *s, struct batch *b, struct lease *l, struct bytes body,
                        struct tally *t, struct err *e)
{
    struct outcome o;
    size_t at = 0;
    while (outcome_read (body, &at, &o) == 1) {
        int64_t ended_us = o.start_us ? (int64_t)(o.start_us + o.wall_us) : 0;
        if (!l)
            due_now (s, b, o.row, o.row + 1);
        if ((l ? ranges_remove (&l->out, o.row, o.row + 1)
               : rows_unwait (s, b, o.row, o.row + 1) +
                     ranges_remove (&b->held, o.row, o.row + 1)) != 1)
            return err_set (e, EINVAL, "row %" PRIu64 " ends, but was not %s", o.row,
                            l ? "granted" : "waiting");
        b->granted -= l != NULL;
        t->accepted++;
        t->wall_us += o.wall_us;
        if (ended_us > b->last_wall_us)
            b->last_wall_us = ended_us;
        count_outcome (s, b, &o);
    }
    return 0;
}

int results_replay (struct sched *s, struct batch *b, struct lease *l, const struct wire *w,
                    struct err *e)
{
    const struct msg_results *m = &w->m.results;
    struct tally t = {0};
    if (m->record != b->next_record)
        return err_set (e, EINVAL, "result %" PRIu64 " is not the next one (%" PRIu64 ")",
                        m->record, b->next_record);
    if (take_record (s, b, l, bytes_of (w->body[0].ptr, w->body[0].len), &t, e) < 0)
        return -1;
    if (l && t.accepted) {
        measure (b, &t);
        lease_count (l);
        lease_drop_if_empty (s, l);
    }
    struct slice body = slice_keep (&w->body[0]);
    struct entry *en = entry_new (s, b, NULL, m->count, &body, NULL);
    free (en->worker);
    free (en->host);
    en->worker = mem_strndup ((const char *)m->worker.ptr, m->worker.len);
    en->host = mem_strndup ((const char *)m->host.ptr, m->host.len);
    return 0;
}

int output_replay (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    const struct msg_output *m = &w->m.output;
    if (m->record != b->next_record)
        return err_set (e, EINVAL, "result %" PRIu64 " is not the next one (%" PRIu64 ")",
                        m->record, b->next_record);
    struct slice body = slice_keep (&w->body[0]);
    entry_new (s, b, m, 0, &body, NULL);
    return 0;
}

bool results_trail_fits (const struct batch *b, uint64_t record, uint64_t trail)
{
    const struct entry *en;
    if (!trail || !record || record + 1 >= b->next_record)
        return !trail || !record || (record + 1 == b->next_record && trail == b->trail);
    TAILQ_FOREACH (en, &b->log, link)
        if (en->record > record)
            break;
    return !en || en->record > record + 1 || en->trail == trail;
}

void results_confirmed (struct sched *s, struct batch *b, uint64_t record)
{
    struct entry *en;
    if (record > b->confirmed)
        b->confirmed = record;
    if (b->flags & BATCH_DETACHED)
        return;
    while ((en = TAILQ_FIRST (&b->log)) && en->record <= b->confirmed)
        entry_free (s, b, en);
    unpause (s, b);
}
