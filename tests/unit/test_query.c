/* A question whose answer is cut short by a restart of the broker: told once and whole. The library
 * is played by this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/session.h"

enum { ROWS = 10, NEVER = 99 };

struct broker {
    uint64_t breaks_at; /* records of an answer, as often as ... */
    int breaks;
    enum drover_code code;
    uint64_t asked, first, count;
} broker;

static uint64_t most_at_once; /* tasks that it answers to one question; 0: any number */
static uint64_t told[100];
static size_t n_told;

uint64_t drover_query (drover_t *h, int what, uint64_t id, uint64_t first, uint64_t count,
                       const char *filter, drover_error_t *e)
{
    (void)h;
    (void)what;
    (void)id;
    (void)filter;
    (void)e;
    broker.first = first;
    broker.count = count ? count : ROWS;
    if (most_at_once && broker.count > most_at_once)
        broker.count = most_at_once;
    return ++broker.asked;
}

int drover_await (drover_t *h, uint64_t ref, int64_t timeout_ms, drover_record_fn *fn, void *arg,
                  uint64_t *value, drover_error_t *e)
{
    (void)h;
    (void)timeout_ms;
    (void)value;
    assert_int_equal (ref, broker.asked);
    for (uint64_t i = 0; i < broker.count && broker.first + i < ROWS; i++) {
        char text[30];
        snprintf (text, sizeof text, "%d", (int)(broker.first + i));
        drover_pair_t pairs[] = {{{"row", 3}, {text, strlen (text)}}};
        if (i == broker.breaks_at && broker.breaks) {
            broker.breaks--;
            e->code = broker.code;
            return -1;
        }
        if (fn (pairs, 1, arg) != 0) {
            e->code = DROVER_ESTOPPED;
            return -1;
        }
    }
    return 0;
}

uint64_t drover_pair_number (const drover_pair_t *pairs, size_t count, const char *name,
                             uint64_t otherwise)
{
    (void)count;
    (void)otherwise;
    assert_memory_equal (pairs->name.ptr, name, pairs->name.len);
    return strtoull (pairs->value.ptr, NULL, 10);
}

static int take (const drover_pair_t *pairs, size_t count, void *arg)
{
    (void)arg;
    told[n_told++] = drover_pair_number (pairs, count, "row", 0);
    return 0;
}

static int ask (int what, uint64_t first, uint64_t count, uint64_t breaks_at, int breaks,
                enum drover_code code, drover_error_t *e)
{
    broker = (struct broker){.breaks_at = breaks_at, .breaks = breaks, .code = code};
    n_told = 0;
    return session_query (NULL, what, 7, first, count, take, NULL, e);
}

static void whole_from (uint64_t first, uint64_t count)
{
    assert_int_equal (n_told, count);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal (told[i], first + i);
}

static void a_list_that_breaks_off_is_asked_for_again_and_told_once (void **state)
{
    (void)state;
    drover_error_t e;
    assert_int_equal (ask (DROVER_QUERY_BATCHES, 0, 0, 4, 2, DROVER_ELOST, &e), 0);
    assert_int_equal (broker.asked, 3);
    whole_from (0, ROWS);
}

static void tasks_go_on_behind_the_last (void **state)
{
    (void)state;
    drover_error_t e;
    assert_int_equal (ask (DROVER_QUERY_TASKS, 2, 7, 3, 2, DROVER_ELOST, &e), 0);
    assert_int_equal (broker.asked, 3);
    assert_int_equal (broker.first, 8);
    assert_int_equal (broker.count, 1);
    whole_from (2, 7);
    assert_int_equal (ask (DROVER_QUERY_TASKS, 0, 0, 6, 1, DROVER_ELOST, &e), 0);
    whole_from (0, ROWS);
}

static void tasks_that_a_broker_leaves_out_are_asked_for (void **state)
{
    (void)state;
    drover_error_t e;
    most_at_once = 3;
    assert_int_equal (ask (DROVER_QUERY_TASKS, 0, 0, NEVER, 0, DROVER_ELOST, &e), 0);
    whole_from (0, ROWS);
    assert_int_equal (ask (DROVER_QUERY_TASKS, 1, 8, 2, 1, DROVER_ELOST, &e), 0);
    whole_from (1, 8);
    assert_int_equal (ask (DROVER_QUERY_TASKS, 2, 50, NEVER, 0, DROVER_ELOST, &e), 0);
    whole_from (2, ROWS - 2);
    assert_int_equal (ask (DROVER_QUERY_TASKS, 0, 0, 0, NEVER, DROVER_ELOST, &e), -1);
    assert_in_range (broker.asked, 2, 10);
    most_at_once = 0;
}

static void a_broker_that_is_gone_is_not_asked_for_ever (void **state)
{
    (void)state;
    drover_error_t e;
    assert_int_equal (ask (DROVER_QUERY_WORKERS, 0, 0, 0, NEVER, DROVER_ELOST, &e), -1);
    assert_int_equal (e.code, DROVER_ELOST);
    assert_in_range (broker.asked, 2, 10);
    assert_int_equal (n_told, 0);
}

static void any_other_error_is_the_answer (void **state)
{
    (void)state;
    drover_error_t e;
    assert_int_equal (ask (DROVER_QUERY_BATCHES, 0, 0, 4, 1, DROVER_EUNKNOWN, &e), -1);
    assert_int_equal (broker.asked, 1);
    assert_int_equal (e.code, DROVER_EUNKNOWN);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_list_that_breaks_off_is_asked_for_again_and_told_once),
        cmocka_unit_test (tasks_go_on_behind_the_last),
        cmocka_unit_test (tasks_that_a_broker_leaves_out_are_asked_for),
        cmocka_unit_test (a_broker_that_is_gone_is_not_asked_for_ever),
        cmocka_unit_test (any_other_error_is_the_answer),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
