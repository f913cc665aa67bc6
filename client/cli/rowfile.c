/* rowfile: see rowfile.h. A row is the number of its values, their lengths, and their bytes. */
#include "client/cli/rowfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"

struct rowfile {
    FILE *file;
    drover_bytes_t *values; /* of the row that was read last, ... */
    size_t values_size;
    char *bytes; /* ... and what they are */
    size_t bytes_size;
};

static int open_file (const char *dir, struct err *e)
{
    int fd = open (dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) { /* not on every file system */
        char *name = mem_printf ("%s/drover-XXXXXX", dir);

        fd = mkostemp (name, O_CLOEXEC);
        if (fd >= 0)
            unlink (name);
        free (name);
    }
    if (fd < 0)
        return err_sys (e, errno, "cannot make a temporary file for the input in %s", dir);
    return fd;
}

struct rowfile *rowfile_new (struct err *e)
{
    const char *dir = getenv ("TMPDIR");
    int fd = open_file (dir && *dir ? dir : "/tmp", e);
    FILE *file = fd < 0 ? NULL : fdopen (fd, "w+");
    struct rowfile *f;

    if (fd >= 0 && !file) {
        err_sys (e, errno, "cannot keep the input");
        close (fd);
    }
    if (!file)
        return NULL;
    f = mem_zalloc (sizeof *f);
    f->file = file;
    return f;
}

void rowfile_free (struct rowfile **f)
{
    if (!*f)
        return;
    fclose ((*f)->file);
    free ((*f)->values);
    free ((*f)->bytes);
    free (*f);
    *f = NULL;
}

static int write_failed (struct err *e)
{
    return err_sys (e, errno, "cannot keep the input in a temporary file");
}

int rowfile_add (struct rowfile *f, const drover_bytes_t *values, size_t count, struct err *e)
{
    uint64_t n = count;

    fwrite (&n, sizeof n, 1, f->file);
    for (size_t i = 0; i < count; i++) {
        n = values[i].len;
        fwrite (&n, sizeof n, 1, f->file);
    }
    for (size_t i = 0; i < count; i++)
        if (values[i].len)
            fwrite (values[i].ptr, values[i].len, 1, f->file);
    return ferror (f->file) ? write_failed (e) : 0;
}

int rowfile_rewind (struct rowfile *f, struct err *e)
{
    if (ferror (f->file) || fflush (f->file) != 0 || fseeko (f->file, 0, SEEK_SET) != 0)
        return write_failed (e);
    return 0;
}

/* What was written by this process, and is no longer there. */
static int damaged (const struct rowfile *f, struct err *e)
{
    return err_sys (e, ferror (f->file) ? errno : EIO, "cannot read the input that was kept");
}

static int read_lengths (struct rowfile *f, size_t count, size_t *bytes)
{
    if (count > f->values_size) {
        f->values = mem_resize (f->values, count, sizeof *f->values);
        f->values_size = count;
    }
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t len;

        if (fread (&len, sizeof len, 1, f->file) != 1)
            return -1;
        f->values[i].len = len;
        *bytes += len;
    }
    return 0;
}

static int read_bytes (struct rowfile *f, size_t count, size_t bytes)
{
    char *at;

    if (bytes > f->bytes_size) {
        f->bytes = mem_resize (f->bytes, bytes, 1);
        f->bytes_size = bytes;
    }
    if (bytes && fread (f->bytes, bytes, 1, f->file) != 1)
        return -1;
    at = f->bytes;
    for (size_t i = 0; i < count; i++) {
        f->values[i].ptr = at;
        if (at)
            at += f->values[i].len;
    }
    return 0;
}

int rowfile_next (void *rowfile, const drover_bytes_t **values, size_t *count, struct err *e)
{
    struct rowfile *f = rowfile;
    uint64_t n;
    size_t bytes;

    if (fread (&n, sizeof n, 1, f->file) != 1)
        return ferror (f->file) ? damaged (f, e) : 0;
    if (read_lengths (f, n, &bytes) < 0 || read_bytes (f, n, bytes) < 0)
        return damaged (f, e);
    *values = f->values;
    *count = n;
    return 1;
}
