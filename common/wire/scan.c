/* scan: one table says what each first byte of MessagePack means; everything else follows from it.
 *
 * Nothing here believes a length before it was compared with the bytes that are left. A container
 * costs its sender at least one byte an element, so the sum of all elements that were announced and
 * have not come can never be more than the bytes that are left: that one comparison stops nested
 * headers that claim millions each.
 */
#include "common/wire/scan.h"

#include <errno.h>

enum sort { RESERVED, NIL, UINT, INT, OTHER, BYTES, ARRAY, MAP, EXT };

/* How to read the item that starts with this byte: the number is in the low bits of the byte itself
 * (width 0), or in `width` bytes behind it, big-endian. */
struct form {
    uint8_t sort;
    uint8_t width;
    uint8_t mask;
};

/* clang-format off */
static const struct form forms[256] = {
    [0x00 ... 0x7f] = {UINT, 0, 0x7f},
    [0x80 ... 0x8f] = {MAP, 0, 0x0f},
    [0x90 ... 0x9f] = {ARRAY, 0, 0x0f},
    [0xa0 ... 0xbf] = {BYTES, 0, 0x1f},
    [0xc0] = {NIL, 0, 0},
    [0xc1] = {RESERVED, 0, 0},
    [0xc2 ... 0xc3] = {OTHER, 0, 0},
    [0xc4] = {BYTES, 1, 0}, [0xc5] = {BYTES, 2, 0}, [0xc6] = {BYTES, 4, 0},
    [0xc7 ... 0xc9] = {EXT, 0, 0},
    [0xca] = {OTHER, 4, 0}, [0xcb] = {OTHER, 8, 0},
    [0xcc] = {UINT, 1, 0}, [0xcd] = {UINT, 2, 0}, [0xce] = {UINT, 4, 0}, [0xcf] = {UINT, 8, 0},
    [0xd0] = {INT, 1, 0}, [0xd1] = {INT, 2, 0}, [0xd2] = {INT, 4, 0}, [0xd3] = {INT, 8, 0},
    [0xd4 ... 0xd8] = {EXT, 0, 0},
    [0xd9] = {BYTES, 1, 0}, [0xda] = {BYTES, 2, 0}, [0xdb] = {BYTES, 4, 0},
    [0xdc] = {ARRAY, 2, 0}, [0xdd] = {ARRAY, 4, 0},
    [0xde] = {MAP, 2, 0}, [0xdf] = {MAP, 4, 0},
    [0xe0 ... 0xff] = {INT, 0, 0xff},
};
/* clang-format on */

/* The first byte of an item, and the number that goes with it. */
struct head {
    enum sort sort;
    size_t length; /* of the head itself */
    uint64_t value;
};

/* Read the head at `at`: 0, or -1 if it is not whole. */
static inline int read_head (struct bytes in, size_t at, struct head *h)
{
    if (at >= in.len)
        return -1;
    const uint8_t *p = in.ptr + at;
    const struct form f = forms[*p];
    h->sort = (enum sort)f.sort;
    h->length = 1u + f.width;
    if (in.len - at < h->length)
        return -1;
    uint64_t value = *p & f.mask;
    for (unsigned i = 1; i <= f.width; i++)
        value = value << 8 | p[i];
    h->value = value;
    return 0;
}

/* A signed number that is not negative counts as unsigned: some writers make no difference. */
static bool not_negative (uint8_t first, uint64_t value)
{
    unsigned width = forms[first].width;
    return width && !(value >> (8 * width - 1));
}

static int64_t refuse (struct err *e, const char *what, size_t at)
{
    return err_set (e, EBADMSG, "%s at byte %zu", what, at);
}

/* What is wrong with a head that has `left` bytes behind it and `pending` elements still to come
 * apart from its own, or NULL; `more` is then how many elements it announces. */
static const char *check_head (const struct head *h, size_t left, uint64_t pending, uint64_t *more)
{
    *more = 0;
    switch (h->sort) {
    case RESERVED:
        return "a byte that starts nothing";
    case EXT:
        return "an ext type";
    case BYTES:
        return h->value > left ? "more bytes announced than there are" : NULL;
    case ARRAY:
    case MAP:
        *more = h->sort == MAP ? 2 * h->value : h->value;
        return *more > left || pending > left - *more ? "more elements announced than there are"
                                                      : NULL;
    default:
        return NULL;
    }
}

int64_t scan_object (struct bytes in, uint64_t max_objects, struct err *e)
{
    uint64_t left[SCAN_DEPTH]; /* elements to come of the containers we are in */
    uint64_t pending = 0;      /* their sum */
    unsigned depth = 0;
    size_t at = 0;
    for (uint64_t objects = 1;; objects++) {
        struct head h;
        uint64_t more;
        if (objects > max_objects)
            return refuse (e, "too many objects", at);
        if (read_head (in, at, &h) != 0)
            return refuse (e, "the end in the middle of an object", at);
        if (depth) {
            left[depth - 1]--;
            pending--;
        }
        const char *wrong = check_head (&h, in.len - at - h.length, pending, &more);
        if (wrong)
            return refuse (e, wrong, at);
        if ((h.sort == ARRAY || h.sort == MAP) && depth == SCAN_DEPTH)
            return refuse (e, "nested too deeply", at);
        at += h.length + (h.sort == BYTES ? h.value : 0);
        if (more) {
            left[depth++] = more;
            pending += more;
        }
        while (depth && left[depth - 1] == 0)
            depth--;
        if (!depth)
            return (int64_t)at;
    }
}

int scan_array (struct bytes in, size_t *at, uint32_t *count)
{
    struct head h;
    if (read_head (in, *at, &h) != 0 || h.sort != ARRAY || h.value > in.len - *at - h.length)
        return -1;
    *at += h.length;
    *count = (uint32_t)h.value;
    return 0;
}

int scan_u64 (struct bytes in, size_t *at, uint64_t *value)
{
    struct head h;
    if (read_head (in, *at, &h) != 0)
        return -1;
    if (h.sort != UINT && !(h.sort == INT && not_negative (in.ptr[*at], h.value)))
        return -1;
    *at += h.length;
    *value = h.value;
    return 0;
}

int scan_bytes (struct bytes in, size_t *at, struct bytes *value)
{
    struct head h;
    if (read_head (in, *at, &h) != 0)
        return -1;
    if (h.sort == NIL) {
        *at += h.length;
        *value = (struct bytes){NULL, 0};
        return 0;
    }
    if (h.sort != BYTES || h.value > in.len - *at - h.length)
        return -1;
    *value = bytes_of (in.ptr + *at + h.length, h.value);
    *at += h.length + h.value;
    return 0;
}
