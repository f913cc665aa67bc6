/* Peers that keep to the letter of the protocol and ask for far too much: what they get is an
 * answer, and the memory and time they can cost others have a limit. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/sched_harness.h"

static void ask_status (struct peer *c, uint64_t ref)
{
    struct wire w = {.kind = WIRE_QUERY};
    w.m.query.ref = ref;
    peer_post (c, &w);
}

static void attach (struct peer *c, uint64_t handle, uint64_t id)
{
    struct wire w = {.kind = WIRE_ATTACH};
    w.m.attach.batch = handle;
    w.m.attach.id = id;
    w.m.attach.follow = 1;
    peer_post (c, &w);
}

/* Its token is right, so it is no stranger; but a connection has one session. */
static void a_token_with_another_role_ends_the_old_session (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire hello = {.kind = WIRE_HELLO, .m.hello = c->hello};
    hello.m.hello.token = c->token;
    hello.m.hello.role = ROLE_WORKER;
    hello.m.hello.slots = 1;
    client_submit (c, 1, 0, 0, 10);
    peer_say (c, &hello);
    bed_settle (b);
    assert_int_equal (c->n_welcomes, 2);
    assert_int_equal (bed_figures (b).clients, 0);
    assert_int_equal (bed_figures (b).workers, 1);
    assert_int_equal (bed_figures (b).batches, 0);
    bed_free (&b);
}

static void thousands_of_workers_of_one_name_are_let_in (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    enum { MANY = 3000 }; /* by trying every number for each of them: minutes */
    for (uint64_t i = 0; i < MANY; i++) {
        struct wire hello = {.kind = WIRE_HELLO};
        struct wire_frames f;
        hello.m.hello = (struct msg_hello){
            .min_major = 1, .max_major = 1, .role = ROLE_WORKER, .name = bytes_str ("same")};
        assert_int_equal (wire_encode (&hello, &f, NULL), 0);
        struct wire w;
        assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
        wire_frames_fini (&f);
        struct effects fx = {0};
        struct sched_event ev = {.kind = EVENT_MESSAGE, .route = 1000 + i, .message = &w};
        sched_step ((struct sched *)bed_sched (b), &ev, b->now, &fx);
        effects_fini (&fx);
        wire_fini (&w);
    }
    assert_int_equal (bed_figures (b).workers, MANY);
    bed_free (&b);
}

static void a_client_has_a_limited_number_of_questions_open (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *other = bed_client (b, "other");
    enum { LIMIT = 4096 };
    client_open (c, 1, 0, 0, 50);
    bed_settle (b);
    uint64_t id = client_view (c, 1)->id;
    for (uint64_t ref = 0; ref <= LIMIT; ref++)
        client_wait (c, ref, id, WAIT_FINISHED, 0);
    client_wait (other, 1, id, WAIT_FINISHED, 0);
    bed_settle (b);
    assert_int_equal (client_reply (c, LIMIT), WIRE_BUSY);
    assert_int_equal (client_reply (c, LIMIT - 1), -1);
    assert_int_equal (client_reply (other, 1), -1);
    client_cancel (c, LIMIT + 1, 1, 0, 0); /* refused before anything is cancelled */
    bed_settle (b);
    assert_int_equal (client_reply (c, LIMIT + 1), WIRE_BUSY);
    client_close (c, 1);
    bed_settle (b);
    assert_int_equal (client_reply (c, LIMIT - 1), WIRE_OK);
    assert_int_equal (client_reply (other, 1), WIRE_OK);
    client_wait (c, LIMIT + 2, 999, WAIT_FINISHED, 0);
    bed_settle (b);
    assert_int_equal (client_reply (c, LIMIT + 2), WIRE_UNKNOWN);
    bed_free (&b);
}

static void a_batch_has_a_limited_number_of_readers (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    enum { LIMIT = 1024, EACH = 50 };
    uint64_t readers = 1; /* the owner */
    client_open (c, 1, 0, 0, 50);
    bed_settle (b);
    while (readers < LIMIT) {
        struct peer *many = bed_client (b, "many");
        for (uint64_t n = 0; n < EACH && readers < LIMIT; n++, readers++)
            attach (many, n, client_view (c, 1)->id);
        bed_settle (b);
        assert_int_equal (peer_count (many, WIRE_END), 0);
    }
    struct peer *late = bed_client (b, "late");
    attach (late, 1, client_view (c, 1)->id);
    bed_settle (b);
    struct wire w;
    assert_true (peer_take (late, WIRE_END, &w));
    assert_int_equal (w.m.end.state, BATCH_BROKEN);
    assert_memory_equal (w.m.end.reason.ptr, "busy", 4);
    wire_fini (&w);
    bed_free (&b);
}

static void who_asks_and_reads_nothing_loses_its_session (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.window_bytes = 65536;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *other = bed_client (b, "other");
    c->deaf = true; /* it acknowledges nothing, either */
    for (uint64_t ref = 0; ref < 5000 && bed_figures (b).clients == 2; ref++) {
        ask_status (c, ref);
        bed_turn (b);
    }
    assert_int_equal (bed_figures (b).clients, 1);
    ask_status (other, 1);
    bed_settle (b);
    assert_int_equal (client_reply (other, 1), WIRE_OK);
    bed_free (&b);
}

/* A client that comes back asks again what was not answered, all in one breath. */
static void questions_that_come_at_one_time_are_answered_with_small_windows (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.window_bytes = 512;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    for (uint64_t ref = 1; ref <= 30; ref++)
        ask_status (c, ref);
    bed_settle (b);
    assert_int_equal (c->n_byes, 0);
    assert_int_equal (client_reply (c, 30), WIRE_OK);
    bed_free (&b);
}

/* Which rows it meant is not known, and they must not wait for ever. */
static void a_worker_whose_outcomes_cannot_be_read_is_lost (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *bad = bed_worker (b, "bad", 1);
    struct view *v = client_submit (c, 1, 0, 0, 1);
    assert_int_equal (worker_held (bad, v->id), 1);
    worker_claim (bad, v->id, 0, 1, OUTCOME_PARKED); /* which is not for a worker to say */
    bed_settle (b);
    assert_int_equal (bad->error, WIRE_MALFORMED);
    assert_int_equal (bad->n_byes, 1);
    assert_int_equal (bed_figures (b).workers, 0);
    struct peer *good = bed_worker (b, "good", 1);
    worker_finish (good, v->id, 1, OUTCOME_DONE, 1000);
    bed_settle (b);
    assert_int_equal (v->end.done, 1);
    assert_int_equal (view_got (v, 0)->attempt, 2);
    bed_free (&b);
}

/* Its connection is full, and it pings on. */
static void who_takes_no_answers_is_given_up_and_may_come_back (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    struct wire ping = {.kind = WIRE_PING};
    client_open (c, 1, 0, 0, 50);
    bed_settle (b);
    c->full = true;
    for (int i = 0; i < 5000; i++) {
        peer_say (c, &ping);
        if (i % 100 == 0)
            bed_turn (b);
    }
    bed_turn (b);
    c->full = false;
    peer_say (c, &ping);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_NO_SESSION); /* nothing of the rest came out of order */
    peer_back (c, false);
    bed_settle (b);
    assert_true (c->resumed);
    assert_int_equal (bed_figures (b).batches, 1);
    bed_free (&b);
}

/* Hours of a client that was stopped: the broker's own pings do not pile up. */
static void a_stopped_client_is_kept_however_long (void **state)
{
    (void)state;
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, 0, 0, 50);
    bed_settle (b);
    ask_status (c, 1);
    c->full = true;
    for (int i = 0; i < 6000; i++)
        bed_pass (b, 2 * (int64_t)US_PER_S);
    c->full = false;
    bed_pass (b, 2 * (int64_t)US_PER_S);
    assert_int_equal (client_reply (c, 1), WIRE_OK);
    assert_int_equal (bed_figures (b).batches, 1);
    bed_free (&b);
}

/* Signals have no window: a worker that is stopped would have them pile up. */
static void signals_to_a_worker_that_reads_nothing_do_not_pile_up (void **state)
{
    (void)state;
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.window_bytes = 65536;
    struct bed *b = bed_new (&cfg, NULL);
    struct peer *c = bed_client (b, "c");
    struct peer *w = bed_worker (b, "w", 1);
    client_submit (c, 1, 0, 0, 1);
    bed_settle (b);
    assert_int_equal (worker_held (w, 0), 1);
    w->stalled = true;
    struct wire m = {.kind = WIRE_SIGNAL};
    m.m.signal = (struct msg_signal){.batch = 1, .row = 0, .signo = 15};
    unsigned said = 0;
    while (c->error != WIRE_BUSY && said++ < 100000) {
        peer_post (c, &m);
        if (said % 100 == 0)
            bed_settle (b);
    }
    assert_int_equal (c->error, WIRE_BUSY);
    peer_wake (w);
    bed_settle (b);
    bed_run (b, 1000); /* it goes on as ever */
    assert_int_equal (view_count (client_view (c, 1), OUTCOME_DONE), 1);
    bed_free (&b);
}

static struct bed *small_bed (void)
{
    struct sched_config cfg;
    sched_config_defaults (&cfg);
    cfg.queue_bytes = 100000;
    cfg.overflow_bytes = 100000;
    cfg.window_bytes = 65536;
    return bed_new (&cfg, NULL);
}

/* The model client does not mind its window: it is the one that gets no more. */
static void what_is_sent_against_a_shut_window_is_refused_at_twice_the_limit (void **state)
{
    (void)state;
    struct bed *b = small_bed ();
    struct peer *c = bed_client (b, "c");
    client_open (c, 1, 0, 0, 50);
    client_spec (c, 1, 0, FORM_FUNCTION, "echo", 1);
    for (int i = 0; i < 30; i++)
        client_rows (c, 1, 1000);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_BUSY);
    struct view *v = client_view (c, 1);
    assert_true (v->ended);
    assert_int_equal (v->end.state, BATCH_CANCELLED);
    assert_true (v->end.total < 30000);
    client_submit (c, 2, 0, 0, 10); /* with the rows gone there is room again */
    assert_int_equal (bed_figures (b).waiting, 10);
    bed_free (&b);
}

static void specs_and_batches_take_room_as_well (void **state)
{
    (void)state;
    struct bed *b = small_bed ();
    struct peer *c = bed_client (b, "c");
    char text[1000];
    memset (text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    client_open (c, 1, 0, 0, 50);
    for (uint64_t spec = 0; spec < 300; spec++)
        client_spec (c, 1, spec, FORM_FUNCTION, text, 1);
    bed_settle (b);
    assert_int_equal (c->error, WIRE_BUSY);
    assert_int_equal (client_view (c, 1)->end.state, BATCH_CANCELLED);
    unsigned refused = 0;
    for (int i = 0; i < 10; i++) {
        struct peer *d = bed_client (b, "d");
        for (uint64_t handle = 1; handle <= 50; handle++) {
            struct wire open = {.kind = WIRE_OPEN};
            open.m.open.batch = handle;
            open.m.open.name = bytes_of (text, 256);
            peer_post (d, &open);
        }
        bed_settle (b);
        refused += peer_count (d, WIRE_END);
        assert_true (!d->n_errors || d->last_error.retry_ms);
    }
    assert_true (bed_figures (b).batches < 250);
    assert_int_equal (bed_figures (b).batches + refused, 500);
    bed_free (&b);
}

static void without_room_an_unread_batch_pauses_below_its_own_limit (void **state)
{
    (void)state;
    struct bed *b = small_bed ();
    struct peer *c = bed_client (b, "c");
    client_open (c, 2, 0, 0, 50);
    client_spec (c, 2, 0, FORM_FUNCTION, "echo", 1);
    client_rows (c, 2, 5000);
    bed_settle (b);
    struct peer *w = bed_worker (b, "w", 1);
    bed_settle (b);
    uint64_t id = client_view (c, 2)->id;
    c->stalled = true;
    for (int i = 0; i < 5000 && worker_held (w, id); i++) {
        struct wire out = {.kind = WIRE_OUTPUT};
        static const char bytes[5000];
        out.m.output.batch = id;
        out.m.output.row = w->held[0].row;
        out.m.output.attempt = w->held[0].attempt;
        out.m.output.stream = 1;
        out.body[0] = slice_borrowed (bytes, sizeof bytes);
        peer_post (w, &out);
        worker_finish (w, id, 1, OUTCOME_DONE, 50000);
        bed_settle (b);
    }
    assert_int_equal (worker_held (w, id), 0); /* and it is granted no more */
    assert_true (bed_figures (b).waiting > 4000);
    peer_wake (c);
    bed_settle (b);
    assert_true (worker_held (w, id) > 0);
    bed_free (&b);
}

static void a_detached_batch_that_outgrows_all_room_ends_and_says_why (void **state)
{
    (void)state;
    struct bed *b = small_bed ();
    struct peer *c = bed_client (b, "c");
    struct view *v = client_submit (c, 1, BATCH_DETACHED, 0, 5000);
    struct peer *w = bed_worker (b, "w", 1);
    bed_settle (b);
    uint64_t id = v->id;
    for (int i = 0; i < 5000 && !v->ended; i++) {
        struct wire out = {.kind = WIRE_OUTPUT};
        static const char bytes[5000];
        out.m.output.batch = id;
        out.m.output.row = w->n_held ? w->held[0].row : 0;
        out.m.output.attempt = 1;
        out.m.output.stream = 1;
        out.body[0] = slice_borrowed (bytes, sizeof bytes);
        peer_post (w, &out);
        worker_finish (w, id, 1, OUTCOME_DONE, 50000);
        bed_pass (b, 50000);
    }
    assert_int_equal (v->end.state, BATCH_CANCELLED);
    assert_true (v->end.done < 100);
    bed_pass (b, US_PER_S);
    client_submit (c, 2, 0, 0, 10);
    bed_run (b, 1000);
    assert_true (client_view (c, 2)->ended);
    bed_free (&b);
}

static void a_key_is_compared_to_its_last_byte (void **state)
{
    (void)state;
    static const char KEYS[3][4] = {"ab\0", "ab\0c", "ab"};
    static const size_t LENGTHS[3] = {3, 4, 2};
    struct bed *b = bed_new (NULL, NULL);
    struct peer *c = bed_client (b, "c");
    for (uint64_t i = 0; i < 6; i++) {
        struct wire open = {.kind = WIRE_OPEN};
        open.m.open.batch = 1 + i;
        open.m.open.key = bytes_of (KEYS[i % 3], LENGTHS[i % 3]);
        peer_post (c, &open);
    }
    bed_settle (b);
    assert_int_equal (bed_figures (b).batches, 3);
    bed_free (&b);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_token_with_another_role_ends_the_old_session),
        cmocka_unit_test (thousands_of_workers_of_one_name_are_let_in),
        cmocka_unit_test (a_client_has_a_limited_number_of_questions_open),
        cmocka_unit_test (a_batch_has_a_limited_number_of_readers),
        cmocka_unit_test (who_asks_and_reads_nothing_loses_its_session),
        cmocka_unit_test (questions_that_come_at_one_time_are_answered_with_small_windows),
        cmocka_unit_test (a_worker_whose_outcomes_cannot_be_read_is_lost),
        cmocka_unit_test (who_takes_no_answers_is_given_up_and_may_come_back),
        cmocka_unit_test (a_stopped_client_is_kept_however_long),
        cmocka_unit_test (signals_to_a_worker_that_reads_nothing_do_not_pile_up),
        cmocka_unit_test (what_is_sent_against_a_shut_window_is_refused_at_twice_the_limit),
        cmocka_unit_test (specs_and_batches_take_room_as_well),
        cmocka_unit_test (without_room_an_unread_batch_pauses_below_its_own_limit),
        cmocka_unit_test (a_detached_batch_that_outgrows_all_room_ends_and_says_why),
        cmocka_unit_test (a_key_is_compared_to_its_last_byte),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
