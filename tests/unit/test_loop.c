/* The loop with descriptors; with links it is tested in test_link.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/loop.h"

struct seen {
    struct loop *loop;
    int fd;
    int other_fd;
    int calls;
    short events;
};

static void read_one (void *arg, int fd, short events)
{
    struct seen *s = arg;
    char c;
    s->calls++;
    s->events = events;
    assert_int_equal (read (fd, &c, 1), 1);
}

static void what_is_left_unread_calls_again (void **state)
{
    (void)state;
    int pair[2];
    struct seen s = {.loop = loop_new (NULL)};
    assert_int_equal (pipe (pair), 0);
    assert_int_equal (loop_add_fd (s.loop, pair[0], POLLIN, read_one, &s, NULL), 0);
    assert_int_equal (write (pair[1], "abc", 3), 3);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal (loop_wait (s.loop, CLOCK_NEVER), 1);
        assert_int_equal (s.calls, i);
    }
    assert_int_equal (s.events, POLLIN);
    assert_int_equal (loop_wait (s.loop, 0), 0);
    loop_free (&s.loop);
    close (pair[0]);
    close (pair[1]);
}

static void remove_other (void *arg, int fd, short events)
{
    struct seen *s = arg;
    (void)events;
    s->calls++;
    int other = fd == s->fd ? s->other_fd : s->fd;
    loop_remove_fd (s->loop, other);
    close (other);
    /* the number is somebody else's now, who has nothing to do with the event on its way */
    assert_int_equal (dup (fd), other);
    assert_int_equal (loop_add_fd (s->loop, other, 0, remove_other, s, NULL), 0);
}

static void an_event_of_a_closed_descriptor_dies_with_it (void **state)
{
    (void)state;
    int a[2], b[2];
    struct seen s = {.loop = loop_new (NULL)};
    assert_int_equal (pipe (a), 0);
    assert_int_equal (pipe (b), 0);
    s.fd = a[0];
    s.other_fd = b[0];
    assert_int_equal (loop_add_fd (s.loop, a[0], POLLIN, remove_other, &s, NULL), 0);
    assert_int_equal (loop_add_fd (s.loop, b[0], POLLIN, remove_other, &s, NULL), 0);
    assert_int_equal (write (a[1], "x", 1), 1);
    assert_int_equal (write (b[1], "x", 1), 1);
    assert_int_equal (loop_wait (s.loop, CLOCK_NEVER), 1);
    assert_int_equal (s.calls, 1);
    loop_free (&s.loop);
    for (int i = 0; i < 2; i++) {
        close (a[i]);
        close (b[i]);
    }
}

static void a_changed_interest_holds_at_once (void **state)
{
    (void)state;
    int pair[2];
    struct seen s = {.loop = loop_new (NULL)};
    assert_int_equal (pipe (pair), 0);
    assert_int_equal (write (pair[1], "a", 1), 1);
    assert_int_equal (loop_add_fd (s.loop, pair[0], 0, read_one, &s, NULL), 0);
    assert_int_equal (loop_wait (s.loop, 0), 0);
    assert_int_equal (loop_change_fd (s.loop, pair[0], POLLIN, NULL), 0);
    assert_int_equal (loop_wait (s.loop, 0), 1);
    loop_free (&s.loop);
    close (pair[0]);
    close (pair[1]);
}

static void a_deadline_ends_the_wait_and_is_never_early (void **state)
{
    (void)state;
    struct loop *loop = loop_new (NULL);
    int64_t deadline = clock_mono_us () + 3500;
    assert_int_equal (loop_wait (loop, deadline), 0);
    assert_true (clock_mono_us () >= deadline);
    loop_free (&loop);
}

static void more_to_do_means_no_sleep (void **state)
{
    (void)state;
    struct loop *loop = loop_new (NULL);
    loop_again (loop);
    assert_int_equal (loop_wait (loop, CLOCK_NEVER), 0);
    loop_free (&loop);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_is_left_unread_calls_again),
        cmocka_unit_test (an_event_of_a_closed_descriptor_dies_with_it),
        cmocka_unit_test (a_changed_interest_holds_at_once),
        cmocka_unit_test (a_deadline_ends_the_wait_and_is_never_early),
        cmocka_unit_test (more_to_do_means_no_sleep),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
