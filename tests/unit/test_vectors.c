/* Golden bytes: every kind of message, as this version writes it, and what others may write.
 *
 * tests/vectors/messages.txt has, for each message, its line of wire_show() and its frames in hex.
 * The bytes must decode to that line and encode to the same bytes again. A released line of these
 * files never changes: a new field makes a new entry, and the old one must still decode.
 *
 *     DROVER_VECTORS_WRITE=FILE tests/unit/test_vectors     writes messages.txt for the samples
 * below
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/kinds.h"
#include "common/wire/outcome.h"
#include "common/wire/rows.h"
#include "common/wire/wire.h"

#define KINDS 256
#define FRAME_MAX 4096

/* --- samples, for writing --------------------------------------------------------------------- */

/* Every number width, and every field different from its neighbours. */
static void fill (struct wire *w, const struct wire_kind_info *k)
{
    static const uint64_t sizes[] = {1, 200, 40000, 3000000000, 10000000000000};
    static char text[32][40];
    for (unsigned i = 0; i < k->fields; i++) {
        void *at = (char *)&w->m + k->field[i].offset;
        if (k->field[i].text) {
            snprintf (text[i], sizeof text[i], "the %s", k->field[i].name);
            *(struct bytes *)at = bytes_str (text[i]);
            continue;
        }
        uint64_t value = sizes[i % 5] + i;
        *(uint64_t *)at = value <= k->field[i].greatest ? value : k->field[i].greatest;
    }
}

static struct slice body_of_rows (void)
{
    struct buf b;
    buf_init (&b, FRAME_MAX);
    row_begin (&b, 2);
    row_value (&b, bytes_str ("first value"));
    row_value (&b, bytes_of ("\x00\xff", 2));
    row_begin (&b, 1);
    row_value (&b, bytes_str (""));
    return buf_take_slice (&b);
}

static struct slice body_of_outcomes (void)
{
    struct buf b;
    struct outcome small = {.row = 7, .attempt = 1, .out = bytes_str ("out")};
    struct outcome large = {.row = 300,
                            .attempt = 2,
                            .how = OUTCOME_TIMEOUT,
                            .status = 143,
                            .signal = 15,
                            .out = bytes_str ("o"),
                            .err = bytes_str ("e"),
                            .start_us = 1700000000000000,
                            .wall_us = 1500000,
                            .out_bytes = 1,
                            .err_bytes = 1,
                            .user_us = 1000,
                            .sys_us = 2000,
                            .maxrss_kib = 70000,
                            .reason = bytes_str ("over its time limit of 1.5 s")};
    buf_init (&b, FRAME_MAX);
    outcome_pack (&b, &small);
    outcome_pack (&b, &large);
    return buf_take_slice (&b);
}

static void write_frames (FILE *out, const struct wire *w)
{
    char line[1000];
    struct wire_frames f;
    assert_int_equal (wire_encode (w, &f, NULL), 0);
    wire_show (w, line, sizeof line);
    fprintf (out, "\nmessage %s\n", line);
    for (unsigned i = 0; i < f.count; i++) {
        fputs ("frame", out);
        for (size_t j = 0; j < f.frame[i].len; j++)
            fprintf (out, "%s%02x", j % 40 ? "" : "\n  ", f.frame[i].ptr[j]);
        fputs ("\n", out);
    }
    wire_frames_fini (&f);
}

static int write_all (const char *path)
{
    FILE *out = fopen (path, "w");
    assert_non_null (out);
    fputs ("# Written by tests/unit/test_vectors.c. Protocol 1.\n", out);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        const struct wire_kind_info *k = wire_kind_info (kind);
        if (!k)
            continue;
        struct wire w = {.kind = (enum wire_kind)kind};
        write_frames (out, &w); /* everything 0 and empty */
        fill (&w, k);
        w.seq = k->numbered ? 66000 : 0;
        w.ack = 12345;
        for (unsigned i = 0; i < k->bodies; i++)
            w.body[i] = kind == WIRE_RESULTS ? body_of_outcomes () : body_of_rows ();
        write_frames (out, &w);
        wire_fini (&w);
    }
    return fclose (out);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct vector {
    char title[1000]; /* what follows the first word of the entry */
    uint8_t bytes[1 + WIRE_BODIES][FRAME_MAX];
    struct wire_frames frames; /* borrow `bytes` */
};

struct reader {
    FILE *in;
    char line[2000]; /* the next one; empty: none */
};

static void next_line (struct reader *r)
{
    do {
        if (!fgets (r->line, sizeof r->line, r->in))
            r->line[0] = '\0';
        r->line[strcspn (r->line, "\n")] = '\0';
    } while (!feof (r->in) && (r->line[0] == '#' || r->line[0] == '\0'));
}

static struct reader open_vectors (const char *name)
{
    char path[1000];
    const char *top = getenv ("top_srcdir");
    snprintf (path, sizeof path, "%s/tests/vectors/%s", top ? top : ".", name);
    struct reader r = {.in = fopen (path, "r")};
    if (!r.in)
        fail_msg ("cannot read %s: run it from the root of the source", path);
    next_line (&r);
    return r;
}

static size_t read_hex (const char *text, uint8_t *to, size_t room)
{
    size_t n = 0;
    unsigned value;
    for (text += strspn (text, " "); sscanf (text, "%2x", &value) == 1;
         text += 2, text += strspn (text, " ")) {
        assert_true (n < room);
        to[n++] = (uint8_t)value;
    }
    return n;
}

/* The next entry: a line "WORD title", then "frame" lines, each with lines of hex below. */
static bool read_vector (struct reader *r, const char *word, struct vector *v)
{
    if (!r->line[0])
        return false;
    memset (v, 0, sizeof *v);
    if (strncmp (r->line, word, strlen (word)) != 0)
        fail_msg ("'%s' is no '%s'", r->line, word);
    snprintf (v->title, sizeof v->title, "%.*s", (int)sizeof v->title - 1,
              r->line + strlen (word) + 1);
    next_line (r);
    while (strcmp (r->line, "frame") == 0) {
        assert_true (v->frames.count <= WIRE_BODIES);
        uint8_t *bytes = v->bytes[v->frames.count];
        size_t len = 0;
        for (next_line (r); r->line[0] == ' '; next_line (r))
            len += read_hex (r->line, bytes + len, FRAME_MAX - len);
        v->frames.frame[v->frames.count++] = slice_borrowed (bytes, len);
    }
    assert_true (v->frames.count > 0);
    return true;
}

static void decode_vector (const struct vector *v, struct wire *w)
{
    struct err e = {0};
    char line[1000];
    if (wire_decode (w, &v->frames, NULL, &e) != 0)
        fail_msg ("%s: %s", v->title, e.text);
    wire_show (w, line, sizeof line);
    assert_string_equal (line, v->title);
}

static void each_message_decodes_to_its_line_and_encodes_to_its_bytes (void **state)
{
    (void)state;
    static struct vector v;
    bool seen[KINDS] = {0};
    struct reader r = open_vectors ("messages.txt");
    while (read_vector (&r, "message", &v)) {
        struct wire w;
        struct wire_frames f;
        decode_vector (&v, &w);
        seen[w.kind] = true;
        assert_int_equal (wire_encode (&w, &f, NULL), 0);
        assert_int_equal (f.count, v.frames.count);
        for (unsigned i = 0; i < f.count; i++) {
            assert_int_equal (f.frame[i].len, v.frames.frame[i].len);
            if (f.frame[i].len)
                assert_memory_equal (f.frame[i].ptr, v.frames.frame[i].ptr, f.frame[i].len);
        }
        wire_frames_fini (&f);
        wire_fini (&w);
    }
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (wire_name (kind) && !seen[kind])
            fail_msg ("%s has no golden bytes", wire_name (kind));
    fclose (r.in);
}

static void messages_as_others_may_write_them_are_understood (void **state)
{
    (void)state;
    static struct vector v;
    struct reader r = open_vectors ("foreign.txt");
    unsigned count = 0;
    while (read_vector (&r, "message", &v)) {
        struct wire w;
        decode_vector (&v, &w);
        wire_fini (&w);
        count++;
    }
    assert_true (count > 3);
    fclose (r.in);
}

static void bytes_that_are_no_message_are_refused_with_their_code (void **state)
{
    (void)state;
    static struct vector v;
    struct reader r = open_vectors ("refused.txt");
    unsigned count = 0;
    while (read_vector (&r, "refused", &v)) {
        struct wire w;
        enum wire_code code;
        if (wire_decode (&w, &v.frames, &code, NULL) == 0)
            fail_msg ("taken: %s", v.title);
        bool unsupported = strncmp (v.title, "unsupported", 11) == 0;
        assert_int_equal (code, unsupported ? WIRE_UNSUPPORTED : WIRE_MALFORMED);
        count++;
    }
    assert_true (count > 10);
    fclose (r.in);
}

/* The bodies of the sample messages, field by field. */
static void golden_rows_and_outcomes_have_their_values (void **state)
{
    (void)state;
    static struct vector v;
    struct reader r = open_vectors ("messages.txt");
    unsigned rows = 0, outcomes = 0;
    while (read_vector (&r, "message", &v)) {
        struct wire w;
        decode_vector (&v, &w);
        struct bytes body = bytes_of (w.body[0].ptr, w.body[0].len);
        if (w.kind == WIRE_ROWS && body.len) {
            struct bytes value[2];
            size_t at = 0;
            assert_int_equal (rows_check (body, 2, NULL), 0);
            assert_int_equal (row_read (body, &at, value, 2), 2);
            assert_true (bytes_equal (value[0], bytes_str ("first value")));
            assert_true (bytes_equal (value[1], bytes_of ("\x00\xff", 2)));
            rows++;
        } else if (w.kind == WIRE_RESULTS && body.len) {
            struct outcome o;
            size_t at = 0;
            assert_int_equal (outcome_read (body, &at, &o), 1);
            assert_int_equal (o.row, 7);
            assert_int_equal (outcome_read (body, &at, &o), 1);
            assert_int_equal (o.how, OUTCOME_TIMEOUT);
            assert_int_equal (o.maxrss_kib, 70000);
            assert_true (bytes_equal (o.reason, bytes_str ("over its time limit of 1.5 s")));
            assert_int_equal (outcome_read (body, &at, &o), 0);
            outcomes++;
        }
        wire_fini (&w);
    }
    assert_int_equal (rows, 1);
    assert_int_equal (outcomes, 1);
    fclose (r.in);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (each_message_decodes_to_its_line_and_encodes_to_its_bytes),
        cmocka_unit_test (messages_as_others_may_write_them_are_understood),
        cmocka_unit_test (bytes_that_are_no_message_are_refused_with_their_code),
        cmocka_unit_test (golden_rows_and_outcomes_have_their_values),
    };
    const char *path = getenv ("DROVER_VECTORS_WRITE");
    if (path)
        return write_all (path);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
