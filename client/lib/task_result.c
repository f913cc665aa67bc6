#include "client/lib/task_result.h"

#include <stdlib.h>
#include <string.h>

#include "client/lib/handle.h"
#include "common/base/mem.h"

#define SCRATCH_MAX ((size_t)1 << 20) /* far more than a small outcome takes */

struct names { /* of a worker and its host */
    UT_hash_handle hh;
    unsigned refs;
    const char *host; /* behind the worker's */
    char worker[];
};

struct packed {
    unsigned refs;
    unsigned len;
    struct names *names; /* or NULL */
    uint8_t how;         /* enum outcome_how: one of them is never on the wire */
    uint8_t outcome[];
};

static void names_unref (struct tasks *ts, struct names *n)
{
    if (!n || --n->refs > 0)
        return;
    if (ts->last_names == n)
        ts->last_names = NULL;
    HASH_DEL (ts->names, n);
    free (n);
}

static bool is_named (const struct names *n, const drover_result_t *r)
{
    return n && strcmp (n->worker, r->worker) == 0 && strcmp (n->host, r->host) == 0;
}

/* A reference to the names of a result. Most results come from the worker that the last came from.
 */
static struct names *names_of (struct tasks *ts, const drover_result_t *r)
{
    struct names *n = ts->last_names;
    if (!is_named (n, r)) {
        size_t worker = strlen (r->worker) + 1;
        size_t host = strlen (r->host) + 1;
        char key[600];
        memcpy (key, r->worker, worker);
        memcpy (key + worker, r->host, host);
        HASH_FIND (hh, ts->names, key, worker + host, n);
        if (!n) {
            n = mem_zalloc (sizeof *n + worker + host);
            memcpy (n->worker, key, worker + host);
            n->host = n->worker + worker;
            HASH_ADD_KEYPTR (hh, ts->names, n->worker, worker + host, n);
        }
        ts->last_names = n;
    }
    n->refs++;
    return n;
}

static struct packed *pack (struct tasks *ts, const struct outcome *o, struct names *names)
{
    struct buf *b = &ts->scratch;
    struct outcome on_wire = *o;
    on_wire.how = OUTCOME_DONE;
    b->limit = SCRATCH_MAX;
    buf_clear (b);
    outcome_pack (b, &on_wire);
    struct packed *p = mem_zalloc (sizeof *p + b->len);
    p->refs = 1;
    p->names = names;
    p->how = (uint8_t)o->how;
    p->len = (unsigned)b->len;
    if (b->len)
        memcpy (p->outcome, b->bytes, b->len);
    return p;
}

static struct outcome outcome_of (const drover_result_t *r)
{
    return (struct outcome){
        .row = r->row,
        .attempt = r->attempt,
        .how = (enum outcome_how)r->how,
        .status = (unsigned)r->status,
        .signal = (unsigned)r->signal,
        .out = bytes_of (r->out, r->out ? (size_t)r->out_len : 0),
        .err = bytes_of (r->err, r->err ? (size_t)r->err_len : 0),
        .start_us = r->start_us,
        .wall_us = r->wall_us,
        .out_bytes = r->out_bytes,
        .err_bytes = r->err_bytes,
        .user_us = r->user_us,
        .sys_us = r->sys_us,
        .maxrss_kib = r->maxrss_kib,
        .reason = bytes_str (r->reason),
    };
}

void task_result_take (struct drover_task *t, const drover_result_t *r)
{
    struct result *inner = (struct result *)r; /* the library's own, const only for the program */
    if (!result_is_small (inner)) {
        inner->refs++;
        t->full = inner;
        return;
    }
    struct outcome o = outcome_of (r);
    t->packed = pack (&t->h->tasks, &o, names_of (&t->h->tasks, r));
}

void task_result_share (struct drover_task *t, const struct drover_task *other)
{
    if (other->packed) {
        t->packed = other->packed;
        t->packed->refs++;
    } else {
        t->full = other->full;
        t->full->refs++;
    }
}

void task_result_own (struct drover_task *t, const struct outcome *o)
{
    t->packed = pack (&t->h->tasks, o, NULL);
}

void task_result_drop (struct drover_task *t)
{
    result_unref (&t->full);
    if (t->packed && --t->packed->refs == 0) {
        names_unref (&t->h->tasks, t->packed->names);
        free (t->packed);
    }
    t->packed = NULL;
}

enum outcome_how task_how (const struct drover_task *t)
{
    return (enum outcome_how) (t->packed ? t->packed->how : t->full->pub.how);
}

static struct result *unpack (const struct drover_task *t)
{
    const struct packed *p = t->packed;
    struct outcome o = {0};
    size_t at = 0;
    struct result *r = mem_zalloc (sizeof *r);
    r->refs = 1;
    outcome_read (bytes_of (p->outcome, p->len), &at, &o);
    o.how = (enum outcome_how)p->how;
    result_begin (r, &t->h->store, &o, NULL);
    result_fill (r, &o, NULL);
    if (p->names) {
        r->pub.worker = p->names->worker;
        r->pub.host = p->names->host;
    }
    return r;
}

const drover_result_t *drover_task_result (const drover_task_t *ct)
{
    struct drover_task *t = (struct drover_task *)ct; /* what it says does not change by this */
    if (!t->settled)
        return NULL;
    if (!t->full)
        t->full = unpack (t);
    return &t->full->pub;
}
