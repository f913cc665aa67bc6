/* Which batches and tasks a selector means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/cli/selectors.h"

static const struct known_batch known[] = {{15, "nightly"}, {3, "build"}, {12, "build"}, {4, ""}};

#define KNOWN (sizeof known / sizeof *known)

static int parse (struct selectors *s, const char *word)
{
    char *words[] = {(char *)word};
    struct err e;

    return selectors_parse (s, words, 1, &e);
}

static void check_one (const char *word, uint64_t id, uint64_t first, uint64_t count)
{
    struct selectors s;

    assert_int_equal (parse (&s, word), 0);
    assert_int_equal (s.count, 1);
    assert_int_equal (s.all[0].kind, SELECTOR_ID);
    assert_int_equal (s.all[0].id, id);
    assert_int_equal (s.all[0].first, first);
    assert_int_equal (s.all[0].count, count);
    selectors_fini (&s);
}

static void people_count_tasks_from_one (void **state)
{
    (void)state;
    check_one ("12", 12, 0, 0);
    check_one ("12.7", 12, 6, 1);
    check_one ("12.3-9", 12, 2, 7);
    check_one ("12.3-3", 12, 2, 1);
}

static void nonsense_is_refused (void **state)
{
    static const char *const words[] = {
        "",      "0", "-1",    "12.",   "12.0",  "12.9-3", "x",     "12,",
        "12.3-", "@", "lasty", "12.3x", "all.1", " 12",    "12 13", "99999999999999999999999"};
    struct selectors s;

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_int_equal (parse (&s, words[i]), -1);
        assert_null (s.all);
    }
}

static void commas_separate_selectors (void **state)
{
    struct selectors s;

    (void)state;
    assert_int_equal (parse (&s, "12.7,9,@a b"), 0);
    assert_int_equal (s.count, 3);
    assert_int_equal (s.all[0].first, 6);
    assert_int_equal (s.all[1].id, 9);
    assert_int_equal (s.all[1].count, 0);
    assert_string_equal (s.all[2].name, "a b");
    assert_true (selectors_need_list (&s));
    assert_true (selectors_have_tasks (&s));
    selectors_fini (&s);
}

static void numbers_need_no_list (void **state)
{
    struct selectors s;

    (void)state;
    assert_int_equal (parse (&s, "12,15"), 0);
    assert_false (selectors_need_list (&s));
    assert_false (selectors_have_tasks (&s));
    selectors_fini (&s);
}

static void resolve (struct selectors *s, const char *word, size_t absent)
{
    char missing[80] = "";

    assert_int_equal (parse (s, word), 0);
    assert_int_equal (selectors_resolve (s, known, KNOWN, missing, sizeof missing), absent);
}

static void last_is_the_highest_number (void **state)
{
    struct selectors s;

    (void)state;
    resolve (&s, "last.2", 0);
    assert_int_equal (s.count, 1);
    assert_int_equal (s.all[0].id, 15);
    assert_int_equal (s.all[0].first, 1);
    selectors_fini (&s);
}

static void all_are_in_order_of_numbers (void **state)
{
    struct selectors s;

    (void)state;
    resolve (&s, "all", 0);
    assert_int_equal (s.count, 4);
    assert_int_equal (s.all[0].id, 3);
    assert_int_equal (s.all[3].id, 15);
    selectors_fini (&s);
}

static void a_name_means_every_batch_of_that_name (void **state)
{
    struct selectors s;

    (void)state;
    resolve (&s, "@build", 0);
    assert_int_equal (s.count, 2);
    assert_int_equal (s.all[0].id, 3);
    assert_int_equal (s.all[1].id, 12);
    selectors_fini (&s);
}

static void a_name_may_be_followed_by_tasks (void **state)
{
    struct selectors s;

    (void)state;
    resolve (&s, "@build.2", 0);
    assert_int_equal (s.count, 2);
    assert_int_equal (s.all[0].id, 3);
    assert_int_equal (s.all[0].first, 1);
    assert_int_equal (s.all[0].count, 1);
    assert_int_equal (s.all[1].id, 12);
    selectors_fini (&s);
    resolve (&s, "@build.3-9", 0);
    assert_int_equal (s.all[1].first, 2);
    assert_int_equal (s.all[1].count, 7);
    selectors_fini (&s);
    resolve (&s, "@build.x", 1);
    selectors_fini (&s);
    resolve (&s, "@build.0", 1);
    selectors_fini (&s);
}

static void a_batch_of_that_very_name_outranks_tasks (void **state)
{
    static const struct known_batch batches[] = {{1, "gzip {}.7"}, {2, "gzip {}"}};
    struct selectors s;
    char missing[80] = "";

    (void)state;
    assert_int_equal (parse (&s, "@gzip {}.7"), 0);
    assert_int_equal (selectors_resolve (&s, batches, 2, missing, sizeof missing), 0);
    assert_int_equal (s.count, 1);
    assert_int_equal (s.all[0].id, 1);
    assert_int_equal (s.all[0].count, 0);
    selectors_fini (&s);
    assert_int_equal (parse (&s, "@gzip {}.8"), 0);
    assert_int_equal (selectors_resolve (&s, batches, 2, missing, sizeof missing), 0);
    assert_int_equal (s.all[0].id, 2);
    assert_int_equal (s.all[0].first, 7);
    selectors_fini (&s);
}

static void what_matches_nothing_is_left_out_and_told (void **state)
{
    struct selectors s;
    char missing[80] = "";

    (void)state;
    assert_int_equal (parse (&s, "99,@nobody,@build"), 0);
    assert_int_equal (selectors_resolve (&s, known, KNOWN, missing, sizeof missing), 1);
    assert_string_equal (missing, "@nobody");
    assert_int_equal (s.count, 3); /* 99 is for the broker to know */
    selectors_fini (&s);
    assert_int_equal (parse (&s, "last"), 0);
    assert_int_equal (selectors_resolve (&s, NULL, 0, missing, sizeof missing), 1);
    assert_string_equal (missing, "last");
    assert_int_equal (s.count, 0);
    selectors_fini (&s);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (people_count_tasks_from_one),
        cmocka_unit_test (nonsense_is_refused),
        cmocka_unit_test (commas_separate_selectors),
        cmocka_unit_test (numbers_need_no_list),
        cmocka_unit_test (last_is_the_highest_number),
        cmocka_unit_test (all_are_in_order_of_numbers),
        cmocka_unit_test (a_name_means_every_batch_of_that_name),
        cmocka_unit_test (a_name_may_be_followed_by_tasks),
        cmocka_unit_test (a_batch_of_that_very_name_outranks_tasks),
        cmocka_unit_test (what_matches_nothing_is_left_out_and_told),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
