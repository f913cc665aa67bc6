/* The stream between agent and executor, both ends in one process. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/exec/framing.h"

static struct framing *a, *b;
static int raw; /* the descriptor of `a` */

static int open_pair (void **state)
{
    int fd[2];
    (void)state;
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
        return -1;
    raw = fd[0];
    a = framing_new (fd[0], 1u << 20);
    b = framing_new (fd[1], 1u << 20);
    return 0;
}

static int close_pair (void **state)
{
    (void)state;
    framing_free (&a);
    framing_free (&b);
    return 0;
}

static uint8_t *pattern (size_t len, unsigned seed)
{
    uint8_t *p = malloc (len + 1);
    assert_non_null (p);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(i * 31 + seed);
    return p;
}

static void send_sizes (size_t header, size_t body, unsigned seed)
{
    uint8_t *h = pattern (header, seed), *d = pattern (body, seed + 1);
    struct wire_frames f = {.count = 2};
    f.frame[0] = slice_borrowed (h, header);
    f.frame[1] = slice_borrowed (d, body);
    assert_int_equal (framing_send (a, &f, NULL), 0);
    free (h);
    free (d);
}

/* Move bytes until `b` has a message. */
static struct wire_frames receive (void)
{
    struct wire_frames f;
    struct err e = {0};
    int rc;
    while ((rc = framing_next (b, &f, &e)) == 0) {
        assert_int_equal (framing_flush (a, &e), 0);
        assert_int_not_equal (framing_fill (b, &e), -1);
    }
    if (rc < 0)
        fail_msg ("%s", e.text);
    return f;
}

static void assert_came (size_t header, size_t body, unsigned seed)
{
    uint8_t *h = pattern (header, seed), *d = pattern (body, seed + 1);
    struct wire_frames f = receive ();
    assert_int_equal (f.count, 2);
    assert_int_equal (f.frame[0].len, header);
    assert_int_equal (f.frame[1].len, body);
    assert_true (header == 0 || memcmp (f.frame[0].ptr, h, header) == 0);
    assert_true (body == 0 || memcmp (f.frame[1].ptr, d, body) == 0);
    wire_frames_fini (&f);
    free (h);
    free (d);
}

static void messages_of_all_sizes_come_whole_and_in_order (void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 65519, 65520, 65521, 70000, 300000};
    size_t n = sizeof sizes / sizeof *sizes;
    for (unsigned i = 0; i < n; i++)
        send_sizes (10 + i, sizes[i], i);
    for (unsigned i = 0; i < n; i++)
        assert_came (10 + i, sizes[i], i);
    send_sizes (1, WIRE_FRAME_MAX, 9);
    assert_came (1, WIRE_FRAME_MAX, 9);
    send_sizes (2, 2, 10);
    assert_came (2, 2, 10);
    assert_false (framing_want_write (a));
    assert_int_equal (framing_queued (a), 0);
}

static void many_small_messages_take_few_reads (void **state)
{
    (void)state;
    struct wire_frames f;
    for (unsigned i = 0; i < 500; i++)
        send_sizes (8, 8, i);
    assert_int_equal (framing_flush (a, NULL), 0);
    assert_int_equal (framing_fill (b, NULL), 1);
    for (unsigned i = 0; i < 500; i++) {
        assert_int_equal (framing_next (b, &f, NULL), 1);
        wire_frames_fini (&f);
    }
    assert_int_equal (framing_next (b, &f, NULL), 0);
    assert_int_equal (framing_fill (b, NULL), 0);
}

static void a_full_queue_refuses_and_a_large_message_always_fits_an_empty_one (void **state)
{
    (void)state;
    uint8_t *d = pattern (2u << 20, 1);
    struct wire_frames f = {.count = 2};
    struct err e = {0};
    f.frame[0] = slice_borrowed ("h", 1);
    f.frame[1] = slice_borrowed (d, 2u << 20);
    assert_int_equal (framing_send (a, &f, &e), 0);
    size_t queued = framing_queued (a);
    f.frame[1].len = 1;
    assert_int_equal (framing_send (a, &f, &e), -1);
    assert_int_equal (e.code, EAGAIN);
    assert_int_equal (framing_queued (a), queued);
    free (d);
}

static void a_closed_end_is_told (void **state)
{
    (void)state;
    struct err e = {0};
    send_sizes (4, 4, 1);
    assert_int_equal (framing_flush_all (a, NULL), 0);
    framing_free (&a);
    assert_int_equal (framing_fill (b, &e), 1);
    struct wire_frames f;
    assert_int_equal (framing_next (b, &f, NULL), 1); /* what came before is not lost */
    wire_frames_fini (&f);
    assert_int_equal (framing_fill (b, &e), -1);
    assert_int_equal (e.code, EPIPE);
    f = (struct wire_frames){.count = 1};
    f.frame[0] = slice_borrowed ("h", 1);
    assert_int_equal (framing_send (b, &f, NULL), 0);
    assert_int_equal (framing_flush (b, &e), -1); /* and no SIGPIPE */
}

static void lengths_that_no_message_has_are_refused (void **state)
{
    (void)state;
    static const uint32_t bad[][4] = {
        {0, 0, 0, 0},
        {4, 1, 1, 1},
        {1, 1, 1, 0},
        {~0u, 1, 1, 1},
        {1, WIRE_HEADER_MAX + 1, 0, 0},
        {2, 1, WIRE_FRAME_MAX + 1, 0},
        {3, 1, 1, ~0u},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wire_frames f;
        struct err e = {0};
        assert_int_equal (write (raw, bad[i], sizeof bad[i]), sizeof bad[i]);
        assert_int_equal (framing_fill (b, NULL), 1);
        assert_int_equal (framing_next (b, &f, &e), -1);
        assert_int_equal (e.code, EBADMSG);
        close_pair (NULL);
        open_pair (NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, open_pair, close_pair)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (messages_of_all_sizes_come_whole_and_in_order),
        TEST (many_small_messages_take_few_reads),
        TEST (a_full_queue_refuses_and_a_large_message_always_fits_an_empty_one),
        TEST (a_closed_end_is_told),
        TEST (lengths_that_no_message_has_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
