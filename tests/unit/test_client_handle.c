/* The public library, over a real socket, against a small broker in a thread that echoes values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/lib/find.h"
#include "tests/unit/echo_broker.h"

static void run_returns_what_the_task_returned (void **state)
{
    (void)state;
    drover_spec_t *s = echo_spec ();
    drover_bytes_t v = {"hello", 5};
    drover_result_t *r;
    assert_int_equal (drover_run (h, s, NULL, &v, 1, &r, &error), 0);
    assert_int_equal (r->out_len, 5);
    assert_memory_equal (r->out, "hello", 5);
    drover_result_free (&r);
    drover_spec_free (&s);
}

static void run_ends_with_its_cancel_source (void **state)
{
    (void)state;
    drover_spec_t *s = echo_spec ();
    drover_bytes_t v = {"hold", 4};
    drover_cancel_source_t *c = drover_cancel_source_new (NULL, &error);
    drover_batch_options_t o = {.cancel = c};
    drover_result_t *r;
    drover_cancel_source_cancel_after (c, 20);
    assert_int_equal (drover_run (h, s, &o, &v, 1, &r, &error), 1);
    assert_int_equal (r->how, DROVER_CANCELLED);
    assert_string_equal (r->reason, "the time is over");
    drover_result_free (&r);
    drover_cancel_source_free (&c);
    drover_spec_free (&s);
}

struct count {
    uint64_t next;
    uint64_t limit;
    uint64_t results;
    uint64_t sum;
    uint64_t stop_at;
    char text[24];
};

static int next_value (uint64_t row, drover_bytes_t *value, void *arg)
{
    struct count *c = arg;
    if (row == c->limit)
        return 0;
    value->ptr = c->text;
    value->len = (size_t)snprintf (c->text, sizeof c->text, "%d", (int)row);
    return 1;
}

static int take_result (const drover_result_t *r, void *arg)
{
    struct count *c = arg;
    char text[24] = "";
    memcpy (text, r->out, r->out_len);
    assert_int_equal (strtoull (text, NULL, 10), r->row);
    c->sum += r->row;
    return ++c->results == c->stop_at;
}

static void foreach_gives_each_value_to_one_task (void **state)
{
    (void)state;
    struct count c = {.limit = 50000};
    drover_spec_t *s = echo_spec ();
    assert_int_equal (drover_foreach (h, s, NULL, next_value, take_result, &c, &error), 0);
    assert_int_equal (c.results, c.limit);
    assert_int_equal (c.sum, c.limit * (c.limit - 1) / 2);
    drover_spec_free (&s);
}

static void foreach_compare_runs_all_twice_and_tells_the_first (void **state)
{
    (void)state;
    struct count c = {.limit = 1000};
    drover_comparison_t both = {.sequential = 7};
    drover_spec_t *s = echo_spec ();
    assert_int_equal (
        drover_foreach_compare (h, s, NULL, next_value, take_result, &c, &both, &error), 0);
    assert_int_equal (c.results, c.limit);
    assert_int_equal (broker.rows, 2 * c.limit);
    assert_int_equal (both.sequential, 0);
    assert_true (both.parallel_us > 0 && both.sequential_us > 0);
    drover_spec_free (&s);
}

static void a_limit_of_unfinished_rows_is_kept (void **state)
{
    (void)state;
    struct count c = {.limit = 1000};
    drover_batch_options_t o = {.max_pending = 10};
    drover_spec_t *s = echo_spec ();
    assert_int_equal (drover_foreach (h, s, &o, next_value, take_result, &c, &error), 0);
    assert_int_equal (c.results, c.limit);
    drover_spec_free (&s);
}

static void invoke_runs_each_spec_once (void **state)
{
    (void)state;
    drover_spec_t *a = echo_spec ();
    const drover_spec_t *specs[3] = {a, a, a};
    assert_int_equal (drover_invoke (h, specs, 3, NULL, NULL, NULL, &error), 0);
    assert_int_equal (broker.rows, 3);
    drover_spec_free (&a);
}

static void a_foreign_loop_is_woken_for_every_event (void **state)
{
    (void)state;
    drover_spec_t *s = echo_spec ();
    int fd = drover_fd (h);
    drover_batch_t *b = drover_batch_open (h, NULL, &error);
    int spec = drover_batch_add_spec (b, s, &error);
    drover_bytes_t v = {"x", 1};
    for (int i = 0; i < 100; i++)
        assert_int_equal (drover_batch_add (b, spec, &v, 1, &error), i);
    assert_int_equal (drover_batch_close (b, &error), 0);
    const drover_event_t *event;
    int results = 0;
    for (bool ended = false; !ended;) {
        struct pollfd p = {fd, POLLIN, 0};
        assert_int_equal (poll (&p, 1, PATIENCE_MS), 1);
        if (drover_next (h, 0, &event, &error) != 1)
            continue;
        results += event->kind == DROVER_EVENT_RESULT;
        ended = event->kind == DROVER_EVENT_END;
        assert_true (event->kind == DROVER_EVENT_CONNECTED || event->batch == b);
    }
    assert_int_equal (results, 100);
    drover_batch_free (&b);
    drover_spec_free (&s);
}

static void an_undelivered_event_keeps_the_descriptor_readable (void **state)
{
    (void)state;
    drover_spec_t *s = echo_spec ();
    drover_batch_t *b = drover_batch_open (h, NULL, &error);
    int spec = drover_batch_add_spec (b, s, &error);
    drover_bytes_t v = {"x", 1};
    drover_batch_add (b, spec, &v, 1, &error);
    drover_batch_close (b, &error);
    assert_int_equal (drover_sync (h, PATIENCE_MS, &error), 0);
    assert_int_equal (drover_ping (h, PATIENCE_MS, NULL, &error), 0); /* all is in our queue now */
    const drover_event_t *event;
    for (bool ended = false; !ended;) {
        struct pollfd p = {drover_fd (h), POLLIN, 0};
        assert_int_equal (poll (&p, 1, 0), 1);
        assert_int_equal (drover_next (h, 0, &event, &error), 1);
        ended = event->kind == DROVER_EVENT_END;
    }
    drover_spec_free (&s);
}

static void a_broker_that_forgot_the_connection_is_told_again (void **state)
{
    (void)state;
    broker.forget = true;
    drover_spec_t *s = echo_spec ();
    drover_bytes_t v = {"hello", 5};
    drover_result_t *r;
    assert_int_equal (drover_run (h, s, NULL, &v, 1, &r, &error), 0);
    assert_memory_equal (r->out, "hello", 5);
    drover_result_free (&r);
    drover_spec_free (&s);
}

static int count_record (const drover_pair_t *pairs, size_t count, void *arg)
{
    *(int *)arg += 1 + (int)drover_pair_number (pairs, count, "more", 100);
    return 0;
}

static void await_reads_all_replies_of_a_query (void **state)
{
    (void)state;
    int sum = 0;
    uint64_t value = 0;
    uint64_t ref = drover_query (h, DROVER_QUERY_WORKERS, 0, 0, 0, NULL, &error);
    assert_int_equal (drover_await (h, ref, PATIENCE_MS, count_record, &sum, &value, &error), 0);
    assert_int_equal (sum, 5);
    assert_int_equal (value, 9);
}

static void waiting_for_an_answer_ends_in_time (void **state)
{
    (void)state;
    uint64_t ref = drover_wait (h, 1, DROVER_WAIT_ALL, 0, &error); /* nobody answers that */
    assert_int_equal (drover_await (h, ref, 20, NULL, NULL, NULL, &error), -1);
    assert_int_equal (error.code, DROVER_ETIME);
}

static void ping_tells_the_round_trip (void **state)
{
    (void)state;
    int64_t us = 0;
    assert_int_equal (drover_ping (h, PATIENCE_MS, &us, &error), 0);
    assert_in_range (us, 1, (int64_t)PATIENCE_MS * 1000);
}

static void two_handles_work_in_two_threads (void **state)
{
    (void)state; /* the thread of the broker has a context of its own already: see that ours has */
    drover_options_t o = {.broker = echo_url};
    drover_t *other = drover_open (&o, &error);
    assert_non_null (other);
    assert_int_not_equal (drover_fd (other), drover_fd (h));
    drover_close (&other);
}

static void signal_dispositions_are_left_alone (void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGCHLD, SIGHUP, SIGUSR1};
    struct sigaction now;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction (signals[i], NULL, &now);
        assert_true (now.sa_handler == SIG_DFL);
    }
}

static void a_place_where_nobody_listens_is_said_at_once (void **state)
{
    (void)state;
    drover_options_t o = {.broker = "ipc:///tmp/there-is-no-such-socket-here"};
    assert_null (drover_open (&o, &error));
    assert_int_equal (error.code, DROVER_ENOBROKER);
    assert_non_null (strstr (error.text, "/tmp/there-is-no-such-socket-here"));
    assert_non_null (strstr (error.text, "drover broker start"));
}

/* 0.0.0.0 is this host, and no address of loopback. */
static void how_to_start_a_broker_is_told_with_what_it_needs (void **state)
{
    (void)state;
    assert_int_equal (find_probe ("tcp://127.0.0.1:1", 1000, &error), -1);
    assert_non_null (strstr (error.text, "--listen tcp://127.0.0.1:1 --insecure`"));
    assert_int_equal (find_probe ("tcp://0.0.0.0:1", 1000, &error), -1);
    assert_non_null (strstr (error.text, "--listen tcp://0.0.0.0:1 --insecure=public`"));
    assert_int_equal (find_probe ("ipc:///tmp/there-is-no-such-socket-here", 0, &error), -1);
    assert_non_null (strstr (error.text, "--listen ipc:///tmp/there-is-no-such-socket-here`"));
}

static void tcp_without_keys_wants_a_word (void **state)
{
    (void)state;
    unsetenv ("DROVER_INSECURE");
    drover_options_t o = {.broker = "tcp://127.0.0.1:1"};
    assert_null (drover_open (&o, &error));
    assert_int_equal (error.code, DROVER_EFORBIDDEN);
    assert_non_null (strstr (error.text, "--insecure"));
    o.flags = DROVER_OPEN_INSECURE;
    assert_null (drover_open (&o, &error));
    assert_int_equal (error.code, DROVER_ENOBROKER);
    o.broker = "tcp://192.0.2.1:1";
    assert_null (drover_open (&o, &error));
    assert_int_equal (error.code, DROVER_EFORBIDDEN);
    assert_non_null (strstr (error.text, "--insecure=public"));
}

static void which_broker_follows_option_environment_socket (void **state)
{
    (void)state;
    char found[200], own[200];
    drover_options_t o = {.broker = "tcp://option:1"};
    setenv ("XDG_RUNTIME_DIR", echo_dir, 1);
    setenv ("DROVER_BROKER", "tcp://environment:1", 1);
    assert_int_equal (drover_find_broker (&o, found, sizeof found, &error), 1);
    assert_string_equal (found, "tcp://option:1");
    assert_int_equal (drover_find_broker (NULL, found, sizeof found, &error), 1);
    assert_string_equal (found, "tcp://environment:1");
    o.flags = DROVER_OPEN_LOCAL;
    assert_int_equal (drover_find_broker (&o, found, sizeof found, &error), 0);
    unsetenv ("DROVER_BROKER");
    assert_int_equal (drover_find_broker (NULL, found, sizeof found, &error), 0);
    assert_int_equal (drover_user_broker (own, sizeof own, 1, &error), 0);
    struct link *l = link_listen (own, -1, 0, NULL);
    assert_non_null (l);
    assert_int_equal (drover_find_broker (NULL, found, sizeof found, &error), 1);
    assert_string_equal (found, own);
    link_close (&l, 0);
    assert_int_equal (drover_find_broker (NULL, found, sizeof found, &error), 0);
    char sub[100];
    snprintf (sub, sizeof sub, "%s/drover", echo_dir);
    assert_int_equal (chmod (sub, 0755), 0);
    assert_int_equal (drover_find_broker (NULL, found, sizeof found, &error), -1);
    assert_int_equal (error.code, DROVER_EFORBIDDEN);
    assert_int_equal (rmdir (sub), 0);
}

/* As a directory that may not be entered, which root may. */
static void a_place_that_cannot_be_reached_has_no_broker (void **state)
{
    (void)state;
    char found[200];
    drover_options_t o = {0};
    setenv ("XDG_RUNTIME_DIR", "/dev/null", 1);
    unsetenv ("DROVER_BROKER");
    assert_int_equal (drover_find_broker (NULL, found, sizeof found, &error), 0);
    assert_int_equal (drover_user_broker (found, sizeof found, 0, &error), 0);
    assert_string_equal (found, "ipc:///dev/null/drover/broker");
    assert_int_equal (drover_user_broker (found, sizeof found, 1, &error), -1);
    o.flags = DROVER_OPEN_NO_PRIVATE;
    assert_int_equal (drover_find_broker (&o, found, sizeof found, &error), -1);
    assert_non_null (strstr (error.text, "/dev/null/drover"));
    assert_non_null (strstr (error.text, "set XDG_RUNTIME_DIR"));
    setenv ("XDG_RUNTIME_DIR", echo_dir, 1);
}

static void missing_programs_are_named (void **state)
{
    (void)state;
    setenv ("DROVER_BINDIR", echo_dir, 1);
    drover_options_t o = {.flags = DROVER_OPEN_LOCAL};
    assert_null (drover_open (&o, &error));
    assert_int_equal (error.code, DROVER_ENOBROKER);
    assert_non_null (strstr (error.text, "drover-broker"));
    assert_non_null (strstr (error.text, echo_dir));
    o.flags = DROVER_OPEN_NO_PRIVATE;
    setenv ("XDG_RUNTIME_DIR", echo_dir, 1);
    unsetenv ("DROVER_BROKER");
    assert_null (drover_open (&o, &error));
    assert_int_equal (error.code, DROVER_ENOBROKER);
    assert_non_null (strstr (error.text, "drover worker start"));
}

static void the_environment_leaves_out_what_is_listed (void **state)
{
    (void)state;
    char *const env[] = {
        "A=1", "_=/bin/x", "LD_PRELOAD=x.so", "DROVER_SECRET_KEY=s", "PATH=/bin", "nothing", NULL};
    drover_spec_t *s = echo_spec ();
    assert_int_equal (drover_spec_environment (s, env, &error), 0);
    drover_spec_free (&s);
    assert_non_null (drover_environment_excluded ()[0]);
}

static void a_command_expands_as_the_worker_will (void **state)
{
    (void)state;
    const char *const words[] = {"echo", "{/.}", "{#}", NULL};
    drover_command_options_t o = {.words = words};
    drover_command_t *c = drover_command_new (&o, &error);
    assert_non_null (c);
    drover_bytes_t v = {"a b/c d.txt", 11};
    const char *text;
    size_t len;
    assert_int_equal (drover_command_expand (c, &v, 1, 12, 1, &text, &len, &error), 0);
    assert_string_equal (text, "echo 'c d' 12");
    assert_int_equal (len, strlen (text));
    drover_command_free (&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, echo_setup, echo_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (run_returns_what_the_task_returned),
        TEST (run_ends_with_its_cancel_source),
        TEST (foreach_gives_each_value_to_one_task),
        TEST (foreach_compare_runs_all_twice_and_tells_the_first),
        TEST (a_limit_of_unfinished_rows_is_kept),
        TEST (invoke_runs_each_spec_once),
        TEST (a_foreign_loop_is_woken_for_every_event),
        TEST (an_undelivered_event_keeps_the_descriptor_readable),
        TEST (a_broker_that_forgot_the_connection_is_told_again),
        TEST (await_reads_all_replies_of_a_query),
        TEST (waiting_for_an_answer_ends_in_time),
        TEST (ping_tells_the_round_trip),
        TEST (two_handles_work_in_two_threads),
        TEST (signal_dispositions_are_left_alone),
        TEST (a_place_where_nobody_listens_is_said_at_once),
        TEST (how_to_start_a_broker_is_told_with_what_it_needs),
        TEST (tcp_without_keys_wants_a_word),
        TEST (which_broker_follows_option_environment_socket),
        TEST (a_place_that_cannot_be_reached_has_no_broker),
        TEST (missing_programs_are_named),
        TEST (the_environment_leaves_out_what_is_listed),
        TEST (a_command_expands_as_the_worker_will),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
