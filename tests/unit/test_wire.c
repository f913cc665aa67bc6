/* The codec. Linked with --wrap=malloc, so that a test sees what was allocated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "common/wire/scan.h"
#include "common/wire/wire.h"

#define BYTES(...) bytes_of ((const uint8_t[]){__VA_ARGS__}, sizeof ((uint8_t[]){__VA_ARGS__}))
#define U64_0 0xcf, 0, 0, 0, 0, 0, 0, 0, 0

/* --- what is allocated ------------------------------------------------------------------------ */

void *__real_malloc (size_t size);
void *__wrap_malloc (size_t size);

static size_t allocated;
static size_t refuse_from = SIZE_MAX; /* allocations of that size and more fail */

void *__wrap_malloc (size_t size)
{
    allocated += size;
    return size >= refuse_from ? NULL : __real_malloc (size);
}

/* --- helpers ---------------------------------------------------------------------------------- */

static struct wire_frames frames_of (struct bytes header)
{
    return (struct wire_frames){.frame[0] = slice_borrowed (header.ptr, header.len), .count = 1};
}

static struct wire_frames encoded (const struct wire *w)
{
    struct wire_frames f;
    struct err e = {0};
    if (wire_encode (w, &f, &e) != 0)
        fail_msg ("%s", e.text);
    return f;
}

/* An encoded PING, in memory that may be changed. */
static struct wire_frames ping (void)
{
    struct wire w = {.kind = WIRE_PING, .m.ping.stamp = 5};
    return encoded (&w);
}

static void refused (const struct wire_frames *f, enum wire_code want)
{
    enum wire_code code;
    struct err e = {0};
    struct wire w;
    assert_int_equal (wire_decode (&w, f, &code, &e), -1);
    assert_int_equal (code, want);
    assert_true (e.text[0] != '\0');
    assert_null (w.header.blob);
    assert_int_equal (w.seq, 0);
    assert_int_equal (wire_decode (&w, f, NULL, NULL), -1);
}

static void refused_header (struct bytes header, enum wire_code want)
{
    struct wire_frames f = frames_of (header);
    refused (&f, want);
}

/* --- there and back --------------------------------------------------------------------------- */

static void a_message_comes_back_as_it_was (void **state)
{
    (void)state;
    struct wire w = {
        .kind = WIRE_SPEC,
        .seq = 1ull << 60,
        .ack = 7,
        .m.spec = {.batch = 1ull << 40, .spec = 3, .cpus = 2, .dir = bytes_str ("/tmp/\xff dir")},
        .body[0] = slice_borrowed ("command", 7),
        .body[1] = slice_borrowed ("environment", 11),
    };
    struct wire_frames f = encoded (&w);
    struct wire d;
    assert_int_equal (f.count, 3);
    assert_int_equal (wire_decode (&d, &f, NULL, NULL), 0);
    assert_int_equal (d.kind, WIRE_SPEC);
    assert_int_equal (d.seq, w.seq);
    assert_int_equal (d.ack, 7);
    assert_int_equal (d.m.spec.batch, w.m.spec.batch);
    assert_int_equal (d.m.spec.spec, 3);
    assert_int_equal (d.m.spec.cpus, 2);
    assert_int_equal (d.m.spec.umask, 0);
    assert_true (bytes_equal (d.m.spec.dir, w.m.spec.dir));
    assert_int_equal (d.m.spec.shell.len, 0);
    wire_frames_fini (&f); /* the message holds what it needs */
    assert_memory_equal (d.body[0].ptr, "command", 7);
    assert_int_equal (d.body[1].len, 11);
    wire_fini (&d);
    assert_null (d.body[0].blob);
}

static void bodies_are_shared_and_not_copied (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_OUTPUT, .body[0] = slice_of_take (blob_new (100000))};
    struct wire_frames f = encoded (&w);
    struct wire d;
    assert_ptr_equal (f.frame[1].ptr, w.body[0].ptr);
    assert_int_equal (wire_decode (&d, &f, NULL, NULL), 0);
    assert_ptr_equal (d.body[0].ptr, w.body[0].ptr);
    wire_fini (&d);
    wire_frames_fini (&f);
    wire_fini (&w);
}

static void empty_bodies_at_the_end_are_left_out_and_others_are_not (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_SPEC};
    struct wire_frames f = encoded (&w);
    assert_int_equal (f.count, 1);
    wire_frames_fini (&f);
    w.body[1] = slice_borrowed ("x", 1);
    f = encoded (&w);
    struct wire d;
    assert_int_equal (f.count, 3);
    assert_int_equal (f.frame[1].len, 0);
    assert_int_equal (wire_frames_bytes (&f), f.frame[0].len + 1);
    assert_int_equal (wire_decode (&d, &f, NULL, NULL), 0);
    assert_int_equal (d.body[0].len, 0);
    assert_int_equal (d.body[1].len, 1);
    wire_fini (&d);
    wire_frames_fini (&f);
}

static void a_stamp_changes_the_numbers_and_nothing_else (void **state)
{
    (void)state;
    struct wire_frames f = ping (), kept = wire_frames_keep (&f);
    struct wire d;
    wire_stamp (&f, 1ull << 63, UINT64_MAX);
    assert_int_equal (wire_decode (&d, &f, NULL, NULL), 0);
    assert_int_equal (d.seq, 1ull << 63);
    assert_int_equal (d.ack, UINT64_MAX);
    assert_int_equal (d.m.ping.stamp, 5);
    wire_fini (&d);
    assert_int_equal (wire_decode (&d, &kept, NULL, NULL), 0);
    assert_int_equal (d.seq, 0);
    wire_fini (&d);
    wire_frames_fini (&f);
    wire_frames_fini (&kept);
}

/* --- limits of a sender ----------------------------------------------------------------------- */

static void not_encoded (const struct wire *w, int code)
{
    struct wire_frames f;
    struct err e = {0};
    assert_int_equal (wire_encode (w, &f, &e), -1);
    assert_int_equal (e.code, code);
    assert_int_equal (f.count, 0);
    assert_null (f.frame[0].blob);
}

static void what_is_over_a_limit_is_not_encoded (void **state)
{
    (void)state;
    static uint8_t much[WIRE_FRAME_MAX + 1];
    struct wire w = {.kind = WIRE_OPEN, .m.open.priority = 101};
    not_encoded (&w, EMSGSIZE);
    w = (struct wire){.kind = WIRE_OPEN, .m.open.name = bytes_of (much, 257)};
    not_encoded (&w, EMSGSIZE);
    w = (struct wire){.kind = WIRE_OUTPUT, .body[0] = slice_borrowed (much, sizeof much)};
    not_encoded (&w, EMSGSIZE);
    w = (struct wire){.kind = WIRE_PING, .body[0] = slice_borrowed (much, 1)};
    not_encoded (&w, EMSGSIZE);
    w = (struct wire){.kind = (enum wire_kind)200};
    not_encoded (&w, EINVAL);
}

static void no_memory_for_a_frame_is_said (void **state)
{
    (void)state;
    static uint8_t much[100000];
    struct wire w = {.kind = WIRE_OUTPUT, .body[0] = slice_borrowed (much, sizeof much)};
    refuse_from = sizeof much;
    not_encoded (&w, ENOMEM);
    refuse_from = 25;
    w = (struct wire){.kind = WIRE_PING};
    not_encoded (&w, ENOMEM);
    refuse_from = SIZE_MAX;
}

/* --- what a receiver refuses ------------------------------------------------------------------ */

static void foreign_bytes_are_malformed (void **state)
{
    (void)state;
    struct wire_frames none = {0};
    refused (&none, WIRE_MALFORMED);
    refused_header (bytes_of (NULL, 0), WIRE_MALFORMED);
    refused_header (bytes_str ("GET / HTTP/1.1"), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 3), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 3, 0), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 3, 0, 0x91, 1), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 3, 0, 0x82, 0, 0, 0, 0), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 3, 0, 0xa3, 0, 0, 0), WIRE_MALFORMED);
}

static void every_truncation_is_malformed (void **state)
{
    (void)state;
    struct wire_frames f = ping ();
    for (size_t len = 0; len < f.frame[0].len; len++)
        refused_header (bytes_of (f.frame[0].ptr, len), WIRE_MALFORMED);
    wire_frames_fini (&f);
}

static void bytes_behind_the_header_are_malformed (void **state)
{
    (void)state;
    refused_header (BYTES (0xd7, 1, 3, 0, 0x93, 0, 0, 5, 0xc0), WIRE_MALFORMED);
}

static void fields_of_another_type_or_out_of_range_are_malformed (void **state)
{
    (void)state;
    refused_header (BYTES (0xd7, 1, 3, 0, 0x93, 0, 0, 0xa1, '5'), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 3, 0, 0x93, 0, 0, 0xff), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 3, 0, 0x93, 0xff, 0, 5), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 3, 0, 0x93, 0, 0xa0, 5), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 6, 0, 0x93, 0, 0, 0xcd, 0x03, 0xe8), WIRE_MALFORMED);
    refused_header (BYTES (0xd7, 1, 7, 0, 0x94, 0, 0, 1, 1), WIRE_MALFORMED);
    uint8_t longer[600] = {0xd7, 1, 7, 0, 0x94, 0, 0, 1, 0xc5, 0x02, 0x01};
    refused_header (bytes_of (longer, 11 + 0x201), WIRE_MALFORMED);
    longer[10] = 0;
    struct wire_frames f = frames_of (bytes_of (longer, 11 + 0x200));
    struct wire w;
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    assert_int_equal (w.m.bye.text.len, 512);
    wire_fini (&w);
}

static void too_many_or_too_long_frames_are_malformed (void **state)
{
    (void)state;
    static uint8_t much[WIRE_FRAME_MAX + 1] = {0xd7, 1, 3, 0};
    struct wire_frames f = ping ();
    f.frame[1] = slice_borrowed ("x", 1);
    f.count = 2;
    refused (&f, WIRE_MALFORMED);
    f.count = 9;
    refused (&f, WIRE_MALFORMED);
    f.count = 2;
    f.frame[1] = slice_borrowed (much, sizeof much);
    refused (&f, WIRE_MALFORMED);
    f.count = 1;
    wire_frames_fini (&f);
    refused_header (bytes_of (much, WIRE_HEADER_MAX + 1), WIRE_MALFORMED);
}

static void an_unknown_kind_or_version_is_unsupported_and_the_kind_is_told (void **state)
{
    (void)state;
    struct wire_frames f = frames_of (BYTES (0xd7, 1, 250, 0, 0x92, 0, 0));
    struct wire w;
    refused (&f, WIRE_UNSUPPORTED);
    wire_decode (&w, &f, NULL, NULL);
    assert_int_equal (w.kind, 250);
    refused_header (BYTES (0xd7, 2, 3, 0, 0x93, 0, 0, 5), WIRE_UNSUPPORTED);
}

/* --- older and newer peers -------------------------------------------------------------------- */

static void missing_fields_are_zero (void **state)
{
    (void)state;
    struct wire_frames f = frames_of (BYTES (0xd7, 1, 33, 0, 0x93, 4, 2, 9));
    struct wire w;
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    assert_int_equal (w.seq, 4);
    assert_int_equal (w.ack, 2);
    assert_int_equal (w.m.results.batch, 9);
    assert_int_equal (w.m.results.count, 0);
    assert_int_equal (w.m.results.host.len, 0);
    wire_fini (&w);
}

static void fields_too_many_are_ignored_unless_they_must_be_understood (void **state)
{
    (void)state;
    uint8_t newer[] = {0xd7, 1, 3, 0, 0x95, 0, 0, 5, 0x92, 0xc0,
                       0xcb, 1, 2, 3, 4,    5, 6, 7, 8,    0xa0};
    struct wire_frames f = frames_of (bytes_of (newer, sizeof newer));
    struct wire w;
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    assert_int_equal (w.m.ping.stamp, 5);
    wire_fini (&w);
    newer[3] = WIRE_FLAG_MUST_UNDERSTAND;
    refused (&f, WIRE_UNSUPPORTED);
    newer[3] = 0x80;
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    assert_int_equal (w.flags, 0x80);
    wire_fini (&w);
}

static void a_new_flag_that_must_be_understood_is_unsupported (void **state)
{
    (void)state;
    refused_header (BYTES (0xd7, 1, 3, 0x81, 0x93, 0, 0, 5), WIRE_UNSUPPORTED);
    struct wire_frames f = frames_of (BYTES (0xd7, 1, 3, 0x01, 0x93, 0, 0, 5));
    struct wire w;
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    wire_fini (&w);
}

/* --- bombs ------------------------------------------------------------------------------------ */

/* The header of a PING whose one field too many is `bomb`. */
static void bomb_costs_little (struct bytes bomb)
{
    uint8_t header[WIRE_HEADER_MAX] = {0xd7, 1, 3, 0, 0xdc, 0, 4, U64_0, U64_0, 5};
    size_t len = 26;
    assert_true (len + bomb.len <= sizeof header);
    memcpy (header + len, bomb.ptr, bomb.len);
    len += bomb.len;
    struct wire_frames f = frames_of (bytes_of (header, len));
    struct wire w;
    allocated = 0;
    if (wire_decode (&w, &f, NULL, NULL) == 0)
        wire_fini (&w);
    assert_true (allocated <= 4 * len);
}

static void no_header_makes_us_allocate_more_than_four_times_its_length (void **state)
{
    (void)state;
    static uint8_t many[WIRE_HEADER_MAX - 26];
    bomb_costs_little (BYTES (0xdd, 0xff, 0xff, 0xff, 0xff));
    bomb_costs_little (BYTES (0xdd, 0x08, 0, 0, 0));
    bomb_costs_little (BYTES (0xc6, 0xff, 0xff, 0xff, 0xff, 1, 2));
    bomb_costs_little (BYTES (0xdf, 0xff, 0xff, 0xff, 0xff, 1, 2));
    for (size_t i = 0; i + 5 <= 150; i += 5)
        memcpy (many + i, "\xdd\x00\x10\x00\x00", 5);
    bomb_costs_little (bytes_of (many, 150));
    memset (many, 0x91, sizeof many);
    bomb_costs_little (bytes_of (many, sizeof many));
    memset (many, 0xc0, sizeof many);
    memcpy (many, "\xdc\x7f\x00", 3);
    bomb_costs_little (bytes_of (many, sizeof many));
    memset (many, 0x80, sizeof many);
    bomb_costs_little (bytes_of (many, sizeof many));
}

/* --- tables ----------------------------------------------------------------------------------- */

static void names_and_numbers_follow_the_definition (void **state)
{
    (void)state;
    assert_string_equal (wire_name (WIRE_HELLO), "HELLO");
    assert_string_equal (wire_name (WIRE_RUN), "RUN");
    assert_null (wire_name (0));
    assert_null (wire_name (255));
    assert_true (wire_numbered (WIRE_ROWS));
    assert_false (wire_numbered (WIRE_PING));
    assert_false (wire_numbered ((enum wire_kind)255));
}

static void nobody_may_say_what_the_definition_does_not_give_him (void **state)
{
    (void)state;
    assert_true (wire_may_send (SENDER_C, WIRE_OPEN));
    assert_false (wire_may_send (SENDER_W, WIRE_OPEN));
    assert_false (wire_may_send (SENDER_B, WIRE_OPEN));
    assert_true (wire_may_send (SENDER_W, WIRE_RESULTS));
    assert_true (wire_may_send (SENDER_B, WIRE_RESULTS));
    assert_false (wire_may_send (SENDER_C, WIRE_RESULTS));
    assert_true (wire_may_send (SENDER_A, WIRE_RUN));
    assert_false (wire_may_send (SENDER_B, WIRE_RUN));
    assert_false (wire_may_send (SENDER_C, 255));
}

static void a_line_shows_fields_and_hides_control_characters (void **state)
{
    (void)state;
    char line[200];
    struct wire w = {.kind = WIRE_BYE,
                     .seq = 4,
                     .ack = 7,
                     .m.bye = {.code = 10, .text = bytes_str ("a b\n\x1b[31mred\\")}};
    wire_show (&w, line, sizeof line);
    assert_string_equal (line, "BYE seq=4 ack=7 code=10 text=a\\x20b\\x0a\\x1b[31mred\\x5c");
    wire_show (&w, line, 12);
    assert_string_equal (line, "BYE seq=4 a");
    wire_show (&w, line, 1);
    assert_string_equal (line, "");
    wire_show (&w, NULL, 0);
    w.kind = (enum wire_kind)77;
    wire_show (&w, line, sizeof line);
    assert_string_equal (line, "kind 77");
    w = (struct wire){.kind = WIRE_OUTPUT, .body[0] = slice_borrowed ("abc", 3)};
    wire_show (&w, line, sizeof line);
    assert_string_equal (
        line, "OUTPUT seq=0 ack=0 batch=0 record=0 row=0 attempt=0 stream=0 offset=0 body0=3");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_message_comes_back_as_it_was),
        cmocka_unit_test (bodies_are_shared_and_not_copied),
        cmocka_unit_test (empty_bodies_at_the_end_are_left_out_and_others_are_not),
        cmocka_unit_test (a_stamp_changes_the_numbers_and_nothing_else),
        cmocka_unit_test (what_is_over_a_limit_is_not_encoded),
        cmocka_unit_test (no_memory_for_a_frame_is_said),
        cmocka_unit_test (foreign_bytes_are_malformed),
        cmocka_unit_test (every_truncation_is_malformed),
        cmocka_unit_test (bytes_behind_the_header_are_malformed),
        cmocka_unit_test (fields_of_another_type_or_out_of_range_are_malformed),
        cmocka_unit_test (too_many_or_too_long_frames_are_malformed),
        cmocka_unit_test (an_unknown_kind_or_version_is_unsupported_and_the_kind_is_told),
        cmocka_unit_test (missing_fields_are_zero),
        cmocka_unit_test (fields_too_many_are_ignored_unless_they_must_be_understood),
        cmocka_unit_test (a_new_flag_that_must_be_understood_is_unsupported),
        cmocka_unit_test (no_header_makes_us_allocate_more_than_four_times_its_length),
        cmocka_unit_test (names_and_numbers_follow_the_definition),
        cmocka_unit_test (nobody_may_say_what_the_definition_does_not_give_him),
        cmocka_unit_test (a_line_shows_fields_and_hides_control_characters),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
