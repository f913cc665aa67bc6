/* sink: stdout or stderr, written in large pieces, without ever being stuck there.
 *
 * What is written is gathered in a small buffer and leaves with sink_flush(), or when the buffer is
 * full. Where the reader is slow (a pipe, a terminal), the wait for it also listens to another
 * descriptor, the one that signals come from, so that Ctrl-C is heard. The descriptor is never set
 * to non-blocking: it belongs to other programs as well.
 *
 * A sink that failed takes no more bytes: each further call fails at once with the same error.
 */
#ifndef DROVER_CLI_SINK_H
#define DROVER_CLI_SINK_H

#include <stdbool.h>
#include <stddef.h>

#define SINK_BYTES 65536

/* Called when `wake_fd` is readable during a wait; other than 0 gives up (ECANCELED). */
typedef int sink_wake_fn (void *arg);

struct sink {
    int fd;
    int wake_fd; /* -1: none */
    sink_wake_fn *wake;
    void *arg;
    bool whole; /* a file: a write takes as long as it takes */
    int error;  /* errno of the failure, or 0 */
    size_t len;
    unsigned char bytes[SINK_BYTES];
};

/* A sink for `fd`, which stays the caller's. */
void sink_init (struct sink *s, int fd, int wake_fd, sink_wake_fn *wake, void *arg);

/* 0, or -1 with s->error set. */
int sink_write (struct sink *s, const void *bytes, size_t len);
int sink_flush (struct sink *s);

#endif
