/* One buffer for what comes in small, one blob for a message that is larger than the buffer, and a
 * queue of frames for what goes out. What is in `in` before `taken` was handed out; a message is
 * copied from there once, into a blob of its own size, so that keeping it keeps nothing else.
 */
#include "worker/exec/framing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/mem.h"

#define FRAMES_MAX (1 + WIRE_BODIES)
#define IN_BYTES (64u << 10)
#define IOV_MAX_USED 64

struct table {
    uint32_t count;
    uint32_t len[FRAMES_MAX];
};

struct item {
    struct table table;
    struct wire_frames frames;
};

struct framing {
    int fd;
    /* in */
    uint8_t *in;
    size_t taken;       /* bytes of `in` that are done with */
    size_t filled;      /* bytes of `in` that are there */
    struct blob *large; /* a message that does not fit in `in`, ... */
    struct table large_table;
    size_t large_filled; /* ... and how much of it is there */
    /* out: items[head .. head + count) of a ring whose size is a power of two */
    struct item *items;
    size_t size, head, count;
    size_t head_sent; /* bytes of the first item that have left */
    size_t queued;    /* bytes of all items that have not left */
    size_t limit;
};

struct framing *framing_new (int fd, size_t queue_bytes)
{
    struct framing *f = mem_zalloc (sizeof *f);
    f->fd = fd;
    f->limit = queue_bytes;
    f->in = mem_zalloc (IN_BYTES);
    f->size = 16;
    f->items = mem_resize (NULL, f->size, sizeof *f->items);
    fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
    return f;
}

static void drop_head (struct framing *f)
{
    wire_frames_fini (&f->items[f->head].frames);
    f->head = (f->head + 1) & (f->size - 1);
    f->count--;
    f->head_sent = 0;
}

void framing_free (struct framing **fp)
{
    struct framing *f = *fp;
    *fp = NULL;
    if (!f)
        return;
    int saved = errno;
    while (f->count)
        drop_head (f);
    blob_unref (&f->large);
    free (f->items);
    free (f->in);
    close (f->fd);
    free (f);
    errno = saved;
}

int framing_fd (const struct framing *f)
{
    return f->fd;
}

/* --- in -------------------------------------------------------------------------------------- */

static size_t table_bytes (const struct table *t)
{
    size_t sum = 0;
    for (unsigned i = 0; i < t->count; i++)
        sum += t->len[i];
    return sum;
}

static int table_check (const struct table *t, struct err *e)
{
    if (t->count < 1 || t->count > FRAMES_MAX || t->len[0] > WIRE_HEADER_MAX)
        return err_set (e, EBADMSG, "no message on the executor's stream");
    for (unsigned i = 0; i < FRAMES_MAX; i++)
        if (t->len[i] > (i < t->count ? WIRE_FRAME_MAX : 0))
            return err_set (e, EBADMSG, "frame of %u bytes on the executor's stream", t->len[i]);
    return 0;
}

/* Takes the blob. */
static void hand_out (struct wire_frames *out, const struct table *t, struct blob *blob)
{
    struct slice whole = slice_of_take (blob);
    size_t at = 0;
    *out = (struct wire_frames){.count = t->count};
    for (unsigned i = 0; i < t->count; i++) {
        out->frame[i] = slice_sub (&whole, at, t->len[i]);
        at += t->len[i];
    }
    slice_fini (&whole);
}

int framing_fill (struct framing *f, struct err *e)
{
    uint8_t *to;
    size_t room;
    if (f->large) {
        to = blob_bytes (f->large) + f->large_filled;
        room = blob_len (f->large) - f->large_filled;
    } else {
        if (f->taken) {
            memmove (f->in, f->in + f->taken, f->filled - f->taken);
            f->filled -= f->taken;
            f->taken = 0;
        }
        to = f->in + f->filled;
        room = IN_BYTES - f->filled;
    }
    if (!room) /* the caller has not taken what is there */
        return 1;
    /* said each time: a function may have made the descriptor a blocking one */
    ssize_t n = recv (f->fd, to, room, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        return err_sys (e, errno, "cannot read from the executor's stream");
    if (n == 0)
        return err_set (e, EPIPE, "the other end of the executor's stream is closed");
    if (f->large)
        f->large_filled += (size_t)n;
    else
        f->filled += (size_t)n;
    return 1;
}

static int next_large (struct framing *f, struct wire_frames *out)
{
    if (f->large_filled < blob_len (f->large))
        return 0;
    hand_out (out, &f->large_table, f->large);
    f->large = NULL;
    return 1;
}

int framing_next (struct framing *f, struct wire_frames *out, struct err *e)
{
    *out = (struct wire_frames){0};
    if (f->large)
        return next_large (f, out);
    struct table t;
    size_t there = f->filled - f->taken;
    if (there < sizeof t)
        return 0;
    memcpy (&t, f->in + f->taken, sizeof t);
    if (table_check (&t, e))
        return -1;
    size_t bytes = table_bytes (&t);
    there -= sizeof t;
    if (there < bytes && sizeof t + bytes <= IN_BYTES)
        return 0;
    struct blob *blob = blob_new (bytes);
    if (!blob)
        return err_set (e, ENOMEM, "no memory for a message of %zu bytes", bytes);
    size_t copy = there < bytes ? there : bytes;
    memcpy (blob_bytes (blob), f->in + f->taken + sizeof t, copy);
    f->taken += sizeof t + copy;
    if (copy < bytes) {
        f->large = blob;
        f->large_table = t;
        f->large_filled = copy;
        return 0;
    }
    hand_out (out, &t, blob);
    return 1;
}

/* --- out ------------------------------------------------------------------------------------- */

static void grow (struct framing *f)
{
    struct item *items = mem_resize (NULL, 2 * f->size, sizeof *items);
    for (size_t i = 0; i < f->count; i++)
        items[i] = f->items[(f->head + i) & (f->size - 1)];
    free (f->items);
    f->items = items;
    f->size *= 2;
    f->head = 0;
}

static bool has_room (const struct framing *f, size_t bytes)
{
    return f->queued == 0 || f->queued + bytes <= f->limit;
}

static void push_take (struct framing *f, struct wire_frames *frames)
{
    if (f->count == f->size)
        grow (f);
    struct item *it = &f->items[(f->head + f->count++) & (f->size - 1)];
    *it = (struct item){.table.count = frames->count, .frames = *frames};
    for (unsigned i = 0; i < frames->count; i++)
        it->table.len[i] = (uint32_t)frames->frame[i].len;
    f->queued += sizeof it->table + table_bytes (&it->table);
    *frames = (struct wire_frames){0};
}

static int full (struct err *e)
{
    return err_set (e, EAGAIN, "the queue to the executor's other end is full");
}

int framing_send (struct framing *f, const struct wire_frames *frames, struct err *e)
{
    if (!has_room (f, sizeof (struct table) + wire_frames_bytes (frames)))
        return full (e);
    struct wire_frames kept = {.count = frames->count};
    for (unsigned i = 0; i < frames->count; i++) {
        kept.frame[i] = slice_keep (&frames->frame[i]);
        if (kept.frame[i].len != frames->frame[i].len) {
            wire_frames_fini (&kept);
            return err_set (e, ENOMEM, "no memory for a frame of %zu bytes", frames->frame[i].len);
        }
    }
    push_take (f, &kept);
    return 0;
}

int framing_post (struct framing *f, const struct wire *w, struct err *e)
{
    size_t bytes = sizeof (struct table) + 64;
    for (unsigned i = 0; i < WIRE_BODIES; i++)
        bytes += w->body[i].len;
    if (!has_room (f, bytes))
        return full (e);
    struct wire_frames frames;
    if (wire_encode (w, &frames, e))
        return -1;
    push_take (f, &frames);
    return 0;
}

/* What is left of the part of `len` bytes that begins at byte `at` of the item, when `sent` bytes
 * of the item have left. */
static int add_part (struct iovec *v, const void *bytes, size_t len, size_t at, size_t sent)
{
    size_t skip = sent > at ? sent - at : 0;
    if (skip >= len)
        return 0;
    *v = (struct iovec){(uint8_t *)(uintptr_t)bytes + skip, len - skip};
    return 1;
}

static int gather (struct framing *f, struct iovec *v)
{
    int n = 0;
    size_t sent = f->head_sent;
    for (size_t i = 0; i < f->count && n + 1 + FRAMES_MAX <= IOV_MAX_USED; i++) {
        struct item *it = &f->items[(f->head + i) & (f->size - 1)];
        size_t at = sizeof it->table;
        n += add_part (&v[n], &it->table, sizeof it->table, 0, sent);
        for (unsigned k = 0; k < it->frames.count; k++) {
            n += add_part (&v[n], it->frames.frame[k].ptr, it->frames.frame[k].len, at, sent);
            at += it->frames.frame[k].len;
        }
        sent = 0;
    }
    return n;
}

static void advance (struct framing *f, size_t n)
{
    f->queued -= n;
    f->head_sent += n;
    while (f->count) {
        size_t whole = sizeof (struct table) + table_bytes (&f->items[f->head].table);
        if (f->head_sent < whole)
            break;
        size_t rest = f->head_sent - whole;
        drop_head (f);
        f->head_sent = rest;
    }
}

int framing_flush (struct framing *f, struct err *e)
{
    while (f->count) {
        struct iovec v[IOV_MAX_USED];
        struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)gather (f, v)};
        ssize_t n = sendmsg (f->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0)
            return err_sys (e, errno, "cannot write to the executor's stream");
        advance (f, (size_t)n);
    }
    return 0;
}

bool framing_want_write (const struct framing *f)
{
    return f->count > 0;
}

size_t framing_queued (const struct framing *f)
{
    return f->queued;
}

int framing_flush_all (struct framing *f, struct err *e)
{
    while (!framing_flush (f, e)) {
        if (!f->count)
            return 0;
        struct pollfd p = {.fd = f->fd, .events = POLLOUT};
        if (poll (&p, 1, -1) < 0 && errno != EINTR)
            return err_sys (e, errno, "cannot wait for the executor's stream");
    }
    return -1;
}
