/* The parts of an executor that need no process: the shared page, the reader of a pipe, the steps
 * to an end. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "worker/exec/capture.h"
#include "worker/exec/control.h"
#include "worker/exec/ending.h"

/* --- the page -----------------------------------------------------------------------------------
 */

static struct control *page;

static int make_page (void **state)
{
    int fd = control_create (NULL);
    (void)state;
    page = control_map (fd, NULL);
    close (fd);
    return page ? 0 : -1;
}

static int drop_page (void **state)
{
    (void)state;
    control_unmap (&page);
    return 0;
}

static void rows_are_claimed_in_order_and_once (void **state)
{
    (void)state;
    assert_int_equal (control_claim (page, 0, 1), -1);
    control_open (page, 0, 3);
    control_open (page, 1, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal (control_claim (page, 0, 1), i);
    assert_int_equal (control_claim (page, 0, 1), -1);
    assert_int_equal (control_claimed (page, 0, 3), 3);
    assert_int_equal (control_claimed (page, 1, 1), 0);
    assert_int_equal (control_claim (page, 1, 1), 0);
}

static void a_run_is_not_taken_for_the_one_before_it_in_the_ring (void **state)
{
    (void)state;
    control_open (page, 5, 2);
    assert_int_equal (control_claim (page, 5 + CONTROL_RUNS, 1), -1);
    control_open (page, 5 + CONTROL_RUNS, 2);
    assert_int_equal (control_claim (page, 5, 1), -1);
    assert_int_equal (control_recall (page, 5, 2, 2), 0);
    assert_int_equal (control_claimed (page, 5, 2), -1);
    assert_int_equal (control_claim (page, 5 + CONTROL_RUNS, 1), 0);
}

static void what_is_recalled_cannot_be_claimed (void **state)
{
    (void)state;
    control_open (page, 0, CONTROL_ROWS_MAX);
    assert_int_equal (control_claim (page, 0, 1), 0);
    assert_int_equal (control_recall (page, 0, CONTROL_ROWS_MAX, 10), 10);
    assert_int_equal (control_recall (page, 0, CONTROL_ROWS_MAX, 10), 0); /* a stale count */
    assert_int_equal (control_recall (page, 0, CONTROL_ROWS_MAX - 10, CONTROL_ROWS_MAX),
                      CONTROL_ROWS_MAX - 11);
    assert_int_equal (control_claim (page, 0, 1), -1);
    assert_int_equal (control_recall (page, 0, 1, 1), 0);
}

static void a_cancel_is_seen_by_its_row_alone (void **state)
{
    (void)state;
    struct control_running r;
    control_open (page, 7, 3);
    assert_false (control_running (page, &r));
    control_claim (page, 7, 1234);
    assert_true (control_running (page, &r));
    assert_true (r.run == 7 && r.place == 0 && r.start_us == 1234);
    control_cancel (page, 7, 1);
    assert_false (control_cancelled (page));
    control_claim (page, 7, 1);
    assert_true (control_cancelled (page));
    control_claim (page, 7, 1);
    assert_false (control_cancelled (page));
    control_rest (page);
    assert_false (control_running (page, &r));
}

static void outcomes_are_unsent_until_their_message_has_left (void **state)
{
    (void)state;
    char copy[16];
    memcpy (control_results (page), "outcomes", 8);
    assert_int_equal (control_unsent (page, 0).len, 0);
    control_results_packed (page, 8);
    assert_int_equal (control_results_record (page), 1);
    assert_int_equal (control_unsent (page, 0).len, 8);
    assert_int_equal (control_peek (page, copy, sizeof copy), 8);
    assert_int_equal (control_peek (page, copy, 7), 0);
    assert_int_equal (control_unsent (page, 1).len, 0); /* message 1 came: they were in it */
    control_results_sent (page);
    assert_int_equal (control_results_record (page), 2);
    assert_int_equal (control_unsent (page, 1).len, 0);
    assert_int_equal (control_unsent (page, 0).len, 0); /* a lie, but no harm */
}

static void a_page_full_of_noise_gives_only_wrong_numbers (void **state)
{
    (void)state;
    struct control_running r;
    uint8_t *bytes = control_results (page);
    uint8_t *from = (uint8_t *)page; /* as a function could: all of it */
    memset (from, 0xff, (size_t)(bytes - from));
    assert_int_equal (control_claimed (page, 3, 10), -1);
    assert_true (control_recall (page, 3, 10, 5) <= 5);
    assert_int_equal (control_unsent (page, ~0ull).len, 0);
    control_running (page, &r);
}

static void the_page_cannot_be_made_smaller (void **state)
{
    (void)state;
    int fd = control_create (NULL);
    assert_true (fd >= 0);
    assert_int_equal (ftruncate (fd, 0), -1);
    close (fd);
    assert_null (control_map (0x7fffff, NULL));
}

/* --- the reader ---------------------------------------------------------------------------------
 */

/* Push text through a pipe into the capture, in lumps that fit. */
static void pour (struct capture *c, int fd, const uint8_t *bytes, size_t len, struct buf *kept)
{
    struct bytes piece;
    uint64_t offset;
    while (len) {
        size_t lump = len < 5000 ? len : 5000;
        assert_int_equal (write (fd, bytes, lump), lump);
        assert_true (capture_has_room (c));
        assert_int_equal (capture_read (c), 1);
        while (capture_piece (c, CAPTURE_SEND, false, &piece, &offset)) {
            assert_int_equal (offset, kept->len);
            buf_append (kept, piece.ptr, piece.len);
            capture_sent (c, piece.len);
        }
        bytes += lump;
        len -= lump;
    }
}

static void drain (struct capture *c, struct buf *kept, uint64_t *gap)
{
    struct bytes piece;
    uint64_t offset, at = kept->len;
    while (capture_piece (c, 0, true, &piece, &offset)) {
        *gap += offset - at;
        at = offset + piece.len;
        buf_append (kept, piece.ptr, piece.len);
        capture_sent (c, piece.len);
    }
}

static void whatever_the_limit_head_and_tail_are_kept (void **state)
{
    (void)state;
    static const uint64_t limits[] = {0,      1,      2,      3,      9999,    100000,
                                      131072, 199999, 200000, 200001, 1u << 30};
    size_t len = 200000;
    uint8_t *text = malloc (len);
    assert_non_null (text);
    for (size_t i = 0; i < len; i++)
        text[i] = (uint8_t)(i % 251);
    struct capture c;
    capture_init (&c);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        int fd[2];
        uint64_t gap = 0, limit = limits[i];
        struct buf kept;
        buf_init (&kept, 1u << 20);
        assert_int_equal (pipe (fd), 0);
        capture_start (&c, fd[0], limit);
        pour (&c, fd[1], text, len, &kept);
        close (fd[1]);
        assert_int_equal (capture_read (&c), -1);
        bool cut = capture_cut (&c);
        drain (&c, &kept, &gap);
        uint64_t want = limit && limit < len ? limit : len;
        assert_int_equal (kept.len, want);
        assert_int_equal (gap, len - want);
        assert_int_equal (cut, want < len);
        assert_int_equal (c.total, len);
        uint64_t head = want < len ? limit / 2 : want;
        assert_memory_equal (kept.bytes, text, head);
        assert_memory_equal (kept.bytes + head, text + len - (want - head), want - head);
        buf_fini (&kept);
    }
    capture_fini (&c);
    free (text);
}

/* --- the steps ----------------------------------------------------------------------------------
 */

#define MS US_PER_MS

static void term_grace_kill (void **state)
{
    (void)state;
    struct ending e = {0};
    assert_int_equal (ending_signal (&e, 0), 0);
    ending_begin (&e, OUTCOME_TIMEOUT, 0, 500, false, false, 1000 * MS);
    assert_int_equal (ending_signal (&e, 1000 * MS), SIGTERM);
    assert_int_equal (ending_signal (&e, 1499 * MS), 0);
    assert_int_equal (e.next_us, 1500 * MS);
    assert_int_equal (ending_signal (&e, 1500 * MS), SIGKILL);
    assert_int_equal (ending_signal (&e, 1500 * MS), 0);
    assert_int_equal (ending_signal (&e, 1600 * MS), SIGKILL);
    assert_int_equal (e.killed, 2);
}

static void parallels_steps (void **state)
{
    (void)state;
    struct ending e = {0};
    ending_begin (&e, OUTCOME_TIMEOUT, 1, 5000, false, false, 0);
    assert_int_equal (ending_signal (&e, 0), SIGTERM);
    assert_int_equal (ending_signal (&e, 199 * MS), 0);
    assert_int_equal (ending_signal (&e, 200 * MS), SIGTERM);
    assert_int_equal (ending_signal (&e, 300 * MS), SIGTERM);
    assert_int_equal (ending_signal (&e, 349 * MS), 0);
    assert_int_equal (ending_signal (&e, 350 * MS), SIGKILL);
}

static void who_is_told_has_half_of_its_grace_before_term (void **state)
{
    (void)state;
    struct ending e = {0};
    ending_begin (&e, OUTCOME_CANCELLED, 0, 600, false, true, 1000 * MS);
    assert_int_equal (ending_signal (&e, 1299 * MS), 0);
    assert_int_equal (ending_signal (&e, 1300 * MS), SIGTERM);
    assert_int_equal (ending_signal (&e, 1599 * MS), 0);
    assert_int_equal (ending_signal (&e, 1600 * MS), SIGKILL); /* not later for that */
    e = (struct ending){0};
    ending_begin (&e, OUTCOME_CANCELLED, 0, 5000, false, true, 0);
    assert_int_equal (e.next_us, 1000 * MS);
    ending_begin (&e, OUTCOME_CANCELLED, 0, 400, false, false, 10 * MS); /* in more of a hurry */
    assert_int_equal (ending_signal (&e, 410 * MS), SIGTERM);
    assert_int_equal (ending_signal (&e, 810 * MS), SIGKILL);
    e = (struct ending){0};
    ending_begin (&e, OUTCOME_TIMEOUT, 1, 5000, false, true, 0);
    assert_int_equal (ending_signal (&e, 199 * MS), 0);
    assert_int_equal (ending_signal (&e, 200 * MS), SIGTERM);
    e = (struct ending){0};
    ending_begin (&e, OUTCOME_CANCELLED, 0, 5000, true, true, 0);
    assert_int_equal (ending_signal (&e, 0), SIGKILL);
}

static void what_came_first_names_the_end_and_the_harder_wins (void **state)
{
    (void)state;
    struct ending e = {0};
    ending_begin (&e, OUTCOME_CANCELLED, 0, 5000, false, false, 0);
    assert_int_equal (ending_signal (&e, 0), SIGTERM);
    ending_begin (&e, OUTCOME_TIMEOUT, 0, 60000, false, false, 10 * MS); /* later: no */
    assert_int_equal (e.next_us, 5000 * MS);
    ending_begin (&e, OUTCOME_TIMEOUT, 0, 100, false, false, 10 * MS); /* sooner: yes */
    assert_int_equal (e.next_us, 110 * MS);
    ending_begin (&e, OUTCOME_CANCELLED, 0, 100, true, false, 20 * MS);
    assert_int_equal (ending_signal (&e, 20 * MS), SIGKILL);
    assert_int_equal (e.how, OUTCOME_CANCELLED);
    ending_begin (&e, OUTCOME_CANCELLED, 0, 0, true, false, 21 * MS);
    assert_int_equal (e.next_us, 30 * MS);
}

#define PAGE_TEST(name) cmocka_unit_test_setup_teardown (name, make_page, drop_page)

int main (void)
{
    const struct CMUnitTest tests[] = {
        PAGE_TEST (rows_are_claimed_in_order_and_once),
        PAGE_TEST (a_run_is_not_taken_for_the_one_before_it_in_the_ring),
        PAGE_TEST (what_is_recalled_cannot_be_claimed),
        PAGE_TEST (a_cancel_is_seen_by_its_row_alone),
        PAGE_TEST (outcomes_are_unsent_until_their_message_has_left),
        PAGE_TEST (a_page_full_of_noise_gives_only_wrong_numbers),
        cmocka_unit_test (the_page_cannot_be_made_smaller),
        cmocka_unit_test (whatever_the_limit_head_and_tail_are_kept),
        cmocka_unit_test (term_grace_kill),
        cmocka_unit_test (parallels_steps),
        cmocka_unit_test (who_is_told_has_half_of_its_grace_before_term),
        cmocka_unit_test (what_came_first_names_the_end_and_the_harder_wins),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
