/* What --json prints: one vocabulary for outcomes and records, numbers without noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/json_out.h"

#define PAIR(name, value)                                                                          \
    {                                                                                              \
        {name, sizeof name - 1},                                                                   \
        {                                                                                          \
            value, sizeof value - 1                                                                \
        }                                                                                          \
    }

/* The record as a line, for free(). */
static char *line_of (const drover_pair_t *pairs, size_t count)
{
    size_t len;
    char *line = json_line (json_of_record (pairs, count), &len);

    assert_non_null (line);
    assert_int_equal (len, strlen (line));
    return line;
}

static void a_task_of_info_is_called_as_one_of_results (void **state)
{
    static const drover_pair_t pairs[] = {
        PAIR ("batch", "3"),        PAIR ("row", "6"),       PAIR ("state", "failed"),
        PAIR ("worker", "12"),      PAIR ("status", "7"),    PAIR ("start_us", "1700000000123456"),
        PAIR ("wall_us", "300000"), PAIR ("user_us", "0"),   PAIR ("sys_us", "1234"),
        PAIR ("maxrss_kib", "900"), PAIR ("out_bytes", "5"), PAIR ("err_bytes", "0"),
        PAIR ("reason", "")};
    char *line = line_of (pairs, sizeof pairs / sizeof *pairs);

    (void)state;
    assert_string_equal (line, "{\"drover\":1,\"batch\":3,\"task\":7,\"state\":\"failed\","
                               "\"worker\":\"12\",\"status\":7,\"start\":1700000000.12346,"
                               "\"wall_s\":0.3,\"user_s\":0.0,\"system_s\":0.001234,"
                               "\"max_rss_kib\":900,\"stdout_bytes\":5,\"stderr_bytes\":0}\n");
    free (line);
}

static void a_batch_has_its_number_under_the_name_that_submit_prints (void **state)
{
    static const drover_pair_t pairs[] = {PAIR ("id", "3"), PAIR ("name", "17"),
                                          PAIR ("detached", "1"), PAIR ("new_field", "4")};
    char *line = line_of (pairs, sizeof pairs / sizeof *pairs);

    (void)state;
    assert_string_equal (
        line, "{\"drover\":1,\"batch\":3,\"name\":\"17\",\"detached\":true,\"new_field\":4}\n");
    free (line);
}

static void microseconds_are_seconds_without_noise (void **state)
{
    (void)state;
    for (uint64_t us = 1; us < 2000000; us += 997) {
        char digits[32], wanted[64];
        drover_pair_t pair = {{"wall_us", 7}, {digits, 0}};
        char *line, *value;

        pair.value.len = (size_t)snprintf (digits, sizeof digits, "%llu", (unsigned long long)us);
        line = line_of (&pair, 1);
        value = strstr (line, "wall_s\":") + 8;
        snprintf (wanted, sizeof wanted, "%.6f", strtod (value, NULL));
        assert_true (strlen (value) < 12);
        assert_int_equal (strtoull (wanted, NULL, 10) * 1000000 +
                              strtoull (strchr (wanted, '.') + 1, NULL, 10),
                          us);
        free (line);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_task_of_info_is_called_as_one_of_results),
        cmocka_unit_test (a_batch_has_its_number_under_the_name_that_submit_prints),
        cmocka_unit_test (microseconds_are_seconds_without_noise),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
