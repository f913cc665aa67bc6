/* Submit: what a client says that its batch consists of: specs, rows, the end.
 *
 * Who comes back under a key, after a restart or in another process, may say again what was said:
 * it is compared by its content, and nothing happens. Other content is a conflict (EEXIST), and
 * changes nothing. Anything that does not fit together is EINVAL.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { SPECS_MAX = 100000 };

const char CRAMMED[] = "busy: the broker holds more than it has room for";

/* What a worker must have to be given rows. */
static void learn_needs (struct batch *b, const struct wire *spec)
{
    struct function_name *f = NULL;
    const char *name = (const char *)spec->body[0].ptr;
    size_t len = spec->body[0].len;
    if (spec->m.spec.form != FORM_FUNCTION) {
        b->commands = true;
        return;
    }
    HASH_FIND (hh, b->functions, name ? name : "", (unsigned)len, f);
    if (f)
        return;
    f = mem_zalloc (sizeof *f);
    f->name = mem_zalloc (len + 1);
    memcpy (f->name, name ? name : "", len);
    HASH_ADD_KEYPTR (hh, b->functions, f->name, (unsigned)len, f);
}

/* A list that grows by one, with room in powers of two. It stays as long as the batch does. */
static void push_hash (struct sched *s, struct batch *b, uint64_t **list, size_t n, uint64_t hash)
{
    if ((n & (n - 1)) == 0)
        *list = mem_resize (*list, n ? 2 * n : 1, sizeof **list);
    (*list)[n] = hash;
    batch_own_more (s, b, sizeof hash);
}

static int compare (const char *what, uint64_t n, uint64_t was, uint64_t is, struct err *e)
{
    if (was == is || !was) /* 0: there was no memory to take it */
        return 0;
    return err_set (e, EEXIST,
                    "%s %" PRIu64 " came before with other content: %016" PRIx64
                    ", and now %016" PRIx64,
                    what, n, was, is);
}

int batch_spec (struct sched *s, struct batch *b, const struct wire *w, struct effects *fx,
                struct err *e)
{
    uint64_t n = w->m.spec.spec;
    uint64_t hash = content_of_spec (w);
    if (n < b->n_specs)
        return compare ("spec", n, b->spec_hashes[n], hash, e);
    if (b->cancelled || b->ended)
        return 0; /* nobody waits for it any more */
    if (is_crammed (s) && !s->replaying)
        return err_set (e, EBUSY, CRAMMED);
    if (n >= SPECS_MAX || n > b->n_specs)
        return err_set (e, EINVAL, "spec %" PRIu64 " is not the next one, or over the limit of %d",
                        n, SPECS_MAX);
    push_hash (s, b, &b->spec_hashes, b->n_specs, hash);
    b->specs_chain = content_chain (b->specs_chain, hash);
    if ((n & (n - 1)) == 0) /* room in powers of two */
        b->specs = mem_resize (b->specs, n ? 2 * n : 1, sizeof *b->specs);
    struct wire *mine = &b->specs[b->n_specs++];
    *mine = *w;
    mine->header = slice_keep (&w->header);
    for (int i = 0; i < WIRE_BODIES; i++)
        mine->body[i] = slice_keep (&w->body[i]);
    mine->m.spec.batch = b->id;
    if (b->flags & BATCH_EXCLUSIVE) /* its worker is to end it in time */
        mine->m.spec.flags |= SPEC_EXCLUSIVE;
    if (batch_runs_once (b))
        mine->m.spec.flags |= SPEC_ONCE;
    batch_own_more (s, b, sizeof *mine + w->header.len + w->body[0].len + w->body[1].len);
    if (n == 0 || w->m.spec.cpus > b->cpus)
        b->cpus = w->m.spec.cpus;
    learn_needs (b, w);
    record_said (s, b, w, fx);
    return 0;
}

static bool specs_known (const struct batch *b, const struct msg_rows *m)
{
    uint64_t last = m->spec;
    if (b->flags & BATCH_EACH_SPEC)
        last += m->count - 1;
    return last < b->n_specs;
}

/* The part that is next, of the large row that is coming, or a chunk that is next. */
static bool is_next (const struct batch *b, const struct msg_rows *m)
{
    const struct chunk *half = chunk_half (b);
    if (m->total && m->offset)
        return half && m->chunk + 1 == b->next_chunk;
    return !half && m->count && m->chunk == b->next_chunk && m->first == b->submitted;
}

/* Sent before, under the same key. */
static bool is_known (const struct batch *b, const struct msg_rows *m)
{
    const struct chunk *half = chunk_half (b);
    if (half && m->total && m->chunk + 1 == b->next_chunk)
        return m->offset < half->have;
    return m->chunk < b->next_chunk;
}

/* Of a chunk that was sent before: whether it says the same. Of one in parts, as far as it has
 * come both times. Who goes on in the middle has had the parts before acknowledged: there is
 * nothing to hold them to. */
static int check_known (const struct batch *b, const struct wire *w, struct content *resent,
                        struct err *e)
{
    const struct msg_rows *m = &w->m.rows;
    bool whole = m->chunk < b->n_hashes;
    if (m->total && m->offset && !resent->state)
        return 0;
    if (!m->total && whole)
        return compare ("chunk", m->chunk, b->hashes[m->chunk], content_of_rows (w), e);
    if (!m->total || content_part (resent, w) < 0)
        return err_set (e, EEXIST, "chunk %" PRIu64 " came before in other parts", m->chunk);
    uint64_t until = whole ? m->total : b->coming.have;
    if (resent->have < until)
        return 0;
    uint64_t was = whole ? b->hashes[m->chunk] : content_so_far (&b->coming, m);
    uint64_t is = content_so_far (resent, m);
    content_fini (resent);
    return compare ("chunk", m->chunk, was, is, e);
}

static void note_content (struct sched *s, struct batch *b, const struct wire *w)
{
    const struct msg_rows *m = &w->m.rows;
    bool taken = !m->total || content_part (&b->coming, w) == 0;
    if (chunk_half (b))
        return;
    uint64_t hash = !taken ? 0 : m->total ? content_so_far (&b->coming, m) : content_of_rows (w);
    push_hash (s, b, &b->hashes, b->n_hashes++, hash);
    b->chunks_chain = content_chain (b->chunks_chain, hash);
    b->hash_missing |= !hash;
    content_fini (&b->coming);
}

/* Bytes of a part that came before, where others follow in it: it is cut otherwise than the first
 * time. */
static uint64_t overlap (const struct batch *b, const struct wire *w)
{
    const struct msg_rows *m = &w->m.rows;
    const struct chunk *half = chunk_half (b);
    if (!half || !m->total || m->chunk + 1 != b->next_chunk || m->offset >= half->have)
        return 0;
    uint64_t known = half->have - m->offset;
    return known < w->body[0].len ? known : 0;
}

static int rows_whole (struct sched *s, struct batch *b, const struct wire *w,
                       struct content *resent, struct effects *fx, struct err *e)
{
    const struct msg_rows *m = &w->m.rows;
    if (is_known (b, m))
        return check_known (b, w, resent, e);
    if (b->cancelled || b->ended)
        return 0; /* nobody waits for them any more */
    const char *why = is_crammed (s) ? CRAMMED : quota_refuses_rows (s, b);
    if (why && !s->replaying)
        return err_set (e, EBUSY, "%s", why);
    if (b->closed)
        return err_set (e, EINVAL, "the batch is closed");
    if (!is_next (b, m))
        return err_set (e, EINVAL, "chunk %" PRIu64 " is not the next one (%" PRIu64 ")", m->chunk,
                        b->next_chunk);
    if (!specs_known (b, m))
        return err_set (e, EINVAL, "chunk %" PRIu64 " is of a spec that has not come", m->chunk);
    if (chunk_add (s, b, w, e) < 0)
        return -1;
    b->next_chunk = m->chunk + 1;
    note_content (s, b, w);
    if (!chunk_half (b)) {
        b->submitted = m->first + m->count;
        quota_tasks (s, b, (int64_t)m->count);
        order_join (s, b, m->first, b->submitted);
    }
    record_said (s, b, w, fx);
    after_skip (s, b, fx);
    batch_set_ready (s, b);
    return 0;
}

bool batch_knows (const struct batch *b, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_SPEC:
        return w->m.spec.spec < b->n_specs || b->cancelled || b->ended;
    case WIRE_ROWS:
        return (is_known (b, &w->m.rows) && !overlap (b, w)) || b->cancelled || b->ended;
    default:
        return b->closed;
    }
}

int batch_rows (struct sched *s, struct batch *b, const struct wire *w, struct content *resent,
                struct effects *fx, struct err *e)
{
    uint64_t known = overlap (b, w);
    if (!known)
        return rows_whole (s, b, w, resent, fx, e);
    struct wire part = *w;
    part.body[0].len = known;
    if (rows_whole (s, b, &part, resent, fx, e) < 0)
        return -1;
    part.m.rows.offset += known;
    part.body[0] = slice_sub (&w->body[0], known, w->body[0].len - known);
    int rc = rows_whole (s, b, &part, resent, fx, e);
    slice_fini (&part.body[0]);
    return rc;
}

uint64_t batch_chunks (const struct batch *b)
{
    return b->n_hashes;
}

/* A chunk that differs is refused where it comes; but the refusal may be lost with this process,
 * and the chunk is not said again where it was acknowledged. */
static int check_content (const struct batch *b, const struct msg_close *m, struct err *e)
{
    uint64_t was = content_of_batch (b->specs_chain, b->chunks_chain);
    if (!m->content || b->cancelled || b->hash_missing || was == m->content)
        return 0;
    return err_set (e, EEXIST,
                    "rows or commands came before with other content: %016" PRIx64
                    " in all, and now %016" PRIx64,
                    was, m->content);
}

int batch_close (struct sched *s, struct batch *b, const struct msg_close *m, struct effects *fx,
                 struct err *e)
{
    uint64_t total = m->total;
    if (b->closed && total != b->submitted && !b->cancelled)
        return err_set (e, EEXIST, "closed before with %" PRIu64 " rows, and now %" PRIu64,
                        b->submitted, total);
    if (b->closed)
        return check_content (b, m, e);
    if (total != b->submitted && !b->cancelled)
        return err_set (e, EINVAL, "closed with %" PRIu64 " rows, but %" PRIu64 " have come", total,
                        b->submitted);
    if (chunk_half (b) && !b->cancelled)
        return err_set (e, EINVAL, "closed, but parts of row %" PRIu64 " are missing",
                        b->submitted);
    if (check_content (b, m, e) < 0)
        return -1;
    b->closed = true;
    stuck_closed (s, b);
    struct wire w = {.kind = WIRE_CLOSE};
    w.m.close.total = total;
    record_said (s, b, &w, fx);
    return 0;
}
