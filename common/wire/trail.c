/* Trail: words of 64 bits, stirred in one after the other. Of a body its length and its first bytes
 * are enough: those of OUTPUT are told apart by row, attempt and offset, those of RESULTS begin
 * with a row and an attempt.
 */
#include "common/wire/trail.h"

#include <string.h>

enum { BODY_BYTES = 64 };

static uint64_t stir (uint64_t trail, uint64_t word)
{
    trail = (trail ^ word) * 0x9e3779b97f4a7c15u;
    return trail ^ (trail >> 32);
}

static uint64_t little_endian (const uint8_t *bytes, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

static uint64_t stir_body (uint64_t trail, const struct slice *body)
{
    size_t len = body->len < BODY_BYTES ? body->len : BODY_BYTES;
    trail = stir (trail, body->len);
    for (size_t at = 0; at < len; at += 8)
        trail = stir (trail,
                      little_endian ((const uint8_t *)body->ptr + at, len - at < 8 ? len - at : 8));
    return trail;
}

uint64_t trail_next (uint64_t before, const struct wire *w)
{
    uint64_t trail = stir (before, w->kind);
    if (w->kind == WIRE_RESULTS) {
        trail = stir (trail, w->m.results.count);
    } else {
        const struct msg_output *m = &w->m.output;
        trail = stir (trail, m->row);
        trail = stir (trail, m->attempt);
        trail = stir (trail, m->stream);
        trail = stir (trail, m->offset);
    }
    trail = stir_body (trail, &w->body[0]);
    return trail ? trail : 1;
}
