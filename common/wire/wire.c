/* wire: one encoder and one decoder for all kinds, driven by the table of kinds.h.
 *
 * Writing goes through msgpack-c. Reading does not: the fields of a header are read one after the
 * other with scan, so that a decode allocates nothing that the bytes announce, and strings are
 * views of the header frame. The preamble has a fixed form (array 16, two uint 64), so that
 * wire_stamp() can write its numbers into a message that was encoded long before.
 */
#include "common/wire/wire.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/kinds.h"
#include "common/wire/pack.h"
#include "common/wire/scan.h"

#define FIXED 4 /* bytes before the array */
#define AT_FLAGS 3
#define AT_SEQ (FIXED + 3 + 1)
#define AT_ACK (AT_SEQ + 8 + 1)
#define PREAMBLE (AT_ACK + 8)
#define FLAGS_KNOWN (WIRE_FLAG_MUST_UNDERSTAND | WIRE_FLAG_ACK_NOW)
#define ARRAY_16 0xdc
#define UINT_64 0xcf

static void put_u64 (uint8_t *p, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        p[i] = (uint8_t)value;
}

static void put_preamble (uint8_t *p, const struct wire *w, unsigned items)
{
    p[0] = WIRE_MAGIC;
    p[1] = WIRE_MAJOR;
    p[2] = (uint8_t)w->kind;
    p[AT_FLAGS] = (uint8_t)w->flags;
    p[FIXED] = ARRAY_16;
    p[FIXED + 1] = (uint8_t)(items >> 8);
    p[FIXED + 2] = (uint8_t)items;
    p[AT_SEQ - 1] = UINT_64;
    put_u64 (p + AT_SEQ, w->seq);
    p[AT_ACK - 1] = UINT_64;
    put_u64 (p + AT_ACK, w->ack);
}

static int too_big (struct err *e, const struct wire_kind_info *k, const char *what, uint64_t is,
                    uint64_t most)
{
    return err_set (e, EMSGSIZE, "%s: %s is %" PRIu64 ", the limit is %" PRIu64, k->name, what, is,
                    most);
}

static int put_field (msgpack_packer *pk, const struct wire *w, const struct wire_kind_info *k,
                      const struct wire_field *f, struct err *e)
{
    const void *at = (const char *)&w->m + f->offset;
    if (f->text) {
        const struct bytes *text = at;
        if (text->len > f->greatest)
            return too_big (e, k, f->name, text->len, f->greatest);
        pack_bytes (pk, *text);
        return 0;
    }
    uint64_t number = *(const uint64_t *)at;
    if (number > f->greatest)
        return too_big (e, k, f->name, number, f->greatest);
    msgpack_pack_uint64 (pk, number);
    return 0;
}

/* The header into `b`, which has room for the largest. */
static int put_header (struct buf *b, const struct wire *w, const struct wire_kind_info *k,
                       struct err *e)
{
    put_preamble (b->bytes, w, 2 + k->fields);
    b->len = PREAMBLE;
    msgpack_packer pk = pack_to (b);
    for (unsigned i = 0; i < k->fields; i++)
        if (put_field (&pk, w, k, &k->field[i], e) != 0)
            return -1;
    if (b->failed)
        return err_set (e, EMSGSIZE, "%s: the header is longer than %u bytes", k->name,
                        WIRE_HEADER_MAX);
    return 0;
}

static int put_bodies (struct wire_frames *f, const struct wire *w, const struct wire_kind_info *k,
                       struct err *e)
{
    unsigned bodies = WIRE_BODIES;
    while (bodies && w->body[bodies - 1].len == 0)
        bodies--;
    if (bodies > k->bodies)
        return too_big (e, k, "the number of bodies", bodies, k->bodies);
    for (unsigned i = 0; i < bodies; i++) {
        if (w->body[i].len > WIRE_FRAME_MAX)
            return too_big (e, k, "a body's length", w->body[i].len, WIRE_FRAME_MAX);
        if (w->body[i].len)
            f->frame[1 + i] = slice_keep (&w->body[i]);
        f->count = 2 + i;
        if (f->frame[1 + i].len != w->body[i].len)
            return err_set (e, ENOMEM, "%s: no memory for a body of %zu bytes", k->name,
                            w->body[i].len);
    }
    return 0;
}

int wire_encode (const struct wire *w, struct wire_frames *f, struct err *e)
{
    uint8_t room[WIRE_HEADER_MAX];
    struct buf b = {.bytes = room, .size = sizeof room, .limit = sizeof room};
    const struct wire_kind_info *k = wire_kind_info (w->kind);
    *f = (struct wire_frames){0};
    if (!k)
        return err_set (e, EINVAL, "there is no message of kind %u", (unsigned)w->kind);
    if (put_header (&b, w, k, e) != 0)
        return -1;
    f->count = 1;
    f->frame[0] = slice_of_take (blob_copy (room, b.len));
    if (!f->frame[0].blob)
        err_set (e, ENOMEM, "%s: no memory for the header", k->name);
    else if (put_bodies (f, w, k, e) == 0)
        return 0;
    wire_frames_fini (f);
    return -1;
}

static uint8_t *own_header (struct wire_frames *f)
{
    assert (f->count && f->frame[0].blob && f->frame[0].len >= PREAMBLE);
    uint8_t *header = blob_bytes (f->frame[0].blob);
    assert (header == f->frame[0].ptr && header[FIXED] == ARRAY_16);
    return header;
}

void wire_flag (struct wire_frames *f, unsigned flag)
{
    own_header (f)[AT_FLAGS] |= (uint8_t)flag;
}

void wire_stamp (struct wire_frames *f, uint64_t seq, uint64_t ack)
{
    uint8_t *header = own_header (f);
    put_u64 (header + AT_SEQ, seq);
    put_u64 (header + AT_ACK, ack);
}

static int get_field (struct bytes in, size_t *at, struct wire *w, const struct wire_kind_info *k,
                      const struct wire_field *f, struct err *e)
{
    void *to = (char *)&w->m + f->offset;
    uint64_t size;
    if (f->text) {
        struct bytes *text = to;
        if (scan_bytes (in, at, text) != 0)
            return err_set (e, EBADMSG, "%s: %s is no string", k->name, f->name);
        size = text->len;
    } else {
        if (scan_u64 (in, at, to) != 0)
            return err_set (e, EBADMSG, "%s: %s is no number", k->name, f->name);
        size = *(uint64_t *)to;
    }
    if (size > f->greatest)
        return err_set (e, EBADMSG, "%s: %s is %" PRIu64 ", the limit is %" PRIu64, k->name,
                        f->name, size, f->greatest);
    return 0;
}

/* Fields of a later version, behind those that are known here, and nothing behind them. */
static int skip_rest (struct bytes in, size_t at, uint32_t items, const struct wire_kind_info *k,
                      struct err *e)
{
    for (; items; items--) {
        int64_t len = scan_object (bytes_of (in.ptr + at, in.len - at), WIRE_HEADER_MAX, e);
        if (len < 0)
            return -1;
        at += (size_t)len;
    }
    if (at != in.len)
        return err_set (e, EBADMSG, "%s: %zu bytes behind the header's end", k->name, in.len - at);
    return 0;
}

/* The head of the array: sequence number and acknowledgement, in whatever kind. */
static int get_preamble (struct wire *w, struct bytes in, size_t *at, uint32_t *items)
{
    *at = FIXED;
    if (scan_array (in, at, items) != 0 || *items < 2 || scan_u64 (in, at, &w->seq) != 0 ||
        scan_u64 (in, at, &w->ack) != 0)
        return -1;
    return 0;
}

/* The array of the header: sequence number, acknowledgement, fields. */
static int get_fields (struct wire *w, struct bytes in, const struct wire_kind_info *k,
                       enum wire_code *code, struct err *e)
{
    size_t at;
    uint32_t items;
    if (get_preamble (w, in, &at, &items) != 0)
        return err_set (e, EBADMSG, "%s: the header is no array that starts with two numbers",
                        k->name);
    items -= 2;
    if ((w->flags & WIRE_FLAG_MUST_UNDERSTAND) &&
        (items > k->fields || (w->flags & ~(unsigned)FLAGS_KNOWN))) {
        *code = WIRE_UNSUPPORTED;
        return err_set (e, ENOTSUP, "%s must be understood, and has parts that are new here",
                        k->name);
    }
    unsigned known = items < k->fields ? items : k->fields;
    for (unsigned i = 0; i < known; i++)
        if (get_field (in, &at, w, k, &k->field[i], e) != 0)
            return -1;
    return skip_rest (in, at, items - known, k, e);
}

/* The four bytes before the array. */
static const struct wire_kind_info *get_fixed (struct wire *w, struct bytes in,
                                               enum wire_code *code, struct err *e)
{
    if (in.len < FIXED || in.ptr[0] != WIRE_MAGIC) {
        err_set (e, EBADMSG, "a frame of %zu bytes that is no header", in.len);
        return NULL;
    }
    w->kind = (enum wire_kind)in.ptr[2];
    w->flags = in.ptr[AT_FLAGS];
    *code = WIRE_UNSUPPORTED;
    if (in.ptr[1] != WIRE_MAJOR) {
        err_set (e, ENOTSUP, "protocol version %u, here it is %u", in.ptr[1], WIRE_MAJOR);
        return NULL;
    }
    const struct wire_kind_info *k = wire_kind_info (w->kind);
    *code = WIRE_MALFORMED;
    size_t at;
    uint32_t items;
    if (!k && get_preamble (w, in, &at, &items) != 0) {
        err_set (e, EBADMSG, "a message of an unknown kind, %u, without its numbers",
                 (unsigned)w->kind);
    } else if (!k) {
        *code = WIRE_UNSUPPORTED;
        err_set (e, ENOTSUP, "messages of kind %u are not known here", (unsigned)w->kind);
    }
    return k;
}

static int check_frames (const struct wire_frames *f, struct err *e)
{
    if (f->count < 1 || f->count > 1 + WIRE_BODIES)
        return err_set (e, EBADMSG, "a message of %u frames", f->count);
    if (f->frame[0].len > WIRE_HEADER_MAX)
        return err_set (e, EBADMSG, "a header of %zu bytes, the limit is %u", f->frame[0].len,
                        WIRE_HEADER_MAX);
    for (unsigned i = 1; i < f->count; i++)
        if (f->frame[i].len > WIRE_FRAME_MAX)
            return err_set (e, EBADMSG, "a body of %zu bytes, the limit is %u", f->frame[i].len,
                            WIRE_FRAME_MAX);
    return 0;
}

static int keep_frames (struct wire *w, const struct wire_frames *f, struct err *e)
{
    if (f->frame[0].len)
        w->header = slice_keep (&f->frame[0]);
    for (unsigned i = 1; i < f->count; i++) {
        if (f->frame[i].len)
            w->body[i - 1] = slice_keep (&f->frame[i]);
        if (w->body[i - 1].len != f->frame[i].len)
            return err_set (e, ENOMEM, "no memory for a body of %zu bytes", f->frame[i].len);
    }
    return 0;
}

static int decode (struct wire *w, const struct wire_frames *f, enum wire_code *code, struct err *e)
{
    if (check_frames (f, e) != 0 || keep_frames (w, f, e) != 0)
        return -1;
    struct bytes in = bytes_of (w->header.ptr, w->header.len);
    const struct wire_kind_info *k = get_fixed (w, in, code, e);
    if (!k || get_fields (w, in, k, code, e) != 0)
        return -1;
    if (f->count - 1 > k->bodies)
        return err_set (e, EBADMSG, "%s with %u bodies, the limit is %u", k->name, f->count - 1,
                        k->bodies);
    return 0;
}

int wire_decode (struct wire *w, const struct wire_frames *f, enum wire_code *code, struct err *e)
{
    enum wire_code unused;
    if (!code)
        code = &unused;
    *code = WIRE_MALFORMED;
    *w = (struct wire){0};
    if (decode (w, f, code, e) == 0) {
        *code = WIRE_OK;
        return 0;
    }
    struct wire told = {.kind = w->kind};
    if (*code == WIRE_UNSUPPORTED) {
        told.seq = w->seq;
        told.ack = w->ack;
    }
    wire_fini (w);
    *w = told;
    return -1;
}

size_t wire_frames_bytes (const struct wire_frames *f)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < f->count; i++)
        bytes += f->frame[i].len;
    return bytes;
}

static bool same_slice (const struct slice *a, const struct slice *b)
{
    return bytes_equal (bytes_of (a->ptr, a->len), bytes_of (b->ptr, b->len));
}

bool wire_same (const struct wire *a, const struct wire *b)
{
    if (a->kind != b->kind || a->header.len != b->header.len || a->header.len < PREAMBLE ||
        memcmp (a->header.ptr + PREAMBLE, b->header.ptr + PREAMBLE, a->header.len - PREAMBLE) != 0)
        return false;
    for (unsigned i = 0; i < WIRE_BODIES; i++)
        if (!same_slice (&a->body[i], &b->body[i]))
            return false;
    return true;
}

struct wire_frames wire_frames_keep (const struct wire_frames *f)
{
    struct wire_frames kept = {.count = f->count};
    for (unsigned i = 0; i < f->count; i++) {
        struct slice s = i ? f->frame[i] : slice_borrowed (f->frame[0].ptr, f->frame[0].len);
        if (s.len)
            kept.frame[i] = slice_keep (&s);
    }
    return kept;
}

void wire_frames_fini (struct wire_frames *f)
{
    for (unsigned i = 0; i < 1 + WIRE_BODIES; i++)
        slice_fini (&f->frame[i]);
    f->count = 0;
}

void wire_fini (struct wire *w)
{
    for (unsigned i = 0; i < WIRE_BODIES; i++)
        slice_fini (&w->body[i]);
    slice_fini (&w->header);
    *w = (struct wire){0};
}

const char *wire_name (unsigned kind)
{
    const struct wire_kind_info *k = wire_kind_info (kind);
    return k ? k->name : NULL;
}

bool wire_numbered (enum wire_kind kind)
{
    const struct wire_kind_info *k = wire_kind_info (kind);
    return k && k->numbered;
}

bool wire_may_send (enum wire_sender sender, unsigned kind)
{
    const struct wire_kind_info *k = wire_kind_info (kind);
    return k && (k->senders & sender);
}
