#include "broker/store/wal_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

enum { HEADER = 32, FRAME_HEADER = 24, PAGE_MIN = 512, PAGE_MAX = 65536 };

#define MAGIC_LITTLE 0x377f0682u
#define MAGIC_BIG 0x377f0683u
#define WAL_VERSION 3007000u

struct sums {
    uint32_t s0, s1;
};

struct scan {
    int fd;
    bool big; /* checksums read words as big-endian */
    uint32_t page_size;
    uint8_t salt[8];
    uint8_t *frame; /* header and page */
};

static uint32_t be32 (const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t le32 (const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sums add (struct sums s, bool big, const uint8_t *p, size_t len)
{
    for (const uint8_t *end = p + len; p < end; p += 8) {
        s.s0 += (big ? be32 (p) : le32 (p)) + s.s1;
        s.s1 += (big ? be32 (p + 4) : le32 (p + 4)) + s.s0;
    }
    return s;
}

static struct sums stored (const uint8_t *p)
{
    return (struct sums){be32 (p), be32 (p + 4)};
}

static bool equal (struct sums a, struct sums b)
{
    return a.s0 == b.s0 && a.s1 == b.s1;
}

static size_t frame_bytes (const struct scan *s)
{
    return FRAME_HEADER + (size_t)s->page_size;
}

static uint64_t offset_of (const struct scan *s, uint64_t frame)
{
    return HEADER + (frame - 1) * (uint64_t)frame_bytes (s);
}

/* Reads frame `n` (from 1) into s->frame; false where the file does not hold all of it. */
static bool load (struct scan *s, uint64_t n)
{
    size_t want = frame_bytes (s), have = 0;
    while (have < want) {
        ssize_t got = pread (s->fd, s->frame + have, want - have, (off_t)(offset_of (s, n) + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static bool same_log (const struct scan *s)
{
    return memcmp (s->frame + 8, s->salt, sizeof s->salt) == 0;
}

static bool ends_transaction (const struct scan *s)
{
    return be32 (s->frame + 4) != 0;
}

/* Does the loaded frame continue the checksum `before`? */
static bool continues (const struct scan *s, struct sums before)
{
    struct sums sum = add (before, s->big, s->frame, 8);
    sum = add (sum, s->big, s->frame + FRAME_HEADER, s->page_size);
    return be32 (s->frame) != 0 && equal (sum, stored (s->frame + 16));
}

/* The frames behind a bad one, each judged by what its predecessor says of itself. */
static void look_behind (struct scan *s, struct wal_report *r)
{
    struct sums before = stored (s->frame + 16); /* of the bad frame */
    bool ended = same_log (s) && ends_transaction (s);
    bool mine = same_log (s);
    uint64_t last_mine = mine ? r->bad_frame : 0;
    for (uint64_t n = r->bad_frame + 1; load (s, n); n++) {
        mine = same_log (s);
        if (mine)
            last_mine = n;
        if (mine && continues (s, before)) {
            r->later++;
            r->later_next |= ended;
            ended |= ends_transaction (s);
            r->later_commits += ends_transaction (s);
        }
        before = stored (s->frame + 16);
    }
    if (last_mine)
        r->torn = offset_of (s, last_mine + 1);
}

static void walk (struct scan *s, struct sums before, struct wal_report *r)
{
    r->end = HEADER;
    for (uint64_t n = 1;; n++) {
        if (!load (s, n)) {
            if (offset_of (s, n) < r->bytes) {
                r->bad_frame = n;
                r->bad_offset = offset_of (s, n);
            }
            r->torn = r->bytes;
            break;
        }
        if (!same_log (s) || !continues (s, before)) {
            r->bad_frame = n;
            r->bad_offset = offset_of (s, n);
            r->torn = offset_of (s, n);
            look_behind (s, r);
            break;
        }
        before = stored (s->frame + 16);
        r->frames = n;
        if (ends_transaction (s)) {
            r->commits++;
            r->end = offset_of (s, n + 1);
        }
    }
    r->torn = r->torn > r->end ? r->torn - r->end : 0;
}

static bool page_size_fits (uint32_t size)
{
    return size >= PAGE_MIN && size <= PAGE_MAX && (size & (size - 1)) == 0;
}

/* A damaged header hides all frames. Whether there were any of its own is told by the first, which
 * continues the header's checksum: the one that stands there, or the one that its bytes have. */
static void look_past_header (struct scan *s, const uint8_t *h, struct wal_report *r)
{
    r->header_bad = true;
    for (uint32_t size = PAGE_MIN; size <= PAGE_MAX; size *= 2)
        for (int big = 0; big < 2; big++) {
            s->page_size = size;
            s->big = big;
            if (!load (s, 1))
                continue;
            memcpy (s->salt, s->frame + 8, sizeof s->salt);
            struct sums whole = add ((struct sums){0, 0}, big, h, 24);
            if (!continues (s, stored (h + 24)) && !continues (s, whole))
                continue;
            r->later = 1;
            r->later_commits = ends_transaction (s);
            look_behind (s, r);
            return;
        }
}

static bool read_header (struct scan *s, uint8_t h[HEADER])
{
    return pread (s->fd, h, HEADER, 0) == HEADER;
}

static void scan (struct scan *s, struct wal_report *r)
{
    uint8_t h[HEADER];
    if (!read_header (s, h)) {
        r->header_bad = true;
        return;
    }
    uint32_t magic = be32 (h);
    s->big = magic == MAGIC_BIG;
    s->page_size = be32 (h + 8);
    memcpy (s->salt, h + 16, sizeof s->salt);
    struct sums sum = add ((struct sums){0, 0}, s->big, h, 24);
    if ((magic != MAGIC_LITTLE && magic != MAGIC_BIG) || be32 (h + 4) != WAL_VERSION ||
        !page_size_fits (s->page_size) || !equal (sum, stored (h + 24)))
        look_past_header (s, h, r);
    else
        walk (s, sum, r);
}

int wal_scan (const char *path, struct wal_report *r, struct err *e)
{
    struct stat st;
    *r = (struct wal_report){0};
    struct scan s = {.fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (s.fd < 0)
        return errno == ENOENT ? 0 : err_sys (e, errno, "cannot open %s", path);
    int rc = fstat (s.fd, &st) < 0 ? err_sys (e, errno, "%s", path) : 0;
    if (rc == 0 && st.st_size > 0) {
        r->bytes = (uint64_t)st.st_size;
        s.frame = mem_zalloc (FRAME_HEADER + PAGE_MAX);
        scan (&s, r);
    }
    free (s.frame);
    close (s.fd);
    return rc;
}
