/* It keeps the last RESULTS that it said, with the session in which it did. A number of a batch
 * means the same in one life of a broker only, so those of another life stay unsaid. */
#include "tests/sim/careless.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

enum { KEPT_MAX = 40 };

struct said {
    uint64_t broker, token; /* where */
    uint64_t batch, count;
    struct slice body;
    TAILQ_ENTRY (said) link;
};

struct careless {
    uint64_t broker, token;
    unsigned n;
    TAILQ_HEAD (, said) said; /* the oldest first */
};

static void drop (struct careless *c, struct said *x)
{
    TAILQ_REMOVE (&c->said, x, link);
    c->n--;
    slice_fini (&x->body);
    free (x);
}

static void keep (struct careless *c, const struct wire *w)
{
    struct said *x = mem_zalloc (sizeof *x);
    *x = (struct said){.broker = c->broker,
                       .token = c->token,
                       .batch = w->m.results.batch,
                       .count = w->m.results.count,
                       .body = slice_keep (&w->body[0])};
    TAILQ_INSERT_TAIL (&c->said, x, link);
    if (++c->n > KEPT_MAX)
        drop (c, TAILQ_FIRST (&c->said));
}

static bool is_stale (const struct careless *c, const struct said *x, uint64_t batch)
{
    return x->batch == batch && x->broker == c->broker && x->token != c->token;
}

/* Those of former sessions, each said once. */
static uint64_t add_stale (struct careless *c, uint64_t batch, struct buf *body)
{
    struct said *x, *next;
    uint64_t n = 0;
    for (x = TAILQ_FIRST (&c->said); x; x = next) {
        next = TAILQ_NEXT (x, link);
        if (!is_stale (c, x, batch))
            continue;
        buf_append (body, x->body.ptr, x->body.len);
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
    TAILQ_INIT (&c->said);
    return c;
}

void careless_free (struct careless **cp)
{
    struct careless *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    while (!TAILQ_EMPTY (&c->said))
        drop (c, TAILQ_FIRST (&c->said));
    free (c);
}

void careless_joins (struct careless *c, uint64_t broker, uint64_t token)
{
    c->broker = broker;
    c->token = token;
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
        buf_append (&body, w.body[0].ptr, w.body[0].len);
        more = add_stale (c, w.m.results.batch, &body);
        keep (c, &w);
        if (more)
            encode_again (&w, more, &body, f);
        buf_fini (&body);
    }
    wire_fini (&w);
    return more;
}
