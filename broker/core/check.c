/* Check: what must always hold, looked at from outside. For tests and the simulator; slow on
 * purpose. */
#include <errno.h>
#include <inttypes.h>

#include "broker/core/core.h"

static int take_into (struct ranges *all, const struct ranges *part)
{
    for (size_t i = 0; i < part->n; i++) {
        if (ranges_meets (all, part->at[i].lo, part->at[i].hi))
            return -1;
        ranges_add (all, part->at[i].lo, part->at[i].hi);
    }
    return 0;
}

static int check_lease (const struct lease *l, struct ranges *seen, struct err *e)
{
    const struct batch *b = l->batch;
    if (!l->out.count || !(l->slots.count + l->retired.count))
        return err_set (e, EPROTO, "batch %" PRIu64 ": a lease without rows or slots", b->id);
    if (b->jobs && l->slots.count > b->jobs)
        return err_set (e, EPROTO, "batch %" PRIu64 ": a lease beyond -j", b->id);
    if (take_into (seen, &l->out) < 0)
        return err_set (e, EPROTO, "batch %" PRIu64 ": a row is in two places", b->id);
    return 0;
}

static int check_rows (const struct batch *b, struct ranges *seen, struct err *e)
{
    const struct lease *l;
    uint64_t out = 0;
    uint64_t slots = b->slots.count;
    take_into (seen, &b->waiting);
    if (take_into (seen, &b->later) < 0 || take_into (seen, &b->held) < 0)
        return err_set (e, EPROTO, "batch %" PRIu64 ": a row waits twice", b->id);
    LIST_FOREACH (l, &b->leases, b_link) {
        if (check_lease (l, seen, e) < 0)
            return -1;
        out += l->out.count;
        slots += l->slots.count;
    }
    if (b->jobs && slots != b->jobs)
        return err_set (e, EPROTO, "batch %" PRIu64 ": %" PRIu64 " slot numbers, -j is %" PRIu64,
                        b->id, slots, b->jobs);
    if (out != b->granted)
        return err_set (e, EPROTO, "batch %" PRIu64 ": granted is counted wrong", b->id);
    if (seen->count + b->finished != b->submitted)
        return err_set (e, EPROTO,
                        "batch %" PRIu64 ": %" PRIu64 " rows open and %" PRIu64
                        " finished of %" PRIu64,
                        b->id, seen->count, b->finished, b->submitted);
    return 0;
}

static bool is_within (const struct ranges *part, const struct ranges *all)
{
    for (size_t i = 0; i < part->n; i++) {
        struct range r = ranges_from (all, part->at[i].lo);
        if (r.lo != part->at[i].lo || r.hi < part->at[i].hi)
            return false;
    }
    return true;
}

/* What is apart among the rows that wait, and those that wait for a time. */
static int check_waiting (const struct sched *s, const struct batch *b, struct err *e)
{
    uint64_t timed = 0;
    if (!is_within (&b->picky, &b->waiting) || !is_within (&b->alone, &b->waiting))
        return err_set (e, EPROTO, "batch %" PRIu64 ": a row is apart that does not wait", b->id);
    for (const struct odd_row *odd = b->odd; odd; odd = odd->hh.next) {
        if (!odd->due_at)
            continue;
        timed++;
        if (odd->due_at > s->due.n || s->due.at[odd->due_at - 1] != odd ||
            !ranges_has (&b->later, odd->row))
            return err_set (e, EPROTO, "batch %" PRIu64 ": row %" PRIu64 " waits for no time",
                            b->id, odd->row);
        if (odd->due_at > 1 && s->due.at[odd->due_at / 2 - 1]->due_us > odd->due_us)
            return err_set (e, EPROTO, "rows that wait for a time are out of order");
    }
    if (!s->replayed && timed != b->later.count)
        return err_set (e, EPROTO, "batch %" PRIu64 ": a row would wait for ever", b->id);
    return 0;
}

/* Slot numbers are with one worker, or with nobody. */
static int check_slots (const struct batch *b, struct err *e)
{
    struct ranges all = {0};
    const struct lease *l;
    int rc = take_into (&all, &b->slots);
    LIST_FOREACH (l, &b->leases, b_link)
        if (rc == 0)
            rc = take_into (&all, &l->slots);
    LIST_FOREACH (l, &b->leases, b_link)
        if (rc == 0)
            rc = take_into (&all, &l->retired);
    ranges_fini (&all);
    return rc < 0 ? err_set (e, EPROTO, "batch %" PRIu64 ": a slot number is twice there", b->id)
                  : 0;
}

static uint64_t count_within (const struct ranges *r, uint64_t lo, uint64_t hi)
{
    uint64_t n = 0;
    struct range part;
    for (uint64_t at = lo; part = ranges_from (r, at), part.lo < part.hi && part.lo < hi;
         at = part.hi)
        n += (part.hi < hi ? part.hi : hi) - part.lo;
    return n;
}

/* Every row that is open has its bytes. */
static int check_chunks (const struct batch *b, const struct ranges *seen, struct err *e)
{
    uint64_t open = 0;
    size_t dead = 0;
    for (size_t i = b->chunk_head; i < b->chunk_tail; i++) {
        const struct chunk *c = &b->chunks[i];
        dead += !c->kept;
        if (c == chunk_half (b))
            continue;
        if (c->open != count_within (seen, c->first, c->first + c->count))
            return err_set (e, EPROTO, "batch %" PRIu64 ": chunk at row %" PRIu64 " counts wrong",
                            b->id, c->first);
        open += c->open;
    }
    if (open != seen->count)
        return err_set (e, EPROTO, "batch %" PRIu64 ": rows without a chunk", b->id);
    if (dead != b->n_dead || dead > (b->chunk_tail - b->chunk_head) / 2)
        return err_set (e, EPROTO, "batch %" PRIu64 ": %zu chunks are kept for nothing", b->id,
                        dead);
    return 0;
}

/* Rows that may be retried: each by the outcome that it is counted under, and its bytes are there.
 */
static int check_retryable (const struct batch *b, struct err *e)
{
    for (int how = OUTCOME_DONE + 1; how < OUTCOME_KINDS; how++)
        if (b->flags & BATCH_DETACHED && b->ended_as[how].count != b->counts[how])
            return err_set (e, EPROTO, "batch %" PRIu64 ": rows that ended as %s are not kept",
                            b->id, outcome_name ((enum outcome_how)how));
    for (size_t i = b->chunk_head; i < b->chunk_tail; i++) {
        const struct chunk *c = &b->chunks[i];
        uint64_t kept = c->open;
        for (int how = 0; how < OUTCOME_KINDS; how++)
            kept += count_within (&b->ended_as[how], c->first, c->first + c->count);
        if (kept != c->kept)
            return err_set (e, EPROTO, "batch %" PRIu64 ": chunk at row %" PRIu64 " keeps too much",
                            b->id, c->first);
    }
    return 0;
}

/* A batch that waits to be asked for is over, and its place in line is by age. */
static int check_kept (const struct sched *s, struct err *e)
{
    uint64_t bytes = 0;
    const struct batch *b, *before = NULL;
    TAILQ_FOREACH (b, &s->kept, kept_link) {
        if (!b->ended || !(b->flags & BATCH_DETACHED))
            return err_set (e, EPROTO, "batch %" PRIu64 " is kept, and not over", b->id);
        if (b->kept_bytes != b->log_bytes + chunks_bytes (b))
            return err_set (e, EPROTO, "batch %" PRIu64 " keeps other than what is counted", b->id);
        if (before && before->ended_us > b->ended_us)
            return err_set (e, EPROTO, "batch %" PRIu64 " is kept behind younger ones", b->id);
        bytes += b->kept_bytes;
        before = b;
    }
    return bytes == s->kept_bytes ? 0 : err_set (e, EPROTO, "kept bytes are counted wrong");
}

static int check_batch (const struct sched *s, const struct batch *b, struct err *e)
{
    struct ranges seen = {0};
    uint64_t sum = 0;
    for (int i = 0; i < OUTCOME_KINDS; i++)
        sum += b->counts[i];
    int rc = check_rows (b, &seen, e);
    if (rc == 0)
        rc = check_chunks (b, &seen, e);
    if (rc == 0)
        rc = check_retryable (b, e);
    if (rc == 0)
        rc = check_slots (b, e);
    if (rc == 0)
        rc = check_waiting (s, b, e);
    if (rc == 0)
        rc = order_check (b, e);
    if (rc == 0)
        rc = after_check_all (b, e);
    ranges_fini (&seen);
    if (rc == 0 && sum != b->finished)
        rc = err_set (e, EPROTO, "batch %" PRIu64 ": outcomes are counted wrong", b->id);
    if (rc == 0 && b->ended != (b->closed && b->finished == b->submitted))
        rc = err_set (e, EPROTO, "batch %" PRIu64 ": ended is wrong", b->id);
    return rc;
}

static int check_client (const struct client *c, struct err *e)
{
    uint64_t tasks = 0, bytes = 0, batches = 0, stuck_tasks = 0, stuck_bytes = 0;
    const struct batch *b;
    LIST_FOREACH (b, &c->owned, owned_link) {
        uint64_t more = chunks_bytes (b) - chunks_lasting (b) + order_bytes (b);
        tasks += b->submitted - b->finished;
        bytes += more;
        batches++;
        stuck_tasks += b->stuck ? b->submitted - b->finished : 0;
        stuck_bytes += b->stuck ? more : 0;
        if (b->stuck != batch_is_stuck (b))
            return err_set (e, EPROTO, "batch %" PRIu64 " is %sstuck", b->id,
                            b->stuck ? "not " : "");
    }
    if (stuck_tasks != c->stuck_tasks || stuck_bytes != c->stuck_bytes)
        return err_set (e, EPROTO, "what waits for a submission is counted wrong");
    if (tasks != c->tasks || bytes != c->bytes || batches != c->batches)
        return err_set (e, EPROTO, "what a client has submitted is counted wrong");
    return 0;
}

static int check_worker (const struct worker *w, struct err *e)
{
    uint64_t occupied = 0, io_busy = 0;
    const struct lease *l;
    LIST_FOREACH (l, &w->leases, w_link) {
        occupied += l->occupied;
        io_busy += l->io_busy;
    }
    if (occupied != w->occupied || io_busy != w->io_busy)
        return err_set (e, EPROTO, "worker %s: occupied slots are counted wrong", w->session->name);
    return wide_check (w, e);
}

static size_t entries_of_batch (const struct batch *b)
{
    size_t n = 1 + odd_entries (b) + (b->chunk_tail - b->chunk_head) + b->n_specs + b->n_subs;
    const struct entry *en;
    const struct waiter *wt;
    const struct lease *l;
    TAILQ_FOREACH (en, &b->log, link)
        n++;
    LIST_FOREACH (wt, &b->waiters, link)
        n++;
    LIST_FOREACH (l, &b->leases, b_link)
        n++;
    return n;
}

size_t sched_entries (const struct sched *s)
{
    size_t n = quarantine_entries (s) + s->due.n + HASH_CNT (by_token, s->by_token) +
               HASH_CNT (by_route, s->by_route) + HASH_CNT (by_name, s->by_name);
    const struct drain *d;
    for (const struct batch *b = s->batches; b; b = b->hh.next)
        n += entries_of_batch (b);
    for (const struct session *se = s->by_token; se; se = se->by_token.next)
        n += se->client ? HASH_COUNT (se->client->subs) + se->client->over.n
                        : HASH_COUNT (se->worker->functions) + HASH_COUNT (se->worker->known);
    LIST_FOREACH (d, &s->drains, link)
        n++;
    return n;
}

int sched_check (const struct sched *s, struct err *e)
{
    uint64_t bytes = 0, lasting = 0, unread = 0, own = 0, alone = 0, stuck = 0;
    for (const struct batch *b = s->batches; b; b = b->hh.next) {
        if (check_batch (s, b, e) < 0)
            return -1;
        bytes += b->log_bytes + order_bytes (b) + chunks_bytes (b);
        lasting += chunks_lasting (b) + (b->flags & BATCH_DETACHED ? b->log_bytes : 0);
        unread += b->flags & BATCH_DETACHED ? 0 : b->log_bytes;
        own += b->own_bytes;
        stuck += b->stuck ? b->quota_bytes : 0;
        alone += b->alone.count;
    }
    if (alone != s->n_alone)
        return err_set (e, EPROTO, "rows that run alone are counted wrong");
    if (stuck != s->stuck_bytes)
        return err_set (e, EPROTO, "rows that wait for a submission are counted wrong");
    if (own != s->own_bytes)
        return err_set (e, EPROTO, "batches take %" PRIu64 " bytes, counted were %" PRIu64, own,
                        s->own_bytes);
    if (lasting != s->lasting_bytes)
        return err_set (e, EPROTO, "%" PRIu64 " bytes are kept, counted were %" PRIu64, lasting,
                        s->lasting_bytes);
    if (unread != s->unread_bytes)
        return err_set (e, EPROTO, "%" PRIu64 " bytes are unread, counted were %" PRIu64, unread,
                        s->unread_bytes);
    if (bytes != s->queue_bytes)
        return err_set (e, EPROTO, "%" PRIu64 " bytes are queued, counted were %" PRIu64, bytes,
                        s->queue_bytes);
    for (const struct session *se = s->by_token; se; se = se->by_token.next)
        if (se->client && check_client (se->client, e) < 0)
            return -1;
    if (check_client (&s->orphans, e) < 0)
        return -1;
    const struct worker *w;
    TAILQ_FOREACH (w, &s->workers, link)
        if (check_worker (w, e) < 0)
            return -1;
    return check_kept (s, e);
}
