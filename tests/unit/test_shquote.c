/* Quoting, and direct execution, against what /bin/sh makes of the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/model/directexec.h"
#include "common/model/shquote.h"

enum { LINE_MAX_BYTES = 100000 };

/* What `sh -c SCRIPT` prints. The script may hold any byte but NUL. */
static void run_shell (const char *script, struct buf *out)
{
    int fd[2];
    char bytes[4096];
    ssize_t n;
    assert_int_equal (pipe (fd), 0);
    pid_t pid = fork ();
    assert_true (pid >= 0);
    if (pid == 0) {
        dup2 (fd[1], 1);
        close (fd[0]);
        close (fd[1]);
        execl ("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit (127);
    }
    close (fd[1]);
    while ((n = read (fd[0], bytes, sizeof bytes)) > 0)
        buf_append (out, bytes, (size_t)n);
    close (fd[0]);
    int status;
    waitpid (pid, &status, 0);
    assert_int_equal (status, 0);
}

static void quoted_is (const char *value, const char *wanted)
{
    struct buf out;
    buf_init (&out, 1000);
    assert_int_equal (shquote_append (&out, bytes_str (value)), 0);
    buf_putc (&out, '\0');
    assert_string_equal ((char *)out.bytes, wanted);
    buf_fini (&out);
}

static void plain_words_are_left_alone (void **state)
{
    (void)state;
    quoted_is ("usr/lib_x-1.2+b", "usr/lib_x-1.2+b");
    quoted_is ("-rf", "-rf");
    quoted_is ("while", "while");
}

static void everything_else_is_quoted (void **state)
{
    (void)state;
    quoted_is ("", "''");
    quoted_is ("a b", "'a b'");
    quoted_is ("~", "'~'");
    quoted_is ("a=b", "'a=b'");
    quoted_is ("it's", "'it'\"'\"'s'");
    quoted_is ("'", "''\"'\"''");
}

static void reserved_words_are_quoted_where_a_command_is_expected (void **state)
{
    (void)state;
    struct buf out;
    buf_init (&out, 1000);
    shquote_append_command (&out, bytes_str ("while"));
    buf_putc (&out, ' ');
    shquote_append_command (&out, bytes_str ("whiles"));
    assert_int_equal (out.len, strlen ("'while' whiles"));
    assert_memory_equal (out.bytes, "'while' whiles", out.len);
    buf_fini (&out);
}

static void a_full_buffer_fails_and_is_left_as_it_was (void **state)
{
    (void)state;
    struct buf out;
    buf_init (&out, 4);
    assert_int_equal (shquote_append (&out, bytes_str ("a b")), -1);
    assert_true (out.failed);
    assert_int_equal (out.len, 0);
    buf_fini (&out);
}

static uint32_t next_random (uint32_t *seed)
{
    return *seed = *seed * 1664525 + 1013904223;
}

/* Bytes that a shell has opinions about, more often than the others. */
static uint8_t random_byte (uint32_t *seed)
{
    static const char special[] = " \t\n'\"\\$`~#;&|<>()*?[]{}!=:,@%^-";
    uint32_t r = next_random (seed) >> 8;
    return r & 1 ? (uint8_t)special[(r >> 1) % (sizeof special - 1)]
                 : (uint8_t)(1 + (r >> 1) % 255);
}

static void the_shell_gives_back_every_byte (void **state)
{
    (void)state;
    struct buf script, wanted, got;
    uint32_t seed = 4711;
    buf_init (&script, LINE_MAX_BYTES);
    buf_init (&wanted, LINE_MAX_BYTES);
    buf_init (&got, LINE_MAX_BYTES);
    buf_puts (&script, "printf '%s\\0'");
    for (int i = 0; i < 2000; i++) {
        uint8_t value[12];
        size_t len = (next_random (&seed) >> 8) % (sizeof value + 1);
        for (size_t k = 0; k < len; k++)
            value[k] = i < 255 && k == 0 ? (uint8_t)(i + 1) : random_byte (&seed);
        buf_putc (&script, ' ');
        shquote_append (&script, bytes_of (value, len));
        buf_append (&wanted, value, len);
        buf_putc (&wanted, '\0');
    }
    buf_putc (&script, '\0');
    assert_false (script.failed);
    run_shell ((char *)script.bytes, &got);
    assert_int_equal (got.len, wanted.len);
    assert_memory_equal (got.bytes, wanted.bytes, got.len);
    buf_fini (&script);
    buf_fini (&wanted);
    buf_fini (&got);
}

static bool splits (struct directexec *d, const char *line)
{
    return directexec_split (d, bytes_str (line));
}

static void what_only_a_shell_understands_is_left_to_it (void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",          " ",        "a; b",      "a | b",      "a > b",    "a $x",      "a *",
        "a ~",       "a {b,c}",  "a #b",      "a 'b",       "a \"b",    "a \"$b\"",  "a \"b\\n\"",
        "a `b`",     "a\nb",     "A=b c",     "if a",       "echo a",   "'echo' a",  "[ a ]",
        ". a",       "cd /",     "'' a",      "a b\\",      "a\\\nb",   "! a",       "a & ",
        "(a)",       "time a",   "exec a",    "test a",     "printf a", "true",      "wait",
        "\"\"",      "while",    "a [b]",     "a ?",        "%1",       "A='b c' d", "a \"!\"",
        "ulimit -n", "continue", "readarray", "a \xc3\xa4",
    };
    struct directexec d;
    directexec_init (&d, 100, LINE_MAX_BYTES);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (splits (&d, lines[i]))
            fail_msg ("was split: %s", lines[i]);
    assert_false (directexec_split (&d, bytes_of ("a b\0c", 5)));
    assert_false (directexec_split (&d, bytes_of ("a 'b\0c'", 7)));
    assert_false (directexec_split (&d, bytes_of ("a \"b\0c\"", 7)));
    directexec_fini (&d);
}

static void plain_lines_are_split (void **state)
{
    (void)state;
    struct directexec d;
    directexec_init (&d, 100, LINE_MAX_BYTES);
    assert_true (splits (&d, "\t /bin/echo 'a b'\"c d\"\\ e  f=g '' \"it's\"  "));
    assert_int_equal (d.count, 5);
    assert_string_equal (d.argv[0], "/bin/echo");
    assert_string_equal (d.argv[1], "a bc d e");
    assert_string_equal (d.argv[2], "f=g");
    assert_string_equal (d.argv[3], "");
    assert_string_equal (d.argv[4], "it's");
    assert_null (d.argv[5]);
    assert_true (splits (&d, "gzip -9 a:b,c@d%"));
    assert_int_equal (d.count, 3);
    directexec_fini (&d);
}

static void a_line_of_more_words_than_allowed_is_left_to_the_shell (void **state)
{
    (void)state;
    struct directexec d;
    directexec_init (&d, 3, 10);
    assert_true (splits (&d, "a b c"));
    assert_false (splits (&d, "a b c d"));
    assert_false (splits (&d, "a 23456789"));
    directexec_fini (&d);
}

/* A random line from bytes that look harmless and some that are not. */
static void random_line (uint32_t *seed, struct buf *line)
{
    static const char bytes[] = "aZ9_-./+,:@%=]^ \t''''\"\"\\ x ";
    static const char rare[] =
        "$`~#;&|<>()*?[{}!\n\xff\xe9\x01\x7f\x81\x82\x83\x84\x85\x86\x87\x88";
    buf_clear (line);
    buf_puts (line, "/usr/bin/printf '%s\\0' x");
    for (uint32_t n = (next_random (seed) >> 8) % 14; n; n--) {
        uint32_t r = next_random (seed) >> 8;
        if (r % 32)
            buf_putc (line, bytes[(r >> 5) % (sizeof bytes - 1)]);
        else
            buf_putc (line, rare[(r >> 5) % (sizeof rare - 1)]);
    }
}

static void split_lines_are_what_the_shell_would_have_run (void **state)
{
    (void)state;
    struct directexec d;
    struct buf line, script, wanted, got;
    uint32_t seed = 99;
    int count = 0;
    directexec_init (&d, 100, LINE_MAX_BYTES);
    buf_init (&line, LINE_MAX_BYTES);
    buf_init (&script, LINE_MAX_BYTES);
    buf_init (&wanted, LINE_MAX_BYTES);
    buf_init (&got, LINE_MAX_BYTES);
    while (count < 600) {
        random_line (&seed, &line);
        if (!directexec_split (&d, bytes_of (line.bytes, line.len)))
            continue;
        count++;
        buf_puts (&script, "printf ");
        buf_append (&script, line.bytes + 16,
                    line.len - 16); /* the builtin: faster, the same here */
        buf_puts (&script, "\n");
        for (size_t i = 2; i < d.count; i++)
            buf_append (&wanted, d.argv[i], strlen (d.argv[i]) + 1);
    }
    buf_putc (&script, '\0');
    assert_false (script.failed);
    run_shell ((char *)script.bytes, &got);
    assert_int_equal (got.len, wanted.len);
    assert_memory_equal (got.bytes, wanted.bytes, got.len);
    directexec_fini (&d);
    buf_fini (&line);
    buf_fini (&script);
    buf_fini (&wanted);
    buf_fini (&got);
}

static void only_a_plain_shell_in_a_plain_environment_can_be_left_out (void **state)
{
    (void)state;
    char *const good[] = {"PATH=/bin", "PWD=/", NULL};
    char *const function[] = {"PWD=/", "BASH_FUNC_ls%%=() { :; }", NULL};
    char *const lost[] = {"PATH=/bin", NULL};
    assert_true (directexec_shell ("/bin/sh", good));
    assert_true (directexec_shell ("dash", good));
    assert_false (directexec_shell ("/bin/bash", good));
    assert_false (directexec_shell ("/usr/bin/fish", good));
    assert_false (directexec_shell ("/bin/sh", function));
    assert_false (directexec_shell ("/bin/sh", lost));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (plain_words_are_left_alone),
        cmocka_unit_test (everything_else_is_quoted),
        cmocka_unit_test (reserved_words_are_quoted_where_a_command_is_expected),
        cmocka_unit_test (a_full_buffer_fails_and_is_left_as_it_was),
        cmocka_unit_test (the_shell_gives_back_every_byte),
        cmocka_unit_test (what_only_a_shell_understands_is_left_to_it),
        cmocka_unit_test (plain_lines_are_split),
        cmocka_unit_test (a_line_of_more_words_than_allowed_is_left_to_the_shell),
        cmocka_unit_test (split_lines_are_what_the_shell_would_have_run),
        cmocka_unit_test (only_a_plain_shell_in_a_plain_environment_can_be_left_out),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
