/* reader: one buffer, values at its front, room at its end.
 *
 *     bytes  ....[start, scanned: no delimiter in here)[.., end)....
 *
 * What was scanned without finding a delimiter is not scanned again, so that a long value that
 * comes in small pieces costs linear time. Moving bytes to the front happens only when nothing but
 * part of one value is left.
 */
#include "client/cli/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

enum { FIRST_SIZE = 64 * 1024 };

struct reader {
    int fd;
    bool owned; /* the descriptor is closed at the end */
    bool polled;
    bool ended;
    bool nul; /* a NUL was seen that ends no value */
    char *name;
    struct bytes delimiter;
    uint8_t *bytes;
    size_t size;
    size_t start;
    size_t scanned;
    size_t end;
    size_t value_max;
    unsigned long long count; /* values given */
};

static int open_input (struct reader *r, const char *path, struct err *e)
{
    struct stat st;
    r->owned = strcmp (path, "-") != 0;
    r->name = mem_strdup (r->owned ? path : "stdin");
    r->fd = r->owned ? open (path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (r->fd < 0 || fstat (r->fd, &st))
        return err_sys (e, errno, "cannot read %s", r->name);
    if (S_ISDIR (st.st_mode))
        return err_sys (e, EISDIR, "cannot read %s", r->name);
    r->polled = !S_ISREG (st.st_mode);
    return 0;
}

struct reader *reader_open (const char *path, struct bytes delimiter, size_t value_max,
                            struct err *e)
{
    struct reader *r = mem_zalloc (sizeof *r);
    r->delimiter = delimiter;
    r->value_max = value_max;
    if (open_input (r, path, e))
        reader_free (&r);
    return r;
}

void reader_free (struct reader **r)
{
    if (!*r)
        return;
    int saved = errno;
    if ((*r)->owned && (*r)->fd >= 0)
        close ((*r)->fd);
    free ((*r)->name);
    free ((*r)->bytes);
    free (*r);
    *r = NULL;
    errno = saved;
}

static bool ends_lines (const struct reader *r)
{
    return r->delimiter.len == 1 && r->delimiter.ptr[0] == '\n';
}

static int bad_value (const struct reader *r, int code, const char *what, struct err *e)
{
    return err_set (e, code, "%s: %s %llu %s", r->name, ends_lines (r) ? "line" : "value",
                    r->count + 1, what);
}

/* Room for at least one byte behind the present ones. */
static int make_room (struct reader *r, struct err *e)
{
    if (r->start == r->end)
        r->start = r->scanned = r->end = 0;
    if (r->end < r->size)
        return 0;
    if (r->start) {
        memmove (r->bytes, r->bytes + r->start, r->end - r->start);
        r->end -= r->start;
        r->scanned -= r->start;
        r->start = 0;
        return 0;
    }
    size_t size = r->size ? 2 * r->size : FIRST_SIZE;
    uint8_t *bytes = realloc (r->bytes, size);
    if (!bytes)
        return err_set (e, ENOMEM, "%s: no memory for a value of more than %zu bytes", r->name,
                        r->size);
    r->bytes = bytes;
    r->size = size;
    return 0;
}

/* Read once. INPUT_VALUE: something came, or the end did. */
static int fill (struct reader *r, struct err *e)
{
    if (r->polled) {
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        int ready = poll (&p, 1, 0);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            return INPUT_WAIT;
    }
    if (make_room (r, e))
        return -1;
    ssize_t n = read (r->fd, r->bytes + r->end, r->size - r->end);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return INPUT_WAIT;
    if (n < 0)
        return err_sys (e, errno, "cannot read %s", r->name);
    if (r->delimiter.len > 1 || r->delimiter.ptr[0])
        r->nul = r->nul || memchr (r->bytes + r->end, 0, (size_t)n);
    r->end += (size_t)n;
    r->ended = n == 0;
    return INPUT_VALUE;
}

/* The next delimiter, or NULL. */
static const uint8_t *find_delimiter (struct reader *r)
{
    size_t left = r->end - r->scanned;
    const uint8_t *from = r->bytes + r->scanned;
    if (r->delimiter.len == 1)
        return left ? memchr (from, r->delimiter.ptr[0], left) : NULL;
    return left ? memmem (from, left, r->delimiter.ptr, r->delimiter.len) : NULL;
}

/* The value is [start, start + len), the next one begins at `next`. */
static int give (struct reader *r, size_t len, size_t next, struct bytes *value, struct err *e)
{
    *value = bytes_of (r->bytes + r->start, len);
    if (len > r->value_max) {
        char what[64];
        snprintf (what, sizeof what, "is longer than %zu bytes", r->value_max);
        return bad_value (r, EMSGSIZE, what, e);
    }
    if (r->nul && len && memchr (value->ptr, 0, len))
        return bad_value (r, EINVAL,
                          "holds a NUL, which no command can be given (values that a NUL "
                          "ends are read with -0)",
                          e);
    r->start = r->scanned = next;
    r->count++;
    return INPUT_VALUE;
}

int reader_next (struct reader *r, struct bytes *value, struct err *e)
{
    for (;;) {
        const uint8_t *found = find_delimiter (r);
        if (found) {
            size_t at = (size_t)(found - r->bytes);
            return give (r, at - r->start, at + r->delimiter.len, value, e);
        }
        if (r->ended && r->start == r->end)
            return INPUT_END;
        if (r->ended || r->end - r->start > r->value_max + r->delimiter.len)
            return give (r, r->end - r->start, r->end, value, e);
        /* the last bytes may be the beginning of a delimiter */
        if (r->end - r->scanned >= r->delimiter.len)
            r->scanned = r->end - (r->delimiter.len - 1);
        int step = fill (r, e);
        if (step != INPUT_VALUE)
            return step;
    }
}

int reader_fd (const struct reader *r)
{
    return r->fd;
}
