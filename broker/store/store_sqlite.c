#include "broker/store/store_sqlite.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "broker/store/state_dir.h"
#include "common/base/clock.h"
#include "common/base/faultpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"

enum {
    GROUP_BYTES = 1 << 20,           /* of one transaction, as far as whole turns allow */
    IDLE_US = 200 * US_PER_MS,       /* without work, before it is tidied up */
    PROBE_WAIT_US = 100 * US_PER_MS, /* that a probe may hold up the loop */
};

struct entry {
    uint64_t batch;
    struct wire_frames frames;
    STAILQ_ENTRY (entry) link;
};

/* The records of one turn. */
struct turn_commit {
    uint64_t number;
    size_t bytes;
    STAILQ_HEAD (, entry) entries;
    STAILQ_ENTRY (turn_commit) link;
};

STAILQ_HEAD (turn_commits, turn_commit);

enum probe { PROBE_NONE, PROBE_WANTED, PROBE_RUNS, PROBE_GOOD, PROBE_BAD };

struct engine {
    struct statedb_options o;
    struct state_dir dir;
    struct turn_commit *making; /* the loop's own */
    pthread_t thread;
    pthread_mutex_t
        lock; /* over all below; `db` is the thread's while it is busy, else the loop's */
    pthread_cond_t wake; /* there is something to do */
    pthread_cond_t rest; /* the thread is done with it */
    struct statedb *db;
    struct turn_commits queue;
    uint64_t accepted; /* the number of the last commit that was queued, or had no records */
    uint64_t holds;
    bool busy;      /* the thread is at the database ... */
    bool writing;   /* ... with commits */
    bool replaying; /* the loop is at the database: nothing is tidied up meanwhile */
    bool stop, failed;
    bool went_back; /* as it was opened first */
    struct err why; /* of `failed` */
    enum probe probe;
    struct err probe_why;
    int event_fd;
};

/* --- commits --- */

static void free_commit (struct turn_commit *c)
{
    struct entry *n;
    if (!c)
        return;
    while ((n = STAILQ_FIRST (&c->entries))) {
        STAILQ_REMOVE_HEAD (&c->entries, link);
        wire_frames_fini (&n->frames);
        free (n);
    }
    free (c);
}

static void free_commits (struct turn_commits *list)
{
    struct turn_commit *c;
    while ((c = STAILQ_FIRST (list))) {
        STAILQ_REMOVE_HEAD (list, link);
        free_commit (c);
    }
}

/* --- the thread: called with the lock held, which is given up around the disk's work --- */

static void tell (struct engine *en)
{
    uint64_t one = 1;
    if (write (en->event_fd, &one, sizeof one) < 0)
        errno = 0; /* full: it is readable already */
}

static void fail (struct engine *en, const struct err *why)
{
    en->failed = true;
    en->why = *why;
    free_commits (&en->queue);
}

/* All that is queued, up to a bound: the others do not wait for ever. */
static void take_group (struct engine *en, struct turn_commits *group)
{
    struct turn_commit *c;
    size_t bytes = 0;
    STAILQ_INIT (group);
    while (bytes < GROUP_BYTES && (c = STAILQ_FIRST (&en->queue))) {
        STAILQ_REMOVE_HEAD (&en->queue, link);
        STAILQ_INSERT_TAIL (group, c, link);
        bytes += c->bytes;
    }
}

static int write_group (struct statedb *db, const struct turn_commits *group, uint64_t *last,
                        struct err *e)
{
    const struct turn_commit *c;
    const struct entry *n;
    if (!db)
        return err_set (e, EIO, "the last attempt to write has failed");
    if (statedb_begin (db, e) < 0)
        return -1;
    STAILQ_FOREACH (c, group, link) {
        STAILQ_FOREACH (n, &c->entries, link)
            if (statedb_add (db, n->batch, c->number, &n->frames, e) < 0)
                return -1;
        *last = c->number;
    }
    return statedb_commit (db, *last, e);
}

static void commit_group (struct engine *en)
{
    struct turn_commits group;
    struct err e = {0};
    uint64_t last = 0;
    take_group (en, &group);
    en->writing = true;
    pthread_mutex_unlock (&en->lock);
    int rc = write_group (en->db, &group, &last, &e);
    FAULT_POINT ("store-untold");
    free_commits (&group);
    pthread_mutex_lock (&en->lock);
    en->writing = false;
    if (rc < 0)
        fail (en, &e);
    else /* turns without records that came behind hold with it */
        en->holds = STAILQ_EMPTY (&en->queue) ? en->accepted : last;
    tell (en);
    FAULT_POINT ("store-told");
}

static bool tidy (struct engine *en, bool idle)
{
    struct err e = {0};
    bool more = false;
    pthread_mutex_unlock (&en->lock);
    int rc = en->db ? statedb_tidy (en->db, idle, &more, &e) : 0;
    pthread_mutex_lock (&en->lock);
    if (rc == 0)
        return more;
    fail (en, &e);
    tell (en);
    return false;
}

static struct statedb *open_again (const struct engine *en, struct err *e)
{
    struct statedb_options o = en->o;
    o.from_disk = true;
    o.salvage = false;
    return statedb_open (&o, e);
}

/* A handle that failed is of no use any more. What it holds has not changed, so the loop need not
 * know. */
static int probe (struct engine *en, struct err *e)
{
    if (en->db && statedb_is_alone (en->db))
        statedb_close (&en->db, false);
    if (!en->db && !(en->db = open_again (en, e)))
        return -1;
    if (statedb_probe (en->db, e) == 0)
        return 0;
    statedb_close (&en->db, false);
    return -1;
}

static void try_probe (struct engine *en)
{
    struct err e = {0};
    en->probe = PROBE_RUNS;
    pthread_mutex_unlock (&en->lock);
    int rc = probe (en, &e);
    pthread_mutex_lock (&en->lock);
    en->probe = rc < 0 ? PROBE_BAD : PROBE_GOOD;
    en->probe_why = e;
    tell (en);
}

static bool has_work (const struct engine *en)
{
    return !en->failed && (!STAILQ_EMPTY (&en->queue) || en->probe == PROBE_WANTED);
}

/* What is left to tidy up: it is done bit by bit, when there is nothing else for a while. */
enum rest { REST_SOME, REST_MORE, REST_NONE };

/* Wait for work; false when there was none for a while. */
static bool wait_for_work (struct engine *en, enum rest rest)
{
    int64_t until = clock_mono_us () + (rest == REST_MORE ? 0 : IDLE_US);
    struct timespec at = {until / US_PER_S, until % US_PER_S * 1000};
    while (!en->stop && !has_work (en)) {
        if (rest == REST_NONE || en->failed || en->replaying)
            pthread_cond_wait (&en->wake, &en->lock);
        else if (pthread_cond_timedwait (&en->wake, &en->lock, &at) == ETIMEDOUT && !en->replaying)
            return has_work (en);
    }
    return true;
}

static enum rest work (struct engine *en, bool idle, enum rest rest)
{
    en->busy = true;
    if (!STAILQ_EMPTY (&en->queue)) {
        commit_group (en);
        if (!en->failed)
            tidy (en, false);
        rest = REST_SOME;
    } else if (en->probe == PROBE_WANTED) {
        try_probe (en);
    } else if (idle) {
        rest = tidy (en, true) ? REST_MORE : REST_NONE;
    }
    en->busy = false;
    pthread_cond_signal (&en->rest);
    return rest;
}

/* What was queued is written before it ends. */
static void *writer (void *arg)
{
    struct engine *en = arg;
    enum rest rest = REST_SOME;
    pthread_mutex_lock (&en->lock);
    while (!en->stop || has_work (en)) {
        bool idle = !wait_for_work (en, rest);
        if (has_work (en) || (idle && !en->failed && !en->stop))
            rest = work (en, idle, rest);
    }
    pthread_mutex_unlock (&en->lock);
    return NULL;
}

/* --- the verbs: the loop's --- */

static int check (struct engine *en, struct err *e)
{
    pthread_mutex_lock (&en->lock);
    bool failed = en->failed;
    if (failed)
        *e = en->why;
    pthread_mutex_unlock (&en->lock);
    if (!failed)
        return 0;
    free_commit (en->making);
    en->making = NULL;
    return -1;
}

static int keep (struct entry *n, const struct wire_frames *record, struct err *e)
{
    n->frames = wire_frames_keep (record);
    for (unsigned i = 0; i < record->count; i++)
        if (record->frame[i].len && !n->frames.frame[i].ptr)
            return err_set (e, ENOMEM, "no memory for a record of %zu bytes", record->frame[i].len);
    return 0;
}

static int sqlite_append (void *self, uint64_t batch, const struct wire_frames *record,
                          struct err *e)
{
    struct engine *en = self;
    if (!en->making) {
        if (check (en, e) < 0)
            return -1;
        en->making = mem_zalloc (sizeof *en->making);
        STAILQ_INIT (&en->making->entries);
    }
    struct entry *n = mem_zalloc (sizeof *n);
    n->batch = batch;
    STAILQ_INSERT_TAIL (&en->making->entries, n, link);
    en->making->bytes += wire_frames_bytes (record);
    if (keep (n, record, e) == 0)
        return 0;
    free_commit (en->making);
    en->making = NULL;
    return -1;
}

static int sqlite_commit (void *self, uint64_t number, struct err *e)
{
    struct engine *en = self;
    if (check (en, e) < 0)
        return -1;
    pthread_mutex_lock (&en->lock);
    en->accepted = number;
    if (en->making) {
        en->making->number = number;
        STAILQ_INSERT_TAIL (&en->queue, en->making, link);
        en->making = NULL;
        if (!en->busy)
            pthread_cond_signal (&en->wake);
    } else if (STAILQ_EMPTY (&en->queue) && !en->writing) {
        en->holds = number; /* nothing before it is still to be written */
    }
    pthread_mutex_unlock (&en->lock);
    return 0;
}

static uint64_t sqlite_committed (void *self)
{
    struct engine *en = self;
    uint64_t events;
    if (read (en->event_fd, &events, sizeof events) < 0)
        errno = 0; /* there was none */
    pthread_mutex_lock (&en->lock);
    uint64_t holds = en->holds;
    pthread_mutex_unlock (&en->lock);
    return holds;
}

static int sqlite_ready_fd (void *self)
{
    return ((struct engine *)self)->event_fd;
}

/* The connection is one thread's at a time, and a replay may take longer than the pause behind
 * which the thread begins to tidy up. */
static void set_replaying (struct engine *en, bool on)
{
    pthread_mutex_lock (&en->lock);
    while (en->busy)
        pthread_cond_wait (&en->rest, &en->lock);
    en->replaying = on;
    pthread_cond_signal (&en->wake);
    pthread_mutex_unlock (&en->lock);
}

static int sqlite_replay (void *self, store_replay_fn *fn, void *arg, struct err *e)
{
    struct engine *en = self;
    struct statedb_figures f;
    int64_t began = clock_mono_us ();
    set_replaying (en, true);
    int rc = statedb_replay (en->db, fn, arg, &f, e);
    uint64_t commit = statedb_commit_number (en->db);
    set_replaying (en, false);
    if (rc < 0)
        return -1;
    log_event (LOG_INFO,
               "restored state=%s batches=%" PRIu64 " records=%" PRIu64 " bytes=%" PRIu64
               " workers=%" PRIu64 " commit=%" PRIu64 " ms=%" PRId64,
               en->dir.path, f.batches, f.records, f.bytes, f.sessions, commit,
               (clock_mono_us () - began) / US_PER_MS);
    return 0;
}

/* The thread rests afterwards, and the database is the loop's. */
static void halt (struct engine *en)
{
    static const struct err why = {ECANCELED, "the store is being opened again"};
    pthread_mutex_lock (&en->lock);
    fail (en, &why);
    while (en->busy)
        pthread_cond_wait (&en->rest, &en->lock);
    pthread_mutex_unlock (&en->lock);
    free_commit (en->making);
    en->making = NULL;
}

static int sqlite_reopen (void *self, struct err *e)
{
    struct engine *en = self;
    halt (en);
    statedb_close (&en->db, false);
    en->db = open_again (en, e);
    if (!en->db) {
        if (e)
            en->why = *e;
        return -1;
    }
    pthread_mutex_lock (&en->lock);
    uint64_t number = statedb_commit_number (en->db);
    if (number > en->holds) /* it failed, and is there */
        en->holds = number;
    en->accepted = en->holds;
    en->failed = false;
    en->probe = PROBE_NONE;
    pthread_mutex_unlock (&en->lock);
    return 0;
}

static void await_probe (struct engine *en)
{
    int64_t until = clock_mono_us () + PROBE_WAIT_US;
    struct timespec at = {until / US_PER_S, until % US_PER_S * 1000};
    while (en->probe == PROBE_WANTED || en->probe == PROBE_RUNS || en->busy)
        if (pthread_cond_timedwait (&en->rest, &en->lock, &at) == ETIMEDOUT)
            return;
}

static int probe_verdict (struct engine *en, struct err *e)
{
    enum probe p = en->probe;
    if (p == PROBE_WANTED || p == PROBE_RUNS)
        return err_set (e, EINPROGRESS, "the disk has not answered yet");
    en->probe = PROBE_NONE;
    if (p == PROBE_GOOD)
        return 0;
    *e = en->probe_why;
    return -1;
}

static int sqlite_probe (void *self, struct err *e)
{
    struct engine *en = self;
    pthread_mutex_lock (&en->lock);
    int rc = -1;
    if (en->failed) {
        *e = en->why; /* store_reopen() comes first */
    } else {
        if (en->probe == PROBE_NONE) {
            en->probe = PROBE_WANTED;
            pthread_cond_signal (&en->wake);
        }
        await_probe (en);
        rc = probe_verdict (en, e);
    }
    pthread_mutex_unlock (&en->lock);
    return rc;
}

static bool sqlite_went_back (void *self)
{
    const struct engine *en = self;
    return en->went_back;
}

static void free_engine (struct engine *en)
{
    free_commit (en->making);
    free_commits (&en->queue);
    if (en->event_fd >= 0)
        close (en->event_fd);
    state_dir_close (&en->dir);
    pthread_cond_destroy (&en->wake);
    pthread_cond_destroy (&en->rest);
    pthread_mutex_destroy (&en->lock);
    free ((char *)en->o.vfs);
    free ((char *)en->o.boot);
    free ((char *)en->o.made_by);
    free (en);
}

static void sqlite_close (void *self)
{
    struct engine *en = self;
    pthread_mutex_lock (&en->lock);
    en->stop = true;
    pthread_cond_signal (&en->wake);
    pthread_mutex_unlock (&en->lock);
    pthread_join (en->thread, NULL);
    if (en->failed)
        log_event (LOG_ERROR, "the last commits do not hold why=\"%s\"", en->why.text);
    statedb_close (&en->db, !en->failed);
    free_engine (en);
}

/* --- opening --- */

#define VERBS(said)                                                                                \
    {                                                                                              \
        .name = (said), .wants_records = true, .durable = true, .append = sqlite_append,           \
        .commit = sqlite_commit, .committed = sqlite_committed, .ready_fd = sqlite_ready_fd,       \
        .replay = sqlite_replay, .reopen = sqlite_reopen, .probe = sqlite_probe,                   \
        .went_back = sqlite_went_back, .close = sqlite_close,                                      \
    }

static const struct store_verbs FULL = VERBS ("durable");
static const struct store_verbs FAST = VERBS ("durable-fast");

static struct engine *new_engine (const struct statedb_options *o)
{
    pthread_condattr_t attr;
    struct engine *en = mem_zalloc (sizeof *en);
    en->o = *o;
    en->o.vfs = o->vfs ? mem_strdup (o->vfs) : NULL;
    en->o.boot = o->boot ? mem_strdup (o->boot) : NULL;
    en->o.made_by = mem_strdup (o->made_by);
    en->dir.lock_fd = -1;
    STAILQ_INIT (&en->queue);
    pthread_mutex_init (&en->lock, NULL);
    pthread_condattr_init (&attr);
    pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
    pthread_cond_init (&en->wake, &attr);
    pthread_cond_init (&en->rest, &attr);
    pthread_condattr_destroy (&attr);
    en->event_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    return en;
}

static int start (struct engine *en, struct err *e)
{
    if (en->event_fd < 0)
        return err_sys (e, errno, "eventfd");
    if (state_dir_open (&en->dir, en->o.dir, e) < 0)
        return -1;
    en->o.dir = en->dir.path;
    en->db = statedb_open (&en->o, e);
    if (!en->db)
        return -1;
    en->holds = en->accepted = statedb_commit_number (en->db);
    en->went_back = statedb_went_back (en->db);
    int code = pthread_create (&en->thread, NULL, writer, en);
    return code ? err_sys (e, code, "cannot start a thread") : 0;
}

struct store *store_sqlite_open (const struct statedb_options *o, struct err *e)
{
    struct engine *en = new_engine (o);
    if (start (en, e) == 0)
        return store_new (o->fast ? &FAST : &FULL, en);
    statedb_close (&en->db, false);
    free_engine (en);
    return NULL;
}
