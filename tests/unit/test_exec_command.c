/* Commands: how they are started, what they find, what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void assert_text (const struct buf *b, const char *text)
{
    if (b->len != strlen (text) || memcmp (b->bytes, text, b->len) != 0)
        fail_msg ("\"%.*s\" is not \"%s\"", (int)b->len, (const char *)b->bytes, text);
}

static void output_and_status_come_back (void **state)
{
    (void)state;
    struct exec_result *r = sh ("echo out; echo err >&2; exit 7");
    assert_text (&r->out, "out\n");
    assert_text (&r->err, "err\n");
    assert_int_equal (r->o.how, OUTCOME_FAILED);
    assert_int_equal (r->o.status, 7);
    assert_int_equal (r->o.signal, 0);
    assert_int_equal (r->o.attempt, 1);
    assert_true (r->o.start_us > 0);
    assert_true (r->o.wall_us > 0);
    assert_true (r->o.maxrss_kib > 0);
    r = sh ("true");
    assert_int_equal (r->o.how, OUTCOME_DONE);
    assert_int_equal (r->out.len + r->err.len, 0);
}

static void a_signal_that_ends_a_task_is_told (void **state)
{
    (void)state;
    struct exec_result *r = sh ("kill -9 $$");
    assert_int_equal (r->o.how, OUTCOME_FAILED);
    assert_int_equal (r->o.signal, 9);
    assert_int_equal (r->o.status, 0);
}

static void direct_execution_and_the_shell_agree (void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"/bin/echo a 'b  c' \"d\"", ":; /bin/echo a 'b  c' \"d\""},
        {"env", "env; :"},
        {"sh -c 'exit 3'", ":; sh -c 'exit 3'"},
        {"no-such-command-here a", ":; no-such-command-here a"},
        {"/etc/passwd", ":; /etc/passwd"},
        {"/no/such/file", ":; /no/such/file"},
        {"/tmp", ":; /tmp"},
        {"pwd", ":; pwd"},
        {"/usr/bin/printenv PWD", ":; /usr/bin/printenv PWD"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct exec_result *r = sh (lines[i][0]);
        char out[4096], err[4096];
        unsigned status = r->o.status;
        snprintf (out, sizeof out, "%.*s", (int)r->out.len, (char *)r->out.bytes);
        snprintf (err, sizeof err, "%.*s", (int)r->err.len, (char *)r->err.bytes);
        r = sh (lines[i][1]);
        assert_text (&r->err, err);
        assert_int_equal (r->o.status, status);
        if (strcmp (lines[i][0], "env") != 0) /* `_` and the order are the shell's own */
            assert_text (&r->out, out);
    }
}

static void a_script_without_interpreter_runs_in_the_shell (void **state)
{
    (void)state;
    char path[64], line[100];
    snprintf (path, sizeof path, "/tmp/drover-test-script-%d", (int)getpid ());
    FILE *f = fopen (path, "w");
    assert_non_null (f);
    fputs ("echo from script $1\n", f);
    fchmod (fileno (f), 0755);
    fclose (f);
    snprintf (line, sizeof line, "%s x", path);
    assert_text (&sh (line)->out, "from script x\n");
    struct exec_result *r = exec_one (
        &rig,
        &(struct exec_spec){.form = FORM_ARGV, .argv = (const char *const[]){path, "y z", NULL}},
        NULL);
    assert_text (&r->out, "from script y z\n");
    unlink (path);
}

static struct exec_result *argv (const char *a, const char *b)
{
    const char *const words[] = {a, b, NULL};
    return exec_one (&rig, &(struct exec_spec){.form = FORM_ARGV, .argv = words}, NULL);
}

static void an_argv_runs_without_a_shell (void **state)
{
    (void)state;
    struct exec_result *r = argv ("echo", "$HOME; *");
    assert_text (&r->out, "$HOME; *\n");
    r = argv ("no-such-command-here", NULL);
    assert_int_equal (r->o.how, OUTCOME_FAILED);
    assert_int_equal (r->o.status, 127);
    assert_string_equal (r->reason, "cannot run no-such-command-here: No such file or directory");
    r = argv ("/etc/passwd", NULL);
    assert_int_equal (r->o.status, 126);
    assert_string_equal (r->reason, "cannot run /etc/passwd: Permission denied");
    r = argv ("", NULL);
    assert_int_equal (r->o.status, 127);
}

static void arguments_that_are_too_long_are_said_so (void **state)
{
    (void)state;
    size_t len = 200000;
    char *big = malloc (len + 1);
    assert_non_null (big);
    memset (big, 'x', len);
    big[len] = 0;
    struct exec_result *r = argv ("echo", big);
    assert_int_equal (r->o.status, 126);
    assert_non_null (strstr (r->reason, "an argument has 200000 bytes, the system takes 131071"));
    r = exec_one (&rig, &(struct exec_spec){.line = "echo {}"}, (const char *const[]){big, NULL});
    assert_int_equal (r->o.how, OUTCOME_FAILED);
    assert_int_equal (r->o.status, 126);
    assert_non_null (strstr (r->reason, "an argument has 200005 bytes"));
    free (big);
}

static void a_directory_that_is_not_there_is_named (void **state)
{
    (void)state;
    struct exec_result *r =
        exec_one (&rig, &(struct exec_spec){.line = "true", .dir = "/no/such/dir"}, NULL);
    assert_int_equal (r->o.how, OUTCOME_FAILED);
    assert_int_equal (r->o.status, 125);
    assert_string_equal (r->reason, "cannot enter /no/such/dir: No such file or directory");
    r = exec_one (&rig, &(struct exec_spec){.line = "pwd; printenv PWD", .dir = "/usr"}, NULL);
    assert_text (&r->out, "/usr\n/usr\n");
}

static void a_shell_that_is_not_there_is_named (void **state)
{
    (void)state;
    struct exec_result *r =
        exec_one (&rig, &(struct exec_spec){.line = "true;", .shell = "/no/shell"}, NULL);
    assert_int_equal (r->o.status, 127);
    assert_string_equal (r->reason, "cannot run /no/shell: No such file or directory");
}

static void a_task_has_descriptors_0_1_2_and_no_others (void **state)
{
    (void)state;
    assert_text (&sh ("ls -1 /proc/self/fd | head -4 | tr '\\n' ' '; "
                      "readlink /proc/self/fd/0")
                      ->out,
                 "0 1 2 3 /dev/null\n"); /* 3 is the directory that ls reads */
    struct exec_result *r = argv ("ls", "/proc/self/fd");
    assert_text (&r->out, "0\n1\n2\n3\n");
}

static void a_task_has_clean_signals_and_its_own_session (void **state)
{
    (void)state;
    static const char *const sed[] = {"sed", "-nE", "/^Sig(Pnd|Blk|Ign|Cgt):/p",
                                      "/proc/self/status", NULL};
    struct exec_result *r =
        exec_one (&rig, &(struct exec_spec){.form = FORM_ARGV, .argv = sed}, NULL);
    assert_text (&r->out, "SigPnd:\t0000000000000000\nSigBlk:\t0000000000000000\n"
                          "SigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
    assert_text (&sh ("set -- $(cut -d' ' -f1,5,6 /proc/$$/stat); [ $1 = $2 ] && [ $1 = $3 ]; "
                      "echo $?; umask")
                      ->out,
                 "0\n0022\n");
}

static void the_environment_is_the_clients_and_the_tasks (void **state)
{
    (void)state;
    static const char *const env[] = {"PATH=/usr/bin:/bin",   "A=1 2\n3",  "DROVER_SLOT=99",
                                      "DROVER_SECRET_KEY=no", "no-equals", "PWD=/",
                                      "DROVER_BROKER=x",      NULL};
    char want[400];
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "printenv", .env = env, .dir = "/"});
    exec_run (&rig, 0, 41, NULL);
    exec_await (&rig, rig.outcomes + 1);
    snprintf (want, sizeof want,
              "PATH=/usr/bin:/bin\nA=1 2\n3\nPWD=/\nDROVER_BROKER=x\nDROVER_BATCH=77\n"
              "DROVER_TASK=77.42\nDROVER_INDEX=42\nDROVER_ATTEMPT=1\nDROVER_SLOT=3\n"
              "PARALLEL_SEQ=42\nPARALLEL_JOBSLOT=3\nPARALLEL_PID=%d\n",
              (int)getpid ());
    assert_text (&rig.last.out, want);
    assert_int_equal (
        exec_one (&rig,
                  &(struct exec_spec){.line = "[ \"${DROVER_DEADLINE%.*}\" -gt 1700000000 ]",
                                      .timeout_ms = 60000},
                  NULL)
            ->o.status,
        0);
}

static void values_travel_byte_exact (void **state)
{
    (void)state;
    static const char *const values[] = {"a b",      "'\"$HOME`", "-x", "new\nline",
                                         "\xff\xfe", "",          "*",  NULL};
    for (size_t i = 0; values[i]; i++) {
        struct exec_result *r = exec_one (&rig, &(struct exec_spec){.line = "printf %s {}"},
                                          (const char *const[]){values[i], NULL});
        assert_text (&r->out, values[i]);
        r = exec_one (&rig, &(struct exec_spec){.line = "/usr/bin/printf %s {} {#} {%}"},
                      (const char *const[]){values[i], NULL});
        assert_int_equal (r->out.len, strlen (values[i]) + 2);
        assert_memory_equal (r->out.bytes, values[i], strlen (values[i]));
    }
}

static void a_value_can_be_the_stdin (void **state)
{
    (void)state;
    struct exec_spec s = {.line = "cat; echo {}", .flags = SPEC_ROW_INPUT};
    assert_text (&exec_one (&rig, &s, (const char *const[]){"arg", "the input", NULL})->out,
                 "the inputarg\n");
    s.line = "exit 4";
    size_t len = 300000;
    char *big = malloc (len + 1);
    assert_non_null (big);
    memset (big, 'y', len);
    big[len] = 0;
    assert_int_equal (exec_one (&rig, &s, (const char *const[]){big, NULL})->o.status, 4);
    s.line = "cat";
    struct exec_result *r = exec_one (&rig, &s, (const char *const[]){big, NULL});
    assert_int_equal (r->out.len, len);
    assert_memory_equal (r->out.bytes, big, len);
    free (big);
}

static void live_input_is_fed_in_order_and_counted (void **state)
{
    (void)state;
    static char block[100000];
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "cat", .flags = SPEC_LIVE_INPUT});
    exec_run (&rig, 0, 0, NULL);
    for (unsigned i = 0; i < 10; i++) {
        memset (block, 'a' + (int)i, sizeof block);
        exec_input (&rig, 0, i * sizeof block, block, sizeof block, i == 9);
    }
    exec_input (&rig, 0, 5, "dropped", 7, false); /* does not belong here */
    exec_await (&rig, rig.outcomes + 1);
    assert_int_equal (rig.last.out.len, 10 * sizeof block);
    assert_int_equal (rig.last.out.bytes[0], 'a');
    assert_int_equal (rig.last.out.bytes[10 * sizeof block - 1], 'j');
    assert_int_equal (rig.input_taken, 10 * sizeof block);
    assert_int_equal (rig.last.o.how, OUTCOME_DONE);
}

static void input_that_is_said_again_is_passed_over_and_counted_again (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "read x; echo $x; cat",
                                         .flags = SPEC_LIVE_INPUT | SPEC_LIVE_OUTPUT});
    exec_run (&rig, 0, 0, NULL);
    exec_input (&rig, 0, 0, "one\ntwo\n", 8, false);
    exec_await_input (&rig, 8);
    exec_input (&rig, 0, 0, "one\n", 4, false); /* the broker was restarted, */
    exec_await_input (&rig, 8);                 /* and what it had been told is told again */
    exec_input (&rig, 0, 4, "two\nthree\n", 10, false);
    exec_input (&rig, 0, 4, "two\nthree\n", 10, true);
    exec_input (&rig, 0, 4, "two\nthree\n", 10, true);
    exec_await (&rig, rig.outcomes + 1);
    assert_text (&rig.last.out, "one\ntwo\nthree\n");
}

static void input_that_was_taken_is_counted_while_nothing_else_happens (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "exec sleep 60", .flags = SPEC_LIVE_INPUT});
    exec_run (&rig, 0, 0, NULL);
    exec_input (&rig, 0, 0, "one\n", 4, false);
    exec_await_input (&rig, 4);
    exec_input (&rig, 0, 0, "one\n", 4, false);
    exec_await_input (&rig, 4);
    exec_cancel (&rig, 0, 10, true);
    exec_await (&rig, rig.outcomes + 1);
}

static void input_that_nobody_reads_is_thrown_away (void **state)
{
    (void)state;
    static char block[300000];
    exec_clear (&rig);
    rig.input_taken = 0;
    exec_spec (&rig, &(struct exec_spec){.line = "exec <&-; read x; echo said",
                                         .flags = SPEC_LIVE_INPUT | SPEC_LIVE_OUTPUT});
    exec_run (&rig, 0, 0, NULL);
    exec_input (&rig, 0, 0, block, sizeof block, false);
    exec_input (&rig, 0, sizeof block, block, sizeof block, true);
    exec_await (&rig, rig.outcomes + 1);
    assert_text (&rig.last.out, "said\n");
    assert_int_equal (sh ("true")->o.status, 0);
}

static void task_of_which_input_is_missing_is_lost (void **state)
{
    (void)state;
    exec_clear (&rig);
    exec_spec (&rig, &(struct exec_spec){.line = "cat", .flags = SPEC_LIVE_INPUT});
    exec_run (&rig, 0, 0, NULL);
    exec_input (&rig, 0, 0, "one\n", 4, false);
    exec_input (&rig, 0, 8, "three\n", 6, true);
    exec_await (&rig, rig.outcomes + 1);
    assert_int_equal (rig.last.o.how, OUTCOME_LOST);
    assert_int_equal (sh ("true")->o.status, 0);
}

static void several_rows_run_one_after_another (void **state)
{
    (void)state;
    static const char *const three[] = {"1", "2", "3", NULL};
    struct exec_spec s = {.line = "exit {}"};
    uint64_t before = rig.outcomes;
    exec_spec (&rig, &s);
    for (uint64_t i = 0; i < 3; i++)
        exec_run (&rig, 0, i, (const char *const[]){three[i], NULL});
    exec_await (&rig, before + 3);
    assert_int_equal (rig.last.o.row, 2);
    assert_int_equal (rig.last.o.status, 3);
}

static void a_spec_that_is_forgotten_or_broken_fails_its_rows (void **state)
{
    (void)state;
    struct wire w = {.kind = WIRE_FORGET};
    exec_spec (&rig, &(struct exec_spec){.line = "true"});
    w.m.forget.batch = EXEC_BATCH;
    exec_send (&rig, &w);
    exec_run (&rig, 0, 0, NULL);
    exec_await (&rig, rig.outcomes + 1);
    assert_int_equal (rig.last.o.status, 125);
    assert_non_null (strstr (rig.last.reason, "not sent this spec"));
    struct exec_result *r =
        exec_one (&rig, &(struct exec_spec){.form = FORM_ARGV, .argv = NULL}, NULL);
    assert_int_equal (r->o.status, 125);
    assert_int_equal (sh ("true")->o.status, 0);
}

static void stderr_can_be_merged (void **state)
{
    (void)state;
    struct exec_result *r = exec_one (
        &rig, &(struct exec_spec){.line = "echo a; echo b >&2; echo c", .flags = SPEC_MERGE_STDERR},
        NULL);
    assert_text (&r->out, "a\nb\nc\n");
    assert_int_equal (r->err.len, 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (output_and_status_come_back),
        cmocka_unit_test (a_signal_that_ends_a_task_is_told),
        cmocka_unit_test (direct_execution_and_the_shell_agree),
        cmocka_unit_test (a_script_without_interpreter_runs_in_the_shell),
        cmocka_unit_test (an_argv_runs_without_a_shell),
        cmocka_unit_test (arguments_that_are_too_long_are_said_so),
        cmocka_unit_test (a_directory_that_is_not_there_is_named),
        cmocka_unit_test (a_shell_that_is_not_there_is_named),
        cmocka_unit_test (a_task_has_descriptors_0_1_2_and_no_others),
        cmocka_unit_test (a_task_has_clean_signals_and_its_own_session),
        cmocka_unit_test (the_environment_is_the_clients_and_the_tasks),
        cmocka_unit_test (values_travel_byte_exact),
        cmocka_unit_test (a_value_can_be_the_stdin),
        cmocka_unit_test (live_input_is_fed_in_order_and_counted),
        cmocka_unit_test (input_that_is_said_again_is_passed_over_and_counted_again),
        cmocka_unit_test (input_that_was_taken_is_counted_while_nothing_else_happens),
        cmocka_unit_test (input_that_nobody_reads_is_thrown_away),
        cmocka_unit_test (task_of_which_input_is_missing_is_lost),
        cmocka_unit_test (several_rows_run_one_after_another),
        cmocka_unit_test (a_spec_that_is_forgotten_or_broken_fails_its_rows),
        cmocka_unit_test (stderr_can_be_merged),
    };
    return cmocka_run_group_tests (tests, start, stop);
}
