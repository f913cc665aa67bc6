/* capture: what a task prints on one stream, on its way to the agent.
 *
 * The reader of a pipe (or what a function says), with a buffer of bounded size: what passes
 * CAPTURE_SEND goes out in pieces while the task runs, the rest goes with its outcome. With a limit
 * (keep_bytes) the first half of it goes out as it comes, of what follows the last half is kept in
 * a ring, and the middle is counted and dropped; reading goes on, so that the task never blocks on
 * it.
 *
 * Pieces carry their true offset in the stream.
 */
#ifndef DROVER_WORKER_EXEC_CAPTURE_H
#define DROVER_WORKER_EXEC_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/wire.h"

#define CAPTURE_SEND (64u << 10) /* more than this is sent before the task has ended */

struct capture {
    int fd; /* the pipe's end; -1: none, or it was closed */
    uint8_t *bytes;
    size_t len;
    uint64_t offset;  /* of bytes[0] in the stream */
    uint64_t total;   /* all that was read */
    uint64_t dropped; /* of it */
    uint64_t end;     /* capture_end(): what was there then ends here */
    uint64_t head;    /* bytes from here on go to the ring; UINT64_MAX: no limit */
    uint8_t *ring;
    size_t ring_size; /* grows up to ring_max */
    size_t ring_max;
    size_t ring_len;
    size_t ring_at; /* of its oldest byte */
};

void capture_init (struct capture *c);
void capture_fini (struct capture *c);

/* A new stream from the pipe's end `fd` (made non-blocking; the capture closes it), -1 for none. */
void capture_start (struct capture *c, int fd, uint64_t keep_bytes);

/* Room to read: false when a piece must be taken first. */
bool capture_has_room (const struct capture *c);

/* Read once. 1: bytes came; 0: none now; -1: the end (the descriptor is closed then). */
int capture_read (struct capture *c);

/* Bytes that come from no pipe: as many of them as there is room for. Returns how many. */
size_t capture_put (struct capture *c, const void *bytes, size_t len);

/* Nobody is to write any more: note how much is in the pipe now, so that a writer that lives on
 * cannot keep the reader for ever. */
void capture_end (struct capture *c);

/* Close the pipe's end. */
void capture_close (struct capture *c);

/* The next piece when more than `over` bytes wait to be sent: true with its bytes (a view until the
 * next call of anything here) and offset; capture_sent() drops it. While the task runs only the
 * bytes before the ring are handed out; after the end (`ended`) the ring too, its oldest first. */
bool capture_piece (const struct capture *c, size_t over, bool ended, struct bytes *piece,
                    uint64_t *offset);
void capture_sent (struct capture *c, size_t len);

/* The next piece as an OUTPUT message, at most WIRE_PIECE_MAX of it: its offset and body (borrowed)
 * are filled. capture_sent() its length. */
bool capture_output (const struct capture *c, size_t over, bool ended, struct wire *w);

/* After the end, with at most CAPTURE_SEND bytes waiting, in one piece: the rest for the outcome.
 */
bool capture_rest (const struct capture *c, struct bytes *rest);

/* A view of what is here of the stream from *offset on, which moves to where that begins; empty
 * when there is nothing. */
struct bytes capture_look (const struct capture *c, uint64_t *offset);

/* Whether bytes were dropped. */
bool capture_cut (const struct capture *c);

#endif
