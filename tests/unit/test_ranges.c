/* Ranges against a plain array of flags, over pseudo-random operations from a fixed seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/model/ranges.h"

enum { SPACE = 200 };

static void agree (const struct ranges *r, const uint8_t *flag)
{
    uint64_t count = 0;
    for (uint64_t x = 0; x < SPACE; x++) {
        count += flag[x];
        assert_int_equal (ranges_has (r, x), flag[x]);
    }
    assert_int_equal (r->count, count);
    for (size_t i = 0; i < r->n; i++) {
        assert_true (r->at[i].lo < r->at[i].hi);
        if (i)
            assert_true (r->at[i - 1].hi < r->at[i].lo); /* never touching */
    }
}

static void random_operations_agree_with_an_array_of_flags (void **state)
{
    (void)state;
    struct ranges r = {0};
    uint8_t flag[SPACE] = {0};
    uint32_t seed = 12345;
    for (int step = 0; step < 5000; step++) {
        seed = seed * 1664525 + 1013904223;
        uint64_t lo = (seed >> 8) % SPACE;
        uint64_t hi = lo + (seed >> 20) % 12;
        if (hi > SPACE)
            hi = SPACE;
        uint64_t changed = 0;
        int add = (seed >> 5) & 1;
        for (uint64_t x = lo; x < hi; x++) {
            changed += flag[x] != add;
            flag[x] = (uint8_t)add;
        }
        if (add)
            ranges_add (&r, lo, hi);
        else
            assert_int_equal (ranges_remove (&r, lo, hi), changed);
        agree (&r, flag);
    }
    ranges_fini (&r);
}

static void from_gives_the_rest_of_the_interval_or_the_next (void **state)
{
    (void)state;
    struct ranges r = {0};
    ranges_add (&r, 10, 20);
    ranges_add (&r, 30, 40);
    struct range found = ranges_from (&r, 15);
    assert_int_equal (found.lo, 15);
    assert_int_equal (found.hi, 20);
    found = ranges_from (&r, 20);
    assert_int_equal (found.lo, 30);
    found = ranges_from (&r, 40);
    assert_int_equal (found.lo, found.hi);
    assert_true (ranges_meets (&r, 0, 11));
    assert_false (ranges_meets (&r, 20, 30));
    assert_int_equal (ranges_last (&r).hi, 40);
    ranges_fini (&r);
}

static void a_million_rows_in_order_are_one_interval (void **state)
{
    (void)state;
    struct ranges r = {0};
    for (uint64_t x = 0; x < 1000000; x += 100)
        ranges_add (&r, x, x + 100);
    assert_int_equal (r.n, 1);
    assert_int_equal (r.count, 1000000);
    ranges_fini (&r);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (random_operations_agree_with_an_array_of_flags),
        cmocka_unit_test (from_gives_the_rest_of_the_interval_or_the_next),
        cmocka_unit_test (a_million_rows_in_order_are_one_interval),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
