#include "tests/unit/state_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/base/mem.h"

enum { BATCHES = 6, TOKENS = 5, SHARE = 20 };

/* --- place --- */

void place_make (struct place *p)
{
    const char *tmp = getenv ("TMPDIR");
    snprintf (p->dir, sizeof p->dir, "%s/state.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null (mkdtemp (p->dir));
}

static int remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove (path);
}

void place_remove (struct place *p)
{
    assert_int_equal (nftw (p->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *place_file (const struct place *p, const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf (path, sizeof paths[0], "%s/%s", p->dir, name);
    return path;
}

void place_copy (const struct place *from, const struct place *to, const char *name)
{
    char buffer[65536];
    ssize_t n;
    int in = open (place_file (from, name), O_RDONLY);
    unlink (place_file (to, name));
    if (in < 0)
        return;
    int out = open (place_file (to, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while ((n = read (in, buffer, sizeof buffer)) > 0)
        assert_int_equal (write (out, buffer, (size_t)n), n);
    close (in);
    close (out);
}

long place_size (const struct place *p, const char *name)
{
    struct stat st;
    return stat (place_file (p, name), &st) < 0 ? -1 : (long)st.st_size;
}

void place_flip (const struct place *p, const char *name, long offset, uint8_t mask)
{
    uint8_t byte;
    int fd = open (place_file (p, name), O_RDWR);
    assert_int_equal (pread (fd, &byte, 1, offset), 1);
    byte ^= mask;
    assert_int_equal (pwrite (fd, &byte, 1, offset), 1);
    close (fd);
}

char *place_read (const struct place *p, const char *name)
{
    char text[1000];
    int fd = open (place_file (p, name), O_RDONLY);
    if (fd < 0)
        return NULL;
    ssize_t n = read (fd, text, sizeof text - 1);
    close (fd);
    return mem_strndup (text, n > 0 ? (size_t)n : 0);
}

void place_write (const struct place *p, const char *name, const char *text)
{
    int fd = open (place_file (p, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal (write (fd, text, strlen (text)), strlen (text));
    close (fd);
}

/* --- dice: splitmix64 --- */

uint64_t dice_roll (struct dice *d, uint64_t below)
{
    uint64_t z = d->x += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

/* --- records --- */

static struct wire_frames encode (const struct wire *w)
{
    struct wire_frames f;
    struct err e;
    if (wire_encode (w, &f, &e) < 0)
        fail_msg ("%s", e.text);
    return f;
}

static struct wire_frames with_body (struct wire *w, size_t bytes, uint8_t fill)
{
    uint8_t *body = malloc (bytes + 1);
    memset (body, fill, bytes);
    w->body[0] = slice_borrowed (body, bytes);
    struct wire_frames f = encode (w);
    free (body);
    return f;
}

struct wire_frames rec_open (uint64_t batch, const char *name)
{
    struct wire w = {.kind = WIRE_OPEN};
    w.m.open.batch = batch;
    w.m.open.name = bytes_str (name);
    w.m.open.key = bytes_str ("k");
    w.m.open.flags = BATCH_DETACHED;
    w.m.open.opened_ms = 1700000000000;
    return encode (&w);
}

struct wire_frames rec_rows (uint64_t batch, uint64_t chunk, size_t bytes, uint8_t fill)
{
    struct wire w = {.kind = WIRE_ROWS};
    w.m.rows.batch = batch;
    w.m.rows.chunk = chunk;
    w.m.rows.count = 10;
    return with_body (&w, bytes, fill);
}

struct wire_frames rec_results (uint64_t batch, uint64_t record, size_t bytes)
{
    struct wire w = {.kind = WIRE_RESULTS};
    w.m.results.batch = batch;
    w.m.results.record = record;
    w.m.results.count = 3;
    return with_body (&w, bytes, (uint8_t)record);
}

struct wire_frames rec_close (uint64_t batch, uint64_t total)
{
    struct wire w = {.kind = WIRE_CLOSE};
    w.m.close.batch = batch;
    w.m.close.total = total;
    return encode (&w);
}

struct wire_frames rec_remove (uint64_t batch)
{
    struct wire w = {.kind = WIRE_REMOVE};
    w.m.remove.id = batch;
    return encode (&w);
}

struct wire_frames rec_hello (uint64_t token, uint64_t slots)
{
    struct wire w = {.kind = WIRE_HELLO};
    w.m.hello.token = token;
    w.m.hello.slots = slots;
    w.m.hello.name = bytes_str ("w");
    return encode (&w);
}

struct wire_frames rec_left (uint64_t token)
{
    struct wire w = {.kind = WIRE_LEFT};
    w.m.left.token = token;
    return encode (&w);
}

/* --- the model --- */

struct told {
    uint64_t batch, commit, sum, token;
    enum wire_kind kind;
    TAILQ_ENTRY (told) link;
};

TAILQ_HEAD (told_list, told);

struct model {
    struct dice dice;
    uint64_t opened;        /* highest batch */
    uint64_t live[BATCHES]; /* batches that a history goes on with; 0: none */
    uint64_t chunks[BATCHES];
    uint64_t tokens[TOKENS];
    struct told_list all;
};

static uint64_t sum_of (const struct wire_frames *f)
{
    uint64_t sum = f->count;
    for (unsigned i = 0; i < f->count; i++)
        sum = sum * 31 + XXH3_64bits (f->frame[i].len ? f->frame[i].ptr : (const uint8_t *)"",
                                      f->frame[i].len);
    return sum;
}

static uint64_t fold (uint64_t digest, uint64_t sum)
{
    return (digest ^ sum) * 0x9e3779b97f4a7c15u + 1;
}

struct model *model_new (uint64_t seed)
{
    struct model *m = mem_zalloc (sizeof *m);
    m->dice.x = seed;
    TAILQ_INIT (&m->all);
    return m;
}

void model_free (struct model **mp)
{
    struct told *t;
    struct model *m = *mp;
    while ((t = TAILQ_FIRST (&m->all))) {
        TAILQ_REMOVE (&m->all, t, link);
        free (t);
    }
    free (m);
    *mp = NULL;
}

void model_add (struct model *m, uint64_t batch, uint64_t commit, const struct wire_frames *f)
{
    struct told *t = mem_zalloc (sizeof *t);
    struct wire w;
    assert_int_equal (wire_decode (&w, f, NULL, NULL), 0);
    *t = (struct told){.batch = batch, .commit = commit, .sum = sum_of (f), .kind = w.kind};
    t->token = w.kind == WIRE_HELLO ? w.m.hello.token : w.kind == WIRE_LEFT ? w.m.left.token : 0;
    wire_fini (&w);
    TAILQ_INSERT_TAIL (&m->all, t, link);
}

static struct wire_frames next_session (struct model *m)
{
    unsigned i = (unsigned)dice_roll (&m->dice, TOKENS);
    if (!m->tokens[i]) {
        m->tokens[i] = dice_roll (&m->dice, UINT64_MAX) + 1;
        return rec_hello (m->tokens[i], 4);
    }
    uint64_t token = m->tokens[i];
    if (dice_roll (&m->dice, 2))
        return rec_hello (token, dice_roll (&m->dice, 100));
    m->tokens[i] = 0;
    return rec_left (token);
}

struct wire_frames model_next (struct model *m, uint64_t *batch, size_t bytes_max)
{
    uint64_t what = dice_roll (&m->dice, 20);
    unsigned i = (unsigned)dice_roll (&m->dice, BATCHES);
    *batch = 0;
    if (what == 0)
        return next_session (m);
    if (!m->live[i]) {
        m->live[i] = *batch = ++m->opened;
        m->chunks[i] = 0;
        return rec_open (*batch, "a name");
    }
    *batch = m->live[i];
    if (what == 1) {
        m->live[i] = 0;
        return rec_remove (*batch);
    }
    if (what == 2)
        return rec_close (*batch, 10 * m->chunks[i]);
    size_t bytes = (size_t)dice_roll (&m->dice, bytes_max);
    if (what < 12)
        return rec_rows (*batch, m->chunks[i]++, bytes, (uint8_t)what);
    return rec_results (*batch, what, bytes);
}

/* Is there a later record, up to that commit, that makes it void? */
static bool void_by (const struct told *t, uint64_t commit)
{
    for (const struct told *n = TAILQ_NEXT (t, link); n && n->commit <= commit;
         n = TAILQ_NEXT (n, link)) {
        if (t->batch ? n->batch == t->batch && n->kind == WIRE_REMOVE
                     : !n->batch && n->token == t->token)
            return true;
    }
    return false;
}

static bool counts (const struct told *t, uint64_t commit)
{
    return t->commit <= commit && t->kind != WIRE_REMOVE && t->kind != WIRE_LEFT &&
           !void_by (t, commit);
}

/* Is the batch, or the session, there? */
static bool alive (const struct model *m, uint64_t batch, uint64_t token)
{
    const struct told *t;
    TAILQ_FOREACH (t, &m->all, link)
        if (t->batch == batch && t->token == token && counts (t, UINT64_MAX))
            return true;
    return false;
}

void model_cut (struct model *m, uint64_t commit)
{
    struct told *t;
    while ((t = TAILQ_LAST (&m->all, told_list)) && t->commit > commit) {
        TAILQ_REMOVE (&m->all, t, link);
        free (t);
    }
    for (int i = 0; i < BATCHES; i++)
        if (m->live[i] && !alive (m, m->live[i], 0))
            m->live[i] = 0;
    for (int i = 0; i < TOKENS; i++)
        if (m->tokens[i] && !alive (m, 0, m->tokens[i]))
            m->tokens[i] = 0;
}

/* The smallest key above `after` among those that count. */
static bool next_key (const struct model *m, uint64_t commit, bool sessions, bool first,
                      int64_t after, int64_t *key)
{
    bool any = false;
    const struct told *t;
    TAILQ_FOREACH (t, &m->all, link) {
        int64_t k = (int64_t)(sessions ? t->token : t->batch);
        if ((t->batch == 0) != sessions || !counts (t, commit) || (!first && k <= after))
            continue;
        if (!any || k < *key)
            *key = k;
        any = true;
    }
    return any;
}

uint64_t model_digest (const struct model *m, uint64_t commit)
{
    uint64_t digest = 0;
    for (int sessions = 1; sessions >= 0; sessions--) {
        int64_t key = 0, after = 0;
        for (bool first = true; next_key (m, commit, sessions, first, after, &key); first = false) {
            const struct told *t;
            TAILQ_FOREACH (t, &m->all, link)
                if ((t->batch == 0) == (bool)sessions &&
                    (int64_t)(sessions ? t->token : t->batch) == key && counts (t, commit))
                    digest = fold (digest, t->sum);
            after = key;
        }
    }
    return digest;
}

int replay_take (void *arg, const struct wire_frames *f, struct err *e)
{
    struct replayed *r = arg;
    struct wire w;
    if (wire_decode (&w, f, NULL, e) < 0)
        return -1;
    if (w.kind == WIRE_REMOVE) {
        r->removed_to = w.m.remove.id;
    } else {
        r->digest = fold (r->digest, sum_of (f));
        r->records++;
    }
    wire_fini (&w);
    return 0;
}

int rig_turn (struct statedb *db, struct model *m, uint64_t commit, unsigned records_max,
              size_t bytes_max, struct err *e)
{
    uint64_t n = 1 + dice_roll (&m->dice, records_max);
    int rc = statedb_begin (db, e);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t batch;
        struct wire_frames f = model_next (m, &batch, bytes_max);
        model_add (m, batch, commit, &f);
        if (rc == 0)
            rc = statedb_add (db, batch, commit, &f, e);
        wire_frames_fini (&f);
    }
    return rc == 0 ? statedb_commit (db, commit, e) : -1;
}

uint64_t rig_cases (uint64_t usual)
{
    const char *text = getenv ("DROVER_CASES");
    return text && *text ? strtoull (text, NULL, 10) : usual;
}

bool rig_mine (uint64_t i)
{
    unsigned shard, shards;
    const char *text = getenv ("DROVER_SHARD");
    if (!text || sscanf (text, "%u/%u", &shard, &shards) != 2 || shards == 0)
        return true;
    return i / SHARE % shards == shard;
}

struct statedb_options rig_options (const struct place *p)
{
    return (struct statedb_options){.dir = p->dir, .made_by = "test"};
}

struct statedb *rig_open (const struct statedb_options *o)
{
    struct err e = {0};
    struct statedb *db = statedb_open (o, &e);
    if (!db)
        fail_msg ("%s", e.text);
    return db;
}

uint64_t rig_check (struct statedb *db, const struct model *m)
{
    struct err e = {0};
    struct replayed r = {0};
    uint64_t commit = statedb_commit_number (db);
    if (statedb_replay (db, replay_take, &r, NULL, &e) < 0)
        fail_msg ("%s", e.text);
    if (r.digest != model_digest (m, commit))
        fail_msg ("what is replayed is not what was committed up to %d", (int)commit);
    return commit;
}
