/* Chunks: the rows of a batch as they came, opaque, until each has its outcome.
 *
 * Chunks are in order of their rows, so a row is found by binary search; the last hit is tried
 * first, because rows are granted and finished mostly in order. Within a chunk a grant goes on
 * where the last one ended; only a row that comes back makes us walk from the front.
 *
 * A chunk of which nothing is needed any more leaves the list at the front. Where one before it is
 * needed for long, it stays for a while: until as many as are needed are not.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

/* What is taken beside the bytes of the rows. They may be few, by a slow producer or by a peer that
 * means harm: were it not counted, memory would end long before --queue-bytes. */
enum {
    CHUNK_EXTRA = sizeof (struct chunk) + BLOB_EXTRA,
    PART_EXTRA = sizeof (struct slice) + BLOB_EXTRA,
};

static size_t chunk_bytes (const struct chunk *c)
{
    return CHUNK_EXTRA + c->body.len + c->have + c->n_parts * PART_EXTRA +
           (c->turns ? c->count * sizeof *c->turns : 0);
}

/* Rows that have all ended are none of what their client has to wait for. */
static void chunk_last (struct sched *s, struct batch *b, struct chunk *c, bool lasting)
{
    int64_t bytes = lasting ? (int64_t)chunk_bytes (c) : -(int64_t)chunk_bytes (c);
    if (c->lasting == lasting)
        return;
    c->lasting = lasting;
    quota_lasting (s, b, bytes);
    quota_client (s, b, -bytes);
}

static void chunk_release (struct sched *s, struct batch *b, struct chunk *c)
{
    chunk_last (s, b, c, false);
    quota_bytes (s, b, -(int64_t)chunk_bytes (c));
    slice_fini (&c->body);
    free (c->turns);
    c->turns = NULL;
    for (size_t i = 0; i < c->n_parts; i++)
        slice_fini (&c->parts[i]);
    free (c->parts);
    c->parts = NULL;
    c->n_parts = 0;
    c->have = 0;
    b->n_dead++;
}

static struct chunk *append (struct batch *b)
{
    if (b->chunk_tail == b->chunk_size) {
        size_t alive = b->chunk_tail - b->chunk_head;
        if (b->chunk_head > alive) { /* mostly dead: move instead of grow */
            memmove (b->chunks, b->chunks + b->chunk_head, alive * sizeof *b->chunks);
            b->chunk_head = 0;
            b->chunk_tail = alive;
        } else {
            b->chunk_size = b->chunk_size ? b->chunk_size * 2 : 4;
            b->chunks = mem_resize (b->chunks, b->chunk_size, sizeof *b->chunks);
        }
    }
    struct chunk *c = &b->chunks[b->chunk_tail++];
    *c = (struct chunk){0};
    return c;
}

static int add_part (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    const struct msg_rows *m = &w->m.rows;
    struct chunk *c = NULL;
    if (m->count != 1 || m->total > WIRE_ROW_MAX || m->offset > m->total ||
        w->body[0].len > m->total - m->offset || !w->body[0].len)
        return err_set (e, EINVAL, "a part of a large row must be one of %" PRIu64 " bytes at most",
                        (uint64_t)WIRE_ROW_MAX);
    if (m->offset == 0) {
        c = append (b);
        c->first = m->first;
        c->count = c->open = c->kept = 1;
        c->spec = m->spec;
        c->stage = m->stage;
        c->total = m->total;
        c->turns = b->flags & BATCH_ORDERED ? order_turns (w) : NULL;
    } else if (b->chunk_tail > b->chunk_head) {
        c = &b->chunks[b->chunk_tail - 1];
    }
    if (!c || c->first != m->first || c->total != m->total || c->have != m->offset)
        return err_set (e, EINVAL, "parts of row %" PRIu64 " are not in order", m->first);
    c->parts = mem_resize (c->parts, c->n_parts + 1, sizeof *c->parts);
    c->parts[c->n_parts++] = slice_keep (&w->body[0]);
    c->have += w->body[0].len;
    quota_bytes (s, b, (int64_t)(m->offset ? w->body[0].len + PART_EXTRA : chunk_bytes (c)));
    return 0;
}

const struct chunk *chunk_half (const struct batch *b)
{
    if (b->chunk_head == b->chunk_tail)
        return NULL;
    const struct chunk *last = &b->chunks[b->chunk_tail - 1];
    return last->total && last->open && last->have < last->total ? last : NULL;
}

int chunk_add (struct sched *s, struct batch *b, const struct wire *w, struct err *e)
{
    const struct msg_rows *m = &w->m.rows;
    bool ordered = b->flags & BATCH_ORDERED;
    if (ordered && !m->offset && order_check_keys (w, e) < 0)
        return -1;
    if (m->total)
        return add_part (s, b, w, e);
    if (rows_check (bytes_of (w->body[0].ptr, w->body[0].len), m->count, e) < 0)
        return -1;
    struct chunk *c = append (b);
    c->first = m->first;
    c->count = c->open = c->kept = m->count;
    c->spec = m->spec;
    c->stage = m->stage;
    c->body = slice_keep (&w->body[0]);
    c->turns = ordered ? order_turns (w) : NULL;
    c->at_row = m->first;
    quota_bytes (s, b, (int64_t)chunk_bytes (c));
    return 0;
}

static bool holds (const struct batch *b, size_t i, uint64_t row)
{
    return i >= b->chunk_head && i < b->chunk_tail && b->chunks[i].first <= row &&
           row - b->chunks[i].first < b->chunks[i].count;
}

struct chunk *chunk_find (struct batch *b, uint64_t row)
{
    if (holds (b, b->last_found, row))
        return &b->chunks[b->last_found];
    if (holds (b, b->last_found + 1, row))
        return &b->chunks[++b->last_found];
    size_t low = b->chunk_head;
    size_t high = b->chunk_tail;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (b->chunks[mid].first <= row)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == b->chunk_head || !holds (b, low - 1, row))
        return NULL;
    b->last_found = low - 1;
    return &b->chunks[low - 1];
}

struct slice chunk_rows (struct chunk *c, uint64_t first, uint64_t count)
{
    assert (first >= c->first && first + count <= c->first + c->count);
    struct bytes all = bytes_of (c->body.ptr, c->body.len);
    if (first < c->at_row) {
        c->at_row = c->first;
        c->at_byte = 0;
    }
    c->at_byte +=
        rows_length (bytes_of (all.ptr + c->at_byte, all.len - c->at_byte), first - c->at_row);
    size_t length = rows_length (bytes_of (all.ptr + c->at_byte, all.len - c->at_byte), count);
    struct slice rows = slice_sub (&c->body, c->at_byte, length);
    c->at_row = first + count;
    c->at_byte += length;
    return rows;
}

static uint64_t count_here (const struct chunk *c, uint64_t first, uint64_t count)
{
    uint64_t here = c->first + c->count - first;
    return here < count ? here : count;
}

static void drop_dead (struct batch *b)
{
    while (b->chunk_head < b->chunk_tail && !b->chunks[b->chunk_head].kept) {
        b->chunk_head++;
        b->n_dead--;
    }
    if (b->n_dead <= (b->chunk_tail - b->chunk_head) / 2)
        return;
    size_t to = b->chunk_head;
    for (size_t i = to; i < b->chunk_tail; i++)
        if (b->chunks[i].kept)
            b->chunks[to++] = b->chunks[i];
    b->chunk_tail = to;
    b->n_dead = 0;
}

void chunks_finish (struct sched *s, struct batch *b, uint64_t first, uint64_t count, bool keep)
{
    while (count) {
        struct chunk *c = chunk_find (b, first);
        assert (c);
        uint64_t here = count_here (c, first, count);
        assert (c->open >= here);
        c->open -= here;
        if (!keep)
            c->kept -= here;
        if (!c->kept)
            chunk_release (s, b, c);
        else if (!c->open)
            chunk_last (s, b, c, true);
        first += here;
        count -= here;
    }
    drop_dead (b);
}

void chunks_reopen (struct sched *s, struct batch *b, uint64_t first, uint64_t count)
{
    while (count) {
        struct chunk *c = chunk_find (b, first);
        assert (c);
        uint64_t here = count_here (c, first, count);
        chunk_last (s, b, c, false);
        c->open += here;
        assert (c->open <= c->kept);
        first += here;
        count -= here;
    }
}

uint64_t chunks_bytes (const struct batch *b)
{
    uint64_t bytes = 0;
    for (size_t i = b->chunk_head; i < b->chunk_tail; i++)
        if (b->chunks[i].kept)
            bytes += chunk_bytes (&b->chunks[i]);
    return bytes;
}

uint64_t chunks_lasting (const struct batch *b)
{
    uint64_t bytes = 0;
    for (size_t i = b->chunk_head; i < b->chunk_tail; i++)
        if (b->chunks[i].kept && !b->chunks[i].open)
            bytes += chunk_bytes (&b->chunks[i]);
    return bytes;
}

void chunks_free (struct sched *s, struct batch *b)
{
    for (size_t i = b->chunk_head; i < b->chunk_tail; i++)
        if (b->chunks[i].kept)
            chunk_release (s, b, &b->chunks[i]);
    free (b->chunks);
    b->chunks = NULL;
    b->chunk_head = b->chunk_tail = b->chunk_size = b->n_dead = 0;
}
