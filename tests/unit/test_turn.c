/* The broker's turn while it is never done reading: timers run, and nobody is judged by what was
 * not read yet. */
#include "tests/sim/fake_link.h"
#include "tests/unit/sched_harness.h"

enum { A_TURN = 256, STEP_US = 300 * US_PER_MS };

static void ping (struct peer *p)
{
    struct wire w = {.kind = WIRE_PING};
    peer_say (p, &w);
}

/* Time passes in turns of which each leaves something behind. */
static void busy (struct bed *b, struct peer *noisy, int turns)
{
    for (int i = 0; i < turns; i++) {
        for (int n = 0; n < A_TURN; n++)
            ping (noisy);
        b->now += STEP_US / 2;
        bed_turn (b);
    }
}

static void a_client_is_pinged_by_a_broker_that_is_never_done_reading (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *noisy = bed_client (b, "noisy");
    ping (noisy);
    uint64_t before = c->n_pings;
    busy (b, noisy, 30);
    assert_in_range (c->n_pings - before, 2, 3); /* one each 2 s, in 4.5 s */
    bed_free (&b);
}

static void a_silent_worker_is_lost_to_a_broker_that_is_never_done_reading (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *noisy = bed_client (b, "noisy");
    bed_worker (b, "w", 2);
    ping (noisy);
    busy (b, noisy, 100); /* 15 s */
    assert_int_equal (bed_figures (b).workers, 1);
    busy (b, noisy, 50);
    assert_int_equal (bed_figures (b).workers, 0);
    bed_free (&b);
}

static void a_worker_is_not_lost_whose_signs_of_life_are_not_read_yet (void **state)
{
    (void)state;
    enum { PEERS = 600, TURNS = 5, TURN_US = 150 * US_PER_MS }; /* one rotation, five turns */
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.suspect_us = 2 * TURN_US;
    cfg.lost_us = 3 * TURN_US;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *noisy = bed_client (b, "noisy");
    for (int i = 0; i < PEERS; i++)
        bed_client (b, "another");
    struct peer *w = bed_worker (b, "w", 2);
    for (int n = 0; n < A_TURN * TURNS; n++)
        ping (noisy);
    ping (w);
    for (int i = 0; i < TURNS + 1; i++) {
        b->now += TURN_US;
        bed_turn (b);
        assert_int_equal (bed_figures (b).workers, 1);
    }
    bed_pass (b, 4 * TURN_US); /* now all has been read */
    assert_int_equal (bed_figures (b).workers, 0);
    bed_free (&b);
}

/* By the clock it was silent for too long; its word lies there. */
static void a_worker_is_not_judged_before_what_has_arrived_is_read (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *w = bed_worker (b, "w", 2);
    int64_t heard = b->now;
    bed_pass (b, b->cfg.lost_us - 100 * US_PER_MS);
    assert_int_equal (bed_figures (b).workers, 1);
    for (int i = 0; i < 3; i++) {
        b->now = heard + b->cfg.lost_us + 50 * US_PER_MS;
        heard = b->now;
        ping (w);
        bed_turn (b);
        assert_int_equal (bed_figures (b).workers, 1);
        bed_pass (b, b->cfg.lost_us - 100 * US_PER_MS);
    }
    bed_pass (b, US_PER_S);
    assert_int_equal (bed_figures (b).workers, 0);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_client_is_pinged_by_a_broker_that_is_never_done_reading),
        cmocka_unit_test (a_silent_worker_is_lost_to_a_broker_that_is_never_done_reading),
        cmocka_unit_test (a_worker_is_not_lost_whose_signs_of_life_are_not_read_yet),
        cmocka_unit_test (a_worker_is_not_judged_before_what_has_arrived_is_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
