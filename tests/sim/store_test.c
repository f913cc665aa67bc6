#include "tests/sim/store_test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/mem.h"
#include "common/model/ranges.h"

enum {
    FAST_SYNC_EVERY = 64, /* commits, of a fast disk */
};

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
    uint64_t removed_to;     /* a batch that nobody knows of any more */
    bool reopened;           /* the next commit may have any higher number */
};

static void kept_free (struct kept *k)
{
    wire_frames_fini (&k->f);
    free (k);
}

static void drop (struct kept_list *list)
{
    struct kept *k;
    while ((k = STAILQ_FIRST (list))) {
        STAILQ_REMOVE_HEAD (list, link);
        kept_free (k);
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

/* Why this commit fails; NULL: it does not. */
static const char *refusal (struct engine *en)
{
    if (en->t.full && !STAILQ_EMPTY (&en->making))
        return "the disk is full";
    if (!en->t.fail && en->t.attempts != en->t.fail_at)
        return NULL;
    en->t.fail = false;
    return "this one is to fail";
}

static int test_commit (void *self, uint64_t number, struct err *e)
{
    struct engine *en = self;
    en->t.attempts++;
    if (number <= en->t.accepted || (number != en->t.accepted + 1 && !en->reopened))
        return err_set (e, EPROTO, "commit %" PRIu64 " behind %" PRIu64, number, en->t.accepted);
    const char *why = refusal (en);
    if (why) {
        en->t.failures++;
        drop (&en->making);
        return err_set (e, EIO, "commit %" PRIu64 ": %s", number, why);
    }
    struct kept *k;
    STAILQ_FOREACH (k, &en->making, link) {
        k->commit = number;
        en->t.n_records++;
    }
    STAILQ_CONCAT (&en->records, &en->making);
    en->t.accepted = number;
    en->reopened = false;
    return 0;
}

static uint64_t test_committed (void *self)
{
    struct engine *en = self;
    struct store_test *t = &en->t;
    uint64_t holds = t->accepted > t->late ? t->accepted - t->late : 0;
    if (holds > t->held)
        t->held = holds;
    if (!t->fast || t->held - t->synced >= FAST_SYNC_EVERY)
        t->synced = t->held;
    return t->held;
}

static int test_ready_fd (void *self)
{
    (void)self;
    return -1;
}

/* --- replay --- */

static int each (const struct kept_list *list, store_replay_fn *fn, void *arg, struct err *e)
{
    const struct kept *k;
    STAILQ_FOREACH (k, list, link)
        if (fn (arg, &k->f, e) != 0)
            return -1;
    return 0;
}

static enum wire_kind kind_of (const struct kept *k)
{
    return (enum wire_kind) (((const uint8_t *)k->f.frame[0].ptr)[2]);
}

static uint64_t token_of (const struct kept *k)
{
    struct wire w;
    uint64_t token = 0;
    if (wire_decode (&w, &k->f, NULL, NULL) == 0)
        token = w.kind == WIRE_HELLO ? w.m.hello.token : w.m.left.token;
    wire_fini (&w);
    return token;
}

static bool has_left (const struct kept *hello)
{
    const struct kept *k = hello;
    while ((k = STAILQ_NEXT (k, link)))
        if (k->batch == 0 && kind_of (k) == WIRE_LEFT && token_of (k) == token_of (hello))
            return true;
    return false;
}

static int replay_sessions (const struct engine *en, store_replay_fn *fn, void *arg, struct err *e)
{
    const struct kept *k;
    STAILQ_FOREACH (k, &en->records, link)
        if (k->batch == 0 && kind_of (k) == WIRE_HELLO && !has_left (k) && fn (arg, &k->f, e) != 0)
            return -1;
    return 0;
}

static int replay_batch (const struct engine *en, uint64_t batch, const struct ranges *removed,
                         store_replay_fn *fn, void *arg, struct err *e)
{
    const struct kept *k;
    bool highest = removed->n && removed->at[removed->n - 1].hi == batch + 1;
    STAILQ_FOREACH (k, &en->records, link) {
        if (k->batch != batch)
            continue;
        bool wanted = ranges_has (removed, batch) ? highest && kind_of (k) == WIRE_REMOVE : true;
        if (wanted && fn (arg, &k->f, e) != 0)
            return -1;
    }
    return 0;
}

static int replay_by_batch (const struct engine *en, store_replay_fn *fn, void *arg, struct err *e)
{
    struct ranges all = {0};
    struct ranges removed = {0};
    const struct kept *k;
    STAILQ_FOREACH (k, &en->records, link) {
        if (k->batch && !ranges_has (&all, k->batch))
            ranges_add (&all, k->batch, k->batch + 1);
        if (k->batch && kind_of (k) == WIRE_REMOVE && !ranges_has (&removed, k->batch))
            ranges_add (&removed, k->batch, k->batch + 1);
    }
    int rc = replay_sessions (en, fn, arg, e);
    for (size_t i = 0; rc == 0 && i < all.n; i++)
        for (uint64_t b = all.at[i].lo; rc == 0 && b < all.at[i].hi; b++)
            rc = replay_batch (en, b, &removed, fn, arg, e);
    ranges_fini (&all);
    ranges_fini (&removed);
    return rc;
}

/* What is told of batches that may have been lost: their numbers are not given again. */
static int say_removed (const struct engine *en, store_replay_fn *fn, void *arg, struct err *e)
{
    struct wire w = {.kind = WIRE_REMOVE, .m.remove.id = en->removed_to};
    struct wire_frames f;
    if (wire_encode (&w, &f, e) < 0)
        return -1;
    int rc = fn (arg, &f, e);
    wire_frames_fini (&f);
    return rc;
}

static int test_replay (void *self, store_replay_fn *fn, void *arg, struct err *e)
{
    struct engine *en = self;
    en->reopened = true; /* by another broker, or by this one behind a failure */
    if (en->removed_to && say_removed (en, fn, arg, e) < 0)
        return -1;
    return en->t.by_batch ? replay_by_batch (en, fn, arg, e) : each (&en->records, fn, arg, e);
}

/* --- after a failure --- */

static void forget (struct engine *en, uint64_t last)
{
    struct kept_list all = STAILQ_HEAD_INITIALIZER (all);
    struct kept *k;
    drop (&en->making);
    STAILQ_CONCAT (&all, &en->records);
    while ((k = STAILQ_FIRST (&all))) {
        STAILQ_REMOVE_HEAD (&all, link);
        if (k->commit <= last) {
            STAILQ_INSERT_TAIL (&en->records, k, link);
            continue;
        }
        kept_free (k);
        en->t.n_records--;
    }
    en->t.accepted = en->t.held = last;
    if (en->t.synced > last)
        en->t.synced = last;
}

static void pass_over_numbers (struct engine *en)
{
    const struct kept *k;
    STAILQ_FOREACH (k, &en->records, link)
        if (k->batch > en->removed_to)
            en->removed_to = k->batch;
    en->removed_to = (en->removed_to / STORE_TEST_SKIP + 1) * STORE_TEST_SKIP;
}

static int test_reopen (void *self, struct err *e)
{
    struct engine *en = self;
    (void)e;
    forget (en, en->t.held);
    return 0;
}

static int test_probe (void *self, struct err *e)
{
    const struct engine *en = self;
    return en->t.full ? err_set (e, ENOSPC, "the disk is full") : 0;
}

static bool test_went_back (void *self)
{
    const struct engine *en = self;
    return en->t.went_back;
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
    .reopen = test_reopen,
    .probe = test_probe,
    .went_back = test_went_back,
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

void store_test_crash (struct store_test *t, uint64_t last)
{
    bool loses = last < t->held;
    forget ((struct engine *)t, last);
    if (loses)
        pass_over_numbers ((struct engine *)t);
}
