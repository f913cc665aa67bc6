/* Any bytes as a header: scan agrees with msgpack-c, and what decodes encodes to the same message.
 */
#include <msgpack.h>
#include <string.h>

#include "common/wire/scan.h"
#include "common/wire/wire.h"
#include "tests/fuzz/fuzz.h"

/* What the scan lets through is one object for msgpack-c, too, of the same length. */
static void agree_on_length (const uint8_t *data, size_t size)
{
    int64_t len = scan_object (bytes_of (data, size), 4096, NULL);
    if (len < 0)
        return;
    msgpack_unpacked u;
    size_t off = 0;
    msgpack_unpacked_init (&u);
    MUST (msgpack_unpack_next (&u, (const char *)data, size, &off) == MSGPACK_UNPACK_SUCCESS);
    MUST (off == (size_t)len);
    msgpack_unpacked_destroy (&u);
}

static void decode_and_back (const struct wire_frames *f)
{
    struct wire w, again;
    struct wire_frames g;
    char line[2][2000];
    if (wire_decode (&w, f, NULL, NULL) != 0)
        return;
    wire_show (&w, line[0], sizeof line[0]);
    MUST (wire_encode (&w, &g, NULL) == 0);
    MUST (wire_decode (&again, &g, NULL, NULL) == 0);
    wire_show (&again, line[1], sizeof line[1]);
    MUST (strcmp (line[0], line[1]) == 0);
    wire_fini (&again);
    wire_stamp (&g, 1, 2);
    MUST (wire_decode (&again, &g, NULL, NULL) == 0);
    MUST (again.seq == 1 && again.ack == 2);
    wire_fini (&again);
    wire_frames_fini (&g);
    wire_fini (&w);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    struct wire_frames f = {.count = 1};
    agree_on_length (data, size);
    for (unsigned i = 0; i < 1 + WIRE_BODIES; i++) {
        f.frame[i] = slice_borrowed (data, size);
        f.count = i + 1;
        decode_and_back (&f);
    }
    return 0;
}
