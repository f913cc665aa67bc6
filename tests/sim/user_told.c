#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/sim/ledger.h"
#include "tests/sim/user_inner.h"

static void note (struct job *j, const drover_result_t *r)
{
    if (!(j->n_told & (j->n_told + 1)))
        j->told = mem_resize (j->told, 2 * (j->n_told + 1), sizeof *j->told);
    j->told[j->n_told++] = (struct told){r->row, r->attempt, r->how};
}

/* What it was told before may be told again, and otherwise. */
static bool is_void (const struct job *j)
{
    if (j->user->bye_us)
        return true;
    for (; j; j = j->like)
        if (j->void_ || j->removals)
            return true;
    return false;
}

/* --- what a task printed --- */

static bool is_its_output (const struct job *j, uint64_t row, uint64_t attempt, uint64_t at,
                           const uint8_t *bytes, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++)
        if (bytes[i] != fate_byte (j->id, row, attempt, at + i))
            return false;
    return true;
}

static void check_output (struct user *u, const struct job *j, const drover_result_t *r)
{
    uint64_t len = fate_output (j->id, r->row, r->attempt);
    uint64_t have = r->out_len;
    bool attached = j->attached; /* it may have come in too late */
    if (j->b.live_output && j->seen && j->seen_attempt[r->row] == r->attempt)
        have += j->seen[r->row];
    if (r->out_bytes != len || (have != len && !attached))
        sim_fail (u->s, "%s has %d bytes of %d that row %d of batch %d printed, and is told %d",
                  u->name, (int)have, (int)len, (int)r->row, (int)j->id, (int)r->out_bytes);
    if (!is_its_output (j, r->row, r->attempt, len - r->out_len, r->out, r->out_len))
        sim_fail (u->s, "%s is told what row %d of batch %d did not print", u->name, (int)r->row,
                  (int)j->id);
}

static void on_output (struct user *u, struct job *j, const drover_output_t *o)
{
    j->blurred |= is_void (j);
    if (j->blurred)
        return;
    if (!j->seen) {
        j->seen = mem_resize (NULL, j->plan + 1, sizeof *j->seen);
        j->seen_attempt = mem_resize (NULL, j->plan + 1, sizeof *j->seen_attempt);
        memset (j->seen, 0, (j->plan + 1) * sizeof *j->seen);
        memset (j->seen_attempt, 0, (j->plan + 1) * sizeof *j->seen_attempt);
    }
    if (o->row >= j->plan || o->attempt < j->seen_attempt[o->row])
        sim_fail (u->s, "%s is told output of row %d of batch %d, attempt %d behind %d", u->name,
                  (int)o->row, (int)j->id, (int)o->attempt, (int)j->seen_attempt[o->row]);
    if (o->attempt > j->seen_attempt[o->row] || (u->reset && !o->offset))
        j->seen[o->row] = 0;
    j->seen_attempt[o->row] = (uint32_t)o->attempt;
    if (o->offset != j->seen[o->row])
        sim_fail (u->s, "%s is told output of row %d of batch %d from %d on, it has %d", u->name,
                  (int)o->row, (int)j->id, (int)o->offset, (int)j->seen[o->row]);
    if (!is_its_output (j, o->row, o->attempt, o->offset, o->bytes.ptr, o->bytes.len))
        sim_fail (u->s, "%s is told what row %d of batch %d did not print", u->name, (int)o->row,
                  (int)j->id);
    j->seen[o->row] += (uint32_t)o->bytes.len;
}

/* --- how it ended --- */

static void check_ran (struct user *u, const struct job *j, const drover_result_t *r)
{
    struct sim *s = u->s;
    uint64_t batch = job_batch (j);
    enum outcome_how how = (enum outcome_how)r->how;
    bool killed = ledger_killed (s, batch, r->row, r->attempt);
    bool refused = how == OUTCOME_FAILED && r->reason[0]; /* by the worker, without a start */
    if (!ledger_ended (s, batch, r->row, r->attempt, how) && !(how != OUTCOME_DONE && killed) &&
        !refused)
        sim_fail (s, "row %d of batch %d, attempt %d, did not end as %s", (int)r->row, (int)j->id,
                  (int)r->attempt, outcome_name (how));
    if (how == OUTCOME_DONE && !u->reset)
        check_output (u, j, r);
}

static bool may_have_cancelled (const struct job *j)
{
    const struct user *u = j->user;
    return j->cancelled || j->refused || j->deadline_ms || !u->alive || u->bye_us || u->reset ||
           u->gone;
}

static bool may_be_cancelled (const struct user *u, const struct job *j)
{
    if (u->auditor || (j->twin && j->differs))
        return true; /* a batch of its own is cancelled where it does not fit together */
    for (; j; j = j->like)
        if (may_have_cancelled (j))
            return true;
    return false;
}

/* Kept results go where there is no room, also before their owner was told the end of them. */
static bool may_be_forgotten (const struct job *j)
{
    return j->user->s->tight && j->flags & BATCH_DETACHED;
}

static void told_parked (struct user *u, const struct job *j, const drover_result_t *r)
{
    sim_count (u->s, COUNT_PARKED);
    ledger_parked (u->s, job_batch (j), r->row, r->attempt);
}

/* Who submitted it. */
static const struct job *source_of (const struct job *j)
{
    while (j->like)
        j = j->like;
    return j;
}

static void check_how (struct user *u, const struct job *j, const drover_result_t *r)
{
    struct sim *s = u->s;
    if (r->how == DROVER_DONE || r->how == DROVER_TIMEOUT || r->how == DROVER_FAILED)
        check_ran (u, j, r);
    if (r->how != DROVER_BROKER_LOST)
        ledger_told (s, job_batch (j), r->row, r->attempt);
    if (r->how == DROVER_CANCELLED && !may_be_cancelled (u, j))
        sim_fail (s, "row %d of batch %d was cancelled, and nobody asked for that", (int)r->row,
                  (int)j->id);
    if (r->how == DROVER_BROKER_LOST && !u->reset && !u->gone && !user_is_lost (u) &&
        !j->attached && !j->refused && !j->differs && j->id && !may_be_forgotten (j))
        sim_fail (s, "%s lost row %d of batch %d, but no session", u->name, (int)r->row,
                  (int)j->id);
    if (r->how == DROVER_SKIPPED && !source_of (j)->tag.after)
        sim_fail (s, "row %d of batch %d is skipped, and depends on nothing", (int)r->row,
                  (int)j->id);
    if (r->how == DROVER_SKIPPED)
        sim_count (s, COUNT_SKIPPED);
    if (r->how == DROVER_PARKED)
        told_parked (u, j, r);
    if (r->how == DROVER_LOST && !(j->flags & (BATCH_AT_MOST_ONCE | BATCH_INPUT)) &&
        !(j->flags & (BATCH_EXCLUSIVE | BATCH_ORDERED) && may_be_cancelled (u, j)))
        sim_fail (s, "row %d of batch %d is lost, and could have run again", (int)r->row,
                  (int)j->id);
}

/* Who only looks is told of each end of a row that was run again on request; who submitted it, of
 * the first. */
static bool is_retried (const struct job *j, const drover_result_t *r)
{
    for (size_t i = 0; i < j->n_told; i++)
        if (j->told[i].row == r->row && j->told[i].attempt >= r->attempt)
            return false;
    return j->attached && ledger_retries (j->user->s, job_batch (j));
}

static void on_result (struct user *u, struct job *j, const drover_result_t *r)
{
    struct sim *s = u->s;
    if (!s->big)
        sim_trace (s, "%s is told row %d of batch %d: %s", u->name, (int)r->row, (int)j->id,
                   outcome_name ((enum outcome_how)r->how));
    j->blurred |= is_void (j);
    if (j->blurred)
        return;
    bool again = ranges_has (&j->got, r->row);
    if (j->ended || (again && !is_retried (j, r)))
        sim_fail (s, "%s is told row %d of batch %d twice", u->name, (int)r->row, (int)j->id);
    ranges_add (&j->got, r->row, r->row + 1);
    if (s->big)
        return;
    if (!again)
        note (j, r);
    check_how (u, j, r);
}

/* Everybody is told in one order. */
static void check_order (struct user *u, const struct job *j)
{
    const struct job *like = j->like;
    for (size_t i = 0; like && like->id == j->id && !like->blurred && j->from <= 1 &&
                       i < j->n_told && i < like->n_told;
         i++) {
        const struct told *a = &j->told[i];
        const struct told *b = &like->told[i];
        if (a->how == DROVER_BROKER_LOST || b->how == DROVER_BROKER_LOST)
            return;
        if (a->row != b->row || a->attempt != b->attempt || a->how != b->how)
            sim_fail (u->s, "%s is told row %d of batch %d as number %d, %s was told row %d",
                      u->name, (int)a->row, (int)j->id, (int)i, like->user->name, (int)b->row);
    }
}

static void check_end (struct user *u, const struct job *j, const drover_end_t *end)
{
    uint64_t rows = j->attached ? j->plan : j->b.rows;
    bool fewer = j->attached; /* others saw less of it, or it was cancelled before it was whole */
    if (j->attached && (j->from > 1 || !j->follow))
        return;
    if (u->auditor && !j->like->cancelled && !j->like->deadline_ms)
        fewer = false;
    if (j->got.count != end->total || end->total > rows || (end->total < rows && !fewer))
        sim_fail (u->s, "%s: batch %d ends with %d outcomes of %d rows, and says %d", u->name,
                  (int)j->id, (int)j->got.count, (int)rows, (int)end->total);
}

/* It is another; or the first client of that key was lost before all of it was there. */
static bool may_conflict (const struct job *j)
{
    return j->twin && (j->differs || !j->like->promised);
}

static void on_end (struct user *u, struct job *j, const drover_end_t *end)
{
    sim_trace (u->s, "%s is told the end of batch %d: state %d %s", u->name, (int)j->id, end->state,
               end->reason);
    if (j->ended)
        sim_fail (u->s, "%s is told the end of batch %d twice", u->name, (int)j->id);
    j->ended = true;
    if (is_void (j) || j->blurred)
        return;
    if (end->state == DROVER_BATCH_BROKEN && u->auditor && !u->told_bye)
        sim_fail (u->s, "batch %d was promised, and is gone: %s", (int)j->id, end->reason);
    if (end->state == DROVER_BATCH_BROKEN && (j->attached || j->refused || may_conflict (j)))
        return;
    if (j->differs && j->id == j->like->id && !may_be_cancelled (j->like->user, j->like))
        sim_fail (u->s, "%s submitted something else as batch %d, and that was taken", u->name,
                  (int)j->id);
    check_order (u, j);
    check_end (u, j, end);
}

/* One that is cancelled before all of it was said lets go of its key. */
static bool may_be_withdrawn (const struct job *j)
{
    return (j->cancelled && !j->cancel_count) || j->deadline_ms;
}

/* A key never makes two batches; and what is not the same is not taken for it. */
static void check_twin (struct user *u, const struct job *j)
{
    const struct job *like = j->like;
    if (!j->twin || !like->promised || is_void (j) || may_be_withdrawn (like))
        return;
    if (j->id != like->id)
        sim_fail (u->s, "%s is told batch %d for the key of batch %d", u->name, (int)j->id,
                  (int)like->id);
}

static void on_lost (struct user *u, const drover_event_t *event)
{
    int64_t silent = user_clock (u) - u->heard_us;
    bool asked_too_much = event->refused->code == DROVER_EBUSY; /* while it read nothing */
    if (silent < u->lost_us && !(u->told_bye && !u->durable) && !asked_too_much)
        sim_fail (u->s, "%s gives its broker up after %d ms: %s", u->name,
                  (int)(silent / US_PER_MS), event->refused->text);
}

static void on_refused (struct user *u, struct job *j, const drover_error_t *e)
{
    /* nor is one taken up of which the first client was lost before it was closed */
    bool conflict =
        e->code == DROVER_ECONFLICT && j && j->twin && (j->differs || !j->like->promised);
    /* it has forgotten the batch, and what it had said of it is not where it was */
    bool forgotten = e->code == DROVER_ECONFLICT && !j && u->s->went_back;
    /* what it was to run after may have been forgotten before */
    bool orphan = e->code == DROVER_EUNKNOWN && j && j->tag.after;
    /* as much waits for what this client has not closed as one client may have */
    bool stuck = e->code == DROVER_EBUSY && j && j->tag.after &&
                 strstr (e->text, "waits for a batch that is not closed");
    if (conflict)
        sim_count (u->s, COUNT_CONFLICTS);
    else if (orphan || stuck)
        sim_trace (u->s, "%s is refused: %s", u->name, e->text);
    else if (e->code != DROVER_ESTORAGE && !(j && is_void (j)) && !forgotten)
        sim_fail (u->s, "%s is refused: %s", u->name, e->text);
    if (j)
        j->refused = true;
}

static void on_event (struct user *u, const drover_event_t *event)
{
    struct job *j = (struct job *)event->batch;
    if (j && j->b.id)
        j->id = j->b.id; /* another one where the broker lost the first */
    switch (event->kind) {
    case DROVER_EVENT_OPENED:
        j->token = session_token (u->core.session);
        check_twin (u, j);
        break;
    case DROVER_EVENT_RESULT:
        on_result (u, j, event->result);
        break;
    case DROVER_EVENT_OUTPUT:
        on_output (u, j, event->output);
        break;
    case DROVER_EVENT_END:
        on_end (u, j, event->end);
        break;
    case DROVER_EVENT_REPLY:
        asks_replied (u, event);
        break;
    case DROVER_EVENT_LOST:
        on_lost (u, event);
        break;
    case DROVER_EVENT_REFUSED:
        on_refused (u, j, event->refused);
        break;
    default:
        break;
    }
}

void user_take_events (struct user *u)
{
    const drover_event_t *event;
    struct err e;
    int rc;
    while ((rc = core_next (&u->core, NULL, &event, &e)) == 1)
        on_event (u, event);
    if (rc < 0)
        sim_fail (u->s, "%s: %s", u->name, e.text);
}
