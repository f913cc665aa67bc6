#include "tests/sim/careless.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/wire/outcome.h"

enum { KEPT_MAX = 40, ROWS_MAX = 8 };

struct ran { /* rows that it has, and which ran before */
    uint64_t batch, first, count;
    uint64_t attempt; /* that one */
    TAILQ_ENTRY (ran) link;
};

struct careless {
    unsigned n;
    TAILQ_HEAD (, ran) ran; /* the oldest first */
};

static void drop (struct careless *c, struct ran *x)
{
    TAILQ_REMOVE (&c->ran, x, link);
    c->n--;
    free (x);
}

static void tell (const struct ran *x, struct buf *body)
{
    for (uint64_t i = 0; i < x->count; i++) {
        struct outcome o = {
            .row = x->first + i, .attempt = x->attempt, .how = OUTCOME_FAILED, .status = 1};
        outcome_pack (body, &o);
    }
}

/* Each is said once. */
static uint64_t tell_all (struct careless *c, uint64_t batch, struct buf *body)
{
    struct ran *x, *next;
    uint64_t n = 0;
    for (x = TAILQ_FIRST (&c->ran); x; x = next) {
        next = TAILQ_NEXT (x, link);
        if (x->batch != batch)
            continue;
        tell (x, body);
        n += x->count;
        drop (c, x);
    }
    return n;
}

/* The same message, with the same number, and more in it. */
static void encode_again (const struct wire *w, uint64_t more, const struct buf *body,
                          struct wire_frames *f)
{
    struct wire_frames longer;
    struct wire all = {.kind = WIRE_RESULTS, .flags = w->flags, .m = w->m};
    all.m.results.count += more;
    all.body[0] = slice_borrowed (body->bytes, body->len);
    if (wire_encode (&all, &longer, NULL) < 0)
        return;
    wire_stamp (&longer, w->seq, w->ack);
    wire_frames_fini (f);
    *f = longer;
}

struct careless *careless_new (void)
{
    struct careless *c = mem_zalloc (sizeof *c);
    TAILQ_INIT (&c->ran);
    return c;
}

void careless_renew (struct careless *c)
{
    while (!TAILQ_EMPTY (&c->ran))
        drop (c, TAILQ_FIRST (&c->ran));
}

void careless_free (struct careless **cp)
{
    struct careless *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    careless_renew (c);
    free (c);
}

void careless_hears (struct careless *c, const struct msg_grant *m)
{
    if (!m->count || m->attempt < 2)
        return;
    struct ran *x = mem_zalloc (sizeof *x);
    *x = (struct ran){.batch = m->batch,
                      .first = m->first,
                      .count = m->count < ROWS_MAX ? m->count : ROWS_MAX,
                      .attempt = m->attempt - 1};
    TAILQ_INSERT_TAIL (&c->ran, x, link);
    if (++c->n > KEPT_MAX)
        drop (c, TAILQ_FIRST (&c->ran));
}

uint64_t careless_says (struct careless *c, struct wire_frames *f)
{
    struct wire w;
    struct buf body;
    uint64_t more = 0;
    if (wire_decode (&w, f, NULL, NULL) < 0)
        return 0;
    if (w.kind == WIRE_RESULTS) {
        buf_init (&body, SIZE_MAX);
        more = tell_all (c, w.m.results.batch, &body);
        buf_append (&body, w.body[0].ptr, w.body[0].len);
        if (more)
            encode_again (&w, more, &body, f);
        buf_fini (&body);
    }
    wire_fini (&w);
    return more;
}
