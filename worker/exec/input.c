/* SIGPIPE is blocked in an executor: a write to a pipe without reader says EPIPE. */
#include "worker/exec/input.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void input_init (struct input *in)
{
    *in = (struct input){.fd = -1};
    buf_init (&in->waiting, INPUT_WAITING);
}

static void close_pipe (struct input *in)
{
    if (in->fd >= 0)
        close (in->fd);
    in->fd = -1;
    buf_fini (&in->waiting);
    in->taken = in->came;
}

void input_fini (struct input *in)
{
    close_pipe (in);
}

void input_start (struct input *in, int fd)
{
    close_pipe (in);
    input_init (in);
    in->fd = fd;
    fcntl (fd, F_SETFL, O_NONBLOCK);
}

void input_end (struct input *in)
{
    close_pipe (in);
}

void input_write (struct input *in)
{
    while (in->fd >= 0 && in->waiting.len) {
        ssize_t n = write (in->fd, in->waiting.bytes, in->waiting.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            close_pipe (in);
            return;
        }
        buf_drop (&in->waiting, (size_t)n);
        in->taken += (size_t)n;
    }
    if (in->eof)
        close_pipe (in);
}

bool input_add (struct input *in, uint64_t offset, struct bytes bytes, bool eof)
{
    if (offset > in->came)
        return in->fd < 0 || in->eof;
    uint64_t seen = in->came - offset;
    if (seen)
        in->told = UINT64_MAX; /* who says it again has not heard how much was taken */
    if (in->eof || seen > bytes.len)
        return true;
    bytes = bytes_of (bytes.ptr + seen, bytes.len - seen);
    in->came += bytes.len;
    in->eof = eof;
    if (in->fd < 0 || buf_append (&in->waiting, bytes.ptr, bytes.len))
        close_pipe (in);
    input_write (in);
    return true;
}

bool input_wants (const struct input *in)
{
    return in->fd >= 0 && in->waiting.len > 0;
}
