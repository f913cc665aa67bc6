/* Dump: what a replay must bring back, as text: one line a thing, in an order that does not depend
 * on how it came about. For tests and the simulator: two schedulers of which one was replayed from
 * the records of the other show the same.
 *
 * Not in it is what a life of the broker keeps for itself: connections, clients, turns, and of an
 * attached batch's results those that were read.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

static uint64_t hash_of (const struct slice *s)
{
    return XXH3_64bits (s->len ? (const char *)s->ptr : "", s->len);
}

static void put_ranges (struct buf *out, const char *name, const struct ranges *r)
{
    if (!r->n)
        return;
    buf_printf (out, " %s=", name);
    for (size_t i = 0; i < r->n; i++)
        buf_printf (out, "%s%" PRIu64 "-%" PRIu64, i ? "," : "", r->at[i].lo, r->at[i].hi - 1);
}

static void put_session (struct buf *out, const struct session *se)
{
    buf_printf (out, "session %016" PRIx64 " name=%s host=%s pid=%" PRIu64 " functions=%u%s\n",
                se->token, se->name, se->host, se->pid, HASH_COUNT (se->worker->functions),
                se->unsure ? " unsure" : "");
}

static void put_lease (struct buf *out, const struct lease *l)
{
    buf_printf (out, "  lease %016" PRIx64 " share=%" PRIu64, l->worker->session->token, l->share);
    put_ranges (out, "out", &l->out);
    put_ranges (out, "slots", &l->slots);
    put_ranges (out, "retired", &l->retired);
    buf_puts (out, "\n");
}

static uint64_t hash_of_turns (const struct chunk *c)
{
    return XXH3_64bits (c->turns ? (const char *)c->turns : "",
                        c->turns ? c->count * sizeof *c->turns : 0);
}

static void put_chunks (struct buf *out, const struct batch *b)
{
    for (size_t i = 0; i < b->n_hashes; i++)
        buf_printf (out, "  content %zu %016" PRIx64 "\n", i, b->hashes[i]);
    for (size_t i = b->chunk_head; i < b->chunk_tail; i++) {
        const struct chunk *c = &b->chunks[i];
        if (c->kept)
            buf_printf (out,
                        "  chunk first=%" PRIu64 " count=%" PRIu64 " open=%" PRIu64 " kept=%" PRIu64
                        " have=%" PRIu64 " body=%016" PRIx64 " turns=%016" PRIx64 "\n",
                        c->first, c->count, c->open, c->kept, c->have, hash_of (&c->body),
                        hash_of_turns (c));
    }
}

static int by_row (const void *a, const void *b)
{
    const struct odd_row *x = *(struct odd_row *const *)a;
    const struct odd_row *y = *(struct odd_row *const *)b;
    return (x->row > y->row) - (x->row < y->row);
}

static void put_odd (struct buf *out, const struct batch *b)
{
    size_t n = 0;
    const struct odd_row **all = mem_zalloc ((HASH_COUNT (b->odd) + 1) * sizeof *all);
    for (const struct odd_row *odd = b->odd; odd; odd = odd->hh.next)
        all[n++] = odd;
    qsort (all, n, sizeof *all, by_row);
    for (size_t i = 0; i < n; i++)
        if (all[i]->attempt > 1 || all[i]->losses ||
            all[i]->runs) /* else it waited for a time only */
            buf_printf (out, "  row %" PRIu64 " attempt=%u losses=%u runs=%u\n", all[i]->row,
                        all[i]->attempt, all[i]->losses, all[i]->runs);
    free (all);
}

static void put_log (struct buf *out, const struct batch *b)
{
    const struct entry *en;
    if (!(b->flags & BATCH_DETACHED))
        return;
    TAILQ_FOREACH (en, &b->log, link)
        buf_printf (out,
                    "  result %" PRIu64 " kind=%u count=%" PRIu64 " row=%" PRIu64
                    " attempt=%" PRIu64 " stream=%" PRIu64 " offset=%" PRIu64 " body=%016" PRIx64
                    "\n",
                    en->record, (unsigned)en->kind, en->count, en->row, en->attempt, en->stream,
                    en->offset, hash_of (&en->body));
}

static int by_token (const void *a, const void *b)
{
    uint64_t x = (*(struct lease *const *)a)->worker->session->token;
    uint64_t y = (*(struct lease *const *)b)->worker->session->token;
    return (x > y) - (x < y);
}

static void put_leases (struct buf *out, const struct batch *b)
{
    size_t n = 0;
    const struct lease *l;
    LIST_FOREACH (l, &b->leases, b_link)
        n++;
    const struct lease **all = mem_zalloc ((n + 1) * sizeof *all);
    n = 0;
    LIST_FOREACH (l, &b->leases, b_link)
        all[n++] = l;
    qsort (all, n, sizeof *all, by_token);
    for (size_t i = 0; i < n; i++)
        put_lease (out, all[i]);
    free (all);
}

/* Of the rows that are doomed, those that are out still: the others have ended. */
static void put_doomed (struct buf *out, const struct batch *b)
{
    const struct lease *l;
    for (size_t i = 0; i < b->n_dooms; i++) {
        const struct doom *d = &b->dooms[i];
        struct ranges rows = {0};
        LIST_FOREACH (l, &b->leases, b_link)
            for (size_t k = 0; k < l->out.n; k++)
                for (uint64_t row = l->out.at[k].lo; row < l->out.at[k].hi; row++)
                    if (ranges_has (&d->rows, row))
                        ranges_add (&rows, row, row + 1);
        if (rows.n)
            buf_printf (out, " doom grace=%" PRIu64 " kill=%d unstarted=%d reason=%s", d->grace_ms,
                        d->kill, d->unstarted, d->reason);
        put_ranges (out, "doomed", &rows);
        ranges_fini (&rows);
    }
}

/* Those that wait for a time, too: times are of one life. */
static void put_waiting (struct buf *out, const struct batch *b)
{
    struct ranges all = {0};
    for (size_t i = 0; i < b->waiting.n; i++)
        ranges_add (&all, b->waiting.at[i].lo, b->waiting.at[i].hi);
    for (size_t i = 0; i < b->later.n; i++)
        ranges_add (&all, b->later.at[i].lo, b->later.at[i].hi);
    put_ranges (out, "waiting", &all);
    ranges_fini (&all);
}

static void put_after (struct buf *out, const struct batch *b)
{
    struct buf text;
    buf_init (&text, 8192);
    after_text (b, &text);
    buf_printf (out, " after=%.*s unreachable=%s", (int)text.len, (const char *)text.bytes,
                b->unreachable ? b->unreachable : "");
    buf_fini (&text);
}

static void put_batch (struct buf *out, const struct batch *b)
{
    buf_printf (out,
                "batch %" PRIu64 " name=%s flags=%" PRIu64 " jobs=%" PRIu64 " priority=%" PRIu64
                " deadline=%" PRIu64 " opened_ms=%" PRIu64 " submitted=%" PRIu64 " chunks=%" PRIu64
                "%s%s%s reason=%s finished=%" PRIu64 " granted=%" PRIu64 " next=%" PRIu64
                " confirmed=%" PRIu64 " est=%" PRIu64 " cpus=%" PRIu64 " retried=%" PRIu64,
                b->id, b->name, b->flags, b->jobs, b->priority, b->deadline_ms,
                b->open.m.open.opened_ms, b->submitted, b->next_chunk, b->closed ? " closed" : "",
                b->cancelled ? " cancelled" : "", b->ended ? " ended" : "",
                b->reason ? b->reason : "", b->finished, b->granted, b->next_record, b->confirmed,
                b->est_us, b->cpus, b->retried);
    buf_printf (out, " retry=%" PRIx64 ":%" PRIu64, b->retry_said, b->retry_rows);
    put_waiting (out, b);
    put_ranges (out, "held", &b->held);
    put_after (out, b);
    put_ranges (out, "slots", &b->slots);
    put_ranges (out, "again", &b->again);
    put_doomed (out, b);
    for (int how = 0; how < OUTCOME_KINDS; how++) {
        buf_printf (out, " %s=%" PRIu64, outcome_name ((enum outcome_how)how), b->counts[how]);
        put_ranges (out, "rows", &b->ended_as[how]);
    }
    buf_puts (out, "\n");
    for (size_t i = 0; i < b->n_specs; i++)
        buf_printf (out, "  spec %zu %016" PRIx64 "\n", i, b->spec_hashes[i]);
    put_chunks (out, b);
    put_leases (out, b);
    put_odd (out, b);
    put_log (out, b);
}

static int by_id (const void *a, const void *b)
{
    uint64_t x = (*(struct batch *const *)a)->id;
    uint64_t y = (*(struct batch *const *)b)->id;
    return (x > y) - (x < y);
}

static int sessions_by_token (const void *a, const void *b)
{
    uint64_t x = (*(struct session *const *)a)->token;
    uint64_t y = (*(struct session *const *)b)->token;
    return (x > y) - (x < y);
}

static void put_sessions (struct buf *out, const struct sched *s)
{
    size_t n = 0;
    const struct session **all = mem_zalloc ((HASH_CNT (by_token, s->by_token) + 1) * sizeof *all);
    for (const struct session *se = s->by_token; se; se = se->by_token.next)
        if (se->worker && !(se->ghost && LIST_EMPTY (&se->worker->leases)))
            all[n++] = se;
    qsort (all, n, sizeof *all, sessions_by_token);
    for (size_t i = 0; i < n; i++)
        put_session (out, all[i]);
    free (all);
}

void sched_dump (const struct sched *s, struct buf *out)
{
    size_t n = 0;
    const struct batch **all = mem_zalloc ((HASH_COUNT (s->batches) + 1) * sizeof *all);
    for (const struct batch *b = s->batches; b; b = b->hh.next)
        all[n++] = b;
    qsort (all, n, sizeof *all, by_id);
    buf_printf (out, "next batch=%" PRIu64 "\n", s->next_batch);
    put_sessions (out, s);
    for (size_t i = 0; i < n; i++)
        put_batch (out, all[i]);
    free (all);
}
