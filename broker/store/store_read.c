#include "broker/store/store_read.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "broker/store/mark.h"
#include "broker/store/state_dir.h"
#include "broker/store/statedb.h"
#include "common/base/mem.h"

struct reading {
    struct state_dir dir;
    struct statedb *db;
    uint64_t committed;
};

static int read_append (void *self, uint64_t batch, const struct wire_frames *record, struct err *e)
{
    (void)self, (void)batch, (void)record, (void)e;
    return 0;
}

static int read_commit (void *self, uint64_t number, struct err *e)
{
    (void)e;
    ((struct reading *)self)->committed = number;
    return 0;
}

static uint64_t read_committed (void *self)
{
    return ((struct reading *)self)->committed;
}

static int read_ready_fd (void *self)
{
    (void)self;
    return -1;
}

static int read_replay (void *self, store_replay_fn *fn, void *arg, struct err *e)
{
    struct reading *r = self;
    struct statedb_figures figures;
    return statedb_replay (r->db, fn, arg, &figures, e);
}

static void read_close (void *self)
{
    struct reading *r = self;
    statedb_close (&r->db, false);
    state_dir_close (&r->dir);
    free (r);
}

#define VERBS(said)                                                                                \
    {                                                                                              \
        .name = (said), .shut = "the state is open for reading only", .append = read_append,       \
        .commit = read_commit, .committed = read_committed, .ready_fd = read_ready_fd,             \
        .replay = read_replay, .close = read_close,                                                \
    }

static const struct store_verbs FULL = VERBS ("durable");
static const struct store_verbs FAST = VERBS ("durable-fast");

static bool is_there (const char *dir, const char *name)
{
    struct stat st;
    char *path = state_dir_file (dir, name);
    int rc = stat (path, &st);
    free (path);
    return rc == 0;
}

static uint64_t size_of (const char *dir, const char *name)
{
    struct stat st;
    char *path = state_dir_file (dir, name);
    int rc = stat (path, &st);
    free (path);
    return rc < 0 ? 0 : (uint64_t)st.st_size;
}

static bool is_fast (const char *dir)
{
    struct mark m;
    char *path = state_dir_file (dir, "mark");
    bool fast = mark_read (path, &m) == MARK_READ && m.fast;
    free (path);
    return fast;
}

/* A broker that stops folds its log into the database, and removes it. */
static struct state_facts look (const char *dir)
{
    return (struct state_facts){.dir = dir,
                                .bytes = size_of (dir, "state.db") + size_of (dir, "state.db-wal") +
                                         size_of (dir, "state.db-shm") + size_of (dir, "mark"),
                                .in_order = !is_there (dir, "state.db-wal")};
}

struct store *store_read_open (const char *dir, struct state_facts *facts, struct err *e)
{
    struct reading *r = mem_zalloc (sizeof *r);
    struct statedb_options o = {.read_only = true, .made_by = ""};
    if (state_dir_read (&r->dir, dir, e) == 0) {
        *facts = look (r->dir.path);
        o.dir = r->dir.path;
        o.fast = is_fast (o.dir);
        r->db = statedb_open (&o, e);
    }
    if (!r->db) {
        read_close (r);
        return NULL;
    }
    r->committed = statedb_commit_number (r->db);
    return store_new (o.fast ? &FAST : &FULL, r);
}
