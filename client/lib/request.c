#include "client/lib/request.h"

#include <stdlib.h>

#include "common/base/mem.h"

uint64_t *request_ref (struct wire *w)
{
    switch (w->kind) {
    case WIRE_CANCEL:
        return &w->m.cancel.ref;
    case WIRE_WAIT:
        return &w->m.wait.ref;
    case WIRE_QUERY:
        return &w->m.query.ref;
    case WIRE_DRAIN:
        return &w->m.drain.ref;
    case WIRE_RETRY:
        return &w->m.retry.ref;
    case WIRE_REMOVE:
        return &w->m.remove.ref;
    case WIRE_SET:
        return &w->m.set.ref;
    case WIRE_PEEK:
        return &w->m.peek.ref;
    default:
        return NULL;
    }
}

uint64_t requests_ask (struct requests *r, struct session *s, enum chan_lane lane, struct wire *w,
                       uint64_t handle, struct err *e)
{
    struct wire_frames f;
    *request_ref (w) = r->last + 1;
    if (wire_encode (w, &f, e) != 0)
        return 0;
    struct request *q = mem_zalloc (sizeof *q);
    q->ref = ++r->last;
    q->handle = handle;
    q->frames = wire_frames_keep (&f);
    HASH_ADD (hh, r->by_ref, ref, sizeof q->ref, q);
    session_post_frames_take (s, lane, &f);
    return q->ref;
}

struct request *requests_find (struct requests *r, uint64_t ref)
{
    struct request *q = NULL;
    if (r->by_ref)
        HASH_FIND (hh, r->by_ref, &ref, sizeof ref, q);
    return q;
}

void requests_forget (struct requests *r, struct request *q)
{
    HASH_DEL (r->by_ref, q);
    wire_frames_fini (&q->frames);
    free (q);
}

struct join *requests_joined (const struct requests *r, uint64_t ref)
{
    struct join *j;
    LIST_FOREACH (j, &r->joins, link) {
        if (j->ref == ref)
            return j;
    }
    return NULL;
}

void join_free (struct join **j)
{
    if (!*j)
        return;
    LIST_REMOVE (*j, link);
    free ((*j)->text);
    free (*j);
    *j = NULL;
}

/* The parts of an answer that nothing has come of become parts of another. */
static void take_over (struct requests *r, struct join *from, struct join *to)
{
    for (struct request *q = r->by_ref; q; q = q->hh.next)
        if (q->join == from)
            q->join = to;
    to->open += from->open - 1;
    join_free (&from);
}

uint64_t requests_join (struct requests *r, const uint64_t *refs, size_t count)
{
    struct join *j = mem_zalloc (sizeof *j);
    j->ref = ++r->last;
    j->open = count;
    j->code = WIRE_OK;
    for (size_t i = 0; i < count; i++) {
        struct request *q = requests_find (r, refs[i]);
        if (q)
            q->join = j;
        else
            take_over (r, requests_joined (r, refs[i]), j);
    }
    LIST_INSERT_HEAD (&r->joins, j, link);
    return j->ref;
}

bool join_answer (struct join *j, uint64_t code, uint64_t value, struct bytes text)
{
    if (value > j->value)
        j->value = value;
    if (j->code == WIRE_OK && code != WIRE_OK) {
        j->code = code;
        j->text = mem_strndup ((const char *)text.ptr, text.len);
    }
    return --j->open == 0;
}

bool request_by_number (struct request *q)
{
    struct wire w;
    struct wire_frames f;
    if (!q->id || wire_decode (&w, &q->frames, NULL, NULL) != 0)
        return false;
    w.m.cancel.id = q->id;
    w.m.cancel.batch = 0;
    bool made = w.kind == WIRE_CANCEL && wire_encode (&w, &f, NULL) == 0;
    wire_fini (&w);
    if (!made)
        return false;
    wire_frames_fini (&q->frames);
    q->frames = f;
    q->handle = 0;
    return true;
}

bool request_is_done (const struct request *q, enum wire_code code)
{
    return q->again && code == WIRE_UNKNOWN && wire_frames_kind (&q->frames) == WIRE_REMOVE;
}

void request_unasked (const struct request *q, struct session *s)
{
    struct wire w;
    if (wire_decode (&w, &q->frames, NULL, NULL) != 0)
        return;
    w.m.cancel.ref = 0;
    if (w.kind == WIRE_CANCEL)
        session_post (s, LANE_CONTROL, &w, NULL);
    wire_fini (&w);
}

void request_again (struct request *q, struct session *s, enum chan_lane lane)
{
    q->again = true;
    struct wire_frames f = wire_frames_keep (&q->frames);
    session_post_frames_take (s, lane, &f);
}

void requests_fini (struct requests *r)
{
    struct request *q, *next;
    struct join *j;
    HASH_ITER (hh, r->by_ref, q, next) {
        requests_forget (r, q);
    }
    while ((j = LIST_FIRST (&r->joins)))
        join_free (&j);
}
