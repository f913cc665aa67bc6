/* follow: the output of one task. While it runs it is asked for piece by piece, each when the one
 * before has been read; what is behind the last piece comes with its outcome.
 */
#include <string.h>

#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "common/base/clock.h"

enum { ASK_AGAIN_MS = 1000, REST_MS = 200 };

enum state { STATE_WAITING, STATE_RUNNING, STATE_AWAY, STATE_HIDDEN, STATE_ENDED };

struct follow {
    drover_t *h;
    uint64_t id, row;
    drover_output_fn *fn;
    void *arg;
    int64_t until;
    drover_peek_t at;
    enum state state;
    uint64_t got; /* bytes of the last answer */
    int stop;
    bool known; /* the outcome was found */
    bool over;  /* there is no more of the batch */
    drover_batch_t *b;
    drover_error_t why;
};

static uint64_t *at_of (struct follow *f, int stream)
{
    return stream == 1 ? &f->at.out_at : &f->at.err_at;
}

/* What is behind of what was given before. */
static void give (struct follow *f, int stream, uint64_t offset, drover_bytes_t bytes)
{
    uint64_t *at = at_of (f, stream);
    uint64_t skip = *at > offset ? *at - offset : 0;
    if (f->stop || skip >= bytes.len)
        return;
    drover_output_t o = {.row = f->row,
                         .attempt = f->at.attempt,
                         .stream = stream,
                         .offset = offset + skip,
                         .bytes = {(const char *)bytes.ptr + skip, bytes.len - (size_t)skip}};
    *at = o.offset + o.bytes.len;
    f->got += o.bytes.len;
    f->stop = f->fn (&o, f->arg);
}

static void begin_attempt (struct follow *f, uint64_t attempt)
{
    if (attempt && attempt != f->at.attempt)
        f->at = (drover_peek_t){.attempt = attempt};
}

/* --- while it runs --- */

static enum state state_of (drover_bytes_t name)
{
    static const char *const names[] = {"waiting", "running", "away", "hidden"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen (names[i]) == name.len && memcmp (names[i], name.ptr, name.len) == 0)
            return (enum state)i;
    return STATE_ENDED;
}

static int take_answer (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct follow *f = arg;
    f->state = state_of (drover_pair_find (pairs, count, "state"));
    if (f->state == STATE_ENDED) /* its outcome may be that of another attempt */
        return 0;
    begin_attempt (f, drover_pair_number (pairs, count, "attempt", 0));
    give (f, 1, drover_pair_number (pairs, count, "out_at", 0),
          drover_pair_find (pairs, count, "out"));
    give (f, 2, drover_pair_number (pairs, count, "err_at", 0),
          drover_pair_find (pairs, count, "err"));
    return 0;
}

static bool never (drover_t *h, void *arg)
{
    (void)h;
    (void)arg;
    return false;
}

static int rest (struct follow *f, drover_error_t *e)
{
    drover_error_t why;
    if (handle_wait (f->h, never, NULL, REST_MS, &why) == 0 || why.code == DROVER_ETIME ||
        why.code == DROVER_EINTR)
        return 0;
    *e = why;
    return -1;
}

/* One question: 0, also when there was no answer in time. */
static int ask_once (struct follow *f, bool wait, drover_error_t *e)
{
    uint64_t ref = drover_peek (f->h, f->id, f->row, &f->at, wait, e);
    f->got = 0;
    if (!ref)
        return -1;
    if (drover_await (f->h, ref, ASK_AGAIN_MS, take_answer, f, NULL, e) == 0)
        return 0;
    return e->code == DROVER_ETIME || e->code == DROVER_EINTR ? 0 : -1;
}

static int follow_running (struct follow *f, bool wait, drover_error_t *e)
{
    f->state = STATE_RUNNING;
    while (f->state != STATE_ENDED && !f->stop) {
        f->state = STATE_RUNNING;
        if (ask_once (f, wait, e) != 0)
            return -1;
        if (!wait && !f->got)
            return 0;
        if (clock_mono_us () >= f->until)
            return fault_set (e, DROVER_ETIME, "the time is over");
        bool idle = f->state != STATE_RUNNING && f->state != STATE_ENDED && !f->got;
        if (idle && rest (f, e) != 0)
            return -1;
    }
    return 0;
}

/* --- its outcome --- */

/* Of one whose middle was cut out, only the end has a place that is known. */
static int give_result (struct follow *f, const drover_result_t *r, int stream)
{
    drover_bytes_t piece;
    uint64_t len = stream == 1 ? r->out_len : r->err_len;
    uint64_t all = stream == 1 ? r->out_bytes : r->err_bytes;
    uint64_t from = 0, offset = 0;
    if (all > len && *at_of (f, stream)) {
        from = len - len / 2;
        offset = all - len;
    }
    for (int got; (got = drover_result_piece (r, stream, from, &piece, &f->why)) != 0 && !f->stop;
         from += piece.len) {
        if (got < 0)
            return -1;
        if (all > len && !offset && from + piece.len > len / 2)
            offset = from >= len / 2 ? all - len : 0;
        give (f, stream, from + offset, piece);
    }
    return 0;
}

static void on_event (struct follow *f, const drover_event_t *event)
{
    if (event->kind == DROVER_EVENT_REFUSED)
        f->why = *event->refused;
    if (event->kind == DROVER_EVENT_END)
        f->over = true;
    if (event->kind != DROVER_EVENT_RESULT || event->row != f->row)
        return;
    f->known = true;
    begin_attempt (f, event->result->attempt);
    if (give_result (f, event->result, 1) == 0)
        give_result (f, event->result, 2);
}

static bool has_event (drover_t *h, void *arg)
{
    const struct follow *f = arg;
    return core_has_events (&h->core, &f->b->b);
}

/* The last outcome in the log counts. */
static int take_events (struct follow *f, drover_error_t *e)
{
    const drover_event_t *event;
    struct err why = {0};
    drover_error_t waiting = {0};
    int rc;
    while (!f->over && !f->stop && !f->why.code) {
        while ((rc = core_next (&f->h->core, &f->b->b, &event, &why)) == 1)
            on_event (f, event);
        if (rc < 0)
            return fault_err (e, &why);
        if (!f->over && handle_wait (f->h, has_event, f, -1, &waiting) != 0 &&
            waiting.code != DROVER_EINTR) {
            *e = waiting;
            return -1;
        }
    }
    if (f->why.code)
        *e = f->why;
    return f->why.code ? -1 : 0;
}

static int give_outcome (struct follow *f, drover_error_t *e)
{
    f->b = drover_attach (f->h, f->id, 0, 0, NULL, e);
    if (!f->b)
        return -1;
    int rc = take_events (f, e);
    drover_batch_free (&f->b);
    if (rc == 0 && !f->known && !f->stop)
        rc = fault_set (e, DROVER_EUNKNOWN, "the output of the task is not kept any more");
    return rc;
}

int drover_follow (drover_t *h, uint64_t id, uint64_t row, int follow, int64_t timeout_ms,
                   drover_output_fn *fn, void *arg, drover_error_t *e)
{
    drover_error_t mine = {0};
    struct follow f = {
        .h = h, .id = id, .row = row, .fn = fn, .arg = arg, .until = handle_until (timeout_ms)};
    int rc = follow_running (&f, follow, &mine);
    if (rc == 0 && f.state == STATE_ENDED && !f.stop)
        rc = give_outcome (&f, &mine);
    if (rc == 0 && f.stop)
        rc = fault_set (&mine, DROVER_ESTOPPED, "stopped by the caller");
    if (rc != 0 && e)
        *e = mine;
    handle_settle (h);
    return rc;
}
