#include "tests/sim/store_test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/mem.h"

struct kept {
    struct wire_frames f;
    uint64_t batch;
    uint64_t commit;
    STAILQ_ENTRY (kept) link;
};

STAILQ_HEAD (kept_list, kept);

struct engine {
    struct store_test t; /* first: what the test sees */
    struct kept_list records;
    struct kept_list making; /* of the commit to come */
};

static void drop (struct kept_list *list)
{
    struct kept *k;
    while ((k = STAILQ_FIRST (list))) {
        STAILQ_REMOVE_HEAD (list, link);
        wire_frames_fini (&k->f);
        free (k);
    }
}

static int test_append (void *self, uint64_t batch, const struct wire_frames *record, struct err *e)
{
    struct engine *en = self;
    if (en->t.fail_append) {
        en->t.fail_append = false;
        en->t.failures++;
        drop (&en->making);
        return err_set (e, ENOSPC, "no room for a record");
    }
    struct kept *k = mem_zalloc (sizeof *k);
    k->f = wire_frames_keep (record);
    k->batch = batch;
    STAILQ_INSERT_TAIL (&en->making, k, link);
    return 0;
}

static int test_commit (void *self, uint64_t number, struct err *e)
{
    struct engine *en = self;
    en->t.attempts++;
    if (number != en->t.accepted + 1)
        return err_set (e, EPROTO, "commit %" PRIu64 " behind %" PRIu64, number, en->t.accepted);
    if (en->t.fail || en->t.attempts == en->t.fail_at ||
        (en->t.full && !STAILQ_EMPTY (&en->making))) {
        en->t.fail = false;
        en->t.failures++;
        drop (&en->making);
        return err_set (e, EIO, "commit %" PRIu64 " is to fail", number);
    }
    struct kept *k;
    STAILQ_FOREACH (k, &en->making, link) {
        k->commit = number;
        en->t.n_records++;
    }
    STAILQ_CONCAT (&en->records, &en->making);
    en->t.accepted = number;
    return 0;
}

static uint64_t test_committed (void *self)
{
    struct engine *en = self;
    uint64_t holds = en->t.accepted > en->t.late ? en->t.accepted - en->t.late : 0;
    if (holds > en->t.held)
        en->t.held = holds;
    return en->t.held;
}

static int test_ready_fd (void *self)
{
    (void)self;
    return -1;
}

static enum wire_kind kind_of (const struct kept *k)
{
    return (enum wire_kind)k->f.frame[0].ptr[2];
}

/* A session's token, of HELLO or LEFT. */
static uint64_t token_of (const struct kept *k)
{
    struct wire w;
    uint64_t token = 0;
    if (wire_decode (&w, &k->f, NULL, NULL) == 0)
        token = w.kind == WIRE_LEFT ? w.m.left.token : w.m.hello.token;
    wire_fini (&w);
    return token;
}

/* Whether what follows in the list ends it: LEFT the session of a HELLO, REMOVE a batch. */
static bool is_ended (const struct kept *k)
{
    const struct kept *later = k;
    while ((later = STAILQ_NEXT (later, link))) {
        if (later->batch != k->batch)
            continue;
        if (k->batch ? kind_of (later) == WIRE_REMOVE
                     : kind_of (later) == WIRE_LEFT && token_of (later) == token_of (k))
            return true;
    }
    return false;
}

static int replay_batch (struct engine *en, uint64_t batch, store_replay_fn *fn, void *arg,
                         struct err *e)
{
    const struct kept *k;
    STAILQ_FOREACH (k, &en->records, link)
        if (k->batch == batch && fn (arg, &k->f, e) != 0)
            return -1;
    return 0;
}

static int replay_by_batch (struct engine *en, store_replay_fn *fn, void *arg, struct err *e)
{
    const struct kept *k, *removed = NULL;
    STAILQ_FOREACH (k, &en->records, link) {
        if (!k->batch && kind_of (k) == WIRE_HELLO && !is_ended (k) && fn (arg, &k->f, e) != 0)
            return -1;
        if (kind_of (k) == WIRE_REMOVE && (!removed || k->batch > removed->batch))
            removed = k;
    }
    if (removed && fn (arg, &removed->f, e) != 0)
        return -1;
    STAILQ_FOREACH (k, &en->records, link)
        if (kind_of (k) == WIRE_OPEN && !is_ended (k) &&
            replay_batch (en, k->batch, fn, arg, e) != 0)
            return -1;
    return 0;
}

static int test_replay (void *self, store_replay_fn *fn, void *arg, struct err *e)
{
    struct engine *en = self;
    const struct kept *k;
    if (en->t.by_batch)
        return replay_by_batch (en, fn, arg, e);
    STAILQ_FOREACH (k, &en->records, link)
        if (fn (arg, &k->f, e) != 0)
            return -1;
    return 0;
}

static int test_probe (void *self, struct err *e)
{
    struct engine *en = self;
    return en->t.full ? err_set (e, ENOSPC, "there is no room") : 0;
}

static void test_close (void *self)
{
    struct engine *en = self;
    drop (&en->records);
    drop (&en->making);
    free (en);
}

static const struct store_verbs VERBS = {
    .name = "test",
    .wants_records = true,
    .durable = true,
    .append = test_append,
    .commit = test_commit,
    .committed = test_committed,
    .ready_fd = test_ready_fd,
    .replay = test_replay,
    .probe = test_probe,
    .close = test_close,
};

struct store *store_test_new (struct store_test **t)
{
    struct engine *en = mem_zalloc (sizeof *en);
    STAILQ_INIT (&en->records);
    STAILQ_INIT (&en->making);
    *t = &en->t;
    return store_new (&VERBS, en);
}

void store_test_crash (struct store_test *t)
{
    struct engine *en = (struct engine *)t;
    struct kept_list all = STAILQ_HEAD_INITIALIZER (all);
    struct kept *k;
    drop (&en->making);
    STAILQ_CONCAT (&all, &en->records);
    while ((k = STAILQ_FIRST (&all))) {
        STAILQ_REMOVE_HEAD (&all, link);
        if (k->commit <= t->held) {
            STAILQ_INSERT_TAIL (&en->records, k, link);
            continue;
        }
        wire_frames_fini (&k->f);
        free (k);
        t->n_records--;
    }
    t->accepted = t->held;
}
