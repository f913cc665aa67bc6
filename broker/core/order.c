/* Order: rows of one key run one after another, in the order in which they came.
 *
 * The rows of a key that are not finished are a list, whose links are beside the rows (`turns`, of
 * a chunk). The first of them waits, for a time or a worker, or is out; those behind it are held,
 * and whoever becomes the first waits. So placing, retries and losses know nothing of keys: what
 * runs again keeps its place, and only an outcome that counts lets the next one on. Rows that are
 * asked to run again when they had ended go behind all others of their key.
 *
 * A key is known by a hash of 64 bits: its bytes are not kept. Two keys of one hash would run one
 * after another as well, which harms nobody.
 *
 * Such a batch is exclusive, too. When a worker is lost and its row ends with that, it may still
 * run there for a while: so a key is told until when nothing of it may begin.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

struct key_queue {
    uint64_t key;
    uint64_t first, last; /* rows, + 1; 0: none is open */
    uint64_t rows;        /* it has got */
    int64_t free_us;      /* nothing of the key begins before */
    UT_hash_handle hh;
};

static const uint64_t ROWS_MAX = UINT32_MAX - 1; /* of such a batch */

int order_check_keys (const struct wire *w, struct err *e)
{
    const struct msg_rows *m = &w->m.rows;
    struct bytes keys = bytes_of (w->body[1].ptr, w->body[1].len);
    size_t at = 0;
    for (uint64_t i = 0; i < m->count; i++)
        if (key_read (keys, &at, NULL) != 0)
            return err_set (e, EINVAL, "row %" PRIu64 " has no ordering key", m->first + i);
    if (at != keys.len)
        return err_set (e, EINVAL, "there are more ordering keys than rows");
    if (m->first > ROWS_MAX || m->count > ROWS_MAX - m->first)
        return err_set (e, EINVAL, "an ordered batch has at most %" PRIu64 " rows", ROWS_MAX);
    return 0;
}

struct turn *order_turns (const struct wire *w)
{
    struct bytes keys = bytes_of (w->body[1].ptr, w->body[1].len);
    struct turn *turns = mem_zalloc (w->m.rows.count * sizeof *turns);
    struct bytes key;
    size_t at = 0;
    for (uint64_t i = 0; i < w->m.rows.count && key_read (keys, &at, &key) == 0; i++)
        turns[i].key = XXH3_64bits (key.len ? (const void *)key.ptr : "", key.len);
    return turns;
}

static struct turn *turn_of (struct batch *b, uint64_t row)
{
    struct chunk *c = chunk_find (b, row);
    assert (c && c->turns);
    return &c->turns[row - c->first];
}

static struct key_queue *find (const struct batch *b, uint64_t key)
{
    struct key_queue *q = NULL;
    HASH_FIND (hh, b->queues, &key, sizeof key, q);
    return q;
}

static struct key_queue *get (struct sched *s, struct batch *b, uint64_t key)
{
    struct key_queue *q = find (b, key);
    if (q)
        return q;
    q = mem_zalloc (sizeof *q);
    q->key = key;
    HASH_ADD (hh, b->queues, key, sizeof q->key, q);
    quota_bytes (s, b, sizeof *q);
    if (HASH_COUNT (b->queues) > b->keys_most)
        b->keys_most = HASH_COUNT (b->queues);
    return q;
}

static void drop (struct sched *s, struct batch *b, struct key_queue *q)
{
    HASH_DEL (b->queues, q);
    free (q);
    quota_bytes (s, b, -(int64_t)sizeof *q);
}

/* The first of its key. */
static void begin (struct sched *s, struct batch *b, const struct key_queue *q, uint64_t row)
{
    if (q->free_us > s->now_us)
        due_add (s, b, row, q->free_us);
    else
        rows_wait (s, b, row, row + 1);
}

static void join (struct sched *s, struct batch *b, uint64_t row)
{
    struct turn *t = turn_of (b, row);
    struct key_queue *q = get (s, b, t->key);
    t->before = (uint32_t)q->last;
    t->behind = 0;
    if (++q->rows > b->key_rows_most)
        b->key_rows_most = q->rows;
    if (q->last)
        turn_of (b, q->last - 1)->behind = (uint32_t)row + 1;
    q->last = row + 1;
    if (q->first) {
        ranges_add (&b->held, row, row + 1);
        return;
    }
    q->first = row + 1;
    begin (s, b, q, row);
}

void order_join (struct sched *s, struct batch *b, uint64_t lo, uint64_t hi)
{
    if (!(b->flags & BATCH_ORDERED)) {
        rows_wait (s, b, lo, hi);
        return;
    }
    for (uint64_t row = lo; row < hi; row++)
        join (s, b, row);
}

void order_leave (struct sched *s, struct batch *b, uint64_t row)
{
    if (!(b->flags & BATCH_ORDERED))
        return;
    struct turn *t = turn_of (b, row);
    struct key_queue *q = find (b, t->key);
    struct turn gone = *t;
    t->before = t->behind = 0;
    if (gone.behind)
        turn_of (b, gone.behind - 1)->before = gone.before;
    else
        q->last = gone.before;
    if (gone.before) {
        turn_of (b, gone.before - 1)->behind = gone.behind;
        return;
    }
    q->first = gone.behind;
    if (q->first) {
        ranges_remove (&b->held, q->first - 1, q->first);
        begin (s, b, q, q->first - 1);
    } else if (q->free_us <= s->now_us) {
        drop (s, b, q);
    }
}

void order_hold_until (struct sched *s, struct batch *b, uint64_t row, int64_t until_us)
{
    if (!(b->flags & BATCH_ORDERED))
        return;
    struct key_queue *q = get (s, b, turn_of (b, row)->key);
    if (until_us > q->free_us)
        q->free_us = until_us;
}

uint64_t order_bytes (const struct batch *b)
{
    return HASH_COUNT (b->queues) * sizeof (struct key_queue);
}

void order_free (struct sched *s, struct batch *b)
{
    struct key_queue *q, *next;
    HASH_ITER (hh, b->queues, q, next)
        drop (s, b, q);
}

/* --- what must hold, without the shortcuts of the above --- */

static const struct turn *look (const struct batch *b, uint64_t row)
{
    for (size_t i = b->chunk_head; i < b->chunk_tail; i++) {
        const struct chunk *c = &b->chunks[i];
        if (c->turns && row >= c->first && row - c->first < c->count)
            return &c->turns[row - c->first];
    }
    return NULL;
}

static int check_queue (const struct batch *b, const struct key_queue *q, uint64_t *count,
                        struct err *e)
{
    uint64_t before = 0;
    for (uint64_t at = q->first; at; (*count)++) {
        const struct turn *t = look (b, at - 1);
        if (!t || t->key != q->key || t->before != before || *count > b->submitted)
            return err_set (e, EPROTO, "batch %" PRIu64 ": row %" PRIu64 " is in no queue", b->id,
                            at - 1);
        if (ranges_has (&b->held, at - 1) != (before != 0))
            return err_set (e, EPROTO, "batch %" PRIu64 ": it is not the turn of row %" PRIu64,
                            b->id, at - 1);
        before = at;
        at = t->behind;
    }
    return q->last == before ? 0
                             : err_set (e, EPROTO, "batch %" PRIu64 ": a queue has no end", b->id);
}

int order_check (const struct batch *b, struct err *e)
{
    uint64_t count = 0;
    for (const struct key_queue *q = b->queues; q; q = q->hh.next)
        if (check_queue (b, q, &count, e) < 0)
            return -1;
    if (b->flags & BATCH_ORDERED ? count != b->submitted - b->finished : count || b->held.n)
        return err_set (e, EPROTO, "batch %" PRIu64 ": %" PRIu64 " rows are in order", b->id,
                        count);
    return 0;
}
