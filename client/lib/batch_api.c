/* batch_api: batches and their rows, as the program calls them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/lib/batch_api.h"
#include "client/lib/cancel_source.h"
#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "client/lib/pipeline.h"
#include "client/lib/spec.h"
#include "client/lib/task_rows.h"
#include "client/lib/unsent.h"
#include "common/base/mem.h"

#define FEW 16 /* values that are converted without an allocation */
#define PRIORITY 50
#define RETRY_USUAL ((unsigned)RETRY_FAILED | RETRY_SIGNAL | RETRY_TIMEOUT)
#define DELAY_MAX_MS 600000 /* between runs, where the caller does not say */

_Static_assert((int)DROVER_DETACHED == (int)BATCH_DETACHED, "flags");
_Static_assert((int)DROVER_AT_MOST_ONCE == (int)BATCH_AT_MOST_ONCE, "flags");
_Static_assert((int)DROVER_EACH_SPEC == (int)BATCH_EACH_SPEC, "flags");
_Static_assert((int)DROVER_ORDERED == (int)BATCH_ORDERED, "flags");
_Static_assert((int)DROVER_INPUT == (int)BATCH_INPUT, "flags");
_Static_assert((int)DROVER_EXCLUSIVE == (int)BATCH_EXCLUSIVE, "flags");
_Static_assert((int)DROVER_RETRY_FAILED == (int)RETRY_FAILED, "retries");
_Static_assert((int)DROVER_RETRY_SIGNAL == (int)RETRY_SIGNAL, "retries");
_Static_assert((int)DROVER_RETRY_TIMEOUT == (int)RETRY_TIMEOUT, "retries");
_Static_assert((int)DROVER_RETRY_LOST == (int)RETRY_LOST, "retries");
_Static_assert((int)DROVER_SPEC_MERGE_STDERR == (int)SPEC_MERGE_STDERR, "flags");
_Static_assert((int)DROVER_SPEC_CANCEL_FD == (int)SPEC_CANCEL_FD, "flags");
_Static_assert((int)DROVER_BATCH_BROKEN == (int)BATCH_BROKEN, "states");
_Static_assert((int)DROVER_BROKER_LOST == (int)OUTCOME_BROKER_LOST, "outcomes");

/* An inner error as a public one; one that came of the lost session as that. */
static int fail (const drover_t *h, const struct err *why, drover_error_t *e)
{
    if (handle_alive (h, e) != 0)
        return -1;
    if (why->code == EPIPE)
        return fault_set (e, DROVER_ELOST, "%s", why->text);
    return fault_err (e, why);
}

static drover_batch_t *batch_new (drover_t *h, void *user)
{
    drover_batch_t *b = mem_zalloc (sizeof *b);
    b->h = h;
    b->user = user;
    b->b.owner = b;
    return b;
}

#define KEY_BYTES 16

/* By its key a batch is found again when the broker was restarted. Without luck of the system there
 * is none, and it does not outlive the broker. */
static void make_key (char *key)
{
    uint8_t random[KEY_BYTES];
    if (getrandom (random, sizeof random, GRND_NONBLOCK) != sizeof random)
        return;
    for (unsigned i = 0; i < KEY_BYTES; i++)
        snprintf (key + 2 * i, 3, "%02x", random[i]);
}

static bool names_exits (const drover_batch_options_t *o)
{
    for (size_t i = 0; i < sizeof o->retry_exits; i++)
        if (o->retry_exits[i])
            return true;
    return false;
}

/* What is run again: nothing is said of it where nothing is. */
static void set_retries (struct msg_open *m, const drover_batch_options_t *o)
{
    bool exits = names_exits (o);
    m->runs = o->runs;
    m->losses = o->crash_limit;
    if (o->runs < 2)
        return;
    m->retry_on = o->retry_on || exits ? o->retry_on : RETRY_USUAL;
    if (exits) {
        m->retry_on |= RETRY_EXITS;
        m->retry_exits = bytes_of (o->retry_exits, sizeof o->retry_exits);
    }
    m->backoff_ms = o->retry_delay_ms;
    m->backoff_max_ms = o->retry_delay_max_ms;
    if (m->backoff_ms && !m->backoff_max_ms)
        m->backoff_max_ms = m->backoff_ms > DELAY_MAX_MS ? m->backoff_ms : DELAY_MAX_MS;
}

/* As OPEN has it: 12:ok,7:any. */
static struct bytes after_text (const drover_batch_options_t *o, struct buf *text)
{
    static const char *const WORDS[] = {
        [DROVER_AFTER_OK] = "ok", [DROVER_AFTER_ANY] = "any", [DROVER_AFTER_FAIL] = "fail"};
    for (size_t i = 0; i < o->after_count; i++) {
        int when = o->after[i].when;
        bool known = when >= 0 && when < (int)(sizeof WORDS / sizeof *WORDS);
        buf_printf (text, "%s%" PRIu64 ":%s", i ? "," : "", o->after[i].batch,
                    known ? WORDS[when] : "?");
    }
    return bytes_of (text->bytes, text->len);
}

drover_batch_t *batch_api_open (drover_t *h, const drover_batch_options_t *options,
                                const drover_batch_t *head, drover_error_t *e)
{
    static const drover_batch_options_t none;
    const drover_batch_options_t *o = options ? options : &none;
    struct err why = {0};
    char key[2 * KEY_BYTES + 1] = "";
    if (!o->key || !o->key[0])
        make_key (key);
    struct msg_open m = {
        .flags = o->flags,
        .jobs = o->jobs,
        .priority = o->priority ? o->priority : PRIORITY,
        .deadline_ms = o->deadline_ms,
        .result_bytes = o->result_bytes,
        .key = bytes_str (key[0] ? key : o->key),
        .name = bytes_str (o->name),
        .head = head ? head->b.handle : 0,
    };
    struct buf after;
    buf_init (&after, SIZE_MAX);
    m.after = after_text (o, &after);
    m.compare = o->whole_chunks != 0;
    set_retries (&m, o);
    drover_batch_t *b = batch_new (h, o->user);
    int rc = core_open (&h->core, &b->b, &m, &why);
    buf_fini (&after);
    if (rc != 0) {
        free (b);
        fail (h, &why, e);
        return NULL;
    }
    b->b.max_pending = o->max_pending;
    b->b.whole_chunks = o->whole_chunks != 0;
    LIST_INSERT_HEAD (&h->batches, b, link);
    if (binding_add_batch (b, o->cancel, e) != 0)
        drover_batch_free (&b);
    handle_settle (h);
    return b;
}

drover_batch_t *drover_batch_open (drover_t *h, const drover_batch_options_t *options,
                                   drover_error_t *e)
{
    return batch_api_open (h, options, NULL, e);
}

drover_batch_t *drover_attach (drover_t *h, uint64_t id, uint64_t from_record, int follow,
                               void *user, drover_error_t *e)
{
    struct err why = {0};
    drover_batch_t *b = batch_new (h, user);
    if (core_attach (&h->core, &b->b, id, from_record, follow != 0, &why) != 0) {
        free (b);
        fail (h, &why, e);
        return NULL;
    }
    LIST_INSERT_HEAD (&h->batches, b, link);
    handle_send (h);
    handle_settle (h);
    return b;
}

void drover_batch_free (drover_batch_t **bp)
{
    drover_batch_t *b = *bp;
    if (!b)
        return;
    *bp = NULL;
    if (rows_put_off_free (b))
        return;
    if (b->pipe && b->stage == 0)
        pipeline_free (b->pipe);
    rows_fini (b);
    binding_drop_batch (b);
    core_forget (&b->h->core, &b->b);
    LIST_REMOVE (b, link);
    free (b);
}

void *drover_batch_user (const drover_batch_t *b)
{
    return b->user;
}

int batch_api_add_spec (drover_batch_t *b, const drover_spec_t *s, uint64_t more_flags,
                        drover_error_t *e)
{
    struct err why = {0};
    if (s->failed)
        return fault_set (e, DROVER_ETOOBIG,
                          "the command is empty, or too long to be kept (%u bytes at the most)",
                          WIRE_FRAME_MAX);
    if (b->b.futures && s->m.flags & (SPEC_LIVE_OUTPUT | SPEC_LIVE_INPUT))
        return fault_set (e, DROVER_EINVAL,
                          "a task with live input or output is for drover_batch_add()");
    struct wire w = {.kind = WIRE_SPEC, .m.spec = s->m, .body = {s->command, s->environment}};
    if (b->b.flags & BATCH_EXCLUSIVE)
        w.m.spec.flags |= SPEC_EXCLUSIVE;
    w.m.spec.flags |= more_flags;
    int number = batch_add_spec (&b->b, &w, &why);
    return number < 0 ? fail (b->h, &why, e) : number;
}

int drover_batch_add_spec (drover_batch_t *b, const drover_spec_t *s, drover_error_t *e)
{
    return batch_api_add_spec (b, s, 0, e);
}

static int64_t add_many (drover_batch_t *b, int spec, const struct bytes *key,
                         const drover_bytes_t *values, size_t count, struct err *why)
{
    struct bytes *own = calloc (count, sizeof *own);
    if (!own)
        return err_set (why, ENOMEM, "no memory for %zu values", count);
    for (size_t i = 0; i < count; i++)
        own[i] = bytes_of (values[i].ptr, values[i].len);
    int64_t row = batch_add_keyed (&b->b, spec, key, own, count, why);
    free (own);
    return row;
}

static int64_t add_few (drover_batch_t *b, int spec, const struct bytes *key,
                        const drover_bytes_t *values, size_t count, struct err *why)
{
    struct bytes own[FEW];
    for (size_t i = 0; i < count; i++)
        own[i] = bytes_of (values[i].ptr, values[i].len);
    return batch_add_keyed (&b->b, spec, key, own, count, why);
}

int64_t handle_add (drover_batch_t *b, int spec, const struct bytes *key,
                    const drover_bytes_t *values, size_t count, drover_error_t *e)
{
    struct err why;
    why.code = 0;
    uint64_t chunks = b->b.chunks;
    bool first = b->b.chunk_count == 0;
    bool item = b->pipe && b->stage == 0;
    if (item && pipeline_expect (b->pipe, key, values, count, e) != 0)
        return -1;
    int64_t row = count > FEW ? add_many (b, spec, key, values, count, &why)
                              : add_few (b, spec, key, values, count, &why);
    if (row < 0)
        return fail (b->h, &why, e);
    if (item)
        pipeline_added (b->pipe, (uint64_t)row);
    if (b->b.chunks != chunks)
        handle_send (b->h);
    if (first || b->b.chunks != chunks)
        handle_settle (b->h);
    return row;
}

static int64_t add (drover_batch_t *b, int spec, const struct bytes *key,
                    const drover_bytes_t *values, size_t count, drover_error_t *e)
{
    if (b->b.futures)
        return fault_set (e, DROVER_EINVAL,
                          "rows of this batch are futures: drover_batch_task() adds them");
    return handle_add (b, spec, key, values, count, e);
}

int64_t drover_batch_add (drover_batch_t *b, int spec, const drover_bytes_t *values, size_t count,
                          drover_error_t *e)
{
    return add (b, spec, NULL, values, count, e);
}

int64_t drover_batch_add_keyed (drover_batch_t *b, int spec, drover_bytes_t key,
                                const drover_bytes_t *values, size_t count, drover_error_t *e)
{
    struct bytes own = bytes_of (key.ptr, key.len);
    return add (b, spec, &own, values, count, e);
}

uint64_t drover_batch_room (drover_batch_t *b)
{
    uint64_t room = batch_room (&b->b, false);
    if (b->pipe && b->stage == 0 && room)
        return pipeline_room (b->pipe, room);
    b->b.wants_room = room == 0 && !b->b.closed && !b->b.over;
    return room;
}

int drover_batch_close (drover_batch_t *b, drover_error_t *e)
{
    struct err why = {0};
    if (batch_close (&b->b, &why) != 0)
        return fail (b->h, &why, e);
    handle_send (b->h);
    handle_settle (b->h);
    return 0;
}

uint64_t drover_batch_rows (const drover_batch_t *b)
{
    return b->b.rows;
}

uint64_t drover_batch_pending (const drover_batch_t *b)
{
    return b->pipe && b->stage == 0 ? pipeline_pending (b->pipe) : batch_pending (&b->b);
}

uint64_t drover_batch_id (const drover_batch_t *b)
{
    return b->b.opened || b->b.attached ? b->b.id : 0;
}

uint64_t drover_batch_record (const drover_batch_t *b)
{
    return b->b.record;
}

static int64_t input (drover_batch_t *b, uint64_t row, struct bytes bytes, bool eof,
                      drover_error_t *e)
{
    struct err why = {0};
    int64_t taken = batch_input (&b->b, row, bytes, eof, &why);
    if (taken < 0)
        return fail (b->h, &why, e);
    handle_send (b->h);
    handle_settle (b->h);
    return taken;
}

int64_t drover_input (drover_batch_t *b, uint64_t row, const void *bytes, size_t len,
                      drover_error_t *e)
{
    return len ? input (b, row, bytes_of (bytes, len), false, e) : 0;
}

int drover_input_end (drover_batch_t *b, uint64_t row, drover_error_t *e)
{
    return input (b, row, bytes_of (NULL, 0), true, e) < 0 ? -1 : 0;
}

int drover_signal (drover_batch_t *b, uint64_t row, int signo, drover_error_t *e)
{
    struct err why = {0};
    struct wire w = {.kind = WIRE_SIGNAL};
    w.m.signal.batch = b->b.handle;
    w.m.signal.row = row;
    w.m.signal.signo = (uint64_t)signo;
    if (signo < 1 || signo > 64)
        return fault_set (e, DROVER_EINVAL, "there is no signal %d", signo);
    if (b->b.over)
        return 0; /* nobody is left to get it */
    if (handle_alive (b->h, e) != 0)
        return -1;
    if (batch_flush (&b->b, &why) != 0)
        return fail (b->h, &why, e);
    bool behind = !b->b.opening.done || row >= unsent_first (b->b.session, b->b.handle);
    if (batch_post (&b->b, behind ? LANE_BULK : LANE_LIVE, &w, &why) != 0)
        return fail (b->h, &why, e);
    handle_send (b->h);
    handle_settle (b->h);
    return 0;
}
