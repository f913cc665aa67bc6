/* bytes[] holds what comes before the ring; the ring holds the stream's last bytes behind `head`.
 * Both are allocated at first use, and kept for the next task.
 */
#include "worker/exec/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/mem.h"

#define BUFFER_BYTES (2 * CAPTURE_SEND)
#define RING_MIN (64u << 10)

void capture_init (struct capture *c)
{
    *c = (struct capture){.fd = -1};
}

void capture_close (struct capture *c)
{
    if (c->fd >= 0)
        close (c->fd);
    c->fd = -1;
}

void capture_fini (struct capture *c)
{
    capture_close (c);
    free (c->bytes);
    free (c->ring);
    capture_init (c);
}

void capture_start (struct capture *c, int fd, uint64_t keep_bytes)
{
    capture_close (c);
    if (!c->bytes)
        c->bytes = mem_zalloc (BUFFER_BYTES);
    free (c->ring);
    c->ring = NULL;
    c->ring_size = c->ring_len = c->ring_at = 0;
    c->fd = fd;
    c->len = 0;
    c->offset = c->total = c->dropped = 0;
    c->head = keep_bytes ? keep_bytes / 2 : UINT64_MAX;
    c->ring_max = keep_bytes ? (size_t)(keep_bytes - keep_bytes / 2) : 0;
    if (fd >= 0)
        fcntl (fd, F_SETFL, O_NONBLOCK);
}

bool capture_has_room (const struct capture *c)
{
    return c->len < BUFFER_BYTES;
}

/* Keep the ring at twice what it holds, up to its greatest size. Without memory it stays as it is:
 * less of the end is kept then. */
static void ring_grow (struct capture *c, size_t more)
{
    size_t want = c->ring_size ? c->ring_size : RING_MIN;
    while (want < c->ring_len + more && want < c->ring_max)
        want *= 2;
    if (want > c->ring_max)
        want = c->ring_max;
    if (want <= c->ring_size)
        return;
    uint8_t *ring = malloc (want);
    if (!ring)
        return;
    size_t first = c->ring_size - c->ring_at;
    if (first > c->ring_len)
        first = c->ring_len;
    if (c->ring_len) {
        memcpy (ring, c->ring + c->ring_at, first);
        memcpy (ring + first, c->ring, c->ring_len - first);
    }
    free (c->ring);
    c->ring = ring;
    c->ring_size = want;
    c->ring_at = 0;
}

static void ring_put (struct capture *c, const uint8_t *p, size_t len)
{
    ring_grow (c, len);
    if (len > c->ring_size) {
        c->dropped += len - c->ring_size;
        p += len - c->ring_size;
        len = c->ring_size;
    }
    if (!len)
        return;
    if (c->ring_len + len > c->ring_size) {
        size_t drop = c->ring_len + len - c->ring_size;
        c->dropped += drop;
        c->ring_at = (c->ring_at + drop) % c->ring_size;
        c->ring_len -= drop;
    }
    size_t at = (c->ring_at + c->ring_len) % c->ring_size;
    size_t first = c->ring_size - at < len ? c->ring_size - at : len;
    memcpy (c->ring + at, p, first);
    memcpy (c->ring, p + first, len - first);
    c->ring_len += len;
}

/* `got` bytes have come behind c->len. */
static void take (struct capture *c, size_t got)
{
    uint64_t left = c->head > c->total ? c->head - c->total : 0;
    size_t keep = left < got ? (size_t)left : got;
    c->total += got;
    if (keep < got)
        ring_put (c, c->bytes + c->len + keep, got - keep);
    c->len += keep;
}

int capture_read (struct capture *c)
{
    ssize_t n = read (c->fd, c->bytes + c->len, BUFFER_BYTES - c->len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        capture_close (c);
        return -1;
    }
    take (c, (size_t)n);
    return 1;
}

size_t capture_put (struct capture *c, const void *bytes, size_t len)
{
    size_t room = BUFFER_BYTES - c->len;
    if (len > room)
        len = room;
    if (len)
        memcpy (c->bytes + c->len, bytes, len);
    take (c, len);
    return len;
}

void capture_end (struct capture *c)
{
    int waiting = 0;
    if (c->fd >= 0)
        ioctl (c->fd, FIONREAD, &waiting);
    c->end = c->total + (uint64_t)waiting;
}

static size_t ring_first (const struct capture *c)
{
    size_t straight = c->ring_size - c->ring_at;
    return straight < c->ring_len ? straight : c->ring_len;
}

bool capture_piece (const struct capture *c, size_t over, bool ended, struct bytes *piece,
                    uint64_t *offset)
{
    size_t waiting = c->len + (ended ? c->ring_len : 0);
    if (waiting <= over)
        return false;
    *piece = c->len ? bytes_of (c->bytes, c->len) : bytes_of (c->ring + c->ring_at, ring_first (c));
    *offset = c->len ? c->offset : c->total - c->ring_len;
    return true;
}

void capture_sent (struct capture *c, size_t len)
{
    if (c->len) {
        memmove (c->bytes, c->bytes + len, c->len - len);
        c->len -= len;
        c->offset += len;
        return;
    }
    c->ring_at = (c->ring_at + len) % c->ring_size;
    c->ring_len -= len;
}

bool capture_output (const struct capture *c, size_t over, bool ended, struct wire *w)
{
    struct bytes piece;
    uint64_t offset;
    if (!capture_piece (c, over, ended, &piece, &offset))
        return false;
    if (piece.len > WIRE_PIECE_MAX)
        piece.len = WIRE_PIECE_MAX;
    *w = (struct wire){.kind = WIRE_OUTPUT};
    w->m.output.offset = offset;
    w->body[0] = slice_borrowed (piece.ptr, piece.len);
    return true;
}

bool capture_rest (const struct capture *c, struct bytes *rest)
{
    if (c->len + c->ring_len > CAPTURE_SEND || (c->len && c->ring_len) ||
        ring_first (c) < c->ring_len)
        return false;
    *rest = c->len ? bytes_of (c->bytes, c->len) : bytes_of (c->ring + c->ring_at, c->ring_len);
    return true;
}

static struct bytes part (const uint8_t *bytes, size_t len, uint64_t begin, uint64_t *offset)
{
    size_t skip = *offset > begin ? (size_t)(*offset - begin) : 0;
    *offset = begin + skip;
    return bytes_of (bytes + skip, len - skip);
}

struct bytes capture_look (const struct capture *c, uint64_t *offset)
{
    uint64_t ring = c->total - c->ring_len; /* where it begins in the stream */
    size_t first = ring_first (c);
    if (c->len && *offset < c->offset + c->len)
        return part (c->bytes, c->len, c->offset, offset);
    if (c->ring_len && *offset < ring + first)
        return part (c->ring + c->ring_at, first, ring, offset);
    if (c->ring_len && *offset < c->total)
        return part (c->ring, c->ring_len - first, ring + first, offset);
    return bytes_of (NULL, 0);
}

bool capture_cut (const struct capture *c)
{
    return c->dropped > 0;
}
