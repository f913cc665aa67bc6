#include "tests/unit/bad_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/base/mem.h"

enum { SECTOR = 512 };

struct op { /* not synced yet */
    int64_t offset;
    size_t len; /* 0: a truncation to `offset` */
    uint8_t *bytes;
    STAILQ_ENTRY (op) link;
};

struct bytes_of_file {
    uint8_t *at;
    size_t len;
};

/* A file as the disk has it, and what it does not have yet. */
struct image {
    char *path;
    bool gone; /* removed */
    struct bytes_of_file safe;
    STAILQ_HEAD (, op) ops;
    struct image *next;
};

struct bad_file {
    sqlite3_file base;
    struct bad_disk *disk;
    struct image *image; /* NULL: not remembered */
    sqlite3_file *real;
};

static struct bad_disk *disk_of (sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static sqlite3_vfs *real_vfs (void)
{
    return sqlite3_vfs_find (NULL);
}

static sqlite3_file *real (sqlite3_file *f)
{
    return ((struct bad_file *)f)->real;
}

/* --- images --- */

static void resize (struct bytes_of_file *f, size_t len)
{
    f->at = mem_resize (f->at, len + 1, 1);
    if (len > f->len)
        memset (f->at + f->len, 0, len - f->len);
    f->len = len;
}

static void put (struct bytes_of_file *f, int64_t offset, const uint8_t *bytes, size_t len)
{
    if ((size_t)offset + len > f->len)
        resize (f, (size_t)offset + len);
    if (len)
        memcpy (f->at + offset, bytes, len);
}

static struct image *image_of (struct bad_disk *d, const char *path)
{
    struct image *i;
    for (i = d->images; i; i = i->next)
        if (strcmp (i->path, path) == 0)
            return i;
    i = mem_zalloc (sizeof *i);
    i->path = mem_strdup (path);
    STAILQ_INIT (&i->ops);
    i->next = d->images;
    d->images = i;
    int fd = open (path, O_RDONLY);
    if (fd >= 0) { /* what was there before counts as synced */
        uint8_t buffer[65536];
        ssize_t n;
        while ((n = read (fd, buffer, sizeof buffer)) > 0)
            put (&i->safe, (int64_t)i->safe.len, buffer, (size_t)n);
        close (fd);
    }
    return i;
}

static void note (struct bad_file *f, const void *bytes, size_t len, int64_t offset)
{
    if (!f->image)
        return;
    struct op *op = mem_zalloc (sizeof *op);
    op->offset = offset;
    op->len = len;
    op->bytes = malloc (len + 1);
    if (len)
        memcpy (op->bytes, bytes, len);
    STAILQ_INSERT_TAIL (&f->image->ops, op, link);
}

static void drop_op (struct image *i, struct op *op)
{
    STAILQ_REMOVE_HEAD (&i->ops, link);
    free (op->bytes);
    free (op);
}

static void apply (struct bytes_of_file *f, const struct op *op)
{
    if (op->len)
        put (f, op->offset, op->bytes, op->len);
    else
        resize (f, (size_t)op->offset);
}

static void synced (struct image *i)
{
    struct op *op;
    while (i && (op = STAILQ_FIRST (&i->ops))) {
        apply (&i->safe, op);
        drop_op (i, op);
    }
}

/* Each sector of a write for itself; one that is not kept leaves a hole where the file grows. */
static void apply_some (struct bytes_of_file *f, const struct op *op, struct dice *dice,
                        uint64_t keep)
{
    int64_t at = op->offset, end = op->offset + (int64_t)op->len;
    while (at < end) {
        int64_t next = (at / SECTOR + 1) * SECTOR;
        if (next > end)
            next = end;
        if (dice_roll (dice, 100) < keep)
            put (f, at, op->bytes + (at - op->offset), (size_t)(next - at));
        else if ((size_t)next > f->len && dice_roll (dice, 2))
            resize (f, (size_t)next);
        at = next;
    }
}

static void write_file (const struct place *to, const struct image *i,
                        const struct bytes_of_file *f)
{
    const char *name = strrchr (i->path, '/') + 1;
    if (i->gone) {
        unlink (place_file (to, name));
        return;
    }
    int fd = open (place_file (to, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (f->len && write (fd, f->at, f->len) != (ssize_t)f->len)
        fail_msg ("cannot write %s", name);
    close (fd);
}

void bad_disk_cut (struct bad_disk *d, const struct place *to, struct dice *dice)
{
    static const uint64_t KEEP[] = {0, 10, 50, 90, 99, 100};
    for (struct image *i = d->images; i; i = i->next) {
        struct bytes_of_file f = {0};
        const struct op *op;
        uint64_t keep = KEEP[dice_roll (dice, sizeof KEEP / sizeof *KEEP)];
        uint64_t stop = dice_roll (dice, 3) ? UINT64_MAX : dice_roll (dice, 30), n = 0;
        put (&f, 0, i->safe.at ? i->safe.at : (const uint8_t *)"", i->safe.len);
        STAILQ_FOREACH (op, &i->ops, link) {
            if (n++ >= stop) /* all in order up to a point, as well */
                break;
            if (op->len)
                apply_some (&f, op, dice, keep);
            else if (dice_roll (dice, 100) < keep)
                apply (&f, op);
        }
        write_file (to, i, &f);
        free (f.at);
    }
}

/* --- failures --- */

/* One operation: 0, or the errno it fails with. A full disk refuses only what needs room. */
static int operate (struct bad_disk *d, bool writes)
{
    int code = 0;
    pthread_mutex_lock (&d->lock);
    d->ops++;
    if (d->left > 0)
        d->left--;
    else if (d->left == 0 && (writes || d->code != ENOSPC))
        d->last = code = d->code;
    if (code && d->once)
        d->left = -1;
    pthread_mutex_unlock (&d->lock);
    return code;
}

static void set_failure (struct bad_disk *d, int64_t ops, int code, bool once)
{
    pthread_mutex_lock (&d->lock);
    d->left = ops;
    d->code = code;
    d->once = once;
    pthread_mutex_unlock (&d->lock);
}

void bad_disk_fail (struct bad_disk *d, int64_t ops, int code)
{
    set_failure (d, ops, code, false);
}

void bad_disk_fail_once (struct bad_disk *d, int64_t ops, int code)
{
    set_failure (d, ops, code, true);
}

void bad_disk_heal (struct bad_disk *d)
{
    set_failure (d, -1, 0, false);
}

static uint64_t locked_read (struct bad_disk *d, const uint64_t *value)
{
    pthread_mutex_lock (&d->lock);
    uint64_t v = *value;
    pthread_mutex_unlock (&d->lock);
    return v;
}

uint64_t bad_disk_ops (struct bad_disk *d)
{
    return locked_read (d, &d->ops);
}

uint64_t bad_disk_syncs (struct bad_disk *d)
{
    return locked_read (d, &d->syncs);
}

void bad_disk_hold (struct bad_disk *d, bool hold)
{
    pthread_mutex_lock (&d->lock);
    d->hold = hold;
    pthread_cond_broadcast (&d->moved);
    pthread_mutex_unlock (&d->lock);
}

void bad_disk_remember (struct bad_disk *d)
{
    d->remember = true;
}

/* --- files --- */

static int f_close (sqlite3_file *f)
{
    return real (f)->pMethods ? real (f)->pMethods->xClose (real (f)) : SQLITE_OK;
}

static int f_read (sqlite3_file *f, void *to, int len, sqlite3_int64 offset)
{
    return real (f)->pMethods->xRead (real (f), to, len, offset);
}

static int f_write (sqlite3_file *f, const void *from, int len, sqlite3_int64 offset)
{
    struct bad_file *b = (struct bad_file *)f;
    int code = operate (b->disk, true);
    if (code) { /* a part of it arrives */
        real (f)->pMethods->xWrite (real (f), from, len / 2, offset);
        note (b, from, (size_t)len / 2, offset);
        return code == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
    note (b, from, (size_t)len, offset);
    return real (f)->pMethods->xWrite (real (f), from, len, offset);
}

static int f_truncate (sqlite3_file *f, sqlite3_int64 size)
{
    struct bad_file *b = (struct bad_file *)f;
    if (operate (b->disk, false))
        return SQLITE_IOERR_TRUNCATE;
    note (b, NULL, 0, size);
    return real (f)->pMethods->xTruncate (real (f), size);
}

static int f_sync (sqlite3_file *f, int flags)
{
    struct bad_file *b = (struct bad_file *)f;
    (void)flags; /* the real disk need not be waited for */
    pthread_mutex_lock (&b->disk->lock);
    while (b->disk->hold)
        pthread_cond_wait (&b->disk->moved, &b->disk->lock);
    b->disk->syncs++;
    pthread_mutex_unlock (&b->disk->lock);
    if (operate (b->disk, false))
        return SQLITE_IOERR_FSYNC;
    synced (b->image);
    return SQLITE_OK;
}

static int f_size (sqlite3_file *f, sqlite3_int64 *size)
{
    return real (f)->pMethods->xFileSize (real (f), size);
}

static int f_lock (sqlite3_file *f, int level)
{
    return real (f)->pMethods->xLock (real (f), level);
}

static int f_unlock (sqlite3_file *f, int level)
{
    return real (f)->pMethods->xUnlock (real (f), level);
}

static int f_check_lock (sqlite3_file *f, int *out)
{
    return real (f)->pMethods->xCheckReservedLock (real (f), out);
}

static int f_control (sqlite3_file *f, int op, void *arg)
{
    return real (f)->pMethods->xFileControl (real (f), op, arg);
}

static int f_sector (sqlite3_file *f)
{
    return real (f)->pMethods->xSectorSize (real (f));
}

static int f_traits (sqlite3_file *f)
{
    return real (f)->pMethods->xDeviceCharacteristics (real (f));
}

static int f_shm_map (sqlite3_file *f, int page, int size, int extend, void volatile **at)
{
    return real (f)->pMethods->xShmMap (real (f), page, size, extend, at);
}

static int f_shm_lock (sqlite3_file *f, int offset, int n, int flags)
{
    return real (f)->pMethods->xShmLock (real (f), offset, n, flags);
}

static void f_shm_barrier (sqlite3_file *f)
{
    real (f)->pMethods->xShmBarrier (real (f));
}

static int f_shm_unmap (sqlite3_file *f, int remove)
{
    return real (f)->pMethods->xShmUnmap (real (f), remove);
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_lock,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_traits,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

/* --- the VFS --- */

static int v_open (sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out)
{
    struct bad_file *b = (struct bad_file *)f;
    struct bad_disk *d = disk_of (vfs);
    *b = (struct bad_file){.disk = d, .real = (sqlite3_file *)(b + 1)};
    memset (b->real, 0, (size_t)real_vfs ()->szOsFile);
    if (operate (d, false))
        return SQLITE_CANTOPEN;
    int rc = real_vfs ()->xOpen (real_vfs (), path, b->real, flags, out);
    if (rc != SQLITE_OK)
        return rc;
    b->base.pMethods = &METHODS;
    if (d->remember && path &&
        (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL))) {
        b->image = image_of (d, path);
        b->image->gone = false;
    }
    return SQLITE_OK;
}

static int v_delete (sqlite3_vfs *vfs, const char *path, int sync_dir)
{
    struct bad_disk *d = disk_of (vfs);
    if (operate (d, false))
        return SQLITE_IOERR_DELETE;
    for (struct image *i = d->images; i; i = i->next)
        if (strcmp (i->path, path) == 0) {
            synced (i);
            resize (&i->safe, 0);
            i->gone = true;
        }
    return real_vfs ()->xDelete (real_vfs (), path, sync_dir);
}

static int v_error (sqlite3_vfs *vfs, int len, char *text)
{
    (void)len;
    (void)text;
    return disk_of (vfs)->last;
}

void bad_disk_init (struct bad_disk *d)
{
    static unsigned count;
    *d = (struct bad_disk){.left = -1};
    snprintf (d->name, sizeof d->name, "bad-disk-%u", count++);
    pthread_mutex_init (&d->lock, NULL);
    pthread_cond_init (&d->moved, NULL);
    sqlite3_vfs *vfs = mem_zalloc (sizeof *vfs);
    *vfs = *real_vfs ();
    vfs->szOsFile = (int)sizeof (struct bad_file) + real_vfs ()->szOsFile;
    vfs->zName = d->name;
    vfs->pAppData = d;
    vfs->pNext = NULL;
    vfs->xOpen = v_open;
    vfs->xDelete = v_delete;
    vfs->xGetLastError = v_error;
    assert_int_equal (sqlite3_vfs_register (vfs, 0), SQLITE_OK);
}

void bad_disk_fini (struct bad_disk *d)
{
    struct image *i;
    sqlite3_vfs *vfs = sqlite3_vfs_find (d->name);
    sqlite3_vfs_unregister (vfs);
    free (vfs);
    while ((i = d->images)) {
        struct op *op;
        d->images = i->next;
        while ((op = STAILQ_FIRST (&i->ops)))
            drop_op (i, op);
        free (i->safe.at);
        free (i->path);
        free (i);
    }
    pthread_mutex_destroy (&d->lock);
    pthread_cond_destroy (&d->moved);
}
