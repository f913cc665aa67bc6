/* buf: bytes that grow, up to a limit given when it is made.
 *
 * An append that would pass the limit, or finds no memory, sets `failed` and leaves the buffer as
 * it was; the caller may append many things and look once.
 */
#ifndef DROVER_BASE_BUF_H
#define DROVER_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/blob.h"

struct buf {
    uint8_t *bytes;
    size_t len;
    size_t size;
    size_t limit;
    bool failed;
};

void buf_init (struct buf *b, size_t limit);
void buf_fini (struct buf *b);

/* 0, or -1 with b->failed set. */
int buf_append (struct buf *b, const void *bytes, size_t len);
int buf_puts (struct buf *b, const char *s);
int buf_putc (struct buf *b, char c);
int buf_printf (struct buf *b, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

/* Room for `len` more bytes behind the present ones, or NULL; b->len is then for the caller to
 * raise. */
uint8_t *buf_room (struct buf *b, size_t len);

/* Drop the first `len` bytes (they must be there). */
void buf_drop (struct buf *b, size_t len);

/* Forget the content and the failure, keep the memory. */
void buf_clear (struct buf *b);

/* The content as a slice of a new blob; the buffer is empty afterwards. A slice with ptr NULL and
 * b->failed set when there is no memory. */
struct slice buf_take_slice (struct buf *b);

#endif
