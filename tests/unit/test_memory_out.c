/* The n-th allocation of drover's own code fails, for n = 0, 1, 2 ... until none does
 * (RELIABILITY.md, B40 and T24): in the store, in what reads and writes messages, in a channel. It
 * is an error in words, or the end of the process with status 71; never anything else, and what was
 * acknowledged by the store is there.
 *
 * Linked with --wrap for what allocates. Each try is a process of its own. Every n with
 * $DROVER_CASES, else some.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/wire/chan.h"
#include "common/wire/kinds.h"
#include "common/wire/outcome.h"
#include "common/wire/rows.h"
#include "common/wire/wire.h"
#include "tests/unit/state_rig.h"

enum { TURNS = 8, RECORDS = 3 };

/* How a try ended, as its process says by its status. */
enum { NONE_FAILED = 0, IN_WORDS = 10, WITHOUT_WORDS = 11 };

/* --- allocations --- */

static int64_t left = -1; /* that still succeed; below 0: all */

static bool fails (void)
{
    if (left < 0)
        return false;
    if (left > 0) {
        left--;
        return false;
    }
    return true; /* from then on, as in a process that is at its limit */
}

#define WRAPPED(type, name, parameters, arguments)                                                 \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails () ? NULL : __real_##name arguments;                                          \
    }

WRAPPED (void *, malloc, (size_t size), (size))
WRAPPED (void *, calloc, (size_t n, size_t size), (n, size))
WRAPPED (void *, realloc, (void *old, size_t size), (old, size))
WRAPPED (void *, reallocarray, (void *old, size_t n, size_t size), (old, n, size))
WRAPPED (char *, strdup, (const char *s), (s))

/* --- tries --- */

struct shared { /* with the process of a try */
    uint64_t tried, holds;
    struct place place;
};

static struct shared *share (void)
{
    struct shared *s =
        mmap (NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal (s, MAP_FAILED);
    return s;
}

/* `work` in a process of its own, whose allocations fail from the n-th on. False: none was asked
 * for. It returns 0, or -1 with an error. */
static bool try_it (uint64_t n, int (*work) (void *arg, struct err *e), void *arg)
{
    int status;
    fflush (NULL);
    pid_t pid = fork ();
    assert_true (pid >= 0);
    if (pid == 0) {
        struct err e = {0};
        freopen ("/dev/null", "w", stderr); /* "out of memory" */
        left = (int64_t)n;
        int rc = work (arg, &e);
        bool failed = left == 0;
        left = -1;
        if (rc < 0)
            _exit (e.text[0] ? IN_WORDS : WITHOUT_WORDS);
        _exit (failed ? IN_WORDS : NONE_FAILED);
    }
    assert_int_equal (waitpid (pid, &status, 0), pid);
    if (!WIFEXITED (status))
        fail_msg ("allocation %d: ended by signal %d", (int)n, WTERMSIG (status));
    int ended = WEXITSTATUS (status);
    if (ended != NONE_FAILED && ended != IN_WORDS && ended != EX_OSERR)
        fail_msg ("allocation %d: ended with status %d", (int)n, ended);
    return ended != NONE_FAILED;
}

/* Until a try needs no more than it gets. Returns how many allocations that are. */
static uint64_t each (int (*work) (void *arg, struct err *e), void *arg,
                      void (*after) (void *arg, uint64_t n))
{
    uint64_t n = 0, stride = rig_cases (0) ? 1 : 7;
    while (try_it (n, work, arg)) {
        if (after)
            after (arg, n);
        n += stride;
    }
    return n;
}

/* --- the store --- */

/* One turn with records of the model's history, of which only the store's part may fail. */
static int turn (struct shared *s, struct statedb *db, struct model *m, struct err *e)
{
    struct wire_frames f[RECORDS];
    uint64_t batch[RECORDS];
    int64_t n = left;
    int rc;
    left = -1;
    s->tried++;
    for (int i = 0; i < RECORDS; i++) {
        f[i] = model_next (m, &batch[i], 2000);
        model_add (m, batch[i], s->tried, &f[i]);
    }
    left = n;
    rc = statedb_begin (db, e);
    for (int i = 0; i < RECORDS && rc == 0; i++)
        rc = statedb_add (db, batch[i], s->tried, &f[i], e);
    rc = rc == 0 ? statedb_commit (db, s->tried, e) : rc;
    n = left;
    left = -1;
    for (int i = 0; i < RECORDS; i++)
        wire_frames_fini (&f[i]);
    left = n;
    if (rc == 0)
        s->holds = s->tried;
    return rc;
}

static int live (void *arg, struct err *e)
{
    struct shared *s = arg;
    struct statedb_options o = rig_options (&s->place);
    int64_t n = left;
    left = -1;
    struct model *m = model_new (99);
    left = n;
    struct statedb *db = statedb_open (&o, e);
    int rc = db ? 0 : -1;
    for (int i = 0; i < TURNS && rc == 0; i++)
        rc = turn (s, db, m, e);
    if (rc == 0)
        rc = statedb_replay (db, NULL, NULL, NULL, e);
    statedb_close (&db, rc == 0);
    return rc;
}

/* What holds is there, and the place is empty again. */
static void check_state (void *arg, uint64_t n)
{
    struct shared *s = arg;
    struct statedb_options o = rig_options (&s->place);
    struct shared again = {.place = s->place};
    struct model *m = model_new (99);
    struct replayed r = {0};
    struct err e = {0};
    struct place whole;
    place_make (&whole); /* the same history without a failure, for the model */
    o.dir = whole.dir;
    struct statedb *db = rig_open (&o);
    while (again.tried < TURNS)
        assert_int_equal (turn (&again, db, m, &e), 0);
    statedb_close (&db, true);
    place_remove (&whole);

    o.dir = s->place.dir;
    db = statedb_open (&o, &e);
    if (!db)
        fail_msg ("after allocation %d: %s", (int)n, e.text);
    uint64_t commit = statedb_commit_number (db);
    if (statedb_replay (db, replay_take, &r, NULL, &e) < 0 || commit < s->holds ||
        commit > s->tried || r.digest != model_digest (m, commit))
        fail_msg ("after allocation %d: commit %d of %d, %d was acknowledged: %s", (int)n,
                  (int)commit, (int)s->tried, (int)s->holds, e.text);
    statedb_close (&db, true);
    model_free (&m);
    place_remove (&s->place);
    place_make (&s->place);
    s->tried = s->holds = 0;
}

static void a_store_without_memory_loses_nothing (void **state)
{
    (void)state;
    struct shared *s = share ();
    place_make (&s->place);
    assert_true (each (live, s, check_state) > 10);
    place_remove (&s->place);
    munmap (s, sizeof *s);
}

/* --- messages --- */

static struct slice some_rows (void)
{
    struct buf b;
    buf_init (&b, 4096);
    for (int i = 0; i < 20; i++) {
        row_begin (&b, 2);
        row_value (&b, bytes_str ("a value that is neither short nor long"));
        row_value (&b, bytes_str (""));
    }
    return buf_take_slice (&b);
}

static struct slice some_outcomes (void)
{
    struct outcome o = {
        .row = 3, .attempt = 1, .out = bytes_str ("output"), .reason = bytes_str ("why")};
    struct buf b;
    buf_init (&b, 4096);
    for (int i = 0; i < 20; i++)
        outcome_pack (&b, &o);
    return buf_take_slice (&b);
}

/* Written, read again, kept, shown. */
static int one_message (struct wire *w, struct err *e)
{
    struct wire_frames f, kept;
    struct wire back;
    char line[1000];
    if (wire_encode (w, &f, e) < 0)
        return -1;
    kept = wire_frames_keep (&f);
    wire_frames_fini (&f);
    int rc = wire_decode (&back, &kept, NULL, e);
    if (rc == 0) {
        wire_show (&back, line, sizeof line);
        wire_fini (&back);
    }
    wire_frames_fini (&kept);
    return rc;
}

static int all_messages (void *arg, struct err *e)
{
    int rc = 0;
    (void)arg;
    for (unsigned kind = 0; kind < 256 && rc == 0; kind++) {
        const struct wire_kind_info *k = wire_kind_info (kind);
        struct wire w = {.kind = (enum wire_kind)kind};
        if (!k)
            continue;
        for (unsigned i = 0; i < k->bodies; i++)
            w.body[i] = kind == WIRE_RESULTS ? some_outcomes () : some_rows ();
        rc = one_message (&w, e);
        wire_fini (&w);
    }
    return rc;
}

static void messages_without_memory_are_refused_in_words (void **state)
{
    (void)state;
    assert_true (each (all_messages, NULL, NULL) > 100);
}

/* --- a channel: what is sent, acknowledged, and sent again on the next connection --- */

static int one_channel (void *arg, struct err *e)
{
    struct chan *c = chan_new (8, 1 << 20);
    struct wire_frames f;
    (void)arg;
    for (int i = 0; i < 40; i++) {
        struct wire w = {.kind = WIRE_ROWS};
        w.body[0] = some_rows ();
        int rc = wire_encode (&w, &f, e);
        wire_fini (&w);
        if (rc < 0) {
            chan_free (&c);
            return -1;
        }
        chan_post_take (c, i % 2 ? LANE_BULK : LANE_CONTROL, &f, 0);
        while (chan_next (c, &f))
            wire_frames_fini (&f);
        if (i % 10 == 9)
            chan_resume (c, (uint64_t)i / 2);
    }
    chan_free (&c);
    return 0;
}

static void a_channel_without_memory_ends_the_process_or_refuses (void **state)
{
    (void)state;
    assert_true (each (one_channel, NULL, NULL) > 20);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_store_without_memory_loses_nothing),
        cmocka_unit_test (messages_without_memory_are_refused_in_words),
        cmocka_unit_test (a_channel_without_memory_ends_the_process_or_refuses),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
