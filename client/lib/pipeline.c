#include "client/lib/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "client/lib/batch_api.h"
#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "client/lib/spec.h"
#include "client/lib/stage_row.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/wire/rows.h"

#define ROWS_MAX 4096   /* in a stage, and behind it, of those with small output */
#define ROWS_FIRST 1024 /* ... until it is known how large the outputs are */
#define ROWS_MIN 256    /* ... however large they are */
#define OUTPUT_BYTES                                                                               \
    ((size_t)16 << 20)      /* of the outputs of those rows together, between the two              \
                             */
#define OUTPUTS_MEASURED 64 /* what came before counts for as many outputs */
#define PRIORITY_MAX 100
#define CANNOT_RUN 126

/* An item behind the first stage, or one of which something is to be remembered. */
struct passing {
    uint64_t item;
    uint64_t row;          /* in the batch of its stage */
    struct result *before; /* of the stages that it has passed, the last one first */
    drover_result_t *held; /* the outcome of the last one, while it waits for the next stage */
    struct result *ended;  /* the outcome, where it is our own word */
    struct buf values;     /* one packed row; empty: nobody wants them */
    struct buf key;        /* of an ordered batch, ... */
    bool has_key;
    STAILQ_ENTRY (passing) link;
    UT_hash_handle hh;
};

STAILQ_HEAD (passings, passing);

struct stage {
    drover_batch_t *batch;
    int spec;
    struct stage_shape shape;
    struct passing *rows;  /* of its batch, uthash */
    struct passings queue; /* for it */
    size_t queued;
    uint64_t outputs;      /* measured */
    uint64_t output_bytes; /* of these */
    bool closed;
    bool ended;
};

struct pipeline {
    drover_t *h;
    drover_batch_t *head;
    struct stage stages[DROVER_STAGES_MAX];
    unsigned count;
    bool wants_values;
    struct passing *next;  /* expected */
    struct passings ended; /* with an outcome to be delivered */
    struct stage_row row;
    bool stopped;         /* nothing enters a stage any more, ... */
    enum outcome_how how; /* ... and ends so */
    char why[256];
    bool wants_room;
    bool has_room; /* and that is to be told */
    bool told_end;
    uint64_t outcomes; /* delivered */
    uint64_t tally[OUTCOME_KINDS];
    int state;        /* of the stages that have ended, the worst */
    char reason[256]; /* of that one */
    drover_event_t event;
    drover_end_t end;
    LIST_ENTRY (pipeline) link;
};

/* --- items --- */

static struct passing *passing_new (uint64_t item)
{
    struct passing *t = mem_zalloc (sizeof *t);
    t->item = item;
    buf_init (&t->values, WIRE_ROW_MAX);
    buf_init (&t->key, BATCH_KEY_MAX);
    return t;
}

static void passing_free (struct passing **t)
{
    if (!*t)
        return;
    result_unref (&(*t)->before);
    result_unref (&(*t)->ended);
    drover_result_free (&(*t)->held);
    buf_fini (&(*t)->values);
    buf_fini (&(*t)->key);
    free (*t);
    *t = NULL;
}

static void queue_free (struct passings *q)
{
    struct passing *t;
    while ((t = STAILQ_FIRST (q)) != NULL) {
        STAILQ_REMOVE_HEAD (q, link);
        passing_free (&t);
    }
}

/* What is remembered of a row of a stage, which has ended; NULL: nothing. */
static struct passing *take_row (struct stage *st, uint64_t row)
{
    struct passing *t = NULL;
    if (st->rows)
        HASH_FIND (hh, st->rows, &row, sizeof row, t);
    if (t)
        HASH_DEL (st->rows, t);
    return t;
}

static void put_row (struct stage *st, struct passing *t, uint64_t row)
{
    t->row = row;
    HASH_ADD (hh, st->rows, row, sizeof t->row, t);
}

/* --- how much --- */

/* In a stage, and from it in front of the next one. */
static uint64_t load_of (const struct pipeline *p, unsigned s)
{
    uint64_t rows = batch_pending (&p->stages[s].batch->b);
    return s + 1 < p->count ? rows + p->stages[s + 1].queued : rows;
}

static uint64_t limit_of (const struct pipeline *p, unsigned s)
{
    const struct stage *st = &p->stages[s];
    if (s + 1 == p->count)
        return ROWS_MAX;
    if (!st->outputs)
        return ROWS_FIRST;
    uint64_t bytes = st->output_bytes / st->outputs;
    uint64_t rows = bytes ? OUTPUT_BYTES / bytes : ROWS_MAX;
    return rows > ROWS_MAX ? ROWS_MAX : rows < ROWS_MIN ? ROWS_MIN : rows;
}

static void measure (struct stage *st, uint64_t bytes)
{
    if (st->outputs == OUTPUTS_MEASURED) {
        st->output_bytes -= st->output_bytes / st->outputs;
        st->outputs--;
    }
    st->output_bytes += bytes;
    st->outputs++;
}

/* May a row enter a later stage? Where its batch is over it may find that out. */
static bool admits (struct pipeline *p, unsigned s)
{
    drover_batch_t *b = p->stages[s].batch;
    return b->b.over || (load_of (p, s) < limit_of (p, s) && drover_batch_room (b) > 0);
}

uint64_t pipeline_room (struct pipeline *p, uint64_t room)
{
    uint64_t limit = limit_of (p, 0);
    uint64_t load = load_of (p, 0);
    uint64_t left = load < limit ? limit - load : 0;
    if (left == 0)
        p->wants_room = true;
    return left < room ? left : room;
}

/* Whoever waits for room is not woken for single rows. */
static void look_for_room (struct pipeline *p)
{
    if (!p->wants_room || load_of (p, 0) > limit_of (p, 0) / 2)
        return;
    p->wants_room = false;
    if (batch_room (&p->head->b, false) > 0)
        p->has_room = true;
    else
        p->head->b.wants_room = true; /* the core tells */
}

/* --- from stage to stage --- */

/* It never came to run in stage s. */
static void end_between (struct pipeline *p, unsigned s, struct passing *t, enum outcome_how how,
                         const char *why)
{
    struct result *r = mem_zalloc (sizeof *r);
    struct outcome o = {.row = t->item,
                        .how = how,
                        .status = how == OUTCOME_FAILED ? CANNOT_RUN : 0,
                        .reason = bytes_str (why)};
    r->refs = 1;
    result_begin (r, &p->h->store, &o, NULL);
    r->pub.stage = s + 1;
    result_follow_take (r, t->before);
    t->before = NULL;
    t->ended = r;
    STAILQ_INSERT_TAIL (&p->ended, t, link);
}

/* Stage s - 1 is passed: what is shown of it in the end. */
static int remember (struct passing *t, unsigned s, const drover_result_t *r)
{
    struct result *brief = result_brief ((const struct result *)r);
    if (!brief)
        return -1;
    brief->pub.row = t->item;
    brief->pub.stage = s;
    result_follow_take (brief, t->before);
    t->before = brief;
    return 0;
}

/* Rows of one key come out of a stage in their order, so they enter the next one in it, too. */
static int64_t add_row (struct stage *st, const struct passing *t, const struct stage_row *row,
                        drover_error_t *e)
{
    if (!t->has_key)
        return drover_batch_add (st->batch, st->spec, row->values, row->count, e);
    drover_bytes_t key = {t->key.bytes, t->key.len};
    return drover_batch_add_keyed (st->batch, st->spec, key, row->values, row->count, e);
}

/* `r` is the outcome of the stage before. */
static void enter (struct pipeline *p, unsigned s, struct passing *t, const drover_result_t *r)
{
    struct stage *st = &p->stages[s];
    drover_error_t why = {0};
    int64_t row = -1;
    if (remember (t, s, r) != 0) {
        end_between (p, s, t, OUTCOME_FAILED, "what the stage before printed cannot be kept");
        return;
    }
    if (p->stopped) {
        end_between (p, s, t, p->how, p->why);
        return;
    }
    if (stage_row_make (&p->row, st->shape, t->item, &t->values, r, &why) == 0)
        row = add_row (st, t, &p->row, &why);
    if (row < 0)
        end_between (p, s, t, why.code == DROVER_ELOST ? OUTCOME_BROKER_LOST : OUTCOME_FAILED,
                     why.text);
    else
        put_row (st, t, (uint64_t)row);
}

/* An outcome that is good: on to stage s, or in front of it. */
static void go_on (struct pipeline *p, unsigned s, struct passing *t, const drover_result_t *r)
{
    struct stage *st = &p->stages[s];
    if (p->stopped || (st->queued == 0 && admits (p, s))) {
        enter (p, s, t, r);
        return;
    }
    t->held = drover_result_keep (r);
    if (!t->held) {
        end_between (p, s, t, OUTCOME_FAILED, "no memory for the output of the stage before");
        return;
    }
    STAILQ_INSERT_TAIL (&st->queue, t, link);
    st->queued++;
}

static void pump (struct pipeline *p, unsigned s)
{
    struct stage *st = &p->stages[s];
    struct passing *t;
    while ((t = STAILQ_FIRST (&st->queue)) != NULL && (p->stopped || admits (p, s))) {
        STAILQ_REMOVE_HEAD (&st->queue, link);
        st->queued--;
        enter (p, s, t, t->held);
        drover_result_free (&t->held);
    }
}

/* The last stage first, since what it takes makes room in those before. */
static void advance (struct pipeline *p)
{
    for (unsigned s = p->count - 1; s > 0; s--)
        pump (p, s);
    for (unsigned s = 1; s < p->count; s++) {
        struct stage *st = &p->stages[s];
        if (st->closed || !p->stages[s - 1].ended || st->queued)
            continue;
        st->closed = true;
        drover_batch_close (st->batch, NULL);
    }
    look_for_room (p);
}

/* --- the end --- */

static void stop (struct pipeline *p, enum outcome_how how, const char *why)
{
    if (p->stopped)
        return;
    p->stopped = true;
    p->how = how;
    snprintf (p->why, sizeof p->why, "%s", why ? why : "");
}

int pipeline_stop (struct pipeline *p, const drover_cancel_options_t *options, drover_error_t *e)
{
    if (options && options->count)
        return fault_set (e, DROVER_EINVAL, "of a pipeline all items are cancelled or none");
    stop (p, OUTCOME_CANCELLED, options ? options->reason : NULL);
    advance (p);
    return 0;
}

drover_batch_t *pipeline_stage (const struct pipeline *p, unsigned s)
{
    return s < p->count ? p->stages[s].batch : NULL;
}

static void cancel_others (struct pipeline *p, unsigned s, const char *reason)
{
    drover_cancel_options_t options = {.reason = reason};

    for (unsigned i = 0; i < p->count; i++)
        if (i != s && !p->stages[i].ended)
            handle_cancel_stage (p->stages[i].batch, &options, NULL);
}

/* A stage that ends before those in front of it have is one that nothing reaches. Whoever cancels a
 * stage from elsewhere means the pipeline. */
static void on_end (struct pipeline *p, unsigned s, const drover_end_t *end)
{
    struct stage *st = &p->stages[s];
    bool broken = end->state == DROVER_BATCH_BROKEN;
    bool early = s > 0 && !st->closed;
    st->ended = true;
    if (end->state > p->state) {
        p->state = end->state;
        snprintf (p->reason, sizeof p->reason, "%s", end->reason);
    }
    if (p->stopped || !(early || end->state == DROVER_BATCH_CANCELLED))
        return;
    stop (p, broken ? OUTCOME_BROKER_LOST : OUTCOME_CANCELLED, end->reason);
    cancel_others (p, s, end->reason);
}

static void count_outcome (struct pipeline *p, int how)
{
    p->outcomes++;
    p->tally[how]++;
}

/* The outcome of a row: of its item, if that ends here. */
static bool on_result (struct pipeline *p, unsigned s, drover_event_t *event)
{
    struct stage *st = &p->stages[s];
    struct result *r = (struct result *)event->result; /* const only for the program */
    struct passing *t = take_row (st, event->row);
    if (r->pub.how == DROVER_DONE && s + 1 < p->count) {
        measure (st, r->pub.out_len);
        go_on (p, s + 1, t ? t : passing_new (event->row), &r->pub);
        return false;
    }
    if (t)
        event->row = t->item;
    r->pub.row = event->row;
    r->pub.stage = s + 1;
    result_follow_take (r, t ? t->before : NULL);
    if (t)
        t->before = NULL;
    passing_free (&t);
    count_outcome (p, r->pub.how);
    return true;
}

static bool on_event (struct pipeline *p, unsigned s, drover_event_t *event)
{
    switch (event->kind) {
    case DROVER_EVENT_RESULT:
        return on_result (p, s, event);
    case DROVER_EVENT_END:
        on_end (p, s, event->end);
        return false;
    case DROVER_EVENT_ROOM:
        return s == 0 && drover_batch_room (p->head) > 0;
    case DROVER_EVENT_OPENED:
        return s == 0;
    default:
        return true;
    }
}

bool pipelines_pass (drover_event_t *event)
{
    drover_batch_t *b = event->batch;
    if (!b || !b->pipe)
        return true;
    struct pipeline *p = b->pipe;
    bool pass = on_event (p, b->stage, event);
    event->batch = p->head;
    advance (p);
    return pass;
}

/* --- events of our own --- */

/* Of stages that were cancelled the last may be the first to end. */
static bool all_ended (const struct pipeline *p)
{
    for (unsigned s = 0; s < p->count; s++)
        if (!p->stages[s].ended)
            return false;
    return true;
}

static bool is_over (const struct pipeline *p)
{
    return !p->told_end && STAILQ_EMPTY (&p->ended) && all_ended (p);
}

static void make_end (struct pipeline *p)
{
    const uint64_t *n = p->tally;
    p->end = (drover_end_t){
        .state = p->state,
        .total = p->head->b.rows,
        .done = n[OUTCOME_DONE],
        .failed = n[OUTCOME_FAILED],
        .timeout = n[OUTCOME_TIMEOUT],
        .cancelled = n[OUTCOME_CANCELLED],
        .lost = n[OUTCOME_LOST],
        .parked = n[OUTCOME_PARKED],
        .skipped = n[OUTCOME_SKIPPED],
        .broker_lost = n[OUTCOME_BROKER_LOST],
        .reason = p->reason,
    };
    p->event.kind = DROVER_EVENT_END;
    p->event.end = &p->end;
    p->told_end = true;
}

static void make_result (struct pipeline *p)
{
    struct passing *t = STAILQ_FIRST (&p->ended);
    STAILQ_REMOVE_HEAD (&p->ended, link);
    p->h->piped = t->ended;
    t->ended = NULL;
    p->event.kind = DROVER_EVENT_RESULT;
    p->event.row = t->item;
    p->event.result = &p->h->piped->pub;
    count_outcome (p, p->h->piped->pub.how);
    passing_free (&t);
}

static bool has_event (const struct pipeline *p)
{
    return !STAILQ_EMPTY (&p->ended) || p->has_room || is_over (p);
}

int pipelines_next (drover_t *h, const drover_event_t **event)
{
    struct pipeline *p;
    result_unref (&h->piped);
    LIST_FOREACH (p, &h->pipelines, link) {
        if (!has_event (p))
            continue;
        p->event = (drover_event_t){.batch = p->head};
        if (!STAILQ_EMPTY (&p->ended))
            make_result (p);
        else if (p->has_room)
            p->event.kind = DROVER_EVENT_ROOM;
        else
            make_end (p);
        p->has_room = p->has_room && p->event.kind != DROVER_EVENT_ROOM;
        *event = &p->event;
        return 1;
    }
    return 0;
}

bool pipelines_have (const drover_t *h)
{
    const struct pipeline *p;
    LIST_FOREACH (p, &h->pipelines, link) {
        if (has_event (p))
            return true;
    }
    return false;
}

uint64_t pipeline_pending (const struct pipeline *p)
{
    return p->head->b.rows - p->outcomes;
}

/* --- making and adding --- */

static bool is_ordered (const struct pipeline *p)
{
    return (p->head->b.flags & BATCH_ORDERED) != 0;
}

int pipeline_expect (struct pipeline *p, const struct bytes *key, const drover_bytes_t *values,
                     size_t count, drover_error_t *e)
{
    if (!p->wants_values && !is_ordered (p))
        return 0;
    if (!p->next)
        p->next = passing_new (0);
    struct passing *t = p->next;
    buf_clear (&t->values);
    buf_clear (&t->key);
    t->has_key = key != NULL;
    if (key)
        buf_append (&t->key, key->ptr, key->len);
    if (p->wants_values)
        row_begin (&t->values, (uint32_t)count);
    for (size_t i = 0; p->wants_values && i < count; i++)
        row_value (&t->values, bytes_of (values[i].ptr, values[i].len));
    return t->values.failed || t->key.failed
               ? fault_set (e, DROVER_ETOOBIG,
                            "the values or the key of a task are too long to be kept")
               : 0;
}

void pipeline_added (struct pipeline *p, uint64_t item)
{
    if (!p->next)
        return;
    p->next->item = item;
    put_row (&p->stages[0], p->next, item);
    p->next = NULL;
}

static struct pipeline *pipeline_new (drover_batch_t *head)
{
    struct pipeline *p = mem_zalloc (sizeof *p);
    p->h = head->h;
    p->head = head;
    p->count = 1;
    p->stages[0].batch = head;
    STAILQ_INIT (&p->stages[0].queue);
    STAILQ_INIT (&p->ended);
    stage_row_init (&p->row);
    head->pipe = p;
    LIST_INSERT_HEAD (&p->h->pipelines, p, link);
    return p;
}

static void stage_free (struct stage *st)
{
    struct passing *t, *next;
    HASH_ITER (hh, st->rows, t, next) {
        HASH_DEL (st->rows, t);
        passing_free (&t);
    }
    queue_free (&st->queue);
    if (st->batch->stage > 0)
        drover_batch_free (&st->batch);
}

void pipeline_free (struct pipeline *p)
{
    p->head->pipe = NULL;
    for (unsigned s = 0; s < p->count; s++)
        stage_free (&p->stages[s]);
    passing_free (&p->next);
    queue_free (&p->ended);
    stage_row_fini (&p->row);
    LIST_REMOVE (p, link);
    free (p);
}

static int check_stage (const drover_batch_t *b, const drover_spec_t *s,
                        const drover_batch_options_t *o, drover_error_t *e)
{
    unsigned never = DROVER_DETACHED | DROVER_EACH_SPEC | DROVER_INPUT;
    if (b->b.attached || b->b.flags & never || b->b.live_output || (o && o->flags & never) ||
        s->m.flags & (SPEC_LIVE_OUTPUT | SPEC_LIVE_INPUT | SPEC_ROW_INPUT))
        return fault_set (e, DROVER_EINVAL,
                          "a pipeline is made of attached batches with one kind of row, without "
                          "live input or output");
    if (b->futures)
        return fault_set (e, DROVER_EINVAL, "what has futures is no pipeline");
    if (b->b.rows || b->b.closed || b->b.over)
        return fault_set (e, DROVER_EINVAL, "stages are added before the first row");
    if (b->pipe && b->pipe->count == DROVER_STAGES_MAX)
        return fault_set (e, DROVER_ETOOBIG, "a pipeline has at most %d stages", DROVER_STAGES_MAX);
    return 0;
}

static void add_stage (struct pipeline *p, drover_batch_t *batch, int spec, const drover_spec_t *s)
{
    struct stage *st = &p->stages[p->count];
    STAILQ_INIT (&st->queue);
    st->batch = batch;
    st->spec = spec;
    st->shape = stage_shape_of (s);
    batch->pipe = p;
    batch->stage = p->count++;
    p->wants_values |= st->shape.item;
}

int drover_batch_then (drover_batch_t *b, const drover_spec_t *s,
                       const drover_batch_options_t *options, drover_error_t *e)
{
    drover_batch_options_t o = {0};
    if (check_stage (b, s, options, e) != 0)
        return -1;
    if (options)
        o = *options;
    o.flags |= b->b.flags & DROVER_ORDERED;
    unsigned above = (unsigned)b->b.opening.open.priority + (b->pipe ? b->pipe->count : 1);
    if (!o.priority)
        o.priority = above < PRIORITY_MAX ? above : PRIORITY_MAX;
    drover_batch_t *batch = batch_api_open (b->h, &o, b, e);
    if (!batch)
        return -1;
    int spec = batch_api_add_spec (batch, s, stage_shape_of (s).row_in ? SPEC_ROW_INPUT : 0, e);
    if (spec < 0) {
        drover_batch_close (batch, NULL);
        drover_batch_free (&batch);
        return -1;
    }
    add_stage (b->pipe ? b->pipe : pipeline_new (b), batch, spec, s);
    return (int)batch->stage + 1;
}
