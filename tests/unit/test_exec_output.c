/* What tasks print: every byte, in bounded memory, however slowly it is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/exec_rig.h"

static struct exec_rig rig;

static int start (void **state)
{
    (void)state;
    exec_start (&rig, EXECUTOR_COMMAND);
    return 0;
}

static int stop (void **state)
{
    (void)state;
    return exec_stop (&rig);
}

static struct exec_result *sh (const char *line)
{
    return exec_one (&rig, &(struct exec_spec){.line = line}, NULL);
}

static void small_outputs_come_as_they_are (void **state)
{
    (void)state;
    struct exec_result *r = sh ("printf 'no newline'");
    assert_int_equal (r->out.len, 10);
    assert_int_equal (sh (":")->out.len, 0);
    assert_int_equal (sh ("printf x")->out.len, 1);
    r = sh ("printf 'a\\000b\\377\\n'; printf 'c\\000' >&2");
    assert_int_equal (r->out.len, 5);
    assert_memory_equal (r->out.bytes, "a\0b\xff\n", 5);
    assert_int_equal (r->err.len, 2);
}

/* The numbers from 1 on, a line each, as seq prints them. */
static bool is_sequence (const struct buf *b)
{
    char line[32];
    size_t at = 0;
    for (unsigned long i = 1; at < b->len; i++) {
        size_t len = (size_t)snprintf (line, sizeof line, "%lu\n", i);
        if (b->len - at < len || memcmp (b->bytes + at, line, len) != 0)
            return false;
        at += len;
    }
    return true;
}

static void large_output_comes_in_pieces_without_gaps (void **state)
{
    (void)state;
    struct exec_result *r = sh ("seq 300000; seq 200000 >&2");
    assert_int_equal (r->out.len, 1988895);
    assert_false (r->gap);
    assert_true (is_sequence (&r->out));
    assert_true (is_sequence (&r->err));
    assert_int_equal (r->o.out_bytes, r->out.len);
    assert_int_equal (r->o.err_bytes, r->err.len);
    assert_true (r->o.out.len <= (64u << 10));
}

static size_t resident_kib (pid_t pid)
{
    char path[64], line[200];
    size_t kib = 0;
    snprintf (path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen (path, "r");
    assert_non_null (f);
    while (fgets (line, sizeof line, f))
        if (strncmp (line, "VmHWM:", 6) == 0)
            kib = strtoul (line + 6, NULL, 10);
    fclose (f);
    return kib;
}

static bool task_is_blocked (void *arg)
{
    /* Nothing more moves: the pipe and the stream are full, and the executor does not read. */
    static size_t last;
    size_t queued;
    char text[400];
    (void)arg;
    snprintf (text, sizeof text, "/proc/%d/io", (int)rig.pid);
    FILE *f = fopen (text, "r");
    if (!f || !fgets (text, sizeof text, f))
        fail_msg ("no io count");
    fclose (f);
    queued = strtoul (text + 6, NULL, 10);
    bool same = queued == last && queued > 0;
    last = queued;
    return same;
}

static void a_slow_agent_blocks_the_task_and_not_the_memory (void **state)
{
    (void)state;
    size_t before = resident_kib (rig.pid);
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "head -c 104857600 /dev/zero"});
    exec_run (&rig, 0, 0, NULL);
    rig.paused = true;
    exec_wait_until (task_is_blocked, NULL, "the task to block");
    assert_int_equal (rig.outcomes, 0);
    rig.paused = false;
    exec_await (&rig, 1);
    assert_int_equal (rig.last.out.len, 104857600);
    assert_false (rig.last.gap);
    assert_int_equal (rig.last.o.how, OUTCOME_DONE);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
    assert_true (resident_kib (rig.pid) - before < 4096);
#else
    (void)before;
#endif
}

static void a_blocked_task_can_be_cancelled (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "cat /dev/zero"});
    exec_run (&rig, 0, 0, NULL);
    rig.paused = true;
    exec_wait_until (task_is_blocked, NULL, "the task to block");
    exec_cancel (&rig, 0, 0, true);
    rig.paused = false;
    exec_await (&rig, 1);
    assert_int_equal (rig.last.o.how, OUTCOME_CANCELLED);
    assert_false (rig.last.gap);
    assert_int_equal (rig.last.o.out_bytes, rig.last.out.len);
}

static void live_output_comes_before_the_end (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "echo first; read x; echo $x",
                                         .flags = SPEC_LIVE_OUTPUT | SPEC_LIVE_INPUT});
    exec_run (&rig, 0, 0, NULL);
    while (rig.last.out.len < 6 && !rig.over)
        exec_pump (&rig, 1000);
    assert_int_equal (rig.outcomes, 0);
    exec_input (&rig, 0, 0, "second\n", 7, false);
    exec_await (&rig, 1);
    assert_memory_equal (rig.last.out.bytes, "first\nsecond\n", 13);
    assert_int_equal (rig.last.o.out.len, 0);
}

static void beyond_the_limit_head_and_tail_are_kept (void **state)
{
    (void)state;
    struct exec_spec s = {.line = "seq 300000", .keep_bytes = 400000};
    struct exec_result *r = exec_one (&rig, &s, NULL);
    assert_int_equal (r->out.len, 400000);
    assert_int_equal (r->o.out_bytes, 1988895);
    assert_true (r->gap);
    assert_string_equal (r->reason, "output cut");
    assert_memory_equal (r->out.bytes, "1\n2\n3\n", 6);
    assert_memory_equal (r->out.bytes + 400000 - 14, "299999\n300000\n", 14);
    s.keep_bytes = 1988895;
    r = exec_one (&rig, &s, NULL);
    assert_false (r->gap);
    assert_true (is_sequence (&r->out));
    assert_int_equal (r->out.len, 1988895);
    assert_string_equal (r->reason, "");
    s.keep_bytes = 10;
    r = exec_one (&rig, &s, NULL);
    assert_int_equal (r->out.len, 10);
    assert_memory_equal (r->out.bytes, "1\n2\n3000\n" + 0, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, start, stop)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (small_outputs_come_as_they_are),
        TEST (large_output_comes_in_pieces_without_gaps),
        TEST (a_slow_agent_blocks_the_task_and_not_the_memory),
        TEST (a_blocked_task_can_be_cancelled),
        TEST (live_output_comes_before_the_end),
        TEST (beyond_the_limit_head_and_tail_are_kept),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
