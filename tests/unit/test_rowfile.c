/* Rows that are kept in a file and read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/rowfile.h"

static drover_bytes_t bytes (const void *ptr, size_t len)
{
    return (drover_bytes_t){.ptr = ptr, .len = len};
}

static void next_is (struct rowfile *f, const drover_bytes_t *wanted, size_t count)
{
    const drover_bytes_t *values;
    size_t got;
    struct err e;

    assert_int_equal (rowfile_next (f, &values, &got, &e), 1);
    assert_int_equal (got, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal (values[i].len, wanted[i].len);
        if (wanted[i].len)
            assert_memory_equal (values[i].ptr, wanted[i].ptr, wanted[i].len);
    }
}

static void rows_come_back_as_they_were (void **state)
{
    char *large = calloc (1, 3 << 20);
    drover_bytes_t none = bytes (NULL, 0);
    drover_bytes_t pair[] = {bytes ("a\0b", 3), bytes (NULL, 0)};
    drover_bytes_t big[] = {bytes (large, 3 << 20), bytes ("\xff", 1)};
    const drover_bytes_t *values;
    size_t count;
    struct err e;
    struct rowfile *f = rowfile_new (&e);

    (void)state;
    assert_non_null (f);
    memset (large, 'x', 3 << 20);
    assert_int_equal (rowfile_add (f, pair, 2, &e), 0);
    assert_int_equal (rowfile_add (f, NULL, 0, &e), 0);
    assert_int_equal (rowfile_add (f, big, 2, &e), 0);
    assert_int_equal (rowfile_add (f, &none, 1, &e), 0);
    assert_int_equal (rowfile_rewind (f, &e), 0);
    next_is (f, pair, 2);
    next_is (f, NULL, 0);
    next_is (f, big, 2);
    next_is (f, &none, 1);
    assert_int_equal (rowfile_next (f, &values, &count, &e), 0);
    assert_int_equal (rowfile_next (f, &values, &count, &e), 0);
    rowfile_free (&f);
    assert_null (f);
    rowfile_free (&f);
    free (large);
}

static void a_directory_that_is_not_there_is_said (void **state)
{
    char *before = getenv ("TMPDIR") ? strdup (getenv ("TMPDIR")) : NULL;
    struct err e;

    (void)state;
    setenv ("TMPDIR", "/nonexistent/place", 1);
    assert_null (rowfile_new (&e));
    assert_non_null (strstr (e.text, "/nonexistent/place"));
    if (before)
        setenv ("TMPDIR", before, 1);
    else
        unsetenv ("TMPDIR");
    free (before);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rows_come_back_as_they_were),
        cmocka_unit_test (a_directory_that_is_not_there_is_said),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
