/* The summary line, and the words and tables around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/say.h"
#include "client/cli/suggest.h"
#include "client/cli/summary.h"
#include "client/cli/table.h"
#include "client/drover.h"

static void print (struct summary *s, uint64_t wall_us, uint64_t slots, const char *wanted)
{
    char line[400];

    summary_print (s, wall_us, slots, line, sizeof line);
    assert_string_equal (line, wanted);
    summary_fini (s);
}

static void the_line_is_that_of_the_manual (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    for (int i = 0; i < 1000; i++)
        summary_add (&s, DROVER_DONE, 47900, i % 3 ? "one" : "two");
    print (&s, 12300000, 4,
           "1000 tasks, 0 failed, 4 slots on 2 hosts: wall 12.3 s, work 47.9 s, speed-up 3.9, "
           "efficiency 97 %, overhead 325 us/task");
}

static void one_task_is_singular (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    summary_add (&s, DROVER_FAILED, 500000, "one");
    print (&s, 510000, 1,
           "1 task, 1 failed, 1 slot on 1 host: wall 0.51 s, work 0.50 s, speed-up 1.0, "
           "efficiency 98 %, overhead 10 ms/task");
}

static void what_never_ran_has_no_host (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    summary_add (&s, DROVER_FAILED, 0, "");
    summary_add (&s, DROVER_FAILED, 0, NULL);
    assert_int_equal (s.host_count, 0);
    print (&s, 2000, 0, "2 tasks, 2 failed: wall 2.0 ms, work 0 us, speed-up 0.0");
}

static void lost_and_parked_tasks_are_told_apart (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    summary_add (&s, DROVER_FAILED, 0, "");
    summary_add (&s, DROVER_PARKED, 0, "");
    print (&s, 2000, 0, "2 tasks, 2 failed (1 parked): wall 2.0 ms, work 0 us, speed-up 0.0");
    summary_init (&s);
    summary_add (&s, DROVER_LOST, 0, "");
    summary_add (&s, DROVER_PARKED, 0, "");
    print (&s, 2000, 0,
           "2 tasks, 2 failed (1 lost, 1 parked): wall 2.0 ms, work 0 us, speed-up 0.0");
}

static void cancelled_tasks_are_no_failed_ones (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    summary_add (&s, DROVER_DONE, 1000000, "one");
    summary_add (&s, DROVER_TIMEOUT, 1000000, "one");
    summary_add (&s, DROVER_CANCELLED, 0, "one");
    summary_add (&s, DROVER_CANCELLED, 0, "");
    print (&s, 2000000, 2,
           "4 tasks, 1 failed, 2 cancelled, 2 slots on 1 host: wall 2.0 s, work 2.0 s, speed-up "
           "1.0, efficiency 50 %, overhead 0.50 s/task");
}

static void no_task_divides_by_nothing (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    print (&s, 0, 2, "0 tasks, 0 failed: wall 0 us, work 0 us, speed-up 0.0");
}

static void more_work_than_slots_is_no_negative_overhead (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    summary_add (&s, DROVER_DONE, 3000000, "one");
    print (&s, 1000000, 2,
           "1 task, 0 failed, 2 slots on 1 host: wall 1.0 s, work 3.0 s, speed-up 3.0, "
           "efficiency 150 %, overhead 0 us/task");
}

static void control_characters_are_shown_escaped (void **state)
{
    char out[80];

    (void)state;
    say_escape (out, sizeof out, "a\nb\tc\033[0m\177\r", 11);
    assert_string_equal (out, "a\\nb\\tc\\x1b[0m\\x7f\\r");
}

static void what_is_too_long_is_cut_and_says_so (void **state)
{
    char out[20];

    (void)state;
    say_escape (out, sizeof out, "0123456789012345678901234567890", 31);
    assert_string_equal (out, "0123456789012...");
    say_escape (out, sizeof out, "\001\001\001\001\001\001\001\001", 8);
    assert_string_equal (out, "\\x01\\x01\\x01\\x01...");
}

static void the_nearest_word_is_suggested (void **state)
{
    static const char *const words[] = {"foreach", "run", "results", "wait"};

    (void)state;
    assert_string_equal (suggest ("foreahc", words, 4), "foreach");
    assert_string_equal (suggest ("forech", words, 4), "foreach");
    assert_string_equal (suggest ("rnu", words, 4), "run");
    assert_string_equal (suggest ("result", words, 4), "results");
    assert_null (suggest ("gzip", words, 4));
    assert_null (suggest ("", words, 4));
    assert_null (suggest ("a-very-long-word-that-nobody-has-ever-meant", words, 4));
}

static void columns_are_as_wide_as_their_widest_cell (void **state)
{
    static const char *const cells[] = {"NAME", "N", "b\tx", "7", "\303\244", "12"};
    char *text = NULL;
    size_t size = 0;
    struct table t;
    FILE *out = open_memstream (&text, &size);

    (void)state;
    table_init (&t, 2);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        table_cell (&t, cells[i], strlen (cells[i]));
    table_print (&t, out);
    fclose (out);
    assert_string_equal (text, "NAME   N\n"
                               "b\\tx   7\n"
                               "\303\244     12\n");
    free (text);
    table_fini (&t);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_line_is_that_of_the_manual),
        cmocka_unit_test (one_task_is_singular),
        cmocka_unit_test (what_never_ran_has_no_host),
        cmocka_unit_test (lost_and_parked_tasks_are_told_apart),
        cmocka_unit_test (cancelled_tasks_are_no_failed_ones),
        cmocka_unit_test (no_task_divides_by_nothing),
        cmocka_unit_test (more_work_than_slots_is_no_negative_overhead),
        cmocka_unit_test (control_characters_are_shown_escaped),
        cmocka_unit_test (what_is_too_long_is_cut_and_says_so),
        cmocka_unit_test (the_nearest_word_is_suggested),
        cmocka_unit_test (columns_are_as_wide_as_their_widest_cell),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
