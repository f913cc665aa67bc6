/* Functions: many rows a message, outcomes that survive a crash, limits seen from outside. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/wire/rows.h"
#include "tests/unit/exec_rig.h"

static struct exec_rig rig;

static int start (void **state)
{
    (void)state;
    exec_start (&rig, EXECUTOR_FUNCTION);
    return 0;
}

static int stop (void **state)
{
    (void)state;
    exec_stop (&rig);
    return 0;
}

static struct exec_result *call (const char *function, const char *value)
{
    const char *const values[] = {value, NULL};
    return exec_one (&rig, &(struct exec_spec){.form = FORM_FUNCTION, .function = function},
                     values);
}

static void assert_out (const char *text)
{
    assert_int_equal (rig.last.out.len, strlen (text));
    assert_memory_equal (rig.last.out.bytes, text, strlen (text));
}

static void echo_gives_its_argument_back (void **state)
{
    (void)state;
    struct exec_result *r = call ("drover:echo", "hello");
    assert_out ("hello");
    assert_int_equal (r->o.how, OUTCOME_DONE);
    assert_int_equal (r->o.out_bytes, 5);
    assert_true (r->o.start_us > 1700000000ull * US_PER_S);
    call ("drover:echo", NULL);
    assert_out ("");
    assert_int_equal (rig.last.o.how, OUTCOME_DONE);
}

static void what_is_not_there_fails_in_words (void **state)
{
    (void)state;
    struct exec_result *r = call ("img:thumb", "a.png");
    assert_int_equal (r->o.how, OUTCOME_FAILED);
    assert_int_equal (r->o.status, 127);
    assert_string_equal (r->reason, "no module img here (drover module list)");
    exec_run (&rig, 99, 0, NULL);
    exec_await (&rig, 2);
    assert_string_equal (rig.last.reason, "the executor was not sent this spec");
}

static void sleep_sleeps_as_long_as_it_is_told (void **state)
{
    (void)state;
    struct exec_result *r = call ("drover:sleep", "0.05");
    assert_int_equal (r->o.how, OUTCOME_DONE);
    assert_true (r->o.wall_us >= 50 * US_PER_MS && r->o.wall_us < 5 * US_PER_S);
    assert_int_equal (call ("drover:sleep", "0")->o.how, OUTCOME_DONE);
    static const char *const bad[] = {"", "x", "-1", "1.2.3", ".", "1e3", "99999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r = call ("drover:sleep", bad[i]);
        assert_int_equal (r->o.how, OUTCOME_FAILED);
        assert_string_equal (r->reason, "drover:sleep wants a number of seconds");
    }
}

static void signals_that_mean_nothing_do_not_shorten_a_sleep (void **state)
{
    (void)state;
    exec_spec (&rig, &(struct exec_spec){.form = FORM_FUNCTION, .function = "drover:sleep"});
    exec_run (&rig, 0, 0, (const char *const[]){"0.1", NULL});
    struct control_running running;
    while (!control_running (rig.control, &running) && rig.outcomes < 1)
        exec_pump (&rig, 1);
    kill (rig.pid, SIGUSR1);
    kill (rig.pid, SIGINT);
    kill (rig.pid, SIGALRM);
    exec_await (&rig, 1);
    assert_true (rig.last.o.wall_us >= 100 * US_PER_MS);
}

static struct buf many_rows (uint32_t count, const char *fmt)
{
    struct buf b;
    char text[32];
    buf_init (&b, 64u << 20);
    for (uint32_t i = 0; i < count; i++) {
        row_begin (&b, 1);
        snprintf (text, sizeof text, fmt, i);
        row_value (&b, bytes_str (text));
    }
    return b;
}

static void many_rows_come_back_in_few_messages (void **state)
{
    (void)state;
    struct buf rows = many_rows (100000, "value %08u");
    exec_spec (&rig, &(struct exec_spec){.form = FORM_FUNCTION, .function = "drover:echo"});
    exec_run_rows (&rig, 0, 0, 100000, &rows);
    exec_run_rows (&rig, 0, 100000, 100000, &rows);
    exec_await (&rig, 200000);
    assert_int_equal (rig.last.o.row, 199999);
    assert_true (rig.last_record < 2000);
    buf_fini (&rows);
}

static void a_large_result_comes_in_pieces (void **state)
{
    (void)state;
    size_t len = 3u << 20;
    char *big = malloc (len + 1);
    assert_non_null (big);
    for (size_t i = 0; i < len; i++)
        big[i] = (char)('a' + i % 23);
    big[len] = 0;
    struct exec_result *r = call ("drover:echo", big);
    assert_int_equal (r->out.len, len);
    assert_memory_equal (r->out.bytes, big, len);
    assert_false (r->gap);
    big[100000] = 0; /* more than the shared area, less than a piece */
    assert_int_equal (call ("drover:echo", big)->out.len, 100000);
    free (big);
}

static void rows_not_claimed_can_be_recalled_while_one_runs (void **state)
{
    (void)state;
    struct buf rows = many_rows (10, "0.%u");
    struct control_running running;
    exec_spec (&rig, &(struct exec_spec){.form = FORM_FUNCTION, .function = "drover:sleep"});
    int64_t before = clock_mono_us ();
    exec_run_rows (&rig, 0, 100, 10, &rows);
    while (!control_running (rig.control, &running) || running.place < 1)
        exec_pump (&rig, 1);
    assert_int_equal (running.run, 0);
    assert_true (running.start_us >= before && running.start_us <= clock_mono_us ());
    uint32_t back = control_recall (rig.control, 0, 10, 7); /* fewer on a very slow machine */
    assert_true (back > 0 && back <= 7);
    assert_true (control_claimed (rig.control, 0, 10) <= 10 - back);
    exec_await (&rig, 10 - back);
    assert_int_equal (rig.last.o.row, 109 - back);
    assert_false (control_running (rig.control, &running));
    buf_fini (&rows);
}

static void outcomes_before_a_crash_are_not_lost (void **state)
{
    (void)state;
    struct buf rows;
    int status;
    buf_init (&rows, 1u << 20);
    for (int i = 0; i < 50; i++) {
        row_begin (&rows, 1);
        row_value (&rows, bytes_str (i < 49 ? "0" : "1000"));
    }
    exec_spec (&rig, &(struct exec_spec){.form = FORM_FUNCTION, .function = "drover:sleep"});
    exec_run_rows (&rig, 0, 0, 50, &rows);
    struct control_running running;
    while (!control_running (rig.control, &running) || running.place < 49)
        exec_pump (&rig, 1);
    kill (rig.pid, SIGKILL);
    assert_int_equal (waitpid (rig.pid, &status, 0), rig.pid);
    while (!rig.over)
        exec_pump (&rig, 1000);
    struct bytes unsent = control_unsent (rig.control, rig.last_record);
    struct outcome o;
    size_t at = 0;
    uint64_t came = rig.outcomes;
    while (outcome_read (unsent, &at, &o) > 0)
        assert_int_equal (o.row, came++);
    assert_int_equal (came, 49);
    assert_int_equal (control_claimed (rig.control, 0, 50), 50); /* row 49 was running */
    buf_fini (&rows);
    exec_stop (&rig);
    exec_start (&rig, EXECUTOR_FUNCTION);
}

static void outcomes_can_be_had_while_a_later_row_runs (void **state)
{
    (void)state;
    static uint8_t copy[CONTROL_RESULTS];
    struct buf rows;
    struct outcome o;
    struct control_running running;
    size_t at = 0;
    buf_init (&rows, 1u << 20);
    row_begin (&rows, 1);
    row_value (&rows, bytes_str ("0"));
    row_begin (&rows, 1);
    row_value (&rows, bytes_str ("1000"));
    exec_spec (&rig, &(struct exec_spec){.form = FORM_FUNCTION, .function = "drover:sleep"});
    exec_run_rows (&rig, 0, 0, 2, &rows);
    while (!control_running (rig.control, &running) || running.place < 1)
        exec_pump (&rig, 1);
    size_t len = control_peek (rig.control, copy, sizeof copy);
    if (len) { /* unless a slow machine made the first row worth a message */
        assert_int_equal (outcome_read (bytes_of (copy, len), &at, &o), 1);
        assert_int_equal (o.row, 0);
    }
    kill (rig.pid, SIGKILL);
    buf_fini (&rows);
    exec_stop (&rig);
    exec_start (&rig, EXECUTOR_FUNCTION);
}

/* As when a function has closed it: what ran is told in the page, and nothing else is begun. */
static void outcomes_that_cannot_be_sent_are_not_lost (void **state)
{
    (void)state;
    struct buf rows;
    struct control_running running;
    struct outcome o;
    size_t at = 0;
    int64_t told = 0;
    int status;
    buf_init (&rows, 1u << 20);
    for (int i = 0; i < 50; i++) {
        row_begin (&rows, 1);
        row_value (&rows, bytes_str (i == 20 ? "1" : "0"));
    }
    exec_spec (&rig, &(struct exec_spec){.form = FORM_FUNCTION, .function = "drover:sleep"});
    exec_run_rows (&rig, 0, 0, 50, &rows);
    while (!control_running (rig.control, &running) || running.place < 20) {
        assert_true (rig.outcomes < 50); /* or we stood still while row 20 ran */
        exec_pump (&rig, 1);
    }
    assert_int_equal (shutdown (framing_fd (rig.stream), SHUT_RD), 0);
    assert_int_equal (waitpid (rig.pid, &status, 0), rig.pid);
    while (!rig.over) /* what it had sent before */
        exec_pump (&rig, 1000);
    assert_true (control_is_cut (rig.control));
    struct bytes unsent = control_unsent (rig.control, rig.last_record);
    while (outcome_read (unsent, &at, &o) > 0)
        told++;
    assert_true (told > 0);
    assert_int_equal (o.row, 20);
    assert_int_equal (control_claimed (rig.control, 0, 50), 21);
    buf_fini (&rows);
    exec_stop (&rig);
    exec_start (&rig, EXECUTOR_FUNCTION);
}

static void bytes_that_are_no_message_end_the_executor (void **state)
{
    (void)state;
    struct wire_frames f = {.count = 1};
    int status;
    f.frame[0] = slice_borrowed ("garbage", 7);
    assert_int_equal (framing_send (rig.stream, &f, NULL), 0);
    assert_int_equal (framing_flush (rig.stream, NULL), 0);
    assert_int_equal (waitpid (rig.pid, &status, 0), rig.pid);
    assert_int_equal (WEXITSTATUS (status), EXECUTOR_FAULT);
    exec_stop (&rig);
    exec_start (&rig, EXECUTOR_FUNCTION);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, start, stop)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (echo_gives_its_argument_back),
        TEST (what_is_not_there_fails_in_words),
        TEST (sleep_sleeps_as_long_as_it_is_told),
        TEST (signals_that_mean_nothing_do_not_shorten_a_sleep),
        TEST (many_rows_come_back_in_few_messages),
        TEST (a_large_result_comes_in_pieces),
        TEST (rows_not_claimed_can_be_recalled_while_one_runs),
        TEST (outcomes_before_a_crash_are_not_lost),
        TEST (outcomes_can_be_had_while_a_later_row_runs),
        TEST (outcomes_that_cannot_be_sent_are_not_lost),
        TEST (bytes_that_are_no_message_end_the_executor),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
