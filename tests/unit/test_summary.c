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

static void add_row (struct summary *s, uint64_t row, int how, uint64_t wall_us, const char *host)
{
    drover_result_t r = {.row = row,
                         .attempt = 1,
                         .how = how,
                         .start_us = wall_us ? 1700000000000000u : 0,
                         .wall_us = wall_us,
                         .host = host,
                         .reason = ""};

    summary_add (s, &r);
}

static void add (struct summary *s, int how, uint64_t wall_us, const char *host)
{
    add_row (s, s->worth.tasks, how, wall_us, host);
}

static void print (struct summary *s, uint64_t wall_us, uint64_t slots, const char *wanted)
{
    char line[400];

    s->wall_us = wall_us;
    s->worth.slots = slots;
    summary_print (s, line, sizeof line);
    assert_string_equal (line, wanted);
    summary_fini (s);
}

static void the_line_is_that_of_the_manual (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    for (int i = 0; i < 1000; i++)
        add (&s, DROVER_DONE, 47900, i % 3 ? "one" : "two");
    print (&s, 12300000, 4,
           "1000 tasks, 0 failed, 4 slots on 2 hosts: wall 12.3 s, work 47.9 s, speed-up 3.9, "
           "efficiency 97 %, overhead 325 us/task");
}

static void one_task_is_singular (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    add (&s, DROVER_FAILED, 500000, "one");
    print (&s, 510000, 1,
           "1 task, 1 failed, 1 slot on 1 host: wall 0.51 s, work 0.50 s, speed-up 1.0, "
           "efficiency 98 %, overhead 10 ms/task");
}

static void what_never_ran_has_no_host (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    add (&s, DROVER_FAILED, 0, "");
    add (&s, DROVER_FAILED, 0, NULL);
    assert_int_equal (s.host_count, 0);
    print (&s, 2000, 0, "2 tasks, 2 failed: wall 2.0 ms, work 0 us, speed-up 0.0");
}

static void lost_and_parked_tasks_are_told_apart (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    add (&s, DROVER_FAILED, 0, "");
    add (&s, DROVER_PARKED, 0, "");
    print (&s, 2000, 0, "2 tasks, 2 failed (1 parked): wall 2.0 ms, work 0 us, speed-up 0.0");
    summary_init (&s);
    add (&s, DROVER_LOST, 0, "");
    add (&s, DROVER_PARKED, 0, "");
    print (&s, 2000, 0,
           "2 tasks, 2 failed (1 lost, 1 parked): wall 2.0 ms, work 0 us, speed-up 0.0");
}

static void cancelled_tasks_are_no_failed_ones (void **state)
{
    struct summary s;

    (void)state;
    summary_init (&s);
    add (&s, DROVER_DONE, 1000000, "one");
    add (&s, DROVER_TIMEOUT, 1000000, "one");
    add (&s, DROVER_CANCELLED, 0, "one");
    add (&s, DROVER_CANCELLED, 0, "");
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
    add (&s, DROVER_DONE, 3000000, "one");
    print (&s, 1000000, 2,
           "1 task, 0 failed, 2 slots on 1 host: wall 1.0 s, work 3.0 s, speed-up 3.0, "
           "efficiency 150 %, overhead 0 us/task");
}

static void compare (const struct summary *p, const struct summary *s, const char *wanted)
{
    char line[400];

    summary_compare (p, s, line, sizeof line);
    assert_string_equal (line, wanted);
}

static void differ (const struct summary *p, const struct summary *s, const char *wanted)
{
    char line[400] = "";

    assert_int_equal (summary_differ (p, s, line, sizeof line), strlen (wanted));
    assert_string_equal (line, wanted);
}

static void what_was_compared_is_said_with_both_times (void **state)
{
    struct summary p = {.measured_us = 2100000}, s = {.measured_us = 7900000};

    (void)state;
    compare (&p, &s, "in parallel 2.1 s, one after another 7.9 s: measured speed-up 3.8");
    s.measured_us = 2520000;
    compare (&p, &s, "in parallel 2.1 s, one after another 2.5 s: measured speed-up 1.20");
    compare (&s, &p,
             "in parallel 2.5 s, one after another 2.1 s: sequential was faster, measured "
             "speed-up 0.83");
}

static void tasks_that_fail_only_in_one_of_the_runs_are_told (void **state)
{
    struct summary p, s;

    (void)state;
    summary_init (&p);
    summary_init (&s);
    add_row (&p, 3, DROVER_FAILED, 1000, "one");
    add_row (&p, 5, DROVER_TIMEOUT, 1000, "one");
    add_row (&s, 5, DROVER_FAILED, 1000, "one");
    differ (&p, &s,
            "in parallel 2 tasks failed, one after another 1: the tasks depend on each other, or "
            "on what they did before");
    add_row (&s, 3, DROVER_FAILED, 1000, "one");
    differ (&p, &s, "");
    add_row (&p, 6, DROVER_FAILED, 1000, "one");
    add_row (&s, 7, DROVER_FAILED, 1000, "one");
    differ (&p, &s, "3 tasks failed in parallel as well as one after another, but not the same");
    summary_fini (&p);
    summary_fini (&s);
}

static void advice_is_one_line_or_none (void **state)
{
    struct summary s;
    char line[400];

    (void)state;
    summary_init (&s);
    s.worth.slots = 8;
    add (&s, DROVER_DONE, 2000000, "one");
    add (&s, DROVER_DONE, 2000000, "one");
    assert_true (summary_advice (&s, line, sizeof line) > 0);
    assert_string_equal (line, "2 tasks for 8 slots: 6 had nothing to do: split the work into more "
                               "tasks, at least 8");
    add (&s, DROVER_CANCELLED, 0, "");
    assert_int_equal (summary_advice (&s, line, sizeof line), 0);
    summary_fini (&s);
}

/* Items of two stages on two slots: neither is small, nor does one rule, and only the sum of both
 * would say so. */
static void advice_for_a_pipeline_is_about_what_ran (void **state)
{
    drover_result_t first = {.how = DROVER_DONE, .attempt = 1, .host = "h", .maxrss_kib = 1};
    drover_result_t second = {.how = DROVER_DONE, .attempt = 1, .host = "h", .maxrss_kib = 1};
    struct summary s;
    char line[400];

    (void)state;
    summary_init (&s);
    second.before = &first;
    for (uint64_t i = 0; i < 400; i++) {
        first.row = second.row = i;
        first.start_us = 1700000000000000u + i * 9000;
        first.wall_us = second.wall_us = first.user_us = second.user_us = 6000;
        second.start_us = first.start_us + 9000;
        summary_add (&s, &second);
    }
    assert_int_equal (s.worth.tasks, 400);
    assert_int_equal (s.worth.work_us, 400 * 12000);
    s.worth.slots = 2;
    s.worth.cores = 2;
    s.worth.wall_us = 400 * 9000;
    assert_true (summary_advice (&s, line, sizeof line) > 0);
    assert_string_equal (line, "tasks ran 6.0 ms on average, with 3.0 ms of overhead each: give "
                               "each task more to do (-n 5), or make it a function (--function)");
    s.uneven = true; /* a limit of their own may be why slots were idle */
    assert_int_equal (summary_advice (&s, line, sizeof line), 0);
    summary_fini (&s);
}

static void the_object_has_what_the_lines_have (void **state)
{
    struct summary s, other;
    json_t *o;
    char *text;

    (void)state;
    summary_init (&s);
    summary_init (&other);
    for (int i = 0; i < 2; i++)
        add (&s, i ? DROVER_DONE : DROVER_FAILED, 2000000, "one");
    s.wall_us = 2500000;
    s.worth.slots = 2;
    s.worth.cores = 2;
    s.measured_us = 2000000;
    other.measured_us = 4000000;
    o = summary_json (&s, &other);
    text = json_dumps (o, JSON_COMPACT | JSON_REAL_PRECISION (15) | JSON_SORT_KEYS);
    assert_string_equal (text, "{\"advice\":[],\"cancelled\":0,\"compare\":{\"parallel_failed\":1,"
                               "\"parallel_s\":2.0,\"same_failed\":false,\"sequential_failed\":0,"
                               "\"sequential_s\":4.0,\"speed_up\":2.0},\"cores\":2,"
                               "\"efficiency\":0.8,\"failed\":1,\"hosts\":1,\"overhead_s\":0.25,"
                               "\"slots\":2,\"speed_up\":1.6,\"tasks\":2,\"wall_s\":2.5,"
                               "\"work_s\":4.0}");
    free (text);
    json_decref (o);
    summary_fini (&s);
    summary_fini (&other);
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
        cmocka_unit_test (what_was_compared_is_said_with_both_times),
        cmocka_unit_test (tasks_that_fail_only_in_one_of_the_runs_are_told),
        cmocka_unit_test (advice_is_one_line_or_none),
        cmocka_unit_test (advice_for_a_pipeline_is_about_what_ran),
        cmocka_unit_test (the_object_has_what_the_lines_have),
        cmocka_unit_test (control_characters_are_shown_escaped),
        cmocka_unit_test (what_is_too_long_is_cut_and_says_so),
        cmocka_unit_test (the_nearest_word_is_suggested),
        cmocka_unit_test (columns_are_as_wide_as_their_widest_cell),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
