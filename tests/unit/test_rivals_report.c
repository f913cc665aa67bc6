/* The line, and the object, that say who won. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/cli/rivals_report.h"

static const drover_bytes_t values[] = {{"curl a\n", 7}, {"b", 1}};

static void says (const struct rivals_report *r, const char *wanted)
{
    char line[200];
    size_t len = rivals_report_text (r, line, sizeof line);

    assert_string_equal (line, wanted);
    assert_int_equal (len, strlen (wanted));
}

static struct rivals_report report (void)
{
    return (struct rivals_report){.batch = 7,
                                  .tasks = 4,
                                  .winner = 2,
                                  .won_us = 512345,
                                  .failed = 1,
                                  .others = 2,
                                  .gone_us = 34000,
                                  .gone = true,
                                  .worker = "node7",
                                  .values = values,
                                  .count = 2};
}

static void who_won_and_when_the_others_were_gone (void **state)
{
    struct rivals_report r = report ();

    (void)state;
    says (&r, "task 2 (curl a\\n b) on node7 won after 0.512 s; 1 had failed; 2 others were "
              "cancelled, gone 0.034 s later");
    r.gone = false;
    says (&r, "task 2 (curl a\\n b) on node7 won after 0.512 s; 1 had failed; 2 others are not "
              "gone yet");
    r.worker = "";
    r.count = 0;
    r.failed = 0;
    r.others = 1;
    r.gone = true;
    says (&r, "task 2 won after 0.512 s; 1 other was cancelled, gone 0.034 s later");
}

static void those_that_are_kept_run_on (void **state)
{
    struct rivals_report r = report ();

    (void)state;
    r.worker = "";
    r.count = 0;
    r.failed = 0;
    r.rest = REST_DETACHED;
    says (&r, "task 2 won after 0.512 s; 2 others run on as batch 7");
    r.others = 1;
    says (&r, "task 2 won after 0.512 s; 1 other runs on as batch 7");
    r.rest = REST_AWAITED;
    says (&r, "task 2 won after 0.512 s; 1 other ended 0.034 s later");
}

static void in_turn_nobody_wins_but_one_succeeds (void **state)
{
    struct rivals_report r = report ();

    (void)state;
    r.in_turn = true;
    r.others = 0;
    r.count = 0;
    says (&r, "task 2 on node7 succeeded after 0.512 s; 1 had failed");
}

static void a_short_buffer_cuts_the_line (void **state)
{
    struct rivals_report r = report ();
    char line[12];

    (void)state;
    assert_int_equal (rivals_report_text (&r, line, sizeof line), 11);
    assert_string_equal (line, "task 2 (cur");
}

static void programs_are_told_what_is_not_known_as_null (void **state)
{
    struct rivals_report r = report ();
    json_t *object = rivals_report_json (&r);

    (void)state;
    assert_int_equal (json_integer_value (json_object_get (object, "winner")), 2);
    assert_true (json_real_value (json_object_get (object, "gone_after_s")) > 0.033);
    assert_string_equal (json_string_value (json_object_get (object, "rest")), "cancelled");
    json_decref (object);
    r = (struct rivals_report){.tasks = 3, .failed = 3, .worker = ""};
    object = rivals_report_json (&r);
    assert_true (json_is_null (json_object_get (object, "winner")));
    assert_true (json_is_null (json_object_get (object, "won_after_s")));
    assert_true (json_is_null (json_object_get (object, "gone_after_s")));
    json_decref (object);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (who_won_and_when_the_others_were_gone),
        cmocka_unit_test (those_that_are_kept_run_on),
        cmocka_unit_test (in_turn_nobody_wins_but_one_succeeds),
        cmocka_unit_test (a_short_buffer_cuts_the_line),
        cmocka_unit_test (programs_are_told_what_is_not_known_as_null),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
