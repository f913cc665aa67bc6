#include "client/lib/deliver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/fault.h"
#include "common/base/mem.h"
#include "common/wire/rows.h"

#define PAIRS_MAX 64 /* of one record */

/* The text of a message as a string; `size` is that of `to`. */
static const char *text_to (char *to, size_t size, struct bytes text)
{
    size_t len = text.len < size ? text.len : size - 1;
    if (len)
        memcpy (to, text.ptr, len);
    to[len] = '\0';
    return to;
}

/* Its record need not be kept for us any more. */
static void seen (const struct item *i)
{
    if (!i->batch)
        return;
    if (i->kind == ITEM_RESULTS)
        batch_seen (i->batch, i->w.m.results.record, i->w.body[0].len);
    else if (i->kind == ITEM_OUTPUT)
        batch_seen (i->batch, i->w.m.output.record, i->w.body[0].len);
    else if (i->kind == ITEM_END)
        batch_seen_end (i->batch);
}

static void free_item (struct core *c, struct item *i)
{
    seen (i);
    c->queued -= i->w.header.len + i->w.body[0].len;
    if (c->named == i)
        c->named = NULL;
    wire_fini (&i->w);
    free (i->text);
    free (i);
}

void deliver_drop (struct core *c, struct item *i)
{
    TAILQ_REMOVE (i->of_future ? &c->futures : &c->items, i, link);
    if (c->filling == i) {
        c->filling = NULL;
        result_fini (c->result);
    }
    free_item (c, i);
}

static void drop_batch (struct core *c, const struct items *list, const struct batch *b)
{
    struct item *i, *next;
    for (i = TAILQ_FIRST (list); i; i = next) {
        next = TAILQ_NEXT (i, link);
        if (i->batch == b)
            deliver_drop (c, i);
    }
}

void deliver_forget (struct core *c, const struct batch *b)
{
    if (c->present && c->present->batch == b) {
        seen (c->present);
        c->present->batch = NULL;
    }
    drop_batch (c, &c->items, b);
    drop_batch (c, &c->futures, b);
}

void deliver_end (struct core *c)
{
    if (c->present)
        free_item (c, c->present);
    c->present = NULL;
    c->event = (drover_event_t){0};
    if (!c->result || c->filling)
        return;
    if (c->result->refs > 1)
        result_unref (&c->result); /* the program kept it */
    else
        result_fini (c->result);
}

/* --- one function for each kind of item: 1 an event was made, 0 nothing came of it, -1 ----------
 */

static int event (struct core *c, enum drover_event_kind kind, struct batch *b)
{
    c->event.kind = (int)kind;
    c->event.batch = b ? b->owner : NULL;
    return 1;
}

static int simple (struct core *c, struct item *i, struct err *e)
{
    (void)e;
    if (i->kind == ITEM_CONNECTED)
        return event (c, DROVER_EVENT_CONNECTED, NULL);
    if (i->kind == ITEM_OPENED)
        return event (c, DROVER_EVENT_OPENED, i->batch);
    if (i->kind == ITEM_ROOM)
        return batch_room (i->batch, false) ? event (c, DROVER_EVENT_ROOM, i->batch) : 0;
    c->event.row = i->w.m.input_taken.row;
    return event (c, DROVER_EVENT_INPUT_ROOM, i->batch);
}

static struct result *fresh_result (struct core *c)
{
    if (!c->result) {
        c->result = mem_zalloc (sizeof *c->result);
        c->result->refs = 1;
    }
    return c->result;
}

/* Make the result of an outcome; where the file cannot be written it is left half made, for the
 * next call to go on with. */
static int make_result (struct core *c, struct item *i, const struct outcome *o, struct err *e)
{
    struct result *r = fresh_result (c);
    if (c->filling != i) {
        result_begin (r, c->store, o, i->w.body[0].len ? &i->w.body[0] : NULL);
        partials_take (&i->batch->partials, c->store, o->row, o->attempt, r->stream);
        c->filling = i;
    }
    if (result_fill (r, o, e) != 0)
        return -1;
    r->pub.worker = c->worker;
    r->pub.host = c->host;
    if (i->of_future && !result_is_small (r) && result_stand_alone (r, e) != 0)
        return -1;
    c->filling = NULL;
    c->event.result = &r->pub;
    c->event.row = o->row;
    return event (c, DROVER_EVENT_RESULT, i->batch);
}

static void name_worker (struct core *c, struct item *i)
{
    if (c->named == i)
        return;
    text_to (c->worker, sizeof c->worker, i->w.m.results.worker);
    text_to (c->host, sizeof c->host, i->w.m.results.host);
    c->named = i;
}

static int results (struct core *c, struct item *i, struct err *e)
{
    struct bytes body = bytes_of (i->w.body[0].ptr, i->w.body[0].len);
    struct outcome o;
    name_worker (c, i);
    for (;;) {
        size_t at = i->at;
        int got = outcome_read (body, &at, &o);
        if (got < 0)
            core_break (c, i->batch, "the broker sent results that cannot be read");
        if (got <= 0)
            return 0;
        if (c->filling == i || batch_finish_row (i->batch, o.row, o.how)) {
            if (make_result (c, i, &o, e) < 0)
                return -1;
            i->at = at;
            return 1;
        }
        i->at = at;
    }
}

/* Rows that nobody will say anything about any more. */
static int unfinished (struct core *c, struct item *i, struct err *e)
{
    struct batch *b = i->batch;
    struct outcome o = {.how = i->how, .reason = bytes_str (i->text)};
    c->named = NULL;
    c->worker[0] = c->host[0] = '\0';
    if (b->attached)
        return 0;
    if (c->filling != i) {
        while (i->at < b->rows && ranges_has (&b->done, i->at))
            i->at = ranges_from (&b->done, i->at).hi;
        if (i->at >= b->rows)
            return 0;
        batch_finish_row (b, i->at, i->how);
    }
    o.row = i->at;
    return make_result (c, i, &o, e);
}

/* Where a limit cuts the middle out, something is meant to be missing. */
static void report_gap (struct core *c, const struct batch *b, const struct piece *p, uint64_t gap)
{
    char text[120];
    if (!gap || b->cuts_output || b->attached)
        return;
    snprintf (text, sizeof text,
              "%" PRIu64 " bytes of the output of task %" PRIu64 " of batch %" PRIu64
              " are missing",
              gap, p->row + 1, b->id);
    core_notice (c, DROVER_NOTE_OUTPUT_LOST, text);
}

static int output (struct core *c, struct item *i, struct err *e)
{
    const struct msg_output *m = &i->w.m.output;
    struct batch *b = i->batch;
    struct bytes bytes = bytes_of (i->w.body[0].ptr, i->w.body[0].len);
    struct piece p = {m->row, m->attempt, (unsigned)m->stream, m->offset, bytes};
    uint64_t gap;
    if (!b->attached && (m->row >= b->rows || ranges_has (&b->done, m->row)))
        return 0;
    if (!b->live_output) {
        int rc = partials_add (&b->partials, c->store, &p, &gap, e);
        if (rc == 0)
            report_gap (c, b, &p, gap);
        return rc;
    }
    bytes = partials_pass (&b->partials, c->store, &p, &gap);
    report_gap (c, b, &p, gap);
    if (!bytes.len)
        return 0;
    uint64_t offset = m->offset + (p.bytes.len - bytes.len);
    c->output =
        (drover_output_t){m->row, m->attempt, (int)m->stream, offset, {bytes.ptr, bytes.len}};
    c->event.output = &c->output;
    c->event.row = m->row;
    return event (c, DROVER_EVENT_OUTPUT, b);
}

/* Of a batch that was opened here the counts are those of the outcomes that were delivered. */
static void count_own (drover_end_t *end, const struct batch *b)
{
    const uint64_t *n = b->tally;
    end->total = b->attached ? end->total : b->rows;
    end->done = n[OUTCOME_DONE];
    end->failed = n[OUTCOME_FAILED];
    end->timeout = n[OUTCOME_TIMEOUT];
    end->cancelled = n[OUTCOME_CANCELLED];
    end->lost = n[OUTCOME_LOST];
    end->parked = n[OUTCOME_PARKED];
    end->skipped = n[OUTCOME_SKIPPED];
    end->broker_lost = n[OUTCOME_BROKER_LOST];
}

static int end (struct core *c, struct item *i, struct err *e)
{
    const struct msg_end *m = &i->w.m.end;
    struct batch *b = i->batch;
    (void)e;
    c->end = (drover_end_t){
        .state = (int)m->state,
        .total = m->total,
        .done = m->done,
        .failed = m->failed,
        .timeout = m->timeout,
        .cancelled = m->cancelled,
        .lost = m->lost,
        .parked = m->parked,
        .skipped = m->skipped,
        .reason = text_to (c->text, sizeof c->text, m->reason),
    };
    if (!b->attached || m->state == BATCH_BROKEN)
        count_own (&c->end, b);
    partials_fini (&b->partials, c->store);
    b->ended = true;
    c->event.end = &c->end;
    return event (c, DROVER_EVENT_END, b);
}

static int reply (struct core *c, struct item *i, struct err *e)
{
    const struct msg_reply *m = &i->w.m.reply;
    (void)e;
    c->reply = (drover_reply_t){
        .code = (int)fault_code (m->code),
        .more = (int)m->more,
        .count = m->count,
        .value = m->value,
        .text = text_to (c->text, sizeof c->text, m->text),
    };
    c->event.ref = m->ref;
    c->event.reply = &c->reply;
    return event (c, DROVER_EVENT_REPLY, NULL);
}

static int notice (struct core *c, struct item *i, struct err *e)
{
    const struct msg_notice *m = &i->w.m.notice;
    (void)e;
    c->notice = (drover_notice_t){
        .code = (int)m->code,
        .value = m->value,
        .text = text_to (c->text, sizeof c->text, m->text),
    };
    c->event.notice = &c->notice;
    return event (c, DROVER_EVENT_NOTICE, i->batch);
}

static int refused (struct core *c, struct item *i, struct err *e)
{
    const struct msg_error *m = &i->w.m.error;
    (void)e;
    fault_set (&c->refused, fault_code (m->code), "%s", text_to (c->text, sizeof c->text, m->text));
    c->event.refused = &c->refused;
    if (i->kind == ITEM_REFUSED)
        return event (c, DROVER_EVENT_REFUSED, i->batch);
    c->lost_delivered = true;
    return event (c, DROVER_EVENT_LOST, NULL);
}

static int (*const MAKERS[]) (struct core *, struct item *, struct err *) = {
    [ITEM_CONNECTED] = simple, [ITEM_OPENED] = simple,         [ITEM_RESULTS] = results,
    [ITEM_OUTPUT] = output,    [ITEM_UNFINISHED] = unfinished, [ITEM_END] = end,
    [ITEM_ROOM] = simple,      [ITEM_INPUT_ROOM] = simple,     [ITEM_REPLY] = reply,
    [ITEM_NOTICE] = notice,    [ITEM_REFUSED] = refused,       [ITEM_LOST] = refused,
};

/* An item of several events stays where it is until it is used up. */
static bool is_series (const struct item *i)
{
    return i->kind == ITEM_RESULTS || i->kind == ITEM_UNFINISHED;
}

static void make_present (struct core *c, struct item *i)
{
    TAILQ_REMOVE (&c->items, i, link);
    c->present = i;
}

static int next_of (struct core *c, const struct items *list, const struct batch *only,
                    const drover_event_t **event_out, struct err *e)
{
    struct item *i = TAILQ_FIRST (list);
    while (i) {
        struct item *after = TAILQ_NEXT (i, link);
        if (!only || i->batch == only) {
            int rc = MAKERS[i->kind](c, i, e);
            if (rc < 0)
                return -1;
            if (rc == 1) {
                if (!is_series (i))
                    make_present (c, i);
                *event_out = &c->event;
                return 1;
            }
            after = TAILQ_NEXT (i, link); /* the item may have had followers made */
            deliver_drop (c, i);
        }
        i = after;
    }
    return 0;
}

int core_next (struct core *c, const struct batch *only, const drover_event_t **event_out,
               struct err *e)
{
    if (c->filling && (c->filling->of_future || (only && c->filling->batch != only)))
        return err_set (e, EBUSY, "an event of another batch waits for room on the disk");
    deliver_end (c);
    return next_of (c, &c->items, only, event_out, e);
}

int core_next_future (struct core *c, const drover_event_t **event_out, struct err *e)
{
    if (TAILQ_EMPTY (&c->futures) || (c->filling && !c->filling->of_future))
        return 0;
    deliver_end (c);
    return next_of (c, &c->futures, NULL, event_out, e);
}

bool core_has_futures (const struct core *c)
{
    return !TAILQ_EMPTY (&c->futures);
}

bool core_has_events (const struct core *c, const struct batch *only)
{
    const struct item *i;
    TAILQ_FOREACH (i, &c->items, link) {
        if (!only || i->batch == only)
            return true;
    }
    return false;
}

int core_take_reply (struct core *c, uint64_t ref, const drover_event_t **event_out)
{
    struct item *i;
    TAILQ_FOREACH (i, &c->items, link) {
        if (i->kind != ITEM_REPLY || i->w.m.reply.ref != ref)
            continue;
        deliver_end (c);
        reply (c, i, NULL);
        make_present (c, i);
        *event_out = &c->event;
        return 1;
    }
    return 0;
}

int core_reply_record (const struct core *c, size_t *at, drover_pair_t *pairs, size_t max)
{
    struct bytes values[2 * PAIRS_MAX];
    if (!c->present || c->present->kind != ITEM_REPLY)
        return -1;
    struct bytes body = bytes_of (c->present->w.body[0].ptr, c->present->w.body[0].len);
    int64_t count = row_read (body, at, values, 2 * PAIRS_MAX);
    if (count < 0)
        return -1;
    size_t have = (size_t)count / 2 < PAIRS_MAX ? (size_t)count / 2 : PAIRS_MAX;
    for (size_t i = 0; i < have && i < max; i++) {
        pairs[i].name = (drover_bytes_t){values[2 * i].ptr, values[2 * i].len};
        pairs[i].value = (drover_bytes_t){values[2 * i + 1].ptr, values[2 * i + 1].len};
    }
    return (int)have;
}
