#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/wire/rows.h"

static struct bytes content (const struct buf *b)
{
    return bytes_of (b->bytes, b->len);
}

/* Three rows: (a, ""), (), (with NUL). */
static struct buf three_rows (void)
{
    struct buf b;
    buf_init (&b, 1000);
    row_begin (&b, 2);
    row_value (&b, bytes_str ("a"));
    row_value (&b, bytes_str (NULL));
    row_begin (&b, 0);
    row_begin (&b, 1);
    row_value (&b, bytes_of ("x\0y", 3));
    assert_false (b.failed);
    return b;
}

static void rows_come_back_as_they_were_written (void **state)
{
    (void)state;
    struct buf b = three_rows ();
    struct bytes v[4];
    size_t at = 0;
    assert_int_equal (rows_check (content (&b), 3, NULL), 0);
    assert_int_equal (row_read (content (&b), &at, v, 4), 2);
    assert_true (bytes_equal (v[0], bytes_str ("a")));
    assert_int_equal (v[1].len, 0);
    assert_int_equal (row_read (content (&b), &at, v, 4), 0);
    assert_int_equal (row_read (content (&b), &at, v, 4), 1);
    assert_true (bytes_equal (v[0], bytes_of ("x\0y", 3)));
    assert_int_equal (row_read (content (&b), &at, v, 4), -1);
    assert_int_equal (at, b.len);
    buf_fini (&b);
}

static void a_row_of_more_values_than_asked_for_says_how_many (void **state)
{
    (void)state;
    struct buf b = three_rows ();
    struct bytes v[1];
    size_t at = 0;
    assert_int_equal (row_read (content (&b), &at, v, 1), 2);
    assert_int_equal (row_read (content (&b), &at, NULL, 0), 0);
    assert_int_equal (row_read (content (&b), &at, NULL, 0), 1);
    buf_fini (&b);
}

static void a_body_of_another_number_of_rows_is_refused (void **state)
{
    (void)state;
    struct buf b = three_rows ();
    struct err e = {0};
    assert_int_equal (rows_check (content (&b), 2, &e), -1);
    assert_int_equal (rows_check (content (&b), 4, &e), -1);
    assert_true (e.text[0] != '\0');
    assert_int_equal (rows_check (bytes_of (NULL, 0), 0, NULL), 0);
    assert_int_equal (rows_check (bytes_of (NULL, 0), 1, NULL), -1);
    buf_fini (&b);
}

static void the_front_of_a_body_is_measured_in_rows (void **state)
{
    (void)state;
    struct buf b = three_rows ();
    assert_int_equal (rows_length (content (&b), 0), 0);
    assert_int_equal (rows_length (content (&b), 1), 6);
    assert_int_equal (rows_length (content (&b), 2), 7);
    assert_int_equal (rows_length (content (&b), 3), b.len);
    assert_int_equal (rows_length (content (&b), 9), b.len);
    buf_fini (&b);
}

static void every_truncation_and_every_other_type_is_refused (void **state)
{
    (void)state;
    struct buf b = three_rows ();
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal (rows_check (bytes_of (b.bytes, len), 3, NULL), -1);
    static const uint8_t number[] = {0x91, 0x05}, map[] = {0x81, 0xa0, 0xa0}, bare[] = {0xa0},
                         huge[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal (rows_check (bytes_of (number, sizeof number), 1, NULL), -1);
    assert_int_equal (rows_check (bytes_of (map, sizeof map), 1, NULL), -1);
    assert_int_equal (rows_check (bytes_of (bare, sizeof bare), 1, NULL), -1);
    assert_int_equal (rows_check (bytes_of (huge, sizeof huge), 1, NULL), -1);
    buf_fini (&b);
}

static void a_row_has_a_greatest_number_of_values (void **state)
{
    (void)state;
    struct buf b;
    buf_init (&b, 1 << 20);
    row_begin (&b, ROW_VALUES_MAX);
    for (unsigned i = 0; i < ROW_VALUES_MAX; i++)
        row_value (&b, bytes_str (""));
    assert_int_equal (rows_check (content (&b), 1, NULL), 0);
    buf_clear (&b);
    row_begin (&b, ROW_VALUES_MAX + 1);
    for (unsigned i = 0; i <= ROW_VALUES_MAX; i++)
        row_value (&b, bytes_str (""));
    assert_int_equal (rows_check (content (&b), 1, NULL), -1);
    buf_fini (&b);
}

static void a_full_buffer_says_so (void **state)
{
    (void)state;
    struct buf b;
    buf_init (&b, 4);
    row_begin (&b, 1);
    assert_false (b.failed);
    row_value (&b, bytes_str ("abcd"));
    assert_true (b.failed);
    buf_fini (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rows_come_back_as_they_were_written),
        cmocka_unit_test (a_row_of_more_values_than_asked_for_says_how_many),
        cmocka_unit_test (a_body_of_another_number_of_rows_is_refused),
        cmocka_unit_test (the_front_of_a_body_is_measured_in_rows),
        cmocka_unit_test (every_truncation_and_every_other_type_is_refused),
        cmocka_unit_test (a_row_has_a_greatest_number_of_values),
        cmocka_unit_test (a_full_buffer_says_so),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
