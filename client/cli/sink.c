/* sink: output that is never stuck; see sink.h. */
#include "client/cli/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sink_init (struct sink *s, int fd, int wake_fd, sink_wake_fn *wake, void *arg)
{
    struct stat st;

    s->fd = fd;
    s->wake_fd = wake_fd;
    s->wake = wake;
    s->arg = arg;
    s->whole = fstat (fd, &st) == 0 && (S_ISREG (st.st_mode) || S_ISBLK (st.st_mode));
    s->error = 0;
    s->len = 0;
}

static int sink_fail (struct sink *s, int code)
{
    s->error = code;
    s->len = 0;
    return -1;
}

/* Wait until the descriptor takes bytes. A pipe that polls writable takes PIPE_BUF of them. */
static int sink_wait (struct sink *s)
{
    struct pollfd fds[2] = {{.fd = s->fd, .events = POLLOUT}, {.fd = s->wake_fd, .events = POLLIN}};

    while (fds[0].revents == 0) {
        if (poll (fds, 2, -1) < 0 && errno != EINTR)
            return sink_fail (s, errno);
        if (fds[0].revents == 0 && (fds[1].revents & POLLIN) && s->wake && s->wake (s->arg) != 0)
            return sink_fail (s, ECANCELED);
    }
    return 0;
}

static int sink_out (struct sink *s, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        size_t piece = s->whole || len < PIPE_BUF ? len : PIPE_BUF;
        ssize_t n;

        if (!s->whole && sink_wait (s) < 0)
            return -1;
        n = write (s->fd, bytes, piece);
        if (n < 0) {
            if (errno == EINTR || errno == EAGAIN)
                continue;
            return sink_fail (s, errno);
        }
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

int sink_flush (struct sink *s)
{
    size_t len = s->len;

    if (s->error)
        return -1;
    s->len = 0;
    return sink_out (s, s->bytes, len);
}

int sink_write (struct sink *s, const void *bytes, size_t len)
{
    if (s->error)
        return -1;
    if (len > sizeof s->bytes - s->len && sink_flush (s) < 0)
        return -1;
    if (len >= sizeof s->bytes)
        return sink_out (s, bytes, len);
    if (len > 0)
        memcpy (s->bytes + s->len, bytes, len);
    s->len += len;
    return 0;
}
