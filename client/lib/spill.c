#include "client/lib/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"

static int make_file (struct spill *s, struct err *e)
{
    if (s->fd >= 0)
        return 0;
    s->fd = open (s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) { /* not on every file system */
        char *name = mem_printf ("%s/drover-XXXXXX", s->dir);
        s->fd = mkostemp (name, O_CLOEXEC);
        if (s->fd >= 0)
            unlink (name);
        free (name);
    }
    if (s->fd < 0)
        return err_sys (e, errno, "cannot make a temporary file for large output in %s", s->dir);
    return 0;
}

void spill_init (struct spill *s, const char *dir)
{
    if (!dir)
        dir = getenv ("TMPDIR");
    *s = (struct spill){.dir = mem_strdup (dir && *dir ? dir : "/tmp"), .fd = -1};
}

void spill_fini (struct spill *s)
{
    if (s->fd >= 0)
        close (s->fd);
    free (s->dir);
    *s = (struct spill){.fd = -1};
}

int spill_write (struct spill *s, const void *bytes, size_t len, struct extent *x, struct err *e)
{
    if (make_file (s, e) != 0)
        return -1;
    const char *from = bytes;
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite (s->fd, from + done, len - done, (off_t)(s->end + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys (e, n ? errno : ENOSPC, "cannot keep large output in %s", s->dir);
        done += (size_t)n;
    }
    *x = (struct extent){s->end, len};
    s->end += len;
    s->live += len;
    return 0;
}

int spill_read (const struct spill *s, uint64_t at, void *to, size_t len, struct err *e)
{
    char *p = to;
    for (size_t done = 0; done < len;) {
        ssize_t n = pread (s->fd, p + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys (e, n ? errno : EIO, "cannot read large output back from %s", s->dir);
        done += (size_t)n;
    }
    return 0;
}

void spill_drop (struct spill *s, struct extent x)
{
    s->live -= x.len;
    if (s->live == 0) {
        s->end = 0;
        if (ftruncate (s->fd, 0) == 0)
            return;
    }
    /* A file system without holes keeps the blocks until the end: that costs space, nothing else.
     */
    (void)fallocate (s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)x.at, (off_t)x.len);
}
