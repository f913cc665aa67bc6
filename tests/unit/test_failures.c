/* Failed tasks by name: the line about each, and what is remembered of rows until they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/failures.h"
#include "client/cli/recall.h"

#define TEXT(s)                                                                                    \
    {                                                                                              \
        s, sizeof s - 1                                                                            \
    }

static void check (drover_result_t r, const drover_bytes_t *values, size_t count, bool places,
                   const char *wanted)
{
    char line[1000];
    size_t len;

    r.worker = "w";
    r.host = "h";
    r.reason = r.reason ? r.reason : "";
    len = failure_text (&r, values, count, places, line, sizeof line);
    assert_string_equal (line, wanted);
    assert_int_equal (len, strlen (line));
}

static void a_failed_task_is_named_with_its_values_and_its_end (void **state)
{
    static const drover_bytes_t values[] = {TEXT ("a b"), TEXT ("x\ny")};

    (void)state;
    check ((drover_result_t){.row = 1, .how = DROVER_FAILED, .status = 7}, values, 2, true,
           "task 2 (a b x\\ny) on w: exit status 7");
    check ((drover_result_t){.how = DROVER_FAILED, .signal = 9}, values, 1, false,
           "task 1 (a b): killed by signal 9 (KILL)");
    check ((drover_result_t){.how = DROVER_FAILED, .signal = 63}, NULL, 0, false,
           "task 1: killed by signal 63");
    check ((drover_result_t){.how = DROVER_FAILED, .status = 127, .reason = "no shell"}, NULL, 0,
           true, "task 1 on w: no shell");
    check ((drover_result_t){.how = DROVER_LOST}, NULL, 0, false, "task 1: lost");
}

static void long_values_are_cut_in_the_line (void **state)
{
    char value[500], line[1000], small[20];
    drover_bytes_t values[] = {{value, sizeof value}, {value, sizeof value}};
    drover_result_t r = {.how = DROVER_FAILED, .status = 1, .worker = "", .host = "", .reason = ""};

    (void)state;
    memset (value, 'x', sizeof value);
    assert_in_range (failure_text (&r, values, 2, true, line, sizeof line), 60, 160);
    assert_non_null (strstr (line, "xxx...): exit status 1"));
    assert_int_equal (failure_text (&r, values, 2, true, small, sizeof small), 19);
}

static void cancelled_and_done_are_no_failures (void **state)
{
    (void)state;
    assert_false (failures_counts (&(drover_result_t){.how = DROVER_DONE}));
    assert_false (failures_counts (&(drover_result_t){.how = DROVER_CANCELLED}));
    assert_false (failures_counts (&(drover_result_t){.how = DROVER_BROKER_LOST}));
    assert_true (failures_counts (&(drover_result_t){.how = DROVER_TIMEOUT}));
}

static void check_row (struct recall *r, uint64_t row)
{
    drover_bytes_t values[RECALL_VALUES];
    char wanted[32];

    snprintf (wanted, sizeof wanted, "value %u", (unsigned)row);
    assert_int_equal (recall_find (r, row, values), 2);
    assert_int_equal (values[0].len, strlen (wanted));
    assert_memory_equal (values[0].ptr, wanted, values[0].len);
    assert_int_equal (values[1].len, 0);
}

static void rows_are_recalled_until_their_block_has_ended (void **state)
{
    struct recall r;
    size_t most = 0;

    (void)state;
    recall_init (&r);
    for (uint64_t row = 0; row < 100000; row++) {
        char text[32];
        drover_bytes_t values[] = {{text, 0}, {NULL, 0}};

        values[0].len = (size_t)snprintf (text, sizeof text, "value %u", (unsigned)row);
        recall_add (&r, row, values, 2);
        most = r.bytes > most ? r.bytes : most;
        if (row >= 5000 && row != 5003) {
            check_row (&r, row - 5000);
            if (row - 5000 != 3)
                recall_drop (&r, row - 5000);
        }
    }
    check_row (&r, 3); /* a straggler */
    check_row (&r, 99999);
    assert_in_range (most, 1, 1 << 20);
    recall_fini (&r);
    assert_int_equal (r.bytes, 0);
}

static void only_the_beginning_of_large_values_is_kept (void **state)
{
    static char large[100000];
    drover_bytes_t many[20], found[RECALL_VALUES];
    struct recall r;

    (void)state;
    for (size_t i = 0; i < 20; i++)
        many[i] = (drover_bytes_t){large, i == 1 ? sizeof large : 10};
    recall_init (&r);
    recall_add (&r, 0, many, 20);
    assert_int_equal (recall_find (&r, 0, found), RECALL_VALUES);
    assert_int_equal (found[0].len, 10);
    assert_int_equal (found[1].len, RECALL_ROW_BYTES - 10);
    assert_int_equal (found[2].len, 0);
    recall_fini (&r);
}

static void beyond_the_limit_nothing_is_remembered (void **state)
{
    static char large[RECALL_ROW_BYTES];
    drover_bytes_t value = {large, sizeof large}, found[RECALL_VALUES];
    struct recall r;

    (void)state;
    recall_init (&r);
    for (uint64_t row = 0; row < 200000; row++)
        recall_add (&r, row, &value, 1);
    assert_in_range (r.bytes, RECALL_BYTES, RECALL_BYTES + (2 << 20));
    assert_int_equal (recall_find (&r, 0, found), 1);
    assert_int_equal (recall_find (&r, 199999, found), 0);
    recall_fini (&r);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_failed_task_is_named_with_its_values_and_its_end),
        cmocka_unit_test (long_values_are_cut_in_the_line),
        cmocka_unit_test (cancelled_and_done_are_no_failures),
        cmocka_unit_test (rows_are_recalled_until_their_block_has_ended),
        cmocka_unit_test (only_the_beginning_of_large_values_is_kept),
        cmocka_unit_test (beyond_the_limit_nothing_is_remembered),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
