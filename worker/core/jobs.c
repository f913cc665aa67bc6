/* Jobs: rows in the hands of executors.
 *
 * A job is one RUN: consecutive rows that the executor claims one by one through the shared page,
 * and answers in their order. What it has not claimed can be taken back at any time, so that a row
 * that takes long never holds up those behind it.
 */
#include <stdlib.h>

#include "worker/core/core.h"

void job_free (struct job **jp)
{
    struct job *j = *jp;
    slice_fini (&j->rows.body);
    free (j);
    *jp = NULL;
}

static void tell_spec (struct executor *e, struct batch *b, struct spec *s,
                       struct agent_effects *fx)
{
    if (bits_has (&s->told, e->index))
        return;
    struct wire w = s->msg;
    w.seq = w.ack = 0;
    fx_send (fx, e->number, &w);
    bits_set (&s->told, e->index);
    bits_set (&b->told, e->index);
}

static void tell_notes (struct executor *e, struct batch *b, const struct run *rows,
                        struct agent_effects *fx)
{
    struct note *n;
    TAILQ_FOREACH (n, &b->notes, link)
        if (n->row >= rows->first && n->row - rows->first < rows->count)
            fx_send (fx, e->number, &n->msg);
    for (uint64_t i = 0; i < rows->count && !TAILQ_EMPTY (&b->notes); i++)
        batch_notes_drop (b, rows->first + i);
}

void job_start (struct agent *a, struct executor *e, struct batch *b, struct run *rows, int64_t now,
                struct agent_effects *fx)
{
    struct job *j = mem_zalloc (sizeof *j);
    j->run = e->next_run++;
    j->rows = *rows;
    j->since_us = now;
    struct spec *s = batch_spec (b, rows->spec);
    tell_spec (e, b, s, fx);
    a->cfg.pages.open (a->cfg.pages.self, e->number, j->run, (uint32_t)rows->count);
    struct wire w = {.kind = WIRE_RUN, .body[0] = rows->body};
    w.m.run = (struct msg_run){.batch = b->id,
                               .spec = rows->spec,
                               .first = rows->first,
                               .count = rows->count,
                               .attempt = rows->attempt,
                               .slot = e->slot};
    fx_send (fx, e->number, &w);
    TAILQ_INSERT_TAIL (&e->jobs, j, link);
    e->n_jobs++;
    b->handed += rows->count;
    e->last |= b->careful > 0;
    if (e->kind == AGENT_FUNCTIONS && e->n_jobs == 1) /* its executor cannot watch it */
        executor_watch (a, e, s->msg.m.spec.timeout_ms, now);
    if (!TAILQ_EMPTY (&b->notes))
        tell_notes (e, b, &j->rows, fx);
    executor_settle (a, e, now, fx);
}

void job_over (struct executor *e, struct job *j, int64_t now)
{
    if (j->answered)
        batch_measure (e->batch, j->answered, now - j->since_us);
    struct job *next = TAILQ_NEXT (j, link);
    if (next)
        next->since_us = now;
    TAILQ_REMOVE (&e->jobs, j, link);
    e->n_jobs--;
    job_free (&j);
}

void rows_again (struct agent *a, struct batch *b, struct run r)
{
    if (a->drain == DRAIN_NOT) {
        runs_add (a, b, r);
        return;
    }
    rows_returned (a, b->id, r.first, r.count, false);
    slice_fini (&r.body);
}

static uint64_t recall (struct agent *a, struct executor *e, struct job *j, uint64_t want)
{
    struct batch *b = e->batch;
    uint64_t count = j->rows.count;
    uint32_t n = a->cfg.pages.recall (a->cfg.pages.self, e->number, j->run, (uint32_t)count,
                                      want < count ? (uint32_t)want : (uint32_t)count);
    if (n > count - j->answered) /* a broken page */
        n = (uint32_t)(count - j->answered);
    if (!n)
        return 0;
    b->handed -= n;
    if (n == count) {
        rows_again (a, b, j->rows);
        j->rows.body = (struct slice){0};
        j->rows.count = 0;
        return n;
    }
    struct run front;
    run_cut (&j->rows, count - n, &front);
    rows_again (a, b, j->rows);
    j->rows = front;
    return n;
}

uint64_t jobs_recall (struct agent *a, struct executor *e, uint64_t want, int64_t now,
                      struct agent_effects *fx)
{
    uint64_t got = 0;
    struct job *j = TAILQ_LAST (&e->jobs, job_list);
    while (j && got < want) {
        struct job *before = TAILQ_PREV (j, job_list, link);
        got += recall (a, e, j, want - got);
        if (j->answered == j->rows.count)
            job_over (e, j, now);
        j = before;
    }
    executor_settle (a, e, now, fx);
    return got;
}

struct job *job_with (struct executor *e, uint64_t row)
{
    struct job *j;
    TAILQ_FOREACH (j, &e->jobs, link)
        if (row >= j->rows.first && row - j->rows.first < j->rows.count)
            return j;
    return NULL;
}

bool job_running (struct agent *a, struct executor *e, uint64_t *row)
{
    struct agent_running r;
    struct job *j;
    if (!a->cfg.pages.running (a->cfg.pages.self, e->number, &r))
        return false;
    TAILQ_FOREACH (j, &e->jobs, link)
        if (j->run == r.run && r.place >= j->answered && r.place < j->rows.count) {
            *row = j->rows.first + r.place;
            return true;
        }
    return false;
}
