#include "tests/unit/chan_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void post (struct chan *c, enum chan_lane lane, uint64_t mark, uint64_t hold)
{
    struct wire w = {.kind = WIRE_OPENED, .m.opened.id = mark};
    struct wire_frames f;
    assert_int_equal (wire_encode (&w, &f, NULL), 0);
    chan_post_take (c, lane, &f, hold);
    assert_int_equal (f.count, 0);
}

void post_bulk (struct chan *c, uint64_t mark, size_t bytes)
{
    static uint8_t zeros[64 << 10];
    struct wire w = {
        .kind = WIRE_OUTPUT, .m.output.record = mark, .body[0] = slice_borrowed (zeros, bytes)};
    struct wire_frames f;
    assert_int_equal (wire_encode (&w, &f, NULL), 0);
    chan_post_take (c, LANE_BULK, &f, 0);
}

struct sent next (struct chan *c)
{
    struct wire_frames f;
    struct wire w;
    struct sent s = {0};
    if (!chan_next (c, &f))
        return s;
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    s = (struct sent){w.seq, w.ack, w.kind == WIRE_OUTPUT ? w.m.output.record : w.m.opened.id};
    wire_fini (&w);
    wire_frames_fini (&f);
    return s;
}

void leaves (struct chan *c, uint64_t seq, uint64_t mark)
{
    struct sent s = next (c);
    assert_int_equal (s.seq, seq);
    assert_int_equal (s.mark, mark);
}

void nothing_leaves (struct chan *c)
{
    assert_int_equal (next (c).seq, 0);
}
