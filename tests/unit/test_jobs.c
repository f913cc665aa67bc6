/* Jobs: combinations, linked sources, columns, headers, groups; and input that comes bit by bit. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/cli/jobs.h"

enum { TEXT_MAX = 4096, SOURCES = 4 };

/* A source in a line: words separated by blanks; "." is the empty value, "+" before it: linked;
 * "@": the words are lines of a file. */
struct setup {
    struct input list[SOURCES];
    const char *words[SOURCES][16];
    char text[SOURCES][256];
    char paths[SOURCES][40];
    int fds[SOURCES];
    struct inputs in;
};

static void add_words (struct setup *s, size_t i)
{
    size_t n = 0;
    for (char *w = strtok (s->text[i], " "); w; w = strtok (NULL, " "))
        s->words[i][n++] = strcmp (w, ".") == 0 ? "" : w;
    s->list[i].words = s->words[i];
    s->list[i].count = n;
}

/* The words as lines of a pipe that has ended. */
static void make_file (struct setup *s, size_t i)
{
    int ends[2];
    assert_int_equal (pipe (ends), 0);
    for (size_t k = 0; k < s->list[i].count; k++)
        dprintf (ends[1], "%s\n", s->words[i][k]);
    close (ends[1]);
    s->fds[i] = ends[0];
    snprintf (s->paths[i], sizeof s->paths[i], "/dev/fd/%d", ends[0]);
    s->list[i].file = s->paths[i];
}

static void set_up (struct setup *s, const char *const *sources)
{
    *s = (struct setup){.in = {.list = s->list, .per_job = 1}};
    for (; sources[s->in.count]; s->in.count++) {
        size_t i = s->in.count;
        const char *source = sources[i];
        s->list[i].linked = *source == '+';
        source += *source == '+';
        bool file = *source == '@';
        snprintf (s->text[i], sizeof s->text[i], "%s", source + file);
        s->fds[i] = -1;
        add_words (s, i);
        if (file)
            make_file (s, i);
    }
}

static void tear_down (struct setup *s)
{
    for (size_t i = 0; i < s->in.count; i++)
        if (s->fds[i] >= 0)
            close (s->fds[i]);
}

/* All jobs: values joined by a comma, jobs by a blank; an empty value is a point. */
static void jobs_of (const struct inputs *in, char *text)
{
    struct err e = {0};
    struct job job;
    uint64_t seq = 0;
    int step;
    struct jobs *j = jobs_new (in, &e);
    if (!j)
        fail_msg ("%s", e.text);
    char *at = text;
    *at = '\0';
    while ((step = jobs_next (j, &job, &e)) == INPUT_VALUE) {
        assert_int_equal (job.seq, ++seq);
        at += sprintf (at, "%s", seq > 1 ? " " : "");
        for (size_t i = 0; i < job.count; i++)
            at +=
                sprintf (at, "%s%.*s", i ? "," : "", job.values[i].len ? (int)job.values[i].len : 1,
                         job.values[i].len ? (const char *)job.values[i].ptr : ".");
    }
    if (step < 0)
        sprintf (at, "!%s", e.text);
    else
        assert_int_equal (step, INPUT_END);
    jobs_free (&j);
}

#define SOURCES_ARE(...) ((const char *const[]){__VA_ARGS__, NULL})

static void gives (const char *const *sources, const char *wanted)
{
    struct setup s;
    char text[TEXT_MAX];
    set_up (&s, sources);
    jobs_of (&s.in, text);
    assert_string_equal (text, wanted);
    tear_down (&s);
}

static void all_combinations_come_the_last_source_fastest (void **state)
{
    (void)state;
    gives (SOURCES_ARE ("a b c"), "a b c");
    gives (SOURCES_ARE ("a b", "1 2 3"), "a,1 a,2 a,3 b,1 b,2 b,3");
    gives (SOURCES_ARE ("@a b", "1 2", "@x y"), "a,1,x a,1,y a,2,x a,2,y b,1,x b,1,y b,2,x b,2,y");
}

static void an_empty_source_counts_as_one_empty_value (void **state)
{
    (void)state;
    gives (SOURCES_ARE ("a b", ""), "a,. b,.");
    gives (SOURCES_ARE ("", "a b"), ".,a .,b");
    gives (SOURCES_ARE ("@", "@a b", ""), ".,a,. .,b,.");
}

static void without_any_value_there_is_no_job (void **state)
{
    (void)state;
    gives (SOURCES_ARE (""), "");
    gives (SOURCES_ARE ("@"), "");
    gives (SOURCES_ARE ("", ""), "");
    gives (SOURCES_ARE ("@", "+", "@"), "");
    gives (SOURCES_ARE (".", ""), ".,.");
    gives (SOURCES_ARE ("", "."), ".,.");
}

static void linked_sources_go_together_and_the_shortest_ends_them (void **state)
{
    (void)state;
    gives (SOURCES_ARE ("a b c", "+1 2"), "a,1 b,2");
    gives (SOURCES_ARE ("@a b", "+@1 2 3"), "a,1 b,2");
    gives (SOURCES_ARE ("a b", "+x y z", "1 2", "+3 4"), "a,x,1,3 a,x,2,4 b,y,1,3 b,y,2,4");
    gives (SOURCES_ARE ("x y", "a b c", "+1 2"), "x,a,1 x,b,2 y,a,1 y,b,2");
    gives (SOURCES_ARE ("a b c", "+"), "a,.");
    gives (SOURCES_ARE ("", "+a b"), ".,a");
    gives (SOURCES_ARE ("x y", "a b", "+"), "x,a,. y,a,.");
    gives (SOURCES_ARE ("+a b"), "a b");
}

static void links (const char *const *sources, const char *wanted)
{
    struct setup s;
    char text[TEXT_MAX];
    set_up (&s, sources);
    s.in.link = true;
    jobs_of (&s.in, text);
    assert_string_equal (text, wanted);
    tear_down (&s);
}

static void where_all_are_linked_shorter_ones_begin_again (void **state)
{
    (void)state;
    links (SOURCES_ARE ("a b c", "x"), "a,x b,x c,x");
    links (SOURCES_ARE ("a b c", "x y", "+1 2 3 4"), "a,x,1 b,y,2 c,x,3 a,y,4");
    links (SOURCES_ARE ("@a b", "1 2 3 4 5"), "a,1 b,2 a,3 b,4 a,5");
    links (SOURCES_ARE ("1 2", "@a b c d e"), "1,a 2,b 1,c 2,d 1,e");
    links (SOURCES_ARE ("@a b", "@1 2 3"), "a,1 b,2 a,3");
    links (SOURCES_ARE ("@a b c", "@1 2"), "a,1 b,2 c,1");
    links (SOURCES_ARE ("a b", ""), "a,. b,.");
    links (SOURCES_ARE ("@", "a b"), ".,a .,b");
    links (SOURCES_ARE ("", "@"), "");
}

static void several_rows_may_make_a_job (void **state)
{
    (void)state;
    struct setup s;
    char text[TEXT_MAX];
    set_up (&s, SOURCES_ARE ("@a b c d e"));
    s.in.per_job = 2;
    jobs_of (&s.in, text);
    assert_string_equal (text, "a,b c,d e");
    tear_down (&s);
    set_up (&s, SOURCES_ARE ("a b", "1 ."));
    s.in.per_job = 3;
    jobs_of (&s.in, text);
    assert_string_equal (text, "a,1,a,.,b,1 b,.");
    tear_down (&s);
}

static void values_may_be_taken_and_not_given (void **state)
{
    (void)state;
    struct setup s;
    struct job job;
    set_up (&s, SOURCES_ARE ("a b"));
    s.in.insert_none = true;
    struct jobs *j = jobs_new (&s.in, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal (jobs_next (j, &job, NULL), INPUT_VALUE);
        assert_int_equal (job.count, 0);
    }
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_END);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_END);
    jobs_free (&j);
    tear_down (&s);
}

static void cuts (const char *const *sources, size_t per_job, const char *wanted)
{
    struct setup s;
    char text[TEXT_MAX];
    set_up (&s, sources);
    s.in.colsep = "[;:]";
    s.in.per_job = per_job;
    s.in.source.trim = TRIM_BOTH;
    jobs_of (&s.in, text);
    assert_string_equal (text, wanted);
    tear_down (&s);
}

static void rows_are_cut_into_columns_one_behind_the_other (void **state)
{
    (void)state;
    cuts (SOURCES_ARE ("@1;2 3:4;5 6"), 1, "1,2 3,4,5 6");
    cuts (SOURCES_ARE ("1;2 ;", "a;b"), 1, "1,2,a,b .,.,a,b");
    cuts (SOURCES_ARE ("1;2 3;4 5;6"), 2, "1,2,3,4 5,6");
    cuts (SOURCES_ARE ("\t1\t;\t2"), 1, "1,2");
}

static void headers (const char *const *sources, const char *colsep, const char *names,
                     const char *wanted)
{
    struct setup s;
    struct err e;
    char text[TEXT_MAX] = "";
    const char *const *list;
    set_up (&s, sources);
    s.in.header = true;
    s.in.colsep = colsep;
    struct jobs *j = jobs_new (&s.in, &e);
    assert_int_equal (jobs_names (j, &list, &e), INPUT_VALUE);
    for (; *list; list++)
        sprintf (text + strlen (text), "%s.", *list);
    assert_string_equal (text, names);
    jobs_free (&j);
    tear_down (&s);
    set_up (&s, sources);
    s.in.header = true;
    s.in.colsep = colsep;
    jobs_of (&s.in, text);
    assert_string_equal (text, wanted);
    tear_down (&s);
}

static void the_first_values_may_be_names (void **state)
{
    (void)state;
    headers (SOURCES_ARE ("n a b", "@m 1 2"), NULL, "n.m.", "a,1 a,2 b,1 b,2");
    headers (SOURCES_ARE ("n", "m 1"), NULL, "n.m.", ".,1");
    headers (SOURCES_ARE ("", "m 1"), NULL, ".m.", ".,1");
    headers (SOURCES_ARE ("n\tm a\tb"), NULL, "n.m.", "a,b");
    headers (SOURCES_ARE ("n"), NULL, "n.", "");
}

static void names_keep_their_places_where_columns_are_missing (void **state)
{
    (void)state;
    headers (SOURCES_ARE ("n;m a;b c", "k z"), ";", "n.m.k.", "a,b,z c,.,z");
    headers (SOURCES_ARE ("n;m a"), ";", "n.m.", "a");
}

static void a_job_comes_as_soon_as_its_values_have (void **state)
{
    (void)state;
    char path[40];
    int ends[2];
    struct job job;
    const char *words[] = {"1", "2"};
    assert_int_equal (pipe (ends), 0);
    snprintf (path, sizeof path, "/dev/fd/%d", ends[0]);
    struct input list[] = {{.file = path}, {.words = words, .count = 2}};
    const struct inputs in = {.list = list, .count = 2, .per_job = 3};
    struct jobs *j = jobs_new (&in, NULL);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_WAIT);
    assert_true (jobs_fd (j) >= 0);
    assert_int_equal (write (ends[1], "a\nb", 3), 3);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_WAIT);
    assert_int_equal (write (ends[1], "\n", 1), 1);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_VALUE);
    assert_int_equal (job.count, 6);
    assert_memory_equal (job.values[0].ptr, "a1a2b1", 6);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_WAIT);
    close (ends[1]);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_VALUE);
    assert_int_equal (job.count, 2);
    assert_memory_equal (job.values[0].ptr, "b2", 2);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_END);
    jobs_free (&j);
    close (ends[0]);
}

static void what_is_read_whole_may_come_slowly_too (void **state)
{
    (void)state;
    char path[40];
    int ends[2];
    struct job job;
    const char *words[] = {"1"};
    assert_int_equal (pipe (ends), 0);
    snprintf (path, sizeof path, "/dev/fd/%d", ends[0]);
    struct input list[] = {{.words = words, .count = 1}, {.file = path}};
    const struct inputs in = {.list = list, .count = 2, .per_job = 1, .header = true};
    const char *const *names;
    struct jobs *j = jobs_new (&in, NULL);
    assert_int_equal (jobs_names (j, &names, NULL), INPUT_WAIT);
    assert_int_equal (write (ends[1], "n\na\n", 4), 4);
    assert_int_equal (jobs_names (j, &names, NULL), INPUT_VALUE);
    assert_string_equal (names[0], "1");
    assert_string_equal (names[1], "n");
    assert_null (names[2]);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_WAIT);
    close (ends[1]);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_VALUE);
    assert_int_equal (job.count, 2);
    assert_int_equal (jobs_next (j, &job, NULL), INPUT_END);
    jobs_free (&j);
    close (ends[0]);
}

static void wrong_inputs_are_said (void **state)
{
    (void)state;
    struct err e;
    struct input twice[] = {{.file = "-"}, {.file = "-"}};
    struct input absent[] = {{.file = "/nonexistent"}};
    const struct inputs a = {.list = twice, .count = 2, .per_job = 1};
    const struct inputs b = {.list = absent, .count = 1, .per_job = 1};
    const struct inputs c = {.list = twice, .count = 1, .per_job = 1, .colsep = "("};
    assert_null (jobs_new (&a, &e));
    assert_non_null (strstr (e.text, "only once"));
    assert_null (jobs_new (&b, &e));
    assert_int_equal (e.code, ENOENT);
    assert_null (jobs_new (&c, &e));
    assert_int_equal (e.code, EINVAL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (all_combinations_come_the_last_source_fastest),
        cmocka_unit_test (an_empty_source_counts_as_one_empty_value),
        cmocka_unit_test (without_any_value_there_is_no_job),
        cmocka_unit_test (linked_sources_go_together_and_the_shortest_ends_them),
        cmocka_unit_test (where_all_are_linked_shorter_ones_begin_again),
        cmocka_unit_test (several_rows_may_make_a_job),
        cmocka_unit_test (values_may_be_taken_and_not_given),
        cmocka_unit_test (rows_are_cut_into_columns_one_behind_the_other),
        cmocka_unit_test (the_first_values_may_be_names),
        cmocka_unit_test (names_keep_their_places_where_columns_are_missing),
        cmocka_unit_test (a_job_comes_as_soon_as_its_values_have),
        cmocka_unit_test (what_is_read_whole_may_come_slowly_too),
        cmocka_unit_test (wrong_inputs_are_said),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
