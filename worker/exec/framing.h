/* framing: messages of the protocol over a stream socket between two processes of one worker.
 *
 * A message on the stream is four 32-bit words in host order (the number of frames, then the length
 * of each, 0 where there is none), then the bytes of the frames. No acknowledgements and no numbers
 * are needed here: a socket pair loses nothing while both ends live.
 *
 * Everything is non-blocking. Memory is bounded both ways: the reader holds one read's worth and
 * the message it is in (at most 3 frames of WIRE_FRAME_MAX), the writer refuses what is beyond its
 * limit. Both ends belong to one worker, but the reader checks every length: a function may have
 * written over anything in its executor.
 */
#ifndef DROVER_WORKER_EXEC_FRAMING_H
#define DROVER_WORKER_EXEC_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"
#include "common/wire/wire.h"

struct framing;

/* Around one end of a SOCK_STREAM socket pair, which belongs to the framing from now on and is made
 * non-blocking. `queue_bytes` limits what framing_send() keeps. Never fails. */
struct framing *framing_new (int fd, size_t queue_bytes);

/* Closes the descriptor; what was queued is gone. NULL is fine. */
void framing_free (struct framing **f);

/* For poll(): wait for POLLIN, and for POLLOUT too while framing_want_write(). */
int framing_fd (const struct framing *f);

/* Read what is there, with a bounded number of read() calls. Returns 1 when bytes came, 0 when none
 * are there now, -1 at the end of the stream (e->code EPIPE) or on an error. Call framing_next()
 * until it returns 0 before the next fill. */
int framing_fill (struct framing *f, struct err *e);

/* The next whole message: 1 with `out` filled (the caller finishes it), 0 when there is none yet,
 * -1 when the bytes are no message (EBADMSG: give the peer up). Its frames share one new blob.
 */
int framing_next (struct framing *f, struct wire_frames *out, struct err *e);

/* Queue a message; the framing takes references of its own (borrowed frames are copied). Writes
 * nothing. Fails with EAGAIN, changing nothing, when the queue is over its limit; a message is
 * always taken while the queue is empty. */
int framing_send (struct framing *f, const struct wire_frames *frames, struct err *e);

/* Encode and queue. */
int framing_post (struct framing *f, const struct wire *w, struct err *e);

/* Write as much as the socket takes. 0 (also when some is left), or -1 when the peer is gone. No
 * SIGPIPE. */
int framing_flush (struct framing *f, struct err *e);

/* Whether something is queued, and how many bytes. */
bool framing_want_write (const struct framing *f);
size_t framing_queued (const struct framing *f);

/* Flush all of it, waiting for the socket: for a process that has nothing else to do. */
int framing_flush_all (struct framing *f, struct err *e);

#endif
