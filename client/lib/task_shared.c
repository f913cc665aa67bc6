#include "client/lib/task_shared.h"

#include <stdlib.h>
#include <string.h>

#include "client/lib/fault.h"
#include "client/lib/handle.h"
#include "client/lib/spec.h"
#include "client/lib/task_rows.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

/* A batch is replaced now and then, so that nobody keeps what was sent long ago: */
#define SHARED_SPECS 1000
#define SHARED_ROWS ((uint64_t)1 << 20)

/* The one that was not used for longest goes when there are more than so many. */
#define SHARED_BATCHES 512

struct spec_key { /* by what a spec is known again; blobs are kept, so that their places tell them
                     apart */
    const struct blob *command;
    const struct blob *environment;
    struct msg_spec m; /* without texts */
};

struct sent_spec {
    UT_hash_handle hh;
    struct spec_key key;
    struct drover_spec *spec; /* a copy */
    int number;
};

struct shared {
    TAILQ_ENTRY (shared) link;
    struct drover_batch *b;
    uint64_t cpus;           /* of each of its tasks */
    bool calls;              /* they are calls */
    struct slice function;   /* ... of this one */
    struct sent_spec *specs; /* uthash: what the batch has */
    struct sent_spec *last;  /* that was used */
};

static bool is_for (const struct shared *sh, const drover_spec_t *s)
{
    bool calls = s->m.form == FORM_FUNCTION;
    return sh->cpus == s->m.cpus && sh->calls == calls &&
           (!calls || bytes_equal (bytes_of (sh->function.ptr, sh->function.len),
                                   bytes_of (s->command.ptr, s->command.len)));
}

/* Forget it; its batch is left alone. */
static void forget (struct tasks *ts, struct shared *sh)
{
    struct sent_spec *s, *next;
    HASH_ITER (hh, sh->specs, s, next) {
        HASH_DEL (sh->specs, s);
        drover_spec_free (&s->spec);
        free (s);
    }
    TAILQ_REMOVE (&ts->shared, sh, link);
    ts->n_shared--;
    slice_fini (&sh->function);
    free (sh);
}

/* What it has goes on, and no more is added. */
static void retire (struct tasks *ts, struct shared *sh)
{
    drover_batch_t *b = sh->b;
    forget (ts, sh);
    if (!rows_put_off_free (b))
        drover_batch_free (&b);
}

void shared_drop_all (drover_t *h)
{
    while (!TAILQ_EMPTY (&h->tasks.shared))
        forget (&h->tasks, TAILQ_FIRST (&h->tasks.shared));
}

static struct shared *open_for (drover_t *h, const drover_spec_t *s, drover_error_t *e)
{
    struct tasks *ts = &h->tasks;
    drover_batch_t *b = drover_batch_open (h, NULL, e);
    if (!b)
        return NULL;
    b->hidden = true;
    struct shared *sh = mem_zalloc (sizeof *sh);
    sh->b = b;
    sh->cpus = s->m.cpus;
    sh->calls = s->m.form == FORM_FUNCTION;
    if (sh->calls)
        sh->function = slice_keep (&s->command);
    if (ts->n_shared == SHARED_BATCHES)
        retire (ts, TAILQ_LAST (&ts->shared, shareds));
    TAILQ_INSERT_HEAD (&ts->shared, sh, link);
    ts->n_shared++;
    return sh;
}

static bool is_spent (const struct shared *sh)
{
    const struct batch *b = &sh->b->b;
    return b->over || b->specs >= SHARED_SPECS || b->rows >= SHARED_ROWS;
}

/* The one for tasks as this, first of all now. */
static struct shared *shared_for (drover_t *h, const drover_spec_t *s, drover_error_t *e)
{
    struct tasks *ts = &h->tasks;
    struct shared *sh;
    TAILQ_FOREACH (sh, &ts->shared, link) {
        if (is_for (sh, s))
            break;
    }
    if (sh && is_spent (sh)) {
        retire (ts, sh);
        sh = NULL;
    }
    if (!sh)
        return open_for (h, s, e);
    TAILQ_REMOVE (&ts->shared, sh, link);
    TAILQ_INSERT_HEAD (&ts->shared, sh, link);
    return sh;
}

static struct spec_key key_of (const drover_spec_t *s)
{
    struct spec_key k;
    memset (&k, 0, sizeof k);
    k.command = s->command.blob;
    k.environment = s->environment.blob;
    k.m = s->m;
    k.m.dir = k.m.shell = bytes_of (NULL, 0);
    return k;
}

static bool same_texts (const drover_spec_t *a, const drover_spec_t *b)
{
    return bytes_equal (a->m.dir, b->m.dir) && bytes_equal (a->m.shell, b->m.shell);
}

/* Its number in the shared batch, or -1. */
static int number_of (struct shared *sh, const drover_spec_t *s, drover_error_t *e)
{
    struct spec_key key = key_of (s);
    struct sent_spec *sent = sh->last;
    if (!sent || memcmp (&sent->key, &key, sizeof key) != 0)
        HASH_FIND (hh, sh->specs, &key, sizeof key, sent);
    sh->last = sent;
    if (sent && same_texts (sent->spec, s))
        return sent->number;
    int number = drover_batch_add_spec (sh->b, s, e);
    if (number < 0)
        return -1;
    if (sent) {
        drover_spec_free (&sent->spec);
    } else {
        sent = mem_zalloc (sizeof *sent);
        sent->key = key;
        HASH_ADD (hh, sh->specs, key, sizeof sent->key, sent);
    }
    sent->spec = spec_copy (s);
    sent->number = number;
    return number;
}

drover_task_t *drover_task_run (drover_t *h, const drover_spec_t *s, const drover_bytes_t *values,
                                size_t count, drover_cancel_source_t *cancel, drover_error_t *e)
{
    if (s->m.flags & (SPEC_LIVE_OUTPUT | SPEC_LIVE_INPUT)) {
        fault_set (e, DROVER_EINVAL, "a task with live input or output is for drover_batch_add()");
        return NULL;
    }
    struct shared *sh = shared_for (h, s, e);
    int spec = sh ? number_of (sh, s, e) : -1;
    return spec < 0 ? NULL : drover_batch_task (sh->b, spec, values, count, cancel, e);
}
