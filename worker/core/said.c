/* Said: what executors say. Outcomes are accounted for and passed on as they were packed; output
 * and progress of live input are passed on.
 *
 * An executor may have run foreign code, so nothing it says is believed that it does not owe: the
 * outcomes of its jobs, in their order, and output of the row that is next to be answered.
 */
#include <inttypes.h>

#include "worker/core/core.h"

static bool owed (const struct job *j, const struct outcome *o)
{
    return j && o->row == j->rows.first + j->answered && o->attempt == j->rows.attempt;
}

/* Account for one outcome that is owed. */
static void take (struct executor *e, struct job *j, const struct outcome *o, int64_t now)
{
    if (!TAILQ_EMPTY (&e->batch->notes))
        batch_notes_drop (e->batch, o->row);
    e->spoke = false;
    if (++j->answered == j->rows.count)
        job_over (e, j, now);
}

struct outcomes {    /* found in a body */
    size_t from, to; /* bytes of those that are new */
    uint64_t n;
    uint64_t again; /* that came before */
    bool bad;       /* something else is behind them */
    bool others;    /* some are not cancelled, or output of theirs went before */
};

/* Outcomes that were had with peek() come first, and are passed over. */
static struct outcomes account (struct executor *e, struct bytes body, uint64_t again_max,
                                int64_t now)
{
    struct outcomes found = {0};
    struct outcome o;
    size_t at = 0;
    int got;
    while ((got = outcome_read (body, &at, &o)) == 1) {
        struct job *j = TAILQ_FIRST (&e->jobs);
        if (owed (j, &o)) {
            found.others |= o.how != OUTCOME_CANCELLED || e->spoke;
            take (e, j, &o, now);
            found.n++;
            found.to = at;
        } else if (!found.n && found.again < again_max) {
            found.again++;
            found.from = found.to = at;
        } else {
            break;
        }
    }
    found.bad = got != 0;
    return found;
}

static void pass_on (struct agent *a, struct executor *e, const struct slice *body,
                     const struct outcomes *found, int64_t now, struct agent_effects *fx)
{
    struct batch *b = e->batch;
    struct slice fresh = slice_sub (body, found->from, found->to - found->from);
    b->handed -= found->n;
    if (found->n)
        b->deaths = 0;
    b->careful -= found->n < b->careful ? found->n : b->careful;
    e->moved_us = now;
    e->used |= found->n > 0;
    e->stalls = 0;
    results_add (a, b, &fresh, found->n, !found->others);
    slice_fini (&fresh);
    executor_settle (a, e, now, fx);
}

int executor_outcomes (struct agent *a, struct executor *e, const struct slice *body, int64_t now,
                       struct agent_effects *fx)
{
    struct outcomes found = account (e, bytes_of (body->ptr, body->len), e->peeked, now);
    e->peeked -= found.again;
    pass_on (a, e, body, &found, now, fx);
    return found.bad ? -1 : 0;
}

void executor_peek (struct agent *a, struct executor *e, int64_t now, struct agent_effects *fx)
{
    uint8_t copy[64 << 10];
    size_t len = a->cfg.pages.peek (a->cfg.pages.self, e->number, copy, sizeof copy);
    if (!len)
        return;
    struct outcomes found = account (e, bytes_of (copy, len), UINT64_MAX, now);
    struct slice body = slice_borrowed (copy, len);
    e->peeked += found.n;
    pass_on (a, e, &body, &found, now, fx);
}

/* The job was over when its last outcomes were had with peek(): the executor has left the batch of
 * which they come once more, and may have another one. */
static bool was_peeked (struct executor *e, const struct wire *w)
{
    if (!e->peeked || w->kind != WIRE_RESULTS || w->m.results.count > e->peeked ||
        (e->batch && e->batch->id == w->m.results.batch))
        return false;
    e->peeked -= w->m.results.count;
    return true;
}

static void broken (struct agent *a, struct executor *e, const char *what, int64_t now,
                    struct agent_effects *fx)
{
    fx_log (fx, LOG_ERROR, "executor says what it may not executor=%u what=%s: killing it",
            e->number, what);
    e->spoiled = true;
    executor_kill (a, e, DOOM_NONE, NULL, now, fx);
}

void executor_nonsense (struct agent *a, const struct agent_event *ev, int64_t now,
                        struct agent_effects *fx)
{
    struct executor *e = executor_find (a, ev->executor);
    if (e && !e->killed)
        broken (a, e, ev->text, now, fx);
}

static bool speaks_of (const struct executor *e, uint64_t batch, uint64_t row)
{
    const struct job *j = TAILQ_FIRST (&e->jobs);
    return j && e->batch->id == batch && row >= j->rows.first + j->answered &&
           row - j->rows.first < j->rows.count;
}

/* In pieces that do not hold up for long what follows them. */
static void pass_output (struct agent *a, struct executor *e, const struct wire *w)
{
    struct wire out = {.kind = WIRE_OUTPUT, .m = w->m};
    size_t piece = chan_piece_bytes (a->session.chan);
    out.m.output.record = 0;
    size_t at = 0;
    e->spoke = true;
    do { /* also of none: the last of a stream may be empty */
        size_t left = w->body[0].len - at;
        out.m.output.offset = w->m.output.offset + at;
        out.body[0] = slice_sub (&w->body[0], at, left < piece ? left : piece);
        session_post (&a->session, &out);
        slice_fini (&out.body[0]);
        at += piece;
    } while (at < w->body[0].len);
}

void executor_said (struct agent *a, const struct agent_event *ev, int64_t now,
                    struct agent_effects *fx)
{
    struct executor *e = executor_find (a, ev->executor);
    const struct wire *w = ev->message;
    if (!e || was_peeked (e, w))
        return;
    if (!e->batch) /* it was killed for a session that is over */
        return;
    struct wire out = {.kind = w->kind, .m = w->m, .body[0] = w->body[0]};
    switch (w->kind) {
    case WIRE_RESULTS:
        if (w->m.results.batch != e->batch->id ||
            executor_outcomes (a, e, &w->body[0], now, fx) < 0)
            broken (a, e, "RESULTS", now, fx);
        break;
    case WIRE_OUTPUT:
        if (speaks_of (e, w->m.output.batch, w->m.output.row))
            pass_output (a, e, w);
        else
            broken (a, e, "OUTPUT", now, fx);
        break;
    case WIRE_INPUT_TAKEN:
        if (speaks_of (e, w->m.input_taken.batch, w->m.input_taken.row))
            session_post (&a->session, &out);
        break;
    case WIRE_PEEKED:
        if (w->m.peeked.batch == e->batch->id && job_with (e, w->m.peeked.row)) {
            out.body[1] = w->body[1];
            session_post (&a->session, &out);
        }
        break;
    default:
        broken (a, e, wire_name (w->kind) ? wire_name (w->kind) : "?", now, fx);
    }
}
