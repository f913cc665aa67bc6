/* Writing: transactions of records, and what can wait until there is nothing else to write.
 *
 * Rows of `batches` and `meta` are kept in memory and written once a transaction. Nothing is undone
 * in memory when a transaction fails: the handle is closed then, and another opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/store/state_dir.h"
#include "broker/store/statedb_impl.h"
#include "common/base/faultpoint.h"
#include "common/base/mem.h"

enum {
    WORDS_MAX = 600,
    /* Longer, and it is folded in though there is work to do. That holds up commits: 64 MiB for a
     * second on a busy disk, 8 MiB for 60 ms, and in all they cost no more. */
    LOG_BYTES_MAX = 8 << 20,
    LOG_BYTES_IDLE = 1 << 20, /* not worth it below, even when there is none */
    GONE_RECORDS = 512,       /* deleted in one transaction, ... */
    GONE_BYTES = 4 << 20,     /* ... and their bytes: each page of them is read for it */
    PROBE_BYTES = 1 << 20,
};

static int run (struct statedb *db, enum statement which, struct err *e)
{
    int rc = sqlite3_step (db->stmt[which]);
    if (rc == SQLITE_DONE) {
        sqlite3_reset (db->stmt[which]);
        return 0;
    }
    statedb_error (db, "cannot write", e);
    sqlite3_reset (db->stmt[which]);
    return -1;
}

int statedb_begin (struct statedb *db, struct err *e)
{
    if (statedb_settle (db, e) < 0)
        return -1;
    if (run (db, STMT_BEGIN, e) < 0)
        return -1;
    FAULT_POINT ("store-begun");
    return 0;
}

static void bind_frame (sqlite3_stmt *stmt, int at, const struct wire_frames *f, unsigned i)
{
    if (i >= f->count)
        sqlite3_bind_null (stmt, at);
    else if (!f->frame[i].len)
        sqlite3_bind_zeroblob (stmt, at, 0);
    else
        sqlite3_bind_blob64 (stmt, at, f->frame[i].ptr, f->frame[i].len, SQLITE_STATIC);
}

/* For people: what is 0 or empty is left out, and so are the numbers of its way here. */
static void tell (const struct wire *w, char words[WORDS_MAX])
{
    char *to = words, *from = words;
    wire_show (w, words, WORDS_MAX);
    while (*from) {
        size_t len = strcspn (from, " ");
        bool empty = len > 1 && from[len - 1] == '=';
        bool zero = len > 2 && memcmp (from + len - 2, "=0", 2) == 0;
        if (!empty && !zero && strncmp (from, "seq=", 4) != 0) {
            memmove (to, from, len);
            to += len;
            *to++ = ' ';
        }
        from += len + (from[len] == ' ');
    }
    to[to == words ? 0 : -1] = '\0';
}

static int put (struct statedb *db, enum statement which, uint64_t id, uint64_t sum,
                uint64_t commit, const struct wire *w, const struct wire_frames *f, struct err *e)
{
    char words[WORDS_MAX];
    sqlite3_stmt *stmt = db->stmt[which];
    tell (w, words);
    sqlite3_bind_int64 (stmt, 1, (sqlite3_int64)id);
    sqlite3_bind_int64 (stmt, 2, (sqlite3_int64)commit);
    sqlite3_bind_int (stmt, 3, (int)w->kind);
    sqlite3_bind_int64 (stmt, 4, (sqlite3_int64)sum);
    sqlite3_bind_text (stmt, 5, words, -1, SQLITE_STATIC);
    for (unsigned i = 0; i <= WIRE_BODIES; i++)
        bind_frame (stmt, 6 + (int)i, f, i);
    return run (db, which, e);
}

static int add_session (struct statedb *db, uint64_t commit, const struct wire *w,
                        const struct wire_frames *f, struct err *e)
{
    bool left = w->kind == WIRE_LEFT;
    if (!left && w->kind != WIRE_HELLO)
        return err_set (e, EINVAL, "a %s record without a batch", wire_name (w->kind));
    uint64_t token = left ? w->m.left.token : w->m.hello.token;
    sqlite3_stmt *gone = db->stmt[STMT_SESSION_GONE];
    sqlite3_bind_int64 (gone, 1, (sqlite3_int64)token);
    if (run (db, STMT_SESSION_GONE, e) < 0)
        return -1;
    db->meta.sessions -= (uint64_t)sqlite3_changes (db->sql);
    if (left)
        return 0;
    db->meta.sessions++;
    return put (db, STMT_SESSION, token, statedb_sum (db->sum, 0, token, commit, f), commit, w, f,
                e);
}

static int new_batch (struct statedb *db, uint64_t id, const struct msg_open *m,
                      struct state_batch **b, struct err *e)
{
    sqlite3_stmt *stmt = db->stmt[STMT_BATCH_NEW];
    if (id > BATCHES_MAX)
        return err_set (e, EOVERFLOW, "batch %" PRIu64 " is one too many for %s", id, db->path);
    sqlite3_bind_int64 (stmt, 1, (sqlite3_int64)id);
    sqlite3_bind_text (stmt, 2, m->name.ptr ? (const char *)m->name.ptr : "", (int)m->name.len,
                       SQLITE_STATIC);
    sqlite3_bind_text (stmt, 3, m->key.ptr ? (const char *)m->key.ptr : "", (int)m->key.len,
                       SQLITE_STATIC);
    sqlite3_bind_int64 (stmt, 4, (sqlite3_int64)m->flags);
    sqlite3_bind_int64 (stmt, 5, (sqlite3_int64)m->opened_ms);
    if (run (db, STMT_BATCH_NEW, e) < 0)
        return -1;
    *b = mem_zalloc (sizeof **b);
    (*b)->id = id;
    HASH_ADD (hh, db->batches, id, sizeof (*b)->id, *b);
    db->meta.batches++;
    return 0;
}

/* What the row of the batch tells people. */
static void note (struct state_batch *b, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_ROWS: /* a large row counts with its last part */
        if (!w->m.rows.total || w->m.rows.offset + w->body[0].len >= w->m.rows.total)
            b->rows += w->m.rows.count;
        break;
    case WIRE_CLOSE:
        b->closed = true;
        b->total = w->m.close.total;
        break;
    case WIRE_RESULTS:
        b->outcomes += w->m.results.count;
        break;
    case WIRE_CANCEL:
        b->cancelled |= w->m.cancel.count == 0;
        break;
    default:
        break;
    }
}

static void touch (struct statedb *db, struct state_batch *b)
{
    if (b->touched)
        return;
    b->touched = true;
    STAILQ_INSERT_TAIL (&db->touched, b, link);
}

static void untouch (struct statedb *db, struct state_batch *b)
{
    if (b->touched)
        STAILQ_REMOVE (&db->touched, b, state_batch, link);
    b->touched = false;
}

static int write_batch (struct statedb *db, const struct state_batch *b, struct err *e)
{
    sqlite3_stmt *stmt = db->stmt[STMT_BATCH];
    sqlite3_bind_int64 (stmt, 1, (sqlite3_int64)b->id);
    sqlite3_bind_int64 (stmt, 2, (sqlite3_int64)b->rows);
    if (b->closed)
        sqlite3_bind_int64 (stmt, 3, (sqlite3_int64)b->total);
    else
        sqlite3_bind_null (stmt, 3);
    sqlite3_bind_int64 (stmt, 4, (sqlite3_int64)b->outcomes);
    sqlite3_bind_int (stmt, 5, b->cancelled);
    sqlite3_bind_int (stmt, 6, b->removed);
    sqlite3_bind_int64 (stmt, 7, (sqlite3_int64)b->records);
    sqlite3_bind_int64 (stmt, 8, (sqlite3_int64)b->bytes);
    return run (db, STMT_BATCH, e);
}

/* From this commit on the batch is gone; its records are deleted bit by bit, see delete_some(). */
static int remove_batch (struct statedb *db, struct state_batch *b, struct err *e)
{
    db->meta.batches--;
    db->meta.records -= b->records;
    if (b->id > db->meta.removed_to)
        db->meta.removed_to = b->id;
    untouch (db, b);
    HASH_DEL (db->batches, b);
    b->removed = true;
    STAILQ_INSERT_TAIL (&db->removed, b, link);
    return write_batch (db, b, e);
}

static int add_record (struct statedb *db, struct state_batch *b, uint64_t commit,
                       const struct wire *w, const struct wire_frames *f, struct err *e)
{
    if (b->records == RECORDS_MAX)
        return err_set (e, EOVERFLOW, "batch %" PRIu64 " has too many records for %s", b->id,
                        db->path);
    b->records++;
    b->bytes += wire_frames_bytes (f);
    db->meta.records++;
    note (b, w);
    touch (db, b);
    uint64_t sum = statedb_sum (db->sum, b->id, b->records, commit, f);
    return put (db, STMT_ADD, b->id << RECORD_BITS | b->records, sum, commit, w, f, e);
}

static int add (struct statedb *db, uint64_t batch, uint64_t commit, const struct wire *w,
                const struct wire_frames *f, struct err *e)
{
    struct state_batch *b = NULL;
    if (batch == 0)
        return add_session (db, commit, w, f, e);
    HASH_FIND (hh, db->batches, &batch, sizeof batch, b);
    if (!b && w->kind != WIRE_OPEN)
        return err_set (e, EINVAL, "a %s record of batch %" PRIu64 ", which is not there",
                        wire_name (w->kind), batch);
    if (!b && new_batch (db, batch, &w->m.open, &b, e) < 0)
        return -1;
    if (w->kind == WIRE_REMOVE)
        return remove_batch (db, b, e);
    return add_record (db, b, commit, w, f, e);
}

int statedb_add (struct statedb *db, uint64_t batch, uint64_t commit, const struct wire_frames *f,
                 struct err *e)
{
    struct wire w;
    if (wire_decode (&w, f, NULL, e) < 0)
        return -1;
    int rc = add (db, batch, commit, &w, f, e);
    FAULT_POINT_OF ("store-wrote", wire_name (w.kind));
    wire_fini (&w);
    return rc;
}

/* Some records of a removed batch, the last first, so that what is left is counted by `records`. */
static int delete_some (struct statedb *db, struct state_batch *b, struct err *e)
{
    uint64_t n = b->records, each = n ? b->bytes / n + 1 : 1;
    if (n > GONE_RECORDS)
        n = GONE_RECORDS;
    if (n > 1 && n * each > GONE_BYTES)
        n = GONE_BYTES / each + 1;
    uint64_t base = b->id << RECORD_BITS;
    sqlite3_bind_int64 (db->stmt[STMT_RECORDS_GONE], 1, (sqlite3_int64)(base + b->records - n));
    sqlite3_bind_int64 (db->stmt[STMT_RECORDS_GONE], 2, (sqlite3_int64)(base + b->records));
    if (n && run (db, STMT_RECORDS_GONE, e) < 0)
        return -1;
    FAULT_POINT ("store-deletes");
    b->records -= n;
    b->bytes -= n * each < b->bytes ? n * each : b->bytes;
    if (b->records)
        return write_batch (db, b, e);
    sqlite3_bind_int64 (db->stmt[STMT_BATCH_GONE], 1, (sqlite3_int64)b->id);
    if (run (db, STMT_BATCH_GONE, e) < 0)
        return -1;
    STAILQ_REMOVE (&db->removed, b, state_batch, link);
    free (b);
    return 0;
}

static int finish (struct statedb *db, struct err *e)
{
    struct state_batch *b;
    while ((b = STAILQ_FIRST (&db->touched))) {
        untouch (db, b);
        if (write_batch (db, b, e) < 0)
            return -1;
    }
    if (!STAILQ_EMPTY (&db->removed) && delete_some (db, STAILQ_FIRST (&db->removed), e) < 0)
        return -1;
    if (statedb_write_meta (db, e) < 0)
        return -1;
    FAULT_POINT ("store-commits");
    return run (db, STMT_COMMIT, e);
}

int statedb_commit (struct statedb *db, uint64_t commit, struct err *e)
{
    db->meta.commit = commit;
    if (finish (db, e) < 0)
        return -1;
    FAULT_POINT ("store-committed");
    statedb_mark_commit (db, commit);
    FAULT_POINT ("store-marked");
    return 0;
}

int statedb_write_figures (struct statedb *db, struct err *e)
{
    if (run (db, STMT_BEGIN, e) < 0)
        return -1;
    if (statedb_write_meta (db, e) == 0 && run (db, STMT_COMMIT, e) == 0)
        return 0;
    run (db, STMT_ROLLBACK, NULL);
    return -1;
}

/* --- what can wait --- */

static int delete_alone (struct statedb *db, struct err *e)
{
    return statedb_begin (db, e) < 0 ? -1 : finish (db, e);
}

int statedb_tidy (struct statedb *db, bool idle, bool *more, struct err *e)
{
    int64_t bytes = (int64_t)db->log_pages * STATE_PAGE;
    *more = false;
    if (bytes > (idle ? LOG_BYTES_IDLE : LOG_BYTES_MAX)) {
        struct err why;
        bool can_wait =
            statedb_fold (db, false, &why) == 0 || why.code == ENOSPC || why.code == EBUSY;
        db->log_pages = 0; /* tried again when it has grown anew */
        if (!can_wait && e)
            *e = why;
        return can_wait ? 0 : -1;
    }
    if (!idle || STAILQ_EMPTY (&db->removed))
        return 0;
    if (delete_alone (db, e) < 0)
        return -1;
    *more = !STAILQ_EMPTY (&db->removed);
    return 0;
}

/* Room is asked for first: a commit that just fits would open the door to many that do not. */
static int probe_room (const char *path, const char *dir, struct err *e)
{
    int fd = open (path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int code = fd < 0 ? errno : posix_fallocate (fd, 0, PROBE_BYTES);
    if (code == 0 && fsync (fd) < 0)
        code = errno;
    if (fd >= 0)
        close (fd);
    unlink (path);
    return code ? err_sys (e, code, "cannot write in %s", dir) : 0;
}

int statedb_probe (struct statedb *db, struct err *e)
{
    char *path = state_dir_file (db->dir, "probe");
    int rc = probe_room (path, db->dir, e);
    free (path);
    if (rc < 0 || statedb_begin (db, e) < 0)
        return -1;
    return finish (db, e);
}
