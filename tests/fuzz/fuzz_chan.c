/* Any bytes as the fate of a channel: posts, commits, windows, lost and doubled messages,
 * reconnects. Whatever happens, each lane arrives once and in order, and once the faults end
 * everything arrives. A third channel is fed with lies. */
#include "common/wire/chan.h"
#include "tests/fuzz/fuzz.h"

#define BYTES_WINDOW 600

struct line {
    struct chan *a, *b; /* a sends to b */
    struct chan *fool;
    uint64_t posted[LANES], got[LANES];
    uint64_t commit_a, commit_b, released_b;
};

static void post (struct line *l, enum chan_lane lane, uint64_t hold)
{
    static const uint8_t zeros[200];
    struct wire w = {.kind = WIRE_OUTPUT,
                     .m.output = {.row = lane, .record = ++l->posted[lane]},
                     .body[0] = slice_borrowed (zeros, lane == LANE_BULK ? sizeof zeros : 1)};
    struct wire_frames f;
    MUST (wire_encode (&w, &f, NULL) == 0);
    chan_post_take (l->a, lane, &f, hold);
}

enum fate { ARRIVES, LOST, DOUBLED, REFUSED };

static bool transmit (struct line *l, enum fate fate)
{
    struct wire_frames f;
    struct wire w;
    if (!chan_next (l->a, &f))
        return false;
    MUST (wire_decode (&w, &f, NULL, NULL) == 0);
    MUST (w.seq > 0 && w.ack == chan_ack_number (l->a));
    wire_frames_fini (&f);
    if (fate == REFUSED)
        chan_unsent (l->a);
    for (int i = fate == ARRIVES ? 1 : fate == DOUBLED ? 2 : 0; i; i--)
        if (chan_accept (l->b, w.seq, w.ack) == CHAN_NEW)
            MUST (w.m.output.record == ++l->got[w.m.output.row]);
    wire_fini (&w);
    return true;
}

static void lie (struct chan *c, uint8_t x, uint8_t y)
{
    struct wire_frames f;
    uint64_t before = chan_received (c);
    enum chan_verdict v = chan_accept (c, x % 9 ? before + x % 4 : UINT64_MAX, y % 5);
    MUST (chan_received (c) == before + (v == CHAN_NEW && chan_received (c) != before));
    chan_resume (c, y % 7);
    if (y & 8 && chan_next (c, &f))
        wire_frames_fini (&f);
    if (y & 16)
        chan_unsent (c);
    MUST (chan_ack_number (c) <= chan_received (c));
}

static void step (struct line *l, uint8_t op, uint8_t arg)
{
    switch (op % 12) {
    case 0:
        post (l, arg & 1 ? LANE_LIVE : LANE_CONTROL, 0);
        return;
    case 1:
        post (l, LANE_BULK, 0);
        return;
    case 2:
        post (l, (enum chan_lane) (arg % LANES), ++l->commit_a);
        return;
    case 3:
        chan_release (l->a, l->commit_a - arg % (l->commit_a + 1));
        return;
    case 4:
    case 5:
        transmit (l, (enum fate) (arg % 4));
        return;
    case 6:
        MUST (chan_resume (l->a, chan_ack_number (l->b)) == 0);
        return;
    case 7:
        MUST (chan_accept (l->a, 0, chan_ack_number (l->b)) == CHAN_NEW);
        chan_ack_sent (l->b, chan_ack_number (l->b));
        return;
    case 8:
        chan_hold_ack (l->b, ++l->commit_b);
        return;
    case 9:
        chan_release (l->b, l->commit_b - arg % (l->commit_b + 1));
        return;
    case 10:
        chan_window (l->a, arg % 8, (uint64_t)arg * 16);
        return;
    default:
        lie (l->fool, op, arg);
    }
}

/* No more faults: what was posted arrives, and both sides come to rest. */
static void settle (struct line *l)
{
    chan_window (l->a, 8, BYTES_WINDOW);
    chan_release (l->a, l->commit_a);
    chan_release (l->b, l->commit_b);
    MUST (chan_resume (l->a, chan_ack_number (l->b)) == 0);
    do {
        while (transmit (l, ARRIVES))
            continue;
        MUST (chan_accept (l->a, 0, chan_ack_number (l->b)) == CHAN_NEW);
    } while (transmit (l, ARRIVES));
    chan_accept (l->a, 0, chan_ack_number (l->b));
    MUST (chan_idle (l->a) && chan_backlog_bytes (l->a) == 0);
    for (int i = 0; i < LANES; i++)
        MUST (l->got[i] == l->posted[i]);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    struct line l = {.a = chan_new (4, BYTES_WINDOW),
                     .b = chan_new (4, BYTES_WINDOW),
                     .fool = chan_new (4, BYTES_WINDOW)};
    struct wire w = {.kind = WIRE_CLOSE};
    struct wire_frames f;
    for (int i = 0; i < 3; i++) {
        MUST (wire_encode (&w, &f, NULL) == 0);
        chan_post_take (l.fool, LANE_BULK, &f, 0);
    }
    for (size_t i = 0; i + 1 < size; i += 2)
        step (&l, data[i], data[i + 1]);
    settle (&l);
    chan_free (&l.a);
    chan_free (&l.b);
    chan_free (&l.fool);
    return 0;
}
