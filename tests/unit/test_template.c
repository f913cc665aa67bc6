/* Templates: the table of replacement strings, quoting, repeated words, and the form on the wire.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/model/template.h"
#include "common/wire/template_wire.h"

enum { LINE_LIMIT = 1 << 20, VALUES = 8 };

struct example {
    const char *words[5];
    const char *values[VALUES]; /* NULL behind the last */
    const char *wanted;
    unsigned flags;
    const char *replace;
    const char *names[4];
};

static struct template *compile (const struct example *x)
{
    struct err e;
    const struct template_source source = {
        .words = x->words, .replace = x->replace, .names = x->names, .flags = x->flags};
    struct template *t = template_compile (&source, &e);
    if (!t)
        fail_msg ("%s", e.text);
    return t;
}

static size_t values_of (const struct example *x, struct bytes *values)
{
    size_t n = 0;
    for (; n < VALUES && x->values[n]; n++)
        values[n] = bytes_str (x->values[n]);
    return n;
}

static void expands (const struct template *t, const struct example *x)
{
    struct bytes values[VALUES];
    struct buf out;
    size_t n = values_of (x, values);
    buf_init (&out, LINE_LIMIT);
    assert_int_equal (template_expand (t, values, n, 7, 3, &out), 0);
    buf_putc (&out, '\0');
    assert_string_equal ((char *)out.bytes, x->wanted);
    buf_fini (&out);
}

/* Each example is expanded as compiled, and again after a trip over the wire. */
static void check (const struct example *x, size_t count)
{
    for (; count; count--, x++) {
        struct err e;
        struct buf packed;
        struct template *t = compile (x);
        expands (t, x);
        buf_init (&packed, LINE_LIMIT);
        assert_int_equal (template_pack (t, &packed), 0);
        template_free (&t);
        t = template_unpack (bytes_of (packed.bytes, packed.len), &e);
        assert_non_null (t);
        expands (t, x);
        template_free (&t);
        buf_fini (&packed);
    }
}

#define CHECK(examples) check (examples, sizeof (examples) / sizeof *(examples))

static void replacement_strings_give_parts_of_the_value (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e {} {.} {/} {//} {/.}"}, {"u/v.x"}, "e u/v.x u/v v.x u v"},
        {.words = {"e {.}"}, {"a."}, "e a"},
        {.words = {"e {.}"}, {".rc"}, "e ''"},
        {.words = {"e {.}"}, {"d/.rc"}, "e d/"},
        {.words = {"e {.}"}, {"a.b/c"}, "e a.b/c"},
        {.words = {"e {.}"}, {"a.b/c.d.e"}, "e a.b/c.d"},
        {.words = {"e {.}"}, {".."}, "e ."},
        {.words = {"e {/}"}, {"u/"}, "e ''"},
        {.words = {"e {/.}"}, {"d/.rc"}, "e ''"},
        {.words = {"e {//}"}, {"u"}, "e ."},
        {.words = {"e {//}"}, {"/u"}, "e /"},
        {.words = {"e {//}"}, {"/"}, "e /"},
        {.words = {"e {//}"}, {"//"}, "e /"},
        {.words = {"e {//}"}, {"u/"}, "e ."},
        {.words = {"e {//}"}, {"u//v"}, "e u"},
        {.words = {"e {//}"}, {"u/v/"}, "e u"},
        {.words = {"e {//}"}, {"/../x"}, "e /.."},
        {.words = {"e {//}"}, {""}, "e ."},
        {.words = {"e {#} {%} x{#}y"}, {"v"}, "e 7 3 x7y"},
    };
    CHECK (x);
}

static void numbers_choose_values_from_both_ends (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e {1} {2} {3}"}, {"a", "b c"}, "e a 'b c' "},
        {.words = {"e {-1} {-2} {-3}"}, {"a", "b"}, "e b a "},
        {.words = {"e {2.} {2/} {2//} {2/.} {-1//}"}, {"x", "u/v.w"}, "e u/v v.w u v u"},
        {.words = {"e {01} {10}"}, {"a"}, "e a "},
    };
    CHECK (x);
}

static void other_text_in_braces_stays (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e {0} {-0} {-} {a} {..} {1 } {+1} {{}} ${x} {1,2} { {"},
         {"v"},
         "e {0} {-0} {-} {a} {..} {1 } {+1} {v} ${x} {1,2} { {"},
        {.words = {"e {1111111111} {}"}, {"v"}, "e {1111111111} v"},
    };
    CHECK (x);
}

static void a_command_without_replacement_strings_gets_the_values_at_its_end (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e", "-n"}, {"a b", ""}, "e -n 'a b' ''"}, {.words = {"e x{#}"}, {"a"}, "e x7"},
        {.words = {"e", "{2}"}, {"a", "b"}, "e b"},           {.words = {""}, {"a b"}, " 'a b'"},
        {.words = {"e"}, {"a"}, "e", TEMPLATE_NO_APPEND},     {.words = {"e"}, {NULL}, "e "},
    };
    CHECK (x);
}

static void values_of_several_sources_are_quoted_one_by_one (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e {} {/}"}, {"a b", "c/d"}, "e 'a b' c/d 'a b' d"},
        {.words = {"e x{}y"}, {"a", "b"}, "e xa by"},
    };
    CHECK (x);
}

static void inserted_text_is_not_searched_again (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"{}"}, {"{} {1}"}, "{} {1}"},
        {.words = {"e {} {2}"}, {"{2}", "{#}"}, "e '{2}' '{#}' '{#}'"}};
    CHECK (x);
}

static void values_that_are_the_command_are_not_quoted (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {NULL}, {"a b"}, "a b"},
        {.words = {"{} x"}, {"a b"}, "a b x"},
        {.words = {"{1} x {}"}, {"a b"}, "a b x a b"},
        {.words = {" {}"}, {"a b"}, " 'a b'"},
        {.words = {"V={} c"}, {"a b"}, "V='a b' c"},
        {.words = {"{}"}, {"a b"}, "'a b'", TEMPLATE_QUOTE_WORDS},
        {.words = {NULL}, {"a b"}, "'a b'", TEMPLATE_QUOTE_WORDS},
        {.words = {"t {}"}, {"a b"}, "t a b", TEMPLATE_RAW},
    };
    CHECK (x);
}

static void quoting_keeps_each_word_one_word (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e", "a b", "$x;", ""}, {"v w"}, "e 'a b' '$x;' '' 'v w'", TEMPLATE_QUOTE_WORDS},
        {.words = {"e", "a {} b"}, {"v w"}, "e 'a ''v w'' b'", TEMPLATE_QUOTE_WORDS},
        {.words = {"if", "{}"}, {"if"}, "'if' if", TEMPLATE_QUOTE_WORDS},
        {.words = {"{}", "x"}, {"if"}, "'if' x", TEMPLATE_QUOTE_WORDS},
        {.words = {"A=b", "x"}, {"y"}, "'A=b' x y", TEMPLATE_QUOTE_WORDS},
        {.words = {"e", "it's {}"}, {"x"}, "e 'it'\"'\"'s 'x", TEMPLATE_QUOTE_WORDS},
    };
    CHECK (x);
}

static void reserved_words_stay_values_where_a_command_is_expected (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e {}"}, {"if"}, "e if"},
        {.words = {"e; {}"}, {"if"}, "e; 'if'"},
        {.words = {"e|{} {}"}, {"do"}, "e|'do' do"},
    };
    CHECK (x);
}

static void another_string_may_stand_for_the_values (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e {} ,, {.} {1} ,"}, {"a.b c"}, "e {} 'a.b c' a 'a.b c' ,", 0, ",,"},
        {.words = {"e {.} {}"}, {"a.b"}, "e a.b {}", 0, "{.}"},
        {.words = {"e x% {%}"}, {"v"}, "e xv 3", 0, "%"},
        {.words = {"e"}, {"v"}, "e v", 0, "%"},
        {.words = {"% x"}, {"a b"}, "a b x", 0, "%"},
        {.words = {"e {}"}, {"v"}, "e v", 0, "{}"},
    };
    CHECK (x);
}

static void names_stand_for_their_values (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e {a} {b.} {c} {1} {-1}"},
         {"x", "y.z"},
         "e x y {c} x y.z",
         0,
         NULL,
         {"a", "b"}},
        {.words = {"e {a b/} {a}"}, {"u/v"}, "e v {a}", 0, NULL, {"a b"}},
        {.words = {"e {a} {}"}, {"1", "2"}, "e 1 1 2", 0, NULL, {"a", "a"}},
        {.words = {"e {2} {#} {.}"}, {"x", "y", "z"}, "e y 7 x y z", 0, NULL, {"2", "#", "."}},
        {.words = {"e {a.}"}, {"x.y", "z"}, "e z", 0, NULL, {"a", "a."}},
        {.words = {"e {}"}, {"x"}, "e x", 0, NULL, {""}},
    };
    CHECK (x);
}

static void a_word_with_all_values_is_repeated_for_each (void **state)
{
    (void)state;
    static const struct example x[] = {
        {.words = {"e a{}b"}, {"1", "2"}, "e a1b a2b", TEMPLATE_SPREAD},
        {.words = {"e a{}b"}, {"1", "2"}, "e a1 2b"},
        {.words = {"e x{1}y a{}b z{#}"}, {"1", "2"}, "e x1y a1b a2b z7", TEMPLATE_SPREAD},
        {.words = {"e {1}{}{2}", "f"}, {"1", "2"}, "e 112 122 f", TEMPLATE_SPREAD},
        {.words = {"e {.}{/}\t{}b  g"},
         {"d/1.x", "d/2.y"},
         "e d/11.x d/22.y\td/1.xb d/2.yb  g",
         TEMPLATE_SPREAD},
        {.words = {"e", "a{}", "{}b", "c"}, {"1", "2"}, "e a1 a2 1b 2b c", TEMPLATE_SPREAD},
        {.words = {"{} a{}b"}, {"1 x", "2"}, "1 x 2 a1 xb a2b", TEMPLATE_SPREAD},
        {.words = {"a{}"}, {"1", "2"}, "a1 a2", TEMPLATE_SPREAD},
        {.words = {"e a{}\n{}b"}, {"1", "2"}, "e a1\n1b a2\n2b", TEMPLATE_SPREAD},
        {.words = {"e", "p {} q"},
         {"1", "2"},
         "e 'p '1' q' 'p '2' q'",
         TEMPLATE_SPREAD | TEMPLATE_QUOTE_WORDS},
        {.words = {"e x{}y {} {1}."}, {NULL}, "e xy  .", TEMPLATE_SPREAD},
        {.words = {"e"}, {"1", "2"}, "e 1 2", TEMPLATE_SPREAD},
    };
    CHECK (x);
}

static void a_later_stage_has_its_output_its_number_and_the_values_behind_them (void **state)
{
    (void)state;
    static const char *const row[] = {"12", "a/out.txt", "one", "t w o", NULL};
    static const struct {
        const char *word;
        const char *wanted;
        bool output, item;
    } cases[] = {
        {"cat", "cat", false, false},
        {"x {}", "x a/out.txt", true, false},
        {"x {/.} {.}", "x out a/out", true, false},
        {"x {#} {%}", "x 12 3", false, false},
        {"x {1} {2} {3}", "x one 't w o' ", false, true},
        {"x {-1} {}", "x 't w o' a/out.txt", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct example x = {
            .words = {cases[i].word}, .wanted = cases[i].wanted, .flags = TEMPLATE_STAGE};
        memcpy (x.values, row, sizeof row);
        struct template *t = compile (&x);
        expands (t, &x);
        assert_int_equal (template_takes_output (t), cases[i].output);
        assert_int_equal (template_takes_item (t), cases[i].item);
        template_free (&t);
    }
}

static void limits_are_said (void **state)
{
    (void)state;
    struct err e;
    char *word = test_malloc (TEMPLATE_TEXT_MAX + 2);
    memset (word, 'a', TEMPLATE_TEXT_MAX + 1);
    word[TEMPLATE_TEXT_MAX + 1] = '\0';
    const char *const words[] = {word, NULL};
    struct template_source s = {.words = words, .flags = TEMPLATE_NO_APPEND};
    assert_null (template_compile (&s, &e));
    assert_int_equal (e.code, EMSGSIZE);
    for (size_t i = 0; i + 3 < TEMPLATE_TEXT_MAX; i += 3)
        memcpy (word + i, "{#}", 3);
    assert_null (template_compile (&s, &e));
    assert_int_equal (e.code, EMSGSIZE);
    s.replace = "";
    assert_null (template_compile (&s, &e));
    assert_int_equal (e.code, EINVAL);
    test_free (word);
}

static void a_line_over_the_limit_fails (void **state)
{
    (void)state;
    static const struct example x = {
        .words = {"e a{}b {1}"}, {"1", "2"}, "e a1b a2b 1", TEMPLATE_SPREAD};
    struct bytes values[VALUES];
    struct template *t = compile (&x);
    size_t n = values_of (&x, values);
    for (size_t limit = 0; limit < strlen (x.wanted); limit++) {
        struct buf out;
        buf_init (&out, limit);
        assert_int_equal (template_expand (t, values, n, 1, 1, &out), -1);
        assert_true (out.failed && out.len <= limit);
        buf_fini (&out);
    }
    template_free (&t);
}

static int refused (const struct template_part *parts, size_t count, size_t text_len)
{
    struct err e;
    struct template *t = template_new (parts, count, bytes_of ("abcdefgh", text_len), &e);
    template_free (&t);
    return e.code;
}

static void parts_that_make_no_sense_are_refused (void **state)
{
    (void)state;
    static const struct template_part x[][3] = {
        {{.op = 7}},
        {{.op = TEMPLATE_TEXT}},
        {{.op = TEMPLATE_TEXT, .number = 5}},
        {{.op = TEMPLATE_TEXT, .number = 4, .quoting = 1}},
        {{.op = TEMPLATE_TEXT, .number = UINT32_MAX}},
        {{.op = TEMPLATE_ALL, .modifier = 5}},
        {{.op = TEMPLATE_ALL, .quoting = 3}},
        {{.op = TEMPLATE_ALL, .number = 1}},
        {{.op = TEMPLATE_FIRST}},
        {{.op = TEMPLATE_LAST}},
        {{.op = TEMPLATE_SEQ, .modifier = 1}},
        {{.op = TEMPLATE_REPEAT, .number = 3}},
        {{.op = TEMPLATE_REPEAT}},
        {{.op = TEMPLATE_REPEAT, .number = 2}, {.op = TEMPLATE_REPEAT, .number = 1}},
    };
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        struct template_part parts[4] = {x[i][0], x[i][1], x[i][2]};
        for (size_t k = 1; k < 3; k++)
            if (!parts[k].op)
                parts[k].op = TEMPLATE_SEQ;
        parts[3] = (struct template_part){.op = TEMPLATE_SEQ};
        assert_int_equal (refused (parts, 3, 4), EPROTO);
    }
}

/* Whatever the bytes are, a template that comes out of them can be expanded. */
static void hostile_bytes_are_refused_or_harmless (void **state)
{
    (void)state;
    static const struct example x = {
        .words = {"e {1}a{} b{/.}c {#} {%} {-2}"}, {"u/v.w", "b"}, NULL, TEMPLATE_SPREAD};
    struct bytes values[VALUES];
    struct buf packed;
    struct template *t = compile (&x);
    size_t n = values_of (&x, values);
    buf_init (&packed, LINE_LIMIT);
    template_pack (t, &packed);
    template_free (&t);
    for (size_t len = 0; len < packed.len; len++)
        assert_null (template_unpack (bytes_of (packed.bytes, len), NULL));
    buf_putc (&packed, '\0');
    assert_null (template_unpack (bytes_of (packed.bytes, packed.len), NULL));
    packed.len--;
    uint8_t bytes[256];
    assert_true (packed.len < sizeof bytes);
    for (size_t i = 0; i < packed.len * 256; i++) {
        struct buf out;
        memcpy (bytes, packed.bytes, packed.len);
        bytes[i / 256] = (uint8_t)i;
        t = template_unpack (bytes_of (bytes, packed.len), NULL);
        buf_init (&out, 4096);
        if (t)
            template_expand (t, values, n, 1, 1, &out);
        template_free (&t);
        buf_fini (&out);
    }
    buf_fini (&packed);
}

static void counts_that_claim_too_much_allocate_nothing (void **state)
{
    (void)state;
    static const uint8_t parts[] = {0x93, 1, 0xc4, 0, 0xdd, 0xff, 0xff, 0xff, 0xfe};
    static const uint8_t text[] = {0x93, 1, 0xc6, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t form[] = {0x93, 2, 0xc4, 0, 0x90};
    static const uint8_t odd[] = {0x93, 1, 0xc4, 0, 0x91, 4};
    static const uint8_t empty[] = {0x93, 1, 0xc4, 0, 0x90};
    assert_null (template_unpack (bytes_of (parts, sizeof parts), NULL));
    assert_null (template_unpack (bytes_of (text, sizeof text), NULL));
    assert_null (template_unpack (bytes_of (form, sizeof form), NULL));
    assert_null (template_unpack (bytes_of (odd, sizeof odd), NULL));
    struct template *t = template_unpack (bytes_of (empty, sizeof empty), NULL);
    assert_non_null (t);
    template_free (&t);
    template_free (&t);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (replacement_strings_give_parts_of_the_value),
        cmocka_unit_test (numbers_choose_values_from_both_ends),
        cmocka_unit_test (other_text_in_braces_stays),
        cmocka_unit_test (a_command_without_replacement_strings_gets_the_values_at_its_end),
        cmocka_unit_test (values_of_several_sources_are_quoted_one_by_one),
        cmocka_unit_test (inserted_text_is_not_searched_again),
        cmocka_unit_test (values_that_are_the_command_are_not_quoted),
        cmocka_unit_test (quoting_keeps_each_word_one_word),
        cmocka_unit_test (reserved_words_stay_values_where_a_command_is_expected),
        cmocka_unit_test (another_string_may_stand_for_the_values),
        cmocka_unit_test (names_stand_for_their_values),
        cmocka_unit_test (a_word_with_all_values_is_repeated_for_each),
        cmocka_unit_test (a_later_stage_has_its_output_its_number_and_the_values_behind_them),
        cmocka_unit_test (limits_are_said),
        cmocka_unit_test (a_line_over_the_limit_fails),
        cmocka_unit_test (parts_that_make_no_sense_are_refused),
        cmocka_unit_test (hostile_bytes_are_refused_or_harmless),
        cmocka_unit_test (counts_that_claim_too_much_allocate_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
