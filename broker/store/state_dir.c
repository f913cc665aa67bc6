#include "broker/store/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

static const char *const FILES[] = {"lock", "mark", "state.db", "state.db-wal", "state.db-shm"};

char *state_dir_file (const char *dir, const char *name)
{
    return mem_printf ("%s/%s", dir, name);
}

int state_dir_sync (const char *dir, struct err *e)
{
    int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync (fd) < 0 ? err_sys (e, errno, "cannot sync %s", dir) : 0;
    if (fd >= 0)
        close (fd);
    return rc;
}

static int check_owner (const char *path, const struct stat *st, const char *mode, struct err *e)
{
    if (st->st_uid != geteuid ())
        return err_set (e, EPERM, "%s belongs to user %lu, not to this one (%lu): chown it", path,
                        (unsigned long)st->st_uid, (unsigned long)geteuid ());
    if (st->st_mode & 077)
        return err_set (e, EPERM, "%s is open to others: chmod %s %s", path, mode, path);
    return 0;
}

static int check_dir (const char *path, struct err *e)
{
    struct stat st;
    if (stat (path, &st) < 0)
        return err_sys (e, errno, "%s", path);
    if (!S_ISDIR (st.st_mode))
        return err_set (e, ENOTDIR, "%s is not a directory", path);
    return check_owner (path, &st, "700", e);
}

static int check_files (const char *dir, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof FILES / sizeof *FILES; i++) {
        struct stat st;
        char *path = state_dir_file (dir, FILES[i]);
        if (lstat (path, &st) < 0)
            rc = errno == ENOENT ? 0 : err_sys (e, errno, "%s", path);
        else if (!S_ISREG (st.st_mode))
            rc = err_set (e, EPERM, "%s is no plain file", path);
        else
            rc = check_owner (path, &st, "600", e);
        free (path);
    }
    return rc;
}

/* A new directory is only there for good when its parent says so on the disk. */
static int sync_parent (const char *path, struct err *e)
{
    char *copy = mem_strdup (path);
    int rc = state_dir_sync (dirname (copy), e);
    free (copy);
    return rc;
}

static int make (const char *path, struct err *e)
{
    if (mkdir (path, 0700) == 0)
        return sync_parent (path, e);
    if (errno == EEXIST)
        return 0;
    return err_sys (e, errno, "cannot make %s", path);
}

static long holder (int fd)
{
    char text[24] = "";
    ssize_t n = pread (fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol (text, NULL, 10) : 0;
}

static int refuse_second (int fd, const char *dir, struct err *e)
{
    long pid = holder (fd);
    if (pid > 0)
        return err_set (e, EBUSY, "%s is in use by another broker, pid %ld", dir, pid);
    return err_set (e, EBUSY, "%s is in use by another broker", dir);
}

static int refuse_reader (int fd, const char *dir, struct err *e)
{
    return err_set (e, EBUSY, "%s is in use by a broker, pid %ld: ask that one, without --state",
                    dir, holder (fd));
}

static int lock (struct state_dir *d, struct err *e)
{
    char *path = state_dir_file (d->path, "lock");
    int rc = 0;
    int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        rc = err_sys (e, errno, "cannot open %s", path);
    else if (flock (fd, LOCK_EX | LOCK_NB) < 0)
        rc = errno == EWOULDBLOCK ? refuse_second (fd, d->path, e)
                                  : err_sys (e, errno, "cannot lock %s", path);
    free (path);
    if (rc < 0) {
        if (fd >= 0)
            close (fd);
        return -1;
    }
    /* the pid is for people: a full disk is no reason to stop here */
    if (ftruncate (fd, 0) < 0 || dprintf (fd, "%ld\n", (long)getpid ()) < 0)
        errno = 0;
    d->lock_fd = fd;
    return 0;
}

int state_dir_open (struct state_dir *d, const char *path, struct err *e)
{
    *d = (struct state_dir){.lock_fd = -1};
    if (make (path, e) < 0)
        return -1;
    d->path = realpath (path, NULL);
    if (!d->path)
        return err_sys (e, errno, "%s", path);
    if (check_dir (d->path, e) == 0 && check_files (d->path, e) == 0 && lock (d, e) == 0)
        return 0;
    free (d->path);
    d->path = NULL;
    return -1;
}

/* Where there is no file to lock, no broker was ever there. */
static int lock_for_reading (struct state_dir *d, struct err *e)
{
    char *path = state_dir_file (d->path, "lock");
    int rc = 0;
    d->lock_fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (d->lock_fd < 0 && errno != ENOENT)
        rc = err_sys (e, errno, "cannot open %s", path);
    else if (d->lock_fd >= 0 && flock (d->lock_fd, LOCK_EX | LOCK_NB) < 0)
        rc = errno == EWOULDBLOCK ? refuse_reader (d->lock_fd, d->path, e)
                                  : err_sys (e, errno, "cannot lock %s", path);
    free (path);
    return rc;
}

int state_dir_read (struct state_dir *d, const char *path, struct err *e)
{
    *d = (struct state_dir){.path = realpath (path, NULL), .lock_fd = -1};
    if (!d->path)
        return err_sys (e, errno, "%s", path);
    return lock_for_reading (d, e);
}

void state_dir_close (struct state_dir *d)
{
    if (!d->path)
        return;
    if (d->lock_fd >= 0)
        close (d->lock_fd);
    free (d->path);
    *d = (struct state_dir){.lock_fd = -1};
}
