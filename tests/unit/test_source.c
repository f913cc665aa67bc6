/* Input sources: lines, other delimiters, what becomes of a value, and input that has not come. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/cli/colsep.h"
#include "client/cli/source.h"

enum { TEXT_MAX = 4096, LONG_VALUE = 300000 };

/* A pipe with these bytes in it and its writing end closed; the path to read it by. */
static void pipe_with (const char *bytes, size_t len, char *path, size_t size, int *fd)
{
    int ends[2];
    assert_int_equal (pipe (ends), 0);
    assert_int_equal (write (ends[1], bytes, len), len);
    close (ends[1]);
    *fd = ends[0];
    snprintf (path, size, "/dev/fd/%d", ends[0]);
}

static void append (char *text, const char *bytes, size_t len)
{
    size_t at = strlen (text);
    assert_true (at + len < TEXT_MAX);
    memcpy (text + at, bytes, len);
    text[at + len] = '\0';
}

/* All values, each in < >. */
static void values_of (struct source *s, char *text)
{
    struct bytes v;
    struct err e;
    int step;
    *text = '\0';
    while ((step = source_next (s, &v, &e)) == INPUT_VALUE) {
        append (text, "<", 1);
        append (text, (const char *)v.ptr, v.len);
        append (text, ">", 1);
    }
    if (step < 0)
        append (text, e.text, strlen (e.text));
    else
        assert_int_equal (step, INPUT_END);
    assert_int_equal (source_next (s, &v, NULL), step); /* it stays so */
}

static void reads_of (const char *bytes, size_t len, const struct source_options *o,
                      const char *wanted)
{
    char path[40];
    char text[TEXT_MAX];
    int fd;
    pipe_with (bytes, len, path, sizeof path, &fd);
    struct source *s = source_of_file (path, o, NULL);
    assert_non_null (s);
    values_of (s, text);
    assert_string_equal (text, wanted);
    source_free (&s);
    close (fd);
}

#define READS(bytes, o, wanted) reads_of (bytes, sizeof (bytes) - 1, o, wanted)

static void every_line_is_a_value (void **state)
{
    (void)state;
    const struct source_options o = {.trim = TRIM_NONE};
    READS ("a\nb\n", &o, "<a><b>");
    READS ("a\nb", &o, "<a><b>");
    READS ("", &o, "");
    READS ("\n", &o, "<>");
    READS ("\n\nx\n\n", &o, "<><><x><>");
    READS (" a \r\n'b' \\\t\"\n", &o, "< a \r><'b' \\\t\">");
}

static void other_bytes_may_end_a_value (void **state)
{
    (void)state;
    const struct source_options comma = {.delimiter = bytes_str (",")};
    const struct source_options two = {.delimiter = bytes_str ("XY")};
    const struct source_options nul = {.delimiter = bytes_of ("", 1)};
    READS ("a,,b,c\n", &comma, "<a><><b><c\n>");
    READS ("a,", &comma, "<a>");
    READS ("aXYXYbXXYcX", &two, "<a><><bX><cX>");
    READS ("a\nb\0\0c", &nul, "<a\nb><><c>");
}

static void a_nul_in_a_line_is_an_error_that_names_it (void **state)
{
    (void)state;
    const struct source_options o = {.trim = TRIM_NONE};
    char path[40];
    char text[TEXT_MAX];
    int fd;
    pipe_with ("a\nb\0c\n", 6, path, sizeof path, &fd);
    struct source *s = source_of_file (path, &o, NULL);
    values_of (s, text);
    assert_non_null (strstr (text, "<a>"));
    assert_non_null (strstr (text, ": line 2 holds a NUL"));
    source_free (&s);
    close (fd);
}

static void a_value_over_the_limit_is_an_error_that_names_it (void **state)
{
    (void)state;
    const struct source_options o = {.value_max = 3};
    char path[40];
    char text[TEXT_MAX];
    int fd;
    pipe_with ("abc\nabcd\n", 9, path, sizeof path, &fd);
    struct source *s = source_of_file (path, &o, NULL);
    values_of (s, text);
    assert_non_null (strstr (text, "<abc>"));
    assert_non_null (strstr (text, ": line 2 is longer than 3 bytes"));
    source_free (&s);
    close (fd);
}

static void long_values_come_in_pieces_and_stay_whole (void **state)
{
    (void)state;
    const struct source_options o = {.value_max = LONG_VALUE};
    char path[] = "/tmp/drover-test-source-XXXXXX";
    char *bytes = test_malloc (2 * LONG_VALUE + 2);
    struct bytes v;
    int fd = mkstemp (path);
    assert_true (fd >= 0);
    memset (bytes, 'x', 2 * LONG_VALUE + 2);
    bytes[LONG_VALUE] = bytes[2 * LONG_VALUE + 1] = '\n';
    assert_int_equal (write (fd, bytes, 2 * LONG_VALUE + 2), 2 * LONG_VALUE + 2);
    struct source *s = source_of_file (path, &o, NULL);
    unlink (path);
    for (int i = 0; i < 2; i++) {
        assert_int_equal (source_next (s, &v, NULL), INPUT_VALUE);
        assert_true (bytes_equal (v, bytes_of (bytes, LONG_VALUE)));
    }
    assert_int_equal (source_next (s, &v, NULL), INPUT_END);
    source_free (&s);
    close (fd);
    test_free (bytes);
}

static void input_that_has_not_come_is_not_waited_for (void **state)
{
    (void)state;
    const struct source_options o = {.delimiter = bytes_str ("--")};
    char path[40];
    struct bytes v;
    int ends[2];
    assert_int_equal (pipe (ends), 0);
    snprintf (path, sizeof path, "/dev/fd/%d", ends[0]);
    struct source *s = source_of_file (path, &o, NULL);
    assert_int_equal (source_next (s, &v, NULL), INPUT_WAIT);
    assert_true (source_fd (s) >= 0);
    assert_int_equal (fcntl (ends[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal (write (ends[1], "ab-", 3), 3);
    assert_int_equal (source_next (s, &v, NULL), INPUT_WAIT);
    assert_int_equal (write (ends[1], "-c", 2), 2);
    assert_int_equal (source_next (s, &v, NULL), INPUT_VALUE);
    assert_true (bytes_equal (v, bytes_str ("ab")));
    assert_int_equal (source_next (s, &v, NULL), INPUT_WAIT);
    close (ends[1]);
    assert_int_equal (source_next (s, &v, NULL), INPUT_VALUE);
    assert_true (bytes_equal (v, bytes_str ("c")));
    assert_int_equal (source_next (s, &v, NULL), INPUT_END);
    source_free (&s);
    close (ends[0]);
}

static void words_are_values (void **state)
{
    (void)state;
    static const char *const words[] = {"a,", ",b", "", "c\nd", "e"};
    const struct source_options plain = {.delimiter = bytes_str (",")};
    const struct source_options split = {.delimiter = bytes_str (","), .split_words = true};
    char text[TEXT_MAX];
    struct source *s = source_of_words (words, 5, &plain);
    values_of (s, text);
    assert_string_equal (text, "<a,><,b><><c\nd><e>");
    source_free (&s);
    s = source_of_words (words, 5, &split);
    values_of (s, text);
    assert_string_equal (text, "<a><><><b><><c\nd><e>");
    source_free (&s);
}

static void a_stop_value_ends_its_source (void **state)
{
    (void)state;
    const struct source_options o = {.stop = "e", .trim = TRIM_BOTH};
    READS (" a\ne \ne\nb\n", &o, "<a><e>");
}

static void blank_values_are_left_out_where_wanted (void **state)
{
    (void)state;
    const struct source_options o = {.skip_blank = true};
    READS ("a\n\n \t\n b\n", &o, "<a>< b>");
}

static void white_space_is_trimmed_where_wanted (void **state)
{
    (void)state;
    const struct source_options left = {.trim = TRIM_LEFT};
    const struct source_options right = {.trim = TRIM_RIGHT};
    const struct source_options both = {.trim = TRIM_BOTH};
    READS (" \ta b \r\n \n", &left, "<a b \r><>");
    READS (" \ta b \r\n \n", &right, "< \ta b><>");
    READS (" \ta b \r\n \n", &both, "<a b><>");
}

static void what_cannot_be_read_is_named (void **state)
{
    (void)state;
    const struct source_options o = {.trim = TRIM_NONE};
    struct err e;
    assert_null (source_of_file ("/nonexistent/file", &o, &e));
    assert_int_equal (e.code, ENOENT);
    assert_non_null (strstr (e.text, "/nonexistent/file"));
    assert_null (source_of_file ("/", &o, &e));
    assert_int_equal (e.code, EISDIR);
}

/* --- columns --- */

static void cuts (const char *expression, const char *row, const char *wanted)
{
    char text[TEXT_MAX] = "";
    struct bytes column;
    struct err e;
    struct colsep *c = colsep_new (expression, &e);
    if (!c)
        fail_msg ("%s", e.text);
    for (size_t at = 0; colsep_next (c, bytes_str (row), &at, &column);) {
        append (text, "<", 1);
        append (text, (const char *)column.ptr, column.len);
        append (text, ">", 1);
    }
    assert_string_equal (text, wanted);
    colsep_free (&c);
}

static void rows_are_cut_at_literal_text (void **state)
{
    (void)state;
    cuts (",", "a,b,,c,", "<a><b><><c><>");
    cuts (",", "", "<>");
    cuts ("\\t", "a\tb c", "<a><b c>");
    cuts ("\\.", "a.b", "<a><b>");
    cuts ("\\|", "a|b", "<a><b>");
    cuts (", ", "a, b,c", "<a><b,c>");
    cuts ("\\\\", "a\\b", "<a><b>");
    cuts ("]", "a]b", "<a><b>");
}

static void rows_are_cut_where_an_expression_matches (void **state)
{
    (void)state;
    cuts ("\\s+", "a \t b  c", "<a><b><c>");
    cuts (",|;", "a,b;c", "<a><b><c>");
    cuts ("[,;]+", "a,;b;c", "<a><b><c>");
    cuts ("[\\t ]", "a\tb c", "<a><b><c>");
    cuts ("[^a-c]", "a1b-c", "<a><b><c>");
    cuts ("[\\s:]", "a b:c", "<a><b><c>");
    cuts ("[]^-]", "a]b^c-d", "<a><b><c><d>");
    cuts ("[-^]", "a-b^c", "<a><b><c>");
    cuts ("[\\^]", "a^b", "<a><b>");
    cuts ("[^^]", "^a^", "<^><^>");
    cuts ("[[]", "a[b", "<a><b>");
    cuts ("[[:space:],]", "a b,c", "<a><b><c>");
    cuts ("[\\]\\[]", "a]b[c", "<a><b><c>");
    cuts ("\\d\\w*", "a1bc-2", "<a><-><>");
    cuts ("x{2}", "axxbxc", "<a><bxc>");
    cuts ("(?:x|y)z?", "axbyzc", "<a><b><c>");
    cuts ("\xc3\xa9|[\xe4\xe5]", "a\xc3\xa9z", "<a><z>");
}

static void an_empty_match_cuts_between_bytes (void **state)
{
    (void)state;
    cuts ("x*", "abxxc", "<a><b><c><>");
    cuts (".", "ab", "<><><>");
}

static void expressions_that_are_not_understood_are_refused (void **state)
{
    (void)state;
    static const char *const wrong[] = {"",    "[",   "[a",  "(",    "a*?",   "a++", "(?=a)",
                                        "\\1", "\\b", "a\\", "[\\b", "[z-a]", "*",   "[\\"};
    struct err e;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct colsep *c = colsep_new (wrong[i], &e);
        if (c)
            fail_msg ("taken: %s", wrong[i]);
        colsep_free (&c);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_line_is_a_value),
        cmocka_unit_test (other_bytes_may_end_a_value),
        cmocka_unit_test (a_nul_in_a_line_is_an_error_that_names_it),
        cmocka_unit_test (a_value_over_the_limit_is_an_error_that_names_it),
        cmocka_unit_test (long_values_come_in_pieces_and_stay_whole),
        cmocka_unit_test (input_that_has_not_come_is_not_waited_for),
        cmocka_unit_test (words_are_values),
        cmocka_unit_test (a_stop_value_ends_its_source),
        cmocka_unit_test (blank_values_are_left_out_where_wanted),
        cmocka_unit_test (white_space_is_trimmed_where_wanted),
        cmocka_unit_test (what_cannot_be_read_is_named),
        cmocka_unit_test (rows_are_cut_at_literal_text),
        cmocka_unit_test (rows_are_cut_where_an_expression_matches),
        cmocka_unit_test (an_empty_match_cuts_between_bytes),
        cmocka_unit_test (expressions_that_are_not_understood_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
