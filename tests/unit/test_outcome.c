#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "common/wire/outcome.h"
#include "common/wire/wire.h"

static const struct outcome full = {
    .row = 1ull << 40,
    .attempt = 3,
    .how = OUTCOME_FAILED,
    .status = 255,
    .signal = 9,
    .out = {(const uint8_t *)"out\0put", 7},
    .err = {(const uint8_t *)"err", 3},
    .start_us = 1700000000000000,
    .wall_us = 12345,
    .out_bytes = 7,
    .err_bytes = 3,
    .user_us = 11,
    .sys_us = 12,
    .maxrss_kib = 1300,
    .reason = {(const uint8_t *)"killed", 6},
};

static struct buf packed (const struct outcome *o)
{
    struct buf b;
    buf_init (&b, 1 << 20);
    outcome_pack (&b, o);
    assert_false (b.failed);
    return b;
}

static int read_back (const struct buf *b, struct outcome *o)
{
    size_t at = 0;
    int rc = outcome_read (bytes_of (b->bytes, b->len), &at, o);
    assert_int_equal (at, rc == 1 ? b->len : 0);
    return rc;
}

static void every_field_comes_back (void **state)
{
    (void)state;
    struct buf b = packed (&full);
    struct outcome o;
    assert_int_equal (read_back (&b, &o), 1);
    assert_int_equal (o.row, full.row);
    assert_int_equal (o.attempt, 3);
    assert_int_equal (o.how, OUTCOME_FAILED);
    assert_int_equal (o.status, 255);
    assert_int_equal (o.signal, 9);
    assert_true (bytes_equal (o.out, full.out));
    assert_true (bytes_equal (o.err, full.err));
    assert_int_equal (o.start_us, full.start_us);
    assert_int_equal (o.wall_us, 12345);
    assert_int_equal (o.out_bytes, 7);
    assert_int_equal (o.err_bytes, 3);
    assert_int_equal (o.user_us, 11);
    assert_int_equal (o.sys_us, 12);
    assert_int_equal (o.maxrss_kib, 1300);
    assert_true (bytes_equal (o.reason, full.reason));
    buf_fini (&b);
}

static void what_is_empty_at_the_end_is_left_out (void **state)
{
    (void)state;
    struct outcome small = {.row = 5, .attempt = 1, .out = bytes_str ("hi")}, o;
    struct buf b = packed (&small);
    assert_int_equal (b.len, 1 + 5 + 4);
    assert_int_equal (read_back (&b, &o), 1);
    assert_int_equal (o.row, 5);
    assert_true (bytes_equal (o.out, small.out));
    assert_int_equal (o.reason.len, 0);
    buf_fini (&b);
    struct outcome zero = {0};
    b = packed (&zero);
    assert_int_equal (b.len, 2);
    assert_int_equal (read_back (&b, &o), 1);
    buf_fini (&b);
}

static void outcomes_follow_each_other_until_the_end (void **state)
{
    (void)state;
    struct buf b = packed (&full);
    struct outcome o = {.row = 2}, got;
    size_t at = 0;
    outcome_pack (&b, &o);
    struct bytes body = bytes_of (b.bytes, b.len);
    assert_int_equal (outcome_read (body, &at, &got), 1);
    assert_int_equal (outcome_read (body, &at, &got), 1);
    assert_int_equal (got.row, 2);
    assert_int_equal (outcome_read (body, &at, &got), 0);
    assert_int_equal (at, b.len);
    buf_fini (&b);
}

static void every_truncation_is_refused (void **state)
{
    (void)state;
    struct buf b = packed (&full);
    struct outcome o;
    for (size_t len = 1; len < b.len; len++) {
        size_t at = 0;
        assert_int_equal (outcome_read (bytes_of (b.bytes, len), &at, &o), -1);
        assert_int_equal (at, 0);
    }
    buf_fini (&b);
}

static void refused (const struct outcome *o)
{
    struct buf b = packed (o);
    struct outcome got;
    assert_int_equal (read_back (&b, &got), -1);
    buf_fini (&b);
}

static void fields_out_of_range_are_refused (void **state)
{
    (void)state;
    static uint8_t big[WIRE_PIECE_MAX + 1];
    struct outcome o = full;
    o.how = OUTCOME_BROKER_LOST;
    refused (&o);
    o = full;
    o.status = 256;
    refused (&o);
    o = full;
    o.signal = 65;
    refused (&o);
    o = full;
    o.attempt = 100001;
    refused (&o);
    o = full;
    o.out = bytes_of (big, sizeof big);
    refused (&o);
}

static void what_is_no_outcome_is_refused (void **state)
{
    (void)state;
    static const uint8_t bad[][4] = {
        {0x90},             /* no row */
        {0xc0},             /* no array */
        {0x91, 0xff},       /* a negative row */
        {0x91, 0xa1, 'x'},  /* a row that is text */
        {0x81, 0x01, 0x01}, /* a map */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct outcome o;
        size_t at = 0;
        assert_int_equal (outcome_read (bytes_of (bad[i], sizeof bad[i]), &at, &o), -1);
    }
}

static void fields_of_a_later_version_are_skipped (void **state)
{
    (void)state;
    struct buf b = packed (&full);
    struct outcome o;
    assert_int_equal (b.bytes[0], 0x9f); /* 15 fields; now 17 */
    uint8_t *longer = malloc (b.len + 6);
    memcpy (longer, "\xdc\x00\x11", 3);
    memcpy (longer + 3, b.bytes + 1, b.len - 1);
    memcpy (longer + 2 + b.len, "\x92\x01\xc0\x07", 4);
    size_t at = 0;
    assert_int_equal (outcome_read (bytes_of (longer, b.len + 6), &at, &o), 1);
    assert_int_equal (at, b.len + 6);
    assert_true (bytes_equal (o.reason, full.reason));
    free (longer);
    buf_fini (&b);
}

static void a_full_buffer_takes_nothing_of_an_outcome (void **state)
{
    (void)state;
    struct buf b;
    buf_init (&b, 20);
    outcome_pack (&b, &full);
    assert_true (b.failed);
    assert_int_equal (b.len, 0);
    buf_fini (&b);
}

static void every_how_has_a_name (void **state)
{
    (void)state;
    assert_string_equal (outcome_name (OUTCOME_DONE), "done");
    assert_string_equal (outcome_name (OUTCOME_BROKER_LOST), "broker_lost");
    assert_string_equal (outcome_name ((enum outcome_how)99), "unknown");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_field_comes_back),
        cmocka_unit_test (what_is_empty_at_the_end_is_left_out),
        cmocka_unit_test (outcomes_follow_each_other_until_the_end),
        cmocka_unit_test (every_truncation_is_refused),
        cmocka_unit_test (fields_out_of_range_are_refused),
        cmocka_unit_test (what_is_no_outcome_is_refused),
        cmocka_unit_test (fields_of_a_later_version_are_skipped),
        cmocka_unit_test (a_full_buffer_takes_nothing_of_an_outcome),
        cmocka_unit_test (every_how_has_a_name),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
