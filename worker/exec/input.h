/* input: the standard input of a task, fed live from messages.
 *
 * What the pipe does not take yet waits here. A task that does not read, or has closed its end, is
 * no error: what comes then is thrown away, and counts as taken.
 */
#ifndef DROVER_WORKER_EXEC_INPUT_H
#define DROVER_WORKER_EXEC_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"
#include "common/base/buf.h"
#include "common/base/bytes.h"

#define INPUT_WAITING (1u << 20) /* bytes that may wait; a client sends at most 256 KiB ahead */

struct input {
    int fd;         /* the pipe's end; -1: none, or closed */
    bool eof;       /* nothing more will come: close when all is written */
    uint64_t came;  /* bytes that came in messages */
    uint64_t taken; /* bytes that were written or thrown away */
    uint64_t told;  /* `taken` as the agent knows it */
    struct buf waiting;
};

void input_init (struct input *in);
void input_fini (struct input *in);

/* A new task, whose stdin is the other end of this pipe (closed by the input). */
void input_start (struct input *in, int fd);

/* Bytes from a message. What came before is passed over (a client says it again when its broker was
 * restarted). More than INPUT_WAITING waiting closes the pipe. Writes what the pipe takes.
 * False, and nothing is taken: what comes before these bytes is missing, and the task still reads.
 */
bool input_add (struct input *in, uint64_t offset, struct bytes bytes, bool eof);

/* Write on, when poll() says POLLOUT (or POLLERR). */
void input_write (struct input *in);

/* Whether there is something to write. */
bool input_wants (const struct input *in);

/* The task has ended: close, and throw away what waits. */
void input_end (struct input *in);

#endif
