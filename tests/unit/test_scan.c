#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <msgpack.h>

#include "common/wire/scan.h"

#define BYTES(...) bytes_of ((const uint8_t[]){__VA_ARGS__}, sizeof ((uint8_t[]){__VA_ARGS__}))
#define PLENTY 1000000

static void accepted (struct bytes in, int64_t len)
{
    struct err e = {0};
    if (scan_object (in, PLENTY, &e) != len)
        fail_msg ("%s", e.text);
}

static void refused (struct bytes in)
{
    struct err e = {0};
    assert_int_equal (scan_object (in, PLENTY, &e), -1);
    assert_true (e.text[0] != '\0');
}

static void one_object_of_each_sort_is_measured (void **state)
{
    (void)state;
    accepted (BYTES (0x00), 1);
    accepted (BYTES (0xff), 1);
    accepted (BYTES (0xc0), 1);
    accepted (BYTES (0xc3), 1);
    accepted (BYTES (0xca, 0, 0, 0, 0), 5);
    accepted (BYTES (0xcb, 0, 0, 0, 0, 0, 0, 0, 0), 9);
    accepted (BYTES (0xcc, 1), 2);
    accepted (BYTES (0xcf, 1, 2, 3, 4, 5, 6, 7, 8), 9);
    accepted (BYTES (0xd1, 1, 2), 3);
    accepted (BYTES (0xa2, 'a', 'b'), 3);
    accepted (BYTES (0xd9, 1, 'a'), 3);
    accepted (BYTES (0xc5, 0, 2, 'a', 'b'), 5);
    accepted (BYTES (0x92, 1, 2), 3);
    accepted (BYTES (0xdc, 0, 1, 0xc0), 4);
    accepted (BYTES (0x81, 1, 2), 3);
    accepted (BYTES (0xdf, 0, 0, 0, 1, 0xa1, 'k', 0x90), 8);
    accepted (BYTES (0x92, 0x91, 0xc0, 0x80), 4);
}

static void what_follows_the_object_is_not_looked_at (void **state)
{
    (void)state;
    accepted (BYTES (0x91, 0x01, 0xc1, 0xc1), 2);
}

static void every_truncation_is_refused (void **state)
{
    (void)state;
    struct bytes whole = BYTES (0x94, 0xcf, 1, 2, 3, 4, 5, 6, 7, 8, 0xc4, 3, 'a', 'b', 'c', 0x82, 1,
                                0xa1, 'x', 2, 0xdc, 0, 1, 0xc2, 0xcc, 9);
    accepted (whole, (int64_t)whole.len);
    for (size_t len = 0; len < whole.len; len++)
        refused (bytes_of (whole.ptr, len));
}

static void ext_types_and_the_reserved_byte_are_refused (void **state)
{
    (void)state;
    refused (BYTES (0xc1));
    refused (BYTES (0xc7, 1, 0, 0));
    refused (BYTES (0xc8, 0, 1, 0, 0));
    refused (BYTES (0xc9, 0, 0, 0, 1, 0, 0));
    for (uint8_t first = 0xd4; first <= 0xd8; first++)
        refused (BYTES (first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    refused (BYTES (0x91, 0xc1));
}

static void counts_that_the_bytes_cannot_hold_are_refused (void **state)
{
    (void)state;
    refused (BYTES (0xdd, 0xff, 0xff, 0xff, 0xff));
    refused (BYTES (0xdd, 0x08, 0, 0, 0));
    refused (BYTES (0xdf, 0x80, 0, 0, 0, 0, 0));
    refused (BYTES (0xdf, 0xff, 0xff, 0xff, 0xff, 0, 0));
    refused (BYTES (0xc6, 0xff, 0xff, 0xff, 0xff, 0, 0));
    refused (BYTES (0xdb, 0, 0, 0, 3, 'a', 'b'));
    refused (BYTES (0x83, 1, 1, 1, 1, 1));
}

/* Each of them is possible alone, together they announce more than there is. */
static void the_sum_of_nested_counts_is_limited_by_the_bytes_left (void **state)
{
    (void)state;
    refused (BYTES (0x92, 0x93, 0, 0, 0));
    accepted (BYTES (0x92, 0x93, 0, 0, 0, 0), 6);
    uint8_t bomb[64];
    for (size_t i = 0; i < sizeof bomb; i++)
        bomb[i] = i < 6 ? 0x9b : 0;
    refused (bytes_of (bomb, sizeof bomb));
}

static void depth_is_limited (void **state)
{
    (void)state;
    uint8_t nested[SCAN_DEPTH + 2];
    memset (nested, 0x91, sizeof nested);
    nested[SCAN_DEPTH] = 0xc0;
    accepted (bytes_of (nested, SCAN_DEPTH + 1), SCAN_DEPTH + 1);
    nested[SCAN_DEPTH] = 0x90;
    refused (bytes_of (nested, SCAN_DEPTH + 1));
    nested[SCAN_DEPTH] = 0x91;
    nested[SCAN_DEPTH + 1] = 0xc0;
    refused (bytes_of (nested, sizeof nested));
}

static void the_number_of_objects_is_limited (void **state)
{
    (void)state;
    struct bytes in = BYTES (0x93, 1, 2, 3);
    assert_int_equal (scan_object (in, 4, NULL), 4);
    assert_int_equal (scan_object (in, 3, NULL), -1);
    assert_int_equal (scan_object (in, 0, NULL), -1);
}

static void number (struct bytes in, int rc, uint64_t want)
{
    size_t at = 0;
    uint64_t value = 0;
    assert_int_equal (scan_u64 (in, &at, &value), rc);
    assert_int_equal (at, rc == 0 ? in.len : 0);
    assert_int_equal (value, want);
}

static void numbers_of_all_widths_are_read (void **state)
{
    (void)state;
    number (BYTES (0x7f), 0, 127);
    number (BYTES (0xcc, 0xff), 0, 255);
    number (BYTES (0xcd, 1, 0), 0, 256);
    number (BYTES (0xce, 0xff, 0, 0, 1), 0, 0xff000001);
    number (BYTES (0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 0, UINT64_MAX);
    number (BYTES (0xd0, 0x7f), 0, 127);
    number (BYTES (0xd3, 0x7f, 0, 0, 0, 0, 0, 0, 1), 0, 0x7f00000000000001);
}

static void what_is_no_number_moves_nothing (void **state)
{
    (void)state;
    number (BYTES (0xff), -1, 0);
    number (BYTES (0xe0), -1, 0);
    number (BYTES (0xd0, 0x80), -1, 0);
    number (BYTES (0xd3, 0x80, 0, 0, 0, 0, 0, 0, 1), -1, 0);
    number (BYTES (0xc0), -1, 0);
    number (BYTES (0xca, 0, 0, 0, 0), -1, 0);
    number (BYTES (0xa1, '1'), -1, 0);
    number (BYTES (0x91, 1), -1, 0);
    number (BYTES (0xcd, 1), -1, 0);
    number (bytes_of (NULL, 0), -1, 0);
}

static void bytes_are_views_of_the_input (void **state)
{
    (void)state;
    struct bytes in =
        BYTES (0xc4, 2, 'a', 'b', 0xa1, 'c', 0xc0, 0xc6, 0, 0, 0, 1, 'd', 0xc4, 5, 'e');
    struct bytes v;
    size_t at = 0;
    assert_int_equal (scan_bytes (in, &at, &v), 0);
    assert_ptr_equal (v.ptr, in.ptr + 2);
    assert_int_equal (v.len, 2);
    assert_int_equal (scan_bytes (in, &at, &v), 0);
    assert_true (bytes_equal (v, bytes_str ("c")));
    assert_int_equal (scan_bytes (in, &at, &v), 0);
    assert_int_equal (v.len, 0);
    assert_int_equal (scan_bytes (in, &at, &v), 0);
    assert_true (bytes_equal (v, bytes_str ("d")));
    assert_int_equal (at, 13);
    assert_int_equal (scan_bytes (in, &at, &v), -1);
    assert_int_equal (at, 13);
}

static void an_array_head_announces_no_more_than_there_is (void **state)
{
    (void)state;
    uint32_t count = 99;
    size_t at = 0;
    assert_int_equal (scan_array (BYTES (0xdc, 0, 2, 1, 1), &at, &count), 0);
    assert_int_equal (count, 2);
    assert_int_equal (at, 3);
    at = 0;
    assert_int_equal (scan_array (BYTES (0xdc, 0, 3, 1, 1), &at, &count), -1);
    assert_int_equal (scan_array (BYTES (0x81, 1, 1), &at, &count), -1);
    assert_int_equal (at, 0);
}

/* --- msgpack-c as the judge ------------------------------------------------------------------- */

static uint64_t dice (uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Whatever passes the scan costs msgpack-c no more than the scan counted. */
static void what_passes_is_one_object_to_msgpack (void **state)
{
    (void)state;
    uint64_t seed = 42;
    unsigned passed = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t in[24];
        size_t len = 1 + dice (&seed) % sizeof in, off = 0;
        for (size_t i = 0; i < len; i++)
            in[i] = dice (&seed) % 3 ? (uint8_t)(dice (&seed) >> 3) : 0x80 | dice (&seed) % 32;
        int64_t scanned = scan_object (bytes_of (in, len), PLENTY, NULL);
        if (scanned < 0)
            continue;
        msgpack_unpacked u;
        msgpack_unpacked_init (&u);
        assert_int_equal (msgpack_unpack_next (&u, (const char *)in, len, &off),
                          MSGPACK_UNPACK_SUCCESS);
        assert_int_equal (off, scanned);
        msgpack_unpacked_destroy (&u);
        passed++;
    }
    assert_true (passed > 1000);
}

static void pack_random (msgpack_packer *pk, uint64_t *seed, unsigned depth)
{
    unsigned what = (unsigned)(dice (seed) % (depth ? 8 : 6));
    uint64_t n = dice (seed) >> dice (seed) % 64;
    static const char text[300];
    switch (what) {
    case 0:
        msgpack_pack_uint64 (pk, n);
        return;
    case 1:
        msgpack_pack_int64 (pk, -(int64_t)(n >> 1));
        return;
    case 2:
        msgpack_pack_nil (pk);
        return;
    case 3:
        msgpack_pack_double (pk, (double)n);
        return;
    case 4:
        msgpack_pack_str_with_body (pk, text, n % sizeof text);
        return;
    case 5:
        msgpack_pack_bin_with_body (pk, text, n % sizeof text);
        return;
    case 6:
        n %= 20;
        msgpack_pack_array (pk, n);
        break;
    default:
        n %= 8;
        msgpack_pack_map (pk, n);
        n *= 2;
    }
    while (n--)
        pack_random (pk, seed, depth - 1);
}

static void what_msgpack_writes_passes (void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 2000; round++) {
        msgpack_sbuffer b;
        msgpack_packer pk;
        msgpack_sbuffer_init (&b);
        msgpack_packer_init (&pk, &b, msgpack_sbuffer_write);
        pack_random (&pk, &seed, 4);
        accepted (bytes_of (b.data, b.size), (int64_t)b.size);
        msgpack_sbuffer_destroy (&b);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (one_object_of_each_sort_is_measured),
        cmocka_unit_test (what_follows_the_object_is_not_looked_at),
        cmocka_unit_test (every_truncation_is_refused),
        cmocka_unit_test (ext_types_and_the_reserved_byte_are_refused),
        cmocka_unit_test (counts_that_the_bytes_cannot_hold_are_refused),
        cmocka_unit_test (the_sum_of_nested_counts_is_limited_by_the_bytes_left),
        cmocka_unit_test (depth_is_limited),
        cmocka_unit_test (the_number_of_objects_is_limited),
        cmocka_unit_test (numbers_of_all_widths_are_read),
        cmocka_unit_test (what_is_no_number_moves_nothing),
        cmocka_unit_test (bytes_are_views_of_the_input),
        cmocka_unit_test (an_array_head_announces_no_more_than_there_is),
        cmocka_unit_test (what_passes_is_one_object_to_msgpack),
        cmocka_unit_test (what_msgpack_writes_passes),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
