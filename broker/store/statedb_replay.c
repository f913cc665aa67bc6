/* Reading: every record is checked on its way. A record's checksum covers its batch, number and
 * commit too, so that one that was moved, doubled or exchanged is found. */
#include <errno.h>
#include <inttypes.h>

#include "broker/store/statedb_impl.h"

uint64_t statedb_sum (XXH3_state_t *s, uint64_t batch, uint64_t k, uint64_t commit,
                      const struct wire_frames *f)
{
    uint64_t head[4 + 1 + WIRE_BODIES] = {htole64 (batch), htole64 (k), htole64 (commit),
                                          htole64 (f->count)};
    for (unsigned i = 0; i < f->count; i++)
        head[4 + i] = htole64 ((uint64_t)f->frame[i].len);
    XXH3_64bits_reset (s);
    XXH3_64bits_update (s, head, sizeof head);
    for (unsigned i = 0; i < f->count; i++)
        if (f->frame[i].len)
            XXH3_64bits_update (s, f->frame[i].ptr, f->frame[i].len);
    return XXH3_64bits_digest (s);
}

static bool read_frames (sqlite3_stmt *stmt, int column, struct wire_frames *f)
{
    *f = (struct wire_frames){0};
    for (int i = 0; i <= WIRE_BODIES; i++) {
        if (sqlite3_column_type (stmt, column + i) == SQLITE_NULL)
            continue;
        const void *bytes = sqlite3_column_blob (stmt, column + i);
        int len = sqlite3_column_bytes (stmt, column + i);
        if (len && !bytes)
            return false; /* no memory, or a page of it cannot be read: the next step tells */
        f->frame[i] = slice_borrowed (bytes, (size_t)len);
        f->count = (unsigned)i + 1;
    }
    return true;
}

void statedb_read_row (XXH3_state_t *sum, sqlite3_stmt *stmt, uint64_t batch,
                       struct state_record *r)
{
    uint64_t id = (uint64_t)sqlite3_column_int64 (stmt, 0);
    *r = (struct state_record){.k = batch ? id & RECORDS_MAX : id};
    r->commit = (uint64_t)sqlite3_column_int64 (stmt, 1);
    r->good = read_frames (stmt, 3, &r->frames) &&
              statedb_sum (sum, batch, r->k, r->commit, &r->frames) ==
                  (uint64_t)sqlite3_column_int64 (stmt, 2);
}

/* --- handing over --- */

struct reader {
    struct statedb *db;
    store_replay_fn *fn;
    void *arg;
    struct statedb_figures figures;
};

static int keep (struct wire_frames *f, struct err *e)
{
    struct wire_frames borrowed = *f;
    *f = (struct wire_frames){.count = borrowed.count};
    for (unsigned i = 0; i < f->count; i++) {
        if (!borrowed.frame[i].len)
            continue;
        struct blob *b = blob_copy (borrowed.frame[i].ptr, borrowed.frame[i].len);
        if (!b) {
            wire_frames_fini (f);
            return err_set (e, ENOMEM, "no memory for a record of %zu bytes",
                            borrowed.frame[i].len);
        }
        f->frame[i] = slice_of_take (b);
    }
    return 0;
}

/* The reader's refusal, with the record's place. */
static int refused (struct reader *rd, uint64_t batch, const struct state_record *r, struct err *e)
{
    struct err why = *e;
    if (batch)
        return err_set (e, why.code, "%s: record %" PRIu64 " of batch %" PRIu64 ": %s",
                        rd->db->path, r->k, batch, why.text);
    return err_set (e, why.code, "%s: session %016" PRIx64 ": %s", rd->db->path, r->k, why.text);
}

static int hand_over (struct reader *rd, uint64_t batch, struct state_record *r, struct err *e)
{
    rd->figures.bytes += wire_frames_bytes (&r->frames);
    if (!rd->fn)
        return 0;
    if (keep (&r->frames, e) < 0)
        return -1;
    int rc = rd->fn (rd->arg, &r->frames, e);
    wire_frames_fini (&r->frames);
    return rc ? refused (rd, batch, r, e) : 0;
}

/* No row, or a row that does not hold, because SQLite could not read it? */
static bool read_failed (struct statedb *db)
{
    int code = sqlite3_errcode (db->sql) & 0xff;
    return code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE;
}

static int bad_record (struct reader *rd, uint64_t batch, const struct state_record *r,
                       struct err *e)
{
    if (read_failed (rd->db))
        return statedb_error (rd->db, "cannot read", e);
    if (batch)
        return err_set (e, EBADMSG,
                        "%s is damaged: record %" PRIu64 " of batch %" PRIu64 " (commit %" PRIu64
                        "): its checksum does not hold (--salvage runs on what is before)",
                        rd->db->path, r->k, batch, r->commit);
    return err_set (e, EBADMSG,
                    "%s is damaged: session %016" PRIx64 " (commit %" PRIu64
                    "): its checksum does not hold (--salvage runs without it)",
                    rd->db->path, r->k, r->commit);
}

static int late (struct reader *rd, uint64_t batch, const struct state_record *r, struct err *e)
{
    return err_set (e, EBADMSG,
                    "%s is damaged: record %" PRIu64 " of batch %" PRIu64 " is of commit %" PRIu64
                    ", out of order, or behind the last (%" PRIu64 ")",
                    rd->db->path, r->k, batch, r->commit, rd->db->meta.commit);
}

static int missing (struct reader *rd, uint64_t batch, uint64_t k, struct err *e)
{
    return err_set (e, EBADMSG,
                    "%s is damaged: record %" PRIu64 " of batch %" PRIu64
                    " is missing (--salvage runs on what is before)",
                    rd->db->path, k, batch);
}

static int read_sessions (struct reader *rd, struct err *e)
{
    sqlite3_stmt *stmt = rd->db->stmt[STMT_READ_SESSIONS];
    struct state_record r;
    int step, rc = 0;
    while (rc == 0 && (step = sqlite3_step (stmt)) == SQLITE_ROW) {
        statedb_read_row (rd->db->sum, stmt, 0, &r);
        if (!r.good)
            rc = bad_record (rd, 0, &r, e);
        else if (r.commit > rd->db->meta.commit)
            rc = late (rd, 0, &r, e);
        else
            rc = hand_over (rd, 0, &r, e);
        rd->figures.sessions++;
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = statedb_error (rd->db, "cannot read", e);
    sqlite3_reset (stmt);
    if (rc == 0 && rd->figures.sessions != rd->db->meta.sessions)
        rc = err_set (e, EBADMSG, "%s is damaged: it has %" PRIu64 " sessions of %" PRIu64,
                      rd->db->path, rd->figures.sessions, rd->db->meta.sessions);
    return rc;
}

static int read_batch (struct reader *rd, const struct state_batch *b, struct err *e)
{
    sqlite3_stmt *stmt = rd->db->stmt[STMT_READ];
    struct state_record r;
    uint64_t k = 0, commit = 0;
    int step = SQLITE_DONE, rc = 0;
    sqlite3_bind_int64 (stmt, 1, (sqlite3_int64)(b->id << RECORD_BITS));
    sqlite3_bind_int64 (stmt, 2, (sqlite3_int64)(b->id << RECORD_BITS | RECORDS_MAX));
    while (rc == 0 && (step = sqlite3_step (stmt)) == SQLITE_ROW) {
        statedb_read_row (rd->db->sum, stmt, b->id, &r);
        if (r.k != ++k)
            rc = missing (rd, b->id, k, e);
        else if (!r.good)
            rc = bad_record (rd, b->id, &r, e);
        else if (r.commit < commit || r.commit > rd->db->meta.commit)
            rc = late (rd, b->id, &r, e);
        else
            rc = hand_over (rd, b->id, &r, e);
        commit = r.commit;
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = statedb_error (rd->db, "cannot read", e);
    if (rc == 0 && k != b->records)
        rc = k < b->records
                 ? missing (rd, b->id, k + 1, e)
                 : err_set (e, EBADMSG,
                            "%s is damaged: batch %" PRIu64 " has %" PRIu64 " records of %" PRIu64,
                            rd->db->path, b->id, k, b->records);
    sqlite3_reset (stmt);
    rd->figures.records += k;
    return rc;
}

static bool is_removed (const struct statedb *db, uint64_t id)
{
    const struct state_batch *b;
    STAILQ_FOREACH (b, &db->removed, link)
        if (b->id == id)
            return true;
    return false;
}

static bool is_known (const struct statedb *db, uint64_t id)
{
    const struct state_batch *b = NULL;
    HASH_FIND (hh, db->batches, &id, sizeof id, b);
    return b || is_removed (db, id);
}

/* There are no records but of batches that are known. */
static int check_strays (struct reader *rd, struct err *e)
{
    sqlite3_stmt *stmt = rd->db->stmt[STMT_READ_NEXT];
    sqlite3_int64 after = 0;
    int step, rc = 0;
    for (;;) {
        sqlite3_bind_int64 (stmt, 1, after);
        step = sqlite3_step (stmt);
        sqlite3_int64 id = step == SQLITE_ROW ? sqlite3_column_int64 (stmt, 0) : 0;
        sqlite3_reset (stmt);
        if (step != SQLITE_ROW)
            break;
        uint64_t batch = (uint64_t)id >> RECORD_BITS;
        if (!is_known (rd->db, batch))
            return err_set (e, EBADMSG,
                            "%s is damaged: it has records of batch %" PRIu64 ", and not the batch",
                            rd->db->path, batch);
        after = (sqlite3_int64)(batch << RECORD_BITS | RECORDS_MAX);
    }
    if (step != SQLITE_DONE)
        rc = statedb_error (rd->db, "cannot read", e);
    return rc;
}

/* The scheduler never gives the number of a batch again: it is told the highest that is gone. */
static int hand_over_removed (struct reader *rd, struct err *e)
{
    struct wire w = {.kind = WIRE_REMOVE};
    struct wire_frames f;
    w.m.remove.id = rd->db->meta.removed_to;
    if (!rd->fn || !w.m.remove.id)
        return 0;
    if (wire_encode (&w, &f, e) < 0)
        return -1;
    int rc = rd->fn (rd->arg, &f, e);
    wire_frames_fini (&f);
    return rc ? -1 : 0;
}

static int by_id (struct state_batch *a, struct state_batch *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

static int read_batches (struct reader *rd, struct err *e)
{
    HASH_SORT (rd->db->batches, by_id);
    for (struct state_batch *b = rd->db->batches; b; b = b->hh.next) {
        if (read_batch (rd, b, e) < 0)
            return -1;
        rd->figures.batches++;
    }
    return check_strays (rd, e);
}

int statedb_replay (struct statedb *db, store_replay_fn *fn, void *arg,
                    struct statedb_figures *figures, struct err *e)
{
    struct reader rd = {.db = db, .fn = fn, .arg = arg};
    if (read_sessions (&rd, e) < 0 || hand_over_removed (&rd, e) < 0 || read_batches (&rd, e) < 0)
        return -1;
    if (rd.figures.records != db->meta.records)
        return err_set (e, EBADMSG, "%s is damaged: it has %" PRIu64 " records of %" PRIu64,
                        db->path, rd.figures.records, db->meta.records);
    if (figures)
        *figures = rd.figures;
    return 0;
}
