/* What the command line says of running again: the values, and what becomes of them in a batch. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/retrying.h"

static void refuses (int (*parse) (struct retrying *, const char *, struct err *), const char *text,
                     const char *wanted)
{
    struct retrying r = {0};
    struct err e = {0};
    assert_int_equal (parse (&r, text, &e), -1);
    if (!strstr (e.text, wanted))
        fail_msg ("'%s' does not say '%s'", e.text, wanted);
}

static void reasons_are_names_and_ranges_of_exit_statuses (void **state)
{
    (void)state;
    struct retrying r = {0};
    assert_int_equal (retrying_parse_on (&r, "failed,signal,timeout,lost", NULL), 0);
    assert_int_equal (r.on, DROVER_RETRY_FAILED | DROVER_RETRY_SIGNAL | DROVER_RETRY_TIMEOUT |
                                DROVER_RETRY_LOST);
    assert_int_equal (retrying_parse_on (&r, "exit:7-9,exit:255", NULL), 0);
    assert_int_equal (r.on, 0);
    assert_int_equal (r.exits[0], 0x80);
    assert_int_equal (r.exits[1], 0x03);
    assert_int_equal (r.exits[31], 0x80);
    assert_int_equal (retrying_parse_on (&r, "signal", NULL), 0);
    assert_int_equal (r.exits[31], 0);
}

static void other_reasons_are_refused_in_words (void **state)
{
    (void)state;
    refuses (retrying_parse_on, "", "'' is no reason");
    refuses (retrying_parse_on, "failed,", "'' is no reason");
    refuses (retrying_parse_on, "failed,done", "'done' is no reason");
    refuses (retrying_parse_on, "exit:0", "from 1 to 255");
    refuses (retrying_parse_on, "exit:256", "from 1 to 255");
    refuses (retrying_parse_on, "exit:", "from 1 to 255");
    refuses (retrying_parse_on, "exit:9-7", "ends before it begins");
    refuses (retrying_parse_on, "75", "'75' is no reason: write");
    refuses (retrying_parse_on,
             "failedfailedfailedfailedfailedfailedfailedfailedfailedfailedfailedfailed",
             "is no reason");
}

static void delays_are_one_duration_or_two (void **state)
{
    (void)state;
    struct retrying r = {0};
    assert_int_equal (retrying_parse_delay (&r, "500ms", NULL), 0);
    assert_int_equal (r.delay_ms, 500);
    assert_int_equal (r.delay_max_ms, 0);
    assert_int_equal (retrying_parse_delay (&r, "0.5s..1m30s", NULL), 0);
    assert_int_equal (r.delay_ms, 500);
    assert_int_equal (r.delay_max_ms, 90000);
    refuses (retrying_parse_delay, "", "is no duration");
    refuses (retrying_parse_delay, "..5", "is no duration");
    refuses (retrying_parse_delay, "5..", "is no duration");
    refuses (retrying_parse_delay, "5..4", "ends before it begins");
    refuses (retrying_parse_delay, "soon", "'soon' is no duration");
}

static void numbers_have_limits (void **state)
{
    (void)state;
    refuses (retrying_parse_runs, "0", "from 1 to 1000");
    refuses (retrying_parse_runs, "1001", "from 1 to 1000");
    refuses (retrying_parse_crash_limit, "-1", "from 1 to 1000");
    struct retrying r = {0};
    assert_int_equal (retrying_parse_runs (&r, "1000", NULL), 0);
    assert_int_equal (r.runs, 1000);
}

static void a_batch_gets_what_was_said (void **state)
{
    (void)state;
    struct retrying r = {.at_most_once = true, .crash_limit = 5};
    drover_batch_options_t o = {.flags = DROVER_DETACHED};
    retrying_apply (&r, &o);
    assert_int_equal (o.flags, DROVER_DETACHED | DROVER_AT_MOST_ONCE);
    assert_int_equal (o.crash_limit, 5);
    r = (struct retrying){.exclusive = true, .runs = 4, .on = DROVER_RETRY_TIMEOUT, .delay_ms = 7};
    r.exits[9] = 1;
    o = (drover_batch_options_t){0};
    retrying_apply (&r, &o);
    assert_int_equal (o.flags, DROVER_EXCLUSIVE);
    assert_int_equal (o.runs, 4);
    assert_int_equal (o.retry_on, DROVER_RETRY_TIMEOUT);
    assert_int_equal (o.retry_exits[9], 1);
    assert_int_equal (o.retry_delay_ms, 7);
}

int main (void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test (reasons_are_names_and_ranges_of_exit_statuses),
        cmocka_unit_test (other_reasons_are_refused_in_words),
        cmocka_unit_test (delays_are_one_duration_or_two),
        cmocka_unit_test (numbers_have_limits),
        cmocka_unit_test (a_batch_gets_what_was_said),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
