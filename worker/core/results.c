/* Results: outcomes on their way to the broker. What executors packed is passed on as it is;
 * outcomes of one batch that come in one turn leave as one message.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/core/core.h"

#define MERGE_BYTES (64u << 10)  /* a message gets no longer by merging */
#define MERGE_COUNT_MAX 1000000u /* outcomes of one message */

static void post (struct agent *a, struct batch *b, const struct slice *body)
{
    struct wire w = {.kind = WIRE_RESULTS};
    w.m.results.batch = b->id;
    w.m.results.count = b->out_count;
    w.body[0] = *body;
    session_post_in (&a->session, b->out_overtakes ? LANE_CONTROL : LANE_BULK, &w);
}

void results_flush (struct agent *a, struct batch *b)
{
    if (!b->out_count)
        return;
    if (b->out_more.len) {
        struct slice body = slice_borrowed (b->out_more.bytes, b->out_more.len);
        post (a, b, &body); /* borrowed: encoding copies it */
        buf_clear (&b->out_more);
    } else {
        post (a, b, &b->out);
    }
    slice_fini (&b->out);
    b->out_count = 0;
    TAILQ_REMOVE (&a->out, b, out_link);
}

void results_flush_all (struct agent *a)
{
    while (!TAILQ_EMPTY (&a->out))
        results_flush (a, TAILQ_FIRST (&a->out));
}

static size_t pending (const struct batch *b)
{
    return b->out_more.len ? b->out_more.len : b->out.len;
}

/* The first body of a turn is kept as it came; only when there is a second are both copied. */
static void append (struct batch *b, const struct slice *body)
{
    if (!b->out_more.len) {
        buf_append (&b->out_more, b->out.ptr, b->out.len);
        slice_fini (&b->out);
    }
    buf_append (&b->out_more, body->ptr, body->len);
}

void results_add (struct agent *a, struct batch *b, const struct slice *body, uint64_t count,
                  bool overtakes)
{
    if (!count)
        return;
    if (b->out_count && (b->out_overtakes != overtakes || pending (b) + body->len > MERGE_BYTES ||
                         b->out_count + count > MERGE_COUNT_MAX))
        results_flush (a, b);
    if (!b->out_count) {
        b->out = slice_keep (body);
        TAILQ_INSERT_TAIL (&a->out, b, out_link);
    } else {
        append (b, body);
    }
    b->out_count += count;
    b->out_overtakes = overtakes;
}

void results_make (struct agent *a, struct batch *b, uint64_t row, const struct outcome *o,
                   bool overtakes)
{
    struct buf packed;
    buf_init (&packed, MERGE_BYTES);
    struct outcome mine = *o;
    mine.row = row;
    outcome_pack (&packed, &mine);
    struct slice body = slice_borrowed (packed.bytes, packed.len);
    if (!packed.failed)
        results_add (a, b, &body, 1, overtakes);
    buf_fini (&packed);
}

void results_cancelled (struct agent *a, struct batch *b, const struct run *r, const char *reason)
{
    struct outcome o = {
        .attempt = r->attempt, .how = OUTCOME_CANCELLED, .reason = bytes_str (reason)};
    for (uint64_t i = 0; i < r->count; i++) {
        results_make (a, b, r->first + i, &o, true);
        if (!TAILQ_EMPTY (&b->notes))
            batch_notes_drop (b, r->first + i);
    }
}

void rows_returned (struct agent *a, uint64_t batch, uint64_t first, uint64_t count, bool last)
{
    struct wire w = {.kind = WIRE_RETURNED};
    w.m.returned.batch = batch;
    w.m.returned.first = first;
    w.m.returned.count = count;
    w.m.returned.last = last;
    session_post (&a->session, &w);
}
